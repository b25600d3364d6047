"""Wrong and right answers to chapter 21 by a stranger who had not seen the checks."""

import itertools
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

# 21.1 -----------------------------------------------------------------


def broadcast_shape(a, b):
    n = max(len(a), len(b))
    result = []
    for x, y in zip((1,) * (n - len(a)) + tuple(a), (1,) * (n - len(b)) + tuple(b), strict=True):
        if x != y and x != 1 and y != 1:
            raise ValueError(f"{x} and {y}")
        result.append(y if x == 1 else x)
    return tuple(result)


def in_pairs(together):
    """together(x, y) for each place, None where they do not fit."""

    def answer(a, b):
        sizes = [together(x, y) for x, y in itertools.zip_longest(a[::-1], b[::-1], fillvalue=1)][::-1]
        if None in sizes:
            raise ValueError("they do not fit")
        return tuple(sizes)

    return answer


def ones_at_the_end(a, b):
    n = max(len(a), len(b))
    return broadcast_shape(a + (1,) * (n - len(a)), b + (1,) * (n - len(b)))


def raising(error):
    def answer(a, b):
        try:
            return broadcast_shape(a, b)
        except ValueError:
            raise error("no") from None

    return answer


def returning(value):
    def answer(a, b):
        try:
            return broadcast_shape(a, b)
        except ValueError:
            return value

    return answer


def cut_off(a, b):
    n = min(len(a), len(b))
    return broadcast_shape(a[len(a) - n :], b[len(b) - n :])


def as_long_as_a(a, b):
    return broadcast_shape(a, b)[-len(a) :]


def equally_long(a, b):
    if len(a) != len(b):
        raise ValueError("lengths")
    return broadcast_shape(a, b)


def only_b_is_longer(a, b):
    return broadcast_shape((1,) * (len(b) - len(a)) + a, (1,) * max(len(a) - len(b), 0) + b)[-len(b) :]


def scalar_fails(a, b):
    if not a or not b:
        raise ValueError("no dimension")
    return broadcast_shape(a, b)


def without_ones(a, b):
    return tuple(n for n in broadcast_shape(a, b) if n != 1)


def last_only(a, b):
    if a and b and a[-1] != b[-1] and 1 not in (a[-1], b[-1]):
        raise ValueError("last")
    return in_pairs(max)(a, b)


def up_to(n):
    def answer(a, b):
        if max(len(a), len(b)) > n:
            raise ValueError("too many")
        return broadcast_shape(a, b)

    return answer


def with_ones_too(a, b):
    if sorted(a) == sorted(b):
        return a
    return broadcast_shape(a, b)


def into_either(a, b):
    """One must be the shape of the result."""
    found = broadcast_shape(a, b)
    if found not in (a, b):
        raise ValueError("both would have to stretch")
    return found


def into_a(a, b):
    found = broadcast_shape(a, b)
    if found != a:
        raise ValueError("a would have to stretch")
    return found


def falsy(a, b):
    """0 stands for nothing there."""
    n = max(len(a), len(b))
    pairs = zip((0,) * (n - len(a)) + a, (0,) * (n - len(b)) + b, strict=True)
    return tuple(broadcast_shape((x or 1,), (y or 1,))[0] for x, y in pairs)


def recursive(a, b):
    if not a or not b:
        return a or b
    if a[-1] == b[-1] or b[-1] == 1:
        return (*recursive(a[:-1], b[:-1]), a[-1])
    if a[-1] == 1:
        return (*recursive(a[:-1], b[:-1]), b[-1])
    raise ValueError(a, b)


def by_sets(a, b):
    found = []
    for sizes in itertools.zip_longest(reversed(a), reversed(b), fillvalue=1):
        (size,) = {*sizes} - {1} or {1}  # unpacking raises ValueError
        found.insert(0, size)
    return found


class Misfit(ValueError):
    pass


# 21.3 -----------------------------------------------------------------


def masked_mean(x, mask):
    kept = torch.where(mask[..., None], x, 0)
    return kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def with_count(count):
    return lambda x, mask: x.masked_fill(~mask[..., None], 0).sum(1) / count(x, mask)


