"""What a question about the course asks for, and how near a listed question is to it."""

import re
from dataclasses import dataclass
from enum import IntEnum

from companion.serve.course_lists import Entry, Row
from companion.serve.message import BEGINS_QUESTION
from companion.serve.village_words import WORDS

ASKS = re.compile(rf"(?i)\W*({BEGINS_QUESTION})\b")
"""What begins as a question does."""
WHY = re.compile(rf"(?i)\b({'|'.join(WORDS['asks']['why'])})\b")
"""What asks for the purpose of a term."""
SIMPLY = re.compile(rf"(?i)\b({'|'.join(WORDS['asks']['simply'])})\b")
"""What asks for a simple explanation."""
ASKS_WHERE = re.compile(r"(?i)\W*where\b")
"""How a question begins that asks for a place, which no term has."""
COMPARES = re.compile(rf"(?i)\b({'|'.join(WORDS['asks']['compares'])})\b")
"""What asks how two terms differ."""
REQUESTS = re.compile(rf"(?i)\b({'|'.join(WORDS['asks']['requests'])})\b")
"""What asks for an explanation without a question word."""
DIFFERS = re.compile(
    r"(?i)^\W*how (?:is|are) (?:it|that|this|they|those) different from (?:an? |the )?(.+?)\W*$"
)
"""What asks how the term before differs from another."""


class Nearness(IntEnum):
    """How near the nearest listed question is to a message, by the cosine of `course_lists.Index`."""

    NONE = 0
    POSSIBLE = 1
    CLEAR = 2
    SAME = 3


LIMITS = {Nearness.SAME: 0.99, Nearness.CLEAR: 0.6, Nearness.POSSIBLE: 0.4}
"""The smallest cosine of each: it is the same question; answered before the entry of a term, and whatever the
kind of the message is; answered at all. benchmarks/faq.py measures the last, the others were set by hand."""
CLOSE = 0.8
"""The same for what a term is for, where a message does not ask how two terms differ. Set by hand."""


def nearness_of(similarity: float) -> Nearness:
    """The nearness for a cosine. LIMITS has the largest first."""
    for nearness, limit in LIMITS.items():
        if similarity >= limit:
            return nearness
    return Nearness.NONE


@dataclass
class CourseQuestion:
    """A question, and what the lists about the course have of it.

    Attributes:
        text: The question.
        kind: Its kind.
        entries: The glossary's entries of its terms.
        unnamed: Its content words that are in no name of these.
        row: The nearest listed question.
        nearness: How near it is.
    """

    text: str
    kind: str
    entries: list[Entry]
    unnamed: set[str]
    row: Row
    nearness: Nearness

    @property
    def is_open(self) -> bool:
        """Whether no listed question answers it: none is near, or one may be, but its words are all terms."""
        is_of_terms = self.nearness == Nearness.POSSIBLE and not self.unnamed
        return self.nearness == Nearness.NONE or is_of_terms

    @property
    def wants_more(self) -> bool:
        """Whether it asks for more than the meaning of a term."""
        return bool(WHY.search(self.text) or SIMPLY.search(self.text))

    @property
    def is_request(self) -> bool:
        """Whether it asks for something, with a question word or without."""
        return bool(ASKS.match(self.text) or REQUESTS.search(self.text) or self.wants_more)

    def with_term(self, term: str) -> str:
        """The question with a term that was explained before in the place of "it"; as it is without one."""
        if not term or not ASKS.match(self.text):
            return self.text
        differs = DIFFERS.match(self.text)
        if differs:
            return f"What is the difference between {term.lower()} and {differs[1]}?"
        if self.entries:  # it says what it is about
            return self.text
        return re.sub(r"(?i)\b(it|they|them|that)\b", term.lower(), self.text, count=1)
