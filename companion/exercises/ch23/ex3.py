"""The check of exercise 23.3: Spans, as T5 hides them."""

from random import Random

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record, as_list, type_name


def hide_spans(tokens, spans, first):
    source, target = [], []
    inside = {at: number for number, (start, end) in enumerate(spans) for at in range(start, end)}
    begun = {start: number for number, (start, _) in enumerate(spans)}
    for at, token in enumerate(tokens):
        if at in begun:
            source.append(first + begun[at])
            target.append(first + begun[at])
        (target if at in inside else source).append(token)
    target.append(first + len(spans))
    return source, target


def cases(seed):
    rng = Random(seed)
    made = [
        ([5, 6, 7, 8, 9], [(1, 3), (4, 5)], 100),
        ([5, 6, 7, 8, 9], [(0, 2)], 50),
        ([5, 6, 7], [], 50),
        ([5, 6, 7, 8], [(0, 1), (2, 3)], 30),
        ([5, 6], [(0, 2)], 30),
        ([7, 7, 0, 7], [(1, 2), (3, 4)], 40),
    ]
    for n in (9, 13, 20):
        cuts = sorted(rng.sample(range(n), 6))
        tokens = [rng.randrange(40) for _ in range(n)]
        spans = [pair for pair in zip(cuts[::2], cuts[1::2], strict=True)]
        made.append((tokens, spans, 60 + seed))
    return made


def call(answer, tokens, spans, first):
    found = answer(tokens, spans, first)
    both = as_list(found)
    if found is None:
        return found
    if both is None or len(both) != 2:
        raise Problem(f"Give two lists, (source, target); yours is one {type_name(found)}.")
    return Record("", {"source": both[0], "target": both[1]})


def without_last(tokens, spans, first):
    source, target = hide_spans(tokens, spans, first)
    return source, target[:-1]


def one_sentinel(tokens, spans, first):
    source, target = hide_spans(tokens, spans, first)
    return [min(t, first) for t in source], [min(t, first) for t in target]


def a_sentinel_a_token(tokens, spans, first):
    source, number = list(tokens), first
    for start, end in spans:
        source[start:end] = [number] * (end - start)
        number += 1
    return source, hide_spans(tokens, spans, first)[1]


def end_included(tokens, spans, first):
    return hide_spans(tokens, [(start, min(end + 1, len(tokens))) for start, end in spans], first)


def end_shown(tokens, spans, first):
    return hide_spans_of(tokens, [(start, end - 1) for start, end in spans], first)


def rest_lost(tokens, spans, first):
    source, target = hide_spans(tokens, spans, first)
    kept = len(tokens) - (spans[-1][1] if spans else 0)
    return source[: len(source) - kept], target


def whole_target(tokens, spans, first):
    return hide_spans(tokens, spans, first)[0], list(tokens)


def turned(tokens, spans, first):
    return hide_spans(tokens, spans, first)[::-1]


def sentinel_behind(tokens, spans, first):
    target = []
    for number, (start, end) in enumerate(spans, first):
        target += [*tokens[start:end], number]
    return hide_spans(tokens, spans, first)[0], target


def no_sentinels_in_target(tokens, spans, first):
    return hide_spans(tokens, spans, first)[0], [t for start, end in spans for t in tokens[start:end]]


def renumbered(sentinel, last):
    """sentinel(first, number of the span, its start) and last(first, how many spans) give the sentinels."""

    def mistake(tokens, spans, first):
        marks = [sentinel(first, i, start) for i, (start, _) in enumerate(spans)]
        source, target, done = [], [], 0
        for mark, (start, end) in zip(marks, spans, strict=True):
            source += [*tokens[done:start], mark]
            target += [mark, *tokens[start:end]]
            done = end
        return [*source, *tokens[done:]], target + last(first, len(spans))

    return mistake


def hide_spans_of(tokens, spans, first):
    """Of spans that may be empty or overlap."""
    return renumbered(lambda f, i, start: f + i, lambda f, n: [f + n])(tokens, spans, first)


