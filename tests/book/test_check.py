"""check names every difference: each is planted in a copy of the tiny book."""

import nbformat
import pytest
from helpers import cell_with, edit_both, edit_notebook, snapshot

from companion.book.__main__ import main
from companion.book.check import check, of_markdown
from companion.book.elsewhere import BEGIN, END
from companion.book.manifest import Book

NOTEBOOK, TEXT = "chapters/01_averages.ipynb", "chapters/text/01_averages.md"


CELLS = {
    "hidden from the tests": {"code": ["# NBVAL_SKIP\nx = 1"], "words": "hides from the tests"},
    "long line": {"code": ["x = 1  # " + "x" * 102], "words": "111 letters, over 110; wrap it"},
    "magic in an exported cell": {
        "code": ["%time\nx = 1"],
        "metadata": {"tags": ["export"]},
        "words": "a magic in an exported cell: %time",
    },
    "forward import": {
        "code": ["from companion.smoothing import smooth"],
        "words": "imports companion.smoothing, which a later chapter builds",
    },
    "own module": {"code": ["import companion.averages"], "words": "imports its own module"},
    "folded cell": {
        "code": ["x = 1"],
        "metadata": {"tags": ["hide-cell"], "jupyter": {"source_hidden": True}},
        "words": "begin it with a comment",
    },
    "directive": {"markdown": ["::: note\nLook.\n:::"], "words": "a MyST directive"},
    "role": {"markdown": ["See {ref}`there`."], "words": "a MyST role"},
    "image without words": {"markdown": ["![](x.png)"], "words": "image without alternative text"},
}
"""Cells that are added to text and notebook, and words of the difference."""

FILES = {
    "text edited": {
        "file": "chapters/text/01_averages.md",
        "old": "One number",
        "new": "Two numbers",
        "words": "differs from the notebook at cell 1",
    },
    "text unreadable": {
        "file": "chapters/text/01_averages.md",
        "old": "[ladder]",
        "new": "[ladder",
        "words": "could not be read",
    },
    "text missing": {"file": "chapters/text/01_averages.md", "words": "is missing"},
    "notebook missing": {"file": "chapters/01_averages.ipynb", "words": "is missing"},
    "notebook damaged": {"file": "chapters/01_averages.ipynb", "content": "{", "words": "not a notebook"},
    "module edited": {"file": "companion/averages.py", "end": "x = 1\n", "words": "differs from its chapter"},
    "module missing": {"file": "companion/averages.py", "words": "missing"},
    "stray module": {
        "file": "companion/old.py",
        "copy": "companion/averages.py",
        "words": "no chapter in book.toml exports it",
    },
    "stray notebook": {
        "file": "chapters/03_more.ipynb",
        "copy": "chapters/01_averages.ipynb",
        "words": "not in the manifest",
    },
    "stray text": {"file": "chapters/text/03_more.md", "content": "# More", "words": "not in the manifest"},
    "ladder": {
        "file": "data/ladder.toml",
        "old": "4.08",
        "new": "4.07",
        "words": "differs from what 01_averages prints",
    },
    "unknown rungs": {"file": "data/ladder.toml", "end": '[09_gone]\n"a rung" = 1.0\n', "words": "09_gone"},
    "README": {
        "file": "README.md",
        "content": "| [Averages](chapters/01_averages.ipynb) |",
        "words": "differs from book.toml at 02_smoothing",
    },
    "budget": {"file": "book.toml", "old": "20", "new": "61", "words": "a budget of 61 s, over 60"},
}
"""What is done to a file, and words of the difference; a row that says nothing else removes the file."""

ORDINARY_MARKDOWN = [
    "a key with `{five}` ends",
    'and `f"{x}"`, too',
    "```python\nf'{x}'`y`\n```",
    "`` {a}`b` ``",
    "$x_{t}$`c` and $\\beta_{t}$",
    "<img src='x.png' alt='a key'> ![a key](x.png)",
]


def append(path, text):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8", newline="\n")


def code(notebook, source, **metadata):
    """Add a code cell, executed in its turn."""
    count = sum(cell.cell_type == "code" for cell in notebook.cells) + 1
    cell = nbformat.v4.new_code_cell(source, metadata=metadata, execution_count=count)
    notebook.cells.append(cell)
    return cell


def prints(cell, text, name="stdout"):
    cell.outputs = [nbformat.v4.new_output("stream", name=name, text=text)]


def run_again(notebook, number=7):
    cell = [cell for cell in notebook.cells if cell.cell_type == "code"][number - 1]
    cell.execution_count = 40
    for output in cell.outputs:
        if "execution_count" in output:
            output.execution_count = 40


