"""The reader's entry: find an exercise by its number, grade an answer, remember the outcome."""

import contextlib
import importlib
import pkgutil
import re
import sys
from typing import Any

import companion.exercises
from companion.exercises.exercise import Exercise
from companion.exercises.grade import grade
from companion.exercises.report import NOT_ATTEMPTED, NOT_YET, RIGHT, UNCLEAR, Progress, Report
from companion.exercises.settle import type_name
from companion.exercises.trial import Stopped, run


def chapters() -> list[int]:
    """The chapters that have exercises."""
    names = (module.name for module in pkgutil.iter_modules(companion.exercises.__path__))
    return sorted(int(name[2:]) for name in names if re.fullmatch(r"ch\d\d", name))


def exercises_of(chapter: int) -> list[Exercise]:
    """The exercises of a chapter that has some, in order."""
    return importlib.import_module(f"companion.exercises.ch{chapter:02d}").chapter.exercises


def find(number: str) -> Exercise | str:
    """The exercise with this number, or a sentence that says why there is none."""
    match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})", number)
    if not match:
        return f'{number!r:.40} is no exercise\'s number; write the chapter, a point and the exercise: "1.2".'
    chapter = int(match[1])
    if chapter not in chapters():
        return f"Chapter {chapter} has no exercises. These have: {', '.join(map(str, chapters()))}."
    exercises = {exercise.number: exercise for exercise in exercises_of(chapter)}
    numbers = list(exercises)
    return (
        exercises.get(number) or f"There is no {number}; chapter {chapter} has {numbers[0]} to {numbers[-1]}."
    )


class Checker:
    """Checks answers, and remembers their outcomes as long as the session lasts."""

    def __init__(self):
        self.outcomes: dict[str, str] = {}

    def __call__(self, number: str | float, answer: Any = None) -> Report:
        """Say whether an answer to an exercise is right. It never raises, whatever the answer does.

        Where nothing displays what a statement gives, as in a plain script, the verdict is printed too.
        A solution of the course, which is named `solution` or `Solution`, is judged and not remembered.
        """
        verdict = self.judged(number, answer)
        say(verdict)
        return verdict

    def judged(self, number: str | float, answer: Any) -> Report:
        """The verdict; its outcome is remembered."""
        exercise = find(number if type(number) is str else str(number) if type(number) is float else "?")
        if isinstance(exercise, str):
            return Report(UNCLEAR, exercise)
        try:
            verdict = grade(exercise, answer)
        except (Exception, Stopped) as error:  # a stop may come late, just behind the answer
            fault = f"({type_name(error)}: {error})"
            text = "the check itself failed, which is not your answer's fault"
            return Report(UNCLEAR, f"{exercise.number} could not be checked: {text} {fault}.")
        if verdict.outcome != UNCLEAR and name_of(answer) not in ("solution", "Solution"):
            self.outcomes[exercise.number] = verdict.outcome
        return verdict

    def progress(self) -> Progress:
        """How the exercises stand in each chapter of which one was checked in this session."""
        table = {}
        for chapter in sorted({int(number.partition(".")[0]) for number in self.outcomes}):
            table[chapter] = {outcome: [] for outcome in (RIGHT, NOT_YET, NOT_ATTEMPTED)}
            for exercise in exercises_of(chapter):
                outcome = self.outcomes.get(exercise.number, NOT_ATTEMPTED)
                table[chapter][outcome].append(f"{exercise.number} {'★' * exercise.stars}")
        progress = Progress(table)
        say(progress)
        return progress


def say(told: Report | Progress) -> None:
    """Print what nothing will display: in a notebook and at Python's prompt, the value of a line is shown."""
    ipython = sys.modules.get("IPython")
    if (ipython and ipython.get_ipython() is not None) or hasattr(sys, "ps1"):
        return
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or there is none
        try:
            print(told)
        except UnicodeEncodeError:
            print(repr(told).encode("ascii", "backslashreplace").decode())


def name_of(answer: Any) -> str:
    """The name of a function or class, whatever it says about itself; "" of other objects."""
    name, _ = run(lambda: answer.__name__, 1)
    return str.__str__(name) if isinstance(name, str) else ""


check = Checker()
