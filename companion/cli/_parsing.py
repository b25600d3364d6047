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
    CONFIGS: ClassVar = "gpt.GPTConfig"                an option for each field of GPTConfig, kept in `fields`
    TABLES: ClassVar = "top model"                     --config x.toml: the lines before its first table, and
                                                       its [model], stand in for options
    MOST_USED: ClassVar = "lr bits"                    --help shows these alone, --help-all shows all
"""

import argparse
import ast
import contextlib
import importlib
import pkgutil
import platform
import re
import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from companion.runtime.terminal import as_typed, joined_lines, suggestion, waiting

TABLES = ("model", "training", "generation")
"""The tables of a file of settings, below the lines before the first one, which are called "top" here."""
BY_DATA = {"vocab_size"}
"""Fields of a model's configuration that no option sets, because the data do."""


# -- the fields of options, read from source ----------------------------------------------------------------


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


class MayBeEmpty:
    """A text that may be empty."""


IN_ANNOTATIONS = {"Annotated": Annotated, "Literal": Literal, "Path": Path}
IN_ANNOTATIONS |= {mark.__name__: mark for mark in (Range, Alias, Positional, MayBeEmpty)}
"""What the annotations of options may name, beside what is built in."""


@dataclass
class Field:
    """A field of a dataclass as its source has it."""

    name: str
    kind: Any
    marks: Sequence  # what Annotated says besides
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


def kind_of(annotation: ast.expr) -> tuple[Any, Sequence]:
    """What an annotation says: the type of a value, without its None, and the marks beside it."""
    kind = eval(ast.unparse(annotation), IN_ANNOTATIONS)  # our own source, with these names only
    marks: Sequence = ()
    if typing.get_origin(kind) is Annotated:
        kind, *marks = typing.get_args(kind)
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        kind = typing.get_args(kind)[0]
    return kind, marks


def fields_of(module: str, name: str) -> dict[str, Field]:
    """The fields of a dataclass, those of its bases first."""
    module, node = find_class(module, name)
    found = {}
    for base in node.bases:
        found |= fields_of(module, ast.unparse(base))
    texts = {option: field.help for option, field in found.items()} | texts_of(node)
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and not ast.unparse(line.annotation).startswith("ClassVar"):
            option = ast.unparse(line.target)
            kind, marks = kind_of(line.annotation)
            default = None
            with contextlib.suppress(ValueError):  # of a default that is computed
                default = ast.literal_eval(line.value) if line.value else None
            found[option] = Field(option, kind, marks, default, line.value is None, "")
    for option, field in found.items():
        field.help = texts.get(option, "")
    return found


# -- the parser ----------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ValueErrors of one line."""

    def error(self, message: str) -> NoReturn:
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


def choice_of(field: Field) -> Callable[[str], Any]:
    """What finds the choice that a word names, or says in one line which there are."""
    choices = {str(choice): choice for choice in typing.get_args(field.kind)}
    name = field.flag.upper() if field.mark(Positional) else field.flag

    def read(word: str) -> Any:
        if word not in choices:
            rule = f"must be one of {', '.join(choices)}{suggestion(word, choices)}"
            raise argparse.ArgumentTypeError(f"{name}={word!r:.40} {rule}")
        return choices[word]

    return read


def help_of(field: Field) -> str:
    """What the help says of a field, with its default."""
    text = field.help
    default = field.default
    if default not in (None, False, ()) and "Default:" not in text:
        if isinstance(default, tuple):
            default = " ".join(map(str, default))
        text += f" Default: {'on' if default is True else default}."
    return text.replace("%", "%%")


def add_field(parser: Any, field: Field, both: bool, is_shown: bool) -> None:
    """Add the option of a field.

    Args:
        parser: The parser, or a group of its options.
        field: The field.
        both: Whether a switch can be switched off as well.
        is_shown: Whether the help describes it.
    """
    shape = typing.get_origin(field.kind)
    parts = typing.get_args(field.kind)
    more: dict[str, Any] = {"help": help_of(field) if is_shown else argparse.SUPPRESS, "default": None}
    if field.kind is bool:
        is_switch = both or field.default is True
        more["action"] = argparse.BooleanOptionalAction if is_switch else "store_true"
    elif shape is Literal:
        more["type"] = choice_of(field)
        more["metavar"] = f"{{{','.join(map(str, parts))}}}"
    else:
        more["type"] = reader_of(field)
        more["metavar"] = field.name.upper()
    if shape is tuple:
        more["nargs"] = len(parts)
        more["metavar"] = "X"
    if not field.mark(Positional):
        more["required"] = field.required
        if shape is list:
            more["action"] = "append"
    elif shape is list:
        more["nargs"] = "+" if field.required else "*"
    elif not field.required:
        more["nargs"] = "?"
    alias = field.mark(Alias)
    names = [field.flag, alias.name] if alias else [field.flag]
    parser.add_argument(*names, **more)


def words_in(module: str, name: str) -> list[str]:
    """The words that a class variable of a command's Options holds; none where it has no such variable."""
    for line in find_class(module, "Options")[1].body:
        if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == name:
            return ast.literal_eval(line.value).split()
    return []


