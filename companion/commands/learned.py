"""A model that has learned, saved before it is measured: what `course` and those of `finetune` share."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from companion.commands.naming import RUNS
from companion.datasets import encode_documents
from companion.runtime.storage.checkpoints import holds_model
from companion.runtime.training.run_folders import check_empty, holds_only
from companion.runtime.training.validation import rows_at_once
from companion.training import evaluate, save_checkpoint

LEARNED = {"config.json", "tokenizer.json", "model.safetensors", "report.json"}
"""The files of a model that has learned: what --overwrite may replace."""


def holds_learned(folder: Path) -> bool:
    """Whether a folder holds such a model and nothing else; a run that was stopped wrote no report to it."""
    return holds_only(folder, "model.safetensors" if holds_model(folder) else "report.json", LEARNED)


def output_of(args: Namespace, kind: str, ours: Callable[[Path], bool] = holds_learned) -> Path:
    """--output, or a folder of its own with the data's name. Raises ValueError for one that is not ours."""
    name = "village" if args.data is None else Path(args.data).resolve().name.split(".")[0]
    output = args.output or RUNS / kind / name
    check_empty("--output", output, ours, args.overwrite)
    return output


def save_learned(output: Path, model, tokenizer, about: dict) -> None:
    """Write a model that has learned, before it is measured; a report of one that was there goes first."""
    (output / "report.json").unlink(missing_ok=True)
    save_checkpoint(output, model, tokenizer, about)


def take_steps(
    trainer: Any, steps: int, said: Callable[[float], str] = "loss {:.3f}".format
) -> Iterator[int]:
    """Take the steps of a training, with a progress bar; yield after each how many were taken."""
    for step in (bar := tqdm(range(1, steps + 1), unit="step", leave=False, disable=None)):
        bar.set_postfix_str(said(trainer.step()))
        yield step


def take_all_steps(trainer: Any, steps: int) -> None:
    """Take the steps of a training that saves nothing before its end."""
    try:
        for _ in take_steps(trainer, steps):
            pass
    except KeyboardInterrupt:
        said = f"stopped after {trainer.steps} of {steps} steps; nothing was saved"
        raise KeyboardInterrupt(said) from None


def bits_of(teller: Any, texts: list[str]) -> float:
    """A model's loss on texts of any length, each told from its start to its end."""
    split = encode_documents(texts, teller.tokenizer)
    return evaluate(teller.model, split, *rows_at_once(split.starts, teller.model.config)).bits_per_byte


@contextmanager
def measuring(output: Path) -> Iterator[None]:
    """While inside, Ctrl-C is told that the model is saved and lacks only its report."""
    try:
        yield
    except KeyboardInterrupt:
        said = f"stopped before the report; the model is saved in {output}, and works without"
        raise KeyboardInterrupt(said) from None
