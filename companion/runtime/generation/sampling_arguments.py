"""What generation needs and chapter 8 does not teach: checks of arguments, masks, seeds, caches that fit."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from companion.runtime.files.arguments import number, whole_number
from companion.runtime.text.end_tokens import stop_ids

SMALLEST_TEMPERATURE = 1e-30
"""Logits up to hundreds of millions, divided by this, are still numbers in float32."""


def check_sampling(
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    previous: Any = (),
) -> None:
    """Check the settings of sampling.

    Args:
        temperature: 0, or a number of at least SMALLEST_TEMPERATURE.
        top_k: None, or a whole number of at least 1.
        top_p: None, or a number above 0 and at most 1.
        repetition_penalty: A number from 1 to 1,000.
        previous: The tokens that a repetition penalty is for. None means that they are missing.

    Raises:
        ValueError: For a setting out of its range, and for a repetition penalty other than 1 without
            previous.
        TypeError: For a setting that is no number.
    """
    least = SMALLEST_TEMPERATURE
    rule = f"0 (the likeliest token) or a number from {least:g} on; try 0.8"
    number("temperature", temperature, rule, lambda t: t == 0 or least <= t < float("inf"))
    if top_k is not None:
        whole_number("top_k", top_k, 1, "leave it out to draw from all tokens")
    if top_p is not None:
        number("top_p", top_p, "above 0 and at most 1; try 0.95", lambda p: 0 < p <= 1)
    rule = "from 1 (no penalty) to 1,000; try 1.1"
    number("repetition_penalty", repetition_penalty, rule, lambda x: 1 <= x <= 1000)
    if repetition_penalty != 1 and previous is None:
        raise ValueError(f"repetition_penalty={repetition_penalty} needs previous, the tokens so far, (B, T)")


def check_generation(
    config, rows, max_new_tokens: int, stop=None, generator=None, cache=None, **sampling
) -> list[Tensor]:
    """Check all arguments of `generate`, and return the rows as a list of 1-D int64 tensors.

    Args:
        config: The model's configuration. Its vocab_size and context_length are limits.
        rows: A tensor (B, T), or 1-D tensors.
        max_new_tokens: Number of tokens to generate at most.
        stop: The token id at which a text ends, several of them, or None.
        generator: One generator for all rows, a list with one for each row, or None.
        cache: The key/value cache, or None.
        sampling: The settings that check_sampling checks.

    Raises:
        ValueError: In one line, for what cannot be generated.
        TypeError: In one line, for an argument of a wrong type.
    """
    check_sampling(**sampling)
    whole_number("max_new_tokens", max_new_tokens, 1, "try 200")
    for one in stop_ids(stop):
        whole_number("stop", one, 0, "give a token's id, or None for texts without an end")
        if one >= config.vocab_size:
            raise ValueError(f"stop={one} must be below vocab_size={config.vocab_size}; it is never drawn")
    rows = check_rows(rows)
    one_each(generator, len(rows))
    held = 0 if cache is None else int(torch.as_tensor(cache.length).max())
    if held and sampling.get("repetition_penalty", 1) != 1:
        asked = f"repetition_penalty={sampling['repetition_penalty']} counts all tokens of a text"
        raise ValueError(f"{asked}, and the cache does not say which {held} it holds; give it an empty cache")
    needed = held + max(len(row) for row in rows) + max_new_tokens - 1
    limit = config.context_length
    if cache is not None and needed > limit and (held or not getattr(cache, "slides", False)):
        raise ValueError(
            f"max_new_tokens={max_new_tokens} needs a context of {needed} tokens, and context_length={limit} "
            "is the limit with a cache; lower it, or leave the cache out"
        )
    return rows


def check_rows(rows) -> list[Tensor]:
    """(B, T) or a sequence of 1-D tensors, as a list of 1-D int64 tensors, none of them empty."""
    if isinstance(rows, Tensor) and rows.ndim != 2:
        raise ValueError(f"rows has shape {tuple(rows.shape)}, must be (B, T); try tokens[None]")
    if not isinstance(rows, (Tensor, list, tuple)) or not all(isinstance(row, Tensor) for row in rows):
        raise TypeError(f"rows is {type(rows).__name__}, must be a tensor (B, T) or a list of 1-D tensors")
    shapes = [tuple(row.shape) for row in rows]
    if not shapes or any(len(shape) != 1 for shape in shapes):
        raise ValueError(f"rows has shapes {shapes}, must hold at least one row, each 1-D")
    if (0,) in shapes:
        raise ValueError("rows holds an empty one; begin with the id of <|endoftext|>, as training rows do")
    for row in rows:
        if row.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"rows has dtype {row.dtype}, must be torch.int64; use tokens.long()")
    return [row.long() for row in rows]


def target_mask(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return a mask of the targets tokens[:, 1:].

    Args:
        tokens: The tokens.
        mask: A mask of the tokens, or already one of the targets. True means that a token counts.

    Shape:
        tokens: (B, T); mask: (B, T) or (B, T - 1); the result: (B, T - 1).

    Raises:
        TypeError: For a mask that is not bool.
        ValueError: For a mask of another shape.
    """
    if mask.dtype != torch.bool:
        raise TypeError(f"mask has dtype {mask.dtype}, must be torch.bool: True for a token that counts")
    rows, length = tokens.shape
    if mask.shape not in ((rows, length - 1), (rows, length)):
        raise ValueError(f"mask has shape {tuple(mask.shape)}, must be {(rows, length - 1)}: one a target")
    return mask[:, mask.shape[1] - (length - 1) :]


