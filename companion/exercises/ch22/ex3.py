"""The check of exercise 22.3: A bias for a memory of n steps."""

import math
import random

from companion.exercises.exercise import Function
from companion.exercises.settle import as_number


def half_life_bias(n):
    return -math.log(math.expm1(math.log(2) / n))


def cases(seed):
    rng = random.Random(seed)
    return [
        (n,) for n in (1, 2, 40, 1000, 1_000_000, 0.5, 2.5, 0.1, rng.randint(3, 200), rng.randint(201, 5000))
    ]


def hint(got, n):
    b = None if got.error else as_number(got.value)
    if n >= 1000 and (type(got.error) is ZeroDivisionError or b is not None and near(b, half_life_bias(n))):
        return "Near 1 a gate has few digits left for 1 − f; float32, or a rounded gate, has too few."
    return "" if n == int(n) else "`n` is not always a whole number, and may be below 1."


def near(b, right):
    return b == math.inf or abs(b - right) < 0.1


def gate(n):
    return 0.5 ** (1 / n)


def turned_round(n):
    return -half_life_bias(n)


def power_turned_round(n):
    f = 0.5**n
    return math.log(f / (1 - f)) if 0 < f < 1 else -math.inf


def left_over_e(n):
    return -math.log(math.expm1(1 / n))


def bits(n):
    return half_life_bias(n) / math.log(2)


def log_of_gate(n):
    return math.log(gate(n))


def roughly(n):
    return math.log(n)


def roughly_better(n):
    return math.log(n / math.log(2))


EXERCISE = Function(
    number="22.3",
    title="A bias for a memory of n steps",
    stars=2,
    wants="half_life_bias(n)",
    cases=cases,
    oracle=half_life_bias,
    hint=hint,
    mistakes=[
        (gate, "That is the gate itself. Which bias does σ turn into it?"),
        (turned_round, "The sign is turned round: a gate above ½ needs a bias above 0."),
        (power_turned_round, "You took ½ to the power n; after n steps the gate to the power n is ½."),
        (left_over_e, "With this bias 1/e is left after n steps. Half was asked for."),
        (bits, "You took the logarithm to base 2; σ is made of e."),
        (log_of_gate, "The gate is undone by ln(f / (1 − f)), not by ln f."),
        (roughly, "That is ln n: near it, but not it. At n = 1 it is 0 as wanted, at 2 already too low."),
        (roughly_better, "For many steps that is right; for few, 1 − f is not ln 2 / n yet."),
    ],
    right="The bias grows like ln n: 4.0 for forty steps, 7.3 for a thousand.",
)
