"""The check of exercise 18.1: How many draws?"""

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="18.1",
    title="How many draws?",
    stars=1,
    wants="draws_needed()",
    answer=6,
    tolerance=0.001,
    mistakes=[
        (5, "With five, all fail in 0.4 ** 5 = 0.01024 of the cases: that is more than one in a hundred."),
        (9, "`0.6 ** 9` is about 0.01: that all nine succeed. Asked is when all fail."),
        (10, "`0.6 ** 10` is below 0.01: that all ten succeed. Asked is when all fail."),
        (2, "On average 1.7 draws are needed for the first true one, but one in a hundred needs many more."),
        (1, "One draw fails in 0.4 of the cases."),
        (0.99, "That is the share wanted. How many draws give it?"),
        (5.026, "That is where `0.4 ** n` is exactly 0.01. Draws are whole."),
    ],
    right="Six draws: all fail in 0.4⁶ = 0.004 of the cases. Five leave 0.0102, a little too much.",
)
