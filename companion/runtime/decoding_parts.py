"""What both ways of reading a few tokens in fewer calls share: which parts are plain, and what they do."""

from functools import cache as remembered

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

GPT, TABLE = "companion.gpt.GPT", "companion.embeddings.TokenEmbedding"
LINEAR, DROPOUT = "torch.nn.modules.linear.Linear", "torch.nn.modules.dropout.Dropout"
INT8, INT4 = "companion.quantization.Int8Linear", "companion.quantization.Int4Linear"
ROWS = "companion.quantization.QuantizedRows"
LAYER_NORM, RMS_NORM = "companion.blocks.LayerNorm", "companion.modern.RMSNorm"
SHIFT = "companion.modern.Shift"
"""Classes whose operations are written out here, by name: nothing in this folder imports a chapter's."""

PARAMETERS = dict.fromkeys((TABLE, RMS_NORM, SHIFT), ("weight",))
PARAMETERS |= dict.fromkeys((LINEAR, LAYER_NORM), ("weight", "bias"))
USUAL = {nn.Parameter, Tensor, type(None)}
"""What a part of each of these classes must have as its own, and the classes that it may be of."""


@remembered
def name(kind: type) -> str:
    """The whole name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def plain(kind: str, *parts: nn.Module) -> bool:
    """Whether parts are of a class and do just what it says: no hook, no dropout, no method in its place."""
    needed = PARAMETERS.get(kind, ())
    for part in parts:
        own = part.__dict__
        if own["_forward_hooks"] or own["_forward_pre_hooks"] or own["training"]:
            return False
        if "forward" in own or "project" in own:
            return False
        if name(type(part)) != kind:
            return False
        held = own["_parameters"]
        for needs in needed:
            if needs not in held or type(held[needs]) not in USUAL:
                return False
    return True


def plain_model(model: nn.Module) -> bool:
    """Whether a model is a GPT that nothing watches."""
    return plain(GPT, model) and not _has_any_global_hook()


def token_rows(table: nn.Module) -> Tensor | nn.Module | None:
    """A token table's rows (V, C), or the table itself if it is quantized; None for another part."""
    if plain(TABLE, table):
        return table._parameters["weight"]
    return table if plain(ROWS, table) else None


def matrices(layers: list[nn.Module]) -> list | None:
    """Of each linear layer its parameters, or the layer itself if it is quantized; None if one is neither."""
    found = []
    for x in layers:
        if plain(LINEAR, x):
            found.append(x._parameters)
        elif plain(INT8, x) or plain(INT4, x):
            found.append(x)
        else:
            return None
    return found


def places(cache, tokens: Tensor, n_layers: int, room: int) -> Tensor | slice | None:
    """Positions of tokens (B, T) behind a cache: a slice, or int64 (B, T) where rows differ.

    None where the model or the cache has no place for them, or where the cache is for another model.
    """
    start, (B, T) = cache.length, tokens.shape
    by_row = not isinstance(start, int)
    if len(cache.layers) != n_layers or (by_row and (start.shape != (B,) or start.dtype != torch.int64)):
        return None
    low, high = (int(start.min()), int(start.max())) if by_row else (start, start)
    if low < 0 or high + T > room:
        return None
    return start[:, None] + torch.arange(T, device=start.device) if by_row else slice(start, start + T)


def looked_up(rows: Tensor | nn.Module, tokens: Tensor) -> Tensor | None:
    """(B, T) -> (B, T, C); None for a token that has no row."""
    try:
        return rows(tokens) if callable(rows) else torch.embedding(rows, tokens)
    except IndexError:
        return None


def staircase(n_query: int, n_key: int, device) -> Tensor | None:
    """The causal mask of the last n_query of n_key positions; None for one query, which sees all."""
    if n_query == 1:
        return None
    return torch.ones(n_query, n_key, dtype=torch.bool, device=device).tril(n_key - n_query)


def linear(x: Tensor, p: dict | nn.Module) -> Tensor:
    """x (B, C) times a layer's matrix, plus its bias if it has one. p: parameters, or a quantized layer."""
    return p(x) if callable(p) else F.linear(x, p["weight"], p["bias"])


def add_linear(x: Tensor, y: Tensor, p: dict | nn.Module) -> Tensor:
    """x (B, C), which may be written to, plus a layer's product with y; 16 bits are rounded as elsewhere."""
    if callable(p) or x.dtype.itemsize < 4:
        return linear(y, p).add_(x)
    if p["bias"] is not None:
        x.add_(p["bias"])
    return x.addmm_(y, p["weight"].T)


def by_head(y: Tensor, rows: int, tokens: int, heads: int) -> Tensor:
    """(B T, H D) or (B, T, H, D) -> (B, H, T, D)."""
    return y.view(rows, heads, 1, -1) if tokens == 1 else y.view(rows, tokens, heads, -1).transpose(1, 2)


def joined(seen: Tensor) -> Tensor:
    """(B, H, T, D) -> (B T, H D)."""
    rows, heads, tokens, width = seen.shape
    return (seen if tokens == 1 else seen.transpose(1, 2)).reshape(rows * tokens, heads * width)
