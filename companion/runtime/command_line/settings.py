"""A file of settings, config.toml: flat tables of numbers, words and switches, which stand in for options.

minutes = 10

[model]
d_model = 192

[training]
lr = 0.002

[generation]
temperature = 0.7
"""

import argparse
import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from companion.runtime.command_line.options import integer, take
from companion.runtime.files.atomic import write_atomic
from companion.runtime.training.presets import OPTIMIZERS

CONFIG = "config.toml"
WANTED = {int: "a whole number", float: "a number", bool: "true or false", str: 'words in quotes, "…"'}
TABLES = ("model", "training", "generation")
SIZE = ("context_length", "n_layers", "n_heads", "d_model")
"""What one of GPT-2's sizes says; the vocabulary is the data's, the rest follows or is no matter of size."""


@dataclasses.dataclass
class Generation:
    """How a text is drawn, where nothing else is said; None: not limited, and another seed each time."""

    prompt: str = "Once"
    max_new_tokens: int = 250
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None


MAX_NEW_TOKENS = integer(1)
GENERATION = {field.name: field.type for field in dataclasses.fields(Generation)}
GENERATION |= {"max_new_tokens": MAX_NEW_TOKENS}


def kinds_of(config_class: type, skip: set[str] = frozenset()) -> dict[str, Any]:
    """The fields of a config dataclass and their types, but those to skip."""
    return {field.name: field.type for field in dataclasses.fields(config_class) if field.name not in skip}


def read_settings(path: str | Path, kinds: Mapping[str, Mapping | None]) -> dict[str, dict]:
    """The settings of a file, {table: {name: value}}, those before the first table under "".

    kinds: for each table the names that it may have, each with a type or the reader of an option; None for a
    table that is not looked into. Raises ValueError, in one line that names the file, for what has no place.
    """
    path = Path(path)
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ValueError(f"--config={path} cannot be read ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no TOML: {' '.join(str(error).split())}") from None
    tables = {"": {name: value for name, value in found.items() if not isinstance(value, dict)}}
    tables |= {name: value for name, value in found.items() if isinstance(value, dict)}
    for table in tables:
        if table not in kinds and table not in TABLES:
            raise ValueError(f"{path}: no table is called [{table}]; there are [{'], ['.join(TABLES)}]")
    looked_into = {table: known for table, known in kinds.items() if known is not None}
    settings = {table: tables.get(table, {}) for table in looked_into}
    for table, values in settings.items():
        for name in values:
            if name not in looked_into[table]:
                raise ValueError(f"{path}: {_no_place(name, table, looked_into)}")
            values[name] = _value(path, table, name, values[name], looked_into[table][name])
    return settings


def _no_place(name: str, table: str, kinds: Mapping[str, Mapping]) -> str:
    """Why a name cannot stand in a table: it is another's, or none's."""
    here = f"[{table}]" if table else "the lines before the first table"
    owner = next((other for other, known in kinds.items() if name in known), None)
    if owner is not None:
        place = f"[{owner}]" if owner else "the lines before the first table"
        return f"{name} has no place in {here}; it belongs in {place}"
    return f"{name} has no place in {here}; there are {', '.join(sorted(kinds[table]))}"


def _value(path: Path, table: str, name: str, value: Any, kind: Any) -> Any:
    """A value of the file as its option would have it. ValueError where it is of another type."""
    if isinstance(kind, types.FunctionType):  # the reader of an option; it raises ValueError itself
        try:
            return kind(str(value) if type(value) in (int, float) else repr(value))
        except ValueError as error:
            raise ValueError(f"{path}: --{name.replace('_', '-')}{error}") from None
    if isinstance(kind, types.UnionType):
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    if typing.get_origin(kind) is tuple:
        n = len(typing.get_args(kind))
        wanted = f"[{', '.join(['a number'] * n)}]"
        good = isinstance(value, list) and len(value) == n and all(type(x) in (int, float) for x in value)
    else:  # by type(…), because True is an int to isinstance
        wanted = WANTED[kind]
        good = type(value) in ((int, float) if kind is float else (kind,))
    if not good:
        here = f"[{table}] " if table else ""
        raise ValueError(f"{path}: {here}{name}={value!r:.40} must be {wanted}")
    return tuple(value) if isinstance(value, list) else value


