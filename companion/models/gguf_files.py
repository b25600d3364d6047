"""GGUF, the file of llama.cpp: a header of names and values, and tensors, also in few bits, in one file.

The tokenizer, its merges and the chat template lie in the header, so that the file alone answers.

Reference:
    The format's description in ggml, docs/gguf.md; its library `gguf`.
"""

from pathlib import Path
from typing import Any

import gguf
import torch

from companion.models.gguf_reader import ARCHITECTURES, GGUFFile, tensor_names
from companion.models.gguf_tokenizers import tokenizer_to_gguf
from companion.pretrained import FAMILIES
from companion.runtime.files.atomic import new_file
from companion.runtime.storage.public_configs import family_of, model_type_of

KINDS = {"f32": "F32", "f16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
"""What matrices are written in: our names, and the library's."""
LARGEST = {"F32": 3e38, "F16": 65504, "Q8_0": 127 * 65504, "Q4_0": 8 * 65504}  # a block's scale is float16
FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7, "q4_0": 2}  # the numbers of general.file_type
BLOCK = 32  # numbers of a row that share a scale in Q8_0 and Q4_0


def write_gguf(model, tokenizer, path: str | Path, kind: str = "f32") -> dict[str, str]:
    """Write a model and its tokenizer as one file, whole or not at all.

    Norms and biases stay float32. Position rows, and matrices whose row length is no multiple of 32, are
    float16 if kind has fewer bits than that.

    Args:
        model: The model.
        tokenizer: The model's tokenizer.
        path: The file to write.
        kind: Number format of the matrices: f32, f16, q8_0 or q4_0.

    Returns:
        The format that each tensor is stored in, by the tensor's name in the file.

    Raises:
        ValueError: In one line and before any work, for another kind, for a model with parts that llama.cpp
            does not have, such as swift's shifts or an adapter, and for a tokenizer whose rule of cutting
            text is not in PRE. Later, without leaving a file, for a number that the kind cannot hold.
    """
    header = gguf_header(model.config, tokenizer, kind)
    check_parts(model)
    architecture = header["general.architecture"]
    names = tensor_names(architecture, model.config.n_layers)
    with new_file(path) as new:
        writer = gguf.GGUFWriter(new, architecture)
        for key, value in header.items():
            if key != "general.architecture":  # which the writer has written
                put(writer, key, value)
        held = {}
        for theirs, tensor in tensors_of(model, architecture):
            name = names.get_name(theirs, (".weight", ".bias"))
            held[name] = kind_of(name, tensor.shape, kind)
            if not tensor.abs().max() <= LARGEST[held[name]]:
                rule = f"which {held[name]} cannot hold; export f32, or train the model again"
                raise ValueError(f"{theirs} has a number of size {tensor.abs().max().item():g}, {rule}")
            number = gguf.GGMLQuantizationType[held[name]]
            writer.add_tensor(name, gguf.quants.quantize(tensor.numpy(), number), raw_dtype=number)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return held


def read_gguf(path: str | Path) -> tuple[dict[str, Any], dict[str, tuple[str, torch.Tensor]]]:
    """Read the header and all tensors of a file.

    companion.load makes a model of a file, and reads one tensor at a time.

    Args:
        path: The file.

    Returns:
        The header's values by key, and for each tensor's name the format that it is stored in and its
        numbers in float32.

    Shape:
        A matrix is (out, in), as in our models.

    Raises:
        ValueError: In one line, for a file that is missing, damaged, or no GGUF.
    """
    file = GGUFFile(path)
    return file.header, {name: (held.kind, file.tensor(name)) for name, held in file.tensors.items()}


# -- tensors ---------------------------------------------------------------------------


def tensors_of(model, architecture: str):
    """(Hugging Face's name, float32 tensor on the CPU, (out, in)) of each tensor that the file holds."""
    config = model.config
    ours = model.state_dict()
    heads = {}
    if architecture == "llama":
        heads = {"q_proj": config.n_heads, "k_proj": config.n_kv_heads}
    for theirs, parts in FAMILIES[family_of(config)].places(model).items():
        tensor = torch.cat([ours[part] for part in parts]).detach().float().cpu().contiguous()
        projection = theirs.split(".")[-2]
        yield theirs, interleaved(tensor, heads[projection]) if projection in heads else tensor
    if getattr(config, "rope_factor", 1) != 1:
        yield "rope_freqs.weight", slowing(model.blocks[0].attn.rope, config.rope_theta)


