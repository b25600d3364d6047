"""One new token a row, read behind a cache: the same operations, in fewer calls.

A small model waits for Python, not for arithmetic: each part that is a module of its own costs a call, and
each of its weights a look-up. Here the parts of chapters 3 to 6 are worked through in one function. Where
anything else is found (another part, a hook, dropout, a gradient), the model goes its own way.
"""

from collections.abc import Callable
from functools import cache as remembered
from functools import wraps

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from companion.runtime.kernels import scaled_dot_product_attention

__all__ = ["in_fewer_calls", "one_token"]

KNOWN = {
    "companion.gpt.GPT",
    "companion.embeddings.GPTEmbedding",
    "companion.embeddings.TokenEmbedding",
    "companion.blocks.Block",
    "companion.blocks.LayerNorm",
    "companion.blocks.MLP",
    "companion.attention.CausalSelfAttention",
}
"""The classes whose operations are written out here, by name: nothing in this folder imports a chapter's."""


def in_fewer_calls(next_logits: Callable) -> Callable:
    """Let next_logits(model, tokens, cache) go by one_token where that can."""

    @wraps(next_logits)
    def quick(model, tokens, cache=None):
        logits = None if cache is None else one_token(model, tokens, cache)
        return next_logits(model, tokens, cache) if logits is None else logits

    return quick


def one_token(model: nn.Module, tokens: Tensor, cache) -> Tensor | None:
    """The logits (B, V) of tokens (B, 1) behind a cache, which then holds them; None where that cannot be.

    Then nothing has been written: what is wrong with the tokens or the cache, the model itself will say.
    """
    if tokens.ndim != 2 or tokens.shape[1] != 1 or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return None
    if torch.is_autocast_enabled(tokens.device.type) or (parts := weights(model)) is None:
        return None
    inside = torch.is_inference_mode_enabled()
    with torch.inference_mode():  # a quarter faster than no_grad
        logits = through(parts, tokens[:, 0], cache)
    return logits if inside or logits is None else logits.clone()  # a tensor like any other


def through(parts: tuple, tokens: Tensor, cache) -> Tensor | None:
    """The logits (B, V) of tokens (B,); None for a token that has no row, or a position that has none."""
    token, position, blocks, norm = parts
    start, rows, width = cache.length, len(tokens), token.shape[1]
    last = start if isinstance(start, int) else int(start.max()) if start.shape == (rows,) else len(position)
    if last >= len(position):
        return None
    try:
        x = torch.embedding(token, tokens) + position[start]  # (B, C), as all that follows
    except IndexError:
        return None
    for (norm_1, heads, q, k, v, o, norm_2, up, down), layer in zip(blocks, cache.layers, strict=True):
        h = torch.layer_norm(x, (width,), *norm_1)
        q, k, v = [linear(h, p).view(rows, heads, 1, -1) for p in (q, k, v)]  # (B, H, 1, D)
        k, v, mask = layer.append(k, v)
        seen = scaled_dot_product_attention(q, k, v, mask)
        x = x + linear(seen.reshape(rows, width), o)
        h = torch.layer_norm(x, (width,), *norm_2)
        x = x + linear(torch._C._nn.gelu(linear(h, up), approximate="tanh"), down)
    return torch.mm(torch.layer_norm(x, (width,), *norm), token.T)


def linear(x: Tensor, p: dict) -> Tensor:
    """x (B, C) times a layer's matrix, plus its bias if it has one."""
    bias = p["bias"]
    return torch.mm(x, p["weight"].T) if bias is None else torch.addmm(bias, x, p["weight"].T)


@remembered
def known(kind: type) -> bool:
    """Whether a class is one whose operations are written out here."""
    return kind is nn.Linear or f"{kind.__module__}.{kind.__qualname__}" in KNOWN


def plain(*parts: nn.Module) -> bool:
    """Whether parts are of known classes and do just what these say: no hook, no method put in its place."""
    for part in parts:
        own = part.__dict__
        if own["_forward_hooks"] or own["_forward_pre_hooks"] or own["training"] or "forward" in own:
            return False
        if not known(type(part)):
            return False
    return True


def weights(model: nn.Module) -> tuple | None:
    """What one_token needs of a model: token rows, position rows, and of blocks and last norm the parameters.

    They are looked up anew for each token, since any part may be replaced. None for a model with another part.
    """
    own, parts = model.__dict__, model._modules
    if not plain(model) or "hidden" in own or "logits" in own or parts.get("head") or _has_any_global_hook():
        return None
    tables = parts["embed"]._modules
    if not ("token" in tables and plain(parts["embed"], parts["norm"], tables["token"], tables["position"])):
        return None
    blocks = []
    for block in parts["blocks"]._modules.values():
        if not plain(block):
            return None
        inner = block._modules
        norm_1, attn, norm_2, mlp = inner["norm_1"], inner["attn"], inner["norm_2"], inner["mlp"]
        if not plain(norm_1, attn, norm_2, mlp):
            return None
        layers = [attn._modules[name] for name in ("q_proj", "k_proj", "v_proj", "o_proj")]
        layers += mlp._modules["up_proj"], mlp._modules["down_proj"]
        if not plain(*layers):
            return None
        q, k, v, o, up, down = [layer._parameters for layer in layers]
        blocks.append((scales(norm_1), attn.n_heads, q, k, v, o, scales(norm_2), up, down))
    token, position = (tables[name]._parameters["weight"] for name in ("token", "position"))
    return token, position, blocks, scales(parts["norm"])


def scales(norm: nn.Module) -> tuple[Tensor, Tensor, float]:
    """What torch.layer_norm needs of a norm."""
    return norm._parameters["weight"], norm._parameters["bias"], norm.eps
