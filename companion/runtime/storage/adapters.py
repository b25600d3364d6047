"""The files of an adapter, as the library PEFT writes them, and the names that PEFT has for a model's layers.

adapter_config.json says what the adapter was made for; adapter_model.safetensors has two matrices a layer.
GPT-2's file has q, k and v in one layer, c_attn. Three adapters of rank r on ours are then one of rank 3 r,
whose B is zero outside of three blocks; one of theirs on the joint layer is three of ours with the same A.
"""

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import torch
from torch import Tensor, nn

from companion.runtime.files.arguments import number
from companion.runtime.files.atomic import finish_renames, read_json, staged
from companion.runtime.storage.checkpoints import ADAPTER, read_safetensors, write_safetensors

CONFIG = ADAPTER
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
ANY_VALUE = (
    "task_type",
    "auto_mapping",
    "peft_version",
    "inference_mode",
    "base_model_name_or_path",
    "revision",
    "r",
    "lora_alpha",
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
    "lora_dropout",
    "fan_in_fan_out",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
)
"""Fields of adapter_config.json that are read, or that the names and shapes of the matrices repeat."""
PLAIN: dict[str, list] = {
    "peft_type": ["LORA"],
    "bias": ["none"],
    "init_lora_weights": [True, False, "gaussian", "eva", "orthogonal"],  # which leave the model as it was
    "megatron_core": ["megatron.core"],
    "qalora_group_size": [16],  # of no effect unless use_qalora is set
}
"""The values that plain LoRA has in other fields. Any further field must be off: null, false or empty."""

Pair = tuple[Tensor, Tensor, float]
"""A (r, in), B (out, r), and what their product is multiplied by: alpha / r."""


def base_of(folder: str | Path) -> str:
    """Return the model that an adapter was made for.

    Args:
        folder: The adapter's folder.

    Returns:
        A folder, whose name may be relative to the adapter's folder, or a name on the hub.

    Raises:
        ValueError: In one line, if the adapter's file does not say for which model, or names a folder of
            another computer.
    """
    name = read_config(folder).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{Path(folder) / CONFIG} does not say for which model; load that first")
    if on_network(name):
        rule = "is on another computer; copy that model to this one, and name it there"
        raise ValueError(f"{Path(folder) / CONFIG}: base_model_name_or_path={name!r:.80} {rule}")
    beside = Path(folder) / name
    return str(beside) if beside.is_dir() and not Path(name).is_dir() else name


def on_network(name: str) -> bool:
    r"""Whether Windows would ask another computer, or a device, for the path, as for \\host\folder.

    Already looking whether such a path exists sends the user's name and a hash of the password there.
    """
    return PureWindowsPath(name).drive.startswith("\\\\")


def layer_names(
    names: Mapping[str, str | tuple[str, ...]] | None, layers: Sequence[str]
) -> dict[str, list[str]]:
    """Map PEFT's name of each layer to our path, or to the three paths that PEFT's layer has joined.

    Args:
        names: A family's names of modules, with {0} for a block's number. None means that no public family
            has the model's parts, which then keep our names.
        layers: Our paths of the layers.
    """
    if names is None:
        return {path: [path] for path in layers}
    blocks = set()
    for path in layers:
        blocks |= {int(part) for part in path.split(".") if part.isdigit()}
    found = {}
    for theirs, ours in names.items():
        of_ours = [ours] if isinstance(ours, str) else ours
        for i in sorted(blocks):  # a name without {0} is found each time
            parts = [part.format(i) for part in of_ours]
            if set(parts) & set(layers):
                found[theirs.format(i)] = parts
    return found


def base_mark(weights: Mapping[str, Tensor]) -> str:
    """A fingerprint of the matrices that an adapter was trained for, by their layers' paths."""
    found = hashlib.sha256()
    for name in sorted(weights):
        numbers = weights[name].detach().cpu().contiguous().view(torch.uint8).numpy()
        found.update(name.encode() + numbers.tobytes())
    return found.hexdigest()


