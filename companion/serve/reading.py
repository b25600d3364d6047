"""A public model's conversations are written as tokens in a process of their own, within a time.

The chat template and the tokenizer of a public model are somebody else's programs, which may never end. The
process takes one conversation after the other, as lines of JSON. If one takes too long, the process ends
itself, and the next conversation starts another.
"""

import contextlib
import faulthandler
import json
import signal
import subprocess
import sys
from pathlib import Path

from companion.runtime.text.hugging_face import PublicTokenizer

SECONDS = 5.0
"""What the process has for a conversation; it takes a hundredth of a second otherwise."""
MAX_MEMORY = 4 * 2**30  # bytes that the process may allocate


class ChatProcess:
    """The process in which a public tokenizer writes conversations, for SECONDS at most each.

    One thread may use it, and another may call `close`. The process also ends with its parent, because then
    its input ends.
    """

    def __init__(self, tokenizer: PublicTokenizer):
        self._tokenizer = tokenizer
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def start(self) -> subprocess.Popen[str]:
        """Start the process if there is none, so that the first question does not wait for it."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "companion.serve.reading"],
                cwd=Path(__file__).parents[2],  # where the package is found
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            state = {name: getattr(self._tokenizer, name) for name in self._tokenizer.fields}
            send(self._process, [SECONDS, state])
        return self._process

    def chat(self, messages: list[dict]) -> list[int]:
        """Do what the tokenizer's `chat` does.

        Raises:
            ValueError: If the tokenizer raises it, takes longer than SECONDS, or ends its process.
            Refused: If `close` was called.
        """
        from companion.serve.chat_requests import closing  # here, because the process needs no PyTorch

        if self._closed:
            raise closing()
        process = self.start()
        send(process, messages)
        line = process.stdout.readline()
        if self._closed:
            raise closing()
        if not line:
            process.wait()
            self._process = None
            what = f"reading the messages did not end within {SECONDS:g} seconds, or ended its process"
            raise ValueError(f"{what}; shorten them, or serve another model")
        answer = json.loads(line)
        if isinstance(answer, str):
            raise ValueError(answer)
        return answer

    def close(self) -> None:
        """End the process, also in the middle of a question, and start no other."""
        self._closed = True
        if self._process is not None:
            self._process.kill()


def send(process: subprocess.Popen[str], value: list) -> None:
    """Send a value to the process. If the process has ended, nothing will come back."""
    with contextlib.suppress(OSError):
        process.stdin.write(json.dumps(value) + "\n")
        process.stdin.flush()


def main() -> None:
    """Write conversations as tokens, in the process, until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows, or a lower limit that is there
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    import jinja2.sandbox  # noqa: F401 (so that the first conversation does not wait for it)

    seconds, state = json.loads(sys.stdin.readline())
    tokenizer = PublicTokenizer(**state)
    for line in sys.stdin:
        faulthandler.dump_traceback_later(seconds, exit=True)  # in C, so that nothing can hold it up
        try:
            answer: list[int] | str = tokenizer.chat(json.loads(line))
        except ValueError as error:
            answer = str(error)
        except BaseException as error:  # a panic in Rust is no Exception
            answer = f"the tokenizer failed ({str(error):.100}); shorten the messages, or serve another model"
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
