"""What a command prints, whatever the terminal: closed, full, or without a character, it ends no run."""

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

LONGEST = 1000
"""Characters of an error's line: somebody else's file may hold any text, which the line may quote."""
SIGNS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
SIGNS |= {127: 0x2421} | dict.fromkeys(range(128, 160), 0xFFFD)
"""For each control character a sign for it: a model may say any, and a terminal would carry it out."""


class Styled(str):
    """Text whose color codes are the program's own, so that a terminal may carry them out.

    Whatever else is in it has to be cleaned first, with `cleaned`.
    """

    def __str__(self) -> str:
        return self  # not a plain str, so that print hands on a Styled


def cleaned(text: str) -> str:
    """Replace each control character by a sign for it."""
    return text.translate(SIGNS)


PAUSE = 1.0  # seconds that work may take before a line says so


class Waiting:
    """A line on standard error that says what is being done, and for how many seconds.

    It appears after a second, and only in a terminal. It goes at the end, or as soon as anything else is
    printed, because that tells the reader enough.
    """

    now: "Waiting | None" = None

    def __init__(self, about: str, stream: Any = None):
        stream = sys.stderr if stream is None else stream
        self.about, self.stream = about, getattr(stream, "stream", stream)  # not a Screen, which interrupts
        self.shown, self.ended, self.begun = "", threading.Event(), time.monotonic()
        self.thread = threading.Thread(target=self.show, daemon=True)

    def show(self) -> None:
        """Write the line anew twice a second, until the end."""
        pause = PAUSE
        with contextlib.suppress(OSError, ValueError):  # a terminal that was closed
            while not self.ended.wait(pause):
                self.shown = f"{self.about} ... {time.monotonic() - self.begun:.0f} s"
                self.stream.write(f"\r{self.shown}")
                self.stream.flush()
                pause = 0.5

    def end(self) -> None:
        """Remove the line; a second call does nothing."""
        if self.ended.is_set():
            return
        self.ended.set()
        self.thread.join()
        if self.shown:
            with contextlib.suppress(OSError, ValueError):
                self.stream.write("\r" + " " * len(self.shown) + "\r")
                self.stream.flush()

    @classmethod
    def interrupt(cls) -> None:
        """Remove the line that is shown now, if there is one."""
        if cls.now is not None:
            cls.now.end()


@contextlib.contextmanager
def waiting(about: str) -> Iterator[None]:
    """While the work inside takes longer than a second, a line on standard error says so; see Waiting.

    Such a line of the work around it goes, because this one says more.
    """
    if not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
        yield
        return
    outer = Waiting.now
    Waiting.interrupt()
    line = Waiting.now = Waiting(about)
    line.thread.start()
    try:
        yield
    finally:
        Waiting.now = outer
        line.end()


class Screen:
    """A text stream that never raises: what cannot be shown is left out, and `broken` says why.

    A letter that the stream's encoding lacks is shown as a question mark. signs: others to be exchanged.
    """

    def __init__(self, stream: TextIO, signs: dict[int, int] | None = None):
        self.stream, self.signs, self.broken = stream, signs or {}, None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text if the stream still takes any."""
        Waiting.interrupt()
        if self.broken is None:
            try:
                self.stream.write(text if isinstance(text, Styled) else text.translate(self.signs))
            except UnicodeEncodeError:
                encoding = self.stream.encoding or "ascii"
                return self.write(type(text)(text.encode(encoding, "replace").decode(encoding)))
            except OSError as error:
                self.broken = error
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if self.broken is None:
            try:
                self.stream.flush()
            except OSError as error:
                self.broken = error


@contextlib.contextmanager
def screens() -> Iterator[tuple[Screen, Screen]]:
    """Inside, sys.stdout and sys.stderr are Screens, which show each line at once, also in a pipe."""
    before = sys.stdout, sys.stderr
    out, err = (stream if stream is not None else open(os.devnull, "w") for stream in before)
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(line_buffering=True)
    made = Screen(out, SIGNS if out.isatty() else None), Screen(err)
    sys.stdout, sys.stderr = made
    try:
        yield made
    finally:
        sys.stdout, sys.stderr = before
        for screen in made:
            screen.flush()
            if screen.broken is not None:  # what is left in its buffer would be an error at Python's end
                with contextlib.suppress(OSError, ValueError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), screen.stream.fileno())


def is_read() -> bool:
    """Whether anybody can still see what is printed."""
    return getattr(sys.stdout, "broken", None) is None


def is_terminal(stream: Any = None) -> bool:
    """Whether a stream, or else standard output, is a terminal and no pipe or file."""
    stream = sys.stdout if stream is None else stream
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # closed, or not there at all
        return False


def shows_color(stream: Any = None) -> bool:
    """Whether a stream, or else standard output, is a terminal that shows colors.

    Reference:
        https://no-color.org: a variable NO_COLOR that is not empty switches colors off.
    """
    if not is_terminal(stream) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
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
    names = [str(path), shutil.which("companion") or ""]  # in Windows, found with .EXE behind it
    typed, found = (os.path.normcase(name).removesuffix(".exe") for name in names)
    return [program if typed == found else str(path.with_name(program))]


def as_typed(*words: Any) -> str:
    """A command as it is to be typed, words with spaces in quotes; `companion` and `jupyter` as by called."""
    first, *others = [str(word) for word in words]
    words = [*(called(first) if first in ("companion", "jupyter") else [first]), *others]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def one_line(error: BaseException) -> str:
    """An error's message, its first line only, the middle of a very long one left out; else its name."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
