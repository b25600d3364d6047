"""Questions about a story that need several steps, with the steps, and a judge of anybody's steps.

The village's own sentences say too much: "Tom ate two of the plums. That left three." answers by itself how
many plums Tom has. Here the village tells as always, with its own rules, but what a sentence gives away is
left out: "Tom ate two of the plums." A reader has to keep count, and has to follow who has the key when "Mara
gave Tom a present." The simulator knows every state of the story, and so each step. `companion.village.steps`
judges the steps of anybody else.

A step is one fact in one short sentence. Its wording is fixed:

- "Tom has five." is where a count begins; "Tom lost two: three." and "Tom got four: nine." change it.
- "Together twelve." adds the next count, in the order of the question.
- "Mara has the key." and "Tom is at the mill." are the facts of hand-overs and of walks.

A question needs the fact that answers it, and whatever that fact follows from: a count from the count before,
a holder from the holder before, and a place from the place of the person who was followed there.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, cycle, islice, product
from random import Random
from typing import Any, NamedTuple

from companion.village.facts import State
from companion.village.machine import Pattern, Village, draw
from companion.village.rules import holding
from companion.village.tasks import checked_kinds
from companion.village.words import KINDS, NUMBERS, PATTERNS, lines, read_table

QUESTION_KINDS = ("count", "holder", "place")
"""How many somebody has, or several people together; who has a thing; where a thing or somebody is."""

THINK, END_THINK = "<think>", "</think>"
MOST_STEPS = 6

TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ONES = ("", *(f"-{word}" for word in NUMBERS[:9]))
NUMBER_WORDS = (*NUMBERS[:19], *(ten + one for ten in TENS for one in ONES))
"""The words for 1 to 99. The village itself says those to twenty."""

# -- telling ------------------------------------------------------------------------------------------------

_SLOT = re.compile(r"\{(\w)[^}]*\}")
_TABLES = read_table("reasoning.toml")
_TOLD_FOR = {
    "count": ("scenes", "counts"),
    "holder": ("scenes", "people", "hand_overs"),
    "place": ("scenes", "people", "hand_overs", "walks"),
}
_ENDLESS = 10**6  # words; a story ends after a number of sentences here
_FOLLOWING = {"follows", "comes"}  # effects by which somebody goes where somebody else is


class Teller(NamedTuple):
    """A village with few sentences, and the wording of those of which something is left out."""

    village: Village
    wordings: dict[str, str]  # pattern's text -> wording


@cache
def teller(kind: str, large: bool = False) -> Teller:
    """The village that tells the stories for questions of a kind.

    Args:
        kind: One of `QUESTION_KINDS`.
        large: Whether people get from eleven to fifteen pieces at once, where the village has four to nine.
    """
    sentences = {_SLOT.sub(r"{\1}", sentence.text): sentence for sentence in PATTERNS}
    table, wordings = [], {}
    for name in _TOLD_FOR[kind]:
        for line in lines(_TABLES[name]):
            weight, _, rest = line.partition(": ")
            full, _, short = rest.partition(" => ")
            sentence = sentences[full]
            table.append(sentence._replace(weight=int(weight)))
            wordings[sentence.text] = short or full
    kinds = KINDS | {"several": NUMBERS[10:15]} if large else KINDS
    return Teller(Village(kinds, table, _ENDLESS, _ENDLESS), wordings)


@dataclass(frozen=True)
class Fact:
    """Something that becomes true in a story.

    Attributes:
        time: The number of the sentence that makes it true. A sum becomes true after the last sentence.
        about: What the fact is about: ("count", "Tom"), ("holder", "key"), ("place", "Tom") or ("sum", "").
        value: The count or sum, the name of the holder, or the place.
        change: By how much a count has changed; 0 for other facts.
        premises: The facts that it follows from. What the sentence itself says is no premise.
    """

    time: int
    about: tuple[str, str]
    value: Any
    change: int = 0
    premises: tuple[Fact, ...] = ()

    @property
    def text(self) -> str:
        """The fact in the wording of a step."""
        kind, who = self.about
        if kind == "holder":
            return f"{self.value} has the {who}."
        if kind == "place":
            return f"{who} is at the {self.value}."
        value = NUMBER_WORDS[self.value - 1]
        if kind == "sum":
            return f"Together {value}."
        if not self.premises:
            return f"{who} has {value}."
        return f"{who} {'got' if self.change > 0 else 'lost'} {NUMBER_WORDS[abs(self.change) - 1]}: {value}."


def _tell(telling: Teller, rng: Random, n: int) -> tuple[list[str], list[str], list[Fact], State]:
    """A story of n sentences: as told, in the village's full words, its facts, and its last state."""
    village, state = telling.village, State()
    story, full, facts, latest = [], [], [], {}
    for time in range(n):
        total, menu, options = village.menu(state)
        pattern, _ = draw(rng, total, menu)
        said, words = {}, []
        for slot in pattern.slots:
            words.append(rng.choice(village.allowed(state, slot, said, options)))
            said.setdefault(slot.letter, words[-1])
        full.append(pattern.fill(words))
        story.append(telling.wordings[pattern.text].format_map(said))
        before = state.copy()
        village.advance(state, pattern, said, full[-1])
        for fact in _new_facts(before, state, pattern, said, time, latest):
            latest[fact.about] = fact
            facts.append(fact)
    return story, full, facts, state


