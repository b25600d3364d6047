"""What a command prints, whatever the terminal."""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

LONGEST = 1000
"""Characters of an error's line: somebody else's file may hold any text, which the line may quote."""
DOT = "·"
NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]|\r(?!\n)")
"""Control characters, which a model may write and a terminal would carry out, and the sign that decoding puts
in the place of bytes that form no character."""


COLOR = re.compile(r"\x1b\[[\d;]*m")
"""What switches a color on or off, and takes no room."""


class Styled(str):
    """Text whose color codes are the program's own, so that a terminal may carry them out.

    Whatever else is in it has to be cleaned first, with `cleaned`.
    """

    def __str__(self) -> str:
        return self  # not a plain str, so that print hands on a Styled


def cleaned(text: str) -> str:
    """Put a dot in the place of each character of NO_TEXT."""
    return NO_TEXT.sub(DOT, text)


@contextlib.contextmanager
def waiting(about: str) -> Iterator[None]:
    """Print a line on standard error, in a terminal, if the work inside takes longer than a second."""
    timer = threading.Timer(1.0, lambda: print(f"{about} ...", file=sys.stderr, flush=True))
    timer.daemon = True
    if is_terminal(sys.stderr):
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Screen:
    """A terminal that shows a dot in the place of each control character, see NO_TEXT."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text."""
        return self.stream.write(text if isinstance(text, Styled) else cleaned(text))


@contextlib.contextmanager
def screens() -> Iterator[None]:
    """Inside, sys.stdout and sys.stderr show each line at once, also in a pipe, and a terminal is a Screen.

    A letter that a stream's encoding lacks is shown as a question mark.
    """
    before = sys.stdout
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="replace")
    if is_terminal(before):
        sys.stdout = Screen(before)
    try:
        yield
    finally:
        sys.stdout = before
        try:
            if before is not None:
                before.flush()
        except BrokenPipeError:  # what is left in its buffer would be an error at Python's end
            os.dup2(os.open(os.devnull, os.O_WRONLY), before.fileno())


def is_terminal(stream: Any = None) -> bool:
    """Whether a stream, or else standard output, is a terminal and no pipe or file."""
    stream = sys.stdout if stream is None else stream
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # closed, or not there at all
        return False


def wrapped(text: str) -> str:
    """Return a text with line ends between words where the terminal's lines are full; in a pipe, as it is."""
    if not is_terminal():
        return text
    width = shutil.get_terminal_size().columns
    rows = []
    for line in text.split("\n"):
        first, *words = line.split(" ")
        rows.append(first)
        for word in words:
            longer = f"{rows[-1]} {word}"
            if len(COLOR.sub("", longer)) > width:
                rows.append(word)
            else:
                rows[-1] = longer
    joined = "\n".join(rows)
    return Styled(joined) if isinstance(text, Styled) else joined


def shows_color() -> bool:
    """Whether standard output is a terminal that shows colors.

    Reference:
        https://no-color.org: a variable NO_COLOR that is not empty switches colors off.
    """
    if not is_terminal() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    if os.name == "nt":  # the old console shows the codes as they are
        return any(name in os.environ for name in ("WT_SESSION", "ANSICON", "TERM"))
    return True


def called(program: str) -> list[str]:
    """How to call `companion`, or `jupyter` beside it, as `companion` was called.

    That is by its name where the shell finds this `companion`, by its path, or as a module.
    """
    path = Path(sys.argv[0])
    if path.name == "__main__.py" and path.parent.name == "companion":
        return [sys.orig_argv[0], "-m", program]
    if path.stem.lower() != "companion":  # from Python, such as a notebook
        return [program]
    typed = os.path.normcase(path).removesuffix(".exe")
    found = os.path.normcase(shutil.which("companion") or "").removesuffix(".exe")  # in Windows with .EXE
    return [program if typed == found else str(path.with_name(program))]


def as_typed(*words: Any) -> str:
    """A command as it is to be typed, words with spaces in quotes; `companion` and `jupyter` as by called."""
    typed = [str(word) for word in words]
    if typed[0] in ("companion", "jupyter"):
        typed = called(typed[0]) + typed[1:]
    return subprocess.list2cmdline(typed) if os.name == "nt" else shlex.join(typed)


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint where a word is almost one of those that are known."""
    found = get_close_matches(word, known, 1)
    return f" (did you mean {found[0]}?)" if found else ""


def similar_path(path: Path) -> str:
    """A hint for a path that is not there: what lies beside it with almost the same name."""
    if not os.path.isdir(path.parent):  # nor is it, where somebody typed a text in place of a path
        return ""
    found = get_close_matches(path.name, [beside.name for beside in path.parent.glob("*")], 1)
    return f" (did you mean {path.parent / found[0]}?)" if found else ""


def amount(n: int, noun: str) -> str:
    """A number with its noun, such as "1 step" and "2,000 steps"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def first_line(error: BaseException) -> str:
    """An error's message, its first line only, the middle of a very long one left out; else its name."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def joined_lines(error: BaseException, most: int = 120) -> str:
    """All lines of an error's message as one, to be quoted in another; of a longer one the beginning."""
    return " ".join(str(error).split())[:most]