def fields_in_groups(module: str) -> dict[str, list[Field]]:
    """The options of a command by the titles of its help; "" has its own, without those of CONFIGS."""
    own = fields_of(module, "Options")
    texts = texts_of(find_class(module, "Options")[1])
    groups = {"": [field for field in own.values() if field.name != "fields"]}
    seen = set(own) | BY_DATA
    for place in words_in(module, "CONFIGS"):
        chapter, name = place.split(".")
        fields = fields_of(f"companion.{chapter}", name)
        for field in fields.values():
            field.help = texts.get(field.name, field.help)
        title = f"fields of {name} (the preset or the command may have other defaults)"
        groups[title] = [field for field in fields.values() if field.name not in seen]
        seen |= set(fields)
    return groups


def add_options(parser: Parser, module: str, show_all: bool) -> None:
    """Add the options of a command.

    Args:
        parser: The parser of the command.
        module: The command.
        show_all: Whether its help shows all options, also where the command names the most used ones.
    """
    most_used = words_in(module, "MOST_USED")
    often: Any = parser
    others: Any = parser
    if most_used:
        about = "show all options and exit; those that are not shown here work, too"
        parser.add_argument("--help-all", action="help", help=about)
        often = parser.add_argument_group("most used options")
        others = parser.add_argument_group("other options")
    for title, fields in fields_in_groups(module).items():
        group = parser.add_argument_group(title) if title else others
        for field in fields:
            is_often = field.name in most_used
            is_shown = is_often or show_all or not most_used
            add_field(often if is_often else group, field, both=bool(title), is_shown=is_shown)


def docstring_of(module: str) -> str:
    """The help of a command: of a folder, its own docstring, else that of its Options."""
    if commands_in(module):
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


def commands_in(module: str) -> list[str]:
    """The commands in a folder, without what they share; none in a file."""
    folder = find_spec(module).submodule_search_locations or []
    return sorted(found.name for found in pkgutil.iter_modules(folder) if not found.name.startswith("_"))


def find_command(words: Sequence[str], names: Sequence[str]) -> tuple[str, Parser, list[str]]:
    """Find the command that the words of a command line name.

    Args:
        words: The words after `companion`.
        names: The commands; those in a folder are found there.

    Returns:
        The module of the command, its parser, and the words for it.
    """
    module = __package__
    prog = "companion"
    while names:
        if not words or words[0].startswith("-"):
            list_commands(parser_of(prog, module), module, names, words)
        name, *words = words
        if name not in names:
            raise ValueError(f"no command is called {name!r}{suggestion(name, names)}; see {prog} --help")
        module = f"{module}.{name}"
        prog = f"{prog} {name}"
        names = commands_in(module)
    parser = parser_of(prog, module)
    add_options(parser, module, show_all="--help-all" in words)
    return module, parser, list(words)


def parser_of(prog: str, module: str) -> Parser:
    """A parser with what a docstring says above and below the options."""
    sections = sections_of(docstring_of(module))
    example = f"example: {sections['Example'].strip()}" if "Example" in sections else None
    return Parser(prog=prog, description=sections[""], epilog=example)


# -- values --------------------------------------------------------------------------------------------------


def words_of(path: Path, tables: Sequence[str]) -> Iterator[str]:
    """The words of a command line that stand for these tables of a file of settings."""
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ValueError(f"--config={path} cannot be read ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no TOML: {joined_lines(error)}") from None
    settings: dict[str, dict] = {"top": {}}
    for name, value in found.items():
        if not isinstance(value, dict):
            settings["top"][name] = value
        elif name in TABLES:
            settings[name] = value
        else:
            raise ValueError(f"{path}: no table is called [{name}]; there are [{'], ['.join(TABLES)}]")
    for table in tables:
        for name, value in settings.get(table, {}).items():
            flag = f"--{name.replace('_', '-')}"
            if value is False:
                yield flag.replace("--", "--no-", 1)
            elif value is True:
                yield flag
            elif isinstance(value, list):
                yield flag
                yield from map(str, value)
            else:
                yield f"{flag}={value}"


def parse(parser: Parser, words: Sequence[str]) -> dict[str, Any]:
    """What the words say, by the names of fields."""
    args, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        hint = " (which option is it for?)"
        if unknown[0].startswith("-"):
            hint = suggestion(unknown[0].partition("=")[0], parser._option_string_actions)
            if unknown[0] in ("--prompt", "--text") and not hint:
                hint = " (the text stands alone, in quotes)"
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return {name: value for name, value in vars(args).items() if value is not None}


def options_of(words: Sequence[str], names: Sequence[str]) -> tuple[types.ModuleType, Any]:
    """The module of the command that the words name, imported, and its Options."""
    module, parser, words = find_command(words, names)
    fields = fields_of(module, "Options")
    given = parse(parser, words)
    path = given.get("config")
    if path:
        try:
            given = parse(parser, list(words_of(path, words_in(module, "TABLES")))) | given
        except ValueError as error:
            message = str(error)
            raise ValueError(message if str(path) in message else f"{path}: {message}") from None
    options = {name: value for name, value in given.items() if name in fields}
    others = {name: value for name, value in given.items() if name not in fields}
    if others:
        options["fields"] = others
    imported = importlib.import_module(module)
    return imported, imported.Options(**options)


def carry_out(words: Sequence[str], names: Sequence[str]) -> None:
    """Do what the words of a command line say."""
    with waiting("Loading"):
        module, options = options_of(words, names)
    module.run(options)
