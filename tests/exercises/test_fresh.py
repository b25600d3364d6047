"""The answers of people who had not read the checks (fresh/*.py), each judged rightly."""

import importlib.util
from pathlib import Path

import pytest

from companion.exercises.checker import Checker, find
from companion.exercises.exercise import Function, Number
from companion.exercises.grade import all_tries, misfit

pytestmark = pytest.mark.gate  # hundreds of answers

FOLDER = Path(__file__).parent / "fresh"
FILES = sorted(FOLDER.glob("ch*.py"))


def load(path):
    spec = importlib.util.spec_from_file_location(f"fresh_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = [load(path) for path in FILES]
STRANGERS = [load(path) for path in sorted(FOLDER.glob("stranger*.py"))]
"""More of them, where a chapter has some: those of a stranger, written after its text."""
WRONG = [
    (n, answer) for module in MODULES + STRANGERS for n, answers in module.WRONG.items() for answer in answers
]
RIGHT = [
    (n, answer) for module in MODULES + STRANGERS for n, answers in module.RIGHT.items() for answer in answers
]


def names(cases):
    return [f"{number}-{getattr(answer, '__name__', type(answer).__name__)}" for number, answer in cases]


@pytest.mark.parametrize(("number", "answer"), RIGHT, ids=names(RIGHT))
def test_right_answers_are_accepted(number, answer):
    verdict = Checker()(number, answer)
    assert verdict.outcome == "right", verdict


@pytest.mark.parametrize(("number", "answer"), WRONG, ids=names(WRONG))
def test_wrong_answers_are_not(number, answer, monkeypatch):
    monkeypatch.setattr("companion.exercises.grade.SECONDS", 5)  # some may never end
    exercise = find(number)
    if isinstance(exercise, Function) and not misfit(exercise, answer):
        assert any(one.failed for one in all_tries(exercise, answer))  # up to the first that fails
        return
    verdict = Checker()(number, answer)
    if isinstance(exercise, Number) and "wants a number" in verdict.headline:
        return  # None, a list, a word: not even a wrong number
    assert verdict.outcome == "not yet", verdict
