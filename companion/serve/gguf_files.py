"""GGUF, the file of llama.cpp: a header of names and values, and tensors, also in few bits, in one file.

The tokenizer, its merges and the chat template lie in the header, so that the file alone answers.
Source: the format's description in ggml, docs/gguf.md; its library `gguf`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from companion.pretrained import FAMILIES
from companion.runtime.files.whole_files import new_file
from companion.runtime.storage.public_configs import family_of, model_type_of
from companion.runtime.text.hugging_face import halves, tokenizer_files
from companion.tokenization import GPT2_PATTERN

KINDS = {"f32": "F32", "f16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
"""What matrices are written in: our names, and the library's."""
FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7, "q4_0": 2}
"""The numbers of general.file_type."""
BLOCK = 32
"""Numbers of a row that share a scale in Q8_0 and Q4_0."""
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""What a token is: text; found only where an engine is asked to; found in any text; without a meaning."""
ARCHITECTURES = ("gpt2", "llama", "qwen2", "qwen3")
INSTALL = "pip install -e '.[serve]'"


def library():
    """The library gguf. ImportError, with the remedy, where it is missing."""
    try:
        import gguf
    except ImportError:
        raise ImportError(f"GGUF files need the library gguf: {INSTALL}") from None
    return gguf


def write_gguf(model, tokenizer, path: str | Path, kind: str = "f32") -> dict[str, str]:
    """Write a model and its tokenizer as one file, whole or not at all; return what each tensor is held in.

    kind: f32, f16, q8_0 or q4_0, of the matrices. Norms and biases stay float32; position rows, and matrices
    whose rows are no blocks of 32, are float16 where kind is less.
    Raises ValueError, in one line and before any work, for another kind, a model of parts that llama.cpp has
    not, such as swift's shifts or an adapter, and a tokenizer that is not byte-level BPE cut as GPT-2's;
    ImportError without the library.
    """
    gguf, header = library(), gguf_header(model.config, tokenizer, kind)
    check_parts(model)
    n = model.config.n_layers
    architecture = header["general.architecture"]
    names = gguf.get_tensor_name_map(architecture_of(gguf, architecture), n)
    with new_file(path) as new:
        writer = gguf.GGUFWriter(new, architecture)
        for key, value in header.items():
            if key != "general.architecture":  # which the writer has written
                put(writer, key, value)
        held = {}
        for theirs, tensor in tensors_of(model, architecture):
            name = names.get_name(theirs, (".weight", ".bias"))
            held[name] = kind_of(name, tensor.shape, kind)
            number = gguf.GGMLQuantizationType[held[name]]
            writer.add_tensor(name, gguf.quants.quantize(tensor.numpy(), number), raw_dtype=number)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return held


def read_gguf(path: str | Path) -> tuple[dict[str, Any], dict[str, tuple[str, torch.Tensor]]]:
    """A file's header, by key, and its tensors, by name: (what it is held in, the numbers in float32).

    A matrix is (out, in), as ours. Raises ValueError, in one line, for a file that is missing or no GGUF.
    """
    gguf, path = library(), Path(path)
    try:
        reader = gguf.GGUFReader(path)
    except (OSError, ValueError, IndexError) as error:
        raise ValueError(f"{path} is no whole GGUF file ({' '.join(str(error).split()):.80})") from None
    header = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    tensors = {}
    for tensor in reader.tensors:
        numbers = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        shape = [int(size) for size in reversed(tensor.shape)]  # the file has the row's length first
        tensors[tensor.name] = (tensor.tensor_type.name, torch.tensor(numbers).view(shape))
    return header, tensors


# -- tensors ---------------------------------------------------------------------------


def architecture_of(gguf, name: str):
    """The library's number of an architecture."""
    return next(number for number, known in gguf.MODEL_ARCH_NAMES.items() if known == name)


def tensors_of(model, architecture: str):
    """(Hugging Face's name, float32 tensor on the CPU, (out, in)) of each tensor that the file holds."""
    config, ours = model.config, model.state_dict()
    order = interleaved if architecture == "llama" else (lambda rows, n_heads: rows)
    heads = {"q_proj": config.n_heads, "k_proj": getattr(config, "n_kv_heads", config.n_heads)}
    for theirs, parts in FAMILIES[family_of(config)].places(model).items():
        tensor = torch.cat([ours[part] for part in parts]).detach().float().cpu().contiguous()
        projection = theirs.split(".")[-2]
        yield theirs, order(tensor, heads[projection]) if projection in heads else tensor
    if getattr(config, "rope_factor", 1) != 1:
        rope = model.blocks[0].attn.rope
        yield "rope_freqs.weight", slowing(rope, config.rope_theta)


def check_parts(model) -> None:
    """Raise ValueError for a model with a tensor that its family has no name for, such as an adapter's."""
    places = FAMILIES[family_of(model.config)].places(model)
    if strange := sorted(set(model.state_dict()) - {part for parts in places.values() for part in parts}):
        raise ValueError(f"model has {strange[0]}, which has no place in a GGUF; merge its adapter first")


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
    writes: dict[type, Callable] = {
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        list: writer.add_array,
    }
    writes[type(value)](key, value)


