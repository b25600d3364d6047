"""Comparing, showing and normalizing values."""

import dataclasses
import math
from fractions import Fraction

import numpy
import pytest
import torch
from exercise_helpers import about

from companion.exercises.comparison import EXACT, Comparison, show
from companion.exercises.grade import grade
from companion.exercises.normalize import as_list, as_number, as_tensor, normalize, snapshot

T = torch.tensor
PLAIN = Comparison(tolerance=1e-5, exact_dtype=False)


def difference(got, expected, compared=PLAIN):
    """The first difference of any two values."""
    return compared.differ(normalize(got), normalize(expected))


def named_by_position(value) -> str:
    """Pytest's own name for a value: some of them have a text that changes."""
    return ""


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (Fraction(1, 4), 0.25),
        (1, T(1.0)),
        ({1: 0, 2: 0}.keys(), [1, 2]),
        (map(int, "12"), [1, 2]),
        ([T([1.0, 2.0]), T([3.0, 4.0])], T([[1.0, 2.0], [3.0, 4.0]])),
        (torch.ones(2, requires_grad=True) * 2, T([2.0, 2.0])),
        ([], torch.zeros(0, 3)),
        ([2, 1], {1, 2}),
        ({0.1 + 0.2}, {0.3}),
        (1e6, 1e6 + 1),
    ],
    ids=named_by_position,
)
def test_a_right_value_in_another_container_is_right(got, expected):
    assert difference(got, expected) is None


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (True, 1),
        (T([[1.0], [2.0]]), T([1.0, 2.0])),
        (0.0, math.nan),
        (math.inf, 1e300),
        ([1, 1, 2], {1, 2}),
        ({1, 2}, [1, 2]),
    ],
    ids=named_by_position,
)
def test_wrong_is_wrong_in_any_container(got, expected):
    assert difference(got, expected) is not None


@pytest.mark.parametrize(
    ("got", "expected", "place", "text"),
    [
        ([1, 2, 4], [1, 2, 3], "[2]", "4 instead of 3"),
        ("abX", "abc", "[2]", "'X' instead of 'c'"),
        ({"a": 1, "b": 2}, {"a": 1}, "['b']", "this key is too many"),
        (T([[1, 2], [3, 4]]), T([[1, 2], [4, 3]]), "[1, 0]", "3 instead of 4; 2 of 4 numbers differ"),
        (T([1.0]), T([[1.0]]), "", "its shape is (1,), expected (1, 1)"),
        (1.5, 1, "", "a float where an int is expected"),
        (T([0.0, -1e9]), T([0.0, -math.inf]), "[1]", "-1e+09 instead of -inf; 1 of 2 numbers differ"),
    ],
    ids=named_by_position,
)
def test_the_first_difference(got, expected, place, text):
    found = difference(got, expected)
    assert (found.place, found.text) == (place, text)


@pytest.mark.parametrize(
    ("got", "expected"), [(T([1.0]).double(), T([1.0])), (T([1.0]), T([1])), ([1], T([1])), (1.0, 1)]
)
def test_where_the_dtype_counts_it_must_be_right(got, expected):
    assert difference(got, expected) is None
    assert difference(got, expected, EXACT) is not None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([0.1 + 0.2, 1], "[0.3, 1]"),
        ({"a": (1, 2.5)}, "{'a': (1, 2.5)}"),
        (T([[1.0, 0.25]]), "tensor [[1, 0.25]]"),
        (torch.zeros(3, 5), "tensor of shape (3, 5)"),
        (object(), "a object"),
    ],
    ids=named_by_position,
)
def test_values_are_shown_shortly(value, text):
    assert show(value) == text


def test_the_digits_that_differ_are_shown():
    text = repr(grade(about(lambda x: 1.09137), lambda x: 1.09142))
    assert "expected  1.09137" in text and "got       1.09142" in text
    text = repr(grade(about(lambda x: T([1.0, 2.0])), lambda x: T([1.0, 2.00005])))
    assert "got       tensor [1, 2.0001]" in text and "[1]: 2.0001 instead of 2;" in text


def test_a_tensor_without_numbers_is_named():
    text = repr(grade(about(lambda x: torch.zeros(2)), lambda x: torch.zeros(2, device="meta")))
    assert "a tensor without numbers, on the meta device" in text and 'without `device="meta"`' in text


def test_values_for_an_exercises_own_call():
    assert as_list(numpy.arange(3)) == as_list(range(3)) == as_list(iter(range(3))) == [0, 1, 2]
    assert as_list(3) is None and as_list("ab") is None and as_list(T(3)) is None
    assert as_number(T(3)) == as_number(Fraction(3)) == 3 and as_number(True) is None
    x = torch.ones(2, requires_grad=True) * 2
    assert as_tensor(x) is x and as_tensor([[1, 2], [3]]) is None and as_tensor("a") is None
    assert as_tensor([[1.5, 2]]).tolist() == [[1.5, 2.0]]


# -- changed inputs ------------------------------------------------------------------


@dataclasses.dataclass
class Config:
    width: int = 3


class Holder:
    def __init__(self):
        self.table = {"a": [1]}
        self._cache = {}


def model():
    found = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.5))
    found.register_buffer("seen", torch.zeros(2))
    found.config = Config()
    return found


@pytest.mark.parametrize(
    ("make", "change", "words"),
    [
        (lambda: [3, 1, 2], list.sort, "after the call, `x` is [1, 2, 3]. The caller may still need it"),
        (lambda: {"a": {1}}, lambda d: d["a"].add(2), "`x`"),
        (lambda: torch.arange(3.0), lambda t: t.mul_(2), "`x` is tensor [0, 2, 4]"),
        (model, lambda m: m[1].eval(), "training"),
        (model, lambda m: m[0](torch.ones(3)).sum().backward(), "grad"),
        (model, lambda m: m.seen.add_(1), "seen"),
        (model, lambda m: setattr(m.config, "width", 5), "config.width"),
        (Holder, lambda h: h.table["a"].append(2), "table"),
        (torch.Generator, lambda g: torch.rand(1, generator=g), "state"),
    ],
    ids=named_by_position,
)
def test_a_changed_input_is_named_unless_a_right_answer_changes_it_too(make, change, words):
    def answer(x):
        change(x)
        return 1

    given = make()
    before = snapshot(given)
    text = repr(grade(about(lambda x: 1, given), answer))
    assert "Your answer changes its input" in text and words in text
    assert EXACT.differ(snapshot(given), before) is None
    assert repr(grade(about(lambda x: 1, make()), lambda x: 1)) == "1.1 right. It adds."
    assert repr(grade(about(answer, make()), answer)) == "1.1 right. It adds."
