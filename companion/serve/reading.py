"""Questions are read within a time, and none keeps the others waiting for long.

The chat template and the patterns of a tokenizer are somebody else's programs, which may never end. Where a
model has such parts, they work in processes of their own. Our tokenizers with the usual pattern need none.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import PriorityQueue
from typing import Any

from companion.runtime.files.time_limits import Bounded, Ended
from companion.runtime.text.tokenizer import USUAL_PATTERNS, from_state

SECONDS = 5.0
"""What a process has to write a conversation as tokens; it takes a hundredth of a second otherwise."""
AT_ONCE = 4  # processes that read at once, so that a question that never ends keeps nobody waiting


def make_reader(state: dict) -> Callable[[list], Any]:
    """What such a process answers with: a call of a method of the tokenizer that was saved as this state."""
    import companion.tokenization  # noqa: F401 (it registers kinds of tokenizers)

    tokenizer = from_state(dict(state))
    return lambda call: getattr(tokenizer, call[0])(*call[1])


def has_strange_parts(tokenizer: Any) -> bool:
    """Whether a tokenizer has a chat template or a pattern that came with its file.

    A kind of tokenizer that was defined in this process is not strange: it is a program of the same person.
    """
    if type(tokenizer).__module__.partition(".")[0] != "companion":
        return False
    return tokenizer.is_public or tokenizer.pattern not in (None, *USUAL_PATTERNS)


class BoundedTokenizer:
    """A tokenizer whose `chat` and `encode` work in one of several processes, for SECONDS at most.

    Everything else is the tokenizer's own. Both methods raise ValueError for what takes longer.
    """

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer
        state = {name: getattr(tokenizer, name) for name in ("kind", *tokenizer.fields)}
        maker = "companion.serve.reading:make_reader"
        self._processes = [Bounded(maker, _as_json(state), SECONDS) for _ in range(AT_ONCE)]
        self._free: PriorityQueue = PriorityQueue()  # those that run come first
        for i in range(AT_ONCE):
            self._free.put((i > 0, i))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tokenizer, name)
        return partial(self._call, name) if name in ("chat", "encode") else found

    def _call(self, name: str, *arguments) -> list[int]:
        _, i = self._free.get()
        try:
            return self._processes[i].ask([name, arguments])
        except Ended as error:
            from companion.serve.questions import closing  # here, because the processes need no PyTorch

            if self._processes[i].closed:
                raise closing() from None
            rule = "shorten them, or serve another model"
            raise ValueError(f"reading the messages {error}; {rule}") from None
        finally:
            self._free.put((not self._processes[i].is_running(), i))

    def start(self) -> None:
        """Start the first process, so that the first question does not wait for it."""
        self._processes[0].start()

    def close(self) -> None:
        """End all processes, also in the middle of a question."""
        for process in self._processes:
            process.close()


def _as_json(value: Any) -> Any:
    """A value with bytes as text, a character a byte, as a tokenizer's file has them."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {name: _as_json(one) for name, one in value.items()}
    return [_as_json(one) for one in value] if isinstance(value, list | tuple) else value


class Readers:
    """The threads that read questions, and the tokenizer that they use.

    Our tokenizers are not made for several threads, so those have one.
    """

    def __init__(self, tokenizer: Any):
        strange = has_strange_parts(tokenizer)
        self.tokenizer = BoundedTokenizer(tokenizer) if strange else tokenizer
        self.threads = ThreadPoolExecutor(AT_ONCE if strange else 1, "reader")

    def start(self) -> None:
        """Begin to set up what the first question needs, in a reader's thread."""
        if isinstance(self.tokenizer, BoundedTokenizer):
            self.threads.submit(self.tokenizer.start)

    def end(self) -> None:
        """End what is being read by other processes."""
        if isinstance(self.tokenizer, BoundedTokenizer):
            self.tokenizer.close()

    def close(self) -> None:
        """End what is being read, and wait for the threads."""
        self.end()
        self.threads.shutdown(cancel_futures=True)
