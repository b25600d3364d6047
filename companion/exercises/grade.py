"""From an answer to a verdict: what is wrong, on which input first, and which mistake gives just that."""

import inspect
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from companion.exercises.exercise import Exercise, Function, Number, Problem, apply
from companion.exercises.limits import MEMORY
from companion.exercises.report import NOT_ATTEMPTED, NOT_YET, RIGHT, UNCLEAR, Report
from companion.exercises.settle import as_number, type_name
from companion.exercises.surroundings import kept_random_numbers
from companion.exercises.trial import MemoryUp, Stopped, Trial, attempt, run
from companion.exercises.values import (
    DIGITS,
    Comparison,
    Difference,
    a,
    as_float,
    changes,
    show,
    size,
    snapshot,
)

SEEDS = (0, 1, 2)
SECONDS = 20
"""After which an answer is stopped."""


@singledispatch
def grade(exercise: Exercise, answer: Any) -> Report:
    """The verdict on an answer."""
    raise TypeError(f"exercise={exercise!r} must be a Function or a Number")


# -- functions and classes ------------------------------------------------------------------


class Unclear(Exception):
    """The check itself is at fault: its cases or its own answer failed."""


@dataclass
class Try:
    """One input of an exercise, what a right answer gives for it, and what the reader's gave."""

    case: "Case"
    args: tuple
    expected: Trial
    got: Trial
    differs: Difference | None
    damaged: Difference | None

    @property
    def failed(self) -> bool:
        return bool(self.differs or self.damaged)


@grade.register
def grade_function(exercise: Function, answer: Any) -> Report:
    if complaint := misfit(exercise, answer):
        return Report(UNCLEAR, complaint)
    try:
        with kept_random_numbers():
            return judged(exercise, answer)
    except Unclear as fault:
        text = f"{exercise.number} could not be checked: {fault}. That is a fault of the check, not yours."
        return Report(UNCLEAR, text)


def judged(exercise: Function, answer: Any) -> Report:
    """The verdict on an answer that can be tried. Raises Unclear."""
    tries = Tries(all_tries(exercise, answer))
    failed = next((one for one in tries if one.failed), None)
    if isinstance(tries.made[0].got.error, NotImplementedError):
        return not_attempted(exercise)
    if failed is None:
        return Report(RIGHT, f"{exercise.number} right. {exercise.right}")
    rows = [("input", shown_input(exercise, failed.args)), *told(failed)]
    rows += [("likely", cause) for cause in causes(exercise, answer, tries, failed)]
    return Report(NOT_YET, f"{exercise.number} not yet.", tuple(rows))


def misfit(exercise: Exercise, answer: Any) -> str:
    """Why an object cannot be an answer; "" where it can."""
    found, error = run(lambda: look_at(exercise, answer), SECONDS)
    if error is None:
        return found
    return f"{exercise.number} wants {exercise.wants}; your object cannot be looked at: {type_name(error)}."


def look_at(exercise: Exercise, answer: Any) -> str:
    """The same, with what the object says about itself."""
    number, name = exercise.number, exercise.name
    if not callable(answer):
        got = "None" if answer is None else f"{a(answer)}, {show(answer, 40)}"
        return f'{number} wants {name} itself, as in check("{number}", {name}); this is {got}.'
    try:
        signature = inspect.signature(answer)
    except (ValueError, TypeError):
        return ""  # some functions written in C do not tell their parameters
    try:
        signature.bind(*exercise.parameters)
    except TypeError:
        return f"{number} wants {exercise.wants}; yours takes {signature}."
    return ""


def not_attempted(exercise: Exercise) -> Report:
    text = f"{exercise.name} still raises NotImplementedError. Replace its body and run the cell again."
    return Report(NOT_ATTEMPTED, f"{exercise.number} not attempted yet: {text}")


class Tries:
    """The tries of an answer. Each is made when it is first looked at, since few tell what is wrong."""

    def __init__(self, further: Iterator[Try]):
        self.made: list[Try] = []
        self.further = further

    def __iter__(self) -> Iterator[Try]:
        """All tries: those that were made, then the others. Raises Unclear."""
        yield from list(self.made)
        yield from self.others()

    def failed_first(self) -> Iterator[Try]:
        """All tries, and of those that were made the ones that failed first. Raises Unclear."""
        yield from sorted(self.made, key=lambda one: not one.failed)
        yield from self.others()

    def others(self) -> Iterator[Try]:
        """Make the tries that were not made."""
        for one in self.further:
            self.made.append(one)
            yield one


def all_tries(exercise: Function, answer: Any) -> Iterator[Try]:
    """Each input in turn, small ones first, until the time is over. Raises Unclear."""
    seconds = SECONDS
    for case in cases_of(exercise):
        one, taken = tried(exercise, answer, case, seconds)
        seconds -= taken
        yield one
        if isinstance(one.got.error, Stopped):
            break


