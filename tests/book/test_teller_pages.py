"""The model's files for the web book, and where its tools and its page come from."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from companion.book import BookError, site
from companion.book.manifest import Book
from companion.book.model import rounded, write_model, write_truth
from companion.book.teller import EXAMPLES, PLACES, model_page, place_tool, widget
from companion.book.text import read_notebook

REAL = Book.read(Path(__file__).parents[2])
SIZES = {"marks.json": 20, "model.json": 300, "weights.safetensors": 4000}


def test_a_rounded_row_is_within_half_a_step_and_reaches_its_ends():
    matrix = np.random.default_rng(0).normal(size=(5, 11)).astype(np.float32)
    matrix[1] *= 1e-4
    matrix[2] = 0
    integers, scales = rounded(matrix)
    assert integers.dtype == np.int8 and scales.dtype == np.float32 and scales.shape == (5,)
    assert (np.abs(integers * scales[:, None] - matrix) <= scales[:, None] * 0.5001).all()
    assert np.abs(integers[[0, 1, 3, 4]]).max(axis=1).tolist() == [127] * 4
    assert scales[2] == 1 and not integers[2].any()


def test_the_shipped_model_is_written_small_and_the_same_each_time(tmp_path):
    sizes = write_model(REAL, tmp_path / "one")
    write_model(REAL, tmp_path / "two")
    assert 900_000 < sum(sizes.values()) < 1_900_000
    for name, size in sizes.items():
        content = (tmp_path / "one" / name).read_bytes()
        assert len(content) == size and content == (tmp_path / "two" / name).read_bytes()


def test_an_example_that_the_village_could_not_tell_is_named(tmp_path):
    with pytest.raises(BookError, match="'sang' cannot come after 'The fox Bram'.*mend \\[examples\\]"):
        write_truth(REAL, tmp_path / "truth.json", ["The fox Bram sang"])


def test_a_tool_gets_its_examples():
    page = widget("tell", "../", SIZES)
    (stored,) = re.findall(r'data-examples="([^"]+)"', page)
    assert json.loads(html.unescape(stored)) == EXAMPLES["tell"]
    assert "data-examples" not in widget("cut", "../", SIZES)


def chapter_cells(*sources: str):
    """A notebook of Markdown cells, with code after each."""
    cells = [cell for source in sources for cell in (new_markdown_cell(source), new_code_cell("x = 1"))]
    return new_notebook(cells=cells)


def test_a_tool_stands_at_the_end_of_its_section(book, monkeypatch):
    monkeypatch.setitem(PLACES, book.chapters[0].name, ("Here", "cut"))
    page = chapter_cells("# A", "## Here", "```\n## no heading\n```", "### Below", "## There", "## Here too")
    place_tool(page, book.chapters[0], SIZES)
    (place,) = [i for i, cell in enumerate(page.cells) if 'class="teller"' in cell.source]
    assert page.cells[place + 1].source == "## There" and page.cells[place - 2].source == "### Below"
    assert 'data-widget="cut" data-bytes="4320" data-described="300"' in page.cells[place].source
    assert 'src="../_static/teller/play.js"' in page.cells[place].source


@pytest.mark.parametrize("sources", [("# A", "## Other", "## More"), ("# A", "## Here")])
def test_a_section_that_is_lost_is_named(book, monkeypatch, sources):
    monkeypatch.setitem(PLACES, book.chapters[0].name, ("Here", "cut"))
    with pytest.raises(BookError, match="has no section 'Here'.*mend \\[places\\]"):
        place_tool(chapter_cells(*sources), book.chapters[0], SIZES)


def test_each_place_is_there():
    for name, (_, kind) in PLACES.items():
        chapter = REAL.find(name)
        page = read_notebook(chapter.notebook)
        before = len(page.cells)
        place_tool(page, chapter, SIZES)
        assert len(page.cells) == before + 1
        assert (site.STATIC / "teller" / f"{kind}.js").exists()


@pytest.mark.parametrize(("way", "folder"), [("", "chapters/"), ("../", "")])
def test_the_parts_of_the_model_lead_to_their_chapters(way, folder):
    page = widget("flow", way, SIZES)
    links = re.findall(r'<a href="(.+?)\.html">chapter (\d+)</a>', page)
    assert links and all(int(Path(link).name[:2]) == int(number) for link, number in links)
    assert all(link == f"{folder}{REAL.find(Path(link).name).name}" for link, _ in links)


def test_the_model_s_page_shows_its_code():
    source = (site.STATIC / "teller" / "gpt.js").read_text(encoding="utf-8")
    assert source.count("\n") <= 250 and "import" not in source.split()
    page = model_page(SIZES)
    assert "4,320 bytes" in page and "chapters 0, 1, 4, 8 and 9" in page.replace("\n", " ")
    assert "```{literalinclude} /_static/teller/gpt.js" in page
