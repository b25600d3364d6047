"""The check of exercise 10.6: Even, and exactly."""

import torch

from companion.exercises.exercise import Function


def exactly_orthogonal(matrix):
    u, _, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    return (u @ v).to(matrix.dtype)


def iterated(matrix, steps, size=None):
    x = matrix.double() / (matrix.double().norm() if size is None else size)
    for _ in range(steps):
        x = 1.5 * x - 0.5 * x @ x.T @ x
    return x.to(matrix.dtype)


def quintic(matrix, steps=5):
    x = matrix.double() / matrix.double().norm()
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.to(matrix.dtype)


def orthogonal_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    by_hand = [
        [[3.0, 0], [0, 0.5]],
        [[0.0, 2], [-2, 0]],
        [[3.0, 4]],
        [[0.5]],
        [[-7.0]],
        [[1.0, 1], [1, -1], [1, 1]],
    ]
    cases = [(torch.tensor(rows),) for rows in by_hand]
    for n, m, spread in [(3, 5, 1), (7, 4, 1), (6, 6, 3), (12, 9, 2), (5, 13, 3)]:
        u, _, v = torch.linalg.svd(torch.randn(n, m, generator=generator).double(), full_matrices=False)
        sizes = 10 ** -torch.linspace(0, spread, min(n, m)).double()
        scale = 10 ** (4 * torch.rand((), generator=generator) - 2).double()
        cases.append(((scale * (u * sizes) @ v).float(),))
    return cases


EXERCISE = Function(
    number="10.6",
    title="Even, and exactly",
    stars=3,
    wants="exactly_orthogonal(matrix)",
    cases=orthogonal_cases,
    oracle=exactly_orthogonal,
    tolerance=1e-4,
    mistakes=[
        (
            lambda matrix: iterated(matrix, 5),
            "Right in the direction, and five steps are too few: small singular values have not come up yet.",
        ),
        (
            lambda matrix: iterated(matrix, 10),
            "Ten steps are too few for a singular value of a thousandth. Each step makes it larger by half.",
        ),
        (
            lambda matrix: iterated(matrix, 16),
            "Nearly: the smallest singular values are still below 1. A few steps more.",
        ),
        (
            quintic,
            "These are Muon's coefficients, which never settle: singular values end anywhere near 1.",
        ),
        (
            lambda matrix: quintic(matrix, 40),
            "These are Muon's coefficients, and more steps do not help: they never settle.",
        ),
        (
            lambda matrix: matrix / matrix.norm(),
            "It has the right size as a whole, but its singular values are as different as before.",
        ),
        (
            lambda matrix: matrix / torch.linalg.matrix_norm(matrix, 2),
            "Now the largest singular value is 1; the others are as far below it as before.",
        ),
        (
            lambda matrix: matrix / matrix.norm(dim=1, keepdim=True),
            "Each row has length 1 now, but the rows are not orthogonal to one another.",
        ),
        (
            lambda matrix: matrix / matrix.norm(dim=0, keepdim=True),
            "Each column has length 1 now, but the columns are not orthogonal to one another.",
        ),
        (
            lambda matrix: exactly_orthogonal(matrix).T,
            "It is transposed: the result has the shape of the matrix.",
        ),
        (
            lambda matrix: -exactly_orthogonal(matrix),
            "The directions are turned round: the sign of every number is wrong.",
        ),
        (
            lambda matrix: torch.eye(*matrix.shape),
            "That is an orthogonal matrix, but not one with this matrix's directions.",
        ),
        (
            lambda matrix: matrix.sign(),
            "The signs of the numbers are not the signs of the singular values.",
        ),
    ],
    right="Thirty products did what a decomposition does; Muon stops after five, because near 1 is enough.",
)
