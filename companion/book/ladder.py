"""data/ladder.toml: the rungs that the chapters' cells tagged `ladder` print."""

import json
import re
import tomllib
from pathlib import Path

from nbformat import NotebookNode

from companion.book import BookError
from companion.book.manifest import Book
from companion.book.text import code_cells, tags

RUNG = re.compile(r"(?P<name>.+?): +(?P<value>-?\d+(\.\d+)?)\b")
HEADER = """\
# The ladder: bits per byte on the village's validation split, printed by the chapters' cells tagged `ladder`.
# Written by `python -m companion.book sync`, compared with the notebooks by `check`. Do not edit.
"""


def ladder_file(book: Book) -> Path:
    """Where the ladder lies."""
    return book.root / "data" / "ladder.toml"


def printed_rungs(notebook: NotebookNode) -> dict[str, float]:
    """The rungs of a notebook: the lines `name: value` that its cells tagged `ladder` printed.

    Raises BookError for such a cell without a rung, and for a rung printed twice.
    """
    rungs: dict[str, float] = {}
    for number, cell in enumerate(code_cells(notebook), 1):
        if "ladder" in tags(cell):
            text = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
            found = [match for line in text.splitlines() if (match := RUNG.match(line.strip()))]
            if not found:
                raise BookError(f"code cell {number} is tagged ladder and printed no `name: value`; let it")
            for match in found:
                if match["name"] in rungs:
                    raise BookError(f"the rung {match['name']!r} is printed twice; give each its own name")
                rungs[match["name"]] = float(match["value"])
    return rungs


def read_ladder(book: Book) -> dict[str, dict[str, float]]:
    """The ladder by chapter: {chapter: {rung: bits per byte}}; empty where there is no file yet."""
    path = ladder_file(book)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise BookError(f"data/ladder.toml: {error}; remove it and sync the chapters") from None


def write_ladder(book: Book, name: str, rungs: dict[str, float]) -> bytes:
    """The ladder's file with one chapter's rungs replaced, in the order of the book."""
    ladder = {**read_ladder(book), name: rungs}
    lines = [HEADER]
    for chapter in book.chapters:
        if section := ladder.get(chapter.name):
            entries = [f"{json.dumps(rung, ensure_ascii=False)} = {value}" for rung, value in section.items()]
            lines += [f"[{chapter.name}]", *entries, ""]
    return "\n".join(lines).encode("utf-8")
