"""The files of a run beside its model's (checkpoints.py): with them it goes on as if it had never stopped.

log.jsonl holds a run's history, a row a line; state.safetensors all that the next step depends on. Where the
last weights are not the best, the best are a model of their own, in the folder best.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from companion.runtime.files.whole_files import reading, staged, write_whole
from companion.runtime.models.devices import DTYPES
from companion.runtime.storage.checkpoints import (
    CONFIG,
    TOKENIZER,
    check_weights,
    file_of_checkpoint,
    read_config,
    read_safetensors,
    second_names,
    unwrapped,
    write_model,
    write_safetensors,
)
from companion.runtime.text.fingerprints import tokenizer_fingerprint
from companion.runtime.training.distributed import peers_of, spread, whole

STATE, LOG, BEST = "state.safetensors", "log.jsonl", "best"
LINE_ENDS = {ord(c): f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"}
"""Characters that JSON leaves as they are and str.splitlines takes for the end of a line."""
PLACE = {"steps": int, "tokens": int, "seconds": (int, float), "losses": list, "history": list}
"""What a run's notes say about its place, and of which type."""
FREE = ("steps", "eval_every", "device", "dtype", "compile")
"""Settings that a resumed run may change. More steps are a longer schedule."""
GROUP = ("initial_lr", "weight_decay", "betas", "momentum")
"""Settings of an optimizer that a resumed run must share."""


def holds_run(folder: str | Path) -> bool:
    """Whether a run was saved in folder that can go on."""
    with reading(folder):
        return (Path(folder) / STATE).exists()


def run_identity(trainer: Any, data: dict) -> dict:
    """What must be the same for a saved run to go on. data: what tells the data from others, by name."""
    model, settings = unwrapped(trainer.model), dataclasses.asdict(trainer.config)
    if dataclasses.is_dataclass(config := getattr(model, "config", None)):
        shape = dataclasses.asdict(config)
        rows, own = settings.get("context_length"), shape.get("context_length")
        settings |= {"architecture": config.architecture} | shape
        if rows not in (None, own):  # a model that reads more at once than a row
            settings["context_length (of a row)"] = rows
    kept = {name: value for name, value in settings.items() if name not in FREE} | data
    kept["optimizers"] = [
        [
            type(optimizer).__name__,
            *({"lr": g["lr"]} | {k: g[k] for k in GROUP if k in g} for g in optimizer.param_groups),
        ]
        for optimizer in trainer.optimizers
    ]
    for group in (group for optimizer in kept["optimizers"] for group in optimizer[1:]):
        group["lr"] = group.pop("initial_lr", group["lr"])
    return json.loads(json.dumps(kept, default=float))


def check_identity(here: dict, there: dict, path: Path) -> None:
    """ValueError, in one line, at the first setting in which a run differs from the saved one.

    A setting that the saved run did not know yet is no difference.
    """
    for name, value in here.items():
        if name in there and there[name] != value:
            if name in ("tokenizer", "text"):
                other = "the data are others, or were prepared anew"
                raise ValueError(f"{name} differs, so it cannot resume {path}: {other}; start anew")
            saved = f"there {there[name]!r}; give that, or start anew"
            raise ValueError(f"{name}={value!r} cannot resume {path}, {saved}")


def save_run(folder: str | Path, trainer: Any, tokenizer: Any, data: dict, about: dict) -> None:
    """Write model, log and state as one set. data: see run_identity; about: the model's provenance.

    Of several processes all call this, and the first writes: the same files as one process's.
    """
    state, again = unwrapped(trainer.model).state_dict(), second_names(unwrapped(trainer.model))
    tensors = {f"model.{name}": t for name, t in state.items() if name not in again}
    kept = {
        f"{kind}.{key}": value
        for kind, optimizer, p in _optimizer_states(trainer)
        for key, value in optimizer.state[p].items()
    }
    tensors |= {name: value for name, value in kept.items() if isinstance(value, torch.Tensor)}
    notes = {name: getattr(trainer, name) for name in PLACE} | {"identity": run_identity(trainer, data)}
    notes["dtype"] = next(name for name, dtype in DTYPES.items() if dtype == trainer.dtype)
    notes["numbers"] = {name: value for name, value in kept.items() if name not in tensors}
    first = peers_of(trainer).first
    tensors = whole(tensors, keep=first)
    if not first:
        return
    weights = weights_of_run(tensors)
    with staged(folder) as new:
        write_model(new, trainer.model, tokenizer, about, weights)
        (new / LOG).write_text(log_lines(trainer.history), encoding="utf-8", newline="\n")
        write_safetensors(new / STATE, tensors, {"notes": json.dumps(notes)})