def beginning_lost(tokens, spans, first):
    source, target = hide_spans(tokens, spans, first)
    return source[spans[0][0] if spans else 0 :], target


def length_for_end(tokens, spans, first):
    """Spans read as (start, length)."""
    return hide_spans_of(tokens, [(start, start + length) for start, length in spans], first)


def places_moved(tokens, spans, first):
    source = list(tokens)
    for i, (start, end) in enumerate(spans):
        source[start:end] = [first + i]
    return source, hide_spans(tokens, spans, first)[1]


def last_in_both(tokens, spans, first):
    source, target = hide_spans(tokens, spans, first)
    return [*source, target[-1]], target


def marks_not_in_source(tokens, spans, first):
    hidden = {at for start, end in spans for at in range(start, end)}
    return [t for at, t in enumerate(tokens) if at not in hidden], hide_spans(tokens, spans, first)[1]


def behind_and_last(tokens, spans, first):
    source, target = sentinel_behind(tokens, spans, first)
    return source, [*target, first + len(spans)]


OWN = "Each span has a sentinel of its own: `first`, `first + 1`, and so on."
COUNTED = "The sentinels are counted, the second span's is `first + 1`, wherever it begins."
LAST = "The last sentinel is the one after the last span's: `first` and the number of spans."

EXERCISE = Function(
    number="23.3",
    title="Spans, as T5 hides them",
    stars=2,
    wants="hide_spans(tokens, spans, first)",
    cases=cases,
    oracle=hide_spans,
    call=call,
    mistakes=[
        (without_last, "The target ends with one sentinel more, which says that nothing else is missing."),
        (one_sentinel, OWN),
        (
            a_sentinel_a_token,
            "A span becomes one sentinel, however long it is; else the source tells how much is missing.",
        ),
        (renumbered(lambda f, i, start: f, lambda f, n: [f + n]), OWN),
        (renumbered(lambda f, i, start: f, lambda f, n: [f]), OWN),
        (renumbered(lambda f, i, start: f + start, lambda f, n: [f + n]), COUNTED),
        (
            renumbered(lambda f, i, start: f + i + 1, lambda f, n: [f + n + 1]),
            "The first sentinel is `first`.",
        ),
        (
            renumbered(lambda f, i, start: f - i, lambda f, n: [f - n]),
            "The sentinels go up: `first`, `first + 1`.",
        ),
        (renumbered(lambda f, i, start: f + i, lambda f, n: [f]), LAST),
        (renumbered(lambda f, i, start: f + i, lambda f, n: [f + n - 1]), LAST),
        (renumbered(lambda f, i, start: f + i, lambda f, n: [f + n + 1]), LAST),
        (
            renumbered(lambda f, i, start: f + i, lambda f, n: [f + n] if n else []),
            "Without a span the target is the last sentinel alone, which is then `first`.",
        ),
        (beginning_lost, "What stands before the first span belongs into the source."),
        (length_for_end, "You read a span as (start, length). It is (start, end)."),
        (places_moved, "Each cut moves the tokens after it, so the next span is no more where it was."),
        (last_in_both, "The last sentinel stands in the target only: it hides nothing in the source."),
        (marks_not_in_source, "The source needs the sentinels: they say where something is missing."),
        (behind_and_last, "In the target a sentinel stands before what it hid."),
        (end_included, "The end of a span is not hidden: (1, 3) hides the tokens 1 and 2."),
        (end_shown, "The end of a span is not included already: (1, 3) hides the tokens 1 and 2."),
        (rest_lost, "What stands after the last span belongs into the source."),
        (whole_target, "The target has only what was hidden, each part behind its sentinel."),
        (turned, "Source and target are exchanged."),
        (sentinel_behind, "In the target a sentinel stands before what it hid, and one more at the end."),
        (no_sentinels_in_target, "The target needs the sentinels: they say which gap the tokens fill."),
    ],
    right="One pass fills gaps of any length, and the decoder writes only what is missing.",
)
