"""A few tokens through the parts of chapters 3 to 6, in fewer calls: see decoding.py."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from companion.runtime.decoding_parts import (
    DROPOUT,
    LAYER_NORM,
    TABLE,
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

BLOCK, MLP = "companion.blocks.Block", "companion.blocks.MLP"
EMBED, ATTN = "companion.embeddings.GPTEmbedding", "companion.attention.CausalSelfAttention"


def through(parts: tuple, tokens: Tensor, cache) -> Tensor | None:
    """(B, T) -> (B, T, C); None for a token that has no row, or a position that has none."""
    token, position, blocks, norm = parts
    (B, T), C = tokens.shape, position.shape[1]
    at = places(cache, tokens, len(blocks), len(position))
    if at is None or (x := looked_up(token, tokens)) is None:
        return None
    x = (x + position[at]).view(-1, C)  # (B T, C), as all that follows
    for (norm_1, heads, q, k, v, o, norm_2, up, down), layer in zip(blocks, cache.layers, strict=True):
        h = torch.layer_norm(x, (C,), *norm_1)
        q, k, v = [by_head(linear(h, p), B, T, heads) for p in (q, k, v)]  # (B, H, T, D)
        k, v, mask = layer.append(k, v)
        mask = staircase(T, k.shape[2], k.device) if mask is None else mask
        x = add_linear(x, joined(F.scaled_dot_product_attention(q, k, v, mask)), o)
        h = torch.layer_norm(x, (C,), *norm_2)
        x = add_linear(x, F.gelu(linear(h, up), approximate="tanh"), down)
    return torch.layer_norm(x, (C,), *norm).view(B, T, C)


def weights(model: nn.Module) -> tuple | None:
    """What `through` needs: token rows, position rows, and the parameters of the blocks and the last norm.

    They are looked up anew each time, since any part may be replaced. None for a model with another part.
    """
    if not plain_model(model):
        return None
    embed, last, blocks = model._modules["embed"], model._modules["norm"], []
    if not (plain(EMBED, embed) and plain(LAYER_NORM, last)):
        return None
    position, rows = embed._modules["position"], token_rows(embed._modules["token"])
    if rows is None or not (plain(TABLE, position) and plain(DROPOUT, embed._modules["dropout"])):
        return None
    for block in model._modules["blocks"]._modules.values():
        if not plain(BLOCK, block):
            return None
        inner = block._modules
        norm_1, attn, norm_2, mlp = inner["norm_1"], inner["attn"], inner["norm_2"], inner["mlp"]
        if not (plain(LAYER_NORM, norm_1, norm_2) and plain(ATTN, attn) and plain(MLP, mlp)):
            return None
        layers = [attn._modules[x] for x in ("q_proj", "k_proj", "v_proj", "o_proj")]
        layers += mlp._modules["up_proj"], mlp._modules["down_proj"]
        if not plain(DROPOUT, mlp._modules["dropout"]) or (found := matrices(layers)) is None:
            return None
        q, k, v, o, up, down = found
        blocks.append((scales(norm_1), attn.n_heads, q, k, v, o, scales(norm_2), up, down))
    return rows, position._parameters["weight"], blocks, scales(last)


def scales(norm: nn.Module) -> tuple[Tensor, Tensor, float]:
    """What torch.layer_norm needs of a norm."""
    return norm._parameters["weight"], norm._parameters["bias"], norm.eps
