"""The machinery of the exercises: outcomes, words, time, and that an answer can do no harm."""

import os
import random
import re
import signal
import threading
import time
from html.parser import HTMLParser

import numpy
import pytest
import torch
from expressions import SECTIONS, values_of

from companion.exercises import check, checker, grade, runner
from companion.exercises.checker import Checker, find
from companion.exercises.comparison import difference, show, size
from companion.exercises.exercise import Function, Number, Problem
from companion.exercises.normalize import Record, snapshot
from companion.exercises.report import COLORS, RIGHT, Progress
from companion.exercises.runner import TimeUp, attempt, reader_line, run_limited


def total(values):
    return sum(values)


def exercise(**changes) -> Function:
    fields = {
        "number": "1.1",
        "title": "A total",
        "stars": 1,
        "wants": "total(values)",
        "cases": lambda seed: [([],), ([1],), ([2, 3],), (random.Random(seed).sample(range(9), 4),)],
        "oracle": total,
        "mistakes": [
            (lambda values: sum(values[1:]), "The first is missing."),
            (max, "You took the largest."),
        ],
        "right": "It adds.",
    }
    return Function(**fields | changes)


def verdict(answer, **changes) -> str:
    return repr(grade.grade(exercise(**changes), answer))


# -- outcomes and their words ------------------------------------------------------------------


def test_right_is_one_line():
    assert verdict(total) == "1.1 right. It adds."


def test_a_stub_is_not_attempted():
    def stub(values):
        raise NotImplementedError

    assert verdict(stub) == (
        "1.1 not attempted yet: total still raises NotImplementedError. "
        "Replace its body and run the cell again."
    )


def test_not_yet_tells_the_smallest_input_and_the_known_mistake():
    assert verdict(lambda values: sum(values[1:])) == (
        "1.1 not yet.\n"
        "  input     total([1])\n"
        "  expected  1\n"
        "  got       0\n"
        "  likely    The first is missing."
    )


def test_of_two_mistakes_the_one_that_fits_more_inputs_is_told():
    mistakes = [
        (lambda values: 0, "Always nothing."),
        (lambda values: sum(values[1:]), "The first is missing."),
    ]
    assert "The first is missing." in verdict(lambda values: sum(values[1:]), mistakes=mistakes)
    assert "Always nothing." in verdict(lambda values: 0, mistakes=mistakes)


def test_what_an_answer_prints_is_shown_for_the_failing_input_only(capsys):
    def talks(values):
        print("values:", values)
        return sum(values[1:])

    assert "printed   'values: [1]'" in verdict(talks)
    assert capsys.readouterr().out == ""


def raises_deep_inside(values):
    return helper_of_reader(values)


def helper_of_reader(values):
    return values[7]  # the reader's own line


def test_an_error_is_shown_with_the_readers_line():
    text = verdict(raises_deep_inside)
    assert "got       IndexError: list index out of range" in text
    assert re.search(
        r"where     line \d+ of test_exercise_machinery.py: return values\[7\]  # the reader's own", text
    )
    assert "grade.py" not in text and "Traceback" not in text


def test_an_error_in_a_library_is_shown_where_the_reader_called_it():
    text = verdict(lambda values: torch.stack(values))
    assert "of test_exercise_machinery.py: text = verdict(lambda values: torch.stack(values))" in text


def test_an_error_without_a_line_of_the_reader_has_none():
    assert "where" not in verdict(abs)


def test_an_expected_error_must_be_of_its_kind():
    def positive(values):
        if not values:
            raise ValueError(f"values={values} must not be empty")
        return sum(values)

    assert verdict(positive, oracle=positive) == "1.1 right. It adds."
    assert "expected  ValueError: values=[] must not be empty" in verdict(total, oracle=positive)

    def other(values):
        return sum(values) if values else {}["x"]

    assert "got       KeyError: 'x'" in verdict(other, oracle=positive)


