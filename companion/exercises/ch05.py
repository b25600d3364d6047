"""The checks of chapter 5, Blocks."""

import math
import random

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.exercise import Function, Number, Problem
from companion.exercises.values import a, show

# -- 5.1 ------------------------------------------------------------------

SWOLLEN = Number(
    number="5.1",
    title="How much the stream swells",
    stars=1,
    wants="size_at_the_top()",
    answer=math.sqrt(1 + 48 * 0.25),
    tolerance=0.02,
    mistakes=[
        (
            1 + 48 * 0.5,
            "You added the sizes. Then all 48 would have to push every number the same way; of random ones, "
            "most cancel. It is the mean squares that add up.",
        ),
        (1 + 48 * 0.25, "That is the mean square. The size is its root."),
        (
            math.sqrt(1 + 24 * 0.25),
            "That is for 24 writings. How many parts of a block write into the stream?",
        ),
        (math.sqrt(48 * 0.25), "Those are the writings alone. What was in the stream before is still there."),
        (math.sqrt(1 + 48 * 0.5), "Mean squares add up. The mean square of numbers of size 0.5 is not 0.5."),
        *(
            (
                each**48,
                "One writing swells a stream of size 1 by 1.12. The next ones meet a larger stream, and "
                "swell it by less.",
            )
            for each in (1.12, 1.118, math.sqrt(1.25))
        ),
        (1.5**48, "Nothing is multiplied here: a layer reads through a norm, and adds."),
        (
            1 + math.sqrt(48 * 0.25),
            "The embedding's numbers are random beside the others, too: square them as well.",
        ),
        (math.sqrt(49), "That would be for writings as large as the embedding. They are half of its size."),
    ],
    right="The stream grows like the root of the depth: each block changes it by a smaller share.",
)

# -- 5.2 ------------------------------------------------------------------


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
    found = {"parameters": sum(p.numel() for p in layer.parameters())}
    for name, value in [("at birth", None), ("with alpha at 0.5", 0.5)]:
        if value is not None:
            nn.init.constant_(alpha, value)
        layer.zero_grad()
        given = x.clone().requires_grad_()
        y = layer(given)
        if not isinstance(y, torch.Tensor) or y.shape != x.shape:
            raise Problem(f"The layer maps a tensor of shape {tuple(x.shape)} to {show(y)}.")
        if y.requires_grad:
            (y * up).sum().backward()
        wanted = {"x": given, "alpha": alpha, "the first weight of f": next(f.parameters())}
        found[f"{name}: output"] = y.detach()
        for what, tensor in wanted.items():
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            found[f"{name}: gradient of {what}"] = gradient.clone().flatten()
    return found


REZERO = Function(
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

# -- 5.3 ------------------------------------------------------------------


def exactly_one(n):
    return rules(n, [0, -1, -2], [1, -2, 1])


def rules(n, bias, down, up=1.0):
    return torch.full((len(bias), n), float(up)), torch.tensor(bias).float(), torch.tensor(down).float()


def exactly_one_cases(seed):
    rng = random.Random(seed)
    cases = [(1, [0]), (1, [1]), (2, [0, 0]), (2, [0, 1]), (2, [1, 0]), (2, [1, 1])]
    cases += [(3, [int(i < k) for i in range(3)]) for k in range(4)]
    for n in (4, 5, 7):
        yes = [rng.sample(range(n), k) for k in (1, 2, n - 1, n)]
        cases += [(n, [int(i in chosen) for i in range(n)]) for chosen in yes]
    return cases


def try_rules(answer, n, x):
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
            f"For n = {n}, the shapes of `up`, `bias` and `down` are {shapes}. They must be (rules, {n}), "
            "(rules,) and (rules,): a rule is a row of `up`."
        )
    hidden = F.relu(up @ torch.tensor(x).float() + bias)
    return (hidden @ down).item()


def first_two_only(n):
    up = torch.zeros(2, n)
    up[0, 0], up[1, 0] = 1, -1
    if n > 1:
        up[0, 1], up[1, 1] = -1, 1
    return up, torch.zeros(2), torch.ones(2)


