"""Verdicts: their outcomes and their words."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import numpy
import pytest
import torch
from exercise_helpers import about, exercise, number, total, verdict

from companion.exercises import grade
from companion.exercises.checker import Checker
from companion.exercises.notation import Problem

T = torch.tensor


def test_right_is_one_line():
    assert verdict(total) == "1.1 right. It adds."


def test_a_stub_is_not_attempted():
    def stub(values):
        raise NotImplementedError

    assert verdict(stub) == (
        "1.1 not attempted yet: total still raises NotImplementedError. "
        "Replace its body and run the cell again."
    )


def test_not_yet_shows_the_smallest_input_and_the_known_mistake():
    assert verdict(lambda values: sum(values[1:])) == (
        "1.1 not yet.\n"
        "  input     total([1])\n"
        "  expected  1\n"
        "  got       0\n"
        "  likely    The first is missing."
    )


def test_what_an_answer_prints_is_shown_for_the_failing_input_only(capsys):
    def prints(values):
        print("values:", values)
        return sum(values[1:])

    assert "printed   'values: [1]'" in verdict(prints)
    assert capsys.readouterr().out == ""


# -- errors ------------------------------------------------------------------


def raises_deep_inside(values):
    return helper_of_reader(values)


def helper_of_reader(values):
    return values[7]  # the reader's own line


def test_an_error_is_shown_with_the_readers_line():
    text = verdict(raises_deep_inside)
    assert "got       IndexError: list index out of range" in text
    assert re.search(r"where     line \d+ of test_grading.py: return values\[7\]  # the reader's own", text)
    assert "grade.py" not in text and "Traceback" not in text
    text = verdict(lambda values: torch.stack(values))
    assert "of test_grading.py: text = verdict(lambda values: torch.stack(values))" in text
    assert "where" not in verdict(abs)


def deeper(values):
    return deeper(values)


@pytest.mark.parametrize("raised", [SystemExit(3), GeneratorExit(), MemoryError()])
def test_whatever_is_raised_is_shown(raised):
    def answer(values):
        raise raised

    assert f"got       {type(raised).__name__}" in verdict(answer)
    assert "RecursionError" in verdict(deeper)


def test_an_expected_error_must_be_of_its_kind():
    def positive(values):
        if not values:
            raise ValueError(f"values={values} must not be empty")
        return sum(values)

    def other(values):
        return sum(values) if values else {}["x"]

    assert verdict(positive, oracle=positive) == "1.1 right. It adds."
    assert "expected  ValueError: values=[] must not be empty" in verdict(total, oracle=positive)
    assert "got       KeyError: 'x'" in verdict(other, oracle=positive)


# -- likely causes ------------------------------------------------------------------


def test_a_mistake_is_likely_only_where_it_agrees_on_all_inputs():
    mistakes = [
        (lambda values: 0, "Always nothing."),
        (lambda values: sum(values[1:]), "The first is missing."),
    ]
    assert "The first is missing." in verdict(lambda values: sum(values[1:]), mistakes=mistakes)
    assert "Always nothing." in verdict(lambda values: 0, mistakes=mistakes)
    assert "likely" not in verdict(lambda values: 0 if len(values) < 2 else -1, mistakes=mistakes)


@pytest.mark.parametrize("kind", [numpy.array, tuple, lambda values: (v for v in values), T])
def test_a_mistake_is_likely_in_any_container(kind):
    mistakes = [(lambda values: [v * v for v in values], "Squares.")]
    task = about(lambda values: [2 * v for v in values], [1, 2, 5], mistakes=mistakes)
    assert "likely    Squares." in repr(grade.grade(task, lambda values: kind([v * v for v in values])))
    assert "Squares." not in repr(grade.grade(task, lambda values: kind([v * v + 1 for v in values])))


def test_a_problem_that_the_exercise_finds_is_the_cause():
    def call(answer, values):
        if answer is not total:
            raise Problem("Your layer has no `scale`.")
        return answer(values)

    text = verdict(sum, call=call)
    assert "likely    Your layer has no `scale`." in text and "got" not in text
    text = verdict(total, call=call, oracle=sum)
    assert text.startswith("1.1 could not be checked: its own answer fails on total([]) (Problem: Your layer")


def test_a_hint_is_shown_where_no_mistake_is_recognized():
    def hint(got, values):
        return f"{got.value} of {values}?" if got.error is None else f"{got.message}?"

    assert "likely    -1 of []?" in verdict(lambda values: -1, hint=hint)
    assert "likely    KeyError: 'x'?" in verdict(lambda values: {}["x"], hint=hint)
    assert "The first is missing." in verdict(lambda values: sum(values[1:]), hint=hint)
    assert "likely" not in verdict(lambda values: sum(values) - 1, hint=lambda got, values: "")


def test_habits_are_named():
    assert "A function without `return` gives None." in verdict(lambda values: None)
    assert "It gives the same for every input" in verdict(lambda values: 41)
    assert "Your answer gives more than 100,000 elements" in verdict(lambda values: itertools.count())
    # what `call` complains of may well be the same for every input, and of a right answer it always is
    complaints = verdict(lambda values: -1, call=lambda f, values: [] if f(values) >= 0 else ["below 0"])
    assert "below 0" in complaints and "the same for every input" not in complaints


# -- numbers ------------------------------------------------------------------


@pytest.mark.parametrize("value", [3.5, numpy.float32(3.5), T(3.5), lambda: 3.5, lambda: T(3.5)])
def test_a_number_may_be_of_any_type_or_a_function(value):
    assert repr(grade.grade(number(), value)) == "1.2 right. Yes."


def test_a_wrong_number_is_too_high_or_too_low():
    text = repr(grade.grade(number(), 7.1))
    assert text == "1.2 not yet.\n  got     7.1, which is too high\n  likely  Twice."
    assert repr(grade.grade(number(), float("nan"))).startswith("1.2 not yet.")


def test_of_two_near_numbers_the_nearer_mistake_is_likely():
    mistakes = [(0.25, "Quarter."), (0.225, "Less."), (0.05, "Small.")]
    task = number(answer=0.5, tolerance=0.1, mistakes=mistakes)
    likely = {value: repr(grade.grade(task, value)) for value in (0.235, 0.24, 0.055, 0.1)}
    assert "likely  Less." in likely[0.235] and "likely  Quarter." in likely[0.24]
    assert "likely  Small." in likely[0.055] and "likely" not in likely[0.1]


# -- what is no answer ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "answer", "line"),
    [
        ("1.1", 3, '1.1 wants merge_pair itself, as in check("1.1", merge_pair); this is an int, 3.'),
        ("1.1", lambda tokens: 0, "1.1 wants merge_pair(tokens, pair); yours takes (tokens)."),
        ("1.2", True, "1.2 wants a number; this is a bool: True."),
        ("1.2", lambda: print(3.4), "1.2 wants a number; this is None, which a function without `return`"),
        ("1.99", 0, "There is no 1.99; chapter 1 has 1.1 to 1.6."),
        ("one", 0, "'one' is no exercise's number; write the chapter, a point and the exercise: \"1.2\"."),
    ],
)
def test_what_is_no_answer_gets_one_line(which, answer, line):
    one = Checker()
    text = repr(one(which, answer))
    assert text.startswith(line) and "\n" not in text
    assert repr(one.progress()) == "No exercise was checked in this session yet."


@pytest.mark.parametrize("broken", [{"oracle": lambda x: {}["x"]}, {"cases": lambda seed: 1 / 0}])
def test_a_fault_of_the_check_is_named_as_one(broken):
    found = grade.grade(dataclasses.replace(about(lambda x: x), **broken), lambda x: x)
    assert found.outcome == "unclear" and "a fault of the check, not yours" in repr(found)


def test_an_error_of_the_machinery_is_a_verdict(monkeypatch):
    monkeypatch.setattr("companion.exercises.checker.grade", lambda *_: 1 / 0)
    assert Checker()("1.1", total).outcome == "unclear"


# -- what is seen ------------------------------------------------------------------


def test_the_card_has_the_words_of_the_text_without_scripts_or_colors_of_text():
    found = grade.grade(exercise(), lambda values: sum(values[1:]))
    html = found._repr_html_()
    assert "&#x27;&lt;b&gt;&amp;" in grade.grade(exercise(), lambda values: "<b>&")._repr_html_()
    seen = []
    parser = HTMLParser()
    parser.handle_data = seen.append
    parser.feed(html)
    words = " ".join(" ".join(seen).split())
    assert words == " ".join(repr(found).split())
    assert "<script" not in html and not re.search(r"[^-]color:|background", html)


def test_progress_counts_by_chapter_and_leaves_solutions_out():
    one = Checker()

    def merge(tokens, pair):
        raise NotImplementedError

    def solution():
        return 3.4667

    one("1.1", merge)
    one("1.2", solution)
    one("1.5", lambda text, tokens: [])
    assert repr(one.progress()).startswith(
        "Chapter 1, 0 of 6 right. Not yet: 1.5 ★★; not attempted yet: 1.1 ★, 1.2 ★"
    )
    one("1.2", 3.4667)
    assert repr(one.progress()).startswith("Chapter 1, 1 of 6 right. Right: 1.2 ★; not yet: 1.5 ★★")
    assert "Chapter 1, 1 of 6 right" in one.progress()._repr_html_()
