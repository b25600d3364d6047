"""What surrounds the steps of a training run: settings that are checked, Ctrl-C, saves and reports, time.

A trainer is handed in; of it this module uses model, config, device, dtype, optimizers, batches, steps,
tokens, seconds, losses, history and step(); where several processes share its steps, also rank, world and
plain. Then all of them do what stands here, in the same order; the first alone writes, prints and reports.
"""

import dataclasses
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from companion.runtime.checkpoints import (
    BEST,
    restore,
    run_identity,
    save_run,
    unwrapped,
    write_log,
    write_model,
)
from companion.runtime.devices import DTYPES
from companion.runtime.distributed import ECHO, Peers, peers_of, together, whole
from companion.runtime.files import claim, staged
from companion.runtime.fingerprints import tokenizer_fingerprint
from companion.runtime.prepared import row_starts
from companion.runtime.texts import end_of_text

FIRST_LOOK = 100
"""Steps until a run is first evaluated and saved: soon enough to see that it is going well."""
NOISE = 0.02
"""By what share a loss on held-out text may lie above its lowest, and mean nothing."""
LONGEST, SCORES = 2048, 2**27
"""Of an evaluation: tokens of a row, whose attention grows with their square; and scores, half a GB."""
LONG = 10.0
"""Seconds that the timing of steps may take, however few the minutes."""
MOST, MOST_SEED, MOST_MINUTES = 10**9, 10**12, 10**6


@dataclass
class Loss:
    """The mean surprise on a split: nats_per_token, and bits_per_byte of its text."""

    nats_per_token: float
    bits_per_byte: float


# -- before a run ------------------------------------------------------------------


