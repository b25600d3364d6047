"""The check of exercise 17.5: Ranks where they count."""

import random

import torch

from companion.exercises.exercise import Function
from companion.exercises.settle import as_tensor


def share_ranks(changes, total):
    found = sorted(
        ((s, i) for i, change in enumerate(changes) for s in torch.linalg.svdvals(change.double()).tolist()),
        reverse=True,
    )
    ranks = [0] * len(changes)
    for _, i in found[:total]:
        ranks[i] += 1
    return ranks


EDGES = [
    (([3.0, 3, 3], [5, 0, 0]), 1),  # the largest value, not the largest rest
    (([4.0, 4], [3, 1]), 1), (([4.0, 4], [3, 1]), 2), (([2.0, 2], [3, 1]), 3),
    (([5.0, 1], [5.004, 1]), 1), (([5.004, 1], [5, 1]), 1), (([300.0, 1], [400, 1]), 1),
    (([400.0, 1], [300, 1]), 1), (([2e-4, 0], [1e-4, 0]), 1), (([1e-4, 0], [2e-4, 0]), 1),
    (([2.0, 1], [3, 0]), 4), (([2.0, 1],), 2), (([2.0, 1],), 1),
]  # fmt: skip
"""Diagonals of changes, and totals: with equal values, near ones, very large and small ones, and 0."""


def cases(seed):
    g, rng = torch.Generator().manual_seed(seed), random.Random(seed)
    made = []
    if seed == 0:
        three = [torch.diag(torch.tensor(d)) for d in ([9.0, 1.0], [5.0, 4.0], [3.0, 2.0])]
        made += [
            ([torch.diag(torch.tensor([5.0, 4.0])), torch.diag(torch.tensor([6.0, 1.0]))], 2),
            ([torch.diag(torch.tensor([5.0, 4.0])), torch.diag(torch.tensor([3.0, 1.0]))], 2),
            (three, 3), (three, 4), (three, 1), (three, 6), (three, 0),
            ([torch.diag(torch.tensor([-7.0, 2.0])), torch.diag(torch.tensor([6.0, 5.0]))], 2),
        ]  # fmt: skip
        made += [([torch.diag(torch.tensor(d).float()) for d in lines], total) for lines, total in EDGES]
        tall = torch.eye(3, 2)
        made.append(([tall @ torch.diag(torch.tensor(d)) for d in ([2.0, 1], [3.0, 0])], 4))
    for shape in ("wide", "wide", "square", "tall", "tall"):
        few, many, n = rng.randint(3, 5), rng.randint(6, 8), rng.randint(3, 5)
        out, into = {"wide": (few, many), "square": (few, few), "tall": (many, few)}[shape]
        changes = [rng.uniform(0.3, 3) * torch.randn(out, into, generator=g) for _ in range(n)]
        made.append((changes, rng.randint(2, n * few - 1)))
    return made


def settled(answer, changes, total):
    """The oracle's ranks for any that come as near: where values are equal, or 0, several do."""
    values = [torch.linalg.svdvals(change.double()) for change in changes]
    best = share_ranks(changes, total)
    found = answer(changes, total)
    found = found if isinstance(found, list | torch.Tensor) else list_of(found)
    ranks = as_tensor(found)
    if ranks is None or ranks.shape != (len(values),) or ranks.dtype == torch.bool or ranks.is_complex():
        return found
    given = ranks.tolist()
    most = [len(own) for own in values]
    if any(r not in range(m + 1) for r, m in zip(given, most, strict=True)) or sum(given) > total:
        return found
    kept, wanted = (
        sum(own[: int(r)].square().sum().item() for own, r in zip(values, ranks, strict=True))
        for ranks in (given, best)
    )
    return best if kept >= wanted * (1 - 1e-6) else found


def list_of(found):
    return list(found) if isinstance(found, tuple) else found


def alike(changes, total):
    ranks = [total // len(changes)] * len(changes)
    for i in range(total % len(changes)):
        ranks[i] += 1
    return ranks


def by_length(changes, total):
    lengths = [change.norm().item() for change in changes]
    return [round(total * length / sum(lengths)) for length in lengths]


def greatest_first(changes, total):
    ranks = [0] * len(changes)
    for i in sorted(range(len(changes)), key=lambda i: -changes[i].norm().item()):
        ranks[i] = min(total - sum(ranks), min(changes[i].shape))
    return ranks


def smallest(changes, total):
    most = [min(change.shape) for change in changes]
    kept = share_ranks(changes, sum(most) - total)
    return [m - k for m, k in zip(most, kept, strict=True)]


def relative(changes, total):
    return share_ranks([change / torch.linalg.svdvals(change)[0] for change in changes], total)


def by_rows(changes, total):
    found = sorted(((row.norm().item(), i) for i, c in enumerate(changes) for row in c), reverse=True)
    return [sum(i == j for _, i in found[:total]) for j in range(len(changes))]


def by_the_rest(changes, total):
    values = [torch.linalg.svdvals(change.double()).square().tolist() for change in changes]
    ranks = [0] * len(changes)
    for _ in range(total):
        i = max(range(len(changes)), key=lambda i: sum(values[i][ranks[i] :]))
        ranks[i] += ranks[i] < len(values[i])
    return ranks


def each_one_first(changes, total):
    ranks = [min(1, total)] * len(changes)
    later = [
        (s, i) for i, change in enumerate(changes) for s in torch.linalg.svdvals(change.double()).tolist()[1:]
    ]
    for _, i in sorted(later, reverse=True)[: max(0, total - len(changes))]:
        ranks[i] += 1
    return ranks


EXERCISE = Function(
    number="17.5",
    title="Ranks where they count",
    stars=2,
    wants="share_ranks(changes, total)",
    cases=cases,
    oracle=share_ranks,
    call=settled,
    mistakes=[
        (alike, "That gives every layer the same, whatever it has to say."),
        (by_length, "That goes by the size of each change. A large one may be thin."),
        (greatest_first, "The largest change gets all it can use, also where its next step is a small one."),
        (by_the_rest, "A layer with much left may have no long direction left. The next value counts."),
        (each_one_first, "Each layer got one first; a layer may also get none."),
        (smallest, "Those keep the smallest singular values."),
        (relative, "Compare the singular values as they are, not as shares of each layer's largest."),
        (by_rows, "The rows of a change are not its directions. Take its singular values."),
        (lambda changes, total: [total] * len(changes), "All ranks together must sum to `total`."),
        (
            lambda changes, total: sorted(share_ranks(changes, total), reverse=True),
            "The ranks belong to the layers, in their order.",
        ),
        (
            lambda changes, total: [r + 1 for r in share_ranks(changes, total)],
            "Each is one too many: a layer may also get none.",
        ),
        (
            lambda changes, total: [max(1, r) for r in share_ranks(changes, total)],
            "A layer may also get none.",
        ),
    ],
    right="The best sum of thin matrices of a given size goes to whichever direction is next longest, in "
    "whatever layer it lies. AdaLoRA shares ranks out so while it learns, by a measure of its own.",
)
