"""The check of exercise 9.4: What is read already."""

import random
from os.path import commonprefix

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
        ([0, 12, 3], [0, 1, 23]),
    ]
    for same in (3, 5, 1):
        start = [rng.randrange(9) for _ in range(same)]
        held, text = ([rng.randrange(9) for _ in range(rng.randint(2, 5))] for _ in range(2))
        cases.append((start + [9, *held], start + [10, *text]))
        cases.append((start + held, start))
    start = [rng.randrange(300, 1000) for _ in range(3)]
    again = [int(str(token)) for token in start]  # equal, but not the same objects
    cases.append(([*start, 5], [*again, 6, 7]))
    return cases


def nothing_left_to_read(held, text):
    same = 0
    while same < min(len(held), len(text)) and held[same] == text[same]:
        same += 1
    return same, text[same:]


def last_one_twice(held, text):
    same = len(commonprefix([held, text]))
    return same, text[same:] or text[-1:]


def all_twice(held, text):
    same = len(commonprefix([held, text]))
    return same, text[same:] or text


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


def one_before_all_that_agree(held, text):
    same = max(0, len(commonprefix([held, text])) - 1)
    return same, text[same:]


def last_held_again(held, text):
    same = min(reuse(held, text)[0], max(0, len(held) - 1))
    return same, text[same:]


def anew_where_nothing_is_new(held, text):
    same = len(commonprefix([held, text]))
    return (same, text[same:]) if same < len(text) else (0, text)


def only_the_last(held, text):
    return reuse(held, text)[0], text[-1:]


def by_identity(held, text):
    same = 0
    while same < min(len(held), len(text) - 1) and held[same] is text[same]:
        same += 1
    return same, text[same:]


def as_one_word(held, text):
    same = min(len(commonprefix(["".join(map(str, ids)) for ids in (held, text)])), len(text) - 1)
    return same, text[same:]


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
        *[
            (
                wrong,
                "Where the cache holds all of the text, you read tokens again that it still holds: they "
                "would be there twice. Rewind it to before what is read.",
            )
            for wrong in (last_one_twice, all_twice)
        ],
        (
            counts_all_that_agree,
            "You counted agreeing tokens anywhere. From the first difference on, every key depends on "
            "another text.",
        ),
        (all_or_nothing, "You keep all or nothing. What is common at the start can stay."),
        (believes_it, "You did not compare: the cache may hold another text."),
        (reads_all, "Right, and slow: nothing of the cache is kept."),
        (one_before, "You go back one token further than you must."),
        (
            one_before_all_that_agree,
            "You always go back one token from where the two agree. Where the text goes on behind that, "
            "there is something to read already.",
        ),
        (
            last_held_again,
            "The last token of `held` is read again. That is needed only if nothing else is left to read.",
        ),
        (
            anew_where_nothing_is_new,
            "Where the cache holds all of the text, you read everything anew. One token is enough.",
        ),
        (only_the_last, "All that the cache does not hold has to be read, not the last token alone."),
        (
            by_identity,
            "`is` asks whether two names stand for one object. Equal numbers can be two objects; only small "
            "ones happen to be one.",
        ),
        (
            as_one_word,
            "You joined the digits: 12, 3 and 1, 23 look the same then. Compare token by token.",
        ),
        (one_behind, "The first token that differs is not read."),
        (what_was_held, "The tokens to read come from the new text."),
        (as_a_set, "It is not enough that the cache holds such a token somewhere: place by place."),
        (number_to_forget, "`rewind` wants the length that is left, not how many to forget."),
    ],
    right="So a chat reads each message once, although every request holds the whole conversation.",
)
