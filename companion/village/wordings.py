"""The village's sentences in other forms: the clerk's chronicle (chapter 23), and data for other languages.

The chronicle says the same in another order: the place first, then who, with the role behind the name, then
the thing, with its color behind it. A sentence has one such wording, so a translation is right or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from companion.village.judge import INTRODUCED, LONGEST_SENTENCE
from companion.village.machine import VILLAGE, Pattern
from companion.village.words import KINDS

_PAIRS = Path(__file__).with_name("chronicle.txt").read_text(encoding="utf-8").strip().split("\n\n")
CHRONICLE = dict(pair.split("\n") for pair in _PAIRS)
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
                yield row, places[0], places[1]


def _plain(pattern: Pattern) -> str:
    """A pattern's text with the letters of its slots alone, as `CHRONICLE` has them."""
    return _SLOT.sub(r"{\1}", pattern.text)


_WORDINGS = {
    pattern.text: CHRONICLE[plain] for pattern in VILLAGE.patterns if (plain := _plain(pattern)) in CHRONICLE
}


def introducing(pattern: Pattern) -> list[int]:
    """The slots of a pattern that introduce somebody, by their numbers: of each such letter, the first."""
    letters = [slot.letter for slot in pattern.slots]
    pairs = [pair for effect in pattern.effects for pair in INTRODUCED.get(effect, ())]
    return [letters.index(letter) for letter, _ in pairs]


def as_data() -> dict:
    """The patterns as data for other languages, as JSON can hold it.

    With regular expressions alone, the web book's page asks two of the judge's questions: is it a sentence of
    the village, and was each name in it told before? What is true, only the judge knows.

    kinds: the words of each kind. patterns: each by turns a literal text and the kind of the word that
    follows, "+name" for one that the sentence introduces. longest: words after which what is none is cut.
    """
    patterns = []
    for pattern in VILLAGE.patterns:
        new, parts = introducing(pattern), [pattern.pieces[0]]
        for i, (slot, piece) in enumerate(zip(pattern.slots, pattern.pieces[1:], strict=True)):
            parts += ["+name" if i in new else slot.kind, piece]
        patterns.append(parts)
    return {"kinds": KINDS, "patterns": patterns, "longest": LONGEST_SENTENCE}
