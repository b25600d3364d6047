"""The check of exercise 17.2: Folded by hand."""

import torch

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import as_tensor


def folded(W, A, B, alpha):
    return W + alpha / A.shape[0] * (B @ A)


def cases(seed):
    g = torch.Generator().manual_seed(seed)
    made = []
    if seed == 0:
        W = torch.tensor([[1.0, 0, 2], [0, 1, 0], [3, 0, 1]])
        made += [
            (W, torch.tensor([[1.0, 2, 0]]), torch.tensor([[1.0], [0], [2]]), 2),
            (W, torch.tensor([[1.0, 2, 0], [0, 1, 1]]), torch.tensor([[1.0, 1], [0, 1], [2, 0]]), 2),
            (torch.zeros(2, 3), torch.tensor([[1.0, 2, 3]]), torch.tensor([[1.0], [10]]), 1),
            (W, torch.tensor([[1.0, 2, 0], [2, 4, 0]]), torch.tensor([[1.0, 1], [0, 1], [2, 0]]), 2),
        ]
    for out, into, r, alpha in ((5, 3, 2, 3), (4, 7, 3, 1.5), (6, 9, 4, 32), (7, 5, 5, 4)):
        made.append(
            (*(torch.randn(*s, generator=g) for s in ((out, into), (r, into), (out, r))), alpha + seed)
        )
    return made


def real(answer, W, A, B, alpha):
    found = answer(W, A, B, alpha)
    if (matrix := as_tensor(found)) is not None and matrix.is_complex():
        raise Problem("It must return a matrix of real numbers; these are complex.")
    return found


def scaled(scale):
    return lambda W, A, B, alpha: W + scale(A, B, alpha) * (B @ A)


def transposed(W, A, B, alpha):
    change = alpha / A.shape[0] * (A.T @ B.T)
    return W + (change if change.shape == W.shape else change.T.reshape(W.shape))


EXERCISE = Function(
    number="17.2",
    title="Folded by hand",
    stars=1,
    wants="folded(W, A, B, alpha)",
    cases=cases,
    oracle=folded,
    call=real,
    mistakes=[
        (scaled(lambda A, B, alpha: 1), "The change counts once: `alpha` and the rank were left out."),
        (scaled(lambda A, B, alpha: alpha), "`alpha` is to be divided by the rank."),
        (scaled(lambda A, B, alpha: 1 / len(A)), "`alpha` was left out."),
        (scaled(lambda A, B, alpha: alpha / A.shape[1]), "The rank is how many rows A has, not columns."),
        (scaled(lambda A, B, alpha: alpha / len(B)), "The rank is how many columns B has, not rows."),
        (scaled(lambda A, B, alpha: alpha * len(A)), "Divide by the rank; it was multiplied with."),
        (scaled(lambda A, B, alpha: alpha / len(A) ** 0.5), "Divide by the rank itself, not by its root."),
        (scaled(lambda A, B, alpha: -alpha / len(A)), "That takes the change away."),
        (scaled(lambda A, B, alpha: alpha // len(A)), "`//` drops what is behind the point; use `/`."),
        (lambda W, A, B, alpha: alpha / len(A) * (B @ A), "That is the change alone. Add it to W."),
        (lambda W, A, B, alpha: W, "W is as it was."),
        (
            lambda W, A, B, alpha: alpha / len(A) * (W + B @ A),
            "W was scaled, too. Only the change is multiplied by `alpha` / rank.",
        ),
        (transposed, "That has the change on its side: B times A is (out, in), as W is."),
    ],
    right="What is folded in costs nothing to run: an adapter need not make a model slower.",
)
