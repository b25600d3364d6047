"""The check of exercise 5.6: Side by side."""

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.exercise import Function, Problem
from companion.exercises.values import a, show


class Parallel(nn.Module):
    """The oracle; its methods are what the mistakes replace."""

    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.sizes, self.n_heads = (d_model, d_model, d_model, d_ff), n_heads
        self.norm = nn.LayerNorm(d_model)
        self.read = nn.Linear(d_model, 3 * d_model + d_ff)
        self.write = nn.Linear(d_model + d_ff, d_model)

    def forward(self, x):
        *qkv, up = self.read(self.norm(x)).split(self.sizes, dim=-1)
        fetched = self.merge(self.attend(*map(self.heads, qkv)))
        return x + self.write(self.together(fetched, self.nonlinearity(up)))

    def heads(self, x):
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def attend(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def merge(self, x):
        return x.transpose(1, 2).flatten(2)

    def nonlinearity(self, x):
        return F.gelu(x, approximate="tanh")

    def together(self, fetched, hidden):
        return torch.cat([fetched, hidden], dim=-1)


class SeesAhead(Parallel):
    def attend(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v)


class OneHead(Parallel):
    def heads(self, x):
        return x[:, None]


class NotScaled(Parallel):
    def attend(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)


class ScaledByWidth(Parallel):
    def attend(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.sizes[0] ** -0.5)


class NotTransposedBack(Parallel):
    def merge(self, x):
        B, H, T, D = x.shape
        return x.reshape(B, T, H * D)


class HeadsByTurns(Parallel):
    def heads(self, x):
        return x.unflatten(-1, (-1, self.n_heads)).permute(0, 3, 1, 2)


class NoGelu(Parallel):
    def nonlinearity(self, x):
        return x


class OtherGelu(Parallel):
    def nonlinearity(self, x):
        return F.gelu(x)


class Relu(Parallel):
    def nonlinearity(self, x):
        return F.relu(x)


class Exchanged(Parallel):
    def together(self, fetched, hidden):
        return torch.cat([hidden, fetched], dim=-1)


class KeysFirst(Parallel):
    def attend(self, q, k, v):
        return super().attend(k, q, v)


class NoWayAround(Parallel):
    def forward(self, x):
        return super().forward(x) - x


class WithoutNorm(Parallel):
    def forward(self, x):
        norm, self.norm = self.norm, nn.Identity()
        y = super().forward(x)
        self.norm = norm
        return y


class AroundTheNorm(Parallel):
    def forward(self, x):
        return super().forward(x) - x + self.norm(x)


class BendsAll(Parallel):
    def heads(self, x):
        return super().heads(self.nonlinearity(x))


def parallel_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = [
        (1, 2, 4, 2, 3),
        (1, 3, 6, 2, 5),
        (2, 5, 12, 3, 7),
        (1, 6, 4, 2, 5),
        (3, 1, 6, 3, 4),
    ]  # B, T, C, H, F
    sizes += [(1, 300, 4, 2, 3)] * (seed == 0)
    cases = []
    for B, T, C, H, d_ff in sizes:
        shapes = [(B, T, C), (3 * C + d_ff, C), (3 * C + d_ff,), (C, C + d_ff), (C,), (C,), (C,)]
        x, *weights = (torch.randn(shape, generator=generator) for shape in shapes)
        weights = [w / w.shape[-1] ** 0.5 if w.ndim == 2 else w for w in weights]
        if T == 6:  # large scores: what is hidden must be hidden from them, too
            weights[0][: 2 * C] *= 5
            x = F.layer_norm(x, (C,))  # of even vectors, the norm would blow up what rounding did
        if T == 1:  # small vectors, where the norm's epsilon counts
            x = x / 50
        cases.append((C, H, d_ff, x, weights))
    return cases


def use_parallel(answer, C, H, d_ff, x, weights):
    block = answer(C, H, d_ff)
    if not isinstance(block, nn.Module):
        raise Problem(f"{show(answer)} must be an `nn.Module`; it makes {a(block)}.")
    names = ["read.weight", "read.bias", "write.weight", "write.bias", "norm.weight", "norm.bias"]
    own = dict(block.named_parameters())
    for name, weight in zip(names, weights, strict=True):
        if name not in own:
            raise Problem(f"Your block has no `{name}`; it has {', '.join(sorted(own)) or 'no parameters'}.")
        if own[name].shape != weight.shape:
            raise Problem(
                f"The shape of `{name}` is {tuple(own[name].shape)}; for C = {C} and d_ff = {d_ff} it must "
                f"be {tuple(weight.shape)}."
            )
        with torch.no_grad():
            own[name].copy_(weight)
    if extra := sorted(set(own) - set(names)):
        raise Problem(
            f"Your block has more parameters than two linear layers and a norm: {', '.join(extra)}."
        )
    given = x.clone().requires_grad_()
    y = block(given)
    if not isinstance(y, torch.Tensor) or y.shape != x.shape:
        raise Problem(f"The block maps a tensor of shape {tuple(x.shape)} to {show(y)}.")
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    return {
        "output": y.detach(),
        "gradient of x": given.grad,
        "gradient of read.weight": own["read.weight"].grad,
    }


EXERCISE = Function(
    number="5.6",
    title="Side by side",
    stars=3,
    wants="Parallel(d_model, n_heads, d_ff)",
    cases=parallel_cases,
    oracle=Parallel,
    call=use_parallel,
    shown="{f}({0}, {1}, {2})(x), x = {3}",
    tolerance=3e-5,
    mistakes=[
        (SeesAhead, "Positions see later ones. Attention has to be causal here, too."),
        (OneHead, "All of C went into one head: split q, k and v into `n_heads` heads before they attend."),
        (NotScaled, "The scores were not divided by the root of the width of a head."),
        (ScaledByWidth, "The scores were divided by the root of C. It is the width of one head that counts."),
        (
            NotTransposedBack,
            "The heads got mixed up with the positions on their way back: (B, H, T, D) must become (B, T, "
            "H, D) before it becomes (B, T, C).",
        ),
        (
            HeadsByTurns,
            "The numbers were dealt out to the heads in turn. A head gets D neighbors: first heads, then "
            "width.",
        ),
        (NoGelu, "The rules have no nonlinearity: GELU is missing between `read` and `write`."),
        (OtherGelu, "Close. GELU comes in two forms, and the chapter's `MLP` uses the tanh one."),
        (Relu, "The nonlinearity is ReLU; the chapter's `MLP` has GELU, in its tanh form."),
        (
            Exchanged,
            "`write` got the rules' numbers first. What attention fetched comes first, then the rules.",
        ),
        (KeysFirst, "Queries and keys are exchanged: `read` gives q, then k, then v, then the rules' input."),
        (NoWayAround, "The block replaces the stream. It has to add to it."),
        (WithoutNorm, "The norm is not used: attention and rules both read the stream through it."),
        (AroundTheNorm, "The way around must start before the norm: what is added to is x itself."),
        (BendsAll, "GELU bent q, k and v, too. Only the last `d_ff` numbers of `read` go through it."),
    ],
    right="Six matrix products have become two, and neither half of the block waits for the other.",
)
