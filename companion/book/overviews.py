"""The files that follow from all chapters: the ladder, README's table, the map of the course, the glossary.

Each is made from book.toml, and from what texts, notebooks and modules say. `sync` writes those that exist,
`check` compares them.
"""

import ast
import json
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from nbformat import NotebookNode

from companion.book import BookError
from companion.book.manifest import Book, Chapter
from companion.book.terms import all_terms, glossary_rows, question_rows, section_rows
from companion.book.text import code_cells, headings, read_notebook, tags

RUNG = re.compile(r"(?P<name>.+?): +(?P<value>-?\d+(\.\d+)?)\b")
LADDER = """\
# The ladder: bits per byte on the village's validation split, printed by the chapters' cells tagged `ladder`.
# Written by `python -m companion.book sync`, compared with the notebooks by `check`. Do not edit.
"""
MAP = Path(__file__).with_name("templates") / "map.md"
"""The map of the course, without its graph and its rows."""
ROW = re.compile(r"^\|.*?\(chapters/(\w+)\.ipynb\)(.*)\|$")
"""A row of README's table of the chapters."""


def overview_files(book: Book) -> dict[Path, bytes]:
    """Each of these files, and what it should hold. Chapters without a notebook are left out.

    Raises:
        BookError: If a notebook is damaged, or rungs cannot be read.
    """
    chapters = [chapter for chapter in book.chapters if chapter.notebook.exists()]
    notebooks = {chapter: read_notebook(chapter.notebook) for chapter in chapters}
    data = book.root / "data"
    readme = book.root / "README.md"
    contents = {}
    table = ""
    if readme.exists():
        table = with_chapters(book, readme.read_text(encoding="utf-8"))
        contents[readme] = table
    if (data / "ladder.toml").exists() or any(map(printed_rungs, notebooks.values())):
        contents[data / "ladder.toml"] = ladder(notebooks)
    if (book.root / "chapters" / "README.md").exists():
        contents[book.root / "chapters" / "README.md"] = course_map(book, notebooks, described(table))
    if (data / "glossary.csv").exists():
        contents[data / "glossary.csv"] = glossary_rows(all_terms(notebooks))
    if (data / "questions.csv").exists():
        contents[data / "questions.csv"] = question_rows(notebooks)
    if (data / "sections.csv").exists():
        contents[data / "sections.csv"] = section_rows(notebooks)
    return {path: text.encode("utf-8") for path, text in contents.items()}


# -- the ladder ----------------------------------------------------------------------------------------------


def printed_rungs(notebook: NotebookNode) -> dict[str, float]:
    """The rungs of a notebook: the lines `name: value` that its cells tagged `ladder` printed.

    Raises:
        BookError: If such a cell printed no rung.
    """
    rungs: dict[str, float] = {}
    for cell in code_cells(notebook):
        if "ladder" not in tags(cell):
            continue
        text = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
        found = [match for match in map(RUNG.match, map(str.strip, text.splitlines())) if match]
        if not found:
            raise BookError(f"a cell tagged ladder printed no `name: value`; let it: {cell.source[:50]!r}")
        rungs |= {match["name"]: float(match["value"]) for match in found}
    return rungs


def ladder(notebooks: dict[Chapter, NotebookNode]) -> str:
    """data/ladder.toml: the rungs by chapter, in the order of the book."""
    lines = [LADDER]
    for chapter, notebook in notebooks.items():
        rungs = printed_rungs(notebook)
        if rungs:
            entries = [f"{json.dumps(rung, ensure_ascii=False)} = {value}" for rung, value in rungs.items()]
            lines += [f"[{chapter.name}]", *entries, ""]
    return "\n".join(lines)


# -- what imports what ---------------------------------------------------------------------------------------


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


def imported_modules(tree: ast.AST) -> set[str]:
    """The modules of the package that code imports, without `companion.`"""
    pairs = set(imported(tree))
    found = {module.removeprefix("companion.") for module, _ in pairs}
    return found | {name for module, name in pairs if module == "companion"}


def taught_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells before the exercises."""
    under = headings(notebook)
    end = under.index("Exercises") if "Exercises" in under else len(under)
    return [cell for cell in notebook.cells[:end] if cell.cell_type == "code"]


def built_on(book: Book, chapter: Chapter) -> list[Chapter]:
    """The chapters whose modules a chapter's module imports."""
    if chapter.module is None or not chapter.module_file.exists():
        return []
    modules = imported_modules(ast.parse(chapter.module_file.read_text(encoding="utf-8")))
    return [other for other in book.chapters if other.module in modules]


def uses(book: Book, chapter: Chapter, notebook: NotebookNode) -> list[Chapter]:
    """The other chapters whose modules a chapter's notebook imports."""
    modules: set[str] = set()
    for cell in taught_cells(notebook):
        modules |= imported_modules(parse_code(cell.source))
    return [other for other in book.chapters if other.module in modules and other != chapter]


# -- the map, and README's table -----------------------------------------------------------------------------


def course_map(book: Book, notebooks: dict[Chapter, NotebookNode], builds: dict[str, str]) -> str:
    """The map of the course, chapters/README.md, as Markdown. `builds`: what each chapter builds, by name."""
    rows = []
    labels = []
    edges = []
    for chapter, notebook in notebooks.items():
        needs = built_on(book, chapter)
        besides = [other for other in uses(book, chapter, notebook) if other not in needs]
        cells = [
            str(chapter.number),
            f"[{chapter.title}]({chapter.name}.ipynb)",
            builds.get(chapter.name, ""),
            ", ".join(str(other.number) for other in needs),
            ", ".join(str(other.number) for other in besides),
        ]
        rows.append(f"| {' | '.join(cells)} |\n")
        if chapter.module:
            labels.append(f'    {chapter.module}["{chapter.number} {chapter.title}"]\n')
        edges += [f"    {other.module} --> {chapter.module}\n" for other in needs]
    return MAP.read_text(encoding="utf-8").format(graph="".join(labels + edges), rows="".join(rows))


def described(readme: str) -> dict[str, str]:
    """What each chapter builds, by README's table: {chapter's name: words, "" without a column for them}."""
    return {row[1]: row[2].strip(" |") for row in map(ROW.match, readme.split("\n")) if row}


def with_chapters(book: Book, readme: str) -> str:
    """README's text with a row for each chapter; unchanged where it has no table of chapters."""
    lines = readme.split("\n")
    places = [i for i, line in enumerate(lines) if ROW.match(line)]
    if not places:
        return readme
    begin = places[0]
    end = begin + len(list(takewhile(ROW.match, lines[begin:])))
    rows_by_name = {ROW.match(line)[1]: line for line in lines[begin:end]}
    rows = [rows_by_name.get(chapter.name) or new_row(chapter) for chapter in book.chapters]
    return "\n".join([*lines[:begin], *rows, *lines[end:]])


def new_row(chapter: Chapter) -> str:
    """The row of a chapter that had none: number, title and what it builds."""
    promise = re.search(r"^\*You will be able to (.+?)\.", chapter.source, re.MULTILINE)
    builds = promise[1] if promise else ""
    title = chapter.title or chapter.name
    return f"| {chapter.number} | [{title}](chapters/{chapter.name}.ipynb) | {builds} |"
