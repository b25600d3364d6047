"""What an answer may be, return or do: `check` gives a verdict, in time, and leaves nothing changed."""

import dataclasses
import itertools
import random
import signal
import subprocess
import sys
import warnings
from fractions import Fraction

import numpy
import pytest
import torch
from expressions import SECTIONS, named, values_of

from companion.exercises import grade, runner
from companion.exercises.checker import Checker, exercises_of
from companion.exercises.comparison import difference, show
from companion.exercises.exercise import Function, Number
from companion.exercises.normalize import as_list, as_number, as_tensor
from companion.exercises.runner import MemoryUp, TimeUp, attempt, run_limited

T = torch.tensor
SHORT = 0.6


def slow(value):
    """One more value of a test's parameter, for a whole run."""
    return pytest.param(value, marks=pytest.mark.gate)


def exercise(oracle, cases, wants="f(x)", **changes) -> Function:
    fields = {"number": "1.1", "title": "Any", "stars": 1, "mistakes": [], "right": "It is."}
    return Function(wants=wants, cases=lambda seed: cases, oracle=oracle, **fields | changes)


def total(values):
    return sum(values)


ADD = exercise(total, [([],), ([1],), ([2, 3],)], wants="total(values)")


def verdict(answer, task=ADD) -> str:
    found = grade.grade(task, answer)
    assert found._repr_html_() and isinstance(repr(found), str)
    return repr(found)


# -- odd results ------------------------------------------------------------------


def loop(*_, **__):
    while True:
        pass


def fail(*_, **__):
    raise RuntimeError("no")


def itself():
    found = [1]
    found.append(found)
    return found


RESULTS = [(name, *values_of(made, globals())) for name, made in named("results").items()]


