"""Linear layers and attention under torch.compile: the same numbers and gradients, taken where they fit."""

import shutil

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.library import opcheck

from companion.gpt import GPTConfig, gpt2
from companion.runtime import compiled, products
from companion.training import TrainConfig, Trainer

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this PyTorch has no oneDNN"
)
OURS = torch.ops.companion
N = 129
"""Queries: for one block more than four."""


def leaves(*sizes, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*size, generator=generator).to(dtype).requires_grad_() for size in sizes]


def heads(n=N, dtype=torch.float32):
    """q, k, v as a layer has them, (B, H, T, D), with the heads inside in memory."""
    return [x.transpose(1, 2) for x in leaves(*[(2, n, 3, 5)] * 3, dtype=dtype)]


@pytest.fixture
def all_sizes(monkeypatch):
    monkeypatch.setattr(products, "LEAST", 1)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)


@pytest.mark.gate
@pytest.mark.parametrize(
    "sizes", [[(2, 7, 8), (12, 8), (12,)], [(2, 7, 12), (8, 12)], [(9, 8), (8, 8), (8,)]]
)
def test_linear_is_an_operation_that_pytorch_can_trace_and_differentiate(sizes):
    inputs = [*leaves(*sizes), None][:3]
    opcheck(OURS.linear.default, inputs)
    ours, theirs = OURS.linear(*inputs), F.linear(*inputs)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    asked = [x for x in inputs if x is not None]
    grads = [torch.autograd.grad(y.sin().sum(), asked) for y in (ours, theirs)]
    torch.testing.assert_close(*grads, atol=1e-5, rtol=1e-5)


@pytest.mark.gate
@pytest.mark.parametrize("n", [32, N])
def test_attention_is_an_operation_that_pytorch_can_trace_and_differentiate(n):
    for inputs in (heads(n), [x.contiguous() for x in heads(n)]):
        inputs = [x.detach().requires_grad_() for x in inputs]
        opcheck(OURS.attention.default, inputs)
        ours, theirs = OURS.attention(*inputs)[0], F.scaled_dot_product_attention(*inputs, is_causal=True)
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=2e-5)
        grads = [torch.autograd.grad(y.sin().sum(), inputs) for y in (ours, theirs)]
        torch.testing.assert_close(*grads, atol=2e-5, rtol=2e-5)


def targets(f, *inputs, dynamic=False):
    """What f's graph calls after the pass, and what the graph then gives."""
    seen = []

    def backend(graph, _):
        compiled._Pass()(graph.graph)
        graph.recompile()
        seen.extend(node.target for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    torch._dynamo.reset()
    return seen, torch.compile(f, backend=backend, fullgraph=True, dynamic=dynamic)(*inputs)


@pytest.mark.gate
def test_a_model_s_layers_scores_and_attention_are_replaced(all_sizes):
    model = gpt2(GPTConfig(vocab_size=61, context_length=N, n_layers=2, n_heads=2, d_model=16))
    tokens = torch.randint(0, 61, (2, N), generator=torch.Generator().manual_seed(0))
    seen, logits = targets(model, tokens)
    assert seen.count(OURS.linear.default) == 2 * 6 + 1 and F.linear not in seen
    assert seen.count(OURS.attention.default) == 2 and F.scaled_dot_product_attention not in seen
    torch.testing.assert_close(logits, model(tokens), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("64 bits", lambda x: F.linear(x.double(), torch.ones(4, 4).double())),
        ("small", lambda x: F.linear(x[:1], torch.ones(4, 4))),
        ("another device", lambda x: F.linear(x.to("meta"), torch.ones(4, 4, device="meta"))),
        ("a bias by its name", lambda x: F.linear(x, torch.ones(4, 4), bias=torch.ones(4))),
    ],
)
def test_other_linear_layers_are_left_to_pytorch(name, f, monkeypatch, all_sizes):
    monkeypatch.setattr(products, "LEAST", 8)
    seen, _ = targets(f, torch.ones(2, 4))
    assert F.linear in seen and OURS.linear.default not in seen, name


def test_linear_layers_are_left_to_pytorch_on_other_cpus_and_where_sizes_change(monkeypatch, all_sizes):
    seen, _ = targets(nn.Linear(4, 4), torch.ones(6, 4), dynamic=True)
    assert seen and OURS.linear.default not in seen
    monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    seen, _ = targets(nn.Linear(4, 4), torch.ones(6, 4))
    assert seen and OURS.linear.default not in seen


@pytest.mark.parametrize(
    "f",
    [
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, None, 0.0),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, None, 0.5, is_causal=True),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, torch.ones(N, N).bool(), 0.0),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, None, 0.0, is_causal=True, scale=1.0),
        lambda q, k, v: F.scaled_dot_product_attention(q[:, :, :9], k, v, None, 0.0, is_causal=True),
        lambda q, k, v: F.scaled_dot_product_attention(
            *[x.double() for x in (q, k, v)], None, 0.0, is_causal=True
        ),
    ],
    ids=["not causal", "dropout", "mask", "scale", "fewer queries", "64 bits"],
)
def test_other_attention_is_left_to_pytorch(f):
    seen, _ = targets(f, *heads())
    assert F.scaled_dot_product_attention in seen and OURS.attention.default not in seen


@pytest.mark.gate
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")
def test_a_compiled_training_takes_them_and_its_losses_are_those_of_an_eager_one(
    all_sizes, monkeypatch, tmp_path
):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()  # what other tests compiled
    taken, attend = [], compiled.kernels.attention_in_blocks
    monkeypatch.setattr(compiled.kernels, "attention_in_blocks", lambda *a: taken.append(1) or attend(*a))
    draw = torch.randint(0, 61, (4, 3, N + 1), generator=torch.Generator().manual_seed(0))
    losses = []
    for compile in (True, False):
        torch.manual_seed(0)
        config = TrainConfig(steps=4, context_length=N, device="cpu", dtype="float32", compile=compile)
        model = gpt2(GPTConfig(vocab_size=61, context_length=N, n_layers=2, n_heads=2, d_model=16))
        trainer = Trainer(model, lambda first: iter([(x[:, :-1], x[:, 1:]) for x in draw[first:]]), config)
        losses.append([trainer.step() for _ in range(4)])
        assert len(taken) == 4 * 2 * (1 if compile else 2), "each layer in each step"
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
