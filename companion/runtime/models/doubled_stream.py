"""A stream of two halves: what the layers write, and behind it each token's own row, which they only read."""

import torch
import torch.nn.functional as F
from torch import nn


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
