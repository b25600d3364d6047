"""Options of a command line: numbers in their ranges, and the fields of configurations."""

import argparse
import dataclasses
import types
import typing
from collections.abc import Callable


class NotInRange(argparse.ArgumentTypeError, ValueError):
    """An option's value that is no number, or too small or large: in a command line, and in a file."""


def integer(option: str, low: int, high: int = 10**9) -> Callable[[str], int]:
    """The type of an option that takes a whole number from low to high."""

    def read(text: str) -> int:
        rule = f"must be a whole number from {low:,} to {high:,}"
        try:
            value = int(text)
        except ValueError:
            raise NotInRange(f"{option}={text:.40} {rule}") from None
        if not low <= value <= high:
            raise NotInRange(f"{option}={text:.40} {rule}")
        return value

    return read


def number(option: str, low: float, high: float, more: str = "") -> Callable[[str], float]:
    """The type of an option that takes a number from low to high; more: what its error adds."""

    def read(text: str) -> float:
        rule = f"must be a number from {low:,} to {high:,}{more}"
        try:
            value = float(text)
        except ValueError:
            raise NotInRange(f"{option}={text:.40} {rule}") from None
        if not low <= value <= high:  # NaN is in no range
            raise NotInRange(f"{option}={text:.40} {rule}")
        return value

    return read


def add_fields(parser: argparse.ArgumentParser, config_class: type, title: str, skip: set[str]) -> None:
    """An option for each field of a config dataclass, but those to skip."""
    group = parser.add_argument_group(title, "default: as the preset says, else as in brackets")
    for field in dataclasses.fields(config_class):
        if field.name in skip:
            continue
        kind = field.type
        if isinstance(kind, types.UnionType):
            kind = next(k for k in typing.get_args(kind) if k is not type(None))
        option, text = "--" + field.name.replace("_", "-"), f"({field.default})"
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
