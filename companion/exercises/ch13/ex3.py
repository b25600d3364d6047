"""The check of exercise 13.3: Only one of them right."""

import math
import random
from fractions import Fraction
from statistics import NormalDist

from companion.exercises.exercise import Function
from companion.exercises.settle import Record, as_number, settle


def sign_test(first, second):
    return tail(*won(first, second))


def won(first, second):
    """How often only the first is right, and how often only the second."""
    pairs = list(zip(first, second, strict=True))
    return pairs.count((1, 0)), pairs.count((0, 1))


def tail(a, b):
    """The two-sided probability of a split at least as uneven as a to b, if both are equally likely."""
    return float(min(Fraction(1), 2 * exactly(a + b, range(min(a, b) + 1))))


def exactly(n, counts, share=Fraction(1, 2)):
    """The probability that one of the counts comes up in n tosses."""
    if share == Fraction(1, 2):
        return Fraction(sum(math.comb(n, i) for i in counts), 2**n)
    return sum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in counts)


def answers(both, first, second, neither, rng):
    """Two lists with these numbers of questions, shuffled together."""
    pairs = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    rng.shuffle(pairs)
    return [x for x, _ in pairs], [y for _, y in pairs]


def answer_cases(seed):
    rng = random.Random(seed)
    by_hand = [
        ([], []),
        ([1], [1]),
        ([0], [0]),
        ([1], [0]),
        ([0], [1]),
        ([1, 0], [0, 1]),
        ([1, 1], [0, 0]),
        ([1, 1, 1, 1, 0, 1], [0, 0, 0, 0, 1, 1]),
        ([0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 0, 1]),
        ([1, 0, 1, 1], [1, 0, 1, 1]),
        ([0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]),
        ([1] * 24, [0] * 24),
        ([1] * 60, [0] * 60),  # 1.7e-18
        ([0] * 100, [1] * 100),
        answers(2, 3, 60, 5, rng),
        answers(3, 5, 0, 4, rng),
        answers(3, 3, 3, 4, rng),
        answers(0, 2, 1, 20, rng),
        answers(20, 1, 2, 0, rng),
        answers(40, 6, 14, 12, rng),
        answers(40, 14, 6, 12, rng),
        answers(300, 28, 40, 32, rng),
        answers(1000, 80, 81, 40, rng),
        answers(10, 700, 760, 5, rng),  # 2 ** 1460 is no float
        answers(10, 600, 600, 5, rng),
    ]
    cases = by_hand if seed == 0 else []
    for most in (2, 5, 9, 15, 30):
        counts = [rng.randint(0, most) for _ in range(4)]
        cases.append(answers(*counts, rng))
    return cases


def try_on(answer, first, second):
    """Its p, and the log of it: of a small p, too, it is the share that counts."""
    found = settle(answer(first, second))
    p = as_number(found)
    return Record("", {"": found if p is None else p, "the log of p": math.log(p) if p and p > 0 else 0.0})


# -- mistakes ------------------------------------------------------------------


def of(change):
    """A mistake made with the questions that only one has right: (first's, second's) -> p."""
    return lambda first, second: change(*won(first, second))


def uncut(change):
    """Where no question differs 1, else of(change)."""
    return of(lambda a, b: change(a, b) if a + b else 1.0)


def half(n, counts):
    return float(exactly(n, counts))


def all_questions(first, second):
    """Two-sided, over all questions: those on which both agree count as the second's, or as the first's."""
    a, b = won(first, second)
    n = len(list(first))
    return float(min(1, 2 * exactly(n, range(min(a, b) + 1))))


def of_totals(first, second):
    """All that each has right, as if no question counted for both."""
    return tail(sum(first), sum(second))


def beyond(z):
    """The share of a normal curve that is further than z from its middle."""
    return math.erfc(z / math.sqrt(2))


def one_less(z):
    """The same, exact to 16 places only: 0 where z is above 8."""
    return 2 * (1 - NormalDist().cdf(z))


