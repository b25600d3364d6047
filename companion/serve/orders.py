"""Orders for a story: which order the model gets, how a story is judged, and what is said below it."""

import math
import re

from companion.serve.kinds import SAID
from companion.serve.story_facts import items_of
from companion.serve.village_words import (
    NOUNS,
    PLURALS,
    WORDS,
    missing,
    order_words,
    quoted,
    spelled,
    unknown_words,
    village_forms,
    village_nouns,
    words_without,
)
from companion.show.judged_text import is_story
from companion.village import judge
from companion.village.judge import state_of
from companion.village.words import ANIMALS, KINDS, NUMBERS

BARE_ORDER = "Tell me a story."
NOT_EVENTS = "I cannot follow what should happen in a story."
NOT_END = "I cannot choose how a story ends."
NOT_LENGTH = "I cannot choose the length of a story."
EVENTS = re.compile(
    r"(?i)\b(who|that|which|where|when|because|until) "
    r"(?!(\w+ )?(has|have|lives?|lived|is|are|was|you|i)\b)"
    r"|\b(nobody|no one|everybody|everyone|all of them) (is|are)\b"
    rf"|\b({WORDS['lists']['events'].replace(' ', '|')})\b"
)
"""What says in an order what should happen."""
EVENT_VERB = re.compile(rf"(?i)\b((who|that|which) \w+|{WORDS['lists']['events'].replace(' ', '|')})\b")
"""The verbs of such an order."""
ENDS = re.compile(
    r"(?i)\b(happy|sad|good|bad|funny|nice) end(s|ing)?\b|\b(ends|ending) (well|badly|with|in)\b"
)
"""What asks for an end of some kind."""
LENGTH = re.compile(r"(?i)\b((very|really|super) short|short one|long\w*|sentences?|lines|words|pages?)\b")
"""What asks for a story of some length."""
ONLY_ANIMALS = re.compile(
    r"(?i)\b(only|just) (with )?animals\b|\b(no|without( any)?) (people|persons?|humans?)\b"
)
"""What orders a story without people."""
PERSON = re.compile(r"(?i)\b(boys?|girls?|man|men|woman|women|lady|child|children|kids?|grandma|grandpa)\b")
"""Words for people that the village does not have."""
BEGUN = "A program wrote the first sentences, because the model alone left out what you ordered."
KEEPS = re.compile(r"(?i)(?!.*\ba story\b).*\b(but|instead|without|same|now with)\b")
"""How a message changes the last order."""
NUMBER_OF_PEOPLE = re.compile(
    rf"\b({'|'.join(NUMBERS)}) (people|persons|humans|friends|animals|characters)\b"
)
COLOR_AND_NOUN = re.compile(rf"(?i)\b({'|'.join(KINDS['color'])}) (\w+)")
COLOR_ALONE = re.compile(rf"(?i)\b(?:some|any)thing ({'|'.join(KINDS['color'])})\b")
"""A color in an order without its thing."""
OF_NOUN = "|".join([*KINDS["color"], *KINDS["number"], *KINDS["role"]])
SAME = re.compile(rf"(?i)\b(?:the )?same ((?:(?:{OF_NOUN}) )?(?:{'|'.join(village_forms())}))\b")
"""What an order keeps of the last one: "the same red kite"."""
WITHOUT = re.compile(
    r"(?i)\b(?:not|no|without|instead of)(?: (?:with|about|the|an?|any|baker(?= mara)))* (\w+)"
)
"""What a story is ordered without. "baker" was put before "mara" by `normalized_order`."""
MARA = re.compile(rf"(?i)(?<!\w)(?<!-)(?:({'|'.join(KINDS['role'])}) )?mara\b")
"""Mara with her role, or without. The Mara of all examples is a baker."""