def tried(exercise: Function, answer: Any, case: "Case", seconds: float) -> tuple[Try, float]:
    """Try an answer on one input, and the seconds that the answer took. Raises Unclear."""
    expected = case.expected(exercise)
    begin = time.monotonic()
    got = attempt(exercise.call, answer, case.args, max(seconds, 0.01), watch=True)
    taken = time.monotonic() - begin
    if any(answer is wrong for wrong, _ in exercise.mistakes):
        case.trials.setdefault(id(answer), got)  # so that it need not be tried again to be recognized
    differs = trial_difference(exercise, got, expected)
    stopped = isinstance(got.error, Stopped)
    damaged = None if stopped else damage(exercise, case.args, case.before, got)
    return Try(case, case.args, expected, got, differs, damaged), taken


def meant(expected: Trial) -> bool:
    """Whether an oracle's error is one that a right answer must raise too: from a `raise` of its own."""
    return not isinstance(expected.error, Problem) and expected.source.startswith("raise ")


class Case:
    """An input, and what the exercise's own answers give for it: found once, as they are always the same."""

    def __init__(self, args: tuple):
        self.args, self.before = args, snapshot(args)
        self.trials: dict[int, Trial] = {}

    def trial(self, exercise: Function, own: Any) -> Trial:
        """What the oracle or a mistake gives."""
        if id(own) not in self.trials:
            self.trials[id(own)] = attempt(exercise.call, own, self.args, SECONDS)
        return self.trials[id(own)]

    def expected(self, exercise: Function) -> Trial:
        """What is right. Raises Unclear where the oracle fails without meaning to."""
        found = self.trial(exercise, exercise.oracle)
        if found.error is None or meant(found):
            return found
        raise Unclear(f"its own answer fails on {shown_input(exercise, self.args)} ({found.said})")


KEPT: dict[int, tuple[Function, list[Case]]] = {}
"""The cases of the exercises that were checked last."""


def cases_of(exercise: Function) -> list[Case]:
    """The cases of an exercise, small ones first. Raises Unclear."""
    if id(exercise) not in KEPT:
        made = [Case(args) for args in inputs(exercise)]
        while len(KEPT) > 20:
            KEPT.pop(next(iter(KEPT)))
        KEPT[id(exercise)] = exercise, made
    return KEPT[id(exercise)][1]


def inputs(exercise: Function) -> list[tuple]:
    """The inputs of all seeds, small ones first or in the exercise's own order. Raises Unclear."""
    made, error = run(lambda: [args for seed in SEEDS for args in exercise.cases(seed)], SECONDS)
    if error is not None:
        raise Unclear(f"its inputs cannot be made ({type_name(error)}: {error})")
    return sorted(made, key=exercise.order or size)


def trial_difference(exercise: Function, got: Trial, expected: Trial) -> Difference | None:
    """Where two trials differ, in their values or in the kind of error that they raise."""
    if got.error is not None or expected.error is not None:
        same = expected.error is not None and issubclass(type(got.error), type(expected.error))
        return None if same else Difference("", "")
    return Comparison(exercise.tolerance, exercise.exact_dtype).differ(got.value, expected.value, "")


def damage(exercise: Function, args: tuple, before: Any, got: Trial) -> Difference | None:
    """Where an answer changed its input, and a right answer does not."""
    if got.after is None:
        return Difference("[0]", "something that cannot be looked at")
    if not changes(got.after, before):
        return None
    right = attempt(exercise.call, exercise.oracle, args, SECONDS, watch=True)
    return changes(got.after, before, right.after)


def shown_input(exercise: Function, args: tuple) -> str:
    """An input as the call that it stands for."""
    values = [show(value) for value in args]
    return (
        exercise.shown.format(*values, f=exercise.name)
        if exercise.shown
        else (f"{exercise.name}({', '.join(values)})")
    )


def told(one: Try) -> Iterator[tuple[str, str]]:
    """What happened on an input, as rows of a verdict."""
    if one.differs:
        digits = one.differs.digits
        yield "expected", outcome(one.expected, digits)
        if not isinstance(one.got.error, Problem):  # that has nothing to show; `causes` tells it
            yield "got", outcome(one.got, digits)
        if one.got.line:
            yield "where", one.got.line
        if text := one.differs.text:
            yield "differs", f"first at {one.differs.place}: {text}" if one.differs.place else text
    if one.got.printed.strip():
        yield "printed", show(one.got.printed.strip())


def outcome(trial: Trial, digits: int = DIGITS) -> str:
    """What a call gave, on one line."""
    if isinstance(trial.error, MemoryUp):
        return f"nothing; it was stopped when it had taken more than {MEMORY // 2**20:,} MB of memory"
    if isinstance(trial.error, Stopped):
        return f"nothing; it was stopped after {SECONDS} seconds"
    return trial.said if trial.error is not None else show(trial.value, digits=digits)


def causes(exercise: Function, answer: Any, tries: Tries, failed: Try) -> Iterator[str]:
    """The likely causes of a failed try."""
    if failed.damaged:
        yield damage_told(exercise, failed)
    if not failed.differs:
        return
    error = failed.got.error
    if isinstance(error, MemoryUp | MemoryError):
        yield "Something grows without end, or is far larger than it need be."
    elif isinstance(error, Stopped):
        yield "An endless loop? Look for a condition that never changes while the loop runs."
    elif isinstance(error, Problem):
        yield failed.got.said.removeprefix(f"{type_name(error)}: ")
    elif message := known_mistake(exercise, answer, tries):
        yield message
    elif exercise.hint and (message := exercise.hint(failed.got, *failed.args)):
        yield message
    elif error is None:
        yield from habits(tries, failed)


