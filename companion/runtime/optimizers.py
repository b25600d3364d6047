"""Two optimizers side by side: one for the matrices of the blocks, AdamW for all the rest."""

from collections.abc import Callable

import torch
from torch import nn

MATRICES = "_proj.weight"
"""How the names of matrices that read from and write to the stream end."""


def beside_adamw(
    kind: Callable, model: nn.Module, lr: float = 0.03, betas=(0.9, 0.99), weight_decay: float = 0.0
) -> list:
    """[kind for the matrices, at lr, with decay; AdamW for embeddings, head and vectors, at lr / 3, without].

    betas: AdamW's; the first is also kind's momentum. Frozen parameters are left out. A Trainer moves both
    rates in proportion: give its config lr.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if name.endswith(MATRICES)]
    rest = [p for name, p in named if not name.endswith(MATRICES)]
    adamw = torch.optim.AdamW(rest, lr=lr / 3, betas=betas, weight_decay=0.0, fused=True)
    return [kind(matrices, lr=lr, weight_decay=weight_decay, momentum=betas[0]), adamw]
