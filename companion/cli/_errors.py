"""What goes wrong: one line, and a status: 2 for bad input, 1 for what only the run shows, 130 for Ctrl-C."""

import sys

from companion.runtime.terminal import one_line


def status_of(error: BaseException) -> int:
    """The status that a program ends with after an error."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    of_paths = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
    return 2 if isinstance(error, (ValueError, TypeError, ImportError, *of_paths)) else 1


def say(error: BaseException) -> None:
    """Print what went wrong, with the remedy for a path that cannot be opened."""
    line = one_line(error)
    if isinstance(error, KeyboardInterrupt) and not str(error):
        line = "stopped"
    unopened = isinstance(error, (PermissionError, IsADirectoryError, NotADirectoryError))
    if unopened and error.filename is not None:
        may = "give yourself the right to, or " if isinstance(error, PermissionError) else ""
        line = f"{error.filename} cannot be read or written ({error.strerror}); {may}name another"
    print(f"companion: {line}", file=sys.stderr, flush=True)
