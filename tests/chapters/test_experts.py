"""Chapter 24's parts against a sum over all experts, and experts as an architecture of every command."""

import dataclasses
import json
import math

import pytest
import torch
import torch.nn.functional as F
from support.command_line import TINY, cell, fails, main
from support.folders import raises_one_line
from support.weights import noisy

from companion import load
from companion.caching import KVCache
from companion.experts import ExpertsConfig, MixtureOfExperts, TopKRouter, active_parameters, experts
from companion.gpt import GPTConfig, gpt2
from companion.lora import add_lora, load_adapter, save_adapter, switch
from companion.modern import LlamaConfig, SwiGLU, storyteller
from companion.quantization import quantize
from companion.tokenization import BPETokenizer
from companion.training import load_checkpoint, save_checkpoint
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


def dense(layer, x, k):
    """Every expert on every token, times a weight that is 0 where it was not chosen: loops over tokens."""
    rows = []
    for token in x.flatten(0, -2):
        share = (layer.router.weight @ token).softmax(-1)
        best = (share + layer.router.bias).argsort(descending=True)[:k]
        total = share[best].sum() if k > 1 else 1
        rows.append(sum(share[e] / total * layer.experts[e](token) for e in best.tolist()))
    return torch.stack(rows).view_as(x)


# ---------------------------------------- the layer


@pytest.mark.parametrize("k", [1, 2, 5])
def test_it_is_the_dense_sum_in_values_and_gradients(k):
    layer = layer_of(k)
    layer.router.bias += 0.3 * torch.randn(E)
    x, probe = torch.randn(B, T, C, requires_grad=True), torch.randn(B, T, C)
    wanted = [x, *layer.parameters()]
    ours, oracle = layer(x), dense(layer, x, k)
    torch.testing.assert_close(ours, oracle, rtol=1e-5, atol=1e-5)
    made = torch.autograd.grad((ours * probe).sum(), wanted)
    expected = torch.autograd.grad((oracle * probe).sum(), wanted, allow_unused=True)
    for a, b in zip(made, expected, strict=True):
        torch.testing.assert_close(a, torch.zeros_like(a) if b is None else b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(C,), (1, C), (2, 3, 4, C)])
def test_any_shape_whose_last_dimension_is_the_width(shape):
    layer, x = layer_of(2), torch.randn(shape)
    rows = x.reshape(-1, C)
    expected = dense(layer, rows, 2).view(shape)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_an_expert_that_nobody_takes_has_a_gradient_of_zeros():
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


def test_balance_brings_a_skewed_router_to_even_loads():
    torch.manual_seed(1)
    router = TopKRouter(C, E, 1, balance=0.01)
    common = 2 * F.normalize(router.weight[0].detach(), dim=0)
    loads = []
    for _ in range(200):
        loads.append(router(torch.randn(2000, C) + common)[1].flatten().bincount(minlength=E).max().item())
    assert loads[0] > 900 and max(loads[-20:]) < 560  # 400 would be even


def test_a_share_that_is_a_whole_number_is_not_rounded_up():
    assert layer_of(1, n_experts=10, capacity=1.1).train().room(100) == 11


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.0])
def test_capacity_keeps_the_first_that_come_in_training_only(factor):
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
    ("make", "error", "words"),
    [
        (lambda: TopKRouter(C, 3, 4), ValueError, "n_active=4 must be at most n_experts=3"),
        (lambda: TopKRouter(C, 3, 0), ValueError, "n_active=0 must be at least 1"),
        (lambda: TopKRouter(C, 2.5, 1), TypeError, "n_experts=2.5 must be a whole number"),
        (lambda: TopKRouter(C, 3, 1, -0.1), ValueError, "balance=-0.1 must be at least 0"),
        (lambda: MixtureOfExperts(TopKRouter(C, 3, 1), [], 0.0), ValueError, "capacity=0.0 must be above 0"),
        (
            lambda: dataclasses.replace(SHAPE, n_active=9),
            ValueError,
            "n_active=9 must be at most n_experts=4",
        ),
        (lambda: dataclasses.replace(SHAPE, capacity=-1.0), ValueError, "capacity=-1.0 must be above 0"),
        (lambda: dataclasses.replace(SHAPE, n_layers=0), ValueError, "n_layers=0"),
    ],
)
def test_what_does_not_fit_is_one_line(make, error, words):
    with raises_one_line(error, words):
        make()


# ---------------------------------------- the model


def test_the_model_is_the_storyteller_with_mixtures_and_as_many_active_numbers():
    config = ExpertsConfig(53, 17, 2, 3, d_model=24, n_experts=6, n_active=2)
    assert config.architecture == "experts" and config.d_ff == 32
    model, plain = experts(config), storyteller(LlamaConfig(53, 17, 2, 3, d_model=24))
    assert active_parameters(model) == active_parameters(plain) + 2 * 6 * 24
    assert active_parameters(plain) == sum(p.numel() for p in plain.parameters())
    total = sum(p.numel() for p in model.parameters())
    assert total - active_parameters(model) == 2 * 4 * 3 * 24 * 32
    assert {p.device.type for p in experts(config, meta=True).state_dict().values()} == {"meta"}


@torch.no_grad()
def test_a_cache_changes_nothing():
    model = noisy(experts(SHAPE)).eval()
    tokens = torch.randint(53, (B, 13), generator=torch.Generator().manual_seed(0))
    whole, cache = model(tokens), KVCache(model.config, B)
    parts = [model(tokens[:, i:j], cache) for i, j in ((0, 5), (5, 6), (6, 13))]
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-5, atol=1e-5)


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


