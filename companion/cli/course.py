"""companion course: from bytes to an assistant, in four stages that are commands of their own."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from companion import load
from companion.cli import COMMANDS
from companion.cli._learning import bits_of
from companion.cli._parsing import Range, carry_out
from companion.cli._shared import RUNS
from companion.evaluation import wilson_interval
from companion.generation import LanguageModel
from companion.instructions import chat_rows, says
from companion.runtime.files.whole_files import claim, staged, write_whole
from companion.runtime.models.devices import pick_device
from companion.runtime.runs.distributed import launched
from companion.runtime.runs.run_folders import check_ours, check_writable
from companion.runtime.terminal import as_typed, waiting
from companion.village import load_split
from companion.village.dialogues import asked
from companion.village.measures import reference_lines
from companion.village.tasks import true_story

COURSE = RUNS / "course"
LOG, ASKED = "course.jsonl", "course.json"
MINUTES = 15
USUAL = {"minutes": MINUTES, "questions": 500, "seed": 1, "device": "auto"}
"""What a course is asked for unless told otherwise; a file in its folder keeps it for --resume."""
READ = {
    "minutes": float,
    "questions": int,
    "seed": int,
    "device": str,
}
TRAINING = 0.62
"""The share of the minutes that the first training may take; a step of what follows costs as much or more."""
STEPS, ROUNDS = 60, 0.25
"""For each minute, steps on conversations, and rounds of eight steps on stories of its own."""


@dataclass(kw_only=True)
class Options:
    """Train an assistant from scratch, in four stages and 15 minutes.

    Args:
        output: Folder to write to. Default: runs/course.
        resume: Continue the course in --output where it stopped.
        minutes: About how long the training of all stages together may take. Default: 15.
        questions: Number of questions, and of stories, with which each stage is measured. Default: 500.
        seed: Seed of all random choices. Default: 1.
        device: Where to compute: auto, cpu, cuda or mps. Default: auto.

    Example:
        companion course
    """

    output: Path = Path("runs/course")
    resume: bool = False
    minutes: Annotated[float | None, Range(0, 10**6)] = None
    questions: Annotated[int | None, Range(8, 10**5)] = None
    seed: Annotated[int | None, Range(0, 10**6)] = None
    device: str | None = None


def run(options: Options) -> None:
    with ExitStack() as held:
        plan = make_plan(options, held)
        report(plan, do(plan))


@dataclass
class CoursePlan:
    """A course that was checked and can begin, or go on."""

    folder: Path  # has a folder for each stage, and is claimed by this process
    done: dict[str, dict]  # stage -> what was measured after it, for the stages that are done
    store: bool  # write what was asked for into the folder; of a course begun without, nothing is known
    minutes: float
    questions: int
    seed: int
    device: str


# -- the stages ------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A command of the course. argv(plan) -> its words; its folder has its name; about: what it does."""

    about: str
    argv: Callable[[CoursePlan], list]


def data_words(plan: CoursePlan) -> list:
    stories = max(500, round(3000 * plan.minutes))
    return ["prepare", "village", "--data", plan.folder / "data", "--stories", stories]


def teller_words(plan: CoursePlan) -> list:
    folder = plan.folder / "teller"
    words = ["train", "--data", plan.folder / "data", "--checkpoint", folder]
    words += ["--seed", plan.seed, "--device", plan.device]
    if steps_of(folder):
        words += ["--resume"]
    else:
        words += ["--minutes", TRAINING * plan.minutes]
    return words


def answerer_words(plan: CoursePlan) -> list:
    words = ["finetune", "instructions", "--data", "village", "--model", plan.folder / "teller"]
    words += ["--output", plan.folder / "answerer", "--overwrite"]
    words += ["--conversations", max(50, round(300 * plan.minutes))]
    words += ["--steps", max(1, round(STEPS * plan.minutes))]
    words += ["--seed", plan.seed, "--device", plan.device]
    return words


def assistant_words(plan: CoursePlan) -> list:
    words = ["finetune", "rewards", "--model", plan.folder / "answerer"]
    words += ["--output", plan.folder / "assistant", "--overwrite"]
    words += ["--steps", 8 * max(1, round(ROUNDS * plan.minutes))]
    words += ["--asked", min(100, plan.questions)]
    words += ["--prompts", max(4, min(128, round(16 * plan.minutes)))]
    words += ["--average", 0]
    words += ["--seed", plan.seed, "--device", plan.device]
    return words


