"""The map of the course, made from what the chapters import."""

import functools
import importlib
import re
from pathlib import Path

import pytest

from companion.book.check import check
from companion.book.course_map import built_on, course_map, map_file, taken, uses
from companion.book.manifest import Book
from companion.book.sync import sync

ROOT = Path(__file__).parents[2]
BOOK = Book.read(ROOT)


@functools.cache
def page() -> str:
    """The map of the real course."""
    return course_map(BOOK)


@pytest.fixture
def mapped(book) -> Book:
    """The tiny book with a README and a map that is out of date."""
    rows = [f"| {i} | [x](chapters/{c.name}.ipynb) | thing {i} |\n" for i, c in enumerate(book.chapters)]
    (book.root / "README.md").write_text("".join(rows), encoding="utf-8")
    map_file(book).write_text("old", encoding="utf-8")
    return book


def test_a_map_that_differs_is_named_and_sync_makes_it_anew(mapped):
    (difference,) = check(mapped)
    assert difference.startswith("chapters/README.md: differs")
    sync(mapped, ["01"], run=False)
    assert check(mapped) == []
    assert "| thing 1 |" in map_file(mapped).read_text(encoding="utf-8")


@pytest.mark.parametrize("chapter", [c for c in BOOK.chapters if c.module], ids=lambda chapter: chapter.name)
def test_it_says_what_the_modules_import(chapter):
    """Read here without parsing: every line of a module that imports from the package."""
    source = chapter.module_file.read_text(encoding="utf-8")
    modules = set(re.findall(r"^from companion\.(\w+) import", source, re.MULTILINE))
    needs = modules & {other.module for other in BOOK.chapters}
    assert {other.module for other in built_on(BOOK, chapter)} == needs
    assert set(re.findall(rf"(\w+) --> {chapter.module}\b", page())) == needs


@pytest.mark.gate
def test_nothing_needs_what_comes_later():
    for chapter in BOOK.chapters:
        needs = built_on(BOOK, chapter) + (uses(BOOK, chapter) if chapter.module else [])
        assert all(other.position < chapter.position for other in needs)


@pytest.mark.gate
def test_the_names_that_others_take_are_the_modules():
    for chapter, names in taken(BOOK).items():
        if chapter.module:
            module = importlib.import_module(f"companion.{chapter.module}")  # some are of runtime, found here
            assert all(hasattr(module, name) for name in names), (chapter.module, names)
            # an appendix builds on the course, and nothing need build on it
            assert names or chapter.name in BOOK.parts["Appendices"], chapter.module
