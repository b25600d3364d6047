"""What chapters 10 and 11 use and do not teach: checks of sizes, a window's mask, and a doubled stream."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

SIZES = ("vocab_size", "context_length", "n_layers", "n_heads", "n_kv_heads", "d_model", "d_ff", "head_width")


def check_shape(config: Any) -> None:
    """Raise ValueError, in one line, for the first field of a LlamaConfig that is out of its range.

    head_width, n_kv_heads and d_ff may be None: they follow from the others.
    """
    given = SIZES if config.window is None else (*SIZES, "window")
    for name in given:
        value = getattr(config, name)
        follows = value is None and name in ("n_kv_heads", "d_ff", "head_width")
        if not follows and (type(value) is not int or value < 1):
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1")
    if config.head_width is None and config.d_model % config.n_heads:
        raise ValueError(f"n_heads={config.n_heads} must divide d_model={config.d_model}, or give head_width")
    if config.head_width is None and config.d_model // config.n_heads % 2:
        twice = 2 * config.n_heads
        raise ValueError(f"d_model={config.d_model} must be a multiple of 2 n_heads={twice}; change one")
    if config.head_width is not None and config.head_width % 2:
        raise ValueError(f"head_width={config.head_width} must be even: its numbers turn in pairs")
    if config.n_kv_heads is not None and config.n_heads % config.n_kv_heads:
        raise ValueError(f"n_kv_heads={config.n_kv_heads} must divide n_heads={config.n_heads}; change one")
    if type(config.shift) is not int or config.shift < 0:
        raise ValueError(f"shift={config.shift!r} must be a whole number of at least 0; 0 leaves it out")
    if not 0 <= config.dropout < 1:
        raise ValueError(f"dropout={config.dropout} must be at least 0 and below 1; try 0.0")
    for name in ("norm_eps", "rope_theta", "rope_factor", "rope_original"):
        value = getattr(config, name)
        if not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise ValueError(f"{name}={value!r} must be a number above 0")


def numbers_turned(config: Any) -> int:
    """Return how many numbers of each query and key rotary positions turn.

    Args:
        config: A configuration with rope_share, n_heads and d_model.

    Raises:
        ValueError: For a share outside (0, 1], and for a share that gives no even number of at least 2.
    """
    share = config.rope_share
    heads = config.n_heads
    if not 0 < share <= 1:
        raise ValueError(f"rope_share={share} must be above 0 and at most 1; try 0.25")
    n = int(config.d_model // heads * share)
    if n < 2 or n % 2:
        raise ValueError(f"rope_share={share} and n_heads={heads} turn {n} of a head's numbers, must be even")
    return n


def window_mask(mask, start, n_query: int, n_key: int, window: int | None, device=None):
    """Return a mask without the positions that lie further back than the window.

    Args:
        mask: A bool mask, or None for the causal mask.
        start: Position of the first query. Key j stands at position j.
        n_query: Number of queries, Tq.
        n_key: Number of keys, Tk.
        window: Number of positions that a query sees, its own included. None means all.
        device: Device of the new mask.

    Returns:
        The mask as it was given, if the window leaves nothing out. Otherwise a bool mask.

    Shape:
        start: an int, or int64 (B,); the window's mask: (1, Tq, Tk) or (B, 1, Tq, Tk).

    Reference:
        Jiang et al., 2023, arXiv:2310.06825, section 2.
    """
    if window is None or n_key <= window:
        return mask
    at = torch.as_tensor(start, device=device)[..., None] + torch.arange(n_query, device=device)
    back = at[..., None] - torch.arange(n_key, device=device)  # (Tq, Tk) or (B, Tq, Tk)
    seen = ((back >= 0) & (back < window)).unsqueeze(-3)
    return seen if mask is None else seen & mask


class Doubled(nn.Module):
    """An embedding whose rows come twice: as they are, and normed. (B, T) int64 -> (B, T, 2 C)."""

    def __init__(self, token: nn.Module):
        super().__init__()
        self.token = token

    def forward(self, tokens: torch.Tensor, start=0) -> torch.Tensor:
        row = self.token(tokens, start)  # (B, T, C)
        return torch.cat([row, F.rms_norm(row, row.shape[-1:], eps=1e-6)], dim=-1)


class FirstHalf(nn.Module):
    """What a norm makes of the first half. (..., 2 C) -> (..., C)."""

    def __init__(self, norm: nn.Module):
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x.chunk(2, dim=-1)[0])
