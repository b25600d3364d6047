"""What several chapters and figures measure in a model: what it recalls, expects and computes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from companion.runtime.data.prepared import row_starts
from companion.runtime.models.modules import eval_mode
from companion.village import recalled_tokens

ROWS_AT_ONCE = 25


class RecallMeasure:
    """Measures models on stories of the village: bits per byte, and bits per recalled word.

    A word is recalled if what the story said before determines it.

    Args:
        texts: Stories of the village.
        split: The same stories, encoded by `encode_documents`.
        tokenizer: The tokenizer that encoded them.

    Attributes:
        recalled: For each token of the split 1 if it is part of a recalled word, else 0.
        n_recalled: The number of recalled words.
    """

    def __init__(self, texts: Sequence[str], split, tokenizer):
        self.split = split
        self.recalled, self.n_recalled = recalled_tokens(texts, split.starts, split.tokens, tokenizer.decode)

    @torch.no_grad()
    def __call__(self, model: nn.Module, length: int = 256) -> tuple[float, float]:
        """Measure one model.

        Args:
            model: A language model. It turns tokens (B, T) into logits (B, T, V).
            length: Largest number of tokens in a row. Longer stories are cut.

        Returns:
            Bits per byte, and bits per recalled word.
        """
        spans = list(pairwise(row_starts(self.split.starts, length).tolist()))  # (start, end) of each row
        end = int(self.split.tokens[0])  # <|endoftext|>, which pads the inputs
        nats = 0.0
        nats_recalled = 0.0
        for first in range(0, len(spans), ROWS_AT_ONCE):
            batch = spans[first : first + ROWS_AT_ONCE]
            rows = [torch.tensor(self.split.tokens[a : b + 1].astype("int64")) for a, b in batch]
            recalled = [torch.tensor(self.recalled[a + 1 : b + 1]) for a, b in batch]
            inputs = pad_sequence([row[:-1] for row in rows], batch_first=True, padding_value=end)  # (B, T)
            targets = pad_sequence([row[1:] for row in rows], batch_first=True, padding_value=-100)  # (B, T)
            is_recalled = pad_sequence(recalled, batch_first=True) == 1  # (B, T), of the targets
            logits = model(inputs)  # (B, T, V)
            losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
            losses = losses.double()  # padding has the loss 0
            nats += losses.sum().item()
            nats_recalled += losses[is_recalled.flatten()].sum().item()
        bits = nats / math.log(2)
        bits_recalled = nats_recalled / math.log(2)
        return bits / self.split.n_bytes, bits_recalled / self.n_recalled


@contextmanager
def recorded_calls(module: nn.Module) -> Iterator[list[tuple]]:
    """Record the calls in a module, without dropout and without gradients.

    Yields:
        A list, to which each call of the module and of its parts adds (part, first input, output) at its end.
    """
    calls: list[tuple] = []
    hooks = [
        part.register_forward_hook(
            lambda part, args, out: calls.append((part, args[0] if args else None, out))
        )
        for part in module.modules()
    ]
    try:
        with torch.no_grad(), eval_mode(module):
            yield calls
    finally:
        for hook in hooks:
            hook.remove()


def attention_layers(model) -> list:
    """A model's attention layers, in order: its parts with project(x)."""
    return [part for part in model.modules() if callable(getattr(part, "project", None))]


def attention_weights(model, tokens):
    """What each head looks at while a model reads tokens.

    Row i of a head's matrix has the weights that token i gives to tokens 0 to i. Each row sums to 1. The
    weights are the causal softmax of the scaled products of the queries and keys that the layer's project
    gives, within the layer's window if it has one. A key that several heads share counts for each of them.

    Args:
        model: Takes tokens (1, T) int64.
        tokens: The tokens, (1, T) int64.

    Returns:
        The weights of each layer, (H, T, T).
    """
    weights = []
    all_pairs = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool)
    with recorded_calls(model) as calls:
        model(tokens)
        inputs = {part: x for part, x, _ in calls}
        for layer in attention_layers(model):
            q, k, _ = layer.project(inputs[layer])
            unseen = all_pairs.triu(1)  # (T, T)
            window = getattr(layer, "window", None)
            if window is not None:
                unseen = unseen | all_pairs.tril(-window)
            k = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)  # (1, H, T, D)
            scores = (q @ k.transpose(-2, -1))[0].float().cpu() / q.shape[-1] ** 0.5  # (H, T, T)
            weights.append(scores.masked_fill(unseen, float("-inf")).softmax(-1))
    return weights


