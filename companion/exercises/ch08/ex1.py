"""The check of exercise 8.1: A thousand small chances."""

import math

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="8.1",
    title="A thousand small chances",
    stars=1,
    wants="likeliest_at_two()",
    answer=0.96**0.5 / (0.96**0.5 + 1000 * 0.00004**0.5),
    tolerance=0.005,
    mistakes=[
        (
            0.96**0.5 / (0.96**0.5 + 0.04**0.5),
            "You took one root for all others together, as if they were one token. Each of the thousand has "
            "a root of its own; then they are added.",
        ),
        (0.96, "That is its probability at T = 1. At 2, each probability becomes its root."),
        (
            0.96**0.5,
            "That is the root of 0.96, before the division. Roots do not sum to 1; by what must you divide?",
        ),
        (
            0.48,
            "The temperature divides the logits, not the probabilities. What does that do to a probability?",
        ),
        (
            0.96**2 / (0.96**2 + 1000 * 0.00004**2),
            "You squared; that is T = 1/2. The power is 1/T.",
        ),
        (
            0.96**2,
            "That is the square: at T = 1/2 the power is 2, at T = 2 it is 1/2. Then divide by the sum.",
        ),
        (
            0.96**0.5 / (1000 * 0.00004**0.5),
            "You divided by the roots of the thousand alone. The first token's own root is in the sum, too.",
        ),
        (
            0.96**0.5 / (0.96**0.5 + 1000 * 0.04**0.5),
            "You took the root of 0.04 a thousand times. All others have that together; each has 0.00004.",
        ),
        (
            math.exp(0.96 / 2) / (math.exp(0.96 / 2) + 1000 * math.exp(0.00004 / 2)),
            "You took a softmax of the probabilities. It wants logits: their logarithms.",
        ),
        (
            0.04,
            "That is what all others have at T = 1. Wanted is what the likeliest token has at T = 2.",
        ),
        (
            0.00004**0.5,
            "That is the root of one of the others. How many of these are in the sum, and what is divided?",
        ),
        *((percent, "In percent? A probability lies between 0 and 1.") for percent in (13.0, 13.4, 13.41)),
        (
            1 - 0.96**0.5 / (0.96**0.5 + 1000 * 0.00004**0.5),
            "That is what the thousand others have now, together. The question is what is left for the "
            "first.",
        ),
    ],
    right="From 96 % to 13 %: what was sure is drowned by a thousand things that each hardly ever happen.",
)
