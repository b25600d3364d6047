"""Answers to chapter 12, written before its checks."""

import bisect
import copy
import functools
import itertools
import math
import statistics
from collections import deque
from fractions import Fraction

import numpy as np
import torch

# 12.1 -----------------------------------------------------------------


def exactly():
    blocks = 32 * (4 * 4096**2 + 2 * 4 * 4096 * 4096)
    return Fraction(blocks + 50257 * 4096, 2 * 32 * 4096)


def six_widths():
    return 6 * 4096


def by_doubling_until_dearer():
    weights = 32 * 12 * 4096**2 + 50257 * 4096
    length = 1
    while 12 * 32 * 4096 * length < 6 * weights:
        length += 1
    return length


def by_halving():
    """Halves an interval; NumPy's number comes out."""
    weights = np.float64(32 * 12 * 4096**2 + 50257 * 4096)
    low, high = np.float64(1), np.float64(1e7)
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (middle, high) if 12 * 32 * 4096 * middle < 6 * weights else (low, middle)
    return low


def as_a_tensor():
    return torch.tensor(25_361)


def the_width():
    return 4096


def masked_half():
    return 12 * 4096


def one_block_of_attention():
    return 6 * (32 * 12 * 4096**2) / (12 * 4096)


def forward_of_attention():
    return 18 * 4096


def forward_of_weights():
    return 2 * 4096


def without_the_six():
    return 4096


def without_the_mlp():
    return 2 * 4096


def cost_of_the_row():
    return math.sqrt(25_361)


def in_thousands():
    return 25.4


def of_small():
    return 6_702


def with_the_heads():
    return 25_361 * 32


def a_pair():
    return [24_576, 25_361]


# 12.2 -----------------------------------------------------------------


def shape(model):
    c = model.config
    return c.n_layers, c.d_model


def weights(model):
    """In matrices that a token is multiplied with."""
    return sum(p.numel() for name, p in model.named_parameters() if p.dim() > 1 and "position" not in name)


def busy(model, length, tokens_per_second, gpus, peak):
    L, C = shape(model)
    return (6 * weights(model) + 12 * L * C * length) * tokens_per_second / gpus / peak


def busy_by_the_config(model, length, tokens_per_second, gpus, peak):
    c = model.config
    per_block = 12 * c.d_model**2
    flops = 6 * (c.n_layers * per_block + c.vocab_size * c.d_model)
    flops += sum(12 * c.d_model * length for _ in range(c.n_layers))
    return Fraction(flops) * Fraction(tokens_per_second) / (gpus * Fraction(peak))


def busy_by_modules(model, length, tokens_per_second, gpus, peak):
    flops = 0
    for block in model.blocks:
        for layer in (block.attn.q_proj, block.attn.k_proj, block.attn.v_proj, block.attn.o_proj):
            flops += 6 * math.prod(layer.weight.shape)
            flops += 3 * layer.weight.shape[0] * length
        flops += 6 * (block.mlp.up_proj.weight.numel() + block.mlp.down_proj.weight.numel())
    flops += 6 * model.embed.token.weight.numel()
    return np.float64(flops) * tokens_per_second / np.float64(gpus * peak)


def busy_by_the_seconds_of_a_row(model, length, tokens_per_second, gpus, peak):
    """How long a row takes, and how long it would at the peak."""
    L, C = shape(model)
    ideal = length * (6 * weights(model) + 12 * L * C * length) / (peak * gpus)
    return torch.tensor(ideal / (length / tokens_per_second), dtype=torch.float64)


def six_n_alone(model, length, tokens_per_second, gpus, peak):
    return 6 * weights(model) * tokens_per_second / (gpus * peak)


def forward_alone(model, length, tokens_per_second, gpus, peak):
    return busy(model, length, tokens_per_second, gpus, peak) / 3


def all_parameters(model, length, tokens_per_second, gpus, peak):
    L, C = shape(model)
    N = sum(p.numel() for p in model.parameters())
    return (6 * N + 12 * L * C * length) * tokens_per_second / (gpus * peak)


def positions_too(model, length, tokens_per_second, gpus, peak):
    L, C = shape(model)
    N = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    return (6 * N + 12 * L * C * length) * tokens_per_second / (gpus * peak)


