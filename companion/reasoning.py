"""Reasoning (draft)."""

# The imports of the chapter's module
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
from companion.village.reasoning import END_TOOL, NUMBER_WORDS, TOOL


# The package's Draws and draw_texts
@dataclass
class Draws:
    """Texts that a model wrote after prompts, with the marks around their steps, and their tokens.

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


def draw_texts(teller, prompts, size=1, temperature=1.0, generator=None, max_new_tokens=96) -> Draws:
    """Continue each prompt several times, and keep the special tokens that were written.

    Args:
        teller: A LanguageModel.
        prompts: Texts to continue.
        size: Number of texts for each prompt.
        temperature: Divides the logits; 0 always takes the most probable token.
        generator: Source of random numbers, as for generate.
        max_new_tokens: A text is cut off after so many new tokens, or where the context window ends.

    Raises:
        ValueError: If size is below 1, or if a prompt leaves no room in the context window.
        TypeError: If prompts is a single text.
    """
    whole_number("size", size, 1, "try 8")
    rows = [row for row in prompt_rows(teller, prompts) for _ in range(size)]
    room = min(max_new_tokens, teller.model.config.context_length - max(len(row) for row in rows))
    texts, sequences, learned = [], [], []
    for first in range(0, len(rows), 256):
        some = rows[first : first + 256]
        cache = KVCache(teller.model.config, len(some))
        options = {"stop": teller.ends, "generator": generator, "cache": cache}
        drawn = generate(teller.model, some, room, temperature, **options)  # (256, n)
        for row, new in zip(some, drawn.tolist(), strict=True):
            kept = list(until(new, teller.ends))
            texts.append(teller.tokenizer.decode(kept))
            written = new[: len(kept) + 1]  # with the end token, if it came
            sequences.append([*row.tolist(), *written])
            learned.append([False] * (len(row) - 1) + [True] * len(written))
    tokens, _ = pad_batch(sequences, teller.end)  # (N, T)
    mask, _ = pad_batch(learned, 0)  # (N, T - 1)
    return Draws(texts, tokens, mask.bool())


# The package's majority and pass_at_k
def majority(answers: Sequence[str]) -> str:
    """Return the most frequent answer; of several, the one that came first.

    Args:
        answers: One for each text. An empty one has no vote.

    Returns:
        The answer, or "" if nobody voted.

    Reference:
        Wang et al., 2022, arXiv:2203.11171.
    """
    votes = Counter(answer for answer in answers if answer)
    return votes.most_common(1)[0][0] if votes else ""


def pass_at_k(n: int, right: Sequence[int], k: int) -> float:
    """Estimate without bias how often at least one of k texts is right; the mean over questions.

    Args:
        n: Number of texts that were drawn for each question.
        right: For each question, how many of them are right.
        k: Number of texts, at most n.

    Raises:
        ValueError: If k is below 1 or above n, or there are no questions.

    Reference:
        Chen et al., 2021, arXiv:2107.03374, equation 1.
    """
    whole_number("k", k, 1, "try 8")
    if k > n or not right:
        raise ValueError(f"k={k} must be at most n={n}, and right must have a number for each question")
    return sum(1 - comb(n - c, k) / comb(n, k) for c in right) / len(right)


# The package's policy_loss: four switches, for several groups, with ratio and clip
SWITCHES = {"grpo": (0.2, 0.2), "dr_grpo": (0.2, 0.2), "dapo": (0.2, 0.28), "gspo": (0.03, 0.04)}
"""For each switch, how far a ratio may fall below 1 and rise above it. GSPO's paper has 3e-4 and 4e-4."""


