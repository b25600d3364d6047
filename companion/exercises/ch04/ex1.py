"""The check of exercise 4.1: Asking twice as loudly."""

import math

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="4.1",
    title="Asking twice as loudly",
    stars=1,
    wants="weight_of_mara()",
    answer=64 / 86,
    tolerance=0.005,
    mistakes=[
        (0.5, "That is its share before. Doubling all scores does not double all powers alike."),
        (1.0, "The share of Mara is not doubled: the others' powers grow too, and it stays below 1."),
        (0.25, "You squared the share. Square each power, and then take the share of their new sum."),
        (16 / 24, "Only the power of Mara was changed. All five scores are products with the query."),
        (64 / 72, "Only the power of Mara was changed. All five scores are products with the query."),
        (
            math.exp(6) / (math.exp(6) + math.exp(2) + math.exp(4) + 2),
            "Here the powers are powers of 2, not of e.",
        ),
        (
            16 / 30,
            "You doubled each power. The scores double, and so each power is squared.",
        ),
        (
            16 / 26,
            "Only one of the query's two numbers was doubled. With (4, 2), all five scores double.",
        ),
        (0.2, "That is the weight with the query (0, 0). Which weight does (4, 2) give?"),
        (64 / 84, "The tokens with the score 0 count too: the power of each is 1, before and after."),
        (512 / 532, "You squared the scores. Twice the query doubles each of them."),
        (64, "That is the power. The weight is its share of all five."),
    ],
    right="A long query looks hard, a short one looks around; a query of zeros takes the plain average.",
)
