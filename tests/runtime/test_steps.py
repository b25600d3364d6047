"""Rows of a batch on several threads: the same loss and gradient, and only where nothing looks on."""

import threading

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from companion.gpt import GPTConfig, gpt2
from companion.modern import LlamaConfig, storyteller, swift
from companion.runtime import steps
from companion.runtime.steps import with_faster_steps
from companion.training import TrainConfig, Trainer, next_token_loss

SHAPE = {"vocab_size": 61, "context_length": 32, "n_layers": 2, "n_heads": 2, "d_model": 16}
BUILDERS = {
    "gpt2": (gpt2, GPTConfig),
    "storyteller": (storyteller, LlamaConfig),
    "swift": (swift, LlamaConfig),
}


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setattr(steps, "LEAST", 32)
    n = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2, "as it was"
    torch.set_num_threads(n)


@pytest.fixture
def shared(monkeypatch):
    """For each batch that is shared out, the numbers of rows."""
    seen, at_once = [], steps.at_once

    def noted(calls):
        seen.append([len(call.args[0].args[-1][0]) for call in calls])
        return at_once(calls)

    monkeypatch.setattr(steps, "at_once", noted)
    return seen


def model_of(name="gpt2", **shape):
    torch.manual_seed(0)
    build, config = BUILDERS[name]
    model = build(config(**SHAPE | shape)).train()
    for p in model.parameters():  # modern ones begin with zeros, which would hide half of the gradient
        nn.init.normal_(p, std=0.2) if p.ndim > 1 else None
    return model


def batch_of(rows=5, width=32):
    tokens = torch.randint(0, 61, (rows, width + 1), generator=torch.Generator().manual_seed(1))
    x, y = tokens[:, :-1], tokens[:, 1:].clone()
    y[0, 3:] = -100
    return x, y


def settings(**more):
    return TrainConfig(steps=3, context_length=32, device="cpu", dtype="float32", **more)


def loss_and_gradient(loss, model, batch):
    model.zero_grad()
    nats, count = loss(model, batch)
    (0.5 * nats).backward()
    return nats.detach(), count, [p.grad.clone() for p in model.parameters() if p.requires_grad]


