"""Answers to chapter 18's exercises."""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch
from harness import Answers, ExerciseTests

from companion.rewards import grpo_loss

# -- 18.1 ------------------------------------------------------------------


def by_loop():
    n, fail = 0, 1.0
    while fail > 0.01:
        n, fail = n + 1, fail * 0.4
    return n


def by_logs():
    return math.ceil(math.log(0.01) / math.log(0.4))


# -- 18.2 ------------------------------------------------------------------


def by_deleting(rewards):
    rows = rewards.tolist()
    return [[r - sum(row[:i] + row[i + 1 :]) / (len(row) - 1) for i, r in enumerate(row)] for row in rows]


def scaled(rewards):
    G = rewards.shape[1]
    return (rewards - rewards.mean(1, keepdim=True)) * (G / (G - 1))


def by_matrix(rewards):
    G = rewards.shape[1]
    return rewards.numpy() @ (np.eye(G) - (np.ones((G, G)) - np.eye(G)) / (G - 1))


def changes_rewards(rewards):
    rewards -= rewards.mean(1, keepdim=True)
    return rewards * (rewards.shape[1] / (rewards.shape[1] - 1))


# -- 18.3 ------------------------------------------------------------------


def by_gradient(ratio, advantages, clip):
    new = ratio.log().requires_grad_()
    mask = torch.ones_like(ratio, dtype=torch.bool)
    grpo_loss(new, torch.zeros_like(ratio), advantages, mask, clip)[0].backward()
    return new.grad == 0


def by_loops(ratio, advantages, clip):
    def far(r, a):
        return a == 0 or (a > 0 and r > 1 + clip) or (a < 0 and r < 1 - clip)

    return [[far(r, a) for r in row] for row, a in zip(ratio.tolist(), advantages.tolist(), strict=True)]


def by_minimum(ratio, advantages, clip):
    A = advantages[:, None]
    return (ratio.clamp(1 - clip, 1 + clip) * A < ratio * A) | (A == 0)


# -- 18.4 ------------------------------------------------------------------


def by_product(rewards, size):
    rows = [range(i, i + size) for i in range(0, len(rewards), size)]
    return [p for row in rows for p in itertools.product(row, row) if rewards[p[0]] > rewards[p[1]]]


def by_permutations(rewards, size):
    for start in range(0, len(rewards), size):
        for i, j in itertools.permutations(range(start, start + size), 2):
            if rewards[i] > rewards[j]:
                yield i, j


