"""A run of training: steps, evaluations and saves, in a folder that the run claims.

The loop itself is `train` of chapter 7, which uses `open_run` for the rest. A trainer has model, config,
device, dtype, optimizers, batches, steps, tokens, seconds, losses, history and step(); one whose weights are
sharded also has `plain`, a copy of the model without numbers. Several processes all do what is written here,
in the same order.
"""

import dataclasses
import math
import os
import shutil
import signal
import sys
import threading
import time
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
from companion.runtime.runs.validation import MAX_COUNT, data_identity, evaluations_within
from companion.runtime.storage.checkpoints import CONFIG, TOKENIZER, WEIGHTS, check_file, unwrapped
from companion.runtime.terminal import is_terminal

BETWEEN_LINES = 10.0  # seconds between two lines of progress where there is no terminal
FIRST_EVALUATION = 100  # steps; soon enough to see whether a run is going well
BY_TIME = "{percentage:3.0f}%|{bar}| step {n_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
"""The progress of a run that ends by the clock, without its number of steps, which is planned after each."""
TIMED = 20  # steps, or a tenth of the time, after which the speed of a run is known


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

    A second signal of its kind does what it always does. With several processes, all further ones are
    ignored: torchrun passes on the one that the terminal has already sent to each process. A signal that is
    ignored already, as nohup ignores SIGHUP, stays ignored.
    """
    received = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread alone
        yield received
        return
    before = {}

    def handle(number, frame):
        received.set()
        if world_size() == 1:
            signal.signal(number, before[number])

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Clock:
    """The time that a run has taken, and the number of steps that fit into its time.

    The number of steps is planned from the speed of the steps so far, and planned again after each step. It
    is the number of steps done, divided by the share of the time that has passed. So the learning rate falls
    with the time, and has fallen to its end when the time is over, whatever else the machine does.

    Args:
        seconds: The time of the whole run, evaluations included. None for a run of a fixed number of steps.
        most_steps: The largest number of steps.
        elapsed: Seconds that a resumed run has behind it.
        eval_every: Most steps between two evaluations, for a new run that has at least three. None to leave
            the setting of the run as it is.
        now: Returns the time in seconds.
    """

    def __init__(
        self,
        seconds: float | None = None,
        most_steps: int = MAX_COUNT,
        elapsed: float = 0.0,
        eval_every: int | None = None,
        now: Callable[[], float] = time.perf_counter,
    ):
        self.seconds = seconds
        self.most_steps = most_steps
        self.before = elapsed
        self.eval_every = eval_every
        self.now = now
        self.evaluation = 0.0  # seconds that the last evaluation took
        self.knows_speed = False  # whether the steps are planned yet
        self.share = 1.0  # of the time of its threads that this process had
        self.start()

    def start(self) -> None:
        """Let the time begin."""
        self.begun = self.now()
        self.cpu_begun = time.process_time()
        self.ended: float | None = None

    def stop(self) -> None:
        """Let the time end, and note which share of its threads' time this process got."""
        self.ended = self.now()
        had = max(self.trained(), 1e-9) * torch.get_num_threads()
        self.share = min(1.0, (time.process_time() - self.cpu_begun) / had)

    def trained(self) -> float:
        """Return the seconds since the run began or was resumed."""
        return (self.now() if self.ended is None else self.ended) - self.begun

    def elapsed(self) -> float:
        """Return the seconds of the run, those before it was resumed included."""
        return self.before + self.trained()

    def plan(self, config: Any, steps: int) -> None:
        """Set the steps of a TrainConfig to what fits into the time, and its warm-up to half of them at most.

        Args:
            config: The settings of the run.
            steps: Steps that are done.
        """
        if self.seconds is None:
            return
        elapsed = self.elapsed()
        if steps % config.eval_every == 0 and steps:
            elapsed += self.evaluation  # one comes now
        share = elapsed / max(self.seconds - self.evaluation, self.seconds / 2)  # the last one needs time too
        if share >= 1:
            planned = max(1, steps)
        elif steps < TIMED and share < 0.1:
            planned = max(config.steps, steps + 1)
        else:
            planned = max(round(steps / share), steps + 1)
            self.knows_speed = True
            if self.eval_every and steps <= TIMED:
                config.eval_every = evaluations_within(planned, self.eval_every)
        config.steps = min(planned, self.most_steps)
        config.warmup_steps = min(config.warmup_steps, config.steps // 2)


@contextmanager
def open_run(
    trainer, data, folder, resume: bool, progress: bool, clock: Clock | None, origin: dict | None
) -> Iterator["Run"]:
    """Claim a run's folder, restore its place, catch Ctrl-C, and yield the run; at the end, save it.

    The caller's random state is restored at the end. The arguments are those of chapter 7's train.

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
        identity = None if folder is None else data_identity(data)
        if resume:
            restore(trainer, folder, identity)
        is_shown = progress and is_main()
        in_terminal = is_terminal(sys.stderr)
        screen = sys.stderr if in_terminal else stack.enter_context(open(os.devnull, "w"))
        bar = tqdm(initial=trainer.steps, unit="step", disable=not is_shown, file=screen)
        stack.enter_context(bar)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        prints_lines = is_shown and not in_terminal
        run = Run(trainer, data, folder, identity, bar, signaled, clock or Clock(), origin, prints_lines)
        run.plan()
        yield run
        run.clock.stop()
        if run.saved_at != trainer.steps:
            run.save()


class Run:
    """A run in its folder, if it has one: its time, its line of progress, its history and its saves."""

    def __init__(self, trainer, data, folder, identity, bar, signaled, clock, origin, prints_lines):
        self.trainer = trainer
        self.data = data
        self.folder = None if folder is None else Path(folder)
        self.identity = identity
        self.bar = bar
        self.signaled = signaled
        self.saved_at = trainer.steps if trainer.steps else None  # step of the last save
        self.clock = clock
        self.origin = origin
        self.clock.start()
        self.stepped_at = self.printed_at = self.clock.elapsed()
        self.prints_lines = prints_lines
        self.marks = ""  # the judge's marks on the last sample

    def interrupted(self) -> bool:
        """Return whether a process got Ctrl-C. Raise KeyboardInterrupt if there is nothing to save yet."""
        if not any_process(self.signaled.is_set()):
            return False
        if self.trainer.steps == 0:
            raise KeyboardInterrupt("stopped before the first step; nothing was saved")
        return True

    def plan(self) -> None:
        """Plan the steps that fit into the run's time, the same ones in all processes."""
        if self.clock.seconds is None:
            return
        config = self.trainer.config
        self.clock.plan(config, self.trainer.steps)
        planned = broadcast((config.steps, config.warmup_steps, config.eval_every))
        config.steps, config.warmup_steps, config.eval_every = planned

    def show(self, loss: float) -> None:
        """Plan the steps anew after one of them, and show how far the run is.

        In a terminal this is a progress bar, elsewhere a line every ten seconds.
        """
        self.plan()
        self.stepped_at = self.clock.elapsed()
        if self.clock.seconds is None or self.clock.knows_speed:
            self.bar.total = self.trainer.config.steps
        if self.clock.knows_speed:
            self.bar.bar_format = BY_TIME
        self.bar.set_postfix_str(f"loss {loss:.3f}  {self.marks}".rstrip(), refresh=False)
        self.bar.update()
        if self.prints_lines and self.stepped_at - self.printed_at >= BETWEEN_LINES:
            self.printed_at = self.stepped_at
            print(self.bar, file=sys.stderr, flush=True)

    def record(self, row: dict, on_eval: Callable | None = None) -> None:
        """Append a row to the history, save, and only then call on_eval(model, row), which may fail.

        What on_eval returns is added to the row, except for its marks, which the progress bar shows.
        """
        row = broadcast(row)
        self.trainer.history.append(row)
        self.save()
        if on_eval is not None:
            model = self.model_for_report()
            added = broadcast(on_eval(model, dict(row)) if is_main() else None) or {}
            self.marks = added.pop("marks", "")
            row |= added
            if is_main() and self.folder is not None:
                write_log(self.folder, self.trainer.history)
        self.clock.evaluation = self.clock.elapsed() - self.stepped_at

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
        if best == self.saved_at and best != step:  # the best weights are in the folder, and make way
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
        """Describe where the weights came from; "init" is the model that the run went on from.

        "clock" is the time of a run that ends by the clock.
        """
        trainer = self.trainer
        about = {
            "steps": trainer.steps,
            "train": dataclasses.asdict(trainer.config),
            "optimizers": [type(optimizer).__name__ for optimizer in trainer.optimizers],
            "data": self.data.meta,
        }
        if self.clock.seconds is not None:
            times = {"elapsed": round(self.clock.elapsed(), 2), "seconds": round(self.clock.seconds, 2)}
            if self.clock.most_steps < MAX_COUNT:
                times["most_steps"] = self.clock.most_steps
            about["clock"] = times
        if self.origin:
            about["init"] = self.origin
        return about


def lowest_row(history: list[dict]) -> dict:
    """Return the first evaluation with the lowest held-out loss; {"step": -1} if there is none."""
    return min(history, key=lambda row: row.get("val", math.inf), default={"step": -1})
