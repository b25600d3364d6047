"""What a key/value cache needs and chapter 9 does not teach: checks of arguments, and sizes of buffers."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import torch
from torch import Tensor

from companion.runtime.files.arguments import whole_number
from companion.runtime.generation.sampling_arguments import check_generation


def check_cache(config, batch_size: int, length: int | None) -> None:
    """Raise ValueError or TypeError for a size that a cache cannot have."""
    whole_number("batch_size", batch_size, 1, "one for each row")
    if length is not None:
        whole_number("length", length, 1, "leave it out to grow as needed")
        if length > config.context_length:
            limit = f"context_length={config.context_length}"
            raise ValueError(f"length={length} must be at most {limit}; leave it out to grow as needed")


def room_for(plan, n_rows: int, held: int, needed: int) -> int:
    """Positions that a buffer should have which has held of them and needs so many: twice as many at least.

    Raises ValueError for a batch that the cache is not for, and past context_length.
    """
    if n_rows != plan.batch_size:
        raise ValueError(
            f"tokens have {n_rows} rows, the cache batch_size={plan.batch_size}; make one for them"
        )
    if needed > plan.context_length:
        limit = f"context_length={plan.context_length}"
        raise ValueError(f"the cache would hold {needed} tokens, but {limit}; shorten it, or use no cache")
    return held if needed <= held else min(max(needed, 2 * held, plan.room), plan.context_length)


def empty_buffer(new: Tensor, room: int, dtype: torch.dtype | None = None) -> Tensor:
    """Zeros for room positions of what is as new, (B, ..., T, D): (B, ..., room, D); dtype None: new's.

    A tensor like any other, made inside torch.inference_mode or not, so that it can be written outside of it.
    """
    with torch.inference_mode(False):
        return torch.zeros(*new.shape[:-2], room, new.shape[-1], dtype=dtype or new.dtype, device=new.device)


def check_rewind(length: int | Tensor, held: int | Tensor, batch_size: int) -> int | Tensor:
    """A length, copied. ValueError or TypeError for one that a cache that holds so much cannot go back to."""
    if isinstance(length, Tensor):
        if length.dtype != torch.int64 or length.shape != (batch_size,):
            given = f"{length.dtype} {tuple(length.shape)}"
            raise ValueError(f"length is {given}, must be an int, or torch.int64 ({batch_size},)")
    else:
        length = whole_number("length", length, 0, "0 empties the cache")
    asked = torch.as_tensor(length)
    if not ((asked >= 0) & (asked <= torch.as_tensor(held))).all():
        raise ValueError(f"length={length} must be between 0 and the {held} that the cache holds")
    return copied(length)


def rows_of(track, rows: list[int], plan):
    """A track with these rows of another, for a cache of this plan; writable, wherever it was made."""
    with torch.inference_mode(False):
        length = track.length if isinstance(track.length, int) else track.length[rows]
        return type(track)(plan, track.buffer[rows], length)


def copied(length: int | Tensor) -> int | Tensor:
    """A length that nobody else changes."""
    return length.clone() if isinstance(length, Tensor) else length


def in_step(tracks: list) -> int | Tensor:
    """The tokens that each of these holds, an int or int64 (B,), copied; 0 where there are none.

    Raises ValueError where they end at different places, as after a block that was called by itself.
    """
    ends = {track.end for track in tracks}
    if len(ends) > 1:
        raise ValueError(
            f"some layers hold {max(ends)} tokens and some {min(ends)}; call rewind({min(ends)})"
        )
    return copied(tracks[0].length) if tracks else 0


@contextmanager
def rewind_after_error(cache) -> Iterator[None]:
    """Inside, tokens are read into a cache; after an error or Ctrl-C it holds what it held before.

    cache: None for a reader without one, for which there is nothing to do.
    """
    if cache is None:
        yield
        return
    before = cache.length
    try:
        yield
    except BaseException:
        cache.rewind(before)
        raise


def row_places(start: Tensor, n_tokens: int, before: int = 0) -> tuple[Tensor, Tensor]:
    """Rows (B, 1), and positions (B, before + T): of T tokens from start (B,) on, and of some before them."""
    rows = torch.arange(len(start), device=start.device)
    return rows[:, None], start[:, None] + torch.arange(-before, n_tokens, device=start.device)


def check_speculation(config, draft, tokens, max_new_tokens, n_draft, stop, generator, sampling) -> Tensor:
    """The one row of tokens (1, T), as (T,) int64, after the arguments of `speculative` have been checked."""
    whole_number("n_draft", n_draft, 0, "try 4")
    if hasattr(draft, "config") and (size := draft.config.vocab_size) != config.vocab_size:
        both = f"draft has a vocabulary of {size}, model one of {config.vocab_size}"
        raise ValueError(f"{both}; give one of the same")
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator={generator!r:.40} must be a torch.Generator on the CPU, or None")
    if sampling.get("repetition_penalty", 1) != 1:
        raise ValueError("repetition_penalty must be 1 here: what came before differs from draft to draft")
    empty = SimpleNamespace(length=0)
    rows = check_generation(config, tokens, max_new_tokens, stop, generator, empty, **sampling)
    if len(rows) > 1:
        raise ValueError(f"tokens has {len(rows)} rows, a draft is for one; call it for each")
    return rows[0]
