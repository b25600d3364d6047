"""Operations of PyTorch's, done another way where a CPU is faster with it: attention, GELU, cross-entropy.

In bfloat16, attention may be plain products. Where a gradient is asked for, these have gradients that are
written out here, in fewer steps; they cannot be differentiated a second time. GELU's tanh form is worked out
by a sigmoid, which PyTorch computes faster than its own GELU.
"""

import math
from collections.abc import Iterator
from functools import cache

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from companion.runtime.timing import seconds

__all__ = [
    "cross_entropy_sum",
    "gelu",
    "gelu_no_grad",
    "plain_attention",
    "plain_is_faster",
    "scaled_dot_product_attention",
]

LONGEST = 1024
"""Keys up to which plain products were measured to win, on CPUs with instructions for bfloat16."""

BLOCK = {torch.float32: 32, torch.float64: 32, torch.bfloat16: 128}
"""Queries in a block of causal attention."""

LEAST, MOST = 128, 256
"""Tokens for which blocks are used: fewer gain nothing, and with more, the weights that are kept for the way
back take too much memory, and gradients of keys added up in bfloat16 block by block lose digits."""

SLOPE, CUBIC = 2 * math.sqrt(2 / math.pi), 0.044715
"""GELU's tanh form is x sigmoid(SLOPE (x + CUBIC x³)), since (1 + tanh(z)) / 2 is sigmoid(2 z)."""

MANY = 8192
"""Numbers from which GELU by a sigmoid, in six calls, is faster than PyTorch's one call."""

AT_ONCE = 2**16
"""Numbers that GELU is worked out for at a time, so that what lies between the calls stays in the cache."""

PIECE = 2**19
"""Logits of a cross-entropy that are worked out at a time, 2 MB; in pieces from twice as many on."""


def scaled_dot_product_attention(q, k, v, mask=None, dropout: float = 0.0, is_causal: bool = False):
    """F.scaled_dot_product_attention, but on CPUs in a faster way where one is known.

    q (B, H, Tq, D), k and v (B, H, Tk, D) -> (B, H, Tq, D). mask: bool, True where a query may look, or None.
    is_causal: mask as a staircase from the top left corner, so only right for Tq = Tk; not with a mask.
    CPUs with instructions for bfloat16 were faster with plain products up to about 1,000 keys; without them,
    these took three times as long. So the first use in bfloat16 measures both, for 0.1 s at most.
    Causal attention with a gradient is done in blocks, in 32 and 64 bits a quarter faster for 256 tokens, and
    in bfloat16 a sixth faster than with plain products, where those are faster.
    """
    in_blocks = is_causal and mask is None and not dropout and blocks_are_faster(q, k, v)
    sixteen_bits = q.dtype == torch.bfloat16 and q.device.type == "cpu"
    plain = mask is None and sixteen_bits and k.shape[-2] <= LONGEST and plain_is_faster(q.dtype)
    if in_blocks and (plain or not sixteen_bits):
        return _Blocks.apply(q, k, v)
    if plain:
        return plain_attention(q, k, v, dropout, is_causal)
    return F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=is_causal)


