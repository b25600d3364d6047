"""The check of exercise 14.5: What each head writes."""

import torch

from companion.exercises.exercise import Function


def written(weight, mixed, n_heads):
    by_head = weight.unflatten(1, (n_heads, -1))  # (C, H, D)
    return torch.einsum("bthd,chd->bhtc", mixed.unflatten(-1, (n_heads, -1)), by_head)


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def whole(*shape, most=3):
        """Whole numbers up to `most` of either sign, no zeros."""
        size = torch.randint(1, most + 1, shape, generator=generator)
        return (size * (2 * torch.randint(2, shape, generator=generator) - 1)).float()

    def draw(B, T, H, D, C):
        return whole(C, H * D), whole(B, T, H * D), H

    def draw_fractions(B, T, H, D, C):
        weight = torch.randn(C, H * D, generator=generator)
        return weight, torch.randn(B, T, H * D, generator=generator), H

    by_hand = [(torch.tensor([[1.0, 10.0], [2.0, 20.0], [0.0, 5.0]]), torch.tensor([[[3.0, 4.0]]]), 2)]
    made = by_hand if seed == 0 else []
    return made + [
        draw(1, 2, 2, 1, 2),
        draw(2, 3, 1, 2, 4),
        draw(2, 4, 3, 2, 6),
        draw(3, 2, 2, 4, 8),
        draw(1, 5, 4, 3, 5),
        (whole(4, 6, most=300), whole(2, 3, 6, most=300), 3),
        draw_fractions(2, 3, 4, 2, 6),
        draw_fractions(2, 9, 6, 3, 7),
    ]


def over(change):
    return lambda weight, mixed, n_heads: change(written(weight, mixed, n_heads), mixed, n_heads)


def interleaved(weight, mixed, n_heads):
    parts = [mixed[..., h::n_heads] @ weight[:, h::n_heads].T for h in range(n_heads)]
    return torch.stack(parts, dim=1)


def reshaped(weight, mixed, n_heads):
    B, T, _ = mixed.shape
    by_head = weight.unflatten(1, (n_heads, -1))  # (C, H, D)
    return torch.einsum("bhtd,chd->bhtc", mixed.reshape(B, n_heads, T, -1), by_head)


def rows_of_weight(weight, mixed, n_heads):
    out = torch.zeros(len(mixed), n_heads, mixed.shape[1], weight.shape[0])
    D = mixed.shape[-1] // n_heads
    for h in range(n_heads):
        part = slice(h * D, (h + 1) * D)
        out[:, h] = mixed[..., part] @ weight.T[:D]
    return out


def untransposed(weight, mixed, n_heads):
    by_head = weight.unflatten(0, (n_heads, -1))  # fails where C is no multiple
    return torch.einsum("bthd,hdc->bhtc", mixed.unflatten(-1, (n_heads, -1)), by_head)


EXERCISE = Function(
    number="14.5",
    title="What each head writes",
    stars=2,
    wants="written(weight, mixed, n_heads)",
    cases=cases,
    oracle=written,
    mistakes=[
        (over(lambda y, m, H: y.sum(1)), "That is what all heads write together. Each for itself is wanted."),
        (over(lambda y, m, H: y.transpose(1, 2)), "The heads come before the tokens: (B, H, T, C)."),
        (over(lambda y, m, H: y.transpose(0, 1)), "The rows come first, then the heads: (B, H, T, C)."),
        (over(lambda y, m, H: y.flatten(2)), "The shape (B, H, T, C) is wanted."),
        (over(lambda y, m, H: y.flip(1)), "The heads are in the reverse order."),
        (over(lambda y, m, H: y / H), "Heads add up; nothing is divided by their number."),
        (over(lambda y, m, H: y.norm(dim=-1)), "The vectors are wanted, not their lengths."),
        (over(lambda y, m, H: y.mean(2)), "Each token has its own vector: (B, H, T, C)."),
        (
            over(lambda y, m, H: m.unflatten(-1, (H, -1)).transpose(1, 2)),
            "That is what comes into `o_proj`, cut into heads. Its part of the matrix is to be applied.",
        ),
        (interleaved, "A head's D numbers stand side by side: the first D are head 0's."),
        (
            reshaped,
            "Heads and tokens are mixed up: a reshape does not move a dimension. Cut the last one into (H, "
            "D) first, then bring H before T.",
        ),
        (rows_of_weight, "Each head has columns of its own in `weight`; you took head 0's for all."),
        (untransposed, "A linear layer computes x W^T: a head's part of the matrix are D of its columns."),
    ],
    right="The sum over heads, and the bias, is what attention adds to the stream: nothing is hidden.",
)
