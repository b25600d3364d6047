"""The files of an adapter, as the library PEFT writes them, and the names that PEFT has for a model's layers.

adapter_config.json says what the adapter was made for; adapter_model.safetensors has two matrices a layer.
GPT-2's file has q, k and v in one layer, c_attn. Three adapters of rank r on ours are then one of rank 3 r,
whose B is zero outside of three blocks; one of theirs on the joint layer is three of ours with the same A.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import torch
from torch import Tensor, nn

from companion.runtime.files.atomic import finish_renames, read_json, staged
from companion.runtime.storage.checkpoints import ADAPTER, read_safetensors, write_safetensors

CONFIG, WEIGHTS = ADAPTER, "adapter_model.safetensors"
BEFORE = "base_model.model."
PLAIN = {"bias": "none", "use_dora": False, "use_rslora": False, "modules_to_save": None}
"""What we have of PEFT's variants: a value other than these changes what an adapter computes."""
OTHERS = ("layer_replication", "trainable_token_indices", "target_parameters", "lora_bias")
"""Variants that are off where they are missing, None, False or empty."""

Pair = tuple[Tensor, Tensor, float]
"""A (r, in), B (out, r), and what their product is multiplied by: alpha / r."""


def base_of(folder: str | Path) -> str:
    """The model that an adapter was made for: a folder, also beside the adapter's own, or a hub's name.

    Raises ValueError, in one line, where its file does not say, or names a folder of another computer.
    """
    name = read_adapter(folder)[0].get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise ValueError(
            f"{Path(folder) / CONFIG} does not say for which model; load that, then load_adapter"
        )
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


