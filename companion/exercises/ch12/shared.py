"""What several checks of chapter 12 use: a GPT-2's parameters, as shapes."""

from dataclasses import dataclass

import torch
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
        self.weight = nn.Parameter(torch.empty(rows, width))


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.n_heads, C = c.n_heads, c.d_model
        self.q_proj, self.k_proj = nn.Linear(C, C), nn.Linear(C, C)
        self.v_proj, self.o_proj = nn.Linear(C, C), nn.Linear(C, C)


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.up_proj, self.down_proj = nn.Linear(c.d_model, c.d_ff), nn.Linear(c.d_ff, c.d_model)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm_1, self.attn = Norm(c.d_model), Attention(c)
        self.norm_2, self.mlp = Norm(c.d_model), MLP(c)


class Embedding(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.token, self.position = Table(c.vocab_size, c.d_model), Table(c.context_length, c.d_model)


class Model(nn.Module):
    """Named as the chapters' GPT-2 is, its head tied to the token rows."""

    def __init__(self, c):
        super().__init__()
        self.config, self.head = c, None
        self.embed, self.norm = Embedding(c), Norm(c.d_model)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.n_layers))


def shapes(vocab_size, context_length, n_layers, n_heads, d_model):
    """A GPT-2 without numbers, on the meta device."""
    with torch.device("meta"):
        return Model(Shape(vocab_size, context_length, n_layers, n_heads, d_model, 4 * d_model))


def in_matrices(V, L, C):
    """Weights that a token is multiplied with."""
    return 12 * L * C * C + V * C


def in_all(V, context, L, C):
    """Parameters: rows, blocks with biases and norms, the last norm."""
    return (V + context) * C + L * (12 * C * C + 13 * C) + 2 * C