def _new_facts(
    before: State, after: State, pattern: Pattern, said: dict[str, str], time: int, latest: dict
) -> list[Fact]:
    """What a sentence makes true; latest: the last fact about everything so far."""
    facts = []
    for name, (count, _) in after.goods.items():
        old = before.goods.get(name, (0, ""))[0]
        if count != old:
            premises = (latest["count", name],) if old else ()
            facts.append(Fact(time, ("count", name), count, count - old, premises))
    for name, thing in after.thing.items():
        old = holding(before, thing.noun)
        if name != old:
            premises = (latest["holder", thing.noun],) if old else ()
            facts.append(Fact(time, ("holder", thing.noun), name, premises=premises))
    for name, place in after.place.items():
        if place != before.place.get(name):
            premises = ()
            if not _FOLLOWING.isdisjoint(pattern.effects):
                other = said["B"] if name == said["A"] else said["A"]
                premises = (latest["place", other],)
            facts.append(Fact(time, ("place", name), place, premises=premises))
    return facts


# -- asking -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StepQuestion:
    """A question about a story, with all that is true in the story.

    Attributes:
        kind: One of `QUESTION_KINDS`.
        story: The story as it is told.
        question: The question.
        answer: The word that answers.
        steps: The facts that the answer needs, in order.
        facts: All facts of the story, in order, and the sums that are asked for.
        full: The same story in the village's full sentences, with what `story` leaves out.
    """

    kind: str
    story: str
    question: str
    answer: str
    steps: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    full: str

    @property
    def prompt(self) -> str:
        """The story, and the question on a line of its own. A trace or an answer comes next."""
        return f"{self.story}\n{self.question}"


def step_questions(
    n: int,
    seed: int,
    kinds: Iterable[str] = QUESTION_KINDS,
    steps: Iterable[int] = range(1, MOST_STEPS + 1),
    sentences: int = 12,
    large: bool = False,
) -> list[StepQuestion]:
    """n questions, each about another new story.

    The same seed gives the same questions.

    Args:
        n: Number of questions.
        seed: Seed of all choices.
        kinds: Kinds from `QUESTION_KINDS`.
        steps: Numbers of steps, from 1 to 6. All pairs of a kind and a number come in turn.
        sentences: Number of sentences of each story, so that stories with few steps are as long as others.
        large: Ask only for sums over twenty. These are counts with three steps or more.

    Raises:
        ValueError: If a kind or a number of steps is none of these, or there are fewer than 8 sentences, or
            large is asked of other kinds.
    """
    kinds, steps = checked_kinds(kinds, QUESTION_KINDS), list(steps)
    least = 3 if large else 1
    if not steps or min(steps) < least or max(steps) > MOST_STEPS:
        raise ValueError(f"steps={steps} must be from {least} to {MOST_STEPS}{' for large sums' * large}")
    if sentences < 8:
        raise ValueError(f"sentences={sentences} must be at least 8, to have room for six steps")
    if large and kinds != ["count"]:
        raise ValueError(f'large=True is for counts; give kinds=["count"], not {kinds}')
    rng, asked = Random(seed), []
    waiting: dict[tuple[str, int], deque[StepQuestion]] = {cell: deque() for cell in product(kinds, steps)}
    for kind, k in islice(cycle(waiting), n):
        while not waiting[kind, k]:
            found = _questions_of(kind, rng, sentences, large)
            usable = [question for question in found if len(question.steps) in steps]
            wanted = [question for question in usable if len(question.steps) == k]
            if usable:
                chosen = rng.choice(wanted or usable)  # one question a story; others wait for their turn
                waiting[kind, len(chosen.steps)].append(chosen)
        asked.append(waiting[kind, k].popleft())
    return asked


