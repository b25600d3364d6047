"""The page for teachers: its plan agrees with the chapters, and its program prints what the page shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from companion.exercises.checker import find
from companion.exercises.notation import Function

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
WEEKS = [line.split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d+ \| ", line)]


def minutes(chapter: str) -> int:
    """The reading time that a chapter's first lines state."""
    text = (ROOT / "chapters" / "text" / f"{chapter}.md").read_text(encoding="utf-8")
    number, unit = re.search(r"Reading (\w+) (minutes|hours)", text).groups()
    return {"two": 2}.get(number) * 60 if unit == "hours" else int(number)


def test_the_plan_has_the_reading_times_that_the_chapters_state():
    assert [row[0].strip("| ") for row in WEEKS] == [str(week) for week in range(1, 15)]
    total = 0
    for row in WEEKS:
        stated = sum(minutes(chapter) for chapter in re.findall(r"chapters/(\w+)\.ipynb", row[1]))
        assert int(row[2]) == stated, row
        total += stated
    assert f"about {total / 60:.0f} hours of reading" in PAGE
    assert f"it takes {minutes('21_pytorch')} minutes" in PAGE


def test_the_homework_asks_for_functions_of_the_weeks_chapters_with_one_or_two_stars():
    for row in WEEKS:
        chapters = {int(name[:2]) for name in re.findall(r"chapters/(\w+)\.ipynb", row[1])}
        numbers = row[4].strip(" |").split(", ")
        assert len(numbers) == 3
        for number in numbers:
            exercise = find(number)
            assert isinstance(exercise, Function) and exercise.stars <= 2, number
            assert int(number.split(".")[0]) in chapters, number
    for number in re.findall(r"\((\d+\.\d)\)", PAGE):
        assert find(number).stars == 3


def test_each_chapter_from_the_first_on_asks_for_a_prediction():
    for path in sorted((ROOT / "chapters" / "text").glob("*.md"))[1:]:
        assert "> **Predict" in path.read_text(encoding="utf-8"), path.name


@pytest.mark.gate
def test_the_program_checks_a_folder_of_homework_as_the_page_shows(tmp_path):
    [program] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    [shown] = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for number, name in re.findall(r'"([\d.]+)": "(\w+)"', program):
        assert find(number).name == name
    merge_pair = """\
def merge_pair(tokens, pair):
    merged = []
    i = 0
    while i < len(tokens){less}:
        if (tokens[i], *tokens[i + 1 : i + 2]) == tuple(pair):
            merged.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            merged.append(tokens[i])
            i += 1
    return merged
"""
    longest_first = """\
def longest_first(text, tokens):
    print("looking at", text)
    found = []
    while text:
        found.append(max((token for token in tokens if text.startswith(token)), key=len))
        text = text[len(found[-1]) :]
    return found
"""
    homework = tmp_path / "homework"
    homework.mkdir()
    (homework / "ada.py").write_text(merge_pair.format(less="") + longest_first)
    (homework / "ben.py").write_text(merge_pair.format(less=" - 1"))
    (homework / "cleo.py").write_text("def merge_pair(tokens, pair):\n    return tokens\n\nretrun\n")
    (tmp_path / "check_homework.py").write_text(program)
    command = [sys.executable, "check_homework.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (shown, "")
