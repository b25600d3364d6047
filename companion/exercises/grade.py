"""From an answer to a verdict: what is wrong, on which input first, and which mistake gives just that."""

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from companion.exercises.comparison import DIGITS, EXACT, Comparison, Difference, a, changes, show, size
from companion.exercises.normalize import as_number, snapshot, type_name
from companion.exercises.notation import Exercise, Function, Number, Problem, apply
from companion.exercises.report import NOT_ATTEMPTED, NOT_YET, RIGHT, UNCLEAR, Report
from companion.exercises.runner import MEMORY, MemoryUp, Stopped, Trial, attempt, isolated

SEEDS = (0, 1, 2)
SECONDS = 20
"""After which an answer is stopped."""


class Unclear(Exception):
    """The check itself is at fault: its cases or its own answer failed."""


def grade(exercise: Function | Number, answer: Any) -> Report:
    """The verdict on an answer."""
    if isinstance(exercise, Number):
        return grade_number(exercise, answer)
    try:
        return grade_function(exercise, answer)
    except Unclear as fault:
        text = f"{exercise.number} could not be checked: {fault}. That is a fault of the check, not yours."
        return Report(UNCLEAR, text)


# -- what is tried ------------------------------------------------------------------


class Case:
    """An input of an exercise, and what the exercise's own answers give for it.

    Args:
        args: The input, a tuple of arguments.
    """

    def __init__(self, args: tuple):
        self.args = args
        self.before = snapshot(args)
        self.trials: dict[int, Trial] = {}

    def trial(self, exercise: Function, own: Callable) -> Trial:
        """The trial of the right answer, or of a mistake; it is made once."""
        if id(own) not in self.trials:
            self.trials[id(own)] = attempt(exercise.call, own, self.args, SECONDS)
        return self.trials[id(own)]

    def expected(self, exercise: Function) -> Trial:
        """The trial of the right answer.

        Raises:
            Unclear: If it fails without meaning to: an error that it means comes from a `raise` of its own.
        """
        found = self.trial(exercise, exercise.oracle)
        means_error = found.source.startswith("raise ") and not isinstance(found.error, Problem | Stopped)
        if found.error is None or means_error:
            return found
        raise Unclear(f"its own answer fails on {shown_input(exercise, self.args)} ({found.message})")


@lru_cache(maxsize=20)
def cases_of(exercise: Function) -> list[Case]:
    """The cases of an exercise, small ones first or in the exercise's own order.

    Raises:
        Unclear: If they cannot be made.
    """
    try:
        with isolated():
            inputs = [args for seed in SEEDS for args in exercise.cases(seed)]
    except Exception as error:
        raise Unclear(f"its inputs cannot be made ({type_name(error)}: {error})") from error
    return [Case(args) for args in sorted(inputs, key=exercise.order or size)]


@dataclass
class Try:
    """An answer's trial on one case.

    Attributes:
        case: The input.
        expected: The trial of the right answer.
        got: The trial of the reader's.
        differs: Where the two differ.
        damaged: Where the reader's answer changed its input, and the right one does not.
    """

    case: Case
    expected: Trial
    got: Trial
    differs: Difference | None
    damaged: Difference | None

    @property
    def failed(self) -> bool:
        return bool(self.differs or self.damaged)


class Tries:
    """An answer's tries; each is made when it is first looked at, since a few often tell what is wrong."""

    def __init__(self, further: Iterator[Try]):
        self.made: list[Try] = []
        self.further = further

    def __iter__(self) -> Iterator[Try]:
        yield from list(self.made)
        for one in self.further:
            self.made.append(one)
            yield one


def all_tries(exercise: Function, answer: Any) -> Iterator[Try]:
    """Each input in turn, until the time for all is over. Raises Unclear."""
    seconds = SECONDS
    for case in cases_of(exercise):
        one, taken = tried(exercise, answer, case, seconds)
        seconds -= taken
        yield one
        if isinstance(one.got.error, Stopped):
            break


def tried(exercise: Function, answer: Any, case: Case, seconds: float) -> tuple[Try, float]:
    """Try an answer on one input, and the seconds that the answer took. Raises Unclear."""
    expected = case.expected(exercise)
    begin = time.monotonic()
    got = attempt(exercise.call, answer, case.args, max(seconds, 0.01), watch=True)
    taken = time.monotonic() - begin
    differs = trial_difference(exercise, got, expected)
    damaged = None if isinstance(got.error, Stopped) else damage(exercise, case, got)
    return Try(case, expected, got, differs, damaged), taken


