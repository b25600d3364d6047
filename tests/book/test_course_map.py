"""The map of the course, made from what the chapters import."""

import re
from pathlib import Path

import pytest

from companion.book.check import check
from companion.book.manifest import Book
from companion.book.overviews import built_on, uses
from companion.book.sync import sync
from companion.book.text import read_notebook

ROOT = Path(__file__).parents[2]
BOOK = Book.read(ROOT)


def test_a_map_that_differs_is_named_and_sync_makes_it_anew(book):
    page = book.root / "chapters" / "README.md"
    rows = [f"| {i} | [x](chapters/{c.name}.ipynb) | thing {i} |\n" for i, c in enumerate(book.chapters)]
    (book.root / "README.md").write_text("".join(rows), encoding="utf-8")
    page.write_text("old", encoding="utf-8")
    (difference,) = check(book)
    assert difference.startswith("chapters/README.md: differs")
    sync(book, ["01"], run=False)
    assert check(book) == []
    assert "| thing 1 |" in page.read_text(encoding="utf-8")


def test_it_says_what_the_modules_import():
    """Read here without parsing: every line of a module that imports from the package."""
    page = (ROOT / "chapters" / "README.md").read_text(encoding="utf-8")
    for chapter in BOOK.chapters:
        if chapter.module:
            source = chapter.module_file.read_text(encoding="utf-8")
            modules = set(re.findall(r"^from companion\.(\w+) import", source, re.MULTILINE))
            needs = modules & {other.module for other in BOOK.chapters}
            assert {other.module for other in built_on(BOOK, chapter)} == needs
            assert set(re.findall(rf"(\w+) --> {chapter.module}\b", page)) == needs


@pytest.mark.gate
def test_nothing_needs_what_comes_later():
    for chapter in BOOK.chapters:
        if chapter.module:
            needs = built_on(BOOK, chapter) + uses(BOOK, chapter, read_notebook(chapter.notebook))
            assert all(other.position < chapter.position for other in needs)
