"""The check of exercise 10.4: From many keys, few."""

import torch

from companion.exercises.exercise import Function


def share_heads(weight, n_heads, n_kv_heads):
    width, group = len(weight) // n_heads, n_heads // n_kv_heads
    heads = weight.split(width)  # n_heads of them, (D, C) each
    return torch.cat([sum(heads[i : i + group]) / group for i in range(0, n_heads, group)])


def levels(weight, n_heads, n_kv_heads):
    """(groups, heads of a group, D, C)"""
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1))


def halved(weight, n_heads, n_kv_heads):
    """The mean so far and the next head, halved, and again."""
    cut = levels(weight, n_heads, n_kv_heads)
    mean = cut[:, 0]
    for i in range(1, cut.shape[1]):
        mean = (mean + cut[:, i]) / 2
    return mean.flatten(0, 1)


def share_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    column = torch.tensor([1.0, 3.0, 10.0, 20.0])[:, None]
    cases = [
        (column, 4, 2),
        (column, 4, 1),
        (column, 4, 4),
        (column, 2, 1),
        (torch.arange(8.0)[:, None], 4, 2),
    ]
    cases += [(torch.tensor([[1.0], [3], [10], [21], [30], [50]]), 6, 2)]
    for groups, group, width, C in [(2, 3, 5, 7), (3, 2, 4, 11), (1, 5, 3, 2), (4, 3, 6, 5)]:
        rows = groups * group * width
        cases.append((torch.randn(rows, C, generator=generator), groups * group, groups))
    return cases


EXERCISE = Function(
    number="10.4",
    title="From many keys, few",
    stars=2,
    wants="share_heads(weight, n_heads, n_kv_heads)",
    cases=share_cases,
    oracle=share_heads,
    mistakes=[
        (
            lambda w, h, n: levels(w, h, n).sum(1).flatten(0, 1),
            "You added the heads of a group up. A mean keeps the size of the keys.",
        ),
        (
            lambda w, h, n: levels(w, h, n)[:, 0].flatten(0, 1),
            "You kept the first head of each group, and threw the others away. Their mean is wanted.",
        ),
        (
            lambda w, h, n: w.unflatten(0, (n, -1, h // n)).mean(2).flatten(0, 1),
            "You averaged neighbouring rows, which are numbers of the same head. Average whole heads.",
        ),
        (
            lambda w, h, n: w.unflatten(0, (h // n, n, -1)).mean(0).flatten(0, 1),
            "The heads of a group are neighbours: with 4 heads and 2 groups, heads 0 and 1, not 0 and 2.",
        ),
        (
            lambda w, h, n: levels(w, h, n).mean(1, keepdim=True).expand_as(levels(w, h, n)).flatten(0, 2),
            "The means are right, but there are still as many heads as before.",
        ),
        (
            lambda w, h, n: levels(w, h, n).mean(0).flatten(0, 1),
            "You averaged over the groups, not over the heads of a group.",
        ),
        (
            lambda w, h, n: w[: len(w) * n // h].clone(),
            "You kept the first heads. The new ones are means of all.",
        ),
        (
            lambda w, h, n: levels(w, h, n).median(1).values.flatten(0, 1),
            "You took the median of each group's heads. The mean is wanted.",
        ),
        (
            lambda w, h, n: levels(w, h, n)[:, -1].flatten(0, 1),
            "You kept the last head of each group, and threw the others away. Their mean is wanted.",
        ),
        (
            lambda w, h, n: levels(w, h, n).amax(1).flatten(0, 1),
            "You took the largest number of each group's heads. The mean is wanted.",
        ),
        (
            lambda w, h, n: levels(w, h, n).sum(1).flatten(0, 1) / 2,
            "You divided by 2. A group may have more heads, or one alone.",
        ),
        (
            lambda w, h, n: levels(w, h, n).sum(1).flatten(0, 1) / h,
            "You divided by the number of all heads. A mean divides by the number that was added.",
        ),
        (
            lambda w, h, n: levels(w, h, n).mean(1),
            "The means are right. The new heads should be joined again, to rows of C numbers.",
        ),
        (
            lambda w, h, n: w.unflatten(0, (h // n, n, -1)).mean(1).flatten(0, 1),
            "You averaged `n_kv_heads` heads at a time. A group has `n_heads / n_kv_heads`.",
        ),
        (
            lambda w, h, n: w.unflatten(0, (h, -1)).mean(0).repeat(n, 1),
            "You averaged over all heads. Each group has a mean of its own.",
        ),
        (
            lambda w, h, n: w.unflatten(0, (h, -1)).mean(0),
            "You averaged over all heads, to a single one. Each group has a mean of its own.",
        ),
        (
            lambda w, h, n: levels(w, h, n).mean(2).flatten(0, 1),
            "You averaged the numbers of a head. Average the heads of a group, number by number.",
        ),
        (
            halved,
            "A running mean of two gives the last head half of all the weight. Each should count alike.",
        ),
        (
            lambda w, h, n: levels(w, h, n).mean(1).flip(0).flatten(0, 1),
            "The new heads are right, and in the wrong order.",
        ),
    ],
    right="A model with fewer keys, made from one with many; a little training, and it is nearly as good.",
)