def trial_difference(exercise: Function, got: Trial, expected: Trial) -> Difference | None:
    """Where two trials differ, in their values or in the kind of error that they raise."""
    if got.error is None and expected.error is None:
        return Comparison(exercise.tolerance, exercise.exact_dtype).differ(got.value, expected.value)
    same = expected.error is not None and isinstance(got.error, type(expected.error))
    return None if same else Difference("", "")


def damage(exercise: Function, case: Case, got: Trial) -> Difference | None:
    """Where an answer changed its input, and the right answer does not."""
    if not changes(got.after, case.before):
        return None
    right = attempt(exercise.call, exercise.oracle, case.args, SECONDS, watch=True)
    return changes(got.after, case.before, right.after)


# -- functions and classes ------------------------------------------------------------------


def grade_function(exercise: Function, answer: Any) -> Report:
    """The verdict on a function or class. Raises Unclear."""
    complaint = misfit(exercise, answer)
    if complaint:
        return Report(UNCLEAR, complaint)
    tries = Tries(all_tries(exercise, answer))
    failed = next((one for one in tries if one.failed), None)
    if isinstance(tries.made[0].got.error, NotImplementedError):
        return not_attempted(exercise)
    if failed is None:
        return Report(RIGHT, f"{exercise.number} right. {exercise.right}")
    rows = [("input", shown_input(exercise, failed.case.args)), *outcome_rows(failed)]
    rows += [("likely", cause) for cause in causes(exercise, tries, failed)]
    return Report(NOT_YET, f"{exercise.number} not yet.", tuple(rows))


def misfit(exercise: Exercise, answer: Any) -> str:
    """Why an object cannot be an answer; "" where it can."""
    number = exercise.number
    name = exercise.name
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


def shown_input(exercise: Function, args: tuple) -> str:
    """An input as the call that it stands for."""
    values = [show(value) for value in args]
    if exercise.shown:
        return exercise.shown.format(*values, f=exercise.name)
    return f"{exercise.name}({', '.join(values)})"


def outcome_rows(one: Try) -> Iterator[tuple[str, str]]:
    """What happened on an input, as rows of a verdict."""
    if one.differs:
        digits = one.differs.digits
        yield "expected", outcome(one.expected, digits)
        if not isinstance(one.got.error, Problem):  # that has nothing to show; `causes` has its text
            yield "got", outcome(one.got, digits)
        if one.got.line:
            yield "where", one.got.line
        text = one.differs.text
        if text:
            yield "differs", f"first at {one.differs.place}: {text}" if one.differs.place else text
    printed = one.got.output.strip()
    if printed:
        yield "printed", show(printed)


def outcome(trial: Trial, digits: int = DIGITS) -> str:
    """What a call gave, on one line."""
    if isinstance(trial.error, MemoryUp):
        return f"nothing; it was stopped when it had taken more than {MEMORY // 2**20:,} MB of memory"
    if isinstance(trial.error, Stopped):
        return f"nothing; it was stopped after {SECONDS} seconds"
    return trial.message if trial.error is not None else show(trial.value, digits=digits)


# -- likely causes ------------------------------------------------------------------


def causes(exercise: Function, tries: Tries, failed: Try) -> Iterator[str]:
    """The likely causes of a failed try."""
    if failed.damaged:
        yield damage_text(exercise, failed)
    if not failed.differs:
        return
    error = failed.got.error
    if isinstance(error, MemoryUp | MemoryError):
        yield "Something grows without end, or is far larger than it need be."
    elif isinstance(error, Stopped):
        yield "An endless loop? Look for a condition that never changes while the loop runs."
    elif isinstance(error, Problem):
        yield failed.got.message.removeprefix(f"{type_name(error)}: ")
    else:
        message = known_mistake(exercise, tries, failed)
        if not message and exercise.hint:
            message = exercise.hint(failed.got, *failed.case.args)
        if message:
            yield message
        elif error is None:
            yield from habits(tries, failed)


