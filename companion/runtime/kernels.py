"""Operations of PyTorch's, done another way where a CPU is faster with it: attention, and GELU's tanh form.

In bfloat16, attention may be plain products. In 32 and 64 bits, where a gradient is asked for, attention and
GELU have gradients that are written out here, in fewer steps; they cannot be differentiated a second time.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from companion.runtime.timing import seconds

__all__ = ["gelu", "plain_attention", "plain_is_faster", "scaled_dot_product_attention"]

LONGEST = 1024
"""Keys up to which plain products were measured to win, on CPUs with instructions for bfloat16."""

BLOCK, LEAST, MOST = 32, 128, 256
"""Queries in a block of causal attention, and the tokens for which blocks are used: fewer gain nothing, and
with more, the weights that are kept for the way back take too much memory."""

SLOPE, CUBIC = 2 * math.sqrt(2 / math.pi), 0.044715
"""GELU's tanh form is x sigmoid(SLOPE (x + CUBIC x³)), since (1 + tanh(z)) / 2 is sigmoid(2 z)."""


def scaled_dot_product_attention(q, k, v, mask=None, dropout: float = 0.0, is_causal: bool = False):
    """F.scaled_dot_product_attention, but on CPUs in a faster way where one is known.

    q (B, H, Tq, D), k and v (B, H, Tk, D) -> (B, H, Tq, D). mask: bool, True where a query may look, or None.
    is_causal: mask as a staircase from the top left corner, so only right for Tq = Tk; not with a mask.
    CPUs with instructions for bfloat16 were faster with plain products up to about 1,000 keys; without them,
    these took three times as long. So the first use in bfloat16 measures both, for 0.1 s at most.
    In 32 and 64 bits, causal attention with a gradient is done in blocks, a quarter faster for 256 tokens.
    """
    if is_causal and mask is None and not dropout and blocks_are_faster(q, k, v):
        return _Blocks.apply(q, k, v)
    sixteen_bits = q.dtype == torch.bfloat16 and q.device.type == "cpu"
    if mask is None and sixteen_bits and k.shape[-2] <= LONGEST and plain_is_faster(q.dtype):
        return plain_attention(q, k, v, dropout, is_causal)
    return F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=is_causal)


