"""What several checks of chapter 12 use: a GPT-2's parameters, as shapes."""

import random
from collections.abc import Callable
from typing import Any

import torch

from companion.exercises.ch06 import GPT, Shape
from companion.exercises.exercise import Problem


def shapes(vocab_size, context_length, n_layers, n_heads, d_model):
    """A GPT-2 without numbers, on the meta device."""
    with torch.device("meta"):
        return GPT(Shape(vocab_size, context_length, n_layers, n_heads, d_model, 4 * d_model))


def drawn(rng: random.Random) -> tuple[int, int, int, int, int]:
    """vocab_size, context_length, n_layers, n_heads and d_model of a small model."""
    heads = rng.randint(1, 3)
    return rng.randint(9, 60), rng.randint(8, 40), rng.randint(2, 6), heads, heads * rng.randint(2, 7)


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


def looks(model: GPT) -> tuple:
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
