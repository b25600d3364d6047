"""Spine draft of chapter 5; regenerated from the chapter's exported cells."""

import torch
import torch.nn.functional as F
from torch import nn


class LayerNorm(nn.Module):
    """Layer normalization: each vector to mean 0, variance 1, then scaled and shifted. (..., C) -> (..., C).

    d_model: numbers in a vector, C. eps: added to the variance, so that no constant vector divides by 0.
    weight starts at 1 and bias at 0, (C,) each.
    Raises ValueError for a d_model below 1 or an eps that is not above 0.
    Source: Ba, Kiros and Hinton, 2016 (arXiv:1607.06450), section 3; equal to torch.nn.LayerNorm.
    """

    def __init__(self, d_model: int, eps: float = 1e-5):
        super().__init__()
        if d_model < 1 or not eps > 0:
            raise ValueError(f"d_model={d_model} must be at least 1 and eps={eps} above 0; try 64 and 1e-5")
        self.weight = nn.Parameter(torch.ones(d_model))  # (C,)
        self.bias = nn.Parameter(torch.zeros(d_model))  # (C,)
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> (..., C)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class MLP(nn.Module):
    """Two linear maps with a bend between them, for each position on its own. (B, T, C) -> (B, T, C).

    d_model: width of the stream, C. d_ff: width in the middle, 4 C in GPT-2. The bend is GELU's tanh form.
    dropout: chance that a number of the result is set to 0 in training.
    Raises ValueError for a size below 1 or a dropout outside [0, 1).
    Source: Vaswani et al., 2017 (arXiv:1706.03762), section 3.3, with the GELU of Hendrycks and Gimpel, 2016
    (arXiv:1606.08415).
    """

    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0):
        super().__init__()
        if d_model < 1 or d_ff < 1:
            raise ValueError(f"d_model={d_model} and d_ff={d_ff} must be at least 1; try 64 and 256")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout} must be at least 0 and below 1; try 0.0")
        self.up_proj = nn.Linear(d_model, d_ff)
        self.down_proj = nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> (..., C)."""
        hidden = F.gelu(self.up_proj(x), approximate="tanh")  # (..., C) -> (..., d_ff)
        return self.dropout(self.down_proj(hidden))  # (..., d_ff) -> (..., C)


class Block(nn.Module):
    """A transformer block with its norms before its parts. (B, T, C) -> (B, T, C).

    It is given its parts and builds none; each of them maps (B, T, C) to (B, T, C). attn is called as
    attn(x, cache) and is the one part that lets positions see each other.
    Source: Radford et al., 2019 (GPT-2), section 2.3; Xiong et al., 2020 (arXiv:2002.04745), figure 1 (b).
    """

    def __init__(self, norm_1: nn.Module, attn: nn.Module, norm_2: nn.Module, mlp: nn.Module):
        super().__init__()
        self.norm_1, self.attn, self.norm_2, self.mlp = norm_1, attn, norm_2, mlp

    def forward(self, x: torch.Tensor, cache=None) -> torch.Tensor:
        """(B, T, C) -> (B, T, C). cache goes to attn, which keeps its keys and values there (chapter 9)."""
        x = x + self.attn(self.norm_1(x), cache)  # what other positions know
        return x + self.mlp(self.norm_2(x))  # what to make of it
