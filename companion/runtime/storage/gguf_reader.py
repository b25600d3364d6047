"""A GGUF file, read: its header, and its tensors one by one in float32.

A GGUF file has a header of keys and values, a table of tensors, and the tensors' bytes. The library `gguf`
turns those bytes into numbers. It does not read the header here, because it believes what a header says: an
array that claims to have a billion billion numbers keeps it busy for ever. Here every count is compared with
the file's size first.

Reference:
    The format's description in ggml, docs/gguf.md.
"""

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from companion.runtime.files.atomic import check_regular

SUFFIX, MAGIC = ".gguf", b"GGUF"
INSTALL = "pip install -e '.[serve]'"
READABLE = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K")
"""What a tensor may be held in, in the library's words."""
FORMS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""By the format's number of a kind of value: how `struct` writes it."""
TEXT, ARRAY = 8, 9  # the numbers of the two kinds of values that have a length
MOST_KEYS, MOST_TENSORS = 2**16, 2**16
MOST_ITEMS = 2**22  # the longest array that is read; the largest public vocabulary has 262,144 tokens
MOST_TEXT = 2**24  # the longest text that is read, in bytes
MEND = "copy or fetch it again"


def library():
    """The library gguf. ImportError, in one line with the remedy, where it is missing."""
    try:
        import gguf
    except ImportError:
        raise ImportError(f"GGUF files need the library gguf: {INSTALL}") from None
    return gguf


