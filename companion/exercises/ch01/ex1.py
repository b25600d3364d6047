"""The check of exercise 1.1: One merge."""

import random

from companion.exercises.ch01.shared import merge
from companion.exercises.exercise import Function


def apart(token):
    """An equal token that is another object, where Python makes one: tokens cut from a text are."""
    return "".join(list(token))


def merge_cases(seed):
    rng = random.Random(seed)
    pairs = [("a", "b"), ("a", "a"), ("ab", "a"), ("a", "bc")]
    cases = [([], ("a", "b")), (["a"], ("a", "b")), (["a", "a", "a"], ("a", "a"))]
    cases += [
        (["b", "a", "b"], ("a", "b")),
        (["a", "b", "c", "a", "b"], ("a", "b")),
        (["ab", "c", "a", "bc"], ("a", "bc")),
        (["b", "a"], ("a", "b")),
        (["A", "b", "a", "b"], ("a", "b")),
        (["e", "\u0301", "é"], ("e", "\u0301")),
        (["xa", "b", "a", "bx"], ("a", "b")),
        ([" the", " ke", "y", "\n"], (" ke", "y")),
        ([" ", "a", " ", " a"], (" ", "a")),
        (["the", "the", "the"], ("the", "the")),
        (["e\u0301", "t", "é", "t"], ("é", "t")),
    ]
    cases = [([apart(token) for token in tokens], pair) for tokens, pair in cases]
    return cases + [
        (rng.choices(["a", "b", "ab", "bc", "c"], k=k), pair) for k in (4, 7, 11, 130) for pair in pairs
    ]


def merge_keeps_second(tokens, pair):
    both = [tuple(tokens[i : i + 2]) == pair for i in range(len(tokens))]
    return [pair[0] + pair[1] if here else token for token, here in zip(tokens, both, strict=True)]


def merge_first_only(tokens, pair):
    for i in range(len(tokens) - 1):
        if (tokens[i], tokens[i + 1]) == pair:
            return tokens[:i] + [pair[0] + pair[1]] + tokens[i + 2 :]
    return tokens


def merge_from_the_right(tokens, pair):
    return [token[::-1] for token in merge([t[::-1] for t in tokens[::-1]], (pair[1][::-1], pair[0][::-1]))][
        ::-1
    ]


def merge_forgets_last(tokens, pair):
    merged, i = [], 0
    while i < len(tokens) - 1:
        both = (tokens[i], tokens[i + 1]) == pair
        merged.append(pair[0] + pair[1] if both else tokens[i])
        i += 2 if both else 1
    return merged


def merge_written_with_spaces(tokens, pair):
    return " ".join(tokens).replace(" ".join(pair), "".join(pair)).split()


def merge_same_object(tokens, pair):
    merged, i = [], 0
    while i < len(tokens):
        both = i + 1 < len(tokens) and tokens[i] is pair[0] and tokens[i + 1] is pair[1]
        merged.append(pair[0] + pair[1] if both else tokens[i])
        i += 2 if both else 1
    return merged


def merge_by_text(tokens, pair):
    merged, i = [], 0
    while i < len(tokens):
        both = i + 1 < len(tokens) and tokens[i] + tokens[i + 1] == pair[0] + pair[1]
        merged.append(pair[0] + pair[1] if both else tokens[i])
        i += 2 if both else 1
    return merged


EXERCISE = Function(
    number="1.1",
    title="One merge",
    stars=1,
    wants="merge(tokens, pair)",
    cases=merge_cases,
    oracle=merge,
    mistakes=[
        (
            merge_keeps_second,
            "The second token of a merged pair is still there. After a merge, go on behind both.",
        ),
        (merge_first_only, "Only the first pair was merged. One merge replaces the pair wherever it stands."),
        (
            merge_from_the_right,
            "Where pairs overlap, as in a a a, the left one is merged: go from left to right.",
        ),
        (merge_forgets_last, "The last token got lost: it has no neighbor to its right, and stays as it is."),
        (
            merge_by_text,
            "You merged two tokens that spell the same text as the pair, and are not the pair. Compare the "
            "tokens one by one, not what they spell together: to a model, `ab c` and `a bc` are different.",
        ),
        (
            merge_written_with_spaces,
            "Tokens that are joined by spaces are hard to part again: one may hold a space itself, and "
            "`xa b` holds `a b`. Compare the tokens one by one.",
        ),
        (
            merge_same_object,
            "`is` asks whether two strings are one object. Equal tokens often are two: compare with `==`.",
        ),
        (
            lambda tokens, pair: merge(tokens, pair[::-1]),
            "You merged the pair the other way round. Its first token must stand on the left.",
        ),
        (
            lambda tokens, pair: [t for t in merge(tokens, pair) if t != pair[0] + pair[1]],
            "The pair is gone and its merged token is missing: put the two, joined, in their place.",
        ),
    ],
    right="Training is this function and a count of pairs, over and over; encoding is this function alone.",
)
