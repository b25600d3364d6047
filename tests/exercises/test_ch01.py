"""Answers to chapter 1's exercises."""

from harness import Answers, ExerciseTests

# -- 1.1 ------------------------------------------------------------------


def merge_with_while(tokens, pair):
    merged, i = [], 0
    while i < len(tokens):
        step = 2 if tuple(tokens[i : i + 2]) == pair else 1
        merged.append("".join(tokens[i : i + step]))
        i += step
    return merged


def merge_onto_the_last(tokens, pair):
    merged = []
    for token in tokens:
        if merged and (merged[-1], token) == pair:
            merged[-1] = pair[0] + pair[1]
        else:
            merged.append(token)
    return merged


def merge_a_copy(tokens, pair):
    tokens, i = list(tokens), 0
    while i < len(tokens) - 1:
        if tokens[i] == pair[0] and tokens[i + 1] == pair[1]:
            tokens[i : i + 2] = ["".join(pair)]
        i += 1
    return tokens


def merge_recursive(tokens, pair):
    if len(tokens) < 2:
        return tuple(tokens)
    if tuple(tokens[:2]) == pair:
        return (pair[0] + pair[1], *merge_recursive(tokens[2:], pair))
    return (tokens[0], *merge_recursive(tokens[1:], pair))


def stays_on_second(tokens, pair):
    merged = []
    for i, token in enumerate(tokens):
        merged.append(token + pair[1] if token == pair[0] and tokens[i + 1 : i + 2] == [pair[1]] else token)
    return merged


def stops_after_first(tokens, pair):
    for i in range(len(tokens) - 1):
        if (tokens[i], tokens[i + 1]) == pair:
            return [*tokens[:i], pair[0] + pair[1], *tokens[i + 2 :]]
    return tokens


def from_the_right(tokens, pair):
    merged, i = [], len(tokens) - 1
    while i >= 0:
        both = i > 0 and (tokens[i - 1], tokens[i]) == pair
        merged.insert(0, pair[0] + pair[1] if both else tokens[i])
        i -= 2 if both else 1
    return merged


def one_short(tokens, pair):
    merged, i = [], 0
    while i < len(tokens) - 1:
        both = (tokens[i], tokens[i + 1]) == pair
        merged.append(pair[0] + pair[1] if both else tokens[i])
        i += 2 if both else 1
    return merged


def one_too_far(tokens, pair):
    merged, i = [], 0
    while i < len(tokens):
        both = (tokens[i], tokens[i + 1]) == pair
        merged.append(pair[0] + pair[1] if both else tokens[i])
        i += 2 if both else 1
    return merged


def compares_text(tokens, pair):
    merged = []
    for token in tokens:
        if merged and merged[-1] + token == "".join(pair) and len(merged[-1] + token) > len(token):
            merged[-1] += token
        else:
            merged.append(token)
    return merged


def in_place(tokens, pair):
    i = 0
    while i < len(tokens) - 1:
        if (tokens[i], tokens[i + 1]) == pair:
            tokens[i : i + 2] = [pair[0] + pair[1]]
        i += 1
    return tokens


def never_moves_on(tokens, pair):
    i = 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == pair:
            i += 2
    return tokens


ANSWERS = {
    "1.1": Answers(
        right=[merge_with_while, merge_onto_the_last, merge_a_copy, merge_recursive],
        wrong=[
            (stays_on_second, "The second token of a merged pair is still there"),
            (stops_after_first, "Only the first pair was merged"),
            (from_the_right, "the left one is merged"),
            (one_short, "The last token got lost"),
            (one_too_far, "IndexError: list index out of range"),
            (compares_text, "Compare the tokens one by one"),
            (in_place, "`tokens` is ['aa', 'a']"),
            (lambda tokens, pair: merge_a_copy(tokens, pair[::-1]), "the other way round"),
            (lambda tokens, pair: [t for t in tokens if t not in pair], "first at [0]: 'a' is missing"),
            (lambda tokens, pair: "".join(tokens), "a str where a list is expected"),
            (lambda tokens, pair: (t for t in merge_a_copy(tokens, pair)), "list(...) makes a list of it"),
            (lambda tokens, pair: ["a"], "It gives the same for every input"),
            (lambda tokens, pair: None, "A function without `return` gives None"),
        ],
    ),
    "1.2": Answers(
        right=[3.4667, 3.2 / 12 * 13, lambda: 3.47, 3.45],
        wrong=[
            (6.4, "Twice the tokens are not twice the questions"),
            (3.2, "each token would cost one question more"),
            (lambda: 3.2 * 12 / 13, "The wrong way round"),
            (3.75, "what a byte costs now"),
            (13 / 12, "That is the ratio of the two"),
            (0, "too low"),
        ],
    ),
}


class TestChapter1(ExerciseTests):
    answers = ANSWERS
