"""Whatever an answer is, returns or does: `check` gives a verdict, in time, and leaves nothing changed."""

import builtins
import copy
import dataclasses
import decimal
import gc
import hashlib
import itertools
import locale
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from fractions import Fraction

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy
import pytest
import torch
from expressions import SECTIONS, named, values_of

from companion.exercises import grade, limits, trial
from companion.exercises.checker import Checker, exercises_of
from companion.exercises.exercise import Function, Number
from companion.exercises.limits import MemoryUp, TimeUp, limited
from companion.exercises.settle import as_list, as_number, as_tensor
from companion.exercises.trial import attempt
from companion.exercises.values import difference, show

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


def odd(method, act):
    names = {method: property(act) if method in ("shape", "dtype", "__class__") else act}
    return type("Odd", (), names)()


METHODS = (
    "__eq__ __iter__ __len__ __repr__ __getattr__ __deepcopy__ shape __float__ __hash__ __class__".split()
)
ODD = [(f"{method}-{act.__name__}", odd(method, act)) for method in METHODS for act in (loop, fail)]


def itself():
    found = [1]
    found.append(found)
    return found


def deep():
    found = []
    for _ in range(5000):
        found = [found]
    return found


class EvilText(str):
    __eq__ = __hash__ = __len__ = __iter__ = loop


class EvilNumber(float):
    __sub__ = __rsub__ = __eq__ = __format__ = loop


class EvilList(list):
    __iter__ = __len__ = __eq__ = loop


class EvilTensor(torch.Tensor):
    __torch_function__ = classmethod(loop)


RESULTS = [*ODD, *((name, *values_of(made, globals())) for name, made in named("results").items())]


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


