"""The model's files for the web book, and where its tools and its page come from."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from companion.book import BookError, site
from companion.book.manifest import Book
from companion.book.model import CHECKPOINT, pack, rounded, ships, write_model
from companion.book.teller import (
    MIRRORS,
    PLACES,
    javascript_parts,
    model_page,
    place_tool,
    python_part,
    widget,
)
from companion.book.text import read_notebook

REAL = Book.read(Path(__file__).parents[2])
SOURCE = (site.STATIC / "teller" / "gpt.js").read_text(encoding="utf-8")
SIZES = {"marks.json": 20, "model.json": 300, "weights.bin": 4000}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_rounded_row_is_within_half_a_step_and_reaches_its_ends(seed):
    matrix = np.random.default_rng(seed).normal(size=(5, 11)).astype(np.float32)
    matrix[1] *= 1e-4
    matrix[2] = 0
    integers, scales = rounded(matrix)
    assert integers.dtype == np.int8 and scales.dtype == np.float32 and scales.shape == (5,)
    assert (np.abs(integers * scales[:, None] - matrix) <= scales[:, None] * 0.5001).all()
    assert np.abs(integers[[0, 1, 3, 4]]).max(axis=1).tolist() == [127] * 4
    assert scales[2] == 1 and not integers[2].any()


def test_a_packed_file_gives_its_tensors_back():
    rng = np.random.default_rng(3)
    tensors = {"a": rng.normal(size=(3, 5)), "b": rng.normal(size=7), "c": rng.normal(size=(2, 9))}
    tensors = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    content, table = pack(tensors)
    assert [row["name"] for row in table] == ["a", "b", "c"]
    a, b, c = table
    assert all(row.get("scales", 0) % 4 == 0 for row in table) and b["at"] % 4 == 0
    assert np.frombuffer(content, "<f4", 7, b["at"]).tolist() == tensors["b"].tolist()
    for row in (a, c):
        integers, scales = rounded(tensors[row["name"]])
        assert np.frombuffer(content, np.int8, integers.size, row["at"]).tolist() == integers.ravel().tolist()
        assert np.frombuffer(content, "<f4", len(scales), row["scales"]).tolist() == scales.tolist()
    assert len(content) == 4 * (3 + 7 + 2) + 15 + 18


def test_the_shipped_model_is_written_small_and_the_same_each_time(tmp_path):
    sizes = write_model(REAL, tmp_path / "one")
    write_model(REAL, tmp_path / "two")
    assert 900_000 < sum(sizes.values()) < 1_900_000
    for name, size in sizes.items():
        content = (tmp_path / "one" / name).read_bytes()
        assert len(content) == size and content == (tmp_path / "two" / name).read_bytes()
    described = json.loads((tmp_path / "one" / "model.json").read_text(encoding="utf-8"))
    size = sum(np.prod(row["shape"]) + 4 * row["shape"][0] for row in described["tensors"] if "scales" in row)
    size += sum(4 * row["shape"][0] for row in described["tensors"] if "scales" not in row)
    assert sizes["weights.bin"] == size


def test_a_model_that_the_javascript_cannot_run_is_refused(book, tmp_path):
    folder = book.root / CHECKPOINT
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_bytes((REAL.root / CHECKPOINT / name).read_bytes())
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["config"]["architecture"] = "swift"
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert ships(book)
    with pytest.raises(BookError, match="is no gpt2 with GPT-2's split pattern.*; change these$"):
        write_model(book, tmp_path / "out")
    assert not (tmp_path / "out").exists()


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


@pytest.mark.parametrize("name", PLACES)
def test_each_place_is_there(name):
    chapter = REAL.find(name)
    page = read_notebook(chapter.notebook)
    before = len(page.cells)
    place_tool(page, chapter, SIZES)
    assert len(page.cells) == before + 1
    kinds = {kind for _, kind in PLACES.values()}
    assert all((site.STATIC / "teller" / f"{kind}.js").exists() for kind in kinds)


@pytest.mark.parametrize(("way", "folder"), [("", "chapters/"), ("../", "")])
def test_the_parts_of_the_model_lead_to_their_chapters(way, folder):
    page = widget("flow", way, SIZES)
    links = re.findall(r'<a href="(.+?)\.html">chapter (\d+)</a>', page)
    assert links and all(int(Path(link).name[:2]) == int(number) for link, number in links)
    assert all(link == f"{folder}{REAL.find(Path(link).name).name}" for link, _ in links)


def test_the_model_s_code_is_short_and_cut_into_its_parts():
    assert SOURCE.count("\n") <= 250 and "import" not in SOURCE.split()
    parts = javascript_parts(SOURCE)
    assert list(parts) == [name for name, _, _ in MIRRORS]
    begin = SOURCE.index("/**")
    assert "\n\n".join(parts.values()) == SOURCE[begin:].strip()
    with pytest.raises(BookError, match="must stand above one function or class"):
        javascript_parts("// a\n/** Lost. */\nconst x = 1;\n")


def test_python_is_shown_without_its_docstring():
    code = python_part(REAL, "blocks", "LayerNorm.forward")
    assert code.splitlines()[0] == "def forward(self, x: torch.Tensor) -> torch.Tensor:"
    assert "layer_norm" in code and '"""' not in code
    with pytest.raises(BookError, match="has no LayerNorm.backward"):
        python_part(REAL, "blocks", "LayerNorm.backward")


def test_the_page_needs_every_part_in_its_order():
    described = {"tensors": [{"shape": [3, 5]}, {"shape": [7]}]}
    page = model_page(REAL, SOURCE, described, SIZES, "data/models/village")
    assert "22 numbers" in page and "4,320 bytes" in page and "chapters 0, 1, 4, 8 and 9" in page
    assert page.count("```javascript") == len(MIRRORS)
    with pytest.raises(BookError, match="name each in .*teller.toml, in this order"):
        model_page(REAL, SOURCE + "\n/** New. */\nfunction more() {}\n", described, SIZES, "x")
