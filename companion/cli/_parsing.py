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
    fields: Annotated[dict, GPTConfig, TrainConfig]    an option for each of their fields
    MOST_USED: ClassVar = "lr bits"                    --help shows these alone, --help-all shows all
"""

import argparse
import ast
import dataclasses
import importlib
import pkgutil
import platform
import re
import shlex
import tomllib
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from companion.runtime.terminal import as_typed, suggestion, waiting

TABLES = ("model", "training", "generation")
"""The tables of a file of settings, below the lines before the first one, which is called "" here."""
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


KNOWN = Names({kind.__name__: kind for kind in (int, float, str, bool, list, tuple, dict, Path)})
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
    section = sections_of(ast.get_docstring(node) or "").get("Args", "")
    parts = re.split(r"^ {4}(\w+): ", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def fields_of(module: str, name: str) -> dict[str, Field]:
    """The fields of a dataclass, those of its bases first."""
    module, node = find_class(module, name)
    found = {}
    for base in node.bases:
        found |= fields_of(module, ast.unparse(base))
    for line in node.body:
        if not isinstance(line, ast.AnnAssign) or ast.unparse(line.annotation).startswith("ClassVar"):
            continue
        kind = eval(ast.unparse(line.annotation), {"__builtins__": {}}, KNOWN)
        marks: list = []
        if typing.get_origin(kind) is Annotated:
            kind, *marks = typing.get_args(kind)
        if typing.get_origin(kind) in (types.UnionType, typing.Union):
            kind = typing.get_args(kind)[0]
        try:
            default = ast.literal_eval(line.value) if line.value else None
        except ValueError:
            default = None  # computed; the docstring describes it
        option = ast.unparse(line.target)
        text = found[option].help if option in found else ""  # a base's
        found[option] = Field(option, kind, tuple(marks), default, line.value is None, text)
    texts = texts_of(node)
    for option, field in found.items():
        field.help = texts.get(option, field.help)
    return found


# -- the parser ----------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ValueErrors of one line."""

    def error(self, message: str):
        message = re.sub(r"^argument \S+: (?=\S+=)", "", message)
        raise ValueError(f"{message}; see {self.prog} --help")


def reader_of(field: Field) -> Callable[[str], Any]:
    """What makes a value of a word, or says in one line why it cannot."""
    kind = typing.get_args(field.kind)[0] if typing.get_args(field.kind) else field.kind
    limits = field.mark(Range)
    rule = {int: "a whole number", float: "a number"}.get(kind, "")
    if limits:
        rule += f" from {limits.low:,} to {limits.high:,}"

    def read(word: str) -> Any:
        if not word and not field.mark(MayBeEmpty):
            raise argparse.ArgumentTypeError(f"{field.flag}='' is empty; name one, or leave it out")
        try:
            value = kind(word)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{field.flag}={word!r:.40} must be {rule}") from None
        if limits and not limits.low <= value <= limits.high:  # NaN is in no range
            raise argparse.ArgumentTypeError(f"{field.flag}={word:.40} must be {rule}")
        return value

    return read


def add_field(parser: Any, field: Field, both: bool, is_shown: bool) -> None:
    """Add the option of a field.

    Args:
        parser: The parser, or a group of its options.
        field: The field.
        both: Whether a switch can be switched off as well.
        is_shown: Whether the help describes it.
    """
    text = field.help
    if field.default not in (None, False, ()) and "Default:" not in text:
        shown = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        text += f" Default: {'on' if shown is True else shown}."
    names = [field.flag]
    more: dict[str, Any] = {"help": text.replace("%", "%%"), "default": argparse.SUPPRESS}
    if not is_shown:
        more["help"] = argparse.SUPPRESS
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
            more |= {"nargs": "?", "default": None}  # argparse would read SUPPRESS as a word
        if origin is list:
            more["nargs"] = "+" if field.required else "*"
    elif origin is list:
        more["action"] = "append"
    if field.required and not field.mark(Positional):
        more["required"] = True
    parser.add_argument(*names, **more)


