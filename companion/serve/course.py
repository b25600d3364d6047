"""Questions about the course: one index of the frequent ones and those of the chapters, and the glossary.

A model of the village could not answer them.
"""

import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from functools import cache
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from companion import village
from companion.serve.village_words import (
    LIGHT_WORDS,
    SPARE,
    SPARE_IN_COURSE,
    TABLE,
    content_words,
    question_words,
    spelled_word,
    stem,
    stems,
    village_nouns,
)

FAQ = village.DATA / "faq.csv"
GLOSSARY = village.DATA / "glossary.csv"
QUESTIONS = village.DATA / "questions.csv"
TERM_QUESTIONS = village.DATA / "term_questions.csv"
SECTIONS = village.DATA / "sections.csv"
THRESHOLD = 0.35
"""How near a listed question must be to a message to be answered; benchmarks/faq.py measures it."""
ONLY_TERMS = "My lists have no answer to just that. They explain its terms:"
"""What stands before the entries of the terms in a question that no list answers."""
TWO_TERMS = "My lists do not compare the two. Here is what each of them means, the later chapter first:"
"""What stands before the entries of two terms that a question compares."""
ONE_TERM = "My lists do not compare the two, and explain only one of them:"
"""The same where one of them is not in the glossary."""
NEAR_SECTION = 0.25
"""How near the heading of a section must be to be named where nothing else is found."""
EXACT = 0.99
"""How near it is if it is the same question."""
CLEAR = 0.6
"""How near it must be to be answered before the entry of a term, and whatever the kind of the message is."""
SAME = 0.8
"""How near a question what a term is for must be to a message that is not asked so."""
EVERYDAY = frozenset(stems(TABLE["lists"]["everyday"]))
"""Words that are also terms of the course: alone they stand for a term only where other words fit it."""
RARE = 6
"""In how many listed questions a word may be at most, to stand for the term that has it."""
IN_GLOSSARY = "the glossary"
FREQUENT = "the list of frequent questions"
HEADINGS = "the headings of the chapters"
SMALL_TALK = "a list of small talk"
"""Sources of answers."""
ASKS = re.compile(
    r"(?i)\W*((ok|so|and|but) )*"
    r"(wh\w+|how|is|are|was|were|do|does|did|can|could|should|will|would|has|have)\b"
)
"""How a question begins."""
WHY = re.compile(rf"(?i)\b({'|'.join(TABLE['asks']['why'])})\b")
"""What asks for more than the meaning of a term."""
WHERE = re.compile(r"(?i)\W*((and|so|but) )?where\b")
"""How a question begins that asks for a place, which no term has."""
COMPARES = re.compile(rf"(?i)\b({'|'.join(TABLE['asks']['compares'])})\b")
"""What asks how two terms differ."""
REQUESTS = re.compile(rf"(?i)\b({'|'.join(TABLE['asks']['requests'])})\b")
"""What asks for an explanation without a question word."""
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
SIGNS = {"\\ln ": "ln ", "\\log_2 ": "log2 ", "\\sigma": "σ", "\\sqrt ": "√", "\\alpha": "α", "-": "−"}
"""How the TeX of the lists is written where it is not drawn."""


class Answered(NamedTuple):
    """An answer, and where it is from, as a reader is told it."""

    answer: str
    source: str

    def followed_by(self, other: "Answered") -> "Answered":
        """Both answers, and both sources; that of the other first, because it answers the question itself."""
        return Answered(f"{self.answer}\n{other.answer}", f"{other.source}; {self.source}")

    def with_source(self) -> str:
        """The answer, and below it where it is from, except for small talk."""
        return self.answer if self.source == SMALL_TALK else f"{self.answer}\n(From {self.source}.)"


class Row(NamedTuple):
    """A question in one or more wordings, its answer, and the chapter, such as "chapter 4: Attention"."""

    wordings: tuple[str, ...]
    answer: str
    chapter: str = ""

    @property
    def question(self) -> str:
        """The first wording."""
        return self.wordings[0]

    def answered(self) -> Answered:
        """The answer with its source."""
        if self.chapter:
            return Answered(
                f"“{self.question}” {self.answer}", f"the questions that learners ask, {self.chapter}"
            )
        return Answered(self.answer, f"{FREQUENT}: “{self.question}”")


