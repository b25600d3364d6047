"""Naming each difference between what is committed and what the rules and `sync` would have it be."""

import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from companion.book import BookError
from companion.book.elsewhere import repository_files
from companion.book.export import LINE_LENGTH
from companion.book.manifest import GENERATED, Book, Chapter
from companion.book.overviews import imported_modules, overview_files, parse_code, taught_cells
from companion.book.sync import IGNORED, chapter_files, keep_outputs, make_notebook
from companion.book.text import code_cells, has_image, read_notebook, tags

SECONDS = 60
"""What a notebook may take on one thread."""
DIRECTIVE = re.compile(r"^\s*(:::|`{3,}\s*\{)", re.MULTILINE)
CODE_BLOCK = re.compile(r"^ {0,3}(`{3,}|~{3,})(?!\s*\{).*?^ {0,3}\1[`~]*\s*$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
ROLE = re.compile(r"\{[a-zA-Z][\w:.-]*\}\0")
r"""A role, once each code span is replaced by \0."""

Found = Iterator[str]
"""Differences of one notebook, each as "what differs; what to do"."""


def check(book: Book) -> list[str]:
    """Every difference, one line each: "file: what differs; what to do". Changes nothing and runs nothing."""
    found = list(of_book(book))
    for chapter in book.chapters:
        found += of_chapter(book, chapter)
    return list(dict.fromkeys(found))


def of_book(book: Book) -> Iterator[str]:
    """Differences that no single chapter owns."""
    names = [chapter.name for chapter in book.chapters]
    if names != sorted(names):
        yield "book.toml: chapters are not in the order of their numbers; move the blocks"
    for chapter in book.chapters:
        if chapter.seconds > SECONDS:
            yield f"book.toml: {chapter.name} has a budget of {chapter.seconds} s, over {SECONDS}; lower it"
    folder = book.root / "chapters"
    for path in sorted([*folder.glob("*.ipynb"), *folder.glob("text/*.md")]):
        if path.stem not in names:
            yield f"{book.relative(path)}: not in the manifest; add its block to book.toml or remove the file"
    modules = [chapter.module_file for chapter in book.chapters]
    for path in sorted((book.root / "companion").glob("*.py")):
        if path not in modules and GENERATED in path.read_text(encoding="utf-8"):
            yield f"{book.relative(path)}: generated, but no chapter in book.toml exports it; remove it"
    remedy = f'names another repository than book.toml; run `repository "{book.repository}"`'
    yield from differing(book, repository_files(book), remedy)
    try:
        yield from differing(book, overview_files(book), "differs from the chapters; run `sync` for one")
    except BookError as error:
        yield str(error)


def differing(book: Book, contents: dict[Path, bytes], words: str) -> Iterator[str]:
    """A line for each file that is missing or has other content."""
    for path, content in contents.items():
        if not path.exists():
            yield f"{book.relative(path)}: missing; run `sync`"
        elif path.read_bytes() != content:
            yield f"{book.relative(path)}: {words}"


def of_chapter(book: Book, chapter: Chapter) -> list[str]:
    """Every difference of a chapter."""
    try:
        old = read_notebook(chapter.notebook)
        notebook, _ = make_notebook(book, chapter, old)
        keep_outputs(notebook, old, chapter)
        contents = chapter_files(chapter, notebook)
    except BookError as error:
        return [str(error)]
    remedy = f"differs from what the text makes; carry over what was edited, then run `sync {chapter.name}`"
    found = list(differing(book, contents, remedy))
    for rule in (of_code, of_outputs, of_markdown, of_imports):
        file = book.relative(chapter.notebook)
        found += [f"{file}: {problem}" for problem in rule(notebook, book, chapter)]
    return found


def of_code(notebook: NotebookNode, book: Book, chapter: Chapter) -> Found:
    """Whether every code cell was run, once, in order, is compared by the tests, and can be read."""
    cells = code_cells(notebook)
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        yield f"not executed, or out of order; run `sync {chapter.name}`"
    for number, cell in enumerate(cells, 1):
        if "nbval-skip" in tags(cell) or "NBVAL_" in cell.source:
            yield f"code cell {number} hides from the tests (nbval-skip or an NBVAL_ comment); remove that"
        if {"hide-cell", "hide-input"} & set(tags(cell)) and not cell.source.lstrip().startswith("#"):
            yield f"code cell {number} is folded, and its first line shows; begin it with a comment"
        letters = max(map(len, cell.source.split("\n")))
        if letters > LINE_LENGTH:
            yield f"code cell {number} has a line of {letters} letters, over {LINE_LENGTH}; wrap it"


def of_outputs(notebook: NotebookNode, book: Book, chapter: Chapter) -> Found:
    """Pictures without words, outputs that are ignored, and outputs that should not be there."""
    cells = code_cells(notebook)
    for number, cell in enumerate(cells, 1):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if has_image(cell) and not alt.strip():
            yield f"code cell {number}: a figure without alternative text; add mystnb.image.alt"
        if IGNORED in tags(cell) and not cell.metadata.get("reason", "").strip():
            yield f"code cell {number}: an ignored output without a reason; add `reason` to its metadata"
        if IGNORED not in tags(cell) and any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"code cell {number} writes to stderr; keep warnings and progress bars out of the outputs"
        if str(chapter.root) in str(cell.outputs):
            yield f"code cell {number} shows a path of this machine; print what is the same everywhere"
    ignored = [cell for cell in cells if IGNORED in tags(cell)]
    timings = [cell for cell in ignored if "timing" in cell.metadata.get("reason", "")]
    with_output = sum(bool(cell.outputs) for cell in cells)
    if (len(ignored) - len(timings)) * 10 > with_output or len(ignored) * 5 > with_output:
        yield (
            f"{len(ignored)} of {with_output} outputs are ignored, over 20 %, or over 10 % without the "
            "timings; make more of them stable"
        )


def of_markdown(notebook: NotebookNode, book: Book, chapter: Chapter) -> Found:
    """Markdown that does not read the same everywhere."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            source = CODE_BLOCK.sub("", cell.source)
            if DIRECTIVE.search(source):
                yield f"cell {number}: a MyST directive; JupyterLab shows it raw, so use a quote or <details>"
            if ROLE.search(CODE_SPAN.sub("\0", source)):
                yield f"cell {number}: a MyST role; JupyterLab shows it raw, so use plain Markdown"


def of_imports(notebook: NotebookNode, book: Book, chapter: Chapter) -> Found:
    """Imports of its own or a later module, before the exercises and in cells that do not run alone."""
    if chapter.module is None:
        return
    later = {other.module for other in book.chapters[chapter.position :]}
    for cell in taught_cells(notebook):
        if "smollm2" not in tags(cell):
            for module in later & imported_modules(parse_code(cell.source)):
                place = f"the cell {cell.source.splitlines()[0][:50]!r}"
                yield f"{place} imports companion.{module}, which this or a later chapter builds; do not"