def write_settings(path: str | Path, tables: Mapping[str, Mapping], about: str = "") -> None:
    """Write a file that read_settings reads; what is None is left out. about: comment for its beginning."""
    lines = [f"# {line}".rstrip() for line in about.splitlines()]
    for table, values in sorted(tables.items(), key=lambda pair: pair[0] != ""):
        lines += ["", f"[{table}]"] if table else []
        lines += [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
    write_atomic(path, "\n".join(lines) + "\n")


def _toml(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


# -- of a command ------------------------------------------------------------------


def check_drawing(drawing: Generation) -> None:
    """ValueError for a setting out of its range."""
    from companion.runtime.generation.sampling_arguments import check_sampling, seeded

    check_sampling(drawing.temperature, drawing.top_k, drawing.top_p)
    seeded(drawing.seed)


def take_run_settings(
    args: argparse.Namespace,
    builders: Mapping,
    train_config: type,
    sizes: Mapping,
    readers: Mapping[str, Callable],
) -> dict:
    """Let --size and then --config stand in for options not given; return the file's [generation].

    readers: of the options that stand before the first table.
    """
    if args.size:
        if args.architecture not in (None, "gpt2"):
            raise ValueError(f"--size works with gpt2 only, not with {args.architecture}; leave it out")
        take(args, {name: getattr(sizes[args.size], name) for name in SIZE})
    if not args.config:
        return {}
    model = {"architecture": str}
    for config_class, _ in builders.values():
        model |= kinds_of(config_class, skip={"vocab_size"})
    kinds = {"": {"data": str, "init": str} | readers, "model": model, "generation": GENERATION}
    kinds["training"] = kinds_of(train_config, skip=set(model) - {"context_length"}) | {"optimizer": str}
    found = read_settings(args.config, kinds)
    if "context_length" in found["training"] and "init" not in found[""]:
        raise ValueError(f"{args.config}: context_length has no place in [training]; it belongs in [model]")
    known = {"architecture": (found["model"], builders), "optimizer": (found["training"], OPTIMIZERS)}
    for name, (table, there) in known.items():
        if name in table and table[name] not in there:
            raise ValueError(
                f"{args.config}: {name}={table[name]!r} is not known; there are {', '.join(there)}"
            )
    theirs = found["model"].get("architecture", "gpt2")
    if args.size and args.architecture is None and theirs != "gpt2":
        there = f"the architecture of {args.config} is {theirs}"
        raise ValueError(
            f"--size={args.size} works with gpt2 only, and {there}; leave out --size or --config"
        )
    for name in ("data", "init"):
        if found[""].get(name) == "":
            raise ValueError(f"{args.config}: {name} is empty; name one, or leave the line out")
    if "data" in found[""]:
        found[""]["data"] = Path(found[""]["data"])
    take(args, found[""] | found["model"] | found["training"])
    check_drawing(Generation(**found["generation"]))
    return found["generation"]


def _given(model: Any) -> dict:
    """The fields of a model's configuration without those that follow from the others, also from new ones."""

    def follows(name: str) -> bool:
        try:
            return dataclasses.replace(model, **{name: None}) == model
        except ValueError:  # without it the others do not fit together
            return False

    optional = {field.name for field in dataclasses.fields(model) if field.default is None}
    fields = dataclasses.asdict(model).items()
    return {name: value for name, value in fields if not (name in optional and follows(name))}


def write_run_settings(plan: Any) -> None:
    """Write the file in a run's folder that repeats it. plan: a TrainPlan.

    The number format is written as it was found by timing here.
    """
    from companion.runtime.models.devices import pick_device, pick_dtype

    dtype = pick_dtype(plan.train.dtype, pick_device(plan.train.device))
    model = {"architecture": plan.model.architecture} | _given(plan.model)
    train = dataclasses.asdict(plan.train) | {"dtype": str(dtype).removeprefix("torch.")}
    shape = {} if plan.origin else {name: value for name, value in model.items() if name != "vocab_size"}
    tables = {
        "": {"data": plan.shown_data, "minutes": 0, "judge": plan.judge},
        "training": {name: value for name, value in train.items() if name not in shape}
        | {"optimizer": plan.optimizer},
        "generation": dataclasses.asdict(Generation(**plan.drawing)),
    }
    if plan.origin:
        tables[""] = {"init": plan.origin["name"]} | tables[""]
    else:
        tables = {"": tables[""], "model": shape} | tables
    about = (
        f"Written by companion train. It repeats the run from its first step to step {plan.train.steps:,}:"
    )
    about += f"\n\n  companion train --config {CONFIG} --checkpoint another-folder"
    write_settings(plan.folder / CONFIG, tables, about)