class Entry(NamedTuple):
    """An entry of the glossary."""

    names: tuple[str, ...]
    meaning: str
    chapter: str

    @property
    def line(self) -> str:
        """The names and the meaning."""
        line = f"{', '.join(self.names)}: {self.meaning.rstrip('.')}."
        return line[0].upper() + line[1:]


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


def read_rows(file) -> list[dict[str, str]]:
    """The rows of a file, in plain text; a chapter is written as "chapter 4: Attention"."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [{name: plain_text(text) for name, text in row.items()} for row in csv.DictReader(lines)]
    for row in rows:
        if "chapter" in row:
            row["chapter"] = f"chapter {row['chapter']}: {row.pop('title')}"
    return rows


def read_questions(file: Path) -> list[Row]:
    """The questions of a list, or the headings of the chapters' sections, which have no answer."""
    return [
        Row(tuple(row["question"].split(" | ")), row.get("answer", ""), row.get("chapter", ""))
        for row in read_rows(file)
    ]


def read_glossary() -> list[Entry]:
    """The entries of the glossary."""
    return [
        Entry(tuple(row["names"].split(" | ")), row["meaning"], row["chapter"]) for row in read_rows(GLOSSARY)
    ]


def in_words(text: str) -> str:
    """A text with one word for those that mean the same, such as "laptop" and "PC"."""
    for alike, word in TABLE["same"].items():
        text = re.sub(rf"(?i){alike}", word, text)
    return text


# -- the index -----------------------------------------------------------------------------------------------