def plain_attention(q, k, v, dropout: float = 0.0, is_causal: bool = False) -> torch.Tensor:
    """The formula as it is written, softmax(q kᵀ / √D + M) v: shapes as above."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # (B, H, Tq, Tk)
    if is_causal:
        future = torch.full(scores.shape[-2:], float("-inf"), dtype=q.dtype, device=q.device).triu_(1)
        scores.add_(future)  # M: 0 where a query may look, -inf elsewhere
    return F.dropout(scores.softmax(dim=-1), dropout) @ v


@torch.compiler.assume_constant_result
def plain_is_faster(dtype: torch.dtype) -> bool:
    """Whether plain products beat the fused operation on this CPU, forward and backward; measured once."""
    return _time_both(dtype)


@cache  # torch.compile would warn of it, if it stood above
def _time_both(dtype: torch.dtype) -> bool:
    with torch.inference_mode(False), torch.enable_grad():
        q, k, v = (torch.ones(2, 4, 128, 32, dtype=dtype, device="cpu", requires_grad=True) for _ in "qkv")
        plain = seconds(lambda: plain_attention(q, k, v, is_causal=True).sum().backward())
        fused = seconds(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward())
    return plain < fused


def needs_gradient(*tensors: torch.Tensor) -> bool:
    """Whether autograd will come back through tensors of 32 or 64 bits on a CPU, and nothing else watches.

    Else (torch.compile, torch.export, fx, torch.func, subclasses of tensors) PyTorch's own operation is due.
    """
    usual = all(type(t) is torch.Tensor and t.device.type == "cpu" for t in tensors)
    if not usual or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    asked = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    return asked and {t.dtype for t in tensors} in ({torch.float32}, {torch.float64})


def blocks_are_faster(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> bool:
    """Whether causal attention of these, (B, H, T, D) each, is done in blocks.

    Not where the fused operation was forbidden, by torch.nn.attention.sdpa_kernel.
    """
    if not needs_gradient(q, k, v):  # asked first: torch.compile cannot read the switch below
        return False
    allowed = torch.backends.cuda.flash_sdp_enabled()  # the CPU's switch as well
    return allowed and q.shape == k.shape == v.shape and LEAST <= q.shape[-2] <= MOST


class _Blocks(torch.autograd.Function):
    """Causal attention, BLOCK queries at a time, each block with the keys up to its last query and no more.

    The weights P = softmax(q kᵀ / √D + M) are kept, (T² + BLOCK T) / 2 numbers a head. From the gradient dO
    of the outputs O come dv = Pᵀ dO, dP = dO vᵀ, dS = P (dP - sum(dO O)) with a sum for each query,
    dq = dS k / √D and dk = dSᵀ q / √D. Source: Dao et al., 2022 (arXiv:2205.14135), appendix B.2.
    """

    @staticmethod
    def forward(ctx, q, k, v):  # (B, H, T, D) each
        out = torch.empty_like(q)  # as q lies in memory, so that joining the heads copies nothing
        q, k, v = (q * q.shape[-1] ** -0.5).contiguous(), k.contiguous(), v.contiguous()
        future = torch.full((BLOCK, BLOCK), float("-inf"), dtype=q.dtype).triu_(1)
        kept = []
        for a, b in _edges(q):
            scores = q[..., a:b, :] @ k[..., :b, :].mT  # (B, H, b - a, b)
            scores[..., a:] += future[: b - a, : b - a]  # M
            kept.append(torch.softmax(scores, dim=-1, out=scores))  # in its place
            out[..., a:b, :] = kept[-1] @ v[..., :b, :]
        ctx.save_for_backward(q, k, v, out, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, d_out):
        q, k, v, out, *kept = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(out), None, None
        sums = (d_out * out).sum(dim=-1, keepdim=True)  # (B, H, T, 1)
        d_out = d_out.contiguous()
        for (a, b), weights in reversed(list(zip(_edges(q), kept, strict=True))):
            above = d_out[..., a:b, :]
            part_v = weights.mT @ above  # (B, H, b, D)
            d_scores = above @ v[..., :b, :].mT  # dP, then dS in its place: (B, H, b - a, b)
            d_scores.sub_(sums[..., a:b, :]).mul_(weights)
            dq[..., a:b, :] = d_scores @ k[..., :b, :]
            part_k = d_scores.mT @ q[..., a:b, :]  # q is q / √D already
            if dk is None:  # the last block, which has all keys
                dk, dv = part_k, part_v
            else:
                dk[..., :b, :] += part_k
                dv[..., :b, :] += part_v
        return dq.mul_(q.shape[-1] ** -0.5), dk, dv


def _edges(q: torch.Tensor) -> list[tuple[int, int]]:
    """First query of each block, and the one after its last."""
    return [(a, min(a + BLOCK, q.shape[-2])) for a in range(0, q.shape[-2], BLOCK)]


def gelu(x: torch.Tensor) -> torch.Tensor:
    """F.gelu(x, approximate="tanh"), element by element; with its gradient in half the time on a CPU.

    Source: Hendrycks and Gimpel, 2016 (arXiv:1606.08415), section 2.
    """
    return _Gelu.apply(x) if needs_gradient(x) else F.gelu(x, approximate="tanh")


class _Gelu(torch.autograd.Function):
    """x s, with s = sigmoid(SLOPE u), u = x + CUBIC x³. Only its slope, s + SLOPE x u' s (1 - s), is kept."""

    @staticmethod
    def forward(ctx, x):
        square = x * x
        gate = torch.addcmul(x, square, x, value=CUBIC).mul_(SLOPE).sigmoid_()  # s
        slope = square.mul_(3 * CUBIC).add_(1).mul_(x).mul_(gate)  # x u' s
        slope.addcmul_(slope, gate, value=-1).mul_(SLOPE).add_(gate)
        ctx.save_for_backward(slope)
        return gate.mul_(x)

    @staticmethod
    @once_differentiable
    def backward(ctx, d_out):
        (slope,) = ctx.saved_tensors
        return d_out * slope