def one_each(generator: torch.Generator | Sequence | None, n: int) -> list[torch.Generator | None]:
    """Return the generator of each of n rows.

    Args:
        generator: A list of generators, one for each row, or one for all rows. None stays None.
        n: Number of rows.

    Raises:
        ValueError: For a list of another length.
        TypeError: For an entry that is neither None nor a torch.Generator on the CPU.
    """
    each = list(generator) if isinstance(generator, (list, tuple)) else [generator] * n
    if len(each) != n:
        raise ValueError(f"generator has {len(each)} entries for {n} rows; give one for each, or one")
    for one in each:
        if one is not None and (not isinstance(one, torch.Generator) or one.device.type != "cpu"):
            raise TypeError(f"generator={one!r} must be a torch.Generator on the CPU, on every device")
    return each


def row_generators(generator: torch.Generator | Sequence | None, n: int) -> list[torch.Generator]:
    """Return a CPU generator of its own for each of n rows, so that no row's draws depend on another's.

    Args:
        generator: A generator whose i-th number seeds the i-th row's generator. Or a list of generators, one
            for each row, whose first numbers are the seeds. None means PyTorch's global generator.
        n: Number of rows.

    Raises:
        ValueError: For a list of another length.
        TypeError: For an entry that is neither None nor a torch.Generator on the CPU.
    """
    seeds = [torch.randint(2**63 - 1, (1,), generator=one).item() for one in one_each(generator, n)]
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def seeded(seed: int | torch.Generator | None = None) -> torch.Generator:
    """Return a CPU generator with this seed.

    Args:
        seed: The seed. None means another seed each time. A generator is returned as it is.

    Raises:
        TypeError: For a seed that is no whole number.
        ValueError: For a seed outside 0 to `2**63 - 1`.
    """
    if isinstance(seed, torch.Generator):
        return seed
    generator = torch.Generator()
    if seed is None:
        generator.seed()
        return generator
    whole_number("seed", seed, 0, "leave it out for another text each time")
    if seed >= 2**63:
        raise ValueError(f"seed={seed} must be below 2**63; take a smaller one")
    return generator.manual_seed(int(seed))


def within_context(ids: list[int], config) -> list[int]:
    """Return the ids of a prompt, if the model can read them all at once.

    Raises:
        ValueError: If the prompt is longer than the model's context.
    """
    if len(ids) > config.context_length:
        limit = f"context_length={config.context_length}"
        raise ValueError(f"prompt has {len(ids)} tokens with what begins a text, above {limit}; shorten it")
    return ids


def most_new_tokens(max_new_tokens: int | None, rows: Tensor, config) -> int:
    """Return max_new_tokens, checked.

    Args:
        max_new_tokens: The number. None means as many as the context has room for after the rows.
        rows: The rows of tokens, (B, T).
        config: The model's configuration, which has context_length.

    Raises:
        TypeError: For a max_new_tokens that is no whole number.
        ValueError: For a max_new_tokens below 1.
    """
    if max_new_tokens is None:
        return config.context_length + 1 - rows.shape[1]  # the last token is not read
    return whole_number("max_new_tokens", max_new_tokens, 1, "try 200, or None for what the context holds")


def cache_that_fits(make_cache: Callable | None, config, rows: Tensor, max_new_tokens: int):
    """Return a cache for rows and max_new_tokens more.

    Args:
        make_cache: Called with config and the number of rows to make a cache. None means no cache.
        config: The model's configuration.
        rows: The rows of tokens, (B, T).
        max_new_tokens: Number of tokens that will follow.

    Returns:
        The cache, or None if make_cache is None. The result is also None if the tokens do not fit into the
        context, unless `make_cache.slides` says that the caches slide.
    """
    fits = rows.shape[1] + max_new_tokens - 1 <= config.context_length  # the last token is not read
    fits = fits or getattr(make_cache, "slides", False)
    return make_cache(config, len(rows)) if make_cache is not None and fits else None


def continued(teller, prompt: str, choice: str) -> tuple[list[int], int]:
    """Return the ids of a text's beginning, prompt and choice, and how many of them stand before the choice.

    Prompt and choice are encoded together, because a reader would meet them as one text.

    Args:
        teller: It has model, tokenizer, begin and end, as a LanguageModel.
        prompt: The prompt.
        choice: The text that follows the prompt.

    Raises:
        ValueError: For a choice without a token of its own, and for a text that is longer than the model's
            context.
    """
    encode = teller.tokenizer.encode
    begin = list(teller.begin) or ([] if prompt else [teller.tokenizer.start])
    before = [*begin, *encode(prompt)]
    ids = [*begin, *encode(prompt + choice)]
    if not choice:
        raise ValueError("choice='' is empty; give it a letter")
    if len(ids) <= len(before):
        raise ValueError(f"choice={choice!r} merges with its prompt's last token; begin it with a space")
    if len(ids) - 1 > teller.model.config.context_length:
        limit = f"context_length={teller.model.config.context_length}; leave out shots, or shorten it"
        raise ValueError(f"prompt={prompt[:30]!r}… has {len(ids) - 1} tokens with its choice, above {limit}")
    return ids, len(before)
