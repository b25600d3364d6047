"""A model that learns, and is saved before it is measured: what the commands of `finetune` share."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from torch import nn
from tqdm import tqdm

from companion.cli._parsing import Range
from companion.cli._shared import RUNS, ModelOptions, check_output, holds_only
from companion.datasets import encode_documents
from companion.generation import LanguageModel
from companion.gpt import GPT
from companion.instructions import chat_rows
from companion.lora import add_lora
from companion.reasoning import draw_texts
from companion.runtime.data.preference_pairs import drawn_rows
from companion.runtime.data.prepared import Split
from companion.runtime.files.atomic import write_atomic
from companion.runtime.runs.sessions import Loss
from companion.runtime.runs.validation import rows_at_once
from companion.runtime.terminal import waiting
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer, evaluate
from companion.village.reasoning import StepQuestion
from companion.village.steps import judge_trace

LEARNED = {"config.json", "tokenizer.json", "model.safetensors", "report.json"}
"""The files of a model that has learned: what --overwrite may replace."""
Row = tuple[list[int], list[bool]]  # the tokens of a text, and which of them are learned


@dataclass(kw_only=True)
class LearningOptions(ModelOptions):
    """A command that trains a model further.

    Args:
        overwrite: Replace the model, if there is one in that folder.
        seed: Seed of all random choices.
    """

    output: Path | None = None
    overwrite: bool = False
    seed: Annotated[int, Range(0, 1_000_000)] = 0


@dataclass(kw_only=True)
class AdapterOptions(LearningOptions):
    """A command that trains a model further, or an adapter beside it.

    Args:
        method: full trains the weights themselves, lora a small adapter beside them (chapter 17).
        rank: Rank of the adapter. Default: 8.
        alpha: Scale of the adapter. Default: 8.
    """

    method: Literal["full", "lora"] = "full"
    rank: Annotated[int | None, Range(1, 100_000)] = None
    alpha: Annotated[float | None, Range(1e-06, 1_000_000)] = None


def output_of(options: Any, kind: str, mark: str = "model.safetensors", names: set[str] = LEARNED) -> Path:
    """The folder of --output, or a folder of its own with the name of the data.

    Args:
        options: The command's.
        kind: The name of the folder in which it is.
        mark: The file by which a model is known that --overwrite replaces.
        names: All files that such a model may have.

    Raises:
        ValueError: If the folder holds something that the command may not replace.
    """
    name = "village" if options.data is None else Path(options.data).resolve().name.split(".")[0]
    output = options.output or RUNS / kind / name
    check_output("--output", output, partial(holds_only, mark=mark, names=names), options.overwrite)
    return output


def save_report(output: Path, report: dict) -> None:
    """Write what was measured of a model that is saved."""
    write_atomic(output / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def take_steps(trainer: Trainer, progress: Callable[[float], str] = "loss {:.3f}".format) -> None:
    """Take all steps of a training, with a progress bar."""
    bar = tqdm(range(trainer.config.steps), unit="step", leave=False, disable=None)
    for _ in bar:
        bar.set_postfix_str(progress(trainer.step()))


def take_all_steps(trainer: Trainer) -> None:
    """Take the steps of a training that saves nothing before its end."""
    try:
        take_steps(trainer)
    except KeyboardInterrupt:
        message = f"stopped at step {trainer.steps} of {trainer.config.steps}; nothing was saved"
        raise KeyboardInterrupt(message) from None


Rewards = tuple[Trainer, Callable[[float], str], str]
"""How a model learns from rewards: its trainer, what the progress bar shows after a step of such a loss, and
what the model learns from, as its provenance says it."""


def with_interval(row: dict, name: str, interval: str) -> str:
    """A share that was measured, with its interval."""
    low, high = row[interval]
    return f"{name} {row[name]:.3f} ({low:.3f} to {high:.3f}, 95 %)"


def trainer_of(options: Any, model: GPT, batches: Callable, loss: Callable) -> Trainer:
    """A Trainer with AdamW, a short warm-up, and a rate that falls to a tenth."""
    config = TrainConfig(
        steps=options.steps,
        batch_size=1,
        lr=options.lr,
        min_lr=options.lr / 10,
        warmup_steps=min(5, options.steps - 1),
        weight_decay=0.0,
        seed=options.seed,
        device=options.device,
        dtype="float32",
    )
    return Trainer(model, batches, config, loss)


def text_batch(teller: LanguageModel, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts to their ends as x, y for next_token_loss; each cut to what the model reads."""
    tokens, mask = drawn_rows(teller, [(text, True) for text in texts])
    return tokens[:, :-1], tokens[:, 1:].masked_fill(~mask, -100)


