"""Naming each difference between what is committed and what the rules and `sync` would have it be."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from nbformat import NotebookNode
from nbformat.validator import iter_validate
from ruff import find_ruff_bin

from companion.book import BookError
from companion.book.course_map import course_map, map_file
from companion.book.elsewhere import repository_problems
from companion.book.execute import raised
from companion.book.export import export
from companion.book.glossary import glossary_file, glossary_rows
from companion.book.imports import chapter_problems, common_problems, package_problems, parse_code, patched
from companion.book.ladder import printed_rungs, read_ladder
from companion.book.manifest import GENERATED, Book, Chapter
from companion.book.navigation import add_navigation
from companion.book.readme_table import described
from companion.book.text import METADATA, code_cells, read_notebook, read_text, tags

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
    for file, problem in repository_problems(book):
        yield file, problem
    folder = book.root / "chapters"
    for path in sorted([*folder.glob("*.ipynb"), *folder.glob("text/*.md")]):
        if path.stem not in names:
            yield book.relative(path), "not in the manifest; add its block to book.toml or remove the file"
    files = [chapter.module_file for chapter in book.chapters]
    for path in sorted((book.root / "companion").glob("*.py")):
        if path not in files and GENERATED in path.read_text(encoding="utf-8"):
            yield book.relative(path), "generated, but no chapter in book.toml exports it; remove it"
    yield from linter_problems(book)
    for path, problem in package_problems(book):
        yield book.relative(path), problem
    if (book.root / "jupytext.toml").exists():
        yield "jupytext.toml", "pairs the notebooks, which breaks them for readers; remove it"
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


def linter_problems(book: Book) -> Iterator[tuple[str, str]]:
    """What ruff finds in our Python, by pyproject.toml; where there is none, only names that are wrong."""
    settings = [] if (book.root / "pyproject.toml").exists() else ["--isolated", "--select", "F"]
    folders = [
        str(book.root / name) for name in ("companion", "tests", "benchmarks") if (book.root / name).is_dir()
    ]
    command = [find_ruff_bin(), "check", "--no-cache", "--output-format", "json", *settings, *folders]
    done = subprocess.run(command, cwd=book.root, capture_output=True, text=True, encoding="utf-8")
    for problem in json.loads(done.stdout):
        file = book.relative(Path(problem["filename"]))
        yield file, f"line {problem['location']['row']}: {problem['message']} ({problem['code']}); mend it"


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
    if "formats" in text.metadata.get("jupytext", {}):
        yield "its header pairs it with a notebook (formats); remove that line"
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
    if "formats" in notebook.metadata.get("jupytext", {}):
        yield f"its metadata pair it with a text (formats), which breaks it for readers; {remedy}"
    elif notebook.metadata != METADATA or (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        yield f"its metadata are not the normal ones; {remedy}"
    ids = [cell.get("id") for cell in notebook.cells]
    for number in (number for number, id_ in enumerate(ids, 1) if not id_):
        yield f"missing id of cell {number}; {remedy}"
    for id_ in dict.fromkeys(id_ for id_ in ids if id_ and ids.count(id_) > 1):
        yield f"duplicate cell id {id_}; {remedy}"
    if all(ids) and (error := next(iter_validate(notebook), None)):
        yield f"not a valid notebook ({str(error).splitlines()[0]}); {remedy}"


def of_execution(notebook: NotebookNode, chapter: Chapter) -> Found:
    """Whether every code cell was run, once, in order, and did what its tags say."""
    remedy = f"run `sync {chapter.name}`"
    cells = code_cells(notebook)
    counts = [cell.execution_count for cell in cells]
    if not all(cell.source.strip() for cell in cells):
        yield "an empty code cell; remove it from the text"
    elif None in counts:
        yield f"not executed: code cell {counts.index(None) + 1}; {remedy}"
    elif counts != list(range(1, len(counts) + 1)):
        yield f"executed out of order: {', '.join(map(str, counts))}; {remedy}"
    for number, cell in enumerate(cells, 1):
        if "raises-exception" in tags(cell) and not raised(cell):
            yield f"code cell {number} is tagged raises-exception and did not raise; {remedy}"
        if raised(cell) and "raises-exception" not in tags(cell):
            yield f"code cell {number} failed when it was run; mend it, then {remedy}"
        if "nbval-skip" in tags(cell) or "NBVAL_" in cell.source:
            yield f"code cell {number} hides from the tests (nbval-skip or an NBVAL_ comment); remove that"
        if {"hide-cell", "hide-input"} & set(tags(cell)) and not cell.source.lstrip().startswith("#"):
            yield f"code cell {number} is folded, and its first line shows; begin it with a comment"
        if cell.execution_count and not raised(cell) and output_missing(cell):
            yield f"outputs missing: code cell {number} prints or draws, and shows nothing; {remedy}"


def output_missing(cell: NotebookNode) -> bool:
    """Whether a cell calls print or plt.show at its top level without a trace of it."""
    tree = parse_code(cell.source)
    calls = [node.value for node in tree.body if isinstance(node, ast.Expr)] if tree else []
    calls = [call for call in calls if isinstance(call, ast.Call)]
    called = [ast.unparse(call.func) for call in calls if "file" not in [word.arg for word in call.keywords]]
    prints = any(output.get("name") == "stdout" for output in cell.outputs)
    return ("print" in called and not prints) or ("plt.show" in called and not has_image(cell))


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


def cells_before(notebook: NotebookNode, title: str) -> list[NotebookNode]:
    """The cells before the first heading with this title (a regular expression); the last is cut there."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        found = re.search(rf"^##? ({title})\b", cell.source, re.MULTILINE)
        if found and cell.cell_type == "markdown":
            cells[-1] = NotebookNode({**cell, "source": cell.source[: found.start()]})
            break
    return cells


def of_imports(notebook: NotebookNode, book: Book, chapter: Chapter) -> Found:
    """Imports against the rule; exercises and sections that run alone may import the chapter's own module."""
    cells = code_cells(notebook)
    trees = [parse_code(cell.source) or ast.Module([], []) for cell in cells]
    chapter_proper = len(code_cells(NotebookNode(cells=cells_before(notebook, "Exercises"))))
    for number, (cell, tree) in enumerate(zip(cells, trees, strict=True), 1):
        stands_alone = number > chapter_proper or "smollm2" in tags(cell)
        also = {"exercises", "load"} | ({chapter.module} if stands_alone else set())
        also |= {"serve"} if chapter.module == "serving" else set()
        problems = [*common_problems(tree), *chapter_problems(tree, book, chapter, also)]
        yield from (f"code cell {number}: {problem}" for problem in dict.fromkeys(problems))
    whole = ast.Module([node for tree in trees for node in tree.body], [])
    yield from (f"patches {target}; build what differs from parts" for target in sorted(set(patched(whole))))


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
