"""Stopping what takes too long or too much memory: a second thread watches, and throws into it."""

import builtins
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

MEMORY = 2**30
"""Bytes that a call may take more than were in use when it began."""

AT_ONCE = 4 * MEMORY
"""Bytes that it may ask for in one piece, where the system can allow_again them (Linux)."""

PAUSE = 0.02
"""Seconds between two looks at the clock and at the memory in use."""

REST = 1
"""Seconds without a call, after which the second thread sleeps until the next."""

AGAIN = 0.1
"""Seconds until a call that caught the stop is stopped again."""


class Stopped(BaseException):
    """Thrown into a call. A BaseException, so that `except Exception` in it does not swallow this."""


class TimeUp(Stopped):
    """It took too long."""


class MemoryUp(Stopped):
    """It took too much memory."""


def limited(work: Callable[[], Any], seconds: float) -> tuple[Any, BaseException | None]:
    """Call `work`: what it returns and raises, TimeUp or MemoryUp where it was stopped.

    By a signal where there are signals to a thread (Unix) and this is the main thread, elsewhere by an
    exception set from the second thread. Either acts between two instructions of Python: a single call into
    C, such as a huge product, is not cut short. KeyboardInterrupt, which is the reader's, goes through.
    """
    return Limit(work, seconds).run()


def by_signal() -> bool:
    """Whether a signal can stop what runs here."""
    return threading.current_thread() is threading.main_thread() and hasattr(signal, "pthread_kill")


class Limit:
    """One call under limits."""

    def __init__(self, work: Callable[[], Any], seconds: float):
        self.work, self.seconds = work, seconds
        self.thread = threading.get_ident()
        self.looking = threading.RLock()
        self.begin = self.again = time.monotonic()
        self.reason: type[Stopped] | None = None
        self.frame: FrameType | None = None  # of `region`, while the call runs
        self.times = 0  # that it was stopped
        self.thrown = False  # whether from the second thread

    def run(self) -> tuple[Any, BaseException | None]:
        handler, traced = None, sys.gettrace()
        self.signals = by_signal()
        self.memory = memory_in_use()
        if self.signals:
            handler = signal.signal(signal.SIGALRM, self.stop)
        self.earlier = handler
        watch(self)
        value, error, allow_again = None, None, refuse_memory()
        names = builtins.__dict__
        named = names.copy()
        try:
            value = self.region()
        except BaseException as caught:
            error = caught
        ended = False
        try:
            while not ended:
                try:
                    sys.settrace(traced)  # before any other function is called, which would be traced
                    restore(names, named)  # what follows needs them
                    self.end(handler, allow_again)
                    ended = True
                except Stopped:  # without signals, one may still be on its way
                    pass
        finally:
            RUNNING.remove(self)  # also where Ctrl-C came just now
        if self.reason:
            trace = error.__traceback__ if isinstance(error, Stopped) else None
            value, error = None, self.reason().with_traceback(trace)
        if type(error) is KeyboardInterrupt:
            raise error
        return value, error

    def end(self, handler: Any, allow_again: Callable[[], None]) -> None:
        """No more stops; without signals, one may still be on its way, and arrives here."""
        while True:
            with contextlib.suppress(Stopped):
                self.frame = None
                self.looking.acquire()  # for good: from here on, the second thread leaves this call alone
                if self.signals:
                    signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)
                if self.thrown:  # wait for one more: it takes the place of one that waits. Taking that back
                    self.thrown = False  # would leave Python asking for ever whether there is one
                    throw(self.thread, Stopped)
                    while True:
                        pass
                allow_again()
                return

    def region(self) -> Any:
        """The call, in a frame of its own: a signal throws only below it."""
        self.frame = sys._getframe()
        return self.work()

    def look(self) -> float:
        """Stop the call where its time is over or its memory too large; the seconds until the next look.

        The second thread calls this, and it does nothing once `end` has taken `looking`.
        """
        if not self.looking.acquire(blocking=False):
            return PAUSE
        try:
            now = time.monotonic()
            if self.reason is None:
                if now >= self.begin + self.seconds:
                    self.reason = TimeUp
                elif memory_in_use() - self.memory > MEMORY:
                    self.reason = MemoryUp
            if self.reason and now >= self.again:
                self.times += 1
                self.again = now + AGAIN / min(self.times, 100)  # also between its catching one and going on
                if self.signals and signal.getsignal(signal.SIGALRM) == self.stop:
                    signal.pthread_kill(self.thread, signal.SIGALRM)
                elif self.frame is not None:
                    self.thrown = True
                    throw(self.thread, self.reason)
            left = (self.again if self.reason else self.begin + self.seconds) - now
            return min(PAUSE, max(left, 0.0005))
        finally:
            self.looking.release()

    def stop(self, signum: int, frame: FrameType | None) -> None:
        """The handler of the signal, in the thread of the call."""
        if self.reason is None:  # somebody else's alarm
            if callable(self.earlier):
                self.earlier(signum, frame)
            return
        frames = []
        while frame is not None and frame is not self.frame:
            frames.append(frame)
            frame = frame.f_back
        if frame is None:  # the call is over, or has not begun
            return
        if self.times > 3:  # it catches everything: throw at its next line too, which is outside of its `try`
            for one in frames:
                one.f_trace = self.trace
            sys.settrace(self.trace)
        raise self.reason

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and self.is_below(frame):
            raise self.reason
        return self.trace

    def is_below(self, frame: FrameType | None) -> bool:
        """Whether a frame belongs to the call, and not to what follows it."""
        while frame is not None and frame is not self.frame:
            frame = frame.f_back
        return frame is not None


