"""What a training prints and writes.

It prints a line at each evaluation, and at its end what the figures mean. It writes config.toml, from which
`companion train --config` repeats the run.
"""

import dataclasses
import json
import math
import textwrap
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from companion.caching import SlidingCache, inline
from companion.cli._shared import ABOUT_DOT, DRAWING, SETTINGS, VILLAGE, memorized
from companion.cli._training_plan import TrainPlan
from companion.generation import LanguageModel
from companion.modern import INLINED_MODERN
from companion.runtime.files.atomic import write_atomic
from companion.runtime.models.devices import pick_device, pick_dtype
from companion.runtime.runs.resuming import BEST
from companion.runtime.runs.sessions import Clock, lowest_row
from companion.runtime.terminal import NO_TEXT, amount, cleaned, waiting
from companion.show import judged_text
from companion.show.judged_text import Marks
from companion.village import judge
from companion.village.measures import gap_left, reference_lines, village_scores

JUDGED = 40  # stories that are judged at a training's end
SAMPLE = 200  # most tokens of the sample at each evaluation
SHOWN = 160  # letters of that sample that are shown
MARKED = 12  # sentences of it whose marks the progress bar shows
IDLE = 0.8  # of its threads' time, from which a run has a machine to itself: some work takes one thread only
STORY = 250  # most tokens of the story or sample at a training's end
FEW_STEPS = 50  # a model of fewer steps writes noise, of which a line is enough


class Reporter:
    """Called at each evaluation: print the losses and a sample, judge stories, write the settings.

    The last evaluation prints no sample, because the report at the end of the run shows a longer one.

    Args:
        corpus: The prepared text.
        plan: The training.
    """

    def __init__(self, corpus: Any, plan: TrainPlan):
        self.corpus = corpus
        self.plan = plan
        self.dot_is_explained = False

    def __call__(self, model: Any, row: dict) -> dict:
        write_run_settings(self.plan)
        teller = teller_of(model, self.corpus.tokenizer)
        sample = teller.tell(self.plan.prompt, max_new_tokens=SAMPLE, temperature=0.8, seed=row["step"])
        more: dict[str, Any] = {"sample": sample}
        if self.plan.judge:  # of the village only
            more |= village_scores(teller, self.plan.judge, seed=row["step"])
        if self.plan.marks:
            more["marks"] = "".join(self.plan.marks.sign(verdict.kind) for verdict in judge(sample)[:MARKED])
        perplexity = math.exp(row["val"]) if row["val"] < 709 else math.inf
        tqdm.write(
            f"step {row['step']:>6}  loss: held-out {row['val']:.3f} (perplexity {perplexity:.2f},"
            f" {row['bits_per_byte']:.3f} bits per byte), mean of the training steps {row['train']:.3f}"
        )
        if row["step"] < self.plan.train.steps:
            with tqdm.external_write_mode():  # the progress bar makes room
                self.show(sample)
        return more

    def show(self, sample: str) -> None:
        """Print the beginning of a sample in one line, and at the first dot what a dot stands for."""
        prompt = self.plan.prompt
        own_words = sample if self.plan.is_village else sample.removeprefix(prompt)
        print("  " if self.plan.is_village else f"  {prompt} → ", end="")
        print(shortened(cleaned(own_words), self.plan.marks))
        if NO_TEXT.search(sample) and not self.dot_is_explained:
            print(f"  ({ABOUT_DOT})")
            self.dot_is_explained = True


def teller_of(model: nn.Module, tokenizer: Any) -> LanguageModel:
    """A model that writes texts, as load makes it with fast=True."""
    return LanguageModel(model, tokenizer, SlidingCache, inline=partial(inline, known=INLINED_MODERN))


def shortened(sample: str, marks: Marks | None) -> str:
    """The beginning of a sample in one line, where the sample may have many; with the judge's marks."""
    if marks:
        return judged_text.marked_line(sample, marks, SHOWN)
    shown = " ".join(sample.split())
    return f"{shown[:SHOWN]}{' …' if len(shown) > SHOWN else ''}"


def print_results(plan: TrainPlan, teller: LanguageModel, corpus: Any, history: list[dict]) -> None:
    """Draw the curve; print a sample, the loss, and what that loss means."""
    from companion.show import plots  # here, because matplotlib takes a second, also of a command that errs

    folder = plan.folder
    clock = plan.clock
    last = history[-1]
    lines = reference_lines() if plan.is_village else {}
    plots.save(folder / "loss.png", plots.loss_curve, history, lines)
    most = STORY if plan.is_village or last["step"] >= FEW_STEPS else 40
    sample = teller.tell(plan.prompt, seed=1, max_new_tokens=most)
    if plan.is_village:
        print("\nA story by your model:\n")
        print(judged_text.marked_story(sample, plan.marks) if plan.marks else sample)
    else:
        print("\nThe first words of a held-out text:\n")
        print(f"  {plan.prompt}")
        print("\nYour model continues them:\n")
        print(textwrap.indent(cleaned(sample.removeprefix(plan.prompt)).strip(), "  "))
        if NO_TEXT.search(sample):
            print(f"\n({ABOUT_DOT})")
    print()
    passes = last["tokens"] / len(corpus.train.tokens)
    share = f"{passes:.0%} of its text" if passes < 1 else f"{passes:.1f} times its text"
    steps = amount(last["step"], "step")
    print(
        f"This is a model after {time_of(clock.elapsed())} of training. In {steps} it read"
        f" {last['tokens']:,} tokens, which is {share}."
    )
    if next(teller.model.parameters()).device.type == "cpu":
        print(share_line(clock, gets_better=not is_overfitted(history)))
    print(f"Loss: {last['bits_per_byte']:.3f} bits per byte on held-out text, which it was not trained on.")
    if plan.is_village:
        gap = gap_left(last["bits_per_byte"], lines)
        print(
            f"The floor is {lines['floor']:.3f}, and no model can do better. A perfect model that forgets"
            f" earlier sentences reaches {lines['forgetful reader']:.3f}. {gap_means(gap)}"
        )
        with waiting(f"Judging {JUDGED} stories"):
            scores = village_scores(teller, JUDGED, seed=1)
        print(scores_line(scores, JUDGED))
    else:
        print(
            f"To store the text with this model's help, you would need {last['bits_per_byte']:.1f} bits for"
            " each byte instead of 8. Nobody knows the lowest value for such a text, so compare it with other"
            " runs on the same text."
        )
        warning = memorized(corpus.train.n_bytes)
        if warning:
            print(warning)
    if best_elsewhere(history, folder):
        lowest = lowest_row(history)
        print(
            f"The held-out loss was lowest at step {lowest['step']:,}: {lowest['bits_per_byte']:.3f} bits per"
            f" byte. The weights of that step are in {folder / BEST}."
        )
    print(f"\nModel: {folder}   Loss curve: {folder / 'loss.png'}   Settings: {folder / SETTINGS}")


