"""The check of exercise 17.4: An adapter from two models."""

import torch

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import as_tensor


def extract(before, after, rank):
    U, S, V = torch.linalg.svd((after - before).double(), full_matrices=False)
    return V[:rank], U[:, :rank] * S[:rank]


def cases(seed):
    g = torch.Generator().manual_seed(seed)
    made = []
    if seed == 0:
        made += [
            (torch.zeros(2, 2), torch.tensor([[3.0, 0], [0, 1]]), 1),
            (torch.zeros(2, 3), torch.tensor([[0.0, 0, 1], [0, -5, 0]]), 1),
            (torch.ones(3, 2), torch.tensor([[2.0, 3], [1, 1], [3, 5]]), 1),
            (torch.ones(2, 3), torch.ones(2, 3), 1),
        ]
    for out, into, rank in ((6, 4, 2), (4, 7, 3), (5, 8, 1), (5, 3, 3), (4, 4, 2), (3, 5, 3)):
        before = torch.randn(out, into, generator=g)
        made.append((before, before + torch.randn(out, into, generator=g), rank))
    for weight, change in ((1.0, 0.02), (30.0, 0.3)):
        before = weight * torch.randn(6, 5, generator=g)
        made.append((before, before + change * torch.randn(6, 5, generator=g), 2))
    made.append((2 * torch.randn(3, 4, generator=g), torch.randn(3, 4, generator=g), 1))
    return made


def product(answer, before, after, rank):
    found = answer(before, after, rank)
    try:
        A, B = found
    except (TypeError, ValueError):
        raise Problem("It must return two matrices, A and B.") from None
    A, B = as_tensor(A), as_tensor(B)
    shapes = (rank, before.shape[1]), (before.shape[0], rank)
    if A is None or B is None or (tuple(A.shape), tuple(B.shape)) != shapes:
        raise Problem(f"A must be (rank, in) and B (out, rank): here {shapes[0]} and {shapes[1]}.")
    if A.is_complex() or B.is_complex():
        raise Problem("A and B must be of real numbers; these are complex.")
    return B.double() @ A.double() + 0.0  # no minus zeros


def of(make):
    def wrong(before, after, rank):
        U, S, V = torch.linalg.svd((after - before).double(), full_matrices=False)
        return make(U, S, V, rank)

    return wrong


def of_after(before, after, rank):
    return extract(torch.zeros_like(after), after, rank)


EXERCISE = Function(
    number="17.4",
    title="An adapter from two models",
    stars=2,
    wants="extract(before, after, rank)",
    cases=cases,
    oracle=extract,
    call=product,
    tolerance=1e-4,
    mistakes=[
        (of(lambda U, S, V, r: (V[:r], U[:, :r])), "The singular values were left out."),
        (
            of(lambda U, S, V, r: (V[:r] * S[:r, None], U[:, :r] * S[:r])),
            "The singular values came in twice, in A and in B.",
        ),
        (of(lambda U, S, V, r: (V[-r:], U[:, -r:] * S[-r:])), "Those are the smallest singular values."),
        (of_after, "That is near the new matrix. The change is to be met: after minus before."),
        (
            lambda before, after, rank: extract(after, before, rank),
            "That leads back: after minus before is meant.",
        ),
        (
            of(lambda U, S, V, r: (V[:r], U[:, :r] * S[:r].sqrt())),
            "The root of the singular values stands on one side only.",
        ),
        (
            lambda before, after, rank: (
                (after - before)[:rank],
                torch.eye(len(before), rank, dtype=before.dtype),
            ),
            "The first rows of the change are exact, all others 0. A thin matrix can come nearer to all.",
        ),
        (of(lambda U, S, V, r: (V[:r] * 0, U[:, :r])), "The product is 0."),
    ],
    right="So a thin adapter can be taken out of any two models with the same parts, after the training.",
)