def pieces(text: str) -> Counter:
    """How often each piece of a text is there: its words, and runs of three to five of their letters."""
    words = re.findall(r"\w+", text.lower())
    found = Counter(words)
    for word in words:
        padded = f" {word} "
        for length in (3, 4, 5):
            found.update(padded[start : start + length] for start in range(len(padded) + 1 - length))
    return found


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

    A piece counts by the logarithm of how often it is there, and the more, the fewer rows have it.
    Source: Salton & Buckley, 1988 (Information Processing & Management 24), section 2.
    """

    def __init__(self, rows: Sequence[Any]):
        self.rows = [row for row in rows for _ in row.wordings]
        asked = [in_words(wording.lower()) for row in rows for wording in row.wordings]
        counted = [pieces(question) for question in asked]
        self.content = [content_words(question) for question in asked]
        self.places = {piece: i for i, piece in enumerate(sorted(set().union(*counted)))}
        have = Counter(chain.from_iterable(counted))
        self.rarity = np.log((1 + len(asked)) / (1 + np.array([have[piece] for piece in self.places]))) + 1
        self.unseen = np.log(1 + len(asked)) + 1
        self.vectors = np.stack([self.vector(found) for found in counted])  # (N, pieces), each of length 1

    def vector(self, found: Counter) -> np.ndarray:
        """Counted pieces -> (pieces,) of length 1 at most: pieces that no row has make it shorter."""
        known = np.zeros(len(self.places))
        strange = 0.0
        for piece, n in found.items():
            if piece in self.places:
                known[self.places[piece]] = (1 + np.log(n)) * self.rarity[self.places[piece]]
            else:
                strange += ((1 + np.log(n)) * self.unseen) ** 2
        return known / max(np.sqrt(known @ known + strange), 1e-12)

    def find(self, question: str, telling: Collection[str] = ()) -> tuple[Any, float]:
        """The nearest row and its cosine, from 0 to 1; 0 where no row is about the same.

        Args:
            question: What is asked.
            telling: Content words of which one alone tells what the question is about.
        """
        question = in_words(question.lower())
        asked = content_words(question)
        cosines = self.vectors @ self.vector(pieces(question))  # (N,)
        cosines *= [is_about(asked, row) or not row.isdisjoint(telling) for row in self.content]
        return self.rows[int(cosines.argmax())], float(cosines.max())


# -- answers -------------------------------------------------------------------------------------------------


class Course:
    """find(question) -> the answer of the lists.

    Attributes:
        frequent: The frequent questions.
        questions: The questions that learners ask, of all chapters.
        glossary: The entries of the glossary.
    """

    def __init__(self):
        self.frequent = read_questions(FAQ)
        self.questions = read_questions(QUESTIONS)
        term_rows = read_questions(TERM_QUESTIONS)
        self.term_questions = Index(term_rows)
        self.indexes = [Index(self.frequent), Index(self.questions)]
        self.sections = Index(read_questions(SECTIONS))
        self.glossary = read_glossary()
        rows = [*self.frequent, *self.questions, *term_rows]
        texts = [f"{' '.join(row.wordings)} {row.answer}" for row in rows]
        texts += [entry.line for entry in self.glossary]
        self.words = set(re.findall(r"\w+", " ".join(texts).lower()))
        self.word_stems = {stem(word) for word in self.words}
        names = [(name, entry) for entry in self.glossary for name in entry.names]
        self.term_words = set(re.findall(r"\w+", " ".join(name for name, _ in names).lower()))
        asked = " ".join(wording for row in rows for wording in row.wordings)
        self.long_words = {word for word in re.findall(r"\w+", asked.lower()) if len(word) > 6}
        self.terms = [(frozenset(stems(name)), entry) for name, entry in names]
        self.terms += [(frozenset([stem(re.sub(r"\W", "", name.lower()))]), entry) for name, entry in names]
        self.counts = Counter(word for index in self.indexes for words in index.content for word in words)
        self.terms.sort(key=lambda term: -len(term[0]))  # "causal mask" comes before "mask"
        self.mended_word = cache(self._mended_word)

    def mended(self, message: str) -> str:
        """The message with "quantisation" as "quantization", and "attenshun" as "attention"."""
        for said, term in TABLE["terms"].items():
            message = re.sub(rf"(?i)\b{said}\b", term, message)
        return re.sub(r"\b[A-Za-z]+\b", lambda found: self.mended_word(found[0]), message)

    def _mended_word(self, typed: str) -> str:
        word = typed.lower()
        if word in self.words or not content_words(word) - question_words():
            return typed
        word = spelled_word(word)
        american = re.sub(r"shun$", "tion", word)
        american = re.sub(r"is(e|ed|er|ers|es|ing|ation|ations)$", r"iz\1", american)
        if american in self.words or len(word) < 4:
            return american
        if len(word) > 7:
            longer = [one for one in self.term_words if one.startswith(american)]
            if longer:  # "backprop" for "backpropagation"
                return min(longer, key=len)
        if stem(word) in self.word_stems:
            return word
        matches = get_close_matches(word, self.term_words | self.long_words, 3, 0.84)
        matches = [one for one in matches if one[0] == word[0]]
        return matches[0] if matches else typed

    def with_term(self, message: str, before: Answered | None) -> str:
        """A question with the term that the last answer explained in the place of "it"."""
        explained = before and re.match(rf"({IN_GLOSSARY}|{FREQUENT}: “What (?:is|are))", before.source)
        if not explained or not ASKS.match(message):
            return message
        if self.entries(message) or self.nearest(message)[1] >= THRESHOLD:  # it says what it is about
            return message
        asked = re.search(r"“What (?:is|are) (?:an? |the )?(.+)\?”", before.source)
        term = asked[1] if asked else re.match(r"[^,:]+", before.answer)[0]
        return re.sub(r"(?i)\b(it|they|them|that)\b", term.lower(), message, count=1)

    def entries(self, message: str) -> list[Entry]:
        """The entries of at most two terms that a message contains, that of the later chapter first.

        A message contains a term if it has all words of its name, or one that no other name has.
        """
        left = set(stems(message))
        found: list[Entry] = []
        for name, entry in self.terms:
            if name <= left and not name <= LIGHT_WORDS and self.fits(name, entry, message):
                left -= name
                if entry not in found:
                    found.append(entry)
        for word in sorted(left - LIGHT_WORDS - question_words()):
            having = {
                entry for name, entry in self.terms if word in name and self.fits({word}, entry, message)
            }
            if len(having) == 1 and not having & set(found) and self.counts[word] <= RARE:
                found.extend(having)
        return sorted(found[:2], key=lambda entry: -number_of(entry.chapter))

    def fits(self, name: Collection[str], entry: Entry, message: str) -> bool:
        """Whether an everyday name, such as "memory", has another word of the entry or a term beside it."""
        others = self.unnamed(message, []) - set(name)
        terms = set(stems(" ".join(self.term_words))) - EVERYDAY
        return (
            not EVERYDAY.issuperset(name)
            or not others
            or not others.isdisjoint(terms | {"chapter", *stems(entry.line)})
        )

    def unnamed(self, message: str, entries: list[Entry]) -> set[str]:
        """The content words of a message that are in no name of some entries."""
        named = set().union(*(name for name, entry in self.terms if entry in entries))
        return content_words(message) - named - content_words(SPARE) - content_words(SPARE_IN_COURSE)

    def nearest(self, message: str, telling: Collection[str] = ()) -> tuple[Row, float]:
        """The listed question nearest to a message, and how near it is; any chapter may stand for another."""
        of_any_chapter = re.sub(r"(?i)\bchapter \d+\b", "a chapter", message)
        found = [index.find(text, telling) for index in self.indexes for text in (message, of_any_chapter)]
        of_terms = self.term_questions.find(message)
        if of_terms[1] >= (CLEAR if COMPARES.search(message) else SAME):
            found.append(of_terms)
        return max(found, key=lambda one: one[1])

    def section_on(self, message: str) -> Answered | None:
        """The section whose heading is nearest to a message: it has two of its content words, or all."""
        row, similarity = self.sections.find(message)
        shared = content_words(in_words(row.question)) & content_words(in_words(message))
        if similarity < THRESHOLD or (len(shared) < 2 and shared != content_words(row.question)):
            return None
        chapter = f"Chapter {number_of(row.chapter)}"
        return Answered(f"{chapter} has a section on that: “{row.question}”.", f"{HEADINGS}, {row.chapter}")

    def nearest_section(self, message: str) -> str:
        """The section nearest to a message that no list answers, in a sentence; "" where there is none."""
        words = self.unnamed(message, [])
        rare = {word for word in words - EVERYDAY if self.counts[word] <= RARE}
        row, similarity = self.sections.find(message, rare)
        is_near = similarity >= NEAR_SECTION and words <= self.word_stems and not village_nouns(message)
        return f"The nearest section is “{row.question}”, {row.chapter}." if is_near else ""

    def find(self, message: str) -> Answered | None:
        """The answer of the lists to a question with its words mended; None where they have none.

        That is the entry of the term that it asks for, or else the entries of the terms that it contains, and
        the nearest listed question, or else the nearest section.
        """
        row, similarity = self.nearest(message)
        of_chapter = self.about_chapter(message) if similarity < EXACT else None
        if of_chapter:
            return of_chapter
        entries = self.entries(message)
        unnamed = self.unnamed(WHY.sub(" ", message), entries)
        is_open = similarity < THRESHOLD or (similarity < CLEAR and not unnamed)
        if is_open and len(entries) == 1 and WHY.search(message):
            purpose = self.listed("Why do we need {}?", entries)
            if purpose:
                return of_terms(entries).followed_by(purpose)
        if is_open and entries and COMPARES.search(message):
            if len(entries) == 1:
                return of_terms(entries, ONE_TERM)
            difference = self.listed("What is the difference between {} and {}?", entries)
            return difference or of_terms(entries, TWO_TERMS)
        is_compared = similarity >= CLEAR and COMPARES.search(message)
        is_named = entries and not unnamed and not is_compared and not WHY.search(message)
        if is_named and similarity < (EXACT if len(entries) == 1 else CLEAR):
            return of_terms(entries)
        if similarity >= THRESHOLD:
            is_more = entries and similarity < CLEAR
            return of_terms(entries).followed_by(row.answered()) if is_more else row.answered()
        section = self.section_on(message)
        strange = [word for word in unnamed if word not in self.word_stems]
        is_request = ASKS.match(message) or WHY.search(message) or REQUESTS.search(message)
        if not is_request and (len(strange) > 1 or village_nouns(message)):
            return None
        if entries:
            is_simple = "simpl" in message and not unnamed
            is_partial = ASKS.match(message) and not is_named and not section and not is_simple
            found = of_terms(entries, ONLY_TERMS if is_partial else "")
            return found.followed_by(section) if section else found
        if section:
            return section
        rare = [word for word in content_words(message) if self.counts[word] in (1, 2)]
        row, similarity = self.nearest(message, rare)
        return row.answered() if similarity >= THRESHOLD else None

    def listed(self, form: str, entries: list[Entry]) -> Answered | None:
        """The answer to a question of a form about the terms of some entries, if the lists have it."""
        names = product(*(entry.names for entry in entries))
        row, similarity = max(
            [self.term_questions.find(form.format(*some)) for some in names], key=lambda one: one[1]
        )
        return row.answered() if similarity >= CLEAR else None

    def chapter_for(self, topic: str) -> Answered | None:
        """The chapter that explains a topic, and then what the lists say of it."""
        of_chapter = self.about_chapter(topic)
        if of_chapter:
            return of_chapter
        entries = self.entries(topic)[:1]
        found = of_terms(entries) if entries else self.find(topic)
        said = f"{found.source}; {found.answer}" if found else ""
        chapters = re.findall(r"(?i)chapters? \d+(?: to \d+|: [^;]+)?", said)
        if not chapters:
            strange = [word for word in re.findall(r"\w+", topic) if word.lower() not in self.words]
            none = f"No chapter has “{' '.join(strange)}” in its terms. chapters/README.md lists all."
            return Answered(none, IN_GLOSSARY) if strange else None
        lead = f"C{chapters[0][1:]}. "
        return Answered(lead + found.answer.removeprefix(lead), found.source)

    def about_chapter(self, message: str) -> Answered | None:
        """The terms of the chapter that a message names, or of the next one; None if it asks for more."""
        found = re.search(r"(?i)\b(after )?(?:chapter )?(\d+)\b", message)
        words = content_words(message) - content_words(SPARE_IN_COURSE)
        if not found or "chapter" not in message.lower() or len(words) > 2 + bool(found[1]):
            return None
        number = int(found[2]) + bool(found[1])
        if re.search(r"(?i)\b(how (long|much time)|minutes|hours?)\b", message) and minutes_of(number):
            answer = f"About {minutes_of(number)} minutes for its main path, without the exercises."
            return Answered(answer, f"the beginning of chapter {number}")
        entries = [entry for entry in self.glossary if number_of(entry.chapter) == number]
        if not entries:
            return None
        terms = ", ".join(entry.line.partition(":")[0] for entry in entries)
        return Answered(f"C{entries[0].chapter[1:]}. It explains: {terms}.", IN_GLOSSARY)

    def following(self, before: Answered) -> Answered | None:
        """The question after that of an answer, in its chapter or in the list of frequent ones."""
        chapter = re.search(r"chapter \d+: [^;]+", before.source)
        rows = [row for row in self.questions if chapter and row.chapter == chapter[0]]
        if before.source.startswith(FREQUENT):
            rows = self.frequent
        if not rows:
            return None
        said = before.answer + before.source
        after = max((i for i, row in enumerate(rows) if f"“{row.question}”" in said), default=-1) + 1
        row = rows[after % len(rows)]
        return row.answered() if chapter else Answered(f"“{row.question}” {row.answer}", FREQUENT)


def number_of(chapter: str) -> int:
    """The number of "chapter 4: Attention"."""
    return int(re.search(r"\d+", chapter)[0])


def minutes_of(number: int) -> int | None:
    """The minutes of reading that a chapter states at its beginning; None where its text is not here."""
    for file in (village.DATA.parent / "chapters" / "text").glob(f"{number:02}_*.md"):
        found = re.search(r"Reading (\d+) minutes", file.read_text(encoding="utf-8"))
        return int(found[1]) if found else None
    return None


def of_terms(entries: list[Entry], lead: str = "") -> Answered:
    """What the terms of a message mean, below a lead."""
    lines = "\n".join(entry.line for entry in entries)
    chapters = dict.fromkeys(f"{IN_GLOSSARY}, {entry.chapter}" for entry in entries)
    return Answered(f"{lead}\n{lines}".strip(), "; ".join(chapters))
