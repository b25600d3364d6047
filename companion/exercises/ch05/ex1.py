"""The check of exercise 5.1: How much the stream swells."""

import math

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="5.1",
    title="How much the stream swells",
    stars=1,
    wants="size_at_the_top()",
    answer=math.sqrt(1 + 48 * 0.25),
    tolerance=0.02,
    mistakes=[
        (
            1 + 48 * 0.5,
            "You added the sizes. Then all 48 would have to push every number the same way; of random ones, "
            "most cancel. It is the mean squares that add up.",
        ),
        (1 + 48 * 0.25, "That is the mean square. The size is its root."),
        (
            math.sqrt(1 + 24 * 0.25),
            "That is for 24 writings. How many parts of a block write into the stream?",
        ),
        (math.sqrt(48 * 0.25), "Those are the writings alone. What was in the stream before is still there."),
        (math.sqrt(1 + 48 * 0.5), "Mean squares add up. The mean square of numbers of size 0.5 is not 0.5."),
        *(
            (
                each**48,
                "One writing swells a stream of size 1 by 1.12. The next ones meet a larger stream, and "
                "swell it by less.",
            )
            for each in (1.12, 1.118, math.sqrt(1.25))
        ),
        (1.5**48, "Nothing is multiplied here: a layer reads through a norm, and adds."),
        (
            1 + math.sqrt(48 * 0.25),
            "The embedding's numbers are random beside the others, too: square them as well.",
        ),
        (math.sqrt(49), "That would be for writings as large as the embedding. They are half of its size."),
    ],
    right="The stream grows like the root of the depth: each block changes it by a smaller share.",
)
