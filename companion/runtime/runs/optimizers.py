"""What a run needs of its optimizers: their learning rates, two side by side, and their states in a file."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from companion.runtime.runs.distributed import shard_like
from companion.runtime.storage.checkpoints import unwrapped

MATRICES = "_proj.weight"  # how the names of matrices that read from and write to the stream end
MAX_STACKED = 2**22
"""Numbers of parameters that are handled together: 16 MB for each copy that an optimizer makes of them."""


def set_rate(optimizers: list[torch.optim.Optimizer], rate: float, base: float) -> None:
    """Give each optimizer the learning rate of a step: rate, times its own first rate over base."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            first = group.setdefault("initial_lr", group["lr"])
            group["lr"] = rate * (first / base)


def beside_adamw(
    kind: Callable, model: nn.Module, lr: float = 0.03, betas=(0.9, 0.99), weight_decay: float = 0.0
) -> list:
    """Make an optimizer of this kind for the matrices of the blocks, and AdamW for all other parameters.

    Frozen parameters are left out, and so is an optimizer that would have none.

    Args:
        kind: Class of the first optimizer, such as Muon.
        model: The model to train.
        lr: Learning rate of the matrices, which a Trainer's config must have as well. AdamW gets a third.
        betas: AdamW's; the first is also the other optimizer's momentum.
        weight_decay: Weight decay of the matrices. The other parameters do not decay.
    """
    matrices = []
    others = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.endswith(MATRICES):
            matrices.append(parameter)
        else:
            others.append(parameter)
    made = []
    if matrices:
        made.append(kind(matrices, lr=lr, weight_decay=weight_decay, momentum=betas[0]))
    if others:
        made.append(torch.optim.AdamW(others, lr=lr / 3, betas=betas, weight_decay=0.0, fused=True))
    return made


def only_matrices(groups: list[dict]) -> None:
    """Raise ValueError if an optimizer's groups hold a parameter that is no matrix."""
    for group in groups:
        for p in group["params"]:
            if p.ndim != 2:
                raise ValueError(f"a parameter has shape {tuple(p.shape)}; Muon is for matrices only")


def of_one_shape(params: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Yield the parameters that have a gradient in lists of one shape, type and device, to be stacked.

    A list has at most MAX_STACKED numbers, or a single parameter.
    """
    alike: dict[tuple, list] = {}
    for p in params:
        if p.grad is not None:
            alike.setdefault((p.shape, p.dtype, p.device), []).append(p)
    for found in alike.values():
        n = max(1, MAX_STACKED // max(1, found[0].numel()))
        yield from (found[i : i + n] for i in range(0, len(found), n))


def optimizer_parameters(trainer: Any) -> list[tuple[str, torch.optim.Optimizer, nn.Parameter]]:
    """List (name in a run's file, optimizer, parameter) in the order of the optimizers' groups."""
    names = {p: name for name, p in unwrapped(trainer.model).named_parameters()}
    found = []
    for number, optimizer in enumerate(trainer.optimizers, 1):
        kind = "optimizer" if number == 1 else f"optimizer{number}"
        for group in optimizer.param_groups:
            found += [(f"{kind}.{names[p]}", optimizer, p) for p in group["params"]]
    return found


def optimizer_states(trainer: Any, saved: dict, path: Path) -> list[dict]:
    """Return for each optimizer the states of its parameters, by their places in its groups.

    A parameter that never had a gradient has no state.

    Args:
        trainer: The trainer, which has the optimizers.
        saved: All values of the file, by name.
        path: The file, for the error message.

    Raises:
        ValueError: If a tensor that is no scalar has another shape than its parameter.
    """
    by_parameter: dict[str, dict] = {}
    for name, value in saved.items():
        prefix, _, key = name.rpartition(".")
        by_parameter.setdefault(prefix, {})[key] = value
    states = {optimizer: {} for optimizer in trainer.optimizers}
    places = dict.fromkeys(trainer.optimizers, 0)
    for prefix, optimizer, p in optimizer_parameters(trainer):
        state = by_parameter.get(prefix, {})
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                if value.ndim and value.shape != p.shape:  # a fused optimizer would write beyond its end
                    raise ValueError(f"{path} is damaged: {prefix}.{key} is {list(value.shape)}; start anew")
                state[key] = shard_like(value.clone(), p)
        if state:
            states[optimizer][places[optimizer]] = state
        places[optimizer] += 1
    return list(states.values())
