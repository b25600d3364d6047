"""A model from a GGUF file: its shape, its weights one tensor at a time, and its tokenizer."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from companion.models.gguf_reader import ARCHITECTURES, GGUFFile, tensor_names
from companion.models.gguf_tokenizers import tokenizer_from_gguf
from companion.pretrained import FAMILIES
from companion.runtime.models.devices import empty_model

ROWS = "token_embd.weight"
HEAD = "output.weight"
SLOWED = "rope_freqs.weight"
TOLERANCE = 1e-4
"""By how much, as a share, a file's speeds of rotary positions may differ from those that our RoPE has."""


def load_gguf(path: str | Path) -> tuple[torch.nn.Module, Any]:
    """Return the model and the tokenizer in a GGUF file; the model in float32 on the CPU, for evaluation.

    Memory holds the weights once, and at most one tensor more.

    Args:
        path: The file.

    Raises:
        ValueError: In one line and before anything is built, for a file that is damaged, of another
            architecture, has parts that ours cannot compute, or holds a model too large for the memory.
    """
    file = GGUFFile(path)
    config, build = config_and_builder(file)
    tokenizer = tokenizer_from_gguf(file.header, file.path)
    if max(tokenizer.vocab) >= config.vocab_size:
        raise ValueError(f"{path} has {max(tokenizer.vocab) + 1:,} tokens for {config.vocab_size:,} rows")
    model = empty_model(config, build)
    fill_from_gguf(file, model, FAMILIES[ARCHITECTURES[file.header["general.architecture"]]].places(model))
    return model.eval(), tokenizer


def config_and_builder(file: GGUFFile) -> tuple[Any, Any]:
    """Return the configuration of a file's model, and its builder.

    Raises:
        ValueError: In one line, as for load_gguf.
    """
    try:
        family, fields = read_config_fields(file)
        return FAMILIES[family].config(**fields), FAMILIES[family].build
    except (LookupError, TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"{file.path}: its model cannot be read ({error}); take another file") from None


