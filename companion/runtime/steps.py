"""A training step on a CPU in less time: each thread takes some rows; oneDNN multiplies where it helps.

PyTorch itself shares out each operation, and at its end all threads wait for the last one. The operations of
a small model are short, so much of the time is waiting, and most where another program has a core.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.module import _has_any_global_hook

from companion.runtime.products import with_faster_products

__all__ = ["with_faster_steps"]

LEAST = 512
"""Tokens, padding included, that a thread gets at least."""

MOST = 2**24
"""Parameters of a model up to which each thread may have a gradient of its own."""

LOSS = "companion.training.next_token_loss"
PARTS = {f"companion.{x}" for x in ("gpt", "embeddings", "attention", "blocks", "modern", "runtime.halves")}
PARTS |= {f"torch.nn.modules.{x}" for x in ("container", "dropout", "linear", "normalization")}
"""The loss that is known to be a sum over rows, and modules whose parts know nothing of other rows."""

METHODS = {"forward", "hidden", "logits", "project"}
"""Of a part: where it has one of its own, beside its class's, that one may look at other rows."""


def with_faster_steps(loss: Callable, config: Any) -> Callable:
    """The same loss(model, batch), an eager next_token_loss with its rows shared out to PyTorch's threads.

    config: a run's, with context_length, and compile: whether model is compiled. On two idle cores of an AMD
    EPYC of family 25 a step of swift in bfloat16 took as long as before; beside one other busy program 0.6 of
    the time, beside three 0.4 of it. Each thread has a gradient of its own meanwhile.
    """
    alone = with_faster_products(loss, config)
    known = f"{loss.__module__}.{getattr(loss, '__qualname__', '')}" == LOSS
    return partial(_shared_out, alone) if known and not config.compile else alone


def _shared_out(loss: Callable, model: nn.Module, batch: Any) -> tuple[Tensor, int]:
    n = shares(model, batch)
    if n < 2:
        return loss(model, batch)
    calls = [partial(loss, model, tuple(t[i::n] for t in batch)) for i in range(n)]
    counts: list[int] = []
    nats = _Shared.apply(calls, counts, *(p for p in model.parameters() if p.requires_grad))
    return nats, sum(counts)


def shares(model: nn.Module, batch: Any) -> int:
    """How many threads a batch (x, y) is shared out to; 1 where the model, or a watcher, needs it whole."""
    x, n = batch[0], torch.get_num_threads()
    n = min(n, len(x), x.numel() // LEAST)
    if n < 2 or not x.is_cpu or not torch.is_grad_enabled() or watched():
        return 1
    learning = [p for p in model.parameters() if p.requires_grad]
    small = 0 < sum(p.numel() for p in learning) <= MOST and not any(p._backward_hooks for p in learning)
    return n if small and all(map(known, model.modules())) else 1


def watched() -> bool:
    """Whether something looks at the operations of this thread, or at those of all modules."""
    return bool(
        torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch._C._functorch.maybe_current_level()
        or torch._C._autograd._top_saved_tensors_default_hooks(True)
        or torch.autograd._profiler_enabled()
        or torch.is_anomaly_enabled()
        or _has_any_global_hook()
    )


def known(part: nn.Module) -> bool:
    """Whether a part is of PARTS, draws no random numbers, and has no hook."""
    own = part.__dict__
    chance = (
        part.p if isinstance(part, nn.Dropout) else own.get("dropout", 0.0)
    )  # a module is looked at itself
    hooks = own["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"]
    return type(part).__module__ in PARTS and not (hooks or chance or METHODS & own.keys())


class _Shared(torch.autograd.Function):
    """The sum of what calls give, (loss, count) each; their gradients are worked out on the way."""

    @staticmethod
    def forward(ctx, calls, counts, *parameters):
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        found = at_once([partial(gradients, call, parameters, kind) for call in calls])
        losses, numbers, ctx.gradients = zip(*found, strict=True)
        counts.extend(numbers)
        return torch.stack(losses).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, d_out):
        return None, None, *(summed(shares, d_out) for shares in zip(*ctx.gradients, strict=True))


def summed(shares: tuple, d_out: Tensor) -> Tensor | None:
    """The sum of a parameter's gradients, times d_out; None where no row's loss depends on it."""
    found = [share for share in shares if share is not None]
    return sum(found) * d_out if found else None


def gradients(call: Callable, parameters: tuple, kind: torch.dtype | None) -> tuple[Tensor, int, tuple]:
    """(loss, count, the loss's gradients) of a call; a gradient is None where the loss needs it not.

    kind: autocast's, which each thread has for itself.
    """
    with torch.enable_grad(), torch.autocast("cpu", kind, enabled=kind is not None):
        loss, count = call()
        return loss.detach(), count, torch.autograd.grad(loss, parameters, allow_unused=True)


def at_once(calls: list[Callable]) -> list:
    """What calls return, each made by a thread of its own, the first by this one."""
    with one_thread_each():
        others = [threads().submit(call) for call in calls[1:]]
        try:
            first = calls[0]()
        finally:
            wait(others)  # also after Ctrl-C: nothing reads the weights when they move again
    return [first, *(other.result() for other in others)]


@contextmanager
def one_thread_each():
    """PyTorch's operations inside are not shared out."""
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n)


@cache
def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="rows", initializer=partial(torch.set_num_threads, 1))
