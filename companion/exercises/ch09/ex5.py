"""The check of exercise 9.5: How far to guess."""

import random

from companion.exercises.exercise import Function
from companion.exercises.settle import as_number

MOST = 20


def speed(a, c, k):
    return sum(a**i for i in range(k + 1)) / (1 + k * c)


def best_draft(a, c):
    return max(range(MOST + 1), key=lambda k: speed(a, c, k))


def draft_cases(seed):
    rng = random.Random(seed)
    cases = [
        (0.8, 0.1),
        (0.0, 0.5),
        (0.4, 0.25),
        (1.0, 0.5),
        (0.9, 0.02),
        (0.3, 0.35),
        (0.6, 0.05),
        (0.7, 0.7),
        (0.95, 0.001),
    ]
    while len(cases) < 14:
        a, c = round(rng.uniform(0.2, 0.95), 3), round(rng.uniform(0.01, 0.6), 3)
        speeds = sorted(speed(a, c, k) for k in range(MOST + 1))
        if speeds[-1] - speeds[-2] > 1e-6:
            cases.append((a, c))
    return cases


def one_of_the_best(answer, a, c):
    """What an answer gives; where several numbers of guesses are as good, the least for any of them."""
    found = answer(a, c)
    k, best = as_number(found), best_draft(a, c)
    if k in range(MOST + 1) and speed(a, c, int(k)) > (1 - 1e-6) * speed(a, c, best):
        return best
    return found


def by(score, first=0, last=MOST):
    def wrong(a, c):
        return max(range(first, last + 1), key=lambda k: score(a, c, k))

    return wrong


def tokens_so_far(a, k):
    return sum(a**i for i in range(k + 1))


price_is_left_out = by(lambda a, c, k: k)
no_token_of_its_own = by(lambda a, c, k: sum(a**i for i in range(1, k + 1)) / (1 + k * c))
drafts_are_free_of_the_pass = by(lambda a, c, k: tokens_so_far(a, k) / (k * c) if k * c else 0)
all_kept_or_none = by(lambda a, c, k: (1 + k * a**k) / (1 + k * c))
all_are_kept_alike = by(lambda a, c, k: (1 + k * a) / (1 + k * c))
one_at_least = by(speed, first=1)
one_too_few = by(lambda a, c, k: sum(a**i for i in range(k)) / (1 + k * c) if k else 1)
one_too_few_at_zero = by(lambda a, c, k: sum(a**i for i in range(k)) / (1 + k * c))
most_tokens = by(lambda a, c, k: tokens_so_far(a, k))
price_of_one = by(lambda a, c, k: tokens_so_far(a, k) / (1 + c if k else 1))
nothing_pays = by(lambda a, c, k: -k)
not_the_last = by(speed, last=MOST - 1)
too_far = by(speed, last=5 * MOST)
backwards = by(lambda a, c, k: -speed(a, c, k))
exchanged = by(lambda a, c, k: speed(c, a, k))
difference = by(lambda a, c, k: tokens_so_far(a, k) - (1 + k * c))


def one_more(a, c):
    return best_draft(a, c) + 1


def the_speed(a, c):
    return speed(a, c, best_draft(a, c))


def by_formula(a, c):
    return max(range(MOST + 1), key=lambda k: (1 - a ** (k + 1)) / (1 - a) / (1 + k * c))


EXERCISE = Function(
    number="9.5",
    title="How far to guess",
    stars=2,
    wants="best_draft(a, c)",
    cases=draft_cases,
    oracle=best_draft,
    call=one_of_the_best,
    mistakes=[
        (price_is_left_out, "You always guess as far as possible. Each guess has its price, kept or not."),
        (
            no_token_of_its_own,
            "The token that the model gives itself is not counted: a pass gives one more than it keeps.",
        ),
        (drafts_are_free_of_the_pass, "The pass itself has its price, too: 1."),
        (
            all_kept_or_none,
            "As if all guesses were kept or none. The first may be kept and the second not: add up how "
            "likely each is to be kept.",
        ),
        (
            all_are_kept_alike,
            "As if each guess were kept with `a`, whatever happened before it. The second is kept only if "
            "the first is: `a` times `a`.",
        ),
        (one_at_least, "Sometimes no guess is best: try 0, too."),
        (one_too_few, "The sum ends too early: `k` guesses give up to `k + 1` tokens."),
        (one_too_few_at_zero, "The sum ends too early: `k` guesses give up to `k + 1` tokens."),
        (most_tokens, "That gives the most tokens, whatever they cost. Divide by the price."),
        (price_of_one, "You pay for one guess only. `k` guesses cost `k * c`."),
        (
            nothing_pays,
            "As you reckon, no guess ever pays. A guess costs `c`, and not a whole pass; and all powers of "
            "`a` up to `k` count, not the last alone.",
        ),
        (not_the_last, "`range(20)` ends at 19, and 20 may be best."),
        (too_far, "At most 20 guesses are asked for."),
        (backwards, "That is the slowest. Look for the largest tokens by price."),
        (exchanged, "You took `a` for the price and `c` for the probability."),
        (
            by_formula,
            "This formula for the sum divides 0 by 0 where `a` is 1. There all terms are 1, and their sum is "
            "plain.",
        ),
        (
            difference,
            "Speed is tokens by price, a ratio, not a difference. A guess that brings a little more than its "
            "price can still lower it.",
        ),
        (one_more, "One too many: that is the number of tokens, not of guesses."),
        (the_speed, "That is the speed. Which `k` has it?"),
    ],
    right="A draft that is nearly free should guess far, a good one farther; a poor and dear one not at all.",
)
