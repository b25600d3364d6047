"""Conversations about the village, whose answers the simulator knows: questions, orders and how an ordered
story begins, summaries.

A conversation is a list of messages, as the field writes them: `[{"role": "user", "content": …},
{"role": "assistant", "content": …}]`. A user tells a story and asks about it, in words that are not the
village's; or orders a story and then asks about that. Each answer can be judged exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice, product
from random import Random
from typing import NamedTuple

from companion.village.facts import State
from companion.village.judge import state_of
from companion.village.machine import CAST, VILLAGE, fresh
from companion.village.tasks import checked_kinds, in_company
from companion.village.words import KINDS, NUMBERS, read_table


class Asked(NamedTuple):
    """A kind of question.

    Args:
        about: Kind of word, a key of `KINDS`, of x, which is what is asked about.
        wordings: The wordings of the question.
        answer: The wording of the answer. y is the word in it that answers.
    """

    about: str
    wordings: tuple[str, ...]
    answer: str


_TABLE = read_table("dialogues.toml")

ASKED = {
    kind: Asked(asked["about"], tuple(asked["wordings"]), asked["answer"])
    for kind, asked in _TABLE["asked"].items()
}
"""The kinds of questions. z, where there is one, is whom the x belong to."""

PLAIN = {kind: tuple(asked["plain"]) for kind, asked in _TABLE["asked"].items()}
"""More wordings of each kind of question, as people type them. Chapter 16's lessons have none of them."""
HELD_OUT_PLAIN = {kind: tuple(asked["held_out"]) for kind, asked in _TABLE["asked"].items()}
"""Wordings of each kind of which no model learns, to test it."""

NOBODY = "Nobody said."
"""The answer to a question about what the story does not mention."""
DECLINE = "I only know the village. Ask me for a story, or about one."
"""The answer to a message that is not about the village."""
ORDERS = tuple(_TABLE["orders"]["strict"])
OPENINGS = tuple(_TABLE["orders"]["openings"])
"""How an order in other words begins."""
SUBJECTS = tuple(_TABLE["orders"]["subjects"])
"""What a story is ordered about: some leave out the person or the thing, or both."""


def _mark_of(opening: str) -> str:
    """What ends an order that begins so."""
    return "?" if opening.startswith(("Can", "Could")) else "."


LOOSE_ORDERS = (
    *(opening + subject + _mark_of(opening) for opening, subject in product(OPENINGS, SUBJECTS)),
    *_TABLE["orders"]["short"],
)
"""Orders in other words: each opening with each subject, and short ones. Chapter 16's lessons have none."""
HELD_OUT_ORDERS = tuple(_TABLE["orders"]["held_out"])
"""Orders of which no model learns, to test it."""
SUMMARIES = ("Tell it in one sentence.", "How does it end, in one sentence?")
SUMMARY = "In the end the {r} {A} has the {c} {n} at the {p}."


class Dialogue(NamedTuple):
    """A conversation.

    Args:
        messages: The messages.
        kinds: What each of its questions is: a key of `ASKED`, "nobody", "order", "summary" or "declined".
    """

    messages: list[dict[str, str]]
    kinds: tuple[str, ...]


def talk(*contents: str) -> list[dict[str, str]]:
    """Messages of these texts, the user's and the assistant's in turn."""
    messages = []
    for i, text in enumerate(contents):
        messages.append({"role": "assistant" if i % 2 else "user", "content": text})
    return messages


# -- facts ---------------------------------------------------------------------------------------------------