def test_a_problem_told_by_the_exercise_is_the_cause():
    def call(answer, values):
        raise Problem("Your layer has no `scale`.")

    text = verdict(total, call=call, oracle=total)
    assert text.startswith("1.1 could not be checked: its own answer fails on total([]) (Problem: Your layer")

    def only_wholes(answer, values):
        if answer is not total:
            raise Problem("Your layer has no `scale`.")
        return answer(values)

    text = verdict(sum, call=only_wholes)
    assert "likely    Your layer has no `scale`." in text and "got" not in text


def test_a_hint_is_told_where_no_mistake_is_recognized():
    def hint(got, values):
        return f"{got.value} of {values}?" if got.error is None else f"{got.message}?"

    assert "likely    -1 of []?" in verdict(lambda values: -1, hint=hint)
    assert "likely    KeyError: 'x'?" in verdict(lambda values: {}["x"], hint=hint)
    assert "The first is missing." in verdict(lambda values: sum(values[1:]), hint=hint)
    assert "likely" not in verdict(lambda values: sum(values) - 1, hint=lambda got, values: "")


def test_an_order_of_its_own():
    assert "total([2, 3])" in verdict(lambda values: -1, order=lambda args: args[0] != [2, 3])


def test_several_things_returned_are_shown_by_their_names():
    def call(answer, values):
        return Record("", {"": Record("", {"sum": answer(values), "n": len(values)}), "kind": "of one"})

    text = verdict(lambda values: -1, call=call)
    assert "expected  sum = 0, n = 0" in text and "got       sum = -1, n = 0" in text
    assert "first at sum: -1 instead of 0" in text and "kind" not in text


def test_a_number_that_is_only_printed():
    text = repr(Checker()("1.2", lambda: print(3.4)))
    assert text == "1.2 wants a number; this is None, which a function without `return` gives."


def test_habits_are_named():
    assert "A function without `return` gives None." in verdict(lambda values: None)
    assert "It gives the same for every input" in verdict(lambda values: 41)
    # what `call` complains of may well be the same for every input, and of a right answer it always is
    complaints = verdict(lambda values: -1, call=lambda f, values: [] if f(values) >= 0 else ["below 0"])
    assert "below 0" in complaints and "the same for every input" not in complaints


def test_none_is_no_habit_where_it_may_be_meant():
    def first(values):
        return values[0] if values else None

    text = verdict(lambda values: None if len(values) < 3 else values[0], oracle=first)
    assert "got       None" in text and "likely" not in text
    assert "It gives the same for every input" in verdict(lambda values: None, oracle=first)


@pytest.mark.parametrize(
    ("number", "answer", "line"),
    [
        ("1.1", 3, '1.1 wants merge_pair itself, as in check("1.1", merge_pair); this is an int, 3.'),
        ("1.1", None, '1.1 wants merge_pair itself, as in check("1.1", merge_pair); this is None.'),
        ("1.1", lambda tokens: 0, "1.1 wants merge_pair(tokens, pair); yours takes (tokens)."),
        ("1.2", "3.4", "1.2 wants a number; this is a str: '3.4'."),
        ("1.2", True, "1.2 wants a number; this is a bool: True."),
        ("1.2", lambda n: n, "1.2 wants bytes_per_token(); yours takes (n)."),
        ("1.99", 0, "There is no 1.99; chapter 1 has 1.1 to 1.6."),
        ("99.1", 0, "Chapter 99 has no exercises. These have: 1"),
        ("one", 0, "'one' is no exercise's number; write the chapter, a point and the exercise: \"1.2\"."),
    ],
)
def test_what_is_no_answer_gets_one_line(number, answer, line):
    one = Checker()
    text = repr(one(number, answer))
    assert text.startswith(line) and "\n" not in text
    assert repr(one.progress()) == "No exercise was checked in this session yet."


def test_the_number_may_be_written_as_one():
    assert repr(Checker()(1.2, 3.47)).startswith("1.2 right.")


