"""A model from a GGUF file: its shape, its weights one tensor at a time, and its tokenizer.

Families of chapter 11 are handed in: this module knows no chapter.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from companion.runtime.storage.gguf_reader import GGUFFile, architecture_number, library
from companion.runtime.text.gguf_tokenizers import tokenizer_from_gguf

ARCHITECTURES = {"gpt2": "gpt2", "llama": "llama", "qwen2": "llama", "qwen3": "llama"}
"""What general.architecture may be -> the family of chapter 11 whose parts it has."""
ROWS, HEAD, SLOWED = "token_embd.weight", "output.weight", "rope_freqs.weight"
NEAR = 1e-4
"""By how much, as a share, a file's speeds of rotary positions may differ from those that our RoPE has."""


def load_gguf(path: str | Path, families: Mapping) -> tuple[torch.nn.Module, Any]:
    """Return the model and the tokenizer in a GGUF file; the model in float32 on the CPU, for evaluation.

    families: chapter 11's FAMILIES. Memory holds the weights once, and at most one tensor more. Raises
    ValueError, in one line and before anything is built, for a file that is damaged or of another
    architecture; ImportError without the libraries gguf and tokenizers.
    """
    file = GGUFFile(path)
    config, build = gguf_shape(file, families)
    tokenizer = tokenizer_from_gguf(file.header, file.path)
    if max(tokenizer.vocab) >= config.vocab_size:
        sizes = f"{max(tokenizer.vocab) + 1:,} tokens for {config.vocab_size:,} rows of {ROWS}"
        raise file.wrong(f"it has {sizes}")
    model = build(config, meta=True)
    fill_from_gguf(file, model, families[ARCHITECTURES[file.header["general.architecture"]]].places(model))
    return model.eval(), tokenizer


def gguf_shape(file: GGUFFile, families: Mapping) -> tuple[Any, Any]:
    """Return the configuration of a file's model, and its builder. ValueError, in one line, as load_gguf."""
    family, fields = shape_in(file)
    try:
        return families[family].config(**fields), families[family].build
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file.path}: {error}") from None


