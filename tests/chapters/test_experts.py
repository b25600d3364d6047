"""Chapter 24's parts against a sum over all experts, and experts as an architecture of every command."""

import dataclasses
import math

import pytest
import torch
from support.command_line import fails
from support.folders import raises_one_line
from support.weights import noisy

from companion import load
from companion.experts import ExpertsConfig, MixtureOfExperts, TopKRouter, experts
from companion.lora import add_lora, load_adapter, save_adapter, switch
from companion.modern import SwiGLU
from companion.quantization import quantize
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint
from companion.village import load_split

B, T, C, E = 3, 7, 10, 5
SHAPE = ExpertsConfig(
    vocab_size=53, context_length=17, n_layers=2, n_heads=3, d_model=12, d_ff=9, head_width=4, n_experts=4
)
TOKENIZER = BPETokenizer.train(load_split("val")[:20], 300)


def layer_of(k, n_experts=E, balance=0.0, capacity=None):
    torch.manual_seed(k)
    parts = [SwiGLU(C, 6 + e) for e in range(n_experts)]  # of different widths, so that none is mixed up
    return MixtureOfExperts(TopKRouter(C, n_experts, k, balance), parts, capacity)


# ---------------------------------------- the layer


def test_an_expert_without_a_token_has_a_gradient_of_zeros():
    layer = layer_of(1)
    layer.router.bias[2] = -9.0
    layer(torch.randn(4, C)).sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in layer.experts[2].parameters())
    assert layer.router.weight.grad.any()


def test_training_moves_the_bias_against_the_load_and_nothing_else_does():
    router, x = TopKRouter(C, E, 2, balance=0.25), torch.randn(40, C)
    _, chosen = router(x)
    taken = chosen.flatten().bincount(minlength=E)
    expected = torch.tensor([0.25 if n < 16 else -0.25 if n > 16 else 0.0 for n in taken.tolist()])
    assert torch.equal(router.bias, expected)
    router.eval()(x)
    router.train().weight.requires_grad_(False)
    router(x)
    assert torch.equal(router.bias, expected), "neither in evaluation nor while it is frozen"
    assert "bias" in router.state_dict() and "bias" not in dict(router.named_parameters())


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.0])
def test_capacity_keeps_the_first_tokens_in_training_only(factor):
    layer = layer_of(2, capacity=factor)
    layer.experts = torch.nn.ModuleList([torch.nn.Identity() for _ in range(E)])
    x = torch.randn(30, C)
    weights, chosen = (y.detach() for y in layer.router(x))
    most, room, kept = math.ceil(factor * 60 / E), [0] * E, []
    for row, weight in zip(chosen.tolist(), weights, strict=True):
        for e in row:
            room[e] += 1
        kept.append(sum(w for w, e in zip(weight, row, strict=True) if room[e] <= most))
    expected = x * torch.tensor([float(w) for w in kept])[:, None]
    torch.testing.assert_close(layer(x), expected)
    assert torch.allclose(expected, x) == (max(room) <= most)
    torch.testing.assert_close(layer.eval()(x), x)


def test_scores_stay_in_32_bits_under_autocast():
    layer, x = layer_of(2), torch.randn(50, C)
    expected = layer.router(x)
    with torch.autocast("cpu", torch.bfloat16):
        weights, chosen = layer.router(x)
        out = layer(x)
    assert torch.equal(weights, expected[0]) and torch.equal(chosen, expected[1])
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, layer(x), rtol=0.1, atol=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TopKRouter(C, 3, 4), "n_active=4 must be at most n_experts=3"),
        (lambda: TopKRouter(C, 3, 1, -0.1), "balance=-0.1 must be at least 0"),
        (lambda: MixtureOfExperts(TopKRouter(C, 3, 1), [], 0.0), "capacity=0.0 must be above 0"),
        (lambda: dataclasses.replace(SHAPE, n_active=9), "n_active=9 must be at most n_experts=4"),
        (lambda: dataclasses.replace(SHAPE, capacity=-1.0), "capacity=-1.0 must be above 0"),
    ],
)
def test_sizes_that_do_not_fit_are_an_error(make, message):
    with raises_one_line(ValueError, message):
        make()


# ---------------------------------------- the model


def test_a_checkpoint_brings_the_biases_back(tmp_path):
    model = noisy(experts(dataclasses.replace(SHAPE, vocab_size=300, balance=0.1)))
    model(torch.randint(300, (3, 9)))  # 54 places for 4 experts: they cannot be even
    biases = [block.mlp.router.bias.clone() for block in model.blocks]
    assert all(bias.any() for bias in biases)
    save_checkpoint(tmp_path / "m", model, TOKENIZER)
    again = load(tmp_path / "m", device="cpu").model.eval()
    assert again.config == model.config and type(again.config) is ExpertsConfig
    tokens = torch.randint(300, (2, 9))
    assert torch.equal(again(tokens), model.eval()(tokens))


def test_lora_and_quantization_take_the_experts_and_leave_the_router(tmp_path):
    torch.manual_seed(1)  # where two experts are nearly equal, rounding may choose the other
    model = noisy(experts(dataclasses.replace(SHAPE, vocab_size=300, balance=0.1)))
    save_checkpoint(tmp_path / "m", model, TOKENIZER)
    tokens = torch.randint(300, (2, 9))
    adapter = add_lora(model, rank=2)
    assert "blocks.0.mlp.experts.3.up_proj" in adapter and not any("router" in path for path in adapter)
    biases = model.blocks[0].mlp.router.bias.clone()
    for part in adapter.values():
        torch.nn.init.normal_(part.B, std=0.1)
    model.train()(tokens)
    assert torch.equal(model.blocks[0].mlp.router.bias, biases), "an adapter has no place for them"
    expected = model.eval()(tokens)
    save_adapter(model, tmp_path / "a", tmp_path / "m")
    other = load(tmp_path / "m", device="cpu").model
    switch(other, load_adapter(other, tmp_path / "a"))
    torch.testing.assert_close(other.eval()(tokens), expected)
    switch(model, None)
    plain = model(tokens)
    quantize(model, 8)
    assert 0 < (model(tokens) - plain).abs().max() < 0.2 * plain.abs().max()


# ---------------------------------------- the command line


def test_no_other_engine_has_a_mixture_of_experts(here, capsys):
    save_checkpoint("m", experts(dataclasses.replace(SHAPE, vocab_size=300)), TOKENIZER)
    command = ["export", "gguf", "--model", "m", "--output", "out.gguf"]
    fails(capsys, command, 2, "architecture=experts", "--architecture")
    assert not (here / "out.gguf").exists()
