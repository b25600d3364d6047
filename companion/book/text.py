"""A chapter's text, read as notebook cells, with ids that stay."""

import hashlib
import re
from pathlib import Path

import nbformat
from jupytext.combine import map_outputs_to_inputs
from jupytext.myst import MystMetadataParsingError, myst_to_notebook
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from companion.book import BookError
from companion.book.manifest import Book, Chapter
from companion.runtime.terminal import joined_lines

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": "3.11.7",
    },
}
"""The metadata of every notebook, as JupyterLab writes it when a notebook is opened.

Where it differs, JupyterLab marks a notebook that was only opened as changed. The version is that of the
Python that made the outputs; the kernel of another one puts its own there.
"""

FOLDED = {"hide-cell", "hide-input", "solution"}
"""Tags of cells that the web folds; JupyterLab, by their metadata, too, a solution with its output.

hide-input leaves what a cell prints and draws in sight: for code whose figure matters, and not its lines."""

FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ ]*$|\Z)", re.MULTILINE | re.DOTALL)
"""A block of code, which ends with the text where its fence is not closed."""

NAVIGATION = "navigation"
"""The tag of the cells that link to the chapters before and after. Only notebooks have them."""

NOTEBOOK_ONLY = "notebook-only"
"""The tag of cells that the web book leaves out, such as how to run a cell."""


def read_text(path: Path) -> tuple[NotebookNode, list[int]]:
    """Read a MyST text file.

    Returns:
        The notebook, without outputs, and for each code cell the line of the file on which its source begins,
        from 1.

    Raises:
        BookError: If the file is missing or cannot be read as MyST.
    """
    try:
        source = path.read_text(encoding="utf-8-sig")
        notebook = myst_to_notebook(source, add_source_map=True)
    except FileNotFoundError:
        raise BookError(f"chapters/text/{path.name} is missing; write it, or mend book.toml") from None
    except (MystMetadataParsingError, UnicodeDecodeError) as error:
        problem = joined_lines(error, 500)
        raise BookError(f"chapters/text/{path.name}: {problem}; mend that cell") from None
    lines = source.split("\n")
    starts = []
    for cell, start in zip(notebook.cells, notebook.metadata["source_map"], strict=True):
        if cell.cell_type != "code":
            continue
        body = cell.source.split("\n")
        after_options = (i for i in range(start, len(lines)) if lines[i : i + len(body)] == body)
        starts.append(next(after_options, start) + 1)
        if FOLDED & set(tags(cell)):
            cell.metadata["jupyter"] = NotebookNode(source_hidden=True)
        if "solution" in tags(cell):
            cell.metadata["jupyter"]["outputs_hidden"] = True
            cell.metadata["collapsed"] = True  # JupyterLab writes both
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook, starts


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook as it is, without mending ids.

    Raises:
        BookError: If the file is missing or is not a notebook.
    """
    try:
        return nbformat.v4.reads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BookError(f"chapters/{path.name} is missing; run `sync {path.stem}`") from None
    except (ValueError, AttributeError):
        raise BookError(f"chapters/{path.name} is not a notebook; run `sync {path.stem}`") from None


def write_notebook(notebook: NotebookNode) -> bytes:
    """The bytes of a notebook's file: sorted keys, line feeds, ending in one."""
    return (nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n").encode("utf-8")


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def has_image(cell: NotebookNode) -> bool:
    """Whether a cell shows a picture."""
    for output in cell.outputs:
        if any(kind.startswith("image/") for kind in output.get("data", {})):
            return True
    return False


def new_id(cell: NotebookNode, taken: set[str]) -> str:
    """An id for a new cell, from its content, so that the same text always gets the same one."""
    for attempt in range(len(taken) + 1):
        digest = hashlib.sha256(f"{cell.cell_type}\n{attempt}\n{cell.source}".encode()).hexdigest()[:8]
        if digest not in taken:
            return digest
    raise AssertionError("unreachable: one attempt more than ids taken")


def keep_ids(new: NotebookNode, old: NotebookNode | None) -> None:
    """Give cells the ids they have in old: equal cells keep theirs, edited ones that of the cell replaced."""
    before = [] if old is None else [cell for cell in old.cells if cell.get("id")]
    taken: set[str] = set()
    for cell, place in zip(new.cells, map_outputs_to_inputs(new.cells, before), strict=True):
        cell.id = "" if place is None or before[place].id in taken else before[place].id
        taken.add(cell.id)
    for cell in new.cells:
        if not cell.id:
            cell.id = new_id(cell, taken)
            taken.add(cell.id)


def blank_code(source: str) -> str:
    """A cell's Markdown with spaces for what is in code blocks, as long as before."""
    return FENCED.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)


def headings_in(source: str) -> list[tuple[int, str]]:
    """The levels and words of the headings in a cell's Markdown; a comment in a code block is none."""
    found = []
    for line in blank_code(source).split("\n"):
        match = re.match(r"(#{1,6}) +(.+)", line)
        if match:
            found.append((len(match[1]), match[2].strip()))
    return found


def heading_lines(cell: NotebookNode) -> list[str]:
    """The headings in a Markdown cell, without their signs."""
    return [words for _, words in headings_in(cell.source)] if cell.cell_type == "markdown" else []


def headings(notebook: NotebookNode) -> list[str]:
    """For each cell, the last heading in it or before it ("" before the first)."""
    current = ""
    found = []
    for cell in notebook.cells:
        for heading in heading_lines(cell):
            current = heading
        found.append(current)
    return found


def add_navigation(notebook: NotebookNode, book: Book, chapter: Chapter) -> None:
    """Put a link to the chapter before in front of a notebook's cells, and one to the next behind them."""

    def link(label: str, other: Chapter) -> NotebookNode:
        words = label.format(f"{other.number} {other.title}".strip())
        return new_markdown_cell(f"[{words}]({other.name}.ipynb)", metadata=NotebookNode(tags=[NAVIGATION]))

    place = chapter.position
    if place > 0:
        notebook.cells.insert(0, link("← {}", book.chapters[place - 1]))
    if place + 1 < len(book.chapters):
        notebook.cells.append(link("{} →", book.chapters[place + 1]))


def without_navigation(notebook: NotebookNode) -> NotebookNode:
    """Take the two links out of a notebook, and return it."""
    notebook.cells = [cell for cell in notebook.cells if NAVIGATION not in tags(cell)]
    return notebook
