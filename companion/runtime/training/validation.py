"""What is checked and worked out before the first step of a training run: settings, rows, how many steps fit.

Corpora, models and trainers are handed in: this module knows no chapter.
"""

import math
from typing import Any

import numpy as np
import torch

from companion.runtime.data.prepared import row_starts
from companion.runtime.models.devices import DTYPES
from companion.runtime.storage.checkpoints import unwrapped
from companion.runtime.text.fingerprints import tokenizer_fingerprint
from companion.runtime.training.distributed import peers_of, together

LONGEST, SCORES = 2048, 2**27
"""Of an evaluation: tokens of a row, whose attention grows with their square; and scores, half a GB."""
LONG = 10.0  # seconds that the timing of steps may take, however few the minutes
EVALUATIONS = 3  # how often a run is evaluated at least, unless its settings say otherwise
MOST, MOST_SEED, MOST_MINUTES = 10**9, 10**12, 10**6


def check_config(c: Any) -> None:
    """Check the settings of a TrainConfig; min_lr and warmup_steps may be None, to be worked out later."""
    least = {"steps": 1, "batch_size": 1, "context_length": 1, "accumulate": 1, "eval_every": 1}
    for name, low in (least | {"warmup_steps": 0, "seed": 0}).items():
        value = getattr(c, name)
        most = MOST_SEED if name == "seed" else MOST
        if value is None and name == "warmup_steps":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise ValueError(f"{name}={value!r} must be a whole number of at least {low}")
        if value > most:
            raise ValueError(f"{name}={value} must be at most {most:,}; lower it")
    numbers = ["lr", "min_lr", "weight_decay", "grad_clip"]
    if c.min_lr is None:
        numbers.remove("min_lr")
    for name in numbers:
        if not isinstance(getattr(c, name), (int, float)):
            raise ValueError(f"{name}={getattr(c, name)!r} must be a number")
    min_lr = 0 if c.min_lr is None else c.min_lr
    warmup_steps = 0 if c.warmup_steps is None else c.warmup_steps
    rules = [
        ("lr", 0 < c.lr <= 1, "above 0 and at most 1; try 0.003"),
        ("min_lr", 0 <= min_lr <= c.lr, f"from 0 to lr={c.lr}; leave it out for a tenth of lr"),
        ("warmup_steps", warmup_steps <= c.steps, f"at most steps={c.steps}; lower it, or raise steps"),
        ("weight_decay", 0 <= c.weight_decay < math.inf, "at least 0; try 0.1"),
        ("betas", _are_betas(c.betas), "a pair, 0 to below 1"),
        ("grad_clip", c.grad_clip > 0, "above 0; try 1, or inf (in Python float('inf')) for no clipping"),
        ("dtype", c.dtype in ("auto", *DTYPES), "auto, float32 or bfloat16"),
    ]
    for name, holds, rule in rules:
        if not holds:
            raise ValueError(f"{name}={getattr(c, name)!r} must be {rule}")


def warmup_within(steps: int, asked: int | None) -> int | None:
    """A preset's warm-up; None, which TrainConfig works out, where it is longer than half of the run."""
    return None if asked is not None and asked > steps // 2 else asked


def evaluations_within(steps: int, eval_every: int) -> int:
    """The steps from one evaluation to the next: as a preset has it, or fewer, for EVALUATIONS in a run."""
    return max(1, min(eval_every, steps // EVALUATIONS))


def _are_betas(betas: Any) -> bool:
    """Whether betas is a pair of numbers from 0 to below 1."""
    try:
        return len(betas) == 2 and all(0 <= b < 1 for b in betas)
    except TypeError:
        return False


def check_rows(split: Any, context_length: int) -> None:
    """ValueError where a split has no more than context_length tokens, so not one full row."""
    if (n_tokens := len(split.tokens)) <= context_length:
        asked = f"context_length={context_length}"
        raise ValueError(
            f"{asked} must be below the {n_tokens} tokens of the data; shorten it, or take more text"
        )


def check_fit(model: torch.nn.Module, data: Any, config: Any) -> None:
    """ValueError, in one line, where model, data (a Corpus) and config do not fit one another."""
    asked = {"context_length": config.context_length, "vocab_size": data.tokenizer.vocab_size}
    for name, value in asked.items():
        if value > (most := getattr(unwrapped(model).config, name)):
            raise ValueError(f"{name}={value} is above the model's {most}; lower it, or grow the model")
    data.tokenizer.check_end()
    check_rows(data.train, config.context_length)
    if len(data.val.starts) < 2:
        raise ValueError("data.val has no documents to take a loss on; hold out at least one")


def data_identity(data: Any) -> dict:
    """What tells a Corpus from others when a run goes on: its counts, its tokenizer and its tokens."""
    split = data.train
    return {
        "tokens": len(split.tokens),
        "documents": len(split.starts) - 1,
        "tokenizer": tokenizer_fingerprint(data.tokenizer),
        "text": split.fingerprint,
    }


def rows_at_once(starts: Any, config: Any) -> tuple[int, int]:
    """(context_length, batch_size) for evaluate: a model's whole context, but at most LONGEST tokens, and as
    many rows of a Split with these starts, 1 to 32, as have at most SCORES scores together.
    """
    length = min(config.context_length, LONGEST)
    longest = int(np.diff(row_starts(starts, length)).max(initial=1))
    return length, max(1, min(32, SCORES // (longest * config.vocab_size)))


def steps_within(trainer: Any, minutes: float, eval_tokens: int = 0) -> int:
    """How many steps, evaluations included, take about so many minutes here; at least 1.

    trainer: one to throw away, of a copy of the model: it trains for two seconds or so; where steps are slow,
    until a tenth of the minutes is over, and for one step at least. eval_tokens: of the split that is
    evaluated; each is counted as a third of a token trained on, for its forward pass. Reports do not count.
    """
    if not 0 < minutes <= MOST_MINUTES:
        raise ValueError(f"minutes={minutes} must be above 0 and at most {MOST_MINUTES:,}")
    peers, most = peers_of(trainer), max(LONG, 6 * minutes)
    marks = [(0, 0.0)]  # tokens and seconds, after each step
    with together(peers), torch.random.fork_rng(devices=[]):
        while peers.same(len(marks) == 1 or (_goes_on(marks) and marks[-1][1] < most)):
            trainer.step()
            marks.append((trainer.tokens, trainer.seconds))
    first = min(3, len(marks) - 2)  # the first ones are slower, and left out where there are others
    tokens, seconds = (after - before for after, before in zip(marks[-1], marks[first], strict=True))
    evaluation = eval_tokens / 3 * seconds / tokens * peers.size
    step = seconds / (len(marks) - 1 - first)
    steps = (60 * minutes - evaluation) / (step + evaluation / trainer.config.eval_every)
    if steps < EVALUATIONS * trainer.config.eval_every:  # evaluated more often than eval_every says
        steps = max(60 * minutes - EVALUATIONS * evaluation, 30 * minutes) / step
    return peers.same(min(MOST, max(1, int(steps))))


def _goes_on(marks: list[tuple[int, float]]) -> bool:
    """Whether more steps are timed: 5, and then up to 60 until those after the third took two seconds."""
    steps = len(marks) - 1
    return steps < 5 or (steps < 60 and marks[-1][1] - marks[3][1] < 2)
