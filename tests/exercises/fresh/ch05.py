"""Answers to chapter 5 by someone who had not read the checks."""

import copy
import functools
import itertools
import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from companion.attention import attend
from companion.blocks import LayerNorm

# 5.1: the number is sqrt(13) = 3.6056


def one_part_a_block():
    return math.sqrt(1 + 24 * 0.25)


def sizes_added():
    return 1 + 48 * 0.5


def root_of_sizes_added():
    return math.sqrt(1 + 48 * 0.5)


def mean_square_itself():
    return 1 + 48 * 0.25


def embedding_forgotten():
    return math.sqrt(48 * 0.25)


def by_a_factor_each_time():
    return 1.25**24


def one_writing_too_few():
    return math.sqrt(1 + 47 * 0.25)


def one_writing_too_many():
    return math.sqrt(1 + 49 * 0.25)


def three_for_two():
    return math.sqrt(1 + 36 * 0.5**2)


def only_the_example():
    return 1.12


def example_times_writings():
    return 1.12 * 48


def negative_root():
    return -math.sqrt(13)


def not_a_number():
    return math.nan


def in_words():
    return "about 3.6 or so"


def printed():
    print(math.sqrt(13))


def numpy_number():
    return np.sqrt(np.float64(13))


def tensor_number():
    return torch.tensor(13.0).sqrt()


def by_hypot():
    return math.hypot(1, *[0.5] * 48)


def tried_out():
    """As the hint says, with a seed of its own."""
    generator = torch.Generator().manual_seed(3)
    stream = torch.randn(400_000, generator=generator)
    for _ in range(48):
        stream += 0.5 * torch.randn(400_000, generator=generator)
    return stream.square().mean().sqrt()


# 5.2: x + alpha f(x)


class AlphaIsAFloat(nn.Module):
    """Nothing to learn."""

    def __init__(self, f):
        super().__init__()
        self.f, self.alpha = f, 0.0

    def forward(self, x):
        return x + self.alpha * self.f(x)


