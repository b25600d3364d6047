"""Answers to chapter 5's exercises."""

import math
from itertools import combinations

import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests
from torch import nn

from companion.attention import CausalSelfAttention, attend
from companion.blocks import MLP, LayerNorm
from companion.exercises.ch05.ex5 import fold_cases

# -- 5.1 ------------------------------------------------------------------


def by_squares():
    mean_square = 1.0
    for _ in range(24):
        mean_square += 0.5**2  # attention
        mean_square += 0.5**2  # MLP
    return math.sqrt(mean_square)


def by_drawing():
    stream = torch.randn(100_000)
    for _ in range(48):
        stream += 0.5 * torch.randn(100_000)
    return stream.square().mean().sqrt()


# -- 5.2 ------------------------------------------------------------------


class OneNumber(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f, self.alpha = f, nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.alpha * self.f(x)


class BlockOfOne(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(0.0))
        self.layers = nn.ModuleList([f])

    def forward(self, x):
        (f,) = self.layers
        return torch.add(x, f(x) * self.alpha)


class Lerp(OneNumber):
    def forward(self, x):
        return torch.lerp(x, x + self.f(x), self.alpha)


class FromOne(OneNumber):
    def __init__(self, f):
        super().__init__(f)
        self.alpha = nn.Parameter(torch.ones(1))


class FromATenth(OneNumber):
    def __init__(self, f):
        super().__init__(f)
        self.alpha = nn.Parameter(torch.tensor(0.1))


class AroundBoth(OneNumber):
    def forward(self, x):
        return self.alpha * (x + self.f(x))


class Mixture(OneNumber):
    def forward(self, x):
        return torch.lerp(x, self.f(x), self.alpha)


class NoX(OneNumber):
    def forward(self, x):
        return self.alpha * self.f(x)


class InsideF(OneNumber):
    def forward(self, x):
        return x + self.f(self.alpha * x)


class PlainTensor(OneNumber):
    def __init__(self, f):
        super().__init__(f)
        del self.alpha
        self.alpha = torch.zeros(1, requires_grad=True)


class PlainNumber(OneNumber):
    def __init__(self, f):
        super().__init__(f)
        del self.alpha
        self.alpha = 0.0


class OnePerPlace(OneNumber):
    def __init__(self, f):
        super().__init__(f)
        self.alpha = nn.Parameter(torch.zeros(2))


class HiddenF(OneNumber):
    def __init__(self, f):
        super().__init__(nn.Identity())
        self.hidden = [f]

    def forward(self, x):
        return x + self.alpha * self.hidden[0](x)


class InPlace(OneNumber):
    def forward(self, x):
        x += self.alpha * self.f(x)
        return x


class Detached(OneNumber):
    def forward(self, x):
        return x + self.alpha * self.f(x).detach()


# -- 5.3 ------------------------------------------------------------------


def three_rules(n):
    return torch.ones(3, n), torch.tensor([0.0, -1.0, -2.0]), torch.tensor([1.0, -2.0, 1.0])


def in_lists(n):
    return [[2] * n, [1] * n, [1] * n], [-2, 0, -2], [-1, 1, 1]


def one_rule_each(n):
    """Input i alone: a rule that is on only where i is 1 and all others are 0."""
    return 2 * torch.eye(n) - torch.ones(n, n), torch.zeros(n), torch.ones(n)


def counts(n):
    return torch.ones(1, n), torch.zeros(1), torch.ones(1)


def any_of_them(n):
    return torch.ones(2, n), torch.tensor([0.0, -1.0]), torch.tensor([1.0, -1.0])


def either_of_two(n):
    return torch.ones(2, n), torch.tensor([0.0, -1.0]), torch.tensor([1.0, -2.0])


def all_of_them(n):
    return [[1.0] * n], [1.0 - n], [1.0]


def exactly_two(n):
    return torch.ones(3, n), torch.tensor([-1.0, -2, -3]), torch.tensor([1.0, -2, 1])


def signs_turned(n):
    return torch.ones(3, n), torch.tensor([0.0, 1, 2]), torch.tensor([1.0, -2, 1])


def transposed(n):
    up, bias, down = three_rules(n)
    return up.T, bias, down


# -- 5.4 ------------------------------------------------------------------


def by_subsets(slopes):
    n = len(slopes)
    return [float(sum(math.prod(way) for way in combinations(slopes, k))) for k in range(n + 1)]


def by_updating(slopes):
    shares = [1.0] + [0.0] * len(slopes)
    for done, slope in enumerate(slopes):
        for k in range(done, -1, -1):
            shares[k + 1] += shares[k] * slope
    return shares


def by_recursion(slopes):
    if not slopes:
        return [1.0]
    *below, slope = slopes
    around = by_recursion(below)
    return [a + b for a, b in zip(around + [0.0], [0.0] + [slope * s for s in around], strict=True)]


def from_the_beginning(slopes):
    shares = [1.0] + [0.0] * len(slopes)
    for slope in slopes:
        for k in range(len(slopes)):
            shares[k + 1] += shares[k] * slope
    return shares


def number_of_ways(slopes):
    return [float(math.comb(len(slopes), k)) for k in range(len(slopes) + 1)]


def without_the_direct(slopes):
    return by_subsets(slopes)[1:]


def without_the_longest(slopes):
    return by_subsets(slopes)[:-1]


def all_orders(slopes):
    return [s * math.factorial(k) for k, s in enumerate(by_subsets(slopes))]


def first_layers(slopes):
    return [float(math.prod(slopes[:k])) for k in range(len(slopes) + 1)]


def whole_slope(slopes):
    return math.prod(1 + slope for slope in slopes)


# -- 5.5 ------------------------------------------------------------------


def into_a_new_one(norm, linear):
    made = nn.Linear(linear.in_features, linear.out_features)
    with torch.no_grad():
        made.weight.copy_(linear.weight * norm.weight)
        made.bias.copy_(linear(norm.bias))
    return made


def by_a_diagonal(norm, linear):
    made = nn.Linear(*linear.weight.T.shape)
    made.weight.data = linear.weight.data @ torch.diag(norm.weight.data)
    made.bias.data = linear.bias.data + (linear.weight.data * norm.bias.data).sum(1)
    return made


def by_asking(norm, linear):
    """The columns are what the two make of unit vectors."""

    def both(x):
        return linear(norm.weight * x + norm.bias)

    with torch.no_grad():
        unit, zero = torch.eye(linear.in_features), torch.zeros(linear.in_features)
        made = nn.Linear(linear.in_features, linear.out_features)
        made.weight.copy_((both(unit) - both(zero)).T)
        made.bias.copy_(both(zero))
    return made


def on_proven_parts(norm, linear):
    ours = LayerNorm(linear.in_features)
    ours.load_state_dict(norm.state_dict())
    return into_a_new_one(ours, linear)


def changed(weight=lambda W, w, b: W * w, bias=lambda W, w, b, c: c + W @ b):
    def fold(norm, linear):
        W, c, w, b = linear.weight.data, linear.bias.data, norm.weight.data, norm.bias.data
        made = nn.Linear(linear.in_features, linear.out_features)
        made.weight.data, made.bias.data = weight(W, w, b).clone(), bias(W, w, b, c).clone()
        return made

    return fold


def in_place(norm, linear):
    with torch.no_grad():
        linear.bias += linear.weight @ norm.bias
        linear.weight *= norm.weight
    return linear


def half_in_place(norm, linear):
    made = nn.Linear(linear.in_features, linear.out_features)
    made.weight.data = linear.weight.data.mul_(norm.weight.data)
    made.bias.data = linear.bias.data
    return made


def no_layer(norm, linear):
    return linear.weight * norm.weight


# -- 5.6 ------------------------------------------------------------------


class ByAttend(nn.Module):
    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.d_model, self.n_heads, self.d_ff = d_model, n_heads, d_ff
        self.norm = LayerNorm(d_model)
        self.read = nn.Linear(d_model, 3 * d_model + d_ff)
        self.write = nn.Linear(d_model + d_ff, d_model)

    def forward(self, x):
        C = self.d_model
        q, k, v, up = self.read(self.norm(x)).split([C, C, C, self.d_ff], dim=-1)
        q, k, v = (t.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for t in (q, k, v))
        out = attend(q, k, v).transpose(1, 2).flatten(2)
        return x + self.write(torch.cat([out, F.gelu(up, approximate="tanh")], dim=-1))


class ByParts(nn.Module):
    """Keeps two linear layers and cuts them into the chapter's parts when it runs."""

    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.n_heads = n_heads
        self.norm, self.read = nn.LayerNorm(d_model), nn.Linear(d_model, 3 * d_model + d_ff)
        self.write = nn.Linear(d_model + d_ff, d_model)

    def forward(self, x):
        C, h = x.shape[-1], self.norm(x)
        attn, mlp = CausalSelfAttention(C, self.n_heads), MLP(C, self.read.out_features - 3 * C)
        names = ["q_proj", "k_proj", "v_proj"]
        own = {f"{name}.weight": self.read.weight[i * C : i * C + C] for i, name in enumerate(names)}
        own |= {f"{name}.bias": self.read.bias[i * C : i * C + C] for i, name in enumerate(names)}
        own |= {"o_proj.weight": self.write.weight[:, :C], "o_proj.bias": self.write.bias}
        rules = {"up_proj.weight": self.read.weight[3 * C :], "up_proj.bias": self.read.bias[3 * C :]}
        rules |= {"down_proj.weight": self.write.weight[:, C:], "down_proj.bias": 0 * self.write.bias}
        call = torch.func.functional_call
        return x + call(attn, own, (h,)) + call(mlp, rules, (h,))


class ByLoops(nn.Module):
    future = 0.0

    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.C, self.H = d_model, n_heads
        self.norm = nn.LayerNorm(d_model)
        self.read = nn.Linear(d_model, 3 * d_model + d_ff)
        self.write = nn.Linear(d_model + d_ff, d_model)

    def forward(self, x):
        r, D, heads = self.read(self.norm(x)), self.C // self.H, []
        mask = torch.full((x.shape[1], x.shape[1]), -math.inf).triu(1) if self.future == 0 else 0
        for i in range(self.H):
            q, k, v = (r[..., s * self.C + i * D : s * self.C + (i + 1) * D] for s in range(3))
            heads.append((q @ k.mT / math.sqrt(D) + mask).softmax(-1) @ v)
        return self.end(x, torch.cat(heads, -1), r[..., 3 * self.C :])

    def end(self, x, fetched, up):
        return x + self.write(torch.cat([fetched, F.gelu(up, approximate="tanh")], -1))


class NoMask(ByLoops):
    future = 1.0


class NoBend(ByLoops):
    def end(self, x, fetched, up):
        return x + self.write(torch.cat([fetched, up], -1))


class Erf(ByLoops):
    def end(self, x, fetched, up):
        return x + self.write(torch.cat([fetched, F.gelu(up)], -1))


class RulesFirst(ByLoops):
    def end(self, x, fetched, up):
        return x + self.write(torch.cat([F.gelu(up, approximate="tanh"), fetched], -1))


class Replaces(ByLoops):
    def end(self, x, fetched, up):
        return self.write(torch.cat([fetched, F.gelu(up, approximate="tanh")], -1))


class AddsTheNormed(ByLoops):
    def end(self, x, fetched, up):
        return super().end(self.norm(x), fetched, up)


class NoNorm(ByLoops):
    def forward(self, x):
        norm, self.norm = self.norm, nn.Identity()
        out = super().forward(x)
        self.norm = norm
        return out


class FlattenedAsItIs(ByLoops):
    def forward(self, x):
        *qkv, up = self.read(self.norm(x)).split([self.C] * 3 + [self.write.in_features - self.C], dim=-1)
        q, k, v = (t.unflatten(-1, (self.H, -1)).transpose(1, 2) for t in qkv)
        return self.end(x, F.scaled_dot_product_attention(q, k, v, is_causal=True).reshape(x.shape), up)


class FourLayers(ByLoops):
    def __init__(self, d_model, n_heads, d_ff):
        super().__init__(d_model, n_heads, d_ff)
        self.q_proj = nn.Linear(d_model, d_model)


class OtherNames(nn.Module):
    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.norm, self.inner = nn.LayerNorm(d_model), nn.Linear(d_model, 3 * d_model + d_ff)


class NoRoomForRules(ByLoops):
    def __init__(self, d_model, n_heads, d_ff):
        super().__init__(d_model, n_heads, d_ff)
        self.read = nn.Linear(d_model, 3 * d_model)


ANSWERS = {
    "5.1": Answers(
        right=[3.606, by_squares, by_drawing, lambda: 13**0.5],
        wrong=[
            (25, "You added the sizes"),
            (13, "That is the mean square"),
            (lambda: 7**0.5, "24 writings"),
            (12**0.5, "the writings alone"),
            (5, "is not 0.5"),
            (lambda: 1.5**48, "Nothing is multiplied"),
            (lambda: 1.12**48, "meet a larger stream"),
            (lambda: math.sqrt(1 + 0.25) ** 48, "meet a larger stream"),
            (4.46, "square them as well"),
            (7, "half of its size"),
            (1, "too low"),
        ],
    ),
    "5.2": Answers(
        right=[OneNumber, BlockOfOne, Lerp],
        wrong=[
            (FromOne, "full volume from the start"),
            (FromATenth, "first at ['at birth: output']"),
            (AroundBoth, "turns down the way around, too"),
            (Mixture, "you take x away"),
            (NoX, "The way around is missing"),
            (InsideF, "You scale what f reads"),
            (PlainTensor, "no optimizer finds it"),
            (PlainNumber, "Its `alpha` is a float"),
            (OnePerPlace, "has 2 numbers"),
            (HiddenF, "first at ['parameters']"),
            (InPlace, "RuntimeError"),
            (Detached, "f can never learn"),
            (lambda f: lambda x: x, "must be an `nn.Module`"),
        ],
    ),
    "5.3": Answers(
        right=[three_rules, in_lists, one_rule_each],
        wrong=[
            (counts, "counts them; it never says no"),
            (any_of_them, "at least one"),
            (either_of_two, "a third has to hold against it"),
            (all_of_them, "an 'and' of all of them"),
            (exactly_two, "Your bump stands at two"),
            (signs_turned, "no rule begins between 0 and n facts"),
            (transposed, "a rule is a row of `up`"),
            (lambda n: three_rules(n)[:2], "It must return three things"),
            (lambda n: ("up", "bias", "down"), "must be tensors, or lists of numbers"),
            (
                lambda n: (torch.ones(1, n), torch.zeros(1), torch.zeros(1)),
                "It always says 0",
            ),
        ],
    ),
    "5.4": Answers(
        right=[lambda slopes: torch.tensor(by_subsets(slopes)), by_subsets, by_updating, by_recursion],
        wrong=[
            (from_the_beginning, "through the same layer twice"),
            (number_of_ways, "You counted the ways"),
            (without_the_direct, "through no layer is missing"),
            (without_the_longest, "through all the layers is missing"),
            (lambda slopes: by_subsets(slopes)[::-1], "the wrong way round"),
            (all_orders, "You counted ways several times"),
            (first_layers, "through the first layers only"),
            (whole_slope, "an int where a list is expected"),
            (lambda slopes: [1.0, 2.0], "It gives the same for every input"),
        ],
    ),
    "5.5": Answers(
        right=[into_a_new_one, by_a_diagonal, by_asking, on_proven_parts],
        wrong=[
            (
                changed(weight=lambda W, w, b: w[:, None] * W),
                "You scaled the rows",
            ),
            (changed(bias=lambda W, w, b, c: c + (W * w) @ b), "The shift is scaled, too"),
            (changed(bias=lambda W, w, b, c: c), "the norm's shift got lost"),
            (changed(bias=lambda W, w, b, c: W @ b), "the linear layer had got lost"),
            (changed(weight=lambda W, w, b: W), "the norm's scale got lost"),
            (
                changed(bias=lambda W, w, b, c: c + b),
                "goes through the matrix, too",
            ),
            (changed(weight=lambda W, w, b: W / w), "as if to undo it"),
            (changed(weight=lambda W, w, b: (W * w).T), "transposed"),
            (in_place, "It returns the layer that it was given"),
            (half_in_place, "Your answer changes its input"),
            (no_layer, "It must return an `nn.Linear`"),
        ],
    ),
    "5.6": Answers(
        right=[ByAttend, ByParts, ByLoops],
        wrong=[
            (NoMask, "Positions see later ones"),
            (NoBend, "GELU is missing"),
            (Erf, "GELU comes in two forms"),
            (RulesFirst, "`write` got the rules' numbers first"),
            (Replaces, "It has to add to it"),
            (AddsTheNormed, "must start before the norm"),
            (NoNorm, "The norm is not used"),
            (FlattenedAsItIs, "on their way back"),
            (FourLayers, "more parameters than two linear layers"),
            (OtherNames, "Your block has no `read.weight`"),
            (NoRoomForRules, "The shape of `read.weight` is (12, 4)"),
        ],
    ),
}


class TestChapter5(ExerciseTests):
    answers = ANSWERS

    def test_every_linear_layer_to_fold_into_has_a_bias_as_the_text_says(self):
        assert all(linear.bias is not None for _, linear, _ in fold_cases(0))
