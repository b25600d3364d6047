"""Chapters 9 and 10: inlined parts give the parts' numbers, and whatever is not plain is called itself."""

import copy

import pytest
import torch
from torch import nn

import companion
from companion.caching import INLINED, InlinedGPT, KVCache, inline, prefill
from companion.generation import generate
from companion.gpt import GPTConfig, gpt2
from companion.modern import INLINED_MODERN, LlamaConfig, llama, storyteller, swift
from companion.quantization import quantize
from companion.runtime.generation.sampling_arguments import seeded
from companion.village import DATA

SHAPE = {"vocab_size": 29, "context_length": 23, "n_layers": 3, "n_heads": 3, "d_model": 12, "dropout": 0.3}
GROUPED = {"n_kv_heads": 1, "head_width": 6, "window": 5, "qkv_bias": True}
MODELS = {
    "gpt2": lambda: gpt2(GPTConfig(**SHAPE)),
    "llama, grouped, a window, biases": lambda: llama(LlamaConfig(**SHAPE, **GROUPED)),
    "storyteller": lambda: storyteller(LlamaConfig(**SHAPE)),
    "swift": lambda: swift(LlamaConfig(**SHAPE)),
    "swift, three back, grouped, a window": lambda: swift(LlamaConfig(**SHAPE, **GROUPED, shift=3)),
}


def made(name):
    torch.manual_seed(0)
    model = MODELS[name]().double().eval()
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    return model


@pytest.fixture(params=MODELS)
def model(request):
    return made(request.param)


def ids(*shape, seed=1):
    return torch.randint(29, shape, generator=seeded(seed))


def pair_of_caches(model, rows=2, lengths=9):
    caches = []
    for _ in range(2):
        cache = KVCache(model.config, rows, 10)  # it must grow later
        prefill(model, ids(rows, 9), cache)
        cache.rewind(lengths)
        caches.append(cache)
    return caches


def assert_same_step(model, reader, new=None, lengths=9):
    new = ids(2, 1, seed=2) if new is None else new
    first, second = pair_of_caches(model, len(new), lengths)
    with torch.no_grad():
        expected, got = model(new, first), reader(new, second)
    assert torch.equal(got, expected)


# -- the numbers


@pytest.mark.parametrize("lengths", [9, 0, torch.tensor([3, 8])], ids=str)
@pytest.mark.parametrize("n", [1, 6])
def test_logits_and_cache_are_those_of_the_parts(model, lengths, n):
    inlined = inline(model, INLINED_MODERN)
    assert type(inlined) is InlinedGPT and all(block not in inlined.inlined_blocks for block in model.blocks)
    plain_cache, inlined_cache = pair_of_caches(model, 2, lengths)
    with torch.no_grad():
        for seed in (2, 3):
            new = ids(2, n, seed=seed)
            assert torch.equal(inlined(new, inlined_cache), model(new, plain_cache))
    for a, b in zip(plain_cache.used(), inlined_cache.used(), strict=True):
        assert torch.equal(a.buffer, b.buffer)


def test_bfloat16_is_rounded_as_by_the_parts(model):
    model = model.bfloat16()
    assert_same_step(model, inline(model, INLINED_MODERN))


# -- whatever is not plain is called itself


def test_a_hook_on_any_part_is_called(model):
    called = []
    for name, part in model.named_modules():
        if name not in ("", "blocks"):  # generation calls hidden; a list of parts is never called
            handle = part.register_forward_hook(lambda part, *_: called.append(part))
            generate(inline(model, INLINED_MODERN), ids(1, 1), 3, cache=KVCache(model.config, 1))
            handle.remove()
            times = len(model.blocks) if name.endswith("rope") else 1  # one for all blocks
            assert called == [part] * (3 * times), name
            called.clear()
    assert type(inline(model, INLINED_MODERN).inlined_blocks[0]) is not type(model.blocks[0])


def another_layer(model):
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    layer = Doubled(model.blocks[0].attn.o_proj.in_features, 12).double().eval()
    model.blocks[0].attn.o_proj = layer


def another_norm(model):
    model.blocks[1].norm_2 = nn.LayerNorm(12).double().eval()


def another_projection(model):
    attn = model.blocks[1].attn
    project = attn.project
    attn.project = lambda x, start=0: tuple(2 * y for y in project(x, start))


@pytest.mark.parametrize("change", [another_layer, another_norm, another_projection])
def test_a_part_that_was_replaced_is_called(model, change):
    untouched = copy.deepcopy(model)
    change(model)
    assert_same_step(model, inline(model, INLINED_MODERN))
    with torch.no_grad():
        assert not torch.equal(model(ids(1, 5)), untouched(ids(1, 5)))


def test_weights_that_change_in_place_count_at_once(model):
    inlined = inline(model, INLINED_MODERN)
    with torch.no_grad():
        model.blocks[0].mlp.down_proj.weight += 1
    assert_same_step(model, inlined)


def test_dropout_in_training_is_applied(model):
    model.blocks[1].train()
    first, second = pair_of_caches(model)
    with torch.no_grad():
        torch.manual_seed(4)
        expected = model(ids(2, 1), first)
        torch.manual_seed(4)
        assert torch.equal(inline(model, INLINED_MODERN)(ids(2, 1), second), expected)


def test_parts_that_the_table_does_not_know_are_called():
    model = made("swift")
    inlined = inline(model, INLINED)  # chapter 9's table knows no part of chapter 10
    assert inlined.inlined_blocks == list(model.blocks)
    assert_same_step(model, inlined)


# -- where it is used


def test_a_model_that_is_loaded_to_be_fast_is_fused_before_each_text():
    plain = companion.load(DATA / "models" / "storyteller", device="cpu")
    assert plain.reader() is plain.model, "what a reader reads is what runs"
    teller = companion.load(DATA / "models" / "storyteller", device="cpu", fast=True)
    assert type(teller.reader()) is InlinedGPT
    assert teller.tell("Once", max_new_tokens=40, seed=3) == plain.tell("Once", max_new_tokens=40, seed=3)
    assert teller.tell_many(3, seed=2, max_new_tokens=40) == plain.tell_many(3, seed=2, max_new_tokens=40)
    quantize(teller.model, 8)
    quantize(plain.model, 8)
    assert teller.tell("Once", seed=3, max_new_tokens=20) == plain.tell("Once", seed=3, max_new_tokens=20)
