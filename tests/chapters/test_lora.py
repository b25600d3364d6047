"""Adapters: what they add, what learns, what is put where, what is written and read again."""

import json
import math
import re

import pytest
import torch
import torch.nn.functional as F
from support.folders import raises_one_line
from torch import nn

import companion
from companion.gpt import GPTConfig, gpt2
from companion.lora import (
    LoRALinear,
    adapter_of,
    add_lora,
    linear_layers,
    load_adapter,
    merge,
    replace_linear,
    save_adapter,
    swap,
    switch,
)
from companion.modern import LlamaConfig, llama, swift
from companion.pretrained import NeoXConfig, neox
from companion.runtime.storage.adapters import CONFIG, WEIGHTS
from companion.runtime.storage.checkpoints import read_safetensors, write_safetensors
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint

TOKENS = torch.tensor([[5, 3, 9, 0, 7], [2, 2, 8, 4, 1]])
SHAPE = {"vocab_size": 11, "context_length": 9, "n_layers": 3, "n_heads": 2, "d_model": 6}
MAKERS = {
    "gpt2": lambda: gpt2(GPTConfig(**SHAPE)),
    "llama": lambda: llama(LlamaConfig(**SHAPE | {"n_heads": 3, "n_kv_heads": 1, "d_ff": 10})),
    "neox": lambda: neox(NeoXConfig(**SHAPE | {"rope_share": 1.0 / 3 * 2})),
    "swift": lambda: swift(LlamaConfig(**SHAPE | {"n_heads": 3, "n_kv_heads": 1, "d_ff": 10})),
}


@pytest.fixture(params=MAKERS)
def model(request):
    torch.manual_seed(1)
    return MAKERS[request.param]().eval()


@pytest.fixture
def small():
    torch.manual_seed(1)
    return MAKERS["gpt2"]().eval()


def trained(adapter, seed=0):
    """Give an adapter numbers, as training would."""
    generator = torch.Generator().manual_seed(seed)
    for part in adapter.values():
        part.A.data.normal_(generator=generator), part.B.data.normal_(generator=generator)
    return adapter


def logits(model):
    with torch.no_grad():
        return model(TOKENS)


def test_the_layer_is_equation_1_with_its_gradients():
    torch.manual_seed(2)
    base, x = nn.Linear(7, 5), torch.randn(3, 4, 7, requires_grad=True)
    layer = LoRALinear(base, rank=2, alpha=6)
    nn.init.normal_(layer.B)
    W = (base.weight + 6 / 2 * layer.B @ layer.A).detach().requires_grad_()
    expected = F.linear(x, W, base.bias)
    torch.testing.assert_close(layer(x), expected)
    G = torch.randn(3, 4, 5)
    (layer(x) * G).sum().backward()
    expected.backward(G)
    torch.testing.assert_close(layer.B.grad, 3 * W.grad @ layer.A.detach().T)
    torch.testing.assert_close(layer.A.grad, 3 * layer.B.detach().T @ W.grad)
    assert base.weight.grad is None and base.bias.grad is None


def test_a_new_adapter_changes_nothing_and_gets_a_gradient_in_b_alone(model):
    before = logits(model)
    adapter = add_lora(model, rank=2)
    assert torch.equal(logits(model), before)
    F.cross_entropy(model(TOKENS).flatten(0, 1), TOKENS.flatten()).backward()
    for part in adapter.values():
        assert not part.A.grad.any() and part.scale == 4
    # storyteller types begin with o_proj and down_proj at 0, so what is before them has no gradient yet
    assert any(part.B.grad.any() for part in adapter.values())
    assert all(p.grad is None for part in adapter.values() for p in part.base.parameters())


def test_merged_is_equal_to_rounding_and_undone_exactly(model):
    before, adapter = logits(model), trained(add_lora(model, rank=2, alpha=0.1))
    on = logits(model)
    kept = merge(model)
    assert kept == adapter and not adapter_of(model)
    assert all(type(model.get_submodule(path)) is nn.Linear for path in adapter)
    torch.testing.assert_close(logits(model), on, atol=1e-5, rtol=1e-5)
    assert not torch.equal(logits(model), before)
    swap(model, kept)
    assert torch.equal(logits(model), on)
    switch(model, None)
    assert torch.equal(logits(model), before)


