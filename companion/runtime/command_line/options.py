"""Options of a command line: numbers in their ranges, and the fields of configurations."""

import argparse
import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MEANINGS = tomllib.loads(Path(__file__).with_name("fields.toml").read_text("utf-8"))
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


KINDS = {"path": as_path, "word": as_word, "int": int, "float": float}
"""The types that a table of options may name."""


def add_options(parser: argparse.ArgumentParser, options: Mapping, common: Mapping, values: Mapping) -> None:
    """Add the options of a table; commands/commands.toml says what an entry may have.

    common: entries that others are like. values: what stands for a name in braces.
    """

    def filled(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        alone = value.startswith("{") and value[1:-1] in values
        return values[value[1:-1]] if alone else value.format(**values)

    groups = {}
    for name, entry in options.items():
        entry = common.get(entry.get("like"), {}) | entry
        entry = {key: filled(value) for key, value in entry.items() if key != "like"}
        group = parser
        if "group" in entry:
            title, *about = entry.pop("group")
            if title not in groups:
                groups[title] = parser.add_argument_group(title, *about)
            group = groups[title]
        if "integer" in entry:
            entry["type"] = integer(*entry.pop("integer"))
        if "number" in entry:
            entry["type"] = number(*entry.pop("number"))
        if isinstance(entry.get("type"), str):
            entry["type"] = KINDS[entry["type"]]
        group.add_argument(*entry.pop("names", [f"--{name}"]), **entry)


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
