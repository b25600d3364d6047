"""Options of a command line: numbers in their ranges, and the fields of configurations."""

import argparse
import dataclasses
import math
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEANINGS = {
    "steps": "number of training steps, that is, updates of the weights",
    "batch_size": "rows in a batch",
    "context_length": "largest number of tokens that the model reads at once",
    "accumulate": "batches whose gradients are added up for one step",
    "lr": "highest learning rate",
    "min_lr": "learning rate at the end (default: a tenth of --lr)",
    "warmup_steps": "steps in which the learning rate rises from 0 (default: 50, or half of a shorter run)",
    "weight_decay": "how strongly matrices shrink at each step, as a multiple of the learning rate",
    "betas": "how much of AdamW's two moving averages is kept at each step; Muon uses the first one too",
    "grad_clip": "longer gradients are shortened to this length",
    "eval_every": "steps between two evaluations; the run is saved at each (a short run has at least three)",
    "seed": "seed of the first weights, the batches and dropout",
    "device": "auto, cpu, cuda, cuda:N or mps",
    "dtype": "number format of the matrix products: auto, float32 or bfloat16",
    "compile": "use torch.compile",
    "n_layers": "number of blocks",
    "n_heads": "attention heads in each block",
    "d_model": "width of the model: numbers in the vector of a token",
    "d_ff": "width inside each MLP (default: 4 times --d-model, or 8/3 times in models of llama's kind)",
    "dropout": "share of numbers that are set to 0 in training",
    "n_kv_heads": "heads of keys and values in each block (default: --n-heads)",
    "head_width": "numbers in the vectors of one head (default: --d-model / --n-heads)",
    "window": "how many positions back a query can attend (default: all)",
    "qk_norm": "normalize queries and keys",
    "qkv_bias": "give queries, keys and values a bias",
    "tied": "use the token embedding as the output head",
    "norm_eps": "small number that norms add to the mean square",
    "rope_theta": "base of RoPE's frequencies",
    "rope_factor": "by what RoPE's low frequencies are divided, for a longer context",
    "rope_original": "context length before RoPE's frequencies were lowered",
    "rope_share": "share of each head that RoPE rotates",
    "shift": "how many earlier tokens are mixed into the input of a layer",
    "n_experts": "MLPs in each block, of which a token uses a few",
    "n_active": "MLPs that each token uses",
    "balance": "how far the bias of an expert moves after each batch if it got too few or too many tokens",
    "capacity": "most tokens that an expert takes in training, as a multiple of its even share (default: no"
    " limit)",
}
"""What each field of a configuration is, as `--help` says it."""


class NotInRange(argparse.ArgumentTypeError, ValueError):
    """A value that an option does not take. The message is what stands behind the option's name."""


def as_path(text: str) -> Path:
    """The type of an option that takes a file or a folder. (The path of nothing would be that of here.)"""
    if not text:
        raise NotInRange("='' is empty; write '.' for the current folder")
    return Path(text)


def as_word(text: str) -> str:
    """The type of an option that takes a name."""
    if not text:
        raise NotInRange("='' is empty; name one, or leave it out")
    return text


def integer(low: int, high: int = 10**9) -> Callable[[str], int]:
    """The type of an option that takes a whole number from low to high."""
    return _within(int, f"must be a whole number from {low:,} to {high:,}", low, high)


def number(low: float, high: float, more: str = "") -> Callable[[str], float]:
    """The type of an option that takes a number from low to high; more: what its error adds."""
    return _within(float, f"must be a number from {low:,} to {high:,}{more}", low, high)


def _within(kind: type, rule: str, low: float, high: float) -> Callable:
    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:  # NaN is in no range
            raise NotInRange(f"={text:.40} {rule}")
        return value

    return read


def add_fields(parser: argparse.ArgumentParser, config_class: type, title: str, skip: set[str]) -> None:
    """An option for each field of a config dataclass, but those to skip."""
    group = parser.add_argument_group(
        title, "defaults are those of the preset, and otherwise the values in brackets"
    )
    for field in dataclasses.fields(config_class):
        if field.name in skip:
            continue
        kind = field.type
        if isinstance(kind, types.UnionType):
            kind = next(k for k in typing.get_args(kind) if k is not type(None))
        option, text = "--" + field.name.replace("_", "-"), MEANINGS[field.name]
        if isinstance(field.default, tuple):
            text += f" ({' '.join(map(str, field.default))})"
        elif field.default is not None:
            text += f" ({('off', 'on')[field.default] if kind is bool else field.default})"
        if kind is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, help=text)
        elif typing.get_origin(kind) is tuple:
            group.add_argument(option, type=float, nargs=len(typing.get_args(kind)), metavar="X", help=text)
        else:
            group.add_argument(option, type=kind, metavar=kind.__name__.upper(), help=text)


def take(args: argparse.Namespace, fields: dict) -> None:
    """Fields stand in for the options that were not given."""
    for name, value in fields.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def names_of(config_class: type) -> set[str]:
    """The fields of a config dataclass."""
    return {field.name for field in dataclasses.fields(config_class)}


def fields_of(config_class: type, preset: dict, args: argparse.Namespace) -> dict:
    """The preset's fields that the class has, overridden by the options that were given."""
    names = names_of(config_class)
    given = {name: value for name, value in vars(args).items() if name in names and value is not None}
    return {name: value for name, value in preset.items() if name in names} | given


def refuse(args: argparse.Namespace, names: list[str], why: str) -> None:
    """ValueError for the first of these options that was given: it would be ignored."""
    for name in names:
        if getattr(args, name) not in (None, False):
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} {why}; leave it out")
