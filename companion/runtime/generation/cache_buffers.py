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
            raise ValueError(f"length={length} must be at most context_length={config.context_length}")


def room_for(plan, n_rows: int, held: int, needed: int) -> int:
    """Return the number of positions that a buffer should have: at least twice as many if it must grow.

    A buffer that is large enough keeps its size. No buffer has more than context_length positions.

    Args:
        plan: The cache's plan, which has batch_size, context_length and room.
        n_rows: Number of rows of tokens.
        held: Positions that the buffer has.
        needed: Positions that the buffer needs.

    Raises:
        ValueError: For a batch of another size than the cache's, and for more than context_length positions.
    """
    if n_rows != plan.batch_size:
        raise ValueError(f"tokens have {n_rows} rows, the cache batch_size={plan.batch_size}; make another")
    if needed > plan.context_length:
        raise ValueError(f"the cache would hold {needed} tokens, but context_length={plan.context_length}")
    return held if needed <= held else min(max(needed, 2 * held, plan.room), plan.context_length)


def empty_buffer(new: Tensor, room: int, dtype: torch.dtype | None = None) -> Tensor:
    """Return zeros like `new`, for `room` positions.

    The result is a normal tensor even inside torch.inference_mode, so that it can be written outside of it.

    Args:
        new: A tensor that says shape and device.
        room: Number of positions.
        dtype: Type of the result. None means the type of `new`.

    Shape:
        new: (B, ..., T, D); the result: (B, ..., room, D).
    """
    with torch.inference_mode(False):
        return torch.zeros(*new.shape[:-2], room, new.shape[-1], dtype=dtype or new.dtype, device=new.device)


def check_rewind(length: int | Tensor, held: int | Tensor, batch_size: int) -> int | Tensor:
    """Return a copy of a length that a cache can go back to.

    Args:
        length: The length, an int or int64 (B,).
        held: The number of tokens that the cache holds.
        batch_size: Number of rows of the cache, B.

    Raises:
        ValueError: For a length that is negative or above `held`, and for a tensor of another type or shape.
        TypeError: For a length that is no whole number.
    """
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
    """Return how many tokens each of these tracks holds, copied; 0 if there are no tracks.

    Args:
        tracks: The tracks of a cache's layers.

    Returns:
        An int, or int64 (B,).

    Raises:
        ValueError: If the tracks end at different places, as after a block that was called by itself.
    """
    ends = {track.end for track in tracks}
    if len(ends) > 1:
        raise ValueError(f"some layers hold {max(ends)} tokens, some {min(ends)}; call rewind({min(ends)})")
    return copied(tracks[0].length) if tracks else 0


@contextmanager
def rewind_after_error(cache) -> Iterator[None]:
    """Take a cache back to what it held before, if an error or Ctrl-C ends the work inside.

    Inside, tokens are read into the cache.

    Args:
        cache: The cache. None, for a reader without a cache, does nothing.
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
    """Check the arguments of `speculative`, and return its one row of tokens, as (T,) int64.

    Args:
        config: The model's configuration.
        draft: A model with the same vocabulary, or a function that drafts.
        tokens: The row, (1, T).
        max_new_tokens: Number of tokens to generate at most.
        n_draft: Largest number of drafts in a call.
        stop: The token id at which the text ends, several of them, or None.
        generator: The generator, or None.
        sampling: The settings that check_sampling checks, by name.

    Raises:
        ValueError: In one line, for what cannot be generated.
        TypeError: In one line, for an argument of a wrong type.
    """
    whole_number("n_draft", n_draft, 0, "try 4")
    if hasattr(draft, "config") and draft.config.vocab_size != config.vocab_size:
        size = draft.config.vocab_size
        raise ValueError(f"draft has a vocabulary of {size}, model one of {config.vocab_size}; match them")
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator={generator!r:.40} must be a torch.Generator on the CPU, or None")
    if sampling.get("repetition_penalty", 1) != 1:
        raise ValueError("repetition_penalty must be 1 here: what came before differs from draft to draft")
    empty = SimpleNamespace(length=0)  # the cache is made later; its limit counts now
    rows = check_generation(config, tokens, max_new_tokens, stop, generator, empty, **sampling)
    if len(rows) > 1:
        raise ValueError(f"tokens has {len(rows)} rows, a draft is for one; call it for each")
    return rows[0]
