"""The check of exercise 18.3: Pushed far enough."""

import torch

from companion.exercises.exercise import Function


def idle(ratio, advantages, clip):
    A = advantages[:, None]
    return ((A > 0) & (ratio > 1 + clip)) | ((A < 0) & (ratio < 1 - clip)) | (A == 0).expand_as(ratio)


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    made = []
    if seed == 0:
        made = [
            (torch.tensor([[2.0]]), torch.tensor([1.0]), 0.2),
            (torch.tensor([[2.0]]), torch.tensor([-1.0]), 0.2),
            (torch.tensor([[0.5]]), torch.tensor([-1.0]), 0.2),
            (torch.tensor([[0.5]]), torch.tensor([1.0]), 0.2),
            (torch.tensor([[1.0, 3.0]]), torch.tensor([0.0]), 0.2),
            (torch.tensor([[1.25, 0.75]]), torch.tensor([2.0]), 0.3),
            (torch.tensor([[1.25, 0.75]]), torch.tensor([-2.0]), 0.1),
            (torch.tensor([[1.21, 0.81]]), torch.tensor([1.0]), 0.2),
            (torch.tensor([[1.19, 0.79]]), torch.tensor([-1.0]), 0.2),
            (torch.tensor([[1.203, 1.197]]), torch.tensor([0.1]), 0.2),
            (torch.tensor([[0.803, 0.797]]), torch.tensor([-0.1]), 0.2),
            (torch.tensor([[1.07, 0.93]]), torch.tensor([1.0]), 0.05),
            (torch.tensor([[1.07, 0.93]]), torch.tensor([-1.0]), 0.05),
            (torch.tensor([[1.55, 0.45]]), torch.tensor([-1.0]), 0.6),
            (torch.tensor([[0.1, 0.3]]), torch.tensor([-1.0]), 0.8),
            (torch.tensor([[0.1, 2.1, 3.0]]), torch.tensor([1.0]), 1.5),
            (torch.tensor([[0.1, 2.1, 3.0]]), torch.tensor([-1.0]), 1.5),
            (torch.tensor([[20.0, 0.01]]), torch.tensor([3.0]), 0.2),
            (torch.tensor([[0.5, 2.0]]), torch.tensor([1e-9]), 0.2),
            (torch.tensor([[0.5, 2.0]]), torch.tensor([-1e-4]), 0.2),
            (torch.tensor([[1.5, 1.5], [0.5, 0.5]]), torch.tensor([1.0, -1.0]), 0.2),
        ]
    for N, T, clip in ((2, 3, 0.2), (3, 3, 0.2), (2, 5, 0.1), (3, 4, 0.3)):
        ratio = torch.rand(N, T, generator=generator) * 2
        made.append((ratio, torch.randn(N, generator=generator), clip))
    return made


def outside(ratio, advantages, clip):
    return (ratio > 1 + clip) | (ratio < 1 - clip)


def outside_or_zero(ratio, advantages, clip):
    return outside(ratio, advantages, clip) | (advantages[:, None] == 0)


def without_zero(ratio, advantages, clip):
    A = advantages[:, None]
    return ((A > 0) & (ratio > 1 + clip)) | ((A < 0) & (ratio < 1 - clip))


def only_good(ratio, advantages, clip):
    A = advantages[:, None]
    return ((A > 0) & (ratio > 1 + clip)) | (A == 0).expand_as(ratio)


def turned(ratio, advantages, clip):
    return ~idle(ratio, advantages, clip)


def crossed(ratio, advantages, clip):
    return idle(ratio, -advantages, clip)


EXERCISE = Function(
    number="18.3",
    title="Pushed far enough",
    stars=3,
    wants="idle(ratio, advantages, clip)",
    cases=cases,
    oracle=idle,
    mistakes=[
        (outside, "You mark every ratio outside the bounds. Which of the two does the minimum take?"),
        (outside_or_zero, "You mark every ratio outside the bounds. Which of the two does the minimum take?"),
        (without_zero, "An advantage of 0 gives no gradient either."),
        (only_good, "You mark good tokens only. Bad ones can be pushed far enough, too."),
        (turned, "You mark the tokens that still learn."),
        (crossed, "The sides are exchanged: a good token is pushed up, so it can be too far up only."),
    ],
    right="The clip stops a push that went far enough, and never one that goes back.",
)
