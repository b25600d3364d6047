"""The kind of a message: small talk, an order, a question about a story or about the course, or another.

messages.csv has messages as strangers write them, with their kinds, and faq.csv has questions about the
course. A message of these files has the kind that it has there. For others, a classifier learned the kinds
(`classifier.py`).

answers.toml has the answers that are written down, by the kinds of the messages that get them.
"""

import csv
import re
import tomllib
from collections.abc import Sequence
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from companion.serve.classifier import Classifier, plain
from companion.serve.course_lists import FAQ, read_questions
from companion.serve.village_words import WORDS, from_question_word, village_forms

MESSAGES = Path(__file__).with_name("messages.csv")
WEIGHTS = MESSAGES.with_name("kinds.npz")
THRESHOLD = 0.4
"""The probability below which a message is unclear."""
IMPROBABLE = 0.1
"""The probability of questions about the course below which a listed one must have the same words."""
CERTAIN = 0.9
"""The probability from which on the parts of a message change nothing."""

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


@cache
def classifier() -> Classifier:
    """The classifier of the file."""
    return Classifier.load(WEIGHTS)


@cache
def known_kinds() -> dict[str, str]:
    """The kinds of the file's messages, by their words: each of them has the kind that it has there."""
    kinds = {words_of(message): kind for message, kind in read_messages()}
    return {words: kind for words, kind in kinds.items() if words}


def course_probability(message: str) -> float:
    """The probability that a message asks about the course."""
    found = dict(zip(classifier().labels, classifier().probabilities(message).tolist(), strict=True))
    return found[Kind.COURSE] + found[Kind.CHAPTER]


class Candidate(NamedTuple):
    """A kind that a message may have, in the order of what counts."""

    is_no_courtesy: bool
    is_of_all: bool
    probability: float
    kind: str


@lru_cache(4096)
def kind_of(message: str) -> str:
    """The most likely kind of a message, or of its clearest part if that is not CERTAIN; else "unclear".

    A message in another language is of the kind "language".

    Parts are what stands between its marks, and what begins with its question word. What is said out of
    courtesy is the kind of a message only where no part has another.
    """
    if is_foreign(message):
        return Kind.LANGUAGE
    if re.fullmatch(r"[\s?!.]+", message):
        return Kind.MISUNDERSTOOD
    words = words_of(message)
    if words in known_kinds():
        return known_kinds()[words]
    of_all, probability = classifier().most_likely(message)
    if probability >= CERTAIN:
        return of_all
    parts = [message, *re.split(r"(?<=[.!?,;:])\s+", message), from_question_word(message)]
    candidates = []
    for part in parts:
        kind, probability = classifier().most_likely(part)
        if probability >= THRESHOLD:
            candidates.append(Candidate(kind not in COURTESIES, part == message, probability, kind))
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
