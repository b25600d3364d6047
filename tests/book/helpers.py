"""Small things that several tests of the machinery use."""

from collections.abc import Callable
from pathlib import Path

from companion.book.manifest import Book
from companion.book.text import NAVIGATION, read_notebook, tags, without_navigation, write_notebook


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file under a folder, with its bytes."""
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def edit_text(book: Book, old: str, new: str, chapter: int = 0) -> None:
    """Replace a string in a chapter's text; it must be there once."""
    path = book.chapters[chapter].text
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")


def edit_notebook(book: Book, change: Callable, chapter: int = 0) -> None:
    """Change a chapter's notebook behind the machinery's back."""
    path = book.chapters[chapter].notebook
    notebook = read_notebook(path)
    change(notebook)
    path.write_bytes(write_notebook(notebook))


def edit_both(book: Book, change: Callable, chapter: int = 0) -> None:
    """Change a chapter's notebook, and rewrite its text from it, so that the two still agree."""
    import jupytext

    path, text = book.chapters[chapter].notebook, book.chapters[chapter].text
    notebook = read_notebook(path)
    way = [cell for cell in notebook.cells if NAVIGATION in tags(cell)]
    without_navigation(notebook)
    change(notebook)
    text.write_text(jupytext.writes(notebook, "md:myst"), encoding="utf-8", newline="\n")
    back, on = (way[:1], way[1:]) if chapter else ([], way)
    notebook.cells = [*back, *notebook.cells, *on]
    path.write_bytes(write_notebook(notebook))


def cell_with(notebook, fragment: str):
    """The one cell whose source holds a string."""
    (found,) = [cell for cell in notebook.cells if fragment in cell.source]
    return found