def most_used_of(module: str) -> list[str]:
    """The options that the help of a command shows; none where it shows all."""
    for line in find_class(module, "Options")[1].body:
        if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == "MOST_USED":
            return ast.literal_eval(line.value).split()
    return []


def add_options(parser: Parser, module: str, show_all: bool) -> None:
    """Add the options of a command.

    Args:
        parser: The parser of the command.
        module: The command.
        show_all: Whether its help shows all options, also where the command names the most used ones.
    """
    fields = fields_of(module, "Options")
    most_used = most_used_of(module)
    others: Any = parser
    if most_used:
        about = "show all options and exit; those that are not shown here work, too"
        parser.add_argument("--help-all", action="help", help=about)
        often = parser.add_argument_group("most used options")
        others = parser.add_argument_group("other options")

    def add(group: Any, field: Field, both: bool = False) -> None:
        is_often = field.name in most_used
        add_field(often if is_often else group, field, both, is_often or show_all or not most_used)

    words = [parser.prog, "[options]"]
    seen = set(fields) | BY_DATA
    texts = texts_of(find_class(module, "Options")[1])
    for field in fields.values():
        if field.mark(Positional):
            words.append(field.name.upper() + (" ..." if typing.get_origin(field.kind) is list else ""))
        if field.kind is not dict:
            add(others, field)
            continue
        for name in field.marks:
            title = f"fields of {name} (the preset or the command may have other defaults)"
            group = parser.add_argument_group(title)
            for key, found in fields_of(module, name).items():
                if key not in seen:
                    add(group, dataclasses.replace(found, help=texts.get(key, found.help)), both=True)
                seen.add(key)
    parser.usage = " ".join(words)


def docstring_of(module: str) -> str:
    """The help of a command: of a folder, its own docstring, else that of its Options."""
    if find_spec(module).submodule_search_locations:
        return ast.get_docstring(tree_of(module))
    return ast.get_docstring(find_class(module, "Options")[1])


def summary_of(module: str) -> str:
    """What a command does, in a line."""
    line = docstring_of(module).splitlines()[0].rstrip(".")
    return line[0].lower() + line[1:]


def list_commands(parser: Parser, module: str, names: Sequence[str], words: Sequence[str]) -> None:
    """Print the help of a folder of commands.

    Raises:
        ValueError: If the help was not asked for, and no command is named.
    """
    if module == __package__:
        versions = f"companion {metadata.version('companion')}, PyTorch {metadata.version('torch')}"
        versions += f", Python {platform.python_version()}"
        about = "show the installed versions and exit"
        parser.add_argument("--version", action="version", version=versions, help=about)
        parser.epilog = f"New here? To talk with the course's model at once: {as_typed('companion', 'chat')}"
    about = f"{parser.prog} COMMAND --help describes its options."
    commands = parser.add_subparsers(title="commands", description=about, metavar="COMMAND", required=True)
    for name in names:
        commands.add_parser(name, help=summary_of(f"{module}.{name}"))
    parser.parse_args(words)


def find_command(words: Sequence[str], names: Sequence[str]) -> tuple[str, Parser, list[str]]:
    """Find the command that the words of a command line name.

    Args:
        words: The words after `companion`.
        names: The commands; those in a folder are found there.

    Returns:
        The module of the command, its parser, and the words for it.
    """
    module, prog = __package__, "companion"
    while folder := find_spec(module).submodule_search_locations:
        if module != __package__:
            names = sorted(found.name for found in pkgutil.iter_modules(folder) if found.name[0] != "_")
        if not words or words[0].startswith("-"):
            list_commands(parser_of(prog, module), module, names, words)
        name, *words = words
        if name not in names:
            raise ValueError(f"no command is called {name!r}{suggestion(name, names)}; see {prog} --help")
        module, prog = f"{module}.{name}", f"{prog} {name}"
    parser = parser_of(prog, module)
    add_options(parser, module, show_all="--help-all" in words)
    return module, parser, list(words)