RUNNING: list[Limit] = []
"""The calls that run now: several where one is in another, or in other threads."""


class Watcher(threading.Thread):
    """Looks at the calls that run: one thread for all, since to start one takes longer than most calls."""

    def __init__(self):
        super().__init__(daemon=True)
        self.called, self.asleep = threading.Event(), False

    def run(self) -> None:
        """Look again and again, unless there has been no call for a while."""
        idle = 0
        while True:
            pause = PAUSE
            for limit in tuple(RUNNING):
                with contextlib.suppress(Exception):  # an answer may have replaced what this needs
                    pause = min(pause, limit.look())
            idle = 0 if RUNNING else idle + 1
            self.asleep = idle * PAUSE > REST
            self.called.wait(None if self.asleep and not RUNNING else pause)
            self.called.clear()


WATCHER: list[Watcher] = []
"""The thread, once there is one; a process that was forked has none."""


def watch(limit: Limit) -> None:
    """Have the second thread look at a call from now on."""
    RUNNING.append(limit)
    if not (WATCHER and WATCHER[0].is_alive()):
        WATCHER[:] = [Watcher()]
        WATCHER[0].start()
    elif WATCHER[0].asleep or limit.seconds < PAUSE:
        WATCHER[0].called.set()


def restore(names: dict[str, Any], before: dict[str, Any]) -> None:
    """Give a module's names the values that they had before, and take out those that it did not have."""
    names.update(before)
    for name in names.keys() - before.keys():
        del names[name]


def throw(thread: int, exception: type[BaseException]) -> None:
    """Raise an exception in a thread, at its next instruction."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(exception))


def memory_in_use() -> int:
    """Bytes of memory that this process holds; where that is not known, the most that it ever held, or 0."""
    with contextlib.suppress(OSError, ValueError):
        return pages(1)
    psutil = library("psutil")  # comes with Jupyter
    if psutil:
        return psutil.Process().memory_info().rss
    resource = library("resource")
    if resource:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return 0


def pages(field: int) -> int:
    """A field of Linux's /proc/self/statm in bytes: 0 is what was asked for, 1 what is in use."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[field]) * os.sysconf("SC_PAGE_SIZE")


def library(name: str) -> Any:
    """A library that need not be there."""
    with contextlib.suppress(ImportError):
        return __import__(name)
    return None


def refuse_memory() -> Callable[[], None]:
    """Have Linux refuse huge pieces of memory, which one call asks for and none can stop; the way back.

    Not where there is a GPU: its driver reserves far more addresses than memory.
    """
    if not sys.platform.startswith("linux") or any(map(os.path.exists, ("/dev/nvidiactl", "/dev/kfd"))):
        return lambda: None
    import resource

    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = pages(0) + AT_ONCE
        if soft != resource.RLIM_INFINITY and soft <= wanted:
            return lambda: None
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    except (OSError, ValueError):
        return lambda: None
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
