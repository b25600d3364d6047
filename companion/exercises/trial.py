"""Trying an answer: on copies, with known random states, for a limited time, and leaving nothing changed."""

import contextlib
import copy
import ctypes
import io
import linecache
import random
import signal
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AGAIN = 0.1
"""Seconds until a stopped answer that caught the stop is stopped again."""

LIBRARIES = [
    Path(__file__).parents[1],
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
]
"""Folders whose code is not the reader's."""


class TimeUp(BaseException):
    """An answer took too long. A BaseException, so that `except Exception` in it does not swallow this."""


@dataclass
class Trial:
    """What one call gave: a value or an error, what it printed, and its arguments afterwards."""

    value: Any
    error: BaseException | None
    printed: str
    after: tuple


def attempt(call: Callable, answer: Any, args: tuple, seconds: float) -> Trial:
    """Call an answer on copies of the arguments. What it raises is kept, except KeyboardInterrupt."""
    given, value, error, printed = copy.deepcopy(args), None, None, io.StringIO()
    with kept_state():
        try:
            with contextlib.redirect_stdout(printed), time_limit(seconds):
                value = call(answer, *given)
        except KeyboardInterrupt:
            raise
        except BaseException as caught:
            error = caught
    return Trial(value, error, printed.getvalue(), given)


@contextlib.contextmanager
def kept_state() -> Iterator[None]:
    """Begin with known random states; at the end, put back all global state of Python, NumPy and torch."""
    restore = [(random.setstate, random.getstate())]
    if in_main_thread_with_timers():
        restore.insert(0, (disarm, signal.getsignal(signal.SIGALRM)))
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        restore.append((numpy.random.set_state, numpy.random.get_state()))
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        restore += [
            (torch.set_rng_state, torch.get_rng_state()),
            (torch.set_default_dtype, torch.get_default_dtype()),
            (torch.set_num_threads, torch.get_num_threads()),
            (torch.set_float32_matmul_precision, torch.get_float32_matmul_precision()),
            (torch.set_grad_enabled, torch.is_grad_enabled()),
        ]
        torch.default_generator.manual_seed(0)
        torch.set_grad_enabled(True)
    try:
        yield
    finally:
        for put_back, state in restore:
            put_back(state)


def time_limit(seconds: float) -> contextlib.AbstractContextManager:
    """Raise TimeUp in the block when its time is over.

    By a signal where there are timers (Unix) and this is the main thread, elsewhere by another thread. Either
    acts between two instructions of Python: a single call into C, such as a huge product, is not cut short.
    """
    return alarm(seconds) if in_main_thread_with_timers() else watchdog(seconds)


def in_main_thread_with_timers() -> bool:
    """Whether a signal can stop what runs here."""
    return threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")


def disarm(handler: Any) -> None:
    """Stop an alarm that rang in the very moment when its time limit was ending, and was not put back."""
    if signal.getsignal(signal.SIGALRM) is not handler:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """A time limit by SIGALRM; an earlier handler and timer are put back, with the time that is left."""
    armed = True

    def stop(signum, frame):
        if armed:
            raise TimeUp

    handler = signal.signal(signal.SIGALRM, stop)
    begin = time.monotonic()
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)
        if left:
            passed = time.monotonic() - begin
            signal.setitimer(signal.ITIMER_REAL, max(left - passed, 0.001), interval)


@contextlib.contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """A time limit by a second thread that raises an exception in this one."""
    thread, done = ctypes.c_ulong(threading.get_ident()), threading.Event()
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch():
        wait = seconds
        while not done.wait(wait):
            throw(thread, ctypes.py_object(TimeUp))
            wait = AGAIN

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        with contextlib.suppress(TimeUp):
            done.set()
            watcher.join()
        throw(thread, None)  # one that was thrown and has not arrived yet


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
