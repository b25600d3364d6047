"""Public models' folders: their config.json in the words of our configurations, and back; the names and the
type of their weights; and a folder written as GPT-2's, for chapter 11.
"""

import json
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from companion.runtime.files.atomic import read_json
from companion.runtime.storage.hub import weight_files
from companion.runtime.text.hugging_face import write_tokenizer
from companion.runtime.text.tokenizer import Tokenizer

KINDS = tomllib.loads(Path(__file__).with_name("public_configs.toml").read_text("utf-8"))
"""What the file says of each model_type."""
FIELDS = {
    name: KINDS[kind.get("like", name)]["fields"] | kind.get("fields", {}) for name, kind in KINDS.items()
}
"""By model_type: our name of a field -> theirs."""
OPTIONAL = {"n_kv_heads", "d_ff", "head_width", "window", "dropout"}
HEADS = ("lm_head.weight", "embed_out.weight")
NO_WEIGHTS = (".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".inv_freq")
"""Endings of tensors that some files have besides: stored masks, and the speeds of rotary positions."""
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
"""The limits between which Llama 3's scaling goes over: those that our RoPE has."""


def read_shape(source: Path) -> tuple[str, dict]:
    """Return the family ("gpt2", "llama" or "neox") and the fields of our configuration in a config.json.

    Raises:
        ValueError: In one line, for a damaged file, a model_type that is not known, a missing field, and one
            whose value our parts cannot compute.
    """
    try:
        return shape_in(read_json(source, "copy the folder again"))
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        problem = str(error).removeprefix(f"{source} ")
        raise ValueError(f"{source} cannot be read ({problem:.250}); take another model") from None


def shape_in(theirs: dict) -> tuple[str, dict]:
    """Return what read_shape does, of the object in the file."""
    kind = theirs.get("model_type")
    if kind not in FIELDS:
        raise ValueError(f"model_type={kind!r:.40} is not known; there are {', '.join(FIELDS)}")
    for name, values in KINDS[kind]["only"].items():
        if theirs.get(name, values[0]) not in values:
            raise ValueError(f"{name}={theirs[name]!r:.60} must be {values[0]!r}, all that our parts compute")
    found = {ours: theirs.get(name, KINDS[kind]["usual"].get(name)) for ours, name in FIELDS[kind].items()}
    found = {ours: value for ours, value in found.items() if value is not None}
    for ours, name in FIELDS[kind].items():
        if ours not in found and ours not in OPTIONAL:
            raise ValueError(f"it lacks {name!r}")
    found |= {"qwen2": {"qkv_bias": True}, "qwen3": {"qk_norm": True}}.get(kind, {})
    layers = set(theirs.get("layer_types") or [])
    if layers - {"sliding_attention" if "window" in found else "full_attention"}:
        raise ValueError(f"layer_types has {', '.join(sorted(layers)):.80}; our layers are all alike")
    if kind != "gpt2":
        found |= read_rope(theirs, kind)
    return KINDS[kind]["family"], found


def read_rope(theirs: dict, kind: str) -> dict:
    """Return the fields about rotary positions, from a file of today or of before 2025."""
    given = (theirs.get("rope_scaling") or {}) | (theirs.get("rope_parameters") or {})
    theta = given.get("rope_theta", theirs.get("rope_theta", theirs.get("rotary_emb_base", 10000.0)))
    form = given.get("rope_type", given.get("type", "default"))
    found = {"rope_theta": float(theta)}
    if kind == "gpt_neox":
        found["rope_share"] = float(given.get("partial_rotary_factor", theirs.get("rotary_pct", 0.25)))
    if form == "llama3" and kind != "gpt_neox" and LLAMA3.items() <= given.items():
        length = given["original_max_position_embeddings"]
        return found | {"rope_factor": float(given["factor"]), "rope_original": length}
    if form != "default":
        raise ValueError(f"rope scaling {given!r:.150} is none that RoPE has: default, or Llama 3's")
    return found


def write_shape(config: Any, tokenizer: Tokenizer | None = None) -> dict:
    """Return the config.json of a model with this configuration.

    Args:
        config: The configuration.
        tokenizer: It gives the ids that begin and end a text, as its model's config.json had them where it
            was read with one. Without a tokenizer the file has None for them: were they left out,
            transformers would take its own models'.

    Raises:
        ValueError: In one line, for a model of a shape that no other engine has.
    """
    kind = model_type_of(config)
    found: dict[str, Any] = {"model_type": kind, "architectures": [KINDS[kind]["class"]]}
    found |= {name: values[0] for name, values in KINDS[kind]["only"].items()}
    found |= {name: getattr(config, ours) for ours, name in FIELDS[kind].items()}
    found |= {"bos_token_id": None, "eos_token_id": None}
    if tokenizer is not None:
        ends = [tokenizer.named_end, *tokenizer.ends]
        if tokenizer.has_chat_tokens:
            ends.append(tokenizer.special_tokens["<|end|>"])  # <|user|> begins a turn, and ends none
        ends = list(dict.fromkeys(ends))
        found |= {"bos_token_id": tokenizer.named_start, "eos_token_id": ends if len(ends) > 1 else ends[0]}
        found |= tokenizer.model_ids
    if kind == "gpt2":
        return found | dict.fromkeys(["attn_pdrop", "embd_pdrop", "resid_pdrop"], config.dropout)
    found["rope_theta"] = config.rope_theta
    if kind == "gpt_neox":
        return found | {"rotary_pct": config.rope_share, "rotary_emb_base": config.rope_theta}
    if config.rope_factor != 1:
        sizes = {"factor": config.rope_factor, "original_max_position_embeddings": config.rope_original}
        found["rope_scaling"] = {"rope_type": "llama3"} | sizes | LLAMA3
    return found


def family_of(config: Any) -> str:
    """Return the family whose names a model with this configuration is written under.

    Raises:
        ValueError: As for write_shape.
    """
    return KINDS[model_type_of(config)]["family"]


def model_type_of(config: Any) -> str:
    """Return the model_type whose parts a configuration's model has.

    Raises:
        ValueError: If no model_type has them.
    """
    if config.architecture in ("gpt2", "neox"):
        return {"gpt2": "gpt2", "neox": "gpt_neox"}[config.architecture]
    if config.architecture == "experts" or config.shift:
        part = "experts" if config.architecture == "experts" else "shifts"
        rule = f"no other engine has its {part}; train one with --architecture storyteller"
        raise ValueError(f"architecture={config.architecture}: {rule}")
    asked = {"qwen3": config.qk_norm, "qwen2": config.qkv_bias, "mistral": config.window is not None}
    kinds = [kind for kind, is_so in asked.items() if is_so]
    if len(kinds) > 1:
        rule = f"no public family is {' and '.join(kinds)} at once"
        raise ValueError(f"architecture={config.architecture}: {rule}")
    return kinds[0] if kinds else "llama"


def check_names(family: Any, wanted: Collection[str], files: Mapping[str, Path]) -> dict[str, str]:
    """Return the name under which the files have each wanted tensor: with the family's prefix, or without.

    The file of a tied model may hold its head instead of the token rows, or both where they are equal.

    Raises:
        ValueError: In one line, for tensors that are missing, or have no place in the model.
    """
    first = next(iter(family.names))
    prefix = first.split(".")[0] + "."
    stored = {name if name.startswith((prefix, *HEADS)) else prefix + name: name for name in files}
    rows = f"{first}.weight"
    for head in (stored.keys() & set(HEADS)) - set(wanted):
        if rows not in stored or same_tensor(files, stored[head], stored[rows]):
            stored[rows] = stored.pop(head)
    strange = {name for name in stored.keys() - set(wanted) if not name.endswith(NO_WEIGHTS)}
    lacking = sorted(set(wanted) - stored.keys())
    for names, problem in [(lacking, "is missing"), (sorted(strange), "has, without a place in this model,")]:
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            where = next(iter(files.values())).parent
            raise ValueError(
                f"{where} {problem} {', '.join(names[:3])}{more}; it is of another model, or not whole"
            )
    return stored


def same_tensor(files: Mapping[str, Path], first: str, second: str) -> bool:
    """Whether two tensors hold the same numbers."""
    with safe_open(files[first], "pt") as a, safe_open(files[second], "pt") as b:
        return torch.equal(a.get_tensor(first), b.get_tensor(second))


def stored_dtype(folder: Path) -> torch.dtype:
    """The type of a public folder's weights: bfloat16 or float16 where all are kept so, else float32."""
    kinds = set()
    for path in set(weight_files(folder).values()):
        with safe_open(path, framework="np") as file:
            kinds |= {file.get_slice(name).get_dtype() for name in file.keys()}
    short = {"BF16": torch.bfloat16, "F16": torch.float16}
    return short.get(kinds.pop(), torch.float32) if len(kinds) == 1 else torch.float32


# -- a model of ours as others would have written it: what chapter 11 reads without a network --

GPT2_BLOCK = {
    "ln_1": ["norm_1"],
    "attn.c_attn": ["attn.q_proj", "attn.k_proj", "attn.v_proj"],
    "attn.c_proj": ["attn.o_proj"],
    "ln_2": ["norm_2"],
    "mlp.c_fc": ["mlp.up_proj"],
    "mlp.c_proj": ["mlp.down_proj"],
}


def write_like_gpt2(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Write a model with GPT-2's blocks as openai-community/gpt2 is laid out on Hugging Face's hub.

    The names have no `transformer.`, matrices are (in, out), and q, k and v are one matrix. There is no head,
    and each layer has a stored mask.

    Returns:
        The folder.
    """
    config = model.config
    ours = model.state_dict()
    theirs = {"wte.weight": ours["embed.token.weight"], "wpe.weight": ours["embed.position.weight"]}
    for i in range(config.n_layers):
        theirs[f"h.{i}.attn.bias"] = torch.ones(config.context_length, config.context_length).tril()[
            None, None
        ]
        for name, parts in GPT2_BLOCK.items():
            for kind in ("weight", "bias"):
                joint = torch.cat([ours[f"blocks.{i}.{part}.{kind}"] for part in parts])
                theirs[f"h.{i}.{name}.{kind}"] = joint.T if joint.ndim == 2 else joint
    theirs |= {"ln_f.weight": ours["norm.weight"], "ln_f.bias": ours["norm.bias"]}
    sizes = {"vocab_size": config.vocab_size, "n_positions": config.context_length, "n_embd": config.d_model}
    sizes |= {"n_layer": config.n_layers, "n_head": config.n_heads}
    about = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "activation_function": "gelu_new"}
    (folder / "config.json").write_text(json.dumps(about | sizes, indent=1), encoding="utf-8")
    save_file({name: t.contiguous() for name, t in theirs.items()}, folder / "model.safetensors")
    write_tokenizer(tokenizer, folder)
    return folder