def time_of(seconds: float) -> str:
    """A time in seconds or in minutes."""
    return amount(round(seconds), "second") if seconds < 90 else f"{round(seconds / 60, 1):g} minutes"


def share_line(clock: Clock, gets_better: bool = True) -> str:
    """How much of the processor a run had, and that the machine was busy if more time would help."""
    n = torch.get_num_threads()
    line = f"It had {clock.share:.0%} of the time of {n} processor thread{'s' if n > 1 else ''}."
    if clock.share >= IDLE or not gets_better:
        return line
    return f"{line} The machine was busy: with more minutes, or on an idle machine, the model gets better."


def gap_means(gap: float) -> str:
    """What the share of the gap between the forgetful baseline and the floor that is left says of a model."""
    if gap > 1.05:
        return "This model is not there yet: it still learns how the village's sentences are written."
    left = f"Of the difference between the two, {min(gap, 1):.0%} is left:"
    if gap > 0.5:
        return f"{left} its sentences are the village's, but it forgets most of who has what."
    if gap > 0.15:
        return f"{left} its sentences are the village's, and it remembers part of who has what."
    return f"{left} its sentences are the village's, and it remembers nearly all of who has what."


def is_overfitted(history: list[dict]) -> bool:
    """Whether the held-out loss has risen by more than 2 % since it was lowest."""
    return history[-1]["val"] > 1.02 * lowest_row(history)["val"]


def best_elsewhere(history: list[dict], folder: Path) -> bool:
    """Whether the best weights are not the last ones, and have a folder of their own."""
    return lowest_row(history)["step"] != history[-1]["step"] and (folder / BEST).is_dir()


def scores_line(scores: dict, n: int) -> str:
    """What a model's own stories show of the model.

    Args:
        scores: What `village_scores` returns.
        n: Number of stories that the model began. Those without an end are not judged.
    """
    if "grammar" not in scores:
        return "None of its stories came to an end yet, so there is nothing to judge: train longer."
    ended = round(n * scores["ended"])
    return (
        f"Grammar: {scores['grammar']:.0%} of sentences are the village's. Memory: {scores['memory']:.0%} of"
        f" recalled words are right. Of {ended} stories, {scores['consistent']:.0%} have no contradiction"
        f" and {scores['flawless']:.0%} have no fault."
    )


# -- the file of settings, config.toml --------------------


def write_settings(path: Path, tables: Mapping[str, Mapping], about: str) -> None:
    """Write a file of settings, without those that are None.

    Args:
        path: The file.
        tables: The settings by table and name. The table "" stands first, and has no heading.
        about: Comment at the beginning of the file.
    """
    lines = [f"# {line}".rstrip() for line in about.splitlines()]
    for table, values in tables.items():
        lines += ["", f"[{table}]"] if table and values else []
        lines += [f"{name} = {in_toml(value)}" for name, value in values.items() if value is not None]
    write_atomic(path, "\n".join(lines) + "\n")


def in_toml(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(in_toml, value))}]"
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def write_run_settings(plan: TrainPlan) -> None:
    """Write the file in the folder of a run that repeats the run.

    The number format is written as this machine chose it.

    Args:
        plan: The training.
    """
    start = plan.start
    shape = {}
    if not start.origin:
        shape = {"architecture": start.config.architecture} | dataclasses.asdict(start.config)
        for name in ("vocab_size", *start.derived):
            del shape[name]
    dtype = pick_dtype(plan.train.dtype, pick_device(plan.train.device))
    training = dataclasses.asdict(plan.train) | {"dtype": str(dtype).removeprefix("torch.")}
    training = {name: value for name, value in training.items() if name not in shape}
    tables = {
        "": {
            "init": start.origin["name"] if start.origin else None,
            "data": None if plan.data == VILLAGE else plan.data.as_posix(),
            "minutes": 0,
            "judge": plan.judge,
        },
        "model": shape,
        "training": training | {"optimizer": plan.optimizer},
        "generation": DRAWING | {"prompt": plan.prompt},
    }
    about = (
        f"Written by companion train. It repeats the run from its first step to step {plan.train.steps:,}:"
        f"\n\n  companion train --config {SETTINGS} --checkpoint another-folder"
    )
    if plan.clock.seconds is not None:
        about += (
            "\n\nIn this run the learning rate followed the clock. In the repetition it follows the steps."
        )
    write_settings(plan.folder / SETTINGS, tables, about)
