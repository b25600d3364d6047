"""A few tokens through chapter 10's parts, in fewer calls: see decoding.py."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from companion.runtime.decoding_parts import (
    DROPOUT,
    RMS_NORM,
    SHIFT,
    add_linear,
    by_head,
    joined,
    linear,
    looked_up,
    matrices,
    places,
    plain,
    plain_model,
    staircase,
    token_rows,
)
from companion.runtime.models.masks import near

BLOCK, SWIFT = "companion.blocks.Block", "companion.modern.SwiftBlock"
DOUBLED, FIRST = (
    "companion.runtime.models.doubled_stream.Doubled",
    "companion.runtime.models.doubled_stream.FirstHalf",
)
ATTN, MLP = "companion.modern.GroupedQueryAttention", "companion.modern.SwiGLU"
ROPE, NOTHING = "companion.modern.RoPE", "torch.nn.modules.linear.Identity"


def through(parts: tuple, tokens: Tensor, cache) -> Tensor | None:
    """(B, T) -> (B, T, C); None for a token that has no row, or a position that has none."""
    token, rope, blocks, norm = parts
    B, T = tokens.shape
    at = places(cache, tokens, len(blocks), rope.context_length)
    if at is None or (x := looked_up(token, tokens)) is None:
        return None
    x = x.view(B * T, -1)  # (B T, C), as all that follows
    start = at.start if isinstance(at, slice) else at[:, 0]
    row = F.rms_norm(x, x.shape[-1:], eps=1e-6) if any(block[-1] for block in blocks) else None
    turn = angles(rope, at, x)
    for block, layer in zip(blocks, cache.layers, strict=True):
        norm_1, (q, k, v, o), (q_norm, k_norm), (heads, kv_heads, window), norm_2, mlp, shifts = block
        h = rms_norm(x, *norm_1)
        if shifts:
            h = shifted(h.add_(row), *shifts[0], layer, B)
        q = turned(linear(h, q).view(B, T, heads, -1), q_norm, turn)  # (B, T, H, D)
        k = turned(linear(h, k).view(B, T, kv_heads, -1), k_norm, turn)
        v = by_head(linear(h, v), B, T, kv_heads)
        k, v, mask = layer.append(by_head(k, B, T, kv_heads), v)
        mask = near(mask, start, T, k.shape[2], window, k.device)
        mask = staircase(T, k.shape[2], k.device) if mask is None else mask
        if kv_heads < heads:
            k, v = (y.repeat_interleave(heads // kv_heads, dim=1) for y in (k, v))
        x = add_linear(x, joined(F.scaled_dot_product_attention(by_head(q, B, T, heads), k, v, mask)), o)
        h, (gate, up, down) = rms_norm(x, *norm_2), mlp
        if shifts:
            h = shifted(h, *shifts[1], layer, B)
        x = add_linear(x, F.silu(linear(h, gate)).mul_(linear(h, up)), down)
    return rms_norm(x, *norm).view(B, T, -1)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """(..., C) -> (..., C): F.rms_norm with a weight, in fewer operations."""
    mean = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().mul_(1 / x.shape[-1])
    return (x * weight).mul_(mean.add_(eps).rsqrt_())


def angles(rope: nn.Module, at: Tensor | slice, x: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines, and sines with the first half's signs changed: (T, 1, D) each, or (B, T, 1, D) by row."""
    if isinstance(at, slice):
        at = torch.arange(at.start, at.stop, device=x.device)
    angle = at[..., None, None] * rope.speed.to(x.device)  # (..., 1, D / 2), float32
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def turned(y: Tensor, norm: tuple | None, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Queries or keys (B, T, H, D), normed if there is a norm, and turned by RoPE."""
    y = y if norm is None else rms_norm(y, *norm)
    return torch.addcmul(y * turn[0], y.roll(y.shape[-1] // 2, dims=-1), turn[1])


def shifted(h: Tensor, name: str, shares: Tensor, layer, rows: int) -> Tensor:
    """h (B T, C) plus shares (reach, C) of the vectors before it, which the layer's cache keeps by name."""
    new, reach = h.view(rows, -1, h.shape[-1]), len(shares)  # (B, T, C)
    track = getattr(layer, "tracks", {}).get(name)
    if track is None or not isinstance(track.length, int) or track.length < reach:
        seen = layer.remember(name, new, reach)  # (B, reach + T, C)
    else:
        seen = track.write(new)[:, -reach - new.shape[1] :]
    for back, share in enumerate(shares, 1):
        new = torch.addcmul(new, share, seen[:, reach - back : seen.shape[1] - back])
    return new.view(h.shape)


def weights(model: nn.Module) -> tuple | None:
    """What `through` needs: token rows, RoPE, and the parameters of the blocks and the last norm.

    They are looked up anew each time, since any part may be replaced. None for a model with another part, and
    for one in 16 bits or of several types, where the parts round in places of their own.
    """
    if not plain_model(model):
        return None
    embed, last, blocks, ropes = model._modules["embed"], model._modules["norm"], [], set()
    swift = plain(DOUBLED, embed) and plain(FIRST, last)
    if swift:
        embed, last = embed._modules["token"], last._modules["norm"]
    rows = token_rows(embed)
    if rows is None or not plain(RMS_NORM, last):
        return None
    dtype = last._parameters["weight"].dtype
    if dtype.itemsize < 4 or not of_type(dtype, embed):
        return None
    for block in model._modules["blocks"]._modules.values():
        if not plain(SWIFT if swift else BLOCK, block):
            return None
        if (found := inside(block._modules, swift, dtype)) is None:
            return None
        ropes.add(block.attn.rope)
        blocks.append(found)
    return (rows, *ropes, blocks, scale(last)) if len(ropes) == 1 else None


def of_type(dtype: torch.dtype, *parts: nn.Module) -> bool:
    """Whether all parameters of parts are numbers of a type."""
    for part in parts:
        for p in part._parameters.values():
            if p is not None and p.dtype != dtype:
                return False
    return True


def inside(block: dict, swift: bool, dtype: torch.dtype) -> tuple | None:
    """What `through` needs of a block's modules; None where one of them is another part."""
    norm_1, attn, norm_2, mlp = block["norm_1"], block["attn"], block["norm_2"], block["mlp"]
    if not (plain(RMS_NORM, norm_1, norm_2) and plain(ATTN, attn) and plain(MLP, mlp)):
        return None
    parts = attn._modules
    norms = parts["q_norm"], parts["k_norm"]
    if not plain(ROPE, parts["rope"]) or not (plain(RMS_NORM, *norms) or plain(NOTHING, *norms)):
        return None
    shifts = [block["shift_1"], block["shift_2"]] if swift else []
    if not plain(DROPOUT, mlp._modules["dropout"]) or not plain(SHIFT, *shifts):
        return None
    layers = [parts[x] for x in ("q_proj", "k_proj", "v_proj", "o_proj")]
    layers += [mlp._modules[x] for x in ("gate_proj", "up_proj", "down_proj")]
    if (found := matrices(layers)) is None:
        return None
    if not of_type(dtype, norm_1, norm_2, *norms, *layers, *shifts):
        return None
    each = [scale(norm) if plain(RMS_NORM, norm) else None for norm in norms]
    heads = attn.n_heads, attn.n_kv_heads, attn.window
    named = [(shift.name, shift._parameters["weight"]) for shift in shifts]
    return scale(norm_1), found[:4], each, heads, scale(norm_2), found[4:], named


def scale(norm: nn.Module) -> tuple[Tensor, float]:
    return norm._parameters["weight"], norm.eps