STAGES = {
    "data": Stage("the village's stories are made and cut into tokens", data_words),
    "teller": Stage("a model learns to tell such stories", teller_words),
    "answerer": Stage(
        "the model learns to answer questions and to tell the stories that it is asked for", answerer_words
    ),
    "assistant": Stage("the model tells stories and learns to prefer the true ones", assistant_words),
}


# -- plan, do, report ------------------------------------------------------------------


def make_plan(args: Options, held: ExitStack) -> CoursePlan:
    _, n_processes = launched()
    if n_processes > 1:
        raise ValueError(f"WORLD_SIZE={n_processes} must be 1 for course; start it without torchrun")
    if args.minutes == 0:
        raise ValueError("--minutes=0 leaves no time to learn; try 15")
    done = rows_of(args.output)
    held_there = args.output.iterdir() if args.output.is_dir() else ()
    begun = any(not path.name.startswith(".") for path in held_there)
    check_ours("--output", args.output, (*STAGES, LOG, ASKED))
    if begun and not args.resume:
        raise ValueError(
            f"--output={args.output} is not empty; add --resume to go on, or name another folder"
        )
    if args.resume and not begun:
        raise ValueError(f"--resume: {args.output} holds no course to continue; leave it out")
    stored = asked_of(args.output)
    asked = settled(args, stored)
    pick_device(asked["device"])
    check_writable("--output", args.output)
    held.enter_context(claim(args.output))
    return CoursePlan(
        folder=args.output,
        done={row["stage"]: row for row in done},
        store=bool(stored) or not begun,
        minutes=asked["minutes"],
        questions=asked["questions"],
        seed=asked["seed"],
        device=asked["device"],
    )


def asked_of(folder: Path) -> dict[str, Any]:
    """What the course in a folder was asked for when it began; nothing where no file says so."""
    path = folder / ASKED
    if not path.is_file():
        return {}
    try:
        asked = json.loads(path.read_text("utf-8"))
        return {name: read(str(asked[name])) for name, read in READ.items()}
    except (ValueError, TypeError, LookupError):
        remedy = "remove it, and give --minutes, --questions and --seed again as when the course began"
        raise ValueError(f"{path} is damaged; {remedy}") from None


def settled(args: Options, stored: dict[str, Any]) -> dict[str, Any]:
    """What a course is asked for: as given, else as it began, else as usual. Only the device may change."""
    given = {name: getattr(args, name) for name in USUAL if getattr(args, name) is not None}
    for name, value in given.items():
        if name != "device" and value != stored.get(name, value):
            began = f"is not what the course in {args.output} began with, {stored[name]}"
            raise ValueError(f"--{name}={value} {began}; leave it out, or name another --output")
    return USUAL | stored | given


def rows_of(folder: Path) -> list[dict]:
    """What the stages that are done could do, as they were measured."""
    path = folder / LOG
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
        lines_of([row for row in rows if row["stage"] in STAGES])  # has each what its line says?
        return rows
    except (ValueError, TypeError, LookupError):
        raise ValueError(f"{path} is damaged; remove it, and the stages are done again") from None


