"""The check of exercise 9.4: What is read already."""

import random

from companion.exercises.exercise import Function


def reuse(held, text):
    same = 0
    while same < min(len(held), len(text) - 1) and held[same] == text[same]:
        same += 1
    return same, text[same:]


def reuse_cases(seed):
    rng = random.Random(seed)
    cases = [
        ([0, 5, 7, 9], [0, 5, 8, 1]),
        ([0, 5], [0, 5]),
        ([0, 5, 7], [0, 5]),
        ([], [0, 3]),
        ([4], [0]),
        ([0, 5], [0, 5, 6, 7]),
        ([0, 5, 6, 7], [0, 1, 6, 7]),
        ([5, 0, 7, 3], [0, 7, 3, 5]),
        ([0], [0]),
    ]
    for same in (3, 5, 1):
        start = [rng.randrange(9) for _ in range(same)]
        held, text = ([rng.randrange(9) for _ in range(rng.randint(2, 5))] for _ in range(2))
        cases.append((start + [9, *held], start + [10, *text]))
        cases.append((start + held, start))
    return cases


def nothing_left_to_read(held, text):
    same = 0
    while same < min(len(held), len(text)) and held[same] == text[same]:
        same += 1
    return same, text[same:]


def counts_all_that_agree(held, text):
    same = min(sum(a == b for a, b in zip(held, text, strict=False)), len(text) - 1)
    return same, text[same:]


def all_or_nothing(held, text):
    return (
        (len(held), text[len(held) :]) if text[: len(held)] == held and len(held) < len(text) else (0, text)
    )


def believes_it(held, text):
    same = min(len(held), len(text) - 1)
    return same, text[same:]


def reads_all(held, text):
    return 0, text


def one_before(held, text):
    same, _ = reuse(held, text)
    same = max(0, same - 1)
    return same, text[same:]


def one_behind(held, text):
    same, _ = reuse(held, text)
    return same, text[same + 1 :]


def what_was_held(held, text):
    same, _ = reuse(held, text)
    return same, held[same:]


def as_a_set(held, text):
    same = 0
    while same < len(text) - 1 and text[same] in held:
        same += 1
    return same, text[same:]


def number_to_forget(held, text):
    same, new = reuse(held, text)
    return len(held) - same, new


EXERCISE = Function(
    number="9.4",
    title="What is read already",
    stars=2,
    wants="reuse(held, text)",
    cases=reuse_cases,
    oracle=reuse,
    mistakes=[
        (
            nothing_left_to_read,
            "Where the cache holds all of the text, nothing is left to read, and so there are no logits to "
            "draw from. Go back one token more, and read that one again.",
        ),
        (
            counts_all_that_agree,
            "You counted agreeing tokens anywhere. From the first difference on, every key depends on "
            "another text.",
        ),
        (all_or_nothing, "You keep all or nothing. What is common at the start can stay."),
        (believes_it, "You did not compare: the cache may hold another text."),
        (reads_all, "Right, and slow: nothing of the cache is kept."),
        (one_before, "You go back one token further than you must."),
        (one_behind, "The first token that differs is not read."),
        (what_was_held, "The tokens to read come from the new text."),
        (as_a_set, "It is not enough that the cache holds such a token somewhere: place by place."),
        (number_to_forget, "`rewind` wants the length that is left, not how many to forget."),
    ],
    right="So a chat reads each message once, although every request holds the whole conversation.",
)
