"""The check of exercise 20.2: How many steps?"""

import random
from math import ceil

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record, as_list, as_number, settle
from companion.exercises.values import a


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
    found = settle(answer(lengths, slots))
    both = as_list(found)
    if found is None:
        return found
    if both is None or len(both) != 2:
        many = "" if both is None else f" of {len(both)}"
        rule = "It must return two whole numbers, first the static batch's steps"
        raise Problem(f"{rule}; this is {a(found)}{many}.")
    numbers = [as_number(one) for one in both]
    one, two = (one if number is None else number for one, number in zip(both, numbers, strict=True))
    return Record("", {"static": one, "continuous": two})


def sorted_static(lengths, slots):
    return static(sorted(lengths, reverse=True), slots)


def ideal(lengths, slots):
    return ceil(sum(lengths) / slots)


def longest_first(lengths, slots):
    return continuous(sorted(lengths, reverse=True), slots)


def dealt(lengths, slots):
    return max((sum(lengths[i::slots]) for i in range(slots)), default=0)


def shortest_first(lengths, slots):
    return continuous(sorted(lengths), slots)


def from_behind(lengths, slots):
    return continuous(lengths[::-1], slots)


def bound(lengths, slots):
    return max(ideal(lengths, slots), max(lengths, default=0))


def joined(price):
    """Continuous batching where a row that joins later costs so many steps more."""

    def answer(lengths, slots):
        free = [0] * slots
        for i, n in enumerate(lengths):
            free.sort()
            free[0] += n + price * (i >= slots)
        return max(free)

    return answer


def one_a_step(full):
    """In each step at most one request joins; at first all slots are full, or not."""

    def answer(lengths, slots):
        first = slots if full else 0
        left, waiting, count = list(lengths[:first]), list(lengths[first:]), 0
        while left or waiting:
            if waiting and len(left) < slots and (count or not full):
                left.append(waiting.pop(0))
            left, count = [n - 1 for n in left if n > 1], count + 1
        return count

    return answer


def whole_batches(lengths, slots):
    return static(lengths[: len(lengths) // slots * slots], slots)


def latest(lengths, slots):
    free = [0] * slots
    for i, n in enumerate(lengths):
        free[i if i < slots else free.index(max(free))] += n
    return max(free)


def columns(lengths, slots):
    return sum(max(lengths[i::slots], default=0) for i in range(slots))


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
        (both(static, shortest_first), "They are served in the order in which they came."),
        (both(lambda lengths, slots: static(sorted(lengths), slots), continuous), "They are served in the "
         "order in which they came."),
        (both(lambda lengths, slots: static(sorted(lengths), slots), shortest_first), "They are served in "
         "the order in which they came."),
        (both(sorted_static, longest_first), "They are served in the order in which they came."),
        (both(static, from_behind), "The last to come is served first: `pop()` takes from the end."),
        (both(static, bound), "Fewer are not possible, but more may be needed: a long request that comes "
         "late runs on alone."),
        (both(static, joined(1)), "A row joins between two steps; that costs no step of its own."),
        (both(static, joined(-1)), "In the step of its last token a row still has its slot: the next one "
         "begins in the step after."),
        (both(static, one_a_step(False)), "Between two steps as many join as slots are free, not only one."),
        (both(static, one_a_step(True)), "Between two steps as many join as slots are free, not only one."),
        (both(static, latest), "The next takes the slot that is free first, not last."),
        (both(lambda lengths, slots: max(lengths[:slots], default=0), continuous), "There is more than one "
         "batch."),
        (both(whole_batches, continuous), "The last batch runs too, where it is not full."),
        (both(columns, continuous), "A batch takes neighbors: the first `slots` requests, then the next."),
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
