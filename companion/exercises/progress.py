"""The outcomes that last longer than a session: a small file beside the reader's models."""

import json
import os
from pathlib import Path

from companion.exercises.report import NOT_YET, RIGHT
from companion.runtime.files.atomic import read_json_or_empty, write_atomic

KEPT = (RIGHT, NOT_YET)
"""The outcomes that are kept. An exercise that was not attempted leaves an earlier outcome as it is."""


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
