"""The kind of a message: small talk, an order, a question about a story or about the course, or another.

messages.csv has messages as strangers write them, with their kinds, and faq.csv has questions about the
course. A message of these files has the kind that it has there. For others, a linear classifier learned the
kinds by ridge regression on words, pairs of words and pieces of words. `python -m companion.serve.kinds` fits
it again, in some seconds, and writes kinds.npz. The chat only reads these files.

answers.toml has the answers that are written down, by the kinds of the messages that get them.

Reference:
    Weinberger et al., 2009, "Feature Hashing for Large Scale Multitask Learning".
"""

import csv
import re
import tomllib
import unicodedata
import zlib
from collections.abc import Sequence
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from companion.serve.course_lists import FAQ, read_glossary, read_questions
from companion.serve.village_words import (
    LIGHT_WORDS,
    SHORT_FORMS,
    WORDS,
    from_question_word,
    village_forms,
)

MESSAGES = Path(__file__).with_name("messages.csv")
WEIGHTS = MESSAGES.with_name("kinds.npz")
SIZE = 8192
"""The number of features. Each word, pair and piece counts for the one that its checksum gives."""
RIDGE = 0.3
SHARPNESS = 8.0
"""What the scores are multiplied by before the softmax."""
THRESHOLD = 0.2
"""The probability below which a message is unclear."""

EXAMPLE = "Tell a story about the baker Mara and a red kite."
"""An order that the answerer follows."""
MORE_EXAMPLES = (
    "Tell a story about a goose and a kite.",
    "Tell a story about the fox Bram and a blue kite.",
    "Tell a story about a cat and a golden kite.",
)
"""Other orders, for a conversation in which the first was named."""
SAID = tomllib.loads(MESSAGES.with_name("answers.toml").read_text("utf-8").replace("<example>", EXAMPLE))
ANSWERS = {kind: answers[0] for kind, answers in SAID["answers"].items()}
"""The answers to small talk, by the kinds of messages.csv."""
UNCLEAR = SAID["unclear"][0]
"""The answer to a message of no kind."""
NO_ENTRY = SAID["no_entry"][0]
"""The answer to a question about the course that no list answers."""
WRITTEN = [*SAID["answers"].values(), SAID["unclear"], SAID["no_entry"]]
ANSWER_WORDINGS = {answers[0]: answers for answers in WRITTEN}
"""The wordings of an answer, by the first one."""


class Kind(StrEnum):
    """The kinds that the rules of the chat name. For the others, answers.toml has an answer."""

    ORDER = "order"
    MORE = "more"
    """Another story, or more about a term."""
    FACT = "fact"
    """Who has what, where, how many, in which color: the model learned to answer it."""
    SENTENCE = "sentence"
    """How a story ends, in one sentence, which the model also learned."""
    STORY = "story"
    """About a story in other ways."""
    DEEDS = "deeds"
    HAS = "has"
    """Whether a story has somebody or something."""
    COUNT = "count"
    WHO = "who"
    WHY = "why"
    TRUTH = "truth"
    """Whether an answer or a story is true."""
    CAST = "cast"
    PLACES = "places"
    DAY = "day"
    WEATHER = "weather"
    FEELINGS = "feelings"
    NEXT = "next"
    """How a story goes on."""
    COURSE = "course"
    CHAPTER = "chapter"
    """Which chapter explains something."""
    WORLD = "world"
    """About what is neither in the village nor in the course."""
    UNCLEAR = "unclear"
    """Of no kind of messages.csv."""
    LEARNED = "learned"
    """A fact or a sentence of what was said, in words that the model learned."""
    LANGUAGE = "language"
    """In another language."""
    DOUBT = "doubt"
    SIMPLER = "simpler"
    MISUNDERSTOOD = "misunderstood"
    LONGER = "longer"
    ABOUT_SELF = "told"
    """What somebody tells of himself."""
    NAME = "name"
    GREETING = "greeting"
    THANKS = "thanks"
    ACKNOWLEDGEMENT = "acknowledgement"
    PRAISE = "praise"
    INSULT = "insult"
    APOLOGY = "apology"


