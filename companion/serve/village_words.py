"""The words of a message: what it is about, and what of it the village knows."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path

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
from companion.village.words import KINDS, NUMBERS

TABLE = tomllib.loads(Path(__file__).with_name("questions.toml").read_text("utf-8"))
"""Lists of words, and patterns of what is asked."""
SHORT_FORMS = TABLE["short"]
"""How people shorten words when they type."""
LIGHT_WORDS = frozenset(TABLE["lists"]["light"].split())
"""Words that say nothing of what a question is about: it is about the others, its content words."""
OFTEN = frozenset({*LIGHT_WORDS, *TABLE["lists"]["often"].split()})
"""Words that are typed often, and so with errors."""


ASKS = r"(?i)\W*((and|so|but|ok) )*(wh\w+|how|is|are|was|were|did|does|do|has|have|can|could|will|would)\b"
"""How a question begins."""
FILLERS = frozenset(TABLE["lists"]["fillers"].split())
FRAMES = frozenset(TABLE["lists"]["frames"].split())
"""Words that are no nouns, and that one may follow."""
BEFORE_VERBS = frozenset(TABLE["lists"]["before_verbs"].split())
PLURALS = {"goose": "geese", "mouse": "mice", "fox": "foxes", "scarf": "scarves"}
ARTICLES = frozenset("a an the my your his her their our some any no one two three this that".split())


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


@cache
def spelled_word(word: str) -> str:
    """A word in small letters as it was meant: "stroy" is "story". A word that the village knows stays."""
    if word in SHORT_FORMS or word in LIGHT_WORDS or not content_words(word) - question_words():
        return SHORT_FORMS.get(word, word)
    turned = [one for one in sorted(OFTEN) if one[0] == word[0] and sorted(one) == sorted(word)]
    near = get_close_matches(word, OFTEN, 1, 0.85) if not word.endswith("s") else []
    near = [one for one in near if len(one) > 3 and one[0] == word[0]]  # "mother" is not "other"
    return (turned or near or [word])[0]


def spelled(message: str) -> str:
    """The message with its typing errors in frequent words mended; words with a capital stay."""
    return re.sub(r"(?<!['’\w])[a-z]+(?!['’\w])", lambda found: spelled_word(found[0]), message)


# -- what the village knows ----------------------------------------------------------------------------------


SPARE = TABLE["lists"]["spare"]
"""Words that are no reason to decline a question, besides those of the stories and of the known wordings."""
SPARE_IN_ORDER = TABLE["lists"]["spare_in_order"]
"""Words that say nothing of what a story should be about."""


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


def unknown_words(message: str) -> list[str]:
    """The words of a message that the village does not know, as they are typed.

    Of an order for a story only two parts count: its kind, as in "a sad story", and the subject, which
    follows the first "about", "for", "from", "of", "with" or "where" in its sentence.
    """
    known = question_words()
    words = re.findall(r"\w+(?:['’]\w+)?", message)
    if orders_a_story(message):
        kind = r"\b(?:an?|another|some)((?: [\w-]+){1,2}) (?:story|stories|tale|fable|yarn)\b"
        kind += r"|\b(?:some|any)thing (\w+)\W*$"
        subject = r"(?:\b(?:about|for|from|of|with|where)\b|:)([^.?!\n]*)"
        parts = re.findall(f"(?i){kind}|{subject}", message)
        known = order_words()
        words = list(nouns_in(" ".join(map(" ".join, parts))))
    return [word for word in dict.fromkeys(words) if content_words(word) - known]


def nouns_in(text: str) -> Iterator[str]:
    """The words of a text that are numbers or nouns: a noun stands before its end or a word of a frame.

    What follows "who", a pronoun or a noun of the village is taken for a verb, and so is what ends in -ing.
    """
    words = re.findall(r"\w+(?:['’]\w+)?|[^\w\s]", text)
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        is_last = not re.match(r"\w", after) or after.lower() in FRAMES or after[0].isupper()
        is_verb = word.islower() and before.lower() in {*BEFORE_VERBS, *village_forms()}
        before_noun = before.lower() in {*ARTICLES, "", "and", "called", "named"}
        is_form = not before_noun and re.search(r"^[a-z]+(ing|ed|ly)$", word)
        is_noun = is_last and not is_verb and not is_form and word.lower() not in FRAMES
        if is_noun or word.isdigit():
            yield f"{before} {word}" if before.lower() in NUMBERS else word


def unknown_subjects(message: str) -> list[str]:
    """The nouns and names of a message that no story could be about: words with an article or a capital."""
    words = re.findall(r"[\w'’]+", message)
    pairs = zip(words, words[1:], strict=False)
    named = [word for before, word in pairs if before.lower() in ARTICLES or word.istitle()]
    return [word for word in named if content_words(word) - order_words() - content_words(SPARE)]


def nearest_order(order: str) -> str:
    """An order for a story about those of an order's people, things and places that the village knows."""
    numbers = rf"\b({'|'.join(NUMBERS)}) (?=.*\b({'|'.join([*KINDS['thing'], *KINDS['role']])})$)"
    subjects = [with_article(re.sub(numbers, "", phrase)) for phrase in ordered_phrases(order)]
    return f"Tell me a story about {' and '.join(subjects)}."