def without_the_head(model, length, tokens_per_second, gpus, peak):
    L, C = shape(model)
    return (6 * 12 * L * C**2 + 12 * L * C * length) * tokens_per_second / (gpus * peak)


def one_gpu(model, length, tokens_per_second, gpus, peak):
    return busy(model, length, tokens_per_second, 1, peak)


def times_gpus(model, length, tokens_per_second, gpus, peak):
    return busy(model, length, tokens_per_second * gpus, 1, peak)


def percent(model, length, tokens_per_second, gpus, peak):
    return 100 * busy(model, length, tokens_per_second, gpus, peak)


def upside_down(model, length, tokens_per_second, gpus, peak):
    return 1 / busy(model, length, tokens_per_second, gpus, peak)


def tokens_are_rows(model, length, tokens_per_second, gpus, peak):
    return length * busy(model, length, tokens_per_second, gpus, peak)


def at_the_longest(model, length, tokens_per_second, gpus, peak):
    return busy(model, model.config.context_length, tokens_per_second, gpus, peak)


def masked_attention(model, length, tokens_per_second, gpus, peak):
    return busy(model, length / 2, tokens_per_second, gpus, peak)


def rounded(model, length, tokens_per_second, gpus, peak):
    return round(busy(model, length, tokens_per_second, gpus, peak), 2)


def in_words(model, length, tokens_per_second, gpus, peak):
    return f"{busy(model, length, tokens_per_second, gpus, peak):.0%}"


def always_forty_percent(model, length, tokens_per_second, gpus, peak):
    return 0.4


def one_block(model, length, tokens_per_second, gpus, peak):
    return (6 * weights(model) + 12 * model.config.d_model * length) * tokens_per_second / (gpus * peak)


def flops_a_second(model, length, tokens_per_second, gpus, peak):
    return busy(model, length, tokens_per_second, 1, 1)


# 12.3 -----------------------------------------------------------------


def combined(parts):
    n = sum(count for _, count in parts)
    out = []
    for i in range(len(parts[0][0])):
        total = None
        for gradients, _ in parts:
            if gradients[i] is not None:
                total = gradients[i].clone() if total is None else total + gradients[i]
        out.append(None if total is None else total / n)
    return out


def combined_in_numpy(parts):
    gradients, counts = zip(*parts, strict=True)
    columns = [[g.numpy() for g in column if g is not None] for column in zip(*gradients, strict=True)]
    return tuple(np.sum(column, axis=0) / np.sum(counts) if column else None for column in columns)


def combined_by_weighing_means(parts):
    """Means, each with its share of the targets."""
    n = math.fsum(count for _, count in parts)
    for column in zip(*(g for g, _ in parts), strict=True):
        if all(g is None for g in column):
            yield None
            continue
        yield sum(
            (g / count) * (count / n)
            for g, (_, count) in zip(column, parts, strict=True)
            if g is not None and count
        )


def combined_by_reducing(parts):
    def add(a, b):
        return b if a is None else a if b is None else torch.add(a, b)

    n = functools.reduce(lambda a, part: a + part[1], parts, 0)
    sums = functools.reduce(
        lambda a, part: [add(x, y) for x, y in zip(a, part[0], strict=True)], parts[1:], parts[0][0]
    )
    return [x if x is None else x.double() / n for x in sums]


def mean_of_means(parts):
    columns = zip(*([None if g is None else g / max(n, 1) for g in gs] for gs, n in parts), strict=True)
    return [meaned(column, len(parts)) for column in columns]


def meaned(column, n):
    there = [g for g in column if g is not None]
    return sum(there) / n if there else None


def mean_of_sums(parts):
    return [meaned(column, len(parts)) for column in zip(*(g for g, _ in parts), strict=True)]


def only_sums(parts):
    return [meaned(column, 1) for column in zip(*(g for g, _ in parts), strict=True)]


def by_those_who_used_it(parts):
    out = []
    for column in zip(*(g for g, _ in parts), strict=True):
        n = sum(count for g, (_, count) in zip(column, parts, strict=True) if g is not None)
        out.append(meaned(column, n) if n else None)
    return out


