"""The check of exercise 17.6: Everyone their own."""

import random

import torch

from companion.exercises.exercise import Function


def served(x, W, adapters, which):
    y = (x.double() @ W.double().T).clone()
    for i, (A, B, scale) in enumerate(adapters):
        own = which == i
        y[own] += scale * (x[own].double() @ A.double().T) @ B.double().T
    return y


def cases(seed):
    g, rng = torch.Generator().manual_seed(seed), random.Random(seed)
    made = []
    if seed == 0:
        W = torch.tensor([[1.0, 0], [0, 1]])
        one = (torch.tensor([[1.0, 1]]), torch.tensor([[1.0], [0]]), 2.0)
        two = (torch.tensor([[0.0, 1]]), torch.tensor([[0.0], [1]]), 10.0)
        x = torch.tensor([[[1.0, 2]], [[1.0, 2]], [[1.0, 2]]])
        made += [
            (x, W, [one, two], torch.tensor([0, 1, -1])),
            (x, W, [one, two], torch.tensor([-1, -1, -1])),
            (x, W, [one, two], torch.tensor([1, 1, 1])),
            (x, W, [], torch.tensor([-1, -1, -1])),
            (x[:1], W, [one, two], torch.tensor([1])),
            (x[:1], W, [one, two], torch.tensor([-1])),
        ]
    for N, T, out, into in (
        (5, 2, 5, 7),
        (6, 3, 5, 7),
        (4, 3, 6, 6),
        (4, 4, 7, 5),
        (1, 3, 5, 6),
        (5, 1, 6, 5),
    ):
        n = rng.randint(2, 4)
        adapters = [
            (torch.randn(r, into, generator=g), torch.randn(out, r, generator=g), rng.uniform(0.5, 3))
            for r in rng.sample([1, 2, 3, 4, 5], n)
        ]
        whose = [*[-1] * (N != 6), n - 1, *(rng.randint(-(N != 6), n - 1) for _ in range(N))][:N]
        which = torch.tensor(rng.sample(whose, N))  # where N is 6, all have one
        made.append(
            (torch.randn(N, T, into, generator=g), torch.randn(out, into, generator=g), adapters, which)
        )
    return made


def every(keep):
    def wrong(x, W, adapters, which):
        y = x @ W.T
        for i, (A, B, scale) in enumerate(adapters):
            y = y + keep(which, i) * scale * (x @ A.T @ B.T)
        return y

    return wrong


def last_wraps(x, W, adapters, which):
    return torch.stack(
        [x[i] @ W.T + (adapters[j][2] * x[i] @ adapters[j][0].T @ adapters[j][1].T if adapters else 0)
         for i, j in enumerate(which.tolist())]
    )  # fmt: skip


def alone(x, W, adapters, which):
    y = torch.zeros(*x.shape[:-1], len(W))
    for i, (A, B, scale) in enumerate(adapters):
        y[which == i] = scale * (x[which == i] @ A.T @ B.T)
    return y


def overwritten(x, W, adapters, which):
    y = x @ W.T
    for i, (A, B, scale) in enumerate(adapters):
        y[which == i] = scale * (x[which == i] @ A.T @ B.T)
    return y


def unscaled(x, W, adapters, which):
    return served(x, W, [(A, B, 1) for A, B, _ in adapters], which)


def divided(x, W, adapters, which):
    return served(x, W, [(A, B, scale / len(A)) for A, B, scale in adapters], which)


def by_adapter(x, W, adapters, which):
    return served(x, W, adapters, which)[which.argsort(stable=True)]


EXERCISE = Function(
    number="17.6",
    title="Everyone their own",
    stars=3,
    wants="served(x, W, adapters, which)",
    cases=cases,
    oracle=served,
    mistakes=[
        (every(lambda which, i: 1), "Every row got every adapter."),
        (
            last_wraps,
            "`-1` took the last adapter, as Python's lists do. It stands for none.",
        ),
        (lambda x, W, adapters, which: x @ W.T, "No adapter is in it."),
        (alone, "The layer's own product is missing."),
        (overwritten, "Rows with an adapter lost the layer's own product: add the change to it."),
        (unscaled, "The adapters' scales were left out."),
        (divided, "The scale has been divided by the rank already."),
        (every(lambda which, i: float(i > 0) * (which == i)[:, None, None]), "Number 0 is an adapter, too."),
        (by_adapter, "The rows came back by adapter. They belong in the order of x."),
        (every(lambda which, i: float((which == i).any())), "Every row got the adapters of all rows."),
        (every(lambda which, i: float(which[0] == i)), "All rows got the first row's adapter."),
        (
            every(lambda which, i: (which == i + 1)[:, None, None]),
            "Adapters count from 0; -1 stands for none.",
        ),
    ],
    right="So one server holds a model once, and answers a thousand customers in one batch, each with their "
    "own adapter.",
)
