"""The check of exercise 4.6: Positions without a table."""

import math

import torch

from companion.exercises.ch04.shared import causal, line, masked_scores, qkv, values_and_gradients
from companion.exercises.exercise import Function


def slopes_of(n_heads):
    return 2.0 ** (-8 * torch.arange(1, n_heads + 1) / n_heads)


def distances(n_query, n_key):
    return torch.arange(n_key - n_query, n_key)[:, None] - torch.arange(n_key)


def alibi(q, k, v, slopes=None, distance=None, mask=True):
    (h, n_query), n_key = q.shape[1:3], k.shape[2]
    slopes = slopes_of(h) if slopes is None else slopes
    distance = distances(n_query, n_key) if distance is None else distance
    scores = masked_scores(q, k, mask=mask) - slopes[:, None, None] * distance
    return scores.softmax(-1) @ v


def alibi_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (line(0.0), line(0.0), line(5.0)),
        (
            torch.zeros(1, 2, 2, 1),
            torch.zeros(1, 2, 2, 1),
            torch.tensor([8.0, 0.0, 8.0, 0.0]).view(1, 2, 2, 1),
        ),
        (line(0.0), line(0.0, 0.0, 0.0), line(1.0, 2.0, 3.0)),
        (line(0.0, 0.0), line(0.0, 0.0), line(5.0, 1.0)),
        (line(10.0, 10.0), line(30.0, 29.9), line(3.0, 7.0)),
        (line(10.0, 10.0), line(-30.0, -29.9), line(3.0, 7.0)),
        (line(10.0, -10.0), line(30.0, 29.0), line(3.0, 7.0)),
        (torch.ones(1, 2, 2, 4), torch.ones(1, 2, 2, 4), torch.arange(16.0).view(1, 2, 2, 4)),
    ]
    cases += [qkv(generator, 2, 4, 6, 6, 5), qkv(generator, 2, 3, 4, 9, 5), qkv(generator, 1, 8, 1, 11, 3)]
    cases += [qkv(generator, 1, 2, 1, 300, 2)]
    return cases


def alibi_before_scale(q, k, v):
    slopes = slopes_of(q.shape[1]) / q.shape[-1] ** 0.5
    return alibi(q, k, v, slopes)


def alibi_after_softmax(q, k, v):
    bias = slopes_of(q.shape[1])[:, None, None] * distances(q.shape[2], k.shape[2])
    return (masked_scores(q, k).softmax(-1) - bias * causal(q.shape[2], k.shape[2])) @ v


def alibi_multiplied(q, k, v):
    bias = slopes_of(q.shape[1])[:, None, None] * distances(q.shape[2], k.shape[2])
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 * -bias
    return scores.masked_fill(~causal(q.shape[2], k.shape[2]), -math.inf).softmax(-1) @ v


def alibi_from_the_top(q, k, v):
    n_query, n_key = q.shape[2], k.shape[2]
    away = torch.arange(n_query)[:, None] - torch.arange(n_key)
    return alibi(q, k, v, distance=away.abs())


EXERCISE = Function(
    number="4.6",
    title="Positions without a table",
    stars=3,
    wants="attend_alibi(q, k, v)",
    cases=alibi_cases,
    oracle=alibi,
    call=values_and_gradients,
    shown="q = {0}, k = {1}, v = {2}",
    mistakes=[
        (
            lambda q, k, v: alibi(q, k, v, -slopes_of(q.shape[1])),
            "Far tokens win here, near ones lose. Distance is a penalty: subtract it.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, 2.0 ** (-8 * torch.arange(q.shape[1]) / q.shape[1])),
            "Your heads count from 0, so the first slope is 1. They count from 1: with 8 heads the first is "
            "½.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, slopes_of(q.shape[1]).flip(0)),
            "The slopes are in the wrong order: head 1 has the steepest.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, slopes_of(q.shape[1])[:1].repeat(q.shape[1])),
            "All heads have the same slope. Give the slopes a shape that runs along the heads: (H, 1, 1).",
        ),
        (
            lambda q, k, v: alibi(q, k, v, 2.0 ** -torch.arange(1.0, q.shape[1] + 1)),
            "These are the slopes of 8 heads, ½, ¼, … With H heads the exponents go in steps of 8 / H.",
        ),
        (
            alibi_before_scale,
            "The penalty was divided by √D too. Divide the products first, then subtract.",
        ),
        (
            alibi_from_the_top,
            "Your distances are counted as if the queries stood at the first positions. They are the last "
            "of the keys' positions, as in `causal_mask`.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, mask=False),
            "The future is not hidden. A negative distance is even a reward here; the mask has to stay.",
        ),
        (
            lambda q, k, v: masked_scores(q, k).softmax(-1) @ v,
            "There is no trace of the distance: this is attention as it was.",
        ),
        (
            alibi_after_softmax,
            "The penalty came after the softmax, so the weights no longer add up to 1. It belongs to the "
            "scores.",
        ),
        (
            alibi_multiplied,
            "You multiplied the scores by the penalty. It is subtracted: a token far away loses the same, "
            "whatever its score is.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, distance=distances(q.shape[2], k.shape[2]) ** 2),
            "The penalty grows with the square of the distance. It should grow evenly, by the slope each "
            "token.",
        ),
    ],
    right="No position has a row, so none is missing when a text gets longer than any that was trained on.",
)
