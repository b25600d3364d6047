"""The check of exercise 5.4: Sixteen million ways."""

import math
import random

from companion.exercises.exercise import Function


def by_length(slopes):
    shares = [1.0]
    for slope in slopes:
        longer = [0.0, *(share * slope for share in shares)]
        shares = [s + t for s, t in zip([*shares, 0.0], longer, strict=True)]
    return shares


def by_length_cases(seed):
    rng = random.Random(seed)
    cases = [([],), ([0.5],), ([0.0],), ([0.5, 0.25],), ([2.0, 3.0, 5.0],), ([0.5, -0.5],)]
    cases += [([0.5, 0.0, 2.0],), ([0.75] * 13,)]
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


def without_zeros(slopes):
    return by_length([slope for slope in slopes if slope])


def up_to(slopes):
    shares = by_length(slopes)
    return [sum(shares[: k + 1]) for k in range(len(shares))]


EXERCISE = Function(
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
        (
            without_zeros,
            "A layer whose slope is 0 is a layer, too: the list has a place for it, of weight 0.",
        ),
        (up_to, "You added up as you went: each entry has the ways of its own length only."),
    ],
    right="Of 24 layers with slopes of 0.35, ways through ten at most carry 97 % of the gradient.",
)