@pytest.fixture
def trained_experts(here, capsys):
    """A run of a few steps on a text of our own, by the command."""
    (here / "mine.txt").write_text("\n\n".join(load_split("val")[:40]), encoding="utf-8")
    assert main(["prepare", "mine.txt", "--data", "data", "--vocab-size", "300"]) == 0
    argv = ["train", "--data", "data", "--checkpoint", "run", "--architecture", "experts", *TINY]
    assert main([*argv, "--n-experts", "4", "--balance", "0.05", "--device", "cpu"]) == 0
    capsys.readouterr()
    return here / "run"


@pytest.mark.gate
def test_it_is_trained_told_described_and_resumed_by_the_command(trained_experts, capsys):
    saved = json.loads((trained_experts / "config.json").read_text("utf-8"))["config"]
    assert (saved["architecture"], saved["n_experts"], saved["n_active"]) == ("experts", 4, 2)
    model, _, _ = load_checkpoint(trained_experts, {"experts": (ExpertsConfig, experts)})
    assert any(block.mlp.router.bias.any() for block in model.blocks)
    teller = load(trained_experts, device="cpu")
    cached = teller.generate("Once", max_new_tokens=12, temperature=0)
    teller.make_cache = None
    assert cached == teller.generate("Once", max_new_tokens=12, temperature=0)
    assert main("generate --model run --prompt Once --temperature 0 --max-new-tokens 12".split()) == 0
    assert capsys.readouterr().out.strip().startswith("Once")
    assert main(["info", "--model", "run"]) == 0
    said = capsys.readouterr().out
    assert cell(said, "architecture") == "experts" and cell(said, "n_experts") == "4"
    assert main(["train", "--data", "data", "--checkpoint", "run", "--resume", "--steps", "5"]) == 0
    assert len(teller.model.blocks) == 1


@pytest.mark.gate
def test_a_file_of_settings_repeats_the_run(trained_experts, capsys):
    argv = ["train", "--data", "data", "--config", "run/config.toml", "--checkpoint", "again"]
    assert main(argv) == 0
    first, second = (load(name, device="cpu").model.state_dict() for name in ("run", "again"))
    assert all(torch.equal(p, second[name]) for name, p in first.items())


def test_several_processes_are_refused_in_one_line(here, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.train.ours", lambda: PEERS)
    fails(
        capsys, ["train", "--architecture", "experts", *TINY], 2, "architecture=experts", "without torchrun"
    )


class Peers:
    size, rank, first = 2, 0, True


PEERS = Peers()


@pytest.mark.parametrize("form", ["gguf", "hf", "onnx"])
def test_no_other_engine_has_a_place_for_it(form, here, capsys):
    shape = dataclasses.replace(SHAPE, vocab_size=300)
    save_checkpoint("m", experts(shape), TOKENIZER)
    output = "out.gguf" if form == "gguf" else "out"
    fails(
        capsys,
        ["export", form, "--model", "m", "--output", output],
        2,
        "architecture=experts",
        "--architecture",
    )
    assert not (here / output).exists()


def test_quantize_does_it_and_its_options_are_of_no_other_architecture(here, capsys):
    save_checkpoint("m", experts(dataclasses.replace(SHAPE, vocab_size=300, d_ff=16, d_model=12)), TOKENIZER)
    (here / "mine.txt").write_text("The lamp was lit.\n\nNobody saw it.\n\nThe night went on.\n")
    argv = ["quantize", "--model", "m", "--output", "small", "--data", "mine.txt"]
    fails(capsys, [*argv, "--calibrate"], 2, "--calibrate", "architecture=experts")
    assert not (here / "small").exists()
    assert main(argv) == 0
    assert load("small", device="cpu").tell("Once", max_new_tokens=3)
    fails(capsys, ["train", "--n-experts", "4", *TINY], 2, "--n-experts", "swift")
    argv = ["train", "--architecture", "experts", "--n-active", "9", *TINY]
    fails(capsys, argv, 2, "n_active=9 must be at most n_experts=8")


def test_info_counts_the_active_parameters_also_of_a_quantized_model(here, capsys):
    model = experts(dataclasses.replace(SHAPE, vocab_size=300, d_ff=16))
    save_checkpoint("m", model, TOKENIZER)
    save_checkpoint("plain", storyteller(LlamaConfig(300, 17, 2, 3, d_model=12, head_width=4)), TOKENIZER)
    (here / "mine.txt").write_text("The lamp was lit.\n\nNobody saw it.\n\nThe night went on.\n")
    assert main(["quantize", "--model", "m", "--output", "small", "--data", "mine.txt"]) == 0
    for name in ("m", "small"):
        capsys.readouterr()  # what came before
        assert main(["info", "--model", name]) == 0
        said = capsys.readouterr().out
        assert cell(said, "parameters") == f"{sum(p.numel() for p in model.parameters()):,}"
        assert cell(said, "active parameters per token") == f"{active_parameters(model):,}"
    assert main(["info", "--model", "plain"]) == 0
    assert "active parameters" not in capsys.readouterr().out


def test_a_model_without_experts_is_all_active():
    assert (
        active_parameters(gpt2(GPTConfig(53, 8, 1, 1, 8))) == 53 * 8 + 8 * 8 + 16 * 3 + (8 * 8 + 8) * 4 + 552
    )
