"""The village's shipped data: telling stories into files, and reading them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Iterator
from itertools import islice, repeat
from pathlib import Path
from random import Random

from companion.village.machine import story

_PACKAGE = Path(__file__).resolve().parents[1]
DATA = (_PACKAGE if (_PACKAGE / "data").is_dir() else _PACKAGE.parent) / "data"  # in a wheel: within
SPLITS = {"train": (1, 5500), "val": (2, 500), "test": (3, 500)}  # split -> (seed, number of stories)
PLACES = {4: (10000, 20000, 30000)}  # seed -> the new stories before which its generator's state is known
STATE = struct.Struct("<625I")  # of random.Random: 624 words, and which of them is next


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


def fresh(seed: int, first: int = 0) -> Iterator[str]:
    """A seed's new stories without end, except those of the shipped splits.

    Args:
        seed: Seed of the stories.
        first: Number of the story to begin with: 0, or one of the seed's `places`. The stories before a place
            need not be told.

    Raises:
        ValueError: If first is neither 0 nor one of the seed's places.
    """
    rng = Random(seed)
    if first:
        if first not in (known := places(seed)):
            rule = ", ".join(map(str, (0, *known)))
            raise ValueError(f"first={first} is no known place of seed {seed}; give one of {rule}")
        rng.setstate((3, known[first], None))
    return new_stories(rng)


def new_stories(rng: Random) -> Iterator[str]:
    """The stories that rng tells, without end, but those of the shipped splits."""
    shipped = {text for split in SPLITS for text in load_split(split)}
    return (text for text in (story(rng).text for rng in repeat(rng)) if text not in shipped)


def places(seed: int) -> dict[int, tuple[int, ...]]:
    """The generator's state before some of a seed's new stories.

    Telling can begin there, so several processes can share the work.

    Returns:
        The states by the number of the story. Empty for a seed without known places.
    """
    if seed not in PLACES:
        return {}
    known = json.loads((DATA / "village" / "places.json").read_text(encoding="utf-8"))[str(seed)]
    return {int(number): STATE.unpack(base64.b64decode(state)) for number, state in known.items()}
