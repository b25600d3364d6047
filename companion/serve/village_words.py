"""The words of a message: what it is about, and what of it the village knows. words.toml has the lists."""

import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

from companion.village.dialogues import (
    ASKED,
    HELD_OUT_ORDERS,
    HELD_OUT_PLAIN,
    LOOSE_ORDERS,
    ORDERS,
    PLAIN,
    SUMMARIES,
)
from companion.village.machine import VILLAGE
from companion.village.words import KINDS

WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
SHORT_FORMS = WORDS["short"]
"""How people shorten words when they type."""
LIGHT_WORDS = frozenset(WORDS["lists"]["light"].split())
"""Words that say nothing of what a message is about: it is about the others, its content words."""
OFTEN = frozenset({*LIGHT_WORDS, *WORDS["lists"]["often"].split(), *KINDS["color"]})
"""Words that are typed often, and so with errors."""
OTHER_WORDS = frozenset(" ".join([*WORDS["alike"].values(), *WORDS["other"].values()]).split())
"""Words that are spelled rightly, though no list is about them: "witch" is not "with"."""
SPARE = WORDS["lists"]["spare"]
"""Words that are no reason to decline a question, besides those of the stories."""
SPARE_IN_ORDER = WORDS["lists"]["spare_in_order"]
"""Words that say nothing of what a story should be about."""
SPARE_IN_COURSE = WORDS["lists"]["spare_in_course"]
"""Words that say nothing of what a question about the course is about."""
NOUNS = ("name", "role", "thing", "goods", "place")
"""The kinds of words that a story is about."""
PLURALS = {"goose": "geese", "mouse": "mice", "fox": "foxes", "scarf": "scarves"}
QUESTION_WORD = re.compile(r"(?i)\b((in |to )?who(se|m)?|what|((at|in) )?which|where|how|why)\b")
SHE_OR_HE = (re.compile(r"(?i)\b(she|her)\b"), re.compile(r"(?i)\b(he|him|his)\b"))
"""What means a woman or a man of a story."""


def stems(text: str) -> list[str]:
    """The words of a text without endings, such as -s and -ing.

    A single letter belongs to the word before it, so that "top p" and "top-p" are one word.
    """
    plain = re.sub(r"n['’]t\b", " not", text.lower())
    plain = re.sub(r"['’](s|m|re|ve|ll|d)\b", "", plain)
    joined = re.sub(r"(\w+)[- ]([b-hj-z]|\d+)\b", r"\1\2", plain)
    return [stem(word) for word in re.findall(r"\w+", joined)]


@cache
def stem(word: str) -> str:
    """A word without its ending: "making" and "make" are both "mak". A light word stays."""
    short = re.sub(r"(ings?|ed|es|s|e)$", "", word)
    if word in LIGHT_WORDS or len(short) < 3 or short == word:
        return word
    return short[:-1] if short[-1] == short[-2] and short[-1] not in "aeiouls" else short  # "stopped"


PAST = {stem(verb): told for verb, told in WORDS["past"].items()}
"""How a story has the verbs of a question, by their stems: "find", "finds" and "finding" are "found"."""


def in_past(question: str) -> str:
    """A question with its verbs as a story has them."""
    return re.sub(r"\w+", lambda found: PAST.get(stem(found[0].lower()), found[0]), question)


def content_words(text: str) -> set[str]:
    """What a text is about: its words without endings, and without the light ones."""
    return set(stems(text)) - LIGHT_WORDS


@lru_cache(4096)
def spelled_word(word: str) -> str:
    """A word in small letters as it was meant: "stroy" is "story". A word that the village knows stays."""
    is_known = word in LIGHT_WORDS or word in OTHER_WORDS or not content_words(word) - question_words()
    if word in SHORT_FORMS or is_known:
        return SHORT_FORMS.get(word, word)
    turned = [one for one in sorted(OFTEN) if one[0] == word[0] and sorted(one) == sorted(word)]
    similar = get_close_matches(word, OFTEN, 1, 0.85) if not word.endswith("s") else []
    similar += get_close_matches(word, village_forms(), 1, 0.87)  # "aples"
    similar = [one for one in similar if len(one) > 3 and one[0] == word[0]]  # "mother" is not "other"
    return (turned or similar or [word])[0]


def spelled(message: str) -> str:
    """The message with its typing errors in frequent words mended; words with a capital stay."""
    in_full = re.sub(r"(?i)\b(why|who|where|how|what)['’]d\b", r"\1 did", message)
    return re.sub(r"(?<!['’\w])[a-z]+(?!['’\w])", lambda found: spelled_word(found[0]), in_full)


