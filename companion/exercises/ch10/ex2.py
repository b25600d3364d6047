"""The check of exercise 10.2: As many numbers."""

import math
import random

from companion.exercises.exercise import Function


def gated_width(d_model, multiple):
    return up(8 * d_model, 3 * multiple) * multiple


def up(a, b):
    return -(-a // b)


def down(a, b):
    return a // b


def gated_cases(seed):
    rng = random.Random(seed)
    cases = [(6, 8), (6, 5), (6, 1), (1, 1), (1, 7), (2, 2), (3, 8), (4096, 256), (96, 8), (576, 8), (97, 10)]
    cases += [(4096, 1), (16_384, 256), (65_536, 1)]  # where 32 bits overflow; floats are right
    return cases + [(rng.randint(2, 900), rng.randint(2, 70)) for _ in range(6)]


EXERCISE = Function(
    number="10.2",
    title="As many numbers",
    stars=1,
    wants="gated_width(d_model, multiple)",
    cases=gated_cases,
    oracle=gated_width,
    mistakes=[
        (
            lambda C, m: down(8 * C, 3 * m) * m,
            "You rounded down, so SwiGLU has fewer numbers than the MLP. At least as many are wanted.",
        ),
        (
            lambda C, m: round(8 * C / (3 * m)) * m,
            "You took the nearest multiple. Where that lies below, SwiGLU has too few numbers.",
        ),
        (
            lambda C, m: up(4 * C, m) * m,
            "With d_ff = 4 C, three matrices have half as many numbers again as the MLP's two.",
        ),
        (
            lambda C, m: up(8 * C, 3),
            "Enough numbers, but not a multiple of `multiple`.",
        ),
        (
            lambda C, m: (down(8 * C, 3 * m) + 1) * m,
            "One multiple too many where 8/3 C is one already.",
        ),
        (
            lambda C, m: up(8 * C, 24) * 8,
            "That is a multiple of 8, whatever `multiple` says.",
        ),
        (
            lambda C, m: up(8 * C, m) * m,
            "One matrix of that width has as many numbers as the MLP's two. A SwiGLU has three.",
        ),
        (
            lambda C, m: up(8 * C + 5, 3 * m) * m,
            "You counted the MLP's biases too. Here neither has any.",
        ),
        (
            lambda C, m: math.ceil(2.6667 * C / m) * m,
            "The factor 2.6667 is a bit more than 8/3, sometimes by a whole multiple. Divide by 3.",
        ),
        (
            lambda C, m: math.ceil(2.67 * C / m) * m,
            "The factor 2.67 is more than 8/3, and sometimes that is a multiple too many. Divide by 3.",
        ),
        (
            lambda C, m: next((d_ff for d_ff in range(m, 4 * C + 1, m) if 3 * d_ff >= 8 * C), None),
            "Where `multiple` is more than 4 C, your search ends before it has found any.",
        ),
        (
            lambda C, m: up(4 * C, 3 * m) * m,
            "That is half of it: the MLP has two matrices of C × 4C, 8 C² in all.",
        ),
        (
            lambda C, m: down(8 * C, 3),
            "You rounded 8/3 C down, and not to a multiple of `multiple`.",
        ),
        (
            lambda C, m: up(down(8 * C, 3), m) * m,
            "You rounded 8/3 C down before you took the multiple, and lost a little, which sometimes counts.",
        ),
        (
            lambda C, m: up(2 * C, 3 * m) * m,
            "Two thirds of C; but the MLP's middle is 4 C wide, so it is two thirds of that.",
        ),
        (
            lambda C, m: up(8 * C, 3 * m),
            "That is how many times `multiple` fits; the width is so many times `multiple`.",
        ),
    ],
    right="Two thirds of 4 C, rounded up: so a trial of the gate is a trial of nothing else.",
)
