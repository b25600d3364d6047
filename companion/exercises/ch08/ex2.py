"""The check of exercise 8.2: A bar that moves."""

import math

import torch

from companion.exercises.exercise import Function


def min_p(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs >= share * probs.amax(-1, keepdim=True))
    return kept / kept.sum(-1, keepdim=True)


def min_p_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    sixteenths = torch.tensor([8.0, 4, 2, 1, 1]).log()
    cases = [
        (sixteenths, 0.2),
        (torch.tensor([1.0, 3.0, 3.0]), 1.0),
        (torch.tensor([[0.0, 2.0], [1.0, 0.0]]), 0.3),
    ]
    cases.append((torch.tensor([[100.0, 99.0, -100.0], [-100.0, -101.0, -300.0]]), 0.2))
    shapes = [((7,), 0.1), ((2, 9), 0.05), ((3, 4, 11), 0.2)]
    return cases + [(2 * torch.randn(shape, generator=generator), share) for shape, share in shapes]


def min_p_absolute(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs >= share)
    return kept / kept.sum(-1, keepdim=True)


def min_p_not_divided(logits, share):
    probs = logits.softmax(-1)
    return probs * (probs >= share * probs.amax(-1, keepdim=True))


def min_p_strict(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs > share * probs.amax(-1, keepdim=True))
    return kept / kept.sum(-1, keepdim=True)


def min_p_one_bar_for_all(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs >= share * probs.max())
    return kept / kept.sum(-1, keepdim=True)


def min_p_of_logits(logits, share):
    return logits.masked_fill(logits < share * logits.amax(-1, keepdim=True), -math.inf).softmax(-1)


def min_p_upside_down(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs < share * probs.amax(-1, keepdim=True))
    return kept / kept.sum(-1, keepdim=True)


def min_p_zero_logits(logits, share):
    probs = logits.softmax(-1)
    return (logits * (probs >= share * probs.amax(-1, keepdim=True))).softmax(-1)


def min_p_as_top_p(logits, share):
    ordered, order = logits.softmax(-1).sort(descending=True, stable=True)
    ordered = ordered * (ordered.cumsum(-1) - ordered < share)
    kept = torch.empty_like(ordered).scatter(-1, order, ordered)
    return kept / kept.sum(-1, keepdim=True)


EXERCISE = Function(
    number="8.2",
    title="A bar that moves",
    stars=1,
    wants="min_p(logits, share)",
    cases=min_p_cases,
    oracle=min_p,
    mistakes=[
        (
            min_p_absolute,
            "Your bar stands still: it is `share` itself. It should be a share of the likeliest token's "
            "probability, so that it is low where the model is in doubt.",
        ),
        (min_p_not_divided, "The right tokens stay, but they no longer sum to 1. Divide by what is left."),
        (
            min_p_strict,
            "A token that just reaches the bar was cut. With a share of 1 the likeliest itself would go, and "
            "nothing would be left.",
        ),
        (
            min_p_one_bar_for_all,
            "All rows have one bar, from the largest probability of them all. Each row needs its own: look "
            "at what `max()` does without a dimension.",
        ),
        (
            min_p_of_logits,
            "You compare logits. A share of a logit means nothing: adding 1 to all logits changes no "
            "probability, but it would change your bar.",
        ),
        (min_p_upside_down, "Upside down: you kept what lies below the bar."),
        (
            min_p_zero_logits,
            "A logit of 0 is not a probability of 0: the softmax makes 1 of it before it divides. To "
            "silence a token, its logit must be minus infinity, or its probability 0.",
        ),
        (
            min_p_as_top_p,
            "That is top-p: it adds up until it has enough. Here each token is held against the likeliest, "
            "alone.",
        ),
    ],
    right="One comparison, no sorting; it cuts much where the model is sure, and little where it is open.",
)
