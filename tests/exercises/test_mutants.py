"""Every check tells the generated mutants of its right answer from the right answer."""

from pathlib import Path

import pytest
from mutants import mutants_of

from companion.exercises.checker import chapters, exercises_of
from companion.exercises.exercise import Function
from companion.exercises.grade import cases_of, tried
from companion.exercises.notation import blocks
from companion.exercises.runner import Stopped

pytestmark = pytest.mark.gate

EQUIVALENT = Path(__file__).parent / "equivalent"
SECONDS = 1
"""After which a mutant is stopped on an input: some never end."""
EXERCISES = [
    exercise for chapter in chapters() for exercise in exercises_of(chapter) if isinstance(exercise, Function)
]


def listed(chapter: str) -> dict[tuple[str, str], str]:
    """(exercise, change) -> the reason why a mutant behaves like the right answer."""
    path = EQUIVALENT / f"ch{int(chapter):02d}.txt"
    if not path.exists():
        return {}
    found = {}
    for lines, reason in blocks(path.name, path.read_text(encoding="utf-8")):
        for line in lines:
            number, _, change = line.partition(" ")
            found[number, change] = reason
    return found


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_a_check_refuses_every_mutant_of_its_right_answer(exercise):
    equivalent = listed(exercise.number.partition(".")[0])
    accepted, wrongly_listed = [], []
    cases = list(cases_of(exercise))
    for mutant in mutants_of(exercise):
        key = mutant.number, mutant.change
        tries = list(until_refused(exercise, mutant.answer, cases))
        refused = tries[-1].failed
        if refused:  # this input refuses the next mutants first, since it is likely to refuse them too
            cases.remove(tries[-1].case)
            cases.insert(0, tries[-1].case)
        if not refused and key not in equivalent:
            accepted.append(mutant.change)
        if refused and key in equivalent and not isinstance(tries[-1].got.error, Stopped):
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
