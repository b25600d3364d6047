"""Train, measure, use and share small language models: the commands of the course.

To read the course, open chapters/00_start.ipynb in JupyterLab; the chapters follow in the order of their
numbers. Each chapter from 1 on ends with exercises: you write a function, and check says what is wrong.
"""

import os
import sys
from typing import Any

from companion.cli._parsing import carry_out
from companion.runtime.terminal import first_line, screens

COMMANDS: tuple[str, ...] = ("prepare", "train", "course", "generate", "eval", "finetune", "classify", "chat")
COMMANDS += ("serve", "app", "quantize", "info", "export", "verify", "demo", "progress")
"""In the order of the help.

Each is a file here, named as it is typed; a folder holds subcommands. The file has a dataclass Options, which
is also its help, and a function run(options), which finds everything that can be wrong, works, and reports.
What the files share begins with `_`. See companion/cli/_parsing.py.
"""
OF_PATHS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
OF_INPUT = (ValueError, TypeError, ImportError, *OF_PATHS)
"""What is wrong with the input, and not with the run."""


def main(words: list[str] | None = None) -> int:
    """Carry out what the words say, or print the help.

    Of several processes, as torchrun starts them, all take part in `train`; the first alone does any other
    command.

    Args:
        words: What is typed after `companion`. Default: what was typed.

    Returns:
        The status: 0 when all went well, 2 for bad input, 1 for what only the run shows, 130 for Ctrl-C.
        Output that nobody reads any more (`| head -1`) is not wrong.
    """
    words = (sys.argv[1:] if words is None else list(words)) or ["--help"]
    if "WORLD_SIZE" not in os.environ:  # which torchrun sets
        return attempt(words)
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
            return 130
        except (*OF_INPUT, OSError, RuntimeError, MemoryError) as error:
            print(f"companion: {first_line(error)}", file=sys.stderr, flush=True)
            return 2 if isinstance(error, OF_INPUT) else 1
    return 0
