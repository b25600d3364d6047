"""The check of exercise 10.1: How far can it count?"""

import math

from companion.exercises.exercise import Number

D, THETA = 128, 500_000
SLOWEST = THETA ** (-(D - 2) / D)
FULL = 2 * math.pi / SLOWEST


EXERCISE = Number(
    number="10.1",
    title="How far can it count?",
    stars=1,
    wants="horizon()",
    answer=FULL,
    tolerance=FULL / 100,
    mistakes=[
        (
            2 * math.pi * THETA,
            "The slowest speed is nearly 1/theta, and not quite: the last pair is number D/2 − 1, for the "
            "first is number 0.",
        ),
        (1 / SLOWEST, "After so many tokens the slowest pair has turned by 1, in radians. A turn is longer."),
        (360 / SLOWEST, "The angles are in radians: a full turn is 2π, not 360."),
        (math.pi / SLOWEST, "That is half a turn."),
        (2 * math.pi, "That is a turn of the fastest pair. The slowest is the last one."),
        (SLOWEST, "That is the speed of the slowest pair. How many tokens does it take for a turn of 2π?"),
        (2 * math.pi * SLOWEST, "The slowest pair needs the most tokens: divide by its speed."),
        (
            2 * math.pi * THETA ** ((D - 1) / D),
            "The pairs are D/2, not D: the exponent goes up by 2/D from one to the next.",
        ),
        (
            2 * math.pi * THETA ** ((D / 2 - 1) / D),
            "Equation (1) has −2i/D in the exponent, and a 2 got lost.",
        ),
        (
            2 * math.pi * 10_000 ** ((D - 2) / D),
            "That is with a theta of 10,000. Llama 3 took another.",
        ),
        (
            2 * math.pi * THETA ** ((D - 4) / D),
            "That is the last pair but one, or the last of a head half as wide. Count: 128 numbers are 64 "
            "pairs, and the first of them is number 0.",
        ),
        (1 / FULL, "That is how much of a turn it makes in one token. How many tokens make a whole one?"),
        (FULL / 1000, "Near, but for a factor of a thousand: is that in thousands of tokens?"),
        (FULL / 10**6, "Near, but for a factor of a million: is that in millions of tokens?"),
        (2_500_000, "Nearly. It should be right to within 1 %."),
        (2_600_000, "Nearly. It should be right to within 1 %."),
        (628, "That is the example, a head 4 wide. Llama 3's are 128 wide."),
        (2 * math.pi * THETA ** (46 / 48), "That is for heads of 48. Llama 3's are wider."),
        (2 * math.pi * 10_000 ** (46 / 48), "That is the chapter's own example. Llama 3 has other numbers."),
    ],
    right="The 8,192 tokens that Llama 3 was trained on are a three-hundredth of a turn of the slowest pair.",
)