def check_parts(model) -> None:
    """Raise ValueError for a model with a tensor that its family has no name for, such as an adapter's."""
    places = FAMILIES[family_of(model.config)].places(model)
    strange = set(model.state_dict())
    for parts in places.values():
        strange -= set(parts)
    if strange:
        raise ValueError(f"model has {min(strange)}, which has no place in a GGUF; merge its adapter first")


def interleaved(rows: torch.Tensor, n_heads: int) -> torch.Tensor:
    """Rows (H D, …) in the order in which llama.cpp turns a Llama's: i and i + D / 2 side by side."""
    return rows.unflatten(0, (n_heads, 2, -1)).transpose(1, 2).flatten(0, 2).contiguous()


def slowing(rope, theta: float) -> torch.Tensor:
    """(D / 2,): by what the speeds are divided of a model that reads further than it was trained to."""
    n = len(rope.speed)
    return (1 / theta ** (torch.arange(n) / n)) / rope.speed


def kind_of(name: str, shape, kind: str) -> str:
    """What a tensor is held in: the library's name."""
    if len(shape) < 2 or kind == "f32":
        return "F32"
    rows_only = name.startswith("position_embd")
    return "F16" if kind == "f16" or rows_only or shape[-1] % BLOCK else KINDS[kind]


# -- the header ------------------------------------------------------------------------


def put(writer, key: str, value) -> None:
    """Write a header's value, in the format's type for it."""
    if type(value) is int:
        writer.add_uint32(key, value)
    elif type(value) is list:
        writer.add_array(key, value)
    else:
        writer.add_key_value(key, value, gguf.GGUFValueType.get_type(value))


def gguf_header(config, tokenizer, kind: str = "f32") -> dict[str, Any]:
    """Return everything that a file says before its tensors.

    Args:
        config: The model's configuration.
        tokenizer: The model's tokenizer.
        kind: Number format of the matrices, as for write_gguf.

    Raises:
        ValueError: As for write_gguf, except that a part such as an adapter is not looked for here.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} must be one of {', '.join(KINDS)}")
    header = config_header(config)
    header["general.file_type"] = FILE_TYPES[kind]
    if kind.startswith("q"):
        header["general.quantization_version"] = 2
    return header | tokenizer_to_gguf(tokenizer, config.vocab_size)


def config_header(config) -> dict[str, Any]:
    """Return the header's part about the model's shape.

    Raises:
        ValueError: For a model that llama.cpp cannot run.
    """
    architecture = model_type_of(config)  # refuses the shifts
    if architecture not in ARCHITECTURES:
        why = "a window of positions" if architecture == "mistral" else f"architecture={config.architecture}"
        raise ValueError(f"{why} is not written as GGUF; there are {', '.join(ARCHITECTURES)}")
    header = {
        "general.architecture": architecture,
        f"{architecture}.context_length": config.context_length,
        f"{architecture}.embedding_length": config.d_model,
        f"{architecture}.feed_forward_length": config.d_ff,
        f"{architecture}.block_count": config.n_layers,
        f"{architecture}.attention.head_count": config.n_heads,
    }
    if architecture == "gpt2":
        return header | {"gpt2.attention.layer_norm_epsilon": 1e-5}
    if config.rope_factor != 1 and architecture != "llama":
        rule = f"has no place in a {architecture} GGUF; only a llama's has one"
        raise ValueError(f"rope_factor={config.rope_factor} {rule}")
    if architecture == "qwen2" and config.n_heads * config.head_width != config.d_model:
        product = f"n_heads={config.n_heads} times head_width={config.head_width}"
        raise ValueError(f"{product} must be d_model={config.d_model}")
    return header | {
        f"{architecture}.attention.key_length": config.head_width,
        f"{architecture}.attention.value_length": config.head_width,
        f"{architecture}.rope.dimension_count": config.head_width,
        f"{architecture}.attention.head_count_kv": config.n_kv_heads,
        f"{architecture}.attention.layer_norm_rms_epsilon": float(config.norm_eps),
        f"{architecture}.rope.freq_base": float(config.rope_theta),
        f"{architecture}.vocab_size": config.vocab_size,
    }
