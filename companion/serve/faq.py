"""Questions about the course: a small index of frequent ones, and the glossary.

The app and `companion chat` answer such a question from these two lists and say so. A model of the village
could not answer it.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from companion import village

FAQ = village.DATA / "faq.csv"
GLOSSARY = village.DATA / "glossary.csv"
THRESHOLD = 0.35
"""By benchmarks/faq.py: of 22 in other words it lets 19 be found, none wrongly, and 0 of 16 others.

Among questions that did not choose it, 23 of 23, and 0 of 16, some made of a frequent question's words.
"""


class Frequent(NamedTuple):
    """A row of the file: what is often asked, and what is answered."""

    question: str
    answer: str


def pieces(text: str) -> Counter:
    """How often each piece of a text is there: its words, and runs of three to five of their letters."""
    words = re.findall(r"\w+", text.lower())
    found = Counter(words)
    for word in words:
        found.update(f" {word} "[i : i + n] for n in (3, 4, 5) for i in range(len(word) + 3 - n))
    return found


LIGHT_WORDS = frozenset(
    """
    a about all also am an and any anything are at be been but by can change could decide did do does
    doing each else explain get give go had has have how i if in is it its know like many may me mean
    meant more most much must my need needed no nor not nothing of off on one only or other our out please
    possible required run shall should show so some somebody take tell than that the their them then there
    these they this those to too up us use used want was we were what when where which who whom whose why
    will with without work would you your
    """.split()
)
"""Words that say nothing of what a question is about: it is about the others, its content words."""


def content_words(text: str) -> set[str]:
    """What a text is about: its words without endings, such as -s and -ing, and without the light ones.

    A single letter belongs to the word before it, so that "top p" and "top-p" are one word.
    """
    plain = re.sub(r"['’](s|m|re|ve|ll|d|t)\b", "", text.lower())
    joined = re.sub(r"(\w+)[- ]([b-hj-z]|\d+)\b", r"\1\2", plain)
    return {stem(word) for word in re.findall(r"\w+", joined) if word not in LIGHT_WORDS}


def stem(word: str) -> str:
    """A word without its ending: "making" and "make" are both "mak"."""
    short = re.sub(r"(ing|ed|es|s|e)$", "", word)
    if len(short) < 3 or short == word:
        return word
    return short[:-1] if short[-1] == short[-2] and short[-1] not in "aeiouls" else short  # "stopped"


def is_about(asked: set[str], row: set[str]) -> bool:
    """Whether a question is about the same as a frequent question, by the content words of both.

    They must share two words, and these must be a third of the question's. One word is enough where the two
    have at most three in all, counting it twice.
    """
    shared = len(asked & row)
    if shared == 1:
        return len(asked) + len(row) <= 3
    return shared >= 2 and shared >= len(asked) / 3


def read_frequent() -> list[Frequent]:
    """The rows of the shipped file, which has the columns question and answer."""
    with FAQ.open(encoding="utf-8", newline="") as file:
        return [Frequent(row["question"], row["answer"]) for row in csv.DictReader(file)]


class Index:
    """find(question) -> the row whose question is nearest to it, and how near: the cosine of their TF-IDF.

    Only rows that share the question's content words count, because two questions that begin with "What is"
    have much in common and need not ask for the same.

    A piece counts by the logarithm of how often it is there, and the more, the fewer rows have it.
    Source: Salton & Buckley, 1988 (Information Processing & Management 24), section 2.
    """

    def __init__(self, rows: Sequence[Frequent]):
        self.rows, counted = list(rows), [pieces(row.question) for row in rows]
        self.content = [content_words(row.question) for row in rows]
        self.places = {piece: i for i, piece in enumerate(sorted(set().union(*counted)))}
        have = Counter(piece for found in counted for piece in found)
        self.rarity = np.log((1 + len(rows)) / (1 + np.array([have[piece] for piece in self.places]))) + 1
        self.unseen = np.log(1 + len(rows)) + 1
        self.vectors = np.stack([self.vector(found) for found in counted])  # (N, pieces), each of length 1

    def vector(self, found: Counter) -> np.ndarray:
        """Counted pieces -> (pieces,) of length 1 at most: pieces that no row has make it shorter."""
        known, strange = np.zeros(len(self.places)), 0.0
        for piece, n in found.items():
            if piece in self.places:
                known[self.places[piece]] = (1 + np.log(n)) * self.rarity[self.places[piece]]
            else:
                strange += ((1 + np.log(n)) * self.unseen) ** 2
        return known / max(np.sqrt(known @ known + strange), 1e-12)

    def find(self, question: str) -> tuple[Frequent, float]:
        """The nearest row and its cosine, from 0 to 1; 0 where no row is about the same."""
        cosines = self.vectors @ self.vector(pieces(question))  # (N,)
        asked = content_words(question)
        cosines *= [is_about(asked, row) for row in self.content]
        return self.rows[int(cosines.argmax())], float(cosines.max())


# -- the glossary --------------------------------------------------------------------------------------------

TERM_ASKED = re.compile(
    r"""
    (?: (?:please|pls|can\s+you) \s+ )?
    (?:
        what(?:['’]?s|\s+is|\s+are|\s+does|\s+do)? | how\s+do(?:es)? | define | explain | tell\s+me\s+what
    )
    \s+ (?: (?:is|are|the\s+term|the\s+meaning\s+of|meant\s+by) \s+ )*
    (?P<term> .+?)
    (?: \s+ (?:is|are|mean|means|stand\s+for|works?|to\s+me) )?
    (?: \s+ in\s+(?:this|the)\s+course )?
    (?: ,? \s+ please )?
    \s* [?.!]*
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A question what something is, such as "What is attention?", or how it works."""


class Answered(NamedTuple):
    """An answer about the course, and where it is from, as a reader is told it."""

    answer: str
    source: str


def read_glossary() -> dict[str, Answered]:
    """For each name of a term, in small letters, its meaning and the chapter that defines it."""
    found = {}
    with GLOSSARY.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            names = row["names"].split(" | ")
            answer = f"{', '.join(names)}: {row['meaning'].rstrip('.')}."
            source = f"the glossary, chapter {row['chapter']}: {row['title']}"
            for name in names:
                found[name.lower()] = Answered(plain_formulas(answer[0].upper() + answer[1:]), source)
    return found


def _spoken(name: str) -> str:
    """A term's name as it is heard: "byte-pair encoding" and "Byte pair encoding" are one."""
    return name.lower().replace("-", " ")


SIGNS = {"\\ln ": "ln ", "\\log_2 ": "log2 ", "\\sigma": "σ", "\\sqrt ": "√", "-": "−"}
"""How a formula of the glossary is written where TeX is not drawn."""


def plain_formulas(text: str) -> str:
    """The text with its TeX, between dollar signs, in plain characters."""

    for formula in re.findall(r"\$[^$]+\$", text):
        written = formula[1:-1]
        for tex, sign in SIGNS.items():
            written = written.replace(tex, sign)
        text = text.replace(formula, written)
    return text


class CourseQuestions:
    """Answers to questions about the course, from the list of frequent questions and from the glossary.

    A term counts as asked for only if the question is of the form "What is …?" and names it, but for a letter
    or two, so that no question about a story is taken for one about the course.
    """

    def __init__(self):
        self.index = Index(read_frequent())
        self.terms = {_spoken(name): answered for name, answered in read_glossary().items()}

    def find(self, question: str) -> Answered | None:
        """The answer and its source; None for a question that is not about the course."""
        row, cosine = self.index.find(question)
        if cosine < 0.99 and (term := self.term(question)):
            return term
        if cosine >= THRESHOLD:
            return Answered(row.answer, f"the list of frequent questions: “{row.question}”")
        return None

    def term(self, question: str) -> Answered | None:
        """The entry of the glossary that a question asks for by its name, or None."""
        asked = TERM_ASKED.fullmatch(" ".join(question.split()))
        if asked is None:
            return None
        name = asked["term"].strip(" \"'“”*").lower()
        if name.removeprefix("the ") in village.KINDS["thing"] and name.startswith("the "):
            return None  # "What is the key?" is about a story, "What is a key?" about the course
        name = _spoken(re.sub(r"^(a|an|the)\s+", "", name))
        for tried in (name, name.removesuffix("s"), f"{name}s"):
            if tried in self.terms:
                return self.terms[tried]
        similar = get_close_matches(name, self.terms, n=1, cutoff=0.8) if len(name) > 4 else []
        return self.terms[similar[0]] if similar else None
