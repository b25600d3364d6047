"""The files of a model: one folder with config.json, tokenizer.json and model.safetensors.

config.json holds the architecture's name, its configuration and the provenance; model.safetensors the
weights, with a fingerprint of the other two. No file is a pickle. Builders are handed in: this module knows
no chapter. What a run adds to the three is in runs/resuming.py.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from companion.runtime.files.arguments import finite
from companion.runtime.files.atomic import finish_renames, read_json
from companion.runtime.models.devices import empty_model
from companion.runtime.storage.hub import INSTALLABLE, PICKLES
from companion.runtime.terminal import similar_path, suggestion
from companion.runtime.text.tokenizer import Tokenizer

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
ADAPTER = "adapter_config.json"


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside DistributedDataParallel or torch.compile, which have it as their only child."""
    children = list(model.children())
    while len(children) == 1 and hasattr(children[0], "config"):
        model = children[0]
        children = list(model.children())
    return model


def write_model(
    folder: Path,
    model: nn.Module,
    tokenizer: Any,
    provenance: dict | None = None,
    weights: dict | None = None,
    quantization: dict | None = None,
) -> None:
    """Write the three files of a model into a folder that `staged` gave.

    Args:
        folder: Where to write.
        model: The model, with its configuration in model.config.
        tokenizer: The tokenizer.
        provenance: Notes on where the weights came from.
        weights: Weights to write, if they are others than the model's.
        quantization: The arguments of quantize (chapter 19), if the matrices are integers.
    """
    model = unwrapped(model)
    tokenizer.save(folder / TOKENIZER)
    config = {"architecture": model.config.architecture, **dataclasses.asdict(model.config)}
    saved = {"config": config, "provenance": provenance or {}}
    if quantization is not None:
        saved["quantization"] = quantization
    text = json.dumps(saved, indent=1, ensure_ascii=False) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8", newline="\n")
    notes = {"fingerprint": fingerprint(config, (folder / TOKENIZER).read_bytes())}
    if weights is None:
        weights = tensors_of(model)
    write_safetensors(folder / WEIGHTS, weights, notes)


def read_model(
    folder: str | Path, builders: Mapping, quantize: Callable[..., Any] | None = None
) -> tuple[nn.Module, Tokenizer, dict]:
    """Read a model.

    Args:
        folder: The folder of the three files.
        builders: For each architecture's name (config class, builder).
        quantize: Puts the layers of a quantized folder into an empty model (chapter 19). Without it, such a
            folder is refused.

    Returns:
        The model, on the CPU and in evaluation mode, its tokenizer and the provenance.

    Raises:
        ValueError: If a file is missing, damaged or unknown, or the three do not belong together.
    """
    folder = Path(folder)
    saved = read_config(folder)
    path = folder / TOKENIZER
    check_file(path)
    model = build_empty(saved["config"], builders, folder / CONFIG)
    weights, notes = read_safetensors(folder / WEIGHTS)
    if "quantization" in saved:
        from companion.runtime.models.quantization import keep_types_of_scales  # few folders need it

        if quantize is None:
            raise ValueError(f"{folder} is quantized, and this needs weights that are floats; name another")
        try:
            quantize(model, **saved["quantization"])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{folder / CONFIG}: quantization: {error}") from None
        keep_types_of_scales(model, weights)
    found = fingerprint(saved["config"], path.read_bytes())
    if notes.get("fingerprint", found) != found:
        raise ValueError(f"{folder}: the model belongs to another {CONFIG} or {TOKENIZER}")
    tokenizer = Tokenizer.load(path)
    tokenizer.check_end(path)
    if tokenizer.vocab_size > getattr(model.config, "vocab_size", tokenizer.vocab_size):
        sizes = f"{tokenizer.vocab_size} tokens, and the model {model.config.vocab_size}"
        raise ValueError(f"{path} has {sizes}; it belongs to another model")
    wanted = tensors_of(model)
    for name, first in json.loads(notes.get("shared", "{}")).items():  # files of 0.2.0 and before
        if name in wanted:
            weights[name] = weights[first]
    check_weights(model, weights, folder / WEIGHTS)
    copies = {name: tensor.to(wanted[name].dtype, copy=True) for name, tensor in weights.items()}
    model.load_state_dict(copies, strict=False, assign=True)  # not strict: check_weights was
    return model.eval(), tokenizer, saved["provenance"]


def tensors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a model's parameters and buffers by name; a tensor that two parts share has one name."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