def log_lines(history: list[dict]) -> str:
    """A run's history as log.jsonl has it: a line a row, whatever a reader takes for the end of one."""
    return "".join(json.dumps(row, ensure_ascii=False).translate(LINE_ENDS) + "\n" for row in history)


def write_log(folder: str | Path, history: list[dict]) -> None:
    """Replace log.jsonl, for what a report added to the last row after its save."""
    write_whole(Path(folder) / LOG, log_lines(history))


def read_log(folder: str | Path) -> list[dict]:
    """A run's history, as log_lines wrote it."""
    with reading(folder):
        text = (Path(folder) / LOG).read_text(encoding="utf-8")
    return log_rows(text)


def log_rows(text: str) -> list[dict]:
    """The rows of a log.jsonl. A sample may hold what str.splitlines takes for the end of a line."""
    return [json.loads(line) for line in text.split("\n") if line]


@dataclasses.dataclass
class Saved:
    """What a folder says of its run."""

    architecture: str
    shape: dict  # fields of the model's configuration
    train: dict  # settings of training, with the optimizer's name
    steps: int  # behind it
    origin: dict | None  # the model that it went on from, as origin_of has it


def saved_settings(folder: Path, asked: str | None, builders: Mapping) -> Saved:
    """Of a run to be resumed, what it was; asked: the architecture that was asked for, or None."""
    saved = read_config(folder)
    provenance, settings = saved["provenance"], dict(saved["config"])
    architecture = settings.pop("architecture", "gpt2")
    if architecture not in builders:
        known = ", ".join(builders)
        raise ValueError(f"architecture={architecture!r} of {folder} is not known; there are {known}")
    if asked not in (None, architecture):
        raise ValueError(f"--architecture={asked} cannot resume {folder}, a {architecture}; leave it out")
    train, steps = provenance.get("train", {}), provenance.get("steps", 0)
    optimizers, origin = provenance.get("optimizers", []), provenance.get("init")
    named = origin is None or (isinstance(origin, dict) and isinstance(origin.get("name"), str))
    kinds = [(train, dict), (steps, int), (optimizers, list)]
    if not all(isinstance(value, kind) for value, kind in kinds) or not named:
        raise ValueError(f"{folder / CONFIG} is damaged: its provenance is of no run; start anew")
    optimizer = "muon" if "Muon" in optimizers else "adamw"
    return Saved(architecture, settings, train | {"optimizer": optimizer}, steps, origin)


def restore(trainer: Any, folder: str | Path, data: dict, tokenizer: Any = None) -> None:
    """Put a trainer where save_run left another. ValueError, with the weights as they were, if it cannot be.

    tokenizer: of the data, to be compared with the one in folder where the state does not name it.
    """
    path = Path(folder) / STATE
    tensors, notes = _read_run(trainer, path, data, tokenizer)
    model = unwrapped(trainer.model)
    weights = weights_of_run(tensors)
    check_weights(model, weights, path)
    try:
        _restore_optimizers(trainer, tensors, notes.get("numbers", {}), path)
    except ValueError:
        for optimizer in trainer.optimizers:
            optimizer.state.clear()
        raise
    due = model.state_dict()
    weights = {name: spread(t, due[name]) for name, t in weights.items()}
    model.load_state_dict(weights, strict=False)  # not strict: check_weights was
    for name in PLACE:
        setattr(trainer, name, notes[name])
    if trainer.config.dtype == "auto" and "dtype" in notes:
        trainer.dtype = DTYPES[notes["dtype"]]


def check_resumable(trainer: Any, folder: str | Path, data: dict, tokenizer: Any) -> None:
    """What restore refuses by settings or shapes, refused before any work; the trainer need not be whole."""
    path = Path(folder) / STATE
    tensors, _ = _read_run(trainer, path, data, tokenizer)
    check_weights(unwrapped(trainer.model), weights_of_run(tensors), path)


