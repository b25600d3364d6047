"""The files of a model: written whole, and nothing believed that is read.

A model is three files in one folder. config.json holds the architecture's name, its configuration and the
provenance; tokenizer.json the tokenizer; model.safetensors the weights, with a fingerprint of the other two.
No file is a pickle. Builders and tokenizers are handed in: this module knows no chapter. What a run adds to
the three is in training/resuming.py.
"""

import dataclasses
import hashlib
import json
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from companion.runtime.files.arguments import finite
from companion.runtime.files.whole_files import (
    Unwritten,
    check_regular,
    for_all,
    json_object,
    read_json,
    read_regular,
    reading,
)
from companion.runtime.models.devices import check_memory, without_numbers

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
ADAPTER = "adapter_config.json"
PICKLES = ("*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "pytorch_model*.bin")


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
        words = read_regular(file_of_checkpoint(folder / TOKENIZER))
        model = build_empty(saved["config"], builders, path)
        if "quantization" in saved:
            fill_scheme(model, saved["quantization"], quantize, path)
        weights, notes = read_safetensors(folder / WEIGHTS)
        if "quantization" in saved:
            from companion.runtime.models.quantization_checks import keep_types_of_scales

            keep_types_of_scales(model, weights)
        ours = fingerprint(saved["config"], words)
        if notes.get("fingerprint", ours) != ours:
            raise ValueError(f"{folder}: the model belongs to another {CONFIG} or {TOKENIZER}")
        tokenizer = load_tokenizer(folder / TOKENIZER)
    tokenizer.check_end(folder / TOKENIZER)
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
    """config.json, as {"config": {"architecture": …, …}, "provenance": {…}}. ValueError if damaged."""
    with reading(folder):
        return _parse_config(Path(folder) / CONFIG)


def _parse_config(path: Path) -> dict:
    """read_config, for who is reading already."""
    saved = read_json(file_of_checkpoint(path), "copy it again, or train again")
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
        raise ValueError(f"{path}: {name!r:.60} is missing or unknown; {known}")
    found = builders[name]
    kind, build = found if isinstance(found, tuple) else (typing.get_type_hints(found)["config"], found)
    try:
        made = kind(**fields)
    except TypeError as error:
        raise ValueError(f"{path} is not a model configuration: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    check_memory(made, build)
    with without_numbers():
        return build(made)


def fingerprint(config: dict, tokenizer: bytes) -> str:
    """What ties weights to the configuration and the tokenizer that they were trained with."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode() + tokenizer).hexdigest()


def holds_model(folder: str | Path) -> bool:
    """Whether there is a model in folder; what a first save left half-done is none."""
    with reading(folder):
        return all((Path(folder) / name).exists() for name in (CONFIG, TOKENIZER, WEIGHTS))


def holds_adapter(folder: str | Path) -> bool:
    """Whether a folder is an adapter's (chapter 17)."""
    return (Path(folder) / ADAPTER).is_file()


def holds_ours(folder: str | Path) -> bool:
    """Whether a folder's config.json is one of ours; whatever is wrong with it is found when it is read."""
    return "config" in json_object(Path(folder) / CONFIG)


def check_numbers(model: Any, name: str | Path) -> None:
    """ValueError, which names the tensor, where a model's weights hold a NaN or an infinity."""
    for tensor_name, tensor in model.state_dict().items():
        finite(f"{name}: {tensor_name}", tensor, "the file is damaged, or its training went wrong")


# -- files ------------------------------------------------------------------


def file_of_checkpoint(path: Path) -> Path:
    """path, a file of a checkpoint. ValueError, in one line, where it is missing, or a pickle."""
    folder = path.parent
    if path.is_file():
        return path
    if path.exists():
        check_regular(path)
    pickles = [folder] if any(folder.match(kind) for kind in PICKLES) else []
    for found in pickles + sorted(p for kind in PICKLES for p in folder.glob(kind)):
        why = "unpickling runs the code in a file"
        raise ValueError(f"{found} is not opened: {why}; use safetensors")
    if folder.is_file():
        raise ValueError(f"checkpoint {folder} is a file; give the folder that it lies in")
    there = "has no" if folder.is_dir() else "is not there, nor its"
    makes = "companion finetune classify" if path.name == "head.safetensors" else "companion train"
    raise ValueError(f"checkpoint {folder} {there} {path.name}; check the path, or use {makes}")


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor], notes: dict[str, str]) -> None:
    """Tensors, from any device, and notes as a safetensors file. Unwritten where there is no room for it.

    The same tensors and notes give the same bytes.
    """
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path, notes)
    except SafetensorError as error:
        reason = str(error).rpartition("I/O error: ")[2].partition(" (os error")[0]
        raise Unwritten(path, reason) from None
    _sort_notes(path)
    for_all(path)


def _sort_notes(path: Path) -> None:
    """In order of their names: safetensors writes them in any. No byte of the tensors moves."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        file.seek(8)
        file.write(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size))


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