def none_is_zero(parts):
    shapes = [
        next((g for g in column if g is not None), None)
        for column in zip(*(g for g, _ in parts), strict=True)
    ]
    n = sum(count for _, count in parts)
    return [
        torch.zeros(1) if s is None else sum(torch.zeros_like(s) if g is None else g for g in column) / n
        for s, column in zip(shapes, zip(*(g for g, _ in parts), strict=True), strict=True)
    ]


def number_zero_for_none(parts):
    return [0.0 if g is None else g for g in combined(parts)]


def any_none_is_none(parts):
    n = sum(count for _, count in parts)
    columns = zip(*(g for g, _ in parts), strict=True)
    return [None if any(g is None for g in column) else sum(column) / n for column in columns]


def none_left_out(parts):
    return [g for g in combined(parts) if g is not None]


def stumbles_over_none(parts):
    n = sum(count for _, count in parts)
    return [sum(column) / n for column in zip(*(g for g, _ in parts), strict=True)]


def into_the_first(parts):
    total, _ = parts[0]
    for gradients, _ in parts[1:]:
        for i, g in enumerate(gradients):
            if g is not None:
                total[i] = g if total[i] is None else total[i].add_(g)
    n = sum(count for _, count in parts)
    return [None if g is None else g.div_(n) for g in total]


def into_the_first_tensor(parts):
    n = sum(count for _, count in parts)
    out = []
    for column in zip(*(g for g, _ in parts), strict=True):
        there = [g for g in column if g is not None]
        for g in there[1:]:
            there[0].add_(g)
        out.append(there[0] / n if there else None)
    return out


def divides_by_its_own(parts):
    """0 / 0 where a process has no targets."""
    columns = zip(*([None if g is None else g / n for g in gs] for gs, n in parts), strict=True)
    return [meaned(column, len(parts)) for column in columns]


def weighed_by_counts(parts):
    n = sum(count for _, count in parts)
    return [
        meaned([None if g is None else g * c for g, (_, c) in zip(column, parts, strict=True)], n)
        for column in zip(*(g for g, _ in parts), strict=True)
    ]


def first_process(parts):
    return [None if g is None else g / parts[0][1] for g in parts[0][0]]


def without_idle_means(parts):
    return mean_of_means([part for part in parts if part[1]])


def zeros_are_nothing(parts):
    return [None if g is None or not g.any() else g for g in combined(parts)]


def norms_of_them(parts):
    return [None if g is None else g.norm() for g in combined(parts)]


def and_the_count(parts):
    return combined(parts), sum(count for _, count in parts)


def one_long_vector(parts):
    return torch.cat([g.flatten() for g in combined(parts) if g is not None])


def count_of_the_largest(parts):
    return [meaned(column, max(n for _, n in parts)) for column in zip(*(g for g, _ in parts), strict=True)]


# 12.4 -----------------------------------------------------------------


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def row_bytes(model, length):
    c = model.config
    return 4 * length * (c.n_layers * c.d_model + 2 * c.d_model + c.vocab_size)


def fitting(model, length, memory, gpus):
    rows = Fraction(memory) - Fraction(16 * parameters(model), gpus)
    return max(0, math.floor(rows / row_bytes(model, length)))


def fitting_by_trying(model, length, memory, gpus):
    fixed, row = 16 * parameters(model), row_bytes(model, length)
    return next(n for n in itertools.count() if fixed + gpus * (n + 1) * row > gpus * memory)


def fitting_by_bisection(model, length, memory, gpus):
    fixed, row = 16 * parameters(model), row_bytes(model, length)
    return bisect.bisect_right(range(1, 10**7), gpus * memory - fixed, key=lambda n: gpus * n * row)


