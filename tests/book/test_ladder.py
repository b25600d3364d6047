"""The rungs that notebooks print, and the file that keeps them."""

import tomllib

import nbformat
import pytest

from companion.book import BookError
from companion.book.overviews import ladder, printed_rungs


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
