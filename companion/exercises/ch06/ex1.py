"""The check of exercise 6.1: The first line of a log."""

import math

from companion.exercises.exercise import Number

LN_V = math.log(50257)


EXERCISE = Number(
    number="6.1",
    title="The first line of a log",
    stars=1,
    wants="first_loss()",
    answer=LN_V + 0.02**2 * 1600 / 2,
    tolerance=0.01,
    mistakes=[
        (LN_V, "That is ln V, the loss of one without any opinion. How much do the first opinions cost?"),
        (
            LN_V + 0.125,
            "That is with chapter 6's larger rows, 0.2, and a last norm of 2.5 / √C. Here they are GPT-2's "
            "own.",
        ),
        (
            LN_V + (0.2 * 40 / 1600) ** 2 * 1600 / 2,
            "That is with chapter 6's rows of 0.2 and its last norm of 40 / C. Here they are GPT-2's own.",
        ),
        (LN_V + 0.02**2 * 768 / 2, "That is GPT-2 small's. How wide is xl?"),
        (LN_V + 0.02**2 * 1600, "Scores of variance σ² cost σ² / 2, and you took the whole variance."),
        (LN_V + 0.02 * 1600 / 2, "The variance of the scores has the square of `s` in it."),
        (LN_V + 0.02 * 40 / 2, "You took the deviation of the scores for their variance."),
        ((LN_V + 0.02**2 * 1600 / 2) / math.log(2), "That is in bits. The log has nats."),
        (
            math.log(1024) + 0.02**2 * 1600 / 2,
            "That is for the village's 1,024 tokens. How many does GPT-2 have?",
        ),
    ],
    right="At a fixed 0.02 a wider model is born with stronger opinions: 0.15 nats in small, 0.32 here.",
)