def test_saved_alone_and_loaded_onto_the_same_model(model, tmp_path):
    trained(add_lora(model, rank=2, alpha=3, dropout=0.25))
    on = logits(model)
    save_adapter(model, tmp_path / "adapter", base="here")
    assert {p.name for p in (tmp_path / "adapter").iterdir() if p.name[0] != "."} == {CONFIG, WEIGHTS}
    switch(model, None)
    model.requires_grad_(True)  # as a model that was just loaded
    again = load_adapter(model, tmp_path / "adapter")
    assert not adapter_of(model) and {part.A.shape[0] for part in again.values()} == {2}
    switch(model, again)
    assert {name[-1] for name, p in model.named_parameters() if p.requires_grad} == {"A", "B"}
    assert torch.equal(logits(model), on)
    config = json.loads((tmp_path / "adapter" / CONFIG).read_text())
    assert config["base_model_name_or_path"] == "here" and config["lora_dropout"] == 0.25


@pytest.mark.parametrize("names", [["v_proj"], ["k_proj", "o_proj"]])
@pytest.mark.parametrize("kind", ["gpt2", "neox"])
def test_part_of_a_joint_matrix_comes_back_as_it_was(kind, names, tmp_path):
    torch.manual_seed(1)
    model = MAKERS[kind]().eval()
    trained(add_lora(model, names, rank=2))
    on, paths = logits(model), set(adapter_of(model))
    save_adapter(model, tmp_path)
    switch(model, None)
    again = load_adapter(model, tmp_path)
    switch(model, again)
    assert set(again) == paths and all(len(part.A) == 2 for part in again.values())
    torch.testing.assert_close(logits(model), on, atol=1e-6, rtol=1e-6)


def test_each_layer_keeps_its_own_alpha(small, tmp_path):
    adapter = {}
    for name, rank, alpha in [("q_proj", 2, 4), ("o_proj", 2, 1), ("down_proj", 3, 4), ("up_proj", 3, 9)]:
        adapter |= trained(add_lora(small, [name], rank, alpha))
        switch(small, None)
    switch(small, adapter)
    on = logits(small)
    save_adapter(small, tmp_path)
    switch(small, None)
    again = load_adapter(small, tmp_path)
    assert {p: part.scale for p, part in again.items()} == {p: part.scale for p, part in adapter.items()}
    switch(small, again)
    assert torch.equal(logits(small), on)


def test_a_folder_with_an_adapter_loads_like_a_model(tmp_path):
    tokenizer = BPETokenizer.train("a b c", vocab_size=257)
    torch.manual_seed(1)
    model = gpt2(GPTConfig(**SHAPE | {"vocab_size": 257})).eval()
    save_checkpoint(tmp_path / "base", model, tokenizer)
    trained(add_lora(model, rank=2))
    save_adapter(model, tmp_path / "adapter", base=tmp_path / "base")
    save_adapter(model, tmp_path / "beside", base="../base")
    save_adapter(model, tmp_path / "nameless")
    for name in ("adapter", "beside"):
        loaded = companion.load(tmp_path / name, device="cpu")
        assert torch.equal(logits(loaded.model), logits(model)) and len(adapter_of(loaded.model)) == 18
    with pytest.raises(ValueError, match=r"adapter_config.json does not say for which model; load that"):
        companion.load(tmp_path / "nameless")


