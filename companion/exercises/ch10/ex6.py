"""The check of exercise 10.6: Even, and exactly."""

from functools import partial

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


def q_of_qr(matrix):
    return torch.linalg.qr(matrix).Q


def one_after_another(matrix):
    """Gram and Schmidt: columns, or rows of a wide matrix, each without what those before it have."""
    wide = len(matrix) < matrix.shape[1]
    q, r = torch.linalg.qr(matrix.T if wide else matrix)
    q = q * r.diagonal().sign()
    return q.T if wide else q


def singular_vectors(matrix):
    return torch.linalg.svd(matrix, full_matrices=False)


def with_full_matrices(matrix):
    u, _, v = torch.linalg.svd(matrix)
    return u @ v


def lying(matrix):
    return exactly_orthogonal(matrix.T if len(matrix) > matrix.shape[1] else matrix)


def rows_first(matrix):
    x = matrix.double()
    return iterated(x / x.norm(dim=1, keepdim=True), 60, 1).to(matrix.dtype)


GREW = (
    "It grew without bound: values above the square root of 3 turn over, and those above that of 5 fly off. "
    "How large may the first X be?"
)
LARGEST = (
    "You divided by the largest number in the matrix. Singular values may be larger than any number in it: "
    "three ones in a row have 1.7."
)


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
    for n, m, spread in [(3, 5, 1), (7, 4, 1), (6, 6, 3), (12, 9, 2), (5, 13, 3), (24, 30, "one is small")]:
        u, _, v = torch.linalg.svd(torch.randn(n, m, generator=generator).double(), full_matrices=False)
        if spread == "one is small":  # by a thousand, and by 5 more once it is divided by the norm of all
            sizes = torch.tensor([1.0] * (n - 1) + [0.001001]).double()
        else:
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
        *[
            (
                partial(iterated, steps=steps),
                f"Right in the direction, and {steps} steps are too few for a singular value of a "
                "thousandth: each makes it larger by half.",
            )
            for steps in (3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 15)
        ],
        *[
            (
                partial(iterated, steps=steps),
                "Nearly: the smallest singular values are still below 1. A few steps more.",
            )
            for steps in range(17, 24)
        ],
        *[(partial(iterated, steps=steps, size=1), GREW) for steps in (20, 30, 40, 50, 100)],
        *[
            (lambda matrix, steps=steps: iterated(matrix, steps, matrix.double().abs().max()), LARGEST)
            for steps in (20, 30, 40, 50, 100)
        ],
        (
            rows_first,
            "The iteration is right, and began with another matrix: rows of length 1 have other directions. "
            "Divide all numbers by the same one.",
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
            "Each number became its sign. Did you multiply number by number? The products in the iteration "
            "are those of matrices, `@`.",
        ),
        *[
            (
                mistake,
                "Orthogonal, but with other directions: one column (or row) was made after another, and "
                "the first kept its own. All should give way alike.",
            )
            for mistake in (q_of_qr, one_after_another)
        ],
        *[
            (
                lambda matrix, part=part: singular_vectors(matrix)[part],
                "One set of singular vectors alone. The matrix has two, and keeps both.",
            )
            for part in (0, 2)
        ],
        (
            with_full_matrices,
            "Right where the matrix is square. Else one set of singular vectors is larger than the other; "
            "only as many of each count as there are singular values.",
        ),
        *[
            (mistake, "Inverted: a singular value of 2 became 0.5. It should become 1.")
            for mistake in (torch.linalg.pinv, lambda matrix: torch.linalg.pinv(matrix).T)
        ],
        (lying, "A tall matrix comes back lying down. The result has the shape of the matrix."),
    ],
    right="Products alone do it too, in two dozen steps; Muon stops after five, because near 1 is enough.",
)
