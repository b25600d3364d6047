"""The marks of the web book's page in Python: is it a sentence of the village, and was each name told before?

`static/teller/marks.js` asks both by regular expressions. What is here asks them in the same way, and tests
compare it with the judge and with the JavaScript.
"""

import re
from typing import NamedTuple

from companion.village.judge import cut
from companion.village.machine import VILLAGE
from companion.village.wordings import introducing


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


def mark(text: str) -> list[Mark]:
    """Mark any text, sentence by sentence. Places count in the text with one space between two words.

    `grammar` is what `judge` says: true where its verdict is not "unknown". A name is "known" when an earlier
    sentence, true or false, introduced it, or this one just before; a sentence with an "unknown" name is a
    contradiction. Of what is no sentence of the village, no name is marked, but each is known from there on.
    """
    text, introduced, marks = " ".join(text.split()), set(), []
    for start, end, matched in cut(text, VILLAGE):
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
            introduced |= set(re.findall(r"\w+", text[start:end])) & set(VILLAGE.kinds["name"])
        marks.append(Mark(text[start:end], start, end, matched is not None, tuple(names)))
    return marks