def test_names_choose_by_the_ends_of_paths(model):
    everything = set(linear_layers(model))
    swapped = replace_linear(model, ["attn.o_proj", "up_proj"], lambda layer: nn.Sequential(layer))
    assert set(swapped) == {p for p in everything if p.endswith(("attn.o_proj", "up_proj"))}
    assert len(swapped) == 6 and all(type(model.get_submodule(p)) is nn.Sequential for p in swapped)
    assert set(replace_linear(model, "blocks.2.attn.q_proj", nn.Sequential)) == {"blocks.2.attn.q_proj"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["q_proj", "proj"]}, "names has 'proj', but no linear layer has this name; there"),
        ({"rank": 3}, "rank=3 must be at most 2"),  # of k_proj, after q_proj was wrapped
        ({"rank": 2, "alpha": math.inf}, "alpha=inf must be above 0"),
    ],
)
def test_a_wrong_argument_is_an_error_and_changes_nothing(arguments, message):
    model = MAKERS["llama"]()
    with raises_one_line(ValueError, message):
        add_lora(model, **arguments)
    assert not adapter_of(model) and all(p.requires_grad for p in model.parameters())


def test_an_adapter_that_does_not_fit_is_an_error(small):
    with pytest.raises(TypeError, match="base is Embedding, must be a torch.nn.Linear"):
        LoRALinear(nn.Embedding(3, 4), 1, 1)
    with pytest.raises(ValueError, match="model has no adapter on; add_lora makes one"):
        save_adapter(small, "nowhere")
    adapter = add_lora(small, rank=2)
    with pytest.raises(ValueError, match="model has an adapter on; take it off first"):
        add_lora(small, rank=2)
    torch.manual_seed(7)
    other = MAKERS["gpt2"]()
    with pytest.raises(ValueError, match="adapter's blocks.0.attn.q_proj was made for another model"):
        switch(other, adapter)
    assert not adapter_of(other)


@pytest.fixture
def folder(small, tmp_path):
    trained(add_lora(small, rank=2))
    save_adapter(small, tmp_path / "a", base="there")
    switch(small, None)
    return tmp_path / "a"


def test_an_adapter_of_other_weights_or_shapes_is_named(small, folder):
    torch.manual_seed(9)
    with pytest.raises(
        ValueError, match=r"was trained on other weights than this model's \(there\); load that"
    ):
        load_adapter(MAKERS["gpt2"](), folder)
    wider = gpt2(GPTConfig(**SHAPE | {"d_model": 8}))
    with pytest.raises(ValueError, match=r"of another model: \S+ is \[\d+, \d+\] there, \[\d+, \d+\] here"):
        load_adapter(wider, folder)
    with pytest.raises(ValueError, match="it has transformer.h.2.attn.c_attn, and this model no such layer"):
        load_adapter(gpt2(GPTConfig(**SHAPE | {"n_layers": 2})), folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": 3}, "its matrices have rank 2, and r or rank_pattern has another"),
        ({"alpha_pattern": {"c_attn": "x"}}, "lora_alpha='x' must be a number above 0"),
        ({"rank_pattern": [1]}, "adapter_config.json, of transformer.h.0."),
        ({"peft_type": "IA3"}, "peft_type='IA3' must be 'LORA'"),
        ({"init_lora_weights": "OLoRA"}, "init_lora_weights='OLoRA' must be True"),
        ({"a_field_of_tomorrow": 0}, "a_field_of_tomorrow=0 must be left out; only plain LoRA is read"),
    ],
)
def test_a_config_that_is_another_variants_is_one_line(small, folder, change, message):
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | change))
    with raises_one_line(ValueError, re.escape(message)):
        load_adapter(small, folder)


def test_damaged_files_are_an_error(small, folder, tmp_path):
    with pytest.raises(ValueError, match="holds no adapter"):
        load_adapter(small, tmp_path)
    tensors, notes = read_safetensors(folder / WEIGHTS)
    first = min(tensors)

    write_safetensors(folder / WEIGHTS, tensors | {first: tensors[first][:1]}, notes)
    with pytest.raises(ValueError, match="is no matrix of LoRA"):
        load_adapter(small, folder)
    write_safetensors(folder / WEIGHTS, {k: t for k, t in tensors.items() if k != first}, notes)
    with pytest.raises(ValueError, match="copy the adapter again"):
        load_adapter(small, folder)
