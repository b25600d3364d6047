"""The check of exercise 6.3: Where attention takes over."""

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="6.3",
    title="Where attention takes over",
    stars=1,
    wants="crossover()",
    answer=6 * 768 + 50257 / 24,
    tolerance=1,
    mistakes=[
        (6 * 768, "That is the answer for the blocks alone. The head is a matrix, too, and no small one."),
        (
            3 * (6 * 768 + 50257 / 24),
            "One of the two is counted forward only, the other with the way back. Take both sides from "
            "equation (4).",
        ),
        (
            (6 * 768 + 50257 / 24) / 3,
            "One of the two is counted forward only, the other with the way back. Take both sides from "
            "equation (4).",
        ),
        (
            6 * 768 + 50257 / 12,
            "You counted the token table as two matrices. The look-up costs nothing; as the head it counts "
            "once.",
        ),
        (
            6 * 768 + 50257 / 2,
            "The head's operations come once, attention's in each of the twelve layers: where is `L`?",
        ),
        (6 * 1600 + 50257 / 96, "That is for xl. Which width and how many layers has small?"),
        (6 * 768 + 1024 / 24, "That is for the village's 1,024 tokens. How many does GPT-2 small have?"),
        (
            768 + 50257 / 144,
            "Each weight of a matrix costs 6 operations, and you counted one.",
        ),
    ],
    right="At GPT-2's own 1,024 tokens the famous square is an eighth of the work, in wider models less.",
)
