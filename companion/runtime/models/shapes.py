"""The shapes of models with rotary positions: whether they fit."""

import math
from typing import Any

SIZES = ("vocab_size", "context_length", "n_layers", "n_heads", "n_kv_heads", "d_model", "d_ff", "head_width")


def check_shape(c: Any) -> None:
    """Raise ValueError, in one line, for the first field of a LlamaConfig that is out of its range.

    head_width, n_kv_heads and d_ff may be None: they follow from the others.
    """
    given = SIZES if c.window is None else (*SIZES, "window")
    for name in given:
        value = getattr(c, name)
        follows = value is None and name in ("n_kv_heads", "d_ff", "head_width")
        if not follows and (type(value) is not int or value < 1):
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1")
    if c.head_width is None and c.d_model % c.n_heads:
        raise ValueError(
            f"n_heads={c.n_heads} must divide d_model={c.d_model}; change one, or give head_width"
        )
    if c.head_width is None and c.d_model // c.n_heads % 2:
        rule = f"twice n_heads={c.n_heads}, since a head's numbers turn in pairs"
        raise ValueError(f"d_model={c.d_model} must be a multiple of {rule}; change one, or give head_width")
    if c.head_width is not None and c.head_width % 2:
        raise ValueError(f"head_width={c.head_width} must be even: its numbers turn in pairs")
    if c.n_kv_heads is not None and c.n_heads % c.n_kv_heads:
        raise ValueError(f"n_kv_heads={c.n_kv_heads} must divide n_heads={c.n_heads}; change one")
    if type(c.shift) is not int or c.shift < 0:
        raise ValueError(f"shift={c.shift!r} must be a whole number of at least 0; 0 leaves it out")
    if not 0 <= c.dropout < 1:
        raise ValueError(f"dropout={c.dropout} must be at least 0 and below 1; try 0.0")
    for name in ("norm_eps", "rope_theta", "rope_factor", "rope_original"):
        value = getattr(c, name)
        if not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise ValueError(f"{name}={value!r} must be a number above 0")


def numbers_turned(config: Any) -> int:
    """How many numbers of each query and key rotary positions turn, of a configuration with a rope_share.

    Raises ValueError for a share outside (0, 1], and for one that is no even number of a head's numbers.
    """
    share, heads = config.rope_share, config.n_heads
    if not 0 < share <= 1:
        raise ValueError(f"rope_share={share} must be above 0 and at most 1; try 0.25")
    n = int(config.d_model // heads * share)
    if n < 2 or n % 2:
        rule = "must turn an even number of them, 2 at least; change one"
        raise ValueError(f"rope_share={share} and n_heads={heads} turn {n} of a head's numbers, {rule}")
    return n
