"""A row of tokens that lies in several files, and is sliced like one array."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

OPEN = 64
"""Files that are mapped at a time, so that a row of thousands does not use up what a process may open."""


class LongRow:
    """(N,) integers, the contents of raw files end to end. They stay on disk, memory-mapped.

    row[i], row[i:j] and row[indices] are as of a NumPy array; a slice within one file is a view, one across a
    border a copy. np.asarray(row) copies all of it into memory.

    paths: the files. lengths: how many numbers each holds, 0 allowed. dtype: their type.
    """

    ndim = 1

    def __init__(self, paths: Sequence[Path], lengths: Sequence[int], dtype: str | np.dtype):
        self.paths, self.dtype = list(paths), np.dtype(dtype)
        self.ends = np.cumsum([0, *lengths])[1:]  # (files,) where each ends in the row
        self.mapped = lru_cache(OPEN)(self._map)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)

    @property
    def size(self) -> int:
        return len(self)

    def __getitem__(self, where) -> np.ndarray | np.integer:
        """Raises IndexError past the end, ValueError for a slice with steps."""
        if isinstance(where, slice):
            start, stop, step = where.indices(len(self))
            if step != 1:
                raise ValueError(f"step={step} must be 1; take a slice, and steps of that")
            return self._slice(start, max(start, stop))
        where = np.asarray(where)
        if where.dtype.kind not in "iu":
            raise IndexError(f"{where.dtype} is no index of tokens; give whole numbers or a slice")
        if ((where < -len(self)) | (where >= len(self))).any():
            raise IndexError(f"index {where} is out of bounds for {len(self)} tokens")
        where = np.where(where < 0, where + len(self), where)
        files, found = self._files(where), np.empty(where.shape, self.dtype)
        for file in np.unique(files):
            here = files == file
            found[here] = self.mapped(int(file))[where[here] - self._begin(file)]
        return found[()]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self[:], dtype)

    def __reduce__(self):
        return LongRow, (self.paths, np.diff(self.ends, prepend=0).tolist(), self.dtype.name)

    def _slice(self, start: int, stop: int) -> np.ndarray:
        """The numbers from start to before stop, both within the row."""
        if start == stop:
            return np.empty(0, self.dtype)
        pieces = []
        for file in range(int(self._files(start)), int(self._files(stop - 1)) + 1):
            begin, end = self._begin(file), int(self.ends[file])
            if begin < end:  # an empty file cannot be mapped
                pieces.append(self.mapped(file)[max(start, begin) - begin : min(stop, end) - begin])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _files(self, where):
        """The numbers of the files in which these positions lie."""
        return np.searchsorted(self.ends, where, side="right")

    def _begin(self, file: int) -> int:
        return int(self.ends[file - 1]) if file else 0

    def _map(self, file: int) -> np.ndarray:
        return np.memmap(self.paths[file], self.dtype, mode="r")
