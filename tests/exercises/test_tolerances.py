"""No tolerance is much wider than it must be: the tests notice one that is a hundred times as wide."""

import pytest
import torch

from companion.exercises.checker import chapters, exercises_of
from companion.exercises.comparison import Comparison
from companion.exercises.exercise import Function, Number
from companion.exercises.grade import cases_of
from companion.exercises.normalize import Record

EXERCISES = [exercise for chapter in chapters() for exercise in exercises_of(chapter)]
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
        return Record(value.name, {name: rounded(item, digits) for name, item in value.parts.items()})
    return value


@pytest.mark.gate
@pytest.mark.parametrize(
    "exercise", [e for e in EXERCISES if isinstance(e, Function)], ids=lambda exercise: exercise.number
)
def test_a_rounded_answer_is_refused(exercise):
    values = [case.expected(exercise).value for case in cases_of(exercise)]
    comparison = Comparison(exercise.tolerance, exercise.exact_dtype)
    digits = OTHER_DIGITS.get(exercise.number, DIGITS)
    exact = Comparison(0.0, exercise.exact_dtype)
    pairs = [(rounded(value, digits), value) for value in values]
    if not any(exact.differ(*pair) for pair in pairs):
        return  # no floating point numbers are expected
    assert any(comparison.differ(*pair) for pair in pairs)


@pytest.mark.parametrize(
    "exercise", [e for e in EXERCISES if isinstance(e, Number)], ids=lambda exercise: exercise.number
)
def test_a_hundredfold_tolerance_would_accept_a_known_mistake(exercise):
    nearest = min(abs(wrong - exercise.answer) for wrong, _ in exercise.mistakes)
    assert exercise.tolerance < nearest
    counted = exercise.tolerance <= 1 and nearest > 0.5  # to the next whole number
    assert counted or nearest <= 100 * exercise.tolerance
