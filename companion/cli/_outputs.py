"""The folder that a command is asked to write to, checked before it works for hours."""

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path


def visible_names(folder: Path) -> set[str]:
    """The names in a folder without hidden ones; none if there is no folder."""
    if not folder.is_dir():
        return set()
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def holds_only(folder: Path, mark: str, names: Collection[str]) -> bool:
    """Return whether a folder holds the file `mark`, and nothing but files of these names."""
    held = visible_names(folder)
    return mark in held and held <= set(names)


def check_writable(option: str, folder: Path) -> None:
    """Raise ValueError unless files can be written in a folder, or where it would be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise ValueError(f"{option}={folder} cannot be written ({error.strerror}); name another") from None


def check_unused(option: str, folder: Path, allowed: Collection[str] = ()) -> None:
    """Raise ValueError unless a folder can be written and holds nothing but files of these names."""
    others = visible_names(folder) - set(allowed)
    if others:
        raise ValueError(f"{option}={folder} holds something else ({min(others)}); name another folder")
    check_writable(option, folder)


def check_output(option: str, folder: Path, is_replaceable: Callable, overwrite: bool = False) -> None:
    """Raise ValueError unless a folder is empty, or holds what --overwrite may replace."""
    if not visible_names(folder):
        check_writable(option, folder)
    elif not is_replaceable(folder):
        check_unused(option, folder)
    elif not overwrite:
        raise ValueError(f"{option}={folder} holds a model already; name another folder, or add --overwrite")
