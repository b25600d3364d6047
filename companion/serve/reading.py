"""Questions are read within a time.

The chat template and the patterns of a tokenizer are somebody else's programs, which may never end. Where a
model has such parts, they work in a process of their own, which is ended and started anew if it takes too
long. Our tokenizers with the usual pattern need none.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from companion.runtime.text.tokenizer import USUAL_PATTERNS, Tokenizer, from_state

SECONDS = 5.0
"""What the process has to write a conversation as tokens; it takes a hundredth of a second otherwise."""
MAX_MEMORY = 4 * 2**30  # bytes that the process may allocate
_tokenizer: Tokenizer | None = None  # of the process


def begin(state: dict) -> None:
    """Make the tokenizer in its process, which is silent, deaf to Ctrl-C, and ends with its parent."""
    global _tokenizer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows, or a lower limit that is there
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    threading.Thread(target=end_with_parent, daemon=True).start()
    import companion.tokenization  # noqa: F401 (it registers kinds of tokenizers)

    _tokenizer = from_state(state)


def end_with_parent() -> None:
    """End this process when its parent ends, however it ends."""
    multiprocessing.parent_process().join()
    os._exit(1)


def answer(name: str, arguments: tuple) -> list[int]:
    """Call a method of the process's tokenizer."""
    try:
        return getattr(_tokenizer, name)(*arguments)
    except (ImportError, TypeError, ValueError):
        raise
    except BaseException as error:  # a panic in Rust is no Exception, and cannot be pickled
        rule = "shorten the messages, or serve another model"
        raise ValueError(f"the tokenizer failed ({str(error):.100}); {rule}") from None


def has_strange_parts(tokenizer: Any) -> bool:
    """Whether a tokenizer has a chat template or a pattern that came with its file.

    A kind of tokenizer that was defined in this process is not strange: it is a program of the same person.
    """
    if type(tokenizer).__module__.partition(".")[0] != "companion":
        return False
    return tokenizer.is_public or tokenizer.pattern not in (None, *USUAL_PATTERNS)


class BoundedTokenizer:
    """A tokenizer whose `chat` and `encode` work in another process, for SECONDS at most.

    Everything else is the tokenizer's own. Both methods raise ValueError for what takes longer.
    """

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer
        self._state = {name: _as_json(getattr(tokenizer, name)) for name in ("kind", *tokenizer.fields)}
        self._lock = threading.Lock()  # held by the question that is read
        self._pool: ProcessPoolExecutor | None = None
        self._pid = 0
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tokenizer, name)
        return partial(self._call, name) if name in ("chat", "encode") else found

    def start(self) -> None:
        """Start the process, so that the first question does not wait for it."""
        with self._lock:
            self._start()

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, begin, (self._state,))
            self._pid = self._pool.submit(os.getpid).result()
        return self._pool

    def _call(self, name: str, *arguments) -> list[int]:
        from companion.serve.questions import closing  # here, because the process needs no PyTorch

        with self._lock:
            if self._closed:
                raise closing()
            try:
                return self._start().submit(answer, name, arguments).result(SECONDS)
            except TimeoutError:
                how = f"did not end within {SECONDS:g} seconds"
            except BrokenProcessPool:
                how = "failed in a way that ended its process"
            self._end()
        if self._closed:
            raise closing()
        raise ValueError(f"reading the messages {how}; shorten them, or serve another model")

    def _end(self) -> None:
        self._kill()
        if self._pool is not None:
            self._pool.shutdown()
        self._pool = None
        self._pid = 0

    def _kill(self) -> None:
        if self._pool is not None and self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def close(self) -> None:
        """End the process, also in the middle of a question."""
        self._closed = True
        self._kill()
        with self._lock:
            self._end()


def _as_json(value: Any) -> Any:
    """A value with bytes as text, a character a byte, as a tokenizer's file has them."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {name: _as_json(one) for name, one in value.items()}
    return [_as_json(one) for one in value] if isinstance(value, list | tuple) else value


class Readers:
    """The thread that reads questions, and the tokenizer that it uses."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = BoundedTokenizer(tokenizer) if has_strange_parts(tokenizer) else tokenizer
        self.threads = ThreadPoolExecutor(1, "reader")

    def start(self) -> None:
        """Begin to set up what the first question needs, in the reader's thread."""
        if isinstance(self.tokenizer, BoundedTokenizer):
            self.threads.submit(self.tokenizer.start)

    def end(self) -> None:
        """End what is being read by another process."""
        if isinstance(self.tokenizer, BoundedTokenizer):
            self.tokenizer.close()

    def close(self) -> None:
        """End what is being read, and wait for the thread."""
        self.end()
        self.threads.shutdown(cancel_futures=True)
