"""Trying an answer: on copies, within limits, and leaving nothing changed; what comes back is plain data."""

import copy
import io
import linecache
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.exercises.limits import MemoryUp, Stopped, TimeUp, limited
from companion.exercises.settle import settle, type_name
from companion.exercises.surroundings import kept_state
from companion.exercises.values import snapshot

__all__ = ["MemoryUp", "Stopped", "TimeUp", "Trial", "attempt", "reader_line"]

LIBRARIES = [
    Path(__file__).parents[1],
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
]
"""Folders whose code is not the reader's."""

PRINTED = 10_000
"""Characters of an answer's prints that are kept."""


@dataclass
class Trial:
    """What one call gave: a value as plain data (settle.py) or an error, and what it printed.

    said, line, source: the error's text, the reader's own line that it came from, the last line of all.
    after: a snapshot of the arguments; None where they were not watched, or could not be looked at.
    """

    value: Any
    error: BaseException | None
    printed: str = ""
    after: Any = None
    said: str = ""
    line: str | None = None
    source: str = ""


class Printed(io.StringIO):
    """Keeps the beginning of what is printed."""

    def write(self, text: str) -> int:
        super().write(text[: max(PRINTED - self.tell(), 0)])
        return len(text)


def attempt(call: Callable, answer: Any, args: tuple, seconds: float, watch: bool = False) -> Trial:
    """Call an answer on copies of the arguments. What it raises is kept, except KeyboardInterrupt.

    watch: have a look at the arguments afterwards.
    """
    given, printed, end = copy.deepcopy(args), Printed(), time.monotonic() + seconds
    found = Trial(None, None)
    with kept_state():
        sys.stdout = sys.stderr = printed
        found.value, found.error = limited(lambda: settle(call(answer, *given)), seconds)
        if found.error is not None:
            about, _ = limited(lambda: describe(found.error), 1)
            found.said, found.line, found.source = about or (type_name(found.error), None, "")
        if watch:
            found.after, _ = limited(lambda: snapshot(given), max(end - time.monotonic(), 1))
        if isinstance(found.error, Stopped):  # its frames hold what took the memory
            limited(lambda: traceback.clear_frames(found.error.__traceback__), 1)
    found.printed = printed.getvalue()
    return found


def run(work: Callable[[], Any], seconds: float) -> tuple[Any, BaseException | None]:
    """Call an author's function under the same limits, its value as it is."""
    with kept_state():
        return limited(work, seconds)


def describe(error: BaseException) -> tuple[str, str | None, str]:
    """An error's text, on one line, the reader's line, and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    source = (frames[-1].line or "") if frames else ""
    try:
        text = str(error)
        text = " ".join(str.__str__(text)[:2000].split())
    except Exception:
        text = ""
    text = text.encode("utf-8", "backslashreplace").decode()
    said = f"{type_name(error)}: {text}"[:200] if text else type_name(error)
    return said, reader_line(error), source


def reader_line(error: BaseException) -> str | None:
    """The reader's own line that an error came from, such as "line 3 of your cell: return x"."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if frame.filename.startswith("<frozen") or any(path.is_relative_to(folder) for folder in LIBRARIES):
            continue
        place = "your cell" if "ipykernel" in frame.filename or frame.filename.startswith("<") else path.name
        code = linecache.getline(frame.filename, frame.lineno).strip()
        return f"line {frame.lineno} of {place}" + (f": {code}" if code else "")
    return None