def read_config(folder: str | Path) -> dict:
    """Read config.json: {"config": {"architecture": …, …}, "provenance": {…}}."""
    finish_renames(folder)
    path = Path(folder) / CONFIG
    check_file(path)
    saved = {"provenance": {}} | read_json(path, "copy it again, or train again")
    for name in ("config", "provenance"):
        if not isinstance(saved.get(name), dict):
            raise ValueError(f"{path}: {name!r} is missing or no object; copy it again, or train again")
    return saved


def architecture_of(config: dict, builders: Mapping, path: Path) -> str:
    """Return the name of the architecture that a config.json describes.

    Args:
        config: What the file holds under "config".
        builders: The known architectures, by name.
        path: What to name in the error message.

    Raises:
        ValueError: If the name is missing or unknown.
    """
    name = config.get("architecture", "architecture")
    if not isinstance(name, str) or name not in builders:
        known = ", ".join(builders)
        raise ValueError(f"{path}: {name!r:.60} is missing or unknown; architectures here: {known}")
    return name


def build_empty(config: dict, builders: Mapping, path: Path) -> nn.Module:
    """Build the model that a config.json describes, without numbers (on the meta device)."""
    config_class, build = builders[architecture_of(config, builders, path)]
    fields = {name: value for name, value in config.items() if name != "architecture"}
    try:
        shape = config_class(**fields)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a model configuration: {error}") from None
    return empty_model(shape, build)


def fingerprint(config: dict, tokenizer: bytes) -> str:
    """Return what ties weights to the configuration and the tokenizer that they were trained with."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode() + tokenizer).hexdigest()


def holds_model(folder: str | Path) -> bool:
    """Return whether a folder holds the three files of a model."""
    return all((Path(folder) / name).exists() for name in (CONFIG, TOKENIZER, WEIGHTS))


def holds_adapter(folder: str | Path) -> bool:
    """Return whether a folder is an adapter's (chapter 17)."""
    return (Path(folder) / ADAPTER).is_file()


def check_numbers(model: Any, name: str | Path) -> None:
    """Raise ValueError, which names the tensor, if a model's weights hold a NaN or an infinity."""
    for tensor_name, tensor in model.state_dict().items():
        finite(f"{name}: {tensor_name}", tensor, "the file is damaged, or its training went wrong")


def check_file(path: Path) -> None:
    """Raise ValueError if a file of a checkpoint is missing. A pickle in its place is never opened."""
    if path.is_file():
        return
    folder = path.parent
    if path.name == CONFIG and holds_adapter(folder):
        command = f"companion export hf --model {folder} --output runs/merged"
        swift = "for a swift, which hf refuses, finetune with --method full"
        problem = f"{folder} is an adapter, a part of a model; make a model of it first"
        raise ValueError(f"{problem}: {command}; {swift}")
    pickles = [found for found in [folder, *sorted(folder.glob("*"))] if found.suffix in PICKLES]
    if pickles and path.name in (CONFIG, WEIGHTS):
        raise ValueError(f"{pickles[0]} is not opened: unpickling runs the code in a file; use safetensors")
    if folder.is_file():
        raise ValueError(f"checkpoint {folder} is a file; give the folder that it lies in")
    problem = f"has no {path.name}"
    if not folder.is_dir():
        hint = similar_path(folder) or suggestion(folder.name, INSTALLABLE)
        problem = f"is not there, nor its {path.name}{hint}"
    raise ValueError(f"checkpoint {folder} {problem}; check the path, or use companion train")


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor], notes: dict[str, str]) -> None:
    """Write tensors, from any device, and notes. The same tensors and one note give the same bytes."""
    path.touch()
    mode = path.stat().st_mode  # safetensors would make a file for its owner alone
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path, notes)
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written ({error})") from None
    path.chmod(mode)


def read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read the tensors and notes of a safetensors file.

    Raises:
        ValueError: If the file is missing or damaged.
    """
    check_file(path)
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no whole safetensors file ({error}); copy or train it again") from None


def check_weights(model: nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Raise ValueError if a name, a shape or a kind of number differs from the model's."""
    wanted = tensors_of(model)
    for name in sorted(wanted.keys() | weights.keys()):
        there = list(weights[name].shape) if name in weights else "none"
        here = list(wanted[name].shape) if name in wanted else "none"
        if there != here:
            raise ValueError(f"{path} is of another model: {name} is {there} there, {here} here")
        kind = weights[name].dtype
        own = wanted[name].dtype
        if kind.is_floating_point != own.is_floating_point or not (kind.is_floating_point or kind == own):
            raise ValueError(f"{path} is of another model: {name} is {kind} there, {own} here")