class RightReZero(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f, self.alpha = f, nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.alpha * self.f(x)


class AlphaIsABuffer(RightReZero):
    """The optimizer does not see it."""

    def __init__(self, f):
        nn.Module.__init__(self)
        self.f = f
        self.register_buffer("alpha", torch.zeros(1))


class StartsAtOne(RightReZero):
    def __init__(self, f):
        super().__init__(f)
        nn.init.ones_(self.alpha)


class StartsNearZero(RightReZero):
    """A ten-thousandth at birth."""

    def __init__(self, f):
        super().__init__(f)
        nn.init.constant_(self.alpha, 1e-4)


class ScalesTheStream(RightReZero):
    def forward(self, x):
        return self.alpha * x + self.f(x)


class ScalesBoth(RightReZero):
    def forward(self, x):
        return self.alpha * (x + self.f(x))


class NoWayAround(RightReZero):
    def forward(self, x):
        return self.alpha * self.f(x)


class Blend(RightReZero):
    """(1 - alpha) x: wrong at any alpha but 0."""

    def forward(self, x):
        return (1 - self.alpha) * x + self.alpha * self.f(x)


class HidesTheLayer(RightReZero):
    """The weights of f are in a list, so the optimizer does not find them."""

    def __init__(self, f):
        nn.Module.__init__(self)
        self.hidden, self.alpha = [f], nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.alpha * self.hidden[0](x)


class CopiesTheLayer(RightReZero):
    """Trains a copy: f's own weights, changed afterwards, change nothing."""

    def __init__(self, f):
        super().__init__(copy.deepcopy(f))


class SkipsAtZero(RightReZero):
    """Hands on x while alpha is 0, so alpha never learns."""

    def forward(self, x):
        return x if self.alpha == 0 else x + self.alpha * self.f(x)


class ClampedAlpha(RightReZero):
    """alpha = -1 or 2."""

    def forward(self, x):
        return x + self.alpha.clamp(0, 1) * self.f(x)


class TanhAlpha(RightReZero):
    def forward(self, x):
        return x + self.alpha.tanh() * self.f(x)


class LayerWithoutGradient(RightReZero):
    """Nothing in f learns."""

    def forward(self, x):
        return x + self.alpha * self.f(x).detach()


class StreamWithoutGradient(RightReZero):
    """The way around is cut on the way back."""

    def forward(self, x):
        return x.detach() + self.alpha * self.f(x)


class InPlace(RightReZero):
    """Changes the caller's x."""

    def forward(self, x):
        with torch.no_grad():
            x += self.alpha * self.f(x)
        return x


class OneAlphaForAll(nn.Module):
    """All layers share one alpha, which no layer owns."""

    alpha = nn.Parameter(torch.zeros(1))

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return x + self.alpha * self.f(x)


class SharedParameter(RightReZero):
    """All layers share one alpha, and each owns it: setting one sets all."""

    knob = nn.Parameter(torch.zeros(1))

    def __init__(self, f):
        nn.Module.__init__(self)
        self.f, self.alpha = f, SharedParameter.knob


class FrozenAlpha(RightReZero):
    def __init__(self, f):
        super().__init__(f)
        self.alpha.requires_grad_(False)


class AlphaForEachPlace(RightReZero):
    """Not a single number, and only for a width of 12."""

    def __init__(self, f):
        nn.Module.__init__(self)
        self.f, self.alpha = f, nn.Parameter(torch.zeros(12))


class AlphaHasAnotherName(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f, self.scale = f, nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.scale * self.f(x)


class AlphaIsDouble(RightReZero):
    """float64 comes out of float32: the next layer refuses it."""

    def __init__(self, f):
        nn.Module.__init__(self)
        self.f, self.alpha = f, nn.Parameter(torch.zeros(1, dtype=torch.float64))


class KnobWithoutDimensions(RightReZero):
    def __init__(self, f):
        nn.Module.__init__(self)
        self.f, self.alpha = f, nn.Parameter(torch.tensor(0.0))


class Registered(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.register_parameter("alpha", nn.Parameter(torch.zeros(())))
        self.add_module("inner", f)

    def forward(self, x):
        return torch.addcmul(x, self.alpha.expand_as(x), self.inner(x))


class InASequence(nn.Sequential):
    """Owns f as its first member."""

    def __init__(self, f):
        super().__init__(f)
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return torch.stack([x, self.alpha * super().forward(x)]).sum(0)


# 5.3: exactly one of n facts


def only_for_two(n):
    return torch.ones(3, 2), torch.tensor([0.0, -1, -2]), torch.tensor([1.0, -2, 1])


def two_rules(n):
    """-1 at three facts."""
    return torch.ones(2, n), torch.tensor([0.0, -1]), torch.tensor([1.0, -2])


def at_least_one(n):
    return torch.ones(2, n), torch.tensor([0.0, -1]), torch.tensor([1.0, -1])


def both(n):
    return [[1.0] * n], [-1.0], [1.0]


def at_most_one(n):
    """Says 1 of no facts."""
    return -torch.ones(2, n), torch.tensor([2.0, 1.0]), torch.tensor([1.0, -1])


def steeper_third(n):
    """1 at three facts."""
    return torch.ones(3, n), torch.tensor([0.0, -1, -2]), torch.tensor([1.0, -2, 2])


def nearly_level(n):
    """0.01 off at three facts, 0.02 at four."""
    return torch.ones(3, n), torch.tensor([0.0, -1, -2]), torch.tensor([1.0, -2, 0.99])


def turned_round(n):
    """up is (n, rules): fits for three facts only."""
    return torch.ones(n, 3), torch.tensor([0.0, -1, -2]), torch.tensor([1.0, -2, 1])


def pairs_taken_off(n):
    """-3 at three facts."""
    pairs = [[float(i in pair) for i in range(n)] for pair in itertools.combinations(range(n), 2)]
    up = [[1.0] * n, *pairs]
    return torch.tensor(up), torch.tensor([0.0] + [-1.0] * len(pairs)), [1.0] + [-2.0] * len(pairs)


def weak_others(n):
    """At two facts each rule still says a half."""
    up = 1.5 * torch.eye(n) - 0.5
    return up, torch.zeros(n), torch.ones(n)


def endless_others(n):
    """0 times -inf is NaN."""
    up = torch.full((n, n), -math.inf)
    return up.fill_diagonal_(1.0), torch.zeros(n), torch.ones(n)


def parity_of_four(n):
    """Says 1 at three facts: either, but not both, once more."""
    return torch.ones(4, n), torch.tensor([0.0, -1, -2, -3]), torch.tensor([1.0, -2, 2, -2])


def first_two_only(n):
    """Does not read the third fact."""
    up = torch.zeros(3, n)
    up[:, :2] = 1
    return up, torch.tensor([0.0, -1, -2]), torch.tensor([1.0, -2, 1])


def last_not_read(n):
    up = torch.ones(3, n)
    up[:, -1] = 0
    return up, torch.tensor([0.0, -1, -2]), torch.tensor([1.0, -2, 1])


@functools.cache
def _first_n():
    return []


def first_call_kept(n):
    """Right at its first call only."""
    kept = _first_n()
    kept.append(n)
    return torch.ones(3, kept[0]), torch.tensor([0.0, -1, -2]), torch.tensor([1.0, -2, 1])


def up_to_six(n):
    """-6 s + 37 at seven facts: a hat that comes back."""
    return torch.ones(4, n), torch.tensor([0.0, -1, -2, -6]), torch.tensor([1.0, -2, 1, 1])


def up_to_sixteen(n):
    """Twenty facts, of which eighteen are true."""
    return torch.ones(4, n), torch.tensor([0.0, -1, -2, -16]), torch.tensor([1.0, -2, 1, 1])


def a_rule_for_each_fact(n):
    return 2 * torch.eye(n) - 1, torch.zeros(n), torch.ones(n)


def lists_of_integers(n):
    return [[1] * n] * 3, [0, -1, -2], [1, -2, 1]


def numpy_rules(n):
    """Half a unit lower and twice as loud."""
    up = 2 * np.eye(n, dtype=np.float32) - 1
    return torch.from_numpy(up), torch.full((n,), -0.5), torch.full((n,), 2.0)


def with_idle_rules(n):
    """Some rules say nothing; a tuple of tuples."""
    rows = tuple((1.0,) * n for _ in range(5))
    return rows, (0.0, -1.0, -2.0, -0.5, 0.0), (1.0, -2.0, 1.0, 0.0, 0.0)


# 5.4: ways by length


def by_length(slopes):
    weights = [1.0]
    for slope in slopes:
        weights = [a + slope * b for a, b in zip([*weights, 0.0], [0.0, *weights], strict=True)]
    return weights


def mean_slope(slopes):
    """Slopes that differ."""
    n = len(slopes)
    mean = sum(slopes) / n if n else 0.0
    return [math.comb(n, k) * mean**k for k in range(n + 1)]


def shares_of_all(slopes):
    weights = by_length(slopes)
    return [w / sum(weights) for w in weights]


def longest_way_missing(slopes):
    return by_length(slopes)[:-1]


def shortest_way_missing(slopes):
    return by_length(slopes)[1:]


def from_the_top(slopes):
    """By layers gone around."""
    return by_length(slopes)[::-1]


def without_signs(slopes):
    """A negative slope."""
    return by_length([abs(s) for s in slopes])


def empty_for_no_layer(slopes):
    return by_length(slopes) if slopes else []


def zeros_left_out(slopes):
    """A layer of slope 0 still counts in the length of the list."""
    return by_length([s for s in slopes if s])


def same_layer_again(slopes):
    """In place and upward: a way through one layer twice."""
    weights = [1.0] + [0.0] * len(slopes)
    for s in slopes:
        for k in range(1, len(weights)):
            weights[k] += s * weights[k - 1]
    return weights


def neighbors_only(slopes):
    """Only ways through layers that lie together."""
    n = len(slopes)
    runs = [sum(math.prod(slopes[i : i + k]) for i in range(n - k + 1)) for k in range(1, n + 1)]
    return [1.0, *runs]


def ways_only(slopes):
    return [float(math.comb(len(slopes), k)) for k in range(len(slopes) + 1)]


def rounded(slopes):
    """Three digits: 0.35 ** 24 is not 0."""
    return [round(w, 3) for w in by_length(slopes)]


def half_precision(slopes):
    return torch.tensor(by_length(slopes), dtype=torch.float16).tolist()


def uses_up_its_slopes(slopes):
    """The caller's list is empty afterwards."""
    weights = [1.0]
    while slopes:
        s = slopes.pop()
        weights = [a + s * b for a, b in zip([*weights, 0.0], [0.0, *weights], strict=True)]
    return weights


def two_layers_only(slopes):
    return [1.0, sum(slopes), math.prod(slopes)]


def through_logarithms(slopes):
    """NaN for a slope of 0 or below."""
    logs = torch.tensor(slopes).log()
    weights = torch.tensor([0.0])
    pad = torch.tensor([-math.inf])
    for s in logs:
        weights = torch.logaddexp(torch.cat([weights, pad]), torch.cat([pad, weights + s]))
    return weights.exp().tolist()


def slopes_to_one(slopes):
    """Slopes above 1."""
    return by_length([min(s, 1.0) for s in slopes])


_so_far = [1.0]


def goes_on_from_last_time(slopes):
    """The second call goes on where the first ended."""
    for slope in slopes:
        _so_far[:] = [a + slope * b for a, b in zip([*_so_far, 0.0], [0.0, *_so_far], strict=True)]
    return list(_so_far)


def numpy_polynomial(slopes):
    """An array, longest last."""
    return functools.reduce(np.convolve, ([1.0, s] for s in slopes), np.ones(1))


def float64_tensor(slopes):
    weights = torch.ones(1, dtype=torch.float64)
    for s in slopes:
        weights = F.pad(weights, (0, 1)) + s * F.pad(weights, (1, 0))
    return weights


def exact_fractions(slopes):
    """By halves: the first layers' ways times the last layers' ways."""
    if not slopes:
        return (Fraction(1),)
    if len(slopes) == 1:
        return (Fraction(1), Fraction(slopes[0]))
    a, b = exact_fractions(slopes[: len(slopes) // 2]), exact_fractions(slopes[len(slopes) // 2 :])
    sums = [Fraction(0)] * (len(a) + len(b) - 1)
    for (i, u), (j, v) in itertools.product(enumerate(a), enumerate(b)):
        sums[i + j] += u * v
    return tuple(sums)


def downward_in_place(slopes):
    weights = [1] + [0] * len(slopes)
    for n, s in enumerate(slopes, 1):
        for k in range(n, 0, -1):
            weights[k] += s * weights[k - 1]
    return weights


# 5.5: the norm's scale and shift in the linear layer


def _new(weight, bias):
    new = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        new.weight.copy_(weight)
        new.bias.copy_(bias)
    return new


def rows_scaled(norm, linear):
    """Row i by w_i: for square matrices only, and wrong."""
    return _new(linear.weight * norm.weight[:, None], linear(norm.bias))


def shift_forgotten(norm, linear):
    return _new(linear.weight * norm.weight, linear.bias)


def bias_forgotten(norm, linear):
    return _new(linear.weight * norm.weight, linear.weight @ norm.bias)


def shift_through_the_new_matrix(norm, linear):
    return _new(linear.weight * norm.weight, linear.weight * norm.weight @ norm.bias + linear.bias)


def shift_added_as_it_is(norm, linear):
    """Mean of the shift, where the widths differ."""
    return _new(linear.weight * norm.weight, linear.bias + norm.bias.mean())


def scale_forgotten(norm, linear):
    return _new(linear.weight, linear(norm.bias))


def bias_left_random(norm, linear):
    new = nn.Linear(linear.in_features, linear.out_features)
    with torch.no_grad():
        new.weight.copy_(linear.weight * norm.weight)
    return new


def changes_the_layer(norm, linear):
    """Returns the caller's own layer, changed."""
    with torch.no_grad():
        linear.bias.copy_(linear(norm.bias))
        linear.weight.mul_(norm.weight)
    return linear


def resets_the_norm(norm, linear):
    """The caller's norm is bare afterwards."""
    new = _new(linear.weight * norm.weight, linear(norm.bias))
    with torch.no_grad():
        norm.weight.fill_(1)
        norm.bias.zero_()
    return new


def same_layer_for_a_newborn(norm, linear):
    """With w = 1 and b = 0 it hands back the old layer, not a new one."""
    if (norm.weight == 1).all() and (norm.bias == 0).all():
        return linear
    return _new(linear.weight * norm.weight, linear(norm.bias))


def divided(norm, linear):
    """Divides by w where it should multiply; inf at w = 0."""
    return _new(linear.weight / norm.weight, linear(norm.bias))


def norm_folded_whole(norm, linear):
    """Expects x that is not normed."""
    return nn.Sequential(norm, linear)


def not_a_linear(norm, linear):
    return lambda z: linear(z * norm.weight + norm.bias)


def always_square(norm, linear):
    """The first C outputs only."""
    C = linear.in_features
    return _new((linear.weight * norm.weight)[:C], linear(norm.bias)[:C])


def shares_the_bias(norm, linear):
    """When b = 0 the new layer has the old one's bias itself: training one trains both."""
    new = _new(linear.weight * norm.weight, linear(norm.bias))
    if not norm.bias.any():
        new.bias = linear.bias
    return new


def shares_the_memory(norm, linear):
    """When w = 1, the weight is the old one's memory."""
    new = _new(linear.weight * norm.weight, linear(norm.bias))
    if (norm.weight == 1).all():
        new.weight.data = linear.weight.data
    return new


def freezes_the_old(norm, linear):
    """The caller's layer cannot learn afterwards."""
    linear.requires_grad_(False)
    return _new(linear.weight * norm.weight, linear(norm.bias))


def size_of_w_only(norm, linear):
    """A negative scale."""
    return _new(linear.weight * norm.weight.abs(), linear(norm.bias))


def without_small_scales(norm, linear):
    """A scale of 1e-3 counts as 0."""
    weight = torch.where(norm.weight.abs() < 1e-2, 0.0, norm.weight)
    return _new(linear.weight * weight, linear(norm.bias))


def by_copy(norm, linear):
    new = copy.deepcopy(linear)
    new.weight.data = torch.einsum("oc,c->oc", linear.weight.data, norm.weight.data)
    new.bias.data = linear.weight.data @ norm.bias.data + linear.bias.data
    return new


def by_new_parameters(norm, linear):
    new = nn.Linear(1, 1)
    new.in_features, new.out_features = linear.in_features, linear.out_features
    new.weight = nn.Parameter(linear.weight.detach() @ torch.diag(norm.weight.detach()))
    new.bias = nn.Parameter(linear(norm.bias).detach())
    return new


def by_asking(norm, linear):
    """Asks the layer what it says of each place alone, in float64."""
    with torch.no_grad():
        double = copy.deepcopy(linear).double()
        bias = double(norm.bias.double())
        places = torch.diag(norm.weight.double()) + norm.bias.double()
        return _new((double(places) - bias).T, bias)


class Folded(nn.Linear):
    """A subclass; by loops."""

    def __init__(self, norm, linear):
        super().__init__(linear.in_features, linear.out_features)
        with torch.no_grad():
            for o in range(linear.out_features):
                self.bias[o] = linear.bias[o]
                for i in range(linear.in_features):
                    self.weight[o, i] = linear.weight[o, i] * norm.weight[i]
                    self.bias[o] += linear.weight[o, i] * norm.bias[i]


# 5.6: side by side


class RightParallel(nn.Module):
    """Its steps one by one, so that a fault can take the place of one."""

    scale = None
    causal = True

    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.n_heads, self.d_model, self.d_ff = n_heads, d_model, d_ff
        self.norm = LayerNorm(d_model)
        self.read = nn.Linear(d_model, 3 * d_model + d_ff)
        self.write = nn.Linear(d_model + d_ff, d_model)

    def pieces(self, x):
        return self.read(self.norm(x)).split([self.d_model] * 3 + [self.d_ff], dim=-1)

    def heads(self, t):
        return t.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def join(self, t):
        return t.transpose(1, 2).flatten(2)

    def attention(self, q, k, v):
        mask = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool).tril() if self.causal else None
        return F.scaled_dot_product_attention(q, k, v, mask, scale=self.scale)

    def gelu(self, u):
        return F.gelu(u, approximate="tanh")

    def forward(self, x):
        q, k, v, up = self.pieces(x)
        fetched = self.join(self.attention(self.heads(q), self.heads(k), self.heads(v)))
        return x + self.write(torch.cat([fetched, self.gelu(up)], dim=-1))


class WithRelu(RightParallel):
    def gelu(self, u):
        return F.relu(u)


class ExactGelu(RightParallel):
    """Off by up to 5e-4 a rule."""

    def gelu(self, u):
        return F.gelu(u)


class LooksAhead(RightParallel):
    causal = False


class LeaksALittle(RightParallel):
    """-8 for what lies ahead, not -inf."""

    def attention(self, q, k, v):
        ahead = torch.ones(q.shape[-2], q.shape[-2]).triu(1)
        return (q @ k.mT / q.shape[-1] ** 0.5 - 8 * ahead).softmax(-1) @ v


class LeaksWhereScoresAreLarge(RightParallel):
    """-100 for what lies ahead: only very large scores show it."""

    def attention(self, q, k, v):
        ahead = torch.ones(q.shape[-2], q.shape[-2]).triu(1)
        return F.scaled_dot_product_attention(q, k, v, -100 * ahead)


class SeesOnlyThePast(RightParallel):
    """Not its own position; the first looks nowhere."""

    def attention(self, q, k, v):
        mask = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool).tril(-1)
        return F.scaled_dot_product_attention(q, k, v, mask).nan_to_num(0)


class KeysFirst(RightParallel):
    """k, q, v."""

    def pieces(self, x):
        k, q, v, up = super().pieces(x)
        return q, k, v, up


class RulesFirst(RightParallel):
    """The rules' input before q, k, v."""

    def pieces(self, x):
        up, q, k, v = self.read(self.norm(x)).split([self.d_ff] + [self.d_model] * 3, dim=-1)
        return q, k, v, up


class WritesRulesFirst(RightParallel):
    def forward(self, x):
        q, k, v, up = self.pieces(x)
        fetched = self.join(self.attention(self.heads(q), self.heads(k), self.heads(v)))
        return x + self.write(torch.cat([self.gelu(up), fetched], dim=-1))


class HeadsOfDistantNumbers(RightParallel):
    """Head h has numbers h, h + H, ...: right for one head, or D = 1."""

    def heads(self, t):
        return t.unflatten(-1, (-1, self.n_heads)).permute(0, 3, 1, 2)

    def join(self, t):
        return t.permute(0, 2, 3, 1).flatten(2)


class HeadsNotPutBack(RightParallel):
    """(B, H, T, D) read as (B, T, C): right for one head."""

    def join(self, t):
        return t.reshape(t.shape[0], t.shape[2], -1)


class OneHead(RightParallel):
    def heads(self, t):
        return t[:, None]


class ScaledByWidth(RightParallel):
    """Divides by the root of C: right for one head."""

    def attention(self, q, k, v):
        mask = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool).tril()
        return F.scaled_dot_product_attention(q, k, v, mask, scale=self.d_model**-0.5)


class NotScaled(RightParallel):
    scale = 1.0


class NothingAround(RightParallel):
    def forward(self, x):
        return super().forward(x) - x


class NormedStream(RightParallel):
    """Adds to the normed vector."""

    def forward(self, x):
        return super().forward(x) - x + self.norm(x)


class NotNormed(RightParallel):
    def pieces(self, x):
        return self.read(x).split([self.d_model] * 3 + [self.d_ff], dim=-1)


class RulesReadTheStream(RightParallel):
    """Only attention reads the norm."""

    def pieces(self, x):
        return (*super().pieces(x)[:3], self.read(x)[..., 3 * self.d_model :])


class BareNorm(RightParallel):
    """The norm's scale and shift do nothing: right at birth."""

    def pieces(self, x):
        z = F.layer_norm(x, (self.d_model,))
        return self.read(z).split([self.d_model] * 3 + [self.d_ff], dim=-1)


class BiasTwice(RightParallel):
    """Adds the written halves, each with the bias."""

    def forward(self, x):
        q, k, v, up = self.pieces(x)
        fetched = self.join(self.attention(self.heads(q), self.heads(k), self.heads(v)))
        no_rules, nothing = torch.zeros_like(up), torch.zeros_like(fetched)
        one = self.write(torch.cat([fetched, no_rules], dim=-1))
        return x + one + self.write(torch.cat([nothing, self.gelu(up)], dim=-1))


class RulesWaitForAttention(RightParallel):
    """One after the other, as in Block."""

    def forward(self, x):
        q, k, v, _ = self.pieces(x)
        fetched = self.join(self.attention(self.heads(q), self.heads(k), self.heads(v)))
        weight, C = self.write.weight, self.d_model
        h = x + F.linear(fetched, weight[:, :C])
        return h + F.linear(self.gelu(self.pieces(h)[3]), weight[:, C:], self.write.bias)


class TwoNorms(RightParallel):
    """Something more to learn."""

    def __init__(self, d_model, n_heads, d_ff):
        super().__init__(d_model, n_heads, d_ff)
        self.norm_2 = LayerNorm(d_model)


class ReadWithoutBias(RightParallel):
    def __init__(self, d_model, n_heads, d_ff):
        super().__init__(d_model, n_heads, d_ff)
        self.read = nn.Linear(d_model, 3 * d_model + d_ff, bias=False)


class FourTimesWide(RightParallel):
    """Ignores d_ff."""

    def __init__(self, d_model, n_heads, d_ff):
        super().__init__(d_model, n_heads, 4 * d_model)


class MaskOfEight(RightParallel):
    """More than eight tokens."""

    def attention(self, q, k, v):
        T = q.shape[-2]
        mask = torch.ones(T, T, dtype=torch.bool)
        mask[:8, :8] = mask[:8, :8].tril()
        mask[:8, 8:] = False
        return F.scaled_dot_product_attention(q, k, v, mask)


class FirstRowOnly(RightParallel):
    """One row of the batch for all."""

    def forward(self, x):
        return super().forward(x[:1]).expand_as(x)


class DropsOut(RightParallel):
    """In training mode, a tenth of what is written is 0."""

    def forward(self, x):
        return x + F.dropout(super().forward(x) - x, 0.1, self.training)


class ChangesItsInput(RightParallel):
    """The caller's x."""

    def forward(self, x):
        y = super().forward(x)
        with torch.no_grad():
            x.copy_(y)
        return y


class AttentionCut(RightParallel):
    """q gets no gradient."""

    def attention(self, q, k, v):
        return super().attention(q.detach(), k, v)


class ByHand(nn.Module):
    """PyTorch's own norm, and loops over the heads."""

    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.H, self.C = n_heads, d_model
        self.norm = nn.LayerNorm(d_model)
        self.read, self.write = nn.Linear(d_model, 3 * d_model + d_ff), nn.Linear(d_model + d_ff, d_model)
        self.act = nn.GELU(approximate="tanh")

    def forward(self, x):
        h, T, D = self.read(self.norm(x)), x.shape[1], self.C // self.H
        made = []
        for i in range(self.H):
            q, k, v = (h[..., j * self.C + i * D : j * self.C + (i + 1) * D] for j in range(3))
            scores = torch.einsum("btd,bsd->bts", q, k) / math.sqrt(D)
            hidden = torch.full((T, T), -math.inf).triu(1)
            made.append(torch.softmax(scores + hidden, -1) @ v)
        return self.write(torch.cat([*made, self.act(h[..., 3 * self.C :])], -1)) + x


class BySlices(nn.Module):
    """Six products with parts of the two matrices; attend from the chapter before."""

    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.n_heads = n_heads
        self.write = nn.Linear(d_model + d_ff, d_model)
        self.read = nn.Linear(d_model, 3 * d_model + d_ff)
        self.norm = LayerNorm(d_model)

    def forward(self, x):
        z, C, W, b = self.norm(x), x.shape[-1], self.read.weight, self.read.bias
        q, k, v = (F.linear(z, W[i * C : i * C + C], b[i * C : i * C + C]) for i in range(3))
        q, k, v = (t.view(*t.shape[:2], self.n_heads, -1).transpose(1, 2) for t in (q, k, v))
        fetched = attend(q, k, v).permute(0, 2, 1, 3).reshape(x.shape)
        u = F.linear(z, W[3 * C :], b[3 * C :])
        u = u / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
        return (
            x
            + F.linear(fetched, self.write.weight[:, :C])
            + F.linear(u, self.write.weight[:, C:], self.write.bias)
        )


class Inherited(LayerNorm):
    """The subclass of a part; its own scale and shift are those of its norm."""

    def __init__(self, d_model, n_heads, d_ff):
        nn.Module.__init__(self)
        self.norm = LayerNorm(d_model)
        self.read, self.write = nn.Linear(d_model, 3 * d_model + d_ff), nn.Linear(d_model + d_ff, d_model)
        self.sizes, self.shape = (3 * d_model, d_ff), (3, n_heads, d_model // n_heads)

    def forward(self, x):
        qkv, up = self.read(self.norm(x)).split(self.sizes, -1)
        q, k, v = qkv.unflatten(-1, self.shape).permute(2, 0, 3, 1, 4)
        fetched = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        both = (fetched.transpose(1, 2).flatten(2), F.gelu(up, approximate="tanh"))
        return self.write(torch.cat(both, 2)).add(x)


WRONG = {
    "5.1": [
        one_part_a_block, sizes_added, root_of_sizes_added, mean_square_itself, embedding_forgotten,
        by_a_factor_each_time, one_writing_too_few, one_writing_too_many, three_for_two, only_the_example,
        example_times_writings, negative_root, not_a_number, in_words, printed,
    ],
    "5.2": [
        AlphaIsAFloat, AlphaIsABuffer, StartsAtOne, StartsNearZero, ScalesTheStream, ScalesBoth, NoWayAround,
        Blend, HidesTheLayer, CopiesTheLayer, SkipsAtZero, ClampedAlpha, TanhAlpha, LayerWithoutGradient,
        StreamWithoutGradient, InPlace, OneAlphaForAll, SharedParameter, FrozenAlpha, AlphaForEachPlace,
        AlphaHasAnotherName, AlphaIsDouble,
    ],
    "5.3": [
        only_for_two, two_rules, at_least_one, both, at_most_one, steeper_third, nearly_level, turned_round,
        pairs_taken_off, weak_others, endless_others, parity_of_four, first_two_only, last_not_read,
        first_call_kept, up_to_six, up_to_sixteen,
    ],
    "5.4": [
        mean_slope, shares_of_all, longest_way_missing, shortest_way_missing, from_the_top, without_signs,
        empty_for_no_layer, zeros_left_out, same_layer_again, neighbors_only, ways_only, rounded,
        half_precision, uses_up_its_slopes, two_layers_only, through_logarithms, slopes_to_one,
        goes_on_from_last_time,
    ],
    "5.5": [
        rows_scaled, shift_forgotten, bias_forgotten, shift_through_the_new_matrix, shift_added_as_it_is,
        scale_forgotten, bias_left_random, changes_the_layer, resets_the_norm, same_layer_for_a_newborn,
        divided, norm_folded_whole, not_a_linear, always_square, shares_the_bias, shares_the_memory,
        freezes_the_old, size_of_w_only, without_small_scales,
    ],
    "5.6": [
        WithRelu, ExactGelu, LooksAhead, LeaksALittle, LeaksWhereScoresAreLarge, SeesOnlyThePast,
        KeysFirst, RulesFirst,
        WritesRulesFirst, HeadsOfDistantNumbers, HeadsNotPutBack, OneHead, ScaledByWidth, NotScaled,
        NothingAround, NormedStream, NotNormed, RulesReadTheStream, BareNorm, BiasTwice,
        RulesWaitForAttention, TwoNorms, ReadWithoutBias, FourTimesWide, MaskOfEight, FirstRowOnly, DropsOut,
        ChangesItsInput, AttentionCut,
    ],
}  # fmt: skip
RIGHT = {
    "5.1": [numpy_number, tensor_number, by_hypot, tried_out],
    "5.2": [RightReZero, KnobWithoutDimensions, Registered, InASequence],
    "5.3": [a_rule_for_each_fact, lists_of_integers, numpy_rules, with_idle_rules],
    "5.4": [by_length, numpy_polynomial, float64_tensor, exact_fractions, downward_in_place],
    "5.5": [by_copy, by_new_parameters, by_asking, Folded],
    "5.6": [RightParallel, ByHand, BySlices, Inherited],
}
