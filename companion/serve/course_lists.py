"""The lists about the course: their rows, the answers made of them, and an index that finds a row."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from companion import village
from companion.serve.village_words import SPARE_IN_COURSE, WORDS, content_words

FAQ = village.DATA / "faq.csv"
GLOSSARY = village.DATA / "glossary.csv"
QUESTIONS = village.DATA / "questions.csv"
TERM_QUESTIONS = village.DATA / "term_questions.csv"
SECTIONS = village.DATA / "sections.csv"
WORDINGS = village.DATA / "wordings.csv"
LISTED = Path(__file__).with_name("listed.npz")
"""The file of the classifier that finds a listed question."""
NOT_LISTED = ""
"""Its label for messages that are no questions about the course."""
IN_GLOSSARY = "the glossary"
FREQUENT = "the list of frequent questions"
HEADINGS = "the headings of the chapters"
SMALL_TALK = "a list of small talk"
"""Sources of answers."""
WHAT_IS = re.compile(r"(?:What (?:is|are)|Explain) (?:an? |the )?(.+?)(?:\?| simply)$")
"""A listed question that asks for the meaning of a term, or for a simple explanation."""
NEAREST = "The nearest question in my lists:"
"""What stands before the answer to a listed question that is not clearly the one that was asked."""
ONLY_TERMS = "My lists have no answer to just that. They explain its terms:"
"""What stands before the entries of the terms in a question that no list answers."""
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
SIGNS = {"\\ln ": "ln ", "\\log_2 ": "log2 ", "\\sigma": "σ", "\\sqrt ": "√", "\\alpha": "α", "-": "−"}
"""How the TeX of the lists is written where it is not drawn."""


class Answered(NamedTuple):
    """An answer, and where it is from.

    Attributes:
        answer: The answer.
        source: Where it is from, as a reader is told it.
        chapter: The chapter that it is from, such as "chapter 4: Attention"; "" where it is from none.
        term: The term that it explains, if any.
        question: The listed question that it answers, if any.
        is_partial: Whether it may not answer what was asked: it explains terms, or answers a near question.
    """

    answer: str
    source: str
    chapter: str = ""
    term: str = ""
    question: str = ""
    is_partial: bool = False

    @property
    def is_full(self) -> bool:
        """Whether it is an answer of the course's lists to all of a question."""
        return self.source != SMALL_TALK and not self.is_partial

    def followed_by(self, other: "Answered") -> "Answered":
        """Both answers, and both sources; that of the other first, because it answers the question itself."""
        return Answered(
            f"{self.answer}\n{other.answer}",
            f"{other.source}; {self.source}",
            chapter=other.chapter or self.chapter,
            term=other.term or self.term,
            question=other.question,
            is_partial=self.is_partial,
        )

    def with_source(self) -> str:
        """The answer, and below it where it is from, except for small talk."""
        return self.answer if self.source == SMALL_TALK else f"{self.answer}\n(From {self.source}.)"


class Row(NamedTuple):
    """A listed question.

    Attributes:
        wordings: It, in one or more wordings.
        answer: Its answer.
        chapter: The chapter that it is from, such as "chapter 4: Attention", or "".
        more: Wordings of strangers. They only serve to find the question.
    """

    wordings: tuple[str, ...]
    answer: str
    chapter: str = ""
    more: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """The first wording."""
        return self.wordings[0]

    @property
    def all_wordings(self) -> tuple[str, ...]:
        """Its own wordings, and those of strangers."""
        return self.wordings + self.more

    def answered(self) -> Answered:
        """The answer with its source."""
        found = WHAT_IS.match(self.question)
        term = found[1] if found else ""
        if self.chapter:
            answer = f"“{self.question}” {self.answer}"
            source = f"the questions that learners ask, {self.chapter}"
            return Answered(answer, source, self.chapter, term, self.question)
        source = f"{FREQUENT}: “{self.question}”"
        return Answered(self.answer, source, term=term, question=self.question)


class Entry(NamedTuple):
    """An entry of the glossary."""

    names: tuple[str, ...]
    meaning: str
    chapter: str

    @property
    def line(self) -> str:
        """The names and the meaning."""
        return capitalized(f"{', '.join(self.names)}: {self.meaning.rstrip('.')}.")


# -- the lists -----------------------------------------------------------------------------------------------


def plain_text(text: str) -> str:
    """The text without Markdown, and with its formulas, between dollar signs, in plain characters."""
    text = LINK.sub(r"\1", text).replace("*", "").replace("`", "")
    for formula in re.findall(r"\$[^$]+\$", text):
        written = formula[1:-1]
        for tex, sign in SIGNS.items():
            written = written.replace(tex, sign)
        text = text.replace(formula, written)
    return text