EXACTLY_ONE = Function(
    number="5.3",
    title="Only if",
    stars=2,
    wants="exactly_one(n)",
    cases=exactly_one_cases,
    oracle=exactly_one,
    call=try_rules,
    shown="{f}({0}), tried on {1}",
    mistakes=[
        (
            lambda n: rules(n, [0], [1]),
            "One rule that adds the inputs up counts them; it never says no. Which second rule is on only "
            "when there are too many?",
        ),
        (
            lambda n: rules(n, [0, -1], [1, -1]),
            "That says 'at least one'. From two on, something must bring it down to 0.",
        ),
        (
            lambda n: rules(n, [0, -1], [1, -2]),
            "Right for none, one and two. At three the second rule pulls below 0: a third has to hold "
            "against it.",
        ),
        (
            lambda n: rules(n, [0, -1], [1, -n / (n - 1) if n > 1 else 0]),
            "Right for none, for one and for all, and wrong between them.",
        ),
        (
            lambda n: rules(n, [1 - n], [1]),
            "That is an 'and' of all of them. One is wanted, and no more.",
        ),
        (
            lambda n: rules(n, [-1, -2, -3], [1, -2, 1]),
            "Your bump stands at two. Move it down to one.",
        ),
        (
            lambda n: rules(n, [1, 0, -1], [1, -2, 1]),
            "Your bump stands at zero: it says 'none'. Move it up to one.",
        ),
        (
            first_two_only,
            "It compares the first two inputs and does not see the others.",
        ),
        (
            lambda n: rules(n, [0, 1, 2], [1, -2, 1]),
            "It always says 0: no rule bends between 0 and n facts. To wait for more takes a negative bias.",
        ),
    ],
    right="Three bends make a bump at one, for any number of inputs; no linear map has a bump.",
)

# -- 5.4 ------------------------------------------------------------------


def by_length(slopes):
    shares = [1.0]
    for slope in slopes:
        longer = [0.0, *(share * slope for share in shares)]
        shares = [s + t for s, t in zip([*shares, 0.0], longer, strict=True)]
    return shares


def by_length_cases(seed):
    rng = random.Random(seed)
    cases = [([],), ([0.5],), ([0.5, 0.25],), ([2.0, 3.0, 5.0],), ([0.5, -0.5],)]
    return cases + [([round(rng.uniform(-1, 1.5), 2) for _ in range(n)],) for n in (4, 5, 7)]


def with_repeats(slopes):
    shares = [1.0] + [0.0] * len(slopes)
    for slope in slopes:
        for k in range(len(slopes)):
            shares[k + 1] += shares[k] * slope
    return shares


def in_every_order(slopes):
    return [share * math.factorial(k) for k, share in enumerate(by_length(slopes))]


def only_the_first(slopes):
    return [math.prod(slopes[:k]) for k in range(len(slopes) + 1)]


def power_sums(slopes):
    return [1.0] + [sum(slope**k for slope in slopes) for k in range(1, len(slopes) + 1)]


def mean_slope(slopes):
    mean = sum(slopes) / max(1, len(slopes))
    return [math.comb(len(slopes), k) * mean**k for k in range(len(slopes) + 1)]


def counted(slopes):
    return [float(math.comb(len(slopes), k)) for k in range(len(slopes) + 1)]


def up_to(slopes):
    shares = by_length(slopes)
    return [sum(shares[: k + 1]) for k in range(len(shares))]


BY_LENGTH = Function(
    number="5.4",
    title="Sixteen million ways",
    stars=2,
    wants="by_length(slopes)",
    cases=by_length_cases,
    oracle=by_length,
    mistakes=[
        (counted, "You counted the ways. Each one weighs as much as the product of the slopes on it."),
        (
            lambda slopes: by_length(slopes)[1:],
            "The way that goes through no layer is missing: it stands first, and weighs 1.",
        ),
        (lambda slopes: by_length(slopes)[:-1], "The way through all the layers is missing: it stands last."),
        (
            lambda slopes: by_length(slopes)[::-1],
            "The list is the wrong way round: ways through no layer come first.",
        ),
        (
            with_repeats,
            "Some ways go through the same layer twice. Where a list is updated from its beginning, the "
            "layer's own contribution is used again.",
        ),
        (
            in_every_order,
            "You counted ways several times: through layers 1 and 2 there is one way, since 2 always comes "
            "after 1.",
        ),
        (
            only_the_first,
            "Those are ways through the first layers only. A way may also leave out the first, or one in "
            "between.",
        ),
        (power_sums, "Those are powers of single slopes. A way goes through different layers."),
        (mean_slope, "With the mean slope you get it nearly right. Each layer has a slope of its own."),
        (up_to, "You added up as you went: each entry has the ways of its own length only."),
    ],
    right="Of 24 layers with slopes of 0.35, ways through ten at most carry 97 % of the gradient.",
)

# -- 5.5 ------------------------------------------------------------------


def fold(norm, linear):
    return folded(linear.weight * norm.weight, linear.bias + linear.weight @ norm.bias)


def folded(weight, bias):
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight, made.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return made


def fold_cases(seed):
    torch.manual_seed(seed)
    small_norm, small = nn.LayerNorm(2), nn.Linear(2, 2)
    with torch.no_grad():
        small_norm.weight.copy_(torch.tensor([2.0, 3.0]))
        small_norm.bias.copy_(torch.tensor([1.0, -1.0]))
        small.weight.copy_(torch.tensor([[1.0, 4.0], [2.0, 5.0]]))
        small.bias.copy_(torch.tensor([10.0, 20.0]))
    cases = [(small_norm, small, torch.tensor([[1.0, 3.0]]))]
    for wide, out in [(3, 5), (7, 4), (6, 11)]:
        norm, linear = nn.LayerNorm(wide), nn.Linear(wide, out)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        cases.append((norm, linear, torch.randn(2, 3, wide)))
    return cases


