"""The outcomes that are kept for the next session, and the command that prints them."""

import json

import pytest
from support.command_line import fails

from companion.__main__ import main
from companion.exercises.checker import Checker, all_titles, exercises_of, progress_file


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A folder with a course, of which the reader is in the chapters."""
    (tmp_path / "book.toml").write_text("")
    (tmp_path / "chapters").mkdir()
    monkeypatch.chdir(tmp_path / "chapters")
    return tmp_path


def test_a_right_answer_is_counted_with_those_of_earlier_sessions(course):
    assert dict(Checker(keeps=True)("1.2", 3.4667).rows)["progress"] == "1 of 6 in this chapter"
    assert dict(Checker(keeps=True)("1.4", 108 / 767).rows)["progress"] == "2 of 6 in this chapter"
    kept = json.loads((course / "runs" / "progress.json").read_text())
    assert kept == {"1.2": "right", "1.4": "right"}


def test_a_stub_and_a_solution_leave_the_file_as_it_is(course):
    def solution():
        return 108 / 767

    def merge_pair(tokens, pair):
        raise NotImplementedError

    check = Checker(keeps=True)
    check("1.2", 3.4667)
    check("1.4", solution)
    check("1.1", merge_pair)
    assert json.loads(progress_file().read_text()) == {"1.2": "right"}


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '{"1.2": 7}', "\0"])
def test_a_damaged_file_is_begun_anew(course, damaged):
    progress_file().parent.mkdir()
    progress_file().write_text(damaged)
    assert Checker(keeps=True)("1.4", 108 / 767).outcome == "right"
    assert json.loads(progress_file().read_text()) == {"1.4": "right"}


def test_a_file_that_cannot_be_written_fails_no_check(course):
    (course / "runs").write_text("a file where the folder would be")
    assert Checker(keeps=True)("1.2", 3.4667).outcome == "right"


def test_the_command_prints_the_whole_course(course, capsys):
    check = Checker(keeps=True)
    check("1.2", 3.4667)
    check("1.4", 0.5)
    capsys.readouterr()
    assert main(["progress"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["1", "1", "6", "1.4"]
    assert lines[25].split()[0] == "25"
    assert lines[-2].startswith("1 of ") and lines[-1].startswith("The first of the others: 1.1 ")
    check("1.2", 7)
    capsys.readouterr()
    assert main(["progress", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("1.2") and lines[2].endswith("  right")  # and stays so
    assert lines[4].startswith("1.4") and lines[4].endswith("  not yet")
    assert lines[-1] == "1 of 6 exercises are right."
    fails(capsys, ["progress", "26"], 2, "CHAPTER=26 has no exercises; these have: 1, 2, ")


def test_the_titles_read_are_those_of_the_exercises():
    for chapter, titles in all_titles().items():
        assert titles == {one.number: f"{one.title} {'★' * one.stars}" for one in exercises_of(chapter)}