def shape_in(file: GGUFFile) -> tuple[str, dict[str, Any]]:
    """Return a family, and the fields of its configuration, as a header says them."""
    header, tensors = file.header, file.tensors
    a = header.get("general.architecture")
    if not isinstance(a, str) or a not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"{file.path}: general.architecture={a!r:.40} is not read; there are {known}")
    if ROWS not in tensors or len(tensors[ROWS].shape) != 2:
        raise file.wrong(f"it has no matrix {ROWS}")
    fields = {
        "vocab_size": tensors[ROWS].shape[0],
        "context_length": number_in(file, f"{a}.context_length", int),
        "n_layers": number_in(file, f"{a}.block_count", int),
        "n_heads": number_in(file, f"{a}.attention.head_count", int),
        "d_model": number_in(file, f"{a}.embedding_length", int),
        "d_ff": number_in(file, f"{a}.feed_forward_length", int),
    }
    if min(fields.values()) < 1:
        raise file.wrong(f"its sizes {fields} must be at least 1")
    if fields["n_layers"] > len(tensors):
        raise file.wrong(f"{a}.block_count={fields['n_layers']:,}, and it has {len(tensors):,} tensors")
    if a == "gpt2":
        eps = number_in(file, "gpt2.attention.layer_norm_epsilon", float, 1e-5)
        if not math.isclose(eps, 1e-5, rel_tol=1e-3):
            raise ValueError(
                f"{file.path}: layer_norm_epsilon={eps} must be 1e-05: our parts compute nothing else"
            )
        return "gpt2", fields
    fields |= {
        "n_kv_heads": number_in(file, f"{a}.attention.head_count_kv", int, fields["n_heads"]),
        "norm_eps": number_in(file, f"{a}.attention.layer_norm_rms_epsilon", float),
        "rope_theta": number_in(file, f"{a}.rope.freq_base", float, 10000.0),
        "tied": HEAD not in tensors,
        "qkv_bias": "blk.0.attn_q.bias" in tensors,
        "qk_norm": "blk.0.attn_q_norm.weight" in tensors,
    }
    width = number_in(file, f"{a}.attention.key_length", int, fields["d_model"] // fields["n_heads"])
    for name in ("attention.value_length", "rope.dimension_count"):
        other = number_in(file, f"{a}.{name}", int, width)
        if other != width:
            rule = f"must be {width}, the width of a head: our parts compute nothing else"
            raise ValueError(f"{file.path}: {a}.{name}={other} {rule}")
    return "llama", fields | {"head_width": width} | scaling_in(file, a, width, fields["rope_theta"])


def number_in(file: GGUFFile, key: str, kind: type, usual: Any = None) -> Any:
    """Return a number of a header. ValueError, in one line, where it is missing or of another kind."""
    value = file.header.get(key, usual)
    if value is None:
        raise file.wrong(f"it lacks {key}")
    if isinstance(value, list) and len(set(value)) == 1:  # one for each layer, all alike
        value = value[0]
    if type(value) is not kind:
        raise file.wrong(f"{key}={value!r:.40} must be one {'whole ' if kind is int else ''}number")
    return value if kind is int else shortest(value)


def shortest(value: float) -> float:
    """Return the number that was meant: a file's 9.999999747e-06 is the float32 that is nearest to 1e-05."""
    return float(str(np.float32(value)))


# -- rotary positions --------------------------------------------------------------------


def scaling_in(file: GGUFFile, a: str, width: int, theta: float) -> dict[str, Any]:
    """Return rope_factor and rope_original of a model that was made to read further, as Llama 3; else {}.

    A file has Llama 3's scaling as a tensor: by what each of the D / 2 speeds is divided. The slowest are
    divided by the factor, the fastest by 1, and those between tell `original`.
    """
    form = file.header.get(f"{a}.rope.scaling.type", "none")
    if form != "none" and file.header.get(f"{a}.rope.scaling.factor") != 1:
        raise ValueError(f"{file.path}: rope scaling {form!r:.40} is none that RoPE has: none, or Llama 3's")
    if a != "llama" or SLOWED not in file.tensors or not 0 < theta < math.inf:  # which LlamaConfig refuses
        return {}
    divided = file.tensor(SLOWED).double()
    if divided.shape != (width // 2,) or not ((divided > 0.999) & (divided < 1e6)).all():
        raise file.wrong(f"{SLOWED} must have {width // 2} numbers of at least 1")
    if (divided < 1 + NEAR).all():
        return {}
    factor = shortest(divided.max().item())
    speed = theta ** -(torch.arange(width // 2).double() * 2 / width)
    kept = (1 / divided - 1 / factor) / (1 - 1 / factor)  # the share of a speed that is not divided
    between = (kept > 0.01) & (kept < 0.99)
    if between.any():
        found = ((3 * kept[between] + 1) * 2 * math.pi / speed[between]).tolist()
    else:  # every number of turns between the last fast speed and the first slow one gives the same
        slow = 2 * math.pi / speed[kept <= 0.01].max()
        fast = 8 * math.pi / speed[kept >= 0.99].min() if (kept >= 0.99).any() else 1.0
        found = [float(min(slow, max(fast, 1.0)))]
    for original in {round(x) for x in found} - {0}:
        shares = ((original * speed / (2 * math.pi) - 1) / 3).clamp(0, 1)
        if torch.allclose(1 / ((1 - shares) / factor + shares), divided, rtol=NEAR):
            return {"rope_factor": factor, "rope_original": original}
    raise ValueError(
        f"{file.path}: {SLOWED} divides speeds otherwise than Llama 3's scaling, which is all we have"
    )


# -- weights -----------------------------------------------------------------------------


def separated(rows: torch.Tensor, n_heads: int) -> torch.Tensor:
    """Undo llama.cpp's order of a Llama's queries and keys.

    In its files rows 2 i and 2 i + 1 of a head turn together. In ours it is rows i and i + D / 2.
    """
    return rows.unflatten(0, (n_heads, -1, 2)).transpose(1, 2).flatten(0, 2).contiguous()


def fill_from_gguf(file: GGUFFile, model: torch.nn.Module, places: Mapping[str, list[str]]) -> None:
    """Give a model on the meta device the weights of a file, one tensor after the other.

    places: Hugging Face's name of each tensor -> our parameters that it fills, as Family.places has them.
    Raises ValueError before any tensor is read.
    """
    config, empty = model.config, model.state_dict()
    wanted = tensor_names(file.header["general.architecture"], config.n_layers, places)
    check_tensors(file, wanted, empty)
    heads = {}
    if file.header["general.architecture"] == "llama":
        heads = {"attn_q": config.n_heads, "attn_k": config.n_kv_heads}
    weights = {}
    for name, parts in wanted.items():
        tensor = file.tensor(name)
        projection = name.split(".")[-2]
        if projection in heads:
            tensor = separated(tensor, heads[projection])
        if len(parts) == 1:
            weights[parts[0]] = tensor
        else:  # GPT-2's q, k and v in one; copies, so that each has a storage of its own
            weights |= {
                part: rows.clone() for part, rows in zip(parts, tensor.chunk(len(parts)), strict=True)
            }
    model.load_state_dict(weights, assign=True)


def tensor_names(architecture: str, n_layers: int, places: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return places with the names that GGUF files have for the tensors."""
    gguf = library()
    names = gguf.get_tensor_name_map(architecture_number(gguf, architecture), n_layers)
    return {names.get_name(theirs, (".weight", ".bias")): parts for theirs, parts in places.items()}


def check_tensors(file: GGUFFile, wanted: Mapping[str, list[str]], empty: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError, in one line, where a file's tensors are not those that a model has."""
    for name, parts in wanted.items():
        if name not in file.tensors:
            raise file.wrong(f"it has no tensor {name}, which its architecture needs")
        first, *rest = empty[parts[0]].shape
        due = (first * len(parts), *rest)
        if file.tensors[name].shape != due:
            shapes = f"{list(file.tensors[name].shape)}, must be {list(due)}"
            raise file.wrong(f"{name} has the shape {shapes}")
    strange = sorted(file.tensors.keys() - wanted.keys() - {SLOWED})
    if HEAD in strange and torch.equal(file.tensor(HEAD), file.tensor(ROWS)):
        strange.remove(HEAD)  # of a tied model, the token rows again
    if strange:
        rule = "our parts have no place for it"
        raise ValueError(f"{file.path} has the tensor {strange[0]:.80}: {rule}")
