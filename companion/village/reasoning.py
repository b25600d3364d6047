"""Questions about counts that need several steps, with the steps.

A story tells who has how many, and what happens to them:

    Otto has five plums. Mara has three plums.
    Mara gave Otto two. Otto ate one.
    How many plums does Otto have now?

No sentence says what Otto has at the end: a reader has to keep count. The ledger here knows every count at
every moment, and so each step of the way. `companion.village.steps` judges the steps of anybody else.

A step is one fact in one short sentence. Its wording is fixed: "Otto has five." is where a count begins,
"Otto got two: seven." and "Otto lost one: six." change it, and "Together twelve." adds two counts.

A second kind of question follows a thing from person to person:

    Otto has the key. Mara has the cup.
    Otto gave Nell what he had. Mara gave Tom what she had. Nell gave Otto what she had.
    Where is the key now?

Its steps are the hand-overs of this thing, "Otto gave it to Nell." and "Nell gave it to Otto."
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import ClassVar

from companion.village.words import KINDS, NUMBER_WORDS, SHE, number, number_word

THINK = "<think>"
END_THINK = "</think>"
TOOL = "<tool>"
END_TOOL = "</tool>"
MARKS = (THINK, END_THINK, TOOL, END_TOOL)
"""Special tokens: around the steps, and around what is written to and by a tool."""

NAMES = tuple(KINDS["name"][:12])
"""The first twelve names of the village: all that these stories have."""
GOODS = ("plums", "pears", "nuts", "buns")
PEOPLE = 3
THINGS = ("key", "cup", "drum", "bell", "book", "kite")
HOLDERS = 8  # people of a story in which things are handed over
HELD = 3  # its things
LARGEST_COUNT = 20
LARGEST_CHANGE = 5
MOST_STEPS = 9
FORMS = (
    "write “Otto has five plums.”, “Otto found two.”, “Otto ate one.” or “Otto gave Mara two.”, and then"
    " “How many plums does Otto have now?” or “How many plums do Otto and Mara have together?”; instead of"
    f" plums also {', '.join(GOODS[1:])}"
)
"""The sentences and the questions that can be read."""
COUNTING_RULES = (
    f"Of {', '.join(NAMES)}, each begins once with the same of {', '.join(GOODS)};"
    f" every count stays from one to {number_word(LARGEST_COUNT)}, as a word"
)
"""What a story keeps to."""
_NAME = f"({'|'.join(NAMES)})"
_GOODS = f"({'|'.join(GOODS)})"
_NUMBER = "|".join(NUMBER_WORDS[:LARGEST_COUNT])
_BEGIN = re.compile(f"{_NAME} has ({_NUMBER}) {_GOODS}[.]")
_EVENT = re.compile(r"(?P<a>\w+) (?:(?P<verb>found|ate)|gave (?P<b>\w+)) (?P<n>" + _NUMBER + ")[.]")
_ASKED = re.compile(
    f"How many {_GOODS} (?:does {_NAME} have(?: now)?|do {_NAME} and {_NAME} have together)[?]"
)


@dataclass(frozen=True)
class Fact:
    """Something that becomes true in a story.

    Attributes:
        time: The number of the sentence that makes it true. A sum becomes true after the last sentence.
        about: Whose count it is, or "" for a sum.
        value: The count or the sum.
        change: By how much the count has changed; 0 where it begins, and for sums.
        premises: The facts that it follows from, besides what the sentence itself says.
    """

    time: int
    about: str
    value: int
    change: int = 0
    premises: tuple[Fact, ...] = ()

    @property
    def text(self) -> str:
        """The fact in the wording of a step."""
        value = number_word(self.value)
        if not self.about:
            return f"Together {value}."
        if not self.change:
            return f"{self.about} has {value}."
        verb = "got" if self.change > 0 else "lost"
        return f"{self.about} {verb} {number_word(abs(self.change))}: {value}."


@dataclass(frozen=True)
class HandOver:
    """A hand-over of the thing that a question asks for.

    Attributes:
        time: The number of the sentence that tells it.
        giver: Who had the thing before.
        receiver: Who has it from then on.
        premises: The hand-over of this thing before, if there is one.
        about: What a step calls the thing: "it".
    """

    time: int
    giver: str
    receiver: str
    premises: tuple[HandOver, ...] = ()
    about: ClassVar[str] = "it"

    @property
    def text(self) -> str:
        """The hand-over in the wording of a step."""
        return f"{self.giver} gave it to {self.receiver}."


@dataclass(frozen=True)
class StepQuestion:
    """A question about a story, with all that is true in the story.

    Attributes:
        story: The story.
        question: The question.
        answer: What answers: a number word, or "with" and a name.
        steps: The facts that the answer needs, in order.
        facts: All facts of the story, in order, and the sum if one is asked for.
    """

    story: str
    question: str
    answer: str
    steps: tuple[Fact | HandOver, ...]
    facts: tuple[Fact | HandOver, ...]

    @property
    def prompt(self) -> str:
        """The story, and the question on a line of its own. The steps or the answer come next."""
        return f"{self.story}\n{self.question}"


class Ledger:
    """A story as it is told, and the counts as they change.

    Attributes:
        sentences: The sentences so far.
        facts: The facts so far, in order.
        latest: For each name, the last fact about this count.
    """

    def __init__(self, goods: str):
        self.goods = goods
        self.sentences: list[str] = []
        self.facts: list[Fact] = []
        self.latest: dict[str, Fact] = {}

    def begin(self, name: str, count: int) -> None:
        """Tell with how many somebody begins."""
        self.add(Fact(len(self.sentences), name, count))
        self.sentences.append(f"{name} has {number_word(count)} {self.goods}.")

    def tell(self, verb: str, a: str, b: str, n: int) -> None:
        """Tell that a found or ate n, or that a gave b n."""
        if verb == "found":
            self.change(a, n)
        else:
            self.change(a, -n)
        if verb == "gave":
            self.change(b, n)
        whom = f" {b}" if verb == "gave" else ""
        self.sentences.append(f"{a} {verb}{whom} {number_word(n)}.")

    def change(self, name: str, n: int) -> None:
        """Add n to a count."""
        before = self.latest[name]
        self.add(Fact(len(self.sentences), name, before.value + n, n, (before,)))

    def add(self, fact: Fact) -> None:
        """Keep a fact."""
        self.facts.append(fact)
        self.latest[fact.about] = fact

    def possible(self, verb: str, a: str, b: str, n: int) -> bool:
        """Whether no count would leave the range from 1 to LARGEST_COUNT."""
        if verb != "found" and self.latest[a].value <= n:
            return False
        if verb == "ate":
            return True
        receiver = a if verb == "found" else b
        return self.latest[receiver].value + n <= LARGEST_COUNT

    def ask(self, names: list[str]) -> StepQuestion:
        """The question how many somebody has, or two people together."""
        goals = [self.latest[name] for name in names]
        steps = []
        for goal in goals:
            steps += history(goal)
        facts = list(self.facts)
        who = f"does {names[0]} have now"
        if len(names) == 2:
            total = Fact(len(self.sentences), "", sum(goal.value for goal in goals), premises=tuple(goals))
            steps.append(total)
            facts.append(total)
            who = f"do {names[0]} and {names[1]} have together"
        answer = number_word(steps[-1].value)
        story = " ".join(self.sentences)
        return StepQuestion(story, f"How many {self.goods} {who}?", answer, tuple(steps), tuple(facts))


def history(fact: Fact) -> list[Fact]:
    """A count's facts from its beginning to this one."""
    facts = [fact]
    while facts[0].premises:
        facts.insert(0, facts[0].premises[0])
    return facts


