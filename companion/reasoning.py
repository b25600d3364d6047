"""Reasoning (draft)."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import comb

import torch

from companion.caching import KVCache
from companion.datasets import pad_batch
from companion.generation import generate
from companion.rewards import token_log_probs
from companion.runtime.data.preference_pairs import as_rewards, prompt_rows
from companion.runtime.files.arguments import whole_number
from companion.runtime.text.end_tokens import until

__all__ = ["Draws", "draw_texts", "majority", "pass_at_k", "SWITCHES", "policy_loss", "RLVR"]


@dataclass
class Draws:
    """Texts that a model wrote after prompts, with the marks around thoughts, and their tokens.

    Attributes:
        texts: What was written after each prompt; all texts of a prompt stand together.
        tokens: Token ids of prompt and text, padded at the end of each row.
        mask: True where the next token was written by the model.

    Shape:
        tokens: (N, T) int64. mask: (N, T - 1) bool. N is the number of prompts times the texts of each.
    """

    texts: list[str]
    tokens: torch.Tensor
    mask: torch.Tensor


def draw_texts(teller, prompts, size=1, temperature=1.0, generator=None, max_new_tokens: int = 96) -> Draws:
    rows = [row for row in prompt_rows(teller, prompts) for _ in range(size)]
    longest = max(len(row) for row in rows)
    room = min(max_new_tokens, teller.model.config.context_length - longest)
    texts, sequences, learned = [], [], []
    for first in range(0, len(rows), 256):
        some = rows[first : first + 256]
        cache = KVCache(teller.model.config, len(some))
        drawn = generate(teller.model, some, room, temperature, stop=teller.ends, generator=generator, cache=cache)
        for row, new in zip(some, drawn.tolist(), strict=True):
            kept = list(until(new, teller.ends))
            texts.append(teller.tokenizer.decode(kept))
            kept = new[: len(kept) + 1]  # with the end token, if it came
            sequences.append([*row.tolist(), *kept])
            learned.append([False] * (len(row) - 1) + [True] * len(kept))
    tokens, _ = pad_batch(sequences, teller.end)
    mask, _ = pad_batch(learned, 0)
    return Draws(texts, tokens, mask.bool())


def majority(answers: Sequence[str]) -> str:
    """The most frequent answer that is not empty; of several, the first. Empty if there is none."""
    votes = Counter(answer for answer in answers if answer)
    return votes.most_common(1)[0][0] if votes else ""


def pass_at_k(right: Sequence[Sequence[bool]], k: int) -> float:
    shares = []
    for texts in right:
        n, c = len(texts), sum(texts)
        shares.append(1 - comb(n - c, k) / comb(n, k))
    return sum(shares) / len(shares)


SWITCHES = {"grpo": (0.2, 0.2), "dr_grpo": (0.2, 0.2), "dapo": (0.2, 0.28), "gspo": (0.03, 0.04)}


def policy_loss(new, old, rewards, mask, size: int, switch: str = "grpo", limit: int = 96) -> torch.Tensor:
    low, high = SWITCHES[switch]
    groups = as_rewards(rewards).float().view(-1, size)  # (P, G)
    spread = groups.std(1, keepdim=True, correction=0)  # (P, 1)
    A = groups - groups.mean(1, keepdim=True)
    if switch != "dr_grpo":
        A = A / (spread + 1e-4)
    A = A.view(-1, 1)  # (N, 1)
    length = mask.sum(1, keepdim=True)  # (N, 1)
    log_ratio = (new - old).where(mask, 0.0)  # (N, T)
    if switch == "gspo":
        log_ratio = (log_ratio.sum(1, keepdim=True) / length).expand_as(mask)
    ratio = log_ratio.exp()
    gain = torch.minimum(ratio * A, ratio.clamp(1 - low, 1 + high) * A).where(mask, 0.0)
    if switch == "dr_grpo":
        return -gain.sum() / (limit * len(gain))
    if switch == "dapo":
        useful = (spread > 0).repeat_interleave(size, 0)  # (N, 1)
        return -gain.sum() / (length * useful).sum().clamp(min=1)
    return -(gain / length).sum() / len(gain)


class RLVR:
    def __init__(self, teller, questions, reward, switch="grpo", size=8, per_draw=16, updates=2, seed=0, limit=96):
        self.teller, self.questions, self.reward, self.switch = teller, questions, reward, switch
        self.size, self.per_draw, self.updates, self.seed, self.limit = size, per_draw, updates, seed, limit
        self.log = []

    def batches(self, first: int = 0) -> Iterator[tuple]:
        for draw in count(first // self.updates):
            asked = [self.questions[i % len(self.questions)] for i in range(draw * self.per_draw, (draw + 1) * self.per_draw)]
            generator = torch.Generator().manual_seed(self.seed * 10**6 + draw)
            draws = draw_texts(self.teller, [q.prompt for q in asked], self.size, 1.0, generator, self.limit)
            rewards = as_rewards([self.reward(asked[i // self.size], text) for i, text in enumerate(draws.texts)])
            with torch.no_grad():
                old = token_log_probs(self.teller.model, draws.tokens)
            self.draws, self.rewards, self.asked = draws, rewards, asked
            for _ in range(self.updates):
                yield draws.tokens, draws.mask, old, rewards

    def loss(self, model, batch: tuple) -> tuple:
        tokens, mask, old, rewards = batch
        new = token_log_probs(model, tokens)
        return policy_loss(new, old, rewards, mask, self.size, self.switch, self.limit), 1