def parser_of(prog: str, module: str) -> Parser:
    """A parser with what a docstring says above and below the options."""
    sections = sections_of(docstring_of(module))
    example = f"example: {sections['Example'].strip()}" if "Example" in sections else None
    return Parser(prog=prog, description=sections[""], epilog=example)


# -- values --------------------------------------------------------------------------------------------------


def words_of(path: Path, tables: tuple[str, ...]) -> Iterator[str]:
    """The words of a command line that stand for these tables of a file of settings."""
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ValueError(f"--config={path} cannot be read ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no TOML: {' '.join(str(error).split())}") from None
    settings = {"": {name: value for name, value in found.items() if not isinstance(value, dict)}}
    settings |= {name: value for name, value in found.items() if isinstance(value, dict)}
    for table, values in settings.items():
        if table not in ("", *TABLES):
            raise ValueError(f"{path}: no table is called [{table}]; there are [{'], ['.join(TABLES)}]")
        for name, value in values.items() if table in tables else ():
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                yield flag if value else flag.replace("--", "--no-", 1)
            elif isinstance(value, list):
                yield from (flag, *map(str, value))
            else:
                yield f"{flag}={value}"


def hint_for(unknown: Sequence[str], known: Collection[str]) -> str:
    """Which option the words may have been meant for: a path for --checkpoint, other words for a text."""
    first = unknown[0]
    if any(word.startswith("-") for word in unknown):
        return suggestion(first.partition("=")[0], known)
    typed = shlex.join([" ".join(unknown)])
    is_path = len(Path(first).parts) > 1 or Path(first).exists()
    for option in ("--prompt", "--say"):
        if option in known and not is_path:
            return f" (did you mean {option} {typed}?)"
    of_model = f" (did you mean --checkpoint {typed}?)" if "--model" in known else ""
    return suggestion(first, known) or of_model


def parse(parser: Parser, words: Sequence[str]) -> dict[str, Any]:
    """What the words say, by the names of fields."""
    args, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        hint = hint_for(unknown, parser._option_string_actions)
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return {name: value for name, value in vars(args).items() if value is not None}


def options_of(words: Sequence[str], names: Sequence[str]) -> tuple[types.ModuleType, Any]:
    """The module of the command that the words name, imported, and its Options."""
    module, parser, words = find_command(words, names)
    fields = fields_of(module, "Options")
    given = parse(parser, words)
    if path := given.get("config"):
        try:
            given = parse(parser, list(words_of(path, fields["config"].mark(Tables).names))) | given
        except ValueError as error:
            message = str(error)
            raise ValueError(message if str(path) in message else f"{path}: {message}") from None
    options = {name: value for name, value in given.items() if name in fields}
    for field in fields.values():
        if field.kind is dict:
            options[field.name] = {name: value for name, value in given.items() if name not in fields}
    imported = importlib.import_module(module)
    return imported, imported.Options(**options)


def carry_out(words: Sequence[str], names: Sequence[str]) -> None:
    """Do what the words of a command line say."""
    with waiting("Loading"):
        module, options = options_of(words, names)
    module.run(options)


# -- options that were given ---------------------------------------------------------------------------------


def take(options: Any, fields: dict) -> None:
    """Fields stand in for the options that were not given."""
    for name, value in fields.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def names_of(config_class: type) -> set[str]:
    """The fields of a config dataclass."""
    return {field.name for field in dataclasses.fields(config_class)}


def refuse(options: Any, names: Sequence[str], why: str) -> None:
    """Check that options which would be ignored were not given.

    Raises:
        ValueError: For the first of the options that was given.
    """
    given = options if isinstance(options, Mapping) else vars(options)
    for name in names:
        if given.get(name) is not None and given[name] is not False:
            raise ValueError(f"--{name.replace('_', '-')} {why}; leave it out")
