"""What every chapter's tests of its exercises share: answers in a table, tried one by one."""

import ast
import re
import sys
import traceback
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from companion.book.manifest import Book
from companion.book.text import read_text, tags
from companion.exercises.checker import Checker, find
from companion.exercises.exercise import Exercise, Function
from companion.exercises.grade import KEPT, all_tries

BOOK = Book.read(Path(__file__).parents[2])


@dataclass
class Answers:
    """Answers to an exercise: right ones, written differently; wrong ones with words of their verdict."""

    right: Sequence[Any]
    wrong: Sequence[tuple[Any, str]]


VERDICTS: dict[tuple[str, int], Any] = {}
"""The verdict on each answer of the tables, by exercise and object."""


def judged(number: str, answer: Any) -> Any:
    """The verdict on an answer, which is found once and shared by the tests of a file."""
    key = number, id(answer)
    if key not in VERDICTS:
        VERDICTS[key] = Checker()(number, answer)
    return VERDICTS[key]


class ExerciseTests:
    """Subclassed in each chapter's test file, which sets `answers`: an exercise's number -> its Answers."""

    answers: dict[str, Answers]

    def pytest_generate_tests(self, metafunc):
        names = metafunc.fixturenames
        if "message" in names:
            cases = [(n, *wrong) for n, table in self.answers.items() for wrong in table.wrong]
            metafunc.parametrize(("number", "answer", "message"), cases, ids=ids(cases))
        elif "answer" in names:
            cases = [(n, right) for n, table in self.answers.items() for right in table.right]
            metafunc.parametrize(("number", "answer"), cases, ids=ids(cases))

    def test_right_answers_are_accepted(self, number, answer):
        verdict = judged(number, answer)
        assert verdict.outcome == "right", verdict

    @pytest.mark.gate
    def test_wrong_answers_are_told_their_mistake(self, number, answer, message, monkeypatch):
        monkeypatch.setattr("companion.exercises.grade.SECONDS", 5)  # some never end
        verdict = judged(number, answer)
        assert verdict.outcome == "not yet", verdict
        assert message in repr(verdict)

    def test_the_oracle_raises_only_what_it_means_to(self):
        for exercise in map(exercise_of, self.answers):
            for one in all_tries(exercise, exercise.oracle) if isinstance(exercise, Function) else ():
                if one.expected.error:
                    last = traceback.extract_tb(one.expected.error.__traceback__)[-1]
                    assert last.line.startswith("raise "), f"{exercise.number}: {one.args} is no case"

    @pytest.mark.gate
    def test_every_known_mistake_is_recognized(self):
        for number in self.answers:
            for wrong, message in exercise_of(number).mistakes:
                verdict = Checker()(number, wrong)
                assert ("likely", message) in verdict.rows, (
                    f"{number}: {message}\nis not told, but\n{verdict}"
                )

    @pytest.mark.gate
    def test_verdicts_do_not_depend_on_the_package(self, monkeypatch):
        answers = [
            (n, a) for n, table in self.answers.items() for a in [*table.right, *(w for w, _ in table.wrong)]
        ]
        answers = [(number, answer) for number, answer in answers if not leans_on_package(answer)]
        monkeypatch.setattr("companion.exercises.grade.SECONDS", 5)
        before = [judged(number, answer) for number, answer in answers]
        assert {number for number, _ in answers} == set(self.answers), (
            "an exercise without answers of our own"
        )
        sabotage(monkeypatch)
        for (number, answer), verdict in zip(answers, before, strict=True):
            if "it was stopped after" not in repr(verdict):  # they would only end again, at another line
                assert Checker()(number, answer) == verdict

    @pytest.mark.gate
    def test_the_cells_run_on_their_own_and_the_solutions_pass(self, monkeypatch):
        (chapter,) = {int(number.partition(".")[0]) for number in self.answers}
        monkeypatch.chdir(BOOK.root / "chapters")
        names: dict[str, Any] = {}
        for cell in exercise_cells(chapter):
            if cell.cell_type == "code":
                shown = run_cell(cell.source, names)
                if "solution" in tags(cell):
                    assert shown.outcome == "right", shown
                elif "raise NotImplementedError" in cell.source:
                    assert shown.outcome == "not attempted yet", shown


def ids(cases: Sequence[tuple]) -> list[str]:
    """A name for each case: the exercise and the answer."""
    return [f"{number}-{getattr(answer, '__name__', answer)}" for number, answer, *_ in cases]


def exercise_cells(chapter: int) -> list:
    """The cells of a chapter's text from its heading "Exercises" to the next heading of that level."""
    (entry,) = [c for c in BOOK.chapters if c.name.startswith(f"{chapter:02d}_")]
    cells, inside = [], False
    for cell in read_text(entry.text)[0].cells:
        titles = [line for line in cell.source.splitlines() if line.startswith("## ")]
        if cell.cell_type == "markdown" and titles:
            inside = titles == ["## Exercises"]
        if inside:
            cells.append(cell)
    return cells


def cells_by_exercise(chapter: int) -> list[list]:
    """The cells of each exercise: from its heading, "### 1.2 …", to the next heading of that level."""
    groups: list[list] = [[]]
    for cell in exercise_cells(chapter):
        if cell.cell_type == "markdown" and cell.source.startswith("### "):
            groups.append([])
        groups[-1].append(cell)
    return [group for group in groups if group and re.match(r"### \d", group[0].source)]


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell's code; the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None


def exercise_of(number: str) -> Exercise:
    """The exercise with this number."""
    return find(number)


def of_package(value: Any) -> bool:
    """Whether something belongs to a chapter's module, or to what such modules import from runtime."""
    chapters = tuple(f"companion.{chapter.module}" for chapter in BOOK.chapters if chapter.module)
    places = [getattr(value, "__module__", None), getattr(value, "__name__", None)]
    return any(str(place) in chapters or str(place).startswith("companion.runtime.") for place in places)


def leans_on_package(answer: Any, seen: frozenset = frozenset()) -> bool:
    """Whether an answer uses what a chapter built, itself or through a function that it calls."""
    if answer in seen if isinstance(answer, Callable) else True:
        return False
    if of_package(answer) or any(map(of_package, getattr(answer, "__mro__", ()))):
        return True
    parts = [answer, *getattr(answer, "__dict__", {}).values()]
    functions = [f for f in parts if isinstance(f, types.FunctionType)]
    used = [f.__globals__[name] for f in functions for name in names_in(f.__code__) if name in f.__globals__]
    return any(leans_on_package(value, seen | {answer}) or of_package(value) for value in used)


def names_in(code: types.CodeType) -> set[str]:
    """Every global name and attribute that a function's code mentions, in inner functions too."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(names_in, inner))


def nonsense(*args, **kwargs):
    """What replaces everything that the chapters built."""
    return "nonsense"


def sabotage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every function, class and method of the chapters' modules that are loaded by nonsense."""
    KEPT.clear()  # the exercises' own answers are found anew, without the package
    for module in [module for name, module in list(sys.modules.items()) if of_package(module)]:
        for name, value in list(vars(module).items()):
            if not of_package(value) or not callable(value):
                continue
            for method in [key for key, item in vars(value).items() if isinstance(item, types.FunctionType)]:
                monkeypatch.setattr(value, method, nonsense)
            monkeypatch.setattr(module, name, nonsense)
