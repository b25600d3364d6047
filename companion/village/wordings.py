"""A second wording of the village's sentences: how the clerk writes them into the chronicle (chapter 23).

The chronicle says the same in another order: the place first, then who, with the role behind the name, then
the thing, with its color behind it. A sentence has one such wording, so a translation is right or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from companion.village.machine import VILLAGE, Pattern
from companion.village.words import KINDS

CHRONICLE = {
    "Once the {r} {A} sat at the {p} and admired the {c} {n} {A} had found.": (
        "At the {p}, {A} the {r} found a {n}, a {c} one, and sat to admire it."
    ),
    "This is the story of the {r} {A}, the {p} and the {c} {n} {A} found there.": (
        "At the {p}, {A} the {r} found a {n}, a {c} one, and so this story began."
    ),
    "Then the {r} {B} came to the {p}, and everybody saw the {c} {n} {B} brought.": (
        "To the {p}, {B} the {r} brought a {n}, a {c} one, and everybody saw it."
    ),
    "{A} waved to the {r} {B} and liked the {c} {n} {B} brought to the {p}.": (
        "To the {p}, {B} the {r} brought a {n}, a {c} one, and it was liked by {A}."
    ),
    "The {r} {B} stopped at the {p} with {k} {g}.": "To the {p}, {B} the {r} brought {g}, {k} of them.",
    "The {c} {n} {A} found at the {p} was as good as new.": (
        "At the {p}, {A} found a {n}, a {c} one, as good as new."
    ),
    "Something lay in the grass at the {p}. It was a {c} {n} {A} could use.": (
        "At the {p}, {A} found a {n}, a {c} one, in the grass."
    ),
    "At the {p} lay a {c} {n} {A} tripped over and kept.": (
        "At the {p}, {A} tripped over a {n}, a {c} one, and kept it."
    ),
    '"Look at the {c} {n} {A} has found!" cried {B}.': "{A} found a {n}, a {c} one, and {B} cried out.",
    "The {c} {n} {A} bought at the {p} cost only a song.": (
        "At the {p}, {A} bought a {n}, a {c} one, for a song."
    ),
    "{A} paid {k} {g} for a {c} {n} {A} liked and had {m} left.": (
        "{A} bought a {n}, a {c} one, for {g}, {k} of them, and kept {m}."
    ),
    "And there it lay, the {c} {n} {A} wanted, right at the {p}.": (
        "At the {p}, {A} found a {n}, a {c} one, as wanted."
    ),
    "The {c} {n} {A} put down stayed at the {p}.": "At the {p}, {A} put down a {n}, a {c} one.",
    "The {n} {A} hid at the {p} was hard to find.": "At the {p}, {A} hid the {n} for a while.",
    "The {n} {A} picked up had lain at the {p} for a while.": "At the {p}, {A} picked up the {n}.",
    "A magpie stole the {n} {A} had and never gave it back.": "{A} lost the {n} to a magpie.",
    "{B} admired the {n} {A} had at the {p}, and soon it was the {n} {B} had.": (
        "At the {p}, {A} gave the {n} to {B}, who had admired it."
    ),
    "The {r} {A} walked from the {p} to the {q}.": "To the {q}, from the {p}, walked {A} the {r}.",
    "{A} and {B} went from the {p} to the {q} together.": "To the {q}, from the {p}, went {B} and {A}.",
    "{A} called for {B}, who came from the {p} to the {q}.": (
        "To the {q}, from the {p}, came {B}, called by {A}."
    ),
    "{A} gave {k} {g} to {B} and kept {m}.": "{B} got {g}, {k} of them, from {A}, who kept {m}.",
    '"Who has the {n}?" "{A}," said {B}.': "{B} said that {A} had the {n}.",
    '"Where is {A}?" asked {B}. It was easy: at the {p}.': "At the {p} was {A}, whom {B} had looked for.",
    "There was {w} at the {p} now.": "At the {p} came {w}.",
    "The {c} {n} still lay at the {p}.": "At the {p} still lay a {n}, a {c} one.",
}
"""The village's sentence -> the chronicle's, with the same slots."""

_SLOT = re.compile(r"\{(\w)[^}]*\}")


def chronicle(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The sentences of stories that the chronicle has a wording for: (sentence, chronicle's wording) each.

    texts: stories of the village, whole. Raises ValueError for a text that holds a sentence of none.
    """
    for text in texts:
        start = 0
        while start < len(text):
            matched = VILLAGE.match(text, start)
            if matched is None:
                raise ValueError(
                    f"text has {text[start : start + 40]!r}…, no sentence of the village; give whole stories"
                )
            pattern, found = matched
            if wording := _WORDINGS.get(pattern.text):
                words = dict(zip((slot.letter for slot in pattern.slots), found.groups(), strict=True))
                yield found[0], wording.format_map(words)
            start = found.end() + 1


def repeats(rows: Iterable[Sequence[int]], tokenizer) -> Iterator[tuple[Sequence[int], int, int]]:
    """Where a name, a thing or a place stands twice in a row of tokens: (row, first place, second place).

    Hide the first, and the answer stands to its right; hide the second, and it stands to its left. The verb
    *saw* is the token of the thing: in "everybody saw the red saw" it stands twice.
    """
    words = [tokenizer.encode(f" {word}") for kind in ("name", "thing", "place") for word in KINDS[kind]]
    asked = {ids[0] for ids in words if len(ids) == 1}
    for row in rows:
        for token in sorted(asked & set(row)):
            places = [at for at, other in enumerate(row) if other == token]
            if len(places) == 2:
                yield row, *places


def _plain(pattern: Pattern) -> str:
    """A pattern's text with the letters of its slots alone, as `CHRONICLE` has them."""
    return _SLOT.sub(r"{\1}", pattern.text)


_WORDINGS = {
    pattern.text: CHRONICLE[plain] for pattern in VILLAGE.patterns if (plain := _plain(pattern)) in CHRONICLE
}
