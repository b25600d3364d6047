"""A chapter's exported cells, as its module."""

import ast
import subprocess
from typing import Any

from nbformat import NotebookNode
from ruff import find_ruff_bin

from companion.book import BookError
from companion.book.manifest import Chapter
from companion.book.text import code_cells, headings, tags

LINE_LENGTH = 110
"""Letters of a line of code: more are wider than a page."""


def ruff(command: list[str], code: str) -> str:
    """Code after a ruff command, under the same settings whatever the folder."""
    settings = ["--isolated", "--target-version", "py311", "--config", f"line-length={LINE_LENGTH}"]
    arguments = [find_ruff_bin(), *command, *settings, "-"]
    result = subprocess.run(arguments, input=code, capture_output=True, text=True, encoding="utf-8")
    if result.returncode:
        raise BookError(f"ruff {command[0]}: {result.stderr.strip()}")
    return result.stdout


def parse(cell: NotebookNode) -> ast.Module:
    """The syntax tree of an exported cell.

    Raises:
        BookError: If the cell is not Python, for example because it has a magic.
    """
    try:
        return ast.parse(cell.source)
    except SyntaxError as error:
        line = cell.source.split("\n")[(error.lineno or 1) - 1].strip()
        raise BookError(f"an exported cell is not Python: {line} ({error.msg}); mend it") from None


def package_line(chapter: Chapter) -> str:
    """The first line of an exported cell that is not folded, so that a reader sees where it goes."""
    return f"# Part of the package: companion/{chapter.module}.py\n"


def defined_names(cell: NotebookNode) -> list[str]:
    """The names that an exported cell defines at its top level.

    Raises:
        BookError: If there is anything else at the top level. An import belongs into a cell of its own, a
            call would run whenever the module is imported, and an assignment to an attribute would patch what
            is defined elsewhere.
    """
    names: list[str] = []
    for node in parse(cell).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            names.append(node.name)
            continue
        targets: list[Any] = []
        if isinstance(node, ast.Assign):
            for target in node.targets:
                targets += getattr(target, "elts", [target])
        else:
            targets.append(node.target if isinstance(node, ast.AnnAssign) else node)
        if not all(isinstance(target, ast.Name) for target in targets):
            line = cell.source.split("\n")[node.lineno - 1].strip()
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                raise BookError(f"an import in an exported cell: {line}; tag its own cell export-imports")
            raise BookError(f"an exported cell may only define names: {line}; move it to another cell")
        names.extend(target.id for target in targets)
    return names


def imports(cell: NotebookNode) -> list[str]:
    """The import statements of a cell tagged `export-imports`.

    Raises:
        BookError: If there is anything else in the cell.
    """
    statements = []
    for node in parse(cell).body:
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            line = cell.source.split("\n")[node.lineno - 1].strip()
            raise BookError(f"no import, in a cell tagged export-imports: {line}; move it to another cell")
        statements.append(ast.unparse(node))
    return statements


def export(chapter: Chapter, notebook: NotebookNode) -> str | None:
    """The source of a chapter's module, or None for a chapter without one.

    Raises:
        BookError: If a cell cannot be exported. The message names the cell by its number.
    """
    above = headings(notebook)
    under = {id(cell): heading for cell, heading in zip(notebook.cells, above, strict=True)}
    import_lines: list[str] = []
    blocks: list[str] = []
    names: list[str] = []
    for number, cell in enumerate(code_cells(notebook), 1):
        try:
            if "export-imports" in tags(cell):
                import_lines += imports(cell)  # ruff merges those that stand there twice
            elif "export" in tags(cell):
                if chapter.module is None:
                    raise BookError(f"tagged export, but {chapter.name} has no module in book.toml; add one")
                cell_names = defined_names(cell)
                twice = set(cell_names) & set(names)
                if twice:
                    raise BookError(f"{min(twice)} is exported twice; every name is defined once")
                names += cell_names
                source = cell.source.removeprefix(package_line(chapter)).strip()
                blocks.append(f"# Cell {cell.get('id')}, under “{under[id(cell)]}”\n{source}\n")
        except BookError as error:
            raise BookError(f"{chapter.name}, code cell {number}: {error}") from None
    if chapter.module is None:
        return None
    header = (
        f'"""{chapter.title}: the exported cells of chapters/{chapter.name}.ipynb.\n\n'
        f"Generated by `python -m companion.book sync {chapter.name}`. Do not edit: the source is\n"
        f'chapters/text/{chapter.name}.md.\n"""\n'
    )
    public = [name for name in names if not name.startswith("_")]
    sorted_imports = ruff(["check", "--select", "I", "--fix", "--quiet"], "\n".join(import_lines) + "\n")
    head = "\n".join(filter(str.strip, [header, sorted_imports, f"__all__ = {public!r}\n"]))
    return ruff(["format"], "\n\n".join([head, *blocks]))