def read_config_fields(file: GGUFFile) -> tuple[str, dict[str, Any]]:
    """Return a family, and the fields of its configuration, as a header has them."""
    tensors = file.tensors
    architecture = file.header.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise ValueError(f"general.architecture={architecture!r:.40}; read are {', '.join(ARCHITECTURES)}")
    header = {key.removeprefix(f"{architecture}."): value for key, value in file.header.items()}
    fields = {
        "vocab_size": tensors[ROWS].shape[0],
        "context_length": header["context_length"],
        "n_layers": header["block_count"],
        "n_heads": header["attention.head_count"],
        "d_model": header["embedding_length"],
        "d_ff": header["feed_forward_length"],
    }
    if architecture == "gpt2":
        check_same("layer_norm_epsilon", shortest(header.get("attention.layer_norm_epsilon", 1e-5)), 1e-5)
        return "gpt2", fields
    theta = shortest(header.get("rope.freq_base", 10000.0))
    width = header.get("attention.key_length", fields["d_model"] // fields["n_heads"])
    for name in ("attention.value_length", "rope.dimension_count"):
        check_same(name, header.get(name, width), width)
    fields |= {
        "n_kv_heads": header.get("attention.head_count_kv", fields["n_heads"]),
        "norm_eps": shortest(header["attention.layer_norm_rms_epsilon"]),
        "rope_theta": theta,
        "head_width": width,
        "tied": HEAD not in tensors,
        "qkv_bias": "blk.0.attn_q.bias" in tensors,
        "qk_norm": "blk.0.attn_q_norm.weight" in tensors,
    }
    if header.get("rope.scaling.type", "none") != "none":
        check_same("rope.scaling.factor", header.get("rope.scaling.factor"), 1)
    if SLOWED in tensors:
        fields |= slowed(file.tensor(SLOWED).double(), width, theta)
    return "llama", fields


def check_same(name: str, value: Any, known: Any) -> None:
    """Raise ValueError for a value of a header that is not the one that our parts compute with."""
    if value != known:
        raise ValueError(f"{name}={value!r:.40} must be {known!r}: our parts compute nothing else")


def shortest(value: float) -> float:
    """Return the number that was meant: a file's 9.999999747e-06 is the float32 that is nearest to 1e-05."""
    return float(str(np.float32(value)))


def slowed(divided: torch.Tensor, width: int, theta: float) -> dict[str, Any]:
    """Return rope_factor and rope_original of a model that was made to read further, as Llama 3; else {}.

    A file has Llama 3's scaling as a tensor: by what each of the D / 2 speeds is divided. The slowest are
    divided by the factor, the fastest by 1, and those between tell `original`.
    """
    factor = shortest(divided.max().item())
    if factor == 1:
        return {}
    speed = theta ** -(torch.arange(width // 2).double() * 2 / width)
    kept = (1 / divided - 1 / factor) / (1 - 1 / factor)  # the share of a speed that is not divided
    between = (kept > 0.01) & (kept < 0.99)
    estimates = (3 * kept + 1) * 2 * math.pi / speed  # of original, one for each speed between
    originals = {round(estimate) for estimate in estimates[between].tolist()}
    for original in originals:
        shares = ((original * speed / (2 * math.pi) - 1) / 3).clamp(0, 1)
        if torch.allclose(1 / ((1 - shares) / factor + shares), divided, rtol=TOLERANCE):
            return {"rope_factor": factor, "rope_original": original}
    raise ValueError(f"{SLOWED} divides speeds otherwise than Llama 3's scaling, which is all we have")


# -- weights -----------------------------------------------------------------------------


def separated(rows: torch.Tensor, n_heads: int) -> torch.Tensor:
    """Undo llama.cpp's order of a Llama's queries and keys.

    In its files rows 2 i and 2 i + 1 of a head turn together. In ours it is rows i and i + D / 2.
    """
    return rows.unflatten(0, (n_heads, -1, 2)).transpose(1, 2).flatten(0, 2).contiguous()


def fill_from_gguf(file: GGUFFile, model: torch.nn.Module, places: Mapping[str, list[str]]) -> None:
    """Give a model on the meta device the weights of a file, one tensor after the other.

    Args:
        file: The file.
        model: The model.
        places: Hugging Face's name of each tensor -> our parameters that it fills, as Family.places.

    Raises:
        ValueError: In one line, before any tensor is read, if the file's tensors are not the model's.
    """
    architecture = file.header["general.architecture"]
    names = tensor_names(architecture, model.config.n_layers)
    wanted = {names.get_name(theirs, (".weight", ".bias")): parts for theirs, parts in places.items()}
    check_tensors(file, wanted, model.state_dict())
    heads = {}
    if architecture == "llama":
        heads = {"attn_q": model.config.n_heads, "attn_k": model.config.n_kv_heads}
    weights = {}
    for name, parts in wanted.items():
        tensor = file.tensor(name)
        projection = name.split(".")[-2]
        if projection in heads:
            tensor = separated(tensor, heads[projection])
        rows = [tensor] if len(parts) == 1 else [each.clone() for each in tensor.chunk(len(parts))]
        weights |= zip(parts, rows, strict=True)  # of GPT-2's joint q, k and v each has a storage of its own
    model.load_state_dict(weights, assign=True)


def check_tensors(file: GGUFFile, wanted: Mapping[str, list[str]], empty: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError, in one line, where a file's tensors are not those that a model has."""
    found = {name: stored.shape for name, stored in file.tensors.items() if name != SLOWED}
    if HEAD in found.keys() - wanted.keys() and torch.equal(file.tensor(HEAD), file.tensor(ROWS)):
        del found[HEAD]  # of a tied model, the token rows again
    due = {}
    for name, parts in wanted.items():
        first, *rest = empty[parts[0]].shape
        due[name] = (first * len(parts), *rest)
    wrong = sorted(name for name in found.keys() | due.keys() if found.get(name) != due.get(name))
    if wrong:
        shapes = f"has the shape {found.get(wrong[0])} in the file, and {due.get(wrong[0])} in the model"
        raise ValueError(f"{file.path}: {wrong[0]:.80} {shapes}; take another file")
