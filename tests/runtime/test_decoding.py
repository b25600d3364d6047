"""A few tokens behind a cache, in fewer calls: the numbers of the model's own way, or that way itself."""

import pytest
import torch
from torch import nn

from companion.caching import KVCache
from companion.gpt import GPT, GPTConfig, gpt2
from companion.modern import LlamaConfig, llama, storyteller, swift
from companion.runtime.decoding import FEW, few_tokens

SHAPE = {"vocab_size": 29, "context_length": 23, "n_layers": 3, "n_heads": 3, "d_model": 12, "dropout": 0.3}
GROUPED = {"n_kv_heads": 1, "head_width": 6, "window": 5, "qkv_bias": True}
MODELS = {
    "gpt2": lambda: gpt2(GPTConfig(**SHAPE)),
    "llama, grouped, a window, biases": lambda: llama(LlamaConfig(**SHAPE, **GROUPED)),
    "storyteller, slowed": lambda: storyteller(LlamaConfig(**SHAPE, rope_factor=4.0, rope_original=8)),
    "swift": lambda: swift(LlamaConfig(**SHAPE)),
    "swift, three back, grouped, a window": lambda: swift(LlamaConfig(**SHAPE, **GROUPED, shift=3)),
}


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    model = MODELS[request.param]().double().eval()
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    return model


def filled(model, lengths) -> KVCache:
    """A cache that has read so many tokens of each of two rows, by the model's own way."""
    tokens = torch.randint(29, (2, 9), generator=torch.Generator().manual_seed(1))
    cache = KVCache(model.config, 2, 10)  # it must grow later
    GPT.hidden.__wrapped__(model, tokens, cache)
    cache.rewind(lengths)
    return cache


@pytest.mark.parametrize("lengths", [9, 4, 2, 0, torch.tensor([3, 8]), torch.tensor([1, 0])], ids=str)
@pytest.mark.parametrize("n", [1, 2, FEW])
@torch.no_grad()
def test_the_numbers_are_those_of_the_models_own_way(model, lengths, n):
    new = torch.randint(29, (2, n), generator=torch.Generator().manual_seed(2))
    caches = [filled(model, lengths) for _ in range(2)]
    for _ in range(2):  # once more behind what it wrote
        ours = few_tokens(model, new, caches[0])
        expected = GPT.hidden.__wrapped__(model, new, caches[1])
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
        assert model.hidden(new, filled(model, lengths)).shape == ours.shape == (2, n, 12)
        if n == FEW:
            break
    assert torch.equal(torch.as_tensor(caches[0].length), torch.as_tensor(caches[1].length))
    for a, b in zip(caches[0].used(), caches[1].used(), strict=True):
        torch.testing.assert_close(a.buffer, b.buffer, rtol=1e-12, atol=1e-12)


def test_what_comes_out_is_a_tensor_like_any_other(model):
    """So are the cache's buffers, although inside it is inference_mode: both can be used under autograd."""
    cache, new = filled(model, 9), torch.tensor([[1], [2]])
    with torch.no_grad():
        for _ in range(5):  # past the room of 10
            found = few_tokens(model, new, cache)
    assert not found.is_inference() and not any(track.buffer.is_inference() for track in cache.used())
    with torch.inference_mode():
        assert few_tokens(model, new, cache).is_inference()
        fresh = KVCache(model.config, 2)
        model.hidden(new, fresh)
    with torch.no_grad():
        model.hidden(new.repeat(1, FEW + 1), fresh)  # the model's own way writes on


def hooked(model):
    model.blocks[1].mlp.up_proj.register_forward_hook(lambda part, given, out: out * 2)


def pre_hooked(model):
    model.embed.register_forward_pre_hook(lambda part, given: None)


def in_training(model):
    model.blocks[2].attn.train()


def another_layer(model):
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    model.blocks[0].attn.o_proj = Doubled(model.blocks[0].attn.o_proj.in_features, 12).double().eval()


def another_part(model):
    model.blocks[0].norm_1 = nn.LayerNorm(12).double().eval()


def a_method_put_in_place(model):
    model.blocks[0].mlp.forward = lambda x: x


def one_map_for_an_mlp(model):
    model.blocks[1].mlp = nn.Linear(12, 12).double().eval()


def dropout_alone(model):
    model.blocks[1].mlp.dropout.train()


def other_keys(model):
    attn = model.blocks[1].attn
    project = attn.project
    attn.project = lambda x, start=0: tuple(2 * y for y in project(x, start))


def a_weight_that_is_no_parameter(model):
    linear = model.blocks[0].mlp.down_proj
    weight = linear.weight.detach()
    del linear.weight
    linear.weight = 2 * weight


def a_weight_of_a_kind_of_its_own(model):
    class Watched(torch.Tensor):
        pass

    norm = model.blocks[2].norm_2
    norm.weight = nn.Parameter(norm.weight.detach().as_subclass(Watched))


