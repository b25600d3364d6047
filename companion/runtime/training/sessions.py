"""What surrounds the steps of a training run: Ctrl-C, saves, reports, several processes.

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

import torch
from tqdm import tqdm

from companion.runtime.files.arguments import NotFinite
from companion.runtime.files.whole_files import Unwritten, claim, staged
from companion.runtime.models.devices import DTYPES
from companion.runtime.storage.checkpoints import unwrapped, write_model
from companion.runtime.training.distributed import ECHO, Peers, peers_of, together, whole
from companion.runtime.training.resuming import BEST, restore, run_identity, save_run, write_log
from companion.runtime.training.validation import data_identity

FIRST_LOOK = 100  # steps until a run is first evaluated and saved: soon enough to see that it is going well
NOISE = 0.02  # by what share a loss on held-out text may lie above its lowest, and mean nothing
NOT_SAVED = "nothing was saved yet"


@dataclass
class Loss:
    """The mean surprise on a split: nats_per_token, and bits_per_byte of its text."""

    nats_per_token: float
    bits_per_byte: float


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
        found = f"loss {loss:.4g}, length of its gradient {norm:.4g}"
        raise TrainingDiverged(f"step {trainer.steps + 1}: {found}; lower lr={trainer.config.lr:g}")


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

    echo: Ignore further interrupts for this many seconds.
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
        except OSError as error:
            if folder is None or type(error) not in (OSError, Unwritten):  # not a full disk's
                raise
            raise OSError(f"{error}; {saved_until(runs, folder, resume)}") from None
        except (TrainingDiverged, NotFinite) as error:
            c = trainer.config
            if isinstance(error, NotFinite):  # the loss on what is held out
                error = f"step {trainer.steps + 1}: loss nan, length of its gradient 0; lower lr={c.lr:g}"
            more = f" or grad_clip={c.grad_clip:g}, or raise warmup_steps={c.warmup_steps}"
            kept = "" if folder is None else f"; {saved_up_to(runs, folder, resume)}"
            raise TrainingDiverged(f"{error}{more}{kept}") from None


def align(trainer: Any, identity: dict, peers: Peers) -> None:
    """Let several processes train the same: settings and data that agree, the first one's number format."""
    if peers.size > 1:
        c = trainer.config
        peers.agree(run_identity(trainer, identity) | {"steps": c.steps, "eval_every": c.eval_every})
        name = next(name for name, dtype in DTYPES.items() if dtype == trainer.dtype)
        trainer.dtype = DTYPES[peers.same(name)]


def saved_until(runs: list["Run"], folder: str | Path | None, resume: bool) -> str:
    """How a run that was cut off goes on. runs: the run, if it began."""
    held = saved_up_to(runs, folder, resume)
    return f"{held}: go on from there with --resume" if held != NOT_SAVED else held


def saved_up_to(runs: list["Run"], folder: str | Path | None, resume: bool) -> str:
    """What is saved of a run that was cut off."""
    if folder is None or not (resume or (runs and runs[0].saved > runs[0].begun)):
        return NOT_SAVED
    return f"{folder} holds it" + (f" up to step {runs[0].saved:,}" if runs else "")


class Run:
    """The order of things in a run: steps; an evaluation, where one is due; the save; and then the report."""

    def __init__(self, trainer, data, folder, identity, bar, pressed):
        self.trainer, self.data, self.folder, self.identity = trainer, data, folder, identity
        self.bar, self.pressed, self.peers = bar, pressed, peers_of(trainer)
        self.begun = self.saved = trainer.steps
        self.best = Best(folder, trainer)
        self.best.look(self.about)

    def goes_on(self) -> bool:
        """False at the end, and after Ctrl-C, when the steps since the last save are saved first."""
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
        """Append a row to the history, save, and only then call on_eval(model, row), which may fail."""
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
