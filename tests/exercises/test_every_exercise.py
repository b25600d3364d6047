"""What holds for every exercise of the chapters that have some: a module makes a chapter one of them."""

import ast
import builtins
import re
import symtable
from collections import Counter
from pathlib import Path

import pytest
from exercise_helpers import BOOK, bound, cells_by_exercise, exercise_cells, used
from stored import FOLDER, stored_answers

import companion.exercises
from companion.book.overviews import imported
from companion.book.text import tags
from companion.exercises.checker import all_titles, exercises_of
from companion.exercises.notation import Exercise, Number

MODULES = [f"companion.{chapter.module}" for chapter in BOOK.chapters if chapter.module]
ROOMS = "companion.serve.", "companion.models."
"""Rooms above the chapters in which code of chapters stands too."""
CHAPTERS = list(all_titles())
EXERCISES = [exercise for chapter in CHAPTERS for exercise in exercises_of(chapter)]


def chapter_of(exercise: Exercise) -> int:
    return int(exercise.number.partition(".")[0])


def cells_of(exercise: Exercise) -> list:
    position = exercises_of(chapter_of(exercise)).index(exercise)
    return cells_by_exercise(chapter_of(exercise))[position]


def last_line(source: str) -> str:
    return source.strip().splitlines()[-1]


@pytest.fixture(params=EXERCISES, ids=lambda exercise: exercise.number)
def exercise(request) -> Exercise:
    return request.param


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_numbers_are_consecutive_and_the_text_has_all(chapter):
    numbers = [exercise.number for exercise in exercises_of(chapter)]
    assert numbers == [f"{chapter}.{i}" for i in range(1, len(numbers) + 1)]
    assert len(cells_by_exercise(chapter)) == len(numbers)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_five_exercises_a_hard_one_and_a_number(chapter):
    exercises = exercises_of(chapter)
    assert len(exercises) >= 5
    assert any(exercise.stars == 3 for exercise in exercises)
    assert any(isinstance(exercise, Number) for exercise in exercises)


@pytest.mark.parametrize("chapter", [c.number for c in BOOK.chapters if c.module and c.number in CHAPTERS])
def test_half_of_a_chapters_exercises_build_on_the_package(chapter):
    code = [cell.source for cell in exercise_cells(chapter) if cell.cell_type == "code"]
    imports = {found for source in code for found in imported(ast.parse(source))}
    names = {name for module, name in imports if module in MODULES or module.startswith(ROOMS)}
    groups = cells_by_exercise(chapter)
    building = ["\n".join(cell.source for cell in group if cell.cell_type == "code") for group in groups]
    assert sum(any(re.search(rf"\b{name}\b", text) for name in names) for text in building) * 2 >= len(groups)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_right_answers_to_each_exercise_are_stored(chapter):
    stored = stored_answers(FOLDER / f"ch{chapter:02d}.txt")
    right = Counter(answer.number for answer in stored if answer.right)
    assert all(right[exercise.number] >= 2 for exercise in exercises_of(chapter)), right


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


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_its_cells_need_no_name_from_before_them(chapter):
    """A reader may begin with the exercises. The notebooks run the cells, behind all the others."""
    known = {*dir(builtins), "__name__"}
    for cell in exercise_cells(chapter):
        if cell.cell_type == "code":
            statements = ast.parse(cell.source).body
            tables = [symtable.symtable(ast.unparse(one), "<cell>", "exec") for one in statements]
            for statement, table in zip(statements, tables, strict=True):
                known |= bound(statement, table)
            assert set().union(*map(used, tables)) <= known, cell.source


def test_messages_are_sentences(exercise):
    for text in [exercise.right, *(message for _, message in exercise.mistakes)]:
        assert text[0].isupper() or text[0] == "`"
        assert text[-1] in ".?" and text.count("`") % 2 == 0


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_check_uses_no_chapter_later_than_its_own(chapter):
    known = tuple(f"companion.{c.module}" for c in BOOK.chapters if c.module and c.number <= chapter)
    path = Path(companion.exercises.__file__).parent / f"ch{chapter:02d}.py"
    for module, _ in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if module.startswith("companion"):
            assert module in known or module.startswith(("companion.exercises", "companion.village")), module
