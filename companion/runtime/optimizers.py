"""Two optimizers side by side: one for the matrices of the blocks, AdamW for all the rest."""

from collections.abc import Callable

import torch
from torch import nn

MATRICES = "_proj.weight"
"""How the names of matrices that read from and write to the stream end."""


def beside_adamw(kind: Callable, model: nn.Module, lr: float = 0.03, rest_lr: float = 0.01) -> list:
    """[kind(matrices, lr=lr), AdamW for embeddings, a head and vectors, at rest_lr and without decay].

    Frozen parameters are left out. A Trainer moves both rates in proportion: give its config lr.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if name.endswith(MATRICES)]
    rest = [p for name, p in named if not name.endswith(MATRICES)]
    adamw = torch.optim.AdamW(rest, lr=rest_lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    return [kind(matrices, lr=lr), adamw]
