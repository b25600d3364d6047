"""companion course: from bytes to an assistant, in four stages that are commands of their own."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from companion.cli import COMMANDS
from companion.cli._parsing import Range, carry_out
from companion.cli._shared import RUNS, check_unused, visible_names
from companion.runtime.data.prepared import is_prepared
from companion.runtime.files.atomic import finish_renames
from companion.runtime.models.devices import pick_device
from companion.runtime.storage.checkpoints import holds_model, read_config
from companion.runtime.terminal import as_typed

STAGES = {
    "data": "the village's stories are made and cut into tokens",
    "teller": "a model learns to tell such stories",
    "answerer": "the model learns to answer questions and to tell the stories that it is asked for",
    "assistant": "the model tells stories and learns to prefer the true ones",
}
TRAINING = 0.62  # the share of the minutes that the first training may take


@dataclass(kw_only=True)
class Options:
    """Train an assistant from scratch, in four stages and 15 minutes.

    Args:
        output: Folder to write to. Default: runs/course.
        resume: Continue the course in --output with the first stage that is not done. Give the other options
            again.
        minutes: About how long the training of all stages together may take.
        seed: Seed of all random choices.
        device: Where to compute: auto, cpu, cuda or mps.

    Example:
        companion course
    """

    output: Path = RUNS / "course"
    resume: bool = False
    minutes: Annotated[float, Range(0.01, 10**6)] = 15.0
    seed: Annotated[int, Range(0, 10**6)] = 1
    device: str = "auto"


def run(options: Options) -> None:
    check_unused("--output", options.output, STAGES)
    begun = bool(visible_names(options.output))
    if begun and not options.resume:
        raise ValueError(
            f"--output={options.output} holds a course already; add --resume, or name another folder"
        )
    if options.resume and not begun:
        raise ValueError(f"--resume: {options.output} holds no course to continue; leave it out")
    pick_device(options.device)
    resume = as_typed("companion", "course", "--output", options.output, "--resume")
    for i, (name, about) in enumerate(STAGES.items(), 1):
        if is_done(options.output / name):
            continue
        print(f"\n{i} of {len(STAGES)}, {name}: {about}.\n", flush=True)
        carry_out([str(word) for word in words_of(name, options)], COMMANDS)
        if not is_done(options.output / name):
            raise KeyboardInterrupt(f"stopped in stage {name}; to go on: {resume}")
    chat = ["chat", "--model", str(options.output / "assistant"), "--device", options.device]
    print(f"\nTo talk with the assistant:\n\n  {as_typed('companion', *chat)}\n")
    if sys.stdin is not None and sys.stdin.isatty():
        carry_out(chat, COMMANDS)


def is_done(folder: Path) -> bool:
    """Whether a stage is done: its data are prepared, or its model has taken all its steps."""
    finish_renames(folder)  # of a stage that was killed while its files moved to their places
    if not holds_model(folder):
        return is_prepared(folder)
    about = read_config(folder)["provenance"]
    return not about.get("stopped") and about["steps"] >= about.get("train", about)["steps"]


def words_of(name: str, options: Options) -> list:
    """The words of the command that is a stage."""
    folder = options.output
    minutes = options.minutes
    if name == "data":
        return ["prepare", "village", "--data", folder / name, "--stories", max(500, round(3000 * minutes))]
    common = ["--seed", options.seed, "--device", options.device]
    if name == "teller":
        how = ["--resume"] if holds_model(folder / name) else ["--minutes", TRAINING * minutes]
        return ["train", "--data", folder / "data", "--checkpoint", folder / name, *how, *common]
    common += ["--output", folder / name, "--overwrite"]
    if name == "answerer":
        words = ["finetune", "instructions", "--data", "village", "--model", folder / "teller"]
        words += ["--conversations", max(50, round(300 * minutes)), "--steps", max(1, round(60 * minutes))]
        return words + common
    steps = 8 * max(1, round(0.25 * minutes))
    prompts = max(4, min(128, round(16 * minutes)))
    words = ["finetune", "rewards", "--model", folder / "answerer", "--average", 0, "--asked", 100]
    return [*words, "--steps", steps, "--prompts", prompts, *common]
