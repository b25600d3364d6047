"""The check of exercise 16.2: Marks from the row alone."""

import random

from companion.exercises.exercise import Function


def marks(ids, assistant, end):
    found, inside = [], False
    for i in ids:
        found.append(inside)
        if i == end:
            inside = False
        elif i == assistant:
            inside = True
    return found


def made_anew(ids, assistant, end):
    """The same numbers, each an object of its own: `is` says no where `==` says yes."""
    return [int(str(i)) for i in ids], int(str(assistant)), int(str(end))


def cases(seed):
    rng, made = random.Random(seed), []
    if seed == 0:
        made += [
            ([0, 8, 7, 10, 9, 3, 10], 9, 10),
            ([], 9, 10),
            ([9], 9, 10),
            ([9, 10], 9, 10),
            ([10, 10], 9, 10),
            ([1, 2, 3], 9, 10),
            ([9, 3], 9, 10),
            ([9, 3, 4, 10, 5], 9, 10),
            ([8, 5, 10, 9, 6, 10, 8, 7, 10, 9, 4, 10], 9, 10),
            ([8, 5, 10, 9, 6, 6, 10, 8, 7, 10, 9, 4, 4, 4], 9, 10),
            ([8, 5, 10, 9, 6, 10, 0, 8, 7, 10], 9, 10),
            ([3, 1, 5, 3, 2, 0, 5], 3, 5),
            ([8, 0, 3, 10], 0, 10),
            ([9, 3, 0, 4], 9, 0),
            ([137, 5, 10], 9, 10),
            ([9, 1, 10] * 4, 9, 10),
            ([9, 1, 10] * 12, 9, 10),
            ([9, *range(20, 40)], 9, 10),
            ([8, 5, 10, 9, *range(100, 400), 10, 8], 9, 10),
            made_anew([1000, 300, 1001, 5, 1000, 6], 1000, 1001),  # no two of its ids are one object
        ]
    for _ in range(5):
        user, assistant, end, ids = 90, 91, 92, [0]
        for _ in range(rng.randint(1, 4)):
            ids += [user, *rng.choices(range(1, 9), k=rng.randint(1, 4)), end]
            ids += [assistant, *rng.choices(range(1, 9), k=rng.randint(0, 4)), end]
        made.append((ids, assistant, end))
    return made


def with_the_assistant(ids, assistant, end):
    found, inside = [], False
    for i in ids:
        inside = inside or i == assistant
        found.append(inside)
        inside = inside and i != end
    return found


def without_the_end(ids, assistant, end):
    return [mark and i != end for mark, i in zip(marks(ids, assistant, end), ids, strict=True)]


def never_off(ids, assistant, end):
    return [assistant in ids[:k] for k in range(len(ids))]


def first_only(ids, assistant, end):
    found = marks(ids, assistant, end)
    stop = next((k for k, i in enumerate(ids) if found[k] and i == end), len(ids))
    return [mark and k <= stop for k, mark in enumerate(found)]


def last_only(ids, assistant, end):
    found = marks(ids, assistant, end)
    last = max((k for k, i in enumerate(ids) if i == assistant), default=len(ids))
    return [mark and k > last for k, mark in enumerate(found)]


def turned(ids, assistant, end):
    return [not mark for mark in marks(ids, assistant, end)]


def both(ids, assistant, end):
    return [
        mark and i != end or i == assistant for mark, i in zip(marks(ids, assistant, end), ids, strict=True)
    ]


def one_earlier(ids, assistant, end):
    return [*marks(ids, assistant, end)[1:], False][: len(ids)]


EXERCISE = Function(
    number="16.2",
    title="Marks from the row alone",
    stars=1,
    wants="marks(ids, assistant, end)",
    cases=cases,
    oracle=marks,
    mistakes=[
        (with_the_assistant, "The token that begins the answer is given, not said: it has no mark."),
        (without_the_end, "The answer's end is learned, too: else the model would never stop."),
        (never_off, "Behind the answer's end the user speaks again, without a mark."),
        (first_only, "Only the first answer is marked. A conversation may have several."),
        (last_only, "Only the last answer is marked. Each is learned."),
        (turned, "True and False have changed places."),
        (
            both,
            "The token that begins the answer is marked, and the one that ends it is not.",
        ),
        (one_earlier, "Those are marks for `y`, one place earlier. They belong to the ids themselves."),
    ],
    right="So the marks need not be kept beside the row. Nobody can type these tokens: they say who spoke.",
)
