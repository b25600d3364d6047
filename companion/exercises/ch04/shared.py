"""What several checks of chapter 4 use."""

import math

import torch

from companion.exercises.exercise import Problem


def window_mask(n_query, n_key, window):
    i = torch.arange(n_key - n_query, n_key)[:, None]
    j = torch.arange(n_key)
    return (j <= i) & (j > i - window)


def causal(n_query, n_key):
    return window_mask(n_query, n_key, n_key)


def values_and_gradients(answer, q, k, v):
    """The answer's output, and the gradients that reach q, k and v."""
    inputs = [t.clone().requires_grad_() for t in (q, k, v)]
    out = answer(*inputs)
    for name, t, old in zip("qkv", inputs, (q, k, v), strict=True):
        if not torch.equal(t, old):
            raise Problem(f"Your answer changes `{name}`, which the caller still needs: work on a copy.")
    if not isinstance(out, torch.Tensor):
        raise Problem(f"Your answer gives a {type(out).__name__}; a tensor (B, H, Tq, D) is wanted.")
    found = {"output": out.detach()}
    if out.shape == (*q.shape[:3], v.shape[-1]):
        if not out.requires_grad:
            raise Problem("Your output has no gradient: somewhere it was cut off from q, k and v.")
        weighting = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
        grads = torch.autograd.grad((out * weighting).sum(), inputs, allow_unused=True)
        for name, t, grad in zip("qkv", inputs, grads, strict=True):
            found[f"gradient of {name}"] = torch.zeros_like(t) if grad is None else grad
    return found


def qkv(generator, b, h, n_query, n_key, d, d_value=None):
    sizes = (b, h, n_query, d), (b, h, n_key, d), (b, h, n_key, d_value or d)
    return tuple(torch.randn(*size, generator=generator) for size in sizes)


def masked_scores(q, k, scale=None, mask=True):
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    hidden = ~causal(q.shape[-2], k.shape[-2]) if mask else torch.tensor(False)
    return scores.masked_fill(hidden, -math.inf)


def line(*numbers):
    """(1, 1, T, 1)."""
    return torch.tensor(numbers).view(1, 1, -1, 1)
