"""Chapter 4: masks, attention and its heads, against loops in float64 and against PyTorch's own."""

import math

import pytest
import torch
from torch import nn

from companion.attention import CausalSelfAttention, attend, causal_mask

B, H, T, D = 2, 3, 7, 5


@pytest.fixture(params=[True, False], ids=["plain", "fused"])
def either_way(request, monkeypatch):
    """What a processor would choose in 16 bits."""
    monkeypatch.setattr("companion.attention.CPU_MULTIPLIES_BFLOAT16", request.param)


def tensors(n_query=T, n_key=T, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(B, H, n_query, D), (B, H, n_key, D), (B, H, n_key, D)]
    return [torch.randn(s, generator=generator).to(dtype).requires_grad_() for s in shapes]


def close(actual, expected, tolerance=1e-5):
    torch.testing.assert_close(actual.double(), expected.double(), rtol=tolerance, atol=tolerance)


# attend


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("n_query", [T, 4, 1])
def test_output_and_gradients_are_those_of_the_formula(either_way, dtype, tolerance, n_query):
    mine = tensors(n_query, T, dtype)
    theirs = [t.detach().double().requires_grad_() for t in mine]
    scores = torch.einsum("bhid,bhjd->bhij", theirs[0], theirs[1]) / math.sqrt(D)
    allowed = torch.arange(T) <= torch.arange(n_query)[:, None] + T - n_query
    weights = torch.where(allowed, scores.exp(), 0.0)
    expected = torch.einsum("bhij,bhjd->bhid", weights / weights.sum(dim=-1, keepdim=True), theirs[2])
    out = attend(*mine)
    assert out.shape == (B, H, n_query, D) and out.dtype == dtype
    close(out, expected, tolerance)
    for ours, reference in zip(
        torch.autograd.grad(out.square().sum(), mine),
        torch.autograd.grad(expected.square().sum(), theirs),
        strict=True,
    ):
        close(ours, reference, tolerance)


def test_a_query_that_may_look_nowhere_gets_zeros_and_no_nan():
    q, k, v = tensors()
    mask = causal_mask(T, T).repeat(B, 1, 1, 1)
    mask[1, :, :, :2] = False  # the second text is padded by two on the left
    out = attend(q, k, v, mask)
    assert (out[1, :, :2] == 0).all() and out.isfinite().all()
    for grad in torch.autograd.grad(out.square().sum(), (q, k, v)):
        assert grad.isfinite().all()
    close(out[1:, :, 2:], attend(q[1:, :, 2:], k[1:, :, 2:], v[1:, :, 2:]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_zeroes_weights_and_keeps_their_mean(either_way, dtype):
    torch.manual_seed(0)
    zeros, ones = torch.zeros(1, 1, 1, D, dtype=dtype), torch.zeros(1, 1, 500, D, dtype=dtype)
    eye = torch.eye(500, dtype=dtype)[None, None]  # values that make the output the weights themselves
    weights = attend(zeros, ones, eye, dropout=0.25)[0, 0, 0]
    kept = weights[weights != 0].float()
    assert 0.15 < (weights == 0).float().mean() < 0.35
    close(kept, torch.full_like(kept, 1 / 500 / 0.75), 1e-5 if dtype == torch.float32 else 1e-4)


# the layer


def test_dropout_acts_in_training_and_on_both_places():
    torch.manual_seed(0)
    layer, x = CausalSelfAttention(15, 3, dropout=0.5), torch.randn(B, T, 15)
    assert not layer(x).equal(layer(x))
    assert 0.3 < (layer(x) == 0).float().mean() < 0.7  # what leaves
    layer.o_proj = nn.Identity()
    one = torch.ones(1, 1, 15)  # one token: its only weight is 1, so a head's output is v, dropped or doubled
    heads = torch.stack([layer(one) for _ in range(200)]).unflatten(-1, (3, 5))
    dropped_whole = (heads == 0).all(dim=-1).float().mean().item()
    assert 0.4 < dropped_whole < 0.65  # by the weights: half; by what leaves, five zeros in a row: a 32nd
    layer.eval()
    assert layer(x).equal(layer(x)) and (layer(x) != 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d_model": 16, "n_heads": 3}, "n_heads=3 must divide d_model=16; try"),
        ({"d_model": 16, "n_heads": 0}, "n_heads=0 must divide"),
        ({"d_model": 16, "n_heads": 4, "dropout": 1.0}, "dropout=1.0 must be at least 0 and below 1"),
    ],
)
def test_sizes_that_do_not_fit_are_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        CausalSelfAttention(**arguments)
