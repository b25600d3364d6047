"""Questions about the course: frequent ones, those of the chapters, and the glossary.

The app and `companion chat` answer such a question from these lists and say so. A model of the village could
not answer it.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from companion import village
from companion.serve.kinds import kind_of
from companion.serve.small_talk import ENGLISH_ONLY, is_foreign, small_talk
from companion.serve.village_words import (
    ASKS,
    LIGHT_WORDS,
    TABLE,
    asks_the_village,
    content_words,
    kind_of_question,
    spelled,
)

FAQ = village.DATA / "faq.csv"
GLOSSARY = village.DATA / "glossary.csv"
QUESTIONS = village.DATA / "questions.csv"
THRESHOLD = 0.35
"""By benchmarks/faq.py: of 22 in other words it lets 19 be found, none wrongly, and 0 of 16 others.

Among questions that did not choose it, 23 of 23, and 0 of 16, some made of a frequent question's words.
"""


QUESTION_THRESHOLD = 0.35
"""How near a chapter's question must be to a message of the kind "course" to be answered."""
UNCLEAR_KIND = 0.4
"""How near a question must be to a message of another kind."""
SURE = 0.5
"""How near it must be to stand before the entries of the glossary."""
RARE_WORD = 0.3
"""How near it must be where they share one word that is in at most two questions."""
EXACT = 0.99
CLEAR = 0.6
"""How near a frequent question must be to come before small talk."""
ONLY_TERMS = "My lists have no answer to just that. They explain its terms:"
"""What stands before the entries of the terms in a question that no list answers."""
SMALL_TALK = "a list of small talk"
FREQUENT = "the list of frequent questions"
"""Sources of answers."""


class Frequent(NamedTuple):
    """A row of the file: what is often asked, and what is answered."""

    question: str
    answer: str


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

    def __init__(self, rows: Sequence[Any]):
        self.rows = list(rows)
        counted = [pieces(row.question) for row in rows]
        self.content = [content_words(row.question) for row in rows]
        self.places = {piece: i for i, piece in enumerate(sorted(set().union(*counted)))}
        have = Counter(chain.from_iterable(counted))
        self.rarity = np.log((1 + len(rows)) / (1 + np.array([have[piece] for piece in self.places]))) + 1
        self.unseen = np.log(1 + len(rows)) + 1
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

    def find(self, question: str, allowed: Callable[[Any], bool] | None = None) -> tuple[Any, float]:
        """The nearest row and its cosine, from 0 to 1; 0 where no row is about the same.

        Args:
            question: What is asked.
            allowed: Whether a row counts. Default: each does, if it shares enough of the content words.
        """
        cosines = self.vectors @ self.vector(pieces(question))  # (N,)
        if allowed is None:
            asked = content_words(question)
            cosines *= [is_about(asked, row) for row in self.content]
        else:
            cosines *= [allowed(row) for row in self.rows]
        return self.rows[int(cosines.argmax())], float(cosines.max())


# -- the glossary --------------------------------------------------------------------------------------------

TERM_ASKED = re.compile(TABLE["course"]["term"], re.IGNORECASE | re.VERBOSE)
"""A question what something is, such as "What is attention?", or how it works."""


SHORT_NAMES = {"normalization": "layer normalization", "tokenization": "tokenizer"}
"""Terms that are often asked for by a part of their name, or by another form of it."""


class Answered(NamedTuple):
    """An answer about the course, and where it is from, as a reader is told it."""

    answer: str
    source: str

    @property
    def chapter(self) -> str:
        """The chapter that the source names."""
        return self.source.removeprefix("the glossary, ")

    def with_source(self) -> str:
        """The answer, and below it where it is from, except for small talk."""
        return self.answer if self.source == SMALL_TALK else f"{self.answer}\n(From {self.source}.)"


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


def _key(name: str) -> str:
    """A term's name without spaces and without the -s of its last word, so that "drop out" is "dropout"."""
    joined = name.replace(" ", "").replace("_", "")
    if joined.endswith("ies"):
        return joined[:-3] + "y"
    return joined if joined.endswith("ss") else joined.removesuffix("s")


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


