"""Running a notebook in a fresh kernel."""

import os
import re
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from companion.book import BookError
from companion.book.manifest import Chapter
from companion.book.text import METADATA, tags

CELL_TIMEOUT = 600
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class CellFailed(BookError):
    """A cell that raised, or should have raised and did not."""


def failing_line(traceback: str, count: int) -> int:
    """The line within cell In[count] that a traceback points at, from 1 (1 where it names none)."""
    lines = re.findall(rf"Cell In\[{count}\],? line:?\s*(\d+)", ANSI.sub("", traceback))
    return int(lines[-1]) if lines else 1


def raised(cell: NotebookNode) -> bool:
    """Whether a cell's outputs hold an error."""
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def execute(chapter: Chapter, notebook: NotebookNode, starts: list[int]) -> float:
    """Run every cell of a notebook in place, with the chapters' folder as working directory, on one thread.

    starts: the line of the text file on which each cell's source begins, for the message of a failing cell.
    Returns the seconds it took. Raises CellFailed at the first failing cell.
    """
    running = [0]
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # no warning for each kernel started
        resources={"metadata": {"path": str(chapter.notebook.parent)}},
        on_cell_start=lambda cell, cell_index: running.append(cell_index),
    )
    path = os.pathsep.join(filter(None, [str(chapter.root), os.environ.get("PYTHONPATH")]))
    environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path}
    environment.pop("JPY_SESSION_NAME", None)  # started from a notebook: no reader is in front of this one
    begin = time.perf_counter()
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        cell = notebook.cells[running[-1]]
        offset = failing_line(error.traceback, cell.execution_count) - 1
        reason = f"{error.ename}: {re.sub(r' [(][0-9]+[.]py, line [0-9]+[)]', '', error.evalue)}"
        raise failure(chapter, notebook, starts, running[-1], reason, offset) from None
    except (CellTimeoutError, DeadKernelError) as error:
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
        raise failure(chapter, notebook, starts, running[-1], reason) from None
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel wrote its version there
    for index, cell in enumerate(notebook.cells):
        if "raises-exception" in tags(cell) and not raised(cell):
            reason = "tagged raises-exception, and raised nothing; mend the cell or remove the tag"
            raise failure(chapter, notebook, starts, index, reason)
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                # A full traceback would name this machine's folders.
                output.traceback = [f"{output.ename}: {output.evalue}"]
    return time.perf_counter() - begin


def failure(
    chapter: Chapter, notebook: NotebookNode, starts: list[int], index: int, reason: str, offset: int = 0
) -> CellFailed:
    """The error for a cell: where it stands in the text, the line, and why it failed."""
    number = sum(cell.cell_type == "code" for cell in notebook.cells[: index + 1])
    code = notebook.cells[index].source.split("\n")[offset : offset + 1]
    place = f"{chapter.text.relative_to(chapter.root).as_posix()}:{starts[index] + offset}"
    lines = [f"{place}: code cell {number} failed", *(line.strip() for line in code)]
    return CellFailed("\n    ".join(lines) + f"\n{reason}")
