"""The check of exercise 3.1: Whose neighbor?."""

import math

import torch
import torch.nn.functional as F

from companion.exercises.ch03.shared import E
from companion.exercises.exercise import Function


def likeness(rows, i):
    cosine = F.normalize(rows, dim=1) @ F.normalize(rows[i], dim=0)
    cosine[i] = -2
    return cosine


def nearest(rows, i):
    return likeness(rows, i).argmax().item()


def nearest_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    by_hand = [(E, i) for i in range(5)]
    opposite = [(torch.tensor([[1.0, 2.0], [-1.0, -2.1], [2.0, -0.9]]), i) for i in range(3)]
    only_opposite = [(torch.tensor([[1.0, 0.0], [-2.0, 0.0]]), i) for i in range(2)]
    same_direction = [(torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), i) for i in (0, 2)]
    nearly_the_same = [(torch.tensor([[50.0, 0.0], [50.0, 2.0], [50.0, 1.0]]), 0)]
    cases = by_hand + opposite + only_opposite + same_direction + nearly_the_same
    for v, c, asked in ((11, 3, (0, 4, 10)), (40, 5, (2, 20, 39))):
        lengths = 4 * torch.rand(v, 1, generator=generator) + 0.2
        rows = lengths * torch.randn(v, c, generator=generator)
        cases += [(rows, i) for i in asked]
    return cases


def nearest_by_product(rows, i):
    product = rows @ rows[i]
    product[i] = -math.inf
    return product.argmax().item()


def nearest_by_distance(rows, i):
    distance = (rows - rows[i]).norm(dim=1)
    distance[i] = math.inf
    return distance.argmin().item()


def nearest_by_columns(rows, i):
    columns = F.normalize(rows, dim=0)
    return nearest_by_product(columns, i)


def nearest_by_size(rows, i):
    cosine = likeness(rows, i).abs()
    cosine[i] = -2
    return cosine.argmax().item()


def nearest_above_zero(rows, i):
    cosine = likeness(rows, i)
    cosine[i] = 0
    return cosine.argmax().item()


def nearest_above_minus_one(rows, i):
    cosine = likeness(rows, i).clamp(min=-1)
    cosine[i] = -1
    return cosine.argmax().item()


def second_in_order(rows, i):
    cosine = F.normalize(rows, dim=1) @ F.normalize(rows[i], dim=0)
    return cosine.sort(descending=True, stable=True).indices[1].item()


def finds_itself(rows, i):
    return (F.normalize(rows, dim=1) @ F.normalize(rows[i], dim=0)).argmax().item()


def nearest_among_others(rows, i):
    return likeness(rows, i)[torch.arange(len(rows)) != i].argmax().item()


EXERCISE = Function(
    number="3.1",
    title="Whose neighbor?",
    stars=1,
    wants="nearest(rows, i)",
    cases=nearest_cases,
    oracle=nearest,
    mistakes=[
        (finds_itself, "You found the row itself: nothing is more like it. Leave it out of the search."),
        (
            nearest_by_product,
            "You compared products of the rows as they are. A long row has large products with everybody, "
            "wherever it points: bring the rows to length 1 first.",
        ),
        (
            nearest_by_distance,
            "You took the row that is least far away. Two rows that point the same way can lie far apart, "
            "one short and one long: compare directions, not places.",
        ),
        (
            nearest_by_columns,
            "You brought the columns to length 1, not the rows. In a table (V, C), which `dim` runs along a "
            "row?",
        ),
        (
            nearest_by_size,
            "A row that points the opposite way is as unlike as can be. The cosine's sign matters: no `abs`.",
        ),
        (
            nearest_above_zero,
            "You put 0 in row i's own place. Where all the others point away from it, their cosines lie "
            "below 0, and it finds itself: its place needs a number below any cosine.",
        ),
        (
            nearest_above_minus_one,
            "You put −1 in row i's own place. A row that points exactly the other way has the cosine −1 too, "
            "and need not come first: the place needs a number below any cosine.",
        ),
        (
            second_in_order,
            "You took the second in order, as if row i were sure to be the first. Where another row points "
            "the very same way, row i may come second, and finds itself.",
        ),
        (
            nearest_among_others,
            "You took row i out and searched the rest. Behind it every index is then one too small.",
        ),
        (
            lambda rows, i: (F.normalize(rows, dim=1) @ F.normalize(rows[i], dim=0)).argmin().item(),
            "You found the least alike row, not the most alike one.",
        ),
        (
            lambda rows, i: likeness(rows, i).max().item(),
            "You returned how alike the nearest row is. The question is which row it is: its index.",
        ),
    ],
    right="What a word means to the model is where its row points; how long it is, is another matter.",
)
