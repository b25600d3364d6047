"""A line at a notebook's beginning that leads to the chapter before it, and one at its end to the next.

No author writes them: `sync` puts them into the notebooks, from book.toml and the titles of the texts.
"""

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from companion.book.manifest import Book, Chapter

TAG = "navigation"


def link(chapter: Chapter, label: str) -> str:
    """A link to a chapter's notebook; the label has {} where the chapter's number and title go."""
    return f"[{label.format(f'{chapter.number} {chapter.title}'.strip())}]({chapter.name}.ipynb)"


def add_navigation(notebook: NotebookNode, starts: list[int], book: Book, chapter: Chapter) -> None:
    """Put the two lines into a notebook as read from its text, and their places into starts."""

    def cell(source: str) -> NotebookNode:
        return new_markdown_cell(source, metadata=NotebookNode(tags=[TAG]))

    place = chapter.position
    if place > 0:
        notebook.cells.insert(0, cell(link(book.chapters[place - 1], "← {}")))
        starts.insert(0, 1)
    if place + 1 < len(book.chapters):
        notebook.cells.append(cell(link(book.chapters[place + 1], "{} →")))
        starts.append(starts[-1] if starts else 1)


def is_navigation(cell: NotebookNode) -> bool:
    """Whether a cell is one of the two lines."""
    return TAG in cell.metadata.get("tags", [])
