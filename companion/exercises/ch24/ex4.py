"""The check of exercise 24.4: First come, first served."""

import torch

from companion.exercises.exercise import Function


def queue(rows, most):
    taken, found = {}, []
    for row in rows:
        line = []
        for e in row:
            taken[e] = taken.get(e, 0) + 1
            line.append(taken[e] <= most)
        found.append(line)
    return found


def kept(chosen, n_experts, most):
    return torch.tensor(queue(chosen.tolist(), most))


def kept_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.tensor([[0, 1], [0, 2], [0, 1]]), 3, 1),
        (torch.tensor([[0], [0], [1], [0]]), 2, 2),
        (torch.tensor([[1, 0], [0, 1], [1, 2]]), 3, 1),
        (torch.tensor([[2], [0]]), 4, 1),
        (torch.tensor([[0, 1], [2, 0]]), 3, 0),
        (torch.zeros(300, 1, dtype=torch.long), 2, 200),
    ]
    for n, e, k, most in ((6, 4, 2, 2), (9, 3, 1, 2), (8, 5, 3, 4)):
        cases.append((torch.rand(n, e, generator=generator).topk(k).indices, e, most))
    return cases


def one_too_many(chosen, n_experts, most):
    return kept(chosen, n_experts, most + 1)


def one_too_few(chosen, n_experts, most):
    return kept(chosen, n_experts, most - 1)


def last_come(chosen, n_experts, most):
    return kept(chosen.flip(0), n_experts, most).flip(0)


def dropped(chosen, n_experts, most):
    return ~kept(chosen, n_experts, most)


def whole_tokens(chosen, n_experts, most):
    return kept(chosen, n_experts, most).all(1, keepdim=True).expand_as(chosen)


def by_column(chosen, n_experts, most):
    return torch.tensor(queue(chosen.T.tolist(), most)).T


def each_choice_apart(chosen, n_experts, most):
    return torch.stack([kept(column[:, None], n_experts, most)[:, 0] for column in chosen.T], dim=1)


def everything(chosen, n_experts, most):
    return torch.ones_like(chosen, dtype=torch.bool)


def first_tokens(chosen, n_experts, most):
    return (torch.arange(len(chosen)) < most)[:, None].expand_as(chosen)


def never_none(chosen, n_experts, most):
    return kept(chosen, n_experts, max(most, 1))


def all_at_zero(chosen, n_experts, most):
    return kept(chosen, n_experts, most or len(chosen))


def wraps(dtype):
    """A running count in 8 bits."""

    def answer(chosen, n_experts, most):
        flat = chosen.flatten()
        hot = (flat[:, None] == torch.arange(n_experts)).to(dtype)
        return (hot.cumsum(0, dtype=dtype).gather(1, flat[:, None]) <= most).view(chosen.shape)

    return answer


EXERCISE = Function(
    number="24.4",
    title="First come, first served",
    stars=2,
    wants="kept(chosen, n_experts, most)",
    cases=kept_cases,
    oracle=kept,
    mistakes=[
        (one_too_many, "An expert takes one token too many: a count from 1 must be at most `most`."),
        (one_too_few, "An expert takes one token too few: where does your count begin?"),
        (last_come, "Your experts take the last tokens. Those that come first should be served."),
        (dropped, "That is turned round: True means that a choice is kept."),
        (whole_tokens, "A token that loses one expert keeps the other: each choice counts for itself."),
        (
            by_column,
            "All first choices come before all second ones in yours (GShard does so). Here a token's choices "
            "come together.",
        ),
        (each_choice_apart, "First and second choices of an expert share one queue; yours have two."),
        (never_none, "With `most` = 0 an expert has room for none; yours takes one."),
        (all_at_zero, "With `most` = 0 nothing is kept; it does not mean that there is no limit."),
        (wraps(torch.int8), "Your count is in 8 bits: after 127 it goes on at -128."),
        (wraps(torch.uint8), "Your count is in 8 bits: after 255 it begins at 0 again."),
        (everything, "You keep everything. An expert has room for `most` tokens only."),
        (first_tokens, "You keep the first `most` tokens of all. Each expert has a queue of its own."),
    ],
    right="A running count is a queue: no loop over tokens, and nobody waits.",
)
