"""The check of exercise 7.2: Never seen."""

import math

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="7.2",
    title="Never seen",
    stars=1,
    wants="never_seen()",
    answer=1 / math.e,
    tolerance=0.015,
    mistakes=[
        (
            0,
            "As many rows as stories would be enough if no story came twice. But each row draws from all "
            "stories anew.",
        ),
        (1 - 1 / math.e, "That is the share that has been seen at least once."),
        (
            0.5,
            "Not a half. Take one story: with which probability does a single row miss it? And 1,000 rows, "
            "one after the other?",
        ),
        (math.e**-2, "That is what two passes leave. 125 batches of 8 rows are one."),
        (0.999, "That is the probability that one row misses a story. There are 1,000 rows."),
        (0.999**125, "That is after 125 rows. There are 125 batches, and 8 rows in each."),
        (100 / math.e, "In percent, yes. Give the share as a number from 0 to 1."),
    ],
    right="More than a third, 1/e. Where text is scarce, a pass that shows each story once is worth having.",
)
