"""The patterns as data for other languages.

Is it a sentence of the village? And is each name in it one that the story told before? Of the judge's
questions, these two can be asked with regular expressions alone, so that the web book's page asks them too;
what is true only the judge knows.
"""

from __future__ import annotations

from companion.village.judge import INTRODUCED, LONGEST_SENTENCE
from companion.village.machine import VILLAGE, Pattern, Village


def introducing(pattern: Pattern) -> list[int]:
    """The slots of a pattern that introduce somebody, by their numbers: of each such letter, the first."""
    letters = [slot.letter for slot in pattern.slots]
    pairs = [pair for effect in pattern.effects for pair in INTRODUCED.get(effect, ())]
    return [letters.index(letter) for letter, _ in pairs]


def as_data(village: Village = VILLAGE) -> dict:
    """All that these questions need, as JSON can hold it.

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
