"""check names every difference: each is planted in a copy of the tiny book."""

import base64

import nbformat
import pytest
from helpers import cell_with, edit_both, edit_notebook, edit_text, snapshot

from companion.book.__main__ import main
from companion.book.check import check, of_markdown
from companion.book.elsewhere import BEGIN, END
from companion.book.manifest import Book

NOTEBOOK, TEXT, MODULE = "chapters/01_averages.ipynb", "chapters/text/01_averages.md", "companion/averages.py"


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


def markdown(source):
    return lambda notebook: notebook.cells.append(nbformat.v4.new_markdown_cell(source))


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


def without_id(notebook):
    del notebook.cells[3]["id"]


def ignored(notebook, **metadata):
    prints(code(notebook, "print(1)", tags=["nbval-ignore-output"], **metadata), "1\n")


def figure_without_words(notebook):
    del cell_with(notebook, "Image(data").metadata["mystnb"]


def html_figure_without_words(notebook):
    cell = code(notebook, "drawing")
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": "<img src='x.png'>"})]


def on_stderr(notebook):
    prints(code(notebook, "warn()"), "a warning\n", name="stderr")


def drawn_without_a_trace(notebook):
    code(notebook, "import matplotlib.pyplot as plt\nplt.show()")


def printed_without_a_trace(notebook):
    cell_with(notebook, "average.update(10)").outputs = []


def did_not_raise(notebook):
    cell_with(notebook, "ExponentialAverage(2)").outputs = []


def raised_unasked(notebook):
    cell_with(notebook, "ExponentialAverage(2)").metadata = nbformat.from_dict({})


def other_metadata(notebook):
    notebook.metadata["language_info"]["version"] = "3.11.9"


def paired(notebook):
    notebook.metadata["jupytext"] = {"formats": "ipynb,md:myst"}


def other_ladder(book):
    path = book.root / "data" / "ladder.toml"
    path.write_text(path.read_text().replace("4.08", "4.07"))


