"""The check of exercise 18.5: What would k draws find?"""

from math import comb

from companion.exercises.exercise import Function


def found_in(n, right, k):
    return 1 - comb(n - right, k) / comb(n, k)


def cases(seed):
    made = [
        (2, 1, 1),
        (2, 1, 2),
        (4, 0, 2),
        (4, 4, 1),
        (4, 2, 2),
        (5, 3, 3),
        (8, 6, 4),
        (8, 1, 8),
        (10, 4, 3),
        (1, 0, 1),
        (1, 1, 1),
        (10, 2, 7),
        (1000, 1, 500),
        (1000, 5, 500),
        (1000, 18, 600),
        (1000, 1, 999),
        (1000, 0, 1000),
    ]
    return made if seed == 0 else [(8 + seed, 3, 2), (64, 5 + seed, 10), (200, 1, 100), (1000, 10, 50)]


def independent(n, right, k):
    return 1 - (1 - right / n) ** k


def share(n, right, k):
    return right / n


def all_right(n, right, k):
    return comb(right, k) / comb(n, k)


def none_right(n, right, k):
    return comb(n - right, k) / comb(n, k)


def times(n, right, k):
    return min(1.0, k * right / n)


EXERCISE = Function(
    number="18.5",
    title="What would k draws find?",
    stars=2,
    wants="found_in(n, right, k)",
    cases=cases,
    oracle=found_in,
    tolerance=1e-9,
    mistakes=[
        (
            independent,
            "That takes the k with replacement: one of the n may be taken twice, and counts too little.",
        ),
        (share, "That is the chance for a single one. With k, one at least of them must be right."),
        (all_right, "That is the chance that all k are right."),
        (none_right, "That is the chance that none of the k is right."),
        (times, "Chances that can come together must not be added."),
    ],
    right="It is the share of all choices of k that hold a right one; `pass@k` of papers on code is this.",
)
