"""The checks of chapter 5, Transformer blocks."""

import copy
import math
import random

import torch
import torch.nn.functional as F
from torch import nn

from companion.blocks import LayerNorm
from companion.exercises.comparison import a, show
from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

chapter.number(
    "5.1 How much the stream grows ★",
    wants="size_at_the_top()",
    answer=math.sqrt(1 + 48 * 0.25),
    tolerance=0.02,
    mistakes="""
        1 + 48 * 0.5
            You added the sizes. This would be right if all 48 layers moved every number in the same
            direction. Random numbers mostly cancel, and their mean squares add up.
        1 + 48 * 0.25
            That is the mean square. The size is the root of it.
        math.sqrt(1 + 24 * 0.25)
            That is for 24 layers. How many parts of each block add to the stream?
        math.sqrt(48 * 0.25)
            That is only what the layers add. The embedding is still in the stream, too.
        math.sqrt(1 + 48 * 0.5)
            Mean squares add up. The mean square of numbers of size 0.5 is not 0.5.
        1.12**48 || 1.118**48 || math.sqrt(1.25) ** 48
            Adding numbers of size 0.5 makes a stream of size 1 larger by the factor 1.12. The next layers
            meet a larger stream, so their factors are smaller.
        1 + math.sqrt(48 * 0.25)
            The embedding's numbers are independent of the others, too, so square them as well.
    """,
    right="The stream grows like the root of the depth, so each block changes it by a smaller share.",
)


# -- 5.2 ------------------------------------------------------------------
def rezero_cases(seed):
    torch.manual_seed(seed)
    for shape in [(2,), (3, 4), (2, 3, 5)]:
        f = nn.Sequential(nn.Linear(shape[-1], shape[-1]), nn.Tanh())
        yield f, torch.randn(shape), torch.randn(shape)


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
    initial = alpha.detach().clone()
    found = {"parameters": sum(p.numel() for p in layer.parameters())}
    volumes = {f"with alpha at {v}": v for v in (0.5, -1.5, 3)}
    for name, value in {"at the start": None, **volumes}.items():
        if value is not None:
            nn.init.constant_(alpha, value)
        layer.zero_grad()
        given = x.clone().requires_grad_()
        y = layer(given)
        if not isinstance(y, torch.Tensor) or y.shape != x.shape:
            raise Problem(f"The layer maps a tensor of shape {tuple(x.shape)} to {show(y)}.")
        if y.dtype != x.dtype:
            raise Problem(f"{x.dtype} goes in, and {y.dtype} comes out, which the next layer could not read.")
        if y.requires_grad:
            (y * up).sum().backward()
        wanted = {"x": given, "alpha": alpha, "the first weight of f": next(f.parameters())}
        found[f"{name}: output"] = y.detach()
        for what, tensor in wanted.items():
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            found[f"{name}: gradient of {what}"] = gradient.clone().flatten()
    other = answer(copy.deepcopy(f))
    if alpha.item() != value or not torch.equal(other.alpha.detach(), initial):
        raise Problem("Two layers share one `alpha`. Each layer needs its own: make it in `__init__`.")
    return found