def weights_of_run(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of a run's tensors the model's, by the names that it has for them."""
    return {name[6:]: t for name, t in tensors.items() if name.startswith("model.")}


def _read_run(trainer: Any, path: Path, data: dict, tokenizer: Any) -> tuple[dict, dict]:
    """(tensors, notes) of a saved run with which the trainer can go on. ValueError for another."""
    with reading(path.parent):
        tensors, notes = read_safetensors(path)
        notes = _read_notes(notes, path)
        if not (there := notes["identity"]):
            raise ValueError(f"{path} holds no run, so it cannot resume; start anew, without resume")
        if tokenizer is not None and "tokenizer" not in there:
            own = file_of_checkpoint(path.with_name(TOKENIZER))
            there["tokenizer"] = tokenizer_fingerprint(type(tokenizer).load(own))
        notes["history"] = _with_reports(notes["history"], path.with_name(LOG))
    check_identity(run_identity(trainer, data), there, path)
    return tensors, notes


def _read_notes(notes: dict[str, str], path: Path) -> dict:
    """The notes of a state, checked. ValueError, in one line, for what lacks or is of another type."""
    try:
        notes = json.loads(notes.get("notes", '{"identity": {}}'))
    except ValueError:
        notes = None
    if not isinstance(notes, dict):
        raise ValueError(f"{path} is damaged at 'notes'; copy it again, or start anew")
    kinds = {"identity": dict} | (PLACE if notes.get("identity") else {})
    for name, kind in kinds.items():
        if name not in notes:
            raise ValueError(f"{path} lacks {name!r} in its notes; copy it again, or start anew")
        inner = {"history": dict, "losses": (int, float)}.get(name, object)
        value = notes[name]
        good = isinstance(value, kind) and not (isinstance(value, (int, float)) and value < 0)
        if not good or (isinstance(value, list) and not all(isinstance(x, inner) for x in value)):
            raise ValueError(f"{path} is damaged at {name!r} in its notes; copy it again, or start anew")
    if notes.get("dtype", "float32") not in DTYPES:
        raise ValueError(f"{path} is damaged at 'dtype' in its notes; copy it again, or start anew")
    return notes


def _with_reports(history: list[dict], log: Path) -> list[dict]:
    """A saved history, with what reports added to log.jsonl after the save."""
    try:
        more = {row["step"]: row for row in log_rows(log.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError, KeyError):
        more = {}
    return [row | more.get(row.get("step"), {}) | row for row in history]


def _optimizer_states(trainer: Any) -> Iterator[tuple[str, torch.optim.Optimizer, nn.Parameter]]:
    """(name in the file, optimizer, parameter) of each state that an optimizer keeps."""
    names = {p: name for name, p in unwrapped(trainer.model).named_parameters()}
    for number, optimizer in enumerate(trainer.optimizers, 1):
        kind = "optimizer" if number == 1 else f"optimizer{number}"
        for p in list(optimizer.state):
            yield f"{kind}.{names[p]}", optimizer, p


def _restore_optimizers(trainer: Any, tensors: dict, numbers: dict, path: Path) -> None:
    """Fill the optimizers' states from a file: each value only where name, shape and type are the due ones.

    A parameter that never had a gradient has nothing in the file, and then nothing here.
    """
    _rehearse(trainer)
    saved = {name: t for name, t in tensors.items() if not name.startswith("model.")} | numbers
    for kind, optimizer, p in _optimizer_states(trainer):
        state = optimizer.state[p]
        if not any(f"{kind}.{key}" in saved for key in state):
            del optimizer.state[p]
            continue
        for key, due in state.items():
            value = saved.pop(name := f"{kind}.{key}", None)
            there, here = _form(value), _form(due)
            if there != here:
                raise ValueError(f"{path} is damaged: {name} is {there} there, {here} here; start anew")
            state[key] = spread(value.to(due.device, copy=True), due) if torch.is_tensor(due) else value
    if saved:
        raise ValueError(f"{path} is of other optimizers: {min(saved)} has no place here; start anew")


def _form(value: Any) -> str:
    """Shape and type of a tensor, or the type of what is none."""
    if isinstance(value, torch.Tensor):
        return f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return type(value).__name__


def _rehearse(trainer: Any) -> None:
    """One step at the learning rate 0 with gradients of 0: it moves no weight, and makes each state."""
    for optimizer in trainer.optimizers:
        rates = [group["lr"] for group in optimizer.param_groups]
        weights = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        for p in weights:
            p.grad = torch.zeros_like(p)
        optimizer.step()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        for p in weights:
            p.grad = None
