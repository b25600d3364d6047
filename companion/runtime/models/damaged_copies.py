"""Copies of a model with damaged weights: something to compare a model with."""

import copy

import torch


def rounded_copy(model: torch.nn.Module, bits: int) -> torch.nn.Module:
    """A copy whose matrices hold only 2^bits − 1 different numbers a row, evenly spaced around zero.

    Each weight is rounded to the nearest of them; the largest of its row stays. Chapter 19 does it well.
    Raises ValueError for fewer than 2 bits.
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