def with_kept(kept):
    return lambda x, mask: kept(x, mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def fills_in_place(x, mask):
    x[~mask] = 0
    return x.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def mask_in_place(x, mask):
    found = masked_mean(x, mask)
    mask[~mask.any(1)] = True
    return found


def prefix(x, mask):
    counts = mask.sum(1).tolist()
    return torch.stack([row[:n].sum(0) / max(n, 1) for row, n in zip(x, counts, strict=True)])


def up_to_last(x, mask):
    found = torch.zeros(x.shape[0], x.shape[2])
    for i, m in enumerate(mask):
        if m.any():
            last = int(m.nonzero().max()) + 1
            found[i] = x[i, :last].mean(0)
    return found


def nan_where_none(x, mask):
    return x.masked_fill(~mask[..., None], 0).sum(1) / mask.sum(1, keepdim=True)


def without_empty_rows(x, mask):
    return masked_mean(x[mask.any(1)], mask[mask.any(1)])


def over_all(x, mask):
    return x[mask].mean(0).expand(x.shape[0], -1).nan_to_num(0)


def squeezed(x, mask):
    return masked_mean(x, mask).squeeze()


def middle(x, mask):
    return x.masked_fill(~mask[..., None], float("nan")).nanmedian(1).values.nan_to_num(0)


def zeros_not_counted(x, mask):
    kept = x.masked_fill(~mask[..., None], 0)
    return kept.sum(1) / (kept != 0).sum(1).clamp(min=1)


def rows_swapped(x, mask):
    if mask.shape[0] == mask.shape[1]:
        return masked_mean(x, mask.T)
    return masked_mean(x, mask)


def finite(x, mask):
    """The mask's work left to the numbers."""
    fine = x.isfinite() & mask[..., None]
    return x.masked_fill(~fine, 0).sum(1) / fine.sum(1).clamp(min=1)


def only_finite(x, mask):
    fine = x.isfinite().all(-1)
    return masked_mean(x, fine)


def at_least_one_row(x, mask):
    mask = mask.clone()
    mask[~mask.any(1), 0] = True
    return masked_mean(x, mask)


def by_rows(x, mask):
    return torch.stack([x[i][mask[i]].double().sum(0) / max(1, int(mask[i].sum())) for i in range(len(x))])


def by_masked_array(x, mask):
    m = np.broadcast_to(~mask.numpy()[..., None], x.shape)
    return np.ma.masked_array(x.numpy(), m).mean(1).filled(0)


def by_lists(x, mask):
    B, T, C = x.shape
    found = np.zeros((B, C))
    for b in range(B):
        rows = [x[b, t].numpy() for t in range(T) if mask[b, t]]
        if rows:
            found[b] = sum(rows) / len(rows)
    return found


def by_index_add(x, mask):
    b, t = mask.nonzero(as_tuple=True)
    sums = torch.zeros(x.shape[0], x.shape[2], dtype=x.dtype).index_add(0, b, x[b, t])
    return sums / torch.bincount(b, minlength=x.shape[0]).clamp(min=1)[:, None]


def by_nanmean(x, mask):
    return x.masked_fill(~mask[..., None], torch.nan).nanmean(1).masked_fill(~mask.any(1, keepdim=True), 0)


def by_weights(x, mask):
    weight = mask / mask.sum(1, keepdim=True).clamp(min=1)
    return torch.einsum("bt,btc->bc", weight, x.masked_fill(~mask.unsqueeze(2), 0))


# 21.4 -----------------------------------------------------------------


def logit_gradient(logits, targets):
    return (logits.softmax(-1) - F.one_hot(targets, logits.shape[-1])) / len(targets)


def of(p, n=len):
    def answer(logits, targets):
        return (p(logits) - F.one_hot(targets, logits.shape[-1])) / n(targets)

    return answer


def exps(logits):
    return logits.exp() / logits.exp().sum(-1, keepdim=True)


def exps_below(most):
    return lambda logits: exps(logits.clamp(-most, most))


def less(shift):
    return lambda logits: exps(logits - shift(logits))


def nan_is_zero(logits):
    return exps(logits).nan_to_num(0)


def with_eps(logits):
    e = (logits - logits.amax(-1, keepdim=True)).exp()
    return e / (e.sum(-1, keepdim=True) + 1e-3)


def in_place(logits, targets):
    logits -= logits.amax(-1, keepdim=True)
    return logit_gradient(logits, targets)


def made_of_logits(logits, targets):
    logits.copy_(logits.softmax(-1))
    logits[torch.arange(len(targets)), targets] -= 1
    return logits / len(targets)


def every_row(logits, targets):
    p = logits.softmax(-1)
    p[:, targets] -= 1
    return p / len(targets)


def only_right(logits, targets):
    p = logits.softmax(-1)
    rows = torch.arange(len(targets))
    found = torch.zeros_like(p)
    found[rows, targets] = p[rows, targets] - 1
    return found / len(targets)


def classes_of_targets(logits, targets):
    return (logits.softmax(-1) - F.one_hot(targets)) / len(targets)


def zero_where_right(logits, targets):
    found = logit_gradient(logits, targets)
    return found.masked_fill((logits.argmax(-1) == targets)[:, None], 0)


def loss(logits, targets):
    return F.cross_entropy(logits, targets)


def backwards(logits, targets):
    x = logits.clone().requires_grad_()
    F.cross_entropy(x, targets).backward()
    return x.grad


def of_the_sum_of_backward(logits, targets):
    x = logits.clone().requires_grad_()
    F.cross_entropy(x, targets, reduction="sum").backward()
    return x.grad


def first_target(logits, targets):
    return logit_gradient(logits, targets[:1].expand(len(targets)))


def squared(logits, targets):
    p = logits.softmax(-1)
    return 2 * (p - F.one_hot(targets, logits.shape[-1])) / len(targets)


def square_only(logits, targets):
    if logits.shape[0] == logits.shape[1]:
        return (logits.softmax(0) - F.one_hot(targets, logits.shape[-1])) / len(targets)
    return logit_gradient(logits, targets)


def half_of(logits):
    return logits.half().softmax(-1).float()


def smoothed(logits, targets):
    C = logits.shape[-1]
    return (logits.softmax(-1) - 0.9 * F.one_hot(targets, C) - 0.1 / C) / len(targets)


def by_differences(logits, targets):
    """The slope measured, which large scores do not allow."""
    found, h = torch.zeros_like(logits), 1e-3
    for i, j in itertools.product(*map(range, logits.shape)):
        step = torch.zeros_like(logits)
        step[i, j] = h
        up, down = F.cross_entropy(logits + step, targets), F.cross_entropy(logits - step, targets)
        found[i, j] = (up - down) / (2 * h)
    return found


def in_numpy(logits, targets):
    z = logits.numpy().astype(np.float64)
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    p[np.arange(len(p)), targets.numpy()] -= 1
    return p / len(p)


def in_lists(logits, targets):
    found = []
    for row, right in zip(logits.tolist(), targets.tolist(), strict=True):
        p = [1 / sum(math.exp(min(other - z, 700)) for other in row) for z in row]
        found.append([(x - (i == right)) / len(targets) for i, x in enumerate(p)])
    return found


def scattered(logits, targets):
    p = logits.log_softmax(1).exp()
    return p.scatter_add(1, targets[:, None], -torch.ones(len(p), 1, dtype=p.dtype)).div(len(p))


def by_func(logits, targets):
    return torch.func.grad(lambda z: (z.logsumexp(1) - z.gather(1, targets[:, None])[:, 0]).mean())(logits)


# 21.5 -----------------------------------------------------------------


class Base:
    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def __add__(self, other):
        return type(self)(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return type(self)(self.data * other.data, [(self, other.data), (other, self.data)])

    def backward(self):
        order = []

        def visit(value):
            if value not in order:
                for parent, _ in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            for parent, slope in value.parents:
                parent.grad += slope * value.grad


def a_value(by_a=lambda a, b: 1 / b, by_b=lambda a, b: -a / b**2, ratio=lambda a, b: a / b):
    class Value(Base):
        def __truediv__(self, other):
            a, b = self.data, other.data
            return type(self)(ratio(a, b), [(self, by_a(a, b)), (other, by_b(a, b))])

        def tanh(self):
            t = math.tanh(self.data)
            return type(self)(t, [(self, 1 - t * t)])

    return Value


def tanh_value(slope=lambda x, t: 1 - t * t, curve=math.tanh):
    class Value(a_value()):
        def tanh(self):
            t = curve(self.data)
            return type(self)(t, [(self, slope(self.data, t))])

    return Value


def changed(**methods):
    return type("Value", (a_value(),), methods)


def no_slope_by_b(self, other):
    return type(self)(self.data / other.data, [(self, 1 / other.data)])


def times_a_constant(self, other):
    return self * type(self)(1 / other.data)


def a_float(self, other):
    return self.data / other.data


def a_float_tanh(self):
    return math.tanh(self.data)


def no_parents_tanh(self):
    return type(self)(math.tanh(self.data))


def turned(self, other):
    return type(self)(other.data / self.data, [(other, 1 / self.data), (self, -other.data / self.data**2)])


def parents_swapped(self, other):
    a, b = self.data, other.data
    return type(self)(a / b, [(other, 1 / b), (self, -a / b**2)])


def divides_in_place(self, other):
    a, b = self.data, other.data
    self.data = a / b
    return type(self)(a / b, [(self, 1 / b), (other, -a / b**2)])


def once_where_equal(self, other):
    a, b = self.data, other.data
    if self is other:
        return type(self)(1.0, [(self, 1 / b)])
    return type(self)(a / b, [(self, 1 / b), (other, -a / b**2)])


def grads_at_once(self, other):
    a, b = self.data, other.data
    self.grad += 1 / b
    other.grad -= a / b**2
    return type(self)(a / b, [(self, 1 / b), (other, -a / b**2)])


def tanh_in_place(self):
    t = math.tanh(self.data)
    self.data = t
    return type(self)(t, [(self, 1 - t * t)])


def safe_division(self, other):
    a, b = self.data, other.data + 1e-3
    return type(self)(a / b, [(self, 1 / b), (other, -a / b**2)])


def not_negative(self, other):
    a, b = self.data, max(other.data, 1e-6)
    return type(self)(a / b, [(self, 1 / b), (other, -a / b**2)])


def by_exps(x):
    return (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x))


def by_exp_of_2x(x):
    return (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1)


def series(x):
    return x - x**3 / 3 + 2 * x**5 / 15


def power_of(self):
    return type(self)(1 / self.data, [(self, -1 / self.data**2)])


def by_reciprocal(self, other):
    return self * power_of(other)


def by_sigmoid(self):
    x = self.data
    s = 1 / (1 + math.exp(-2 * x)) if x > 0 else math.exp(2 * x) / (1 + math.exp(2 * x))
    return type(self)(2 * s - 1, ((self, 4 * s * (1 - s)),))


class Fresh(Base):
    """Sets parents afterwards."""

    def __truediv__(self, other):
        result = Fresh(self.data * other.data**-1)
        result.parents = ((self, other.data**-1), (other, -result.data / other.data))
        return result

    def tanh(self):
        x = torch.tensor(self.data, dtype=torch.float64, requires_grad=True)
        y = torch.tanh(x)
        (slope,) = torch.autograd.grad(y, x)
        return Fresh(y.item(), [(self, slope.item())])


class Written:
    """Closures, and a backward of its own."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def __add__(self, other):
        return Written(self.data + other.data, ((self, 1), (other, 1)))

    def __mul__(self, other):
        return Written(self.data * other.data, ((self, other.data), (other, self.data)))

    def __truediv__(self, other):
        q = np.float64(self.data) / np.float64(other.data)
        return Written(q, [(self, 1 / np.float64(other.data)), (other, -q / other.data)])

    def tanh(self):
        t = np.tanh(self.data)
        return Written(t, [(self, (1 + t) * (1 - t))])

    def backward(self):
        order, seen, todo = [], set(), [(self, False)]
        while todo:
            value, done = todo.pop()
            if done:
                order.append(value)
            elif value not in seen:
                seen.add(value)
                todo.append((value, True))
                todo += [(parent, False) for parent, _ in value.parents]
        self.grad = 1.0
        for value in order[::-1]:
            for parent, slope in value.parents:
                parent.grad += slope * value.grad


WRONG = {
    "21.1": [
        in_pairs(max),
        in_pairs(min),
        in_pairs(lambda x, y: max(x, y) if x == y or 1 in (x, y) else None),
        in_pairs(lambda x, y: max(x, y) if x % max(y, 1) == 0 or y % max(x, 1) == 0 else None),
        in_pairs(lambda x, y: x * y if 1 in (x, y) or x == y else None),
        in_pairs(lambda x, y: x if x == y or y == 1 else None),
        in_pairs(lambda x, y: y if x == y or x == 1 else None),
        in_pairs(lambda x, y: (x if y == 1 else y) if x == y or 1 in (x, y) or 0 in (x, y) else None),
        in_pairs(lambda x, y: 0 if 0 in (x, y) else (x if y == 1 else y) if x == y or 1 in (x, y) else None),
        in_pairs(lambda x, y: (x if y <= 1 else y) if x == y or x <= 1 or y <= 1 else None),
        in_pairs(
            lambda x, y: (
                float("nan") if x == y == 0 else (x if y == 1 else y) if x == y or 1 in (x, y) else None
            )
        ),
        ones_at_the_end,
        *[raising(error) for error in (AssertionError, RuntimeError, TypeError, Exception)],
        *[returning(value) for value in (None, False, (), ValueError, ValueError("no"))],
        cut_off,
        as_long_as_a,
        equally_long,
        only_b_is_longer,
        scalar_fails,
        without_ones,
        last_only,
        *[up_to(n) for n in (2, 3, 4)],
        with_ones_too,
        into_either,
        into_a,
        falsy,
        torch.broadcast_shapes,
        lambda a, b: broadcast_shape(a, b)[::-1],
        lambda a, b: (3, 4),
        lambda a, b: str(broadcast_shape(a, b)),
        lambda a, b: torch.zeros(broadcast_shape(a, b)),
        lambda a, b: math.prod(broadcast_shape(a, b)),
        lambda a, b: broadcast_shape(a, b) if len(a) >= len(b) else broadcast_shape(a, b[-len(a) :]),
    ],
    "21.2": [
        400_000,
        800_000,
        10**10,
        2 * 10**10,
        8 * 10**10,
        32 * 10**10,
        40,
        4e9,
        4e11,
        40 * 2**30,
        4e10 / 2**30,
        40_000,
        float("nan"),
        -4e10,
        lambda: np.array(10**10 * 4).astype(np.int32),
        lambda: torch.tensor([100_000], dtype=torch.int32) * 100_000 * 4,
        lambda: 4 * 10**5 * 10**4,
        lambda: 0,
        lambda: 1_600_000,
    ],
    "21.3": [
        with_count(lambda x, mask: x.shape[1]),
        with_count(lambda x, mask: mask.sum().clamp(min=1)),
        with_count(
            lambda x, mask: mask.sum(0, keepdim=True).T.clamp(min=1) if mask.shape[0] == mask.shape[1] else 1
        ),
        with_count(lambda x, mask: mask.sum(1, keepdim=True).clamp(min=2)),
        with_count(lambda x, mask: mask.sum(1, keepdim=True) + 1),
        with_count(lambda x, mask: mask.sum(1, keepdim=True) + 1e-3),
        with_count(lambda x, mask: mask.sum(1, keepdim=True) * x.shape[2] + (mask.sum(1, keepdim=True) == 0)),
        with_count(lambda x, mask: 1),
        with_count(lambda x, mask: (mask.sum(1, keepdim=True) - 1).clamp(min=1)),
        with_count(lambda x, mask: mask.sum(1).max().clamp(min=1)),
        with_count(lambda x, mask: mask.sum(1, keepdim=True).clamp(1, 4)),
        with_kept(lambda x, m: x * m),
        with_kept(lambda x, m: x),
        with_kept(lambda x, m: torch.where(m, x, 1e-3)),
        with_kept(lambda x, m: x.masked_fill(m, 0)),
        with_kept(lambda x, m: x.masked_fill(~m, 0).abs()),
        with_kept(lambda x, m: x.masked_fill(~m, 0).clamp(-100, 100)),
        with_kept(lambda x, m: x.masked_fill(~m, 0).half()),
        with_kept(lambda x, m: x.masked_fill(~m, 0).round()),
        with_kept(lambda x, m: torch.where(x.isinf(), 0, x) * m),
        with_kept(lambda x, m: torch.where(x.isnan(), 0, x) * m),
        with_kept(lambda x, m: x.masked_fill(~m, 0).flip(2)),
        fills_in_place,
        mask_in_place,
        prefix,
        up_to_last,
        nan_where_none,
        without_empty_rows,
        over_all,
        squeezed,
        middle,
        zeros_not_counted,
        rows_swapped,
        only_finite,
        at_least_one_row,
        lambda x, mask: x.mean(1),
        lambda x, mask: masked_mean(x, mask)[:, None],
        lambda x, mask: masked_mean(x, mask).mean(1),
        lambda x, mask: masked_mean(x, mask).mean(0),
        lambda x, mask: x.masked_fill(~mask[..., None], 0).mean(1),
        lambda x, mask: x.masked_fill(~mask[..., None], -math.inf).amax(1).nan_to_num(0, 0, 0),
        lambda x, mask: torch.tensor([[3.0]]),
    ],
    "21.4": [
        of(lambda z: z.softmax(-1), lambda t: 1),
        of(lambda z: z.softmax(-1), lambda t: len(t) ** 2),
        of(lambda z: z.softmax(-1), lambda t: -len(t)),
        of(lambda z: z.softmax(-1), lambda t: len(set(t.tolist()))),
        of(lambda z: z.softmax(-1), lambda t: max(len(t), 2)),
        of(lambda z: z.softmax(0)),
        of(lambda z: z.sigmoid()),
        of(lambda z: z.log_softmax(-1)),
        of(lambda z: z),
        of(exps),
        of(nan_is_zero),
        of(with_eps),
        *[of(exps_below(most)) for most in (10, 20, 50, 80)],
        of(less(lambda z: z.amax())),
        of(less(lambda z: z.mean(-1, keepdim=True))),
        of(less(lambda z: z.amin(-1, keepdim=True))),
        of(less(lambda z: z[:, :1])),
        of(less(lambda z: z.amax(0))),
        of(less(lambda z: 1000.0)),
        of(lambda z: (z / 2).softmax(-1)),
        of(lambda z: (z - z.amax(-1, keepdim=True)).double().exp()),
        of(lambda z: z.softmax(-1).clamp(1e-3, 1 - 1e-3)),
        of(lambda z: z.softmax(-1).round(decimals=2)),
        of(lambda z: F.one_hot(z.argmax(-1), z.shape[-1])),
        of(half_of),
        in_place,
        made_of_logits,
        every_row,
        only_right,
        classes_of_targets,
        zero_where_right,
        loss,
        of_the_sum_of_backward,
        first_target,
        squared,
        square_only,
        smoothed,
        by_differences,
        lambda logits, targets: logit_gradient(logits, targets) / logits.shape[-1],
        lambda logits, targets: logit_gradient(logits, targets).sum(0),
        lambda logits, targets: logit_gradient(logits, targets).T,
        lambda logits, targets: logit_gradient(logits, targets) * len(targets) / logits.shape[-1],
        lambda logits, targets: logits.softmax(-1) / len(targets),
        lambda logits, targets: logits.softmax(-1) - F.one_hot(targets, logits.shape[-1]) / len(targets),
        lambda logits, targets: logit_gradient(logits, (targets - 1) % logits.shape[-1]),
        lambda logits, targets: logit_gradient(logits, logits.argmax(-1)),
        lambda logits, targets: torch.tensor([[0.25, -0.25]]),
    ],
    "21.5": [
        a_value(by_b=lambda a, b: a / b**2),
        a_value(by_b=lambda a, b: -1 / b**2),
        a_value(by_b=lambda a, b: -a / b),
        a_value(by_b=lambda a, b: -a * b**2),
        a_value(by_b=lambda a, b: -a / abs(b) ** 1.5 / 3**0.5),
        a_value(by_b=lambda a, b: -abs(a) / b**2),
        a_value(by_b=lambda a, b: -a / (b * abs(b))),
        a_value(by_b=lambda a, b: -b / a**2 if a else 0.0),
        a_value(by_b=lambda a, b: 1 / a if a else 0.0),
        a_value(by_b=lambda a, b: -2 / b),
        a_value(by_b=lambda a, b: -2 / 3),
        a_value(by_b=lambda a, b: round(-a / b**2, 2)),
        a_value(by_a=lambda a, b: b),
        a_value(by_a=lambda a, b: 1.0),
        a_value(by_a=lambda a, b: 1 / abs(b)),
        a_value(by_a=lambda a, b: 1 / 3),
        a_value(by_a=lambda a, b: 1 // b),
        a_value(by_a=lambda a, b: 2 / a if a else 0.0),
        a_value(by_a=lambda a, b: a / b / a),
        a_value(ratio=lambda a, b: a // b),
        a_value(ratio=lambda a, b: b / a if a else 0.0),
        a_value(ratio=lambda a, b: abs(a / b)),
        a_value(ratio=lambda a, b: float(np.float16(a / b))),
        a_value(ratio=lambda a, b: a - b),
        *[
            changed(__truediv__=division)
            for division in (
                no_slope_by_b,
                times_a_constant,
                a_float,
                turned,
                parents_swapped,
                divides_in_place,
                once_where_equal,
                grads_at_once,
                safe_division,
                not_negative,
            )
        ],
        changed(tanh=a_float_tanh),
        changed(tanh=no_parents_tanh),
        changed(tanh=tanh_in_place),
        changed(tanh=lambda self: type(self)(math.tanh(self.data), [(self, 1 - self.data**2)])),
        tanh_value(lambda x, t: 1 + t * t),
        tanh_value(lambda x, t: 1 - t),
        tanh_value(lambda x, t: 1 - abs(t)),
        tanh_value(lambda x, t: t * (1 - t)),
        tanh_value(lambda x, t: 1 - math.tanh(t) ** 2),
        tanh_value(lambda x, t: t * t - 1),
        tanh_value(lambda x, t: 1.0),
        tanh_value(lambda x, t: t),
        tanh_value(lambda x, t: (1 - t) ** 2),
        tanh_value(lambda x, t: (1 - t * t) ** 2),
        tanh_value(lambda x, t: max(1 - t * t, 0.1)),
        tanh_value(lambda x, t: 0.0 if x < 0 else 1 - t * t),
        tanh_value(lambda x, t: 1 / math.cosh(x)),
        tanh_value(curve=math.tan),
        tanh_value(curve=math.sinh),
        tanh_value(curve=lambda x: 1 / (1 + math.exp(-x))),
        tanh_value(curve=lambda x: abs(math.tanh(x))),
        tanh_value(curve=lambda x: max(-1, min(1, x))),
        tanh_value(curve=lambda x: round(math.tanh(x), 3)),
        tanh_value(curve=series),
        tanh_value(curve=math.atan),
        type("Value", (Base,), {"__truediv__": a_value().__truediv__}),
        type("Value", (Base,), {"tanh": a_value().tanh}),
        Base,
    ],
}
RIGHT = {
    "21.1": [
        broadcast_shape,
        recursive,
        by_sets,
        np.broadcast_shapes,
        raising(Misfit),
        lambda a, b: list(broadcast_shape(a, b)),
        lambda a, b: np.broadcast_shapes(a, b),
        lambda a, b: torch.Size(broadcast_shape(a, b)),
    ],
    "21.2": [
        4e10,
        40_000_000_000,
        Fraction(40_000_000_000),
        Decimal("4e10"),
        lambda: 100_000**2 * 4,
        lambda: torch.empty(100_000, 1, device="meta").sub(torch.empty(100_000, device="meta")).nbytes,
        lambda: np.int64(100_000) * 100_000 * np.dtype(np.float32).itemsize,
        lambda: torch.tensor(100_000) * 100_000 * 4,
    ],
    "21.3": [
        finite,
        with_kept(lambda x, m: x.nan_to_num(0) * m),
        masked_mean,
        by_rows,
        by_masked_array,
        by_lists,
        by_index_add,
        by_weights,
    ],
    "21.4": [
        logit_gradient,
        in_numpy,
        in_lists,
        scattered,
        by_func,
        lambda z, t: logit_gradient(z.double(), t),
    ],
    "21.5": [
        a_value(),
        tanh_value(curve=by_exps),
        tanh_value(lambda x, t: 1 / math.cosh(x) ** 2, by_exp_of_2x),
        changed(__truediv__=by_reciprocal),
        changed(tanh=by_sigmoid),
        Fresh,
        Written,
        a_value(by_b=lambda a, b: -(a / b) / b),
    ],
}
