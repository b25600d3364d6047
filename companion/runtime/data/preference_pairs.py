"""What learning from rewards needs and chapter 18 does not teach: checks, and files of pairs."""

from collections.abc import Sequence
from pathlib import Path

import torch

from companion.runtime.data.streams import SHARDS, check_format, rows
from companion.runtime.files.arguments import at_least_one, replace_surrogates

LARGEST = 1e100  # largest size of a reward: its square must still be a number


def as_rewards(rewards) -> torch.Tensor:
    """Return rewards as float64, in which neighbouring integers up to 2⁵³ stay different.

    Args:
        rewards: The rewards, one for each text.

    Shape:
        The result: (N,).

    Raises:
        ValueError: For no rewards, and for a reward that is not finite or larger than LARGEST in size.
    """
    if not len(rewards):
        raise ValueError("rewards has no entries; there must be one for each text")
    found = torch.as_tensor([float(reward) for reward in rewards], dtype=torch.float64)
    bad = (~(found.abs() <= LARGEST)).nonzero()
    if len(bad):
        i = bad[0, 0].item()
        raise ValueError(f"reward {i} is {found[i].item()}, must be finite and at most {LARGEST:g} in size")
    return found


def prompt_rows(teller, prompts: Sequence[str]) -> list[torch.Tensor]:
    """Return each prompt's token ids, 1-D int64, as the model reads them.

    Args:
        teller: The LanguageModel.
        prompts: The prompts.

    Raises:
        ValueError: For no prompts, and for a prompt that leaves no room to go on.
        TypeError: For a single text.
    """
    if isinstance(prompts, str):
        raise TypeError(f"prompts={prompts!r:.40} must be a list of texts; write [prompt] for a single one")
    at_least_one(prompts=len(prompts))
    longest = teller.model.config.context_length
    rows = []
    for i, prompt in enumerate(prompts):
        ids = [*teller.begin, *teller.tokenizer.encode(prompt)] or [teller.end]
        if len(ids) >= longest:
            raise ValueError(f"prompt {i} has {len(ids)} tokens, must be below {longest}; shorten it")
        rows.append(torch.tensor(ids))
    return rows


def learned_from(samples, advantages: torch.Tensor, everything: bool) -> tuple[torch.Tensor, ...]:
    """Select the rows with an advantage other than 0, and cut off needless padding.

    If no row has such an advantage, all rows are kept.

    Args:
        samples: It has tokens and mask.
        advantages: One advantage for each row, or one for each position of the mask.
        everything: Whether to keep all rows.

    Returns:
        tokens, mask and advantages of these rows.

    Shape:
        tokens: (N, T); mask: (N, T - 1); advantages: (N,) or (N, T - 1).
    """
    matters = advantages != 0
    if advantages.ndim == 2:
        matters = matters.any(1)
    if everything or not matters.any():
        rows = torch.arange(len(matters))
    else:
        rows = matters.nonzero()[:, 0]
    width = int(samples.mask[rows].any(0).nonzero().max()) + 1
    tokens = samples.tokens[rows, : width + 1]
    mask = samples.mask[rows, :width]
    if advantages.ndim == 2:
        return tokens, mask, advantages[rows, :width]
    return tokens, mask, advantages[rows]


def matched_pairs(texts: Sequence[tuple[str, bool]], rewards, size: int) -> list[tuple]:
    """Return (better, worse) pairs of texts from groups of `size`.

    The best texts of a group are those with the group's highest reward. Each worse text is paired with the
    best text that is nearest in length. A text is in one pair at most, so a worse text gets no pair once the
    best texts are used up.

    Args:
        texts: For each text, the text and whether it ended. The texts of the pairs have the same form.
        rewards: The reward of each text.
        size: Number of texts in a group.

    Raises:
        ValueError: For a reward that is not finite, and if no group has two different rewards.
    """
    rewards = as_rewards(rewards).tolist()
    pairs = []
    lengths = [len(text) for text, _ in texts]
    for i in range(0, len(texts), size):
        group = range(i, min(i + size, len(texts)))
        highest = max(rewards[j] for j in group)
        best = [j for j in group if rewards[j] == highest]
        for worse in group:
            if rewards[worse] < highest and best:
                distances = [abs(lengths[j] - lengths[worse]) for j in best]
                better = best.pop(distances.index(min(distances)))
                pairs.append((texts[better], texts[worse]))
    if not pairs:
        raise ValueError(f"of {len(texts)} texts that were drawn each group's rewards are equal; draw more")
    return pairs


def pair_batches(pairs: Sequence, size: int, n: int, seed: int) -> list[list]:
    """n batches of `size` pairs, each pass over all pairs in a new order; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    order: list = []
    while len(order) < n * size:
        order += [pairs[i] for i in torch.randperm(len(pairs), generator=generator).tolist()]
    return [order[i : i + size] for i in range(0, n * size, size)]


def drawn_rows(teller, texts: Sequence[tuple[str, bool]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(text, whether it ended) pairs as (tokens (N, T) int64, mask (N, T - 1) bool of what is predicted).

    A text that ended has its end. What is beyond the context is cut off.
    """
    longest = teller.model.config.context_length + 1  # the last is only predicted
    rows = []
    for text, ended in texts:
        row = [*teller.begin, *teller.tokenizer.encode(text)]
        if ended:
            row.append(teller.end)
        rows.append(row[:longest])
    width = max(len(row) for row in rows)
    device = next(teller.model.parameters()).device
    tokens = torch.tensor([row + [teller.end] * (width - len(row)) for row in rows], device=device)
    lengths = torch.tensor([[len(row)] for row in rows], device=device)
    return tokens, torch.arange(1, width, device=device) < lengths


def check_apart(chosen: Sequence[str], rejected: Sequence[str]) -> None:
    """Raise ValueError for lists that are no pairs, and for a pair whose two texts are equal."""
    at_least_one(chosen=len(chosen))
    if len(chosen) != len(rejected):
        raise ValueError(f"rejected has {len(rejected)} texts for {len(chosen)} chosen; give one for each")
    for i, (good, bad) in enumerate(zip(chosen, rejected, strict=True)):
        if good == bad:
            raise ValueError(f"pair {i} has two equal texts; one must be better, or leave the pair out")


def placed_pairs(path: Path) -> list[tuple[str, tuple[str, str, str]]]:
    """Where it stands, and (prompt, chosen, rejected), of each row of a file of SHARDS with these names.

    chosen and rejected follow the prompt, or both repeat it at their beginning.
    """
    check_format(path, SHARDS)
    pairs = [(place, _pair(row, place)) for place, row in rows(str(path))]
    if not pairs:
        raise ValueError(f"{path} has no pairs; it must have a row for each")
    return pairs


def _pair(row: dict, place: str) -> tuple[str, str, str]:
    """One row of a file of pairs."""
    for name in ("prompt", "chosen", "rejected"):
        if not isinstance(row.get(name), str):
            raise ValueError(f"{place} has no text named {name!r}; it needs prompt, chosen and rejected")
    prompt = replace_surrogates(row["prompt"])
    chosen = replace_surrogates(row["chosen"])
    rejected = replace_surrogates(row["rejected"])
    if chosen.startswith(prompt) and rejected.startswith(prompt):
        chosen = chosen.removeprefix(prompt)
        rejected = rejected.removeprefix(prompt)
    if chosen == rejected:
        raise ValueError(f"{place}: chosen and rejected are equal; one must be better, or leave the pair out")
    return prompt, chosen, rejected
