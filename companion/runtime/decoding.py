"""A few new tokens a row, read behind a cache: the same operations, in fewer calls.

A small model waits for Python, not for arithmetic: each part that is a module of its own costs a call, and
each of its weights a look-up. Here the parts of chapters 3 to 6, and those of chapter 10, are worked through
in one function each. Where anything else is found (another part, a hook, dropout, a gradient), the model goes
its own way.
"""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor, nn

from companion.runtime import decoding_gpt2, decoding_modern

__all__ = ["few_tokens", "in_fewer_calls"]

FEW = 8
"""Tokens of a row up to which calls are what takes the time."""


def in_fewer_calls(hidden: Callable) -> Callable:
    """Let GPT.hidden go by few_tokens where that can; after an error, a cache holds what it held before."""

    @wraps(hidden)
    def quick(model, tokens, cache=None):
        if cache is None:
            return hidden(model, tokens)
        before = cache.length
        try:
            found = few_tokens(model, tokens, cache)
            return hidden(model, tokens, cache) if found is None else found
        except BaseException:  # Ctrl-C, too
            # in_step cannot tell a layer that has not read its first tokens yet from one that keeps none
            if hasattr(cache, "rewind"):
                cache.rewind(before)
            raise

    return quick


def few_tokens(model: nn.Module, tokens: Tensor, cache) -> Tensor | None:
    """What GPT.hidden gives, (B, T, C), for tokens (B, T) behind a cache; None where that cannot be had here.

    Then nothing has been written: what is wrong with the tokens or the cache, the model itself will say.
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or tokens.dtype != torch.int64:
        return None
    if tokens.ndim != 2 or not len(tokens) or not 0 < tokens.shape[1] <= FEW:
        return None
    if torch.is_autocast_enabled(tokens.device.type):
        return None
    inside = torch.is_inference_mode_enabled()
    for way in (decoding_gpt2, decoding_modern):
        if (parts := way.weights(model)) is not None:
            with torch.inference_mode():  # a quarter faster than no_grad
                found = way.through(parts, tokens, cache)
            return found if inside or found is None else found.clone()  # a tensor like any other
    return None
