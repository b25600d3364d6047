"""Spine draft of chapter 4; regenerated from the chapter's exported cells."""

import torch
import torch.nn.functional as F
from torch import nn


def causal_mask(n_query: int, n_key: int, device=None) -> torch.Tensor:
    """(Tq, Tk) bool, True where a query may look: at its own position and before.

    The queries are the last n_query of n_key positions, so the mask is also right for a few new tokens that
    follow many old ones. Raises ValueError if there are more queries than keys.
    """
    if n_query > n_key:
        raise ValueError(f"n_query={n_query} must be at most n_key={n_key}: queries are the last positions")
    return torch.ones(n_query, n_key, dtype=torch.bool, device=device).tril(n_key - n_query)


def attend(q, k, v, mask: torch.Tensor | None = None, dropout: float = 0.0) -> torch.Tensor:
    """Scaled dot-product attention, causal unless a mask says otherwise.

    q (B, H, Tq, D), k and v (B, H, Tk, D) -> (B, H, Tq, D).
    mask: bool, True where a query may look, broadcastable to (B, H, Tq, Tk). None is causal_mask(Tq, Tk).
    A query that may look nowhere gets zeros.
    dropout: share of the weights set to 0; give 0.0 outside training.
    Raises TypeError for a mask that is not bool, ValueError for a causal mask with Tq > Tk.
    Source: Vaswani et al., 2017 (arXiv:1706.03762), equation 1.
    """
    if mask is not None and mask.dtype != torch.bool:
        raise TypeError(f"mask has dtype {mask.dtype}, it must be torch.bool: True where a query may look")
    n_query, n_key = q.shape[-2], k.shape[-2]
    if mask is None and q.dtype == torch.bfloat16 and q.device.type == "cpu" and n_key <= 1024:
        hidden = torch.zeros(n_query, n_key, dtype=q.dtype)  # (Tq, Tk), -inf where a query must not look
        hidden.masked_fill_(~causal_mask(n_query, n_key), float("-inf"))
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # (B, H, Tq, Tk)
        return F.dropout(scores.add_(hidden).softmax(dim=-1), dropout) @ v
    if mask is None and n_query not in (1, n_key):
        mask = causal_mask(n_query, n_key, q.device)
    return F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=mask is None and n_query > 1)


class CausalSelfAttention(nn.Module):
    """Multi-head causal self-attention. (B, T, C) -> (B, T, C).

    d_model: width C. n_heads: heads H, each of width D = C / H. bias: whether the four projections add one.
    dropout: share of the weights, and of the numbers that leave the layer, set to 0 in training.
    Raises ValueError if n_heads does not divide d_model, or dropout is outside [0, 1).
    Source: Vaswani et al., 2017 (arXiv:1706.03762), section 3.2, with GPT-2's biases.
    """

    def __init__(self, d_model: int, n_heads: int, dropout: float = 0.0, bias: bool = True):
        super().__init__()
        if n_heads < 1 or d_model < 1 or d_model % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide d_model={d_model}; try 4 and 128")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout} must be at least 0 and below 1; try 0.0")
        self.n_heads, self.dropout = n_heads, dropout
        self.q_proj = nn.Linear(d_model, d_model, bias=bias)
        self.k_proj = nn.Linear(d_model, d_model, bias=bias)
        self.v_proj = nn.Linear(d_model, d_model, bias=bias)
        self.o_proj = nn.Linear(d_model, d_model, bias=bias)

    def forward(self, x: torch.Tensor, cache=None) -> torch.Tensor:
        """(B, T, C) -> (B, T, C). cache: its append(k, v) returns all keys and values so far (chapter 9)."""
        q, k, v = (self.split(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        if cache is not None:
            k, v = cache.append(k, v)  # (B, H, Tk, D)
        out = attend(q, k, v, dropout=self.dropout if self.training else 0.0)
        out = out.transpose(1, 2).flatten(2)  # (B, H, T, D) -> (B, T, H, D) -> (B, T, C)
        return F.dropout(self.o_proj(out), self.dropout, self.training)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, H, T, D): each head gets its own D of the C numbers."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
