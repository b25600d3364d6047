"""The check of exercise 16.6: Packed, and apart."""

import torch

from companion.exercises.exercise import Function


def may_look(ids, begin):
    n = len(ids)
    allowed = torch.zeros(n, n, dtype=torch.bool)
    for query in range(n):
        for key in range(query, -1, -1):
            allowed[query, key] = True
            if int(ids[key]) == begin:
                break
    return allowed


def cases(seed):
    generator, made = torch.Generator().manual_seed(seed), []
    if seed == 0:
        rows = [[0], [5], [0, 3], [0, 0], [3, 0], [0, 3, 0, 4], [0, 3, 4, 0, 5, 6], [2, 3, 0, 4], [0, 0, 3],
                [4, 4, 4]]  # fmt: skip
        made += [(torch.tensor(row), 0) for row in rows] + [(torch.tensor([7, 1, 2, 7, 3]), 7)]
        made += [(torch.tensor([1000, 3, 1000]), 1000), (torch.tensor([3, 300, 44, 300, 2]), 300)]
        made += [(torch.tensor([2, 5, 1] * k), 2) for k in (4, 8, 12)]
        made += [(torch.arange(n), 0) for n in (20, 100)] + [(torch.zeros(300, dtype=torch.int64), 0)]
    for n in (5, 8, 11):
        made.append((torch.randint(0, 4, (n,), generator=generator), 2))
    return made


def causal(n):
    return torch.ones(n, n, dtype=torch.bool).tril()


def number(ids, begin):
    return (ids == begin).cumsum(0)


def same(ids, begin):
    block = number(ids, begin)
    return block[:, None] == block[None, :]


def begins_later(ids, begin):
    block = number(ids, begin) - (ids == begin).long()
    return (block[:, None] == block[None, :]) & causal(len(ids))


EXERCISE = Function(
    number="16.6",
    title="Packed, and apart",
    stars=3,
    wants="may_look(ids, begin)",
    cases=cases,
    oracle=may_look,
    mistakes=[
        (lambda ids, begin: causal(len(ids)), "That is causal, but it looks into the conversation before."),
        (same, "A token may not look at what comes after it, in its own conversation either."),
        (
            begins_later,
            "The token `begin` belongs to the conversation that it begins, not to the one before.",
        ),
        (
            lambda ids, begin: same(ids, begin) & causal(len(ids)) & (number(ids, begin) > 0)[:, None],
            "What stands before the first `begin` is a conversation, too.",
        ),
        (
            lambda ids, begin: (same(ids, begin) & causal(len(ids))).T,
            "Rows and columns have changed places: a row is the token that looks.",
        ),
        (
            lambda ids, begin: same(ids, begin) & causal(len(ids)).tril(-1),
            "A token may look at itself, too.",
        ),
        (
            lambda ids, begin: ~(same(ids, begin) & causal(len(ids))),
            "True and False have changed places: True where a token may look.",
        ),
        (
            lambda ids, begin: (
                (same(ids, begin) & causal(len(ids))) | (ids == begin)[None, :] & causal(len(ids))
            ),
            "The beginnings of other conversations may not be seen either.",
        ),
        (
            lambda ids, begin: same(ids, begin) & causal(len(ids)) & (ids != begin)[None, :],
            "The token `begin` is part of its conversation, and may be looked at.",
        ),
    ],
    right="With such a mask, and positions that begin anew in each block, a packed row is worth what its "
    "conversations are alone.",
)
