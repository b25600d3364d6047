"""The words of a message: what it is about, and what of it the village knows."""

import re
from collections.abc import Iterable
from functools import cache

from companion.village.dialogues import (
    ASKED,
    HELD_OUT_ORDERS,
    LOOSE_ORDERS,
    ORDERS,
    PLAIN,
    SUMMARIES,
    is_for_the_village,
    orders_a_story,
)
from companion.village.machine import VILLAGE
from companion.village.words import KINDS

LIGHT_WORDS = frozenset(
    """
    a about all also am an and any anything are at be been between but by can change could decide did
    difference do does doing each else explain get give go had has have how i if in is it its know like
    many may me mean meant more most much must my need needed no nor not nothing of off on one only or
    other our out please possible required run shall should show so some somebody take tell than that the
    their them then there these they this those to too up us use used want was we were what when where
    which who whom whose why will with without work would you your
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


# -- what the village knows ----------------------------------------------------------------------------------


SPARE = "carries hello hey hi live ok okay own right thanks"
"""Words that are no reason to decline a question, besides those of the stories and of the known wordings."""
SPARE_IN_ORDER = "animal animals else good great new nice people somebody someone something thing village"
"""Words that say nothing of what a story should be about."""


@cache
def order_words() -> set[str]:
    """The content words that the model follows in an order: nouns, colors, numbers, usual wordings."""
    words = [word for kind in (*NOUNS, "color", "number") for word in KINDS[kind]]
    return content_words(" ".join([*words, *ORDERS, *LOOSE_ORDERS, *HELD_OUT_ORDERS, SPARE_IN_ORDER]))


@cache
def question_words() -> set[str]:
    """The content words of all stories, and of the wordings of questions that a model learns."""
    texts = [wording for kind, asked in ASKED.items() for wording in (*asked.wordings, *PLAIN[kind])]
    texts += [piece for pattern in VILLAGE.patterns for piece in pattern.pieces]
    for phrases in KINDS.values():
        texts += phrases
    return order_words() | content_words(" ".join([*texts, *SUMMARIES, SPARE]))


def unknown_words(message: str) -> list[str]:
    """The words of a message that the village does not know, as they are typed.

    Of an order for a story only two parts count: its kind, as in "a sad story", and the subject, which
    follows the first "about", "for", "of", "with" or "where" in its sentence.
    """
    considered, known = message, question_words()
    if orders_a_story(message):
        kind = (
            r"\b(?:an?|another|some)((?: [\w-]+){1,2}) (?:story|stories|tale)\b|\b(?:some|any)thing (\w+)\W*$"
        )
        parts = re.findall(rf"{kind}|\b(?:about|for|of|with|where)\b([^.?!\n]*)", message, re.IGNORECASE)
        considered, known = " ".join(" ".join(part) for part in parts), order_words()
    words = re.findall(r"\w+(?:['’]\w+)?", considered)
    return [word for word in dict.fromkeys(words) if content_words(word) - known]


def nearest_order(order: str) -> str:
    """An order for a story about those of an order's people, things and places that the village knows."""
    subjects = []
    for phrase in ordered_phrases(order):
        *before, noun = phrase.split()
        if noun in KINDS["name"]:
            subjects.append(f"the {phrase}" if before else phrase)
        elif noun in KINDS["place"]:
            subjects.append(f"the {phrase}")
        elif noun in KINDS["goods"]:
            subjects.append(phrase)
        elif noun in (*KINDS["role"], *KINDS["thing"]):
            subjects.append(f"a {phrase}")
    return f"Tell me a story about {' and '.join(subjects)}."


def note_of_unknown_words(message: str, so: str = "") -> str:
    """A sentence with the first three words that the village does not know; empty where it knows all.

    Args:
        message: The message.
        so: What follows from that, for an order.
    """
    quoted = [f"“{word}”" for word in unknown_words(message)[:3]]
    verb = "I cannot tell about" if so else "The village does not know"
    return f"{verb} {', '.join(quoted)}{so}." if quoted else ""


def with_names(message: str) -> str:
    """The message with the village's names as stories have them: "mara" and "MARA" become "Mara"."""
    plants = {"ivy"}  # a name, and what villagers pull off walls
    names = {name.lower(): name for name in KINDS["name"] if name.lower() not in plants}
    return re.sub(r"[A-Za-z]+", lambda found: names.get(found[0].lower(), found[0]), message)


NOUNS = ("name", "role", "thing", "goods", "place")
"""The kinds of words that a question about a story names."""


def village_nouns(message: str) -> list[str]:
    """The village's people, things, goods and places in a message, as they are typed."""
    known = {form.lower() for kind in NOUNS for form in KINDS[kind]}
    named = re.sub(r"\b(?<!the )(?<!a )(well|mine)\b", "", message, flags=re.IGNORECASE)  # mostly no places
    return [word for word in re.findall(r"\w+", named) if word.lower() in known]


def ordered_phrases(order: str) -> list[str]:
    """What an order names: neighboring words of the village, such as "red kite" or "nine buns"."""
    kinds = (*NOUNS, "color", "number")
    known = {form.lower(): form for kind in kinds for form in KINDS[kind]} | {"one": ""}
    phrases: list[list[str]] = [[]]
    for word in re.findall(r"\w+", order.lower()):
        if known.get(word):
            phrases[-1].append(known[word])
        else:
            phrases.append([])
    return [" ".join(phrase) for phrase in phrases if phrase]


def missing(phrases: Iterable[str], story: str) -> list[str]:
    """Return the phrases that a story does not have."""
    return [phrase for phrase in phrases if not re.search(rf"\b{phrase}\b", story, re.IGNORECASE)]


MORE = (
    r"\W*((please|ok|can you|so) )*((tell me |say |explain )?more( about (it|this|that))?|(in )?more details?"
    r"|and then( what)?|then what|(and )?what('?s| is| comes)? next|next|continue|go on"
    r"|keep going)( please)?\W*"
)
"""A wish that an answer, or a story, goes on."""
AGAIN = (
    r"\W*((please|ok|and|now|tell|me|i|want|give|can|you|to|hear|just|yes) )*"
    r"(again|more|another|another one|one more|a new one|next one|next story"
    rf"|stor(y|ies)|something|anything|surprise me)( please)?\W*|{MORE}"
)
"""An order without a word on what the story is about, as it is typed after a first story."""

SUMMARY = (
    r"\W*((and|so|but|ok) )?(how (does|did|will) (it|the story|this) end"
    r"|what (happened|happens)( (next|then|in the (end|story)))?"
    r"|summari[sz]e (it|this|the story)|tell (it|me the story) in one sentence|give me a summary|the end)"
    r"(,? in one sentence)?( please)?\W*"
)


def asks_for_a_summary(message: str) -> bool:
    """Whether a message asks how a story ends."""
    return re.fullmatch(SUMMARY, message.strip().lower()) is not None


CAST = (
    r"\W*((and|so|but|ok) )?(who(?: is|'s| are) (the |its )?(main )?(hero(es|ine)?|characters?|people)"
    r"( (of|in) (it|(the|this) story))?|who(?: is|'s) in (it|(the|this) story)"
    r"|what(?: is|'s) (it|(the|this) story) about)\W*"
)


def asks_for_the_cast(message: str) -> bool:
    """Whether a message asks who or what a story is about."""
    return re.fullmatch(CAST, message.strip().lower()) is not None


TRUTH = (
    r"\W*((and|so|but|ok|well) )?((is|was) (it|everything|(that|this|the|your)( (story|answer))?)"
    r"( all| really)? (true|right|correct|false|wrong)"
    r"|((is|was|are|were) there )?(an?|any|some) (mistake|error|lie|contradiction)s?"
    r"|(what|where)('?s| is| was| are) (wrong|false|the (mistake|error|lie)s?)"
    r"|did you (lie|make an?y? mistakes?))"
    r"( (in|with|about) (it|that|this|there|(the|that|this|your) story))?\W*"
)


def asks_for_the_truth(message: str) -> bool:
    """Whether a message asks if the story, or the last answer, is true."""
    return re.fullmatch(TRUTH, message.strip().lower()) is not None


ASKED_THING = (
    r"\b(?:who (?:has|holds|owns|found|finds|lost|broke|carries)|where(?: is|'s)|whose is|what colou?r is)"
    r" the (\w+)\W*$|\bhow many (\w+) (?:has|does|did)\b"
)
"""A question about one thing, whether the village knows it or not."""


def asked_thing(question: str) -> str:
    """The thing that a question is about, or ""."""
    found = re.search(ASKED_THING, question.lower())
    return (found[1] or found[2]) if found else ""


FORMS = (
    r"\W*((and|so|but|ok|please|hello|hi|hey|thanks|do you know|tell me|can you tell me) )*"
    r"(who|whose|whom|where|in whose|in which|at which|to whom|which|count|how many|the name of"
    r"|what('?s| is) the (name|colou?r)|what (colou?r|number|does|do|has)\b|what('?s| is) .* (called|name)"
    r"|(name|give) .* colou?r|of what|in what|what is .* like|and)\b.*"
)
"""How a question begins that a model of the village learned to answer."""


def has_known_form(question: str) -> bool:
    """Whether a question has a form that a model of the village learned to answer."""
    return re.fullmatch(FORMS, question.strip().lower(), re.DOTALL) is not None


def asks_the_village(message: str) -> bool:
    """Whether a message orders a story or asks about one, and so is for the model.

    "What is the key?" asks about a story, "What is a key?" about the course.
    """
    if re.fullmatch(r"my name is \w+\W*", message.strip().lower()):
        return False
    if re.fullmatch(AGAIN, message.lower()) or is_for_the_village(message):
        return True
    if asks_for_a_summary(message) or asks_for_the_cast(message) or asks_for_the_truth(message):
        return True
    if re.match(r"\W*what('?s| is| are) (an?\b|\w+\W*$)", message.strip().lower()):
        return False
    return bool(village_nouns(message)) and not unknown_words(message)