def plain_attention(q, k, v, dropout: float = 0.0, is_causal: bool = False) -> torch.Tensor:
    """The formula as it is written, softmax(q kᵀ / √D + M) v: shapes as above."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # (B, H, Tq, Tk)
    if is_causal:
        future = torch.full(scores.shape[-2:], float("-inf"), dtype=q.dtype, device=q.device).triu_(1)
        scores.add_(future)  # M: 0 where a query may look, -inf elsewhere
    return F.dropout(scores.softmax(dim=-1), dropout) @ v


def plain_is_faster(dtype: torch.dtype) -> bool:
    """Whether plain products beat the fused operation on this CPU, forward and backward; measured once."""
    return _time_both(dtype)


plain_is_faster._dynamo_marked_constant = True
"""What torch.compiler.assume_constant_result sets; calling it would import the compiler, a second or two."""


@cache  # torch.compile would warn of it, if it stood above
def _time_both(dtype: torch.dtype) -> bool:
    with torch.inference_mode(False), torch.enable_grad():
        q, k, v = (torch.ones(2, 4, 128, 32, dtype=dtype, device="cpu", requires_grad=True) for _ in "qkv")
        plain = seconds(lambda: plain_attention(q, k, v, is_causal=True).sum().backward())
        fused = seconds(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward())
    return plain < fused


def unwatched(*tensors: torch.Tensor) -> bool:
    """Whether tensors are of one of BLOCK's types and on a CPU, and nothing but autograd looks on.

    Else (torch.compile, torch.export, fx, torch.func, subclasses of tensors) it is for PyTorch to choose how.
    """
    usual = all(type(t) is torch.Tensor and t.device.type == "cpu" for t in tensors)
    if not usual or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    return len({t.dtype for t in tensors}) == 1 and tensors[0].dtype in BLOCK


def gradient_asked(*tensors: torch.Tensor) -> bool:
    """Whether autograd will come back through tensors."""
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def blocks_are_faster(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> bool:
    """Whether causal attention of these, (B, H, T, D) each, is done in blocks.

    Not where the fused operation was forbidden, by torch.nn.attention.sdpa_kernel.
    """
    if not (unwatched(q, k, v) and gradient_asked(q, k, v)):  # first: compiled, the switch cannot be read
        return False
    allowed = torch.backends.cuda.flash_sdp_enabled()  # the CPU's switch as well
    return allowed and blocks_fit(q, k, v)


def blocks_fit(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> bool:
    """Whether q, k and v are (B, H, T, D) each, with so many tokens that blocks were found faster."""
    return q.ndim == 4 and q.shape == k.shape == v.shape and LEAST <= q.shape[-2] <= MOST


class _Blocks(torch.autograd.Function):
    """Causal attention in blocks, with its gradient."""

    @staticmethod
    def forward(ctx, q, k, v):
        out, kept = attention_in_blocks(q, k, v)
        ctx.save_for_backward(*kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, d_out):
        return attention_gradients(d_out, *ctx.saved_tensors)


def attention_in_blocks(q, k, v) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Causal attention, some queries at a time, each block of them with the keys up to its last and no more.

    q, k, v (B, H, T, D) each -> (outputs of the same shape, what the gradient needs: q / √D, k and v, and of
    each block the weights P = softmax(q kᵀ / √D + M), (T² + block T) / 2 numbers a head).
    """
    out = torch.empty_like(q)  # as q lies in memory, so that joining the heads copies nothing
    q, k, v = (x.contiguous().flatten(0, 1) for x in (q * q.shape[-1] ** -0.5, k, v))  # (B H, T, D)
    size, kept = BLOCK[q.dtype], []
    future = torch.full((size, size), float("-inf"), dtype=q.dtype).triu_(1)
    for a, b in edges(q.shape[1], q.dtype):
        scores = q[:, a:b] @ k[:, :b].mT  # (B H, b - a, b)
        scores[..., a:] += future[: b - a, : b - a]  # M
        kept.append(torch.softmax(scores, dim=-1, out=scores))  # in its place
        out[:, :, a:b] = (kept[-1] @ v[:, :b]).unflatten(0, out.shape[:2])
    return out, [q, k, v, *kept]


def attention_gradients(d_out, q, k, v, *kept) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of q, k and v (B, H, T, D), from that of the outputs, d_out, and what was kept.

    dv = Pᵀ dO, dP = dO vᵀ, dS from dP as through any softmax, dq = dS k / √D and dk = dSᵀ q / √D. Source:
    Dao et al., 2022 (arXiv:2205.14135), appendix B.2.
    """
    dq, dk, dv = torch.empty_like(d_out), torch.zeros_like(k), torch.zeros_like(v)
    heads, d_out = d_out.shape[:2], d_out.contiguous().flatten(0, 1)
    for (a, b), weights in zip(edges(q.shape[1], q.dtype), kept, strict=True):
        above = d_out[:, a:b]
        dv[:, :b].baddbmm_(weights.mT, above)
        d_scores = above @ v[:, :b].mT  # dP, then dS in its place: (B H, b - a, b)
        torch._softmax_backward_data(d_scores, weights, -1, weights.dtype, grad_input=d_scores)
        dq[:, :, a:b] = (d_scores @ k[:, :b]).unflatten(0, heads)
        dk[:, :b].baddbmm_(d_scores.mT, q[:, a:b])  # q is q / √D already
    return dq.mul_(q.shape[-1] ** -0.5), dk.unflatten(0, heads), dv.unflatten(0, heads)


def edges(n: int, dtype: torch.dtype) -> list[tuple[int, int]]:
    """Of n queries the first of each block, and the one after its last."""
    size = BLOCK[dtype]
    return [(a, min(a + size, n)) for a in range(0, n, size)]


def gelu(x: torch.Tensor) -> torch.Tensor:
    """F.gelu(x, approximate="tanh"), element by element; with its gradient in less time on a CPU.

    Source: Hendrycks and Gimpel, 2016 (arXiv:1606.08415), section 2.
    """
    if torch.compiler.is_compiling() and not torch.compiler.is_exporting() and x.is_cpu:
        return x * torch.sigmoid(SLOPE * (x + CUBIC * x * x * x))  # compiled, a sigmoid is faster than a tanh
    if not unwatched(x):
        return F.gelu(x, approximate="tanh")
    return _Gelu.apply(x) if gradient_asked(x) else gelu_no_grad(x)


def gelu_no_grad(x: torch.Tensor) -> torch.Tensor:
    """The same for an x that nothing watches and of which no gradient is asked."""
    if x.numel() < MANY or x.dtype not in BLOCK or not x.is_cpu:
        return F.gelu(x, approximate="tanh")
    x = x.contiguous()
    y = torch.empty_like(x)
    for piece, out in in_pieces(x, y):
        wide = in_32_bits(piece)
        gate = (wide * wide).mul_(SLOPE * CUBIC).add_(SLOPE).mul_(wide).sigmoid_()
        torch.mul(gate, wide, out=out)
    return y


def in_pieces(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Of contiguous tensors of one shape, AT_ONCE numbers at a time, each of which may be written to."""
    return zip(*(t.view(-1).split(AT_ONCE) for t in tensors), strict=True)


