"""The outcomes that last longer than a session: a small file beside the reader's models."""

import json
import os
import re
from pathlib import Path

from companion.exercises.report import NOT_YET, RIGHT
from companion.runtime.files.atomic import read_json_or_empty, write_atomic

KEPT = (RIGHT, NOT_YET)
"""The outcomes that are kept. An exercise that was not attempted leaves an earlier outcome as it is."""

HEADING = re.compile(r'^    "(\d+\.\d+) [^"]*★+"', re.MULTILINE)
"""How an exercise begins in its chapter's module, as in `"1.5 Longest first ★★",`."""


def all_numbers() -> dict[int, list[str]]:
    """The numbers of the exercises of each chapter, read from the modules without running them.

    To import them all would take several seconds.
    """
    numbers = {}
    for path in sorted(Path(__file__).parent.glob("ch[0-9][0-9].py")):
        numbers[int(path.stem[2:])] = HEADING.findall(path.read_text(encoding="utf-8"))
    return numbers


def progress_file() -> Path:
    """Where the outcomes are kept: `runs/progress.json` of the course, or of the folder where Python runs."""
    here = Path(os.path.abspath("."))
    for folder in (here, *here.parents):
        if (folder / "book.toml").is_file():
            return folder / "runs" / "progress.json"
    return here / "runs" / "progress.json"


def read_progress(path: Path) -> dict[str, str]:
    """Outcomes by the exercise's number. A file that is missing or damaged holds none."""
    return {number: outcome for number, outcome in read_json_or_empty(path).items() if outcome in KEPT}


def keep_outcome(path: Path, number: str, outcome: str) -> None:
    """Write one outcome into the file. A folder that cannot be written to is no reason to fail a check."""
    if outcome not in KEPT:
        return
    outcomes = read_progress(path) | {number: outcome}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(outcomes, indent=1, sort_keys=True) + "\n")
    except OSError:
        return
