"""The check of exercise 17.3: Two adapters in one."""

import torch

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import as_tensor


def blend(adapters, shares):
    A = torch.cat([A for A, _, _ in adapters])
    B = torch.cat([share * scale * B for (_, B, scale), share in zip(adapters, shares, strict=True)], 1)
    return A, B


def cases(seed):
    g = torch.Generator().manual_seed(seed)

    def adapter(out, into, r, scale):
        return torch.randn(r, into, generator=g), torch.randn(out, r, generator=g), scale

    made = []
    if seed == 0:
        one = (torch.tensor([[1.0, 2, 0]]), torch.tensor([[1.0], [3]]), 2.0)
        two = (torch.tensor([[0.0, 1, 1]]), torch.tensor([[1.0], [0]]), 1.0)
        made += [([one], [1.0]), ([one, two], [1.0, 1.0]), ([one, two], [0.5, 2.0]), ([one, two], [1.0, 0.0])]
        made += [([one, two], [0.0, 0.0]), ([one, two], [0.01, 0.002]), ([one, two, one], [0.5, 1.0, 2.0])]
    for ranks, shares in (((2, 2), (0.5, 0.5)), ((1, 3), (1.0, -0.5)), ((2, 1, 3), (0.2, 0.3, 0.5))):
        scales = (2.0, 0.5, 3.0)
        made.append(
            (
                [adapter(5, 7, r, s) for r, s in zip(ranks, scales, strict=False)],
                [x + seed / 8 for x in shares],
            )
        )
    return made


def product(answer, adapters, shares):
    most = sum(len(a) for a, _, _ in adapters)
    found = answer(adapters, shares)
    try:
        A, B = found
    except (TypeError, ValueError):
        raise Problem("It must return two matrices, A and B.") from None
    A, B = as_tensor(A), as_tensor(B)
    if A is None or B is None or A.ndim != 2 or B.ndim != 2:
        raise Problem("A and B must be matrices: A (ranks, in), B (out, ranks).")
    if A.is_complex() or B.is_complex():
        raise Problem("A and B must be of real numbers; these are complex.")
    if A.shape[0] != B.shape[1]:
        raise Problem(f"A has {A.shape[0]} rows and B {B.shape[1]} columns; B @ A needs as many.")
    if len(A) > most:
        raise Problem(f"The rank is {len(A)}; {most} are enough, all ranks added up.")
    return B.double() @ A.double()


def sums(scale):
    def wrong(adapters, shares):
        A = torch.cat([A for A, _, _ in adapters])
        B = [scale(share, s, B) * B for (_, B, s), share in zip(adapters, shares, strict=True)]
        return A, torch.cat(B, 1)

    return wrong


def both(adapters, shares):
    A = torch.cat([share * s * A for (A, _, s), share in zip(adapters, shares, strict=True)])
    return A, blend(adapters, shares)[1]


def means(adapters, shares):
    most = max(len(a) for a, _, _ in adapters)
    A, B = torch.zeros(most, adapters[0][0].shape[1]), torch.zeros(len(adapters[0][1]), most)
    for (a, b, scale), share in zip(adapters, shares, strict=True):
        A[: len(a)] += a
        B[:, : len(a)] += share * scale * b
    return A, B


EXERCISE = Function(
    number="17.3",
    title="Two adapters in one",
    stars=2,
    wants="blend(adapters, shares)",
    cases=cases,
    oracle=blend,
    call=product,
    mistakes=[
        (sums(lambda share, scale, B: share), "The adapters' own scales were left out."),
        (sums(lambda share, scale, B: scale), "The shares were left out."),
        (sums(lambda share, scale, B: 1), "Scales and shares were left out."),
        (both, "Scale and share came in twice, in A and in B: once is enough."),
        (
            sums(lambda share, scale, B: share * scale / B.shape[1]),
            "The scale has been divided by the rank already.",
        ),
        (sums(lambda share, scale, B: share / scale), "Multiply by the scale; it was divided by."),
        (lambda adapters, shares: blend(adapters[:1], shares[:1]), "Only the first adapter is in it."),
        (lambda adapters, shares: blend(adapters[-1:], shares[-1:]), "Only the last adapter is in it."),
        (lambda adapters, shares: blend(adapters, shares[::-1]), "The shares went to the wrong adapters."),
        (
            lambda adapters, shares: blend(adapters, [s / sum(map(abs, shares)) for s in shares]),
            "The shares are to be taken as they are, also where they do not sum to 1.",
        ),
        (
            lambda adapters, shares: blend(adapters, [s / sum(shares) for s in shares]),
            "The shares are to be taken as they are, also where they do not sum to 1.",
        ),
        (means, "Summed, the A's and B's mix: one adapter's B times another's A is in the product."),
    ],
    right="Ranks add up, and so adapters can be mixed without a model at hand: half a poet and half a lawyer "
    "is one adapter more.",
)
