"""The command `companion`, and `python -m companion`."""

import os
import sys
from typing import Any

from companion.cli import COMMANDS
from companion.cli._parsing import carry_out
from companion.runtime.terminal import first_line, screens

OF_PATHS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
OF_INPUT = (ValueError, TypeError, ImportError, *OF_PATHS)
"""What is wrong with the input, and not with the run."""
BAD_INPUT = 2
STOPPED = 130
"""The statuses for these, and for Ctrl-C, as shells use them."""


def main(words: list[str] | None = None) -> int:
    """Carry out what the words say, or print the help.

    Args:
        words: What is typed after `companion`. Default: what was typed.

    Returns:
        The status: 0 when all went well, 2 for bad input, 1 for what only the run shows, 130 for Ctrl-C.
        Output that nobody reads any more (`| head -1`) is not wrong.
    """
    words = (sys.argv[1:] if words is None else list(words)) or ["--help"]
    if "WORLD_SIZE" in os.environ:  # which torchrun sets
        return attempt_together(words)
    return attempt(words)


def attempt_together(words: list[str]) -> int:
    """Do what the words say as one of several processes: all take part in `train`, else the first alone."""
    from companion.runtime.runs import distributed

    if not distributed.enter(words[0], is_shared=words[0] == "train"):
        return 0
    status = attempt(words)
    distributed.leave()  # not within attempt, where an error still holds the trainer
    return status


def attempt(words: list[str]) -> int:
    """Do what the words say, print what goes wrong in one line, and return the status."""
    with screens():
        try:
            carry_out(words, COMMANDS)
        except BrokenPipeError:  # nobody reads any more
            return 0
        except SystemExit as stop:
            code: Any = stop.code  # argparse gives a number
            return code or 0
        except KeyboardInterrupt as stop:
            print(f"companion: {str(stop) or 'stopped'}", file=sys.stderr, flush=True)
            return STOPPED
        except (*OF_INPUT, OSError, RuntimeError, MemoryError) as error:
            print(f"companion: {first_line(error)}", file=sys.stderr, flush=True)
            return BAD_INPUT if isinstance(error, OF_INPUT) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