NAMES = "|".join(KINDS["name"])
ROLES = "|".join(KINDS["role"])
NAME_AND_ROLE = re.compile(rf"(?i)\b((?:{ROLES}) )?({NAMES}),? the ({ROLES})\b")
"""A name before its role, as in "Otto the badger", and not "the baker Mara, the fox Bram"."""
NAMED = re.compile(rf"(?i)\b({ROLES}) (?:named|called|whose name is|with the name) ({NAMES})\b")
"""A role and its name, as in "a cat named Tom"."""
OPENS_SUBJECT = re.compile(
    r"(?i)(?:\b(?:about|involving|for|from|of|with|where|which|there (?:was|were|lived))\b"
    r"|\b(?:in|at|near)(?= the| an?\b)|:|\bstory[.,;-])([^.?!\n]*)"
)
"""What follows may have words that the note below a story names as unknown."""
STORY_KIND = re.compile(
    r"(?i)\b(?:an?|another|some)((?: [\w-]+){1,2}) (?:story|stories|tale|fable|yarn)\b"
    r"|\btell (?:me )?(\w+) stories\b|\b(?:some|any)thing (\w+)\W*$|(?:,|\ban?|\bvery|\breally)\s+(\w+) one\b"
)
"""The kind of story that is ordered, as in "a sad story", "something sad" and "a sad one"."""


def normalized_order(text: str) -> str:
    """The message with numbers as words, typing errors mended, roles before names, and Mara as a baker.

    Something blue is a blue kite.
    """
    text = NAME_AND_ROLE.sub(lambda found: found[0] if found[1] else f"the {found[3]} {found[2]}", text)
    text = NAMED.sub(r"\1 \2", text)
    text = COLOR_ALONE.sub(r"a \1 kite", text)
    text = re.sub(r"\b([1-9]|1\d|20)\b", lambda found: NUMBERS[int(found[0]) - 1], spelled(text))
    return MARA.sub(lambda found: found[0] if found[1] else f"baker {found[0]}", text)


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


def unknown_in_order(order: str) -> list[str]:
    """The words of an order that the model cannot follow: of its kind, as in "a sad story", and subject.

    A color stays with its word: "blue kettle".
    """
    order = LENGTH.sub("", ENDS.sub("", order))
    kinds = [word for words in STORY_KIND.findall(order) for word in words]
    subjects = " ".join([*kinds, *OPENS_SUBJECT.findall(order)])
    colored = {noun: f"{color} {noun}" for color, noun in COLOR_AND_NOUN.findall(order)}
    return [colored.get(word, word) for word in words_without(EVENT_VERB.sub("", subjects), order_words())]


def wanted_phrases(order: str) -> list[str]:
    """What an order names and does not exclude; two animals, if it excludes people and names none."""
    phrases = ordered_phrases(WITHOUT.sub("", order))
    return phrases or (["goat", "goose"] if ONLY_ANIMALS.search(order) else [])


def as_order(order: str) -> str:
    """The order that the model gets: for a story about what an order names of the village, or for any."""
    # a story has one of each thing and few people: only goods keep their number
    numbers = rf"\b({'|'.join(NUMBERS)}) (?=.*\b({'|'.join([*KINDS['thing'], *KINDS['role']])})$)"
    phrases = wanted_phrases(order)
    subjects = [with_article(re.sub(numbers, "", phrase)) for phrase in phrases]
    return f"Tell me a story about {' and '.join(subjects)}." if subjects else BARE_ORDER


def with_kept(text: str, last_order: str) -> str:
    """An order such as "another one but with a dog", with what it keeps of the last order."""
    if not KEEPS.match(text):
        return text
    same = {village_forms()[phrase.split()[-1].lower()] for phrase in SAME.findall(text)}
    if same:
        kept = [phrase for phrase in ordered_phrases(last_order) if same & set(phrase.split())]
        return " and ".join([SAME.sub("", text), *map(with_article, kept)]) if kept else text
    kinds = kinds_in(" ".join(ordered_phrases(text)))
    dropped = village_nouns(" ".join(WITHOUT.findall(text)))
    kept = [phrase for phrase in ordered_phrases(last_order) if not {*dropped} & {*phrase.split()}]
    if not dropped:
        kept = [phrase for phrase in kept if kinds_in(phrase).isdisjoint(kinds)]
    return " and ".join([text, *map(with_article, kept)])


def kinds_in(phrase: str) -> set[str]:
    """The kinds of words of a phrase: roles and names are of one kind, and so are things and goods."""
    alike = {"name": "role", "goods": "thing"}
    return {alike.get(kind, kind) for kind in NOUNS for word in phrase.split() if word in KINDS[kind]}