def ledger_of(rng: Random, n: int) -> Ledger:
    """A ledger after n events."""
    ledger = Ledger(rng.choice(GOODS))
    people = rng.sample(NAMES, PEOPLE)
    for name in people:
        ledger.begin(name, rng.randint(2, 9))
    while n:
        verb = rng.choice(("found", "ate", "gave"))
        a, b = rng.sample(people, 2)
        event = (verb, a, b, rng.randint(1, LARGEST_CHANGE))
        if ledger.possible(*event):
            ledger.tell(*event)
            n -= 1
    return ledger


def step_questions(n: int, seed: int, steps: Iterable[int] = range(1, 5)) -> list[StepQuestion]:
    """n questions, each about another new story. The same seed gives the same questions.

    Args:
        n: Number of questions.
        seed: Seed of all choices.
        steps: Numbers of steps, from 1 to 9, which take turns.

    Raises:
        ValueError: If n is below 1, or a number of steps is out of range.
    """
    return _in_turns(n, seed, steps, _about_counts)


def hand_over_questions(n: int, seed: int, steps: Iterable[int] = range(1, 5)) -> list[StepQuestion]:
    """n questions where a thing is now, each about another new story. The same seed gives the same questions.

    The asked thing is handed over once for each step, and other things are handed over in between. The
    sentences of the hand-overs do not name the thing, and nobody has two things at a time.

    Args:
        n: Number of questions.
        seed: Seed of all choices.
        steps: Numbers of hand-overs of the asked thing, from 1 to 9, which take turns.

    Raises:
        ValueError: If n is below 1, or a number of steps is out of range.
    """
    return _in_turns(n, seed, steps, _about_things)


