"""The check of exercise 1.6: Digits, one by one."""

import random
from collections import Counter
from itertools import pairwise

import regex

from companion.exercises.ch01.shared import merge
from companion.exercises.exercise import Function, Problem
from companion.exercises.values import a

LETTERS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+"


REST = r" ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


GPT2, DIGITS = rf"{LETTERS}| ?\p{{N}}+|{REST}", rf"{LETTERS}|\p{{N}}|{REST}"


class Merges:
    """Byte-pair encoding as the chapter's first loop does it, on lists of bytes."""

    def __init__(self, text, vocab_size, pattern):
        self.pattern, self.vocab_size, self.merges = pattern, vocab_size, []
        words = [
            ([bytes([b]) for b in w.encode()], n) for w, n in Counter(regex.findall(pattern, text)).items()
        ]
        while len(self.merges) < vocab_size - 257:
            counts = Counter()
            for word, often in words:
                for pair in pairwise(word):
                    counts[pair] += often
            if not counts:
                break
            self.merges.append(max(counts, key=lambda pair: (counts[pair], pair)))
            words = [(merge_bytes(word, self.merges[-1]), often) for word, often in words]
        self.vocab = [bytes([b]) for b in range(256)] + [x + y for x, y in self.merges]

    def encode(self, text):
        ids = []
        for piece in regex.findall(self.pattern, text):
            word = [bytes([b]) for b in piece.encode()]
            for pair in self.merges:
                word = merge_bytes(word, pair)
            ids += [self.vocab.index(token) for token in word]
        return ids

    def decode(self, ids):
        return b"".join(self.vocab[i] for i in ids).decode()


def merge_bytes(word, pair):
    return merge(word, pair) if pair[0] in word else word


def digit_tokenizer(text, vocab_size):
    return Merges(text, vocab_size, DIGITS)


def digit_cases(seed):
    rng = random.Random(seed)
    words = ["key", "keys", "plum", "plums", "and", "found"]
    cases = [
        ("57 57 57 keys", 260, " 57"),
        ("57 57 57 keys", 260, "57 keys"),
        ("7 7 7 keys keys found", 261, "keys 7"),
        ("ab 12ab 12ab cd", 258, "12ab"),
        ("½ " * 14 + "cups", 259, "½ ½"),  # long, so that these are tried after the plain ones
        ("x² " * 11 + "key", 259, "x²"),
        ("٣٣ " * 10 + "key", 259, "٣٣"),
    ]
    for n_words, merges in ((9, 4), (14, 7)):
        number = str(rng.randint(100, 999))
        pieces = [number if i % 3 == 0 else rng.choice(words) for i in range(n_words)]
        cases.append((" ".join(pieces), 257 + merges, f"{rng.choice(words)} {number} {rng.randint(0, 99)}"))
    return cases


def cut_text(answer, text, vocab_size, probe):
    tokenizer = answer(text, vocab_size)
    for name in ("encode", "decode", "vocab_size"):
        if not hasattr(tokenizer, name):
            raise Problem(
                f"What you return, {a(tokenizer)}, has no `{name}`: return the trained tokenizer itself."
            )
    ids = tokenizer.encode(probe)
    return {"vocab_size": tokenizer.vocab_size, "tokens": [tokenizer.decode([i]) for i in ids]}


def only_arabic_numerals(text, vocab_size):
    """As a BPETokenizer whose pattern has [0-9] in place of GPT-2's part for numbers."""
    if regex.search(r"[^\P{N}0-9]", text):
        raise ValueError("the pattern skips part of the text")
    return digit_tokenizer(text, vocab_size)


def pattern_after_training(text, vocab_size):
    tokenizer = Merges(text, vocab_size, GPT2)
    tokenizer.pattern = DIGITS
    return tokenizer


EXERCISE = Function(
    number="1.6",
    title="Digits, one by one",
    stars=3,
    wants="digit_tokenizer(text, vocab_size)",
    cases=digit_cases,
    oracle=digit_tokenizer,
    call=cut_text,
    shown="{f}({0}, {1}), then encode({2})",
    mistakes=[
        (
            lambda text, vocab_size: Merges(text, vocab_size, GPT2),
            "Two digits became one token, as in GPT-2. If your pattern has a part for single digits, "
            "does it come "
            "too late? At each place, the first alternative that fits is taken.",
        ),
        (
            lambda text, vocab_size: Merges(text, vocab_size, rf"\p{{N}}|{GPT2}"),
            "A number at the very start is split, and one behind a space is not: there, at the "
            "space, GPT-2's own "
            "part for numbers still fits, and takes all the digits with it.",
        ),
        (
            lambda text, vocab_size: Merges(text, vocab_size, rf"{LETTERS}| ?\p{{N}}|{REST}"),
            "The digits stand alone, but the first still has its space: one digit, two ids, depending on "
            "where it stands. The space must be a piece of its own.",
        ),
        (
            only_arabic_numerals,
            "Does your pattern take this for a digit? `[0-9]` and `\\d` do not find ² or ½, which then fit "
            "no part of it; `\\p{N}` finds them all.",
        ),
        (
            lambda text, vocab_size: Merges(text, vocab_size, rf" (?=[0-9])|[0-9]|{GPT2}"),
            "Some digits are still cut as GPT-2 cuts them. `[0-9]` and `\\d` do not find ² or ½; "
            "`\\p{N}` does.",
        ),
        (
            pattern_after_training,
            "You split the digits when encoding, and not when training: merges went to numbers that "
            "can now never "
            "come, and the words lack them.",
        ),
        (
            lambda text, vocab_size: Merges(text, vocab_size, r"[\s\S]"),
            "Now nothing is merged, words neither. Only digits should stand alone.",
        ),
        (
            lambda text, vocab_size: Merges(
                text, vocab_size, rf"'(?:[sdmt]|ll|ve|re)|\p{{L}}+|\p{{N}}|{REST}"
            ),
            "The words lost the space before them. Change what concerns digits, and nothing else.",
        ),
        (
            lambda text, vocab_size: Merges(text, vocab_size + 1, DIGITS),
            "The vocabulary has another size than was asked for. `vocab_size` counts everything: "
            "bytes, merges and "
            "`<|endoftext|>`.",
        ),
    ],
    right=(
        "Now every number is cut in the same way, digit by digit, and a digit's id says nothing but "
        "the digit."
    ),
)
