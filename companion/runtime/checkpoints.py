"""The files of a model and of a run: written whole, and nothing believed that is read.

A model is three files in one folder. config.json holds the architecture's name, its configuration and the
provenance; tokenizer.json the tokenizer; model.safetensors the weights, with a fingerprint of the other two.
A run adds log.jsonl (its history, a row a line) and state.safetensors: all that the next step depends on.
Where its last weights are not its best, the best are a model of their own, in the folder best.
No file is a pickle. Builders and tokenizers are handed in: this module knows no chapter.
"""

import dataclasses
import hashlib
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from companion.runtime.devices import DTYPES, check_memory
from companion.runtime.distributed import peers_of, spread, whole
from companion.runtime.files import reading, staged, write_whole
from companion.runtime.fingerprints import tokenizer_fingerprint
from companion.runtime.texts import end_of_text

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
STATE, LOG, BEST = "state.safetensors", "log.jsonl", "best"
LINE_ENDS = {ord(c): f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"}
"""Characters that JSON leaves as they are and str.splitlines takes for the end of a line."""
PICKLES = ("*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "pytorch_model*.bin")
PLACE = {"steps": int, "tokens": int, "seconds": (int, float), "losses": list, "history": list}
"""What a run's notes say about its place, and of which type."""
FREE = ("steps", "eval_every", "device", "dtype", "compile")
"""Settings that a resumed run may change. More steps are a longer schedule."""
GROUP = ("initial_lr", "weight_decay", "betas", "momentum")
"""Settings of an optimizer that a resumed run must share."""


# -- a model ------------------------------------------------------------------


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside DistributedDataParallel and torch.compile."""
    while isinstance(model, nn.parallel.DistributedDataParallel) or hasattr(model, "_orig_mod"):
        model = model._orig_mod if hasattr(model, "_orig_mod") else model.module
    return model


def write_model(
    folder: Path,
    model: nn.Module,
    tokenizer: Any,
    provenance: dict | None = None,
    weights: dict | None = None,
    quantization: dict | None = None,
) -> None:
    """The three files of a model, into a folder that `staged` gave. weights: others than it has now.

    quantization: what quantize was asked for (chapter 19), of a model whose matrices are integers.
    """
    model = unwrapped(model)
    tokenizer.save(folder / TOKENIZER)
    config = {"architecture": model.config.architecture, **dataclasses.asdict(model.config)}
    saved = {"config": config, "provenance": provenance or {}}
    if quantization is not None:
        saved["quantization"] = quantization
    (folder / CONFIG).write_text(
        json.dumps(saved, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )
    notes = {"fingerprint": fingerprint(config, (folder / TOKENIZER).read_bytes())}
    own, again = tensors_of(model), second_names(model)
    if again:
        notes["shared"] = json.dumps(again)
    weights = own if weights is None else {name: t for name, t in weights.items() if name not in again}
    write_safetensors(folder / WEIGHTS, weights, notes)


def read_model(
    folder: str | Path,
    builders: Mapping,
    load_tokenizer: Callable[[Path], Any],
    quantize: Callable[..., Any] | None = None,
) -> tuple[nn.Module, Any, dict]:
    """(model, tokenizer, provenance): the model on the CPU, in evaluation mode.

    quantize: puts the layers of a quantized folder into a model without numbers (chapter 19); without it such
    a folder is refused. builders: for each architecture's name (config class, builder), or a builder whose
    argument `config` is annotated with that class. Raises ValueError, in one line, for whatever is
    missing, damaged or unknown.
    """
    folder = Path(folder)
    with reading(folder):
        saved, path = _parse_config(folder / CONFIG), folder / CONFIG
        words = file_of_checkpoint(folder / TOKENIZER).read_bytes()
        model = build_empty(saved["config"], builders, path)
        if "quantization" in saved:
            fill_scheme(model, saved["quantization"], quantize, path)
        weights, notes = read_safetensors(folder / WEIGHTS)
        ours = fingerprint(saved["config"], words)
        if notes.get("fingerprint", ours) != ours:
            raise ValueError(f"{folder}: the model belongs to another {CONFIG} or {TOKENIZER}")
        tokenizer = load_tokenizer(folder / TOKENIZER)
    try:
        end_of_text(tokenizer)
    except ValueError as error:
        raise ValueError(f"{folder / TOKENIZER}: {error}") from None
    if tokenizer.vocab_size > getattr(model.config, "vocab_size", tokenizer.vocab_size):
        sizes = f"{tokenizer.vocab_size} tokens, and the model {model.config.vocab_size}"
        raise ValueError(f"{folder / TOKENIZER} has {sizes}; it belongs to another model")
    wanted = tensors_of(model)
    shared = {n: first for n, first in read_shared(notes, folder / WEIGHTS).items() if n in wanted}
    weights |= {n: weights[first] for n, first in shared.items() if first in weights}
    check_weights(model, weights, folder / WEIGHTS)
    ours = {n: t.to(wanted[n].dtype, copy=True) for n, t in weights.items()}
    model.load_state_dict(ours, strict=False, assign=True)  # not strict: check_weights was
    for name, first in shared.items():  # the builder made two, the model that was saved had one
        owner, _, own = name.rpartition(".")
        setattr(model.get_submodule(owner), own, tensors_of(model)[first])
    return model.eval(), tokenizer, saved["provenance"]


def tensors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """A model's parameters and buffers by name, each once: a table that two parts share has one name."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


def second_names(model: nn.Module) -> dict[str, str]:
    """Each further name of a tensor that several parts share -> the one that it has in tensors_of."""
    first = {t: name for name, t in tensors_of(model).items()}
    every = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    return {name: first[t] for name, t in every if first[t] != name}


def read_shared(notes: dict[str, str], path: Path) -> dict[str, str]:
    """What write_model noted of second_names. ValueError, in one line, where that is damaged."""
    try:
        shared = json.loads(notes.get("shared", "{}"))
    except (ValueError, RecursionError):
        shared = None
    if not isinstance(shared, dict) or not all(isinstance(first, str) for first in shared.values()):
        raise ValueError(f"{path} is damaged at 'shared' in its notes; copy it again")
    return shared


def fill_scheme(model: nn.Module, scheme: Any, quantize: Callable | None, path: Path) -> None:
    """Quantize an empty model as config.json says. ValueError, in one line, for an unknown scheme."""
    if quantize is None:
        raise ValueError(f"{path.parent} is quantized, and this needs weights that are floats; name another")
    if not isinstance(scheme, dict) or set(scheme) != {"bits", "group"}:
        raise ValueError(f"{path}: quantization={scheme!r:.60} must have bits and group; copy it again")
    try:
        quantize(model, **scheme)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: quantization: {error}") from None


def read_config(folder: str | Path) -> dict:
    """config.json, as {"config": {"architecture": …, …}, "provenance": {…}}.

    Raises ValueError, in one line, where it is missing or damaged.
    """
    with reading(folder):
        return _parse_config(Path(folder) / CONFIG)


def _parse_config(path: Path) -> dict:
    """read_config, for who is reading already."""
    content = file_of_checkpoint(path).read_bytes()
    try:
        saved = json.loads(content)
    except (ValueError, RecursionError):  # of ValueErrors also one for a number of thousands of digits
        raise ValueError(f"{path} is not whole JSON; copy it again, or train again") from None
    if not isinstance(saved, dict) or not isinstance(saved.get("config"), dict):
        raise ValueError(f"{path}: 'config' is missing; copy it again, or train again")
    saved = {"provenance": {}} | saved
    if not isinstance(about := saved["provenance"], dict):
        raise ValueError(f"{path}: provenance={about!r:.40} must be an object; copy it again")
    return saved


def build_empty(config: dict, builders: Mapping, path: Path) -> nn.Module:
    """The model that a parsed config.json describes, without numbers (on the meta device)."""
    fields = dict(config)
    name = fields.pop("architecture", "architecture")
    if not isinstance(name, str) or name not in builders:
        known = "architectures here: " + ", ".join(builders)
        raise ValueError(f"{path}: {name!r} is missing or unknown; {known}")
    found = builders[name]
    kind, build = found if isinstance(found, tuple) else (typing.get_type_hints(found)["config"], found)
    try:
        made = kind(**fields)
    except TypeError as error:
        raise ValueError(f"{path} is not a model configuration: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    check_memory(made, build)
    with torch.device("meta"):
        return build(made)


def fingerprint(config: dict, tokenizer: bytes) -> str:
    """What ties weights to the configuration and the tokenizer that they were trained with."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode() + tokenizer).hexdigest()


def holds_model(folder: str | Path) -> bool:
    """Whether there is a model in folder; what a first save left half-done is none."""
    with reading(folder):
        return all((Path(folder) / name).exists() for name in (CONFIG, TOKENIZER, WEIGHTS))


def holds_run(folder: str | Path) -> bool:
    """Whether a run was saved in folder that can go on."""
    with reading(folder):
        return (Path(folder) / STATE).exists()


# -- files ------------------------------------------------------------------


def file_of_checkpoint(path: Path) -> Path:
    """path, a file of a checkpoint. ValueError, in one line, where it is missing, or a pickle."""
    folder = path.parent
    if path.is_file():
        return path
    pickles = [folder] if any(folder.match(kind) for kind in PICKLES) else []
    for found in pickles + sorted(p for kind in PICKLES for p in folder.glob(kind)):
        why = "unpickling runs the code in a file"
        raise ValueError(f"{found} is not opened: {why}; use safetensors")
    if folder.suffix == ".gguf" and folder.is_file():
        rule = "is GGUF, which companion writes and does not read"
        raise ValueError(f"checkpoint {folder} {rule}; give the folder that it was made from")
    if folder.is_file():
        raise ValueError(f"checkpoint {folder} is a file; give the folder that it lies in")
    there = "has no" if folder.is_dir() else "is not there, nor its"
    makes = "companion finetune classify" if path.name == "head.safetensors" else "companion train"
    raise ValueError(f"checkpoint {folder} {there} {path.name}; check the path, or use {makes}")


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor], notes: dict[str, str]) -> None:
    """Tensors, from any device, and notes as a safetensors file."""
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path, notes)


def read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and notes of a safetensors file. ValueError if missing or damaged."""
    try:
        with safe_open(file_of_checkpoint(path), "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        pickled = begins(path) in (b"PK", b"\x80\x02", b"\x80\x04")
        reason = "a pickle, which is never opened" if pickled else str(error)
        problem = f"{path} is no whole safetensors file ({reason})"
        raise ValueError(f"{problem}; copy or train it again") from None


def begins(path: Path) -> bytes:
    """The first two bytes of a file; none of one that cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(2)
    except OSError:
        return b""


def check_weights(model: nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    """ValueError, in one line, where a name, a shape or a kind of number differs from the model's."""
    wanted = tensors_of(model)
    for name in sorted(wanted.keys() | weights.keys()):
        there, here = (list(d[name].shape) if name in d else "none" for d in (weights, wanted))
        if there != here:
            raise ValueError(f"{path} is of another model: {name} is {there} there, {here} here")
        kind, ours = weights[name].dtype, wanted[name].dtype
        if kind.is_floating_point != ours.is_floating_point or not (kind.is_floating_point or kind == ours):
            kinds = f"{weights[name].dtype} there, {wanted[name].dtype} here"
            raise ValueError(f"{path} is of another model: {name} is {kinds}")


# -- a run ------------------------------------------------------------------


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
    """What a folder says of its run.

    shape: fields of the model's configuration. train: settings of training, with the optimizer's name.
    steps: behind it. origin: the model that it went on from, as origin_of has it, or None.
    """

    architecture: str
    shape: dict
    train: dict
    steps: int
    origin: dict | None


def saved_settings(folder: Path, asked: str | None, builders: Mapping) -> Saved:
    """Of a run to be resumed, what it was.

    asked: the architecture that was asked for, or None. Raises ValueError, in one line, for a folder without
    a run of it.
    """
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
    """Put a trainer where save_run left another.

    tokenizer: of the data, to be compared with the one in folder where the state does not name it.
    Raises ValueError, in one line and with the weights as they were, where folder holds no such run.
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
    """What restore refuses by a run's settings or the shapes of its weights, refused before any work.

    trainer: of it the model, its config and the optimizers are looked at, so it need not be whole.
    """
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

    A parameter that never had a gradient has nothing in the file, and then nothing here. Raises ValueError,
    in one line, for what lacks, is left over, or differs.
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
