"""Generated wrong answers: every small change of an exercise's right answer.

A check must tell each of them from the right answer. Those that behave like it stand in
`equivalent.py`, with the reason.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from companion.exercises.notation import Function, Source

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATIONS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "argmin": "argmax", "argmax": "argmin"}


SYMMETRIC = ("min", "max", "minimum", "transpose", "swapaxes", "gcd")
"""Functions that give the same when their first two arguments change places."""

KEPT = (ast.Return, ast.FunctionDef, ast.ClassDef, ast.Pass, ast.Import, ast.ImportFrom)
"""Statements that are not deleted: without them nothing is left to try."""


@dataclass(frozen=True)
class Mutant:
    """A changed right answer. change: the statement before and after, as `old => new`."""

    number: str
    change: str
    answer: Callable


def mutants_of(exercise: Function) -> Iterator[Mutant]:
    """All mutants of an exercise's right answer, each once."""
    source: Source = exercise.mistakes.source
    tree = ast.parse(source.text)
    for node in ast.walk(tree):
        remove_what_does_nothing(node)
    original = ast.unparse(tree)
    seen = {original}
    for position, node in enumerate(list(ast.walk(tree))):
        for way in range(len(changes_of(node))):
            changed = copy.deepcopy(tree)
            same_node = list(ast.walk(changed))[position]
            changes_of(same_node)[way]()
            text = ast.unparse(changed)
            if text not in seen:
                seen.add(text)
                yield Mutant(exercise.number, difference(original, text), source.compiled(text))


def remove_what_does_nothing(node: ast.AST) -> None:
    """Take out the docstring of a function or class, and `strict`, since a change of them changes nothing."""
    if isinstance(node, ast.Call):
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "strict"]
    is_definition = isinstance(node, ast.FunctionDef | ast.ClassDef)
    if is_definition and ast.get_docstring(node) is not None:
        node.body = node.body[1:] or [ast.Pass()]


def changes_of(node: ast.AST) -> list[Callable[[], None]]:
    """The ways in which a node can be changed in place, each as a function that does it."""
    found = []

    def replace(attribute: str, value: object) -> None:
        found.append(lambda: setattr(node, attribute, value))

    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            replace("ops", [COMPARISONS[type(operator)]()])
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in OPERATIONS:
            replace("op", OPERATIONS[type(operator)]())
        case ast.BoolOp(op=ast.And()):
            replace("op", ast.Or())
        case ast.BoolOp(op=ast.Or()):
            replace("op", ast.And())
        case ast.UnaryOp(op=ast.USub()):
            replace("op", ast.UAdd())
        case ast.Constant(value=bool(value)):
            replace("value", not value)
        case ast.Constant(value=int(value)):
            replace("value", value + 1)
        case ast.Constant(value=float(value)):
            replace("value", value * 1.1 + 0.01)
        case ast.Name(id=name) if name in NAMES:
            replace("id", NAMES[name])
        case ast.Attribute(attr=name) if name in NAMES:
            replace("attr", NAMES[name])
        case ast.If(test=test) | ast.IfExp(test=test):
            replace("test", ast.UnaryOp(ast.Not(), test))
        case ast.Call(func=called, args=[first, second, *rest]) if name_of(called) not in SYMMETRIC:
            replace("args", [second, first, *rest])
    if isinstance(node, ast.Call) and node.keywords:
        replace("keywords", node.keywords[:-1])
    for attribute in ("body", "orelse"):
        statements = getattr(node, attribute, None)
        if isinstance(statements, list):
            for i, statement in enumerate(statements):
                if not isinstance(statement, KEPT):
                    replace(attribute, [*statements[:i], ast.Pass(), *statements[i + 1 :]])
    return found


def name_of(called: ast.expr) -> str:
    """The last part of the name of what a call calls."""
    return getattr(called, "attr", None) or getattr(called, "id", "")


def difference(before: str, after: str) -> str:
    """The lines that differ between two texts, as `old => new`."""
    old = before.splitlines()
    new = after.splitlines()
    while old and new and old[0] == new[0]:
        old = old[1:]
        new = new[1:]
    while old and new and old[-1] == new[-1]:
        old = old[:-1]
        new = new[:-1]
    return " => ".join(" / ".join(line.strip() for line in lines) for lines in (old, new))
