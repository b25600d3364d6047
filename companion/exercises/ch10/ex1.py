"""The check of exercise 10.1: How far can it count?"""

import math
import random

from companion.exercises.exercise import Function


def horizon(width, theta):
    return turns(width, theta)


def turns(width, theta, power=None, full=2 * math.pi):
    return full * float(theta) ** ((width - 2) / width if power is None else power)


def horizon_cases(seed):
    rng = random.Random(seed)
    cases = [(2, 10000), (4, 10000), (4, 16), (2, 7), (48, 10000), (128, 500000), (64, 1000000.0), (6, 8)]
    return cases + [(2 * rng.randint(3, 70), rng.randint(20, 2 * 10**6)) for _ in range(4)]


EXERCISE = Function(
    number="10.1",
    title="How far can it count?",
    stars=1,
    wants="horizon(width, theta)",
    cases=horizon_cases,
    oracle=horizon,
    mistakes=[
        (
            lambda width, theta: turns(width, theta, 1),
            "The slowest speed is nearly 1/theta, and not quite: the last pair is number D/2 − 1, for the "
            "first is number 0.",
        ),
        (
            lambda width, theta: turns(width, theta, full=1),
            "After so many tokens the slowest pair has turned by 1, in radians. A full turn is longer.",
        ),
        (
            lambda width, theta: turns(width, theta, full=360),
            "The angles are in radians: a full turn is 2π, not 360.",
        ),
        (
            lambda width, theta: turns(width, theta, full=math.pi),
            "That is half a turn.",
        ),
        (
            lambda width, theta: turns(width, theta, 0),
            "That is a turn of the fastest pair. The slowest is the last one.",
        ),
        (
            lambda width, theta: turns(width, theta, -(width - 2) / width),
            "The slowest pair has the smallest speed; so it needs most tokens. Is your speed upside down?",
        ),
        (
            lambda width, theta: turns(width, theta, (width - 1) / width),
            "The pairs are D/2, not D: the exponent goes up by 2/D from one to the next.",
        ),
        (
            lambda width, theta: turns(width, theta, (width / 2 - 1) / width),
            "Equation (1) has −2i/D in the exponent; a 2 got lost.",
        ),
        (
            lambda width, theta: float(theta) ** (-(width - 2) / width),
            "That is the speed of the slowest pair. How many tokens does it take for a turn of 2π?",
        ),
        (
            lambda width, theta: 2 * math.pi * theta * (width - 2) / width,
            "theta is raised to a power, not multiplied.",
        ),
    ],
    right="A wider head, or a larger theta, counts further; the speeds, not the weights, set the limit.",
)
