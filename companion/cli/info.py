"""companion info: the size, the shape and the training of a model."""

import dataclasses
from dataclasses import dataclass

from companion import load
from companion.cli._parsing import find_class, texts_of
from companion.cli._shared import HubOptions, table
from companion.experts import MixtureOfExperts
from companion.models.names import folder_of, provenance_of
from companion.quantization import QuantizedLinear


@dataclass(kw_only=True)
class Options(HubOptions):
    """Show the size and shape of a model, and how it was trained.

    Example:
        companion info --model runs/village
    """


def run(options: Options) -> None:
    folder = folder_of(options.model, options.revision)
    provenance = provenance_of(options.model, folder)
    teller = load(folder, "cpu")
    config = teller.model.config
    total = number_of_weights(teller.model)
    active = number_of_active_weights(teller.model)
    about = [
        ("model", options.model.as_posix()),
        ("architecture", config.architecture),
        ("parameters", f"{total:,}"),
    ]
    if active < total:
        about.append(("active parameters per token", f"{active:,}"))
    about.append(("tokens in the vocabulary", f"{teller.tokenizer.vocab_size:,}"))
    about.append(("tokens that it reads at once", f"{config.context_length:,}"))
    print(table(about))
    print("\nIts configuration\n")
    meanings = texts_of(find_class("companion.cli.train", "Options")[1])
    meanings["vocab_size"] = "Number of tokens in the vocabulary."
    rows = [("setting", "value", "meaning")]
    for name, value in flattened(dataclasses.asdict(config)):
        meaning = meanings.get(name, "").partition(" Default: ")[0].rstrip(".")
        rows.append((name, value, meaning[:1].lower() + meaning[1:]))
    print(table(rows, right=[1]))
    if provenance:
        print("\nHow it was made\n")
        print(table([("entry", "value"), *flattened(provenance)]))


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


def flattened(entries: dict, before: str = "") -> list[tuple[str, str]]:
    """Names and values of a dict as cells of a table; those of a dict inside as outer.inner."""
    found = []
    for name, value in entries.items():
        if isinstance(value, dict):
            found += flattened(value, f"{before}{name}.")
        else:
            shown = f"{value:,}" if type(value) is int and name != "seed" else str(value)
            found.append((f"{before}{name}", shown))
    return found
