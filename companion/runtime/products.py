"""Linear layers of a training step by oneDNN, on CPUs where PyTorch's own choice, MKL, was found slower.

oneDNN prepares itself for each number of rows, which takes time and memory. So it is only for batches as wide
as a context, whose number of rows stays the same; batches of stories have dozens of widths.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from companion.runtime.timing import seconds

__all__ = ["with_faster_products"]

LEAST = 2**18
"""Numbers in a layer's input, rows times width, from which oneDNN was not slower on two cores either."""
WIDEST = 2048
"""Numbers in a row of it, at most: with too few rows nothing needs to be measured."""


def with_faster_products(loss: Callable, config: Any) -> Callable:
    """loss(model, batch), by oneDNN where that is faster: for batches (x, ...) with x (B, context_length).

    config: a run's, with context_length, and compile: whether model is compiled. On an AMD EPYC of family 26
    a step in float32 on 2,048 tokens, 128 wide, took 0.93 of the time with AVX2 and 0.7 with AVX-512 on one
    core, 0.98 and 0.8 on two. On one of family 25 with AVX2 it took 0.99, so it is measured first.
    """
    return partial(_by_onednn, loss, config)


def _by_onednn(loss: Callable, config: Any, model: Callable, batch: Any) -> Any:
    x = batch[0] if isinstance(batch, tuple) else None
    full = isinstance(x, torch.Tensor) and x.is_cpu and x.shape[1:] == (config.context_length,)
    large = full and x.numel() * WIDEST >= LEAST and not torch.is_autocast_enabled("cpu")
    if not large or not (onednn_is_faster() or config.compile):
        return loss(model, batch)
    with _compiled() if config.compile else _Products(x.numel()):
        return loss(model, batch)


def _compiled() -> AbstractContextManager:
    from companion.runtime.compiled import faster_compiled  # takes a while, and is rarely needed

    return faster_compiled()


@cache
def onednn_is_faster() -> bool:
    """Whether this CPU is AMD's, on which MKL holds back, and oneDNN's products took less time here.

    Measured once, in less than half a second, outside of torch.compile. No on other CPUs: on an Intel Xeon a
    step took as long with AVX2, and the products 1.1 times as long with AVX-512.
    """
    amd = "AMD" in torch.cpu.get_capabilities().get("cpu_name", "")
    there = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return amd and there and less_time()


def less_time() -> bool:
    """Whether an MLP's two products, there and back, take oneDNN less than the usual time."""
    with torch.inference_mode(False), torch.enable_grad():
        shapes = (2048, 128), (512, 128), (128, 512)
        x, up, down = (torch.ones(shape, requires_grad=True) for shape in shapes)

        def work(layer: Callable) -> None:
            layer(layer(x, up), down).sum().backward()

        return share_of_time(partial(work, _Linear.apply), partial(work, F.linear)) < 1


def share_of_time(ours: Callable, usual: Callable) -> float:
    """The time of ours as a share of that of usual: the shortest of three each, taken by turns."""
    rounds = [(seconds(ours), seconds(usual)) for _ in range(3)]
    onednn, other = (min(times) for times in zip(*rounds, strict=True))
    return onednn / other


class _Products(TorchFunctionMode):
    """Inside, F.linear of so many rows in float32 is oneDNN's, where the layer is large enough."""

    def __init__(self, rows: int):
        super().__init__()
        self.rows = rows

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.linear and not types and not kwargs:
            x, weight = args[:2]
            fits = x.numel() == self.rows * x.shape[-1] >= LEAST
            if fits and x.dtype == weight.dtype == torch.float32:
                return _Linear.apply(x, weight, *args[2:])
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    """y = x Wᵀ + b. From the gradient dy: dx = dy W, dW = dyᵀ x, db the sum of dy's rows."""

    @staticmethod
    def forward(ctx, x, weight, bias=None):  # (..., I), (O, I), (O,) -> (..., O)
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad
        db = dy.sum(tuple(range(dy.dim() - 1))) if needed[-1] else None  # sooner than flat
        dy, rows = dy.flatten(0, -2), x.flatten(0, -2)  # (N, O), (N, I)
        dx = product(dy, weight.T).view(x.shape) if needed[0] else None
        dw = weight_gradient(dy, rows) if needed[1] else None
        return (dx, dw, db)[: len(needed)]


def weight_gradient(dy: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dyᵀ x, (O, I), worked out with the longer side last; for a square PyTorch's own is faster."""
    if dy.shape[1] > x.shape[1]:
        return weight_gradient(x, dy).T
    by_onednn = dy.shape[1] < x.shape[1] and gradient_by_onednn()
    return product(dy.T, x.T) if by_onednn else dy.T @ x


@cache
def gradient_by_onednn() -> bool:
    """Whether dyᵀ x for an x of 512 numbers and a dy of 128 takes oneDNN less time; measured once."""
    with torch.inference_mode(False), torch.no_grad():
        dy, x = torch.ones(2048, 128), torch.ones(2048, 512)
        return share_of_time(lambda: product(dy.T, x.T), lambda: dy.T @ x) < 1


def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
