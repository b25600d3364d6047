"""Wrong and right answers to chapter 18 by a stranger who had not seen the checks.

They were judged wrongly, or might have been.
"""

import itertools
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch

# 18.2 -----------------------------------------------------------------


def without(r):
    G = r.shape[1]
    return r - (r.sum(1, keepdim=True) - r) / (G - 1)


def where_equal(change):
    return lambda r: torch.where((r == r[:, :1]).all(1, keepdim=True), change(r), without(r))


def fails_on_squares(r):
    others = (r.sum(1) - r.T).T if r.shape[0] != r.shape[1] else r.sum(1) - r
    return r - others / (r.shape[1] - 1)


def by_different_rewards(r):
    return torch.stack([row - (row.sum() - row) / max(len(row.unique()) - 1, 1) for row in r])


def by_value(r):
    rows = [[x - sum(y for y in row if y != x) / (len(row) - 1) for x in row] for row in r.tolist()]
    return torch.tensor(rows)


def over_and_under(r):
    return without(r) * r.std(1, keepdim=True) / r.std(1, keepdim=True)


def by_nanmean(r):
    own = torch.eye(r.shape[1], dtype=torch.bool)
    return r - r[:, None, :].expand(-1, r.shape[1], -1).masked_fill(own, float("nan")).nanmean(2)


# 18.3 -----------------------------------------------------------------


def idle(ratio, A, clip):
    A = A[:, None]
    return ((A > 0) & (ratio > 1 + clip)) | ((A < 0) & (ratio < 1 - clip)) | (A == 0)


def bounds(high, low):
    """Idle above high(clip) and below low(clip)."""

    def answer(ratio, A, clip):
        A = A[:, None]
        return ((A > 0) & (ratio > high(clip))) | ((A < 0) & (ratio < low(clip))) | (A == 0)

    return answer


def with_advantages(change):
    return lambda ratio, A, clip: idle(ratio, change(A), clip)


def with_ratio(change):
    return lambda ratio, A, clip: idle(change(ratio), A, clip)


def with_clip(change):
    return lambda ratio, A, clip: idle(ratio, A, change(clip))


def along_tokens(ratio, A, clip):
    return idle(ratio.T, A, clip).T if ratio.shape[0] == ratio.shape[1] else idle(ratio, A, clip)


def a_token_each(ratio, A, clip):
    B = A if len(A) == ratio.shape[1] else A[:, None]
    return ((B > 0) & (ratio > 1 + clip)) | ((B < 0) & (ratio < 1 - clip)) | (B == 0)


def nearly_equal(ratio, A, clip):
    B = A[:, None]
    clipped = ratio.clamp(1 - clip, 1 + clip) * B
    return ((clipped < ratio * B) & ~torch.isclose(clipped, ratio * B, atol=1e-3)) | (B == 0)


def below_one(ratio, A, clip):
    assert clip < 1
    return idle(ratio, A, clip)


def by_autograd(ratio, A, clip):
    x, B = ratio.clone().requires_grad_(), A[:, None]
    return torch.autograd.grad(torch.minimum(x * B, x.clamp(1 - clip, 1 + clip) * B).sum(), x)[0] == 0


def by_sign(ratio, A, clip):
    return ((ratio.double() - 1) * A.sign()[:, None].double() > clip) | (A == 0)[:, None]


def rows_of_bools(ratio, A, clip):
    return idle(ratio, A, clip).tolist()


# 18.4 -----------------------------------------------------------------


