"""What the tests of the exercises share: the exercises' cells in the chapters, and small exercises."""

import ast
import random
import re
import symtable
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from companion.book.manifest import Book
from companion.book.text import read_text
from companion.exercises.grade import grade
from companion.exercises.notation import Function, Number

BOOK = Book.read(Path(__file__).parents[2])


@cache
def exercise_cells(chapter: int) -> list:
    """The cells of a chapter's text from its heading "Exercises" to the next heading of that level."""
    (entry,) = [c for c in BOOK.chapters if c.name.startswith(f"{chapter:02d}_")]
    cells = []
    inside = False
    for cell in read_text(entry.text)[0].cells:
        titles = [line for line in cell.source.splitlines() if line.startswith("## ")]
        if cell.cell_type == "markdown" and titles:
            inside = titles == ["## Exercises"]
        if inside:
            cells.append(cell)
    return cells


@cache
def cells_by_exercise(chapter: int) -> list[list]:
    """The cells of each exercise: from its heading, "### 1.2 …", to the next heading of that level."""
    groups: list[list] = [[]]
    for cell in exercise_cells(chapter):
        if cell.cell_type == "markdown" and cell.source.startswith("### "):
            groups.append([])
        groups[-1].append(cell)
    return [group for group in groups if group and re.match(r"### \d", group[0].source)]


def total(values):
    return sum(values)


def exercise(**changes) -> Function:
    """An exercise about a sum, with some of its fields changed."""
    fields = {
        "number": "1.1",
        "title": "A total",
        "stars": 1,
        "wants": "total(values)",
        "cases": lambda seed: [([],), ([1],), ([2, 3],), (random.Random(seed).sample(range(9), 4),)],
        "oracle": total,
        "mistakes": [
            (lambda values: sum(values[1:]), "The first is missing."),
            (max, "You took the largest."),
        ],
        "right": "It adds.",
    }
    return Function(**fields | changes)


def about(right, value=1, **changes) -> Function:
    """An exercise with one input and this right answer."""
    fields = {"wants": "f(x)", "cases": lambda seed: [(value,)], "oracle": right, "mistakes": []}
    return exercise(**fields | changes)


def number(**changes) -> Number:
    """An exercise whose answer is a number, with some of its fields changed."""
    fields = {"number": "1.2", "title": "N", "stars": 1, "wants": "f()", "right": "Yes."}
    fields |= {"answer": 3.4, "tolerance": 0.2, "mistakes": [(7, "Twice.")]}
    return Number(**fields | changes)


def verdict(answer, **changes) -> str:
    """The text of the verdict on an answer to `exercise(**changes)`."""
    return repr(grade(exercise(**changes), answer))


# -- the names of a cell ---


def bound(statement: ast.stmt, table: symtable.SymbolTable) -> set[str]:
    """The names that a statement binds, and those of objects of which it sets a part, as in x[0] = 1."""
    names = {
        symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()
    }
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            while isinstance(node, ast.Attribute | ast.Subscript):
                node = node.value
            if isinstance(node, ast.Name):
                names.add(node.id)
    return names


def used(table: symtable.SymbolTable) -> set[str]:
    """The names of the notebook that a statement reads, also in the functions and classes that it defines."""
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    return names | set(read_inside(table))


def read_inside(table: symtable.SymbolTable) -> Iterator[str]:
    for inner in table.get_children():
        yield from (symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global())
        yield from read_inside(inner)