def in_numpy(rewards, size):
    r, n = np.array(rewards, dtype=float), np.arange(len(rewards))
    return np.argwhere((r[:, None] > r) & (n[:, None] // size == n // size))


# -- 18.5 ------------------------------------------------------------------


def one_by_one(n, right, k):
    missed = 1.0
    for i in range(k):
        missed *= max(0, n - right - i) / (n - i)
    return 1 - missed


def exact(n, right, k):
    return 1 - Fraction(math.comb(n - right, k), math.comb(n, k))


def summed(n, right, k):
    ways = sum(math.comb(right, i) * math.comb(n - right, k - i) for i in range(1, min(k, right) + 1))
    return ways / math.comb(n, k)


# -- 18.6 ------------------------------------------------------------------


def by_words(p, q):
    found = []
    for a, b in zip(p.tolist(), q.tolist(), strict=True):
        terms = [math.inf if y == 0 else x * math.log(x / y) for x, y in zip(a, b, strict=True) if x > 0]
        found.append(math.fsum(terms))
    return found


def by_xlogy(p, q):
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(1)


def in_float64(p, q):
    p, q = p.numpy().astype(float), q.numpy().astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0).sum(1)


ANSWERS = {
    "18.1": Answers(
        right=[by_loop, by_logs, lambda: 6.0, lambda: np.int64(6)],
        wrong=[
            (5, "0.01024"),
            (4, "no"),
            (7, "no"),
            (9, "all nine succeed"),
            (10, "all ten succeed"),
            (2, "On average"),
            (1, "One draw fails"),
            (0.99, "share wanted"),
            (100, "no"),
            (5.026, "Draws are whole"),
        ],
    ),
    "18.2": Answers(
        right=[by_deleting, scaled, by_matrix],
        wrong=[
            (lambda r: r - r.mean(1, keepdim=True), "whole group"),
            (lambda r: r - r.mean(), "over all groups"),
            (lambda r: r - (r.sum(1, keepdim=True) - r) / r.shape[1], "one fewer"),
            (lambda r: (r.sum(1, keepdim=True) - r) / (r.shape[1] - 1), "That is the baseline"),
            (lambda r: r - r.mean(0), "down a column"),
            (lambda r: -scaled(r), "turned round"),
            (
                lambda r: (r - r.mean(1, keepdim=True)) / r.std(1, keepdim=True, correction=0),
                "equation (2)",
            ),
            (lambda r: (r - r.mean(1, keepdim=True)) / r.std(1, keepdim=True), "equation (2)"),
            (lambda r: r, "expected"),
            (lambda r: scaled(r).T, "expected"),
            (lambda r: scaled(r)[0], "expected"),
            (lambda r: r - r.median(1, keepdim=True).values, "expected"),
            (changes_rewards, "caller"),
        ],
    ),
    "18.3": Answers(
        right=[by_gradient, by_loops, by_minimum],
        wrong=[
            (lambda r, a, c: (r > 1 + c) | (r < 1 - c), "Which of the two"),
            (lambda r, a, c: (r - 1).abs() > c, "Which of the two"),
            (
                lambda r, a, c: ((a[:, None] > 0) & (r > 1 + c)) | ((a[:, None] < 0) & (r < 1 - c)),
                "An advantage of 0",
            ),
            (
                lambda r, a, c: ((a[:, None] > 0) & (r > 1 + c)) | (a[:, None] == 0).expand_as(r),
                "good tokens only",
            ),
            (lambda r, a, c: ~by_minimum(r, a, c), "still learn"),
            (lambda r, a, c: by_minimum(r, -a, c), "sides are exchanged"),
            (lambda r, a, c: by_minimum(r, a, c).float(), "expected"),
            (lambda r, a, c: by_minimum(r, a, 0.2), "expected"),
            (lambda r, a, c: by_minimum(r, a, c).any(1), "expected"),
            (lambda r, a, c: r > 1 + c, "expected"),
            (lambda r, a, c: torch.zeros_like(r, dtype=torch.bool), "expected"),
        ],
    ),
    "18.4": Answers(
        right=[by_product, by_permutations, in_numpy],
        wrong=[
            (lambda r, s: by_product(r, len(r)) if r else [], "different groups"),
            (
                lambda r, s: [
                    p
                    for p in itertools.permutations(range(len(r)), 2)
                    if p[0] // s == p[1] // s and r[p[0]] >= r[p[1]]
                ],
                "equal rewards",
            ),
            (lambda r, s: [(j, i) for i, j in by_product(r, s)], "turned round"),
            (lambda r, s: [(i % s, j % s) for i, j in by_product(r, s)], "anew in each group"),
            (lambda r, s: [(r[i], r[j]) for i, j in by_product(r, s)], "Those are the rewards"),
            (lambda r, s: [p for p in by_product(r, s) if p[0] < p[1]], "may stand behind"),
            (lambda r, s: sorted(by_product(r, s), key=lambda p: (p[0] // s, p[1], p[0])), "their order"),
            (lambda r, s: len(by_product(r, s)), "expected"),
            (lambda r, s: by_product(r, s)[:1], "expected"),
            (lambda r, s: [], "the same for every input"),
            (lambda r, s: [(i + 1, j + 1) for i, j in by_product(r, s)], "expected"),
        ],
    ),
    "18.5": Answers(
        right=[one_by_one, exact, summed],
        wrong=[
            (lambda n, c, k: 1 - (1 - c / n) ** k, "with replacement"),
            (lambda n, c, k: c / n, "for a single one"),
            (lambda n, c, k: math.comb(c, k) / math.comb(n, k), "all k are right"),
            (lambda n, c, k: math.comb(n - c, k) / math.comb(n, k), "none of the k"),
            (lambda n, c, k: min(1.0, k * c / n), "must not be added"),
            (lambda n, c, k: 100 * one_by_one(n, c, k), "expected"),
            (lambda n, c, k: round(one_by_one(n, c, k), 2), "expected"),
            (lambda n, c, k: float(c >= k), "expected"),
            (lambda n, c, k: 1 - math.comb(n - c, k) / math.comb(n, k + 1), "expected"),
            (lambda n, c, k: 1.0, "the same for every input"),
        ],
    ),
    "18.6": Answers(
        right=[by_words, by_xlogy, in_float64],
        wrong=[
            (lambda p, q: by_xlogy(q, p), "other way round"),
            (lambda p, q: -torch.xlogy(p, q).sum(1), "surprise at q"),
            (lambda p, q: (p.log() - q.log()).sum(1), "must count p times"),
            (lambda p, q: by_xlogy(p, q) / math.log(2), "in bits"),
            (lambda p, q: by_xlogy(p, q) / p.shape[1], "not averaged"),
            (lambda p, q: (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(0), "over the rows"),
            (lambda p, q: -by_xlogy(p, q), "turned round"),
            (lambda p, q: (p * (p.log() - q.log())).sum(1), "0 · ln 0"),
            (lambda p, q: (p * (p.log() - q.log())).nan_to_num(0, 0, 0).sum(1), "infinite"),
            (lambda p, q: (p * ((p + 1e-6) / (q + 1e-6)).log()).sum(1), "it must be infinite"),
            (lambda p, q: (p * ((p + 1e-9) / (q + 1e-9)).log()).sum(1), "inf"),
            (lambda p, q: by_xlogy(p, q).mean(), "one number for all rows"),
            (lambda p, q: by_xlogy(p, q)[0], "expected"),
            (lambda p, q: (by_xlogy(p, q) + by_xlogy(q, p)) / 2, "expected"),
            (lambda p, q: (p - q).abs().sum(1) / 2, "expected"),
            (lambda p, q: torch.nn.functional.kl_div(q.log(), p, reduction="none").sum(1), "both 0"),
            (lambda p, q: by_xlogy(p, q).sum(), "one number for all rows"),
            (lambda p, q: torch.where((q == 0).any(1), math.inf, by_xlogy(p, q)), "only where p is above 0"),
            (lambda p, q: torch.where(p > 1e-6, p * (p / q).log(), 0).sum(1), "inf"),
            (lambda p, q: by_xlogy(p, q)[:, None], "expected"),
            (lambda p, q: torch.zeros(len(p)), "expected"),
        ],
    ),
}


class TestChapter18(ExerciseTests):
    answers = ANSWERS
