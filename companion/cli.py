"""The command line: its commands, each of which has a file in commands/, and what `companion` alone says.

A thin layer over the functions and dataclasses that the chapters build. A command has three steps. *Plan*
finds whatever can be wrong before any work is begun; *do* works; *report* prints what came of it. torch is
imported inside the steps, so that `companion` and `companion --help` answer at once.
"""

import sys
from contextlib import ExitStack

from companion import village
from companion.book.manifest import Book
from companion.commands import (
    app_command,
    chatting,
    classify_command,
    course,
    demo_command,
    evaluating,
    exporting,
    finetuning,
    generating,
    info,
    preparing,
    quantizing,
    serve_command,
    train_command,
    train_run,
    verify,
)
from companion.commands.naming import add_model_and_revision
from companion.runtime.command_line.steps import Command, carry_out, run
from companion.runtime.command_line.terminal import as_typed


def plan_course(args, held: ExitStack) -> "course.CoursePlan":
    return course.plan(args, held, COMMANDS)


COMMANDS = {
    "prepare": Command(
        "a corpus or your own text, as tokens",
        "companion prepare my_letters/",
        *(preparing.add, preparing.plan, preparing.do, preparing.report),
    ),
    "train": Command(
        "a model on prepared text",
        "companion train --minutes 10 --seed 7",
        *(train_command.add, train_command.plan, train_run.do, train_run.report),
        shared=True,
    ),
    "course": Command(
        "from bytes to an assistant, in four stages",
        "companion course",
        *(course.add, plan_course, course.do, course.report),
    ),
    "generate": Command(
        "text from a prompt",
        'companion generate --prompt "Once" --seed 3',
        *(generating.add, generating.plan, generating.do, generating.report),
    ),
    "eval": Command(
        "loss, perplexity, floor, abilities, tasks",
        "companion eval --split test",
        *(evaluating.add, evaluating.plan, evaluating.do, evaluating.report),
    ),
    "finetune": Command(
        "a model that goes on learning: a classifier of your texts, answers, or what is rewarded",
        "companion finetune classify --data labelled.csv",
        *(finetuning.add, finetuning.plan, finetuning.do, finetuning.report),
    ),
    "classify": Command(
        "texts, by a classifier that finetune made",
        'companion classify --model runs/classifiers/spam "You have won!"',
        *(
            classify_command.add_classify,
            classify_command.plan_classify,
            classify_command.do_classify,
            classify_command.report_classify,
        ),
    ),
    "chat": Command(
        "with a model that learned to answer",
        "companion chat --model runs/instructions/village",
        *(chatting.add, chatting.plan, chatting.do, chatting.report),
    ),
    "serve": Command(
        "a model that answers over HTTP, as OpenAI's API does",
        "companion serve --port 8000",
        *(serve_command.add, serve_command.plan, serve_command.do, serve_command.report),
    ),
    "app": Command(
        "tell, chat, compare and classify in a browser",
        "companion app --models runs",
        *(app_command.add, app_command.plan, app_command.do, app_command.report),
    ),
    "quantize": Command(
        "a model with 8 or 4 bits a weight",
        "companion quantize --bits 4 --calibrate --output runs/small",
        *(quantizing.add, quantizing.plan, quantizing.do, quantizing.report),
    ),
    "info": Command(
        "what a checkpoint is and where it came from",
        "companion info --model runs/village",
        *(add_model_and_revision, info.plan, info.do, info.report),
    ),
    "export": Command(
        "a model for other engines",
        "companion export gguf --output village.gguf",
        *(exporting.add, exporting.plan, exporting.do, exporting.report),
    ),
    "verify": Command(
        "a public model in our parts, against transformers",
        "companion verify gpt2",
        *(verify.add, verify.plan, verify.do, verify.report),
    ),
    "demo": Command(
        "a part of the model at work on your sentence",
        'companion demo attention "Mara found a red key"',
        *(demo_command.add, demo_command.plan, demo_command.do, demo_command.report),
    ),
}


def overview() -> str:
    """The chapters and the next step."""
    book = Book.read(village.DATA.parent)
    lines = [book.title]
    for part, names in book.parts.items():
        lines += ["", part, *(f"  chapters/{name}.ipynb" for name in names)]
    here = (book.root / "chapters").is_dir()
    place = book.repository or "the folder that this was installed from"
    lines += [
        "",
        "Read them in order:  jupyter lab --notebook-dir=. chapters/00_start.ipynb"
        if here
        else f"The notebooks are no part of an installed package; they are in {place}.",
        f"Train a model:       {as_typed('companion', 'train')}",
        "Exercises end all chapters but 0: write the function, run its cell; check says what is wrong.",
        "",
    ]
    lines += [f"  companion {name:9} {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its status, as `run` has them; without one, show the course."""
    argv = sys.argv[1:] if argv is None else list(argv)
    about = "A small language model, from bytes to a story."
    return run(lambda: carry_out(COMMANDS, argv, about) if argv else print(overview()))