def in_32_bits(x: torch.Tensor) -> torch.Tensor:
    """x with at least 32 bits a number."""
    return x.float() if x.dtype == torch.bfloat16 else x


class _Gelu(torch.autograd.Function):
    """x s, with s = sigmoid(SLOPE u), u = x + CUBIC x³. Only its slope, s + SLOPE x u' s (1 - s), is kept."""

    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        y, kept = torch.empty_like(x), torch.empty_like(x)
        for piece, out, rise in in_pieces(x, y, kept):
            wide = in_32_bits(piece)
            square = wide * wide
            gate = torch.addcmul(wide, square, wide, value=CUBIC).mul_(SLOPE).sigmoid_()  # s
            slope = square.mul_(3 * CUBIC).add_(1).mul_(wide).mul_(gate)  # x u' s
            torch.add(slope.addcmul_(slope, gate, value=-1).mul_(SLOPE), gate, out=rise)
            torch.mul(gate, wide, out=out)
        ctx.save_for_backward(kept)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, d_out):
        (slope,) = ctx.saved_tensors
        return d_out * slope


def cross_entropy_sum(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """F.cross_entropy(logits.float(), targets, reduction="sum"), in less memory where a CPU learns.

    logits (N, V), targets (N,) int64, -100 where none is. Beside the logits only their gradient is kept;
    PyTorch keeps their log-softmax in 32 bits, and makes two more of that size on the way back. 512 rows
    of 50,257 took 0.4 of PyTorch's time in float32, 0.2 in bfloat16.
    Source: Hsu et al., 2024 (arXiv:2410.10989), Liger Kernel, section 3.2.
    """
    large = logits.numel() >= 2 * PIECE and logits.dtype in (torch.float32, torch.bfloat16)
    if not (large and unwatched(logits) and gradient_asked(logits)):
        return F.cross_entropy(logits.float(), targets, reduction="sum")
    return _CrossEntropy.apply(logits, targets)


class _CrossEntropy(torch.autograd.Function):
    """The sum over rows z of log(sum(exp(z))) - z[y]. A row's gradient is softmax(z) - onehot(y)."""

    @staticmethod
    def forward(ctx, logits, targets):
        gradient, nats = torch.empty_like(logits), []
        rows = max(1, PIECE // logits.shape[1])
        for z, y, out in zip(*(t.split(rows) for t in (logits, targets, gradient)), strict=True):
            z, skipped = z.float(), y == -100
            right = y.masked_fill(skipped, 0)[:, None]  # (n, 1)
            p = z.softmax(dim=1)  # (n, V)
            surprise = z.amax(1) - p.amax(1).log() - z.gather(1, right)[:, 0]  # the largest p is 1 / sum
            nats.append(surprise.masked_fill(skipped, 0).sum())
            p.scatter_add_(1, right, torch.full(right.shape, -1.0))
            p[skipped] = 0
            out.copy_(p)
        ctx.save_for_backward(gradient)
        return torch.stack(nats).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, d_out):
        (gradient,) = ctx.saved_tensors
        return gradient if d_out == 1 else gradient * d_out, None
