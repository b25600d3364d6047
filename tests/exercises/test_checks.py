"""Every check accepts right answers, and refuses known mistakes, mutants, stored and rounded answers."""

import pytest
import torch
from equivalent import equivalent_mutants
from mutants import mutants_of
from stored import FOLDER, stored_answers

from companion.exercises.checker import Checker, all_titles, exercises_of, find
from companion.exercises.comparison import Comparison
from companion.exercises.grade import SEEDS, all_tries, cases_of, grade, tried
from companion.exercises.normalize import Record
from companion.exercises.notation import Function, Number
from companion.exercises.runner import Stopped

EXERCISES = [exercise for chapter in all_titles() for exercise in exercises_of(chapter)]
FUNCTIONS = [exercise for exercise in EXERCISES if isinstance(exercise, Function)]
NUMBERS = [exercise for exercise in EXERCISES if isinstance(exercise, Number)]


def number_of(exercise) -> str:
    return exercise.number


@pytest.fixture(scope="module", params=FUNCTIONS, ids=number_of)  # so the tests of one share its cases
def function(request) -> Function:
    return request.param


# -- right answers and known mistakes ---------------------------------------------------------


@pytest.mark.gate  # the chapters' solutions are graded whenever their notebooks run
def test_the_right_answer_is_accepted_and_raises_only_on_purpose(function):
    for one in all_tries(function, function.oracle):  # it raises Unclear otherwise
        assert not one.failed, one.case.args


@pytest.mark.gate
@pytest.mark.parametrize("exercise", EXERCISES, ids=number_of)
def test_every_known_mistake_is_recognized(exercise, monkeypatch):
    """On the inputs of one seed, where they suffice: further ones only tell it from other mistakes."""
    missed = list(exercise.mistakes)
    for seeds in ((0,), SEEDS):
        monkeypatch.setattr("companion.exercises.grade.SEEDS", seeds)
        cases_of.cache_clear()
        verdicts = [(wrong, message, grade(exercise, wrong)) for wrong, message in missed]
        missed = [one[:2] for one in verdicts if ("likely", one[1]) not in one[2].rows]
    assert not missed, [message for _, message in missed]


# -- mutants ------------------------------------------------------------------


EQUIVALENT = equivalent_mutants()
SECONDS = 1
"""After which a mutant is stopped on an input: some never end."""


@pytest.mark.gate
def test_a_check_refuses_every_mutant_of_its_right_answer(function):
    accepted = []
    wrongly_listed = []
    cases = list(cases_of(function))
    for mutant in mutants_of(function):
        is_listed = (mutant.number, mutant.change) in EQUIVALENT
        tries = list(until_refused(function, mutant.answer, cases))
        refused = tries[-1].failed
        if refused:  # this input refuses the next mutants first, since it is likely to refuse them too
            cases.remove(tries[-1].case)
            cases.insert(0, tries[-1].case)
        if not refused and not is_listed:
            accepted.append(mutant.change)
        if refused and is_listed and not isinstance(tries[-1].got.error, Stopped):
            wrongly_listed.append(mutant.change)
    assert not accepted, "accepted, and not listed as equivalent:\n" + "\n".join(accepted)
    assert not wrongly_listed, "refused, though listed as equivalent:\n" + "\n".join(wrongly_listed)


def until_refused(exercise, answer, cases):
    """The tries of an answer, up to the first that fails."""
    for case in cases:
        one, _ = tried(exercise, answer, case, SECONDS)
        yield one
        if one.failed:
            return


# -- stored answers ------------------------------------------------------------------


ANSWERS = [answer for path in sorted(FOLDER.glob("ch*.txt")) for answer in stored_answers(path)]


def name_of(stored) -> str:
    return f"{stored.number}-{stored.name}"


@pytest.mark.gate
@pytest.mark.parametrize("stored", [one for one in ANSWERS if one.right], ids=name_of)
def test_right_answers_of_people_are_accepted(stored, monkeypatch):
    monkeypatch.setattr("companion.exercises.grade.SECONDS", 300)  # on a busy machine, too
    verdict = Checker()(stored.number, stored.answer)
    assert verdict.outcome == "right", verdict


@pytest.mark.gate
@pytest.mark.parametrize("stored", [one for one in ANSWERS if not one.right], ids=name_of)
def test_wrong_answers_of_people_are_refused(stored, monkeypatch):
    for seconds in (5, 100):  # some never end; on a busy machine, others need longer than they should
        monkeypatch.setattr("companion.exercises.grade.SECONDS", seconds)
        verdict = Checker()(stored.number, stored.answer)
        if stored.words in repr(verdict):
            break
        cases_of.cache_clear()  # they hold what took too long
    if isinstance(find(stored.number), Number) and "wants a number" in verdict.headline:
        return  # None, a list, a word: not even a wrong number
    assert verdict.outcome == "not yet", verdict
    assert stored.words in repr(verdict)


# -- tolerances: none is much wider than it must be ---------------------------------------------


DIGITS = 4
"""To so many digits a right answer must not be rounded. With the usual tolerance, 1e-5, five are enough."""
OTHER_DIGITS = {
    "8.3": 2,  # a temperature found by halving
    "10.6": 3,  # what an iteration comes to
    "13.5": 3,  # a temperature out of a table
    "15.6": 3,  # what a training comes to
    "21.4": 3,  # long sums in float32
    "12.2": 6,  # whole numbers of bytes
    "12.6": 7,  # products, which keep their digits
    "13.3": 6,  # small probabilities
    "13.4": 6,
    "18.5": 8,  # a probability near 0 or 1
}


def rounded(value, digits):
    """Plain data with its floating point numbers rounded to significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        numbers = [rounded(number, digits) for number in value.flatten().tolist()]
        return torch.tensor(numbers, dtype=value.dtype).view(value.shape)
    if isinstance(value, list | tuple):
        return type(value)(rounded(item, digits) for item in value)
    if isinstance(value, dict):
        return {name: rounded(item, digits) for name, item in value.items()}
    if isinstance(value, Record):
        return Record(value.name, rounded(value.parts, digits))
    return value


@pytest.mark.gate
def test_a_rounded_answer_is_refused(function):
    digits = OTHER_DIGITS.get(function.number, DIGITS)
    comparison = Comparison(function.tolerance, function.exact_dtype)
    exact = Comparison(0.0, function.exact_dtype)
    values = [case.expected(function).value for case in cases_of(function)]
    pairs = [(rounded(value, digits), value) for value in values]
    if not any(exact.differ(*pair) for pair in pairs):
        return  # no floating point numbers are expected
    assert any(comparison.differ(*pair) for pair in pairs)


@pytest.mark.parametrize("exercise", NUMBERS, ids=number_of)
def test_a_hundredfold_tolerance_would_accept_a_known_mistake(exercise):
    nearest = min(abs(wrong - exercise.answer) for wrong, _ in exercise.mistakes)
    assert exercise.tolerance < nearest
    counted = exercise.tolerance <= 1 and nearest > 0.5  # to the next whole number
    assert counted or nearest <= 100 * exercise.tolerance