def a_path(book):
    edit_notebook(book, lambda nb: prints(cell_with(nb, "average.update(10)"), f"{book.root}/x\n"))


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
    "duplicate id": (same_id, NOTEBOOK, "duplicate cell id"),
    "missing id": (without_id, NOTEBOOK, "missing id of cell 4"),
    "not normalized": (other_metadata, NOTEBOOK, "metadata are not the normal ones"),
    "notebook paired": (paired, NOTEBOOK, "formats"),
    "raised nothing": (did_not_raise, NOTEBOOK, "tagged raises-exception and did not raise"),
    "print without output": (printed_without_a_trace, NOTEBOOK, "outputs missing: code cell 3"),
}
IN_BOTH = {
    "figure without alternative text": (figure_without_words, NOTEBOOK, "figure without alternative text"),
    "HTML figure without it": (html_figure_without_words, NOTEBOOK, "figure without alternative text"),
    "figure not drawn": (drawn_without_a_trace, NOTEBOOK, "outputs missing"),
    "ignored output without a reason": (ignored, NOTEBOOK, "ignored output without a reason"),
    "too many ignored": (
        lambda nb: ignored(nb, reason="chance"),
        NOTEBOOK,
        "or over 10 % without the timings",
    ),
    "failing cell": (raised_unasked, NOTEBOOK, "failed when it was run"),
    "stderr": (on_stderr, NOTEBOOK, "writes to stderr"),
    "hidden from the tests": (lambda nb: code(nb, "# NBVAL_SKIP\nx = 1"), NOTEBOOK, "hides from the tests"),
    "empty cell": (lambda nb: code(nb, ""), NOTEBOOK, "an empty code cell"),
    "long line": (lambda nb: code(nb, "x = 1  # " + 102 * "x"), NOTEBOOK, "111 letters, over 110; wrap it"),
    "magic in an exported cell": (
        lambda nb: code(nb, "%time\nx = 1", tags=["export"]),
        NOTEBOOK,
        "a magic in an exported cell: %time",
    ),
    "star import": (lambda nb: code(nb, "from math import *"), NOTEBOOK, "star import from math"),
    "forward import": (
        lambda nb: code(nb, "from companion.smoothing import smooth"),
        NOTEBOOK,
        "forward import of companion.smoothing",
    ),
    "forward import, of the module": (
        lambda nb: code(nb, "from companion import smoothing"),
        NOTEBOOK,
        "forward import of companion.smoothing",
    ),
    "own module": (lambda nb: code(nb, "import companion.averages"), NOTEBOOK, "imports its own module"),
    "bare package": (lambda nb: code(nb, "import companion"), NOTEBOOK, "`import companion`"),
    "command line in a chapter": (lambda nb: code(nb, "import companion.cli"), NOTEBOOK, "companion.cli"),
    "a peer": (lambda nb: code(nb, "import transformers"), NOTEBOOK, "imports transformers"),
    "patch": (
        lambda nb: (code(nb, "from companion.show.plots import HEAT"), code(nb, "HEAT.name = 'x'")),
        NOTEBOOK,
        "patches HEAT.name",
    ),
    "folded cell": (
        lambda nb: code(nb, "x = 1", tags=["hide-cell"], jupyter={"source_hidden": True}),
        NOTEBOOK,
        "begin it with a comment",
    ),
    "folded input": (
        lambda nb: code(nb, "x = 1", tags=["hide-input"], jupyter={"source_hidden": True}),
        NOTEBOOK,
        "begin it with a comment",
    ),
    "directive": (markdown("::: note\nLook.\n:::"), NOTEBOOK, "a MyST directive"),
    "role": (markdown("See {ref}`there`."), NOTEBOOK, "a MyST role"),
    "image without words": (markdown("![](x.png)"), NOTEBOOK, "image without alternative text"),
}
IN_BOOK = {
    "text edited": (
        lambda b: edit_text(b, "One number", "Two numbers"),
        TEXT,
        "differs from the notebook at cell 1",
    ),
    "text paired": (
        lambda b: edit_text(b, "jupytext:\n", "jupytext:\n  formats: ipynb,md\n"),
        TEXT,
        "formats",
    ),
    "text unreadable": (lambda b: edit_text(b, "[ladder]", "[ladder"), TEXT, "could not be read"),
    "text missing": (lambda b: b.chapters[0].text.unlink(), TEXT, "is missing"),
    "notebook missing": (lambda b: b.chapters[0].notebook.unlink(), NOTEBOOK, "is missing"),
    "notebook damaged": (
        lambda b: b.chapters[0].notebook.write_text("{"),
        NOTEBOOK,
        "not a notebook",
    ),
    "module edited": (
        lambda b: append(b.chapters[0].module_file, "x = 1\n"),
        MODULE,
        "differs from its chapter",
    ),
    "module missing": (lambda b: b.chapters[0].module_file.unlink(), MODULE, "missing"),
    "stray module": (
        lambda b: (
            b.chapters[0].module_file.with_name("old.py").write_bytes(b.chapters[0].module_file.read_bytes())
        ),
        "companion/old.py",
        "no chapter in book.toml exports it",
    ),
    "stray notebook": (
        lambda b: (b.root / "chapters" / "03_more.ipynb").write_bytes(b.chapters[0].notebook.read_bytes()),
        "chapters/03_more.ipynb",
        "not in the manifest",
    ),
    "stray text": (
        lambda b: (b.root / "chapters" / "text" / "03_more.md").write_text("# More"),
        "chapters/text/03_more.md",
        "not in the manifest",
    ),
    "ladder": (other_ladder, "data/ladder.toml", "differs from what 01_averages prints"),
    "unknown rungs": (
        lambda b: append(b.root / "data" / "ladder.toml", '[09_gone]\n"a rung" = 1.0\n'),
        "data/ladder.toml",
        "09_gone",
    ),
    "module imports forward": (
        lambda b: append(b.chapters[0].module_file, "from companion.smoothing import smooth\n"),
        MODULE,
        "forward import of companion.smoothing",
    ),
    "module loads a model": (
        lambda b: append(b.chapters[0].module_file, "from companion import load\n"),
        MODULE,
        "imports companion.load",
    ),
    "relative forward import": (
        lambda b: append(b.chapters[0].module_file, "from .smoothing import smooth\n"),
        MODULE,
        "forward import of companion.smoothing",
    ),
    "package imports a peer": (
        lambda b: (b.root / "companion" / "cli.py").write_text("def f():\n    import transformers\n"),
        "companion/cli.py",
        "imports transformers",
    ),
    "package star import": (
        lambda b: (b.root / "companion" / "cli.py").write_text("from companion.averages import *\n"),
        "companion/cli.py",
        "star import",
    ),
    "package imports tests": (
        lambda b: (b.root / "companion" / "cli.py").write_text("import tests.book\n"),
        "companion/cli.py",
        "imports from tests",
    ),
    "package patches": (
        lambda b: (b.root / "companion" / "cli.py").write_text("from companion.averages import A\nA.f = 1\n"),
        "companion/cli.py",
        "patches A.f",
    ),
    "README": (
        lambda b: (b.root / "README.md").write_text("| [Averages](chapters/01_averages.ipynb) |"),
        "README.md",
        "differs from book.toml at 02_smoothing",
    ),
    "budget": (
        lambda b: (b.root / "book.toml").write_text((b.root / "book.toml").read_text().replace("20", "61")),
        "book.toml",
        "a budget of 61 s, over 60",
    ),
    "an import that nothing uses": (
        lambda b: (b.root / "companion" / "__init__.py").write_text("import json\n"),
        "companion/__init__.py",
        "line 1: `json` imported but unused",
    ),
    "badges": (
        lambda b: append(b.root / "README.md", f"\n{BEGIN}\n[old](https://codespaces.new/a/b)\n{END}\n"),
        "README.md",
        "its badges are not those of book.toml's repository",
    ),
    "no place for badges": (
        lambda b: (b.root / "book.toml").write_text(
            (b.root / "book.toml").read_text().replace("example.org/", "github.com/ada/")
        ),
        "README.md",
        "no place for the badges",
    ),
    "jupytext.toml": (
        lambda b: (b.root / "jupytext.toml").write_text(""),
        "jupytext.toml",
        "pairs the notebooks",
    ),
    "a path of this machine": (a_path, NOTEBOOK, "a path of this machine"),
}


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


