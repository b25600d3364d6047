"""The command line, read from source files: help answers at once, because it imports none of them.

Torch alone takes two seconds. A command is a module with a dataclass `Options` and a function `run(options)`;
its file has the command's name, and a folder holds subcommands. The fields of Options are its options, and
its docstring is its help:

    lr: float = 0.001                                  --lr 0.002
    resume: bool = False                               --resume
    tied: bool = True                                  --tied, --no-tied
    bits: Literal[8, 4] = 8                            --bits 4
    port: Annotated[int, Range(0, 65_535)] = 8000      --port 80
    text: Annotated[list[str], Positional()]           a.txt b.txt
    say: list[str] = field(default_factory=list)       --say Hi --say Bye
    model: Annotated[Path, Alias("--checkpoint")]      --model x or --checkpoint x; it must be given
    config: Annotated[Path | None, Tables("model")]    --config x.toml, whose [model] stands in for options
    fields: Annotated[dict, GPTConfig, TrainConfig]    an option for each of their fields; a ChainMap of those
                                                       that were typed, and those in the file of --config
"""

import argparse
import ast
import importlib
import pkgutil
import re
import tomllib
import types
import typing
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from companion.runtime.terminal import waiting

TABLES = ("", "model", "training", "generation")
"""The tables of a file of settings; "": the lines before the first one."""
OF_RUN = {"data", "init", "minutes", "judge"}
"""What stands before the first table."""
BY_DATA = {"vocab_size"}
"""Fields of a model's configuration that no option sets, because the data do."""


@dataclass
class Range:
    """The least and the largest value of a number."""

    low: float
    high: float = 10**9


@dataclass
class Alias:
    """Another name of an option."""

    name: str


class Positional:
    """An argument without a name."""


class Tables:
    """The tables of a file of settings that a command takes."""

    def __init__(self, *names: str):
        self.names = names


class MayBeEmpty:
    """A text that may be empty."""


class Names(dict):
    """What the names in an annotation stand for; that of any other class is itself."""

    def __missing__(self, name: str) -> str:
        return name


KNOWN = Names({kind.__name__: kind for kind in (int, float, str, bool, list, dict, tuple, Path)})
KNOWN |= {kind.__name__: kind for kind in (Range, Alias, Positional, Tables, MayBeEmpty)}
KNOWN |= {"Literal": Literal, "Annotated": Annotated, "None": None}


@dataclass
class Field:
    """A field of a dataclass as its source has it."""

    name: str
    kind: Any
    marks: tuple  # what Annotated says besides
    default: Any  # the value, where it is a literal
    required: bool
    help: str

    @property
    def flag(self) -> str:
        """The name as it is typed."""
        return self.name if self.mark(Positional) else f"--{self.name.replace('_', '-')}"

    def mark(self, kind: type) -> Any:
        """The mark of a kind, or None."""
        return next((mark for mark in self.marks if isinstance(mark, kind)), None)


# -- sources -------------------------------------------------------------------------------------------------


@cache
def tree_of(module: str) -> ast.Module:
    """The syntax tree of a module, which is not imported."""
    return ast.parse(Path(find_spec(module).origin).read_text("utf-8"))


