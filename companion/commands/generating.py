"""companion generate: a text from a prompt."""

import dataclasses
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from companion import load
from companion.commands.naming import READERS, add_config, add_device, add_model_and_revision
from companion.generation import LanguageModel
from companion.runtime.command_line.settings import (
    GENERATION,
    MAX_NEW_TOKENS,
    Generation,
    check_drawing,
    read_settings,
)
from companion.runtime.command_line.terminal import is_read


@dataclass
class GeneratePlan:
    """A prompt to continue."""

    teller: LanguageModel
    prompt: str
    options: dict[str, Any]  # how to draw: keyword arguments of LanguageModel.stream


def add(parser):
    add_model_and_revision(parser)
    add_config(parser)
    parser.add_argument("--prompt", help=f"first words of the text (default: {Generation.prompt})")
    parser.add_argument("--max-new-tokens", type=MAX_NEW_TOKENS, help="(default: 250)")
    parser.add_argument(
        "--temperature",
        type=float,
        help="0 takes the likeliest token (default: as the model's generation_config.json says, else 0.8)",
    )
    parser.add_argument("--top-k", type=int, help="draw from the k likeliest tokens only")
    parser.add_argument(
        "--top-p", type=float, help="draw from the likeliest tokens that make up this probability"
    )
    parser.add_argument("--seed", type=int, help="same seed, same text (default: another each time)")
    add_device(parser)


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
    drawing = Generation(**of_model | there | given)
    teller.encode(drawing.prompt)
    options = dataclasses.asdict(drawing) | {"repetition_penalty": penalty}
    prompt = options.pop("prompt")
    return GeneratePlan(teller, prompt, options)


def do(plan: GeneratePlan) -> None:
    """Print the text as it comes, while somebody reads."""
    print(plan.prompt, end="", flush=True)
    for piece in plan.teller.stream(plan.prompt, **plan.options):
        print(piece, end="", flush=True)
        if not is_read():
            return


def report(plan: GeneratePlan, result: None) -> None:
    print()
