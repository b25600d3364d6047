"""The vocabulary of the village: the words, from words.toml, and the sentences, from sentences.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple


def read_table(name: str) -> dict:
    """Read a TOML file of this folder."""
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def lines(text: str) -> list[str]:
    """The lines of a block of text."""
    return text.strip().splitlines()


_TABLE = read_table("words.toml")
SHE = _TABLE["she"].split()
HE = _TABLE["he"].split()
NAMES: list[str] = []
for _she, _he in zip(SHE, HE, strict=True):
    NAMES += [_she, _he]

TRADES = _TABLE["trades"].split()
ANIMALS = _TABLE["animals"].split()

KINDS: dict[str, list[str]] = {
    "name": NAMES,
    "pronoun": ["she", "he"],
    "role": [*TRADES, *ANIMALS],
    **{kind: text.split() for kind, text in _TABLE["words"].items()},
    **{kind: lines(text) for kind, text in _TABLE["phrases"].items()},
}
NUMBERS = KINDS["number"]


def number(word: str) -> int:
    """The value of a number word: "five" -> 5."""
    return NUMBERS.index(word) + 1


def number_word(n: int) -> str:
    """The word for a number from 1 to 99."""
    if n <= len(NUMBERS):
        return NUMBERS[n - 1]
    tens = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")[n // 10 - 2]
    return tens if n % 10 == 0 else f"{tens}-{NUMBERS[n % 10 - 1]}"


NUMBER_WORDS = tuple(number_word(n) for n in range(1, 100))


class Sentence(NamedTuple):
    """One line of the table of sentences, with what it does to the state."""

    part: str  # opening, arrival, event, scene or closing
    weight: int
    effects: tuple[tuple[str, ...], ...]  # the name of each, and the letters of its slots
    text: str


PATTERNS: list[Sentence] = []
"""Every sentence that can be said in the village."""
for _block in read_table("sentences.toml")["block"]:
    _effects = tuple(tuple(effect.split()) for effect in _block["effects"])
    for _text in lines(_block["sentences"]):
        PATTERNS.append(Sentence(_block["part"], _block["weight"], _effects, _text))
