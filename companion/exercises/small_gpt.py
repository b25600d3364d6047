"""A small GPT-2 for checks that need a model, with the attributes of the chapters' own and no more."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Shape:
    vocab_size: int
    context_length: int
    n_layers: int
    n_heads: int
    d_model: int
    d_ff: int
    dropout: float = 0.0


class Table(nn.Module):
    def __init__(self, rows, width):
        super().__init__()
        weight = torch.empty(rows, width)
        if not weight.is_meta:  # to draw numbers there takes a second the first time
            weight.normal_()
        self.weight = nn.Parameter(weight)

    def forward(self, tokens):
        return F.embedding(tokens, self.weight)


class LayerNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.eps = 1e-5

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class Embedding(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.token, self.position = Table(c.vocab_size, c.d_model), Table(c.context_length, c.d_model)
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, tokens, start=0):
        return self.dropout(self.token(tokens) + self.position.weight[start : start + tokens.shape[-1]])


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.n_heads, self.dropout = c.n_heads, c.dropout
        self.q_proj, self.k_proj = nn.Linear(c.d_model, c.d_model), nn.Linear(c.d_model, c.d_model)
        self.v_proj, self.o_proj = nn.Linear(c.d_model, c.d_model), nn.Linear(c.d_model, c.d_model)

    def forward(self, x, cache=None):
        projected = [proj(x) for proj in (self.q_proj, self.k_proj, self.v_proj)]
        q, k, v = (part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for part in projected)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(out.transpose(1, 2).flatten(2))


class Rules(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.up_proj, self.down_proj = nn.Linear(c.d_model, c.d_ff), nn.Linear(c.d_ff, c.d_model)

    def forward(self, x):
        return self.down_proj(F.gelu(self.up_proj(x), approximate="tanh"))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm_1, self.attn = LayerNorm(c.d_model), Attention(c)
        self.norm_2, self.mlp = LayerNorm(c.d_model), Rules(c)

    def forward(self, x, cache=None):
        x = x + self.attn(self.norm_1(x))
        return x + self.mlp(self.norm_2(x))


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.embed, self.head = config, Embedding(config), None
        self.blocks = nn.ModuleList(Layer(config) for _ in range(config.n_layers))
        self.norm = LayerNorm(config.d_model)

    def hidden(self, tokens, cache=None):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.embed.token.weight) if self.head is None else self.head(hidden)

    def forward(self, tokens, cache=None):
        return self.logits(self.hidden(tokens, cache))