class OfChapter(NamedTuple):
    """A question of a chapter's "Questions that learners ask", and its answer."""

    question: str
    answer: str
    chapter: str


def read_questions() -> list[OfChapter]:
    """The questions that learners ask, of all chapters."""
    found = []
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            answer = plain_formulas(LINK.sub(r"\1", row["answer"]).replace("*", "").replace("`", ""))
            question = plain_formulas(row["question"].replace("*", "").replace("`", ""))
            found.append(OfChapter(question, answer, f"chapter {row['chapter']}: {row['title']}"))
    return found


LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")

EVERYDAY = frozenset(TABLE["lists"]["everyday"].split())
"""Terms that are words of everyday English, too: alone, they do not make a message one about the course."""
COMMON = frozenset("answer better longer question sentenc story text today understand villag word".split())
"""Content words of the chapters' questions that are frequent elsewhere, too."""


WHICH_CHAPTER = re.compile(TABLE["course"]["chapter"], re.IGNORECASE | re.VERBOSE)
"""What makes a message a question for a chapter; the rest is what it should explain."""
AROUND_TOPIC = re.compile("^(F )*F$|^(F )+|( F)+$".replace("F", TABLE["course"]["around"]), re.IGNORECASE)
"""Words before and after what a chapter should explain."""


class CourseQuestions:
    """What can be answered without a model: small talk, and questions about the course.

    A question about the course is answered from the list of frequent questions, from the questions of the
    chapters, and from the glossary. A message that orders a story, or asks about one, is left to the model.
    """

    def __init__(self):
        self.index = Index(read_frequent())
        self.chapters = Index(read_questions())
        self.terms = {_spoken(name): answered for name, answered in read_glossary().items()}
        for name in list(self.terms):
            self.terms.setdefault(_key(name), self.terms[name])
        texts = [row.question + " " + row.answer for row in [*self.index.rows, *self.chapters.rows]]
        texts += [entry.answer for entry in self.terms.values()]
        self.words = set(re.findall(r"\w+", " ".join(texts).lower()))
        self.vocabulary = content_words(" ".join(texts))

    def american(self, question: str) -> str:
        """The question with "quantisation" as "quantization", and "attenshun" as "attention"."""
        american = re.sub(r"(?i)\bwhats\b", "what is", question)
        american = re.sub(TABLE["course"]["first"], "Which chapter do I read first?", american)
        for word in re.findall(r"\w+", question):
            tried = re.sub(r"is(e|ed|er|ers|es|ing|ation|ations)$", r"iz\1", word.lower())
            tried = spelled(re.sub(r"shun$", "tion", tried))
            if word.lower() not in self.words and tried in self.words:
                american = re.sub(rf"\b{word}\b", tried, american)
        return american

    def find(self, question: str, before: Answered | None = None) -> Answered | None:
        """The answer and its source; None for a message that a model must answer.

        Args:
            question: What is asked.
            before: The last answer, with which "tell me more" goes on.
        """
        goes_on = kind_of_question(question)[0] in ("more", "further")
        following = self.following(before) if before and goes_on else None
        if following:
            chapter = self.about_chapter(before.source) if "chapter" in question.lower() else None
            return chapter or following
        question = self.about_term(self.american(question), before)
        which = WHICH_CHAPTER.search(" ".join(question.split()))
        rest = question.replace(which[0], " ") if which else ""
        topic = re.sub(AROUND_TOPIC, "", rest.strip(" ?!.,")).strip()
        return self.chapter_for(topic) if topic else self.listed(question)

    def said(self, message: str) -> str | None:
        """The answer to a message with its source, as one text; None for a message for a model."""
        found = self.find(message)
        return found.with_source() if found else None

    def about_term(self, question: str, before: Answered | None) -> str:
        """A question with the term that the last answer explained in the place of "it"."""
        is_term = before and before.source.startswith("the glossary") and re.match(ASKS, question)
        terms = [name for name, one in self.terms.items() if is_term and one.answer in before.answer]
        return re.sub(r"(?i)\b(it|they|them)\b", terms[0], question, count=1) if terms else question

    def chapter_for(self, topic: str) -> Answered:
        """The chapter that explains a topic, and then what the lists say of it."""
        about = content_words(topic)
        entry = self.entry(_spoken(re.sub(r"(?i)^(an?|the) ", "", topic.lower())))
        entries = [entry] if entry else self.entries(topic)[:1]
        chapters = [one.chapter for one in entries]
        titles = [row.chapter for row in self.chapters.rows]
        chapters += [one for one in titles if about and about <= content_words(one.partition(": ")[2])]
        found = of_terms(entries) if entries else self.listed(f"what is {topic}?")
        said = f"{found.source}; {found.answer}" if found else ""
        chapters += re.findall(r"chapters? \d+(?: to \d+|: [^;]+)?", said, re.IGNORECASE)
        if chapters and chapters[0] not in said:
            found = self.about_chapter(chapters[0])
        if found is None:
            return Answered(
                f"No chapter has “{topic}” in its terms. chapters/README.md lists all.", "the glossary"
            )
        lead = f"C{chapters[0][1:]}. " if chapters else ""
        return Answered(lead + found.answer.removeprefix(lead), found.source)

    def listed(self, question: str) -> Answered | None:
        """The answer of the lists to a question; None for a message that a model must answer."""
        of_any_chapter = re.sub(r"(?i)\bchapter \d+\b", "a chapter", question)
        frequent, near = self.index.find(of_any_chapter)
        if near >= EXACT:
            return from_frequent(frequent)
        asked, asked_near = self.chapters.find(question)
        if asked_near >= EXACT:
            return from_question(asked)
        frequent, near = self.index.find(question)
        if asks_the_village(question):
            return None
        if is_foreign(question):
            return Answered(ENGLISH_ONLY, SMALL_TALK)
        term = self.term(question)
        if term:
            return term
        kind = kind_of(question)
        entries = self.entries(question)
        is_course = kind == "course" or (kind in ("unclear", "simpler", "told") and entries != [])
        is_talk = not is_course and kind != "left out"  # StoryChat knows the story that it is about
        said = small_talk(question) if is_talk and max(near, asked_near) < CLEAR else None
        if said:
            return Answered(said, SMALL_TALK)
        if near >= max(THRESHOLD if is_course else UNCLEAR_KIND, asked_near):
            return from_frequent(frequent)
        of_entries = [entry.chapter for entry in entries]
        limit = QUESTION_THRESHOLD if is_course else UNCLEAR_KIND
        if asked_near >= (SURE if asked.chapter in of_entries else limit):
            return from_question(asked)
        names = content_words(" ".join(entry.answer.partition(":")[0] for entry in entries))
        is_named = content_words(question) - {"mean"} <= names
        if entries and (is_course or is_named):
            is_partial = not is_named and re.match(ASKS, question)
            return of_terms(entries, ONLY_TERMS if is_partial else "")
        about = self.about_chapter(question)
        if about or not is_course:
            return about
        asked, asked_near = self.chapters.find(question, self.shares_a_rare_word(question))
        return from_question(asked) if near == 0 and asked_near >= RARE_WORD else None

    def following(self, before: Answered) -> Answered | None:
        """The question after that of the last answer, in its list or chapter, with its answer."""
        chapter = re.search(r"chapter \d+: [^;]+", before.source)
        rows = [row for row in self.chapters.rows if chapter and row.chapter == chapter[0]]
        if before.source.startswith(FREQUENT) and not chapter:
            rows = self.index.rows
        said = before.answer + before.source
        after = max((i for i, row in enumerate(rows) if f"“{row.question}”" in said), default=-1) + 1
        if not rows:
            return None
        row = rows[after % len(rows)]
        return from_question(row) if chapter else Answered(f"“{row.question}” {row.answer}", FREQUENT)

    def about_chapter(self, question: str) -> Answered | None:
        """The terms of a chapter whose number a message names, or None."""
        named = re.search(r"\bchapter (\d+)\b", question.lower())
        entries = [
            one for one in self.terms.values() if named and one.chapter.startswith(f"chapter {named[1]}:")
        ]
        if not entries:
            return None
        terms = ", ".join(dict.fromkeys(one.answer.partition(":")[0] for one in entries))
        return Answered(f"C{entries[0].chapter[1:]}. It explains: {terms}.", "the glossary")

    def shares_a_rare_word(self, question: str) -> Callable[[OfChapter], bool]:
        """Return whether a row has a content word of the question that at most two questions have."""
        counts = Counter(chain.from_iterable(self.chapters.content))
        asked = content_words(question)
        rare = {word for word in asked if counts[word] in (1, 2)} - COMMON if len(asked) > 1 else set()
        return lambda row: not rare.isdisjoint(content_words(row.question))

    def term(self, question: str) -> Answered | None:
        """The entry of the glossary that a question asks for by its name, or None."""
        asked = TERM_ASKED.fullmatch(" ".join(question.split()))
        if asked is None:
            name = re.sub(r"^((and|so|ok|but|please) )+", "", _spoken(question.strip(" ?!.")))
            return None if name in EVERYDAY else self.terms.get(name)
        name = asked["term"].strip(" \"'“”*").lower()
        return self.entry(_spoken(re.sub(r"^(a|an|the)\s+", "", name)))

    def entry(self, name: str) -> Answered | None:
        """The entry of the glossary with this name, but for a letter or two; None where there is none."""
        for tried in (name, _key(name), SHORT_NAMES.get(name)):
            if tried in self.terms:
                return self.terms[tried]
        is_phrase = " " in name and LIGHT_WORDS.isdisjoint(name.split())
        begin = [term for term in self.terms if term.startswith(name)] if is_phrase else []
        if len({self.terms[term] for term in begin}) == 1:  # "top k" for "top-k sampling"
            return self.terms[begin[0]]
        if len(name) < 4 or all(word in self.words for word in name.split()):
            return None
        longer = [term for term in self.terms if term.startswith(name)] if len(name) > 7 else []
        if longer:  # "backprop" for "backpropagation"
            return self.terms[min(longer, key=len)]
        cutoff = 0.9 if " " in name else 0.84  # "big models" is no "bigram model"
        similar = get_close_matches(_key(name), self.terms, n=1, cutoff=cutoff)
        return self.terms[similar[0]] if similar and similar[0][0] == name[0] else None

    def entries(self, message: str) -> list[Answered]:
        """The entries of at most two terms that a message contains, that of the later chapter first.

        A single word of everyday English counts only beside another term.
        """
        words = re.findall(r"[\w+–]+", _spoken(message))
        found: list[Answered] = []
        n_everyday = 0
        taken: set[int] = set()
        for n in (4, 3, 2, 1):
            for start in range(len(words) - n + 1):
                places = set(range(start, start + n))
                name = " ".join(words[start : start + n])
                if places & taken or name in LIGHT_WORDS:
                    continue
                entry = self.entry(name)
                if entry and entry not in found:
                    found.append(entry)
                    taken |= places
                    n_everyday += name.removesuffix("s") in EVERYDAY
        if n_everyday == len(found) == 1:
            return []
        return sorted(found[:2], key=lambda one: -int(re.search(r"\d+", one.chapter)[0]))


def from_frequent(row: Frequent) -> Answered:
    """The answer to a frequent question, with its source."""
    return Answered(row.answer, f"{FREQUENT}: “{row.question}”")


def from_question(row: OfChapter) -> Answered:
    """The answer to a question of a chapter, with its source."""
    return Answered(f"“{row.question}” {row.answer}", f"the questions that learners ask, {row.chapter}")


def of_terms(entries: list[Answered], lead: str = "") -> Answered:
    """What the terms of a message mean, below a lead."""
    lines = "\n".join([entry.answer for entry in entries])
    sources = dict.fromkeys(entry.source for entry in entries)
    return Answered(f"{lead}\n{lines}".strip(), "; ".join(sources))