@pytest.mark.gate
@pytest.mark.parametrize(("name", "result"), RESULTS, ids=[name for name, _ in RESULTS])
@pytest.mark.parametrize("right", [None, *(slow(right) for right in (3, [1, 2], T([1.0, 2.0]), {1, 2}))])
def test_no_result_makes_a_check_raise_or_hang(name, result, right, monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", SHORT)
    text = verdict(lambda x: result, exercise(lambda x: right, [(1,)]))
    assert text.startswith("1.1 ") and "could not be checked" not in text
    number = Number(
        number="1.2", title="N", stars=1, wants="f()", right="Y.", answer=7.5, tolerance=0.1, mistakes=[]
    )
    if right is None:
        assert verdict(lambda: result, number).startswith("1.2 ")
        assert Checker()("1.2", result).outcome in ("unclear", "not yet", "not attempted yet")
        assert Checker()("1.1", result).outcome in ("unclear", "not yet")


def test_an_endless_generator_is_read_to_a_bound():
    text = verdict(lambda values: itertools.count())
    assert "Your answer gives more than 100,000 elements" in text


def test_classes_for_functions_and_functions_for_classes():
    class Total:
        def __init__(self, values):
            self.values = values

    assert "a Total where an int is expected" in verdict(Total)
    for number in ("3.5", "5.2"):
        assert Checker()(number, lambda *args: 3).outcome in ("not yet", "unclear")


# -- errors and endings ------------------------------------------------------------------


@pytest.mark.parametrize("raised", [SystemExit(3), GeneratorExit(), RecursionError("deep"), MemoryError()])
def test_whatever_is_raised_is_told(raised):
    def answer(values):
        raise raised

    assert f"got       {type(raised).__name__}" in verdict(answer)


def test_an_answer_without_end_to_its_recursion():
    def deeper(values):
        return deeper(values)

    assert "RecursionError" in verdict(deeper)


def test_a_real_ctrl_c_interrupts():
    def stopped(values):
        signal.raise_signal(signal.SIGINT)
        loop()

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        verdict(stopped)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loop_around_a_bare_except_is_stopped(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", SHORT)

    def stubborn(values):
        while True:
            try:
                values[7]
            except:  # noqa: E722
                pass

    assert "it was stopped after" in verdict(stubborn)


@pytest.mark.gate
def test_an_answer_that_catches_the_stop_and_returns_was_stopped(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", SHORT)

    def late(values):
        try:
            loop()
        except BaseException:
            return sum(values)

    assert "it was stopped after" in verdict(late)


def test_memory_is_limited(monkeypatch):
    pytest.importorskip("resource")
    monkeypatch.setattr(runner, "MEMORY", 2**27)

    def hoards(values):
        held = []
        while True:
            held.append(f"{len(held)}" * 99)

    before = runner.peak_memory()
    text = verdict(hoards)
    assert "it was stopped when it had taken more than" in text and "MB of memory" in text
    assert "grows without end" in text
    assert runner.peak_memory() - before < 2**29


def test_limits_name_their_reason():
    assert run_limited(lambda: 5, 5) == 5
    with pytest.raises(TimeUp):
        run_limited(loop, 0.1)
    assert not issubclass(MemoryUp, TimeUp)


@pytest.mark.gate
def test_what_an_answer_prints_without_end_is_cut(monkeypatch, capfd):
    monkeypatch.setattr(grade, "SECONDS", SHORT)

    def talks(values):
        while True:
            print("more")
            print("errors", file=sys.stderr)

    assert "printed   'more" in verdict(talks)
    assert capfd.readouterr() == ("", "")


# -- surroundings ------------------------------------------------------------------


def surroundings():
    return {
        "dtype": torch.get_default_dtype(),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "random": (random.getstate(), torch.get_rng_state().tolist(), repr(numpy.random.get_state())),
        "warnings": list(warnings.filters),
        "streams": (sys.stdout, sys.stderr),
        "Ctrl-C": signal.getsignal(signal.SIGINT),
    }


CHANGES_AROUND = named("surroundings")


@pytest.mark.parametrize("name", CHANGES_AROUND)
def test_what_an_answer_changes_around_it_is_restored(name):
    before = surroundings()

    def changes(values):
        values_of(CHANGES_AROUND[name], globals())
        return sum(values)

    def changes_and_fails(values):
        values_of(CHANGES_AROUND[name], globals())
        raise RuntimeError("and stops")

    for answer in (changes, changes_and_fails):
        grade.grade(ADD, answer)
        attempt(lambda f, values: f(values), answer, ([1],), 5)
        after = surroundings()
        assert [key for key in before if before[key] != after[key]] == []


def test_the_readers_own_surroundings_do_not_matter_and_stay():
    task = exercise(lambda n: torch.ones(n) / 3, [(2,), (3,)])
    try:
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float64)
        with torch.inference_mode():
            assert "right" in verdict(lambda x: torch.ones(x) / 3, task)
            assert torch.is_inference_mode_enabled()
        assert torch.empty(1).device.type == "meta" and torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


# -- printing ------------------------------------------------------------------


def outside(*arguments, text=None):
    command = [sys.executable, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


SCRIPT = "from companion.exercises import check\nv = check('1.2', 3.4667)\nassert v.outcome == 'right'\n"


def test_in_a_script_the_verdict_is_printed_once():
    assert outside("-c", SCRIPT).count("1.2 right.") == 1
    assert "Chapter 1, 1 of" in outside("-c", SCRIPT + "check.progress()\n")


def test_at_pythons_prompt_it_is_shown_once():
    assert (
        outside("-i", text="from companion.exercises import check\ncheck('1.2', 3.4667)\n").count(
            "1.2 right."
        )
        == 1
    )


def test_in_ipython_it_is_shown_once():
    pytest.importorskip("IPython")
    lines = "from companion.exercises import check\ncheck('1.2', 3.4667)\n"
    found = outside("-m", "IPython", "--simple-prompt", "--colors=NoColor", "--no-banner", text=lines)
    assert found.count("1.2 right.") == 1


# -- comparison ------------------------------------------------------------------


@pytest.mark.parametrize("pair", SECTIONS["same"])
def test_a_right_value_in_another_container_is_right(pair):
    assert difference(*values_of(pair, globals()), 1e-5) is None


@pytest.mark.parametrize("pair", SECTIONS["different"])
def test_wrong_is_wrong_in_any_container(pair):
    assert difference(*values_of(pair, globals()), 1e-5) is not None


@pytest.mark.parametrize(
    ("got", "expected"), [(T([1.0]).double(), T([1.0])), (T([1.0]), T([1])), ([1], T([1])), (1.0, 1)]
)
def test_where_the_dtype_is_asked_for_it_must_be_right(got, expected):
    assert difference(got, expected, 1e-5) is None
    assert difference(got, expected, 1e-5, exact_dtype=True) is not None
    task = exercise(lambda x: expected, [(1,)], exact_dtype=True)
    assert "not yet" in verdict(lambda x: got, task) and "right" in verdict(lambda x: expected, task)


def test_values_for_an_exercises_own_call():
    assert as_list(numpy.arange(3)) == as_list(range(3)) == as_list(iter(range(3))) == [0, 1, 2]
    assert as_list(3) is None and as_list("ab") is None and as_list(T(3)) is None
    assert as_number(T(3)) == as_number(Fraction(3)) == 3 and as_number(True) is None
    x = torch.ones(2, requires_grad=True) * 2
    assert as_tensor(x) is x and as_tensor([[1, 2], [3]]) is None and as_tensor("a") is None
    assert as_tensor([[1.5, 2]]).tolist() == [[1.5, 2.0]]


# -- digits ------------------------------------------------------------------


def test_the_digits_that_differ_are_shown():
    text = verdict(lambda x: 1.09142, exercise(lambda x: 1.09137, [(1,)]))
    assert "expected  1.09137" in text and "got       1.09142" in text
    text = verdict(lambda x: T([1.0, 2.00005]), exercise(lambda x: T([1.0, 2.0]), [(1,)]))
    assert "got       tensor [1, 2.0001]" in text and "[1]: 2.0001 instead of 2;" in text
    text = verdict(lambda x: [0, [3.14159, 1]], exercise(lambda x: [0, [3.14152, 1]], [(1,)], tolerance=1e-6))
    assert "expected  [0, [3.1415, 1]]" in text and "got       [0, [3.1416, 1]]" in text


def test_long_data_are_shown_shortly():
    for value in ("x" * 10**7, list(range(200_000)), 10**5000, {i: i for i in range(100_000)}):
        assert len(show(value)) <= 100
    assert show("x" * 300).count("…") == 1


# -- likely ------------------------------------------------------------------


def test_a_mistake_is_likely_only_where_it_agrees_on_all_inputs():
    cases = [([1],), ([2, 3],), ([4, 0, 9],)]
    task = exercise(
        total, cases, "total(values)", mistakes=[(lambda values: 0, "Nothing."), (max, "Largest.")]
    )
    assert "likely" not in verdict(lambda values: 0 if len(values) == 1 else -1, task)
    assert "likely    Nothing." in verdict(lambda values: 0, task)
    assert "likely    Largest." in verdict(lambda values: sorted(values)[-1], task)

    def fails(values):
        return values[5]

    failing = exercise(
        total, cases, "total(values)", mistakes=[(lambda values: {}[5], "A key."), (fails, "An index.")]
    )
    assert "likely    An index." in verdict(lambda values: values[7], failing)


@pytest.mark.parametrize("kind", [numpy.array, tuple, lambda values: (v for v in values), T])
def test_a_mistake_is_likely_in_any_container(kind):
    task = exercise(
        lambda values: [2 * v for v in values],
        [([1, 2],), ([5],)],
        "total(values)",
        mistakes=[(lambda values: [v * v for v in values], "Squares.")],
    )
    assert "likely    Squares." in verdict(lambda values: kind([v * v for v in values]), task)
    assert "likely    Squares." in verdict(lambda values: kind([float(v * v) for v in values]), task)
    assert "Squares." not in verdict(lambda values: kind([v * v + 1 for v in values]), task)


def test_of_two_near_numbers_the_nearer_mistake_is_likely():
    task = Number(
        number="1.2",
        title="N",
        stars=1,
        wants="f()",
        right="Y.",
        answer=0.5,
        tolerance=0.1,
        mistakes=[(0.25, "Quarter."), (0.225, "Less."), (0.05, "Small.")],
    )
    assert "likely  Less." in verdict(0.235, task) and "likely  Quarter." in verdict(0.24, task)
    assert "likely  Small." in verdict(0.055, task) and "likely" not in verdict(0.1, task)


def test_a_tensor_without_numbers_is_told_as_one():
    text = verdict(lambda x: torch.zeros(2, device="meta"), exercise(lambda x: torch.zeros(2), [(1,)]))
    assert "a tensor without numbers, on the meta device" in text and 'without `device="meta"`' in text
    assert "a tensor where a tensor is expected" not in text


# -- the check's own faults ------------------------------------------------------------------


@pytest.mark.parametrize("broken", [{"oracle": lambda x: {}["x"]}, {"cases": lambda seed: 1 / 0}])
def test_a_fault_of_the_check_is_told_as_one(broken):
    found = grade.grade(dataclasses.replace(exercise(lambda x: x, [(1,)]), **broken), lambda x: x)
    assert found.outcome == "unclear" and "a fault of the check, not yours" in repr(found)


def test_even_a_broken_judge_gives_a_verdict(monkeypatch):
    monkeypatch.setattr("companion.exercises.checker.grade", fail)
    assert Checker()("1.1", total).outcome == "unclear"


@pytest.mark.gate
def test_the_first_check_loads_no_large_library():
    script = "import sys, torch\nfrom companion.exercises.runner import attempt\n"
    script += "attempt(lambda f, x: f(x), len, ([],), 5)\nassert 'sympy' not in sys.modules"
    assert outside("-c", script) == ""


# -- the reader's objects ------------------------------------------------------------------


@dataclasses.dataclass
class Config:
    width: int = 3
    names: list = dataclasses.field(default_factory=lambda: ["a"])


class Holder:
    def __init__(self):
        self.table, self._cache = {"a": [1]}, {}


def model():
    found = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.5))
    found.register_buffer("seen", torch.zeros(2))
    found.config = Config()
    return found


@pytest.mark.parametrize("line", SECTIONS["changes"])
def test_changes_of_the_callers_objects_are_told(line):
    make, change, words = values_of(line, globals())

    def answer(x):
        change(x)
        return 1

    text = verdict(answer, exercise(lambda x: 1, [(make(),)]))
    assert "Your answer changes its input" in text and words in text
    assert verdict(lambda x: 1, exercise(lambda x: 1, [(make(),)])) == "1.1 right. It is."
    may = exercise(lambda x: (change(x), 1)[1], [(make(),)])  # a right answer does the same: it may
    assert verdict(answer, may) == "1.1 right. It is."


def test_a_private_cache_may_be_filled():
    assert "right" in verdict(lambda x: x._cache.update(a=1) or 1, exercise(lambda x: 1, [(Holder(),)]))


@pytest.mark.gate
def test_every_exercise_survives_odd_results(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", 2)
    for number in (task.number for chapter in range(1, 9) for task in exercises_of(chapter)):
        for result in (
            numpy.arange(3),
            itself(),
            T([1j]),
            torch.zeros(2, device="meta"),
            iter("ab"),
        ):
            assert "check itself failed" not in repr(Checker()(number, lambda *a, r=result, **k: r))
            assert "check itself failed" not in repr(Checker()(number, result))


def test_attempts_leave_the_arguments_alone():
    values = [3, 1]
    found = attempt(lambda f, v: f(v), list.sort, (values,), 5, watch=True)
    assert values == [3, 1] and found.after == ([1, 3],) and runner.Trial(1).after is None
