"""What spans the chapters: the lines from one to the next, the map, the ladder, the terms and questions."""

import csv
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
from helpers import edit_text

from companion.book import BookError
from companion.book.check import check
from companion.book.manifest import Book
from companion.book.overviews import built_on, ladder, printed_rungs, uses
from companion.book.sync import sync
from companion.book.text import NAVIGATION, read_notebook, tags

# -- lines from chapter to chapter ----


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


# -- the map of the course ----


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


# -- the rungs that notebooks print ----


def notebook_of(text, tag="ladder"):
    """A notebook of a cell tagged ladder, with what it printed, in two pieces."""
    pieces = [nbformat.v4.new_output("stream", name="stdout", text=part) for part in (text[:7], text[7:])]
    cell = nbformat.v4.new_code_cell("print()", outputs=pieces, metadata={"tags": [tag]})
    return nbformat.v4.new_notebook(cells=[cell])


def test_each_line_with_a_name_and_a_value_is_a_rung():
    notebook = notebook_of("uniform bytes: 8 bits per byte\nno rung here\npairs (a: b): 0.690\ntime: soon\n")
    assert printed_rungs(notebook) == {"uniform bytes": 8.0, "pairs (a: b)": 0.69}
    assert printed_rungs(notebook_of("uniform bytes: 8\n", tag="other")) == {}


def test_a_cell_without_a_rung_is_named():
    with pytest.raises(BookError, match="a cell tagged ladder printed no `name: value`"):
        printed_rungs(notebook_of("nothing to see"))


def test_the_file_has_the_order_of_the_book(book):
    one, two = book.chapters
    text = ladder({one: notebook_of('a "b" é: 0.50\n'), two: notebook_of("below: -1.5\n")})
    assert list(tomllib.loads(text).items()) == [
        ("01_averages", {'a "b" é': 0.5}),
        ("02_smoothing", {"below": -1.5}),
    ]


# -- data/glossary.csv and data/questions.csv ----


def test_a_glossary_that_differs_is_named_and_sync_makes_it_anew(book):
    file = book.root / "data" / "glossary.csv"
    file.write_text("old", encoding="utf-8")
    assert any(one.startswith("data/glossary.csv: differs from the chapters") for one in check(book))
    text = book.chapters[0].text.read_text(encoding="utf-8")
    added = '\n## Terms\n\n| term | meaning |\n|---|---|\n| decay, beta | a share, "kept" |\n'
    book.chapters[0].text.write_text(text + added, encoding="utf-8")
    sync(book, ["01"], run=False)
    assert check(book) == []
    [row] = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    assert row == {
        "names": "decay | beta",
        "meaning": 'a share, "kept"',
        "chapter": "1",
        "title": "An average that forgets",
    }


def test_the_questions_that_learners_ask_are_gathered_with_their_answers(book):
    file = book.root / "data" / "questions.csv"
    file.write_text("old", encoding="utf-8")
    assert any(one.startswith("data/questions.csv: differs from the chapters") for one in check(book))
    text = book.chapters[0].text.read_text(encoding="utf-8")
    added = (
        "\n## Questions that learners ask\n\n> **Why so?** Because.\n>\n> **A good place to stop.** Here.\n"
    )
    book.chapters[0].text.write_text(text + added, encoding="utf-8")
    sync(book, ["01"], run=False)
    [row] = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    assert (row["question"], row["answer"], row["chapter"]) == ("Why so?", "Because.", "1")


def test_the_headings_of_sections_are_gathered_without_exercises_and_those_of_every_chapter(book):
    file = book.root / "data" / "sections.csv"
    file.write_text("old", encoding="utf-8")
    assert any(one.startswith("data/sections.csv: differs from the chapters") for one in check(book))
    text = book.chapters[0].text.read_text(encoding="utf-8")
    book.chapters[0].text.write_text(f"{text}\n## Why it forgets\n\n### 1.9 Forget it\n", encoding="utf-8")
    sync(book, ["01"], run=False)
    headings = [row["question"] for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())]
    assert "Why it forgets" in headings and "1.9 Forget it" not in headings
    assert book.chapters[0].title not in headings
