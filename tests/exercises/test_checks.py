"""What every check does with its own right answer and with its known mistakes."""

import pytest

from companion.exercises.checker import Checker, chapters, exercises_of
from companion.exercises.exercise import Function
from companion.exercises.grade import all_tries

pytestmark = pytest.mark.gate  # the chapters' solutions are judged whenever their notebooks run

EXERCISES = [exercise for chapter in chapters() for exercise in exercises_of(chapter)]


def number_of(exercise) -> str:
    return exercise.number


@pytest.mark.parametrize("exercise", [e for e in EXERCISES if isinstance(e, Function)], ids=number_of)
def test_the_right_answer_is_accepted_and_raises_only_on_purpose(exercise):
    for one in all_tries(exercise, exercise.oracle):  # it raises Unclear otherwise
        assert not one.failed, one.args


@pytest.mark.parametrize("exercise", EXERCISES, ids=number_of)
def test_every_known_mistake_is_told(exercise):
    for wrong, message in exercise.mistakes:
        verdict = Checker()(exercise.number, wrong)
        assert ("likely", message) in verdict.rows, f"{message}\nis not told, but\n{verdict}"
