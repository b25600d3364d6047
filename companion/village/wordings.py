"""The village's sentences in other forms: the clerk's chronicle (chapter 23), and data for other languages.

The chronicle says the same in another order: the place first, then who, with the role behind the name, then
the thing, with its color behind it. A sentence has one such wording, so a translation is right or wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from companion.village.judge import LONGEST_SENTENCE, cut, introduced
from companion.village.machine import VILLAGE, Pattern
from companion.village.words import KINDS

_PAIRS = Path(__file__).with_name("chronicle.txt").read_text(encoding="utf-8").strip().split("\n\n")
CHRONICLE = dict(pair.split("\n") for pair in _PAIRS)
"""The village's sentence -> the chronicle's, with the same slots."""


def chronicle(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The sentences of stories for which the chronicle has a wording.

    Args:
        texts: Whole stories of the village.

    Yields:
        A sentence, and the chronicle's wording of it.

    Raises:
        ValueError: If a text holds a sentence that is none of the village.
    """
    for text in texts:
        for start, _, matched in cut(text):
            if matched is None:
                raise ValueError(f"{text[start : start + 40]!r}… is no sentence of the village; give stories")
            pattern, found = matched
            letters = [slot.letter for slot in pattern.slots]
            wording = CHRONICLE.get(pattern.fill([f"{{{letter}}}" for letter in letters]))
            if wording:
                yield found[0], wording.format(**dict(zip(letters, found.groups(), strict=True)))


def repeats(rows: Iterable[Sequence[int]], tokenizer) -> Iterator[tuple[Sequence[int], int, int]]:
    """Where a name, a thing or a place stands exactly twice in a row of tokens.

    If you hide the first, the answer stands to its right. If you hide the second, it stands to its left. The
    verb *saw* is the token of the thing: in "everybody saw the red saw" it stands twice.

    Yields:
        (row, first place, second place).
    """
    words = [tokenizer.encode(f" {word}") for kind in ("name", "thing", "place") for word in KINDS[kind]]
    asked = {ids[0] for ids in words if len(ids) == 1}
    for row in rows:
        for token in sorted(asked & set(row)):
            places = [at for at, other in enumerate(row) if other == token]
            if len(places) == 2:
                yield row, places[0], places[1]


def introducing(pattern: Pattern) -> list[int]:
    """The slots of a pattern that introduce somebody, by their numbers: of each such letter, the first."""
    letters = [slot.letter for slot in pattern.slots]
    return [letters.index(letter) for letter, _ in introduced(pattern)]


def as_data() -> dict:
    """The patterns as data for other languages, in a form that JSON can hold.

    The page of the web book uses regular expressions alone to ask two of the judge's questions: whether a
    sentence is one of the village, and whether each name in it was told before. Only the judge knows what is
    true.

    Returns:
        "kinds" has the words of each kind. "patterns" has for each pattern, in turn, a literal text and the
        kind of the word that follows, which is "+name" for a name that the sentence introduces. "longest" is
        the number of words after which a text that is no sentence is cut.
    """
    patterns = []
    for pattern in VILLAGE.patterns:
        new, parts = introducing(pattern), [pattern.pieces[0]]
        for i, (slot, piece) in enumerate(zip(pattern.slots, pattern.pieces[1:], strict=True)):
            parts += ["+name" if i in new else slot.kind, piece]
        patterns.append(parts)
    return {"kinds": KINDS, "patterns": patterns, "longest": LONGEST_SENTENCE}
