"""Running a notebook in a fresh kernel."""

import os
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from companion.book import BookError
from companion.book.manifest import Chapter
from companion.book.text import METADATA, code_cells, tags

CELL_TIMEOUT = 600


class CellFailed(BookError):
    """A cell that raised, or should have raised and did not."""


def raised(cell: NotebookNode) -> bool:
    """Whether a cell's outputs hold an error."""
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def execute(chapter: Chapter, notebook: NotebookNode, starts: list[int]) -> float:
    """Run every cell of a notebook in place, with the chapters' folder as working directory, on one thread.

    Args:
        chapter: The chapter.
        notebook: Its notebook.
        starts: The line of the text on which each code cell begins, for the message of a failing cell.

    Returns:
        The seconds that the run took.

    Raises:
        CellFailed: At the first failing cell.
    """
    running = 0  # the cell that runs, among all cells

    def note(cell: NotebookNode, cell_index: int) -> None:
        nonlocal running
        running = cell_index

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # no warning for each kernel started
        resources={"metadata": {"path": str(chapter.notebook.parent)}},
        on_cell_start=note,
    )
    path = os.pathsep.join(filter(None, [str(chapter.root), os.environ.get("PYTHONPATH")]))
    environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path}
    environment.pop("JPY_SESSION_NAME", None)  # started from a notebook: no reader is in front of this one
    begin = time.perf_counter()

    def failure(cell: NotebookNode, reason: str) -> CellFailed:
        number = code_cells(notebook).index(cell)
        place = f"chapters/text/{chapter.text.name}:{starts[number]}"
        return CellFailed(f"{place}: code cell {number + 1} failed\n{reason}")

    try:
        client.execute(env=environment)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise failure(notebook.cells[running], f"{error}") from None
    seconds = time.perf_counter() - begin
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel wrote its version there
    for cell in code_cells(notebook):
        if "raises-exception" in tags(cell) and not raised(cell):
            raise failure(cell, "tagged raises-exception, and raised nothing; mend the cell or the tag")
        for output in cell.outputs:
            if output.output_type == "error":
                # A full traceback would name this machine's folders.
                output.traceback = [f"{output.ename}: {output.evalue}"]
    return seconds