WHOLE_STORY = tuple(SAID["story"])
"""Kinds of questions about the whole of a story."""
FOR_MODEL = (Kind.FACT, Kind.SENTENCE)
"""Kinds of questions that the model learned to answer."""
ABOUT_STORY = (
    *FOR_MODEL,
    *WHOLE_STORY,
    Kind.STORY,
    Kind.DEEDS,
    Kind.HAS,
    Kind.COUNT,
    Kind.WHO,
    Kind.WHY,
    Kind.TRUTH,
)
"""Kinds of questions about a story."""
OF_COURSE = (Kind.COURSE, Kind.CHAPTER)
"""Kinds of questions about the course."""
MAYBE_COURSE = (Kind.UNCLEAR, Kind.SIMPLER, Kind.ABOUT_SELF, Kind.MORE, Kind.LONGER, *WHOLE_STORY)
"""Kinds of messages that are questions about the course where they have a term of it."""
OF_SETTING = (Kind.CAST, Kind.PLACES, Kind.DAY, Kind.WEATHER, Kind.FEELINGS)
"""Kinds of questions about what a story has besides its deeds."""
MAYBE_WORLD = (Kind.UNCLEAR, Kind.STORY, Kind.DEEDS, Kind.COUNT, Kind.WHO, Kind.WHY, *OF_SETTING)
"""Kinds of questions that may also be about the world, as "when was Napoleon born" is of the kind "day"."""
NO_QUESTIONS = (Kind.PRAISE, Kind.INSULT)
"""Kinds of messages that ask nothing, as "you are clever" does not ask whether a model thinks."""
MAYBE_TERM = (Kind.UNCLEAR, Kind.DOUBT, Kind.SIMPLER, Kind.MISUNDERSTOOD)
"""Kinds of which even a message of messages.csv may mean a term with "it"."""
COURTESIES = (
    Kind.GREETING,
    Kind.THANKS,
    Kind.ACKNOWLEDGEMENT,
    Kind.PRAISE,
    Kind.INSULT,
    Kind.APOLOGY,
    Kind.ABOUT_SELF,
    Kind.NAME,
)
"""The kinds of what is often said beside something else."""


FILLERS = frozenset(WORDS["lists"]["fillers"].split())
"""Words that change nothing in what is asked."""


def plain(text: str) -> str:
    """Return a text in small letters, without marks, accents and fillers, and with short forms in full.

    A letter that is repeated three times or more is one: "hiiii" is "hi".
    """
    letters = unicodedata.normalize("NFKD", text.lower().replace("’", "'").replace("'", ""))
    letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    letters = re.sub(r"(\w)\1{2,}", r"\1", letters)
    words = [SHORT_FORMS.get(word, word) for word in re.findall(r"[a-z0-9]+", letters)]
    return " ".join([word for word in words if word not in FILLERS] or words)


FOREIGN = frozenset(WORDS["lists"]["foreign"].split())
"""Frequent words of other languages, without accents."""


def is_foreign(message: str) -> bool:
    """Whether a message is in another script, or has two or more frequent words of another language."""
    letters = [letter for letter in message if letter.isalpha()]
    if sum(letter > "\u024f" for letter in letters) > len(letters) / 2:
        return True
    words = plain(message).split()
    n_foreign = len(FOREIGN.intersection(words))
    return n_foreign >= 2 and n_foreign >= len(words) / 4


@lru_cache(4096)
def class_of(word: str) -> str:
    """The word that stands for those that are alike: nouns, numbers, terms, and the lists of words.toml."""
    if word in village_forms():
        return "<noun>"
    if word.isdigit():
        return "<number>"
    alike = [name for name, words in WORDS["alike"].items() if word in words.split()]
    if alike:
        return f"<{alike[0]}>"
    return "<term>" if word in term_words() else word


@cache
def term_words() -> frozenset[str]:
    """The words of the names in the glossary."""
    words = set()
    for entry in read_glossary():
        words.update(plain(" ".join(entry.names)).split())
    return frozenset(words) - LIGHT_WORDS


def features(message: str) -> np.ndarray:
    """A message -> (SIZE,) of length 1: its words, pairs of words, and pieces of three to five letters.

    Words that are alike also count as one word, so that all questions "who has the …" are alike. The two
    words of a pair are neighbors, or have one word between them.
    """
    words = plain(message).split()
    if "?" in message:
        words.append("?")
    classes = [class_of(word) for word in words]
    found = dict.fromkeys([*words, *classes], 1.0)
    for row in (words, classes):
        for pair in zip(["^", *row], [*row, "$"], strict=True):
            found[" ".join(pair)] = 1.0
        for pair in zip(["^", "^", *row], [*row, "$", "$"], strict=True):
            found["_".join(pair)] = 0.7
    for word in words:
        padded = f"_{word}_"
        for length in (3, 4, 5):
            for start in range(len(padded) + 1 - length):
                found[f"{padded[start : start + length]}…"] = 0.5
    vector = np.zeros(SIZE, np.float32)
    for name, value in found.items():
        vector[zlib.crc32(name.encode()) % SIZE] += value
    return vector / np.sqrt(vector @ vector)


