"""The check of exercise 14.1: The score of a head that does nothing."""

import math

from companion.exercises.exercise import Number

n = 60
EVEN = sum(1 / (i + 1) for i in range(n + 1, 2 * n + 1)) / n

EXERCISE = Number(
    number="14.1",
    title="The score of a head that does nothing",
    stars=1,
    wants="even_score()",
    answer=EVEN,
    tolerance=EVEN / 100,
    mistakes=[
        (1 / 121, "That is the last query's. The others see fewer keys, and give each of them more."),
        (1 / 120, "That is about the last query's. The others see fewer keys, and give each of them more."),
        (1 / 60, "Does a query in the second half see the whole first half and nothing else?"),
        (
            1 / 61,
            "That is what the earliest query in question would nearly have. The later ones see more keys.",
        ),
        (1 / 62, "That is the first query's. The later ones see more keys."),
        (1 / 91.5, "That is one key's share of the mean number seen. The mean of the 60 shares is larger."),
        (1 / 90.5, "That is one key's share of the mean position. The mean of the 60 shares is wanted."),
        (
            sum(1 / i for i in range(n + 1, 2 * n + 1)) / n,
            "A query sees itself, too: the one at position 61 sees 62 positions, 0 to 61.",
        ),
        (
            sum(1 / (i + 2) for i in range(n + 1, 2 * n + 1)) / n,
            "That is one position too many: counted from 0, the query at position 61 sees 62, its own too.",
        ),
        (math.log(2) / n, "That is near: a smooth curve in place of 60 shares. Add up the shares."),
        (0.5, "A head that sees a hundred keys alike can give none of them half of its weight."),
        (1.0, "That is a perfect induction head's."),
        (0.0, "An even head gives each key that it sees something."),
        (EVEN * 100, "Is that in percent? A share is wanted, as 0.5 for a half."),
        (sum(1 / (i + 1) for i in range(121)) / 121, "Only queries of the second telling have such a key."),
        (sum(1 / (i + 1) for i in range(121)), "That is a sum over all queries; the score is a mean."),
        (EVEN * 60, "That is the sum over the queries; the score is a mean."),
    ],
    right="Any score is to be read beside that of a head that does nothing: some 0.01 here.",
)
