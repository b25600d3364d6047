"""The check of exercise 15.5: Twins are not two."""

import math
import random
from collections import defaultdict
from fractions import Fraction

from companion.exercises.exercise import Function


def grouped_error(right, groups):
    mean, sums = Fraction(sum(right), len(right)), defaultdict(Fraction)
    for r, group in zip(right, groups, strict=True):
        sums[group] += r - mean
    return math.sqrt(sum(s * s for s in sums.values())) / len(right)


def cases(seed):
    rng = random.Random(seed)
    made = []
    if seed == 0:
        made += [
            ([1, 0, 1, 1], [0, 0, 1, 1]),
            ([1, 0, 1, 1], [0, 1, 2, 3]),
            ([1, 1, 0, 0], [0, 0, 1, 1]),
            ([1, 0, 1, 0], [0, 0, 1, 1]),
            ([1, 0, 1, 0], [0, 1, 0, 1]),
            ([1, 1, 1], ["a", "b", "b"]),
            ([1, 0, 0, 1, 1], ["a", "a", "a", "b", "c"]),
            ([1, 0, 0, 1, 1], ["b", "a", "c", "a", "b"]),
            ([1, 0, 1, 1], ["Mara", "Mona", "Ivy", "Ivy"]),
            ([1, 0, 1, 1], ["a", "A", "b", "b"]),
            ([1, 0, 1], ["a", "a", "a"]),
        ]
    for _ in range(4):
        n = rng.randint(8, 30)
        made.append(
            ([rng.randint(0, 1) for _ in range(n)], [rng.choice("pqrstuv") + str(n) for _ in range(n)])
        )
    return made


def alone(right, groups):
    p = sum(right) / len(right)
    return math.sqrt(p * (1 - p) / len(right))


def groups_means(right, groups, ddof=0, scale=1):
    by = defaultdict(list)
    for r, g in zip(right, groups, strict=True):
        by[g].append(r)
    means = [sum(v) / len(v) for v in by.values()]
    middle = sum(means) / len(means)
    return scale * math.sqrt(sum((m - middle) ** 2 for m in means) / max(1, len(means) - ddof) / len(means))


def uncentered(right, groups):
    sums = defaultdict(float)
    for r, g in zip(right, groups, strict=True):
        sums[g] += r
    return math.sqrt(sum(s * s for s in sums.values())) / len(right)


def neighbors(right, groups):
    """Groups only where they stand side by side."""
    new, number = [], 0
    for i, g in enumerate(groups):
        number += i > 0 and g != groups[i - 1]
        new.append(number)
    return grouped_error(right, new)


def own_means(right, groups):
    """Deviations from the mean of the group, of which the sum is 0."""
    return 0.0


def own_means_squared(right, groups):
    by = defaultdict(list)
    for r, g in zip(right, groups, strict=True):
        by[g].append(r)
    squares = sum((r - sum(v) / len(v)) ** 2 for v in by.values() for r in v)
    return math.sqrt(squares) / len(right)


def without_squares(right, groups):
    mean, sums = sum(right) / len(right), defaultdict(float)
    for r, g in zip(right, groups, strict=True):
        sums[g] += r - mean
    return sum(map(abs, sums.values())) / len(right)


def from_the_mean_of_means(right, groups):
    """Sums over groups, of deviations from the mean of the groups' means."""
    by = defaultdict(list)
    for r, g in zip(right, groups, strict=True):
        by[g].append(r)
    middle = sum(sum(v) / len(v) for v in by.values()) / len(by)
    return math.sqrt(sum((sum(v) - len(v) * middle) ** 2 for v in by.values())) / len(right)


def by_groups(right, groups):
    return grouped_error(right, groups) * len(right) / len(set(groups))


OWN = "Groups may be of unequal sizes, and the mean is over all answers: add up what a group's deviate."
EXERCISE = Function(
    number="15.5",
    title="Twins are not two",
    stars=2,
    wants="grouped_error(right, groups)",
    cases=cases,
    oracle=grouped_error,
    mistakes=[
        (alone, "That is the error of answers that are all independent: the groups were not used."),
        (lambda right, groups: alone(right, groups) * math.sqrt(2), "Not every group is a pair that agrees."),
        (groups_means, f"That is the error of the mean of the groups' means. {OWN}"),
        (
            lambda right, groups: groups_means(right, groups, 1),
            f"The error of the groups' means, with n - 1. {OWN}",
        ),
        (
            uncentered,
            "The mean was not taken off: sums of right answers are large even where nothing varies.",
        ),
        (neighbors, "The members of a group need not stand side by side."),
        (
            by_groups,
            "You divided by the number of groups. Sums over groups are divided by the number of answers.",
        ),
        (
            lambda right, groups: grouped_error(right, groups) ** 2,
            "That is the variance: its root is wanted.",
        ),
        (
            lambda right, groups: grouped_error(right, groups) * math.sqrt(len(right)),
            "Divide by N, outside the root: that shrinks with more groups.",
        ),
        (
            lambda right, groups: 1.96 * grouped_error(right, groups),
            "That is half an interval. One error is wanted.",
        ),
        (
            lambda right, groups: grouped_error(right, groups) / max(1e-9, sum(right) / len(right)),
            "The error itself is wanted, not its share of the mean.",
        ),
        (
            own_means,
            "From a group's own mean its answers deviate by 0 in sum, and so do all answers in one group: "
            "take the mean of all answers, and the sum of each group.",
        ),
        (
            own_means_squared,
            "Those are deviations from the group's own mean, squared one by one. Take the mean of all "
            "answers, and square each group's sum.",
        ),
        (
            without_squares,
            "The groups' sums were added without their signs. Square them, add, take the root.",
        ),
        (
            from_the_mean_of_means,
            "That deviates from the mean of the groups' means. Take the mean of all answers.",
        ),
        (
            lambda right, groups: grouped_error(right, groups) * 100,
            "Is that in percent? As a share, 40 % is 0.4.",
        ),
    ],
    right="What counts is how many independent things were asked, not how many rows a file has.",
)
