"""The check of exercise 9.5: How far to guess."""

import random

from companion.exercises.exercise import Function

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
        (0.5, 0.0),
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
    cases[2] = (0.4, 0.25)
    return cases


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
difference = by(lambda a, c, k: tokens_so_far(a, k) - (1 + k * c))


def one_more(a, c):
    return best_draft(a, c) + 1


def the_speed(a, c):
    return speed(a, c, best_draft(a, c))


def first_that_falls(a, c):
    return next((k for k in range(MOST) if a ** (k + 1) < c), MOST)


EXERCISE = Function(
    number="9.5",
    title="How far to guess",
    stars=2,
    wants="best_draft(a, c)",
    cases=draft_cases,
    oracle=best_draft,
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
        (difference, "Speed is tokens by price, a ratio, not a difference."),
        (one_more, "One too many: that is the number of tokens, not of guesses."),
        (the_speed, "That is the speed. Which `k` has it?"),
        (
            first_that_falls,
            "You stop where the next guess brings less than its price. But stopping has a price as well: the "
            "next pass. Compare the speeds.",
        ),
    ],
    right="A draft that is nearly free should guess far, a good one farther; a poor and dear one not at all.",
)