def damage_text(exercise: Function, one: Try) -> str:
    """How an answer changed its input."""
    index, _, rest = one.damaged.place[1:].partition("]")  # the place begins with the argument's: [0][2]
    text = one.damaged.text
    shown = show(one.got.after[int(index)], 60)
    parameters = list(inspect.signature(exercise.call).parameters)[1:]
    same_arguments = exercise.call is apply or parameters == exercise.parameters
    attribute = rest[rest.index(".") :].rstrip(":") if "." in rest else ""
    if same_arguments:
        name = f"`{exercise.parameters[int(index)]}{rest.rstrip(':') if attribute else ''}`"
    else:
        name = f"`{attribute[1:]}` of one of them" if attribute else "one of them"
    if attribute:
        now = f"is {text or 'another'}".replace("is its dtype is", "has the dtype")
    elif "of shape" in shown and " instead of " in text:
        now = f"has {text}"  # the shape of a large tensor shows nothing
    else:
        now = f"is {shown}"
    return (
        f"Your answer changes its input: after the call, {name} {now}. "
        "The caller may still need it as it was; work on a copy."
    )


def known_mistake(exercise: Function, tries: Tries, failed: Try) -> str:
    """The message of the first mistake that gives what the answer gives on every input; "" if none."""

    def repeats(wrong: Callable, one: Try) -> bool:
        return not trial_difference(exercise, one.got, one.case.trial(exercise, wrong))

    for wrong, message in exercise.mistakes:
        if repeats(wrong, failed) and all(repeats(wrong, one) for one in tries):
            return message
    return ""


def habits(tries: Tries, failed: Try) -> Iterator[str]:
    """Mistakes that every exercise can meet."""
    expected = [one.expected for one in tries]
    if failed.got.value is None and not any(one.value is None and one.error is None for one in expected):
        yield "A function without `return` gives None. Is the `return` missing, or in a branch only?"
    # What a right answer gives for every input, too, such as nothing to complain of, shows no mistake.
    elif len(expected) > 2 and all_same([one.got for one in tries]) and not all_same(expected):
        yield "It gives the same for every input: does it use its arguments?"


def all_same(trials: list[Trial]) -> bool:
    """Whether all trials gave the same value."""
    return not any(EXACT.differ(one.value, trials[0].value) for one in trials)


# -- numbers ------------------------------------------------------------------


def grade_number(exercise: Number, answer: Any) -> Report:
    """The verdict on a number, or on a function that returns one."""
    number = exercise.number
    if callable(answer):
        complaint = misfit(exercise, answer)
        if complaint:
            return Report(UNCLEAR, complaint)
        trial = attempt(apply, answer, (), SECONDS)
    else:
        trial = attempt(lambda value: value, answer, (), SECONDS)
    if isinstance(trial.error, NotImplementedError):
        return not_attempted(exercise)
    if trial.error is not None:
        rows = [("got", outcome(trial)), ("where", trial.line)]
        return Report(NOT_YET, f"{number} not yet.", tuple(row for row in rows if row[1]))
    value = trial.value
    found = as_number(value)
    if found is None:
        got = f"{a(value)}: {show(value, 40)}"
        if value is None and callable(answer):
            got = "None, which a function without `return` gives"
        return Report(UNCLEAR, f"{number} wants a number; this is {got}.")
    found = float(found)
    if abs(found - exercise.answer) <= exercise.tolerance:
        return Report(RIGHT, f"{number} right. {exercise.right}")
    if found != found:
        return Report(NOT_YET, f"{number} not yet.", (("got", "nan, which is no number"),))
    rows = [("got", f"{show(found)}, which is too {'high' if found > exercise.answer else 'low'}")]
    rows += [("likely", message) for message in nearest_mistake(exercise, found)]
    return Report(NOT_YET, f"{number} not yet.", tuple(rows))


def nearest_mistake(exercise: Number, value: float) -> list[str]:
    """The message of the mistake that is nearest to a number, where one is as near as its size allows.

    A mistake smaller than the answer allows as much less: 0.05 is not 0.07, though 0.45 may be 0.47.
    """
    candidates = []
    for wrong, message in exercise.mistakes:
        share = min(1.0, abs(wrong / exercise.answer)) if exercise.answer and wrong else 1.0
        if abs(value - wrong) <= exercise.tolerance * share:
            candidates.append((abs(value - wrong), message))
    return [min(candidates)[1]] if candidates else []