@cache
def order_words() -> set[str]:
    """The content words that the model follows in an order: nouns, colors, numbers, usual wordings."""
    texts = [*ORDERS, *LOOSE_ORDERS, *HELD_OUT_ORDERS, SPARE_IN_ORDER]
    for kind in (*NOUNS, "color", "number"):
        texts += KINDS[kind]
    return content_words(" ".join([*texts, *village_forms()]))


@cache
def question_words() -> set[str]:
    """The content words of all stories, and of the wordings of questions that a model learns."""
    texts = [*SUMMARIES, SPARE]
    for kind, asked in ASKED.items():
        texts += [*asked.wordings, *PLAIN[kind]]
    for pattern in VILLAGE.patterns:
        texts += pattern.pieces
    for phrases in KINDS.values():
        texts += phrases
    return order_words() | content_words(" ".join(texts))


@cache
def learned_words() -> set[str]:
    """The content words of the questions that a model learns, and of those that test it."""
    texts = [*SUMMARIES, SPARE, *village_forms(), *KINDS["color"], *KINDS["number"]]
    for kind, asked in ASKED.items():
        texts += [*asked.wordings, *PLAIN[kind], *HELD_OUT_PLAIN[kind]]
    return content_words(" ".join(texts))


def from_question_word(message: str) -> str:
    """A message without what stands before its question word, if that names nothing of the village.

    "My son asks where the key is" is "where the key is".
    """
    found = QUESTION_WORD.search(message)
    return message[found.start() :] if found and not village_nouns(message[: found.start()]) else message


def unknown_words(message: str) -> list[str]:
    """The words of a message that the village does not know, as they are typed."""
    return words_without(message, question_words())


def words_without(message: str, known: set[str]) -> list[str]:
    """The words of a message with a content word that is not among those known."""
    words = re.findall(r"\w+(?:['’]\w+)?", message)
    return [word for word in dict.fromkeys(words) if content_words(word) - known]


def quoted(words: Iterable[str]) -> str:
    """The first three of some words in quotation marks, without numbers and short forms such as "pls"."""
    shown = [word for word in words if word.lower() not in SHORT_FORMS and not word.isdecimal()]
    return ", ".join(f"“{word}”" for word in shown[:3])


def note_of_unknown_words(message: str) -> str:
    """A sentence with the first words that the village does not know; empty where it knows all."""
    words = quoted(unknown_words(message))
    return f"The village does not know {words}." if words else ""


def with_names(message: str) -> str:
    """The message with the village's names as stories have them: "mara" and "MARA" become "Mara"."""
    names = {name.lower(): name for name in KINDS["name"] if name != "Ivy"}  # they pull ivy off walls, too
    return re.sub(r"[A-Za-z]+", lambda found: names.get(found[0].lower(), found[0]), message)


@cache
def village_forms() -> dict[str, str]:
    """The words of the village by what is typed for them: "Mara" by "mara", "plums" by "plum"."""
    forms = {plural: noun for noun, plural in PLURALS.items()} | {"cherry": "cherries"}
    for role_or_thing in (*KINDS["role"], *KINDS["thing"]):
        forms[f"{role_or_thing}s"] = role_or_thing
        forms[f"{role_or_thing}es"] = role_or_thing
    forms |= {goods.removesuffix("s"): goods for goods in KINDS["goods"]}
    forms |= {f"{name.lower()}s": name for name in KINDS["name"]}  # "maras job"
    for kind in NOUNS:
        for word in KINDS[kind]:
            forms[word.lower()] = word
    return forms


def village_nouns(message: str) -> list[str]:
    """The village's people, things, goods and places in a message, as the village calls them."""
    named = re.sub(r"\b(?<!the )(?<!a )(well|mine)\b", "", message, flags=re.IGNORECASE)  # mostly no places
    forms = village_forms()
    return [forms[word] for word in re.findall(r"\w+", named.lower()) if word in forms]


def things_among(nouns: Iterable[str]) -> list[str]:
    """The things and goods among some nouns, each once."""
    things = (*KINDS["thing"], *KINDS["goods"])
    return [noun for noun in dict.fromkeys(nouns) if noun in things]


def missing(phrases: Iterable[str], story: str) -> list[str]:
    """Return the phrases that a story does not have."""
    return [phrase for phrase in phrases if not re.search(rf"\b{phrase}\b", story, re.IGNORECASE)]