def _about_counts(rng: Random, k: int) -> list[StepQuestion]:
    """Questions about the counts of one new story, some of them perhaps with k steps."""
    ledger = ledger_of(rng, rng.randint(k - 1, k + 3))
    people = list(ledger.latest)
    questions = [ledger.ask([name]) for name in people]
    return [*questions, ledger.ask(rng.sample(people, 2))]


def _about_things(rng: Random, k: int) -> list[StepQuestion]:
    """Where a thing of one new story is: a question for each thing that was handed over k times."""
    people = rng.sample(NAMES, HOLDERS)
    things = rng.sample(THINGS, HELD)
    holders = dict(zip(things, people, strict=False))  # the other people have nothing yet
    sentences = [f"{name} has the {thing}." for thing, name in holders.items()]
    passed: dict[str, list[HandOver]] = {thing: [] for thing in things}
    for _ in range(rng.randint(k + 1, 2 * k + 1)):
        thing = rng.choice(things)
        giver = holders[thing]
        receiver = rng.choice([name for name in people if name not in holders.values()])
        before = tuple(passed[thing][-1:])
        passed[thing].append(HandOver(len(sentences), giver, receiver, before))
        sentences.append(f"{giver} gave {receiver} what {'she' if giver in SHE else 'he'} had.")
        holders[thing] = receiver
    story = " ".join(sentences)
    return [
        StepQuestion(
            story, f"Where is the {thing} now?", f"with {holders[thing]}", tuple(steps), tuple(steps)
        )
        for thing, steps in passed.items()
        if len(steps) == k
    ]


def _in_turns(
    n: int, seed: int, steps: Iterable[int], about_story: Callable[[Random, int], list[StepQuestion]]
) -> list[StepQuestion]:
    """n questions, whose numbers of steps take turns, each from another story of about_story(rng, k)."""
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    steps = list(steps)
    if not steps or min(steps) < 1 or max(steps) > MOST_STEPS:
        raise ValueError(f"steps={steps} must be numbers from 1 to {MOST_STEPS}")
    rng = Random(seed)
    waiting: dict[int, deque[StepQuestion]] = {k: deque() for k in steps}
    asked = []
    for k in islice(cycle(waiting), n):
        while not waiting[k]:
            found = [question for question in about_story(rng, k) if len(question.steps) in waiting]
            if found:
                chosen = rng.choice(found)  # one question a story; it waits for its turn
                waiting[len(chosen.steps)].append(chosen)
        asked.append(waiting[k].popleft())
    return asked


def read_question(text: str) -> StepQuestion:
    """The question that somebody typed after a story, with all that is true in the story.

    Args:
        text: A story and its question, in the words of `step_questions`; spaces and lines are free.

    Raises:
        ValueError: If a sentence has none of the forms, names somebody or something that no story has, or
            makes a count that no story has. The message is one line.
    """
    *sentences, asked = re.split(r"(?<=[.?]) ", " ".join(text.split()))
    found = _ASKED.fullmatch(asked)
    if not found:
        raise ValueError(f"{asked!r:.60} is no question that can be read; {FORMS}")
    goods, *names = [word for word in found.groups() if word]
    ledger = Ledger(goods)
    for sentence in sentences:
        if not _tell_typed(ledger, sentence):
            raise ValueError(f"{sentence!r:.60} cannot be told here; {FORMS}. {COUNTING_RULES}")
    if not set(names) <= ledger.latest.keys() or len(set(names)) < len(names):
        raise ValueError(f"{asked!r:.60} cannot be counted; {FORMS}. {COUNTING_RULES}")
    return ledger.ask(names)


def _tell_typed(ledger: Ledger, sentence: str) -> bool:
    """Tell a sentence that somebody typed; False if no story can have it here."""
    begin = _BEGIN.fullmatch(sentence)
    if begin:
        name, word, goods = begin.groups()
        if name in ledger.latest or goods != ledger.goods:
            return False
        ledger.begin(name, number(word))
        return True
    event = _EVENT.fullmatch(sentence)
    if not event:
        return False
    a = event["a"]
    b = event["b"] or event["a"]
    verb = event["verb"] or "gave"
    n = number(event["n"])
    if not {a, b} <= ledger.latest.keys() or (verb == "gave" and a == b):
        return False
    if not ledger.possible(verb, a, b, n):
        return False
    ledger.tell(verb, a, b, n)
    return True


def trace(question: StepQuestion, think: bool = True) -> str:
    """What follows the prompt: the ledger's steps between <think> and </think>, and the answer.

    Args:
        question: The question.
        think: False to give the answer alone.
    """
    thought = " ".join(fact.text for fact in question.steps)
    return (f"{THINK} {thought}{END_THINK}" if think else "") + f" {question.answer}."
