"""companion generate: a text from a prompt."""

import dataclasses
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from companion import load
from companion.commands.marking import marks_of, source_of
from companion.commands.naming import READERS
from companion.generation import LanguageModel
from companion.runtime.command_line.judged_text import Marks, marked
from companion.runtime.command_line.settings import (
    GENERATION,
    Generation,
    check_drawing,
    read_settings,
)
from companion.runtime.command_line.terminal import is_read, is_terminal


@dataclass
class GeneratePlan:
    """A prompt to continue."""

    teller: LanguageModel
    prompt: str
    options: dict[str, Any]  # how to draw: keyword arguments of LanguageModel.stream
    marks: Marks | None  # how to show the judge's verdicts; None for a text that has no judge
    chose_seed: bool = False  # whether the seed in options was chosen here, so that nobody knows it yet


def plan(args, held: ExitStack) -> GeneratePlan:
    typed = {name: getattr(args, name) for name in GENERATION}
    given = {name: value for name, value in typed.items() if value is not None}
    kinds = {
        "": {"data": str, "init": str} | READERS,
        "model": None,
        "training": None,
        "generation": GENERATION,
    }
    there = read_settings(args.config, kinds)["generation"] if args.config else {}
    check_drawing(Generation(**there | given))
    teller = load(args.model, device=args.device, revision=args.revision)
    of_model = dict(teller.tokenizer.sampling)
    penalty = of_model.pop("repetition_penalty", 1.0)
    usual = {} if source_of(args.model) in (None, "", "village") else {"prompt": ""}
    drawing = Generation(**usual | of_model | there | given)
    teller.encode(drawing.prompt)
    options = dataclasses.asdict(drawing) | {"repetition_penalty": penalty}
    prompt = options.pop("prompt")
    chose_seed = options["seed"] is None and options["temperature"] > 0 and options["top_k"] != 1
    if chose_seed:
        options["seed"] = secrets.randbelow(1_000_000)
    marks = marks_of(args.marks, args.model, teller.tokenizer)
    return GeneratePlan(teller, prompt, options, marks, chose_seed)


def do(plan: GeneratePlan) -> None:
    """Print the text as it comes, while somebody reads."""
    for piece in marked(pieces_of(plan), plan.marks):
        print(piece, end="", flush=True)
        if not is_read():
            return


def pieces_of(plan: GeneratePlan) -> Iterator[str]:
    """The prompt, and then what the model adds to it."""
    yield plan.prompt
    yield from plan.teller.stream(plan.prompt, **plan.options)


def report(plan: GeneratePlan, result: None) -> None:
    """End the line. In a terminal, name a seed that was chosen here, so that the text can be made again."""
    print()
    if plan.chose_seed and is_terminal():
        seed = plan.options["seed"]
        print(f"(seed {seed}; the same command with --seed {seed} gives this text again)")
