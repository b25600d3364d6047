"""What several checks of chapter 12 use: a GPT-2's parameters, as shapes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from companion.exercises.exercise import Problem


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


def ask(answer: Callable, sizes: tuple, run: tuple, first: tuple) -> Any:
    """What an answer gives for a model; raises Problem where it changes the model.

    It is asked about a smaller model first, with the run `first`. That is then made the other model: what an
    answer has kept of it is of no use.
    """
    model = shapes(3, 2, 1, 1, 1)
    try:
        answer(model, *first)
    except Exception:  # it is wanted for the other model, which will show
        pass
    with torch.device("meta"):
        V, context, L, H, C = sizes
        model.__init__(Shape(V, context, L, H, C, 4 * C))
    before = looks(model)
    found = answer(model, *run)
    if looks(model) != before:
        raise Problem("Your answer changes its model. The caller may still need it as it was.")
    return found


def looks(model: Model) -> tuple:
    """All of a model that an answer could change."""
    weights = [
        (name, id(p), p.shape, p.dtype, p.requires_grad, p.grad is None, p._version)
        for name, p in model.named_parameters()
    ]
    return dict(vars(model.config)), len(model.blocks), weights


def in_matrices(V, L, C):
    """Weights that a token is multiplied with."""
    return 12 * L * C * C + V * C


def in_all(V, context, L, C):
    """Parameters: rows, blocks with biases and norms, the last norm."""
    return (V + context) * C + L * (12 * C * C + 13 * C) + 2 * C
