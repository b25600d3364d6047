"""The judge of steps: what is true in a chain of thought, step by step.

The questions, and the wording of steps, are those of `companion.village.reasoning`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from companion.village.judge import Verdict
from companion.village.reasoning import END_THINK, NAMES, THINK, Fact, HandOver, StepQuestion
from companion.village.words import NUMBER_WORDS

_NAMES = "|".join(NAMES)
_NUMBERS = "|".join(NUMBER_WORDS)
_COUNT = f"(?:(?P<name>{_NAMES}) (?:has|(?:got|lost) (?:{_NUMBERS}):)|Together) (?:{_NUMBERS})[.]"
_STEP = re.compile(f"{_COUNT}|(?:{_NAMES}) gave (?P<thing>it) to (?:{_NAMES})[.]")
_SENTENCE = re.compile(r"\S[^.]*(?:[.]|\Z)")
_TRACE = re.compile(rf"\s*(?:{THINK}(?P<thought>.*?)(?:{END_THINK}|\Z))?(?P<answer>.*)", re.DOTALL)

SHOWN_AS = {"true": "ok", "irrelevant": "misplaced", "false": "contradiction", "unreadable": "unknown"}


@dataclass(frozen=True)
class StepVerdict:
    """What the judge says of one step.

    Attributes:
        step: The text of the step.
        kind: "true" for a fact that the answer needs, "irrelevant" for another true fact, "false" for what is
            not so at this point, and "unreadable" for what is no step.
        should: The fact that should stand in the place of a false step, or None if there is none.
        repaired: Whether the step is false, and a later step about the same subject is true.
    """

    step: str
    kind: str
    should: Fact | HandOver | None = None
    repaired: bool = False


@dataclass(frozen=True)
class TraceVerdict:
    """What the judge says of steps and their answer.

    Attributes:
        steps: The verdicts of the steps, in their order.
        answer: The answer that was read, or "" if the text has none.
        right: Whether it is the right one.
        sound: Whether the steps prove the answer: no step is false or unreadable, and none is missing.
    """

    steps: tuple[StepVerdict, ...]
    answer: str
    right: bool
    sound: bool

    @property
    def marks(self) -> list[Verdict]:
        """The steps as `companion.show.plots.judged` shows them."""
        marks = []
        for step in self.steps:
            should = f"should be: {step.should.text}" if step.should else "not so"
            reason = {"false": should, "irrelevant": "not needed", "unreadable": "no step"}.get(step.kind, "")
            marks.append(Verdict(step.step, SHOWN_AS[step.kind], reason))
        return marks

    @property
    def lucky(self) -> bool:
        """Whether the answer is right although the steps do not prove it."""
        return self.right and not self.sound


def subject(step: str) -> str | None:
    """About what a step speaks: a name, "" for a sum, "it" for a hand-over. None if it is no step."""
    found = _STEP.fullmatch(step)
    return (found["name"] or found["thing"] or "") if found else None


def judge_trace(question: StepQuestion, text: str) -> TraceVerdict:
    """Judge every step of a text, and its answer.

    Each person's count has its history in the story, and so have the hand-overs of the asked thing. The n-th
    step about a person, or the thing, is compared with the n-th fact of this history; a false step may also
    be said again, corrected. The order of people is free.

    Args:
        question: The question.
        text: What was written after the prompt: steps between <think> and </think>, and the answer. Without
            these marks, the text is the answer. Without the second mark, there is no answer.
    """
    parts = _TRACE.fullmatch(text)
    histories: dict[str, list[Fact | HandOver]] = {}
    for fact in question.facts:
        histories.setdefault(fact.about, []).append(fact)
    place = dict.fromkeys(histories, 0)  # how many facts of each history have been passed
    last_false = dict.fromkeys(histories, False)
    steps: list[StepVerdict] = []
    written: list[Fact | HandOver] = []
    for sentence in map(str.rstrip, _SENTENCE.findall(parts["thought"] or "")):
        name = subject(sentence)
        if name is None:
            steps.append(StepVerdict(sentence, "unreadable"))
            continue
        history = histories.get(name, [])
        i = place.get(name, 0)
        if last_false.get(name) and sentence == history[i - 1].text:
            i -= 1  # a false step, said again
        fact = history[i] if i < len(history) else None
        if fact is not None and sentence == fact.text:
            kind = "true" if fact in question.steps else "irrelevant"
            should = None
            written.append(fact)
        else:
            kind = "false"
            should = fact
        steps.append(StepVerdict(sentence, kind, should))
        if fact is not None:
            place[name] = i + 1
            last_false[name] = kind == "false"
    for i, verdict in enumerate(steps):
        later = [one.kind for one in steps[i + 1 :] if subject(one.step) == subject(verdict.step)]
        if verdict.kind == "false" and "true" in later:
            steps[i] = replace(verdict, repaired=True)
    answer = parts["answer"].strip().removesuffix(".")
    kinds = {step.kind for step in steps}
    sound = kinds <= {"true", "irrelevant"} and set(written) >= set(question.steps)
    return TraceVerdict(tuple(steps), answer, answer == question.answer, sound)


def answer_reward(question: StepQuestion, text: str) -> float:
    """1 for the right answer, 0 for any other text."""
    return float(judge_trace(question, text).right)


def step_reward(question: StepQuestion, text: str) -> float:
    """1 for the right answer, and the share of needed steps that are true, less that of bad ones."""
    verdict = judge_trace(question, text)
    kinds = [step.kind for step in verdict.steps]
    bad = kinds.count("false") + kinds.count("unreadable")
    return verdict.right + (kinds.count("true") - bad) / len(question.steps)