def policy_loss(new, old, rewards, mask, size: int, switch: str = "grpo", limit: int = 96) -> torch.Tensor:
    """Compute the loss of GRPO, Dr. GRPO, DAPO or GSPO; a single number.

    Args:
        new: Log-probabilities of the tokens under the model that is trained.
        old: Log-probabilities under the model when it wrote the texts.
        rewards: One number for each text, group after group.
        mask: True for the tokens that the model wrote.
        size: Number of texts in a group, at least 2.
        switch: "grpo", "dr_grpo", "dapo" or "gspo".
        limit: The largest length of a text in tokens, by which Dr. GRPO divides.

    Shape:
        new, old, mask: (N, T). rewards: (N,). The result: a single number.

    Raises:
        ValueError: If the switch is unknown, a reward is not finite, or the rewards do not fill groups.

    Reference:
        GRPO: Shao et al., 2024, arXiv:2402.03300. Dr. GRPO: Liu et al., 2025, arXiv:2503.20783. DAPO: Yu et
        al., 2025, arXiv:2503.14476. GSPO: Zheng et al., 2025, arXiv:2507.18071.
    """
    if switch not in SWITCHES:
        raise ValueError(f"switch={switch!r} must be one of {', '.join(SWITCHES)}")
    if size < 2 or len(rewards) % size:
        raise ValueError(f"rewards has {len(rewards)} entries, must come in groups of size={size}, 2 or more")
    low, high = SWITCHES[switch]
    groups = as_rewards(rewards).float().view(-1, size)  # (P, G)
    spread = groups.std(1, keepdim=True, correction=0)  # (P, 1)
    A = groups - groups.mean(1, keepdim=True)
    if switch != "dr_grpo":
        A = A / (spread + 1e-4)
    A = A.view(-1, 1)  # (N, 1)
    length = mask.sum(1, keepdim=True).clamp(min=1)  # (N, 1)
    log_ratio = (new - old).where(mask, 0.0)  # (N, T)
    if switch == "gspo":
        log_ratio = (log_ratio.sum(1, keepdim=True) / length).expand_as(mask)
    ratio = log_ratio.exp()
    gain = torch.minimum(ratio * A, ratio.clamp(1 - low, 1 + high) * A).where(mask, 0.0)
    if switch == "dr_grpo":
        return -gain.sum() / (limit * len(gain))
    if switch == "dapo":
        useful = (spread > 0).repeat_interleave(size, 0)  # (N, 1): groups in which rewards differ
        return -gain.sum() / (length * useful).sum().clamp(min=1)
    return -(gain / length).sum() / len(gain)


