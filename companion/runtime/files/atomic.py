"""Files that are written beside the old ones and then renamed, and a lock on the folder that a run writes.

A kill at any moment leaves each file as it was or as it should be, because `os.replace` is atomic.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"
PART = ".part"  # how the name of what is being written ends
READY = ".ready"  # the folder of whole files that are on their way to their places


def expand_user(path: str | Path) -> Path:
    """Replace a leading `~`; a path with `~` of an unknown user stays as it is."""
    return Path(os.path.expanduser(path))


def read_json(path: str | Path, remedy: str = "copy it again") -> dict:
    """Read a JSON object.

    Raises:
        ValueError: If the file holds anything else. The message ends with the remedy.
    """
    data = Path(path).read_bytes()
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{path} is not whole JSON; {remedy}")
    return value


def read_json_or_empty(path: str | Path) -> dict:
    """Read a JSON object; {} if the file is missing or holds anything else."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Replace a file; text is written as UTF-8."""
    with new_file(path) as part:
        part.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to; at the end, the file takes its place at `path`. An error removes it."""
    path = Path(path)
    part = path.with_name(f".{path.name}{PART}")
    try:
        yield part
        flush(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def staged(folder: str | Path, keep_as: str | None = None) -> Iterator[Path]:
    """Yield an empty folder inside `folder`; at the end, its files replace their namesakes in `folder`.

    An error or a kill before the end leaves the old files. One rename decides: from then on the new files
    count, and whoever opens the folder next finishes what a kill left (`finish_renames`).

    Args:
        folder: Where the files are to be. It is made if need be.
        keep_as: Name of the inner folder for work of hours: after an error or a kill, the next call finds
            there what was written.
    """
    folder = Path(folder)
    part = folder / (keep_as or PART)
    if not keep_as:
        shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    part.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        for path in part.iterdir():
            flush(path)
        finish_renames(folder)
        os.replace(part, folder / READY)
        finish_renames(folder)
    finally:
        if not keep_as:
            shutil.rmtree(part, ignore_errors=True)


def finish_renames(folder: str | Path) -> None:
    """Move files that are whole to their places: those of `staged`, also if it was killed while it did so."""
    ready = Path(folder) / READY
    if not ready.is_dir():
        return
    for path in sorted(ready.iterdir()):
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            os.replace(path, Path(folder) / path.name)
    with contextlib.suppress(FileNotFoundError):
        ready.rmdir()


def flush(path: Path) -> None:
    """Wait until a file is on the disk: without this, a power cut can leave an empty file after a rename."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def claim(folder: str | Path) -> Iterator[None]:
    """Lock a folder, which is made if need be. The same process may lock it again inside.

    The operating system releases the lock when the process ends, however it ends.

    Raises:
        ValueError: If another process holds the lock.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.resolve() / LOCK, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"folder='{folder}' is being written by another run; wait for its end") from None
    try:
        yield
    finally:
        lock.release()
