"""Answers that people gave who had not read the checks: each is judged rightly."""

import pytest
from stored import FOLDER, stored_answers

from companion.exercises.checker import Checker, find
from companion.exercises.exercise import Number

pytestmark = pytest.mark.gate

ANSWERS = [answer for path in sorted(FOLDER.glob("ch*.txt")) for answer in stored_answers(path)]


def name_of(stored) -> str:
    return f"{stored.number}-{stored.name}"


@pytest.mark.parametrize("stored", [one for one in ANSWERS if one.right], ids=name_of)
def test_right_answers_are_accepted(stored):
    verdict = Checker()(stored.number, stored.answer)
    assert verdict.outcome == "right", verdict


@pytest.mark.parametrize("stored", [one for one in ANSWERS if not one.right], ids=name_of)
def test_wrong_answers_are_told_their_mistake(stored, monkeypatch):
    monkeypatch.setattr("companion.exercises.grade.SECONDS", 5)  # some never end
    verdict = Checker()(stored.number, stored.answer)
    if isinstance(find(stored.number), Number) and "wants a number" in verdict.headline:
        return  # None, a list, a word: not even a wrong number
    assert verdict.outcome == "not yet", verdict
    assert stored.words in repr(verdict)
