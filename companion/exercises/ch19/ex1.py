"""The check of exercise 19.1: Where 0 lies."""

import math
import random

from companion.exercises.exercise import Function


def grid(low, high, bits):
    scale = (high - low) / (2**bits - 1)
    return scale, round(-low / scale)


def cases(seed):
    rng = random.Random(seed)
    made = [(-1.0, 2.0, 2), (-0.3, 0.6, 4), (0.0, 1.5, 4), (-0.7, 0.0, 3)] if seed == 0 else []
    if seed == 0:  # one bit; more than eight; a zero point that a byte with a sign does not hold
        made += [
            (-0.2, 0.8, 1),
            (-0.7, 0.3, 1),
            (-200.0, 55.0, 8),
            (-300.0, 723.0, 10),
            (-3000.0, 1095.0, 12),
        ]
    # the quotient stays away from a half, where two ways of rounding part
    for bits in (2, 3, 4, 8):
        zero, scale = rng.randint(1, 2**bits - 2), rng.uniform(0.01, 0.5)
        low = -scale * (zero + rng.uniform(-0.3, 0.3))
        made.append((low, low + scale * (2**bits - 1), bits))
    return made


EXERCISE = Function(
    number="19.1",
    title="Where 0 lies",
    stars=1,
    wants="grid(low, high, bits)",
    cases=cases,
    oracle=grid,
    mistakes=[
        (
            lambda low, high, bits: ((high - low) / 2**bits, round(-low / ((high - low) / 2**bits))),
            "There are 2 to the power of bits integers, and one step fewer between them.",
        ),
        (
            lambda low, high, bits: (grid(low, high, bits)[0], -low / grid(low, high, bits)[0]),
            "The zero point is an integer: round it.",
        ),
        (
            lambda low, high, bits: (grid(low, high, bits)[0], -grid(low, high, bits)[1]),
            "The zero point has the wrong sign: low is to become 0, and 0 lies above it.",
        ),
        (
            lambda low, high, bits: (grid(low, high, bits)[0], 0),
            "With 0 at the integer 0 there is no place for what is below it.",
        ),
        (
            lambda low, high, bits: (max(-low, high) / (2 ** (bits - 1) - 1), 0),
            "That is the symmetric grid of equation (1).",
        ),
        (
            lambda low, high, bits: grid(low, high, bits)[::-1],
            "The scale comes first, then the zero point.",
        ),
        (
            lambda low, high, bits: (grid(low, high, bits)[0], int(-low / grid(low, high, bits)[0])),
            "The zero point is rounded to the nearest integer; yours is cut off.",
        ),
        (
            lambda low, high, bits: (grid(low, high, bits)[0], math.ceil(-low / grid(low, high, bits)[0])),
            "The zero point is rounded to the nearest integer, not up.",
        ),
        (
            lambda low, high, bits: (grid(low, high, bits)[0], grid(low, high, bits)[1] - 2 ** (bits - 1)),
            "The integers begin at 0 here, not at half of them below it.",
        ),
        (
            lambda low, high, bits: (grid(low, high, bits)[0], 2**bits - 1 - grid(low, high, bits)[1]),
            "You counted the zero point from `high` down; `low` is what becomes 0.",
        ),
        (
            lambda low, high, bits: ((high - low) / (2**bits - 1), round(-low / (high - low) * 2**bits)),
            "The zero point counts steps of your scale; there is one fewer of them than integers.",
        ),
        (
            lambda low, high, bits: grid(low, high, min(bits, 8)),
            "More than eight bits are allowed as well.",
        ),
    ],
    right="Every integer is used, wherever the weights lie; the price is a second number for each scale.",
)
