"""What generation needs and chapters 8 and 23 do not teach: checks of arguments, seeds, padded batches."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from companion.runtime.files.arguments import check_sampling, finite, whole_number
from companion.runtime.text.end_tokens import stop_ids


def check_generation(
    config, rows, max_new_tokens: int, stop=None, generator=None, cache=None, **sampling
) -> list[Tensor]:
    """The rows as a list of 1-D int64 tensors, after all that is asked of `generate` has been checked.

    config: the model's; its vocab_size and context_length are limits. rows: (B, T), or 1-D tensors.
    sampling: as for check_sampling.
    Raises ValueError or TypeError, in one line, for what cannot be generated.
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
    needed, limit = held + max(map(len, rows)) + max_new_tokens - 1, config.context_length
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
    """A mask of tokens (B, T), or of the targets tokens[:, 1:] already, as one of the targets, (B, T-1).

    Raises TypeError for a mask that is not bool, ValueError for another shape.
    """
    if mask.dtype != torch.bool:
        raise TypeError(f"mask has dtype {mask.dtype}, must be torch.bool: True for a token that counts")
    rows, length = tokens.shape
    if mask.shape not in ((rows, length - 1), (rows, length)):
        raise ValueError(f"mask has shape {tuple(mask.shape)}, must be {(rows, length - 1)}: one a target")
    return mask[:, mask.shape[1] - (length - 1) :]


def one_each(generator: torch.Generator | Sequence | None, n: int) -> list[torch.Generator | None]:
    """The generator of each of n rows, from a list of them or one for all. Raises ValueError, TypeError."""
    each = list(generator) if isinstance(generator, (list, tuple)) else [generator] * n
    if len(each) != n:
        raise ValueError(
            f"generator has {len(each)} entries for {n} rows; give one for each, or a single one"
        )
    for one in each:
        if one is not None and (not isinstance(one, torch.Generator) or one.device.type != "cpu"):
            raise TypeError(f"generator={one!r} must be a torch.Generator on the CPU, on every device")
    return each


def row_generators(generator: torch.Generator | Sequence | None, n: int) -> list[torch.Generator]:
    """A CPU generator of its own for each of n rows, so that no row's draws depend on another's.

    generator: the i-th row's is seeded by the i-th number that this one gives. Or a list of one for each
    row: the first number of each seeds. None is PyTorch's global generator. Errors as for one_each.
    """
    seeds = [torch.randint(2**63 - 1, (1,), generator=one).item() for one in one_each(generator, n)]
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def seeded(seed: int | torch.Generator | None = None) -> torch.Generator:
    """A CPU generator with this seed; for None with another one each time. A generator comes back as it is.

    Raises TypeError for a seed that is no whole number, ValueError for one outside 0 to `2**63 - 1`.
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
    """The ids of a prompt, if the model can read them all at once; ValueError otherwise."""
    if len(ids) > config.context_length:
        raise ValueError(
            f"prompt has {len(ids)} tokens with what begins a text, above "
            f"context_length={config.context_length}; shorten it"
        )
    return ids


def most_new_tokens(max_new_tokens: int | None, rows: Tensor, config) -> int:
    """max_new_tokens, checked; for None as many as the context has room for behind rows (B, T).

    Raises TypeError, ValueError for a bad max_new_tokens.
    """
    if max_new_tokens is None:
        return config.context_length + 1 - rows.shape[1]  # the last token is not read
    return whole_number("max_new_tokens", max_new_tokens, 1, "try 200, or None for what the context holds")


def cache_that_fits(make_cache: Callable | None, config, rows: Tensor, max_new_tokens: int):
    """A cache for rows (B, T) and max_new_tokens more; None without a maker, or where they pass the context.

    A maker that says that its caches slide makes one for these, too. Raises TypeError, ValueError for a bad
    max_new_tokens.
    """
    whole_number("max_new_tokens", max_new_tokens, 1, "try 200")
    fits = rows.shape[1] + max_new_tokens - 1 <= config.context_length  # the last token is not read
    fits = fits or getattr(make_cache, "slides", False)
    return make_cache(config, len(rows)) if make_cache is not None and fits else None


def continued(teller, prompt: str, choice: str) -> tuple[list[int], int]:
    """The ids of what begins a text, prompt and choice; and how many of them stand before the choice.

    The text is cut into tokens as a whole, as a reader would meet it. teller: has model, tokenizer, begin and
    end, as a LanguageModel. Raises ValueError for a choice without a token, and for a text that is longer
    than the model's context.
    """
    encode = teller.tokenizer.encode
    begin = list(teller.begin) or ([] if prompt else [teller.tokenizer.start])
    before, ids = [*begin, *encode(prompt)], [*begin, *encode(prompt + choice)]
    if len(ids) <= len(before):
        why = (
            "merges with its prompt's last token; begin it with a space"
            if choice
            else "is empty; give it a letter"
        )
        raise ValueError(f"choice={choice!r} {why}")
    if len(ids) - 1 > teller.model.config.context_length:
        raise ValueError(
            f"prompt={prompt[:30]!r}… has {len(ids) - 1} tokens with its choice, above "
            f"context_length={teller.model.config.context_length}; leave out shots, or shorten it"
        )
    return ids, len(before)


@torch.no_grad()
def translate(model: torch.nn.Module, source: torch.Tensor, end_id: int, real=None) -> torch.Tensor:
    """The likeliest token, one after another: source (B, Ts) -> new tokens (B, n), filled up with end_id.

    model: has encode, decode and config, as chapter 23's EncoderDecoder. end_id also begins each target.
    real: bool (B, Ts), False at padding. Ends when all rows have ended, or the context is full.
    """
    memory, mask = model.encode(source, real)  # once
    target = torch.full((len(source), 1), end_id, device=source.device)
    ended = torch.zeros_like(target, dtype=torch.bool)  # (B, 1)
    while target.shape[1] <= model.config.context_length and not ended.all():
        logits = finite("logits", model.decode(target, memory, mask)[:, -1:])  # (B, 1, V)
        token = logits.argmax(-1)  # (B, 1), the likeliest
        token = token.masked_fill(ended, end_id)
        target = torch.cat([target, token], dim=1)
        ended = ended | (token == end_id)
    return target[:, 1:]
