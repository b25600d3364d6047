"""What attention runs on: PyTorch's fused operation, or plain products where a CPU is faster with them."""

from functools import cache

import torch
import torch.nn.functional as F

from companion.runtime.timing import seconds

__all__ = ["plain_attention", "plain_is_faster", "scaled_dot_product_attention"]

LONGEST = 1024
"""Keys up to which plain products were measured to win, on CPUs with instructions for bfloat16."""


def scaled_dot_product_attention(q, k, v, mask=None, dropout: float = 0.0, is_causal: bool = False):
    """F.scaled_dot_product_attention, with plain products in bfloat16 on CPUs that are faster with them.

    q (B, H, Tq, D), k and v (B, H, Tk, D) -> (B, H, Tq, D). mask: bool, True where a query may look, or None.
    is_causal: mask as a staircase from the top left corner, so only right for Tq = Tk; not with a mask.
    CPUs with instructions for bfloat16 were faster with plain products up to about 1,000 keys; without them,
    these took three times as long. So the first use in bfloat16 measures both, for 0.1 s at most.
    """
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
@cache
def plain_is_faster(dtype: torch.dtype) -> bool:
    """Whether plain products beat the fused operation on this CPU, forward and backward; measured once."""
    with torch.inference_mode(False), torch.enable_grad():
        q, k, v = (torch.ones(2, 4, 128, 32, dtype=dtype, device="cpu", requires_grad=True) for _ in "qkv")
        plain = seconds(lambda: plain_attention(q, k, v, is_causal=True).sum().backward())
        fused = seconds(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward())
    return plain < fused