# The package's RLVR: the loop's two halves, for a Trainer
class RLVR:
    """Batches that the model writes itself, rewarded by a program, and their loss, for a Trainer.

    Args:
        teller: A LanguageModel. The Trainer trains its model.
        questions: What is asked; each has a prompt.
        reward: Called as reward(question, text); returns a number.
        switch: As for policy_loss.
        size: Number of texts for each question.
        per_draw: Number of questions in a draw.
        updates: Number of training steps for each draw.
        seed: Seed of the random numbers.
        limit: Largest number of tokens of a text.

    Attributes:
        asked: The questions of the last draw.
        draws: The Draws of the last draw.
        rewards: Their rewards.
    """

    def __init__(
        self,
        teller,
        questions: Sequence,
        reward: Callable,
        switch: str = "grpo",
        size: int = 8,
        per_draw: int = 16,
        updates: int = 2,
        seed: int = 0,
        limit: int = 96,
    ):
        self.teller, self.questions, self.reward, self.switch = teller, questions, reward, switch
        self.size, self.per_draw, self.updates, self.seed, self.limit = size, per_draw, updates, seed, limit

    def batches(self, first: int = 0) -> Iterator[tuple]:
        """Yield (tokens, mask, old, rewards) without end. The draw of step number first begins anew."""
        for draw in count(first // self.updates):
            places = range(draw * self.per_draw, (draw + 1) * self.per_draw)
            self.asked = [self.questions[i % len(self.questions)] for i in places]
            generator = torch.Generator().manual_seed(self.seed * 10**6 + draw)
            prompts = [question.prompt for question in self.asked]
            self.draws = draw_texts(self.teller, prompts, self.size, 1.0, generator, self.limit)
            of_text = [question for question in self.asked for _ in range(self.size)]
            pairs = zip(of_text, self.draws.texts, strict=True)
            self.rewards = as_rewards([self.reward(question, text) for question, text in pairs])
            with torch.no_grad():
                old = token_log_probs(self.teller.model, self.draws.tokens)
            for _ in range(self.updates):
                yield self.draws.tokens, self.draws.mask, old, self.rewards

    def loss(self, model, batch: tuple) -> tuple:
        """Return the loss and 1, as a Trainer divides by the second number."""
        tokens, mask, old, rewards = batch
        new = token_log_probs(model, tokens)
        return policy_loss(new, old, rewards, mask, self.size, self.switch, self.limit), 1


# The package's run_sum, the tool
def run_sum(call: str) -> str:
    """Return the value of sums of number words, as a word, or "error" if it is none from one to ninety-nine.

    Args:
        call: Number words with + or - between them, such as "two + five - four".
    """
    total, sign = 0, 1
    for word in call.split():
        if word in ("+", "-"):
            sign = 1 if word == "+" else -1
        elif word in NUMBER_WORDS:
            total += sign * (NUMBER_WORDS.index(word) + 1)
        else:
            return "error"
    return NUMBER_WORDS[total - 1] if 1 <= total <= 99 else "error"


# The package's draw_with_tool: the loop stops at a call, and goes on after the result
def draw_with_tool(teller, prompts, run: Callable, max_new_tokens=48) -> Draws:
    """Continue each prompt at temperature 0; where a call ends, a program writes its result.

    Args:
        teller: A LanguageModel whose tokenizer has <tool> and </tool>.
        prompts: Texts to continue.
        run: Called with the text of a call; returns the result, which is written after a space.
        max_new_tokens: Largest number of tokens before the result, and after it.

    Returns:
        The texts with calls and results. The mask is False for results: the model did not write them.
    """
    tokenizer = teller.tokenizer
    begin, stop = (tokenizer.special_tokens[name] for name in (TOOL, END_TOOL))
    rows = prompt_rows(teller, prompts)
    first = written_until(teller, rows, (*teller.ends, stop), max_new_tokens)
    results = []
    for written in first:
        called = stop in written and begin in written
        call = tokenizer.decode(written[written.index(begin) + 1 : -1]) if called else ""
        results.append(tokenizer.encode(f" {run(call)}") if called else [])
    longer = [
        torch.tensor([*row.tolist(), *written, *result])
        for row, written, result in zip(rows, first, results, strict=True)
    ]
    going_on = [i for i, result in enumerate(results) if result]
    second = [[] for _ in rows]
    if going_on:
        more = written_until(teller, [longer[i] for i in going_on], teller.ends, max_new_tokens)
        for i, written in zip(going_on, more, strict=True):
            second[i] = written
    texts, sequences, learned = [], [], []
    for row, before, result, after in zip(rows, first, results, second, strict=True):
        new = [*before, *result, *after]
        texts.append(tokenizer.decode(list(until(new, teller.ends))))
        sequences.append([*row.tolist(), *new])
        parts = ((len(row) - 1, False), (len(before), True), (len(result), False), (len(after), True))
        learned.append([flag for n, flag in parts for _ in range(n)])
    tokens, _ = pad_batch(sequences, teller.end)  # (N, T)
    mask, _ = pad_batch(learned, 0)  # (N, T - 1)
    return Draws(texts, tokens, mask.bool())


def written_until(teller, rows, stop, room: int) -> list[list[int]]:
    """What the model writes after each row at temperature 0, up to a stop token, which is kept."""
    written = []
    for first in range(0, len(rows), 256):
        some = rows[first : first + 256]
        cache = KVCache(teller.model.config, len(some))
        drawn = generate(teller.model, some, room, 0.0, stop=stop, cache=cache)  # (256, n)
        for new in drawn.tolist():
            written.append(new[: len(list(until(new, stop))) + 1])
    return written
