"""The check of exercise 8.5: A trap for the greedy."""

import math

import torch

from companion.exercises.exercise import Function, Problem


def trap():
    return [0.34, 0.33, 0.33], [[1 / 3] * 3, [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def trap_call(answer):
    """What is wrong with a trap, as a set of one string: of sets, no place is told where they differ."""
    given = answer()
    try:
        first, second = (torch.as_tensor(part, dtype=torch.float64) for part in given)
    except (TypeError, ValueError):
        raise Problem("Give two things: a list of 3 numbers, and a list of 3 lists of 3 numbers.") from None
    if first.shape != (3,) or second.shape != (3, 3):
        raise Problem(
            f"Give a list of 3 numbers, and a list of 3 lists of 3 numbers; yours have the shapes "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    if not (first.isfinite().all() and second.isfinite().all()):
        raise Problem("One of your probabilities is no number, or infinite. Each lies between 0 and 1.")
    texts = first[:, None] * second
    greedy = texts[first.argmax()].max()
    wrong = {
        "below 0": bool((first < 0).any() or (second < 0).any()),
        "the first do not sum to 1": abs(first.sum() - 1) > 1e-6,
        "the second do not sum to 1": bool(((second.sum(1) - 1).abs() > 1e-6).any()),
        "a tie": bool(first.sort().values.diff()[-1] < 1e-6),
        "greedy finds the likeliest text": bool(texts.max() <= greedy * (1 + 1e-9)),
        "less than 2.5 times as likely": bool(texts.max() < 2.5 * greedy),
    }
    return {"; ".join(text for text, found in wrong.items() if found) or "nothing"}


def trap_without_bait():
    return [0.6, 0.3, 0.1], [[0.5, 0.3, 0.2]] * 3


def trap_too_rich():
    return [0.5, 0.4, 0.1], [[0.4, 0.3, 0.3], [1.0, 0.0, 0.0], [1 / 3] * 3]


def trap_not_a_distribution():
    return [0.34, 0.33, 0.33], [[0.1, 0.1, 0.1], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def trap_transposed():
    first, second = trap()
    return first, [list(column) for column in zip(*second, strict=True)]


def trap_tie():
    return [1 / 3] * 3, trap()[1]


def trap_of_counts():
    return [34, 33, 33], [[1, 1, 1], [1, 0, 0], [1, 0, 0]]


def trap_of_logs():
    first, second = trap()
    return [math.log(p) for p in first], [[math.log(p + 1e-9) for p in row] for row in second]


EXERCISE = Function(
    number="8.5",
    title="A trap for the greedy",
    stars=2,
    wants="trap()",
    cases=lambda seed: [()] if seed == 0 else [],
    oracle=trap,
    call=trap_call,
    shown="what is wrong with {f}()",
    mistakes=[
        (
            trap_without_bait,
            "Greedy walks straight to the best text. What it takes first must lead to a place where no "
            "second token is likely.",
        ),
        (
            trap_too_rich,
            "The trap works, but greedy still gets too much: it shall get little from its first token, and "
            "little from its second. How small can the largest of three probabilities be?",
        ),
        (
            trap_not_a_distribution,
            "After each first token, the second has to be something: every row of the second list sums to 1.",
        ),
        (
            trap_transposed,
            "Row i of the second list is what follows token i; it is the rows that must sum to 1. Are yours "
            "in the columns?",
        ),
        (
            trap_tie,
            "The first token is a tie, so chance decides what greedy takes. Make one a little likelier.",
        ),
        (trap_of_counts, "These are counts. Divide each row by its sum."),
        (trap_of_logs, "These are logarithms. Give the probabilities themselves."),
    ],
    right="With V tokens, greedy can lose a factor of nearly V. A beam of two would have found the text.",
)
