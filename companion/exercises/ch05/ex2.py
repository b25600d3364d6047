"""The check of exercise 5.2: Born with its volume at zero."""

import copy

import torch
from torch import nn

from companion.exercises.exercise import Function, Problem
from companion.exercises.values import a, show


class ReZero(nn.Module):
    start = 0.0

    def __init__(self, f):
        super().__init__()
        self.f = f
        self.alpha = nn.Parameter(torch.tensor(self.start))

    def forward(self, x):
        return self.add(x, self.alpha)

    def add(self, x, alpha):
        return x + alpha * self.f(x)


class StartsAtOne(ReZero):
    start = 1.0


class StartsSmall(ReZero):
    start = 0.01


class ScalesBoth(ReZero):
    def add(self, x, alpha):
        return alpha * (x + self.f(x))


class Mixes(ReZero):
    def add(self, x, alpha):
        return (1 - alpha) * x + alpha * self.f(x)


class WithoutX(ReZero):
    def add(self, x, alpha):
        return alpha * self.f(x)


class ScalesWhatFReads(ReZero):
    def add(self, x, alpha):
        return x + self.f(alpha * x)


class ScalesX(ReZero):
    def add(self, x, alpha):
        return alpha * x + self.f(x)


class CutsTheWayBack(ReZero):
    def add(self, x, alpha):
        return x + alpha * self.f(x).detach()


class AlsoSilencesF(ReZero):
    def __init__(self, f):
        super().__init__(f)
        for p in f.parameters():
            nn.init.zeros_(p)


def rezero_cases(seed):
    torch.manual_seed(seed)
    cases = []
    for shape in [(2,), (3, 4), (2, 3, 5)]:
        f = nn.Sequential(nn.Linear(shape[-1], shape[-1]), nn.Tanh())
        cases.append((f, torch.randn(shape), torch.randn(shape)))
    return cases


def use_rezero(answer, f, x, up):
    layer = answer(f)
    if not isinstance(layer, nn.Module):
        raise Problem(f"{show(answer)} must be an `nn.Module`; it makes {a(layer)}.")
    alpha = getattr(layer, "alpha", None)
    if not isinstance(alpha, nn.Parameter):
        raise Problem(
            f"Its `alpha` is {a(alpha)}, so no optimizer finds it. `nn.Parameter(...)` makes one of a tensor."
        )
    if alpha.numel() != 1:
        raise Problem(f"Its `alpha` has {alpha.numel()} numbers. One for the whole layer is enough.")
    born = alpha.detach().clone()
    found = {"parameters": sum(p.numel() for p in layer.parameters())}
    volumes = {f"with alpha at {v}": v for v in (0.5, -1.5, 3)}
    for name, value in {"at birth": None, **volumes}.items():
        if value is not None:
            nn.init.constant_(alpha, value)
        layer.zero_grad()
        given = x.clone().requires_grad_()
        y = layer(given)
        if not isinstance(y, torch.Tensor) or y.shape != x.shape:
            raise Problem(f"The layer maps a tensor of shape {tuple(x.shape)} to {show(y)}.")
        if y.dtype != x.dtype:
            raise Problem(f"{x.dtype} goes in, and {y.dtype} comes out: the next layer would refuse it.")
        if y.requires_grad:
            (y * up).sum().backward()
        wanted = {"x": given, "alpha": alpha, "the first weight of f": next(f.parameters())}
        found[f"{name}: output"] = y.detach()
        for what, tensor in wanted.items():
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            found[f"{name}: gradient of {what}"] = gradient.clone().flatten()
    other = answer(copy.deepcopy(f))
    if alpha.item() != value or not torch.equal(other.alpha.detach(), born):
        raise Problem("Two layers share one `alpha`. Each has a volume of its own: make it in `__init__`.")
    return found


EXERCISE = Function(
    number="5.2",
    title="Born with its volume at zero",
    stars=1,
    wants="ReZero(f)",
    cases=rezero_cases,
    oracle=ReZero,
    call=use_rezero,
    shown="{f}(f)(x), x = {1}",
    mistakes=[
        (
            StartsAtOne,
            "`alpha` starts at 1, so the layer speaks at full volume from the start. Let it start at 0.",
        ),
        (
            StartsSmall,
            "A small start is not silence: a hundred such layers still speak together. Begin at 0.",
        ),
        (
            ScalesBoth,
            "At birth nothing comes out: `alpha` turns down the way around, too. Only what f adds is scaled.",
        ),
        (
            Mixes,
            "As `alpha` grows, you take x away. The stream is to be kept as it is: only what f adds is "
            "scaled.",
        ),
        (WithoutX, "The way around is missing: at birth nothing comes out at all."),
        (
            ScalesWhatFReads,
            "You scale what f reads. Its biases speak even when it reads zeros; scale what it says.",
        ),
        (ScalesX, "You scale the stream, and f speaks at full volume. The other way round."),
        (
            CutsTheWayBack,
            "The weights of f can never learn: `detach` cuts their gradient off. Leave it out.",
        ),
        (
            AlsoSilencesF,
            "You set the weights of f to 0. They are f's own affair; one number is enough for silence.",
        ),
    ],
    right="At birth only `alpha` has a gradient; once it has moved, all of f has one.",
)
