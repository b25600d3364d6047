"""The check of exercise 2.6: No room wasted."""

import random

import torch

from companion.exercises.ch02.shared import named
from companion.exercises.exercise import Function


def first_fit(stories, context_length, extra=1, spare=0):
    """Rows of stories, each story in the first row that has room for it, and `spare` places more."""
    rows = []
    for story in stories:
        if len(story) + extra > context_length:
            raise ValueError(f"a story of {len(story)} tokens does not fit")
        for row in rows:
            if sum(len(other) + extra for other in row) + len(story) + extra + spare <= context_length:
                row.append(story)
                break
        else:
            rows.append([story])
    return rows


def by_length(stories):
    return sorted(stories, key=len, reverse=True)


def lay_out(rows, context_length, end, x_pad=None, y_pad=-100):
    """The tensors of such rows."""
    x, y, story_number = [], [], []
    for row in rows:
        padding = context_length - sum(len(story) + 1 for story in row)
        x.append([t for s in row for t in [end, *s]] + [end if x_pad is None else x_pad] * padding)
        y.append([t for s in row for t in [*s, end]] + [y_pad] * padding)
        story_number.append([i for i, s in enumerate(row, start=1) for _ in [end, *s]] + [0] * padding)
    return torch.tensor(x), torch.tensor(y), torch.tensor(story_number)


def pack(stories, context_length, end):
    return lay_out(first_fit(by_length(stories), context_length), context_length, end)


def pack_cases(seed):
    rng = random.Random(seed)
    cases = [
        ([[5]], 2, 9),
        ([[5]], 4, 9),
        ([[5, 6, 7]], 3, 9),
        ([[5], [6]], 4, 9),
        ([[5], [6, 7]], 4, 9),
        ([[5], [6, 7]], 6, 9),
        ([[5, 6], [7], [8, 4, 3]], 7, 9),
        ([[5, 6], [7], [8, 4, 3], [2]], 6, 9),
        ([[1] * 5, [2] * 4, [3] * 3, [4] * 2], 9, 8),
        ([[1] * 6, [2] * 5, [3], [4] * 2], 9, 8),
        ([[1] * 6, [2] * 3, [3] * 3, [4]], 10, 8),
        ([[], [5]], 5, 9),
        ([[5], [], [6, 7], []], 5, 9),
        ([[]], 1, 9),
        ([[], []], 3, 9),
        ([[5], [6, 7]], 6, 0),
        ([[5], [6, 7, 8]], 3, 9),
        ([[5], [6, 7, 8, 4]], 3, 9),
        ([[3, 2], [2, 7], [2, 7], [1, 4]], 6, 9),
        ([[40_000, 16_777_217], [70_000]], 6, 50_256),
    ]
    if not seed:  # more than 255 in a row
        cases += [([[5]] * 300, 600, 9), ([[5, 6]] * 40, 4, 9)]
    for n_stories, context_length in [(6, 11), (9, 14), (15, 19)]:
        stories = [[rng.randrange(40) for _ in range(rng.randint(1, 10))] for _ in range(n_stories)]
        cases.append((stories, context_length, 41))
    return cases


def try_pack(answer, stories, context_length, end):
    """Name the three tensors."""
    packed = answer(stories, context_length, end)
    return named(packed, ("x", "y", "story_number"), "Return three tensors: `x`, `y` and `story_number`.")


def next_fit(stories, context_length, end):
    rows = [[]]
    for story in by_length(stories):
        if len(story) + 1 > context_length:
            raise ValueError("too long")
        if sum(len(other) + 1 for other in rows[-1]) + len(story) + 1 > context_length:
            rows.append([])
        rows[-1].append(story)
    return lay_out(rows, context_length, end)


def best_fit(stories, context_length, end):
    rows = []
    for story in by_length(stories):
        if len(story) + 1 > context_length:
            raise ValueError("too long")
        room = [context_length - sum(len(other) + 1 for other in row) for row in rows]
        fitting = [i for i, free in enumerate(room) if free >= len(story) + 1]
        if fitting:
            rows[min(fitting, key=lambda i: room[i])].append(story)
        else:
            rows.append([story])
    return lay_out(rows, context_length, end)


def as_they_come(stories, context_length, end):
    return lay_out(first_fit(stories, context_length), context_length, end)


def shortest_first(stories, context_length, end):
    return lay_out(first_fit(sorted(stories, key=len), context_length), context_length, end)


def one_a_row(stories, context_length, end):
    first_fit(stories, context_length)
    return lay_out([[story] for story in by_length(stories)], context_length, end)


def row_never_full(stories, context_length, end):
    packed = first_fit(by_length(stories), context_length - 1)
    return lay_out(packed, context_length, end)


