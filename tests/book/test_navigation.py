"""The lines that lead from chapter to chapter."""

import re
from pathlib import Path

import pytest
from helpers import edit_notebook, edit_text

from companion.book.check import check
from companion.book.manifest import Book
from companion.book.sync import sync
from companion.book.text import is_navigation, read_notebook

BOOK = Book.read(Path(__file__).parents[2])


def lines(book: Book, chapter: int) -> list[str]:
    """The two lines of a chapter's notebook, as far as it has them."""
    return [
        cell.source for cell in read_notebook(book.chapters[chapter].notebook).cells if is_navigation(cell)
    ]


@pytest.mark.parametrize("chapter", BOOK.chapters, ids=lambda chapter: chapter.name)
def test_each_notebook_leads_back_with_its_first_cell_and_on_with_its_last(chapter):
    cells = read_notebook(chapter.notebook).cells
    found = [re.findall(r"\((\w+)\.ipynb\)", cell.source) if is_navigation(cell) else [] for cell in cells]
    names = [other.name for other in BOOK.chapters]
    assert found[0] == names[max(0, chapter.position - 1) : chapter.position]
    assert found[-1] == names[chapter.position + 1 : chapter.position + 2]
    assert not any(found[1:-1])


def test_a_line_names_the_other_chapter_as_its_text_does(book):
    assert lines(book, 0) == ["[2 Smoothing a curve →](02_smoothing.ipynb)"]
    assert lines(book, 1) == ["[← 1 An average that forgets](01_averages.ipynb)"]
    edit_text(book, "# Smoothing a curve", "# A smooth curve", chapter=1)
    assert any("01_averages.md: differs from the notebook" in difference for difference in check(book))
    sync(book, run=False)
    assert lines(book, 0) == ["[2 A smooth curve →](02_smoothing.ipynb)"]
    assert not any("01_averages" in difference for difference in check(book))


def test_a_line_that_was_removed_is_named_and_comes_back(book):
    edit_notebook(book, lambda notebook: notebook.cells.pop())
    assert any("differs from the notebook" in difference for difference in check(book))
    sync(book, ["01"], run=False)
    assert check(book) == []


def test_the_texts_have_no_such_lines():
    for chapter in BOOK.chapters:
        assert "→](" not in chapter.text.read_text(encoding="utf-8")
