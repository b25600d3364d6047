"""A score, loss or scale that is not finite is an error wherever it is used, never a number in a report."""

import copy
import math

import pytest
import torch
from support.command_line import fails
from support.folders import raises_one_line

from companion import load
from companion.classification import Classifier, TextClassifier, fit_head
from companion.cli._shared import ANSWERER, SHIPPED
from companion.datasets import bits_per_byte, encode_documents
from companion.evaluation import (
    Example,
    bootstrap_interval,
    calibration,
    choice_scores,
    cloze,
    contamination,
    multiple_choice,
    score_continuations,
)
from companion.inside import ask, attention_maps, head_means, hidden_states, probe
from companion.instructions import chat_rows, says
from companion.quantization import calibrate, quantize, restore, round_to_grid
from companion.rewards import RewardModel
from companion.runtime.files.arguments import finite
from companion.training import evaluate, perplexity
from companion.village import load_split

NAN, INF = math.nan, math.inf
QUESTION = Example("Once upon", (" a", " the"), " a")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_one_number_that_is_none_is_found_wherever_it_stands(dtype):
    for n in (1, 7, 1000):
        for place in {0, n // 2, n - 1}:
            for bad in (NAN, INF, -INF):
                numbers = torch.arange(n, dtype=dtype)
                assert finite("x", numbers) is numbers
                numbers[place] = bad
                with pytest.raises(ValueError, match=f"x holds {bad}, must hold finite numbers only"):
                    finite("x", numbers)
    for whole in (torch.tensor([True]), torch.zeros(0), [1, 2], 3, torch.ones(2, device="meta")):
        assert finite("x", whole) is whole


@pytest.fixture(scope="module")
def broken():
    """The shipped model with one weight that is not a number."""
    teller = copy.deepcopy(load(SHIPPED, device="cpu"))
    teller.model.blocks[1].mlp.up_proj.weight.data[3, 5] = NAN
    return teller


def tokens_of(teller):
    return torch.tensor([[teller.end, *teller.tokenizer.encode("Once upon a time")]])


SCORED = {
    "scores of continuations": lambda t: score_continuations(t, [("Once", " upon")]),
    "choices": lambda t: multiple_choice(t, [QUESTION]),
    "cloze": lambda t: cloze(t, [QUESTION]),
    "evaluate": lambda t: evaluate(t.model, encode_documents(load_split("val")[:2], t.tokenizer), 256),
    "ask": lambda t: ask(t.model, [tokens_of(t)[0].tolist()]),
    "states": lambda t: hidden_states(t.model, tokens_of(t)),
    "maps": lambda t: attention_maps(t.model, tokens_of(t)),
    "means": lambda t: head_means(t.model, tokens_of(t), torch.ones_like(tokens_of(t)).bool()),
    "classes": lambda t: TextClassifier(Classifier(t.model, 2), t.tokenizer, ["a", "b"]).classify(["Once"]),
    "grams": lambda t: calibrate(t.model, [(tokens_of(t)[:, :-1], tokens_of(t)[:, 1:])]),
    "a text": lambda t: t.tell("Once", max_new_tokens=3),
}


@pytest.mark.parametrize("name", SCORED)
def test_a_model_with_a_nan_gives_an_error_and_no_number(broken, name):
    with raises_one_line(ValueError, "nan|NaN"):
        SCORED[name](broken)


def test_a_chat_model_with_a_nan_says_nothing_right():
    answerer = copy.deepcopy(load(ANSWERER, device="cpu"))
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    rows = chat_rows([messages], answerer.tokenizer, 256)
    assert says(answerer.model, rows).shape == (1,)
    next(answerer.model.parameters()).data[:] = NAN
    with pytest.raises(ValueError, match="^logits holds nan"):
        says(answerer.model, rows)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_numbers_that_are_not_finite_are_refused(value):
    states, labels = torch.randn(4, 3), torch.tensor([0, 1, 0, 1])
    states[2, 1] = value
    for work in (
        lambda: bootstrap_interval([0.0, 1.0, value]),
        lambda: calibration([0.5, value], [1, 0]),
        lambda: calibration([0.5, 0.5], [1, value]),
        lambda: probe(states, labels),
        lambda: fit_head(states, labels, 2),
        lambda: RewardModel(lambda texts: states, torch.ones(3))(["a"] * 4),
        lambda: round_to_grid(states, 8),
    ):
        with pytest.raises(ValueError, match=r"holds (nan|-?inf), must hold finite numbers only"):
            work()


def test_a_nan_is_no_loss():
    with pytest.raises(ValueError, match="^nats is NaN"):
        bits_per_byte(NAN, 10)
    with pytest.raises(ValueError, match="^nats_per_token is NaN"):
        perplexity(NAN)
    assert perplexity(1000.0) == INF  # the exponential of a finite loss may be too large for a float


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("size", [1e-30, 1e-6, 1e-3, 1.0, 1e4, 1e7, 1e30])
def test_a_grid_holds_numbers_of_any_size(size, bits):
    weight = torch.full((2, 8), size)
    weight[1] *= torch.linspace(-1, 1, 8)
    integers, scale = round_to_grid(weight, bits, 4)
    error = (restore(integers, scale) - weight).abs()
    most = 2 ** (bits - 1) - 1
    assert (error <= size * (0.5 / most + 2**-7)).all()
    torch.testing.assert_close(restore(integers, scale)[0], weight[0], rtol=2**-7, atol=0)


def test_a_grid_of_nan_is_refused():
    with pytest.raises(ValueError, match="^weight holds nan"):
        round_to_grid(torch.tensor([[NAN, 1, 2, 3]]), 8)


def test_a_model_with_tiny_or_huge_weights_is_saved_and_loaded_as_it_is(tmp_path):
    from companion.quantization import save_quantized

    teller = load(SHIPPED, device="cpu")
    teller.model.blocks[0].mlp.up_proj.weight.data *= 1e-6
    expected = teller.model.blocks[0].mlp.up_proj.weight.detach().clone()
    quantize(teller.model, 8)
    save_quantized(tmp_path / "small", teller.model, teller.tokenizer)
    found = load(tmp_path / "small", device="cpu").model.blocks[0].mlp.up_proj.weight
    assert (found - expected).abs().max() <= expected.abs().max() * 0.01
    torch.testing.assert_close(found, teller.model.blocks[0].mlp.up_proj.weight)


def test_quantize_names_the_tensor_that_is_not_finite(broken):
    with pytest.raises(ValueError, match=r"^blocks.1.mlp.up_proj.weight holds nan"):
        quantize(copy.deepcopy(broken.model), 8)


@pytest.mark.parametrize(
    "command",
    [
        ["eval", "--model", "m", "--tasks", "who-has"],
        ["eval", "--model", "m", "--stories", "0"],
        ["generate", "--model", "m"],
        ["quantize", "--model", "m", "--output", "q"],
    ],
)
def test_a_command_on_a_damaged_model_names_the_tensor(broken, tmp_path, monkeypatch, capsys, command):
    from companion.training import save_checkpoint

    monkeypatch.chdir(tmp_path)
    save_checkpoint("m", broken.model, broken.tokenizer)
    fails(capsys, command, 2, "m: blocks.1.mlp.up_proj.weight holds nan")
    assert not (tmp_path / "q").exists()


def test_a_question_without_choices_is_one_line():
    teller = load(SHIPPED, device="cpu")
    with pytest.raises(ValueError, match="^example 1 has no choices; give two or more"):
        choice_scores(teller, [QUESTION, Example("Once", (), "")])


@pytest.mark.parametrize("text", ["今天天气很好我们一起去公园散步吧", "วันนี้อากาศดีมากเราไปเดินเล่นกัน"])
def test_a_text_without_spaces_can_be_contaminated(text):
    assert contamination([text], [text]) == [1.0]
    assert contamination([text], [text[::-1]]) == [0.0]