def more_room_than_needed(stories, context_length, end):
    return lay_out(first_fit(by_length(stories), context_length, spare=1), context_length, end)


def padding_counts(stories, context_length, end):
    return lay_out(first_fit(by_length(stories), context_length), context_length, end, y_pad=end)


def padded_with_zeros(stories, context_length, end):
    return lay_out(first_fit(by_length(stories), context_length), context_length, end, x_pad=0)


def last_end_lost(stories, context_length, end):
    x, y, story_number = pack(stories, context_length, end)
    last = (y != -100).sum(1) - 1
    y[torch.arange(len(y)), last] = -100
    return x, y, story_number


def ends_not_targets(stories, context_length, end):
    x, y, story_number = pack(stories, context_length, end)
    return x, torch.where(y == end, -100, y), story_number


def numbers_from_zero(stories, context_length, end):
    x, y, story_number = pack(stories, context_length, end)
    return x, y, (story_number - 1).clamp(min=0)


def numbers_over_all_rows(stories, context_length, end):
    x, y, story_number = pack(stories, context_length, end)
    before = 0
    for row in story_number:
        highest = int(row.max())
        row[row > 0] += before
        before += highest
    return x, y, story_number


def cuts_long_ones(stories, context_length, end):
    return pack([story[: context_length - 1] for story in stories], context_length, end)


def leaves_out_long_ones(stories, context_length, end):
    return pack([story for story in stories if len(story) < context_length], context_length, end)


def in_float32(stories, context_length, end):
    return tuple(part.float().long() for part in pack(stories, context_length, end))


EXERCISE = Function(
    number="2.6",
    title="No room wasted",
    stars=3,
    wants="pack(stories, context_length, end)",
    cases=pack_cases,
    oracle=pack,
    call=try_pack,
    exact_dtype=True,  # ids are looked up in a table, and that takes integers only
    shown="{f}({0}, {1}, {2})",
    mistakes=[
        (
            one_a_row,
            "One story a row, as in the chapter. Before you open a new row, see whether an earlier one has"
            " room.",
        ),
        (
            as_they_come,
            "You took the stories in the order in which they come. Take the longest first: the short ones "
            "then fill the gaps that are left.",
        ),
        (shortest_first, "You took the shortest story first; take the longest first."),
        (
            next_fit,
            "You looked only at the row that was opened last. An earlier one may still have room for a "
            "short story.",
        ),
        (
            best_fit,
            "You took the row with the least room that suffices. That wastes about as little; the rule "
            "asked for here is the first row with room.",
        ),
        (
            row_never_full,
            "A row was not filled although the story would have fitted exactly. A story of `n` tokens "
            "takes `n + 1` places in `x`, not `n + 2`: the `end` before it is the one that opens it, and "
            "the one that closes it stands in `y`.",
        ),
        (
            more_room_than_needed,
            "A row was not filled although the story would have fitted exactly: room for it is room enough. "
            "Is your comparison `<` where it should be `<=`?",
        ),
        (
            padding_counts,
            "In `y`, padding is a target that counts. It must be −100, so that losses leave it out.",
        ),
        (padded_with_zeros, "The padding of `x` is 0, which is a real token's id. Pad `x` with `end`."),
        (
            last_end_lost,
            "The last story of a row has no closing `end` in `y`: shifting the whole row by one has no token "
            "left for that place. Build `y` story by story.",
        ),
        (
            ends_not_targets,
            "The model is never asked where a story ends, so it would never learn to stop: each story's last "
            "target is `end`.",
        ),
        (numbers_from_zero, "The stories of a row are numbered from 1, and padding is 0."),
        (
            numbers_over_all_rows,
            "The numbers of the stories go on from row to row. In each row they begin at 1 again.",
        ),
        (
            in_float32,
            "A large id has changed on the way: float32 holds whole numbers to 16,777,216 only. Tokens are "
            "int64 from the beginning.",
        ),
        (
            lambda stories, context_length, end: pack([s for s in stories if s], context_length, end),
            "An empty story is left out. It takes one place: `end` in `x`, and `end` as its target.",
        ),
        (
            lambda stories, context_length, end: pack(sorted(stories, key=len)[::-1], context_length, end),
            "Of equally long stories the last came first. `sorted(…, reverse=True)` keeps the order given.",
        ),
        (
            cuts_long_ones,
            "A story that is too long for a row was cut. Here it should raise a ValueError that says so: the "
            "caller must know.",
        ),
        (
            leaves_out_long_ones,
            "A story that is too long for a row was left out without a word. Raise a ValueError: the "
            "caller must know.",
        ),
    ],
    right="Whole stories, fixed shapes, and hardly a place wasted.",
)
