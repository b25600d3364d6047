"""The lines that lead from chapter to chapter."""

from helpers import edit_text

from companion.book.check import check
from companion.book.manifest import Book
from companion.book.sync import sync
from companion.book.text import NAVIGATION, read_notebook, tags


def lines(book: Book, chapter: int) -> list[str]:
    """The two lines of a chapter's notebook, as far as it has them."""
    cells = read_notebook(book.chapters[chapter].notebook).cells
    return [cell.source for cell in cells if NAVIGATION in tags(cell)]


def test_a_line_names_the_other_chapter_as_its_text_does(book):
    assert lines(book, 0) == ["[2 Smoothing a curve →](02_smoothing.ipynb)"]
    assert lines(book, 1) == ["[← 1 An average that forgets](01_averages.ipynb)"]
    edit_text(book, "# Smoothing a curve", "# A smooth curve", chapter=1)
    assert any("01_averages.ipynb: differs from what" in difference for difference in check(book))
    sync(book, run=False)
    assert lines(book, 0) == ["[2 A smooth curve →](02_smoothing.ipynb)"]
    assert not any("01_averages" in difference for difference in check(book))
