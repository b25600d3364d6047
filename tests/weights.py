"""Weights for tests of models."""

import torch


def noisy(model, seed=0):
    """Every weight of its own, so that none is 0, 1 or equal to another; the model, changed in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.2 * torch.randn(p.shape, generator=generator)
    return model
