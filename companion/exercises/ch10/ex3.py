"""The check of exercise 10.3: Which number turns with which?"""

import torch

from companion.exercises.exercise import Function


def to_halves(weight, n_heads):
    rows = []
    width = len(weight) // n_heads
    for head in range(n_heads):
        first = head * width
        rows += [first + i for i in range(0, width, 2)] + [first + i for i in range(1, width, 2)]
    return weight[rows]


def sort_rows(weight, n_heads, order):
    """order: of the three levels that the rows of weight are cut into."""
    cut = weight.unflatten(0, (n_heads, -1, 2))
    return cut.permute(*order, 3).reshape(weight.shape)


def halves_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.arange(4.0)[:, None], 1),
        (torch.arange(6.0)[:, None], 1),
        (torch.arange(8.0)[:, None], 2),
    ]
    cases += [(torch.arange(24.0).view(12, 2), 3)]
    for heads, pairs, width in [(3, 5, 7), (2, 8, 3), (5, 3, 11)]:
        cases.append((torch.randn(heads * pairs * 2, width, generator=generator), heads))
    return cases


EXERCISE = Function(
    number="10.3",
    title="Which number turns with which?",
    stars=2,
    wants="to_halves(weight, n_heads)",
    cases=halves_cases,
    oracle=to_halves,
    mistakes=[
        (
            lambda weight, n_heads: weight.unflatten(0, (n_heads, 2, -1)).transpose(1, 2).flatten(0, 2),
            "That is the way back, from halves to neighbours. Which rows of a head are first in their pair?",
        ),
        (
            lambda weight, n_heads: to_halves(weight, 1),
            "You sorted all rows together. Each head is sorted by itself.",
        ),
        (
            lambda weight, n_heads: sort_rows(weight, n_heads, (2, 1, 0)),
            "The heads got mixed: their order stays, only the rows within a head change places.",
        ),
        (
            lambda weight, n_heads: sort_rows(weight, n_heads, (1, 0, 2)),
            "You exchanged heads and pairs. A pair's two numbers still are neighbours.",
        ),
        (
            lambda weight, n_heads: weight.clone(),
            "Nothing has changed places.",
        ),
        (
            lambda weight, n_heads: weight.unflatten(0, (n_heads, -1, 2)).flip(2).flatten(0, 2),
            "You exchanged the two numbers of each pair; they still are neighbours.",
        ),
        (
            lambda weight, n_heads: (
                weight.unflatten(0, (n_heads, -1, 2)).flip(2).transpose(1, 2).flatten(0, 2)
            ),
            "The second halves come first: the first numbers of the pairs should.",
        ),
        (
            lambda weight, n_heads: weight.unflatten(0, (n_heads, -1)).flip(1).flatten(0, 1),
            "You reversed the rows of each head.",
        ),
        (
            lambda weight, n_heads: to_halves(to_halves(weight, n_heads), n_heads),
            "The rows were sorted twice.",
        ),
    ],
    right="The matrix decides which numbers are a pair, so sorted rows make one file of the other.",
)
