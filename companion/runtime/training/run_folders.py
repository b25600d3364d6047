"""Where a command writes: a folder that can be written, and that no other run has."""

import itertools
import tempfile
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path

from companion.runtime.files.whole_files import CLAIM, LOCK, STAGED, claim, reading
from companion.runtime.storage.checkpoints import CONFIG, TOKENIZER, WEIGHTS, holds_model
from companion.runtime.training.resuming import BEST, LOG, STATE, holds_run

SAVED = (CONFIG, TOKENIZER, WEIGHTS, STATE, LOG, BEST)
"""What a run saves; beside it stand its curve and its settings, which begin so:"""
WRITTEN = "# Written by companion train"


def check_writable(option: str, folder: Path) -> None:
    """See that files can be written in a folder, or where it would be made. ValueError where they cannot."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        why = f"cannot be written ({error.strerror}); name another folder"
        raise ValueError(f"{option}={folder} {why}") from None


def check_empty(option: str, folder: Path, ours: Callable[[Path], bool], overwrite: bool = False) -> None:
    """See that a folder to be written holds nothing, or, to be replaced, what ours(folder) knows."""
    held = _held(folder)
    if held and not ours(folder):
        raise ValueError(f"{option}={folder} holds something else ({min(held)}); name another folder")
    if held and not overwrite:
        raise ValueError(f"{option}={folder} holds a model already; name another folder, or add --overwrite")
    check_writable(option, folder)


def _held(folder: Path) -> list[str]:
    """The names in a folder, without locks and what a killed run had not written whole."""
    with reading(folder):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [name for name in names if name not in (LOCK, CLAIM) and not name.startswith(STAGED)]


def check_ours(option: str, folder: Path, names: Collection[str]) -> None:
    """ValueError where a folder holds what has none of these names. What begins with a dot does not count."""
    held = [path for path in folder.iterdir() if path.name[0] != "."] if folder.is_dir() else []
    if others := {path.name for path in held if path.name not in names and not _settings_of_a_run(path)}:
        raise ValueError(f"{option}={folder} holds something else ({min(others)}); name another folder")


def _settings_of_a_run(path: Path) -> bool:
    return path.suffix == ".toml" and path.is_file() and path.read_bytes().startswith(WRITTEN.encode())


def holds_only(folder: Path, mark: str, names: Collection[str]) -> bool:
    """Whether a folder holds the file `mark`, and nothing but files of these names: what may be replaced."""
    held = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return mark in held and held <= set(names)


def free_folder(runs: Path, name: str, held: ExitStack) -> Path:
    """Claim the first of runs/name, runs/name-2 … that holds no model and that no other run has claimed."""
    for number in itertools.count(1):
        folder = runs / (name if number == 1 else f"{name}-{number}")
        if holds_model(folder):
            continue
        try:
            check_ours("--checkpoint", folder, SAVED)
        except ValueError:
            continue
        check_writable("--checkpoint", folder)
        try:
            held.enter_context(claim(folder))
        except ValueError:  # another run has it
            continue
        if not holds_model(folder):  # the other may have ended between the two looks
            return folder
    raise AssertionError("unreachable: there are always more numbers")


def own_folder(folder: Path, resume: bool, held: ExitStack) -> Path:
    """Claim the folder that was asked for. ValueError for what is there and is not to be resumed."""
    if not resume and holds_model(folder):
        remedy = "add --resume to go on, or " if holds_run(folder) else ""
        raise ValueError(f"--checkpoint={folder} holds a model already; {remedy}name another folder")
    if not resume:
        check_ours("--checkpoint", folder, SAVED)
    check_writable("--checkpoint", folder)
    held.enter_context(claim(folder))
    return folder
