"""The reader's entry: find an exercise by its number, grade an answer, remember the outcome."""

import dataclasses
import importlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from companion.exercises.grade import grade
from companion.exercises.notation import Function, Number
from companion.exercises.report import NOT_ATTEMPTED, NOT_YET, RIGHT, UNCLEAR, Progress, Report
from companion.runtime.files.atomic import read_json_or_empty, write_atomic

KEPT = (RIGHT, NOT_YET)
"""The outcomes that are kept. An exercise that was not attempted leaves an earlier outcome as it is."""

HEADING = re.compile(r'^    "(\d+\.\d+) ([^"]*★+)"', re.MULTILINE)
"""How an exercise begins in its chapter's module, as in `"1.5 Longest first ★★",`."""


def all_titles() -> dict[int, dict[str, str]]:
    """The exercises of each chapter, number -> title and stars, read from the modules without running them.

    To import them all would take several seconds.
    """
    titles = {}
    for path in sorted(Path(__file__).parent.glob("ch[0-9][0-9].py")):
        titles[int(path.stem[2:])] = dict(HEADING.findall(path.read_text(encoding="utf-8")))
    return titles


def exercises_of(chapter: int) -> list[Function | Number]:
    """The exercises of a chapter that has some, in order."""
    return importlib.import_module(f"companion.exercises.ch{chapter:02d}").chapter.exercises


def find(number: str) -> Function | Number | str:
    """The exercise with this number, or a sentence on why there is none."""
    match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})", number)
    if not match:
        return f'{number!r:.40} is no exercise\'s number; write the chapter, a point and the exercise: "1.2".'
    chapter = int(match[1])
    titles = all_titles()
    if chapter not in titles:
        return f"Chapter {chapter} has no exercises. These have: {', '.join(map(str, titles))}."
    exercises = {exercise.number: exercise for exercise in exercises_of(chapter)}
    if number not in exercises:
        first, *_, last = exercises
        return f"There is no {number}; chapter {chapter} has {first} to {last}."
    return exercises[number]


def progress_file() -> Path:
    """Where the outcomes are kept: `runs/progress.json` of the course, or of the folder where Python runs."""
    here = Path(os.path.abspath("."))
    for folder in (here, *here.parents):
        if (folder / "book.toml").is_file():
            return folder / "runs" / "progress.json"
    return here / "runs" / "progress.json"


def read_progress(path: Path) -> dict[str, str]:
    """Outcomes by the exercise's number. A file that is missing or damaged holds none."""
    return {number: outcome for number, outcome in read_json_or_empty(path).items() if outcome in KEPT}


def keep_outcome(path: Path, number: str, outcome: str) -> None:
    """Write one outcome into the file; what was right once stays right.

    A folder that cannot be written to is no reason to fail a check.
    """
    outcomes = read_progress(path)
    if outcome not in KEPT or outcomes.get(number) == RIGHT:
        return
    outcomes[number] = outcome
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(outcomes, indent=1, sort_keys=True) + "\n")
    except OSError:
        return


class Checker:
    """Checks answers, and remembers their outcomes.

    Args:
        keeps: Whether outcomes are also written to the reader's file, where `companion progress` finds them.
    """

    def __init__(self, keeps: bool = False):
        self.keeps = keeps
        self.outcomes: dict[str, str] = {}

    def __call__(self, number: str | float, answer: Any = None) -> Report:
        """Check whether an answer to an exercise is right.

        Where nothing displays the value of a statement, as in a plain script, the verdict is printed too. A
        solution of the course, which is named `solution` or `Solution`, is graded and not remembered.

        Args:
            number: The exercise's number, such as "1.2".
            answer: The reader's function, class or number.

        Returns:
            The verdict. A check that fails itself is a verdict too.

        Raises:
            KeyboardInterrupt: If the reader interrupts the check.
        """
        report = self.report(number, answer)
        show_in_script(report)
        return report

    def report(self, number: str | float, answer: Any) -> Report:
        """The verdict; its outcome is remembered."""
        exercise = find(str(number))
        if isinstance(exercise, str):
            return Report(UNCLEAR, exercise)
        try:
            report = grade(exercise, answer)
        except Exception as error:
            fault = f"({type(error).__name__}: {error})"
            text = "the check itself failed, which is not your answer's fault"
            return Report(UNCLEAR, f"{exercise.number} could not be checked: {text} {fault}.")
        is_solution = getattr(answer, "__name__", "") in ("solution", "Solution")
        if report.outcome != UNCLEAR and not is_solution:
            self.outcomes[exercise.number] = report.outcome
            if self.keeps:
                keep_outcome(progress_file(), exercise.number, report.outcome)
            if report.outcome == RIGHT:
                row = ("progress", self.count(exercise.number.partition(".")[0]))
                return dataclasses.replace(report, rows=(*report.rows, row))
        return report

    def count(self, chapter: str) -> str:
        """How many exercises of a chapter are right, such as "4 of 7 in this chapter"."""
        kept = read_progress(progress_file()) if self.keeps else {}
        outcomes = self.outcomes | kept
        numbers = [exercise.number for exercise in exercises_of(int(chapter))]
        right = sum(outcomes.get(number) == RIGHT for number in numbers)
        return f"{right} of {len(numbers)} in this chapter"

    def progress(self) -> Progress:
        """How the exercises stand in each chapter of which one was checked in this session."""
        table = {}
        for chapter in sorted({int(number.partition(".")[0]) for number in self.outcomes}):
            table[chapter] = {outcome: [] for outcome in (RIGHT, NOT_YET, NOT_ATTEMPTED)}
            for exercise in exercises_of(chapter):
                outcome = self.outcomes.get(exercise.number, NOT_ATTEMPTED)
                table[chapter][outcome].append(f"{exercise.number} {'★' * exercise.stars}")
        progress = Progress(table)
        show_in_script(progress)
        return progress


def show_in_script(report: Report | Progress) -> None:
    """Print a report, unless a notebook or Python's prompt displays the value of a line."""
    ipython = sys.modules.get("IPython")
    if hasattr(sys, "ps1") or (ipython and ipython.get_ipython() is not None):
        return
    try:
        print(report)
    except UnicodeEncodeError:  # a terminal without ★
        print(repr(report).encode("ascii", "backslashreplace").decode())


check = Checker(keeps=True)