def with_article(phrase: str) -> str:
    """What was ordered as a sentence has it: "a red kite", "the mill", "nine buns"."""
    noun = phrase.split()[-1]
    if noun in KINDS["place"] or (noun in KINDS["name"] and noun != phrase):
        return f"the {phrase}"
    if noun not in (*KINDS["role"], *KINDS["thing"]):
        return phrase
    if phrase.split()[0] in NUMBERS:
        return phrase.removesuffix(noun) + PLURALS.get(noun, f"{noun}s")
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def note_of_unknown_words(message: str, so: str = "", story: str = "") -> str:
    """A sentence with the first three words that the village does not know; empty where it knows all.

    Args:
        message: The message.
        so: What follows from that, for an order.
        story: What was told. Words that it has are left out.
    """
    words = [word for word in unknown_words(message) if word.lower() not in (*SHORT_FORMS, *FRAMES)]
    quoted = [f"“{word}”" for word in missing(words, story)[:3]]
    verb = "I do not know" if so else "The village does not know"
    return f"{verb} {', '.join(quoted)}{so}." if quoted else ""


def with_names(message: str) -> str:
    """The message with the village's names as stories have them: "mara" and "MARA" become "Mara"."""
    names = {name.lower(): name for name in KINDS["name"] if name != "Ivy"}  # they pull ivy off walls, too
    return re.sub(r"[A-Za-z]+", lambda found: names.get(found[0].lower(), found[0]), message)


NOUNS = ("name", "role", "thing", "goods", "place")
"""The kinds of words that a question about a story names."""


@cache
def village_forms() -> dict[str, str]:
    """The words of the village by what is typed for them: "Mara" by "mara", "plums" by "plum"."""
    forms = {"geese": "goose", "mice": "mouse", "scarves": "scarf", "cherry": "cherries"}
    for role_or_thing in (*KINDS["role"], *KINDS["thing"]):
        forms[f"{role_or_thing}s"] = forms[f"{role_or_thing}es"] = role_or_thing
    forms |= {goods.removesuffix("s"): goods for goods in KINDS["goods"]}
    for kind in NOUNS:
        for word in KINDS[kind]:
            forms[word.lower()] = word
    return forms


def village_nouns(message: str) -> list[str]:
    """The village's people, things, goods and places in a message, as the village calls them."""
    named = re.sub(r"\b(?<!the )(?<!a )(well|mine)\b", "", message, flags=re.IGNORECASE)  # mostly no places
    forms = village_forms()
    return [forms[word] for word in re.findall(r"\w+", named.lower()) if word in forms]


def ordered_phrases(order: str) -> list[str]:
    """What an order names: neighboring words of the village, such as "red kite" or "nine buns"."""
    known = {word: word for word in (*KINDS["color"], *KINDS["number"])} | village_forms() | {"one": ""}
    phrases: list[list[str]] = [[]]
    for word in re.findall(r"\w+|[,;.]", order.lower()):
        if known.get(word):
            phrases[-1].append(known[word])
        else:
            phrases.append([])
    nouns = village_forms().values()
    return [" ".join(phrase) for phrase in phrases if phrase and phrase[-1] in nouns]


def missing(phrases: Iterable[str], story: str) -> list[str]:
    """Return the phrases that a story does not have."""
    return [phrase for phrase in phrases if not re.search(rf"\b{phrase}\b", story, re.IGNORECASE)]


def spoken(message: str) -> str:
    """A message in small letters, without marks and fillers, and with "who is" for "who's"."""
    text = message.lower().replace("’", "'")
    text = re.sub(r"\b(who|what|where|how|there|that|when)'?s\b|\b(it)'s\b", r"\1\2 is", text)
    return " ".join(word for word in re.findall(r"\w+", text) if word not in FILLERS)


@cache
def patterns() -> list[tuple[str, re.Pattern]]:
    """The patterns of questions.toml, each with its kind."""
    forms = village_forms()
    countable = {*KINDS["thing"], *KINDS["role"]}
    things = [form for form, noun in forms.items() if noun in countable]
    lists = {"noun": forms, "role": KINDS["role"], "thing": things, "goods": KINDS["goods"]}
    words = TABLE["words"] | {name: f"(?:{'|'.join(of_list)})" for name, of_list in lists.items()}
    found = []
    for kind, lines in TABLE["kinds"].items():
        for line in lines.strip().splitlines():
            text = f"(?:<before> )*(?:{line})(?: <after>)*"
            for name, alternatives in words.items():
                text = text.replace(f"<{name}>", alternatives)
            found.append((kind, re.compile(text)))
    return found


ANYWHERE = ("further", "number", "meaning", "event", "thing", "learned", "why", "doing", "unsaid")
"""The kinds of questions that one may also ask of something else than a story."""


def kind_of_question(message: str) -> tuple[str, str]:
    """The kind of questions.toml that a message is, and the word that it asks about; both may be ""."""
    text = spoken(message)
    for kind, pattern in patterns():
        found = pattern.fullmatch(text)
        if found:
            return kind, found.groupdict().get("word") or ""
    return "", ""


def asks_the_village(message: str) -> bool:
    """Whether a message orders a story or asks about one, and so is for the model.

    "What is the key?" asks about a story, "What is a key?" about the course.
    """
    if re.fullmatch(r"my name is \w+\W*", message.strip().lower()):
        return False
    if kind_of_question(message)[0] not in ("", *ANYWHERE) or is_for_the_village(message):
        return True
    if re.match(r"\W*what('?s| is| are) (an?\b|\w+\W*$)", message.strip().lower()):
        return False
    return bool(village_nouns(message)) and not unknown_words(message)