@pytest.mark.parametrize("plant, file, words", IN_BOOK.values(), ids=IN_BOOK)
def test_difference_in_the_book_is_named(book, plant, file, words):
    plant(book)
    assert_named(book, file, words)


def test_the_command_exits_1_with_a_line_for_each_difference(book, capsys):
    edit_notebook(book, never_run)
    append(book.chapters[1].module_file, "x = 1\n")
    assert main(["--root", str(book.root), "check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == check(book) and len(lines) >= 2


def test_an_exported_cell_may_be_longer_than_others_by_its_docstrings(book):
    source = 'def long():\n    """Words.\n' + "    more\n" * 40 + '    """'
    edit_both(book, lambda nb: code(nb, source, tags=["export"]))
    assert not any("lines" in line for line in check(book))


def test_printing_elsewhere_or_inside_a_function_needs_no_output(book):
    sources = ["import sys\nprint(1, file=sys.stderr)", "def f():\n    print(1)", "f()"]
    edit_both(book, lambda nb: [code(nb, source) for source in sources])
    assert check(book) == []


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


def test_a_notebook_may_load_a_model(book):
    edit_both(book, lambda nb: code(nb, "from companion import load"))
    assert check(book) == []


def test_exercises_are_open_to_notebooks_only(book):
    edit_both(book, lambda nb: code(nb, "from companion.exercises import check"))
    assert not any("companion.exercises" in line for line in check(book))
    append(book.chapters[0].module_file, "from companion.exercises import check\n")
    assert any("companion.exercises" in line for line in check(book))


@pytest.mark.parametrize(
    "source",
    [
        "a key with `{five}` ends",
        'and `f"{x}"`, too',
        "```python\nf'{x}'`y`\n```",
        "`` {a}`b` ``",
        "$x_{t}$`c` and $\\beta_{t}$",
        "<img src='x.png' alt='a key'> ![a key](x.png)",
    ],
)
def test_ordinary_markdown_is_left_alone(source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)])
    assert list(of_markdown(notebook, None)) == []


def test_a_picture_is_a_picture_of_any_kind(book):
    def jpeg(notebook):
        cell = code(notebook, "photo")
        data = {"image/jpeg": base64.b64encode(b"x").decode()}
        cell.outputs = [nbformat.v4.new_output("display_data", data)]

    edit_both(book, jpeg)
    assert_named(book, NOTEBOOK, "figure without alternative text")