def find_class(module: str, name: str) -> tuple[str, ast.ClassDef]:
    """A class that a module has or imports: (module, definition)."""
    for node in tree_of(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return find_class(node.module, name)
    raise LookupError(f"{module} has no class {name}")


def sections_of(text: str) -> dict[str, str]:
    """The sections of a docstring in Google's style; "" is what stands before the first."""
    parts = re.split(r"^(Args|Raises|Example|Reference|Returns):\n", text, flags=re.MULTILINE)
    return {"": parts[0].strip()} | dict(zip(parts[1::2], parts[2::2], strict=True))


def texts_of(node: ast.ClassDef) -> dict[str, str]:
    """What the docstring of a class says of each field."""
    said = sections_of(ast.get_docstring(node) or "").get("Args", "")
    parts = re.split(r"^ {4}(\w+): ", said, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def fields_of(module: str, name: str) -> dict[str, Field]:
    """The fields of a dataclass, those of its bases first."""
    module, node = find_class(module, name)
    found = {}
    for base in node.bases:
        found |= fields_of(module, base.id)
    texts = texts_of(node)
    for line in node.body:
        if not isinstance(line, ast.AnnAssign) or ast.unparse(line.annotation).startswith("ClassVar"):
            continue
        kind = eval(ast.unparse(line.annotation), {"__builtins__": {}}, KNOWN)
        marks = ()
        if typing.get_origin(kind) is Annotated:
            kind, *marks = typing.get_args(kind)
        if typing.get_origin(kind) in (types.UnionType, typing.Union):
            kind = typing.get_args(kind)[0]
        try:
            default = ast.literal_eval(line.value) if line.value else None
        except ValueError:
            default = None  # computed; the docstring describes it
        before = found[line.target.id].help if line.target.id in found else ""
        text = texts.get(line.target.id, before)
        found[line.target.id] = Field(line.target.id, kind, tuple(marks), default, line.value is None, text)
    return found


# -- the parser ----------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ValueErrors of one line."""

    def error(self, message: str):
        message = re.sub(r"^argument \S+: (?=\S+=)", "", message)
        raise ValueError(f"{message}; see {self.prog} --help")


def suggestion(word: str, known: Iterable[str]) -> str:
    """What is said of a word that is almost one of those that are known."""
    found = get_close_matches(word, known, 1)
    return f" (did you mean {found[0]}?)" if found else ""


def reader_of(field: Field) -> Callable[[str], Any]:
    """What makes a value of a word, or says in one line why it cannot."""
    kind = typing.get_args(field.kind)[0] if typing.get_args(field.kind) else field.kind
    limits = field.mark(Range)
    rule = {int: "a whole number", float: "a number"}.get(kind, "")
    if limits:
        rule += f" from {limits.low:,} to {limits.high:,}"

    def read(word: str) -> Any:
        if not word and not field.mark(MayBeEmpty):
            remedy = "write '.' for the current folder" if kind is Path else "name one, or leave it out"
            raise argparse.ArgumentTypeError(f"{field.flag}='' is empty; {remedy}")
        try:
            value = kind(word)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{field.flag}={word!r:.40} must be {rule}") from None
        if limits and not limits.low <= value <= limits.high:  # NaN is in no range
            raise argparse.ArgumentTypeError(f"{field.flag}={word:.40} must be {rule}")
        return value

    return read


def add_field(parser: Any, field: Field, both: bool = False) -> None:
    """Add the option of a field. both: a switch can be switched off as well."""
    text = field.help
    if field.default not in (None, False, ()):
        shown = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        text += f" Default: {'on' if shown is True else shown}."
    names = [field.flag]
    more = {"help": text.replace("%", "%%"), "default": argparse.SUPPRESS}
    if alias := field.mark(Alias):
        names.append(alias.name)
    if field.kind is bool:
        switch = both or field.default is True
        parser.add_argument(*names, action=argparse.BooleanOptionalAction if switch else "store_true", **more)
        return
    origin = typing.get_origin(field.kind)
    if origin is Literal:
        more |= {"choices": typing.get_args(field.kind), "type": type(typing.get_args(field.kind)[0])}
    else:
        more |= {"type": reader_of(field), "metavar": field.name.upper()}
    if origin is tuple:
        more |= {"nargs": len(typing.get_args(field.kind)), "metavar": "X"}
    if field.mark(Positional):
        if not field.required:
            more["nargs"] = "?"
        if origin is list:
            more["nargs"] = "+" if field.required else "*"
    elif origin is list:
        more["action"] = "append"
    if field.required and not field.mark(Positional):
        more["required"] = True
    parser.add_argument(*names, **more)


def describe(parser: Parser, docstring: str) -> None:
    """Put what a docstring says above and below the options."""
    said = sections_of(docstring)
    parser.description = said[""]
    parser.epilog = f"example: {said['Example'].strip()}" if "Example" in said else None


def add_options(parser: argparse.ArgumentParser, module: str) -> None:
    """Add the options of a command, and what its docstring says."""
    _, node = find_class(module, "Options")
    texts = texts_of(node)
    fields = fields_of(module, "Options")
    for field in fields.values():
        if field.kind is not dict:
            add_field(parser, field)
            continue
        seen = set(fields) | BY_DATA
        for name in field.marks:
            there = fields_of(module, name)
            group = parser.add_argument_group(f"fields of {name}")
            for key in there.keys() - seen:
                there[key].help = texts.get(key, there[key].help)
            for key in [key for key in there if key not in seen]:
                add_field(group, there[key], both=True)
            seen |= set(there)
    words = [
        field.name.upper() + (" ..." if typing.get_origin(field.kind) is list else "")
        for field in fields.values()
        if field.mark(Positional)
    ]
    parser.usage = " ".join([parser.prog, "[options]", *words])
    describe(parser, ast.get_docstring(node))


def summary_of(module: str) -> str:
    """What a command does, in a line: of a folder, the first line of its docstring."""
    text = ast.get_docstring(tree_of(module))
    if find_spec(module).submodule_search_locations is None:
        text = ast.get_docstring(find_class(module, "Options")[1])
    line = text.splitlines()[0].rstrip(".")
    return line[0].lower() + line[1:]


def commands_in(folder: Sequence[str]) -> list[str]:
    """The names of the commands in a folder, whose other files begin with _."""
    return sorted(found.name for found in pkgutil.iter_modules(folder) if found.name[0] != "_")


def add_commands(parser: Parser, package: str, names: Sequence[str], argv: list[str]) -> None:
    """Add the commands of a folder: with the options of the one that is asked for, or else all texts."""
    asked = argv[0] if argv and argv[0] in names else None
    if argv and not asked and argv[0][:1] != "-":
        parser.error(f"no command is called {argv[0]!r}{suggestion(argv[0], names)}")
    children = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for name in names:
        module = f"{package}.{name}"
        if asked is None:
            children.add_parser(name, help=summary_of(module))
            continue
        child = children.add_parser(name)
        if name == asked and (folder := find_spec(module).submodule_search_locations):
            describe(child, ast.get_docstring(tree_of(module)))
            add_commands(child, module, commands_in(folder), argv[1:])
        elif name == asked:
            add_options(child, module)
            child.set_defaults(module=module, parser=child)


# -- values --------------------------------------------------------------------------------------------------


def words_of(path: Path, tables: tuple[str, ...]) -> Iterator[str]:
    """The words of a command line that stand for a file's settings. ValueError for what cannot be there."""
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ValueError(f"--config={path} cannot be read ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no TOML: {' '.join(str(error).split())}") from None
    settings = {"": {name: value for name, value in found.items() if not isinstance(value, dict)}}
    settings |= {name: value for name, value in found.items() if isinstance(value, dict)}
    for name in settings[""].keys() - OF_RUN:
        there = f"belongs below [{'], ['.join(TABLES[1:])}] or nowhere"
        raise ValueError(f"{path}: {name} has no place in the lines before the first table; it {there}")
    for table, values in settings.items():
        if table not in TABLES:
            raise ValueError(f"{path}: no table is called [{table}]; there are [{'], ['.join(TABLES[1:])}]")
        for name, value in values.items() if table in tables else ():
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                yield flag if value else flag.replace("--", "--no-", 1)
            elif isinstance(value, list):
                yield from (flag, *map(str, value))
            else:
                yield f"{flag}={value}"


def parse(parser: argparse.ArgumentParser, argv: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was typed, and what the file of --config says, by the names of fields."""
    args, unknown = parser.parse_known_args(argv)
    given = vars(args)
    asked = given.pop("parser", parser)
    fields = fields_of(given["module"], "Options")
    lists = [name for name, field in fields.items() if field.mark(Positional) and "list" in str(field.kind)]
    if lists and not any(word.startswith("-") for word in unknown):  # words behind an option
        given[lists[0]] = given.get(lists[0], []) + unknown
    elif unknown:
        like = suggestion(unknown[0], asked._option_string_actions)
        asked.error(f"unrecognized arguments: {' '.join(unknown)}{like}")
    if path := given.get("config"):
        words = words_of(path, fields["config"].mark(Tables).names)
        alone = Parser(prog=asked.prog, parents=[asked], add_help=False, allow_abbrev=False)
        for action in alone._actions:
            action.required = False
        try:
            of_file, unknown = alone.parse_known_args(list(words))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if unknown:
            name = unknown[0].partition("=")[0].strip("-").replace("-", "_")
            raise ValueError(f"{path}: {name} is no setting; {asked.prog} --help lists them")
        return given, vars(of_file)
    return given, {}


def options_of(package: str, names: Sequence[str], argv: list[str], about: str = "") -> tuple[Any, Any]:
    """The module of the command that the words name, imported, and its Options."""
    parser = Parser(
        prog="companion", description=about, epilog="companion COMMAND --help describes its options."
    )
    parser.add_argument("--version", action="store_true", help="show the installed versions and exit")
    add_commands(parser, package, names, argv)
    given = ChainMap(*parse(parser, argv))
    module = given.pop("module")
    own = fields_of(module, "Options")
    options = {name: value for name, value in given.items() if name in own}
    for field in own.values():
        if field.kind is dict:
            maps = [{name: x for name, x in one.items() if name not in own} for one in given.maps]
            options[field.name] = ChainMap(*maps)
    imported = importlib.import_module(module)
    return imported, imported.Options(**options)


def carry_out(package: str, names: Sequence[str], argv: list[str], about: str = "") -> None:
    """Do what the words of a command line say."""
    with waiting("Loading"):
        module, options = options_of(package, names, argv, about)
    with waiting("Working"):
        module.run(options)
