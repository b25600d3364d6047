"""Work that somebody else's file decides, in a process of its own that ends when it takes too long.

A chat template is a program, and the pattern of a tokenizer can take years on a short text. Python cannot end
a thread, least of all one that is inside a compiled library. It can end a process, so such work is done in
one.

The process starts with the first question and stays for the next ones. It has a clock of its own, from
`faulthandler`, which ends it whatever it is doing. Therefore it also ends if this process was killed.
"""

import contextlib
import faulthandler
import json
import os
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, BinaryIO

from companion.runtime.files.children import start_child

START_SECONDS = 120  # what a process has for its imports and for what it is set up with
MOST_ANSWER = 16 * 2**20  # the largest answer, in bytes of JSON
MOST_MEMORY = 4 * 2**30  # what a process may allocate in all, where the operating system can limit that
ERRORS = {"ImportError": ImportError, "TypeError": TypeError, "ValueError": ValueError}
"""What is raised here as it was raised there; all else becomes a ValueError."""
CHILD = "from companion.runtime.files.time_limits import answer_questions; answer_questions()"
_inside = False


def inside() -> bool:
    """Whether this process is one that may be ended at any time, so that work needs no further one."""
    return _inside


class Ended(ValueError):
    """The process ended before it answered; late: because it took too long; else it failed."""

    def __init__(self, late: bool, seconds: float):
        why = f"did not end within {seconds:g} seconds" if late else "failed in a way that ended its process"
        super().__init__(why)
        self.late = late


class Bounded:
    """A function in a process of its own, whose calls end within so many seconds.

    maker: "module:function". The function is called once there, with `setup`, a JSON value, and returns the
    function that answers questions.
    """

    def __init__(self, maker: str, setup: Any = None, seconds: float = 10.0):
        self.first = {"maker": maker, "setup": setup, "seconds": seconds}
        self.seconds = seconds
        self.process: subprocess.Popen | None = None
        self.owner, self.closed, self.one_at_a_time = os.getpid(), False, threading.Lock()

    def is_running(self) -> bool:
        """Whether there is a process, which this one started."""
        return self.process is not None and self.process.poll() is None and self.owner == os.getpid()

    def start(self) -> None:
        """Start the process, if there is none, before there is a question for it."""
        with self.one_at_a_time:
            self._start()

    def _start(self) -> None:
        if self.closed or self.is_running():
            return
        self.process = start_child(
            CHILD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where compiled libraries write a hundred lines about their failures
        )
        self.owner = os.getpid()
        weakref.finalize(self, _end, self.process, self.owner)  # also when Python ends
        if self.closed:  # while it was started
            self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            _send(self.process.stdin, self.first)

    def ask(self, question: Any) -> Any:
        """The answer to a question, both of them JSON values. Errors as in ERRORS.

        Raises Ended if the process took too long or failed. The next question starts another.
        """
        with self.one_at_a_time:
            self._start()
            process = self.process
            if self.closed or process is None:
                raise Ended(False, self.seconds)
            try:
                with contextlib.suppress(BrokenPipeError):  # it has ended: the next line says how
                    _send(process.stdin, question)
                answer = _receive(process.stdout)
            except BaseException:  # Ctrl-C: the answer would be taken for that of the next question
                _end(process, self.owner)
                raise
            if answer is None:
                status = process.wait()
                _end(process, self.owner)
                raise Ended(status == 1, self.seconds)
        if "error" in answer:
            raise ERRORS.get(answer["error"], ValueError)(answer["text"])
        return answer["found"]

    def close(self) -> None:
        """End the process, also in the middle of a question, which then raises Ended."""
        self.closed = True
        if self.process is not None:
            self.process.kill()


def _end(process: subprocess.Popen, owner: int) -> None:
    """End a process of this one, and forget it."""
    if owner != os.getpid():  # this is a fork of the one that started it
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            pipe.close()


def _send(pipe: BinaryIO, value: Any) -> None:
    data = json.dumps(value).encode()
    pipe.write(len(data).to_bytes(8, "big") + data)
    pipe.flush()


def _receive(pipe: BinaryIO) -> Any:
    """The next value that the other side sent; None where it has ended."""
    size = pipe.read(8)
    data = pipe.read(int.from_bytes(size, "big")) if len(size) == 8 else b""
    if len(size) < 8 or len(data) < int.from_bytes(size, "big"):
        return None
    return json.loads(data)


# -- what the other process does -------------------------------------------------------


def answer_questions() -> None:
    """Read questions from standard input, and write answers to standard output, until the input ends."""
    global _inside
    _inside = True
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nowhere:  # whatever prints would otherwise write into the answers
        os.dup2(nowhere.fileno(), 0)
        os.dup2(nowhere.fileno(), 1)
        _limit_memory()
        first = _receive(questions)
        if first is None:
            return
        try:
            with _clock(START_SECONDS, nowhere):
                module, _, name = first["maker"].partition(":")
                answer = getattr(import_module(module), name)(first["setup"])
            broken = None
        except BaseException as error:
            answer, broken = None, _told(error)
        while (question := _receive(questions)) is not None:
            _send(answers, broken or _answered(answer, question, first["seconds"], nowhere))


def _answered(answer: Callable, question: Any, seconds: float, nowhere: BinaryIO) -> dict:
    try:
        with _clock(seconds, nowhere):
            found = {"found": answer(question)}
            size = len(json.dumps(found))
    except BaseException as error:  # a panic of Rust is no Exception
        return _told(error)
    if size > MOST_ANSWER:
        return {"error": "ValueError", "text": f"the result has {size:,} bytes, above {MOST_ANSWER:,}"}
    return found


def _told(error: BaseException) -> dict:
    text = " ".join(str(error).split())
    for name, kind in ERRORS.items():
        if isinstance(error, kind):
            return {"error": name, "text": str(error)}
    return {"error": "ValueError", "text": f"{type(error).__name__}: {text:.200}"}


@contextlib.contextmanager
def _clock(seconds: float, nowhere: BinaryIO) -> Iterator[None]:
    """End this process, with status 1, unless what is inside ends within so many seconds."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
