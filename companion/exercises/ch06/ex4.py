"""The check of exercise 6.4: Who depends on whom."""

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.exercise import Function


def depends(f, x):
    slopes = torch.autograd.functional.jacobian(f, x)  # (1, T, E, 1, T, C)
    return slopes[0, :, :, 0].abs().amax(dim=(1, 3)) > 0


def averages(x, weights):
    return weights / weights.sum(1, keepdim=True) @ x


def past_mean(x):
    return averages(x, torch.ones(x.shape[1], x.shape[1]).tril())


def mean_of_all(x):
    return averages(x, torch.ones(x.shape[1], x.shape[1]))


def alone(x):
    return torch.tanh(x) * 2


def the_next(x):
    return x.roll(-1, dims=1)


def last_two(x):
    return averages(x, torch.ones(x.shape[1], x.shape[1]).tril().triu(-1))


def past_in_the_last_number(x):
    return torch.cat([x[..., :1], past_mean(x)[..., -1:]], dim=-1)


def of_the_last_number(x):
    return past_mean(x[..., -1:])


def share_and_rest(x):
    p = torch.sigmoid(past_mean(x))
    return torch.cat([p, 1 - p], dim=-1)


def of_the_difference(x):
    return past_mean(x[..., :1] - x[..., -1:])


def leaks_at_the_end(x):
    return torch.cat([past_mean(x)[:, :1], mean_of_all(x)[:, 1:]], dim=1)


def barely_the_next(x):
    return past_mean(x) + 1e-4 * the_next(x)


class Normed(nn.Module):
    """A part of a model: an answer leaves its gradients and its modes, of which one is eval, as they were."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(width * (width + 1.0)).cos().view(width + 1, width))
        self.dropout = nn.Dropout(0.5).eval()

    def forward(self, x):
        return last_two(self.dropout(F.linear(F.layer_norm(x, x.shape[-1:]), self.weight))).softmax(-1)


def depends_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    fs = [past_mean, mean_of_all, alone, the_next, last_two, past_in_the_last_number, of_the_last_number]
    fs += [share_and_rest, of_the_difference, leaks_at_the_end]
    sizes = [(2, 3), (3, 2), (5, 4)]
    cases = [(f, torch.randint(1, 9, (1, T, C), generator=generator) / 4) for T, C in sizes for f in fs]
    one, narrow = (torch.randint(1, 9, (1, T, C), generator=generator) / 4 for T, C in [(1, 7), (8, 1)])
    x = torch.rand(1, 9, 3, generator=generator) + torch.tensor([1.0, 2.5, 4.0])
    return [*cases, (alone, one), (last_two, narrow), (Normed(3), x), (barely_the_next, x)]


def gradient_rows(f, x, pick):
    x = x.clone().requires_grad_()
    y = f(x)
    slopes = [torch.autograd.grad(pick(row), x, retain_graph=True)[0][0] for row in y[0]]
    return torch.stack(slopes)


def depends_without_reset(f, x):
    slopes = torch.autograd.functional.jacobian(f, x)[0, :, :, 0].abs().amax(dim=(1, 3))
    return slopes.cumsum(0) > 0


def depends_by_first_number(f, x):
    return torch.autograd.functional.jacobian(f, x)[0, :, :, 0, :, 0].abs().amax(dim=1) > 0


def depends_last_only(f, x):
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    found[-1] = depends(f, x)[-1]
    return found


def depends_by_changes(f, x, change, more_than=0.0):
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] += change()
        found[:, s] = ((f(other) - f(x)).abs() > more_than)[0].any(-1)
    return found


TOGETHER = (
    "You moved all numbers of an input together, or added up their slopes. A function that reads only their "
    "differences, as a norm does, does not feel that."
)
LOST = (
    "So small a change is lost: float32 keeps seven digits. Change `x` by about as much as its numbers are."
)


EXERCISE = Function(
    number="6.4",
    title="Who depends on whom",
    stars=2,
    wants="depends(f, x)",
    cases=depends_cases,
    oracle=depends,
    shown="{f}({0}, x), x = {1}",
    mistakes=[
        (
            lambda f, x: depends(f, x).T,
            "Rows and columns are exchanged: the row is the output's position, the column the input's.",
        ),
        (
            lambda f, x: gradient_rows(f, x, torch.sum).abs().amax(-1) > 0,
            "You took the gradient of the sum of an output's numbers. Where one rises as another falls, as "
            "probabilities do, the sum stands still: ask each number, or weight them at random.",
        ),
        (
            lambda f, x: gradient_rows(f, x, lambda y: y[0]).abs().amax(-1) > 0,
            "You asked the first number of each output only. The leak may be in another.",
        ),
        (
            depends_by_first_number,
            "You looked at the first number of each input only. It may be another one that is read.",
        ),
        (
            lambda f, x: gradient_rows(f, x, torch.sum).sum(-1) != 0,
            "Slopes of both signs cancel where you add them, over outputs or inputs: take sizes first.",
        ),
        (
            lambda f, x: torch.autograd.functional.jacobian(f, x)[0, :, :, 0].sum(-1).abs().amax(1) > 0,
            TOGETHER,
        ),
        *(
            (lambda f, x, more_than=more_than: depends_by_changes(f, x, lambda: 1.0, more_than), TOGETHER)
            for more_than in (0.0, 1e-6)
        ),
        (
            depends_without_reset,
            "Each row has what the rows above it have: `backward` adds to `.grad`. Begin each row anew.",
        ),
        (
            depends_last_only,
            "Only the last row is filled. A leak may be in the middle: ask every position.",
        ),
        (
            lambda f, x: torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril(),
            "That is what a causal function looks like at most. What of this one? Ask `f`.",
        ),
        (
            lambda f, x: depends(f, x).float(),
            "These are numbers. A comparison, such as `> 0`, makes True and False of them.",
        ),
        (
            lambda f, x: torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool),
            "Nothing moved, not even at the position that changed. Is the change so small that float32's "
            "seven digits lose it? And does `f` get what was changed?",
        ),
        (lambda f, x: depends_by_changes(f, x, lambda: 1e-7 * torch.randn(x.shape[2])), LOST),
        (lambda f, x: depends_by_changes(f, x, lambda: 1e-7), LOST),
    ],
    right="Nothing above the diagonal: that is all that 'causal' says, and you can ask it of any model.",
)