def parameters(function: Any) -> list[str]:
    """The names of a function's parameters."""
    return list(inspect.signature(function).parameters)


def damage_told(exercise: Function, one: Try) -> str:
    """How an answer changed its input."""
    index, _, rest = one.damaged.place[1:].partition("]")  # the place begins with the argument's: [0][2]
    i = int(index)
    plain = exercise.call is apply or parameters(exercise.call)[1:] == exercise.parameters
    name = f"`{exercise.parameters[i]}`" if plain else "one of them"
    attribute = rest[rest.index(".") :].rstrip(":") if "." in rest else ""
    now = f"is {one.damaged.text or 'another'}".replace("is its dtype is", "has the dtype")
    if not attribute and one.got.after is not None:
        now = f"is {show(one.got.after[i], 60)}"
        if "of shape" in now and " instead of " in one.damaged.text:
            now = f"has {one.damaged.text}"  # the shape of a large tensor tells nothing
    elif attribute and plain:
        name = f"`{exercise.parameters[i]}{rest.rstrip(':')}`"
    elif attribute:
        name = f"`{attribute[1:]}` of one of them"
    return (
        f"Your answer changes its input: after the call, {name} {now}. "
        "The caller may still need it as it was; work on a copy."
    )


def known_mistake(exercise: Function, answer: Any, tries: Tries) -> str:
    """The message of the first mistake that gives what the answer gives on every input; "" if none."""
    for wrong, message in exercise.mistakes:
        if wrong is answer or all(repeats(exercise, wrong, one) for one in tries.failed_first()):
            return message
    return ""


def repeats(exercise: Function, wrong: Any, one: Try) -> bool:
    """Whether a mistake gives on an input what the answer gave, in any container, or an error of its type."""
    return not trial_difference(exercise, one.got, one.case.trial(exercise, wrong))


def habits(tries: Tries, failed: Try) -> Iterator[str]:
    """Mistakes that every exercise can meet."""
    if failed.got.value is None and not any(means_none(one.expected) for one in tries):
        yield "A function without `return` gives None. Is the `return` missing, or in a branch only?"
        return
    exact = Comparison(0.0, True)

    def same(trials: Iterator[Trial]) -> bool:
        first = next(trials)
        return not any(exact.differ(one.value, first.value, "") for one in trials)

    # Where a right answer gives the same, too (what `call` has to complain of: nothing), that says nothing.
    if same(one.got for one in tries) and len(tries.made) > 2 and not same(one.expected for one in tries):
        yield "It gives the same for every input: does it use its arguments?"


def means_none(expected: Trial) -> bool:
    """Whether a right answer gives None."""
    return expected.value is None and expected.error is None


# -- numbers ------------------------------------------------------------------


@grade.register
def grade_number(exercise: Number, answer: Any) -> Report:
    number = exercise.number
    if callable(answer):
        if complaint := misfit(exercise, answer):
            return Report(UNCLEAR, complaint)
        trial = attempt(apply, answer, (), SECONDS)
    else:
        trial = attempt(lambda value: value, answer, (), SECONDS)
    if isinstance(trial.error, NotImplementedError):
        return not_attempted(exercise)
    if trial.error is not None:
        rows = [("got", outcome(trial)), ("where", trial.line)]
        return Report(NOT_YET, f"{number} not yet.", tuple(row for row in rows if row[1]))
    value = as_number(trial.value)
    if value is None:
        got = f"{a(trial.value)}: {show(trial.value, 40)}"
        if trial.value is None and callable(answer):
            got = "None, which a function without `return` gives"
        return Report(UNCLEAR, f"{number} wants a number; this is {got}.")
    value = as_float(value)
    if abs(value - exercise.answer) <= exercise.tolerance:
        return Report(RIGHT, f"{number} right. {exercise.right}")
    if value != value:
        return Report(NOT_YET, f"{number} not yet.", (("got", "nan, which is no number"),))
    rows = [("got", f"{show(value)}, which is too {'high' if value > exercise.answer else 'low'}")]
    rows += [("likely", message) for message in nearest_mistake(exercise, value)]
    return Report(NOT_YET, f"{number} not yet.", tuple(rows))


def nearest_mistake(exercise: Number, value: float) -> list[str]:
    """The message of the mistake that is nearest to a number, where one is as near as its size allows.

    A mistake smaller than the answer allows as much less: 0.05 is not 0.07, though 0.45 may be 0.47.
    """

    def allowed(wrong: float) -> float:
        share = min(1.0, abs(wrong / exercise.answer)) if exercise.answer and wrong else 1.0
        return exercise.tolerance * share

    near = [(abs(value - wrong), message) for wrong, message in exercise.mistakes]
    near = [
        (far, message)
        for (far, message), (wrong, _) in zip(near, exercise.mistakes, strict=True)
        if far <= allowed(wrong)
    ]
    return [min(near)[1]] if near else []