def normal(a, b, less=0, tails=beyond):
    """The normal approximation, with or without the continuity correction."""
    if a + b == 0:
        return 1.0
    z = max(0, abs(a - b) - less) / math.sqrt(a + b)
    return tails(z)


def unpaired(first, second, tails=beyond):
    """The test of two shares, as if the questions were others."""
    n = len(first)
    p, q = (sum(first) / n, sum(second) / n) if n else (0, 0)
    spread = (p + q) / 2 * (1 - (p + q) / 2) * 2 / max(1, n)
    return tails(abs(p - q) / math.sqrt(spread)) if spread else 1.0


def no_float(change):
    """With floats, which 2 ** n may be too large for."""

    def wrong(a, b):
        if a + b > 1023:
            raise OverflowError
        return change(a, b)

    return of(wrong)


def hint(got, first, second):
    if got.error is not None:
        return (
            "With a thousand differences, 2 ** n and its binomials are larger than any float. Python's own "
            "ints are exact: divide two of them as the last step."
            if type(got.error) is OverflowError
            else ""
        )
    p = as_number(got.value.parts[""])
    if p is not None and p > 1 + 1e-9:
        return "A probability above 1: at an even split the two tails overlap."
    return ""


ONE = "That is one tail. The second could have been the better one by as much: count both."
AGREE = (
    "Questions on which both agree say nothing of which is better. Only those count that one alone has right."
)
NORMAL = "That is the normal approximation. With few questions it is off; the binomial is exact."
EVEN = "At an even split the two tails overlap, and twice the one is more than 1. No p is above 1."
NONE = "Where no question differs, nothing speaks against luck: p is 1."

