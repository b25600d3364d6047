"""The check of exercise 21.1: Do they fit?."""

import itertools
import random

from companion.exercises.exercise import Function


def broadcast_shape(a, b):
    pairs = list(itertools.zip_longest(reversed(a), reversed(b), fillvalue=1))
    if any(m != n and m != 1 and n != 1 for m, n in pairs):
        raise ValueError("a and b do not fit")
    return tuple(n if m == 1 else m for m, n in reversed(pairs))


def shape_cases(seed):
    rng = random.Random(seed)
    cases = [((), (3,)), ((3,), (3,)), ((3,), (4,)), ((3, 1), (4,)), ((2, 3), (2,)), ((2,), (2, 3))]
    cases += [((5, 1), (5,)), ((1,), (7,)), ((2, 1, 5), (3, 1)), ((4, 2), (3, 4, 1)), ((3, 2), (6, 3, 2))]
    if (
        seed == 0
    ):  # dimensions of 0; one that divides the other; the same sizes in another order; many of them
        cases += [((0,), (1,)), ((0,), (3,)), ((4, 0), (1,)), ((0,), (0,)), ((2,), (4,)), ((2, 1), (1, 2))]
        cases += [((2, 1, 3, 1, 2, 1), (4, 1, 5, 1, 3)), ((3, 2), (2, 3))]
    for _ in range(8):
        full = [rng.randint(2, 6) for _ in range(rng.randint(2, 4))]
        a, b = ([n if rng.random() < 0.6 else 1 for n in full] for _ in range(2))
        a = a[rng.randint(0, 1) :]
        if rng.random() < 0.3:
            b[rng.randrange(len(b))] += 5
        cases.append((tuple(a), tuple(b)))
    return cases


def from_the_left(a, b):
    return tuple(reversed(broadcast_shape(a[::-1], b[::-1])))


def largest(a, b):
    pairs = itertools.zip_longest(reversed(a), reversed(b), fillvalue=1)
    return tuple(max(pair) for pair in pairs)[::-1]


def largest_that_fits(a, b):
    broadcast_shape(a, b)
    return largest(a, b)


def multiples(a, b):
    pairs = itertools.zip_longest(reversed(a), reversed(b), fillvalue=1)
    if any(max(pair) % max(min(pair), 1) for pair in pairs):
        raise ValueError("a and b do not fit")
    return largest(a, b)


def zero_like_one(a, b):
    pairs = list(itertools.zip_longest(reversed(a), reversed(b), fillvalue=1))
    if any(m != n and m > 1 and n > 1 for m, n in pairs):
        raise ValueError("a and b do not fit")
    return tuple(n if m == 1 else m for m, n in reversed(pairs))


def smallest(a, b):
    broadcast_shape(a, b)
    pairs = itertools.zip_longest(reversed(a), reversed(b), fillvalue=1)
    return tuple(min(pair) for pair in pairs)[::-1]


def only_first_stretches(a, b):
    found = broadcast_shape(a, b)
    if found != b:
        raise ValueError("b would stretch")
    return found


def only_second_stretches(a, b):
    return only_first_stretches(b, a)


def none_for_no(a, b):
    try:
        return broadcast_shape(a, b)
    except ValueError:
        return None


def only_equal(a, b):
    length = max(len(a), len(b))
    filled = [(1,) * (length - len(shape)) + tuple(shape) for shape in (a, b)]
    if filled[0] != filled[1]:
        raise ValueError("a and b differ")
    return filled[0]


def shorter_wins(a, b):
    length = min(len(a), len(b))
    return broadcast_shape(a[len(a) - length :], b[len(b) - length :])


def backwards(a, b):
    return broadcast_shape(a, b)[::-1]


def same_length_only(a, b):
    if len(a) != len(b):
        raise ValueError("a and b have different lengths")
    return broadcast_shape(a, b)


EXERCISE = Function(
    number="21.1",
    title="Do they fit?",
    stars=1,
    wants="broadcast_shape(a, b)",
    cases=shape_cases,
    oracle=broadcast_shape,
    mistakes=[
        (from_the_left, "You wrote the shapes flush left. Their last dimensions belong together."),
        (
            largest,
            "You take the larger size wherever they differ. Where both are above 1, no number can be "
            "repeated to fit: that is the `ValueError`.",
        ),
        (
            only_equal,
            "You raise wherever two sizes differ. A size of 1, also one that was put in front, stretches.",
        ),
        (
            shorter_wins,
            "Your result has as many dimensions as the shorter shape. What stands further left stays; `zip` "
            "ends with the shorter one.",
        ),
        (
            largest_that_fits,
            "Where one size is 1, the other one stays. It is not always the larger: a dimension may be 0.",
        ),
        (multiples, "A size of 2 is not repeated to fit 4: only a size of 1 stretches."),
        (zero_like_one, "Only a size of 1 stretches. 0 fits 0 and 1, and nothing else."),
        (smallest, "You take the smaller size. Where one is 1, the other one stays."),
        (only_first_stretches, "Both may stretch, `b` as well: (3, 1) and (4,) are (3, 4)."),
        (only_second_stretches, "Both may stretch, `a` as well: (3, 1) and (4,) are (3, 4)."),
        (none_for_no, "Where they do not fit, raise a `ValueError`; do not return something."),
        (backwards, "Your result is the wrong way round: you went from the right, and must turn it back."),
        (
            same_length_only,
            "You raise where one shape has more dimensions. The other one gets ones in front.",
        ),
    ],
    right="Two lines of rules, and every sum, product and comparison of tensors obeys them.",
)
