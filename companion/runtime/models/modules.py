"""Looking at a model's parts and their modes, and changing copies of its weights."""

import copy
from collections.abc import Callable

import torch
from torch import nn

METHODS = ("forward", "hidden", "logits", "project")


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of a GPT type model, with the parts that looking inside needs.

    Args:
        model: The model.

    Raises:
        TypeError: In one line that names the first part that is missing.
    """
    for name in ("embed", "blocks", "norm", "hidden", "logits"):
        if not hasattr(model, name):
            kinds = "a GPT of the course (gpt2, llama, storyteller, swift, neox; load_pretrained gives one)"
            raise TypeError(f"model={type(model).__name__} has no {name}; give {kinds}")
    return list(model.blocks)


def matrices_in_use(model: nn.Module, skipped: tuple[type, ...] = ()) -> dict[str, nn.Parameter]:
    """The matrices of a model, by name, but for those that a token is not multiplied with.

    Of a mixture (chapter 24) so many experts stay as a token uses. A table of rows to be looked up stays.

    Args:
        model: The model.
        skipped: Classes of parts that are left out, because their numbers are multiplied one by one, as a
            norm's are. Chapter 10's Shift is such a class.
    """
    idle: list[nn.Module] = []
    for part in model.modules():
        if isinstance(part, skipped):
            idle.append(part)
        if hasattr(part, "experts") and hasattr(part, "router"):
            idle += part.experts[part.router.n_active :]
    left_out = set()
    for part in idle:
        left_out |= {id(p) for p in part.parameters()}
    return {name: p for name, p in model.named_parameters() if p.ndim == 2 and id(p) not in left_out}


def untouched(part: nn.Module) -> bool:
    """Tell whether a part computes exactly what its class says, and nothing watches it.

    Args:
        part: A part of a model.

    Returns:
        False for a part in training mode, for one with forward hooks, and for one that has a method of its
        own in place of its class's.
    """
    if part.training or not vars(part).keys().isdisjoint(METHODS):
        return False
    return not (has_hooks(part.register_forward_hook) or has_hooks(part.register_forward_pre_hook))


def has_hooks(register: Callable) -> bool:
    """Tell whether hooks were registered by this method of a part, such as part.register_forward_hook.

    PyTorch has no question for it. But the handle of a hook knows the dictionary of all hooks of its kind, so
    one is registered, the dictionary is counted, and the hook is removed again.
    """
    handle = register(lambda *_: None)
    n_hooks = len(handle.hooks_dict_ref())
    handle.remove()
    return n_hooks > 1


class eval_mode:
    """`with eval_mode(model):` no dropout inside; after it, error or not, each part has its mode as before.

    Made once, it may be entered many times: to list a model's parts can take as long as a cached step.
    """

    def __init__(self, model):
        self.parts = list(model.modules())

    def __enter__(self) -> None:
        self.training = [part for part in self.parts if part.training]
        for part in self.training:
            part.training = False

    def __exit__(self, *error) -> None:
        for part in self.training:
            part.training = True


def rounded_copy(model: nn.Module, bits: int) -> nn.Module:
    """Return a copy whose matrices hold only 2^bits − 1 different numbers a row, evenly spaced around zero.

    Each weight is rounded to the nearest of these numbers. The largest weight of a row stays as it is.
    Chapter 19 shows a better way.

    Args:
        model: The model.
        bits: Number of bits for each weight.

    Raises:
        ValueError: For fewer than 2 bits.
    """
    if bits < 2:
        raise ValueError(f"bits={bits} must be at least 2: a sign, and one step")
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for weight in copied.parameters():
            if weight.ndim == 2:
                step = weight.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)  # (rows, 1)
                weight.copy_((weight / step.clamp_min(1e-30)).round() * step)
    return copied
