"""The check of exercise 4.4: A leak that no gradient shows."""

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.exercise import Function


def looks_ahead(layer, x):
    generator = torch.Generator().manual_seed(5)
    before, found = layer(x), set()
    for j in range(x.shape[1]):
        changed = x.clone()
        changed[:, j] = torch.randn(x.shape[2], generator=generator)
        moved = (layer(changed) - before).abs().amax((0, 2))
        found |= {i for i in range(j) if moved[i] > 1e-6}
    return sorted(found)


def own_only(x):
    return 2 * x


def mean_so_far(x):
    return x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]


def next_token(x):
    return torch.cat([x[:, 1:], x[:, -1:]], dim=1)


def mean_of_all(x):
    return x + x.mean(dim=1, keepdim=True)


def mean_of_all_detached(x):
    return x + x.detach().mean(dim=1, keepdim=True)


def two_ahead(x):
    return torch.cat([x[:, :-2] + x[:, 2:], x[:, -2:]], dim=1)


def first_sees_last(x):
    return torch.cat([x[:, :1] + x[:, -1:], x[:, 1:]], dim=1)


def centered_next(x):
    return x + next_token(x) - next_token(x).mean(dim=-1, keepdim=True)


def direction_of_next(x):
    return x + F.normalize(next_token(x), dim=-1)


def one_number_of_next(x):
    return x + next_token(x)[..., :1]


def last_number_of_next(x):
    return x + next_token(x)[..., -1:]


def sum_of_next(x):
    return x + next_token(x).sum(dim=-1, keepdim=True)


def size_of_next(x):
    return x + 2 * next_token(x).abs()


def last_number_sees_next(x):
    return torch.cat([x[..., :-1], x[..., -1:] + next_token(x)[..., :1]], dim=-1)


def two_numbers_see_next(x):
    leak = next_token(x)[..., :1]
    return torch.cat([x[..., :1] + leak, x[..., 1:2] - leak, x[..., 2:]], dim=-1)


def a_little_of_next(x):
    return x + 2e-4 * next_token(x)


def second_sees_last(x):
    return torch.cat([x[:, :1], x[:, 1:2] + x[:, -1:], x[:, 2:]], dim=1)


class Mixed(nn.Module):
    """A layer that learns, and looks ahead: each token and the next, each times a matrix."""

    def __init__(self, width):
        super().__init__()
        self.own, self.other = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return self.own(x) + self.other(next_token(x))


def leak_cases(seed):
    generator = torch.Generator().manual_seed(seed + 100)  # not 0: an answer's own draws would be equal
    tiny = torch.tensor([[[1.0, 2.0], [4.0, -1.0], [0.5, 3.0]]])
    layers = [own_only, mean_so_far, next_token, mean_of_all, mean_of_all_detached, first_sees_last]
    cases = [(layer, tiny) for layer in layers] + [(mean_of_all, tiny[:, :1])]
    layers += [two_ahead, centered_next, direction_of_next, one_number_of_next, last_number_of_next]
    layers += [sum_of_next, size_of_next, last_number_sees_next, two_numbers_see_next, a_little_of_next]
    layers += [second_sees_last]
    for t, c in ((4, 3), (6, 5)):
        modules = [nn.Linear(c, c), Mixed(c)]
        cases += [(layer, torch.randn(1, t, c, generator=generator)) for layer in layers + modules]
    return cases


def leaks_where(layer, x, change, positions=None, seen=lambda i, j: i < j):
    """The outputs i that move when a token j is changed in some way."""
    before, found = layer(x), set()
    for j in range(x.shape[1]) if positions is None else positions:
        changed = x.clone()
        changed[:, j] = change(x[:, j])
        moved = (layer(changed) - before).abs().amax((0, 2))
        found |= {i for i in range(x.shape[1]) if seen(i, j) and moved[i] > 1e-6}
    return sorted(found)


def another(token):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(token.shape, generator=generator)


def leaks_by_gradient(layer, x):
    x = x.clone().requires_grad_()
    found = []
    for i, o in enumerate(layer(x)[0]):
        (slope,) = torch.autograd.grad((o**3).sum(), x, retain_graph=True, allow_unused=True)
        if slope is not None and slope[0, i + 1 :].abs().sum() > 1e-6:
            found.append(i)
    return found


def leak_sources(layer, x):
    t = x.shape[1]
    return [j for j in range(t) if leaks_where(layer, x, another, [j])]


def all_later_but_one(layer, x):
    return [i for i in looks_ahead(layer, x) if leaks_where(layer, x, another, [i + 1], lambda a, b: a < b)]


EXERCISE = Function(
    number="4.4",
    title="A leak that no gradient shows",
    stars=2,
    wants="looks_ahead(layer, x)",
    cases=leak_cases,
    oracle=looks_ahead,
    shown="{f}({0}, x), x = {1}",
    mistakes=[
        (
            leaks_by_gradient,
            "This is what the gradient sees. The layer has a part that PyTorch did not record; the future "
            "reaches the output through it all the same. Change a token, and compare the outputs.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, another, [x.shape[1] - 1]),
            "You changed the last token only. A layer that looks one or two tokens ahead shows that only "
            "when those are changed.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, lambda token: 2 * token),
            "You doubled the token. A layer that brings tokens to one length before it uses them does not "
            "notice: put another token in its place.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, lambda token: token + 1),
            "You added the same to all numbers of a token. A layer that subtracts their mean does not "
            "notice: put another token in its place.",
        ),
        (
            lambda layer, x: leaks_where(
                layer, x, lambda token: torch.cat([token[..., :-1], -token[..., -1:]], -1)
            ),
            "You changed one of the token's numbers. The layer may be looking at another one.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, another, seen=lambda i, j: i <= j),
            "You counted outputs that change with their own token. They may: only those before the changed "
            "token have looked ahead.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, another, seen=lambda i, j: i > j),
            "You listed outputs that depend on an earlier token. That is allowed; look at those before the "
            "token that you changed.",
        ),
        (
            leak_sources,
            "You listed the tokens that are seen too early. The question is which outputs see them.",
        ),
        (
            all_later_but_one,
            "You tried the next token for each output. A leak may come from any later one.",
        ),
    ],
    right="Changing the future and seeing whether the past moves needs no gradient, and works for any code.",
)