def use_folded(answer, norm, linear, x):
    made = answer(norm, linear)
    for name in ("weight", "bias"):
        if not isinstance(getattr(made, name, None), torch.Tensor):
            raise Problem(f"It must return an `nn.Linear`, with a weight and a bias; this is {a(made)}.")
    if made is linear:
        raise Problem(
            "It returns the layer that it was given. Make a new `nn.Linear`; the old one is still in use."
        )
    with torch.no_grad():
        found = {"weight": made.weight.detach().clone(), "bias": made.bias.detach().clone()}
        if found["weight"].shape == linear.weight.shape and found["bias"].shape == linear.bias.shape:
            found["output"] = made(F.layer_norm(x, x.shape[-1:], eps=norm.eps))
        return found


FOLD = Function(
    number="5.5",
    title="The scale that was never needed",
    stars=2,
    wants="fold(norm, linear)",
    cases=fold_cases,
    oracle=fold,
    call=use_folded,
    shown="{f}(norm, linear), tried on x = {2}",
    mistakes=[
        (
            lambda norm, linear: folded(
                linear.weight * norm.weight[:, None]
                if len(linear.weight) == len(norm.weight)
                else linear.weight,
                linear.bias + linear.weight @ norm.bias,
            ),
            "You scaled the rows of the matrix. The norm scales what it reads, and that meets its columns.",
        ),
        (
            lambda norm, linear: folded(
                linear.weight * norm.weight, linear.bias + linear.weight * norm.weight @ norm.bias
            ),
            "The shift is scaled, too: it is added after the scale, so it meets the old matrix, not the new.",
        ),
        (
            lambda norm, linear: folded(linear.weight * norm.weight, linear.bias),
            "The scale is in, and the norm's shift got lost.",
        ),
        (
            lambda norm, linear: folded(linear.weight * norm.weight, linear.weight @ norm.bias),
            "The bias that the linear layer had got lost.",
        ),
        (
            lambda norm, linear: folded(linear.weight, linear.bias + linear.weight @ norm.bias),
            "The shift is in, and the norm's scale got lost.",
        ),
        (
            lambda norm, linear: folded(
                linear.weight * norm.weight,
                linear.bias
                + (norm.bias if len(linear.bias) == len(norm.bias) else linear.weight @ norm.bias),
            ),
            "The norm's shift goes through the matrix, too, before it meets the bias.",
        ),
        (
            lambda norm, linear: folded(linear.weight / norm.weight, linear.bias + linear.weight @ norm.bias),
            "You divided by the scale, as if to undo it. The new layer has to do it itself.",
        ),
        (
            lambda norm, linear: folded(linear.weight, linear.bias),
            "That is a copy of the linear layer: neither scale nor shift are in it.",
        ),
        (
            lambda norm, linear: folded(
                (linear.weight * norm.weight).T, linear.bias + linear.weight @ norm.bias
            ),
            "The matrix is transposed: `nn.Linear` keeps its weight as (outputs, inputs).",
        ),
    ],
    right="Before a linear layer, scale and shift say nothing that it could not say itself.",
)

# -- 5.6 ------------------------------------------------------------------


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
        return x + self.write(self.together(fetched, self.bend(up)))

    def heads(self, x):
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def attend(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def merge(self, x):
        return x.transpose(1, 2).flatten(2)

    def bend(self, x):
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


class NotBent(Parallel):
    def bend(self, x):
        return x


class OtherGelu(Parallel):
    def bend(self, x):
        return F.gelu(x)


class Relu(Parallel):
    def bend(self, x):
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
        return super().heads(self.bend(x))


def parallel_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = [(1, 2, 4, 2, 3), (1, 3, 6, 2, 5), (2, 5, 12, 3, 7)]  # B, T, C, H, F
    cases = []
    for B, T, C, H, d_ff in sizes:
        shapes = [(B, T, C), (3 * C + d_ff, C), (3 * C + d_ff,), (C, C + d_ff), (C,), (C,), (C,)]
        x, *weights = (torch.randn(shape, generator=generator) for shape in shapes)
        cases.append((C, H, d_ff, x, [w / w.shape[-1] ** 0.5 if w.ndim == 2 else w for w in weights]))
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


PARALLEL = Function(
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
        (NotBent, "The rules do not bend: GELU is missing between `read` and `write`."),
        (OtherGelu, "Close. GELU comes in two forms, and the chapter's `MLP` uses the tanh one."),
        (Relu, "The bend is ReLU; the chapter's `MLP` has GELU, in its tanh form."),
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

EXERCISES = [SWOLLEN, REZERO, EXACTLY_ONE, BY_LENGTH, FOLD, PARALLEL]
