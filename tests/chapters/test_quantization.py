"""Weights as integers: grids, packing, layers, correction, whole models, their folders."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from support.folders import raises_one_line
from torch import nn

from companion import load
from companion.caching import KVCache
from companion.datasets import load_text
from companion.encoders import encoder
from companion.gpt import GPTConfig, gpt2
from companion.lora import linear_layers
from companion.modern import LlamaConfig, llama
from companion.quantization import (
    Int4Linear,
    Int8Linear,
    QuantizedRows,
    calibrate,
    corrected,
    pack,
    quantize,
    restore,
    round_to_grid,
    save_quantized,
    unpack,
)
from companion.runtime.models.quantization import int8_product
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint

SHAPE = GPTConfig(vocab_size=300, context_length=24, n_layers=2, n_heads=2, d_model=12)


def small(seed=0):
    torch.manual_seed(seed)
    model = gpt2(SHAPE).eval()
    for p in model.parameters():
        if p.ndim == 1:
            nn.init.normal_(p, std=0.3)
    return model


def rows(n=6, length=20, seed=1):
    tokens = torch.randint(300, (n, length + 1), generator=torch.Generator().manual_seed(seed))
    return tokens[:, :-1], tokens[:, 1:]


@given(st.integers(2, 8), st.sampled_from([None, 1, 3, 4, 12]), st.integers(0, 99))
def test_no_error_is_longer_than_half_a_step(bits, group, seed):
    weight = torch.randn(5, 12, generator=torch.Generator().manual_seed(seed))
    weight[2] = 0
    integers, scale = round_to_grid(weight, bits, group)
    most = 2 ** (bits - 1) - 1
    assert integers.dtype == torch.int8 and integers.abs().max() <= most
    assert (scale > 0).all()
    half = scale.float().repeat_interleave(12 // scale.shape[1], 1) * (0.5 + most * 2**-10)  # float16's own
    assert ((restore(integers, scale) - weight).abs() <= half + 1e-6).all()


def test_every_pair_comes_back():
    pairs = torch.cartesian_prod(torch.arange(-8, 8), torch.arange(-8, 8)).to(torch.int8)
    packed = pack(pairs)
    assert packed.dtype == torch.uint8 and sorted(packed.flatten().tolist()) == list(range(256))
    assert torch.equal(unpack(packed), pairs)


@pytest.mark.parametrize(("kind", "bits", "group"), [(Int8Linear, 8, None), (Int4Linear, 4, 6)])
def test_a_layer_multiplies_by_what_it_keeps(kind, bits, group):
    torch.manual_seed(2)
    plain, x = nn.Linear(12, 7), torch.randn(2, 5, 12, requires_grad=True)
    kept = round_to_grid(plain.weight, bits, group)
    layer = kind(*kept, plain.bias)
    y = layer(x)
    torch.testing.assert_close(y, F.linear(x, restore(*kept), plain.bias))
    y.sum().backward()
    torch.testing.assert_close(x.grad[0, 0], restore(*kept).sum(0))
    assert layer.group == group and not any(p.requires_grad for p in layer.parameters())
    assert layer.kept.nbytes == plain.weight.numel() * bits // 8


@pytest.fixture(params=torch.backends.quantized.supported_engines)
def engine(request, monkeypatch):
    """Each int8 kernel that this PyTorch has, with a matrix large enough for it."""
    monkeypatch.setattr(torch.backends.quantized, "engine", request.param)
    torch.manual_seed(4)
    plain = nn.Linear(512, 600)
    layer = Int8Linear(*round_to_grid(plain.weight, 8), plain.bias)
    if int8_product(torch.ones(512), layer.kept, layer.scale, layer.bias) is None:
        pytest.skip("no int8 kernel here; the floats are tested above")
    return layer


def test_the_kernel_is_close_and_computes_each_row_alone(engine):
    layer = engine
    x = torch.randn(3, 512) * torch.tensor([[1.0], [100.0], [0.01]])
    exact, found = F.linear(x, layer.weight, layer.bias), layer(x)
    off = (found - exact).abs().amax(1) / (exact - layer.bias).abs().amax(1)
    assert (off < 0.001).all() and off.max() > 1e-6  # the input was rounded
    for row, alone in zip(found, x, strict=True):
        assert torch.equal(row, layer(alone))
    assert torch.equal(found[None, 1:], layer(x[None, 1:]))
    assert layer(x[:0]).shape == (0, 600)
    x[0, 3] = math.nan
    assert layer(x)[0].isnan().all() and torch.equal(layer(x)[1:], found[1:])


def test_outliers_leave_the_other_inputs_their_precision(engine):
    """One large input sets the scale; with 7 bits, or with 8, most other inputs would become 0."""
    layer = engine
    layer.kept = layer.kept.clone()  # another tensor, which the kernel has not seen
    layer.kept[:, [7, 300]] = 0  # what meets the outliers, so that the output shows the other inputs
    x = torch.randn(4, 512)
    x[:, 7] = 100
    x[:2, 300] = -80
    exact = F.linear(x, layer.weight)
    for bits, least in ((7, 0.3), (8, 0.1)):
        coarse = restore(*round_to_grid(x, bits))
        assert (F.linear(coarse, layer.weight) - exact).norm() > least * exact.norm()
    found = layer(x) - layer.bias
    assert (found - exact).norm() < 0.01 * exact.norm()


def test_the_largest_inputs_do_not_overflow(engine):
    """AVX2 adds two products in 16 bits, and these must stay below its limit."""
    layer = engine
    layer.kept = torch.full_like(layer.kept, 127)
    for sign in (1.0, -1.0):
        x = torch.full((2, 512), sign)
        torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias), rtol=1e-3, atol=1e-3)


def test_with_independent_inputs_correction_is_plain_rounding():
    weight = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    for ours, plain in zip(corrected(weight, torch.eye(10), 4, 5), round_to_grid(weight, 4, 5), strict=True):
        assert torch.equal(ours, plain)


def test_calibration_is_the_mean_product():
    model, (x, y) = small(), rows()
    y = y.clone()
    y[:, 15:] = -100
    seen = []
    layer = model.blocks[1].mlp.down_proj
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, :15].flatten(0, 1)))
    grams = calibrate(model, [(x[:2], y[:2]), (x[2:], y[2:])])
    hook.remove()
    inputs = torch.cat(seen)
    torch.testing.assert_close(grams[layer], inputs.T @ inputs / len(inputs))
    assert set(grams) == set(linear_layers(model).values())
    assert not any(layer._forward_pre_hooks for layer in grams)
    with pytest.raises(ValueError, match="no token"):
        calibrate(model, [(x, torch.full_like(y, -100))])


@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, 6)])
def test_a_model_computes_as_its_restored_floats(bits, group):
    model, plain, (x, y) = small(), small(), rows()
    grams = calibrate(model, [(x, y)])
    assert quantize(model, bits, group, grams) is model
    with torch.no_grad():
        for path, layer in linear_layers(plain).items():
            layer.weight.copy_(model.get_submodule(path).weight)
        plain.embed.token.weight.copy_(model.embed.token.weight)
        torch.testing.assert_close(model(x), plain(x))
    assert model.head is model.embed.token.layer and not any(p.requires_grad for p in model.parameters())
    cache = KVCache(model.config, len(x))
    with torch.no_grad():
        parts = [model(part, cache) for part in x.split([13, 1, 6], dim=1)]
        torch.testing.assert_close(torch.cat(parts, 1), plain(x), atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="tokens go from 0 to 300"):
        model(torch.tensor([[0, 300]]))


def test_a_head_of_its_own_and_rows_without_positions():
    torch.manual_seed(0)
    model = llama(LlamaConfig(vocab_size=50, context_length=9, n_layers=1, n_heads=2, d_model=8, tied=False))
    nn.init.normal_(model.head.weight)
    quantize(model, 4)
    assert isinstance(model.embed, QuantizedRows) and model.head is not model.embed.layer
    assert model(torch.tensor([[1, 2, 3]])).shape == (1, 3, 50)


def test_other_bits_or_groups_are_an_error_and_change_nothing():
    model = small()
    before = model.state_dict().keys()
    for bits, group, message in [(3, None, "bits=3 must be 8 or 4"), (4, 5, "group=5 must divide 12")]:
        with pytest.raises(ValueError, match=message):
            quantize(model, bits, group)
    assert before == model.state_dict().keys() and all(p.requires_grad for p in model.parameters())
    quantize(model, 8)
    with pytest.raises(ValueError, match="quantized already"):
        quantize(model, 4)


@pytest.fixture(scope="module")
def tokenizer():
    return BPETokenizer.train(load_text("lamplighter"), 300)


@pytest.fixture
def folder(tmp_path, tokenizer):
    save_quantized(tmp_path, quantize(small(), 4, 6), tokenizer, {"init": "small"})
    return tmp_path


def test_saved_and_loaded(folder, tokenizer):
    model, found = quantize(small(), 4, 6), load(folder, "cpu")
    x, _ = rows()
    assert torch.equal(found.model(x), model(x)) and found.model.head is found.model.embed.token.layer
    saved = json.loads((folder / "config.json").read_text("utf-8"))
    assert saved["quantization"] == {"bits": 4, "group": 6} and saved["provenance"] == {"init": "small"}
    assert found.tell("The", max_new_tokens=5, seed=1)
    plain = folder / "plain"
    save_checkpoint(plain, small(), tokenizer)
    sizes = [(where / "model.safetensors").stat().st_size for where in (folder, plain)]
    assert sizes[0] < 0.75 * sizes[1]


@pytest.mark.parametrize(
    ("scheme", "message"), [({"bits": 4, "group": 12}, "scale is"), ("nf4", "config.json: quantization")]
)
def test_another_scheme_than_the_weights_have_is_an_error(folder, scheme, message):
    path = folder / "config.json"
    saved = json.loads(path.read_text("utf-8")) | {"quantization": scheme}
    path.write_text(json.dumps(saved), encoding="utf-8")
    with raises_one_line(ValueError, message):
        load(folder, "cpu")


def test_a_model_that_cannot_be_quantized_is_an_error():
    with pytest.raises(TypeError, match="model is of the class Encoder, and must be a GPT"):
        quantize(encoder(SHAPE))
    with pytest.raises(ValueError, match="weights are torch.bfloat16; quantize it in float32"):
        quantize(small().bfloat16())
    with pytest.raises(ValueError, match="grams are of another model's layers"):
        quantize(small(), grams=calibrate(small(), [rows()]))
