"""The check of exercise 20.2: How many steps?"""

import random
from math import ceil

from companion.exercises.exercise import Function
from companion.exercises.settle import Record


def static(lengths, slots):
    return sum(max(lengths[i : i + slots]) for i in range(0, len(lengths), slots))


def continuous(lengths, slots):
    free = [0] * slots
    for n in lengths:
        free.sort()
        free[0] += n
    return max(free)


def steps(lengths, slots):
    return static(lengths, slots), continuous(lengths, slots)


def both(first, second):
    return lambda lengths, slots: (first(lengths, slots), second(lengths, slots))


def cases(seed):
    rng = random.Random(seed)
    made = []
    if seed == 0:
        made += [([2, 5, 3], 2), ([4], 1), ([4], 3), ([3, 1, 4, 1, 5], 1), ([], 2), ([1, 1, 9], 2)]
        made += [([5, 2, 3, 4], 2), ([2, 2, 2, 2, 2, 2], 3), ([1, 9, 1, 9], 2), ([1, 2, 3, 10], 3)]
    for _ in range(6):
        made.append(([rng.randint(1, 30) for _ in range(rng.randint(4, 12))], rng.randint(2, 5)))
    return made


def call(answer, lengths, slots):
    found = answer(lengths, slots)
    try:
        one, two = found
    except (TypeError, ValueError):
        return found
    return Record("", {"static": one, "continuous": two})


def sorted_static(lengths, slots):
    return static(sorted(lengths, reverse=True), slots)


def ideal(lengths, slots):
    return ceil(sum(lengths) / slots)


def longest_first(lengths, slots):
    return continuous(sorted(lengths, reverse=True), slots)


def dealt(lengths, slots):
    return max((sum(lengths[i::slots]) for i in range(slots)), default=0)


EXERCISE = Function(
    number="20.2",
    title="How many steps?",
    stars=2,
    wants="steps(lengths, slots)",
    cases=cases,
    oracle=steps,
    call=call,
    mistakes=[
        (both(static, ideal), "The tokens divided by the slots: as if a row could be split. The last ones "
         "often run alone."),
        (both(static, dealt), "You dealt them out in turn. The next takes the slot that is free first."),
        (both(static, longest_first), "They are served in the order in which they came."),
        (both(sorted_static, continuous), "They are served in the order in which they came."),
        (both(continuous, static), "The static batch's steps come first."),
        (both(static, static), "Both are the static batch's, where a slot waits for the others."),
        (both(ideal, continuous), "A static batch runs as long as its longest row."),
        (both(lambda lengths, slots: sum(lengths), continuous), "That is one after the other."),
        (
            both(
                lambda lengths, slots: max(lengths, default=0) * ceil(len(lengths) / slots),
                continuous,
            ),
            "Not each batch is as long as the longest of all.",
        ),
        (both(lambda lengths, slots: max(lengths, default=0), continuous), "There is more than one batch."),
    ],
    right="Continuous batching is never more than static batching needs, and its last rows still run alone.",
)  # fmt: skip
