"""The command line: `companion` and the name of a command; what `companion` alone says.

A thin layer over the functions and dataclasses that the chapters build. A command has three steps. *Plan*
finds whatever can be wrong before any work is begun; *do* works; *report* prints what came of it. torch is
imported inside the steps, so that `companion` and `companion --help` answer at once.
"""

import sys

from companion.commands import COMMANDS
from companion.runtime.command_line.steps import carry_out, run
from companion.runtime.command_line.terminal import as_typed


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
    lines += [f"  companion {name:9} {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its status, as `run` has them; without one, show the course."""
    argv = sys.argv[1:] if argv is None else list(argv)
    about = "Train, measure, use and share small language models: the commands of the course."
    return run(lambda: carry_out(COMMANDS, argv, about) if argv else print(overview()))
