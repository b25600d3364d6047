"""The check of exercise 21.3: The mean of what is there."""

import math

import torch

from companion.exercises.exercise import Function


def masked_mean(x, mask):
    rows = []
    for row, there in zip(x, mask, strict=True):
        kept = row[there]
        rows.append(kept.mean(dim=0) if len(kept) else torch.zeros_like(row[0]))
    return torch.stack(rows)


def mean_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.tensor([[[2.0], [4.0], [5.0]]]), torch.tensor([[True, True, False]])),
        (torch.tensor([[[2.0], [4.0], [math.inf]]]), torch.tensor([[True, True, False]])),
        (torch.tensor([[[1.0, 2.0], [3.0, 8.0]]]), torch.tensor([[True, True]])),
        (torch.tensor([[[1.0], [6.0]], [[5.0], [7.0]]]), torch.tensor([[False, False], [True, False]])),
        (
            torch.arange(27.0).view(3, 3, 3),
            torch.tensor([[True] * 3, [True, False, False], [False, True, True]]),
        ),
    ]
    if seed == 0:  # large numbers; no token at all
        cases.append((torch.tensor([[[3e5], [-1e5], [7.0]]]), torch.tensor([[True, True, False]])))
        cases.append((torch.full((2, 1, 1), math.nan), torch.zeros(2, 1, dtype=torch.bool)))
    for b, t, c in ((2, 5, 3), (4, 3, 2), (3, 7, 4)):
        x, mask = torch.randn(b, t, c, generator=generator), torch.rand(b, t, generator=generator) < 0.6
        mask[0, 0] = True
        mask[-1] = False
        x[~mask] = math.nan if t == 7 else 9.0
        cases.append((x, mask))
    return cases


def over_everything(x, mask):
    return x.mean(dim=1)


def by_product(x, mask):
    return (x * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def kept_sum(x, mask):
    return x.masked_fill(~mask[..., None], 0).sum(dim=1)


def divided_by_length(x, mask):
    return kept_sum(x, mask) / x.shape[1]


def divided_by_all(x, mask):
    return kept_sum(x, mask) / mask.sum().clamp(min=1)


def without_clamp(x, mask):
    return kept_sum(x, mask) / mask.sum(dim=1, keepdim=True)


def by_product_without_clamp(x, mask):
    return (x * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def plus_one(x, mask):
    return kept_sum(x, mask) / (mask.sum(dim=1, keepdim=True) + 1)


def first_ones(x, mask):
    counts = mask.sum(dim=1).tolist()
    rows = [row[:n].mean(dim=0) if n else torch.zeros_like(row[0]) for row, n in zip(x, counts, strict=True)]
    return torch.stack(rows)


def full_rows(x, mask):
    return masked_mean(x, mask)[mask.any(dim=1)]


def with_middle(x, mask):
    return masked_mean(x, mask)[:, None]


def without_zeros(x, mask):
    kept = x.masked_fill(~mask[..., None], 0)
    return kept.sum(dim=1) / (kept != 0).sum(dim=1).clamp(min=1)


def of_the_rest(x, mask):
    return masked_mean(x, ~mask)


def filled_where_true(x, mask):
    return x.masked_fill(mask[..., None], 0).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def counts_in_a_row(x, mask):
    return kept_sum(x, mask) / mask.sum(dim=1).clamp(min=1)


def along_channels(x, mask):
    return (x * mask).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def one_number(x, mask):
    return x[mask].mean(dim=0)


EXERCISE = Function(
    number="21.3",
    title="The mean of what is there",
    stars=2,
    wants="masked_mean(x, mask)",
    cases=mean_cases,
    oracle=masked_mean,
    mistakes=[
        (over_everything, "What fills the rows up counts here. Only what the mask has True for should."),
        (
            by_product,
            "Right as long as the padding is a number: 0 times `inf` or `nan` is `nan`. Choose instead of "
            "multiplying.",
        ),
        (divided_by_length, "You divide by T. Divide each row by how many tokens it has."),
        (divided_by_all, "You divide by the tokens of all rows together: a `sum()` without `dim`."),
        (
            without_clamp,
            "A row without tokens is 0 / 0 here, which is `nan`. It should be zeros.",
        ),
        (
            by_product_without_clamp,
            "Two things. A row without tokens is 0 / 0, which is `nan`, and so is 0 times `inf`.",
        ),
        (plus_one, "You divide by one more than there are. `clamp(min=1)` changes only a count of 0."),
        (first_ones, "The tokens need not stand first: the mask says where they are, not only how many."),
        (full_rows, "A row without tokens is left out; it should be there, as zeros."),
        (with_middle, "Your result is (B, 1, C); the sum should take the middle dimension away."),
        (without_zeros, "A token may be 0, too: count where the mask is True, not where x is not 0."),
        (kept_sum, "That is the sum. Divide each row by how many tokens it has."),
        (of_the_rest, "That is the mean of the padding: the mask is True where a token is."),
        (
            filled_where_true,
            "You fill where the mask is True, and so keep the padding: `~mask` is the other way round.",
        ),
        (
            counts_in_a_row,
            "Your counts are (B,), so they meet C instead of B: `keepdim=True` makes them (B, 1).",
        ),
        (
            along_channels,
            "Your mask meets T and C instead of B and T, since shapes fit from the right. Give it a third "
            "dimension of size 1.",
        ),
        (
            one_number,
            "Your mean is over the tokens of all rows together. Each row has one of its own, (B, C).",
        ),
    ],
    right="A mask with a third dimension, and a choice instead of a product: padding cannot be heard.",
)
