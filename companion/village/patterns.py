"""Every sentence that can be said in the village, and what each does to the state, from sentences.toml."""

from __future__ import annotations

from typing import NamedTuple

from companion.village.words import lines, read_table


class Sentence(NamedTuple):
    """One line of the table of sentences."""

    part: str  # opening, arrival, event, scene or closing
    weight: int
    effects: tuple[str, ...]
    text: str


PATTERNS = [
    Sentence(block["part"], block["weight"], tuple(block["effects"]), text)
    for block in read_table("sentences.toml")["block"]
    for text in lines(block["sentences"])
]