def gguf_header(config, tokenizer, kind: str = "f32") -> dict[str, Any]:
    """Everything that a file says before its tensors. Raises ValueError as write_gguf."""
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} must be one of {', '.join(KINDS)}")
    header = shape_in_gguf(config)
    header["general.file_type"] = FILE_TYPES[kind]
    if kind.startswith("q"):
        header["general.quantization_version"] = 2
    return header | tokenizer_in_gguf(tokenizer, config.vocab_size)


def shape_in_gguf(c) -> dict[str, Any]:
    """The header's part about the shape. ValueError for a model that llama.cpp cannot run."""
    a = model_type_of(c)  # refuses the shifts
    if a not in ARCHITECTURES:
        why = "a window of positions" if a == "mistral" else f"architecture={c.architecture}"
        raise ValueError(f"{why} is not written as GGUF; there are {', '.join(ARCHITECTURES)}")
    header = {
        "general.architecture": a,
        f"{a}.context_length": c.context_length,
        f"{a}.embedding_length": c.d_model,
        f"{a}.feed_forward_length": c.d_ff,
        f"{a}.block_count": c.n_layers,
        f"{a}.attention.head_count": c.n_heads,
    }
    if a == "gpt2":
        return header | {"gpt2.attention.layer_norm_epsilon": 1e-5}
    if c.rope_factor != 1 and a != "llama":
        raise ValueError(f"rope_factor={c.rope_factor} has no place in a {a} GGUF; only a llama's has one")
    if a == "qwen2" and c.n_heads * c.head_width != c.d_model:
        rule = f"must be d_model={c.d_model} in a qwen2 GGUF"
        raise ValueError(f"n_heads={c.n_heads} times head_width={c.head_width} {rule}; choose another width")
    widths = ("attention.key_length", "attention.value_length", "rope.dimension_count")
    return (
        header
        | {f"{a}.{name}": c.head_width for name in widths}
        | {
            f"{a}.attention.head_count_kv": c.n_kv_heads,
            f"{a}.attention.layer_norm_rms_epsilon": float(c.norm_eps),
            f"{a}.rope.freq_base": float(c.rope_theta),
            f"{a}.vocab_size": c.vocab_size,
        }
    )


def tokenizer_in_gguf(tokenizer, vocab_size: int) -> dict[str, Any]:
    """The header's part about text. ValueError for a tokenizer that is not byte-level BPE cut as GPT-2's.

    vocab_size: the model's rows; those without a token are written as unused.
    """
    file, end = tokenizer_file(tokenizer), tokenizer.end
    model, added = file["model"], file.get("added_tokens") or []
    if max(tokenizer.vocab) >= vocab_size:
        most = f"ids up to {max(tokenizer.vocab)}, the model {vocab_size} rows"
        raise ValueError(f"tokenizer has {most}; give the tokenizer that the model was made for")
    tokens, types = [f"[PAD{i}]" for i in range(vocab_size)], [UNUSED] * vocab_size
    for token, i in model["vocab"].items():
        tokens[i], types[i] = token, NORMAL
    for token in added:
        special = token["content"] in tokenizer.special_tokens
        tokens[token["id"]], types[token["id"]] = token["content"], CONTROL if special else USER_DEFINED
    header = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [" ".join(halves(merge)) for merge in model["merges"]],
        "tokenizer.ggml.bos_token_id": end,
        "tokenizer.ggml.eos_token_id": end,
        "tokenizer.ggml.add_bos_token": False,
    }
    if tokenizer.has_chat_tokens:
        header["tokenizer.ggml.eot_token_id"] = tokenizer.special_tokens["<|end|>"]
    if (template := tokenizer.template) is not None:
        header["tokenizer.chat_template"] = template
    return header


def tokenizer_file(tokenizer) -> dict:
    """What a tokenizer.json would hold of it. ValueError where it is not byte-level BPE cut as GPT-2's."""
    file, _, _ = tokenizer_files(tokenizer)
    if not cuts_as_gpt2(file):
        raise ValueError("tokenizer cuts text by another pattern than GPT2_PATTERN; a GGUF takes no other")
    return file


def cuts_as_gpt2(file: dict) -> bool:
    """Whether a tokenizer.json cuts text by GPT-2's pattern, into bytes, and changes nothing before."""
    before = file.get("pre_tokenizer") or {}
    *cuts, level = before.get("pretokenizers") or [before]
    if file.get("normalizer") or level.get("type") != "ByteLevel" or level.get("add_prefix_space", True):
        return False
    if not cuts:
        return level.get("use_regex", True)
    cut = {"type": "Split", "pattern": {"Regex": GPT2_PATTERN}, "behavior": "Isolated", "invert": False}
    return cuts == [cut] and not level.get("use_regex", True)