def check_config(c: Any) -> None:
    """Fill in what a TrainConfig leaves to be worked out, min_lr and warmup_steps.

    Raises ValueError, in one line, for the first field that is out of its range.
    """
    if c.min_lr is None and isinstance(c.lr, (int, float)):
        c.min_lr = c.lr / 10
    if c.warmup_steps is None and isinstance(c.steps, int):
        c.warmup_steps = min(50, max(0, c.steps) // 2)
    least = {"steps": 1, "batch_size": 1, "context_length": 1, "accumulate": 1, "eval_every": 1}
    for name, low in (least | {"warmup_steps": 0, "seed": 0}).items():
        value, most = getattr(c, name), MOST_SEED if name == "seed" else MOST
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise ValueError(f"{name}={value!r} must be a whole number of at least {low}")
        if value > most:
            raise ValueError(f"{name}={value} must be at most {most:,}; lower it")
    for name in ("lr", "min_lr", "weight_decay", "grad_clip"):
        if not isinstance(getattr(c, name), (int, float)):
            raise ValueError(f"{name}={getattr(c, name)!r} must be a number")
    rules = [
        ("lr", 0 < c.lr <= 1, "above 0 and at most 1; try 0.003"),
        ("min_lr", 0 <= c.min_lr <= c.lr, f"from 0 to lr={c.lr}; leave it out for a tenth of lr"),
        ("warmup_steps", c.warmup_steps <= c.steps, f"at most steps={c.steps}; lower it, or raise steps"),
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
    end_of_text(data.tokenizer)
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
    evaluated every config.eval_every steps; each is counted as a third of a token trained on: the pass
    forward. Reports are not counted. Several processes each evaluate all of it, and do as many steps as the
    first says. Raises ValueError for minutes out of range.
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
    step = seconds / (len(marks) - 1 - first) + evaluation / trainer.config.eval_every
    return peers.same(min(MOST, max(1, int((60 * minutes - evaluation) / step))))


def _goes_on(marks: list[tuple[int, float]]) -> bool:
    """Whether more steps are timed: 5, and then up to 60 until those after the third took two seconds."""
    steps = len(marks) - 1
    return steps < 5 or (steps < 60 and marks[-1][1] - marks[3][1] < 2)


# -- a run ------------------------------------------------------------------


class TrainingDiverged(RuntimeError):
    """The loss or its gradient stopped being a number; the message says where, and what to try."""


def check_finite(trainer: Any, loss: float, norm: float | None = None) -> None:
    """TrainingDiverged where the loss, or the length of its gradient, is infinite or NaN.

    norm: of the gradient in a step; None for a loss that is only measured. Raises ValueError, in one line,
    where the step's batches have no target, so that there is no mean to take.
    """
    if norm is not None and math.isnan(loss):
        check_targets(trainer)
    norm = norm or 0.0
    if not math.isfinite(loss + norm):
        c = trainer.config
        raise TrainingDiverged(
            f"step {trainer.steps + 1}: loss {loss:.4g}, length of its gradient {norm:.4g}; "
            f"the last save is good; lower lr={c.lr:g} or grad_clip={c.grad_clip:g}, "
            f"or raise warmup_steps={c.warmup_steps}"
        )


def check_targets(trainer: Any) -> None:
    """ValueError where all targets of the step's batches are -100; they are drawn again to look.

    A batch that is not a pair (x, y) of tensors, with a loss of its own, is not looked at.
    """
    each = trainer.config.accumulate
    first = trainer.steps * each
    for _, batch in zip(range(each), trainer.batches(first), strict=False):
        if not isinstance(batch, (tuple, list)) or len(batch) != 2 or not torch.is_tensor(batch[1]):
            return
        if (batch[1] != -100).any():
            return
    which = f"batch {first}" if each == 1 else f"batches {first} to {first + each - 1}"
    raise ValueError(f"{which}: all targets are -100, so there is nothing to learn from; leave such rows out")


def set_rate(optimizers: list[torch.optim.Optimizer], rate: float, base: float) -> None:
    """Give each optimizer the learning rate of a step: rate, times its own first rate over base."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * (group.setdefault("initial_lr", group["lr"]) / base)


@contextmanager
def defer_interrupt(echo: float = 0.0) -> Iterator[list[int]]:
    """Hold back a first Ctrl-C and yield the list in which it is noted; a second one interrupts at once.

    echo: seconds in which further ones are no second one.
    """
    pressed: list[int] = []
    first = 0.0
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number, frame):
        nonlocal first
        if pressed and time.monotonic() > first + echo:
            raise KeyboardInterrupt
        first = first if pressed else time.monotonic()
        pressed.append(number)
        if not echo:
            signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def running(
    trainer: Any, data: Any, folder: str | Path | None = None, resume: bool = False, progress: bool = False
) -> Iterator["Run"]:
    """Around the steps of a run: its folder is claimed, its place restored, Ctrl-C waits for a step's end.

    The caller's random numbers are as before after it. Raises ValueError, in one line, for a folder that
    another run has claimed, or that holds nothing to resume, and where several processes disagree on what
    they train; ProcessLost where one of them has ended.
    """
    if resume and folder is None:
        raise ValueError("folder=None has nothing to resume; give the folder of the saved run")
    peers, runs = peers_of(trainer), []
    identity = {} if folder is None and peers.size == 1 else data_identity(data)
    with ExitStack() as stack:
        stack.enter_context(together(peers, lambda: saved_until(runs, folder, resume)))
        pressed = stack.enter_context(defer_interrupt(0.0 if peers.size == 1 else ECHO))
        if peers.first and folder is not None and (Path(folder).is_dir() or not resume):
            stack.enter_context(claim(folder))
        align(trainer, identity, peers)
        if resume:
            restore(trainer, folder, identity, data.tokenizer)
        hidden = not (progress and peers.first)
        bar = tqdm(total=trainer.config.steps, initial=trainer.steps, unit="step", disable=hidden)
        stack.enter_context(bar)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        runs.append(Run(trainer, data, folder, identity, bar, pressed))
        try:
            yield runs[0]
        except KeyboardInterrupt as stop:  # a second one
            if folder is None or str(stop):
                raise
            raise KeyboardInterrupt(f"stopped; {saved_until(runs, folder, resume)}") from None


def align(trainer: Any, identity: dict, peers: Peers) -> None:
    """Let several processes train the same: settings and data that agree, the first one's number format."""
    if peers.size > 1:
        c = trainer.config
        peers.agree(run_identity(trainer, identity) | {"steps": c.steps, "eval_every": c.eval_every})
        name = next(name for name, dtype in DTYPES.items() if dtype == trainer.dtype)
        trainer.dtype = DTYPES[peers.same(name)]


def saved_until(runs: list["Run"], folder: str | Path | None, resume: bool) -> str:
    """How a run that was cut off goes on. runs: the run, if it began."""
    if folder is None or not (resume or (runs and runs[0].saved > runs[0].begun)):
        return "nothing was saved yet"
    upto = f" up to step {runs[0].saved:,}" if runs else ""
    return f"{folder} holds it{upto}: go on from there with --resume"


class Run:
    """The order of things in a run: steps; an evaluation, where one is due; the save; and then the report."""

    def __init__(self, trainer, data, folder, identity, bar, pressed):
        self.trainer, self.data, self.folder, self.identity = trainer, data, folder, identity
        self.bar, self.pressed, self.peers = bar, pressed, peers_of(trainer)
        self.begun = self.saved = trainer.steps
        self.best = Best(folder, trainer)
        self.best.look(self.about)

    def goes_on(self) -> bool:
        """False at the end, and after Ctrl-C, when the steps since the last save are saved first.

        Raises KeyboardInterrupt, with a message, for a Ctrl-C before the first step.
        """
        if self.trainer.steps >= self.trainer.config.steps:
            return False
        pressed = self.peers.any(self.pressed)
        if pressed and self.trainer.steps == self.begun:
            raise KeyboardInterrupt("stopped before the first step; nothing was saved")
        if pressed and self.trainer.steps != self.saved:
            if self.folder is not None and not self.bar.disable:
                tqdm.write(f"Ctrl-C: step {self.trainer.steps:,} is being saved in {self.folder} …")
            self.save()
        return not pressed

    def show(self, loss: float) -> None:
        """Move the progress bar by a step."""
        trainer = self.trainer
        self.bar.postfix = f"loss {loss:.3f}, {trainer.tokens / trainer.seconds:,.0f} tokens/s"
        self.bar.update()

    def due(self) -> bool:
        """Whether the run is evaluated now: after FIRST_LOOK steps, every eval_every, and at the end."""
        step, config = self.trainer.steps, self.trainer.config
        return step % config.eval_every == 0 or step in (FIRST_LOOK, config.steps)

    def note(self, loss: Loss, on_eval: Callable | None = None) -> None:
        """Append a row to the history, save, then call on_eval(model, row) and note what it returns, too.

        So a report that fails, or a terminal that cannot show it, costs no step.
        """
        trainer = self.trainer
        check_finite(trainer, loss.nats_per_token)
        row = {"step": trainer.steps, "tokens": trainer.tokens, "seconds": round(trainer.seconds, 2)}
        row |= {"train": sum(trainer.losses) / len(trainer.losses), "val": loss.nats_per_token}
        row |= {"bits_per_byte": loss.bits_per_byte}
        row = self.peers.same(row)
        trainer.losses.clear()
        trainer.history.append(row)
        self.best.look(self.about)
        self.save()
        if on_eval:
            model = self.for_report()
            more = on_eval(model, dict(row)) if self.peers.first else None
            if more := self.peers.same(more) if self.peers.size > 1 else more:
                row |= more
                if self.peers.first and self.folder is not None:
                    write_log(self.folder, trainer.history)

    def for_report(self) -> torch.nn.Module:
        """The model that on_eval is given; of several processes, one that the first can use alone."""
        trainer = self.trainer
        if self.peers.size == 1:
            return trainer.model.eval()
        model = unwrapped(trainer.model)
        weights = model.state_dict()
        if any(hasattr(t, "device_mesh") for t in weights.values()):  # each process has a share
            weights = whole(weights, keep=self.peers.first)
            if self.peers.first:
                model = trainer.plain
                model.load_state_dict(weights, assign=True)
                model.to(trainer.device)
        return model.eval()

    def save(self) -> None:
        """Write the run, if it has a folder: a model, its log, and what resuming needs.

        First the best weights go into a folder of their own, if they are no longer the last. One Ctrl-C waits
        until all is written; if it is a second one, it then ends the run.
        """
        with defer_interrupt() if self.peers.size == 1 else nullcontext([]) as pressed:
            if self.folder is not None:
                if self.peers.first:
                    self.best.keep(self.data.tokenizer)
                save_run(self.folder, self.trainer, self.data.tokenizer, self.identity, self.about())
            self.saved = self.trainer.steps
        if pressed and self.pressed:
            raise KeyboardInterrupt
        self.pressed += pressed

    def about(self) -> dict:
        """Where the weights of now came from; "init" where they went on from others: the model's `origin`."""
        trainer = self.trainer
        origin = getattr(unwrapped(trainer.model), "origin", None)
        about = {"steps": trainer.steps, "train": dataclasses.asdict(trainer.config)}
        about |= {"optimizers": [type(optimizer).__name__ for optimizer in trainer.optimizers]}
        return about | {"data": self.data.meta} | ({"init": origin} if origin else {})


class Best:
    """The weights of the lowest loss on held-out text.

    They lie in the run's own folder while they are its last. From the first save at which they are not, they
    are in its folder `best`, a model as any other; what is in there is the best from then on.
    """

    def __init__(self, folder: str | Path | None, trainer: Any):
        self.folder, self.trainer, self.step = folder and Path(folder) / BEST, trainer, None
        self.kept = True  # if there is one of an earlier run

    def look(self, about: Callable[[], dict]) -> None:
        """Remember the weights of now, and what about() says of them, if their evaluation is the lowest."""
        step = self.trainer.steps
        if self.folder is not None and lowest_row(self.trainer.history)["step"] == step:
            state = whole(unwrapped(self.trainer.model).state_dict(), peers_of(self.trainer).first)
            self.weights = {name: t.detach().cpu().clone() for name, t in state.items()}
            self.about, self.step, self.kept = about(), step, False

    def keep(self, tokenizer: Any) -> None:
        """Write them, if the run moved on from them, or if older ones are there."""
        if self.kept or (self.step == self.trainer.steps and not self.folder.is_dir()):
            return
        with claim(self.folder), staged(self.folder) as new:
            write_model(new, self.trainer.model, tokenizer, self.about, self.weights)
        self.kept = True


def lowest_row(history: list[dict]) -> dict:
    """The evaluation with the lowest loss on held-out text, of equals the first; {"step": -1} for none."""
    return min(history, key=lambda row: row.get("val", math.inf), default={"step": -1})


def rises(history: list[dict]) -> bool:
    """Whether a run begins to learn its text by heart: its loss on held-out text rises, in training it falls.

    So it is if the last two evaluations are both above the lowest by more than NOISE of it, while the
    training loss is below the one of that time. A loss that rises with a raised learning rate is no such.
    """
    lowest = lowest_row(history)
    above = [row["val"] > (1 + NOISE) * lowest["val"] and row["train"] < lowest["train"] for row in history]
    return len(history) > 2 and all(above[-2:])
