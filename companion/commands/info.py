"""companion info: what a checkpoint is and where it came from."""

import dataclasses
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from companion.commands.naming import add_model_and_revision

if TYPE_CHECKING:
    from companion.generation import LanguageModel


@dataclass
class InfoPlan:
    """The model to describe."""

    name: str  # as --model named it
    teller: "LanguageModel"
    provenance: dict[str, Any]  # where the weights came from


@dataclass
class Info:
    """What there is to say about a model."""

    config: dict[str, Any]
    provenance: dict[str, Any]


def add(parser) -> None:
    add_model_and_revision(parser)


def plan(args, held: ExitStack) -> InfoPlan:
    from companion import load
    from companion.runtime.storage.model_names import folder_of, provenance_of

    folder = folder_of(args.model, args.revision)
    provenance = provenance_of(args.model, folder)
    teller = load(folder, "cpu")
    return InfoPlan(args.model.as_posix(), teller, provenance)


def do(plan: InfoPlan) -> Info:
    """Collect what there is to say."""
    return Info(dataclasses.asdict(plan.teller.model.config), plan.provenance)


def number_of_weights(model) -> int:
    """The weights of a model, also those that are kept as integers."""
    from companion.quantization import QuantizedLinear

    kept = {part for part in model.modules() if isinstance(part, QuantizedLinear)}  # a tied head once
    return sum(p.numel() for p in model.parameters()) + sum(x.in_features * x.out_features for x in kept)


def report(plan: InfoPlan, info: Info) -> None:
    model = plan.teller.model
    tokenizer = plan.teller.tokenizer
    print(f"{plan.name}: {model.config.architecture}")
    print(f"{number_of_weights(model):,} parameters")
    print(f"{tokenizer.vocab_size:,} tokens in the vocabulary")
    for title, entries in [("config", info.config), ("provenance", info.provenance)]:
        print(f"{title}:")
        for name, value in entries.items():
            print(f"  {name} = {value}")