def _questions_of(kind: str, rng: Random, sentences: int, large: bool) -> list[StepQuestion]:
    """The questions of a kind that can be asked about a new story."""
    story, full, facts, state = _tell(teller(kind, large), rng, sentences)
    if len(state.role) < 3:
        return []  # too few people for a choice
    questions = []
    for question, answer, goals, sums in _asked(kind, state, facts, sentences):
        if kind != "count" or large == (goals[0].value > 20):
            told = " ".join(story), question, answer
            questions.append(StepQuestion(kind, *told, _closure(goals), (*facts, *sums), " ".join(full)))
    return questions


def _asked(kind: str, state: State, facts: list[Fact], time: int) -> Iterator[tuple]:
    """All questions of a kind: the question, its answer, the facts that give the answer, and the sums."""
    latest = {fact.about: fact for fact in facts}
    if kind == "count":
        for size in (1, 2, 3):
            for names in combinations(state.goods, size):
                counts = [latest["count", name] for name in names]
                sums = _sums(counts, time)
                total = (sums or counts)[-1]
                if not _shared(facts, names):
                    goods = _and(dict.fromkeys(state.goods[name][1] for name in names))
                    who = f"does {names[0]} have now" if size == 1 else f"do {_and(names)} have together"
                    yield f"How many {goods} {who}?", NUMBER_WORDS[total.value - 1], [total], sums
        return
    places = set(state.place.values())
    for name, thing in state.thing.items():
        holder = latest["holder", thing.noun]
        if kind == "holder":
            yield f"Who has the {thing.noun} now?", name, [holder], ()
        elif len(places) > 1:
            yield f"Where is the {thing.noun} now?", state.place[name], [holder, latest["place", name]], ()
    if kind == "place" and len(places) > 1:
        for name, place in state.place.items():
            yield f"Where is {name} now?", place, [latest["place", name]], ()


def _sums(counts: list[Fact], time: int) -> tuple[Fact, ...]:
    """The sums of the first two counts, of the first three, and so on."""
    sums: list[Fact] = []
    for i in range(1, len(counts)):
        so_far = sums[-1] if sums else counts[0]
        value = so_far.value + counts[i].value
        sums.append(Fact(time, ("sum", ""), value, premises=(so_far, counts[i])))
    return tuple(sums)


def _shared(facts: list[Fact], names: tuple[str, ...]) -> bool:
    """Whether one of these people gave something to another of them, which a sum need not count."""
    times = [fact.time for fact in facts if fact.about in {("count", name) for name in names}]
    return len(times) > len(set(times))


def _closure(goals: Iterable[Fact]) -> tuple[Fact, ...]:
    """The facts, and all that they follow from, in the order in which they become true."""
    needed: dict[Fact, None] = {}
    for fact in goals:
        needed |= dict.fromkeys((*_closure(fact.premises), fact))
    return tuple(sorted(needed, key=lambda fact: fact.time))


def _and(words: Iterable[str]) -> str:
    """The words as a list in English: "plums, figs and nuts"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def trace(question: StepQuestion, think: bool = True) -> str:
    """What follows the prompt: the simulator's steps between <think> and </think>, and the answer.

    Args:
        question: The question.
        think: False to give the answer alone.
    """
    thought = " ".join(fact.text for fact in question.steps)
    return (f"{THINK} {thought}{END_THINK}" if think else "") + f" {question.answer}."
