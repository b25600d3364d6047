"""Linear layers by oneDNN: the same numbers and gradients, and only where they were measured to be faster."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F

from companion.gpt import GPTConfig, gpt2
from companion.runtime import products
from companion.runtime.products import with_faster_products
from companion.training import TrainConfig, Trainer

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this PyTorch has no oneDNN"
)
WIDTH = 32


@dataclass
class Settings:
    context_length: int = WIDTH
    compile: bool = False


@pytest.fixture
def taken(monkeypatch):
    """The shapes of layers that oneDNN takes, on a CPU that is said to gain by it, however small they are."""
    shapes, product = [], products.product
    monkeypatch.setattr(products, "LEAST", 1)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "product", lambda x, *a: shapes.append(tuple(x.shape)) or product(x, *a))
    return shapes


def layer(n_in, n_out, bias, dtype):
    generator = torch.Generator().manual_seed(0)
    draw = [torch.randn(*size, generator=generator) for size in ((3, WIDTH, n_in), (n_out, n_in), (n_out,))]
    return [t.to(dtype).requires_grad_() for t in draw[: 3 if bias else 2]]


@pytest.mark.parametrize("dw", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("n_in", "n_out"), [(16, 48), (48, 16), (24, 24)])
def test_values_and_gradients_are_those_of_64_bits(taken, monkeypatch, n_in, n_out, bias, dw):
    monkeypatch.setattr(products, "gradient_by_onednn", lambda: dw)
    ours, exact = layer(n_in, n_out, bias, torch.float32), layer(n_in, n_out, bias, torch.float64)
    y = with_faster_products(lambda model, batch: model(*ours), Settings())(
        F.linear, (torch.zeros(3, WIDTH, dtype=torch.long),)
    )
    reference = F.linear(*exact)
    assert taken == [(3, WIDTH, n_in)]
    torch.testing.assert_close(y.double(), reference, atol=2e-5, rtol=2e-5)
    up = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    grads = torch.autograd.grad(y, ours, up), torch.autograd.grad(reference, exact, up.double())
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine.double(), theirs, atol=1e-4, rtol=2e-5)
    assert len(taken) == (3 if dw and n_in != n_out else 2)


def test_what_is_frozen_costs_no_product_and_gets_no_gradient(taken, monkeypatch):
    monkeypatch.setattr(products, "gradient_by_onednn", lambda: True)
    x, weight, bias = layer(16, 48, True, torch.float32)
    products._Linear.apply(x, weight.detach(), bias.detach()).sum().backward()
    assert x.grad is not None and len(taken) == 2
    products._Linear.apply(x.detach(), weight, bias.detach()).sum().backward()
    assert weight.grad is not None and bias.grad is None and len(taken) == 4


def trained(steps=3, rows=4, **settings):
    """(losses, weights) of a small model after steps on random windows."""
    torch.manual_seed(0)
    config = TrainConfig(steps=steps, context_length=WIDTH, device="cpu", **{"dtype": "float32"} | settings)
    model = gpt2(GPTConfig(vocab_size=61, context_length=WIDTH, n_layers=2, n_heads=2, d_model=16))
    draw = torch.randint(0, 61, (steps, rows, WIDTH + 1), generator=torch.Generator().manual_seed(0))
    trainer = Trainer(model, lambda first: iter([(x[:, :-1], x[:, 1:]) for x in draw[first:]]), config)
    return [trainer.step() for _ in range(steps)], [p.detach() for p in model.parameters()]


def test_a_training_on_windows_takes_it_and_ends_at_the_same_weights(taken, monkeypatch):
    losses, weights = trained()
    assert len(taken) >= 3 * (2 * 4 + 1) * 2, "each layer, and the scores, there and back"
    n = len(taken)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    usual_losses, usual_weights = trained()
    assert len(taken) == n
    assert losses == pytest.approx(usual_losses, abs=1e-5)
    torch.testing.assert_close(weights, usual_weights, atol=2e-4, rtol=0)


def test_batches_of_other_widths_and_bfloat16_are_pytorchs(taken):
    model, seen = torch.nn.Linear(8, 8), []

    def loss(model, batch):
        seen.append(model(torch.ones(*batch[0].shape, 8)))

    ours = with_faster_products(loss, Settings())
    ours(model, (torch.zeros(2, WIDTH - 8),))
    ours(model, [torch.zeros(2, WIDTH)])
    with torch.autocast("cpu", torch.bfloat16):
        ours(model, (torch.zeros(2, WIDTH),))
    assert not taken and len(seen) == 3
    trained(dtype="bfloat16")
    assert not taken


def test_inside_only_large_layers_of_that_many_rows_in_32_bits(taken, monkeypatch):
    monkeypatch.setattr(products, "LEAST", 2 * WIDTH * 8)
    with products._Products(2 * WIDTH):
        for shape in ((2, WIDTH, 7), (2, WIDTH - 1, 9), (3, WIDTH, 8)):
            F.linear(torch.ones(shape), torch.ones(8, shape[-1]))
        F.linear(torch.ones(2, WIDTH, 8).double(), torch.ones(8, 8).double())
        assert not taken
        F.linear(torch.ones(2, WIDTH, 8), torch.ones(8, 8))
    assert taken == [(2, WIDTH, 8)]


@pytest.mark.parametrize("found", [True, False])
@pytest.mark.parametrize(("name", "amd"), [("AMD Ryzen 7 5800U", True), ("Intel(R) Core(TM) i5", False)])
def test_amds_processors_are_asked_and_no_others(monkeypatch, name, amd, found):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": name})
    monkeypatch.setattr(products, "less_time", lambda: found)
    expected = amd and found and torch.backends.mkldnn.is_available()
    assert products.onednn_is_faster.__wrapped__() is expected
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {})
    assert products.onednn_is_faster.__wrapped__() is False


@pytest.mark.parametrize(("onednn", "faster"), [(0.98, True), (1.02, False), (1.3, False)])
def test_the_shortest_of_several_times_decides(monkeypatch, onednn, faster):
    times = iter([5.0, 1.0, onednn, 7.0, 2.0, 3.0])
    monkeypatch.setattr(products, "seconds", lambda work: (work(), next(times))[1])
    with torch.no_grad():
        assert products.less_time() is faster