def facts_of(s: State) -> dict[str, list[tuple[str, str, str]]]:
    """What can be asked in a state: for each kind of `ASKED` its (x, y, z)."""
    held = [(held.noun, held.color, name) for name, held in s.thing.items()]
    lying = [(noun, color, place) for noun, (color, place) in s.lying.items()]
    return {
        "who has": [(noun, name, "") for noun, _, name in held],
        "where is the thing": [(noun, s.place[name], "") for noun, _, name in held]
        + [(noun, place, "") for noun, _, place in lying],
        "where is somebody": [(name, place, "") for name, place in s.place.items()],
        "how many": [(goods, NUMBERS[n - 1], name) for name, (n, goods) in s.goods.items()],
        "who is": [(role, name, "") for name, role in s.role.items()],
        "who broke": [(noun, name, "") for noun, name in s.broken.items()],
        "whose": [(noun, name, "") for noun, name in s.owner.items()],
        "what color": [(noun, color, "") for noun, color, _ in held + lying],
    }


class Beginning(NamedTuple):
    """The beginning of a story, up to the end of a sentence, its facts, and who is in it."""

    text: str
    facts: dict[str, list[tuple[str, str, str]]]
    names: tuple[str, ...]


def _beginnings(story: str) -> Iterator[Beginning]:
    """Each beginning of a story with two people or more in it, where one could ask."""
    for text, state in in_company(story):
        yield Beginning(text, facts_of(state), tuple(state.role))


def _pool(seed: int, stories: int, kinds: Iterable[str]) -> dict[str, list[Beginning]]:
    """For each kind the beginnings about which it can be asked, of that many new stories or more."""
    remaining = fresh(seed)
    n_told = 0
    pool: dict[str, list[Beginning]] = {kind: [] for kind in kinds}
    while n_told < stories or not all(pool.values()):
        for beginning in _beginnings(next(remaining)):
            for kind in pool:
                if beginning.facts[kind]:
                    pool[kind].append(beginning)
        n_told += 1
    return pool


def exchange(beginning: Beginning, kind: str, rng: Random, known: bool) -> tuple[str, str]:
    """A question of this kind about the beginning of a story, and its answer.

    Args:
        beginning: What was told so far.
        kind: A key of `ASKED`.
        rng: Makes every choice.
        known: Whether the story tells the answer. If not, the answer is `NOBODY`.
    """
    about, wordings, answer = ASKED[kind]
    if known:
        x, y, z = rng.choice(beginning.facts[kind])
        return rng.choice(wordings).format(x=x, z=z), answer.format(x=x, y=y, z=z)
    words = set(re.findall(r"\w+", beginning.text))
    x = rng.choice([word for word in KINDS[about] if word not in words])
    return rng.choice(wordings).format(x=x, z=rng.choice(beginning.names)), NOBODY


# -- conversations -------------------------------------------------------------------------------------------


def asked(n: int, seed: int, kinds: Sequence[str] = tuple(ASKED), known: bool = True) -> list[Dialogue]:
    """n conversations of one question, each about the beginning of another new story.

    The same seed gives the same conversations. Stories of the shipped splits are left out.

    Args:
        n: Number of conversations.
        seed: Seed of the stories and of all choices.
        kinds: Keys of `ASKED`. The questions are of these kinds in turn.
        known: Whether the story tells the answer. If not, the story does not mention what is asked about, and
            the answer is `NOBODY`.
    """
    kinds = checked_kinds(kinds, ASKED)
    rng = Random(seed)
    stories = fresh(seed)
    found: list[Dialogue] = []
    for kind in islice(cycle(kinds), n):
        places: list[Beginning] = []
        while not places:
            places = [one for one in _beginnings(next(stories)) if one.facts[kind]]
        one = rng.choice(places)
        question, answer = exchange(one, kind, rng, known)
        found.append(Dialogue(talk(f"{one.text} {question}", answer), (kind if known else "nobody",)))
    return found


