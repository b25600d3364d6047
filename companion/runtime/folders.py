"""Where a command writes: a folder that can be written, and that no other run has."""

import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path

from companion.runtime.checkpoints import holds_model, holds_run
from companion.runtime.files import claim


def check_writable(option: str, folder: Path) -> None:
    """Make a folder, if need be, and see that files can be written there. ValueError where they cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        why = f"cannot be written ({error.strerror}); name another folder"
        raise ValueError(f"{option}={folder} {why}") from None


def free_folder(runs: Path, name: str, held: ExitStack) -> Path:
    """Claim the first of runs/name, runs/name-2 … that holds no model and that no other run has claimed."""
    for number in itertools.count(1):
        folder = runs / (name if number == 1 else f"{name}-{number}")
        if holds_model(folder):
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
    """Claim the folder that was asked for. ValueError where it holds a model that is not to be resumed."""
    if not resume and holds_model(folder):
        remedy = "add --resume to go on, or " if holds_run(folder) else ""
        raise ValueError(f"--checkpoint={folder} holds a model already; {remedy}name another folder")
    check_writable("--checkpoint", folder)
    held.enter_context(claim(folder))
    return folder
