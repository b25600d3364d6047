"""A model that has learned, saved before it is measured: what the commands of `finetune` share."""

import json
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from companion.cli._shared import RUNS
from companion.datasets import encode_documents
from companion.generation import LanguageModel
from companion.gpt import GPT
from companion.lora import add_lora
from companion.models import names as model_names
from companion.runtime.data.prepared import Split
from companion.runtime.files.arguments import check_output, holds_only
from companion.runtime.files.atomic import claim, write_atomic
from companion.runtime.runs.sessions import Loss
from companion.runtime.runs.validation import rows_at_once
from companion.runtime.storage.checkpoints import holds_model
from companion.runtime.terminal import waiting
from companion.training import TrainConfig, Trainer, evaluate, save_checkpoint

LEARNED = {"config.json", "tokenizer.json", "model.safetensors", "report.json"}
"""The files of a model that has learned: what --overwrite may replace."""


def holds_learned(folder: Path) -> bool:
    """Whether a folder holds such a model and nothing else; a run that was stopped wrote no report to it."""
    return holds_only(folder, "model.safetensors" if holds_model(folder) else "report.json", LEARNED)


def output_of(options: Any, kind: str, ours: Callable[[Path], bool] = holds_learned) -> Path:
    """The folder of --output, or a folder of its own with the name of the data.

    Raises:
        ValueError: If the folder holds something that the command may not replace.
    """
    name = "village" if options.data is None else Path(options.data).resolve().name.split(".")[0]
    output = options.output or RUNS / kind / name
    check_output("--output", output, ours, options.overwrite)
    return output


def save_report(output: Path, report: dict) -> None:
    """Write what was measured of a model that is saved."""
    write_atomic(output / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def take_steps(
    trainer: Any, steps: int, progress: Callable[[float], str] = "loss {:.3f}".format
) -> Generator[int]:
    """Take the steps of a training, with a progress bar; yield after each how many were taken."""
    for step in (bar := tqdm(range(1, steps + 1), unit="step", leave=False, disable=None)):
        bar.set_postfix_str(progress(trainer.step()))
        yield step


def take_all_steps(trainer: Any, steps: int) -> None:
    """Take the steps of a training that saves nothing before its end."""
    try:
        for _ in take_steps(trainer, steps):
            pass
    except KeyboardInterrupt:
        message = f"stopped after {trainer.steps} of {steps} steps; nothing was saved"
        raise KeyboardInterrupt(message) from None


def take_all(learning: Generator[int]) -> tuple[int, str, bool]:
    """Learn; return the steps taken, a line where they ended early, and whether Ctrl-C ended them."""
    steps = 0
    try:
        for taken in learning:
            steps = taken
    except KeyboardInterrupt:
        if not steps:
            raise KeyboardInterrupt("stopped before the first step; nothing was saved") from None
        return steps, f"stopped after {steps} steps; the model is saved as it is now", True
    except ValueError as error:  # a round in which nothing could be preferred
        if not steps:
            raise
        return steps, f"ended after {steps} steps, and the model is saved: {error}", False
    finally:
        learning.close()  # so that it puts in order what it left
    return steps, "", False


def learn_and_measure(
    options: Any,
    teller: LanguageModel,
    output: Path,
    learning: Generator[int],
    about: dict,
    measure: Callable,
) -> dict[str, dict]:
    """Let a model learn, save it, and measure it before and after.

    Args:
        options: The command's.
        teller: The model.
        output: The folder for the model and report.json.
        learning: Takes the steps.
        about: What is noted of the model besides.
        measure: Returns what is measured.
    """
    with claim(output):
        figures = {"before": measure()}
        steps, early, stopped = take_all(learning)
        teller.model.eval()
        about |= {"steps": steps, "seed": options.seed, "stopped": stopped}
        save_checkpoint(output, teller.model, teller.tokenizer, about)
        if early:
            print(f"\n{early}", file=sys.stderr)
        with measuring(output):
            figures["after"] = measure()
            save_report(output, {"steps": steps} | figures)
    print(f"Trained for {steps} steps.")
    return figures


def with_interval(row: dict, name: str, interval: str) -> str:
    """A share that was measured, with its interval."""
    low, high = row[interval]
    return f"{name} {row[name]:.3f} ({low:.3f} to {high:.3f}, 95 %)"


def trainer_of(options: Any, model: GPT, batches: Callable, loss: Callable) -> Trainer:
    """A Trainer with AdamW, a short warm-up, and a rate that falls to a tenth."""
    steps = options.steps
    lr = options.lr
    config = TrainConfig(
        steps=steps,
        batch_size=1,
        lr=lr,
        min_lr=lr / 10,
        warmup_steps=min(5, steps - 1),
        seed=options.seed,
        device=options.device,
        dtype="float32",
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=config.betas, weight_decay=0.0)
    return Trainer(model, batches, config, loss, [optimizer])


def bits_of(teller: Any, texts: list[str], about: str = "Predicting texts") -> float:
    """A model's loss on texts of any length, in bits per byte. `about` is said while it is measured."""
    loss, _ = loss_on(teller.model, encode_documents(texts, teller.tokenizer), about)
    return loss.bits_per_byte


def loss_on(model: nn.Module, split: Split, about: str) -> tuple[Loss, int]:
    """Measure the loss on a split.

    Returns:
        The loss, and the tokens of the longest piece that the model reads at once.
    """
    length, rows = rows_at_once(split.starts, model.config)
    with waiting(about):
        return evaluate(model, split, length, rows), length


@contextmanager
def measuring(output: Path) -> Iterator[None]:
    """While inside, Ctrl-C ends the command with a line: the model is saved and lacks only its report."""
    (output / "report.json").unlink(missing_ok=True)  # of a model that was there
    try:
        yield
    except KeyboardInterrupt:
        message = f"stopped before the report; the model is saved in {output}, and works without"
        raise KeyboardInterrupt(message) from None


def check_floats(options: Any) -> None:
    """Check that the model can learn.

    Raises:
        ValueError: If the model is one of integers, which cannot learn.
    """
    if not model_names.is_public(options.model) and (options.model / "config.json").is_file():
        model_names.check_floats("--model", options.model)


def check_turn_end(name: Path, tokenizer: Any) -> None:
    """Check that a chat template ends its answers.

    Raises:
        ValueError: If the template writes no end mark behind an answer.
    """
    if tokenizer.turn_end is None:
        rule = "has a chat template that ends no answer, so it would learn to go on forever; name another"
        raise ValueError(f"--model={name} {rule}")


def hang_on(model: GPT, options: Any) -> None:
    """Put a new adapter onto a model, a seed's own; what is wrong with the rank is said of the option."""
    torch.manual_seed(options.seed)
    try:
        add_lora(model, None, options.rank or 8, options.alpha or 8.0)
    except ValueError as error:
        raise ValueError(f"--{error}") from None
