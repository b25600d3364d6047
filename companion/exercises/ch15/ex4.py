"""The check of exercise 15.4: A classifier without labels."""

import random

import torch

from companion.exercises.exercise import Function


def by_names(logits, groups):
    each = torch.stack([torch.logsumexp(logits[:, group], -1) for group in groups], -1)
    return each.softmax(-1)


def cases(seed):
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    hand = [
        (torch.log(torch.tensor([[0.6, 0.1, 0.2, 0.1]])), [[0], [1, 2]]),
        (torch.log(torch.tensor([[0.25, 0.25, 0.25, 0.25]])), [[0], [1, 2, 3]]),
        (torch.log(torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])), [[3, 0], [1], [2]]),
        (torch.tensor([[200.0, 199.0, 0.0]]), [[0], [1]]),
        (torch.tensor([[-300.0, -301.0, 0.0]]), [[0], [1]]),
    ]
    made = hand if seed == 0 else []
    for _ in range(4):
        B, V, K = rng.randint(2, 4), rng.randint(9, 14), rng.randint(2, 3)
        ids = rng.sample(range(V), rng.randint(K + 2, V - 1))
        cuts = [0, *sorted(rng.sample(range(1, len(ids)), K - 1)), len(ids)]
        groups = [ids[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
        made.append((3 * torch.randn(B, V, generator=generator), groups))
    return made


def of_shares(change):
    def wrong(logits, groups):
        shares = logits.double().softmax(-1)
        return change(torch.stack([shares[:, group].sum(-1) for group in groups], -1), logits, groups)

    return wrong


def in_float32(logits, groups):
    shares = logits.softmax(-1)
    sums = torch.stack([shares[:, group].sum(-1) for group in groups], -1)
    return sums / sums.sum(-1, keepdim=True)


def never_by_zero(logits, groups):
    shares = logits.softmax(-1)
    sums = torch.stack([shares[:, group].sum(-1) for group in groups], -1)
    return sums / (sums.sum(-1, keepdim=True) + 1e-9)


UNLIKELY = "Where all listed tokens are very unlikely, their shares of the vocabulary round to 0, and "
OTHERS = " Leave the other tokens out before softmax, or take `logsumexp`."
EXERCISE = Function(
    number="15.4",
    title="A classifier without labels",
    stars=2,
    wants="by_names(logits, groups)",
    cases=cases,
    oracle=by_names,
    mistakes=[
        (
            of_shares(lambda sums, *_: sums),
            "Those are shares of the whole vocabulary. Divide, so that each row sums to 1.",
        ),
        (
            of_shares(lambda sums, *_: sums.softmax(-1)),
            "Probabilities went through softmax a second time: divide by sums.",
        ),
        (
            lambda logits, groups: torch.stack([logits[:, g].sum(-1) for g in groups], -1).softmax(-1),
            "Logits were added. Add probabilities: to add logits multiplies them.",
        ),
        (
            lambda logits, groups: torch.stack([logits[:, g].mean(-1) for g in groups], -1).softmax(-1),
            "A group's mean logit is no measure of its probability: add the probabilities.",
        ),
        (
            lambda logits, groups: torch.stack([logits[:, g].amax(-1) for g in groups], -1).softmax(-1),
            "The likeliest of a group stood for all of it. Add the probabilities.",
        ),
        (
            lambda logits, groups: torch.stack([logits[:, g[0]] for g in groups], -1).softmax(-1),
            "Only the first token of each group was looked at.",
        ),
        (
            of_shares(
                lambda sums, _, groups: (
                    (sums / torch.tensor([len(g) for g in groups]))
                    / (sums / torch.tensor([len(g) for g in groups])).sum(-1, keepdim=True)
                )
            ),
            "You took each group's mean probability. A class with more tokens may have more of it: add them.",
        ),
        (
            of_shares(lambda sums, *_: sums / sums.sum(0, keepdim=True)),
            "Each row must sum to 1, not each column.",
        ),
        (
            of_shares(lambda sums, *_: sums.argmax(-1)),
            "That is the likeliest class. The shares of all are wanted.",
        ),
        (
            of_shares(lambda sums, *_: (sums / sums.sum(-1, keepdim=True)).log()),
            "Those are logarithms of the shares.",
        ),
        (
            of_shares(lambda sums, *_: (sums / sums.sum(-1, keepdim=True)).T),
            "A row for each text is wanted: (B, K).",
        ),
        (
            lambda logits, groups: (
                torch.stack([logits[:, g].exp().sum(-1) for g in groups], -1)
                / sum(logits[:, g].exp().sum(-1, keepdim=True) for g in groups)
            ),
            "Large logits overflow in `exp`, small ones become 0. Take softmax first, or `logsumexp`.",
        ),
        (in_float32, UNLIKELY + "0 / 0 is no number." + OTHERS),
        (never_by_zero, UNLIKELY + "something small added to the divisor leaves a row of 0." + OTHERS),
    ],
    right="Where the classes have names that the model may say next, its own head is a classifier, before "
    "the first label.",
)
