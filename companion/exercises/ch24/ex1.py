"""The check of exercise 24.1: Two of many."""

import math

import torch

from companion.exercises.exercise import Function


def shares(scores):
    e = (scores - scores.max()).exp()
    return e / e.sum()


def only_best(share, k):
    order = sorted(range(len(share)), key=lambda e: -share[e])
    return torch.stack([v if e in order[:k] else v * 0 for e, v in enumerate(share)])


def route(scores, k):
    kept = only_best(shares(scores), k)
    return kept if k == 1 else kept / kept.sum()


def route_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.tensor([6.0, 1.0, 3.0]).log(), 2),
        (torch.tensor([6.0, 1.0, 3.0]).log(), 1),
        (torch.tensor([0.0, math.log(3)]), 2),
        (torch.tensor([0.0, math.log(3), -1.0, 1.0]), 1),
        (torch.tensor([100.0, 0.0, 99.0]), 2),
    ]
    return cases + [(torch.randn(n, generator=generator), k) for n, k in ((5, 2), (7, 3), (9, 1))]


def not_renormalized(scores, k):
    return only_best(shares(scores), k)


def always_one(scores, k):
    kept = only_best(shares(scores), k)
    return kept / kept.sum()


def over_all(scores, k):
    return shares(scores)


def scores_not_shares(scores, k):
    kept = only_best(scores, k)
    return kept / kept.sum()


def in_order_of_size(scores, k):
    return torch.stack(sorted(route(scores, k), key=lambda v: -v)[:k])


def softmax_of_zeros(scores, k):
    return shares(only_best(scores, k))


def worst(scores, k):
    kept = only_best(-shares(scores), k).abs()
    return kept if k == 1 else kept / kept.sum()


def mean_of_best(scores, k):
    return (route(scores, k) > 0).float() / k


def overflowing(scores, k):
    best, at = (scores.exp() / scores.exp().sum()).topk(k)
    return torch.zeros_like(scores).scatter(0, at, best if k == 1 else best / best.sum())


def at_the_front(scores, k):
    best = in_order_of_size(scores, k)
    return torch.cat([best, torch.zeros(len(scores) - k)])


def twice_softmax(scores, k):
    kept = route(scores, k)
    return only_best(kept.where(kept > 0, -torch.inf).softmax(0), k) if k > 1 else kept


def by_sigmoid(scores, k):
    kept = only_best(scores.sigmoid(), k)
    return kept if k == 1 else kept / kept.sum()


EXERCISE = Function(
    number="24.1",
    title="Two of many",
    stars=1,
    wants="route(scores, k)",
    cases=route_cases,
    oracle=route,
    mistakes=[
        (
            not_renormalized,
            "Your weights are the shares. With k above 1 they must sum to 1 again.",
        ),
        (always_one, "With k = 1 the weight is the share itself; 1 would teach the router nothing."),
        (over_all, "That is the softmax over all. Only the k best keep a weight."),
        (scores_not_shares, "You divide the scores by their sum. First a softmax makes shares of them."),
        (
            in_order_of_size,
            "Your result has k weights, by size. It should have one for each expert.",
        ),
        (
            softmax_of_zeros,
            "A score of 0 is no share of 0: put the zeros after the softmax.",
        ),
        (
            overflowing,
            "`exp(100)` is too large for 32 bits. Subtract the largest score first, or use softmax.",
        ),
        (at_the_front, "Your k weights stand first. Each belongs where its expert is: `topk` says where."),
        (twice_softmax, "A softmax of shares is one too many: divide by their sum."),
        (by_sigmoid, "A sigmoid looks at one score alone. A softmax makes shares of all of them."),
        (worst, "You took the k smallest."),
        (mean_of_best, "The chosen count alike here. Each should count by its share."),
    ],
    right="Two of E experts will compute, and their weights keep the ratio that the router gave them.",
)
