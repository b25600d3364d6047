"""What a question about the course asks for, and how near a listed question is to it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from companion.serve.classifier import Classifier, plain
from companion.serve.course_lists import LISTED, NOT_LISTED, Entry, Row, in_words, is_about
from companion.serve.message import BEGINS_QUESTION
from companion.serve.village_words import WORDS, content_words

ASKS = re.compile(rf"(?i)\W*({BEGINS_QUESTION})\b")
"""What begins as a question does."""
ASKS_MORE = re.compile(r"(?i)^\W*(how|why|when|can|could|do|does|did|is|are|should|will|would)\b")
"""How a question begins that asks for more than what a term means."""
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
    r"(?i)^\W*how (?:is|are|does|do) (?:it|that|this|they|those) differ(?:ent)? from (?:an? |the )?(.+?)\W*$"
)
"""What asks how the term before differs from another."""


class Nearness(IntEnum):
    """How near the nearest listed question is to a message."""

    NONE = 0
    POSSIBLE = 1
    CLEAR = 2
    SURE = 3
    SAME = 4


LIMITS = {Nearness.SAME: 1.0, Nearness.SURE: 0.6, Nearness.CLEAR: 0.3, Nearness.POSSIBLE: 0.07}
"""The smallest probability of each: it is the same question; counts also where no wording is about the same,
and before questions found to parts of the message; answered before the entry of a term, and whatever the kind
of the message is; answered at all. benchmarks/faq.py says how often they are right."""
UNLIKE = 0.15
"""How much less likely a listed question is that has no wording about the same."""
SAME_COSINE = 0.99
"""From which cosine on a message is the same as a question about terms."""
CLOSE_COSINE = 0.8
"""The same for what a term is for, where a message does not ask how two terms differ. Set by hand."""
CLEAR_COSINE = 0.6
"""The same where it asks that. Set by hand."""
POSSIBLE_COSINE = 0.4
"""The same for the heading of a section."""


def nearness_of(probability: float) -> Nearness:
    """The nearness for a probability. LIMITS has the largest first."""
    for nearness, limit in LIMITS.items():
        if probability >= limit:
            return nearness
    return Nearness.NONE


class Finder:
    """find(question) -> the listed question that it most likely asks, and the probability.

    Args:
        rows: The listed questions.
    """

    def __init__(self, rows: Sequence[Row]):
        self.rows = {row.question: row for row in reversed(rows)}  # the first of the same name counts
        self.same: dict[str, Row] = {}
        self.of_words: dict[frozenset[str], list[Row]] = {}
        for row in rows:
            for wording in row.all_wordings:
                self.same.setdefault(plain(wording), row)
            for words in {frozenset(content_words(in_words(wording.lower()))) for wording in row.wordings}:
                self.of_words.setdefault(words, []).append(row)
        self.classifier = Classifier.load(LISTED)
        self.is_listed = np.array([label != NOT_LISTED for label in self.classifier.labels])
        self.places = {label: i for i, label in enumerate(self.classifier.labels)}

    def find(self, question: str) -> tuple[Row, float]:
        """The listed question and its probability, which is 1 only for one with the same words.

        What no list has also has a likeliest row. So one that is not SURE, and has no wording about the same,
        is less likely by UNLIKE. A row with just the content words of the question counts before one that is
        less than twice as likely, and is CLEAR.
        """
        if plain(question) in self.same:
            return self.same[plain(question)], 1.0
        text = in_words(question.lower())
        found = self.classifier.probabilities(text) * self.is_listed
        row = self.rows[self.classifier.labels[int(found.argmax())]]
        probability = min(float(found.max()), 0.999)
        same_words = self.of_words.get(frozenset(content_words(text)))
        if same_words:
            same = max(same_words, key=lambda one: found[self.places[one.question]])
            of_same = float(found[self.places[same.question]])
            if of_same >= found.max() / 2:
                return same, min(max(of_same, LIMITS[Nearness.CLEAR]), 0.999)
        if probability < LIMITS[Nearness.SURE] and not has_wording_about(row, content_words(text)):
            probability = max(probability - UNLIKE, 0.0)
        return row, probability


def has_wording_about(row: Row, asked: set[str]) -> bool:
    """Whether a wording of a listed question is about the same as a question with these content words."""
    return any(is_about(asked, content_words(in_words(wording.lower()))) for wording in row.all_wordings)


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
        means_term = r"(?i)\b(it|they|them|that(?=\W*$| is| mean| work| called))\b"
        return re.sub(means_term, term.lower(), self.text, count=1)
