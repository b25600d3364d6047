"""The check of exercise 1.6: Digits, one by one."""

import random

import regex

from companion.exercises.ch01.shared import GPT2, LETTERS, REST, Merges
from companion.exercises.exercise import Function, Problem
from companion.exercises.values import a

DIGITS = rf"{LETTERS}|\p{{N}}|{REST}"


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
        ("it's 5 it's that's he's", 261, "it's 5"),
        ("a   key   key   keys", 260, "a   key 7"),
        ("Key KEY key KEY Key KEYS 8", 260, "KEY 8"),
        ("$5 $5 5% 5% 5%: $$ %%", 259, "$5 5%"),
        ("key\n\nkey\n7\nkey\n\n\tkeys", 260, "key\n\n7\t8"),
        ("naïve 5 🙂🙂 naïve 5 🙂 naïve", 265, "naïve 🙂 5"),
        ("IV ⅣⅣ " * 8 + "cups", 260, "ⅣⅣ IV"),
        ("e\u0301t\u00e9 e\u0301t\u00e9 5 e\u0301 \u00e9", 260, "e\u0301 \u00e9"),
        ("\n\n key 7 key\n\n\n\n", 260, "\n\n\n"),
        ("²½ " * 14 + "cups", 260, "²½ ½²"),
        ("the key was in the old mill " * 4 + "and 12 brown plums and 34 brown hats" * 2, 282, "brown 12"),
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
    ids, of_text = tokenizer.encode(probe), tokenizer.encode(text)
    return {
        "vocab_size": tokenizer.vocab_size,
        "tokens": [tokenizer.decode([i]) for i in ids],
        "tokens of the text": [tokenizer.decode([i]) for i in of_text],
    }


def only_arabic_numerals(text, vocab_size):
    """As a BPETokenizer whose pattern has [0-9] in place of GPT-2's part for numbers."""
    if regex.search(r"[^\P{N}0-9]", text):
        raise ValueError("the pattern skips part of the text")
    return digit_tokenizer(text, vocab_size)


def only_decimal_numerals(text, vocab_size):
    """The same with \\d."""
    if regex.search(r"[^\P{N}\d]", text):
        raise ValueError("the pattern skips part of the text")
    return digit_tokenizer(text, vocab_size)


class NoMerges(Merges):
    """Single bytes, in a vocabulary that claims the size asked for."""

    def __init__(self, text, vocab_size):
        super().__init__(text, 257)
        self.vocab_size = vocab_size


NOTHING_MERGED = "Now nothing is merged, words neither. Only digits should stand alone."


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
        *(
            (
                lambda text, vocab_size, digit=digit: Merges(text, vocab_size, f"{digit}|{GPT2}"),
                "A number at the very start is split, and one behind a space is not: there, at the space, "
                "GPT-2's own part for numbers still fits, and takes all the digits with it.",
            )
            for digit in (r"\p{N}", r"\d", "[0-9]")
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
            only_decimal_numerals,
            "Does your pattern take this for a digit? `\\d` does not find ² or ½, which then fit no part of "
            "it; `\\p{N}` finds them all.",
        ),
        (
            lambda text, vocab_size: Merges(text, vocab_size, rf" ?\p{{L}}+|\p{{N}}|{REST}"),
            "What follows an apostrophe is cut in another way than by `GPT2_PATTERN`. Change what concerns "
            "digits, and nothing else.",
        ),
        (
            lambda text, vocab_size: Merges(text, vocab_size, DIGITS.replace(r"|\s+(?!\S)", "")),
            "Spaces before a word are cut in another way than by `GPT2_PATTERN`. Change what concerns "
            "digits, and nothing else.",
        ),
        (
            lambda text, vocab_size: digit_tokenizer(text.lower(), vocab_size),
            "It was trained on another text than the one given: the capitals' merges are missing.",
        ),
        *(
            (
                lambda text, vocab_size, few=few: Merges(text, vocab_size, rf" (?={few})|{few}|{GPT2}"),
                "Some digits are still cut as GPT-2 cuts them. `[0-9]` and `\\d` do not find ² or ½; "
                "`\\p{N}` does.",
            )
            for few in ("[0-9]", r"\d")
        ),
        (
            pattern_after_training,
            "You split the digits when encoding, and not when training: merges went to numbers that "
            "can now never "
            "come, and the words lack them.",
        ),
        (lambda text, vocab_size: Merges(text, vocab_size, r"[\s\S]"), NOTHING_MERGED),
        (NoMerges, NOTHING_MERGED),
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
