"""The commands: a file each, named as it is typed; a folder holds subcommands, and `_` begins what is none.

A command's file has a dataclass Options, which is also its help, and a function run(options): everything that
can be wrong is found, the work is done, it is reported. See companion/cli/_parsing.py.
"""

import platform
import sys
from importlib import metadata

from companion.cli._errors import say, status_of
from companion.cli._parsing import carry_out, summary_of
from companion.runtime.runs import distributed
from companion.runtime.terminal import as_typed, screens

COMMANDS = ("prepare", "train", "course", "generate", "eval", "finetune", "classify", "chat", "serve", "app")
COMMANDS += ("quantize", "info", "export", "verify", "demo")
"""In the order of the help."""

PACKAGE = "companion.cli"
ERRORS = (KeyboardInterrupt, ValueError, TypeError, ImportError, OSError, RuntimeError, MemoryError)
ABOUT = "Train, measure, use and share small language models: the commands of the course."


def overview() -> str:
    """The chapters and the next step."""
    from companion import village
    from companion.book.manifest import Book

    book = Book.read(village.DATA.parent)
    lines = [book.title]
    for part, names in book.parts.items():
        lines += ["", part, *(f"  chapters/{name}.ipynb" for name in names)]
    here = (book.root / "chapters").is_dir()
    place = book.repository or "the folder that this was installed from"
    lines += [
        "",
        f"Read them in order:   {as_typed('jupyter', 'lab', '--notebook-dir=.', 'chapters/00_start.ipynb')}"
        if here
        else f"The notebooks are not part of the installed package. You find them in {place}.",
        f"Train a model:        {as_typed('companion', 'train')}",
        f"Options of a command: {as_typed('companion', 'COMMAND', '--help')}",
        "",
        "Every chapter from 1 on ends with exercises. You write a function, and check says what is wrong.",
        "",
    ]
    lines += [f"  companion {name:9} {summary_of(f'{PACKAGE}.{name}')}" for name in COMMANDS]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Carry out what the words say, or show the course; the status.

    It is 0 when all went well, 2 for bad input, 1 for what only the run shows, and 130 for Ctrl-C. Output
    that nobody reads any more (`| head -1`) is not wrong. Several processes, as torchrun starts them, train
    together, and what goes wrong is said once; of another command the first process does everything.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv and not distributed.enter(argv[0], is_shared=argv[0] == "train"):
        return 0
    status = attempt(argv)
    distributed.leave()  # not within attempt, where an error still holds the trainer
    return status


def attempt(argv: list[str]) -> int:
    """Do what the words say, say what goes wrong, and return the status."""
    with screens() as (out, _):
        try:
            if argv == ["--version"]:
                print(version())
            elif not argv:
                print(overview())
            else:
                carry_out(PACKAGE, COMMANDS, argv, ABOUT)
            out.flush()
            if out.broken is not None and not isinstance(out.broken, BrokenPipeError):
                raise out.broken
        except SystemExit as stop:
            return stop.code or 0
        except ERRORS as error:
            say(error)
            return status_of(error)
    return 0


def version() -> str:
    """What is installed; none of it is imported."""
    ours, torch = metadata.version("companion"), metadata.version("torch")
    return f"companion {ours}, PyTorch {torch}, Python {platform.python_version()}"