def lessons(
    n: int,
    seed: int,
    turns: int = 5,
    unknown: float = 0.2,
    stories: int = 1500,
    kinds: Sequence[str] = tuple(ASKED),
    ask: Callable[..., tuple[str, str]] = exchange,
) -> list[Dialogue]:
    """n conversations of several questions about the beginning of a story, which the first message tells.

    One question of each conversation is of a kind that comes in turn, however rare that kind is in stories.
    The other questions are of other kinds, and rare kinds tend to be chosen first.

    Args:
        n: Number of conversations.
        seed: Seed of the stories and of all choices.
        turns: Largest number of questions in a conversation.
        unknown: The share of questions whose answer is `NOBODY`.
        stories: Least number of new stories that the conversations are about. The same story can come again,
            cut at another place and with other questions.
        kinds: Keys of `ASKED`, the kinds of questions.
        ask: Makes a question and its answer, as `exchange` does.
    """
    kinds = checked_kinds(kinds, ASKED)
    rng = Random(seed)
    pool = _pool(seed, stories, kinds)
    found = []
    for kind in islice(cycle(kinds), n):
        beginning = rng.choice(pool[kind])
        others = [other for other in kinds if beginning.facts[other] and other != kind]
        others.sort(key=lambda other: rng.random() * len(pool[other]))
        chosen = [kind, *others[: turns - 1]]
        rng.shuffle(chosen)
        contents = []
        labels = []
        for one in chosen:
            known = rng.random() >= unknown
            contents += ask(beginning, one, rng, known)
            labels.append(one if known else "nobody")
        contents[0] = f"{beginning.text} {contents[0]}"
        found.append(Dialogue(talk(*contents), tuple(labels)))
    return found


def orders(
    n: int,
    seed: int,
    questions: int = 0,
    forms: Sequence[str] = ORDERS,
    ask: Callable[..., tuple[str, str]] = exchange,
    change: Callable[[str, Random], str] | None = None,
) -> list[Dialogue]:
    """n orders of a story about a person and a thing, each answered by a new story.

    Both the person and the thing are in the beginning of that story.

    Args:
        n: Number of conversations.
        seed: Seed of the stories and of all choices.
        questions: Largest number of questions about the story that are asked after it.
        forms: The wordings of an order.
        ask: Makes a question and its answer, as `exchange` does.
        change: Changes an order, such as to small letters. Called as change(order, rng).
    """
    rng = Random(seed)
    stories = fresh(seed)
    found = []
    while len(found) < n:
        story = next(stories)
        early = State()
        for state, _ in islice(VILLAGE.moments(story), 3, 4):
            early = state.copy()
        if not early.thing:
            continue
        name, role = next(iter(early.role.items()))
        held = rng.choice(list(early.thing.values()))
        order = rng.choice(forms).format(r=role, A=name, c=held.color, n=held.noun, p=early.place[name])
        if change:
            order = change(order, rng)
        contents = [order, story]
        facts = facts_of(state_of(story))
        kinds = [kind for kind in ASKED if facts[kind]]
        kinds = rng.sample(kinds, len(kinds))[:questions]
        for kind in kinds:
            contents += ask(Beginning(story, facts, ()), kind, rng, True)
        found.append(Dialogue(talk(*contents), ("order", *kinds)))
    return found


def summaries(n: int, seed: int) -> list[Dialogue]:
    """n new stories, and how each ends in one sentence: who has a thing, and where."""
    rng = Random(seed)
    stories = fresh(seed)
    found = []
    while len(found) < n:
        story = next(stories)
        state = state_of(story)
        if state.thing:
            summary = summary_of(state, rng.choice(list(state.thing)))
            found.append(Dialogue(talk(f"{story} {rng.choice(SUMMARIES)}", summary), ("summary",)))
    return found


def summary_of(state: State, name: str) -> str:
    """What a story comes to for somebody who has a thing at its end."""
    color, noun = state.thing[name]
    return SUMMARY.format(r=state.role[name], A=name, c=color, n=noun, p=state.place[name])


def course(n: int, seed: int, stories: int = 1500) -> list[Dialogue]:
    """n conversations to learn from.

    Seven in ten are lessons, two are orders with two questions each, and one is a summary.

    Args:
        n: Number of conversations.
        seed: Seed of the stories and of all choices.
        stories: Number of new stories, as for `lessons`.
    """
    tenth = n // 10
    mixed = lessons(n - 3 * tenth, seed, stories=stories)
    mixed += orders(2 * tenth, seed + 1, questions=2) + summaries(tenth, seed + 2)
    Random(seed).shuffle(mixed)
    return mixed


