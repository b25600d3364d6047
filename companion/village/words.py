"""The words of the village, from words.toml: the lists that a slot of a sentence is filled from."""

from __future__ import annotations

import tomllib
from pathlib import Path


def read_table(name: str) -> dict:
    """Read a TOML file of this folder."""
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def lines(text: str) -> list[str]:
    """The lines of a block of text."""
    return text.strip().splitlines()


_TABLE = read_table("words.toml")
SHE = _TABLE["she"].split()
HE = _TABLE["he"].split()

KINDS: dict[str, list[str]] = {
    "name": [name for pair in zip(SHE, HE, strict=True) for name in pair],
    "pronoun": ["she", "he"],
    **{kind: text.split() for kind, text in _TABLE["words"].items()},
    **{kind: lines(text) for kind, text in _TABLE["phrases"].items()},
}
NUMBERS = KINDS["number"]