@chapter.function(
    "5.2 A volume that starts at zero ★",
    cases=rezero_cases,
    call=use_rezero,
    shown="{f}(f)(x), x = {1}",
    mistakes="""
        torch.tensor(0.0) => torch.tensor(1.0)
            `alpha` starts at 1, so the layer adds all of f(x) from the start. Let it start at 0.
        x + self.alpha * self.f(x) => self.alpha * (x + self.f(x))
            At the start, the output is 0, because `alpha` also scales x. Scale only what f adds.
        x + self.alpha => self.alpha
            The residual connection is missing, so the output is 0 at the start. Add x.
        self.alpha * self.f(x) => self.f(self.alpha * x)
            You scale the input of f. Its biases make the output nonzero even for an input of zeros, so scale
            the output.
    """,
    right="In the first step only `alpha` gets a gradient. As soon as it has changed, all of f gets one.",
)
class ReZero(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f
        self.alpha = nn.Parameter(torch.tensor(0.0))

    def forward(self, x):
        return x + self.alpha * self.f(x)


# -- 5.3 ------------------------------------------------------------------
def exactly_one_cases(seed):
    rng = random.Random(seed)
    for n in (4, 5, 7):
        for k in (1, 2, n - 1, n):
            chosen = rng.sample(range(n), k)
            yield n, [int(i in chosen) for i in range(n)]


def try_units(answer, n, x):
    found = answer(n)
    if not isinstance(found, tuple | list) or len(found) != 3:
        raise Problem(f"It must return three things, `up, bias, down`; this is {a(found)}.")
    try:
        up, bias, down = (torch.as_tensor(part, dtype=torch.float32) for part in found)
    except (TypeError, ValueError):
        raise Problem("`up`, `bias` and `down` must be tensors, or lists of numbers.") from None
    if up.ndim != 2 or up.shape[1] != n or bias.shape != up.shape[:1] or down.shape != up.shape[:1]:
        shapes = ", ".join(str(tuple(part.shape)) for part in (up, bias, down))
        raise Problem(
            f"For n = {n}, the shapes of `up`, `bias` and `down` are {shapes}. They must be (units, {n}), "
            "(units,) and (units,), with one row of `up` for each hidden unit."
        )
    hidden = F.relu(up @ torch.tensor(x).float() + bias)
    return (hidden @ down).item()


def units(n, bias, down):
    """Hidden units that all add the inputs up."""
    return torch.ones(len(bias), n), torch.tensor(bias).float(), torch.tensor(down).float()


@chapter.function(
    "5.3 Exactly one of n ★★",
    inputs="""
        1, [0] || 1, [1] || 2, [0, 0] || 2, [0, 1] || 2, [1, 0] || 2, [1, 1] || 3, [0, 0, 0] || 3, [1, 0, 0]
        3, [1, 1, 0] || 3, [1, 1, 1] || 18, [0] * 7 + [1] + [0] * 10 || 18, [0] + [1] * 17 || 18, [1] * 18
    """,
    cases=exactly_one_cases,
    call=try_units,
    shown="{f}({0}), tried on {1}",
    mistakes="""
        = units(n, [0], [1])
            One unit that adds up the inputs counts them, and its output never comes down again. Which second
            unit is on only if too many are true?
        = units(n, [0, -1], [1, -1])
            That is 1 for 'at least one'. From two on, something must bring it down to 0.
        = units(n, [0, -1], [1, -2])
            This is right for none, one and two. At three, the second unit pulls the output below 0. A third
            unit must stop it.
        = units(n, [1 - n], [1])
            That is 1 only if all of them are true. It should be 1 if exactly one is.
    """,
    right="Three hidden units suffice for any number of inputs. No linear map can go up and come down.",
)
def exactly_one(n):
    up = torch.ones(3, n)
    bias = torch.tensor([0.0, -1.0, -2.0])
    down = torch.tensor([1.0, -2.0, 1.0])
    return up, bias, down


# -- 5.4 ------------------------------------------------------------------
def by_length_cases(seed):
    rng = random.Random(seed)
    return [([round(rng.uniform(-1, 1.5), 2) for _ in range(n)],) for n in (4, 5, 7)]


@chapter.function(
    "5.4 Sixteen million paths ★★",
    inputs="""
        [] || [0.5] || [0.0] || [0.5, 0.25] || [2.0, 3.0, 5.0] || [0.5, -0.5] || [0.5, 0.0, 2.0]
        [0.75] * 13
    """,
    cases=by_length_cases,
    mistakes="""
        = [float(math.comb(len(slopes), k)) for k in range(len(slopes) + 1)]
            You counted the paths. The weight of a path is the product of the slopes on it.
        = it[1:]
            The path that goes through no layer is missing. It comes first and has the weight 1.
        range(len(slopes), 0, -1) => range(1, len(slopes) + 1)
            Some paths go through the same layer twice. If you update a list from its beginning, the new
            layer's own contribution is used again.
        = [math.prod(slopes[:k]) for k in range(len(slopes) + 1)]
            Those are only the paths through the first layers. A path may also go around the first layer, or
            around one in between.
    """,
    right="For 24 layers with slopes of 0.35, paths through at most ten layers carry 97 % of the gradient.",
)
def by_length(slopes):
    shares = [1.0] + [0.0] * len(slopes)
    for slope in slopes:
        for k in range(len(slopes), 0, -1):
            shares[k] += shares[k - 1] * slope
    return shares


# -- 5.5 ------------------------------------------------------------------
def fold_cases(seed):
    torch.manual_seed(seed)
    small_norm, small = LayerNorm(2), nn.Linear(2, 2)
    small_norm.weight.data = torch.tensor([2.0, 3.0])
    small_norm.bias.data = torch.tensor([1.0, -1.0])
    small.weight.data = torch.tensor([[1.0, 4.0], [2.0, 5.0]])
    small.bias.data = torch.tensor([10.0, 20.0])
    yield small_norm, small, torch.tensor([[1.0, 3.0]])
    for wide, out in [(3, 5), (7, 4), (6, 11), (4, 1), (5, 2)]:
        norm, linear = LayerNorm(wide), nn.Linear(wide, out)
        if out != 2:  # a norm that has learned nothing yet
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
        if out == 1:
            norm.weight.data = torch.tensor([0.0, 1e-3, -2.0, 100.0])
        yield norm, linear, torch.randn(2, 3, wide)


def use_folded(answer, norm, linear, x):
    made = answer(norm, linear)
    if not isinstance(made, nn.Linear) or made.bias is None:
        raise Problem(f"It must return an `nn.Linear`, with a weight and a bias; this is {a(made)}.")
    if made is linear:
        raise Problem(
            "It returns the layer that it was given. Make a new `nn.Linear`; the old one is still in use."
        )
    with torch.no_grad():
        found = {"weight": made.weight.detach().clone(), "bias": made.bias.detach().clone()}
        if found["weight"].shape == linear.weight.shape and found["bias"].shape == linear.bias.shape:
            found["output"] = made(F.layer_norm(x, x.shape[-1:], eps=norm.eps))
        if shares_memory(made, norm, linear):
            raise Problem(
                "The new layer shares its numbers with the old ones, so training the new layer would change "
                "the old ones, too. Copy the numbers."
            )
    return found


def shares_memory(made, norm, linear):
    """Whether what is done to the new layer is done to the old ones."""
    old = [*norm.parameters(), *linear.parameters()]
    before = [p.clone() for p in old]
    for p in made.parameters():
        p += 1
    changed = any(not torch.equal(p, was) for p, was in zip(old, before, strict=True))
    for p in made.parameters():
        p -= 1
    for p, was in zip(old, before, strict=True):
        p.copy_(was)
    return changed


@chapter.function(
    "5.5 Folding the scale into the next layer ★★",
    cases=fold_cases,
    call=use_folded,
    shown="{f}(norm, linear), tried on x = {2}",
    mistakes="""
        linear.weight * norm.weight => linear.weight * norm.weight[:, None]
            You scaled the rows of the matrix. The norm scales the inputs, and these meet its columns.
        + linear.weight @ norm.bias => + weight @ norm.bias
            You scaled the shift, too. It is added after the scale, so it goes through the old matrix.
        + linear.weight @ norm.bias =>
            The scale is right, but the norm's shift is missing.
        linear.bias + =>
            The bias of the old linear layer is missing.
        linear.weight * norm.weight => linear.weight
            The shift is right, but the norm's scale is missing.
        linear.weight @ norm.bias => norm.bias
            The norm's shift must go through the matrix before it is added to the bias.
    """,
    right="Before a linear layer, scale and shift add nothing that the layer could not do itself.",
)
def fold(norm, linear):
    weight = linear.weight * norm.weight
    bias = linear.bias + linear.weight @ norm.bias
    folded = nn.Linear(weight.shape[1], weight.shape[0])
    folded.weight = nn.Parameter(weight.detach().clone())
    folded.bias = nn.Parameter(bias.detach().clone())
    return folded


# -- 5.6 ------------------------------------------------------------------
def parallel_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = [
        (1, 2, 4, 2, 3),
        (1, 3, 6, 2, 5),
        (2, 5, 12, 3, 7),
        (1, 6, 4, 2, 5),
        (3, 1, 6, 3, 4),
    ]  # B, T, C, H, F
    if seed == 0:
        sizes.append((1, 300, 4, 2, 3))
    for B, T, C, H, d_ff in sizes:
        shapes = [(B, T, C), (3 * C + d_ff, C), (3 * C + d_ff,), (C, C + d_ff), (C,), (C,), (C,)]
        x, *weights = (torch.randn(shape, generator=generator) for shape in shapes)
        weights = [w / w.shape[-1] ** 0.5 if w.ndim == 2 else w for w in weights]
        if T == 6:  # large scores: what is hidden must be hidden from them, too
            weights[0][: 2 * C] *= 5
            x = F.layer_norm(x, (C,))  # of even vectors, the norm would blow up what rounding did
        if T == 1:  # small vectors, where the norm's epsilon counts
            x = x / 50
        yield C, H, d_ff, x, weights


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


@chapter.function(
    "5.6 Attention and MLP in parallel ★★★",
    cases=parallel_cases,
    call=use_parallel,
    shown="{f}({0}, {1}, {2})(x), x = {3}",
    tolerance=3e-5,
    mistakes="""
        , is_causal=True =>
            Positions see later positions. Attention must be causal here, too.
        - return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        + return x[:, None]
            You made one head of width C. Split q, k and v into `n_heads` heads before attention.
        is_causal=True => is_causal=True, scale=1.0
            The scores are not divided by the root of a head's width.
        is_causal=True => is_causal=True, scale=x.shape[-1] ** -0.5
            The scores are divided by the root of C. Divide by the root of one head's width.
        fetched.transpose(1, 2).flatten(2) => fetched.reshape(x.shape)
            Heads and positions are mixed up. (B, H, T, D) must become (B, T, H, D) before it becomes
            (B, T, C).
        - return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        + return x.unflatten(-1, (-1, self.n_heads)).permute(0, 3, 1, 2)
            The numbers are given to the heads in turn. Each head must get D neighboring numbers: split into
            heads first, then width.
        F.gelu(up, approximate="tanh") => up
            The hidden units have no nonlinearity. GELU is missing between `read` and `write`.
        , approximate="tanh" =>
            Close. GELU comes in two forms, and the chapter's `MLP` uses the tanh one.
        [fetched, hidden] => [hidden, fetched]
            `write` gets the hidden units first. The result of attention must come first.
        q, k, v, up = self => k, q, v, up = self
            Queries and keys are exchanged. `read` gives q, then k, then v, then the hidden units' inputs.
        self.read(self.norm(x)) => self.read(x)
            The norm is not used. Attention and hidden units both read the stream through it.
        return x + => return self.norm(x) +
            The residual connection must start before the norm. Add to x itself.
    """,
    right="Six matrix products have become two, and neither part of the block waits for the other.",
)
class Parallel(nn.Module):
    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.n_heads = n_heads
        self.sizes = (d_model, d_model, d_model, d_ff)
        self.norm = nn.LayerNorm(d_model)
        self.read = nn.Linear(d_model, 3 * d_model + d_ff)
        self.write = nn.Linear(d_model + d_ff, d_model)

    def heads(self, x):
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def forward(self, x):
        q, k, v, up = self.read(self.norm(x)).split(self.sizes, dim=-1)
        q, k, v = (self.heads(part) for part in (q, k, v))
        fetched = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        fetched = fetched.transpose(1, 2).flatten(2)
        hidden = F.gelu(up, approximate="tanh")
        return x + self.write(torch.cat([fetched, hidden], dim=-1))
