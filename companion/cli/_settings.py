"""The file that a training run writes, config.toml: `companion train --config` repeats the run from it."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.cli._shared import VILLAGE
from companion.runtime.data.prepared import prepared_source
from companion.runtime.files.atomic import write_atomic
from companion.runtime.models.devices import pick_device, pick_dtype

CONFIG = "config.toml"
DRAWING = {"prompt": "Once", "max_new_tokens": 250, "temperature": 0.8, "top_k": None, "top_p": None}
DRAWING |= {"seed": None}
"""How a text is drawn, where nothing else is said; None: not limited, and another seed each time."""


def write_settings(path: str | Path, tables: Mapping[str, Mapping], about: str = "") -> None:
    """Write a file of settings; what is None is left out. about: comment for its beginning."""
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
    dtype = pick_dtype(plan.train.dtype, pick_device(plan.train.device))
    model = {"architecture": plan.model.architecture} | _given(plan.model)
    train = dataclasses.asdict(plan.train) | {"dtype": str(dtype).removeprefix("torch.")}
    shape = {} if plan.origin else {name: value for name, value in model.items() if name != "vocab_size"}
    data = None if plan.data == VILLAGE else plan.data.as_posix()
    of_village = prepared_source(plan.data) == "village"  # whose stories begin with the usual prompt
    tables = {
        "": {"data": data, "minutes": 0, "judge": plan.options.judge or 0},
        "training": {name: value for name, value in train.items() if name not in shape}
        | {"optimizer": plan.optimizer},
        "generation": DRAWING if of_village else DRAWING | {"prompt": ""},
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
