"""Train, measure, use and share small language models: the commands of the course."""

import sys
from typing import Any

from companion.cli._parsing import carry_out, summary_of
from companion.runtime.runs import distributed
from companion.runtime.terminal import as_typed, one_line, screens

COMMANDS: tuple[str, ...] = ("prepare", "train", "course", "generate", "eval", "finetune", "classify", "chat")
COMMANDS += ("serve", "app", "quantize", "info", "export", "verify", "demo")
"""In the order of the help.

Each is a file here, named as it is typed; a folder holds subcommands. The file has a dataclass Options, which
is also its help, and a function run(options), which finds everything that can be wrong, works, and reports.
What the files share begins with `_`. See companion/cli/_parsing.py.
"""
OF_PATHS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
OF_INPUT = (ValueError, TypeError, ImportError, *OF_PATHS)


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
    lines += [f"  companion {name:9} {summary_of(f'{__name__}.{name}')}" for name in COMMANDS]
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Carry out what the words say, or show the course.

    Of several processes, as torchrun starts them, all take part in `train`; the first alone does any other
    command.

    Args:
        words: What is typed after `companion`. Default: what was typed.

    Returns:
        The status: 0 when all went well, 2 for bad input, 1 for what only the run shows, 130 for Ctrl-C.
        Output that nobody reads any more (`| head -1`) is not wrong.
    """
    words = sys.argv[1:] if words is None else list(words)
    if words and not distributed.enter(words[0], is_shared=words[0] == "train"):
        return 0
    status = attempt(words)
    distributed.leave()  # not within attempt, where an error still holds the trainer
    return status


def attempt(words: list[str]) -> int:
    """Do what the words say, print what goes wrong in one line, and return the status."""
    with screens() as out:
        try:
            if words:
                carry_out(words, COMMANDS)
            else:
                print(overview())
            out.flush()
            if out.broken is not None and not isinstance(out.broken, BrokenPipeError):
                raise out.broken
        except SystemExit as stop:
            code: Any = stop.code  # argparse gives a number
            return code or 0
        except KeyboardInterrupt as stop:
            print(f"companion: {str(stop) or 'stopped'}", file=sys.stderr, flush=True)
            return 130
        except (*OF_INPUT, OSError, RuntimeError, MemoryError) as error:
            print(f"companion: {described(error)}", file=sys.stderr, flush=True)
            return 2 if isinstance(error, OF_INPUT) else 1
    return 0


def described(error: Exception) -> str:
    """What went wrong in one line, with the remedy for a path that cannot be opened."""
    if not isinstance(error, OF_PATHS[1:]) or error.filename is None:
        return one_line(error)
    may = "give yourself the right to, or " if isinstance(error, PermissionError) else ""
    return f"{error.filename} cannot be read or written ({error.strerror}); {may}name another"
