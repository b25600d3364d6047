"""A few new tokens a row, read behind a cache: the same operations, in fewer calls.

A small model waits for Python, not for arithmetic: each part that is a module of its own costs a call, and
each of its weights a look-up. Here the parts of chapters 3 to 6 are worked through in one function. Where
anything else is found (another part, a hook, dropout, a gradient), the model goes its own way.
"""

from collections.abc import Callable
from functools import cache as remembered
from functools import wraps

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from companion.runtime.kernels import gelu_no_grad, scaled_dot_product_attention

__all__ = ["few_tokens", "in_fewer_calls"]

FEW = 8
"""Tokens of a row up to which calls are what takes the time."""

GPT, BLOCK, MLP = "companion.gpt.GPT", "companion.blocks.Block", "companion.blocks.MLP"
EMBED, TABLE = "companion.embeddings.GPTEmbedding", "companion.embeddings.TokenEmbedding"
NORM, ATTN = "companion.blocks.LayerNorm", "companion.attention.CausalSelfAttention"
LINEAR, DROPOUT = "torch.nn.modules.linear.Linear", "torch.nn.modules.dropout.Dropout"
INT8, INT4 = "companion.quantization.Int8Linear", "companion.quantization.Int4Linear"
ROWS = "companion.quantization.QuantizedRows"
"""The classes whose operations are written out here, by name: nothing in this folder imports a chapter's."""


def in_fewer_calls(hidden: Callable) -> Callable:
    """Let GPT.hidden go by few_tokens where that can."""

    @wraps(hidden)
    def quick(model, tokens, cache=None):
        found = None if cache is None else few_tokens(model, tokens, cache)
        return hidden(model, tokens, cache) if found is None else found

    return quick


def few_tokens(model: nn.Module, tokens: Tensor, cache) -> Tensor | None:
    """What GPT.hidden gives, (B, T, C), for tokens (B, T) behind a cache; None where that cannot be had here.

    Then nothing has been written: what is wrong with the tokens or the cache, the model itself will say.
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or tokens.dtype != torch.int64:
        return None
    if tokens.ndim != 2 or not 0 < tokens.shape[1] <= FEW or torch.is_autocast_enabled(tokens.device.type):
        return None
    if (parts := weights(model)) is None:
        return None
    inside = torch.is_inference_mode_enabled()
    with torch.inference_mode():  # a quarter faster than no_grad
        found = through(parts, tokens, cache)
    return found if inside or found is None else found.clone()  # a tensor like any other


def through(parts: tuple, tokens: Tensor, cache) -> Tensor | None:
    """(B, T) -> (B, T, C); None for a token that has no row, or a position that has none."""
    token, position, blocks, norm = parts
    start, (B, T), C = cache.length, tokens.shape, position.shape[1]
    by_row = not isinstance(start, int)
    if len(cache.layers) != len(blocks):
        return None
    if by_row and (start.shape != (B,) or start.dtype != torch.int64):
        return None
    low, high = (int(start.min()), int(start.max())) if by_row else (start, start)
    if low < 0 or high + T > len(position):
        return None
    at = start[:, None] + torch.arange(T, device=start.device) if by_row else slice(start, start + T)
    try:
        rows = token(tokens) if callable(token) else torch.embedding(token, tokens)
        x = rows + position[at]
    except IndexError:
        return None
    x, staircase = x.view(-1, C), None  # (B T, C), as all that follows
    for (norm_1, heads, q, k, v, o, norm_2, up, down), layer in zip(blocks, cache.layers, strict=True):
        h = torch.layer_norm(x, (C,), *norm_1)
        q, k, v = [by_head(linear(h, p), B, T, heads) for p in (q, k, v)]  # (B, H, T, D)
        k, v, mask = layer.append(k, v)
        if mask is None and T > 1:
            if staircase is None:
                staircase = torch.ones(T, k.shape[2], dtype=torch.bool, device=k.device).tril(k.shape[2] - T)
            mask = staircase
        seen = scaled_dot_product_attention(q, k, v, mask)
        seen = seen if T == 1 else seen.transpose(1, 2)
        x = add_linear(x, seen.reshape(-1, C), o)
        h = torch.layer_norm(x, (C,), *norm_2)
        x = add_linear(x, gelu_no_grad(linear(h, up)), down)
    return torch.layer_norm(x, (C,), *norm).view(B, T, C)


def linear(x: Tensor, p: dict | nn.Module) -> Tensor:
    """x (B, C) times a layer's matrix, plus its bias if it has one. p: parameters, or a quantized layer."""
    return p(x) if callable(p) else F.linear(x, p["weight"], p["bias"])


def add_linear(x: Tensor, y: Tensor, p: dict | nn.Module) -> Tensor:
    """x (B, C), which may be written to, plus a layer's product with y."""
    if callable(p):
        return p(y).add_(x)
    if p["bias"] is not None:
        x.add_(p["bias"])
    return x.addmm_(y, p["weight"].T)


def by_head(y: Tensor, rows: int, tokens: int, heads: int) -> Tensor:
    """(B T, C) -> (B, H, T, D)."""
    return y.view(rows, heads, 1, -1) if tokens == 1 else y.view(rows, tokens, heads, -1).transpose(1, 2)


@remembered
def name(kind: type) -> str:
    """The whole name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def plain(kind: str, *parts: nn.Module) -> bool:
    """Whether parts are of a class and do just what it says: no hook, no dropout, no method in its place."""
    for part in parts:
        own = part.__dict__
        if own["_forward_hooks"] or own["_forward_pre_hooks"] or own["training"] or "forward" in own:
            return False
        if name(type(part)) != kind:
            return False
    return True


def weights(model: nn.Module) -> tuple | None:
    """What few_tokens needs: token rows, position rows, and the parameters of the blocks and the last norm.

    They are looked up anew each time, since any part may be replaced. None for a model with another part.
    """
    if not plain(GPT, model) or _has_any_global_hook():
        return None
    embed, last, blocks = model._modules["embed"], model._modules["norm"], []
    if not (plain(EMBED, embed) and plain(NORM, last)):
        return None
    token, position, dropout = embed._modules["token"], embed._modules["position"], embed._modules["dropout"]
    if not (plain(TABLE, position) and plain(DROPOUT, dropout)):
        return None
    if plain(TABLE, token):
        token = token._parameters["weight"]
    elif not plain(ROWS, token):
        return None
    for block in model._modules["blocks"]._modules.values():
        if not plain(BLOCK, block):
            return None
        inner = block._modules
        norm_1, attn, norm_2, mlp = inner["norm_1"], inner["attn"], inner["norm_2"], inner["mlp"]
        if not (plain(NORM, norm_1, norm_2) and plain(ATTN, attn) and plain(MLP, mlp)):
            return None
        layers = [attn._modules[x] for x in ("q_proj", "k_proj", "v_proj", "o_proj")]
        layers += mlp._modules["up_proj"], mlp._modules["down_proj"]
        if not plain(DROPOUT, mlp._modules["dropout"]):
            return None
        if not all(plain(LINEAR, x) or plain(INT8, x) or plain(INT4, x) for x in layers):
            return None
        q, k, v, o, up, down = [x._parameters if plain(LINEAR, x) else x for x in layers]
        blocks.append((scales(norm_1), attn.n_heads, q, k, v, o, scales(norm_2), up, down))
    return token, position._parameters["weight"], blocks, scales(last)


def scales(norm: nn.Module) -> tuple[Tensor, Tensor, float]:
    """What torch.layer_norm needs of a norm."""
    return norm._parameters["weight"], norm._parameters["bias"], norm.eps
