"""The check of exercise 16.4: Which exchanges stay."""

import random

from companion.exercises.exercise import Function


def keep(lengths, room):
    left, kept = room - lengths[0], [0]
    if left < 0:
        raise ValueError("the first exchange does not fit")
    for i in range(len(lengths) - 1, 0, -1):
        if lengths[i] > left:
            break
        left -= lengths[i]
        kept.insert(1, i)
    return kept


def cases(seed):
    rng, made = random.Random(seed), []
    if seed == 0:
        made += [
            ([5], 5),
            ([5], 4),
            ([5, 3], 8),
            ([5, 3], 7),
            ([5, 3, 4], 9),
            ([5, 3, 4], 12),
            ([5, 9, 1, 1], 7),
            ([5, 1, 9, 1], 8),
            ([2, 1, 1, 1, 1], 4),
            ([1, 2, 3, 4], 100),
            ([4, 4, 1], 5),
            ([9, 1, 1], 3),
            ([3, 2, 2, 2], 7),
            ([5, 3, 0, 4], 9),
            ([0, 1], 0),
            ([0], 0),
            ([5], 0),
            ([5, 3, 0, 4], 12),
            ([1, 100, 100, 100], 150),
            ([1] * 12, 12),
            ([1] * 40, 39),
            ([120, 35, 40, 31, 38], 200),
        ]
    for _ in range(6):
        lengths = [rng.randint(1, 9) for _ in range(rng.randint(2, 8))]
        made.append((lengths, rng.randint(lengths[0], sum(lengths) + 2)))
    return made


def without_the_first(lengths, room):
    kept = []
    for i in range(len(lengths) - 1, -1, -1):
        if lengths[i] > room:
            break
        room -= lengths[i]
        kept.insert(0, i)
    return kept


def the_oldest(lengths, room):
    if lengths[0] > room:
        raise ValueError
    kept = []
    for i, n in enumerate(lengths):
        if n > room:
            break
        room -= n
        kept.append(i)
    return kept


def with_holes(lengths, room):
    left, kept = room - lengths[0], []
    if left < 0:
        raise ValueError
    for i in range(len(lengths) - 1, 0, -1):
        if lengths[i] <= left:
            left -= lengths[i]
            kept.append(i)
    return [0, *sorted(kept)]


def not_full(lengths, room):
    left, kept = room - lengths[0], [0]
    if left < 0:
        raise ValueError
    for i in range(len(lengths) - 1, 0, -1):
        if lengths[i] >= left:
            break
        left -= lengths[i]
        kept.insert(1, i)
    return kept


def newest_first(lengths, room):
    first, *rest = keep(lengths, room)
    return [first, *reversed(rest)]


def silent(lengths, room):
    return keep(lengths, room) if lengths[0] <= room else []


def the_lengths(lengths, room):
    return [lengths[i] for i in keep(lengths, room)]


def how_many(lengths, room):
    return len(keep(lengths, room))


def first_not_counted(lengths, room):
    if lengths[0] > room:
        raise ValueError
    kept = [0]
    for i in range(len(lengths) - 1, 0, -1):
        if lengths[i] > room:
            break
        room -= lengths[i]
        kept.insert(1, i)
    return kept


EXERCISE = Function(
    number="16.4",
    title="Which exchanges stay",
    stars=2,
    wants="keep(lengths, room)",
    cases=cases,
    oracle=keep,
    mistakes=[
        (without_the_first, "The first exchange always stays: in it is the story."),
        (the_oldest, "Those are the oldest that fit. After the first, the newest count."),
        (with_holes, "Once an exchange does not fit, no older one may stay: there would be a hole."),
        (not_full, "What fits exactly fits."),
        (newest_first, "The order of the conversation is wanted, oldest first."),
        (
            silent,
            "Where the first does not fit, a ValueError is wanted: the story is not to be lost.",
        ),
        (the_lengths, "The indices are wanted, not the lengths."),
        (how_many, "That is how many. Which are they?"),
        (first_not_counted, "The first exchange takes room, too."),
    ],
    right="Programs that chat do so: what comes first, often a message of a system, stays, "
    "and the middle goes.",
)
