"""companion info: what a checkpoint is and where it came from."""

import dataclasses
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from companion import load
from companion.commands.naming import add_model_and_revision
from companion.generation import LanguageModel
from companion.quantization import QuantizedLinear
from companion.runtime.storage.model_names import folder_of, provenance_of


@dataclass
class InfoPlan:
    """The model to describe."""

    name: str  # as --model named it
    teller: LanguageModel
    provenance: dict[str, Any]  # where the weights came from


def add(parser) -> None:
    add_model_and_revision(parser)


def plan(args, held: ExitStack) -> InfoPlan:
    folder = folder_of(args.model, args.revision)
    provenance = provenance_of(args.model, folder)
    teller = load(folder, "cpu")
    return InfoPlan(args.model.as_posix(), teller, provenance)


def do(plan: InfoPlan) -> dict[str, Any]:
    """The model's configuration."""
    return dataclasses.asdict(plan.teller.model.config)


def number_of_weights(model) -> int:
    """The weights of a model, also those that are kept as integers."""
    kept = {part for part in model.modules() if isinstance(part, QuantizedLinear)}  # a tied head once
    return sum(p.numel() for p in model.parameters()) + sum(x.in_features * x.out_features for x in kept)


def report(plan: InfoPlan, config: dict[str, Any]) -> None:
    model = plan.teller.model
    tokenizer = plan.teller.tokenizer
    print(f"{plan.name}: {model.config.architecture}")
    print(f"{number_of_weights(model):,} parameters")
    print(f"{tokenizer.vocab_size:,} tokens in the vocabulary")
    for title, entries in [("config", config), ("provenance", plan.provenance)]:
        print(f"{title}:")
        for name, value in entries.items():
            print(f"  {name} = {value}")
