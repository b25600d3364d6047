"""Two optimizers side by side: one for the matrices of the blocks, AdamW for all the rest."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn

MATRICES = "_proj.weight"  # how the names of matrices that read from and write to the stream end
MOST = 2**22
"""Numbers of parameters that are handled together: 16 MB for each copy that an optimizer makes of them."""


def beside_adamw(
    kind: Callable, model: nn.Module, lr: float = 0.03, betas=(0.9, 0.99), weight_decay: float = 0.0
) -> list:
    """[kind for the matrices, at lr, with decay; AdamW for embeddings, head and vectors, at lr / 3, without].

    betas: AdamW's; the first is also kind's momentum. Frozen parameters are left out, and so is an optimizer
    that would have none. A Trainer moves both rates in proportion: give its config lr.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if name.endswith(MATRICES)]
    rest = [p for name, p in named if not name.endswith(MATRICES)]
    made = []
    if matrices:
        made.append(kind(matrices, lr=lr, weight_decay=weight_decay, momentum=betas[0]))
    if rest:
        made.append(torch.optim.AdamW(rest, lr=lr / 3, betas=betas, weight_decay=0.0, fused=True))
    return made


def only_matrices(groups: list[dict]) -> None:
    """ValueError where an optimizer's groups hold a parameter that is no matrix."""
    for p in (p for group in groups for p in group["params"]):
        if p.ndim != 2:
            raise ValueError(f"a parameter has shape {tuple(p.shape)}; Muon is for matrices only")


def of_one_shape(params: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """The parameters that have a gradient, in lists that can be stacked: of one shape, type and device each.

    A list has at most MOST numbers, or a single parameter.
    """
    alike: dict[tuple, list] = {}
    for p in params:
        if p.grad is not None:
            alike.setdefault((p.shape, p.dtype, p.device), []).append(p)
    for found in alike.values():
        n = max(1, MOST // max(1, found[0].numel()))
        yield from (found[i : i + n] for i in range(0, len(found), n))