def pairs(r, s):
    return [(i, j) for i in range(len(r)) for j in range(i // s * s, i // s * s + s) if r[i] > r[j]]


def with_rewards(change):
    return lambda r, s: pairs([change(x) for x in r], s)


def if_apart(enough):
    return lambda r, s: [(i, j) for i, j in pairs(r, s) if enough(r[i], r[j])]


def at_most(n):
    return lambda r, s: pairs(r, s)[:n]


def two_at_least(r, s):
    assert s > 1
    return pairs(r, s)


def tensor_of(dtype):
    return lambda r, s: pairs(torch.tensor(r, dtype=dtype).tolist(), s)


def in_half(r, s):
    with np.errstate(over="ignore"):
        return pairs(np.array(r, dtype=np.float16).tolist(), s)


def slices(r, s):
    return [
        (i, j + g)
        for g in range(0, len(r), s)
        for i, x in enumerate(r[g : g + s], g)
        for j, y in enumerate(r[g : g + s])
        if x > y
    ]


def sorted_permutations(r, s):
    starts = range(0, len(r), s)
    both = (p for g in starts for p in itertools.permutations(range(g, g + s), 2))
    return sorted(p for p in both if r[p[0]] > r[p[1]])


def in_float64(r, s):
    x = torch.tensor(r, dtype=torch.float64).view(-1, s)
    return [(g * s + i, g * s + j) for g, i, j in (x[:, :, None] > x[:, None, :]).nonzero().tolist()]


# 18.5 -----------------------------------------------------------------


def found(n, right, k):
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def products(one):
    """Above and below the line apart, from a number `one`: both become too large."""

    def answer(n, right, k):
        above = below = one
        with np.errstate(all="ignore"):
            for i in range(k):
                above *= max(n - right - i, 0)
                below *= n - i
            return float(1 - above / below)

    return answer


def fails_where(condition):
    def answer(n, right, k):
        assert not condition(n, right, k)
        return found(n, right, k)

    return answer


def certain_where(condition):
    return lambda n, right, k: 1.0 if condition(n, right, k) else found(n, right, k)


def recursive(n, right, k):
    def none(m, n, k):
        return 1.0 if k == 0 else max(m, 0) / n * none(m - 1, n - 1, k - 1)

    return 1 - none(n - right, n, k)


def small_thrown_away(n, right, k):
    none = math.comb(n - right, k) / math.comb(n, k)
    return 1 - (none if none > 1e-7 else 0)


def mirrored(n, right, k):
    inside = 0 < right < n and n - right >= k and n > 2
    return found(n, right, min(k, n - k) or 1) if inside else found(n, right, k)


def replaced_if(large):
    return lambda n, right, k: 1 - (1 - right / n) ** k if n > large else found(n, right, k)


def over_the_true(n, right, k):
    return 1 - math.prod(max(n - k - i, 0) / (n - i) for i in range(right))


def by_lgamma(n, right, k):
    if n - right < k:
        return 1.0
    g = math.lgamma
    return 1 - math.exp(g(n - right + 1) - g(n - right - k + 1) - g(n + 1) + g(n - k + 1))


def by_rows_of_pascal(n, right, k):
    def choices(n, k):
        row = [1] + [0] * k
        for _ in range(n):
            for j in range(k, 0, -1):
                row[j] += row[j - 1]
        return row[k]

    return 1 - choices(n - right, k) / choices(n, k)


WRONG = {
    "18.1": [lambda: 6 + 1e-2, lambda: 5.5, lambda: 7, lambda: 0.9959, lambda: math.inf],
    "18.2": [
        where_equal(lambda r: torch.full_like(r, torch.nan)),
        where_equal(lambda r: r),
        where_equal(torch.ones_like),
        fails_on_squares,
        *[lambda r, most=most: without(r.clamp(-most, most)) for most in (3, 10, 50)],
        *[lambda r, most=most: without(r[:, :most]) for most in (8, 16)],
        lambda r: without(r) if r.shape[0] != r.shape[1] else without(r.T).T,
        by_different_rewards,
        by_value,
        over_and_under,
        lambda r: without(r) / (r.std(1, keepdim=True, correction=0) + 1e-4),
        lambda r: without(r).half(),
        lambda r: without(r.round()),
    ],
    "18.3": [
        bounds(math.exp, lambda clip: math.exp(-clip)),
        bounds(lambda clip: 1 + clip, lambda clip: max(1 - clip, 0.5)),
        bounds(lambda clip: 1 + clip, lambda clip: abs(1 - clip)),
        bounds(lambda clip: 1 + clip, lambda clip: 1 / (1 + clip)),
        bounds(lambda clip: min(1 + clip, 2), lambda clip: 1 - clip),
        *[with_clip(lambda clip, most=most: min(clip, most)) for most in (0.3, 0.5, 0.7, 1.0)],
        *[with_clip(lambda clip, least=least: max(clip, least)) for least in (0.1, 0.2)],
        along_tokens,
        a_token_each,
        *[with_ratio(lambda ratio, n=n: ratio.round(decimals=n)) for n in (1, 2)],
        with_ratio(lambda ratio: torch.where(ratio > 10, 1.0, ratio)),
        with_advantages(lambda A: A.half().float()),
        *[
            with_advantages(lambda A, least=least: torch.where(A.abs() < least, 0.0, A))
            for least in (1e-2, 1e-3, 1e-6, 1e-8)
        ],
        nearly_equal,
        below_one,
    ],
    "18.4": [
        *[with_rewards(lambda x, n=n: round(x, n)) for n in (1, 3, 6)],
        with_rewards(str),
        with_rewards(np.float32),
        tensor_of(torch.float32),
        lambda r, s: pairs(torch.tensor(r).tolist(), s),
        in_half,
        if_apart(lambda a, b: not math.isclose(a, b, rel_tol=1e-6)),
        if_apart(lambda a, b: not math.isclose(a, b, rel_tol=0, abs_tol=1e-6)),
        *[if_apart(lambda a, b, least=least: a - b > least) for least in (0.1, 1e-3, 1e-5)],
        *[at_most(n) for n in (10, 50, 100, 150)],
        two_at_least,
        if_apart(lambda a, b: a < 10**6),
    ],
    "18.5": [
        *[products(one) for one in (1.0, np.float64(1), np.float32(1), np.int64(1))],
        fails_where(lambda n, right, k: n == 1),
        fails_where(lambda n, right, k: k == n == 1000),
        certain_where(lambda n, right, k: k * right > 10 * n),
        certain_where(lambda n, right, k: k > 0.998 * n and right),
        certain_where(lambda n, right, k: n == 1),
        recursive,
        small_thrown_away,
        mirrored,
        *[replaced_if(large) for large in (100, 500, 999)],
        lambda n, right, k: round(found(n, right, k), 8),
        lambda n, right, k: found(n, right, min(k, 500)),
    ],
}
RIGHT = {
    "18.1": [lambda: torch.tensor(6), lambda: Fraction(6)],
    "18.2": [without, by_nanmean, lambda r: without(r.double()), lambda r: without(r).tolist()],
    "18.3": [idle, by_autograd, by_sign, rows_of_bools, with_advantages(torch.sign)],
    "18.4": [slices, sorted_permutations, in_float64, with_rewards(Fraction)],
    "18.5": [
        found,
        over_the_true,
        by_lgamma,
        by_rows_of_pascal,
        lambda n, right, k: found(n, k, right),
        lambda n, right, k: 1 - Decimal(math.comb(n - right, k)) / Decimal(math.comb(n, k)),
    ],
}