@pytest.mark.parametrize(
    "value", [3.5, numpy.float32(3.5), torch.tensor(3.5), lambda: 3.5, lambda: torch.tensor(3.5)]
)
def test_a_number_may_come_in_many_coats(value):
    number = Number(
        number="1.2",
        title="x",
        stars=1,
        wants="f()",
        right="Yes.",
        answer=3.4,
        tolerance=0.2,
        mistakes=[(7, "Twice.")],
    )
    assert repr(grade.grade(number, value)) == "1.2 right. Yes."
    assert (
        repr(grade.grade(number, 7.1)) == "1.2 not yet.\n  got     7.1, which is too high\n  likely  Twice."
    )
    assert repr(grade.grade(number, float("nan"))).startswith("1.2 not yet.")


# -- what is seen ------------------------------------------------------------------


def test_the_card_says_the_same_as_the_text_without_scripts_or_colors_of_text():
    found = grade.grade(exercise(), lambda values: sum(values[1:]))
    html = found._repr_html_()
    seen = []
    parser = HTMLParser()
    parser.handle_data = seen.append
    parser.feed(html)
    words = " ".join(" ".join(seen).split())
    assert words == " ".join(repr(found).split())
    assert "<script" not in html and not re.search(r"[^-]color:|background", html)


def test_text_of_the_reader_is_escaped():
    html = grade.grade(exercise(), lambda values: "<b>&")._repr_html_()
    assert "&#x27;&lt;b&gt;&amp;&#x27;" in html


@pytest.mark.gate
def test_progress_counts_by_chapter_and_leaves_solutions_out():
    one = Checker()

    def merge(tokens, pair):
        raise NotImplementedError

    def solution():
        return 3.4667

    one("1.1", merge)
    one("1.2", solution)
    one("1.3", lambda tokenizer, text: [])
    assert repr(one.progress()).startswith(
        "Chapter 1, 0 of 6 right. Not yet: 1.3 ★★; not attempted yet: 1.1 ★, 1.2 ★"
    )
    one("1.2", 3.4667)
    assert repr(one.progress()).startswith("Chapter 1, 1 of 6 right. Right: 1.2 ★; not yet: 1.3 ★★")
    assert "Chapter 1, 1 of 6 right" in one.progress()._repr_html_()


@pytest.mark.parametrize(
    "outcomes, right", [({}, False), ({"not yet": ["1.2"]}, False), ({"not yet": []}, True)]
)
def test_progress_has_the_color_of_right_when_all_is(outcomes, right):
    chapters = {1: {"right": ["1.1"], **outcomes}} if outcomes else {}
    assert (COLORS[RIGHT] in Progress(chapters)._repr_html_()) == right


# -- time ------------------------------------------------------------------


def endless(values):
    while True:
        try:
            sum(values)
        except Exception:
            pass


