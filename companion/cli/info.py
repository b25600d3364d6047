"""companion info: the size and shape of a model, and how it was made."""

import dataclasses
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from companion import load
from companion.cli._parsing import find_class, texts_of
from companion.cli._shared import HubOptions
from companion.cli._tables import flattened, table
from companion.experts import MixtureOfExperts
from companion.generation import LanguageModel
from companion.models.names import folder_of, provenance_of
from companion.quantization import QuantizedLinear


@dataclass(kw_only=True)
class Options(HubOptions):
    """Show the size and shape of a model, and how it was trained.


    Example:
        companion info --model runs/village
    """


def run(options: Options) -> None:
    with ExitStack() as held:
        plan = make_plan(options, held)
        report(plan, do(plan))


@dataclass
class InfoPlan:
    """The model to describe."""

    name: str  # as --model named it
    teller: LanguageModel
    provenance: dict[str, Any]  # where the weights came from


def make_plan(args: Options, held: ExitStack) -> InfoPlan:
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


def number_of_active_weights(model) -> int:
    """The weights that work on one token: all but those of the experts that a token does not use.

    Quantized layers count, too, whose integers are no parameters for `companion.experts.active_parameters`.
    """
    mixtures = [part for part in model.modules() if isinstance(part, MixtureOfExperts)]
    idle = sum((len(x.experts) - x.router.n_active) * number_of_weights(x.experts[0]) for x in mixtures)
    return number_of_weights(model) - idle


def report(plan: InfoPlan, config: dict[str, Any]) -> None:
    model = plan.teller.model
    width = shutil.get_terminal_size((100, 24)).columns
    total, active = number_of_weights(model), number_of_active_weights(model)
    about = [
        ("model", plan.name),
        ("architecture", model.config.architecture),
        ("parameters", f"{total:,}"),
        *([("active parameters per token", f"{active:,}")] if active < total else []),
        ("tokens in the vocabulary", f"{plan.teller.tokenizer.vocab_size:,}"),
        ("tokens that it reads at once", f"{model.config.context_length:,}"),
    ]
    print("\n".join(table(about, width=width)))
    print("\nIts configuration\n")
    rows = [(name, value, meaning_of(name)) for name, value in flattened(config)]
    print("\n".join(table(rows, ("setting", "value", "meaning"), right=[1], width=width)))
    if plan.provenance:
        print("\nHow it was made\n")
        rows = flattened(plan.provenance)
        print("\n".join(table(rows, ("entry", "value"), width=width)))


def meaning_of(field: str) -> str:
    """What a field of a configuration means, without the default that the help of `train` adds."""
    if field == "vocab_size":
        return "number of tokens in the vocabulary"
    _, node = find_class("companion.cli.train", "Options")
    text = texts_of(node).get(field, "").partition(" Default: ")[0].rstrip(".")
    return text[:1].lower() + text[1:]
