"""The check of exercise 18.2: Without yourself."""

import torch

from companion.exercises.exercise import Function


def leave_one_out(rewards):
    others = (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return rewards - others


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, 3), (3, 2), (3, 3), (4, 5), (5, 8), (2, 17)]
    made = [[[1, 0, 1, 0]], [[0, 6]], [[2, 2, 2]], [[1, 2], [3, 5]], [[0, 100, 50]]] if seed == 0 else []
    made = [(torch.tensor(rewards).float(),) for rewards in made]
    return made + [(torch.randn(*shape, generator=generator),) for shape in shapes]


def group_mean(rewards):
    return rewards - rewards.mean(1, keepdim=True)


def all_mean(rewards):
    return rewards - rewards.mean()


def others_over_all(rewards):
    return rewards - (rewards.sum(1, keepdim=True) - rewards) / rewards.shape[1]


def baseline_alone(rewards):
    return (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


def over_columns(rewards):
    return rewards - rewards.mean(0, keepdim=True)


def turned(rewards):
    return -leave_one_out(rewards)


def in_spreads(rewards):
    return group_mean(rewards) / rewards.std(1, keepdim=True, correction=0)


def in_wider_spreads(rewards):
    return group_mean(rewards) / rewards.std(1, keepdim=True)


def as_in_the_chapter(rewards):
    return group_mean(rewards) / (rewards.std(1, keepdim=True, correction=0) + 1e-4)


EXERCISE = Function(
    number="18.2",
    title="Without yourself",
    stars=1,
    wants="leave_one_out(rewards)",
    cases=cases,
    oracle=leave_one_out,
    mistakes=[
        (group_mean, "You subtract the mean of the whole group. The reward itself must not be in it."),
        (all_mean, "You subtract the mean over all groups. Each row is a group of its own."),
        (others_over_all, "The sum of the others is divided by G. They are one fewer."),
        (
            baseline_alone,
            "That is the baseline, the mean of the others. It is to be subtracted from the reward.",
        ),
        (over_columns, "You take the mean over the groups, down a column. A group is a row."),
        (turned, "The sign is turned round: what was better than the others must be positive."),
        (
            in_spreads,
            "That is equation (2). Here the mean is of the others, and nothing is divided by a spread.",
        ),
        (
            in_wider_spreads,
            "That is equation (2). Here the mean is of the others, and nothing is divided by a spread.",
        ),
        (
            as_in_the_chapter,
            "That is equation (2). Here the mean is of the others, and nothing is divided by a spread.",
        ),
    ],
    right="It is the deviation from the group's mean, times G / (G - 1): what the mean of all took away.",
)
