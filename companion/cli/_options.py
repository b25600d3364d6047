"""Options that were given: which of them go together, and what stands in for those that were not."""

import dataclasses
from collections.abc import Mapping
from typing import Any


def take(options: Any, fields: dict) -> None:
    """Fields stand in for the options that were not given."""
    for name, value in fields.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def names_of(config_class: type) -> set[str]:
    """The fields of a config dataclass."""
    return {field.name for field in dataclasses.fields(config_class)}


def refuse(options: Any, names: list[str], why: str) -> None:
    """ValueError for the first of these options that was given: it would be ignored."""
    given = options if isinstance(options, Mapping) else vars(options)
    for name in names:
        if given.get(name) is not None and given[name] is not False:
            raise ValueError(f"--{name.replace('_', '-')} {why}; leave it out")
