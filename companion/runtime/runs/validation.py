"""Checks of the settings of a training run.

Corpora, models and trainers are handed in: this module knows no chapter.
"""

import math
from typing import Any

import numpy as np
import torch

from companion.runtime.data.prepared import row_starts
from companion.runtime.models.devices import DTYPES
from companion.runtime.storage.checkpoints import unwrapped
from companion.runtime.text.tokenizer import tokenizer_fingerprint

MAX_ROW = 2048  # tokens of a row of an evaluation, whose attention grows with their square
MAX_SCORES = 2**27  # scores of a batch of an evaluation: half a GB
EVALUATIONS = 3  # the smallest number of evaluations of a run, unless its settings say otherwise
MAX_COUNT = 10**9
MAX_SEED = 10**12


def check_config(c: Any) -> None:
    """Raise ValueError for a setting of a TrainConfig that is out of range.

    min_lr and warmup_steps may be None, to be worked out later.
    """
    smallest = {"steps": 1, "batch_size": 1, "context_length": 1, "accumulate": 1, "eval_every": 1, "seed": 0}
    if c.warmup_steps is not None:
        smallest["warmup_steps"] = 0
    for name, least in smallest.items():
        value = getattr(c, name)
        most = MAX_SEED if name == "seed" else MAX_COUNT
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"{name}={value!r} must be a whole number from {least} to {most:,}")
    for name in ("lr", "min_lr", "weight_decay", "grad_clip"):
        value = getattr(c, name)
        if not isinstance(value, (int, float)) and not (name == "min_lr" and value is None):
            raise ValueError(f"{name}={value!r} must be a number")
    is_pair = isinstance(c.betas, (tuple, list)) and len(c.betas) == 2
    rules = [
        ("lr", 0 < c.lr <= 1, "above 0 and at most 1; try 0.003"),
        ("min_lr", 0 <= (c.min_lr or 0) <= c.lr, f"from 0 to lr={c.lr}; leave it out for a tenth of lr"),
        ("warmup_steps", (c.warmup_steps or 0) <= c.steps, f"at most steps={c.steps}; lower it"),
        ("weight_decay", 0 <= c.weight_decay < math.inf, "at least 0; try 0.1"),
        ("betas", is_pair and all(0 <= beta < 1 for beta in c.betas), "a pair, 0 to below 1"),
        ("grad_clip", c.grad_clip > 0, "above 0; try 1, or inf (in Python float('inf')) for no clipping"),
        ("dtype", c.dtype in ("auto", *DTYPES), "auto, float32 or bfloat16"),
    ]
    for name, holds, rule in rules:
        if not holds:
            raise ValueError(f"{name}={getattr(c, name)!r} must be {rule}")


def warmup_within(steps: int, asked: int | None) -> int | None:
    """Return a preset's warm-up; None, which TrainConfig works out, if it is longer than half of the run."""
    return None if asked is not None and asked > steps // 2 else asked


def evaluations_within(steps: int, eval_every: int) -> int:
    """Return the steps between evaluations: eval_every, or fewer, for EVALUATIONS in a run."""
    return max(1, min(eval_every, steps // EVALUATIONS))


def check_rows(split: Any, context_length: int) -> None:
    """Raise ValueError if a split has no more than context_length tokens, so not one full row."""
    n_tokens = len(split.tokens)
    if n_tokens <= context_length:
        raise ValueError(f"{context_length=} must be below the {n_tokens} tokens of the data; shorten it")


def check_fit(model: torch.nn.Module, data: Any, config: Any) -> None:
    """Raise ValueError if model, data (a Corpus) and config do not fit one another."""
    asked = {"context_length": config.context_length, "vocab_size": data.tokenizer.vocab_size}
    for name, value in asked.items():
        most = getattr(unwrapped(model).config, name)
        if value > most:
            raise ValueError(f"{name}={value} is above the model's {most}; lower it, or grow the model")
    data.tokenizer.check_end()
    check_rows(data.train, config.context_length)
    if len(data.val.starts) < 2:
        raise ValueError("data.val has no documents to take a loss on; hold out at least one")


def data_identity(data: Any) -> dict:
    """Return what tells a Corpus from others when a run goes on: its counts, its tokenizer and its tokens."""
    split = data.train
    return {
        "tokens": len(split.tokens),
        "documents": len(split.starts) - 1,
        "tokenizer": tokenizer_fingerprint(data.tokenizer),
        "text": split.fingerprint,
    }


def rows_at_once(starts: Any, config: Any) -> tuple[int, int]:
    """Return (context_length, batch_size) for evaluate on a Split with these starts.

    The length is a model's context, but at most MAX_ROW tokens. There are 1 to 32 rows, which have at most
    MAX_SCORES scores together.
    """
    length = min(config.context_length, MAX_ROW)
    longest = int(np.diff(row_starts(starts, length)).max(initial=1))
    return length, max(1, min(32, MAX_SCORES // (longest * config.vocab_size)))