def words_of(message: str) -> str:
    """The words of a message, where each noun of the village is <noun>; "" where it has no other words."""
    words = ["<noun>" if word in village_forms() else word for word in plain(message).split()]
    return " ".join(words) if set(words) - {"<noun>"} else ""


def read_messages() -> list[tuple[str, str]]:
    """The messages with their kinds, and the frequent questions about the course."""
    with MESSAGES.open(encoding="utf-8", newline="") as file:
        rows = [(row["message"], row["kind"]) for row in csv.DictReader(file)]
    for question in read_questions(FAQ):
        rows += [(wording, "course") for wording in question.all_wordings]
    return rows


def fit(rows: list[tuple[str, str]]) -> tuple[list[str], np.ndarray]:
    """Messages with their kinds -> the kinds, and the weights (SIZE, kinds) of a ridge regression."""
    kinds = sorted({kind for _, kind in rows})
    x = np.stack([features(message) for message, _ in rows])
    y = np.zeros((len(rows), len(kinds)), np.float32)
    for i, (_, kind) in enumerate(rows):
        y[i, kinds.index(kind)] = 1
    n_alike = y @ y.sum(0)  # how many messages have the kind of each
    ridge = RIDGE * (n_alike / n_alike.mean()) ** 0.5  # so that rare kinds are learned, too
    alpha = np.linalg.solve(x @ x.T + np.diag(ridge), y)
    return kinds, x.T @ alpha


@cache
def fitted() -> tuple[list[str], np.ndarray]:
    """The kinds and the weights (SIZE, kinds) of the file, where a weight is a byte."""
    with np.load(WEIGHTS) as file:
        return file["kinds"].tolist(), file["weights"] * np.float32(file["scale"])


def probabilities(message: str) -> dict[str, float]:
    """The probability of each kind for a message."""
    kinds, weights = fitted()
    odds = np.exp(SHARPNESS * (features(message) @ weights))
    return dict(zip(kinds, (odds / odds.sum()).tolist(), strict=True))


@cache
def known_kinds() -> dict[str, str]:
    """The kinds of the file's messages, by their words: each of them has the kind that it has there."""
    kinds = {words_of(message): kind for message, kind in read_messages()}
    return {words: kind for words, kind in kinds.items() if words}


class Candidate(NamedTuple):
    """A kind that a message may have, in the order of what counts."""

    is_no_courtesy: bool
    is_of_all: bool
    probability: float
    kind: str


@lru_cache(4096)
def kind_of(message: str) -> str:
    """The most likely kind of a message, or else of the clearest of its parts; else "unclear".

    A message in another language is of the kind "language".

    Parts are what stands between its marks, and what begins with its question word. What is said out of
    courtesy is the kind of a message only where no part has another.
    """
    if is_foreign(message):
        return Kind.LANGUAGE
    words = words_of(message)
    if words in known_kinds():
        return known_kinds()[words]
    parts = [message, *re.split(r"(?<=[.!?,;:])\s+", message), from_question_word(message)]
    candidates = []
    for part in parts:
        of_part = probabilities(part)
        kind = max(of_part, key=of_part.get)
        if of_part[kind] >= THRESHOLD:
            candidates.append(Candidate(kind not in COURTESIES, part == message, of_part[kind], kind))
    return max(candidates).kind if candidates else Kind.UNCLEAR


def reworded(answer: str, earlier: Sequence[str]) -> str:
    """Return an answer in its next wording, if it was given earlier and has others, with another example.

    What has no other wording and no example is returned as it is, such as a part of a story with its marks.
    """
    wordings = ANSWER_WORDINGS.get(answer, [answer])
    n_given = sum(one in wordings for one in earlier)
    wording = wordings[n_given % len(wordings)]
    if EXAMPLE not in wording:
        return wording
    orders = (EXAMPLE, *MORE_EXAMPLES)
    n_named = sum(any(order in one for order in orders) for one in earlier)
    return wording.replace(EXAMPLE, orders[n_named % len(orders)])


if __name__ == "__main__":
    kinds, weights = fit(read_messages())
    scale = np.abs(weights).max() / 127
    np.savez_compressed(WEIGHTS, kinds=kinds, weights=np.round(weights / scale).astype(np.int8), scale=scale)