@pytest.mark.parametrize(
    "change",
    [
        hooked,
        pre_hooked,
        in_training,
        another_layer,
        another_part,
        a_method_put_in_place,
        one_map_for_an_mlp,
        dropout_alone,
        other_keys,
        a_weight_that_is_no_parameter,
        a_weight_of_a_kind_of_its_own,
    ],
)
@torch.no_grad()
def test_where_anything_else_is_found_the_model_goes_its_own_way(model, change):
    new = torch.tensor([[1], [2]])
    before = filled(model, 9)
    change(model)
    assert few_tokens(model, new, before) is None and before.length == 9
    torch.manual_seed(3)
    ours = model.hidden(new, filled(model, 9))
    torch.manual_seed(3)
    expected = GPT.hidden.__wrapped__(model, new, filled(model, 9))
    assert ours.shape == expected.shape == (2, 1, 12)


@torch.no_grad()
def test_what_it_cannot_do_it_leaves_alone(model):
    cache, new = filled(model, 9), torch.tensor([[1], [2]])
    with torch.enable_grad():
        assert few_tokens(model, new, cache) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert few_tokens(model, new, cache) is None
    bad = [new[:, 0], new[:, :0], new.repeat(1, FEW + 1), new.float(), new + 28, -new]
    for tokens in bad:
        assert few_tokens(model, tokens, cache) is None
    assert cache.length == 9
    with pytest.raises(ValueError, match="tokens go from 29 to 30"):
        model.hidden(new + 28, cache)
    cache.rewind(0)
    model.hidden(new.repeat(1, 23), cache)
    with pytest.raises(ValueError, match="context_length=23"):
        model.hidden(new, cache)
    assert few_tokens(model, new, KVCache(GPTConfig(29, 23, 2, 3, 12), 2)) is None  # of two layers


@torch.no_grad()
def test_weights_that_change_count_at_once(model):
    new = torch.tensor([[1], [2]])
    before = few_tokens(model, new, filled(model, 9))
    model.blocks[0].mlp.down_proj.weight += 1
    q = model.blocks[1].attn.q_proj
    q.weight = nn.Parameter(torch.ones_like(q.weight))
    after = few_tokens(model, new, filled(model, 9))
    assert not torch.allclose(before, after)
    expected = GPT.hidden.__wrapped__(model, new, filled(model, 9))
    torch.testing.assert_close(after, expected, rtol=1e-12, atol=1e-12)


def test_numbers_of_16_bits_go_the_models_own_way():
    """There each part of chapter 10 rounds in a place of its own."""
    config = LlamaConfig(**SHAPE)
    for build in (swift, storyteller):
        model = build(config).bfloat16().eval()
        with torch.no_grad():
            assert few_tokens(model, torch.tensor([[1], [2]]), KVCache(config, 2)) is None


@torch.no_grad()
def test_a_turn_of_its_own_for_a_block_goes_the_models_own_way():
    from companion.modern import RoPE

    model = storyteller(LlamaConfig(**SHAPE)).eval()
    model.blocks[1].attn.rope = RoPE(4, 23, theta=77.0).eval()
    assert few_tokens(model, torch.tensor([[1], [2]]), KVCache(model.config, 2)) is None


@torch.no_grad()
def test_float32_agrees_to_a_hundred_thousandth():
    torch.manual_seed(0)
    for build in (storyteller, swift):
        model = build(LlamaConfig(vocab_size=29, context_length=23, n_layers=4, n_heads=2, d_model=48)).eval()
        for p in model.parameters():
            nn.init.normal_(p, std=0.3)
        caches, new = [filled(model, 9) for _ in range(2)], torch.tensor([[3], [4]])
        ours, expected = few_tokens(model, new, caches[0]), GPT.hidden.__wrapped__(model, new, caches[1])
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_model_of_several_types_goes_its_own_way():
    model = swift(LlamaConfig(**SHAPE)).bfloat16().eval()
    new = torch.tensor([[1], [2]])
    model.norm.norm.float()  # alone, or all norms
    for norms in (1, 100):
        for part in [x for x in model.modules() if type(x).__name__ == "RMSNorm"][-norms:]:
            part.float()
        cache = KVCache(model.config, 2)
        assert few_tokens(model, new, cache) is None and model.hidden(new, cache).shape == (2, 1, 12)


@torch.no_grad()
def test_gpt2_s_parts_round_16_bits_as_the_model_does():
    torch.manual_seed(0)
    model = gpt2(GPTConfig(**SHAPE)).bfloat16().eval()
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    new, ways = torch.tensor([[1], [2]]), (few_tokens, GPT.hidden.__wrapped__)
    ours, expected = (way(model, new, filled(model, 9)) for way in ways)
    torch.testing.assert_close(ours, expected, rtol=0, atol=0)


@torch.no_grad()
def test_no_rows_are_the_model_s_to_refuse(model):
    with pytest.raises(ValueError, match="tokens have 0 rows"):
        model.hidden(torch.zeros(0, 1, dtype=torch.int64), KVCache(model.config, 1))
