"""Two of the judge's questions that need no memory of facts, and the patterns as data for other languages.

Is it a sentence of the village? And is each name in it one that the story told before? Both can be asked with
regular expressions alone, so that the web book's page asks them too; what is true only the judge knows.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from companion.village.judge import INTRODUCED, LONGEST_SENTENCE, cut
from companion.village.machine import VILLAGE, Pattern, Village


class NameMark(NamedTuple):
    """A name in a sentence; `state`: "new" where the sentence introduces it, "known" or "unknown"."""

    word: str
    start: int
    end: int
    state: str


class Mark(NamedTuple):
    """A sentence of a text that was marked; `grammar`: whether it is a sentence of the village."""

    sentence: str
    start: int
    end: int
    grammar: bool
    names: tuple[NameMark, ...]


def introducing(pattern: Pattern) -> list[int]:
    """The slots of a pattern that introduce somebody, by their numbers: of each such letter, the first."""
    letters = [slot.letter for slot in pattern.slots]
    pairs = [pair for effect in pattern.effects for pair in INTRODUCED.get(effect, ())]
    return [letters.index(letter) for letter, _ in pairs]


def mark(text: str, village: Village = VILLAGE) -> list[Mark]:
    """Mark any text, sentence by sentence. Places count in the text with one space between two words.

    `grammar` is what `judge` says: true where its verdict is not "unknown". A name is "known" when an earlier
    sentence, true or false, introduced it, or this one just before; a sentence with an "unknown" name is a
    contradiction. Of what is no sentence of the village, no name is marked, but each is known from there on.
    """
    text, introduced, marks = " ".join(text.split()), set(), []
    for start, end, matched in cut(text, village):
        names = []
        if matched:
            pattern, found = matched
            new = introducing(pattern)
            for i, slot in enumerate(pattern.slots):
                if slot.kind != "name":
                    continue
                word = found[i + 1]
                state = "new" if i in new else "known" if word in introduced else "unknown"
                introduced |= {word} if state == "new" else set()
                names.append(NameMark(word, *found.span(i + 1), state))
        else:
            introduced |= set(re.findall(r"\w+", text[start:end])) & set(village.kinds["name"])
        marks.append(Mark(text[start:end], start, end, matched is not None, tuple(names)))
    return marks


def as_data(village: Village = VILLAGE) -> dict:
    """All that `mark` needs, as JSON can hold it.

    kinds: the words of each kind. patterns: each by turns a literal text and the kind of the word that
    follows, "+name" for one that the sentence introduces. longest: words after which what is none is cut.
    """
    patterns = []
    for pattern in village.patterns:
        new, parts = introducing(pattern), [pattern.pieces[0]]
        for i, (slot, piece) in enumerate(zip(pattern.slots, pattern.pieces[1:], strict=True)):
            parts += ["+name" if i in new else slot.kind, piece]
        patterns.append(parts)
    return {"kinds": village.kinds, "patterns": patterns, "longest": LONGEST_SENTENCE}
