"""The main path of a chapter: its minutes are those that the chapter states, and an hour at the most."""

import re
from pathlib import Path

import pytest

from companion.book.manifest import Book
from companion.book.text import FOLDED, read_notebook, tags

BOOK = Book.read(Path(__file__).parents[2])
WORDS = 100  # of prose a minute
LINES = 8  # of visible code a minute
END = "> **End of the main path**, after about "


def visible_lines(source: str) -> int:
    """Lines of code without blank lines, comments and docstrings."""
    source = re.sub(r'^\s*"""(.*?)"""\s*$', "", source, flags=re.MULTILINE | re.DOTALL)
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.split("\n"))


def words(source: str) -> int:
    """Words of prose, captions, lists and tables, without formulas and addresses."""
    source = re.sub(r"\$[^$]*\$|\]\([^)]*\)|[|*>#`]", " ", source)
    return sum(bool(re.search(r"\w", word)) for word in source.split())


def main_path(notebook) -> list:
    """The cells up to the end of the main path."""
    end = next(i for i, cell in enumerate(notebook.cells) if END in cell.source)
    return notebook.cells[: end + 1]


def minutes(cells) -> float:
    """How long a learner takes for these cells."""
    shown = [cell for cell in cells if cell.cell_type == "code" and not FOLDED & set(tags(cell))]
    prose = sum(words(cell.source) for cell in cells if cell.cell_type == "markdown")
    return prose / WORDS + sum(visible_lines(cell.source) for cell in shown) / LINES


READY = [chapter for chapter in BOOK.chapters if END in chapter.text.read_text(encoding="utf-8")]


@pytest.mark.parametrize("chapter", READY, ids=lambda chapter: chapter.name)
def test_a_main_path_takes_an_hour_at_the_most_and_the_minutes_that_it_states(chapter):
    notebook = read_notebook(chapter.notebook)
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    stated = int(re.search(r"Reading (\d+) minutes \(main path\)", source)[1])
    assert minutes(main_path(notebook)) <= 60 and abs(minutes(main_path(notebook)) - stated) <= 3
    assert re.search(re.escape(END) + r"(\d+) minutes", source)[1] == str(stated)
    [half] = re.findall(r"> \*\*Half-way\*\*, after about (\d+) minutes", source)
    assert 0.3 * stated < int(half) < 0.7 * stated
    assert "A good place to stop" not in source
