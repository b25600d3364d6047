"""The check of exercise 23.5: Who looks where."""

import torch

from companion.exercises.exercise import Function


def alignment(q, k, real):
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * q.shape[-1] ** -0.5
    hidden = torch.where(real[:, None, None, :], scores, torch.tensor(-torch.inf))
    return hidden.softmax(dim=3).sum(dim=1).argmax(dim=2)


def by_hand(scores, real):
    """q and k (1, H, …, 1) with these scores, (H, Tk): one query, which is 1."""
    k = torch.tensor(scores)[None, :, :, None]
    return torch.ones(1, len(scores), 1, 1), k, torch.tensor([real])


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    made = [
        by_hand([[0.0, 2.0]], [True, True]),
        by_hand([[3.0, 1.0]], [False, True]),  # padding on the left
        by_hand([[-3.0, -2.0, 5.0]], [True, True, False]),
        by_hand([[5.0, 1.0, 4.0, 2.0]], [False, True, False, True]),
        by_hand([[3.0, 0.0, 2.5], [0.0, 2.0, 0.0]], [True, True, True]),  # the mean of the scores says 0
        by_hand([[198.0, 200.0, 0.0]], [True, True, True]),  # exp of these is infinite in float32
    ]
    for b, h, tq, tk, d in ((1, 1, 2, 3, 4), (2, 3, 4, 5, 2), (3, 2, 5, 7, 6), (2, 4, 3, 6, 16)):
        q = 2 * torch.randn(b, h, tq, d, generator=generator)
        k = 2 * torch.randn(b, h, tk, d, generator=generator)
        real = torch.rand(b, tk, generator=generator) < 0.6
        real[:, generator.initial_seed() % tk] = True
        made.append((q, k, real))
        right = torch.arange(tk) < torch.randint(1, tk + 1, (b, 1), generator=generator)
        made.append((q.flip(0), k, right))
    return made


def padding_seen(q, k, real):
    return alignment(q, k, torch.ones_like(real))


def first_head(q, k, real):
    return alignment(q[:, :1], k[:, :1], real)


def by_scores(q, k, real):
    scores = (q @ k.mT).masked_fill(~real[:, None, None], -torch.inf)
    return scores.mean(1).argmax(-1)


def without_root(q, k, real):
    return alignment(q * q.shape[-1] ** 0.5, k, real)


def hidden_scores(q, k, real, by=-torch.inf):
    return (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~real[:, None, None], by)  # (B, H, Tq, Tk)


def by_key(q, k, real):
    return hidden_scores(q, k, real).softmax(-1).mean(1).argmax(1)


def each_head(q, k, real):
    return hidden_scores(q, k, real).softmax(-1).argmax(-1)


def mask_turned(q, k, real):
    return alignment(q, k, ~real)


def hidden_by_zero(q, k, real):
    return hidden_scores(q, k, real, 0.0).softmax(-1).mean(1).argmax(-1)


def hidden_afterwards(q, k, real):
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * real[:, None, None]
    return weights.mean(1).argmax(-1)


def first_of_them(q, k, real):
    return alignment(q, k, torch.arange(k.shape[2]) < real.sum(1)[:, None])


def among_the_real(q, k, real):
    """Padding left out, and the places counted without it."""
    return (real.cumsum(1) - 1).gather(1, alignment(q, k, real))


def powers_alone(q, k, real):
    powers = hidden_scores(q, k, real).exp()
    return (powers / powers.sum(-1, keepdim=True)).mean(1).argmax(-1)


def powers_and_mask(q, k, real):
    powers = hidden_scores(q, k, real, 0.0).exp() * real[:, None, None]
    return (powers / powers.sum(-1, keepdim=True)).mean(1).argmax(-1)


def not_normalized(q, k, real):
    return hidden_scores(q, k, real).double().exp().mean(1).argmax(-1)


def not_normalized_in_float32(q, k, real):
    return hidden_scores(q, k, real).exp().mean(1).argmax(-1)


def along_queries(q, k, real):
    return hidden_scores(q, k, real).softmax(-2).mean(1).argmax(-1)


def largest_of_heads(q, k, real):
    return hidden_scores(q, k, real).softmax(-1).amax(1).argmax(-1)


def voted(q, k, real):
    return hidden_scores(q, k, real).argmax(-1).mode(1).values


def largest_weight(q, k, real):
    return hidden_scores(q, k, real).softmax(-1).mean(1).amax(-1)


def from_one(q, k, real):
    return alignment(q, k, real) + 1


def divided_by_width(q, k, real):
    return alignment(q / q.shape[-1] ** 0.5, k, real)


def first_mask(q, k, real):
    return alignment(q, k, real[:1].expand_as(real))


SUM_TO_1 = "Each head's weights sum to 1: divide by their sum before the mean."
TOO_LARGE = (
    "`exp` of a score of 200 is infinite, and ∞ / ∞ is NaN. `softmax` takes the largest score off first."
)

EXERCISE = Function(
    number="23.5",
    title="Who looks where",
    stars=2,
    wants="alignment(q, k, real)",
    cases=cases,
    oracle=alignment,
    mistakes=[
        (padding_seen, "Padding is looked at in yours. Hide it before the softmax."),
        (first_head, "That is the first head. Take the mean over all of them."),
        (
            by_scores,
            "You compare means of scores, or products of weights, which is the same. First make weights "
            "of each head's scores, then the mean.",
        ),
        (without_root, "The scores are to be divided by the root of D; else each head is surer than it is."),
        (by_key, "For each key you give a query. The source's tokens lie along the last dimension."),
        (each_head, "You give one place for each head. First the mean over the heads, then the place."),
        (mask_turned, "`real` is True where a token is, not where padding is."),
        (hidden_by_zero, "A score of 0 is no hiding: its weight is not 0. Put −∞ where padding is."),
        (
            hidden_afterwards,
            "You hide padding after the softmax: it has taken its share then, and more of one head than of "
            "another.",
        ),
        (first_of_them, "You take the first keys for the real ones. `real` may be False before them, too."),
        (among_the_real, "You count the places without padding. The place is that in the whole row of `k`."),
        (powers_alone, TOO_LARGE),
        (powers_and_mask, TOO_LARGE),
        (not_normalized, SUM_TO_1),
        (not_normalized_in_float32, SUM_TO_1),
        (
            along_queries,
            "You took the softmax along the queries. For each query the weights of the keys sum to 1.",
        ),
        (largest_of_heads, "You take the largest over the heads. The mean is wanted."),
        (voted, "You let the heads vote. First the mean of their weights, then the place."),
        (largest_weight, "You give the largest weight. Where does it stand?"),
        (from_one, "Places are counted from 0."),
        (divided_by_width, "The scores are to be divided by the root of D, not by D."),
        (first_mask, "You use the first row's `real` for all rows of the batch."),
    ],
    right="This is how an alignment of two texts is read off a translator that was never shown one.",
)
