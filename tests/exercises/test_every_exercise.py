"""What holds for every exercise of the chapters that have some: a module makes a chapter one of them."""

import ast
import importlib
import re
from pathlib import Path

import pytest
from harness import BOOK, Answers, cells_by_exercise, exercise_cells
from stored import FOLDER, stored_answers
from test_fresh import FILES
from test_fresh import MODULES as FRESH_MODULES

import companion.exercises
from companion.book.imports import imported
from companion.book.text import tags
from companion.exercises.checker import chapters, exercises_of
from companion.exercises.exercise import Exercise, Number

MODULES = [f"companion.{chapter.module}" for chapter in BOOK.chapters if chapter.module]
FRESH = {int(path.stem[2:]): module for path, module in zip(FILES, FRESH_MODULES, strict=True)}
EXERCISES = [exercise for chapter in chapters() for exercise in exercises_of(chapter)]


def chapter_of(exercise: Exercise) -> int:
    return int(exercise.number.partition(".")[0])


def is_converted(exercise: Exercise) -> bool:
    return (FOLDER / f"ch{chapter_of(exercise):02d}.txt").exists()


def table(exercise: Exercise) -> Answers:
    if is_converted(exercise):
        path = FOLDER / f"ch{chapter_of(exercise):02d}.txt"
        stored = [one for one in stored_answers(path) if one.number == exercise.number]
        right = [one.answer for one in stored if one.right]
        return Answers(right, [(one.answer, one.words) for one in stored if not one.right])
    return importlib.import_module(f"test_ch{chapter_of(exercise):02d}").ANSWERS[exercise.number]


def cells_of(exercise: Exercise) -> list:
    position = exercises_of(chapter_of(exercise)).index(exercise)
    return cells_by_exercise(chapter_of(exercise))[position]


def last_line(source: str) -> str:
    return source.strip().splitlines()[-1]


@pytest.fixture(params=EXERCISES, ids=lambda exercise: exercise.number)
def exercise(request) -> Exercise:
    return request.param


@pytest.mark.parametrize("chapter", chapters())
def test_numbers_are_consecutive_and_the_text_has_all(chapter):
    numbers = [exercise.number for exercise in exercises_of(chapter)]
    assert numbers == [f"{chapter}.{i}" for i in range(1, len(numbers) + 1)]
    assert len(cells_by_exercise(chapter)) == len(numbers)


@pytest.mark.parametrize("chapter", chapters())
def test_a_chapter_has_five_exercises_a_hard_one_and_a_number(chapter):
    exercises = exercises_of(chapter)
    assert len(exercises) >= 5
    assert any(exercise.stars == 3 for exercise in exercises)
    assert any(isinstance(exercise, Number) for exercise in exercises)


@pytest.mark.parametrize("chapter", [c.number for c in BOOK.chapters if c.module and c.number in chapters()])
def test_half_of_a_chapters_exercises_build_on_the_package(chapter):
    code = [cell.source for cell in exercise_cells(chapter) if cell.cell_type == "code"]
    imports = {found for source in code for found in imported(ast.parse(source))}
    names = {name for module, name in imports if module in MODULES or module.startswith("companion.serve.")}
    groups = cells_by_exercise(chapter)
    building = ["\n".join(cell.source for cell in group if cell.cell_type == "code") for group in groups]
    assert sum(any(re.search(rf"\b{name}\b", text) for name in names) for text in building) * 2 >= len(groups)


def test_answers_are_many(exercise):
    right, wrong = len(table(exercise).right), len(table(exercise).wrong)
    if is_converted(exercise):  # its wrong answers are the known mistakes and the generated ones
        assert right >= 2
        return
    fresh = FRESH.get(chapter_of(exercise))  # by someone who had not read the check
    if fresh:
        right += len(fresh.RIGHT[exercise.number])
        wrong += len(fresh.WRONG[exercise.number])
    assert right >= 3
    assert wrong >= (10 if fresh else 5)


def test_its_cells_are_there_in_their_order(exercise):
    statement, stub, *more, help_, solution = cells_of(exercise)
    number, name = exercise.number, exercise.name
    assert [cell.cell_type for cell in (statement, stub, help_, solution)] == ["markdown", "code"] * 2
    assert statement.source.splitlines()[0] == f"### {number} {exercise.title} {'★' * exercise.stars}"
    assert 1 <= exercise.stars <= 3
    assert "raise NotImplementedError" in stub.source
    assert f"def {exercise.wants}:" in stub.source or f"class {name}" in stub.source
    assert last_line(stub.source) == f'check("{number}", {name})'
    assert help_.source.count("<details>") == help_.source.count("</details>") == 2
    assert "<details><summary>Hint</summary>" in help_.source
    assert "<details><summary>Solution</summary>" in help_.source
    assert {"solution", "hide-cell"} <= set(tags(solution))
    assert solution.source.startswith(f"# Solution of {number}")
    assert last_line(solution.source) in (f'check("{number}", solution)', f'check("{number}", Solution)')
    assert name not in [node.name for node in ast.parse(solution.source).body if hasattr(node, "name")]


def test_messages_are_sentences(exercise):
    for text in [exercise.right, *(message for _, message in exercise.mistakes)]:
        assert text[0].isupper() or text[0] == "`"
        assert text[-1] in ".?" and text.count("`") % 2 == 0


def test_checks_do_not_look_into_the_package():
    for path in Path(companion.exercises.__file__).parent.rglob("*.py"):
        for module, _ in imported(ast.parse(path.read_text(encoding="utf-8"))):
            if module.startswith("companion"):
                assert module.startswith(("companion.exercises", "companion.village")), (
                    f"{path.name}: {module}"
                )
