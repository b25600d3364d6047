"""Running an answer: on copies of its inputs, with seeded generators, captured output and limits.

An answer runs in the reader's own process. A loop without end is stopped, and a check leaves the generators
and torch's defaults as they were. An answer that attacks the process, or catches every exception on purpose,
is not defended against.
"""

import _thread
import contextlib
import copy
import io
import linecache
import random
import signal
import sys
import sysconfig
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy
import torch

try:
    import resource
except ImportError:  # on Windows
    resource = None

from companion.exercises.normalize import normalize, snapshot

MEMORY = 2**30
"""Bytes that a call may take beyond the most that was in use before it began."""

PAUSE = 0.02
"""Seconds between two looks at the clock and at the memory in use."""

MAX_OUTPUT = 10_000
"""Characters of printed output that are kept."""

LIBRARIES = [
    Path(__file__).parents[1],
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
]
"""Folders whose code is not the reader's."""


class Stopped(BaseException):
    """Raised in a call that went over a limit. Not an Exception, so that `except Exception` lets it pass."""


class TimeUp(Stopped):
    """The call took too long."""


class MemoryUp(Stopped):
    """The call took too much memory."""


@dataclass
class Trial:
    """The outcome of one call.

    Attributes:
        value: What it returned, as plain data (see normalize.py).
        error: What it raised, or None.
        message: The error's type and text on one line.
        line: The reader's own line that the error came from, where there is one.
        source: The line of code that raised the error.
        output: What it printed.
        after: A snapshot of its arguments after the call; None where none was asked for.
    """

    value: Any = None
    error: BaseException | None = None
    message: str = ""
    line: str | None = None
    source: str = ""
    output: str = ""
    after: Any = None


def attempt(call: Callable, answer: Any, args: tuple, seconds: float, watch: bool = False) -> Trial:
    """Call an answer on copies of its arguments, and keep whatever it returns, raises and prints.

    Args:
        call: Tries the answer: call(answer, *args).
        answer: The answer.
        args: The arguments, of which the answer gets copies.
        seconds: After which the call is stopped.
        watch: Whether to take a snapshot of the arguments afterwards.

    Raises:
        KeyboardInterrupt: If the reader interrupts the check.
    """
    trial = Trial()
    given = copy.deepcopy(args)
    output = BoundedOutput()
    with isolated(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            trial.value = run_limited(lambda: normalize(call(answer, *given)), seconds)
        except BaseException as error:
            if type(error) is KeyboardInterrupt:
                raise
            trial.error = error
            trial.message = error_text(error)
            trial.line = reader_line(error)
            trial.source = raising_line(error)
            if isinstance(error, Stopped):
                traceback.clear_frames(error.__traceback__)  # they hold what took the memory
        if watch:
            trial.after = snapshot(given)
    trial.output = output.getvalue()
    return trial


class BoundedOutput(io.StringIO):
    """A text stream that keeps the beginning of what is written."""

    def write(self, text: str) -> int:
        super().write(text[: max(MAX_OUTPUT - self.tell(), 0)])
        return len(text)


# -- isolation ------------------------------------------------------------------


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Seed all random generators and set torch's defaults; restore both at the end."""
    python_state = random.getstate()
    numpy_state = numpy.random.get_state()
    dtype = torch.get_default_dtype()
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        warnings.simplefilter("ignore")  # some come only once, and a verdict is the same each time
        torch.set_default_dtype(torch.float32)
        random.seed(0)
        numpy.random.seed(0)
        torch.default_generator.manual_seed(0)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            numpy.random.set_state(numpy_state)
            random.setstate(python_state)


# -- limits ------------------------------------------------------------------


def run_limited(work: Callable[[], Any], seconds: float) -> Any:
    """Call a function in the main thread, and interrupt it when its time or memory is used up.

    A second thread watches the clock and interrupts the main one in the way that Ctrl-C does, on every
    system. Like Ctrl-C, this acts between two instructions of Python: a single call into C, such as a huge
    matrix product, ends first. In any other thread there are no limits.

    Raises:
        TimeUp: If it took longer than `seconds`.
        MemoryUp: If it took more than MEMORY.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    limit = Limit(seconds)
    limit.previous = signal.signal(signal.SIGINT, limit.handle)
    try:
        watchdog().begin(limit)
        try:
            limit.active = True
            value = work()
        finally:
            limit.active = False  # from here on, `handle` raises nothing
    finally:
        watchdog().end(limit)
        signal.signal(signal.SIGINT, limit.previous)
    if limit.reason:  # it caught the interruption and went on
        raise limit.reason
    return value


class Limit:
    """The time and the memory of one call."""

    def __init__(self, seconds: float):
        self.deadline = time.monotonic() + seconds
        self.memory = peak_memory()
        self.active = False
        self.previous: Any = None
        self.reason: type[Stopped] | None = None

    def is_over(self) -> bool:
        """Whether the call is to be stopped."""
        if time.monotonic() >= self.deadline:
            self.reason = self.reason or TimeUp
        elif peak_memory() - self.memory > MEMORY:
            self.reason = self.reason or MemoryUp
        return self.reason is not None

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """The main thread's handler of Ctrl-C and of the watchdog's interruptions."""
        if self.active and self.reason:
            raise self.reason
        if self.active and callable(self.previous):
            self.previous(signum, frame)


class Watchdog(threading.Thread):
    """Interrupts the main thread while a call there is over its limits. One thread serves all calls."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lock = threading.Lock()
        self.running = threading.Event()
        self.limits: list[Limit] = []

    def begin(self, limit: Limit) -> None:
        with self.lock:
            self.limits.append(limit)
            self.running.set()

    def end(self, limit: Limit) -> None:
        """Forget a call; it is not interrupted any more."""
        with self.lock:
            if limit in self.limits:
                self.limits.remove(limit)
            if not self.limits:
                self.running.clear()

    def run(self) -> None:
        while self.running.wait():
            time.sleep(PAUSE)
            with self.lock:
                if any([limit.is_over() for limit in self.limits]):
                    _thread.interrupt_main()


@lru_cache
def watchdog() -> Watchdog:
    """The one watchdog, started when it is first needed."""
    started = Watchdog()
    started.start()
    return started


def peak_memory() -> int:
    """The most bytes that this process has held so far; 0 on Windows, where it is not known.

    It is asked in one call that keeps Python's lock: a list that doubles is larger at each change of threads.
    """
    if resource is None:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# -- errors ------------------------------------------------------------------


def error_text(error: BaseException) -> str:
    """The type and the text of an error, on one line."""
    text = " ".join(str(error)[:2000].split())
    name = type(error).__name__
    return f"{name}: {text}"[:200] if text else name


def raising_line(error: BaseException) -> str:
    """The line of code that raised an error; "" where it is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    return (frames[-1].line or "") if frames else ""


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
