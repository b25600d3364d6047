"""The map of the course, ``chapters/README.md``: what each chapter adds, and which needs which.

It is made from book.toml, README's table, the chapters' titles, and what modules and notebooks import. `sync`
writes it where it is there.
"""

import ast
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from companion.book.manifest import Book, Chapter
from companion.book.text import headings, read_notebook, title

HEAD = """\
# The map of the course

Read the chapters in order, in JupyterLab: each is a notebook. (21 to 24 are appendices; 21 comes first if
tensors are new to you.) The code of all but 0 and 21 is a module of the package; an arrow leads from a module
to one that is built on it.
"""
ROW = re.compile(r"^\|.*?\(chapters/(\w+)\.ipynb\)(.*)\|$")
"""A row of README's table of the chapters."""
TABLE = """\
| | chapter | what it builds | what others take from it | built on | uses besides |
|---|---|---|---|---|---|
"""
TAIL = """\
*Built on*: the chapters whose code its module imports. *Uses besides*: the chapters whose code its notebook
imports to train, measure or compare. Whoever wants one chapter alone first reads those in its column *built
on*, and theirs in turn.

The notebooks' text, for authors, is in [text](text). This page is made by `python -m companion.book sync`.
"""


Imports = set[tuple[str, str | None]]
"""What some code imports, as (module, name)."""


def parse_code(source: str) -> ast.Module:
    """The syntax tree of a notebook's cell, its magics left out; an empty one where it is not Python."""
    lines = [line for line in source.split("\n") if not line.lstrip().startswith(("%", "!"))]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return ast.Module([], [])


def imported(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Each import as (module, name), name None for a plain `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def of_notebook(chapter: Chapter) -> Imports:
    """What a chapter's notebook imports before its exercises."""
    notebook = read_notebook(chapter.notebook)
    under = headings(notebook)
    end = under.index("Exercises") if "Exercises" in under else len(under)
    trees = [parse_code(cell.source) for cell in notebook.cells[:end] if cell.cell_type == "code"]
    return {entry for tree in trees for entry in imported(tree)}


def of_file(path: Path) -> Imports:
    """What a file of the package imports."""
    return set(imported(ast.parse(path.read_text(encoding="utf-8"))))


def of_builders(init: Path) -> Imports:
    """What a package's BUILDERS name, each a string such as "companion.gpt GPTConfig gpt2"."""
    found = re.findall(r'"(companion\.\w+) (\w+) (\w+)"', init.read_text(encoding="utf-8"))
    return {(module, name) for module, *names in found for name in names}


def needed(imports: Imports, book: Book, chapter: Chapter) -> list[Chapter]:
    """The other chapters whose modules are imported, in order."""
    modules = {module.removeprefix("companion.") for module, _ in imports}
    modules |= {name for module, name in imports if module == "companion"}
    return [c for c in book.chapters if c.module and c.module in modules and c != chapter]


def built_on(book: Book, chapter: Chapter) -> list[Chapter]:
    """The chapters whose modules a chapter's module imports."""
    return needed(of_file(chapter.module_file), book, chapter) if chapter.module_file else []


def uses(book: Book, chapter: Chapter) -> list[Chapter]:
    """The chapters whose modules a chapter's notebook imports."""
    return needed(of_notebook(chapter), book, chapter)


def taken(book: Book) -> dict[Chapter, list[str]]:
    """For each chapter, the names that other chapters and the package import from its module."""
    package = book.root / "companion"
    files = [path for path in package.rglob("*.py") if path.parent.name != "exercises"]
    imports: dict[Path | str, Imports] = {path: of_file(path) for path in files}
    imports |= {chapter.notebook: of_notebook(chapter) for chapter in book.chapters}
    imports["builders"] = of_builders(package / "__init__.py")
    return {
        chapter: sorted(
            {
                name
                for path, found in imports.items()
                for module, name in found
                if chapter.module and module == f"companion.{chapter.module}" and name
                if path not in (chapter.module_file, chapter.notebook)
            }
        )
        for chapter in book.chapters
    }


def map_file(book: Book) -> Path:
    """Where the map lies."""
    return book.root / "chapters" / "README.md"


def course_map(book: Book) -> str:
    """The map, as Markdown. BookError where a notebook is missing."""
    rows, edges, labels = [], [], []
    names, rows_of_readme = taken(book), dict(described(book))
    for chapter in book.chapters:
        needs = built_on(book, chapter)
        besides = [other for other in uses(book, chapter) if other not in needs]
        name = title(read_notebook(chapter.notebook))
        cells = [
            str(chapter.number),
            f"[{name}]({chapter.name}.ipynb)",
            rows_of_readme.get(chapter.name, ""),
            ", ".join(f"`{public}`" for public in names[chapter]),
            ", ".join(str(other.number) for other in needs),
            ", ".join(str(other.number) for other in besides),
        ]
        rows.append(f"| {' | '.join(cells)} |\n")
        if chapter.module:
            labels.append(f'    {chapter.module}["{chapter.number} {name}"]\n')
        edges += [f"    {other.module} --> {chapter.module}\n" for other in needs]
    graph = f"```mermaid\ngraph LR\n{''.join(labels)}{''.join(edges)}```\n"
    return f"{HEAD}\n{graph}\n{TABLE}{''.join(rows)}\n{TAIL}"


def described(book: Book) -> list[tuple[str, str]]:
    """(chapter, what it builds or "") for each row of README's table."""
    readme = book.root / "README.md"
    lines = readme.read_text(encoding="utf-8").split("\n") if readme.exists() else []
    return [(row[1], row[2].strip(" |")) for row in map(ROW.match, lines) if row]


def with_chapters(book: Book, readme: str) -> str:
    """README's text with a row for each chapter; unchanged where it has no table of chapters."""
    lines = readme.split("\n")
    places = [i for i, line in enumerate(lines) if ROW.match(line)]
    if not places:
        return readme
    begin = places[0]
    end = begin + len(list(takewhile(ROW.match, lines[begin:])))
    there = {ROW.match(line)[1]: line for line in lines[begin:end]}
    columns = lines[begin - 1].count("|") - 1
    rows = [there.get(chapter.name) or new_row(chapter, columns) for chapter in book.chapters]
    return "\n".join([*lines[:begin], *rows, *lines[end:]])


def new_row(chapter: Chapter, columns: int) -> str:
    """The row of a chapter that had none; columns: number, title and, if there are three, what it builds."""
    promise = re.search(r"^\*You will be able to (.+?)\.", chapter.source, re.MULTILINE)
    cells = [str(chapter.number), f"[{chapter.title or chapter.name}](chapters/{chapter.name}.ipynb)"]
    if columns > 2:
        cells.append(promise[1] if promise else "")
    return f"| {' | '.join(cells)} |"
