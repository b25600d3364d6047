"""companion info: what a checkpoint is and where it came from."""

import dataclasses
from contextlib import ExitStack
from types import SimpleNamespace


def plan(args, held: ExitStack) -> SimpleNamespace:
    from companion import load
    from companion.runtime.storage.model_names import folder_of, provenance_of

    folder = folder_of(args.model, args.revision)
    provenance = provenance_of(args.model, folder)
    return SimpleNamespace(name=args.model.as_posix(), teller=load(folder, "cpu"), provenance=provenance)


def do(plan: SimpleNamespace) -> dict:
    """What there is to say, by title."""
    return {"config": dataclasses.asdict(plan.teller.model.config), "provenance": plan.provenance}


def number_of_weights(model) -> int:
    """The weights of a model, also those that are kept as integers."""
    from companion.quantization import QuantizedLinear

    kept = {part for part in model.modules() if isinstance(part, QuantizedLinear)}  # a tied head once
    return sum(p.numel() for p in model.parameters()) + sum(x.in_features * x.out_features for x in kept)


def report(plan: SimpleNamespace, said: dict) -> None:
    model, tokenizer = plan.teller.model, plan.teller.tokenizer
    print(f"{plan.name}: {model.config.architecture}")
    print(f"{number_of_weights(model):,} parameters")
    print(f"{tokenizer.vocab_size:,} tokens in the vocabulary")
    for title, entries in said.items():
        print(f"{title}:")
        for name, value in entries.items():
            print(f"  {name} = {value}")
