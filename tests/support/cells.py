"""A part of a chapter's notebook, run without the rest."""

import ast
import json
import symtable
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def run_for(notebook: Path, *wanted: str) -> dict[str, Any]:
    """Run what some names of a notebook depend on, in its order; all names that this gives.

    Statements are left out whose names nothing needs, such as the training of another model.

    Args:
        notebook: The file.
        wanted: The names.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    needed, chosen = set(wanted), []
    for statement in reversed(ast.parse(code).body):
        table = symtable.symtable(ast.unparse(statement), notebook.name, "exec")
        if needed & bound(statement, table):
            chosen.insert(0, statement)
            needed |= used(table)
    scope = {}
    exec(compile(ast.Module(chosen, []), notebook.name, "exec"), scope)
    return scope


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