def do(plan: CoursePlan) -> list[dict]:
    """Carry out the stages that are not done yet; return the rows of all."""
    if plan.store:
        asked = {name: getattr(plan, name) for name in USUAL}
        write_whole(plan.folder / ASKED, json.dumps(asked) + "\n")
    for i, (name, stage) in enumerate(STAGES.items(), 1):
        if name in plan.done:
            continue
        print(f"\n{i} of {len(STAGES)}, {name}: {stage.about}.\n", flush=True)
        begun = time.perf_counter()
        argv = [str(word) for word in stage.argv(plan)]
        work(plan, name, argv)
        check_whole(plan, name)
        row = {"stage": name, "seconds": round(time.perf_counter() - begun, 1)}
        with waiting("Measuring what the model can do"):
            row |= look(plan, name)
        plan.done[name] = row
        with open(plan.folder / LOG, "a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        print(f"\n{lines_of([row])[-1]}", flush=True)
    return [plan.done[name] for name in STAGES]


UNREWARDED = ("rewards are equal", "nothing to reward")
"""What finetune rewards says of a model whose stories are all false; see companion/cli/reward.py."""


def work(plan: CoursePlan, name: str, argv: list[str]) -> None:
    """Carry out a stage. A model of whose stories none is true has nothing to prefer, and stays as it is."""
    try:
        carry_out("companion.cli", COMMANDS, argv)
    except ValueError as error:
        if name != "assistant" or not any(reason in str(error) for reason in UNREWARDED):
            raise
        print(f"{error}\nThe assistant is therefore the same model as the answerer.")
        with staged(plan.folder / name) as new:
            hidden = shutil.ignore_patterns(".*")
            shutil.copytree(plan.folder / "answerer", new, ignore=hidden, dirs_exist_ok=True)


def steps_of(folder: Path) -> tuple[int, int] | None:
    """(steps taken, steps that were to be taken) of a training; None where nothing is saved."""
    about = provenance_of(folder)
    return (about["steps"], about["train"]["steps"]) if about else None


def provenance_of(folder: Path) -> dict[str, Any]:
    """What a stage noted of the model that it saved; nothing where none is saved."""
    path = folder / "config.json"
    return json.loads(path.read_text("utf-8"))["provenance"] if path.is_file() else {}


def check_whole(plan: CoursePlan, name: str) -> None:
    """Raise KeyboardInterrupt where Ctrl-C has ended a stage early that saves what it has learned."""
    if name == "teller" and (taken := steps_of(plan.folder / name)) and taken[0] < taken[1]:
        then = "is saved"
    elif name == "assistant" and provenance_of(plan.folder / name).get("stopped"):
        then = "will begin again"
    else:
        return
    resume = as_typed("companion", "course", "--output", plan.folder, "--resume")
    raise KeyboardInterrupt(f"stopped in stage {name}, which {then}; to go on: {resume}")


def look(plan: CoursePlan, name: str) -> dict[str, Any]:
    """What the model of a stage can do: its loss, answers that are right, stories without a contradiction."""
    if name == "data":
        return {}

    teller = load(plan.folder / name, device=plan.device, fast=True)
    bits = bits_of(teller, load_split("val"))
    told = teller.tell_many(plan.questions, seed=plan.seed, temperature=0.8)
    true = sum(true_story(*one) for one in told)
    row = {"bits per byte": bits}
    row |= {"true": true / len(told), "true from": wilson_interval(true, len(told))}
    if name != "teller":
        right = right_answers(teller, plan.questions)
        row |= {"right": right / plan.questions, "right from": wilson_interval(right, plan.questions)}
    return row


def right_answers(teller: LanguageModel, n: int) -> int:
    """How many of n held-out questions about new stories are answered word for word."""
    conversations = [one.messages for one in asked(n, seed=175)]
    rows = chat_rows(conversations, teller.tokenizer, teller.model.config.context_length, shorten=True)
    return int(says(teller.model, rows).sum())


def lines_of(rows: list[dict]) -> list[str]:
    """A table of what the stages can do."""
    lines = ["stage       minutes  bits per byte  stories without a contradiction  answers right"]
    for row in rows:
        shares = [
            "{:.2f} ({:.2f} to {:.2f})".format(row[what], *row[f"{what} from"]) if what in row else "–"
            for what in ("true", "right")
        ]
        bits = f"{row['bits per byte']:.4f}" if "bits per byte" in row else "–"
        lines.append(f"{row['stage']:10} {row['seconds'] / 60:8.1f}  {bits:13}  {shares[0]:31}  {shares[1]}")
    return lines


def report(plan: CoursePlan, rows: list[dict]) -> None:
    lines = reference_lines("val")
    print("\n" + "\n".join(lines_of(rows)))
    reached = f"a perfect model that forgets earlier sentences reaches {lines['forgetful reader']:.4f}"
    print(f"The floor is {lines['floor']:.4f} bits per byte; {reached}.")
    print(f"{sum(row['seconds'] for row in rows) / 60:.1f} minutes in all.")
    chat = ["chat", "--model", str(plan.folder / "assistant"), "--device", plan.device]
    print(f"\nTo talk with the assistant:\n\n  {as_typed('companion', *chat)}\n")
    if sys.stdin is not None and sys.stdin.isatty():
        carry_out("companion.cli", COMMANDS, chat)
