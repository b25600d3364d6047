"""The rungs that notebooks print, and the file that keeps them."""

import tomllib

import nbformat
import pytest

from companion.book import BookError
from companion.book.ladder import ladder_file, printed_rungs, read_ladder, write_ladder


def notebook_of(*texts, tag="ladder"):
    """A notebook of cells tagged ladder, each with what it printed, in two pieces."""
    cells = []
    for text in texts:
        pieces = [nbformat.v4.new_output("stream", name="stdout", text=part) for part in (text[:7], text[7:])]
        cells.append(nbformat.v4.new_code_cell("print()", outputs=pieces, metadata={"tags": [tag]}))
    return nbformat.v4.new_notebook(cells=cells)


def test_each_line_with_a_name_and_a_value_is_a_rung():
    notebook = notebook_of(
        "uniform bytes: 8 bits per byte\nno rung here\npairs (a: b): 0.690\n", "  below: -1.5\ntime: soon\n"
    )
    expected = {"uniform bytes": 8.0, "pairs (a: b)": 0.69, "below": -1.5}
    assert printed_rungs(notebook) == expected
    assert printed_rungs(notebook_of("uniform bytes: 8\n", tag="other")) == {}


@pytest.mark.parametrize(
    "texts, message",
    [
        (["nothing to see"], "code cell 1 is tagged ladder and printed no `name: value`"),
        (["pairs: 0.7", "pairs: 0.6"], "the rung 'pairs' is printed twice"),
    ],
)
def test_a_cell_without_a_rung_and_a_rung_twice_are_named(texts, message):
    with pytest.raises(BookError, match=message):
        printed_rungs(notebook_of(*texts))


def test_the_file_keeps_the_order_of_the_book_and_forgets_what_left_it(book):
    path = ladder_file(book)
    path.write_text('[02_smoothing]\n"a \\"b\\" é" = 0.50\n[09_gone]\n"x" = 1.0\n', encoding="utf-8")
    path.write_bytes(write_ladder(book, "01_averages", {"first": 8.0, "second": 2.3}))
    assert list(tomllib.loads(path.read_text(encoding="utf-8"))) == ["01_averages", "02_smoothing"]
    assert read_ladder(book) == {
        "01_averages": {"first": 8.0, "second": 2.3},
        "02_smoothing": {'a "b" é': 0.5},
    }
    before = path.read_bytes()
    for name, rungs in read_ladder(book).items():
        assert write_ladder(book, name, rungs) == before
    path.write_bytes(write_ladder(book, "02_smoothing", {}))
    assert list(read_ladder(book)) == ["01_averages"]


def test_a_missing_ladder_is_empty_and_a_damaged_one_is_named(book):
    ladder_file(book).write_text("[")
    with pytest.raises(BookError, match="data/ladder.toml: .*; remove it and sync the chapters"):
        read_ladder(book)
    ladder_file(book).unlink()
    assert read_ladder(book) == {}
