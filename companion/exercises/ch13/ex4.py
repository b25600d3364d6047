"""The check of exercise 13.4: One of k."""

import math
import random
from fractions import Fraction

from companion.exercises.exercise import Function
from companion.exercises.settle import as_number


def pass_at_k(n, c, k):
    return float(1 - missed(n, c, k))


def missed(n, c, k):
    """The share of all draws of k among n samples, c of them right, that hold no right one."""
    return Fraction(math.comb(n - c, k), math.comb(n, k))


def sample_cases(seed):
    rng = random.Random(seed)
    by_hand = [
        (1, 0, 1),
        (1, 1, 1),
        (2, 1, 1),
        (2, 1, 2),
        (4, 1, 2),
        (4, 2, 2),
        (4, 3, 2),
        (4, 4, 2),
        (4, 0, 2),
        (4, 1, 4),
        (4, 0, 4),
        (5, 2, 3),
        (5, 3, 3),
        (5, 4, 3),
        (10, 3, 5),
        (20, 4, 7),
        (20, 14, 7),
        (200, 3, 100),
        (200, 37, 100),
        (2000, 2, 1000),  # binomials of 600 digits
        (2000, 1, 3),
        (5000, 20, 250),
        (3000, 20, 1500),
        (20_000, 40, 300),
        (100_000, 30, 10),
        (1000, 999, 1),
        (1000, 999, 2),
    ]
    cases = by_hand if seed == 0 else []
    for most in (6, 12, 30, 100, 300):
        n = rng.randint(3, most)
        cases.append((n, rng.randint(0, n), rng.randint(1, n)))
        cases.append((n, rng.randint(1, n // 3 + 1), rng.randint(2, n // 2 + 1)))
    return cases


# -- mistakes ------------------------------------------------------------------


def ratio(above, below):
    return above / below if below else 0.0


def as_powers(n, c, k):
    return 1 - (1 - c / n) ** k


def off_at_the_start(first):
    """The product of 1 - k / i, from another i on, or to another."""

    def wrong(n, c, k):
        if n - c < k:
            return 1.0
        found = 1.0
        for i in range(n - c + first, n + first):
            found *= 1 - k / i if i else 0.0
        return 1 - found

    return wrong


def by_factorials(n, c, k):
    """Fails where there are fewer wrong ones than draws."""
    if n - c < k:
        raise ValueError
    return pass_at_k(n, c, k)


def with_floats(most):
    """Fails where a binomial is no float."""

    def wrong(n, c, k):
        if math.log10(max(1, math.comb(n, k))) > most:
            raise OverflowError
        return pass_at_k(n, c, k)

    return wrong


def hint(got, n, c, k):
    if type(got.error) is OverflowError:
        return LARGE
    if got.error is not None:
        return FEW if n - c < k else ""
    found = as_number(got.value)
    if found is not None and abs(found - pass_at_k(n, c, k)) < 0.01 and k * c < n and n > 150:
        return (
            "That is near, but not it: drawn with replacement, the same sample may come twice. Or were "
            "digits lost on the way?"
        )
    return ""


AGAIN = (
    "That draws with replacement: the same wrong sample may come twice. The k are drawn from n different "
    "ones, so each wrong one that is drawn leaves fewer."
)
LARGE = (
    "Such binomials have hundreds of digits: no float holds them. Python's ints do, and `/` of two ints is "
    "right to the last digit. Or multiply k factors."
)
FEW = "Where fewer than k are wrong, every draw holds a right one: 1."
ALL = "That is the chance that all k are right. One is enough."

EXERCISE = Function(
    number="13.4",
    title="One of k",
    stars=2,
    wants="pass_at_k(n, c, k)",
    cases=sample_cases,
    oracle=pass_at_k,
    tolerance=1e-7,
    hint=hint,
    mistakes=[
        (as_powers, AGAIN),
        (lambda n, c, k: 1 - as_powers(n, c, k), f"{AGAIN} And that is the chance that none is right."),
        (lambda n, c, k: float(missed(n, c, k)), "That is the chance that none of the k is right."),
        (lambda n, c, k: ratio(math.comb(c, k), math.comb(n, k)), ALL),
        (
            lambda n, c, k: 1 - ratio(math.comb(c, k), math.comb(n, k)),
            "That is the chance of at least one wrong one: n − c are wrong, c are right.",
        ),
        (lambda n, c, k: (c / n) ** k, f"{ALL} {AGAIN}"),
        (lambda n, c, k: c / n, "That is the chance of one draw. With k draws it is larger."),
        (
            lambda n, c, k: 1 - (1 - k / n) ** c,
            "Each right one is left out with 1 − k/n, that is so; but not independently: where one is left "
            "out, the others are drawn more easily.",
        ),
        (lambda n, c, k: 1 - c / n, "That is the chance that one draw is wrong."),
        (lambda n, c, k: k * c / n, "Chances of several draws do not add up: more than one may be right."),
        (
            lambda n, c, k: min(1, k * c / n),
            "Chances of several draws do not add up: more than one may be right.",
        ),
        (
            lambda n, c, k: min(1.0, c / k),
            "How many were right among the first k, nobody said: c is that among n.",
        ),
        (
            lambda n, c, k: float(c >= 1),
            "That says whether one of all n is right, or was it `//`, which rounds down? Only k are "
            "drawn, and a chance needs `/`.",
        ),
        (lambda n, c, k: float(c >= k), "That says whether k are right. How likely is one among k drawn?"),
        (
            lambda n, c, k: float(n - c < k),
            "That says whether it is certain, or was it `//`, which rounds down? A chance needs `/`.",
        ),
        (
            lambda n, c, k: c * math.comb(n - c, k - 1) / math.comb(n, k),
            "That is the chance of exactly one right. Two right ones pass as well.",
        ),
        (
            lambda n, c, k: float(1 - missed(n, c, min(n, k + 1))),
            "You drew one more than k.",
        ),
        (lambda n, c, k: float(1 - missed(n, c, k - 1)), "You drew one less than k."),
        (off_at_the_start(0), "The product runs from n − c + 1 to n. Yours begins and ends one too early."),
        (by_factorials, FEW),
        (lambda n, c, k: 0.0 if n - c < k else pass_at_k(n, c, k), f"{FEW} Not 0."),
        (lambda n, c, k: math.nan if n - c < k else pass_at_k(n, c, k), f"{FEW} Not NaN."),
        (lambda n, c, k: None if n - c < k else pass_at_k(n, c, k), f"{FEW} Not None."),
        (lambda n, c, k: 100 * pass_at_k(n, c, k), "Is that in percent? A chance is from 0 to 1."),
        (with_floats(308), LARGE),
        *[
            (
                lambda n, c, k, digits=digits: round(pass_at_k(n, c, k), digits),
                "You rounded it. Leave that to whoever prints it.",
            )
            for digits in (1, 2, 3, 4, 5, 6)
        ],
    ],
    right="Ten samples tell of five draws without drawing again: one experiment, every k up to n.",
)