# -- beginning a story ---------------------------------------------------------------------------------------


BEGINNINGS: dict[str, list[str]] = _TABLE["beginnings"]
"""Sentences of the village in which a person comes into a story, by what happens."""


def beginning_with(phrases: Iterable[str], rng: Random) -> str:
    """The first sentences of a story, as the village tells them, with what some phrases name.

    Each person has one thing, or some goods, at most. What the phrases leave open is drawn.

    Args:
        phrases: Such as "fox Bram", "red kite", "nine buns", "mill" and "Tom".
        rng: Makes every choice.
    """
    free = {kind: rng.sample(KINDS[kind], len(KINDS[kind])) for kind in ("name", "role", "color", "several")}
    place = rng.choice(KINDS["place"])
    people: list[tuple[str | None, str | None]] = []
    things = {}
    goods = {}
    for phrase in phrases:
        found = {kind: word for word in phrase.split() for kind in KINDS if word in KINDS[kind]}
        place = found.get("place", place)
        if "name" in found or "role" in found:
            people.append((found.get("role"), found.get("name")))
        if "thing" in found:
            things[found["thing"]] = found.get("color") or free["color"].pop()
        if "goods" in found:
            goods[found["goods"]] = found.get("several") or free["several"].pop()
    carried: list[tuple[str, str]] = []
    for noun, color in things.items():
        carried.append(("brings" if carried else "finds", f"{color} {noun}"))
    if not carried:
        carried.append(("opens", ""))
    for noun, number in goods.items():
        carried.append(("goods", f"{number} {noun}"))
    while len(people) < max(2, len(carried)):
        if goods:
            people.insert(0, (None, None))
        else:
            people.append((None, None))
    while len(carried) < len(people):
        carried.append(("meets", ""))
    taken = {word for person in people for word in person if word}
    sentences: list[str] = []
    first = ""
    for (role, name), (event, what) in zip(people, carried, strict=True):
        role = role or next(word for word in free["role"] if word not in taken)
        name = name or next(word for word in free["name"] if word not in taken)
        taken |= {role, name}
        first = first or name
        form = BEGINNINGS[event][len(sentences) % len(BEGINNINGS[event])]
        sentences.append(form.format(r=role, A=name, B=first, p=place, what=what))
    return " ".join(sentences[:CAST])


# -- judging what was answered -------------------------------------------------------------------------------


def has_both(order: str, story: str) -> bool:
    """Whether a story has what one of `ORDERS` named: the person with the role, the thing with its color."""
    parts = next(found for found in (_parts(form, order) for form in ORDERS) if found)
    return f"{parts['r']} {parts['A']}" in story and f"{parts['c']} {parts['n']}" in story


def answered(text: str) -> tuple[str, dict[str, str]] | None:
    """The kind of `ASKED` that a text answers, and the words in its slots; None for another text."""
    for kind, asked in ASKED.items():
        words = _parts(asked.answer, text.strip())
        if words:
            return kind, words
    return None


def holds(answer: str, story: str) -> bool | None:
    """Whether an answer of one of the forms of `ASKED` is true at the end of what was told.

    None for an answer of another form.
    """
    found = answered(answer)
    if found is None:
        return None
    kind, words = found
    return (words["x"], words["y"], words.get("z", "")) in facts_of(state_of(story))[kind]


def is_true(summary: str, story: str) -> bool:
    """Whether a summary is of the form of `SUMMARY`, and true at the end of the story."""
    state = state_of(story)
    return summary.strip() in [summary_of(state, name) for name in state.thing]


def _parts(form: str, text: str) -> dict[str, str] | None:
    """The words in the slots of a form, if a text has this form; else None."""
    pattern = re.sub(r"\\\{(\w)\\\}", r"(?P<\1>\\w+)", re.escape(form))
    found = re.fullmatch(pattern, text)
    return found.groupdict() if found else None
