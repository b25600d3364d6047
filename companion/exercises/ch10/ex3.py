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


def by_pieces(weight, size):
    """The rows of each piece of so many sorted by themselves."""
    return torch.cat([torch.cat([piece[0::2], piece[1::2]]) for piece in weight.split(size)])


def first_head_only(weight, n_heads):
    rest = len(weight) // n_heads
    return torch.cat([to_halves(weight[:rest], 1), weight[rest:]])


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
            lambda weight, n_heads: torch.cat([weight[:, 0::2], weight[:, 1::2]], dim=1),
            "You sorted the columns, which are what a head reads. What it makes of that are the rows.",
        ),
        (
            lambda weight, n_heads: weight.unflatten(0, (-1, 2, n_heads)).transpose(0, 1).flatten(0, 2),
            "You cut the rows as if the heads lay inside one another. The first D rows are the first head.",
        ),
        (
            lambda weight, n_heads: by_pieces(weight, n_heads),
            "You cut pieces of `n_heads` rows. There should be `n_heads` pieces.",
        ),
        (
            first_head_only,
            "Only the first head is sorted.",
        ),
        (
            lambda weight, n_heads: to_halves(weight, n_heads).unflatten(0, (n_heads, -1)),
            "The order is right. The heads should be joined again, to the shape that came in.",
        ),
        (
            lambda weight, n_heads: to_halves(weight, n_heads).unflatten(0, (n_heads, 2, -1)),
            "The order is right. The levels should be joined again, to the shape that came in.",
        ),
        (
            lambda weight, n_heads: to_halves(to_halves(weight, n_heads), n_heads),
            "The rows were sorted twice.",
        ),
    ],
    right="The matrix decides which numbers are a pair, so sorted rows make one file of the other.",
)
