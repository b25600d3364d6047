"""The check of exercise 18.6: How far from the reference?"""

import torch

from companion.exercises.exercise import Function


def divergence(p, q):
    terms = torch.where(p > 0, p * (p.double() / q.double()).log(), 0.0)
    return terms.sum(1).float()


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    made = []
    if seed == 0:
        for p, q in (
            ([[0.5, 0.5]], [[0.8, 0.2]]),
            ([[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.2, 0.8]]),
            ([[1.0, 0.0]], [[0.5, 0.5]]),
            ([[0.0, 0.25, 0.75]], [[0.0, 0.5, 0.5]]),
            ([[0.5, 0.5], [0.25, 0.75]], [[1.0, 0.0], [0.5, 0.5]]),
            ([[1.0]], [[1.0]]),
            ([[1e-7, 1 - 1e-7]], [[0.0, 1.0]]),
        ):
            made.append((torch.tensor(p), torch.tensor(q)))
    for n, v in ((2, 3), (3, 2), (3, 3), (4, 7), (1, 40), (5, 5)):
        made.append(tuple(torch.randn(n, v, generator=generator).mul(2).softmax(1) for _ in range(2)))
    return made


def turned(p, q):
    return divergence(q, p)


def cross(p, q):
    return torch.where(p > 0, -p * q.log(), 0.0).sum(1)


def unweighted(p, q):
    return (p / q).log().sum(1)


def bits(p, q):
    return divergence(p, q) / 0.6931471805599453


def mean_of_words(p, q):
    return divergence(p, q) / p.shape[1]


def down_columns(p, q):
    return torch.where(p > 0, p * (p / q).log(), 0.0).sum(0)


def negative(p, q):
    return -divergence(p, q)


def zeros_as_nan(p, q):
    return (p * (p / q).log()).sum(1)


def zeros_left_out(p, q):
    return torch.where((p > 0) & (q > 0), p * (p / q).log(), 0.0).sum(1)


def whole_batch(p, q):
    return divergence(p, q).sum()


def zeros_of_q(p, q):
    return torch.where((q == 0).any(1), torch.inf, divergence(p, q))


def zeros_of_both(p, q):
    return torch.nn.functional.kl_div(q.log(), p, reduction="none").sum(1)


def shifted(p, q):
    return (p * ((p + 1e-6) / (q + 1e-6)).log()).sum(1)


def of_the_batch(p, q):
    return divergence(p, q).mean()


EXERCISE = Function(
    number="18.6",
    title="How far from the reference?",
    stars=2,
    wants="divergence(p, q)",
    cases=cases,
    oracle=divergence,
    mistakes=[
        (turned, "That is the divergence of q from p, the other way round: the weights must be p's."),
        (cross, "That is the mean surprise at q. What p is surprised at itself has to be subtracted."),
        (unweighted, "Each ln(p/q) counts once. It must count p times."),
        (bits, "That is in bits. The natural logarithm gives nats."),
        (
            mean_of_words,
            "The terms are to be added up, not averaged over the words: p is the weight already.",
        ),
        (down_columns, "You add up over the rows. A distribution is a row, and each has a number."),
        (negative, "The sign is turned round: no divergence is below 0."),
        (zeros_as_nan, "Where p is 0, the term is 0 · ln 0, and your computer calls that nan. It counts 0."),
        (zeros_left_out, "Where q is 0 and p is not, the divergence is infinite: q says that cannot be."),
        (shifted, "What you add to the probabilities shows: where q is 0 and p is not, it must be infinite."),
        (of_the_batch, "That is one number for all rows. Each row has its own."),
        (whole_batch, "That is one number for all rows. Each row has its own."),
        (zeros_of_q, "A zero of q is infinite only where p is above 0: what neither says adds nothing."),
        (zeros_of_both, "Where p and q are both 0, yours is nan. The term counts 0."),
    ],
    right="It is 0 only where both agree. A model that gives 0 to what the other says is infinitely far.",
)
