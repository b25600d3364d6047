"""The check of exercise 12.1: When attention takes over."""

from companion.exercises.ch12.shared import in_matrices
from companion.exercises.exercise import Number

V, L, C = 50257, 32, 4096
N = in_matrices(V, L, C)
LENGTH = N / (2 * L * C)
BLOCKS = 12 * L * C * C

HALF = "Half of the scores are masked; by custom, and in equation (1), they are counted."
BACK = "The way back costs twice the way forward, for products with weights and without. Count both for both."
LAYERS = "Every block has its attention: the products without weights grow with the number of blocks, too."
PART = "A block has attention's four matrices and the MLP's two, which have twice as many weights."


def pairs(make, message):
    """A mistake in the number, with the head and without."""
    return [(make(weights), message) for weights in (N, BLOCKS)]


EXERCISE = Number(
    number="12.1",
    title="When attention takes over",
    stars=1,
    wants="equal_length()",
    answer=LENGTH,
    tolerance=LENGTH / 10,
    mistakes=[
        *pairs(lambda n: n / (L * C), HALF),
        *pairs(lambda n: 6 * n / (4 * L * C), BACK),
        (2 * N / (12 * L * C), BACK),
        (2 * C, f"Was that the way forward alone? {BACK} Or attention's four matrices alone? {PART}"),
        *pairs(lambda n: 6 * n / (2 * L * C), "Scores and values, forward and back: 12 L C T, not 2 L C T."),
        *pairs(lambda n: n / (2 * C), LAYERS),
        *pairs(lambda n: n / (12 * L * C), "Each weight costs 6 operations, not one."),
        *pairs(lambda n: n / (2 * L), "The scores' products are as long as the model is wide: where is C?"),
        *pairs(
            lambda n: (n / (2 * L * C)) ** 0.5,
            "A row's cost grows with the square of its length, but a token's only with the length.",
        ),
        *pairs(
            lambda n: 6 * n / (12 * L * C * 32),
            "All heads together are as wide as the model: their number does not matter.",
        ),
        (4 * C, PART),
        (1024, "That is what the model can read. At that length attention is a small part of the cost."),
        (704, "That is for the model that ships, 96 wide. Here it is the one of 7 billion."),
        (16, "That is the example. Here it is the model of 7 billion."),
        *[
            (n, "Is that in thousands? The number of tokens is wanted.")
            for n in (LENGTH / 1000, 24.576, 25, 24)
        ],
        (22_000, "Nearly. It should be right to within a tenth."),
        (28_500, "Nearly. It should be right to within a tenth."),
        (10_000, "That is the nearest of the powers of ten, or so. Now work it out: set 6 N = 12 L C T."),
        (100_000, "Too long. Set 6 N = 12 L C T."),
        (1_000_000, "Far too long. Set 6 N = 12 L C T."),
    ],
    right="Six times the width, however deep: up to some ten thousand tokens one pays for weights, not for "
    "length.",
)
