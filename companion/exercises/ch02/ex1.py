"""The check of exercise 2.1: Asked how often?."""

import random

from companion.exercises.exercise import Function


def times_asked(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length, stride):
        for place in range(start + 1, start + context_length + 1):
            asked[place] += 1
    return asked


def times_asked_cases(seed):
    rng = random.Random(seed)
    cases = [(8, 3, 3), (8, 3, 1), (7, 3, 3), (4, 3, 2), (12, 2, 5), (9, 4, 3), (2, 1, 1), (4, 3, 9)]
    if not seed:  # many windows; more than 255 of them over one token
        cases += [(90, 2, 2), (611, 300, 1)]
    for context_length, stride in [(5, 2), (4, 4), (3, 7), (6, 1)]:
        cases.append((context_length + rng.randint(7, 15), context_length, stride))
    return cases


def counts_what_it_sees(n_tokens, context_length, stride):
    return times_asked(n_tokens, context_length, stride)[1:] + [0]


def counts_whole_windows(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length, stride):
        for place in range(start, start + context_length + 1):
            asked[place] += 1
    return asked


def lacks_the_last_window(n_tokens, context_length, stride):
    last = (n_tokens - context_length - 1) // stride * stride
    asked = times_asked(n_tokens, context_length, stride)
    return [n - (last < place <= last + context_length) for place, n in enumerate(asked)]


def one_start_short(n_tokens, context_length, stride):
    """As `lacks_the_last_window`, where the last window ends with the text."""
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length - 1, stride):
        for place in range(start + 1, start + context_length + 1):
            asked[place] += 1
    return asked


def keeps_the_rest(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens, stride):
        for place in range(start + 1, min(start + context_length + 1, n_tokens)):
            asked[place] += 1
    return asked


EXERCISE = Function(
    number="2.1",
    title="Asked how often?",
    stars=1,
    wants="times_asked(n_tokens, context_length, stride)",
    cases=times_asked_cases,
    oracle=times_asked,
    mistakes=[
        (
            lambda n_tokens, context_length, stride: [
                n % 256 for n in times_asked(n_tokens, context_length, stride)
            ],
            "It counts in one byte, which goes back to 0 after 255.",
        ),
        (
            counts_what_it_sees,
            "You counted how often a token is looked at, in `x`. It is asked where it is a target, in `y`.",
        ),
        (
            counts_whole_windows,
            "You counted all of a window. It holds one token more than it asks for: its first one has "
            "nothing before it, so it is no target.",
        ),
        *(
            (
                wrong,
                "The last window is missing. One that ends with the very last token of the text is a whole "
                "one.",
            )
            for wrong in (lacks_the_last_window, one_start_short)
        ),
        (
            keeps_the_rest,
            "At the end you count windows that are not full. Tokens that fill no window are left out.",
        ),
        (
            lambda n_tokens, context_length, stride: times_asked(n_tokens, context_length, context_length),
            "Each window begins where the one before it ended, whatever the stride is.",
        ),
        (
            lambda n_tokens, context_length, stride: times_asked(n_tokens, context_length, 1),
            "Your windows begin at every token. The stride says how far apart they begin.",
        ),
        (
            lambda n_tokens, context_length, stride: times_asked(n_tokens, context_length, stride + 1),
            "Your windows begin one token too far apart. With stride 3 they begin at 0, 3, 6: the token "
            "that ends one window opens the next.",
        ),
    ],
    right="A stride below the context asks most tokens several times, and both ends of the text less often.",
)