def capitalized(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[0].upper() + text[1:]


def read_rows(file) -> list[dict[str, str]]:
    """The rows of a file, in plain text; a chapter is written as "chapter 4: Attention"."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [{name: plain_text(text) for name, text in row.items()} for row in csv.DictReader(lines)]
    for row in rows:
        if "chapter" in row:
            row["chapter"] = f"chapter {row['chapter']}: {row.pop('title')}"
    return rows


@cache
def other_wordings() -> dict[str, tuple[str, ...]]:
    """Wordings of strangers, by the first wording of the listed question."""
    return {row["question"]: tuple(row["wordings"].split(" | ")) for row in read_rows(WORDINGS)}


def read_questions(file: Path) -> list[Row]:
    """The questions of a list, or the headings of the chapters' sections, which have no answer."""
    questions = []
    for row in read_rows(file):
        wordings = tuple(row["question"].split(" | "))
        more = other_wordings().get(wordings[0], ())
        questions.append(Row(wordings, row.get("answer", ""), row.get("chapter", ""), more))
    return questions


def read_glossary() -> list[Entry]:
    """The entries of the glossary."""
    return [
        Entry(tuple(row["names"].split(" | ")), row["meaning"], row["chapter"]) for row in read_rows(GLOSSARY)
    ]


def in_words(text: str) -> str:
    """A text with one word for those that mean the same, such as "laptop" and "PC"."""
    for alike, word in WORDS["same"].items():
        text = re.sub(rf"(?i){alike}", word, text)
    return text


# -- the index -----------------------------------------------------------------------------------------------


@cache
def pieces_of(word: str) -> tuple[str, ...]:
    """A word, and runs of three to five of its letters, the spaces around it included."""
    padded = f" {word} "
    runs = [padded[i : i + length] for length in (3, 4, 5) for i in range(len(padded) + 1 - length)]
    return (word, *runs)


def pieces(text: str) -> Counter:
    """How often each piece of a text is there."""
    return Counter(chain.from_iterable(map(pieces_of, re.findall(r"\w+", text.lower()))))


def is_about(asked: set[str], row: set[str]) -> bool:
    """Whether a question is about the same as a listed question, by the content words of both.

    They must share two words, and these must be a third of the question's. One word is enough where the two
    have at most three in all, counting it twice, unless that is a word such as "course".
    """
    shared = asked & row
    if len(shared) == 1:
        is_telling = asked <= row or not shared <= content_words(SPARE_IN_COURSE)
        return len(asked) + len(row) <= 3 and is_telling
    return len(shared) >= 2 and len(shared) >= len(asked) / 3


class Index:
    """find(question) -> the row whose question is nearest to it, and how near: the cosine of their TF-IDF.

    Only rows that share the question's content words count, because two questions that begin with "What is"
    have much in common and need not ask for the same.

    A piece counts by the logarithm of how often it is there, and the more, the fewer wordings have it.
    Source: Salton & Buckley, 1988 (Information Processing & Management 24), section 2.
    """

    def __init__(self, rows: Sequence[Row]):
        self.rows = [row for row in rows for _ in row.all_wordings]
        wordings = [wording.lower() for row in rows for wording in row.all_wordings]
        wordings = in_words("\n".join(wordings)).split("\n")  # all at once is faster; no form goes over lines
        self.content = [content_words(wording) for wording in wordings]
        counted = [pieces(wording) for wording in wordings]
        have = Counter(chain.from_iterable(counted))
        self.places = {piece: i for i, piece in enumerate(have)}
        n = np.array([*have.values(), 0])  # the last one is for all pieces that no wording has
        self.rarity = np.log((1 + len(wordings)) / (1 + n)) + 1
        sizes = [len(found) for found in counted]
        self.starts = np.cumsum([0, *sizes[:-1]])  # of each wording in the next two
        self.columns, weights = self.weights(counted)
        lengths = np.sqrt(np.add.reduceat(weights**2, self.starts))
        self.values = weights / np.repeat(lengths, sizes)

    def weights(self, counted: Sequence[Counter]) -> tuple[np.ndarray, np.ndarray]:
        """Counted pieces of texts -> their places and weights, text after text, (all pieces,) each."""
        places = [self.places.get(piece, len(self.places)) for found in counted for piece in found]
        n = [times for found in counted for times in found.values()]
        columns = np.array(places, dtype=np.int64)
        return columns, (1 + np.log(n)) * self.rarity[columns]

    def cosines(self, question: str) -> np.ndarray:
        """The cosine of a question and each wording, (N,)."""
        asked = np.zeros(len(self.places) + 1)
        columns, weights = self.weights([pieces(question)])
        asked[columns] = weights / max(np.linalg.norm(weights), 1e-12)
        return np.add.reduceat(self.values * asked[self.columns], self.starts)

    def find(self, question: str) -> tuple[Row, float]:
        """The nearest row and its cosine, from 0 to 1; 0 where no row is about the same."""
        question = in_words(question.lower())
        asked = content_words(question)
        cosines = self.cosines(question)
        for i in np.argsort(-cosines, kind="stable"):
            if cosines[i] > 0 and is_about(asked, self.content[i]):
                return self.rows[i], round(float(cosines[i]), 6)  # the same wording is 1
        return self.rows[0], 0.0


def of_terms(entries: list[Entry], lead: str = "") -> Answered:
    """What the terms of a message mean, below a lead."""
    lines = "\n".join(entry.line for entry in entries)
    chapters = dict.fromkeys(f"{IN_GLOSSARY}, {entry.chapter}" for entry in entries)
    answer = f"{lead}\n{lines}".strip()
    return Answered(answer, "; ".join(chapters), entries[0].chapter, entries[0].names[0])