def write_adapter(
    folder: str | Path,
    pairs: Mapping[str, Pair],
    layers: Mapping[str, nn.Linear],
    family: Any = None,
    n_heads: int = 1,
    base: str | None = None,
    dropout: float = 0.0,
) -> None:
    """Write both files of an adapter.

    Args:
        folder: Where to write.
        pairs: The adapter, by our paths of the layers.
        layers: All layers that could have one, by our paths.
        family: Chapter 11's family with the model's parts, or None, and the layers keep our names.
        n_heads: Of the model, by which some families order their rows.
        base: Name or folder of the model.
        dropout: That the adapter was trained with.
    """
    names = layer_names(family.names if family else None, list(layers))
    tensors = {}
    ranks = {}
    alphas = {}
    adapted = {}
    for name, parts in names.items():
        if not set(parts) & set(pairs):
            continue
        A, B, scale = joined(name, parts, pairs, layers, family, n_heads)
        tensors[f"{PREFIX}{name}.lora_A.weight"] = A
        tensors[f"{PREFIX}{name}.lora_B.weight"] = B
        ranks[name] = len(A)
        alpha = round(scale * len(A), 9)
        alphas[name] = int(alpha) if alpha == int(alpha) else alpha  # as PEFT writes it
        for path in by_path(name, parts, A, B, family, n_heads):
            adapted[path] = layers[path].weight
    smallest = min(ranks, key=ranks.get)
    rank = ranks[smallest]
    alpha = alphas[smallest]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "target_modules": endings(ranks, names),
        "rank_pattern": {name: own for name, own in ranks.items() if own != rank},
        "alpha_pattern": {name: own for name, own in alphas.items() if own != alpha},
        "fan_in_fan_out": bool(family and family.transposed),
        "init_lora_weights": True,
        "inference_mode": True,
        "bias": "none",
    }
    with staged(folder) as new:
        (new / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8", newline="\n")
        write_safetensors(new / WEIGHTS, tensors, {"base": base_mark(adapted)})


def endings(chosen: Collection[str], names: Collection[str]) -> list[str]:
    """The shortest ends of names that choose these and no others: c_attn, mlp.c_proj; else whole names."""
    others = [f".{name}" for name in names if name not in chosen]
    found = set()
    for name in chosen:
        end = ""
        for part in reversed(name.split(".")):
            end = f".{part}{end}"
            if not any(other.endswith(end) for other in others):
                break
        found.add(end[1:])
    return sorted(found)


def joined(
    name: str, parts: Sequence[str], pairs: Mapping, layers: Mapping, family: Any = None, n_heads: int = 1
) -> Pair:
    """Adapters of layers that lie in one another's matrix as an adapter of the joint layer: B in blocks."""
    if len(parts) == 1:
        return pairs[parts[0]]
    scales = [pairs[part][2] for part in parts if part in pairs]
    rows = []
    blocks = []
    for part in parts:
        out, into = layers[part].weight.shape
        A, B, scale = pairs.get(part, (torch.empty(0, into), torch.empty(out, 0), scales[0]))
        rows.append(A.detach().cpu())
        blocks.append(B.detach().cpu() * (scale / scales[0]))
    B = torch.block_diag(*blocks).split([len(block) for block in blocks])  # rows of each part
    return torch.cat(rows), family.to_theirs(name, list(B), n_heads), scales[0]


def by_path(
    name: str, paths: Sequence[str], A: Tensor, B: Tensor, family: Any = None, n_heads: int = 1
) -> dict[str, tuple[Tensor, Tensor]]:
    """An adapter of one of their layers as adapters of ours, by path: with the rows of A that a part reads.

    A part that reads nothing gets none if others read something.
    """
    if len(paths) == 1:
        return {paths[0]: (A, B)}
    parts = family.to_ours(name, B, len(paths), n_heads)
    reads = torch.stack([part.ne(0).any(0) for part in parts])  # (n, r)
    if reads.sum(0).max() != 1:  # a column for several parts, as PEFT trains it; or none at all
        return {path: (A, part) for path, part in zip(paths, parts, strict=True)}
    found = {}
    for path, own, part in zip(paths, reads, parts, strict=True):
        if own.any():
            found[path] = (A[own], part[:, own])
    return found


def fit_adapter(
    folder: str | Path, layers: Mapping[str, nn.Linear], family: Any = None, n_heads: int = 1
) -> dict[str, Pair]:
    """Return the pairs in an adapter's folder, by our paths, as they fit a model's layers.

    The arguments are those of write_adapter.

    Raises:
        ValueError: In one line, for an adapter of another model, rank or shape, for another method than plain
            LoRA, and for damaged files.
    """
    config = read_config(folder)
    path = Path(folder) / WEIGHTS
    tensors, notes = read_safetensors(path)
    names = layer_names(family.names if family else None, list(layers))
    fitted = {}
    for theirs, (A, B) in paired(tensors, path).items():
        if theirs not in names:
            raise ValueError(f"{path} is of another model: it has {theirs}, and this model no such layer")
        ours = names[theirs]
        here = [sum(layers[x].out_features for x in ours), layers[ours[0]].in_features]
        there = [len(B), A.shape[1]]
        if here != there:
            raise ValueError(f"{path} is of another model: {theirs} is {there} there, {here} here")
        try:
            scale = scale_of(config, theirs, len(A))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, re.error) as error:
            raise ValueError(f"{path.with_name(CONFIG)}, of {theirs}: {error!s:.200}; correct it") from None
        for name, pair in by_path(theirs, ours, A, B, family, n_heads).items():
            fitted[name] = (*pair, scale)
    mark = base_mark({name: layers[name].weight for name in fitted})
    if notes.get("base", mark) != mark:
        whose = config.get("base_model_name_or_path") or "another"
        raise ValueError(f"{folder} was trained on other weights than this model's ({whose}); load that")
    return fitted


