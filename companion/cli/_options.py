"""The fields of a command's options, read from its source, which is not imported."""

import ast
import contextlib
import re
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal


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
    kind = eval(ast.unparse(annotation), IN_ANNOTATIONS)
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
