"""The check of exercise 4.5: The right to look nowhere."""

import torch

from companion.exercises.ch04.shared import line, masked_scores, qkv, values_and_gradients
from companion.exercises.exercise import Function


def sink(q, k, v, **options):
    scores = masked_scores(q, k, **options)
    scores = torch.cat([torch.zeros_like(scores[..., :1]), scores], dim=-1)
    return scores.softmax(-1)[..., 1:] @ v


def sink_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (line(0.0), line(0.0), line(6.0)),
        (line(0.0, 0.0), line(0.0, 0.0), line(6.0, 12.0)),
        (line(1.0), line(2.0, -1.0), line(3.0, 7.0)),
        (line(20.0, 20.0), line(10.0, 9.9), line(3.0, 7.0)),
        (line(1.0), line(-50.0, -60.0), line(3.0, 7.0)),
        (line(10.0, -10.0), line(30.0, 29.0), line(3.0, 7.0)),
        (torch.ones(1, 1, 1, 4), torch.ones(1, 1, 1, 4), torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])),
    ]
    cases += [qkv(generator, 2, 3, 5, 5, 4), qkv(generator, 1, 2, 3, 7, 5), qkv(generator, 3, 2, 1, 4, 6)]
    return cases


def sink_last_without_mask(q, k, v):
    zero_k, zero_v = torch.zeros_like(k[..., :1, :]), torch.zeros_like(v[..., :1, :])
    k, v = torch.cat([k, zero_k], -2), torch.cat([v, zero_v], -2)
    return masked_scores(q, k).softmax(-1) @ v


def sink_by_powers(q, k, v):
    powers = masked_scores(q, k).exp()
    return powers / (1 + powers.sum(-1, keepdim=True)) @ v


def sink_after_shift(q, k, v):
    scores = masked_scores(q, k)
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / (1 + powers.sum(-1, keepdim=True)) @ v


def sink_with_value(q, k, v):
    scores = masked_scores(q, k)
    scores = torch.cat([torch.zeros_like(scores[..., :1]), scores], dim=-1)
    return scores.softmax(-1) @ torch.cat([torch.ones_like(v[..., :1, :]), v], -2)


EXERCISE = Function(
    number="4.5",
    title="The right to look nowhere",
    stars=2,
    wants="attend_with_sink(q, k, v)",
    cases=sink_cases,
    oracle=sink,
    call=values_and_gradients,
    shown="q = {0}, k = {1}, v = {2}",
    mistakes=[
        (
            lambda q, k, v: masked_scores(q, k).softmax(-1) @ v,
            "This is attention as it was: the weights of the tokens still add up to 1. Is the sink missing, "
            "or did you divide by their sum again, and take back what it had got?",
        ),
        (
            sink_last_without_mask,
            "The sink stands behind the last key, and a causal mask takes it for the newest token: it moves "
            "all queries on by one, so that they see one token of the future. Where would nobody be moved?",
        ),
        (
            sink_with_value,
            "The sink has a value, so looking at it adds something. It should hand over zeros.",
        ),
        (
            sink_after_shift,
            "You took the largest score off before the powers, and still added 1. The sink's score of 0 is "
            "one of the scores: it has to be shifted as well.",
        ),
        (
            sink_by_powers,
            "The formula is right, and the powers are too large for a float: e to the power of 200 is "
            "infinite there, and infinity by infinity is NaN. Give the sink's score to `softmax`, which "
            "takes the largest off first.",
        ),
        (
            lambda q, k, v: sink(q, k, v, mask=False),
            "Queries see the future: the mask is gone, or not aligned with the keys any more.",
        ),
        (
            lambda q, k, v: sink(q, k, v, scale=1.0),
            "The scores are not divided by √D, with D the width of a query.",
        ),
    ],
    right="A head that finds nothing can now say nothing, and need not repeat what it did not look for.",
)