def read_config(folder: str | Path) -> dict:
    """Read adapter_config.json.

    Raises:
        ValueError: In one line, if the file is missing or damaged, and for a field or value that is not of
            plain LoRA.
    """
    finish_renames(folder)
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise ValueError(f"{folder} holds no adapter ({CONFIG}); give the folder that save_adapter wrote")
    config = {"peft_type": None} | read_json(path, "copy the adapter again")
    for name, value in config.items():
        known = PLAIN.get(name, [None, False, [], {}])
        is_known = any(type(value) is type(each) and value == each for each in known)  # 0 == False
        if name not in ANY_VALUE and not is_known:
            rule = f"must be {known[0]!r}" if name in PLAIN else "must be left out"
            raise ValueError(f"{path}: {name}={value!r:.40} {rule}; only plain LoRA is read")
    return config


def paired(tensors: Mapping[str, Tensor], path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Return A and B of each layer, by PEFT's name of the layer.

    Raises:
        ValueError: For any other tensor.
    """
    found = {}
    for name in tensors:
        layer, _, side = name.removeprefix(PREFIX).removesuffix(".weight").rpartition(".")
        A = tensors.get(f"{PREFIX}{layer}.lora_A.weight", torch.empty(0))
        B = tensors.get(f"{PREFIX}{layer}.lora_B.weight", torch.empty(0))
        if side not in ("lora_A", "lora_B") or A.ndim != 2 or B.ndim != 2 or len(A) != B.shape[1]:
            raise ValueError(f"{path}: {name} is no matrix of LoRA on a linear layer; copy the adapter again")
        found[layer] = (A, B)
    return found


def scale_of(config: dict, layer: str, rank: int) -> float:
    """Return what multiplies B A of a layer.

    Raises:
        ValueError: For a rank or alpha that is wrong.
        TypeError: For an alpha that is no number.
    """
    if value_for(config, layer, "r", "rank_pattern") != rank:
        raise ValueError(f"its matrices have rank {rank}, and r or rank_pattern has another")
    alpha = value_for(config, layer, "lora_alpha", "alpha_pattern")
    number("lora_alpha", alpha, "a number above 0", lambda value: 0 < value < math.inf)
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def value_for(config: dict, layer: str, field: str, patterns: str) -> Any:
    """Return a field's value for a layer: that of the first pattern that its name ends with, as in PEFT."""
    for ending, value in (config.get(patterns) or {}).items():
        if re.match(rf"(.*\.)?({ending})$", layer):
            return value
    return config.get(field)
