"""Chapter 11's loader and writer: every family there and back, and what is refused."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from support.cases import cases, texts
from support.folders import raises_one_line
from support.weights import noisy

from companion.caching import KVCache
from companion.generation import generate
from companion.gpt import GPTConfig, gpt2
from companion.lora import add_lora
from companion.modern import LlamaConfig, llama, storyteller, swift
from companion.pretrained import FAMILIES, GPT2, NeoXConfig, load_pretrained, neox, save_pretrained
from companion.quantization import quantize
from companion.runtime.storage.public_configs import write_like_gpt2
from companion.tokenization import BPETokenizer, CharTokenizer
from companion.village import load_split

TEXTS = texts(__file__)

CASES = cases(__file__)

NEOX = FAMILIES["neox"]
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", MODELS)
def test_each_weight_is_contiguous_and_no_piece_of_something_larger(name, dtype, tmp_path):
    save_pretrained(made(name), TOKENIZER, tmp_path)
    model, _ = load_pretrained(tmp_path, dtype=dtype)
    for part, weight in model.state_dict().items():
        assert weight.is_contiguous(), part
        assert weight.untyped_storage().nbytes() == weight.nbytes, part


@pytest.mark.parametrize("name", MODELS)
def test_there_and_back_to_the_bit(name, tmp_path):
    model = made(name)
    save_pretrained(model, TOKENIZER, tmp_path)
    again, tokenizer = load_pretrained(tmp_path)
    assert again.config == model.config and not again.training
    for (a, p), (b, q) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert a == b and torch.equal(p, q)
    assert tokenizer.encode("Once upon") == TOKENIZER.encode("Once upon")
    torch.testing.assert_close(model(ids(2, 11)), again(ids(2, 11)))  # matrices may lie otherwise in memory


@pytest.mark.parametrize("name", MODELS)
def test_it_tells_the_same_with_a_cache(name, tmp_path):
    save_pretrained(made(name), TOKENIZER, tmp_path)
    model = load_pretrained(tmp_path, dtype=torch.float64)[0]
    told = [
        generate(model, ids(1, 4), 15, generator=torch.Generator().manual_seed(1), cache=cache)
        for cache in (None, KVCache(model.config, 1))
    ]
    assert torch.equal(*told)


def test_a_strangers_gpt2_with_masks_and_without_prefix_or_head(tmp_path):
    model = made("gpt2")
    with safe_open(write_like_gpt2(model, TOKENIZER, tmp_path) / "model.safetensors", "pt") as file:
        names = list(file.keys())
    assert "h.1.attn.bias" in names and not any(name.startswith("transformer.") for name in names)
    reconfigure(tmp_path, n_inner=71)
    again, _ = load_pretrained(tmp_path)
    assert torch.equal(model(ids(2, 9)), again(ids(2, 9)))


def test_weights_take_the_type_that_is_asked_for(tmp_path):
    model = made("qwen3")
    save_pretrained(model, TOKENIZER, tmp_path)
    rewrite(tmp_path, lambda tensors: {name: t.bfloat16() for name, t in tensors.items()})
    for dtype in (torch.float32, torch.bfloat16):
        again, _ = load_pretrained(tmp_path, dtype=dtype)
        for p, q in zip(model.parameters(), again.parameters(), strict=True):
            assert q.dtype == dtype and torch.equal(p.bfloat16(), q.bfloat16())


def test_several_files(tmp_path):
    model = made("llama")
    save_pretrained(model, TOKENIZER, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    where = {name: f"model-0000{1 + i % 3}-of-00003.safetensors" for i, name in enumerate(tensors)}
    for file in set(where.values()):
        save_file({name: t for name, t in tensors.items() if where[name] == file}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    assert torch.equal(load_pretrained(tmp_path)[0](ids(1, 7)), model(ids(1, 7)))


def test_a_head_that_repeats_the_token_rows_is_no_surplus(tmp_path):
    save_pretrained(made("llama, tied"), TOKENIZER, tmp_path)
    rows = "model.embed_tokens.weight"
    rewrite(tmp_path, lambda tensors: tensors | {"lm_head.weight": tensors[rows].clone()})
    load_pretrained(tmp_path)
    rewrite(tmp_path, lambda tensors: tensors | {"lm_head.weight": tensors[rows] + 1})
    with pytest.raises(ValueError, match="lm_head.weight"):
        load_pretrained(tmp_path)


def without(name):
    return lambda tensors: {key: t for key, t in tensors.items() if name not in key}


DAMAGE = {
    "lacks": (without("layers.1.mlp.up_proj"), "is missing model.layers.1.mlp.up_proj.weight"),
    "left over": (lambda t: t | {"model.layers.0.mlp.experts.weight": torch.ones(3)}, "experts"),
    "a layer more": (
        lambda t: t | {k.replace(".1.", ".2."): v.clone() for k, v in t.items() if ".1." in k},
        r"without a place in this model.* and \d+ more",
    ),
    "a bias more": (lambda t: t | {"model.norm.bias": torch.ones(60)}, "model.norm.bias"),
    "another shape": (
        lambda t: t | {"model.layers.0.self_attn.k_proj.weight": torch.ones(20, 59)},
        r"model.safetensors: model.layers.0.self_attn.k_proj.weight has shape \[20, 59\], must be \[20, 60\]",
    ),
}


@pytest.mark.parametrize("change, says", DAMAGE.values(), ids=DAMAGE)
def test_every_tensor_once_and_every_parameter_filled(change, says, tmp_path):
    save_pretrained(made("llama"), TOKENIZER, tmp_path)
    rewrite(tmp_path, change)
    with raises_one_line(ValueError, says):
        load_pretrained(tmp_path)


JOINED = {
    "gpt2": ("transformer.h.1.attn.c_attn", [60, 180]),
    "gpt_neox": ("gpt_neox.layers.1.attention.query_key_value", [180, 60]),
    "llama": ("model.layers.1.self_attn.q_proj", [60, 60]),
}


@pytest.mark.parametrize(
    "shape", [[], [0, 60], [2, 60], [60], [60, 179], [179, 60], [180], [180, 59], [360, 60], [180, 60, 2]]
)
@pytest.mark.parametrize("name", JOINED)
def test_a_joined_tensor_of_another_shape_is_one_line(name, shape, tmp_path):
    joined, due = JOINED[name]
    save_pretrained(made(name), TOKENIZER, tmp_path)
    rewrite(tmp_path, lambda tensors: tensors | {f"{joined}.weight": torch.ones(shape)})
    says = f"model.safetensors: {joined}.weight has shape {shape}, must be {due}; it is of another model"
    with raises_one_line(ValueError, re.escape(says)):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("shape", [[], [2], [179], [180, 1]])
def test_joined_biases_of_another_shape_are_one_line(shape, tmp_path):
    bias = "gpt_neox.layers.0.attention.query_key_value.bias"
    save_pretrained(made("gpt_neox"), TOKENIZER, tmp_path)
    rewrite(tmp_path, lambda tensors: tensors | {bias: torch.ones(shape)})
    with pytest.raises(ValueError, match=re.escape(f"{bias} has shape {shape}, must be [180]")):
        load_pretrained(tmp_path)
    rewrite(tmp_path, without(bias))
    with pytest.raises(ValueError, match=f"is missing {bias}; it is of another model, or not whole"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("name, fields, says", CASES["configs"].values(), ids=CASES["configs"])
def test_a_configuration_that_our_parts_cannot_compute(name, fields, says, tmp_path):
    save_pretrained(made(name), TOKENIZER, tmp_path)
    reconfigure(tmp_path, **fields)
    with raises_one_line(ValueError, says):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("fields", CASES["odd"].values(), ids=CASES["odd"])
def test_values_of_another_type_are_one_line(fields, tmp_path):
    save_pretrained(made("llama"), TOKENIZER, tmp_path)
    reconfigure(tmp_path, **fields)
    with pytest.raises(ValueError) as caught:
        load_pretrained(tmp_path)
    assert "\n" not in str(caught.value) and str(caught.value)


def test_a_mistral_that_does_not_name_its_window_has_transformers_own(tmp_path):
    save_pretrained(made("mistral"), TOKENIZER, tmp_path)
    reconfigure(tmp_path, sliding_window="leave out")
    assert load_pretrained(tmp_path)[0].config.window == 4096
    reconfigure(tmp_path, sliding_window=None)
    assert load_pretrained(tmp_path)[0].config.window is None


@pytest.mark.parametrize("content", ["", "[]", "{", "nothing"])
def test_a_damaged_configuration(content, tmp_path):
    save_pretrained(made("llama"), TOKENIZER, tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match="config.json"):
        load_pretrained(tmp_path)


def test_files_of_before_and_after_2025_say_the_same(tmp_path):
    save_pretrained(made("llama 3"), TOKENIZER, tmp_path)
    old, _ = load_pretrained(tmp_path)
    about = json.loads((tmp_path / "config.json").read_text())
    rope = about["rope_scaling"] | {"rope_theta": about["rope_theta"]}
    reconfigure(tmp_path, rope_parameters=rope, rope_scaling="leave out", rope_theta="leave out")
    assert load_pretrained(tmp_path)[0].config == old.config == MODELS["llama 3"][1]


def test_what_no_other_engine_has_is_refused_and_nothing_is_written(tmp_path):
    shape = LlamaConfig(**KV)
    refused = {
        "shift.*--architecture storyteller": swift(shape),
        "no public family": llama(dataclasses.replace(shape, qk_norm=True, window=5)),
    }
    adapted, small = made("llama"), made("gpt2")
    add_lora(adapted, rank=2)
    refused["A, for which llama has no place; merge an adapter"] = adapted
    refused["kept, for which gpt2 has no place"] = quantize(small, 8)
    for says, model in refused.items():
        with pytest.raises(ValueError, match=says):
            save_pretrained(model, TOKENIZER, tmp_path / "new")
    with pytest.raises(ValueError, match="tokenizer"):
        save_pretrained(made("llama"), CharTokenizer.train("abc"), tmp_path / "new")
    assert not list(tmp_path.glob("new/*"))


def test_rows_of_three_go_and_come():
    rows = torch.arange(5 * 3 * 2 * 7.0).view(30, 7)  # 5 heads, D = 2
    q, k, v = NEOX.to_ours("query_key_value.weight", rows, 3, 5)
    assert torch.equal(q[:4], rows[[0, 1, 6, 7]]) and torch.equal(k[:2], rows[2:4])
    assert torch.equal(v[-2:], rows[-2:]) and torch.equal(NEOX.to_theirs("", [q, k, v], 5), rows)
    q, k, v = GPT2.to_ours("h.0.attn.c_attn.weight", rows[:21].T.reshape(7, 21), 3, 5)
    assert torch.equal(k, rows[7:14])


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox"])
def test_every_parameter_has_one_place(name):
    model = made(name)
    places = FAMILIES[{"gpt_neox": "neox"}.get(name, name)].places(model)
    assert sorted(part for parts in places.values() for part in parts) == sorted(model.state_dict())


MEASURE = TEXTS["MEASURE"]


@pytest.mark.gate
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_memory_holds_the_weights_once(name, tmp_path):
    build, config = MODELS[name]
    large = dataclasses.replace(config, n_layers=6, d_model=480, d_ff=1920)
    save_pretrained(build(large), TOKENIZER, tmp_path / "large")
    save_pretrained(made(name), TOKENIZER, tmp_path / "small")
    command = [sys.executable, "-c", MEASURE, tmp_path / "large", tmp_path / "small"]
    share = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 0.8 < share < 1.3


def test_the_files_say_which_ids_begin_and_end_a_text(tmp_path):
    """Were they left out, transformers would take its own models', such as 50256."""
    said = []
    save_pretrained(made("gpt2"), TOKENIZER, tmp_path)
    public, bare = load_pretrained(tmp_path)[1], BPETokenizer(TOKENIZER.merges[:4], ())
    for tokenizer in (TOKENIZER, public, bare):
        save_pretrained(made("gpt2"), tokenizer, tmp_path)
        about = json.loads((tmp_path / "config.json").read_text())
        said.append((about["bos_token_id"], about["eos_token_id"]))
    end = TOKENIZER.special_tokens["<|endoftext|>"]
    assert said == [(end, end), (end, end), (None, None)]
