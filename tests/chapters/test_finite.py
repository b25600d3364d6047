"""A score, loss or scale that is not finite is an error wherever it is used, never a number in a report."""

import copy
import math

import pytest
import torch
from support.command_line import fails
from support.folders import raises_one_line

from companion import load
from companion.classification import Classifier, TextClassifier, fit_head
from companion.cli._shared import SHIPPED
from companion.datasets import bits_per_byte, encode_documents
from companion.evaluation import Example, bootstrap_interval, calibration, multiple_choice
from companion.inside import ask, hidden_states, probe
from companion.quantization import calibrate, quantize, restore, round_to_grid
from companion.rewards import RewardModel
from companion.runtime.files.arguments import finite
from companion.training import evaluate, perplexity, save_checkpoint
from companion.village import load_split

NAN, INF = math.nan, math.inf
QUESTION = Example("Once upon", (" a", " the"), " a")


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_number_that_is_not_finite_is_found(bad):
    numbers = torch.arange(1000.0)
    assert finite("x", numbers) is numbers
    numbers[999] = bad
    with pytest.raises(ValueError, match=f"x holds {bad}, must hold finite numbers only"):
        finite("x", numbers)


@pytest.fixture(scope="module")
def broken():
    """The shipped model with one weight that is not a number."""
    teller = copy.deepcopy(load(SHIPPED, device="cpu"))
    teller.model.blocks[1].mlp.up_proj.weight.data[3, 5] = NAN
    return teller


def tokens_of(teller):
    return torch.tensor([[teller.end, *teller.tokenizer.encode("Once upon a time")]])


SCORED = {
    "choices": lambda t: multiple_choice(t, [QUESTION]),
    "evaluate": lambda t: evaluate(t.model, encode_documents(load_split("val")[:2], t.tokenizer), 256),
    "ask": lambda t: ask(t.model, [tokens_of(t)[0].tolist()]),
    "states": lambda t: hidden_states(t.model, tokens_of(t)),
    "classes": lambda t: TextClassifier(Classifier(t.model, 2), t.tokenizer, ["a", "b"]).classify(["Once"]),
    "grams": lambda t: calibrate(t.model, [(tokens_of(t)[:, :-1], tokens_of(t)[:, 1:])]),
    "a text": lambda t: t.tell("Once", max_new_tokens=3),
}


@pytest.mark.parametrize("name", SCORED)
def test_a_model_with_a_nan_gives_an_error_and_no_number(broken, name):
    with raises_one_line(ValueError, "nan|NaN"):
        SCORED[name](broken)


def test_numbers_that_are_not_finite_are_an_error():
    states, labels = torch.randn(4, 3), torch.tensor([0, 1, 0, 1])
    states[2, 1] = NAN
    for work in (
        lambda: bootstrap_interval([0.0, 1.0, NAN]),
        lambda: calibration([0.5, NAN], [1, 0]),
        lambda: probe(states, labels),
        lambda: fit_head(states, labels, 2),
        lambda: RewardModel(lambda texts: states, torch.ones(3))(["a"] * 4),
        lambda: round_to_grid(states, 8),
    ):
        with pytest.raises(ValueError, match="holds nan, must hold finite numbers only"):
            work()


def test_a_nan_is_no_loss():
    with pytest.raises(ValueError, match="^nats is NaN"):
        bits_per_byte(NAN, 10)
    with pytest.raises(ValueError, match="^nats_per_token is NaN"):
        perplexity(NAN)
    assert perplexity(1000.0) == INF  # the exponential of a finite loss may be too large for a float


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e30])
def test_a_grid_holds_numbers_of_any_size(size, bits):
    weight = torch.full((2, 8), size)
    weight[1] *= torch.linspace(-1, 1, 8)
    error = (restore(*round_to_grid(weight, bits, 4)) - weight).abs()
    most = 2 ** (bits - 1) - 1
    assert (error <= size * (0.5 / most + 2**-7)).all()


def test_quantize_names_the_tensor_that_is_not_finite(broken):
    with pytest.raises(ValueError, match=r"^blocks.1.mlp.up_proj.weight holds nan"):
        quantize(copy.deepcopy(broken.model), 8)


@pytest.mark.parametrize(
    "command", [["eval", "--model", "m", "--stories", "0"], ["quantize", "--model", "m", "--output", "q"]]
)
def test_a_command_on_a_damaged_model_names_the_tensor(broken, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    save_checkpoint("m", broken.model, broken.tokenizer)
    fails(capsys, command, 2, "m: blocks.1.mlp.up_proj.weight holds nan")
    assert not (tmp_path / "q").exists()