def is_gguf(path: str | Path) -> bool:
    """Whether a path names a GGUF file: by its name, or by its first four bytes."""
    path = Path(path)
    try:
        if path.suffix.lower() == SUFFIX:
            return not path.is_dir()
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(4) == MAGIC
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in a file, and how it is written there."""

    kind: str  # one of READABLE
    shape: tuple[int, ...]  # as PyTorch has it: a matrix is (out, in)
    start: int  # of its bytes, from the beginning of the file
    n_bytes: int


class GGUFFile:
    """A GGUF file whose header was read and checked. ValueError, in one line, for what cannot be.

    header: the value of each key, a number, a text, a bool or a list of these. tensors: where each lies.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        gguf = library()
        if not self.path.exists():
            raise ValueError(f"{self.path} is not there; check the path")
        check_regular(self.path)
        with open(self.path, "rb") as file:
            cursor = Cursor(file, self.path)
            if cursor.left < 24 or cursor.take(4, "the first word") != MAGIC:
                raise ValueError(f"{self.path} is no whole GGUF file; {MEND}")
            version = cursor.number("I")
            if version not in (2, 3):
                raise self.wrong(f"its version is {version:,}, and only 2 and 3 are read")
            n_tensors = cursor.count("Q", MOST_TENSORS, "tensors")
            n_keys = cursor.count("Q", MOST_KEYS, "keys")
            self.header: dict[str, Any] = {}
            for _ in range(n_keys):
                key = cursor.text("a key")
                if key in self.header:
                    raise self.wrong(f"it has the key {key!r:.80} twice")
                self.header[key] = cursor.value(cursor.number("I"), key)
            table = [entry(cursor) for _ in range(n_tensors)]
            self.tensors = self.places(gguf, table, cursor)

    def wrong(self, what: str) -> ValueError:
        """Return an error that says what is wrong with this file."""
        return ValueError(f"{self.path}: {what}; {MEND}")

    def places(self, gguf, table: list[tuple], cursor: "Cursor") -> dict[str, StoredTensor]:
        """Return where each tensor of the table lies; the cursor stands behind the table."""
        alignment = self.header.get("general.alignment", 32)
        if type(alignment) is not int or not 1 <= alignment <= 2**20 or alignment & (alignment - 1):
            raise self.wrong(f"general.alignment={alignment!r:.40} must be a power of two")
        behind = cursor.size - cursor.left
        first = -(-behind // alignment) * alignment
        found: dict[str, StoredTensor] = {}
        for name, dims, number, offset in table:
            if name in found:
                raise self.wrong(f"it has the tensor {name!r:.80} twice")
            kind = kind_of(gguf, number)
            if kind not in READABLE:
                known = ", ".join(READABLE)
                held = kind or f"the unknown kind {number}"
                raise ValueError(
                    f"{self.path}: {name:.80} is held in {held}; {known} are read, so take one of these"
                )
            block, block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
            if dims[0] % block:
                raise self.wrong(
                    f"{name:.80} has rows of {dims[0]:,}, which are no blocks of {block} for {kind}"
                )
            n_bytes = math.prod(dims) // block * block_bytes
            if offset % alignment or first + offset + n_bytes > cursor.size:
                place = f"{n_bytes:,} bytes at {offset:,}"
                raise self.wrong(f"{name:.80} is said to have {place}, where the file has no room for it")
            found[name] = StoredTensor(kind, tuple(reversed(dims)), first + offset, n_bytes)
        return found

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, dequantized to float32 by the library."""
        gguf = library()
        place = self.tensors[name]
        data = bytearray(place.n_bytes)
        with open(self.path, "rb") as file:
            file.seek(place.start)
            if file.readinto(data) != place.n_bytes:
                raise self.wrong(f"it ends within {name:.80}")
        rows = np.frombuffer(data, np.uint8).reshape(*place.shape[:-1], -1)
        numbers = gguf.quants.dequantize(rows, gguf.GGMLQuantizationType[place.kind])
        return torch.from_numpy(numbers).view(place.shape)


def kind_of(gguf, number: int) -> str | None:
    """Return the library's name for a tensor's kind; None for a number that it does not know."""
    try:
        return gguf.GGMLQuantizationType(number).name
    except ValueError:
        return None


def entry(cursor: "Cursor") -> tuple[str, list[int], int, int]:
    """Read a tensor's line in the table: its name, sizes with the row's length first, kind and offset."""
    name = cursor.text("a tensor's name")
    n_dims = cursor.number("I")
    if not 1 <= n_dims <= 4:
        raise cursor.wrong(f"{name!r:.80} has {n_dims:,} dimensions, and must have 1 to 4")
    dims = [cursor.number("Q") for _ in range(n_dims)]
    if min(dims) < 1 or math.prod(dims) > 2**48:
        raise cursor.wrong(f"{name!r:.80} has the sizes {dims}, which cannot be")
    return name, dims, cursor.number("I"), cursor.number("Q")


class Cursor:
    """Reads a header from its beginning, and takes nothing that the rest of the file cannot hold."""

    def __init__(self, file: BinaryIO, path: Path):
        self.file = file
        self.path = path
        self.size = os.fstat(file.fileno()).st_size
        self.left = self.size

    def wrong(self, what: str) -> ValueError:
        """Return an error that says what is wrong with this file."""
        return ValueError(f"{self.path}: {what}; {MEND}")

    def take(self, n: int, what: str) -> bytes:
        """Read n bytes. what: what they are, for the message."""
        if n > self.left:
            raise self.wrong(f"{what:.80} is said to have {n:,} bytes, and the file has {self.left:,} more")
        data = self.file.read(n)
        if len(data) < n:
            raise self.wrong("it ends within its header")
        self.left -= n
        return data

    def number(self, form: str) -> int | float | bool:
        """Read one number, written as `struct` writes this form."""
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form), "a number"))[0]

    def count(self, form: str, most: int, what: str) -> int:
        """Read how many there are of something; ValueError for more than any model has."""
        n = self.number(form)
        if n > most:
            raise self.wrong(f"it is said to have {n:,} {what:.80}, and at most {most:,} are read")
        return n

    def text(self, what: str) -> str:
        """Read a text: its length, and its bytes."""
        n = self.count("Q", MOST_TEXT, f"bytes of {what}")
        try:
            return self.take(n, what).decode("utf-8")
        except UnicodeDecodeError:
            raise self.wrong(f"{what:.80} is no UTF-8") from None

    def value(self, kind: int, key: str) -> Any:
        """Read a value of a kind. key: whose value it is, for messages."""
        if kind == TEXT:
            return self.text(key)
        if kind in FORMS:
            return self.number(FORMS[kind])
        if kind != ARRAY:
            raise self.wrong(f"{key!r:.80} has a value of the unknown kind {kind}")
        inner = self.number("I")
        n = self.count("Q", MOST_ITEMS, f"items of {key}")
        if inner == TEXT:
            return [self.text(key) for _ in range(n)]
        if inner not in FORMS:
            raise self.wrong(f"{key!r:.80} is a list of the kind {inner}, which is not read")
        form = "<" + FORMS[inner]
        return np.frombuffer(self.take(n * struct.calcsize(form), key), form).tolist()


def architecture_number(gguf, name: str):
    """Return the library's number of an architecture."""
    return next(number for number, known in gguf.MODEL_ARCH_NAMES.items() if known == name)
