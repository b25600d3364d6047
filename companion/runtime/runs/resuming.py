"""The files of a run, with which it goes on as if it had never stopped.

Beside the model's three files (storage/checkpoints.py), a run has log.jsonl, its history with one evaluation
a line, and state.safetensors: weights, the optimizers' averages, and its place. state.safetensors alone
decides where a run goes on, and it is replaced in one rename. So a kill in the middle of a save loses the
steps since the last save, and nothing else.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from companion.runtime.files.atomic import finish_renames, staged, write_atomic
from companion.runtime.models.devices import DTYPES
from companion.runtime.runs.distributed import full_tensors, is_main, shard_like
from companion.runtime.runs.optimizers import optimizer_parameters, optimizer_states
from companion.runtime.storage.checkpoints import (
    check_weights,
    read_safetensors,
    tensors_of,
    unwrapped,
    write_model,
    write_safetensors,
)

STATE = "state.safetensors"
LOG = "log.jsonl"
BEST = "best"
PLACE = ("steps", "tokens", "seconds", "losses")
"""Attributes of a trainer that are saved beside its weights and averages."""
CHANGEABLE = ("steps", "eval_every", "device", "dtype", "compile")
"""Settings that a resumed run may change. More steps are a longer schedule."""


def holds_run(folder: str | Path) -> bool:
    """Return whether a run was saved in folder that can go on."""
    finish_renames(folder)
    return (Path(folder) / STATE).exists()


def run_identity(trainer: Any, data: dict) -> dict:
    """Collect what must be the same for a saved run to go on.

    Args:
        trainer: The run's trainer.
        data: See validation.data_identity.
    """
    settings = dataclasses.asdict(trainer.config)
    config = unwrapped(trainer.model).config
    kept = {name: value for name, value in settings.items() if name not in CHANGEABLE}
    kept |= {f"model.{name}": value for name, value in dataclasses.asdict(config).items()}
    kept["optimizer"] = [type(optimizer).__name__ for optimizer in trainer.optimizers]
    return json.loads(json.dumps(kept | data, default=float))


def check_identity(here: dict, saved: dict, path: Path) -> None:
    """Raise ValueError at the first setting in which a run differs from the saved one.

    A setting that the saved run did not know yet is no difference.
    """
    for name, value in here.items():
        if saved.get(name, value) == value:
            continue
        if name in ("tokenizer", "text"):
            raise ValueError(f"{name} differs, so it cannot resume {path}: the data are others; start anew")
        rule = f"there {saved[name]!r}; give that, or start anew"
        raise ValueError(f"{name.removeprefix('model.')}={value!r} cannot resume {path}, {rule}")


def save_run(folder: str | Path, trainer: Any, tokenizer: Any, data: dict, about: dict) -> None:
    """Write model, log and state. All processes call this, and the main one writes.

    Args:
        folder: The run's folder.
        trainer: The trainer to save.
        tokenizer: The tokenizer of the data.
        data: See validation.data_identity.
        about: The provenance of the model.
    """
    model = unwrapped(trainer.model)
    tensors = {f"model.{name}": tensor for name, tensor in tensors_of(model).items()}
    numbers = {}
    for prefix, optimizer, p in optimizer_parameters(trainer):
        for key, value in optimizer.state.get(p, {}).items():
            kind = tensors if isinstance(value, torch.Tensor) else numbers
            kind[f"{prefix}.{key}"] = value
    tensors = full_tensors(tensors)
    if not is_main():
        return
    notes = {name: getattr(trainer, name) for name in PLACE}
    notes["dtype"] = next(name for name, dtype in DTYPES.items() if dtype == trainer.dtype)
    notes |= {"numbers": numbers, "identity": run_identity(trainer, data)}
    with staged(folder) as new:
        write_model(new, model, tokenizer, about, model_weights(tensors))
        (new / LOG).write_text(log_lines(trainer.history), encoding="utf-8", newline="\n")
        write_safetensors(new / STATE, tensors, {"notes": json.dumps(notes)})


def restore(trainer: Any, folder: str | Path, data: dict) -> None:
    """Put a trainer where save_run left another one.

    Raises:
        ValueError: If there is no run, or one with other settings, data or shapes. The weights stay.
    """
    path = Path(folder) / STATE
    tensors, notes = read_safetensors(path)
    try:
        notes = json.loads(notes["notes"])
        check_identity(run_identity(trainer, data), notes["identity"], path)
    except KeyError:
        raise ValueError(f"{path} is not the state of a run; start anew, without resume") from None
    model = unwrapped(trainer.model)
    weights = model_weights(tensors)
    check_weights(model, weights, path)
    states = optimizer_states(trainer, tensors | notes.get("numbers", {}), path)

    due = model.state_dict()
    weights = {name: shard_like(tensor, due[name]) for name, tensor in weights.items()}
    model.load_state_dict(weights, strict=False)  # not strict: check_weights was
    for optimizer, state in zip(trainer.optimizers, states, strict=True):
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    for name in PLACE:
        setattr(trainer, name, notes[name])
    trainer.history = [row for row in read_log(folder) if row["step"] <= trainer.steps]
    if trainer.config.dtype == "auto":
        trainer.dtype = DTYPES[notes["dtype"]]


def model_weights(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Pick the model's weights from a run's tensors, by the names that the model has for them."""
    prefix = "model."
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def log_lines(history: list[dict]) -> str:
    """Format a history as log.jsonl, one row a line, in ASCII: so no character in a row ends a line."""
    return "".join(json.dumps(row) + "\n" for row in history)


def write_log(folder: str | Path, history: list[dict]) -> None:
    """Replace log.jsonl."""
    write_atomic(Path(folder) / LOG, log_lines(history))


def read_log(folder: str | Path) -> list[dict]:
    """Read a run's history."""
    text = (Path(folder) / LOG).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]
