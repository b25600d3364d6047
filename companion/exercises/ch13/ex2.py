"""The check of exercise 13.2: How many questions?"""

import math

from companion.exercises.exercise import Number

D, SIGMA = 0.02, 0.3
QUESTIONS = (2.8 * SIGMA / D) ** 2

PERCENT = "Two points in a hundred are 0.02; σ and d must be in the same unit."
FOUR_OF_FIVE = "Then one comparison in two would miss the difference. With 2.8, four of five see it."
BOTH = (
    "Twice as many: is that σ√2, as if the two were asked other questions? σ is that of the differences "
    "already. Or 1,764 for each model? Both answer the same ones."
)


def rounded_too(mistakes):
    """Each mistake, and what it is rounded up."""
    return [(each, message) for wrong, message in mistakes for each in sorted({wrong, math.ceil(wrong)})]


EXERCISE = Number(
    number="13.2",
    title="How many questions?",
    stars=1,
    wants="questions_needed()",
    answer=QUESTIONS,
    tolerance=10,
    mistakes=[
        *rounded_too(
            [
                (QUESTIONS**0.5, "That is n's square root. Equation (3) ends with a square."),
                (2 * QUESTIONS, BOTH),
                (QUESTIONS / 2, "Half as many: σ belongs to the differences. Nothing is to be halved."),
                (
                    4 * QUESTIONS,
                    "Four times as many: were σ doubled, or d halved? Both are given as they are wanted.",
                ),
                (QUESTIONS / 4, "A quarter: was σ halved, or d doubled? Both are given as they are wanted."),
                (2.8 * SIGMA**2 / D**2, "The factor 2.8 is squared, too."),
                (2.8 * SIGMA / D**2, "All of the bracket is squared: 2.8 and σ, too."),
                ((2.8 * SIGMA) ** 2 / D, "All of the bracket is squared: d, too."),
                (2.8**2 * SIGMA / D**2, "All of the bracket is squared: σ, too."),
                (2.8**2 * SIGMA / D, "All of the bracket is squared: σ and d, too."),
                (
                    (2.8 * SIGMA**2 / D) ** 2,
                    "Was 0.3 squared twice? It is a standard deviation already. Or is that with 0.84 alone? "
                    "Add both, 1.96 and 0.84: 2.8.",
                ),
                (
                    (2.8 / D) ** 2,
                    "Where is σ? That would do for differences that are +1 or −1 at every question.",
                ),
                (
                    (SIGMA / D) ** 2,
                    "Where is the 2.8? With one standard error the difference is seldom seen.",
                ),
                (SIGMA / D, "Where is the 2.8, and the square?"),
                ((1.96 * SIGMA / D) ** 2, FOUR_OF_FIVE),
                ((2 * SIGMA / D) ** 2, FOUR_OF_FIVE),
                ((1.12 * SIGMA / D) ** 2, "Add both, 1.96 and 0.84: 2.8."),
                (
                    (3.24 * SIGMA / D) ** 2,
                    "That is for nine of ten. Equation (3) is for four of five, with 2.8.",
                ),
                (
                    (3.417 * SIGMA / D) ** 2,
                    "That is for intervals of 99 %. Equation (3) is for 95 %, with 2.8.",
                ),
                ((2.4865 * SIGMA / D) ** 2, "That is for one side alone. Equation (3) has both, with 2.8."),
                ((2.8 * SIGMA / 2) ** 2, PERCENT),
                (
                    (2.8 * 0.5 / D) ** 2,
                    "With σ = 0.5 of one model's answers? σ is that of the differences, 0.3.",
                ),
            ]
        ),
        (1 / QUESTIONS, "That is upside down."),
        (D / SIGMA / 2.8, "That is upside down, and equation (3) ends with a square."),
        ((2.8 * SIGMA) ** 2, "Where is d? The smaller the difference, the more questions."),
        (196, "That is the example. Here d is 0.02 and σ is 0.3."),
        (500, "That is what was asked. Is it enough?"),
        (100, "Far too few. Work out equation (3)."),
        (1000, "Nearly, but now work it out: equation (3)."),
        (10_000, "Too many. Now work it out: equation (3)."),
        (1.764, "Is that in thousands? The number of questions is wanted."),
    ],
    right="Many benchmarks have fewer: then two points of a hundred may well be luck.",
)