def faults_of(story: str, order: str) -> tuple[float, float]:
    """How much of an order a story lacks, and how many sentences are false, broken or told twice.

    What it lacks counts twice where it lacks the noun, too: "a blue kite", and there is no kite at all.
    A story that begins in mid-sentence, or has a word that the village does not have, is the worst.
    """
    verdicts = judge(story)
    if not is_story(story) or not story[:1].isupper() or unknown_words(story):
        return math.inf, math.inf
    n_twice = len(verdicts) - len({one.sentence for one in verdicts})
    absent = absent_from(story, order)
    absent_nouns = missing([phrase.split()[-1] for phrase in absent], story)
    n_absent = len(absent) + len(absent_nouns) + len(unwanted_in(story, order))
    return n_absent, n_twice + sum(one.kind != "ok" for one in verdicts)


def absent_from(story: str, order: str) -> list[str]:
    """What an order names and a story does not have, with a number of people.

    "A person" is absent where an order has such a word, and its name is an animal's.
    """
    true = " ".join(one.sentence for one in judge(story) if one.kind != "contradiction")
    absent = missing(wanted_phrases(order), true)
    roles = list(state_of(story).role.values())
    named = [role for name, role in state_of(story).role.items() if name in village_nouns(order)]
    if PERSON.search(order) and set(named) & {*ANIMALS}:
        absent.append("a person")
    number = NUMBER_OF_PEOPLE.search(order.lower())
    if number and number[2] == "animals":
        roles = [role for role in roles if role in ANIMALS]
    elif number and number[2] in ("people", "persons", "humans"):
        roles = [role for role in roles if role not in ANIMALS]
    if number and NUMBERS.index(number[1]) + 1 != len(roles):
        absent.append(number[0])
    return absent


def unwanted_in(story: str, order: str) -> list[str]:
    """What a story has although it was ordered without."""
    nouns = {*village_nouns(" ".join(WITHOUT.findall(order)))}
    if ONLY_ANIMALS.search(order):
        nouns.update(set(KINDS["role"]) - set(ANIMALS))
    if re.search(r"(?i)\b(no|without( any)?) animals\b", order):
        nouns.update(ANIMALS)
    return [item for item in items_of(story) if nouns.intersection(item.split())]


def note_on_absent(order: str, story: str) -> str:
    """What an order named and the story does not have: "You ordered nine buns; the story has none."."""
    absent = absent_from(story, order)
    if not absent:
        return ""
    nouns = [phrase.split()[-1] for phrase in absent]
    there = [one for one in items_of(story) if not set(nouns).isdisjoint(one.split())]
    instead = "that is not in the story"
    if there or set(nouns) <= {*KINDS["thing"], *KINDS["goods"]}:
        instead = f"the story has {' and '.join(there) or 'none'}"
    colors = set(" ".join(absent).split()) & {*KINDS["color"]}
    if colors and set(nouns) <= {*KINDS["goods"]}:
        instead += f". In my stories, {nouns[0]} have no color, and there are always several"
    return f"You ordered {' and '.join(map(with_article, absent))}; {instead}."


def note_on_order(order: str, story: str, begun: str = "") -> str:
    """What to say below a story: what of the order it leaves out, and what a program wrote.

    Args:
        order: The order, normalized.
        story: What was told.
        begun: The sentences of a program with which the story begins.
    """
    unknown = quoted(missing(unknown_in_order(WITHOUT.sub("", order)), story))
    unwanted = unwanted_in(story, order)
    notes = [
        BEGUN if begun else "",
        f"I do not know {unknown}, so the story leaves that out." if unknown else "",
        SAID["subjects"] if unknown and not wanted_phrases(order) else "",
        NOT_EVENTS if EVENTS.search(order) else "",
        NOT_LENGTH if LENGTH.search(order) else "",
        NOT_END if ENDS.search(order) and not ("happy" in order and "happily" in story) else "",
        f"You ordered a story without that; it has {' and '.join(unwanted)}." if unwanted else "",
        note_on_absent(order, story),
    ]
    return " ".join(note for note in notes if note)
