"""Chapter 11's loader and writer: every family there and back, and what is refused."""

import dataclasses
import json
import re

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from support.folders import raises_one_line
from support.weights import noisy

from companion.gpt import GPTConfig, gpt2
from companion.lora import add_lora
from companion.modern import LlamaConfig, llama, storyteller, swift
from companion.pretrained import NeoXConfig, load_pretrained, neox, save_pretrained
from companion.quantization import quantize
from companion.runtime.storage.public_configs import write_like_gpt2
from companion.tokenization import BPETokenizer, CharTokenizer
from companion.village import load_split

TOKENIZER = BPETokenizer.train(load_split("val")[:20], 300)
SIZES = {"vocab_size": 300, "context_length": 23, "n_layers": 2, "n_heads": 6, "d_model": 60, "d_ff": 71}
KV = SIZES | {"n_kv_heads": 2}
MODELS = {
    "gpt2": (gpt2, GPTConfig(**SIZES)),
    "llama": (llama, LlamaConfig(**KV, tied=False)),
    "llama, tied": (llama, LlamaConfig(**KV, head_width=14)),
    "llama 3": (llama, LlamaConfig(**KV, rope_theta=5e5, rope_factor=8.0, rope_original=11)),
    "mistral": (llama, LlamaConfig(**KV, window=5, norm_eps=1e-6)),
    "qwen2": (llama, LlamaConfig(**KV, qkv_bias=True)),
    "qwen3": (storyteller, LlamaConfig(**KV, qk_norm=True, head_width=8)),
    "gpt_neox": (neox, NeoXConfig(**SIZES, rope_share=0.4, norm_eps=1e-6)),
}


LLAMA3 = {"rope_type": "llama3", "factor": 8.0}


def made(name, seed=0):
    build, config = MODELS[name]
    torch.manual_seed(seed)
    return noisy(build(config)).eval()


def ids(*shape, seed=0):
    return torch.randint(300, shape, generator=torch.Generator().manual_seed(seed))


