"""What attention runs on: the same numbers either way; plain products only where measured to be faster."""

import math

import pytest
import torch
import torch.nn.functional as F

from companion.attention import attend
from companion.runtime import kernels
from companion.runtime.kernels import plain_attention, plain_is_faster, scaled_dot_product_attention


def qkv(n_query=7, n_key=7, dtype=torch.bfloat16):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, n, 5, generator=generator).to(dtype) for n in (n_query, n_key, n_key)]


@pytest.mark.parametrize(("n_query", "causal"), [(7, True), (7, False), (1, False)])
def test_plain_products_are_the_fused_operation_in_values_and_gradients(n_query, causal):
    inputs = [t.requires_grad_() for t in qkv(n_query, dtype=torch.float64)]
    plain = plain_attention(*inputs, is_causal=causal)
    fused = F.scaled_dot_product_attention(*inputs, is_causal=causal)
    torch.testing.assert_close(plain, fused)
    grads = [torch.autograd.grad(out.square().sum(), inputs) for out in (plain, fused)]
    torch.testing.assert_close(*grads)


def test_dropout_of_plain_products_sets_weights_to_zero_and_keeps_their_mean():
    torch.manual_seed(0)
    alike, eye = torch.zeros(1, 1, 500, 5), torch.eye(500)[None, None]  # so that an output is its weights
    weights = plain_attention(alike[:, :, :1], alike, eye, dropout=0.25)
    assert 0.15 < (weights == 0).float().mean() < 0.35
    assert math.isclose(weights.max().item(), 1 / 500 / 0.75, rel_tol=1e-5)


def test_only_bfloat16_on_a_cpu_without_a_mask_and_not_too_long_may_take_plain_products(monkeypatch):
    asked, plain = [], []
    monkeypatch.setattr(kernels, "plain_is_faster", lambda dtype: asked.append(dtype) or True)
    monkeypatch.setattr(kernels, "plain_attention", lambda *a: plain.append(a) or plain_attention(*a))
    scaled_dot_product_attention(*qkv(dtype=torch.float32), is_causal=True)
    scaled_dot_product_attention(*qkv(), mask=torch.ones(7, 7, dtype=torch.bool))
    scaled_dot_product_attention(*qkv(1, 1025))
    scaled_dot_product_attention(*[t.to("meta") for t in qkv()], is_causal=True)
    assert not asked and not plain
    scaled_dot_product_attention(*qkv(), dropout=0.5, is_causal=True)
    scaled_dot_product_attention(*qkv(1, 1024))
    assert len(asked) == 2 and [call[3:] for call in plain] == [(0.5, True), (0.0, False)]


def test_the_faster_way_is_measured_once_and_then_taken(monkeypatch):
    measured = []
    monkeypatch.setattr(kernels, "seconds", lambda work: measured.append(work()) or len(measured))
    plain_is_faster.cache_clear()
    try:
        with torch.inference_mode(), torch.device("meta"):  # wherever the first use may stand
            assert plain_is_faster(torch.bfloat16) and plain_is_faster(torch.bfloat16)  # 1 s against 2 s
        assert len(measured) == 2
        q, k, v = qkv()
        assert torch.equal(attend(q, k, v), plain_attention(q, k, v, is_causal=True)) and len(measured) == 2
    finally:
        plain_is_faster.cache_clear()
