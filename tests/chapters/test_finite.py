"""A score, loss or scale that is not finite is an error wherever it is used, never a number in a report."""

import copy
import math

import pytest
import torch
from support.command_line import fails
from support.folders import raises_one_line

from companion import load
from companion.classification import Classifier, TextClassifier
from companion.cli._shared import SHIPPED
from companion.datasets import encode_documents
from companion.evaluation import Example, multiple_choice
from companion.inside import ask, hidden_states
from companion.quantization import calibrate
from companion.training import evaluate, save_checkpoint
from companion.village import load_split

NAN, INF = math.nan, math.inf
QUESTION = Example("Once upon", (" a", " the"), " a")


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


@pytest.mark.parametrize(
    "command", [["eval", "--model", "m", "--stories", "0"], ["quantize", "--model", "m", "--output", "q"]]
)
def test_a_command_on_a_damaged_model_names_the_tensor(broken, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    save_checkpoint("m", broken.model, broken.tokenizer)
    fails(capsys, command, 2, "m: blocks.1.mlp.up_proj.weight holds nan")
    assert not (tmp_path / "q").exists()
