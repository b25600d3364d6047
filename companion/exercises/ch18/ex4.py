"""The check of exercise 18.4: Every pair."""

import random

import torch

from companion.exercises.exercise import Function


def all_pairs(rewards, size):
    pairs = []
    for start in range(0, len(rewards), size):
        here = range(start, start + size)
        pairs += [(i, j) for i in here for j in here if rewards[i] > rewards[j]]
    return pairs


def cases(seed):
    rng, made = random.Random(seed), []
    if seed == 0:
        made = [([1, 0], 2), ([0, 1], 2), ([1, 1], 2), ([0, 1, 1, 0], 2), ([1, 0, 1, 2, 2, 0], 3), ([], 2)]
        made += [([3, 1, 2], 1), ([9, 10], 2), ([0.54, 0.5], 2), ([1e-07, 2e-07], 2)]
        made += [([16777217, 16777216, 0.5, 0.25], 2), (list(range(20)), 20)]
    for groups, size in ((2, 4), (3, 3), (4, 5)):
        made.append(([rng.choice([0, 0.5, 1, -2]) for _ in range(groups * size)], size))
    return made


def across(rewards, size):
    n = range(len(rewards))
    return [(i, j) for i in n for j in n if rewards[i] > rewards[j]]


def with_ties(rewards, size):
    pairs = []
    for start in range(0, len(rewards), size):
        here = range(start, start + size)
        pairs += [(i, j) for i in here for j in here if i != j and rewards[i] >= rewards[j]]
    return pairs


def turned(rewards, size):
    return [(j, i) for i, j in all_pairs(rewards, size)]


def within(rewards, size):
    return [(i % size, j % size) for i, j in all_pairs(rewards, size)]


def values(rewards, size):
    return [(rewards[i], rewards[j]) for i, j in all_pairs(rewards, size)]


def forward_only(rewards, size):
    return [(i, j) for i, j in all_pairs(rewards, size) if i < j]


def in_float32(rewards, size):
    return all_pairs(torch.tensor(rewards, dtype=torch.float32).tolist(), size)


def by_rejected(rewards, size):
    return sorted(all_pairs(rewards, size), key=lambda pair: (pair[0] // size, pair[1], pair[0]))


EXERCISE = Function(
    number="18.4",
    title="Every pair",
    stars=2,
    wants="all_pairs(rewards, size)",
    cases=cases,
    oracle=all_pairs,
    mistakes=[
        (across, "You pair texts of different groups. They follow different prompts."),
        (with_ties, "You pair texts with equal rewards. Neither of them is better."),
        (turned, "The pairs are turned round: the better one comes first."),
        (within, "Places are counted anew in each group. Count through all rewards."),
        (values, "Those are the rewards. Places are wanted."),
        (forward_only, "The better one may stand behind the other in its group."),
        (in_float32, "In float32, two rewards that differ may become equal. Compare them as they are."),
        (by_rejected, "The pairs are right, their order is not: by the better one first, then by the other."),
    ],
    right="A group with k good and m bad texts gives k * m pairs; a group of equals gives none.",
)