def never_run(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = None, []


def same_id(notebook):
    notebook.cells[3].id = notebook.cells[1].id


def ignored(notebook, **metadata):
    prints(code(notebook, "print(1)", tags=["nbval-ignore-output"], **metadata), "1\n")


def figure_without_words(notebook):
    del cell_with(notebook, "Image(data").metadata["mystnb"]


def html_figure_without_words(notebook):
    cell = code(notebook, "drawing")
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": "<img src='x.png'>"})]


def on_stderr(notebook):
    prints(code(notebook, "warn()"), "a warning\n", name="stderr")


def other_metadata(notebook):
    notebook.metadata["language_info"]["version"] = "3.11.9"


# name: (how to plant it, the file that the difference names, words that it must hold)
IN_NOTEBOOK_ONLY = {
    "notebook edited": (lambda nb: nb.cells.pop(), TEXT, "differs from the notebook at cell"),
    "metadata edited": (
        lambda nb: nb.cells[1].metadata.update(tags=[]),
        TEXT,
        "differs from the notebook at cell 2",
    ),
    "not executed": (never_run, NOTEBOOK, "not executed: code cell 1"),
    "executed out of order": (run_again, NOTEBOOK, "executed out of order"),
    "duplicate id": (same_id, NOTEBOOK, "two cells have the same id"),
    "not normalized": (other_metadata, NOTEBOOK, "metadata are not the normal ones"),
}
IN_BOTH = {
    "figure without alternative text": (figure_without_words, NOTEBOOK, "figure without alternative text"),
    "HTML figure without it": (html_figure_without_words, NOTEBOOK, "figure without alternative text"),
    "ignored output without a reason": (ignored, NOTEBOOK, "ignored output without a reason"),
    "too many ignored": (
        lambda nb: ignored(nb, reason="chance"),
        NOTEBOOK,
        "or over 10 % without the timings",
    ),
    "stderr": (on_stderr, NOTEBOOK, "writes to stderr"),
}


def with_cells(row):
    """How to add the cells of a row of the table "cells"."""

    def plant(notebook):
        for source in row.get("code", []):
            code(notebook, source, **row.get("metadata", {}))
        for source in row.get("markdown", []):
            notebook.cells.append(nbformat.v4.new_markdown_cell(source))

    return plant


IN_BOTH |= {name: (with_cells(row), NOTEBOOK, row["words"]) for name, row in CELLS.items()}


def change_file(book, row):
    """Do to a file what a row of the table "files" says; a row that says nothing else removes its file."""
    path = book.root / row["file"]
    if "content" in row:
        path.write_text(row["content"])
    elif "copy" in row:
        path.write_bytes((book.root / row["copy"]).read_bytes())
    elif "end" in row:
        append(path, row["end"])
    elif "old" in row:
        text = path.read_text(encoding="utf-8")
        assert row["old"] in text
        path.write_text(text.replace(row["old"], row["new"]), encoding="utf-8", newline="\n")
    else:
        path.unlink()


def assert_named(book: Book, file: str, words: str) -> None:
    """check names the difference, in a line that begins with its file and ends with what to do."""
    before = snapshot(book.root)
    found = check(Book.read(book.root))
    assert any(line.startswith(f"{file}:") or line.startswith(f"{file} ") for line in found), found
    assert any(words in line for line in found), found
    assert all("\n" not in line and ("; " in line) for line in found), found
    assert snapshot(book.root) == before


def test_a_finished_book_has_no_difference(book, capsys):
    assert check(book) == []
    assert main(["--root", str(book.root), "check"]) == 0
    assert capsys.readouterr().out == "2 chapters, no difference\n"


@pytest.mark.parametrize("plant, file, words", IN_NOTEBOOK_ONLY.values(), ids=IN_NOTEBOOK_ONLY)
def test_difference_in_the_notebook_is_named(book, plant, file, words):
    edit_notebook(book, plant)
    assert_named(book, file, words)


@pytest.mark.parametrize("plant, file, words", IN_BOTH.values(), ids=IN_BOTH)
def test_difference_in_text_and_notebook_is_named(book, plant, file, words):
    edit_both(book, plant)
    found = check(book)
    assert not any("differs from the notebook" in line for line in found), found
    assert_named(book, file, words)


@pytest.mark.parametrize("name", FILES)
def test_difference_in_the_book_is_named(book, name):
    row = FILES[name]
    change_file(book, row)
    assert_named(book, row.get("named", row["file"]), row["words"])


def test_badges_of_another_repository_are_named(book):
    append(book.root / "README.md", f"\n{BEGIN}\n[old](https://codespaces.new/a/b)\n{END}\n")
    assert_named(book, "README.md", "names another repository than book.toml")


def test_a_path_of_this_machine_is_named(book):
    edit_notebook(book, lambda nb: prints(cell_with(nb, "average.update(10)"), f"{book.root}/x\n"))
    assert_named(book, NOTEBOOK, "a path of this machine")


def test_a_chapter_without_a_module_may_import_everything(book):
    manifest = book.root / "book.toml"
    without_module = manifest.read_text().replace('module = "averages"\n', "", 1)
    manifest.write_text(without_module)
    edit_both(book, lambda nb: code(nb, "from companion.smoothing import smooth"))
    found = check(Book.read(book.root))
    assert not any(
        "import" in line for line in found if line.startswith(NOTEBOOK) and "export" not in line
    ), found


def test_only_exercises_may_import_what_their_chapter_built(book):
    line = "from companion.averages import ExponentialAverage"
    edit_both(book, lambda nb: code(nb, line))
    assert any("imports its own module" in found for found in check(book))
    edit_both(book, lambda nb: nb.cells.insert(-1, nbformat.v4.new_markdown_cell("## Exercises")))
    assert not any("imports its own module" in found for found in check(book))


@pytest.mark.parametrize("source", ORDINARY_MARKDOWN)
def test_ordinary_markdown_is_left_alone(source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)])
    assert list(of_markdown(notebook, None)) == []
