"""The check of exercise 1.5: Longest first."""

import random
import re

import regex

from companion.exercises.exercise import Function


def longest_first(text, tokens):
    cut = []
    while text:
        cut.append(max((token for token in tokens if text.startswith(token)), key=len))
        text = text[len(cut[-1]) :]
    return cut


def longest_cases(seed):
    rng = random.Random(seed)
    cases = [
        ("", ["a"]),
        ("a", ["a"]),
        ("anan", ["a", "n", "an", "ana"]),
        ("key", ["k", "key", "e", "ke", "y"]),
    ]
    cases += [("abcd", ["a", "b", "c", "d", "bcd", "ab"]), ("aabab", ["b", "ab", "aab", "a", "ba"])]
    cases += [("ab.", ["a.", "a", "b", "."]), ("a.b?a", ["b?", "a", "b", ".", "?"])]
    cases += [
        ("aAba", ["a", "A", "b", "ab"]),
        (" a b ", [" ", "a", "b", "a b", "b "]),
        ("a\nb\r\n", ["a", "b", "\n", "\r", "a\n", "b\r"]),
        ("e\u0301té ete\u0301s", ["e", "\u0301", "é", "t", "s", " ", "e\u0301", "te"]),
        ("ключ 🙂", [*"ключ 🙂", "кл", " 🙂", "ключ"]),
        ("key keys", ["k", "e", "y", "s", " ", "keys"]),
        (" lantern", [*" lantern", " lant", " lantern", "tern"]),
        ("found a lamplighter", [*sorted(set("found a lamplighter")), "found a lamplight", "lamplighter"]),
        ("ab" * 160 + "c", ["a", "b", "c", "ab", "bc"]),
        ("a" * 50 + "b", ["a", "b", "a" * 45, "aab"]),
    ]
    for length, n_tokens in ((6, 3), (9, 5), (14, 8)):
        more = {"".join(rng.choices("abc", k=rng.randint(2, 4))) for _ in range(n_tokens)}
        tokens = ["a", "b", "c", *sorted(more)]
        rng.shuffle(tokens)
        cases.append(("".join(rng.choices("abc", k=length)), tokens))
    return cases


def longest_anywhere(text, tokens):
    if not text:
        return []
    best = max((token for token in tokens if token in text), key=len)
    before, _, after = text.partition(best)
    return [*longest_anywhere(before, tokens), best, *longest_anywhere(after, tokens)]


def longest_from_the_right(text, tokens):
    cut = []
    while text:
        cut.insert(0, max((token for token in tokens if text.endswith(token)), key=len))
        text = text[: -len(cut[0])]
    return cut


def first_that_fits(text, tokens):
    cut = []
    while text:
        cut.append(next(token for token in tokens if text.startswith(token)))
        text = text[len(cut[-1]) :]
    return cut


def grows_letter_by_letter(text, tokens):
    cut = []
    while text:
        n = 1
        while n < len(text) and text[: n + 1] in tokens:
            n += 1
        cut.append(text[:n])
        text = text[n:]
    return cut


def as_regular_expression(text, tokens):
    return regex.findall("|".join(sorted(tokens, key=len, reverse=True)), text)


def as_standard_regular_expression(text, tokens):
    """The same with Python's own module, whose errors are of another type."""
    return re.findall("|".join(sorted(tokens, key=len, reverse=True)), text)


NOT_ESCAPED = (
    "In a regular expression, marks such as `.` and `?` have meanings of their own: `a.` fits `ab`, "
    "too. `regex.escape` makes them mean themselves."
)


def without_the_longest(tokens):
    return [token for token in tokens if len(token) < max(map(len, tokens)) or len(token) == 1]


EXERCISE = Function(
    number="1.5",
    title="Longest first",
    stars=2,
    wants="longest_first(text, tokens)",
    cases=longest_cases,
    oracle=longest_first,
    mistakes=[
        (
            lambda text, tokens: list(text),
            "You took the shortest token that fits. Of those that the rest of the text begins with, "
            "the longest "
            "is wanted.",
        ),
        (
            first_that_fits,
            "You took the first in the list that fits; a longer one that fits stands behind it.",
        ),
        (
            longest_anywhere,
            "You took the longest token that stands anywhere in the text. Here the text is read from "
            "the left: "
            "first the longest token that it begins with, then the same for what is left.",
        ),
        (as_regular_expression, NOT_ESCAPED),
        (as_standard_regular_expression, NOT_ESCAPED),
        (longest_from_the_right, "You cut from the right end. Begin on the left."),
        (
            grows_letter_by_letter,
            "You stop at the first beginning that is no token. A longer one may be one again: `keys` can be "
            "a token where `ke` is none.",
        ),
        (
            lambda text, tokens: longest_first(text, [token for token in tokens if len(token) < 5]),
            "Tokens of five letters and more are never found. A token may be of any length.",
        ),
        (
            lambda text, tokens: longest_first(text.strip(), tokens),
            "A space is a character like others; those at the ends of the text are missing.",
        ),
        (
            lambda text, tokens: [
                t for word in regex.findall(r" ?[^ ]+| ", text) for t in longest_first(word, tokens)
            ],
            "You cut the text at spaces first. A token may reach across one.",
        ),
        (
            lambda text, tokens: longest_first(text, without_the_longest(tokens)),
            "The longest tokens of the vocabulary are never used: do your lengths run one short?",
        ),
        (lambda text, tokens: longest_first(text, tokens)[:-1], "The end of the text is missing."),
        (
            lambda text, tokens: list(dict.fromkeys(longest_first(text, tokens))),
            "Each token came once only. What comes again must be written again.",
        ),
    ],
    right="Another way to use the same tokens, and other ids: a tokenizer is its vocabulary and its rule.",
)