def rewrite(folder, change):
    """Replace a folder's tensors by what change(tensors) returns."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors")


def reconfigure(folder, **fields):
    about = json.loads((folder / "config.json").read_text())
    about = {name: value for name, value in (about | fields).items() if value != "leave out"}
    (folder / "config.json").write_text(json.dumps(about))


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox"])
def test_each_weight_is_contiguous_and_no_piece_of_something_larger(name, tmp_path):
    save_pretrained(made(name), TOKENIZER, tmp_path)
    model, _ = load_pretrained(tmp_path)
    for part, weight in model.state_dict().items():
        assert weight.is_contiguous(), part
        assert weight.untyped_storage().nbytes() == weight.nbytes, part


@pytest.mark.parametrize("name", MODELS)
def test_saved_and_loaded_to_the_bit(name, tmp_path):
    model = made(name)
    save_pretrained(model, TOKENIZER, tmp_path)
    again, tokenizer = load_pretrained(tmp_path)
    assert again.config == model.config and not again.training
    for (a, p), (b, q) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert a == b and torch.equal(p, q)
    assert tokenizer.encode("Once upon") == TOKENIZER.encode("Once upon")
    torch.testing.assert_close(model(ids(2, 11)), again(ids(2, 11)))  # matrices may lie otherwise in memory


def test_a_public_gpt2_has_masks_and_no_prefix_or_head(tmp_path):
    model = made("gpt2")
    with safe_open(write_like_gpt2(model, TOKENIZER, tmp_path) / "model.safetensors", "pt") as file:
        names = list(file.keys())
    assert "h.1.attn.bias" in names and not any(name.startswith("transformer.") for name in names)
    reconfigure(tmp_path, n_inner=71)
    again, _ = load_pretrained(tmp_path)
    assert torch.equal(model(ids(2, 9)), again(ids(2, 9)))


def test_weights_take_the_dtype_that_is_asked_for(tmp_path):
    model = made("qwen3")
    save_pretrained(model, TOKENIZER, tmp_path)
    rewrite(tmp_path, lambda tensors: {name: t.bfloat16() for name, t in tensors.items()})
    for dtype in (torch.float32, torch.bfloat16):
        again, _ = load_pretrained(tmp_path, dtype=dtype)
        for p, q in zip(model.parameters(), again.parameters(), strict=True):
            assert q.dtype == dtype and torch.equal(p.bfloat16(), q.bfloat16())


def test_a_head_that_repeats_the_token_table_is_accepted(tmp_path):
    save_pretrained(made("llama, tied"), TOKENIZER, tmp_path)
    rows = "model.embed_tokens.weight"
    rewrite(tmp_path, lambda tensors: tensors | {"lm_head.weight": tensors[rows].clone()})
    load_pretrained(tmp_path)
    rewrite(tmp_path, lambda tensors: {name: x for name, x in tensors.items() if name != rows})
    again, _ = load_pretrained(tmp_path)  # the head alone, as transformers reads it
    assert torch.equal(again.embed.token.weight, made("llama, tied").embed.token.weight)
    save_pretrained(made("llama, tied"), TOKENIZER, tmp_path)
    rewrite(tmp_path, lambda tensors: tensors | {"lm_head.weight": tensors[rows] + 1})
    with pytest.raises(ValueError, match="lm_head.weight"):
        load_pretrained(tmp_path)


def without(name):
    return lambda tensors: {key: t for key, t in tensors.items() if name not in key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("layers.1.mlp.up_proj"), "is missing model.layers.1.mlp.up_proj.weight"),
        (lambda tensors: tensors | {"model.layers.0.mlp.experts.weight": torch.ones(3)}, "experts"),
        (
            lambda tensors: tensors | {"model.layers.0.self_attn.k_proj.weight": torch.ones(20, 59)},
            r"k_proj.weight has shape \[20, 59\], must be \[20, 60\]",
        ),
    ],
)
def test_every_tensor_is_used_once_and_every_parameter_is_filled(change, message, tmp_path):
    save_pretrained(made("llama"), TOKENIZER, tmp_path)
    rewrite(tmp_path, change)
    with raises_one_line(ValueError, message):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("name", "joined", "shape"),
    [
        ("gpt2", "transformer.h.1.attn.c_attn.weight", [60, 179]),
        ("gpt_neox", "gpt_neox.layers.1.attention.query_key_value.weight", [179, 60]),
        ("gpt_neox", "gpt_neox.layers.0.attention.query_key_value.bias", [179]),
    ],
)
def test_a_joint_tensor_of_another_shape_is_an_error(name, joined, shape, tmp_path):
    save_pretrained(made(name), TOKENIZER, tmp_path)
    rewrite(tmp_path, lambda tensors: tensors | {joined: torch.ones(shape)})
    with raises_one_line(ValueError, re.escape(f"{joined} has shape {shape}, must be")):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("llama", {"model_type": "mamba"}, "mamba.*there are gpt2, llama"),
        ("gpt2", {"activation_function": "gelu"}, "activation_function='gelu'"),
        ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "yarn"),
        ("llama 3", {"rope_scaling": LLAMA3 | {"high_freq_factor": 8.0}}, "high_freq_factor"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "alike"),
        ("llama", {"hidden_size": "leave out"}, "lacks 'hidden_size'"),
        ("gpt_neox", {"rotary_pct": 1.5}, "rope_share=1.5"),
    ],
)
def test_a_configuration_that_our_parts_cannot_compute_is_an_error(name, fields, message, tmp_path):
    save_pretrained(made(name), TOKENIZER, tmp_path)
    reconfigure(tmp_path, **fields)
    with raises_one_line(ValueError, message):
        load_pretrained(tmp_path)


def test_a_mistral_that_does_not_name_its_window_has_transformers_own(tmp_path):
    save_pretrained(made("mistral"), TOKENIZER, tmp_path)
    reconfigure(tmp_path, sliding_window="leave out")
    assert load_pretrained(tmp_path)[0].config.window == 4096
    reconfigure(tmp_path, sliding_window=None)
    assert load_pretrained(tmp_path)[0].config.window is None


def test_files_of_before_and_after_2025_give_the_same_configuration(tmp_path):
    save_pretrained(made("llama 3"), TOKENIZER, tmp_path)
    old, _ = load_pretrained(tmp_path)
    about = json.loads((tmp_path / "config.json").read_text())
    rope = about["rope_scaling"] | {"rope_theta": about["rope_theta"]}
    reconfigure(tmp_path, rope_parameters=rope, rope_scaling="leave out", rope_theta="leave out")
    assert load_pretrained(tmp_path)[0].config == old.config == MODELS["llama 3"][1]


def test_a_model_that_no_other_engine_has_is_not_written(tmp_path):
    shape = LlamaConfig(**KV)
    refused = {
        "shift.*--architecture storyteller": swift(shape),
        "no public family": llama(dataclasses.replace(shape, qk_norm=True, window=5)),
    }
    adapted, small = made("llama"), made("gpt2")
    add_lora(adapted, rank=2)
    refused["A, for which llama has no place; merge an adapter"] = adapted
    refused["kept, for which gpt2 has no place"] = quantize(small, 8)
    for message, model in refused.items():
        with pytest.raises(ValueError, match=message):
            save_pretrained(model, TOKENIZER, tmp_path / "new")
    with pytest.raises(ValueError, match="tokenizer"):
        save_pretrained(made("llama"), CharTokenizer.train("abc"), tmp_path / "new")
    assert not list(tmp_path.glob("new/*"))


def test_the_configuration_has_the_ids_that_begin_and_end_a_text(tmp_path):
    """Without them, transformers would take its own models', such as 50256."""
    end = TOKENIZER.special_tokens["<|endoftext|>"]
    for tokenizer, expected in ((TOKENIZER, end), (BPETokenizer(TOKENIZER.merges[:4], ()), None)):
        save_pretrained(made("gpt2"), tokenizer, tmp_path)
        about = json.loads((tmp_path / "config.json").read_text())
        assert about["bos_token_id"] == about["eos_token_id"] == expected
