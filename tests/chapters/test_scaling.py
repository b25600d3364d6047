"""Chapter 12: what a step costs, rates for every width, and the law. Processes: test_distributed.py."""

import math

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from companion.experts import ExpertsConfig, experts
from companion.gpt import GPT, GPTConfig, gpt2
from companion.modern import LlamaConfig, storyteller, swift
from companion.scaling import (
    Law,
    Recomputed,
    fit_law,
    flops_per_token,
    matrix_parameters,
    mup_init,
    mup_optimizer,
    training_bytes,
)
from companion.training import TrainConfig, next_token_loss

SHAPES = [GPTConfig(97, 40, 1, 3, 24), GPTConfig(211, 64, 3, 2, 48, d_ff=100), GPTConfig(50, 31, 2, 5, 35)]


def rows(config, B=3, T=29):
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(config.vocab_size, (B, T + 1), generator=generator)
    return tokens[:, :-1], tokens[:, 1:]


def counted(model, batch):
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        next_token_loss(model, batch)[0].backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("config", SHAPES)
def test_flops_are_those_that_pytorch_counts(config):
    assert counted(gpt2(config), rows(config)) == 3 * 29 * flops_per_token(gpt2(config, meta=True), 29)


def test_the_experts_that_a_token_uses_are_counted():
    config = ExpertsConfig(97, 40, 2, 3, n_kv_heads=3, d_model=24, d_ff=20, n_experts=5, n_active=2)
    model = experts(config, meta=True)
    attention, router, expert = 4 * 24**2, 5 * 24, 3 * 24 * 20
    assert matrix_parameters(model) == 2 * (attention + router + 2 * expert) + 97 * 24
    assert counted(experts(config), rows(config)) == 3 * 29 * flops_per_token(model, 29)


def test_a_shift_and_wide_heads_are_counted_as_they_are():
    config = LlamaConfig(97, 40, 2, 3, n_kv_heads=3, d_model=24, head_width=14, shift=3)
    model = swift(config, meta=True)
    assert matrix_parameters(model) == matrix_parameters(storyteller(config, meta=True))
    assert flops_per_token(model, 29) == 6 * matrix_parameters(model) + 12 * 2 * (3 * 14) * 29
    assert counted(swift(config), rows(config)) == 3 * 29 * flops_per_token(model, 29)


def test_the_token_table_counts_where_it_is_the_head():
    config = GPTConfig(97, 40, 2, 3, 24)
    model = gpt2(config)
    blocks = 2 * (4 * 24**2 + 2 * 24 * 96)
    assert matrix_parameters(model) == blocks + 97 * 24
    untied = GPT(config, model.embed, list(model.blocks), model.norm, torch.nn.Linear(24, 101, bias=False))
    assert matrix_parameters(untied) == blocks + 101 * 24


def kept(model, batch):
    """Bytes that autograd keeps, parameters aside."""
    found = {}

    def note(t):
        found[t.untyped_storage().data_ptr()] = t
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        loss = next_token_loss(model, batch)[0]
    assert loss.requires_grad
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    return sum(t.untyped_storage().nbytes() for place, t in found.items() if place not in own)


def recomputing(model):
    return GPT(model.config, model.embed, [Recomputed(block) for block in model.blocks], model.norm)


@pytest.mark.parametrize("config", SHAPES)
def test_the_bytes_are_those_that_autograd_keeps(config):
    model, batch = gpt2(config), rows(config)
    said = training_bytes(model, 3 * 29)
    n = sum(p.numel() for p in model.parameters())
    assert (said["weights"], said["gradients"], said["averages"]) == (4 * n, 4 * n, 8 * n)
    assert 0.93 < said["activations"] / kept(model, batch) <= 1
    less = training_bytes(model, 3 * 29, recompute=True)
    assert less["activations"] < said["activations"] and less["averages"] == said["averages"]
    assert 0.93 < less["activations"] / kept(recomputing(model), batch) <= 1


def test_a_recomputed_block_has_the_same_gradients_with_dropout_and_costs_a_pass_forward():
    config = GPTConfig(97, 40, 2, 3, 24, dropout=0.2)
    model, batch = gpt2(config).train(), rows(config)
    gradients = []
    for m in (model, recomputing(model)):
        model.zero_grad()
        torch.manual_seed(5)
        next_token_loss(m, batch)[0].backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(*gradients, atol=0, rtol=0)
    blocks = 2 * (2 * (4 * 24**2 + 8 * 24**2) + 4 * 24 * 29) * 3 * 29
    assert counted(recomputing(model), batch) == counted(model, batch) + blocks


def test_mups_groups():
    config = TrainConfig(lr=0.01, weight_decay=0.2, betas=(0.8, 0.95))
    model = gpt2(GPTConfig(61, 16, 2, 4, 96))
    fresh = model.norm.weight.detach().clone()
    assert mup_init(model, 96) is model
    torch.testing.assert_close(model.norm.weight, fresh, atol=0, rtol=0)  # at the base width nothing changes
    mup_init(model, 24)
    assert model.norm.weight.unique().item() == pytest.approx(min(2.5 / math.sqrt(24), 40 / 24) / 4)
    optimizer = mup_optimizer(model, config, 24)
    names = {id(p): name for name, p in model.named_parameters()}
    seen = {}
    for group in optimizer.param_groups:
        assert group["betas"] == (0.8, 0.95)
        seen |= {names[id(p)]: (group["lr"], group["weight_decay"]) for p in group["params"]}
    assert seen.keys() == set(names.values())
    assert seen["blocks.1.attn.q_proj.weight"] == pytest.approx((0.0025, 0.8))
    assert seen["norm.weight"] == seen["norm.bias"] == pytest.approx((0.0025, 0.0))
    vectors = ("blocks.0.norm_1.weight", "blocks.0.attn.q_proj.bias")
    for name in ("embed.token.weight", "embed.position.weight", *vectors):
        assert seen[name] == (0.01, 0.0)


TRUE = Law(floor=0.6, a=40.0, alpha=0.42, b=900.0, beta=0.51, miss=0.0)


def trainings(law, sizes=(2e4, 5e4, 2e5, 7e5), budgets=(1e5, 4e5, 2e6)):
    return zip(*[(N, D, law.loss(N, D)) for N in sizes for D in budgets], strict=True)


@pytest.mark.gate
def test_a_law_is_recovered_and_its_split_of_flops_is_the_best():
    law = fit_law(*trainings(TRUE))
    assert (law.alpha, law.beta) == (0.42, 0.51) and law.miss < 1e-9
    assert (law.floor, law.a, law.b) == pytest.approx((0.6, 40.0, 900.0), rel=1e-6)
    size, tokens = law.allocate(3e14)
    assert 6 * size * tokens == pytest.approx(3e14)
    tried = [TRUE.loss(N, 3e14 / 6 / N) for N in (size * 1.02**i for i in range(-200, 200))]
    assert TRUE.loss(size, tokens) == pytest.approx(min(tried), abs=1e-12)
    wrong = fit_law(*trainings(TRUE), floor=0.3)  # a floor that is not the true one fits worse
    assert wrong.floor == 0.3 and wrong.miss > 1e-3


@pytest.mark.gate
def test_rows_that_no_law_fits_are_an_error():
    sizes, tokens, losses = map(list, trainings(TRUE))
    with pytest.raises(ValueError, match="losses has 5 rows, must have at least 6"):
        fit_law(sizes[:5], tokens[:5], losses[:5])
    with pytest.raises(ValueError, match="no law with positive terms"):
        fit_law(sizes, tokens, [1 / loss for loss in losses])
