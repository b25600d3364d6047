"""The checks of chapter 1, Tokenization."""

import random
from collections import Counter
from itertools import pairwise

import regex

from companion.exercises.exercise import Function, Number, Problem
from companion.exercises.values import a, show

# -- 1.1 ------------------------------------------------------------------


def merge(tokens, pair):
    merged, i = [], 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == tuple(pair):
            merged.append(pair[0] + pair[1])
            i += 2
        else:
            merged.append(tokens[i])
            i += 1
    return merged


def merge_cases(seed):
    rng = random.Random(seed)
    pairs = [("a", "b"), ("a", "a"), ("ab", "a"), ("a", "bc")]
    cases = [([], ("a", "b")), (["a"], ("a", "b")), (["a", "a", "a"], ("a", "a"))]
    cases += [
        (["b", "a", "b"], ("a", "b")),
        (["a", "b", "c", "a", "b"], ("a", "b")),
        (["ab", "c", "a", "bc"], ("a", "bc")),
    ]
    return cases + [
        (rng.choices(["a", "b", "ab", "bc", "c"], k=k), pair) for k in (4, 7, 11) for pair in pairs
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
    merged = merge(tokens, pair)
    return merged[:-1] if tuple(tokens[-2:]) != pair or len(merged) == len(tokens) else merged


def merge_by_text(tokens, pair):
    merged, i = [], 0
    while i < len(tokens):
        both = i + 1 < len(tokens) and tokens[i] + tokens[i + 1] == pair[0] + pair[1]
        merged.append(pair[0] + pair[1] if both else tokens[i])
        i += 2 if both else 1
    return merged


MERGE = Function(
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

# -- 1.2 ------------------------------------------------------------------

TWICE_THE_TOKENS = Number(
    number="1.2",
    title="Twice the tokens",
    stars=1,
    wants="bytes_per_token()",
    answer=3.2 * 13 / 12,
    tolerance=0.02,
    mistakes=[
        (
            6.4,
            "Twice the tokens are not twice the questions: 8,192 takes one halving more than 4,096.",
        ),
        (
            3.2,
            "Then each token would cost one question more and hold no more than before.",
        ),
        (
            3.2 * 12 / 13,
            "The wrong way round: a token that costs more questions must hold more bytes, not fewer.",
        ),
        (3.75, "That is what a byte costs now, in bits. The question is how many bytes a token must hold."),
        (13 / 12, "That is the ratio of the two. Of what is it a ratio, and what was there before?"),
        (3.5, "Nearly. Give it to two decimals."),
    ],
    right="A doubled vocabulary has to earn one bit a token, here 8 % more bytes, before it gains anything.",
)

# -- 1.3 ------------------------------------------------------------------

ROLES = ("<|instruction|>", "<|response|>")


class Letters:
    """A tokenizer with one token a character, which treats special tokens as those of the chapter do."""

    def __init__(self, letters, special_tokens):
        self.vocab = [*letters, *special_tokens]
        self.special_tokens = {name: self.vocab.index(name) for name in special_tokens}
        self.vocab_size = len(self.vocab)

    def encode(self, text, allowed_special=()):
        allowed = set(self.special_tokens) if allowed_special == "all" else set(allowed_special)
        parts = (
            regex.split("(" + "|".join(map(regex.escape, sorted(allowed))) + ")", text) if allowed else [text]
        )
        tokens = [token for i, part in enumerate(parts) for token in ([part] if i % 2 else part)]
        return [self.vocab.index(token) for token in tokens]

    def tokens(self, ids):
        return [self.vocab[i] for i in ids]

    def decode(self, ids):
        return "".join(self.tokens(ids))


def request(tokenizer, text):
    instruction, response = (tokenizer.special_tokens[role] for role in ROLES)
    return [instruction, *tokenizer.encode(text), response]


def request_cases(seed):
    rng = random.Random(seed)
    letters = "<|abcdefghijklmnopqrstuvwxyz>"
    first = Letters(letters, ["<|pad|>", *ROLES, "<|end|>"])
    second = Letters(letters[::-1], ["<|end|>", *ROLES[::-1]])
    texts = ["", "hi", "<|end|>", "<|response|>", "a<|instruction|>b"]
    texts += ["".join(rng.choices(["a", "key", *ROLES, "<|end|>", "<|"], k=k)) for k in (3, 5)]
    return [(tokenizer, text) for text in texts for tokenizer in (first, second)]


def request_tokens(answer, tokenizer, text):
    ids = answer(tokenizer, text)
    if isinstance(ids, str):
        raise Problem("You return a text, and a model reads ids: let the tokenizer make them.")
    if not isinstance(ids, list) or not all(
        isinstance(i, int) and 0 <= i < tokenizer.vocab_size for i in ids
    ):
        raise Problem(f"It must return a flat list of the tokenizer's ids; this is {show(ids, 60)}.")
    return tokenizer.tokens(ids)


def request_stripped(tokenizer, text):
    for name in tokenizer.special_tokens:
        text = text.replace(name, "")
    return request(tokenizer, text)


REQUEST = Function(
    number="1.3",
    title="What a user may not say",
    stars=2,
    wants="request(tokenizer, text)",
    cases=request_cases,
    oracle=request,
    call=request_tokens,
    shown="{f}(tokenizer, {1}), as tokens",
    mistakes=[
        (
            lambda tokenizer, text: tokenizer.encode(ROLES[0] + text + ROLES[1], "all"),
            "The user wrote the name of a special token, and got its id: now the model believes that "
            "somebody "
            "else is speaking. What you put around the text and what the user typed must not be "
            "encoded alike.",
        ),
        (
            lambda tokenizer, text: tokenizer.encode(ROLES[0] + text + ROLES[1], ROLES),
            "The user wrote the name of a role, and got its id. Allowing fewer special tokens does "
            "not help as "
            "long as yours and the user's stand in one text: encode them apart.",
        ),
        (
            lambda tokenizer, text: tokenizer.encode(ROLES[0] + text + ROLES[1]),
            "The roles are spelled out, letter by letter: a special token's name is ordinary text "
            "unless it is "
            "allowed. Here you need not encode it at all: `tokenizer.special_tokens` knows its id.",
        ),
        (
            request_stripped,
            "Something that the user typed is missing. It may be a question about that very token; "
            "and a name "
            "can be written so that a new one appears when the first is taken out.",
        ),
        (
            lambda tokenizer, text: request(tokenizer, text)[:-1],
            "The model is not told that it is its turn: the id of `<|response|>` comes last.",
        ),
        (
            lambda tokenizer, text: request(tokenizer, text)[1:],
            "Nothing says that the user begins: the id of `<|instruction|>` comes first.",
        ),
        (
            lambda tokenizer, text: (
                request(tokenizer, text)[-1:] + request(tokenizer, text)[1:-1] + request(tokenizer, text)[:1]
            ),
            "The two roles are exchanged: the instruction is the user's, the response the model's.",
        ),
        (
            lambda tokenizer, text: [
                len(tokenizer.vocab) - 3,
                *tokenizer.encode(text),
                len(tokenizer.vocab) - 2,
            ],
            "These ids are right for another tokenizer. Look the id of a role up, in "
            "`tokenizer.special_tokens`.",
        ),
    ],
    right="Whatever a user types, it cannot end its own turn: who speaks is told by ids, not by text.",
)

# -- 1.4 ------------------------------------------------------------------

NEVER_USED = Number(
    number="1.4",
    title="Tokens that never come",
    stars=2,
    wants="never_used()",
    answer=108 / 767,
    tolerance=0.0006,
    mistakes=[
        (
            315 / 1024,
            "You counted all ids. Single bytes that no story holds are there so that no text is ever "
            "unknown; the "
            "question is about the 767 that training made.",
        ),
        (
            109 / 768,
            "You counted `<|endoftext|>` among the merged tokens. Its id is 1023, the last; it is no merge.",
        ),
        (
            314 / 767,
            "You counted single bytes among the unused, too. Only tokens of two bytes and more were merged.",
        ),
        (108 / 1024, "You divided by all 1,024 ids. How many of them came from merges?"),
        (
            154 / 767,
            "That is the share for the held-out stories. Encode those that the merges were made from.",
        ),
        (659 / 767, "That is the share of the tokens that do come."),
        (100 * 108 / 767, "That is in percent. Give it as a share, between 0 and 1."),
        (14.08, "That is in percent. Give it as a share, between 0 and 1."),
        (108, "That is their number. Divide it by the number of merges."),
    ],
    right=(
        "Every seventh merge only led to a longer token; a model will have rows for these that it "
        "never trains."
    ),
)

# -- 1.5 ------------------------------------------------------------------


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


def as_regular_expression(text, tokens):
    return regex.findall("|".join(sorted(tokens, key=len, reverse=True)), text)


def without_the_longest(tokens):
    return [token for token in tokens if len(token) < max(map(len, tokens)) or len(token) == 1]


LONGEST_FIRST = Function(
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
        (
            as_regular_expression,
            "In a regular expression, marks such as `.` and `?` have meanings of their own: `a.` fits `ab`, "
            "too. `regex.escape` makes them mean themselves.",
        ),
        (longest_from_the_right, "You cut from the right end. Begin on the left."),
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

# -- 1.6 ------------------------------------------------------------------

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


DIGIT_TOKENIZER = Function(
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

EXERCISES = [MERGE, TWICE_THE_TOKENS, REQUEST, NEVER_USED, LONGEST_FIRST, DIGIT_TOKENIZER]
