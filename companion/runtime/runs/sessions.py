"""A run of training: steps, evaluations and saves, in a folder that the run claims.

The loop itself is `train` of chapter 7, which uses `open_run` for the rest. A trainer has model, config,
device, dtype, optimizers, batches, steps, tokens, seconds, losses, history and step(); one whose weights are
sharded also has `plain`, a copy of the model without numbers. Several processes all do what is written here,
in the same order.
"""

import dataclasses
import math
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from companion.runtime.files.atomic import claim, staged
from companion.runtime.runs.distributed import (
    any_process,
    broadcast,
    full_tensors,
    is_main,
    is_sharded,
    world_size,
)
from companion.runtime.runs.resuming import BEST, STATE, restore, save_run, write_log
from companion.runtime.runs.validation import data_identity
from companion.runtime.storage.checkpoints import CONFIG, TOKENIZER, WEIGHTS, check_file, unwrapped

FIRST_EVALUATION = 100  # steps; soon enough to see whether a run is going well


@dataclass
class Loss:
    """The mean surprise on a split: nats_per_token, and bits_per_byte of its text."""

    nats_per_token: float
    bits_per_byte: float


class TrainingDiverged(RuntimeError):
    """The loss or its gradient is no longer a finite number."""


def check_finite(trainer: Any, loss: float, gradient_norm: float = 0.0) -> None:
    """Raise TrainingDiverged if the loss, or the length of its gradient, is infinite or NaN."""
    if math.isfinite(loss) and math.isfinite(gradient_norm):
        return
    config = trainer.config
    raise TrainingDiverged(
        f"step {trainer.steps + 1}: loss {loss:.4g}, length of its gradient {gradient_norm:.4g}; lower"
        f" lr={config.lr:g} or grad_clip={config.grad_clip:g}, or raise warmup_steps={config.warmup_steps};"
        " see also that each batch has a target other than -100"
    )


@contextmanager
def catch_signals() -> Iterator[threading.Event]:
    """Let the first Ctrl-C, SIGTERM or SIGHUP set an event, which is yielded.

    A second signal does what it always does. With several processes, all further ones are ignored: torchrun
    passes on the one that the terminal has already sent to each process. A signal that is ignored already, as
    nohup ignores SIGHUP, stays ignored.
    """
    received = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread alone
        yield received
        return
    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.getsignal(number)

    def set_back():
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number, frame):
        received.set()
        if world_size() == 1:
            set_back()

    for number in before:
        signal.signal(number, handle)
    try:
        yield received
    finally:
        set_back()


@contextmanager
def open_run(
    trainer: Any, data: Any, folder: str | Path | None = None, resume: bool = False, progress: bool = False
) -> Iterator["Run"]:
    """Claim a run's folder, restore its place, catch Ctrl-C, and yield the run; at the end, save it.

    The caller's random state is restored at the end.

    Raises:
        ValueError: If another run has claimed the folder, or there is nothing in it to resume.
    """
    if resume:
        if folder is None:
            raise ValueError("folder=None has nothing to resume; give the folder of the saved run")
        check_file(Path(folder) / STATE)
    with ExitStack() as stack:
        signaled = stack.enter_context(catch_signals())
        if folder is not None and is_main():
            stack.enter_context(claim(folder))
        trainer.dtype = broadcast(trainer.dtype)  # "auto" is decided by a clock
        identity = None if folder is None else data_identity(data)
        if resume:
            restore(trainer, folder, identity)
        is_hidden = not (progress and is_main())
        bar = tqdm(total=trainer.config.steps, initial=trainer.steps, unit="step", disable=is_hidden)
        stack.enter_context(bar)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        run = Run(trainer, data, folder, identity, bar, signaled)
        yield run
        if run.saved_at != trainer.steps:
            run.save()


class Run:
    """A run in its folder, if it has one: its progress bar, its history and its saves."""

    def __init__(self, trainer, data, folder, identity, bar, signaled):
        self.trainer = trainer
        self.data = data
        self.folder = None if folder is None else Path(folder)
        self.identity = identity
        self.bar = bar
        self.signaled = signaled
        self.saved_at = trainer.steps if trainer.steps else None  # step of the last save

    def interrupted(self) -> bool:
        """Return whether a process got Ctrl-C. Raise KeyboardInterrupt if there is nothing to save yet."""
        if not any_process(self.signaled.is_set()):
            return False
        if self.trainer.steps == 0:
            raise KeyboardInterrupt("stopped before the first step; nothing was saved")
        return True

    def show(self, loss: float) -> None:
        """Move the progress bar by a step."""
        trainer = self.trainer
        self.bar.postfix = f"loss {loss:.3f}, {trainer.tokens / trainer.seconds:,.0f} tokens/s"
        self.bar.update()

    def record(self, row: dict, on_eval: Callable | None = None) -> None:
        """Append a row to the history, save, and only then call on_eval(model, row), which may fail."""
        row = broadcast(row)
        self.trainer.history.append(row)
        self.save()
        if on_eval is None:
            return
        model = self.model_for_report()
        added = on_eval(model, dict(row)) if is_main() else None
        row |= broadcast(added) or {}
        if is_main() and self.folder is not None:
            write_log(self.folder, self.trainer.history)

    def model_for_report(self) -> torch.nn.Module:
        """Return the model that on_eval gets; the main process can use it alone."""
        model = unwrapped(self.trainer.model)
        weights = model.state_dict()
        if any(is_sharded(tensor) for tensor in weights.values()):
            weights = full_tensors(weights)
            if is_main():
                model = self.trainer.plain
                model.load_state_dict(weights, assign=True)
                model.to(self.trainer.device)
        return model.eval()

    def save(self) -> None:
        """Write the run, if it has a folder. The weights with the lowest held-out loss are kept in best."""
        if self.folder is None:
            return
        step = self.trainer.steps
        best = lowest_row(self.trainer.history)["step"]
        if best == self.saved_at != step:  # the weights in the folder are the best ones, and make way
            self.copy_to_best()
        save_run(self.folder, self.trainer, self.data.tokenizer, self.identity, self.provenance())
        self.saved_at = step
        if best == step and (self.folder / BEST).is_dir():
            self.copy_to_best()

    def copy_to_best(self) -> None:
        """Copy the model in the run's folder to its folder best."""
        if is_main():
            with staged(self.folder / BEST) as new:
                for name in (CONFIG, TOKENIZER, WEIGHTS):
                    shutil.copyfile(self.folder / name, new / name)

    def provenance(self) -> dict:
        """Describe where the weights came from; "init" is the model that the run went on from."""
        trainer = self.trainer
        about = {
            "steps": trainer.steps,
            "train": dataclasses.asdict(trainer.config),
            "optimizers": [type(optimizer).__name__ for optimizer in trainer.optimizers],
            "data": self.data.meta,
        }
        origin = getattr(unwrapped(trainer.model), "origin", None)
        return about | ({"init": origin} if origin else {})


def lowest_row(history: list[dict]) -> dict:
    """Return the first evaluation with the lowest held-out loss; {"step": -1} if there is none."""
    return min(history, key=lambda row: row.get("val", math.inf), default={"step": -1})