@torch.no_grad()
def name_probability(model: nn.Module, tokenizer, text: str, name: str, *cache) -> float:
    """Compute the probability that a name comes next after a text.

    A name may have several tokens: "Mara" is "M" and "ara". Their probabilities are multiplied.

    Args:
        model: A language model. It turns tokens (1, T) into logits (1, T, V).
        tokenizer: The tokenizer of the model.
        text: The text so far.
        name: The name, with the space before it if there is one.
        cache: What the model is given after the tokens, if anything.

    Returns:
        The probability.
    """
    start = len(tokenizer.encode(text))
    ids = torch.tensor([tokenizer.end, *tokenizer.encode(text + name)])  # (T,)
    log_p = model(ids[None], *cache)[0].log_softmax(dim=-1)  # (T, V)
    total = 0.0
    for t in range(start, len(ids) - 1):
        total += log_p[t, ids[t + 1]].item()
    return math.exp(total)


@torch.no_grad()
def residual_streams(model: nn.Module, tokens: torch.Tensor) -> list[torch.Tensor]:
    """Return the residual stream before the first block and after each block.

    Args:
        model: A model of the course with L blocks.
        tokens: Token ids, (B, T).

    Returns:
        L + 1 tensors, (B, T, C) each.
    """
    x = model.embed(tokens)  # (B, T, C)
    streams = [x]
    for block in model.blocks:
        x = block(x)
        streams.append(x)
    return streams


# -- chapter 2's n-gram model for a whole text at once --------------------------------------


def ngram_probabilities(train_tokens, tokens, vocab_size: int, longest: int = 5):
    """Compute the probability of each token of a text after the tokens before it, by smoothed counts.

    Contexts of 0, 1, ..., longest - 1 tokens are counted in the training text and mixed by Witten-Bell
    smoothing, from the shortest to the longest. Contexts run across the ends of documents.

    Args:
        train_tokens: Token ids of the training text, one-dimensional.
        tokens: Token ids of the text to predict, one-dimensional.
        vocab_size: Number of different tokens, V. `V ** longest` must be below `2 ** 63`.
        longest: Tokens in the longest n-gram, counting the one that is predicted.

    Returns:
        Two arrays of shape (len(tokens) - longest + 1,). They have the probability of each token from index
        longest - 1 on, and whether the longest - 1 tokens before it occur in the training text.

    Reference:
        Witten and Bell, 1991, The zero-frequency problem, method C.
    """
    train_tokens = np.asarray(train_tokens, dtype=np.int64)
    tokens = np.asarray(tokens, dtype=np.int64)
    n_predicted = len(tokens) - longest + 1
    probabilities = np.full(n_predicted, 1 / vocab_size)
    for n in range(1, longest + 1):
        ngrams, counts = np.unique(ngram_numbers(train_tokens, n, vocab_size), return_counts=True)
        # sorted n-grams with the same context are neighbors: `first` is where each context begins
        contexts, first, n_followers = np.unique(ngrams // vocab_size, return_index=True, return_counts=True)
        context_counts = np.add.reduceat(counts, first)

        predicted = ngram_numbers(tokens, n, vocab_size)[-n_predicted:]
        count = look_up(ngrams, counts, predicted)
        context_count = look_up(contexts, context_counts, predicted // vocab_size)
        followers = look_up(contexts, n_followers, predicted // vocab_size)

        seen = context_count > 0
        mixed = (count + followers * probabilities) / np.maximum(context_count + followers, 1)
        probabilities = np.where(seen, mixed, probabilities)
    return probabilities, seen


def ngram_numbers(tokens: np.ndarray, n: int, vocab_size: int) -> np.ndarray:
    """Return each run of n tokens as one number whose digits in base vocab_size are the token ids."""
    n_runs = len(tokens) - n + 1
    numbers = np.zeros(n_runs, dtype=np.int64)
    for i in range(n):
        numbers = numbers * vocab_size + tokens[i : i + n_runs]
    return numbers


def look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the value of each wanted key, and 0 for a key that is not among the sorted keys."""
    places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)
