"""Files that are whole or not there, alone and in sets; and folders that one run at a time may write.

A *set* is what one folder holds together, such as a model and its tokenizer. A new set is written into a
folder of its own beside the old one. A single rename then makes it the folder's; after that its files are
moved to their places, by whoever comes next if the writer was killed. So a reader sees the old set or the new
one, never a mixture.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

LOCK, CLAIM, COMMITTED, STAGED = ".lock", ".claim", ".committed", ".staged-"
WAIT = 60
"""Seconds to wait for another process that moves a set to its place, which takes milliseconds."""


def at_home(name: str | Path) -> Path:
    """A path, with the user's folder for `~`; as it stands where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def write_whole(path: str | Path, data: bytes | str) -> None:
    """Write a file whole or not at all, text as UTF-8. The old one stays until the new is on the disk."""
    with new_file(path) as new:
        new.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Yield an empty file beside this one; at the end it takes its place, whole and on the disk.

    An error inside leaves what was there, and nothing else.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        _to_disk(Path(name))
        for_all(Path(name))
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def staged(folder: str | Path, begun: str | None = None) -> Iterator[Path]:
    """Yield an empty folder; at the end, what was written there replaces its namesakes in `folder` at once.

    An error inside, or a kill at any moment, leaves the old files or all of the new ones. Two processes may
    do this at once: the folder ends with the whole set of one of them.
    begun: a name for the folder that is yielded, for work of hours: what was written there before an error or
    a kill is there again in the next call. One process at a time: claim the folder first.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / begun if begun else Path(tempfile.mkdtemp(prefix=STAGED, dir=folder))
    new.mkdir(exist_ok=True)
    try:
        yield new
        for path in new.iterdir():
            _to_disk(path)
        with _locked(folder):
            _move_to_place(folder)  # the set of a writer that was killed
            os.rename(new, folder / COMMITTED)
            _move_to_place(folder)
    finally:
        if not begun:
            shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def reading(folder: str | Path) -> Iterator[None]:
    """While inside, no other process changes the set of files in `folder`: open all, and go on outside.

    A folder that no `staged` ever wrote to, such as one that was copied, is read as it is; so is one that
    this user may not write to, or whose lock is another user's.
    """
    folder = Path(folder)
    lock = folder / LOCK
    if not lock.exists() or not all(os.access(path, os.W_OK) for path in (folder, lock)):
        yield
        return
    with _locked(folder):
        _move_to_place(folder)
        yield


@contextlib.contextmanager
def claim(folder: str | Path, seconds: float = 0) -> Iterator[None]:
    """While inside, the folder belongs to this process, which may claim it again within.

    The lock is the operating system's: a process that ends, however it ends, gives it back. Folders that
    were made for it go with it if nothing was written there.
    seconds: how long to wait for another process that has claimed the folder; then a ValueError.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]  # from the inside out
    lock = _acquire(folder, seconds)
    try:
        for left in folder.glob(f"{STAGED}*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        if os.name != "nt":
            _remove_unused(made)  # who waits for the lock sees that its file is gone, and makes another
        lock.release()
        if os.name == "nt":
            _remove_unused(made)  # here a file that another process has opened cannot be removed


def _acquire(folder: Path, seconds: float) -> FileLock:
    """Make a folder, if need be, and lock it. ValueError where another process keeps it for so long."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.resolve() / CLAIM, is_singleton=True)
        try:
            lock.acquire(timeout=seconds)
            return lock
        except FileNotFoundError:  # who had it wrote nothing, and has just removed the folder
            continue
        except Timeout:
            text = "is being written by another run; wait for its end, or name another folder"
            raise ValueError(f"folder='{folder}' {text}") from None


def _remove_unused(folders: list[Path]) -> None:
    """Remove folders, from the inside out, up to the first that holds more than locks."""
    with contextlib.suppress(OSError):
        for folder in folders:
            held = list(folder.iterdir())
            if any(path.name not in (LOCK, CLAIM) for path in held):
                return
            for path in held:
                path.unlink()
            folder.rmdir()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """A lock for the moment in which a set is moved to its place or opened."""
    try:
        with FileLock(folder.resolve() / LOCK, timeout=WAIT):
            yield
    except Timeout:
        text = f"has been locked by another process for {WAIT} s; end that process, and try again"
        raise TimeoutError(f"folder='{folder}' {text}") from None


def _move_to_place(folder: Path) -> None:
    """Move the files of a committed set to their places. Where this was cut off, it goes on."""
    committed = folder / COMMITTED
    if committed.is_dir():
        for path in sorted(committed.iterdir()):
            os.replace(path, folder / path.name)
        committed.rmdir()


def _to_disk(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def for_all(path: Path) -> None:
    """Give a file the rights of any other new file: temporary ones are for their owner alone."""
    os.chmod(path, 0o666 & ~_umask())


def _umask() -> int:
    """The process's mask of permissions, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
