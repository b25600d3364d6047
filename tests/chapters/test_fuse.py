"""Chapters 9 and 10: fused parts give the parts' numbers, and whatever is not plain is called itself."""

import copy

import pytest
import torch
from torch import nn

import companion
from companion.caching import FUSED, FusedGPT, KVCache, SlidingCache, fuse, prefill
from companion.generation import generate
from companion.gpt import GPTConfig, gpt2
from companion.lora import add_lora
from companion.modern import FUSED_MODERN, LlamaConfig, llama, storyteller, swift
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


@pytest.mark.parametrize("lengths", [9, 2, 0, torch.tensor([3, 8]), torch.tensor([1, 0])], ids=str)
@pytest.mark.parametrize("n", [1, 6])
def test_the_numbers_and_the_cache_are_those_of_the_parts(model, lengths, n):
    fused = fuse(model, FUSED_MODERN)
    assert type(fused) is FusedGPT and all(block not in fused.fused_blocks for block in model.blocks)
    plain_cache, fused_cache = pair_of_caches(model, 2, lengths)
    with torch.no_grad():
        for seed in (2, 3):
            new = ids(2, n, seed=seed)
            assert torch.equal(fused(new, fused_cache), model(new, plain_cache))
    for a, b in zip(plain_cache.used(), fused_cache.used(), strict=True):
        assert torch.equal(a.buffer, b.buffer)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_numbers_of_fewer_bits_are_rounded_as_by_the_parts(model, dtype):
    model = model.to(dtype)
    assert_same_step(model, fuse(model, FUSED_MODERN))


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_texts_are_the_same_also_past_the_context(model, temperature):
    rows = [ids(n, seed=n) for n in (2, 9, 5)]
    texts = []
    for reader in (model, fuse(model, FUSED_MODERN)):
        cache = SlidingCache(model.config, 3)
        texts.append(generate(reader, rows, 30, temperature, generator=seeded(1), cache=cache))
    assert torch.equal(*texts)


def test_without_a_cache_and_with_gradients_it_is_a_gpt_like_any_other(model):
    fused, tokens = fuse(model, FUSED_MODERN), ids(2, 7)
    expected = torch.autograd.grad(model(tokens).sum(), list(model.parameters()))
    got = torch.autograd.grad(fused(tokens).sum(), list(model.parameters()))
    for a, b in zip(got, expected, strict=True):
        assert torch.equal(a, b)
    first, second = pair_of_caches(model)
    loss, fused_loss = model(ids(2, 1), first).sum(), fused(ids(2, 1), second).sum()
    weight = model.blocks[0].mlp.down_proj.weight
    assert torch.equal(*(torch.autograd.grad(one, weight)[0] for one in (loss, fused_loss)))


# -- whatever is not plain is called itself


@pytest.mark.parametrize("before", [False, True], ids=["hook", "pre-hook"])
def test_a_hook_on_any_part_is_called(model, before):
    called, expected = [], []
    for name, part in model.named_modules():
        if name not in ("", "blocks"):  # generation calls hidden; a list of parts is never called
            register = part.register_forward_pre_hook if before else part.register_forward_hook
            handle = register(lambda part, *_: called.append(part))
            cache = KVCache(model.config, 1)
            generate(fuse(model, FUSED_MODERN), ids(1, 1), 3, cache=cache)
            handle.remove()
            expected.append(part)
            times = len(model.blocks) if name.endswith("rope") else 1  # one for all blocks
            assert len(called) == 3 * times, name
            called.clear()
    assert len(expected) > 30
    assert type(fuse(model, FUSED_MODERN).fused_blocks[0]) is not type(model.blocks[0])


def another_layer(model):
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    layer = Doubled(model.blocks[0].attn.o_proj.in_features, 12).double().eval()
    model.blocks[0].attn.o_proj = layer


def another_norm(model):
    model.blocks[1].norm_2 = nn.LayerNorm(12).double().eval()


def a_forward_of_its_own(model):
    model.blocks[0].mlp.forward = lambda x: 3 * x


def another_projection(model):
    attn = model.blocks[1].attn
    project = attn.project
    attn.project = lambda x, start=0: tuple(2 * y for y in project(x, start))


def another_weight(model):
    q_proj = model.blocks[1].attn.q_proj
    q_proj.weight = nn.Parameter(torch.ones_like(q_proj.weight))


@pytest.mark.parametrize(
    "change", [another_layer, another_norm, a_forward_of_its_own, another_projection, another_weight]
)
def test_what_was_changed_before_the_text_counts(model, change):
    untouched = copy.deepcopy(model)
    change(model)
    assert_same_step(model, fuse(model, FUSED_MODERN))
    with torch.no_grad():
        assert not torch.equal(model(ids(1, 5)), untouched(ids(1, 5)))


def test_a_model_with_a_hidden_of_its_own_is_not_fused(model):
    model.hidden = lambda tokens, cache=None: torch.ones(1, 1, 12)
    assert fuse(model, FUSED_MODERN) is model


def test_weights_that_change_in_place_count_at_once(model):
    fused = fuse(model, FUSED_MODERN)
    with torch.no_grad():
        model.blocks[0].mlp.down_proj.weight += 1
    assert_same_step(model, fused)


@pytest.mark.parametrize("where", ["whole", "a block", "a dropout"])
def test_dropout_in_training_is_applied(model, where):
    part = {"whole": model, "a block": model.blocks[1], "a dropout": model.blocks[1].mlp.dropout}[where]
    part.train()
    torch.manual_seed(3)
    first, second = pair_of_caches(model)
    with torch.no_grad():
        torch.manual_seed(4)
        expected = model(ids(2, 1), first)
        torch.manual_seed(4)
        assert torch.equal(fuse(model, FUSED_MODERN)(ids(2, 1), second), expected)
        assert not torch.equal(model.eval()(ids(2, 1), pair_of_caches(model)[0]), expected)


@pytest.mark.parametrize("bits", [8, 4])
def test_quantized_layers_are_called(bits):
    model = quantize(made("storyteller").float(), bits)
    assert_same_step(model, fuse(model, FUSED_MODERN))


def test_an_adapter_that_is_on_counts():
    model = made("gpt2").float()
    plain = copy.deepcopy(model)
    add_lora(model, rank=2)
    for p in model.parameters():
        if p.requires_grad:
            nn.init.normal_(p, std=0.5)
    model.eval()
    assert_same_step(model, fuse(model, FUSED_MODERN))
    with torch.no_grad():
        assert not torch.allclose(model(ids(1, 5)), plain(ids(1, 5)))


def test_parts_that_a_table_does_not_know_are_called():
    model = made("swift")
    fused = fuse(model, FUSED)  # chapter 9's table knows no part of chapter 10
    assert fused.fused_blocks == list(model.blocks)
    assert_same_step(model, fused)


# -- where it is used


def test_a_model_that_is_loaded_to_be_fast_is_fused_before_each_text():
    plain = companion.load(DATA / "models" / "storyteller", device="cpu")
    assert plain.reader() is plain.model, "what a reader reads is what runs"
    teller = companion.load(DATA / "models" / "storyteller", device="cpu", fast=True)
    assert type(teller.reader()) is FusedGPT
    assert teller.tell("Once", seed=3) == plain.tell("Once", seed=3)
    assert teller.tell_many(3, seed=2) == plain.tell_many(3, seed=2)
    quantize(teller.model, 8)
    quantize(plain.model, 8)
    assert teller.tell("Once", seed=3, max_new_tokens=20) == plain.tell("Once", seed=3, max_new_tokens=20)
