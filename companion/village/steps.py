"""The judge of steps: what is true in a trace of reasoning, step by step, and what it is worth.

The questions, and the wording of steps, are those of `companion.village.reasoning`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from companion.village.reasoning import END_THINK, NUMBER_WORDS, THINK, Fact, StepQuestion
from companion.village.words import KINDS

_NAME, _THING, _PLACE = (f"({'|'.join(KINDS[kind])})" for kind in ("name", "thing", "place"))
_NUMBER = f"({'|'.join(NUMBER_WORDS)})"
_STEP_END = re.compile(r"[.!?](?=\s|\Z)")
_TRACE = re.compile(rf"\s*(?:{THINK}(?P<thought>.*?)(?:{END_THINK}|\Z))?(?P<answer>.*)", re.DOTALL)


@dataclass(frozen=True)
class StepVerdict:
    """What the judge says of one step.

    Attributes:
        step: The text of the step.
        kind: "true" for a fact that the answer needs, "irrelevant" for another true fact, "repeated" for what
            the trace wrote last about the same subject, "false" for what contradicts the story at this point,
            and "unreadable" for what is no step.
        about: The subject, as in `Fact`; None if unreadable.
        start: Where the step begins in the text that was judged.
        end: Where it ends.
        fact: The fact that the step states. For a false step, the next fact about its subject, or None if the
            story says nothing about it.
        leap: Whether the step is true, but a fact that it follows from was not written before it.
        repaired: Whether the step is false, and a later step says what is true about the same subject. For a
            subject that the answer does not need, as after a wrong name, the needed facts must all be
            written, one of them later.
    """

    step: str
    kind: str
    about: tuple[str, str] | None
    start: int
    end: int
    fact: Fact | None = None
    leap: bool = False
    repaired: bool = False


@dataclass(frozen=True)
class TraceVerdict:
    """What the judge says of a trace.

    Attributes:
        steps: The verdicts of the steps, in the order of the trace.
        answer: The answer that was read.
        right: Whether it is the right one.
        complete: Whether the trace has every needed fact.
    """

    steps: tuple[StepVerdict, ...]
    answer: str
    right: bool
    complete: bool

    @property
    def all_true(self) -> bool:
        """Whether no step is false or unreadable."""
        return not any(step.kind in ("false", "unreadable") for step in self.steps)

    @property
    def sound(self) -> bool:
        """Whether the steps prove the answer: all true, none missing, and each after what it follows from."""
        return self.all_true and self.complete and not any(step.leap for step in self.steps)

    @property
    def lucky(self) -> bool:
        """Whether the answer is right although the steps do not prove it: right for the wrong reasons."""
        return self.right and not self.sound


class Claim(NamedTuple):
    """What a step says: the value of something, and by how much it changed, or None for no word of that."""

    about: tuple[str, str]
    value: int | str
    change: int | None = None

    def agrees(self, fact: Fact) -> bool:
        """Whether the fact says the same."""
        return self.value == fact.value and self.change in (None, fact.change)


def read_step(step: str) -> Claim | None:
    """What a step says, or None if it is no step. Whether it is true does not matter."""
    if found := re.fullmatch(f"{_NAME} has {_NUMBER}[.]", step):
        return Claim(("count", found[1]), _value(found[2]))
    if found := re.fullmatch(f"{_NAME} (got|lost) {_NUMBER}: {_NUMBER}[.]", step):
        change = _value(found[3]) if found[2] == "got" else -_value(found[3])
        return Claim(("count", found[1]), _value(found[4]), change)
    if found := re.fullmatch(f"Together {_NUMBER}[.]", step):
        return Claim(("sum", ""), _value(found[1]))
    if found := re.fullmatch(f"{_NAME} has the {_THING}[.]", step):
        return Claim(("holder", found[2]), found[1])
    if found := re.fullmatch(f"{_NAME} is at the {_PLACE}[.]", step):
        return Claim(("place", found[1]), found[2])
    return None


def _value(word: str) -> int:
    """The value of a number word."""
    return NUMBER_WORDS.index(word) + 1


def judge_trace(question: StepQuestion, text: str) -> TraceVerdict:
    """Judge every step of a trace, and its answer.

    Each subject, such as Tom's count or the holder of the key, has its own history in the story. A step must
    be a later fact of its subject's history than what the trace wrote about this subject before, and must not
    skip a fact that the answer needs. Steps about different subjects can come in any order. A false step
    stands in the place of one needed fact, so the next step may go on behind it or repair it.

    Args:
        question: The question.
        text: What was written after the prompt: steps between <think> and </think>, and the answer. Without
            these marks, the text is the answer. Without the second mark, there is no answer.
    """
    passed: Counter[tuple[str, str]] = Counter()  # how many facts of each history the trace has passed
    failed: Counter[tuple[str, str]] = Counter()  # how many false steps each subject had since then
    written: set[Fact] = set()
    steps: list[StepVerdict] = []
    parts = _TRACE.fullmatch(text)
    for start, end in _spans(text, *parts.span("thought")):
        claim = read_step(text[start:end])
        if claim is None:
            steps.append(StepVerdict(text[start:end], "unreadable", None, start, end))
            continue
        history = [fact for fact in question.facts if fact.about == claim.about]
        present = passed[claim.about]
        ahead = history[present : _limit(question, history, present, failed[claim.about])]
        agreeing = [fact for fact in ahead if claim.agrees(fact)]
        needed = [fact for fact in agreeing if fact in question.steps]
        is_next = bool(needed) and (failed[claim.about] > 0 or written.issuperset(needed[0].premises))
        leap = False
        if present and claim.agrees(history[present - 1]) and not is_next:
            kind, fact = "repeated", history[present - 1]
        elif not agreeing:
            kind, fact = "false", (ahead or history[-1:] or [None])[0]
            failed[claim.about] += 1
        else:
            kind, fact = ("true", needed[0]) if needed else ("irrelevant", agreeing[0])
            leap = kind == "true" and not written.issuperset(fact.premises)
            written.add(fact)
            passed[claim.about] = history.index(fact) + 1
            failed[claim.about] = 0
        steps.append(StepVerdict(text[start:end], kind, claim.about, start, end, fact, leap))
    complete = written.issuperset(question.steps)
    judged = [replace(step, repaired=_repaired(i, steps, question, complete)) for i, step in enumerate(steps)]
    answer = parts["answer"].strip().removesuffix(".")
    return TraceVerdict(tuple(judged), answer, answer == question.answer, complete)


def _limit(question: StepQuestion, history: list[Fact], present: int, failed: int) -> int:
    """Before which number of its history a step must find its fact."""
    needed = [i for i in range(present, len(history)) if history[i] in question.steps]
    return needed[failed] + 1 if failed < len(needed) else len(history)


def _repaired(i: int, steps: list[StepVerdict], question: StepQuestion, complete: bool) -> bool:
    """Whether step i is false, and is repaired later."""
    if steps[i].kind != "false":
        return False
    later = [step for step in steps[i + 1 :] if step.kind in ("true", "irrelevant", "repeated")]
    if any(fact.about == steps[i].about for fact in question.steps):
        return any(step.about == steps[i].about for step in later)
    return complete and any(step.kind == "true" for step in later)


def _spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the sentences between two places of a text begin and end, without the space around them."""
    while start < end:
        found = _STEP_END.search(text, start, end)
        stop = found.end() if found else end
        sentence = text[start:stop]
        if sentence.strip():
            yield start + len(sentence) - len(sentence.lstrip()), start + len(sentence.rstrip())
        start = stop
