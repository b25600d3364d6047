"""The village's shipped data: telling stories into files, and reading them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
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
    """The stories of a shipped split.

    Args:
        split: "train", "val" or "test".

    Raises:
        ValueError: If split is another name.
    """
    if split not in SPLITS:
        raise ValueError(f"split={split!r} must be one of {', '.join(SPLITS)}")
    return read_stories(DATA / "village" / f"{split}.txt")


# ---- new stories ----------------------------------------------------------------------------------------


def fresh_stories(n: int, seed: int) -> list[str]:
    """The first n stories of a seed that are in no shipped split."""
    return list(islice(fresh(seed), n))


def fresh(seed: int) -> Iterator[str]:
    """A seed's new stories without end, except those of the shipped splits."""
    shipped = {text for split in SPLITS for text in load_split(split)}
    rng = Random(seed)
    while True:
        text = story(rng).text
        if text not in shipped:
            yield text
