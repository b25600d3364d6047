"""From an answer to a verdict: what is wrong, on which input first, and which mistake gives just that."""

import inspect
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from numbers import Real
from typing import Any

from companion.exercises.exercise import Exercise, Function, Number, Problem, apply
from companion.exercises.trial import TimeUp, Trial, attempt, reader_line
from companion.exercises.values import Difference, a, difference, show, size, snapshot
from companion.exercises.verdict import NOT_ATTEMPTED, NOT_YET, RIGHT, UNCLEAR, Verdict

SEEDS = (0, 1, 2)
SECONDS = 20
"""After which an answer is stopped."""


@singledispatch
def judge(exercise: Exercise, answer: Any) -> Verdict:
    """The verdict on an answer."""
    raise TypeError(f"exercise={exercise!r} must be a Function or a Number")


# -- functions and classes ------------------------------------------------------------------


@dataclass
class Try:
    """One input of an exercise, what a right answer gives for it, and what the reader's gave."""

    args: tuple
    expected: Trial
    got: Trial
    differs: Difference | None
    damaged: Difference | None

    @property
    def failed(self) -> bool:
        return bool(self.differs or self.damaged)


@judge.register
def judge_function(exercise: Function, answer: Any) -> Verdict:
    if complaint := misfit(exercise, answer):
        return Verdict(UNCLEAR, complaint)
    tries = list(all_tries(exercise, answer))
    if isinstance(tries[0].got.error, NotImplementedError):
        return not_attempted(exercise)
    failed = next((one for one in tries if one.failed), None)
    if failed is None:
        return Verdict(RIGHT, f"{exercise.number} right. {exercise.right}")
    rows = [("input", shown_input(exercise, failed.args)), *told(exercise, failed)]
    rows += [("likely", cause) for cause in causes(exercise, tries, failed)]
    return Verdict(NOT_YET, f"{exercise.number} not yet.", tuple(rows))


def misfit(exercise: Exercise, answer: Any) -> str:
    """Why an object cannot be an answer; "" where it can."""
    number, name = exercise.number, exercise.name
    if not callable(answer):
        got = f"{a(answer)}, {show(answer, 40)}" if answer is not None else "None"
        return f'{number} wants {name} itself, as in check("{number}", {name}); this is {got}.'
    try:
        inspect.signature(answer).bind(*exercise.parameters)
    except TypeError:
        return f"{number} wants {exercise.wants}; yours takes {inspect.signature(answer)}."
    except ValueError:
        pass  # some functions written in C do not tell their parameters
    return ""


def not_attempted(exercise: Exercise) -> Verdict:
    text = f"{exercise.name} still raises NotImplementedError. Replace its body and run the cell again."
    return Verdict(NOT_ATTEMPTED, f"{exercise.number} not attempted yet: {text}")


def all_tries(exercise: Function, answer: Any) -> Iterator[Try]:
    """Each input in turn, small ones first, until the time is over."""
    stop_at = time.monotonic() + SECONDS
    for args in inputs(exercise):
        got = attempt(exercise.call, answer, args, max(stop_at - time.monotonic(), 0.01))
        expected = attempt(exercise.call, exercise.oracle, args, SECONDS)
        yield Try(
            args,
            expected,
            got,
            differs=trial_difference(got, expected, exercise.tolerance),
            damaged=difference(snapshot(got.after), snapshot(args), tolerance=0),
        )
        if isinstance(got.error, TimeUp):
            break


def inputs(exercise: Function) -> list[tuple]:
    """The inputs of all seeds, small ones first."""

    def all_cases(_):
        return [args for seed in SEEDS for args in exercise.cases(seed)]

    made = attempt(all_cases, None, (), SECONDS)
    return sorted(made.value, key=size)


def trial_difference(got: Trial, expected: Trial, tolerance: float) -> Difference | None:
    """Where two trials differ, in their values or in the kind of error that they raise."""
    if got.error or expected.error:
        same = expected.error and isinstance(got.error, type(expected.error))
        return None if same else Difference("", "")
    return difference(got.value, expected.value, tolerance)


def shown_input(exercise: Function, args: tuple) -> str:
    """An input as the call that it stands for."""
    values = [show(value) for value in args]
    return (
        exercise.shown.format(*values, f=exercise.name)
        if exercise.shown
        else (f"{exercise.name}({', '.join(values)})")
    )


