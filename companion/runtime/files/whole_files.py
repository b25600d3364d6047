"""Files that are whole or not there, alone and in sets; and folders that one run at a time may write.

A *set* is what one folder holds together, such as a model and its tokenizer. A new set is written into a
folder of its own beside the old one. A single rename then makes it the folder's; after that its files are
moved to their places, by whoever comes next if the writer was killed. So a reader sees the old set or the new
one, never a mixture.
"""

import contextlib
import errno
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

LOCK, CLAIM, COMMITTED, STAGED = ".lock", ".claim", ".committed", ".staged-"
WAIT = 60  # seconds to wait for another process that moves a set to its place, which takes milliseconds
MOST_BYTES = 512 * 2**20
"""The largest JSON or text file of a model that is read; the largest public tokenizer.json has 40 MB."""
MOST_DIGITS = 20
"""The longest whole number in a file that somebody else wrote: the largest of 64 bits has so many digits."""
NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
"""What the operating system says where a disk, a limit of a file's size, or a user's share is full."""


class Unwritten(OSError):
    """A file that could not be written whole, because there is no room for it."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path} cannot be written ({reason}); make room, and run it again")
        self.path, self.reason = path, reason


def at_home(name: str | Path) -> Path:
    """A path, with the user's folder for `~`; as it stands where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def read_regular(path: str | Path, most: int = MOST_BYTES) -> bytes:
    """Read a file of a folder that somebody else may have made, of at most so many bytes.

    Reading a pipe would wait for ever, and reading a device such as /dev/zero would never end: ValueError.
    """
    _check_regular(path, os.stat(path), most)  # first, because opening a device can have an effect
    with open(path, "rb", opener=_open_without_waiting) as file:
        _check_regular(path, os.fstat(file.fileno()), most)
        parts = []
        while sum(map(len, parts)) <= most:  # a piece at a time: read(n) takes n bytes of memory at once
            part = file.read(2**22)
            if not part:
                break
            parts.append(part)
    data = b"".join(parts)
    if len(data) > most:  # a file of /proc says that it has no bytes
        raise ValueError(f"{path} has more than {most:,} bytes; take a model with a smaller one")
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    """As os.open. A pipe that took the file's place since it was looked at is opened, and not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def check_regular(path: str | Path) -> None:
    """ValueError, in one line, for what is there and is no regular file, whatever its size."""
    _check_regular(path, os.stat(path), sys.maxsize)


def _check_regular(path: str | Path, about: os.stat_result, most: int) -> None:
    """ValueError, in one line, for what is no regular file of at most so many bytes."""
    if not stat.S_ISREG(about.st_mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(about.st_mode), "a device")
        raise ValueError(f"{path} is {kind}, and must be a regular file; do not use this model")
    if about.st_size > most:
        rule = f"has {about.st_size:,} bytes, and at most {most:,} are read"
        raise ValueError(f"{path} {rule}; take a model with a smaller one")


def read_json(path: str | Path, remedy: str = "copy it again") -> Any:
    """Read a JSON file that somebody else may have made. ValueError as read_regular, or for no JSON."""
    data = read_regular(path)
    try:
        return json.loads(data, parse_int=_whole_number)
    except _LongNumber as error:
        raise ValueError(f"{path} holds {error}; {remedy}") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is not whole JSON; {remedy}") from None


def read_object(path: str | Path, remedy: str = "copy it again") -> dict:
    """The object in a JSON file. ValueError as read_json, and for what is no object."""
    found = read_json(path, remedy)
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not whole JSON; {remedy}")
    return found


def json_object(path: str | Path) -> dict:
    """The JSON object in a file; {} for whatever else there is, or is missing."""
    try:
        with reading(Path(path).parent):
            return read_object(path)
    except (OSError, ValueError):
        return {}


class _LongNumber(ValueError):
    """A whole number that no file of a model needs."""


def _whole_number(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise _LongNumber(f"a whole number of {len(digits.lstrip('-')):,} digits")
    return int(digits)


def write_whole(path: str | Path, data: bytes | str) -> None:
    """Write a file whole or not at all, text as UTF-8. The old one stays until the new is on the disk."""
    with new_file(path) as new:
        new.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Yield an empty file beside this one; at the end it takes its place, whole and on the disk."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        _to_disk(Path(name))
        for_all(Path(name))
        os.replace(name, path)
    except BaseException as error:
        reason = _no_room(error, Path(name))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        if reason is not None:
            raise Unwritten(path, reason) from None
        raise


def _no_room(error: BaseException, path: Path | None) -> str | None:
    """What the operating system says of an error that means that there is no room; None for another error."""
    if not isinstance(error, OSError) or isinstance(error, Unwritten):
        return None
    if error.errno in NO_ROOM:
        return error.strerror
    if error.errno is not None or path is None or not path.exists():
        return None
    try:  # NumPy raises an OSError that only counts bytes: writing on shows the reason
        with open(path, "ab") as file:
            file.write(bytes(2**16))
    except OSError as found:
        return found.strerror if found.errno in NO_ROOM else None
    return None


@contextlib.contextmanager
def folder_for(folder: str | Path) -> Iterator[Path]:
    """Make a folder for what is written inside. An error removes the folders that were made, if empty."""
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]  # from the inside out
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except BaseException:
        _remove_unused(made)
        raise


@contextlib.contextmanager
def staged(folder: str | Path, begun: str | None = None) -> Iterator[Path]:
    """Yield an empty folder; at the end, what was written there replaces its namesakes in `folder` at once.

    An error inside, or a kill at any moment, leaves the old files or all of the new ones. Two processes may
    do this at once: the folder ends with the whole set of one of them.
    begun: a name for the folder that is yielded, for work of hours: what was written there before an error or
    a kill is there again in the next call. One process at a time: claim the folder first.
    Raises Unwritten where there is no room.
    """
    with folder_for(folder) as folder:
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
        except Unwritten as error:
            raise Unwritten(folder / error.path.name, error.reason) from None
        except OSError as error:
            last = _last_written(new)
            if (reason := _no_room(error, None if begun else last)) is None:
                raise
            raise Unwritten(folder / last.name if last else folder, reason) from None
        finally:
            if not begun:
                shutil.rmtree(new, ignore_errors=True)


def _last_written(folder: Path) -> Path | None:
    """The file of a folder that was written last, which an error without a name is about."""
    files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return max(files, key=lambda path: path.stat().st_mtime_ns, default=None)


def leave_no_lock(folder: str | Path) -> None:
    """Remove the lock's file from a folder that is complete, and goes to other programs or computers."""
    (Path(folder) / LOCK).unlink(missing_ok=True)


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
    mask = os.umask(0)  # it can only be read by setting it
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)