EXERCISE = Function(
    number="13.3",
    title="Only one of them right",
    stars=2,
    wants="sign_test(first, second)",
    cases=answer_cases,
    oracle=sign_test,
    call=try_on,
    tolerance=1e-6,
    hint=hint,
    mistakes=[
        (of(lambda a, b: half(a + b, range(min(a, b) + 1))), ONE),
        (
            of(lambda a, b: half(a + b, range(a + 1))),
            f"{ONE} Yours is also another when the two change places.",
        ),
        (
            of(lambda a, b: half(a + b, range(b + 1))),
            f"{ONE} Yours is also another when the two change places.",
        ),
        (
            of(lambda a, b: half(a + b, range(a, a + b + 1))),
            f"{ONE} Yours is also another when the two change places.",
        ),
        (
            of(lambda a, b: half(a + b, range(b, a + b + 1))),
            f"{ONE} Yours is also another when the two change places.",
        ),
        (of(lambda a, b: 2 * half(a + b, range(min(a, b) + 1))), EVEN),
        (of(lambda a, b: 2 * half(a + b, range(max(a, b), a + b + 1))), EVEN),
        (of(lambda a, b: min(1, 2 * half(a + b, range(a + 1)))), "Take the smaller side, whichever it is."),
        (of(lambda a, b: min(1, 2 * half(a + b, range(b + 1)))), "Take the smaller side, whichever it is."),
        (
            of(lambda a, b: min(1, 2 * half(a + b, range(a, a + b + 1)))),
            "Take the smaller side, whichever it is.",
        ),
        (
            of(lambda a, b: min(1, 2 * half(a + b, range(b, a + b + 1)))),
            "Take the smaller side, whichever it is.",
        ),
        (
            of(lambda a, b: min(1, 2 * half(a + b, range(min(a, b))))),
            "The split that was found belongs to the tail: at least as uneven, not more uneven. Does your "
            "sum end one too early?",
        ),
        (
            uncut(lambda a, b: 2 * half(a + b, range(min(a, b)))),
            "The split that was found belongs to the tail: at least as uneven, not more uneven. Does your "
            "sum end one too early?",
        ),
        (
            of(lambda a, b: min(1, 2 * half(a + b, range(min(a, b) + 2)))),
            "Your tail goes one too far: it ends with the split that was found.",
        ),
        (
            of(lambda a, b: min(1, 2 * half(a + b, [min(a, b)]))),
            "That is the chance of just this split. More uneven ones belong to the tail, too.",
        ),
        (
            of(lambda a, b: half(a + b, [min(a, b)])),
            "That is the chance of just this split. More uneven ones belong to the tail, too, on both sides.",
        ),
        (
            of(lambda a, b: min(1, 2 * half(a + b, range(min(a, b))) + float(exactly(a + b, [min(a, b)])))),
            "That is the mid-p: it counts the split that was found by half. Here it counts whole.",
        ),
        (of(lambda a, b: half(a + b, range(max(a, b) + 1))), "That is the tail of the larger side."),
        (
            of(lambda a, b: min(1, 2 * half(a + b, range(max(a, b) + 1)))),
            "That is the tail of the larger side, from 0 on. Either sum up to the smaller count, or from the "
            "larger one.",
        ),
        (all_questions, AGREE),
        (of_totals, AGREE),
        (
            lambda first, second: min(
                1.0, 2 * half(len(first), range(min(won(first, second)[0], len(first) // 2) + 1))
            ),
            AGREE,
        ),
        (of(normal), NORMAL),
        (of(lambda a, b: normal(a, b, tails=one_less)), NORMAL),
        *[
            (
                of(lambda a, b, tails=tails: normal(a, b, 1, tails)),
                f"{NORMAL} The correction mends it only in part.",
            )
            for tails in (beyond, one_less)
        ],
        (
            of(lambda a, b: (a - b) ** 2 / (a + b) if a + b else 0.0),
            "That is McNemar's statistic, a χ². Its p is only an approximation; the binomial is exact.",
        ),
        *[
            (
                lambda first, second, tails=tails: unpaired(first, second, tails),
                "That is a test of two shares, as if the questions were not the same. Look at the pairs.",
            )
            for tails in (beyond, one_less)
        ],
        (of(lambda a, b: 1 - tail(a, b)), "That is 1 − p."),
        (of(lambda a, b: 100 * tail(a, b)), "Is that in percent? p is from 0 to 1."),
        (of(lambda a, b: tail(a, b) < 0.05), "That is a verdict. The p itself is wanted."),
        (of(lambda a, b: tail(a, b) if a + b else 0.0), NONE),
        (of(lambda a, b: tail(a, b) if a + b else 0.5), NONE),
        (of(lambda a, b: tail(a, b) if a + b else None), NONE),
        (of(lambda a, b: tail(a, b) if a + b else math.nan), NONE),
        (of(lambda a, b: tail(a, b) if a + b else a / b), NONE),
        (of(lambda a, b: tail(a, b) / 2 if a != b else 1.0), ONE),
        (
            no_float(tail),
            "With a thousand differences, 2 ** n is larger than any float. Python's own ints are exact: "
            "divide two of them as the last step.",
        ),
        *[
            (
                of(lambda a, b, digits=digits: round(tail(a, b), digits)),
                "You rounded it. Leave that to whoever prints it.",
            )
            for digits in (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15)
        ],
        *[
            (of(lambda a, b, least=least: max(tail(a, b), least)), "A small p is wanted as it is.")
            for least in (1e-6, 1e-9, 1e-12)
        ],
        *[
            (
                of(lambda a, b, least=least: tail(a, b) if tail(a, b) > least else 0.0),
                "You rounded it. Leave that to whoever prints it.",
            )
            for least in (1e-6, 1e-8, 1e-9, 1e-12)
        ],
        (
            lambda first, second: 1.0 if sum(first) == sum(second) else 0.0,
            "That only says whether they differ.",
        ),
    ],
    right="Four to one looks like a clear win. Of equals, three pairs in eight are that far apart.",
)