def layer_names(names: Mapping[str, str] | None, layers: Sequence[str]) -> dict[str, list[str]]:
    """PEFT's name of a layer -> ours, one or the three that theirs has joined.

    names: a family's, of modules, with {0} for a block's number; None where no public family has the model's
    parts, which then keep our names. layers: the paths of ours.
    """
    if names is None:
        return {path: [path] for path in layers}
    blocks = {part for path in layers for part in path.split(".") if part.isdigit()}
    found = {}
    for theirs, ours in names.items():
        for i in sorted(blocks, key=int) if "{0}" in theirs else [""]:
            parts = ours.format(i).split()
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
    """Both files, whole or not at all. pairs: by our paths. layers: all that could have one, by theirs.

    family: as chapter 11 has them, with names, transposed, to_ours and to_theirs; None where no public family
    has the parts. n_heads: of the model, by which some families order their rows.
    """
    names = layer_names(family and family.names, list(layers))
    chosen = {name: parts for name, parts in names.items() if set(parts) & set(pairs)}
    theirs = {name: joined(name, parts, pairs, layers, family, n_heads) for name, parts in chosen.items()}
    ranks = {name: len(A) for name, (A, _, _) in theirs.items()}
    alphas = {name: tidy(scale * len(A)) for name, (A, _, scale) in theirs.items()}
    usual, scale = min(ranks.values()), next(iter(theirs.values()))[2]
    alpha = tidy(scale * usual)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": usual,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "target_modules": endings(chosen, names),
        "rank_pattern": {name: rank for name, rank in ranks.items() if rank != usual},
        "alpha_pattern": {name: own for name, own in alphas.items() if own != alpha},
        "fan_in_fan_out": bool(family and family.transposed),
        "init_lora_weights": True,
        "inference_mode": True,
        **PLAIN,
    }
    tensors, adapted = {}, []
    for name, (A, B, _) in theirs.items():
        tensors[f"{BEFORE}{name}.lora_A.weight"], tensors[f"{BEFORE}{name}.lora_B.weight"] = A, B
        adapted += by_path(name, names[name], A, B, family, n_heads)
    mark = base_mark({path: layers[path].weight for path in adapted})
    with staged(folder) as new:
        (new / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8", newline="\n")
        write_safetensors(new / WEIGHTS, tensors, {"format": "pt", "base": mark})


def endings(chosen: Collection[str], names: Collection[str]) -> list[str]:
    """The shortest ends of names that choose these and no others: c_attn, mlp.c_proj; else whole names."""
    found = set()
    for name in chosen:
        parts = name.split(".")
        ends = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        found.add(next(e for e in ends if all(x in chosen for x in names if f".{x}".endswith(f".{e}"))))
    return sorted(found)


def tidy(x: float) -> float | int:
    """A whole number as one, as PEFT has alpha."""
    return round(x) if abs(x - round(x)) < 1e-9 else x


def joined(
    name: str, parts: Sequence[str], pairs: Mapping, layers: Mapping, family: Any = None, n_heads: int = 1
) -> Pair:
    """Adapters of layers that lie in one another's matrix as an adapter of the joint layer: B in blocks."""
    if len(parts) == 1:
        return pairs[parts[0]]
    scale = next(pairs[part][2] for part in parts if part in pairs)
    found = []
    for part in parts:
        out, into = layers[part].weight.shape
        A, B, own = pairs.get(part, (torch.empty(0, into), torch.empty(out, 0), scale))
        found.append((A.detach().cpu(), B.detach().cpu() * (own / scale)))
    B = torch.block_diag(*(B for _, B in found)).split([len(B) for _, B in found])  # rows of each part
    return torch.cat([A for A, _ in found]), family.to_theirs(name, list(B), n_heads), scale


def parted(
    name: str, A: Tensor, B: Tensor, n: int, family: Any = None, n_heads: int = 1
) -> list[tuple[Tensor, Tensor] | None]:
    """An adapter of a joint layer as n, one for each part: with the rows of A that its part of B reads.

    None for a part that reads nothing, where others do.
    """
    if n == 1:
        return [(A, B)]
    parts = family.to_ours(name, B, n, n_heads)
    reads = torch.stack([part.ne(0).any(0) for part in parts])  # (n, r)
    if reads.sum(0).max() != 1:  # a column for several parts, as PEFT trains it; or none at all
        return [(A, part) for part in parts]
    return [(A[own], part[:, own]) if own.any() else None for own, part in zip(reads, parts, strict=True)]


def by_path(
    name: str, paths: Sequence[str], A: Tensor, B: Tensor, family: Any = None, n_heads: int = 1
) -> dict[str, tuple[Tensor, Tensor]]:
    """An adapter of one of their layers as ours have it, by our paths; zeros as parted takes them."""
    found = zip(paths, parted(name, A, B, len(paths), family, n_heads), strict=True)
    return {path: pair for path, pair in found if pair is not None}


def fit_adapter(
    folder: str | Path, layers: Mapping[str, nn.Linear], family: Any = None, n_heads: int = 1
) -> dict[str, Pair]:
    """The pairs in an adapter's folder, by our paths, as they fit a model's layers; family as above.

    Raises ValueError, in one line, for one of another model, rank or shape, and for what is damaged.
    """
    config, found, mark = read_adapter(folder)
    names, path, fitted = layer_names(family and family.names, list(layers)), Path(folder) / WEIGHTS, {}
    for theirs, (A, B) in found.items():
        if theirs not in names:
            raise ValueError(f"{path} is of another model: it has {theirs}, and this model no such layer")
        ours = names[theirs]
        here = [sum(layers[x].out_features for x in ours), layers[ours[0]].in_features]
        if here != (there := [len(B), A.shape[1]]):
            raise ValueError(f"{path} is of another model: {theirs} is {there} there, {here} here")
        scale, rank = scale_of(config, theirs, len(A), path)
        if rank != len(A):
            raise ValueError(f"{path} has rank {len(A)} at {theirs}, and {CONFIG} says {rank}; copy it again")
        for name, pair in by_path(theirs, ours, A, B, family, n_heads).items():
            fitted[name] = (*pair, scale)
    if mark not in (None, base_mark({name: layers[name].weight for name in fitted})):
        whose = config.get("base_model_name_or_path") or "another"
        rule = f"was trained on other weights than this model's ({whose}); load that model"
        raise ValueError(f"{folder} {rule}")
    return fitted


def read_adapter(folder: str | Path) -> tuple[dict, dict[str, tuple[Tensor, Tensor]], str | None]:
    """(config, PEFT's name of a layer -> A and B, mark of the base if there is one)."""
    finish_renames(folder)
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise ValueError(f"{folder} holds no adapter ({CONFIG}); give the folder that save_adapter wrote")
    tensors, notes = read_safetensors(Path(folder) / WEIGHTS)
    config = read_json(path, "copy the adapter again")
    check_config(config, path)
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        layer, _, side = name.removeprefix(BEFORE).removesuffix(".weight").rpartition(".")
        if not name.startswith(BEFORE) or side not in ("lora_A", "lora_B") or tensor.ndim != 2:
            raise ValueError(f"{Path(folder) / WEIGHTS}: {name} is no matrix of LoRA on a linear layer")
        found.setdefault(layer, {})[side] = tensor
    for layer, pair in found.items():
        if len(pair) < 2 or len(pair["lora_A"]) != pair["lora_B"].shape[1]:
            shapes = ", ".join(f"{side} {list(t.shape)}" for side, t in sorted(pair.items()))
            raise ValueError(f"{Path(folder) / WEIGHTS}: {layer} has {shapes}; copy the adapter again")
    return config, {k: (p["lora_A"], p["lora_B"]) for k, p in found.items()}, notes.get("base")


def check_config(config: dict, path: Path) -> None:
    """ValueError, in one line, for a config that is of no plain LoRA."""
    if config.get("peft_type") != "LORA":
        raise ValueError(f"{path}: peft_type={config.get('peft_type')!r} must be 'LORA'; we have no other")
    for name, value in PLAIN.items():
        if config.get(name, value) != value:
            raise ValueError(f"{path}: {name}={config[name]!r:.40} must be {value!r}; we have no other")
    if (begun := config.get("init_lora_weights", True)) in ("pissa", "olora", "loftq", "corda"):
        raise ValueError(f"{path}: init_lora_weights={begun!r} changes the model itself; we have none such")
    for name in OTHERS:
        if config.get(name):
            raise ValueError(f"{path}: {name}={config[name]!r:.40} must be left out; we do not have it")
    for name in ("r", "lora_alpha"):
        value = config.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise ValueError(f"{path}: {name}={value!r:.40} must be a number above 0; copy the adapter again")
    for name in ("rank_pattern", "alpha_pattern"):
        if not isinstance(config.get(name) or {}, dict):
            raise ValueError(f"{path}: {name}={config[name]!r:.40} must be an object; copy the adapter again")
        for ending in config.get(name) or {}:
            try:
                layers_called(ending)
            except (re.error, OverflowError, RecursionError):
                rule = "must be a layer's name, the end of one, or a regular expression; correct it there"
                raise ValueError(f"{path}: {name} has {ending!r:.40}, which {rule}") from None


def layers_called(ending: str) -> re.Pattern:
    """What PEFT makes of a key in rank_pattern or alpha_pattern: it matches the names that end so."""
    return re.compile(rf"(.*\.)?({ending})$")


def scale_of(config: dict, layer: str, rank: int, path: Path) -> tuple[float, float]:
    """(alpha / r, r) of a layer: a pattern's value where one names the layer, or the end of its name."""

    def asked(name: str, usual: str) -> float:
        for pattern, value in (config.get(name) or {}).items():
            if layers_called(pattern).match(layer):
                if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                    raise ValueError(f"{path.parent / CONFIG}: {name} has {value!r:.40}; it must be above 0")
                return value
        return config[usual]

    return asked("alpha_pattern", "lora_alpha") / asked("rank_pattern", "r"), asked("rank_pattern", "r")
