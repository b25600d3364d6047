"""Spine draft of chapter 6; regenerated from the chapter's exported cells."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.embeddings import GPTEmbedding


@dataclass
class GPTConfig:
    """The shape of a GPT-2 type model; GPT-2 small's unless told otherwise.

    vocab_size: tokens, V. context_length: positions. n_layers: blocks. n_heads: heads, H. d_model: width, C.
    d_ff: width in the middle of an MLP, 4 C if not given. dropout: chance of a 0 in training.
    Raises ValueError for a size that is not a whole number of at least 1, for n_heads that does not divide
    d_model, or a dropout outside [0, 1). Source: Radford et al., 2019 (GPT-2), table 2.
    """

    architecture: ClassVar[str] = "gpt2"
    vocab_size: int = 50257
    context_length: int = 1024
    n_layers: int = 12
    n_heads: int = 12
    d_model: int = 768
    d_ff: int | None = None
    dropout: float = 0.0

    def __post_init__(self):
        self.d_ff = 4 * self.d_model if self.d_ff is None else self.d_ff
        for name in ("vocab_size", "context_length", "n_layers", "n_heads", "d_model", "d_ff"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ValueError(f"{name}={value!r} must be a whole number of at least 1")
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads={self.n_heads} must divide d_model={self.d_model}; change one of them")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must be at least 0 and below 1; try 0.0")


GPT2_SIZES = {
    "nano": GPTConfig(context_length=64, n_layers=4, n_heads=8, d_model=256),
    "small": GPTConfig(n_layers=12, n_heads=12, d_model=768),
    "medium": GPTConfig(n_layers=24, n_heads=16, d_model=1024),
    "large": GPTConfig(n_layers=36, n_heads=20, d_model=1280),
    "xl": GPTConfig(n_layers=48, n_heads=25, d_model=1600),
}


class GPT(nn.Module):
    """Embedding, blocks, norm, and a score for every token of the vocabulary. (B, T) -> logits (B, T, V).

    It is given its parts and builds none but an untied head. embed: called as embed(tokens, start=...); its
    token.weight (V, C) is the tied head. blocks: each called as block(x, cache). norm: the last one.
    tied: score with the embedding's own rows; otherwise with a matrix of its own, `head`.
    """

    def __init__(self, config, embed: nn.Module, blocks: list[nn.Module], norm: nn.Module, tied: bool = True):
        super().__init__()
        self.config, self.embed, self.blocks, self.norm = config, embed, nn.ModuleList(blocks), norm
        self.head = None if tied else nn.Linear(config.d_model, config.vocab_size, bias=False)

    def forward(self, tokens: torch.Tensor, cache=None) -> torch.Tensor:
        """(B, T) int64 -> (B, T, V). The logits at t score the token after t, from tokens 0 to t alone.

        Raises TypeError for tokens that are not whole numbers; ValueError for a shape other than (B, T), a
        sequence past context_length, or a token outside the vocabulary.
        """
        if tokens.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"tokens has dtype {tokens.dtype}, must be torch.int64; use tokens.long()")
        if tokens.ndim != 2:
            raise ValueError(f"tokens has shape {tuple(tokens.shape)}, must be (B, T); try tokens[None]")
        x = self.embed(tokens, start=0 if cache is None else cache.length)  # (B, T) -> (B, T, C)
        for i, block in enumerate(self.blocks):
            x = block(x, None if cache is None else cache.layers[i])  # (B, T, C) -> (B, T, C)
        weight = self.embed.token.weight if self.head is None else self.head.weight  # (V, C)
        return F.linear(self.norm(x), weight)  # (B, T, C) @ (C, V) -> (B, T, V)


def gpt2(config: GPTConfig) -> GPT:
    """GPT-2 of a given shape, newborn: its parts, with GPT-2's first weights (see `init_gpt2`)."""
    c = config
    embed = GPTEmbedding(c.vocab_size, c.context_length, c.d_model, c.dropout)
    blocks = [
        Block(
            LayerNorm(c.d_model),
            CausalSelfAttention(c.d_model, c.n_heads, c.dropout),
            LayerNorm(c.d_model),
            MLP(c.d_model, c.d_ff, c.dropout),
        )
        for _ in range(c.n_layers)
    ]
    return init_gpt2(GPT(c, embed, blocks, LayerNorm(c.d_model)))


def init_gpt2(model: GPT, std: float = 0.02) -> GPT:
    """Give a GPT its first weights, in place: matrices normal with mean 0 and `std`, biases 0.

    The matrices that write into the stream (o_proj, down_proj) get std / sqrt(2 n_layers), for there are
    2 n_layers of them, and what they add up to should not grow with their number. Norms keep their 1 and 0.
    Source: Radford et al., 2019 (GPT-2), section 2.3.
    """
    for name, p in model.named_parameters():
        if p.ndim == 2:
            into_stream = name.endswith(("o_proj.weight", "down_proj.weight"))
            nn.init.normal_(p, std=std / math.sqrt(2 * len(model.blocks)) if into_stream else std)
        elif name.endswith("bias"):
            nn.init.zeros_(p)
    return model