@pytest.mark.parametrize("rows", [2, 5])
@pytest.mark.parametrize("name", BUILDERS)
def test_loss_count_and_gradient_are_those_of_the_whole_batch(shared, name, rows):
    model, batch = model_of(name).double(), batch_of(rows)
    ours = loss_and_gradient(with_faster_steps(next_token_loss, settings()), model, batch)
    assert shared == [[(rows + 1) // 2, rows // 2]]
    torch.testing.assert_close(ours, loss_and_gradient(next_token_loss, model, batch), rtol=1e-5, atol=1e-5)
    assert isinstance(ours[1], int) and ours[0].requires_grad is False


def test_autocast_reaches_each_thread(shared):
    model, batch = model_of(), batch_of()

    def with_bfloat16(loss):
        with torch.autocast("cpu", torch.bfloat16):
            return loss_and_gradient(loss, model, batch)

    ours = with_bfloat16(with_faster_steps(next_token_loss, settings()))
    assert shared == [[3, 2]]
    whole = with_bfloat16(next_token_loss)
    exact = loss_and_gradient(next_token_loss, model, batch)
    apart = [(a - b).abs().max() for a, b in zip(ours[2], exact[2], strict=True)]
    assert max(apart) > 1e-3, "in 32 bits this would be rounding alone"
    torch.testing.assert_close(ours, whole, rtol=0.05, atol=0.3)


def test_frozen_weights_get_no_gradient_and_the_way_back_may_be_gone_twice(shared):
    model = model_of()
    model.embed.requires_grad_(False)
    nats, _ = with_faster_steps(next_token_loss, settings())(model, batch_of())
    nats.backward(retain_graph=True)
    once = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    nats.backward()
    twice = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(shared) == 1 and len(once) == sum(p.requires_grad for p in model.parameters())
    torch.testing.assert_close(twice, [2 * g for g in once])


def test_a_weight_that_the_loss_does_not_depend_on_gets_no_gradient(shared):
    model = model_of()
    model.probe = nn.Linear(16, 2)
    nats, _ = with_faster_steps(next_token_loss, settings())(model, batch_of())
    nats.backward()
    assert shared == [[3, 2]] and model.probe.weight.grad is None
    assert all(p.grad is not None for name, p in model.named_parameters() if "probe" not in name)


@pytest.mark.gate
def test_a_training_ends_at_the_same_weights(shared, monkeypatch):
    def trained():
        model = model_of("swift")
        draw = torch.randint(0, 61, (3, 6, 33), generator=torch.Generator().manual_seed(2))
        trainer = Trainer(
            model, lambda first: iter([(x[:, :-1], x[:, 1:]) for x in draw[first:]]), settings()
        )
        return [trainer.step() for _ in range(3)], list(model.parameters())

    ours, weights = trained()
    assert shared == [[3, 3]] * 3
    torch.testing.assert_close(trained(), (ours, weights), rtol=0, atol=0)  # to the last bit, each time
    monkeypatch.setattr(steps, "shares", lambda *a: 1)
    losses, whole = trained()
    assert ours == pytest.approx(losses, abs=1e-4)
    torch.testing.assert_close(weights, whole, rtol=0, atol=2e-3)


class OtherNorm(nn.LayerNorm):
    pass


def watched(model, how):
    """What of how is done to a model: hooks, chance, parts of others, another forward."""
    block = model.blocks[0]
    if how == "hook":
        block.register_forward_hook(lambda *a: None)
    elif how == "gradient's hook":
        block.mlp.up_proj.weight.register_hook(lambda g: 2 * g)
    elif how == "chance":
        block.attn.dropout = 0.1
    elif how == "dropout":
        block.mlp.dropout.p = 0.1
    elif how == "part":
        block.norm_1 = OtherNorm(16)
    elif how == "forward":
        block.mlp.forward = lambda x: x
    elif how == "project":
        project = block.attn.project
        block.attn.project = lambda x, start=0: project(x - x.mean(0), start)
    elif how == "hidden":
        hidden = model.hidden
        model.hidden = lambda *a: hidden(*a) - hidden(*a).mean(0)
    elif how == "frozen":
        model.requires_grad_(False)


HOWS = ["hook", "gradient's hook", "chance", "dropout", "part", "forward", "project", "hidden", "frozen"]


@pytest.mark.parametrize("how", HOWS)
def test_a_model_that_is_watched_or_draws_lots_sees_the_batch_whole(shared, how):
    model = model_of()
    watched(model, how)
    with_faster_steps(next_token_loss, settings())(model, batch_of())
    assert not shared


def test_what_counts_operations_or_saved_numbers_sees_them_all(shared):
    loss, model, batch = with_faster_steps(next_token_loss, settings()), model_of(), batch_of()
    with FlopCounterMode(display=False):
        loss(model, batch)
    with saved_tensors_hooks(lambda t: t, lambda t: t):
        loss(model, batch)
    with torch.autograd.profiler.profile():
        loss(model, batch)
    with torch.no_grad():
        loss(model, batch)
    assert not shared


def test_other_losses_compiled_models_small_batches_and_large_models_are_left_alone(shared, monkeypatch):
    def other(model, batch):
        return next_token_loss(model, batch)

    model, batch, usual = model_of(), batch_of(), with_faster_steps(next_token_loss, settings())
    with_faster_steps(other, settings())(model, batch)
    usual(model, batch_of(rows=1))
    usual(model, batch_of(rows=3, width=20))
    torch.set_num_threads(1)
    usual(model, batch)
    torch.set_num_threads(2)
    monkeypatch.setattr(steps, "MOST", 100)
    usual(model, batch)
    assert not shared
    compiled = with_faster_steps(next_token_loss, settings(compile=True))
    assert compiled.func is not steps._shared_out


def test_calls_are_made_at_once_each_by_a_thread_without_helpers():
    meet = threading.Barrier(3, timeout=20)
    found = steps.at_once([lambda: (meet.wait(), torch.get_num_threads(), threading.get_ident())] * 3)
    assert {place for place, *_ in found} == {0, 1, 2}, "each waited for the others"
    assert [n for _, n, _ in found] == [1, 1, 1] and found[0][2] == threading.get_ident()


@pytest.mark.parametrize("where", [0, 1])
def test_an_error_in_a_share_is_raised_after_all_have_ended(where):
    ended = []

    def fails():
        raise KeyboardInterrupt if where == 0 else ValueError

    def ends():
        ended.append(threading.current_thread().name)

    with pytest.raises((KeyboardInterrupt, ValueError)):
        steps.at_once([fails, ends] if where == 0 else [ends, fails])
    assert len(ended) == 1
