"""Wrong and right answers to chapter 13 by a stranger who had not seen the checks.

They were judged wrongly, or might have been.
"""

import math
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch

# 13.1 -----------------------------------------------------------------


def pick(example, log_probs, digits=None):
    scores = [p / len(c.encode()) for c, p in zip(example.choices, log_probs, strict=True)]
    scores = scores if digits is None else [round(score, digits) for score in scores]
    return example.choices[scores.index(max(scores))]


def rounded(digits):
    return lambda example, log_probs: pick(example, log_probs, digits)


def by_fractions(example, log_probs):
    scores = [Fraction(p) / len(c.encode()) for c, p in zip(example.choices, log_probs, strict=True)]
    return example.choices[max(range(len(scores)), key=scores.__getitem__)]


def by_perplexity(example, log_probs):
    """Of the bytes: the least."""
    pairs = zip(example.choices, log_probs, strict=True)
    return min(pairs, key=lambda pair: math.exp(-pair[1] / len(pair[0].encode())))[0]


def multiplied_out(example, log_probs):
    best, sizes = 0, [len(choice.encode()) for choice in example.choices]
    for i in range(1, len(sizes)):
        if log_probs[i] * sizes[best] > log_probs[best] * sizes[i]:
            best = i
    return example.choices[best]


# 13.3 -----------------------------------------------------------------


def sides(first, second):
    pairs = list(zip(first, second, strict=True))
    return sum(x > y for x, y in pairs), sum(x < y for x, y in pairs)


def sign(first, second):
    a, b = sides(first, second)
    ways = 2 * sum(math.comb(a + b, i) for i in range(min(a, b) + 1))
    return float(min(Fraction(1), Fraction(ways, 2 ** (a + b))))


def of_p(change):
    return lambda first, second: change(sign(first, second))


def below(least, give):
    return of_p(lambda p: p if p > least else give(p))


def by_lgamma(first, second):
    a, b = sides(first, second)
    n = a + b
    if a == b:
        return 1

    def chance(i):
        return math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2))

    return min(1.0, 2 * math.fsum(map(chance, range(min(a, b) + 1))))


def in_torch(first, second):
    a, b = sides(first, second)
    if a == b:
        return torch.tensor(1.0, dtype=torch.float64)
    n, i = torch.tensor(a + b).double(), torch.arange(min(a, b) + 1).double()
    logs = torch.lgamma(n + 1) - torch.lgamma(i + 1) - torch.lgamma(n - i + 1) - n * math.log(2)
    return 2 * logs.exp().sum()


# 13.5 -----------------------------------------------------------------


def lowest(one):
    """The temperature with the least sum of one(row, place, temperature)."""

    def answer(scores, right, temperatures):
        def loss(t):
            return sum(float(one(row, i, t)) for row, i in zip(scores, right, strict=True))

        return min(temperatures, key=loss)

    return answer


def nats(row, i, t):
    return -(row.double() / t).log_softmax(-1)[i]


def nearest_first(scores, right, temperatures):
    """By halving the sorted list: the loss has one valley."""

    def loss(t):
        return sum(nats(row, i, t).item() for row, i in zip(scores, right, strict=True))

    ts = sorted(temperatures)
    low, high = 0, len(ts) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if loss(ts[middle]) < loss(ts[middle + 1]) else (middle + 1, high)
    return ts[low]


# 13.6 -----------------------------------------------------------------


def balanced(examples, shortcut, right=lambda example, guess: guess == example.answer):
    heaps = defaultdict(lambda: ([], []))
    for i, example in enumerate(examples):
        heaps[len(example.choices)][bool(right(example, shortcut(example)))].append(i)
    places = []
    for K, (misses, hits) in heaps.items():
        n = min(len(hits), len(misses) // (K - 1))
        places += hits[:n] + misses[: n * (K - 1)]
    return [examples[i] for i in sorted(places)]


def judged(right):
    return lambda examples, shortcut: balanced(examples, shortcut, right)


def remembered_by(key):
    def answer(examples, shortcut):
        known = {}
        return balanced(examples, lambda example: known.setdefault(key(example), shortcut(example)))

    return answer


def ignores_it(place):
    return lambda examples, shortcut: balanced(examples, lambda example: example.choices[place])


def answers_replaced(examples, shortcut):
    return [replace(example, answer=shortcut(example)) for example in balanced(examples, shortcut)]


def latest_taken_out(examples, shortcut):
    kept = [(len(e.choices), shortcut(e) == e.answer, e) for e in examples]
    for K in {len(e.choices) for e in examples}:
        while True:
            hits = sum(hit for k, hit, _ in kept if k == K)
            misses = sum(not hit for k, hit, _ in kept if k == K)
            if misses == hits * (K - 1):
                break
            too_many = misses < hits * (K - 1)
            del kept[max(i for i, (k, hit, _) in enumerate(kept) if k == K and hit == too_many)]
    return [e for _, _, e in kept]


WRONG = {
    "13.1": [rounded(digits) for digits in (0, 1, 2, 3, 4, 5, 6)],
    "13.3": [
        *[of_p(lambda p, digits=digits: round(p, digits)) for digits in (6, 9, 12, 15)],
        *[of_p(lambda p, least=least: max(p, least)) for least in (1e-6, 1e-9, 1e-16, 1e-20)],
        *[below(least, lambda p: 0.0) for least in (1e-6, 1e-8, 1e-12)],
        below(1e-8, lambda p: p / 1000),
        below(1e-9, lambda p: p / 2),
        of_p(lambda p: np.float16(p)),
    ],
    "13.5": [
        lowest(lambda row, i, t: -(row / t).softmax(-1)[i].log()),
        lowest(lambda row, i, t: -(row.double() / t).softmax(-1)[i].log()),
        *[
            lowest(lambda row, i, t, least=least: -(row.double() / t).softmax(-1)[i].clamp_min(least).log())
            for least in (1e-12, 1e-30, 1e-300)
        ],
        lowest(lambda row, i, t: -(row.half() / t).float().log_softmax(-1)[i]),
        lowest(lambda row, i, t: -(row.bfloat16() / t).float().log_softmax(-1)[i]),
        *[lowest(lambda row, i, t, most=most: min(most, nats(row, i, t))) for most in (100, 600)],
    ],
    "13.6": [
        judged(lambda example, guess: example.answer in guess),
        judged(lambda example, guess: guess in example.answer),
        judged(lambda example, guess: guess.startswith(example.answer)),
        judged(lambda example, guess: guess.endswith(example.answer)),
        remembered_by(lambda example: example.prompt),
        ignores_it(0),
        ignores_it(-1),
        answers_replaced,
    ],
}
RIGHT = {
    "13.1": [pick, by_fractions, by_perplexity, multiplied_out],
    "13.3": [sign, by_lgamma, in_torch, of_p(np.float32), of_p(lambda p: p * (1 + 4e-7))],
    "13.5": [lowest(nats), lowest(lambda row, i, t: -(row / t).log_softmax(-1)[i]), nearest_first],
    "13.6": [balanced, latest_taken_out, remembered_by(lambda example: example)],
}