def bits_of(teller: Any, texts: list[str], about: str = "Predicting texts") -> float:
    """A model's loss on texts of any length, in bits per byte. `about` is said while it is measured."""
    return loss_on(teller.model, encode_documents(texts, teller.tokenizer), about).bits_per_byte


def ask_for_steps(teller: LanguageModel, questions: list[StepQuestion]) -> tuple[int, int, int]:
    """Ask at temperature 0; how many answers are right, and also proved by the steps, and all tokens."""
    draws = draw_texts(teller, [question.prompt for question in questions], temperature=0.0)
    verdicts = list(map(judge_trace, questions, draws.texts))
    right = sum(verdict.right for verdict in verdicts)
    proved = sum(verdict.right and verdict.sound for verdict in verdicts)
    return right, proved, int(draws.mask.sum())


def loss_on(model: nn.Module, split: Split, about: str) -> Loss:
    """The loss on a split, whose long texts are read in pieces. `about` is said while it is measured."""
    length, rows = rows_at_once(split.starts, model.config)
    with waiting(about):
        return evaluate(model, split, length, rows)


@contextmanager
def measuring(output: Path) -> Iterator[None]:
    """While inside, Ctrl-C ends the command with a line: the model is saved and lacks only its report."""
    (output / "report.json").unlink(missing_ok=True)  # of a model that was there
    try:
        yield
    except KeyboardInterrupt:
        message = f"stopped before the report; the model is saved in {output}, and works without"
        raise KeyboardInterrupt(message) from None


def rows_of(
    placed: list, tokenizer: Tokenizer, longest: int, shorten: bool = False, remedy: str = "shorten it"
) -> list[Row]:
    """Conversations as tokens.

    Args:
        placed: Pairs of the place of a conversation, for messages, and its messages.
        tokenizer: The tokenizer.
        longest: The most tokens that the model reads.
        shorten: Whether to leave out the last exchanges of what does not fit.
        remedy: What to do about what does not fit.

    Raises:
        ValueError: If a conversation does not fit the model, or its template. The message names its place.
    """
    rows = []
    for place, messages in placed:
        try:
            rows += chat_rows([messages], tokenizer, longest, shorten)
        except ValueError as error:
            problem = str(error)
            if problem.startswith("conversation 0"):
                problem = problem.removeprefix("conversation 0").replace("shorten it", remedy)
            else:  # of the template, which knows no number
                problem = f": {problem}; change the conversation, or leave it out"
            raise ValueError(f"{place}{problem}") from None
    return rows


def check_turn_end(name: Path, tokenizer: Any) -> None:
    """Check that a chat template ends its answers.

    Raises:
        ValueError: If the template writes no end mark behind an answer.
    """
    if tokenizer.turn_end is None:
        rule = "has a chat template that ends no answer, so it would learn to go on forever; name another"
        raise ValueError(f"--model={name} {rule}")


def add_adapter(model: GPT, options: AdapterOptions) -> None:
    """Put a new adapter onto a model, a seed's own; what is wrong with the rank is said of the option."""
    torch.manual_seed(options.seed)
    try:
        add_lora(model, None, options.rank or 8, options.alpha or 8.0)
    except ValueError as error:
        raise ValueError(f"--{error}") from None