def test_an_endless_loop_is_stopped_and_its_line_shown(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", 0.3)
    before = signal.getsignal(signal.SIGINT)
    found = verdict(endless)
    assert "got       nothing; it was stopped after 0.3 seconds" in found
    assert "likely    An endless loop?" in found
    assert re.search(
        r"where     line \d+ of test_exercise_machinery.py: (while|try|sum|for|except|pass)", found
    )
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_an_answer_has_no_limits():
    found = []
    thread = threading.Thread(target=lambda: found.append(verdict(total)))
    thread.start()
    thread.join()
    assert found == ["1.1 right. It adds."]


def test_the_time_is_for_all_inputs_together(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", 0.5)
    calls = []

    def slow(values):
        calls.append(values)
        time.sleep(0.2)
        return sum(values)

    assert "stopped after 0.5 seconds" in verdict(slow)
    assert len(calls) <= 4


def test_a_time_that_ends_while_the_limit_begins_or_ends_leaves_nothing(monkeypatch):
    monkeypatch.setattr(runner, "PAUSE", 1e-5)
    before, stopped = signal.getsignal(signal.SIGINT), 0
    for i in range(300):
        found = attempt(lambda answer, n: answer(range(n)), sum, (10_000 * (i % 30),), 1e-5 * (1 + i % 60))
        stopped += isinstance(found.error, TimeUp)
        assert signal.getsignal(signal.SIGINT) is before
        assert runner.watchdog().limits == []
    assert 0 < stopped < 300


def busy(seconds=10):
    """Python for ten seconds, which a test that fails takes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_of_a_call_within_a_call_each_has_its_own_time():
    inner = []

    def both():
        with pytest.raises(TimeUp):
            run_limited(busy, 0.1)
        inner.append(run_limited(lambda: 5, 0.1))
        busy()

    with pytest.raises(TimeUp):
        run_limited(both, 0.5)
    assert inner == [5]
    with pytest.raises(TimeUp):
        run_limited(lambda: run_limited(busy, 20), 0.1)


# -- harm ------------------------------------------------------------------


def test_answers_get_copies_and_damage_is_named():
    original = [3, 1, 2]
    kept = torch.arange(3.0)

    def cases(seed):
        return [(original, kept)]

    def damages(values, weights):
        weights.mul_(2)
        values.sort()
        return values[0]

    fields = {
        "wants": "least(values, weights)",
        "cases": cases,
        "oracle": lambda values, weights: min(values),
    }
    text = verdict(damages, mistakes=[], **fields)
    assert original == [3, 1, 2] and kept.tolist() == [0, 1, 2]
    assert (
        "after the call, `values` is [1, 2, 3]. The caller may still need it as it was; work on a copy."
        in text
    )

    def damages_tensor(values, weights):
        weights[0] = 5
        return min(values)

    text = verdict(damages_tensor, mistakes=[], **fields)
    assert "after the call, `weights` is tensor [5, 1, 2]" in text


def test_a_changed_module_is_damage_too():
    layer = torch.nn.Linear(3, 2)

    def resets(layer, x):
        torch.nn.init.zeros_(layer.weight)
        return layer(x).shape[0]

    fields = {"wants": "f(layer, x)", "cases": lambda seed: [(layer, torch.ones(5, 3))]}
    text = verdict(resets, mistakes=[], oracle=lambda layer, x: 5, **fields)
    assert "after the call, `layer.weight` is 0 instead of" in text and layer.weight.abs().sum() > 0


def test_a_check_is_the_same_whatever_the_state_before():
    def draws(values):
        return random.random() + torch.rand(1).item() + numpy.random.rand()

    texts = []
    for seed in (1, 2):
        random.seed(seed)
        torch.manual_seed(seed)
        numpy.random.seed(seed)
        with torch.set_grad_enabled(seed == 1):
            texts.append(verdict(draws))
    assert texts[0] == texts[1]


def test_gradients_are_on_inside():
    with torch.no_grad():
        text = verdict(lambda values: int(torch.is_grad_enabled()), oracle=lambda values: 1, mistakes=[])
    assert "right" in text


# -- values ------------------------------------------------------------------

T = torch.tensor


@pytest.mark.parametrize("line", SECTIONS["first"])
def test_the_first_difference(line):
    got, expected, place, text = values_of(line, globals())
    found = difference(got, expected, 1e-5)
    assert (found.place, found.text.removesuffix("; 1 of 1 numbers differ")) == (place, text)


@pytest.mark.parametrize("line", SECTIONS["shown"])
def test_values_are_shown_shortly(line):
    value, text = values_of(line, globals())
    assert show(value) == text


def test_sizes_order_inputs():
    assert size(("",)) < size(("a",)) < size((["a", "b"], 3)) < size((torch.zeros(3, 5),))


def test_snapshots_hold_data_only():
    assert snapshot([1, ("a", object())]) == [1, ("a", Record("object", {}))]


def test_an_unknown_kind_of_exercise_is_an_authors_mistake():
    with pytest.raises(TypeError, match="must be a Function or a Number"):
        grade.grade("1.1", total)


def test_the_exported_check_finds_by_number():
    assert isinstance(check, Checker) and find("1.1").title == "One merge"
    assert checker.chapters()[0] == 1 and os.path.isdir(runner.LIBRARIES[0])
    assert reader_line(ValueError("never raised")) is None
