"""The village's shipped data: telling stories into files, and reading them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from companion.village.machine import story

_PACKAGE = Path(__file__).resolve().parents[1]
DATA = (_PACKAGE if (_PACKAGE / "data").is_dir() else _PACKAGE.parent) / "data"  # in a wheel: within
SPLITS = {"train": (1, 5500), "val": (2, 500), "test": (3, 500)}  # split -> (seed, number of stories)


def tell(seed: int, stories: int) -> Iterator[str]:
    """The texts of that many stories; the first ones stay the same when more are asked for."""
    rng = Random(seed)
    for _ in range(stories):
        yield story(rng).text


def write_stories(path: Path, texts: Iterable[str]) -> None:
    """Write stories to a file: one a line, an empty line between two, the same bytes on every machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8", newline="\n")


def read_stories(path: Path) -> list[str]:
    """The stories of a file that `write_stories` wrote."""
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n\n")


def load_split(split: str) -> list[str]:
    """The stories of a shipped split: "train", "val" or "test".

    Raises ValueError for another name.
    """
    if split not in SPLITS:
        raise ValueError(f"split={split!r} must be one of {', '.join(SPLITS)}")
    return read_stories(DATA / "village" / f"{split}.txt")


def write_splits(folder: Path) -> None:
    """Write the shipped splits and their checksums into `folder`."""
    sums = []
    for split, (seed, stories) in SPLITS.items():
        path = folder / f"{split}.txt"
        write_stories(path, tell(seed, stories))
        sums.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8", newline="\n")
