"""Work on somebody else's file, in a process of its own that ends when it takes too long.

A chat template is a program, and the pattern of a tokenizer can take years on a short text. Python cannot end
a thread, so such work is done in another process. The process starts with the first question and stays for
the next ones. Its own clock, from `faulthandler`, ends it inside compiled code, too. Questions and answers
are lines of JSON.
"""

import faulthandler
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from companion.runtime.files.children import start_child

START_SECONDS = 120  # what a process has for its imports
MAX_MEMORY = 4 * 2**30  # bytes that a process may allocate
ERRORS = {"ImportError": ImportError, "TypeError": TypeError, "ValueError": ValueError}
"""Errors that are raised as they were in the process; any other becomes a ValueError."""
CHILD = "from companion.runtime.files.time_limits import answer_questions; answer_questions()"
_is_child = False


def inside() -> bool:
    """Return whether this process is one that may be ended, so that its work needs no further one."""
    return _is_child


class Ended(ValueError):
    """The process ended before it answered, because it took too long (late) or failed."""

    def __init__(self, late: bool, seconds: float):
        slow, failed = f"did not end within {seconds:g} seconds", "failed in a way that ended its process"
        super().__init__(slow if late else failed)
        self.late = late


class Bounded:
    """A function that runs in another process, and whose calls end within a number of seconds.

    Args:
        maker: "module:function". The function is called once in the process with `setup`, a JSON value, and
            returns the function that answers questions.
        setup: See maker.
        seconds: Time for one answer.
    """

    def __init__(self, maker: str, setup: Any = None, seconds: float = 10.0):
        self.first_line = {"maker": maker, "setup": setup, "seconds": seconds}
        self.seconds = seconds
        self.process: subprocess.Popen | None = None
        self.closed = False
        self.lock = threading.Lock()

    def is_running(self) -> bool:
        """Return whether the process has started and not ended."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process, if it does not run."""
        with self.lock:
            self._start()

    def _start(self) -> None:
        if not self.closed and not self.is_running():
            pipe = subprocess.PIPE
            self.process = start_child(CHILD, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
            _send(self.process.stdin, self.first_line)

    def ask(self, question: Any) -> Any:
        """Return the answer to a question; both are JSON values.

        Raises:
            Ended: If the process took too long or failed. The next question starts another one.
        """
        with self.lock:
            self._start()
            if self.closed:
                raise Ended(False, self.seconds)
            try:
                _send(self.process.stdin, question)
                line = self.process.stdout.readline()
            except BrokenPipeError:
                line = b""
            except BaseException:  # Ctrl-C: the answer would be taken for that of the next question
                self.process.kill()
                self.process.wait()
                raise
            if not line:
                raise Ended(self.process.wait() == 1, self.seconds)
        answer = json.loads(line)
        if "error" in answer:
            raise ERRORS.get(answer["error"], ValueError)(answer["text"])
        return answer["value"]

    def close(self) -> None:
        """End the process, also in the middle of a question, which then raises Ended."""
        self.closed = True
        if self.process is not None:
            self.process.kill()


def _send(pipe: Any, value: Any) -> None:
    pipe.write(json.dumps(value).encode() + b"\n")
    pipe.flush()


def answer_questions() -> None:
    """Read questions from standard input and write answers to standard output, until the input ends."""
    global _is_child
    _is_child = True
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what prints must not write into the answers
    _limit_memory()
    first = json.loads(sys.stdin.buffer.readline())
    module, _, name = first["maker"].partition(":")
    made = _call(lambda: getattr(import_module(module), name)(first["setup"]), START_SECONDS)
    for line in sys.stdin.buffer:
        question = json.loads(line)
        if "error" in made:
            _send(answers, made)
        else:
            _send(answers, _call(lambda: made["value"](question), first["seconds"]))  # noqa: B023


def _call(function: Callable, seconds: float) -> dict:
    """Return a function's value or its error; end this process, with status 1, if it takes too long."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
    try:
        return {"value": function()}
    except BaseException as error:  # a panic in Rust is no Exception
        for name, kind in ERRORS.items():
            if isinstance(error, kind):
                return {"error": name, "text": str(error)}
        return {"error": "ValueError", "text": f"{type(error).__name__}: {error}"}
    finally:
        faulthandler.cancel_dump_traceback_later()


def _limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    except (ImportError, ValueError, OSError):  # Windows, or a lower limit that is there already
        pass