def fitting_by_config(model, length, memory, gpus):
    c = model.config
    C = c.d_model
    block = 2 * 2 * C + 4 * (C * C + C) + (C * 4 * C + 4 * C) + (4 * C * C + C)
    P = c.vocab_size * C + c.context_length * C + c.n_layers * block + 2 * C
    return np.maximum((memory * gpus - 16 * P) // (row_bytes(model, length) * gpus), 0)


def fitting_in_floats(model, length, memory, gpus):
    free = memory - 16 * parameters(model) / gpus
    return float(free // row_bytes(model, length)) if free > 0 else 0.0


def not_less_than_nothing_forgotten(model, length, memory, gpus):
    return (gpus * memory - 16 * parameters(model)) // (gpus * row_bytes(model, length))


def rounded_rows(model, length, memory, gpus):
    free = memory - 16 * parameters(model) / gpus
    return max(0, round(free / row_bytes(model, length)))


def rounded_up(model, length, memory, gpus):
    free = memory - 16 * parameters(model) / gpus
    return max(0, math.ceil(free / row_bytes(model, length)))


def not_rounded(model, length, memory, gpus):
    free = memory - 16 * parameters(model) / gpus
    return max(0, free / row_bytes(model, length))


def cut_towards_zero(model, length, memory, gpus):
    """int() of a negative number between -1 and 0 is 0, of others not."""
    return int((memory - 16 * parameters(model) / gpus) / row_bytes(model, length))


def each_has_all(model, length, memory, gpus):
    return fitting(model, length, memory, 1)


def of_all_gpus(model, length, memory, gpus):
    return gpus * fitting(model, length, memory, gpus)


def everything_shared(model, length, memory, gpus):
    return max(0, (gpus * memory - 16 * parameters(model)) // row_bytes(model, length))


def all_kept(model, length, memory, gpus):
    c = model.config
    row = 4 * length * (16 * c.n_layers * c.d_model + 2 * c.d_model + c.vocab_size)
    return max(0, (gpus * memory - 16 * parameters(model)) // (gpus * row))


def without_the_loss(model, length, memory, gpus):
    c = model.config
    row = 4 * length * (c.n_layers * c.d_model + 2 * c.d_model)
    return max(0, (gpus * memory - 16 * parameters(model)) // (gpus * row))


def weights_alone(model, length, memory, gpus):
    return max(0, (gpus * memory - 4 * parameters(model)) // (gpus * row_bytes(model, length)))


def without_averages(model, length, memory, gpus):
    return max(0, (gpus * memory - 8 * parameters(model)) // (gpus * row_bytes(model, length)))


def tokens_that_fit(model, length, memory, gpus):
    return fitting(model, 1, memory, gpus)


def numbers_for_bytes(model, length, memory, gpus):
    return max(0, (gpus * memory - 16 * parameters(model)) // (gpus * row_bytes(model, length) // 4))


def at_least_one(model, length, memory, gpus):
    return max(1, fitting(model, length, memory, gpus))


def just_fits_not(model, length, memory, gpus):
    return fitting(model, length, memory - 1, gpus)


def power_of_two(model, length, memory, gpus):
    n = fitting(model, length, memory, gpus)
    return 2 ** (n.bit_length() - 1) if n else 0


def none_where_none(model, length, memory, gpus):
    return fitting(model, length, memory, gpus) or None


def nine_tenths(model, length, memory, gpus):
    return fitting(model, length, memory * 9 // 10, gpus)


def rows_of_the_context(model, length, memory, gpus):
    return fitting(model, model.config.context_length, memory, gpus)


def whole_parameters_each(model, length, memory, gpus):
    return max(0, (memory - 16 * (parameters(model) // gpus)) // row_bytes(model, length))


def whole_share_first(model, length, memory, gpus):
    return max(0, (memory - 16 * parameters(model)) // gpus // row_bytes(model, length))


# 12.5 -----------------------------------------------------------------


def lowest(rows):
    rows = sorted(rows)
    x = np.log(np.array([n for n, _ in rows], dtype=float))
    p, q, r = np.polyfit(x, [y for _, y in rows], deg=2)
    bottom = -q / (2 * p)
    return float(np.exp(bottom)) if p > 0 and x[0] <= bottom <= x[-1] else None


def lowest_by_normal_equations(rows):
    """In base 10, about the mean, by hand."""
    x = [math.log10(n) for n, _ in rows]
    centre = statistics.fmean(x)
    u = [a - centre for a in x]
    s = [math.fsum(a**k for a in u) for k in range(5)]
    t = [math.fsum(a**k * y for a, (_, y) in zip(u, rows, strict=True)) for k in range(3)]
    A = np.array([[s[4], s[3], s[2]], [s[3], s[2], s[1]], [s[2], s[1], s[0]]])
    p, q, _ = np.linalg.solve(A, [t[2], t[1], t[0]])
    if p <= 0:
        return None
    bottom = centre - q / p / 2
    return 10**bottom if min(x) <= bottom <= max(x) else None


def lowest_by_torch(rows):
    data = torch.tensor(rows, dtype=torch.float64)
    x = data[:, 0].log2()
    found = torch.linalg.lstsq(torch.stack([x**2, x, torch.ones_like(x)], 1), data[:, 1:]).solution.flatten()
    bottom = -found[1] / (2 * found[0])
    if found[0] > 0 and x.min() <= bottom <= x.max():
        return 2**bottom
    return None


def lowest_by_numpys_polynomial(rows):
    sizes, losses = np.array(rows, dtype=np.float64).T
    curve = np.polynomial.Polynomial.fit(np.log(sizes), losses, 2)
    bottom = curve.deriv().roots()[0]
    if curve.deriv(2)(0) > 0 and np.log(sizes.min()) < bottom < np.log(sizes.max()):
        return np.exp(bottom)


def lowest_as_a_whole_number(rows):
    found = lowest(rows)
    return found if found is None else round(found)


def best_row(rows):
    return min(rows, key=lambda row: row[1])[0]


def over_n_itself(rows):
    x, y = zip(*rows, strict=True)
    p, q, _ = np.polyfit(x, y, 2)
    return -q / (2 * p) if p > 0 and min(x) <= -q / (2 * p) <= max(x) else None


def its_log(rows):
    found = lowest(rows)
    return None if found is None else math.log(found)


def wherever_it_lies(rows):
    p, q, _ = np.polyfit(np.log([n for n, _ in rows]), [y for _, y in rows], 2)
    return math.exp(min(-q / (2 * p), 700)) if p > 0 else None


def also_the_top(rows):
    x = np.log([n for n, _ in rows])
    p, q, _ = np.polyfit(x, [y for _, y in rows], 2)
    return math.exp(-q / (2 * p)) if min(x) <= -q / (2 * p) <= max(x) else None


def within_the_rows(rows):
    x = np.log([n for n, _ in rows])
    p, q, _ = np.polyfit(x, [y for _, y in rows], 2)
    return math.exp(np.clip(-q / (2 * p), min(x), max(x)))


def of_three_rows(rows):
    """Through the best row and its neighbours."""
    rows = sorted(rows)
    i = min(range(len(rows)), key=lambda i: rows[i][1])
    if i in (0, len(rows) - 1):
        return None
    return lowest(rows[i - 1 : i + 2])


def without_the_half(rows):
    x = np.log([n for n, _ in rows])
    p, q, _ = np.polyfit(x, [y for _, y in rows], 2)
    return math.exp(-q / p) if p > 0 and min(x) <= -q / p <= max(x) else None


def of_log_losses(rows):
    return lowest([(n, math.log(y)) for n, y in rows])


def bases_mixed(rows):
    x = np.log10([n for n, _ in rows])
    p, q, _ = np.polyfit(x, [y for _, y in rows], 2)
    return math.exp(-q / (2 * p)) if p > 0 and min(x) <= -q / (2 * p) <= max(x) else None


def nan_for_none(rows):
    found = lowest(rows)
    return math.nan if found is None else found


def zero_for_none(rows):
    return lowest(rows) or 0


def loss_at_the_bottom(rows):
    x = np.log([n for n, _ in rows])
    curve = np.polyfit(x, [y for _, y in rows], 2)
    bottom = -curve[1] / (2 * curve[0])
    return np.polyval(curve, bottom) if curve[0] > 0 and min(x) <= bottom <= max(x) else None


def ends_are_first_and_last(rows):
    """The range from the first row to the last, in the order that came."""
    x = np.log([n for n, _ in rows])
    p, q, _ = np.polyfit(x, [y for _, y in rows], 2)
    return math.exp(-q / (2 * p)) if p > 0 and x[0] <= -q / (2 * p) <= x[-1] else None


def one_row_a_size(rows):
    return lowest(list(dict(rows).items()))


def best_row_a_size(rows):
    return lowest([(n, min(y for m, y in rows if m == n)) for n in {n for n, _ in rows}])


def mean_of_sizes(rows):
    return statistics.fmean(n for n, _ in rows)


def sorts_the_callers(rows):
    found = lowest(rows)
    rows.sort()
    return found


def of_the_losses_weighed(rows):
    x, y = np.log([n for n, _ in rows]), np.array([y for _, y in rows])
    p, q, _ = np.polyfit(x, y, 2, w=1 / y)
    return math.exp(-q / (2 * p)) if p > 0 and min(x) <= -q / (2 * p) <= max(x) else None


def if_a_row_is_lower_than_both_ends(rows):
    rows = sorted(rows)
    if min(y for _, y in rows) in (rows[0][1], rows[-1][1]):
        return None
    return lowest(rows)


# 12.6 -----------------------------------------------------------------


def round_it(rank, world, numbers):
    m = len(numbers)
    size = -(-m // world)
    mine = list(numbers)

    def span(i):
        i %= world
        return slice(min(i * size, m), min((i + 1) * size, m))

    for k in range(world - 1):
        got = yield mine[span(rank - k)]
        here = span(rank - k - 1)
        mine[here] = [a + b for a, b in zip(mine[here], got, strict=True)]
    for k in range(world - 1):
        got = yield mine[span(rank + 1 - k)]
        mine[span(rank - k)] = got
    return mine


def round_it_in_numpy(rank, world, numbers):
    parts = np.array_split(np.array(numbers, dtype=float), world)
    at = rank
    for _ in range(world - 1):
        got = yield parts[at]
        at = (at - 1) % world
        parts[at] = parts[at] + np.array(got)
    for _ in range(world - 1):
        got = yield parts[at]
        at = (at - 1) % world
        parts[at] = np.array(got, dtype=float)
    return np.concatenate(parts)


def round_it_every_nth(rank, world, numbers):
    """Part i is every world-th number from i on; tensors travel."""
    mine = torch.tensor(numbers, dtype=torch.float64)
    for step in range(2 * world - 2):
        got = yield mine[(rank - step) % world :: world] if world else None
        here = (rank - step - 1) % world
        mine[here::world] = torch.tensor(got, dtype=torch.float64) + (
            mine[here::world] if step < world - 1 else 0
        )
    return mine


def round_it_in_turns(rank, world, numbers):
    """By two generators of its own."""
    parts = deque(numbers[i::world] for i in range(world))
    parts.rotate(-rank)  # now its own part comes first, then the right neighbour's

    def lap(change):
        for _ in range(world - 1):
            got = yield list(parts[0])
            parts.rotate(1)
            parts[0] = change(parts[0], got)

    yield from lap(lambda own, got: [x + y for x, y in zip(own, got, strict=True)])
    yield from lap(lambda own, got: got)
    parts.rotate(rank - 2 * (world - 1))
    return [parts[i % world][i // world] for i in range(len(numbers))]


class AnObject:
    """No generator function, but with the same methods."""

    def __init__(self, rank, world, numbers):
        self.steps = round_it(rank, world, tuple(numbers))

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.steps)

    def send(self, value):
        return self.steps.send(value)


def whole_vectors(rank, world, numbers):
    total, travelling = list(numbers), numbers
    for _ in range(world - 1):
        travelling = yield travelling
        total = [a + b for a, b in zip(total, travelling, strict=True)]
    return total


def growing_sums(rank, world, numbers):
    """Sends the sum so far, which then counts some twice."""
    total = list(numbers)
    for _ in range(world - 1):
        got = yield total
        total = [a + b for a, b in zip(total, got, strict=True)]
    return total


def half_way(rank, world, numbers):
    mine = parted(numbers, world)
    for k in range(world - 1):
        got = yield mine[(rank - k) % world]
        here = (rank - k - 1) % world
        mine[here] = [a + b for a, b in zip(mine[here], got, strict=True)]
    return sum(mine, [])


def parted(numbers, world):
    return [part.tolist() for part in np.array_split(np.array(numbers, dtype=float), world)]


def adds_twice(rank, world, numbers):
    mine = parted(numbers, world)
    for k in range(2 * world - 2):
        got = yield mine[(rank - k) % world]
        here = (rank - k - 1) % world
        mine[here] = [a + b for a, b in zip(mine[here], got, strict=True)]
    return sum(mine, [])


def the_wrong_way_round(rank, world, numbers):
    mine = parted(numbers, world)
    for k in range(world - 1):
        got = yield mine[(rank + k) % world]
        here = (rank + k + 1) % world
        mine[here] = [a + b for a, b in zip(mine[here], got, strict=False)]
    for k in range(world - 1):
        got = yield mine[(rank - 1 + k) % world]
        mine[(rank + k) % world] = got
    return sum(mine, [])


def rest_forgotten(rank, world, numbers):
    size = len(numbers) // world
    tail = list(numbers[size * world :])
    head = yield from round_it(rank, world, numbers[: size * world])
    return head + tail


def rest_lost(rank, world, numbers):
    size = len(numbers) // world
    return (yield from round_it(rank, world, numbers[: size * world]))


def rest_sent_whole(rank, world, numbers):
    """What does not divide goes round whole."""
    cut = len(numbers) // world * world
    head = yield from round_it(rank, world, numbers[:cut])
    tail = yield from whole_vectors(rank, world, numbers[cut:])
    return head + tail


def means(rank, world, numbers):
    total = yield from round_it(rank, world, numbers)
    return [x / world for x in total]


def a_round_too_many(rank, world, numbers):
    total = yield from round_it(rank, world, numbers)
    yield total
    return total


def an_empty_round_too_many(rank, world, numbers):
    total = yield from round_it(rank, world, numbers)
    if rank == 0:
        yield []
    return total


def in_its_input(rank, world, numbers):
    total = yield from round_it(rank, world, numbers)
    numbers[:] = total
    return numbers


def nothing_returned(rank, world, numbers):
    total = yield from round_it(rank, world, numbers)
    print(total)


def yields_the_sum(rank, world, numbers):
    total = yield from round_it(rank, world, numbers)
    yield total


def no_generator(rank, world, numbers):
    return [world * x for x in numbers]


def its_own(rank, world, numbers):
    return list(numbers)
    yield


def numbers_one_by_one(rank, world, numbers):
    total = list(numbers)
    for i, x in enumerate(numbers):
        for _ in range(world - 1):
            (x,) = yield x
            total[i] += x
    return total


def with_labels(rank, world, numbers):
    """Each part with its number in front."""
    mine = parted(numbers, world)
    for k in range(world - 1):
        i, *got = yield [(rank - k) % world, *mine[(rank - k) % world]]
        mine[i] = [a + b for a, b in zip(mine[i], got, strict=True)]
    for k in range(world - 1):
        i, *got = yield [(rank + 1 - k) % world, *mine[(rank + 1 - k) % world]]
        mine[i] = got
    return sum(mine, [])


def to_process_zero(rank, world, numbers):
    """All to the last, who sends the sum round: the right sum, but each sends two vectors."""
    total = list(numbers)
    for k in range(world - 1):
        got = yield total if rank == k else []
        if rank == k + 1:
            total = [a + b for a, b in zip(total, got, strict=True)]
    for k in range(world - 1):
        got = yield total if rank == (k - 1) % world else []
        if rank == k % world:
            total = got
    return total


def to_process_zero_too_long(rank, world, numbers):
    """Like that, and the sum goes round whole once more."""
    total = yield from to_process_zero(rank, world, numbers)
    yield total if world > 1 else []
    return total


def for_two(rank, world, numbers):
    got = yield numbers
    return [a + b for a, b in zip(numbers, got, strict=True)]


def never_ends(rank, world, numbers):
    while True:
        yield []


def in_whole_numbers(rank, world, numbers):
    total = yield from round_it(rank, world, numbers)
    return [int(x) for x in total]


def tells_the_sums_sum(rank, world, numbers):
    total = yield from round_it(rank, world, numbers)
    return sum(total)


def bad_part(rank, world, numbers):
    mine = parted(numbers, world)
    for k in range(world - 1):
        got = yield mine[(rank - k) % world]
        mine[(rank - k - 1) % world] = [a + b for a, b in zip(mine[(rank - k - 1) % world], got, strict=True)]
    for k in range(world - 1):
        got = yield mine[(rank - k) % world]
        mine[(rank - k - 1) % world] = got
    return sum(mine, [])


def keeps_a_copy(rank, world, numbers):
    """Right: looks at its input only through a copy."""
    return (yield from round_it(rank, world, copy.deepcopy(numbers)))


def a_number_a_round(rank, world, numbers):
    """Slow, and sends no number too many."""
    parts = parted(numbers, world)
    for k in range(2 * world - 2):
        here, got = (rank - k - 1) % world, []
        for j in range(max(map(len, parts))):
            got += yield parts[(rank - k) % world][j : j + 1]
        parts[here] = [x + y * (k < world - 1) for x, y in zip(got, parts[here], strict=True)]
    return sum(parts, [])


def in_fractions(rank, world, numbers):
    return (yield from round_it(rank, world, [Fraction(x) for x in numbers]))


WRONG = {
    "12.1": [
        the_width,
        masked_half,
        one_block_of_attention,
        forward_of_attention,
        forward_of_weights,
        without_the_six,
        without_the_mlp,
        cost_of_the_row,
        in_thousands,
        of_small,
        with_the_heads,
        a_pair,
    ],
    "12.2": [
        six_n_alone,
        forward_alone,
        all_parameters,
        positions_too,
        without_the_head,
        one_gpu,
        times_gpus,
        percent,
        upside_down,
        tokens_are_rows,
        at_the_longest,
        masked_attention,
        rounded,
        in_words,
        always_forty_percent,
        one_block,
        flops_a_second,
    ],
    "12.3": [
        mean_of_means,
        mean_of_sums,
        only_sums,
        by_those_who_used_it,
        none_is_zero,
        number_zero_for_none,
        any_none_is_none,
        none_left_out,
        stumbles_over_none,
        into_the_first,
        into_the_first_tensor,
        divides_by_its_own,
        weighed_by_counts,
        first_process,
        without_idle_means,
        zeros_are_nothing,
        norms_of_them,
        and_the_count,
        one_long_vector,
        count_of_the_largest,
    ],
    "12.4": [
        not_less_than_nothing_forgotten,
        rounded_rows,
        rounded_up,
        not_rounded,
        cut_towards_zero,
        each_has_all,
        of_all_gpus,
        everything_shared,
        all_kept,
        without_the_loss,
        weights_alone,
        without_averages,
        tokens_that_fit,
        numbers_for_bytes,
        at_least_one,
        just_fits_not,
        power_of_two,
        none_where_none,
        nine_tenths,
        rows_of_the_context,
        whole_parameters_each,
        whole_share_first,
    ],
    "12.5": [
        best_row,
        over_n_itself,
        its_log,
        wherever_it_lies,
        also_the_top,
        within_the_rows,
        of_three_rows,
        without_the_half,
        of_log_losses,
        bases_mixed,
        nan_for_none,
        zero_for_none,
        loss_at_the_bottom,
        ends_are_first_and_last,
        one_row_a_size,
        best_row_a_size,
        mean_of_sizes,
        sorts_the_callers,
        of_the_losses_weighed,
        if_a_row_is_lower_than_both_ends,
    ],
    "12.6": [
        whole_vectors,
        growing_sums,
        half_way,
        adds_twice,
        the_wrong_way_round,
        rest_forgotten,
        rest_lost,
        rest_sent_whole,
        means,
        a_round_too_many,
        an_empty_round_too_many,
        in_its_input,
        nothing_returned,
        yields_the_sum,
        no_generator,
        its_own,
        numbers_one_by_one,
        with_labels,
        to_process_zero,
        to_process_zero_too_long,
        for_two,
        never_ends,
        in_whole_numbers,
        tells_the_sums_sum,
        bad_part,
    ],
}

RIGHT = {
    "12.1": [exactly, six_widths, by_doubling_until_dearer, by_halving, as_a_tensor, 25_000],
    "12.2": [busy, busy_by_the_config, busy_by_modules, busy_by_the_seconds_of_a_row],
    "12.3": [combined, combined_in_numpy, combined_by_weighing_means, combined_by_reducing],
    "12.4": [
        fitting,
        fitting_by_trying,
        fitting_by_bisection,
        fitting_by_config,
        fitting_in_floats,
    ],
    "12.5": [
        lowest,
        lowest_by_normal_equations,
        lowest_by_torch,
        lowest_by_numpys_polynomial,
        lowest_as_a_whole_number,
    ],
    "12.6": [
        round_it,
        round_it_in_numpy,
        round_it_every_nth,
        round_it_in_turns,
        AnObject,
        keeps_a_copy,
        in_fractions,
        a_number_a_round,
    ],
}