def told(exercise: Function, one: Try) -> Iterator[tuple[str, str]]:
    """What happened on an input, as rows of a verdict."""
    if one.differs:
        yield "expected", outcome(one.expected)
        if not isinstance(one.got.error, Problem):  # that has nothing to show; `causes` tells it
            yield "got", outcome(one.got)
        if line := one.got.error and reader_line(one.got.error):
            yield "where", line
        if text := one.differs.text:
            yield "differs", f"first at {one.differs.place}: {text}" if one.differs.place else text
    if one.got.printed:
        yield "printed", show(one.got.printed.strip())


def outcome(trial: Trial) -> str:
    """What a call gave, on one line."""
    if isinstance(trial.error, TimeUp):
        return f"nothing; it was stopped after {SECONDS} seconds"
    if trial.error:
        text = " ".join(str(trial.error).split())
        return f"{type(trial.error).__name__}: {text}"[:200] if text else type(trial.error).__name__
    return show(trial.value)


def causes(exercise: Function, tries: list[Try], failed: Try) -> Iterator[str]:
    """The likely causes of a failed try."""
    if failed.damaged:
        yield damage(exercise, failed)
    if not failed.differs:
        return
    if isinstance(failed.got.error, TimeUp):
        yield "An endless loop? Look for a condition that never changes while the loop runs."
    elif isinstance(failed.got.error, Problem):
        yield str(failed.got.error)
    elif message := known_mistake(exercise, tries, failed):
        yield message
    elif failed.got.error is None:
        yield from habits(exercise, tries, failed)


def damage(exercise: Function, one: Try) -> str:
    """How an answer changed its input."""
    i = int(one.damaged.place[1:].partition("]")[0])  # the place begins with the argument's: [0][2]
    name = f"`{exercise.parameters[i]}`" if exercise.call is apply else "one of them"
    return (
        f"Your answer changes its input: after the call, {name} is {show(one.got.after[i], 60)}. "
        "The caller may still need it as it was; work on a copy."
    )


def known_mistake(exercise: Function, tries: list[Try], failed: Try) -> str:
    """The message of the mistake that gives what the answer gave, here and on most inputs; "" if none."""

    def repeats(wrong, one: Try) -> bool:
        trial = attempt(exercise.call, wrong, one.args, SECONDS)
        return not trial_difference(trial, one.got, exercise.tolerance)

    found = [(wrong, message) for wrong, message in exercise.mistakes if repeats(wrong, failed)]
    if len(found) > 1:
        found.sort(key=lambda mistake: -sum(repeats(mistake[0], one) for one in tries))
    return found[0][1] if found else ""


def habits(exercise: Function, tries: list[Try], failed: Try) -> Iterator[str]:
    """Mistakes that every exercise can meet."""
    values = [one.got.value for one in tries]
    if failed.got.value is None:
        yield "A function without `return` gives None. Is the `return` missing, or in a branch only?"
    elif len(tries) > 2 and not any(difference(value, values[0], 0) for value in values):
        yield "It gives the same for every input: does it use its arguments?"


# -- numbers ------------------------------------------------------------------


@judge.register
def judge_number(exercise: Number, answer: Any) -> Verdict:
    value, number = answer, exercise.number
    if callable(answer):
        if complaint := misfit(exercise, answer):
            return Verdict(UNCLEAR, complaint)
        trial = attempt(apply, answer, (), SECONDS)
        if isinstance(trial.error, NotImplementedError):
            return not_attempted(exercise)
        if trial.error:
            rows = [("got", outcome(trial)), ("where", reader_line(trial.error))]
            return Verdict(NOT_YET, f"{number} not yet.", tuple(row for row in rows if row[1]))
        value = trial.value
    value = value.item() if getattr(value, "shape", None) == () else value  # of torch or NumPy
    if not isinstance(value, Real) or isinstance(value, bool):
        return Verdict(UNCLEAR, f"{number} wants a number; this is {a(value)}: {show(value, 40)}.")
    if abs(value - exercise.answer) <= exercise.tolerance:
        return Verdict(RIGHT, f"{number} right. {exercise.right}")
    rows = [("got", f"{show(value)}, which is too {'high' if value > exercise.answer else 'low'}")]
    near = (message for wrong, message in exercise.mistakes if abs(value - wrong) <= exercise.tolerance)
    rows += [("likely", message) for message in [next(near, "")] if message]
    return Verdict(NOT_YET, f"{number} not yet.", tuple(rows))
