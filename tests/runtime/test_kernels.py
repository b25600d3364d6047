"""Operations done another way on a CPU: the same numbers and gradients, where that is right and faster."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel

from companion.attention import CausalSelfAttention, attend
from companion.runtime import kernels
from companion.runtime.kernels import (
    cross_entropy_sum,
    gelu,
    gelu_no_grad,
    plain_attention,
    plain_is_faster,
    scaled_dot_product_attention,
)

PRECISE = {torch.float64: 1e-12, torch.float32: 2e-5}


def qkv(n_query=7, n_key=7, dtype=torch.bfloat16):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, n, 5, generator=generator).to(dtype) for n in (n_query, n_key, n_key)]


@pytest.mark.parametrize(("n_query", "causal"), [(7, True), (7, False), (1, False)])
def test_plain_products_are_the_fused_operation_in_values_and_gradients(n_query, causal):
    inputs = [t.requires_grad_() for t in qkv(n_query, dtype=torch.float64)]
    plain = plain_attention(*inputs, is_causal=causal)
    fused = F.scaled_dot_product_attention(*inputs, is_causal=causal)
    torch.testing.assert_close(plain, fused)
    grads = [torch.autograd.grad(out.square().sum(), inputs) for out in (plain, fused)]
    torch.testing.assert_close(*grads)


def test_dropout_of_plain_products_sets_weights_to_zero_and_keeps_their_mean():
    torch.manual_seed(0)
    alike, eye = torch.zeros(1, 1, 500, 5), torch.eye(500)[None, None]  # so that an output is its weights
    weights = plain_attention(alike[:, :, :1], alike, eye, dropout=0.25)
    assert 0.15 < (weights == 0).float().mean() < 0.35
    assert math.isclose(weights.max().item(), 1 / 500 / 0.75, rel_tol=1e-5)


def test_only_bfloat16_on_a_cpu_without_a_mask_and_not_too_long_may_take_plain_products(monkeypatch):
    asked, plain = [], []
    monkeypatch.setattr(kernels, "plain_is_faster", lambda dtype: asked.append(dtype) or True)
    monkeypatch.setattr(kernels, "plain_attention", lambda *a: plain.append(a) or plain_attention(*a))
    scaled_dot_product_attention(*qkv(dtype=torch.float32), is_causal=True)
    scaled_dot_product_attention(*qkv(), mask=torch.ones(7, 7, dtype=torch.bool))
    scaled_dot_product_attention(*qkv(1, 1025))
    scaled_dot_product_attention(*[t.to("meta") for t in qkv()], is_causal=True)
    assert not asked and not plain
    scaled_dot_product_attention(*qkv(), dropout=0.5, is_causal=True)
    scaled_dot_product_attention(*qkv(1, 1024))
    assert len(asked) == 2 and [call[3:] for call in plain] == [(0.5, True), (0.0, False)]


def test_the_faster_way_is_measured_once_and_then_taken(monkeypatch):
    measured = []
    monkeypatch.setattr(kernels, "seconds", lambda work: measured.append(work()) or len(measured))
    kernels._time_both.cache_clear()
    try:
        with torch.inference_mode(), torch.device("meta"):  # wherever the first use may stand
            assert plain_is_faster(torch.bfloat16) and plain_is_faster(torch.bfloat16)  # 1 s against 2 s
        assert len(measured) == 2
        q, k, v = qkv()
        assert torch.equal(attend(q, k, v), plain_attention(q, k, v, is_causal=True)) and len(measured) == 2
    finally:
        kernels._time_both.cache_clear()


def fused(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def ours(q, k, v):
    return scaled_dot_product_attention(q, k, v, is_causal=True)


def tanh_gelu(x):
    return F.gelu(x, approximate="tanh")


def leaves(*shape, n=3, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(n)]
    return [t.to(dtype).requires_grad_() for t in drawn]


def made_by(out):
    """Name of the operation whose gradient is next on the way back."""
    return type(out.grad_fn).__name__


def values_and_gradients(f, inputs):
    out = f(*inputs)
    return out, *torch.autograd.grad(out.sin().sum(), inputs)  # a gradient from above that varies


@pytest.fixture
def any_length(monkeypatch):
    monkeypatch.setattr(kernels, "LEAST", 0)


@pytest.mark.parametrize("dtype", PRECISE)
@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 63, 64, 65, 131])
def test_blocks_are_the_fused_operation_in_values_and_gradients(n, dtype, any_length):
    inputs = leaves(2, 3, n, 5, dtype=dtype)
    before = [t.detach().clone() for t in inputs]
    assert made_by(ours(*inputs)) == "_BlocksBackward"
    a, b = values_and_gradients(ours, inputs), values_and_gradients(fused, inputs)
    torch.testing.assert_close(a, b, rtol=PRECISE[dtype], atol=PRECISE[dtype])
    assert all(map(torch.equal, before, inputs))


def off(f, inputs):
    """How far values and gradients are from those of the same numbers in 64 bits, relative to their size."""
    exact = [t.detach().double().requires_grad_() for t in inputs]
    right = values_and_gradients(tanh_gelu if f in (gelu, tanh_gelu) else fused, exact)
    return [
        ((a - b).norm() / b.norm()).item()
        for a, b in zip(values_and_gradients(f, inputs), right, strict=True)
    ]


@pytest.mark.parametrize("n", [128, 129, 256])
def test_blocks_in_bfloat16_are_as_near_to_64_bits_as_plain_products(n, monkeypatch):
    monkeypatch.setattr(kernels, "plain_is_faster", lambda dtype: True)
    inputs = leaves(2, 3, n, 16, dtype=torch.bfloat16)
    assert made_by(ours(*inputs)) == "_BlocksBackward"
    plain = off(lambda q, k, v: plain_attention(q, k, v, is_causal=True), inputs)
    assert all(a < 1.3 * b for a, b in zip(off(ours, inputs), plain, strict=True))
    monkeypatch.setattr(kernels, "plain_is_faster", lambda dtype: False)
    assert "_Blocks" not in made_by(ours(*inputs))


def test_gelu_in_bfloat16_is_as_near_to_64_bits_as_pytorch_s():
    inputs = leaves(50, 60, n=1, dtype=torch.bfloat16)
    assert made_by(gelu(*inputs)) == "_GeluBackward"
    assert all(a < 1.5 * b for a, b in zip(off(gelu, inputs), off(tanh_gelu, inputs), strict=True))


@pytest.mark.parametrize("n", [3, 33])
def test_gradients_of_blocks_agree_with_differences(n, any_length):
    assert gradcheck(ours, leaves(1, 2, n, 3, dtype=torch.float64), fast_mode=n > 3)


def test_blocks_stand_large_scores_and_inputs_that_lie_otherwise_in_memory():
    generator = torch.Generator().manual_seed(0)
    x = (30 * torch.randn(3, 129, 3, 7, 5, generator=generator)).double().requires_grad_()  # B, T, 3, H, D
    heads = [t.transpose(1, 2) for t in x.unbind(2)]
    a, b = values_and_gradients(ours, heads), values_and_gradients(fused, heads)
    assert a[0].isfinite().all()
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_only_those_gradients_come_that_were_asked_for():
    q, k, v = leaves(2, 3, 129, 5)
    out = ours(q.detach(), k, v.detach())
    assert made_by(out) == "_BlocksBackward"
    out.sum().backward()
    assert q.grad is None and v.grad is None
    torch.testing.assert_close(k.grad, torch.autograd.grad(fused(q, k, v).sum(), k)[0], rtol=1e-4, atol=1e-5)


def test_blocks_are_what_a_layer_trains_with():
    layer = CausalSelfAttention(10, 2)
    q, k, v = layer.project(torch.randn(3, 128, 10))
    assert made_by(attend(q, k, v)) == "_BlocksBackward"
    with torch.no_grad():
        assert torch.equal(attend(q, k, v), fused(q, k, v))


def test_blocks_keep_the_weights_and_no_more_than_half_a_square_and_half_a_block():
    inputs, kept = leaves(2, 3, 200, 5), []
    with saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        ours(*inputs)
    weights = sum(kept) - 4 * inputs[0].numel()  # besides q, k, v and the outputs
    assert 2 * 3 * 200 * 200 / 2 < weights <= 2 * 3 * (200 * 200 + 32 * 200) / 2


@pytest.mark.parametrize(
    "call",
    [
        lambda q, k, v: scaled_dot_product_attention(q, k, v, torch.ones(129, 129, dtype=torch.bool)),
        lambda q, k, v: scaled_dot_product_attention(q, k, v, dropout=0.5, is_causal=True),
        lambda q, k, v: scaled_dot_product_attention(q, k, v),
        lambda q, k, v: ours(q[..., :127, :], k[..., :127, :], v[..., :127, :]),
        lambda q, k, v: ours(*[torch.cat([t, t], dim=-2) for t in (q, k, v)]),
        lambda q, k, v: ours(q[..., :128, :], k, v),
        lambda q, k, v: ours(q, k, v[..., :3]),
        lambda q, k, v: ours(*[t.to(torch.float16) for t in (q, k, v)]),
        lambda q, k, v: ours(*[t.to("meta") for t in (q, k, v)]),
    ],
    ids=["mask", "dropout", "not causal", "short", "long", "fewer queries", "v narrow", "float16", "device"],
)
def test_what_blocks_are_not_for_is_left_to_pytorch(call):
    out = call(*leaves(2, 3, 129, 5))
    assert out.requires_grad and "_Blocks" not in made_by(out)


@pytest.mark.parametrize("dtype", [*PRECISE, torch.bfloat16])
@pytest.mark.parametrize(
    "n", [kernels.MANY - 1, kernels.MANY, kernels.MANY + 1, kernels.AT_ONCE, 2 * kernels.AT_ONCE + 5]
)
@pytest.mark.parametrize("f", [gelu, gelu_no_grad])
def test_gelu_without_a_gradient_is_pytorch_s_and_leaves_its_input_alone(f, n, dtype):
    x = torch.cat([torch.linspace(-30, 30, n - 3), torch.tensor([-1e4, 0.0, 1e4])]).to(dtype)
    before = x.clone()
    out = f(x)
    tolerance = PRECISE.get(dtype, 2**-8)  # half of bfloat16's step, twice
    torch.testing.assert_close(out, tanh_gelu(x), rtol=tolerance, atol=tolerance)
    assert torch.equal(x, before) and out.data_ptr() != x.data_ptr()


@pytest.mark.parametrize("dtype", [*PRECISE, torch.bfloat16])
def test_gelu_in_pieces_is_pytorch_s_also_of_a_transposed_tensor(dtype, monkeypatch):
    monkeypatch.setattr(kernels, "AT_ONCE", 7)
    (x,) = leaves(2, 3, 5, n=1, dtype=dtype)
    tolerance = PRECISE.get(dtype, 2**-7)
    found, expected = (values_and_gradients(lambda x, f=f: f(x.mT).mT, [x]) for f in (gelu, tanh_gelu))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def test_many_numbers_without_a_gradient_take_the_sigmoid_and_few_do_not(monkeypatch):
    left = []  # to PyTorch's own
    monkeypatch.setattr(kernels.F, "gelu", lambda x, approximate: left.append((len(x), x.device.type)) or x)
    for n in (kernels.MANY - 1, kernels.MANY):
        gelu(torch.ones(n))
        gelu_no_grad(torch.ones(n))
        gelu_no_grad(torch.ones(n, device="meta"))
    few, many = kernels.MANY - 1, kernels.MANY
    assert left == [(few, "cpu"), (few, "cpu"), (few, "meta"), (many, "meta")]


@pytest.mark.parametrize("f", [lambda x: ours(x, x, x), gelu], ids=["attention", "gelu"])
def test_where_no_gradient_is_asked_or_something_else_watches_pytorch_s_own_does_the_work(f, monkeypatch):
    (x,) = leaves(2, 3, 129, 5, n=1)
    assert made_by(f(x)) in ("_BlocksBackward", "_GeluBackward")
    monkeypatch.setattr(kernels._Blocks, "apply", None)  # to call it would be an error
    monkeypatch.setattr(kernels._Gelu, "apply", None)
    f(x.detach())
    with torch.no_grad():
        f(x)
    with torch.inference_mode():
        f(x)
    torch.func.grad(lambda x: f(x).sum())(x.detach())
    torch.vmap(f)(x)
    torch.fx.symbolic_trace(gelu)
    assert not f(x.half()).isnan().any()


@pytest.mark.gate
def test_a_compiled_model_is_left_to_pytorch_and_stays_one_graph():
    (x,) = leaves(2, 3, 129, 5, n=1)
    seen = []

    def backend(graph, inputs):
        seen.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    out = torch.compile(lambda x: gelu(attend(x, x, x)), backend=backend, fullgraph=True)(x)
    torch.testing.assert_close(out, gelu(attend(x, x, x)))
    assert any("scaled_dot_product" in name for name in seen)
    assert any("sigmoid" in name for name in seen), "GELU's tanh form by a sigmoid, in one expression"


@pytest.mark.gate
def test_an_exported_gelu_is_pytorch_s_own_which_other_engines_know():
    class Layer(torch.nn.Module):
        def forward(self, x):
            return gelu(x)

    program = torch.export.export(Layer(), (torch.ones(3),))
    assert "aten.gelu" in str(program.graph)


@pytest.mark.gate
@pytest.mark.filterwarnings("error")
def test_compiled_attention_in_bfloat16_warns_of_nothing():
    (x,) = leaves(2, 3, 129, 5, n=1)
    x = x.detach().to(torch.bfloat16)
    torch._dynamo.reset()
    torch.compile(lambda x: attend(x, x, x), backend="eager")(x)


def test_who_forbids_the_fused_operation_gets_no_blocks_either():
    """Chapter 6 counts the operations of plain attention so."""
    with sdpa_kernel(SDPBackend.MATH):
        assert "_Blocks" not in made_by(ours(*leaves(2, 3, 129, 5)))


@pytest.mark.parametrize("f", [lambda x: ours(x, x, x), gelu], ids=["attention", "gelu"])
def test_a_second_derivative_is_an_error_and_not_a_wrong_number(f):
    (x,) = leaves(1, 1, 129, 3, n=1)
    (first,) = torch.autograd.grad(f(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@pytest.mark.parametrize("dtype", PRECISE)
def test_gelu_is_pytorch_s_in_values_and_gradients(dtype):
    (drawn,) = leaves(5, 7, 11, n=1, dtype=dtype)
    wide = torch.linspace(-30, 30, 1001, dtype=dtype).requires_grad_()
    far = torch.tensor([0.0, 1e6, -1e6], dtype=dtype).requires_grad_()
    for x in (drawn, drawn.mT, wide, far):
        before = x.detach().clone()
        assert made_by(gelu(x)) == "_GeluBackward"
        a, b = values_and_gradients(gelu, [x]), values_and_gradients(tanh_gelu, [x])
        torch.testing.assert_close(a, b, rtol=PRECISE[dtype], atol=PRECISE[dtype] / 10)
        assert torch.equal(x, before)


def test_gelu_s_gradient_agrees_with_differences():
    assert gradcheck(gelu, torch.linspace(-4, 4, 15, dtype=torch.float64).requires_grad_())


def test_gelu_keeps_as_much_as_pytorch_s():
    (x,), kept = leaves(5, 7, n=1), []
    with saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        gelu(x)
    assert kept == [35]


def test_the_way_back_may_be_gone_twice():
    inputs = leaves(2, 3, 129, 5)
    out = ours(*inputs).sum() + gelu(inputs[0]).sum()
    first = torch.autograd.grad(out, inputs, retain_graph=True)
    assert all(map(torch.equal, first, torch.autograd.grad(out, inputs)))


def logits_and_targets(rows, tokens, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(rows, tokens, generator=generator)
    y = torch.randint(0, tokens, (rows,), generator=generator)
    y[::7] = -100
    return z.to(dtype).requires_grad_(), y


def pytorchs_sum(z, y):
    return F.cross_entropy(z.float(), y, reduction="sum")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("rows", "tokens"), [(1500, 1001), (23, 2**16), (3, 2**19 + 1)])
def test_the_loss_in_pieces_is_pytorchs_in_values_and_gradients(rows, tokens, dtype):
    z, y = logits_and_targets(rows, tokens, dtype)
    before = z.detach().clone()
    losses = cross_entropy_sum(z, y), pytorchs_sum(z, y)
    assert made_by(losses[0]) == "_CrossEntropyBackward" and torch.equal(z, before)
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)
    ours, theirs = (torch.autograd.grad(loss * 0.5, z, retain_graph=True)[0] for loss in losses)
    torch.testing.assert_close(ours, theirs, rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-7)
    assert (ours[::7] == 0).all()
    assert torch.equal(torch.autograd.grad(losses[0] * 0.5, z)[0], ours), "twice is once"


def test_the_loss_in_pieces_where_numbers_are_extreme():
    z, y = logits_and_targets(1100, 1000)
    with torch.no_grad():
        z[1, y[1]], z[2, y[2]], z[3, (y[3] + 1) % 1000] = -300.0, 1e4, float("-inf")
    torch.testing.assert_close(cross_entropy_sum(z, y), pytorchs_sum(z, y), rtol=1e-6, atol=0)
    assert cross_entropy_sum(z, torch.full_like(y, -100)) == 0
    with torch.no_grad():
        z[4, 0] = float("nan")
    assert cross_entropy_sum(z, y).isnan()


@pytest.mark.parametrize("wrong", [1000, -1])
def test_a_target_that_is_no_token_is_an_error_in_pieces_too(wrong):
    z, y = logits_and_targets(1100, 1000)
    y[5] = wrong
    with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
        cross_entropy_sum(z, y)


def test_the_loss_keeps_only_the_gradient_and_is_pytorchs_where_it_need_not_be_ours():
    z, y = logits_and_targets(1100, 1000)
    kept = []
    with saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        cross_entropy_sum(z, y)
    assert kept == [z.numel()]
    for other in (z[:1000], z.double()):
        assert "NllLoss" in made_by(cross_entropy_sum(other, y[: len(other)]))
    with torch.no_grad():
        torch.testing.assert_close(cross_entropy_sum(z, y), pytorchs_sum(z, y))
