"""The check of exercise 9.2: The speed of memory."""

from companion.exercises.exercise import Number

WEIGHTS, CACHE, SPEED = 16.0, 1.0, 100.0
"""Gigabytes of the weights and of one row's keys and values; gigabytes that memory delivers a second."""

EXERCISE = Number(
    number="9.2",
    title="The speed of memory",
    stars=1,
    wants="gain_of_sixteen()",
    answer=16 * (WEIGHTS + CACHE) / (WEIGHTS + 16 * CACHE),
    tolerance=0.05,
    mistakes=[
        (
            16,
            "So it would be if only the weights were read. Each row has keys and values of its own, and a "
            "step reads those of all rows.",
        ),
        (
            1,
            "Nothing gained? The weights are fetched once a step, and serve all rows of it.",
        ),
        (
            16 * SPEED / (WEIGHTS + 16 * CACHE),
            "These are the tokens a second of sixteen texts. By what factor is that more than for one?",
        ),
        (SPEED / (WEIGHTS + CACHE), "That is the speed of one text. How much faster are sixteen together?"),
        (
            (WEIGHTS + CACHE) / (WEIGHTS + 16 * CACHE),
            "That is how much slower each text gets. But there are sixteen of them.",
        ),
        (
            (WEIGHTS + 16 * CACHE) / (WEIGHTS + CACHE),
            "That is how much longer a step takes. It gives sixteen tokens instead of one.",
        ),
        (
            16 * WEIGHTS / (WEIGHTS + 16 * CACHE),
            "For one text, too, a step reads the weights and its keys and values: 17 GB.",
        ),
        (
            (WEIGHTS + CACHE) / 16,
            "A step with one text reads 17 GB; one with sixteen reads the weights once, and sixteen caches.",
        ),
        (
            (WEIGHTS + CACHE) / CACHE,
            "That is what ever more rows come near to. With sixteen, half of what a step reads is weights.",
        ),
        (
            SPEED / (WEIGHTS + 16 * CACHE),
            "That is how many tokens a second each of the sixteen gets. All together, and how many times one "
            "text alone?",
        ),
    ],
    right="With few rows the weights set the pace, with many the caches: in the end, more rows gain nothing.",
)
