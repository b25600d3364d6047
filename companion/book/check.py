"""Naming each difference between what is committed and what the rules and `sync` would have it be."""

import re
from collections.abc import Iterator
from itertools import zip_longest

from nbformat import NotebookNode
from nbformat.validator import iter_validate

from companion.book import BookError
from companion.book.course_map import course_map, described, imported, map_file, parse_code
from companion.book.elsewhere import repository_files
from companion.book.export import export
from companion.book.ladder import printed_rungs, read_ladder
from companion.book.manifest import GENERATED, Book, Chapter, hidden_by
from companion.book.terms import glossary_file, glossary_rows
from companion.book.text import METADATA, add_navigation, code_cells, headings, read_notebook, read_text, tags

LETTERS = 110
"""Letters of a line of code: more are wider than a page."""
SECONDS = 60
"""What a notebook may take on one thread."""
DIRECTIVE = re.compile(r"^\s*(:::|`{3,}\s*\{)", re.MULTILINE)
CODE_BLOCK = re.compile(r"^ {0,3}(`{3,}|~{3,})(?!\s*\{).*?^ {0,3}\1[`~]*\s*$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
ROLE = re.compile(r"\{[a-zA-Z][\w:.-]*\}\0")
IMAGE_WITHOUT_ALT = re.compile(r"!\[\s*\]\(|<img(?![^>]*\balt=[\"'][^\"'])[^>]*>")

Found = Iterator[str]
"""Differences of one file, each as "what differs; what to do"."""


def check(book: Book) -> list[str]:
    """Every difference, one line each: "file: what differs; what to do". Changes nothing and runs nothing."""
    differences = [f"{file}: {problem}" for file, problem in of_book(book)]
    for chapter in book.chapters:
        differences += of_chapter(book, chapter)
    return differences


def of_book(book: Book) -> Iterator[tuple[str, str]]:
    """Differences that no single chapter owns, as (file, problem)."""
    names = [chapter.name for chapter in book.chapters]
    if names != sorted(names):
        yield "book.toml", "chapters are not in the order of their numbers; move the blocks"
    for chapter in book.chapters:
        if chapter.seconds > SECONDS:
            yield "book.toml", f"{chapter.name} has a budget of {chapter.seconds} s, over {SECONDS}; lower it"
        if chapter.module and (hidden := hidden_by(book, chapter.module)):
            yield "book.toml", f"{chapter.name}: its module would hide {hidden}; choose another name"
    for path, content in repository_files(book).items():
        if path.suffix != ".ipynb" and path.read_bytes() != content:  # a notebook follows its text
            yield (
                book.relative(path),
                f'names another repository than book.toml; run `repository "{book.repository}"`',
            )
    folder = book.root / "chapters"
    for path in sorted([*folder.glob("*.ipynb"), *folder.glob("text/*.md")]):
        if path.stem not in names:
            yield book.relative(path), "not in the manifest; add its block to book.toml or remove the file"
    files = [chapter.module_file for chapter in book.chapters]
    for path in sorted((book.root / "companion").glob("*.py")):
        if path not in files and GENERATED in path.read_text(encoding="utf-8"):
            yield book.relative(path), "generated, but no chapter in book.toml exports it; remove it"
    for name, row in zip_longest(names, [name for name, _ in described(book)]):
        if name != row:
            yield (
                "README.md",
                f"its table differs from book.toml at {name or row}; run `sync` for any chapter",
            )
            break
    if map_file(book).exists() and all(chapter.notebook.exists() for chapter in book.chapters):
        if map_file(book).read_text(encoding="utf-8") != course_map(book):
            yield "chapters/README.md", "differs from the course that it maps; run `sync` for any chapter"
    if glossary_file(book).exists() and all(chapter.notebook.exists() for chapter in book.chapters):
        if glossary_file(book).read_text(encoding="utf-8") != glossary_rows(book):
            yield "data/glossary.csv", "differs from what the chapters define; run `sync` for any chapter"
    for name in read_ladder(book):
        if name not in names:
            yield "data/ladder.toml", f"rungs of {name}, which is not in book.toml; sync a chapter with rungs"


def of_chapter(book: Book, chapter: Chapter) -> list[str]:
    """Every difference of a chapter."""
    name, notebook_file = chapter.name, book.relative(chapter.notebook)
    try:
        text, starts = read_text(chapter.text)
        add_navigation(text, starts, book, chapter)
        notebook = read_notebook(chapter.notebook)
    except BookError as error:
        return [str(error)]
    found = [f"{book.relative(chapter.text)}: {problem}" for problem in of_text(text, notebook, name)]
    for rule in (of_notebook, of_execution, of_outputs, of_markdown, of_lines):
        found += [f"{notebook_file}: {problem}" for problem in rule(notebook, chapter)]
    found += [f"{notebook_file}: {problem}" for problem in of_imports(notebook, book, chapter)]
    found += of_module(notebook, book, chapter)
    found += of_ladder(notebook, book, chapter)
    return found


def of_text(text: NotebookNode, notebook: NotebookNode, name: str) -> Found:
    """Text against notebook, cell by cell."""
    for number, (a, b) in enumerate(zip_longest(text.cells, notebook.cells), 1):
        if a is None or b is None or any(a[key] != b[key] for key in ("cell_type", "source", "metadata")):
            first = ((a or b).source.strip().splitlines() or [""])[0][:50]
            yield (
                f"differs from the notebook at cell {number} ({first!r}); carry over what was edited there, "
                f"then run `sync {name}`"
            )
            return


def of_notebook(notebook: NotebookNode, chapter: Chapter) -> Found:
    """Metadata and ids."""
    remedy = f"run `sync {chapter.name}`"
    if notebook.metadata != METADATA or (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        yield f"its metadata are not the normal ones; {remedy}"
    ids = [cell.get("id") for cell in notebook.cells]
    if len(set(ids)) < len(ids):
        yield f"two cells have the same id, or none; {remedy}"
    elif error := next(iter_validate(notebook), None):
        yield f"not a valid notebook ({str(error).splitlines()[0]}); {remedy}"


def of_execution(notebook: NotebookNode, chapter: Chapter) -> Found:
    """Whether every code cell was run, once, in order, and is compared by the tests."""
    remedy = f"run `sync {chapter.name}`"
    cells = code_cells(notebook)
    counts = [cell.execution_count for cell in cells]
    if None in counts:
        yield f"not executed: code cell {counts.index(None) + 1}; {remedy}"
    elif counts != list(range(1, len(counts) + 1)):
        yield f"executed out of order: {', '.join(map(str, counts))}; {remedy}"
    for number, cell in enumerate(cells, 1):
        if "nbval-skip" in tags(cell) or "NBVAL_" in cell.source:
            yield f"code cell {number} hides from the tests (nbval-skip or an NBVAL_ comment); remove that"
        if {"hide-cell", "hide-input"} & set(tags(cell)) and not cell.source.lstrip().startswith("#"):
            yield f"code cell {number} is folded, and its first line shows; begin it with a comment"


def has_image(cell: NotebookNode) -> bool:
    """Whether a cell shows a picture."""
    return any(kind.startswith("image/") for output in cell.outputs for kind in output.get("data", {}))


def of_outputs(notebook: NotebookNode, chapter: Chapter) -> Found:
    """Pictures without words, outputs that are ignored, and outputs that should not be there."""
    ignored = timings = with_output = 0
    for number, cell in enumerate(code_cells(notebook), 1):
        with_output += bool(cell.outputs)
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        html = "".join(str(output.get("data", {}).get("text/html", "")) for output in cell.outputs)
        if (has_image(cell) and not str(alt).strip()) or IMAGE_WITHOUT_ALT.search(html):
            yield f"code cell {number}: a figure without alternative text; add mystnb.image.alt"
        if "nbval-ignore-output" in tags(cell):
            ignored += 1
            timings += "timing" in str(cell.metadata.get("reason", ""))
            if not str(cell.metadata.get("reason", "")).strip():
                yield f"code cell {number}: an ignored output without a reason; add `reason` to its metadata"
        elif any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"code cell {number} writes to stderr; keep warnings and progress bars out of the outputs"
        if str(chapter.root) in str(cell.outputs):
            yield f"code cell {number} shows a path of this machine; print what is the same everywhere"
    if (ignored - timings) * 10 > with_output or ignored * 5 > with_output:
        yield (
            f"{ignored} of {with_output} outputs are ignored, over 20 %, or over 10 % without the timings;"
            " make more of them stable"
        )


def of_markdown(notebook: NotebookNode, chapter: Chapter) -> Found:
    """Markdown that does not read the same everywhere."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            source = CODE_BLOCK.sub("", cell.source)
            if DIRECTIVE.search(source):
                yield f"cell {number}: a MyST directive; JupyterLab shows it raw, so use a quote or <details>"
            if ROLE.search(CODE_SPAN.sub("\0", source)):
                yield f"cell {number}: a MyST role; JupyterLab shows it raw, so use plain Markdown"
            if IMAGE_WITHOUT_ALT.search(source):
                yield f"cell {number}: an image without alternative text; write it between the brackets"


def of_lines(notebook: NotebookNode, chapter: Chapter) -> Found:
    """Lines of code that are wider than a page."""
    for number, cell in enumerate(code_cells(notebook), 1):
        letters = max(map(len, cell.source.split("\n")))
        if letters > LETTERS:
            yield f"code cell {number} has a line of {letters} letters, over {LETTERS}; wrap it"


def of_imports(notebook: NotebookNode, book: Book, chapter: Chapter) -> Found:
    """Imports of later chapters, and of its own module in cells that do not run alone."""
    if chapter.module is None:
        return
    later = {other.module for other in book.chapters[chapter.position + 1 :]}
    exercises = False
    for cell, heading in zip(notebook.cells, headings(notebook), strict=True):
        exercises |= heading == "Exercises"
        if cell.cell_type != "code":
            continue
        for module, name in imported(parse_code(cell.source)):
            imported_module = name if module == "companion" else module.removeprefix("companion.")
            place = f"the cell {cell.source.splitlines()[0][:50]!r}"
            if imported_module in later:
                yield f"{place} imports companion.{imported_module}, which a later chapter builds; do not"
            if imported_module == chapter.module and not exercises and "smollm2" not in tags(cell):
                yield f"{place} imports its own module; its cells define these names"


def of_module(notebook: NotebookNode, book: Book, chapter: Chapter) -> list[str]:
    """The module against the cells that it is exported from."""
    try:
        module = export(chapter, notebook)
    except BookError as error:
        return [f"{book.relative(chapter.notebook)}: {error}"]
    if module is None:
        return []
    file = chapter.module_file
    if not file.exists():
        return [f"{book.relative(file)}: missing; run `sync {chapter.name}`"]
    if file.read_text(encoding="utf-8") != module:
        return [f"{book.relative(file)}: differs from its chapter's cells; run `sync {chapter.name}`"]
    return []


def of_ladder(notebook: NotebookNode, book: Book, chapter: Chapter) -> list[str]:
    """The rungs in data/ladder.toml against those that the notebook prints."""
    try:
        printed = printed_rungs(notebook)
    except BookError as error:
        return [f"{book.relative(chapter.notebook)}: {error}"]
    if printed != read_ladder(book).get(chapter.name, {}):
        return [f"data/ladder.toml: differs from what {chapter.name} prints; run `sync {chapter.name}`"]
    return []