@pytest.mark.gate
@pytest.mark.parametrize("part", ["__name__", "__signature__", "__wrapped__", "__call__"])
@pytest.mark.parametrize("act", [loop, fail])
def test_an_answer_may_say_anything_about_itself(part, act, monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", SHORT)
    names = {"__call__": lambda self, values: sum(values)} | {
        part: act if part == "__call__" else property(act)
    }
    assert Checker()("1.1", type("Answer", (), names)()).outcome in ("unclear", "not yet")


def test_classes_for_functions_and_functions_for_classes():
    class Total:
        def __init__(self, values):
            self.values = values

    assert "a Total where an int is expected" in verdict(Total)
    for number in ("3.5", "5.2"):
        assert Checker()(number, lambda *args: 3).outcome in ("not yet", "unclear")


# -- errors and endings ------------------------------------------------------------------


class Rude(BaseException):
    def __str__(self):
        raise ValueError("no text")


class Ruder(KeyboardInterrupt):
    pass


@pytest.mark.parametrize(
    "raised", [Rude(), Ruder("x"), SystemExit(3), GeneratorExit(), RecursionError("deep"), MemoryError()]
)
def test_whatever_is_raised_is_told(raised):
    def answer(values):
        raise raised

    assert f"got       {type(raised).__name__}" in verdict(answer)


def test_an_answer_without_end_to_its_recursion():
    def deeper(values):
        return deeper(values)

    assert "RecursionError" in verdict(deeper)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads")
def test_a_real_ctrl_c_interrupts():
    def stopped(values):
        signal.raise_signal(signal.SIGINT)
        loop()

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(KeyboardInterrupt):
        verdict(stopped)
    assert signal.getsignal(signal.SIGALRM) == before


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads")
@pytest.mark.parametrize("wait", [0, 0.2])
def test_an_answer_that_catches_everything_is_stopped(wait, monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", SHORT)

    def stubborn(values):
        while True:
            try:
                time.sleep(wait)
            except BaseException:
                pass

    traced = sys.gettrace()
    assert "it was stopped after" in verdict(stubborn)
    assert sys.gettrace() is traced


@pytest.mark.gate
def test_an_answer_whose_frames_cannot_be_cleared_is_stopped(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", 0.2)

    def never_closed():
        try:
            yield 1
        finally:
            loop()

    def holds_one(values):
        generator = never_closed()
        next(generator)
        loop()

    assert "it was stopped after" in verdict(holds_one)


@pytest.mark.gate
def test_an_answer_that_catches_the_stop_and_returns_was_stopped(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", SHORT)

    def late(values):
        try:
            loop()
        except BaseException:
            return sum(values)

    assert "it was stopped after" in verdict(late)


@pytest.mark.gate
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads")
def test_an_answer_that_takes_the_signal_away_is_stopped(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", SHORT)

    def sly(values):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        loop()

    assert "it was stopped after" in verdict(sly)


def deaf_to_signals(*_):
    """One long call that releases the GIL, so that signals pile up until it ends; then ordinary Python."""
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2_500_000)
    return [i for i in range(100)]


@pytest.mark.gate
def test_a_long_call_that_hears_no_signal_is_stopped_and_leaves_no_trace_function(monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", 0.2)
    traced = sys.gettrace()
    verdict = Checker().judged("4.2", deaf_to_signals)
    found = sys.gettrace()
    sys.settrace(traced)  # a failure must not trace the tests that follow
    assert verdict.outcome == "not yet" and "stopped after" in repr(verdict)
    assert found is traced


@pytest.mark.parametrize("by_thread", [False, True])
def test_memory_is_limited(by_thread, monkeypatch):
    monkeypatch.setattr(limits, "MEMORY", 2**27)
    if by_thread:
        monkeypatch.delattr(signal, "pthread_kill", raising=False)

    def hoards(values):
        held = []
        while True:
            held.append(f"{len(held)}" * 99)

    before = limits.memory_in_use()
    text = verdict(hoards)
    assert "it was stopped when it had taken more than" in text and "MB of memory" in text
    assert "grows without end" in text
    assert limits.memory_in_use() - before < 2**29


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.path.exists("/dev/nvidiactl"), reason="cannot be refused"
)
def test_a_huge_piece_of_memory_is_refused():
    assert "MemoryError" in verdict(lambda values: "x" * 10**11)


def test_limits_name_their_reason():
    assert limited(lambda: 5, 5) == (5, None)
    assert isinstance(limited(loop, 0.1)[1], TimeUp) and not issubclass(MemoryUp, TimeUp)


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
        "device": str(torch.get_default_device()),
        "modes": len(torch.overrides._get_current_function_mode_stack()),
        "dtype": (torch.get_default_dtype(), torch.get_float32_matmul_precision()),
        "threads": torch.get_num_threads(),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()),
        "exact": torch.are_deterministic_algorithms_enabled(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "print": copy.copy(vars(torch._tensor_str.PRINT_OPTS)),
        "numpy": (numpy.get_printoptions(), numpy.geterr()),
        "random": (random.getstate(), torch.get_rng_state().tolist(), repr(numpy.random.get_state())),
        "process": (os.getcwd(), dict(os.environ)),
        "sys": (list(sys.path), sys.stdout, sys.stderr, sys.getrecursionlimit(), sys.gettrace()),
        "warnings": list(warnings.filters),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "figures": (plt.get_fignums(), plt.rcParams["lines.linewidth"]),
        "names": dict(vars(builtins)),
        "decimal": decimal.getcontext().prec,
        "hooks": (threading.gettrace(), threading.getprofile(), sys.getprofile(), list(gc.callbacks)),
        "digits": sys.get_int_max_str_digits(),
        "rights of new files": (mask := os.umask(0), os.umask(mask))[0],
        "locale": locale.setlocale(locale.LC_ALL),
        "tiny numbers": (T(5e-324, dtype=torch.float64) * 1).item(),
        "oneDNN": torch.backends.mkldnn.enabled,
        "logging": (logging.root.level, logging.root.manager.disable, list(logging.root.handlers)),
    }


def set_environment():
    os.environ.clear()


def replace_names():
    builtins.sum = builtins.isinstance = builtins.len = builtins.new_name = fail


def reset_signals():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, fail)
    if hasattr(signal, "alarm"):
        signal.alarm(1)


WILD = named("surroundings")


@pytest.mark.parametrize("name", WILD)
def test_what_an_answer_changes_around_it_is_put_back(name):
    before = surroundings()

    def wild(values):
        found = sum(values)
        values_of(WILD[name], globals())
        return found

    def wild_and_fails(values):
        values_of(WILD[name], globals())
        raise RuntimeError("and stops")

    for answer in (wild, wild_and_fails):
        grade.grade(ADD, answer)
        attempt(lambda f, values: f(values), answer, ([1],), 5)
        after = surroundings()
        assert [key for key in before if before[key] != after[key]] == []
    assert verdict(total) == "1.1 right. It is."
    if hasattr(signal, "getitimer"):
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_the_readers_own_surroundings_do_not_matter_and_stay():
    task = exercise(lambda n: torch.ones(n) / 3, [(2,), (3,)])
    try:
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float64)
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            assert "right" in verdict(lambda x: torch.ones(x) / 3, task)
            assert torch.is_inference_mode_enabled() and torch.is_autocast_enabled("cpu")
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


def test_a_closed_or_narrow_output_is_no_error(monkeypatch):
    for stream in (None, open(os.devnull, "w", encoding="ascii")):
        if stream:
            stream.close()
        monkeypatch.setattr(sys, "stdout", stream)
        assert Checker()("1.1", lambda tokens, pair: "é★").outcome == "not yet"


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
    script = "import sys, torch\nfrom companion.exercises.trial import attempt\n"
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
            10**400,
            T([1j]),
            torch.zeros(2, device="meta"),
            iter("ab"),
        ):
            assert "check itself failed" not in repr(Checker()(number, lambda *a, r=result, **k: r))
            assert "check itself failed" not in repr(Checker()(number, result))


def test_attempts_leave_the_arguments_alone():
    values = [3, 1]
    found = attempt(lambda f, v: f(v), list.sort, (values,), 5, watch=True)
    assert values == [3, 1] and found.after == ([1, 3],) and trial.Trial(1, None).after is None
