"""Answers to chapter 1's exercises."""

import re

import regex
from harness import Answers, ExerciseTests

from companion.tokenization import GPT2_PATTERN, BPETokenizer

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


# -- 1.3 ------------------------------------------------------------------


def request_by_look_up(tokenizer, text):
    ids = [tokenizer.special_tokens["<|instruction|>"]]
    ids.extend(tokenizer.encode(text))
    ids.append(tokenizer.special_tokens["<|response|>"])
    return ids


def request_marks_encoded(tokenizer, text):
    before = tokenizer.encode("<|instruction|>", allowed_special="all")
    return (
        before + tokenizer.encode(text) + tokenizer.encode("<|response|>", allowed_special={"<|response|>"})
    )


def request_nothing_allowed(tokenizer, text):
    marks = tokenizer.special_tokens
    return [marks["<|instruction|>"]] + tokenizer.encode(text, set()) + [marks["<|response|>"]]


def allows_all(tokenizer, text):
    return tokenizer.encode(f"<|instruction|>{text}<|response|>", allowed_special="all")


def allows_both(tokenizer, text):
    both = {"<|instruction|>", "<|response|>"}
    return tokenizer.encode(f"<|instruction|>{text}<|response|>", allowed_special=both)


def allows_none(tokenizer, text):
    return tokenizer.encode(f"<|instruction|>{text}<|response|>")


def allows_all_in_text(tokenizer, text):
    return [
        *request_by_look_up(tokenizer, "")[:1],
        *tokenizer.encode(text, "all"),
        *request_by_look_up(tokenizer, "")[1:],
    ]


def takes_names_out(tokenizer, text):
    for name in tokenizer.special_tokens:
        text = "".join(text.split(name))
    return request_by_look_up(tokenizer, text)


def without_response(tokenizer, text):
    return [tokenizer.special_tokens["<|instruction|>"], *tokenizer.encode(text)]


def without_instruction(tokenizer, text):
    return [*tokenizer.encode(text), tokenizer.special_tokens["<|response|>"]]


def roles_exchanged(tokenizer, text):
    marks = tokenizer.special_tokens
    return [marks["<|response|>"], *tokenizer.encode(text), marks["<|instruction|>"]]


def ids_nested(tokenizer, text):
    return [
        tokenizer.special_tokens["<|instruction|>"],
        tokenizer.encode(text),
        tokenizer.special_tokens["<|response|>"],
    ]


# -- 1.5 ------------------------------------------------------------------


def longest_by_sorting(text, tokens):
    by_length, cut, place = sorted(tokens, key=len, reverse=True), [], 0
    while place < len(text):
        token = next(token for token in by_length if text.startswith(token, place))
        cut.append(token)
        place += len(token)
    return cut


def longest_by_slices(text, tokens):
    cut, start = [], 0
    while start < len(text):
        end = len(text)
        while text[start:end] not in tokens:
            end -= 1
        cut.append(text[start:end])
        start = end
    return cut


def longest_recursive(text, tokens):
    if not text:
        return []
    for length in range(len(text), 0, -1):
        if text[:length] in set(tokens):
            return [text[:length], *longest_recursive(text[length:], tokens)]


def shortest_fits(text, tokens):
    cut, start = [], 0
    while start < len(text):
        end = start + 1
        while text[start:end] not in tokens:
            end += 1
        cut.append(text[start:end])
        start = end
    return cut


def first_fits(text, tokens):
    cut = []
    while text:
        for token in tokens:
            if text.startswith(token):
                break
        cut.append(token)
        text = text.removeprefix(token)
    return cut


def longest_of_all(text, tokens):
    for token in sorted(tokens, key=len, reverse=True):
        if token in text:
            before, after = text.split(token, 1)
            return longest_of_all(before, tokens) + [token] + longest_of_all(after, tokens)
    return []


def from_the_end(text, tokens):
    cut, end = [], len(text)
    while end > 0:
        start = next(start for start in range(end) if text[start:end] in tokens)
        cut.append(text[start:end])
        end = start
    return cut[::-1]


def lengths_one_short(text, tokens):
    cut, start, longest = [], 0, max(map(len, tokens))
    while start < len(text):
        lengths = range(max(longest - 1, 1), 0, -1)
        length = next(n for n in lengths if text[start : start + n] in tokens)
        cut.append(text[start : start + length])
        start += length
    return cut


def findall_unescaped(text, tokens):
    return re.findall("|".join(sorted(tokens, key=len, reverse=True)), text)


def never_forward(text, tokens):
    cut = []
    while text:
        cut = [max((token for token in tokens if text.startswith(token)), key=len)]
    return cut


def sorts_the_list(text, tokens):
    tokens.sort(key=len, reverse=True)
    return longest_by_sorting(text, tokens)


# -- 1.6 ------------------------------------------------------------------

NUMBERS = r" ?\p{N}+"


def digits_by_replacing(text, vocab_size):
    return BPETokenizer.train(text, vocab_size, pattern=GPT2_PATTERN.replace(NUMBERS, r"\p{N}"))


def digits_in_front(text, vocab_size):
    return BPETokenizer.train(text, vocab_size=vocab_size, pattern=r" (?=\p{N})|\p{N}|" + GPT2_PATTERN)


def digits_in_a_list(text, vocab_size):
    parts = [part for part in GPT2_PATTERN.split("|") if NUMBERS != part]
    return BPETokenizer.train([text], vocab_size, pattern="|".join([*parts, r"\p{N}"]))


def digits_of_ascii(text, vocab_size):
    return BPETokenizer.train(text, vocab_size, pattern=GPT2_PATTERN.replace(NUMBERS, "[0-9]"))


def digits_by_d(text, vocab_size):
    return BPETokenizer.train(text, vocab_size, pattern=GPT2_PATTERN.replace(NUMBERS, r"\d"))


def ascii_in_front(text, vocab_size):
    return BPETokenizer.train(text, vocab_size, pattern=r" (?=[0-9])|[0-9]|" + GPT2_PATTERN)


def decimals_in_front(text, vocab_size):
    return BPETokenizer.train(text, vocab_size, pattern=r" (?=\d)|\d|" + GPT2_PATTERN)


class OwnBytePairs:
    """Without the package: every piece apart, in a slow and different way."""

    digits = r"\p{N}"

    def __init__(self, text, vocab_size):
        self.vocab_size, self.merges = vocab_size, []
        pieces = [self.start(piece) for piece in self.pieces(text)]
        while len(self.merges) + 257 < vocab_size:
            counts = {}
            for piece in pieces:
                for pair in zip(piece, piece[1:], strict=False):
                    counts[pair] = counts.get(pair, 0) + 1
            self.merges.append(max(sorted(counts, reverse=True), key=counts.get))
            pieces = [merge_onto_the_last(piece, self.merges[-1]) for piece in pieces]

    def pieces(self, text):
        words, rest = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+", r" ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
        return regex.findall(rf"{words}|{self.digits}|{rest}", text)

    def start(self, piece):
        return [bytes([byte]) for byte in piece.encode()]

    def encode(self, text):
        found = []
        for piece in map(self.start, self.pieces(text)):
            for merge in self.merges:
                piece = merge_onto_the_last(piece, merge)
            found += piece
        return [int.from_bytes(b"\x01" + token) for token in found]

    def decode(self, ids):
        return b"".join(i.to_bytes(20).lstrip(b"\x00")[1:] for i in ids).decode("utf-8", "replace")


class OwnWithSpaces(OwnBytePairs):
    digits = r" ?\p{N}"


class OwnWithNumbers(OwnBytePairs):
    digits = r" ?\p{N}+"


class OwnWithoutMerges(OwnBytePairs):
    def pieces(self, text):
        return list(text)

    def __init__(self, text, vocab_size):
        self.vocab_size, self.merges = vocab_size, []


def part_added_at_the_end(text, vocab_size):
    return BPETokenizer.train(text, vocab_size, pattern=GPT2_PATTERN + r"|\p{N}")


def part_added_in_front(text, vocab_size):
    return BPETokenizer.train(text, vocab_size, pattern=r"\d|" + GPT2_PATTERN)


def keeps_the_space(text, vocab_size):
    return BPETokenizer.train(text, vocab_size, pattern=GPT2_PATTERN.replace(r"\p{N}+", r"\p{N}"))


def pattern_set_later(text, vocab_size):
    tokenizer = BPETokenizer.train(text, vocab_size)
    tokenizer.pattern = GPT2_PATTERN.replace(NUMBERS, r"\p{N}")
    return tokenizer


def words_lose_their_space(text, vocab_size):
    pattern = GPT2_PATTERN.replace(NUMBERS, r"\p{N}").replace(r" ?\p{L}", r"\p{L}")
    return BPETokenizer.train(text, vocab_size, pattern=pattern)


def forgets_end_of_text(text, vocab_size):
    return digits_by_replacing(text, vocab_size + 1)


def pattern_skips_spaces(text, vocab_size):
    return BPETokenizer.train(text, vocab_size, pattern=r" ?\p{L}+|\p{N}")


ANSWERS = {
    "1.1": Answers(
        right=[
            lambda tokens, pair: (t for t in merge_a_copy(tokens, pair)),
            merge_with_while,
            merge_onto_the_last,
            merge_a_copy,
            merge_recursive,
        ],
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
            (lambda tokens, pair: ["a"], "It gives the same for every input"),
            (lambda tokens, pair: None, "A function without `return` gives None"),
        ],
    ),
    "1.2": Answers(
        right=[3.4667, 3.2 / 12 * 13, lambda: 3.47, 3.46],
        wrong=[
            (6.4, "Twice the tokens are not twice the questions"),
            (3.2, "each token would cost one question more"),
            (lambda: 3.2 * 12 / 13, "The wrong way round"),
            (3.75, "what a byte costs now"),
            (13 / 12, "That is the ratio of the two"),
            (3.5, "Give it to two decimals"),
            (0, "too low"),
        ],
    ),
    "1.3": Answers(
        right=[request_by_look_up, request_marks_encoded, request_nothing_allowed],
        wrong=[
            (allows_all, "got its id: now the model believes that somebody else is speaking"),
            (allows_both, "Allowing fewer special tokens does not help"),
            (allows_all_in_text, "now the model believes that somebody else is speaking"),
            (allows_none, "The roles are spelled out, letter by letter"),
            (takes_names_out, "Something that the user typed is missing"),
            (without_response, "the id of `<|response|>` comes last"),
            (without_instruction, "the id of `<|instruction|>` comes first"),
            (roles_exchanged, "The two roles are exchanged"),
            (ids_nested, "a flat list of the tokenizer's ids"),
            (
                lambda tokenizer, text: tokenizer.decode(request_by_look_up(tokenizer, text)),
                "a model reads ids",
            ),
            (lambda tokenizer, text: [0], "first at [0]: '\\x00' instead of '<|instruction|>'"),
            (lambda tokenizer, text: tokenizer["<|response|>"], "not subscriptable"),
        ],
    ),
    "1.4": Answers(
        right=[0.141, 108 / 767, lambda: 0.1408],
        wrong=[
            (0.3076, "You counted all ids"),
            (109 / 768, "You counted `<|endoftext|>` among the merged"),
            (0.142, "You counted `<|endoftext|>` among the merged"),
            (0.4094, "You counted single bytes among the unused"),
            (0.1055, "You divided by all 1,024 ids"),
            (lambda: 154 / 767, "the share for the held-out stories"),
            (0.859, "the share of the tokens that do come"),
            (14.08, "in percent"),
            (lambda: 108, "That is their number"),
            (0.5, "too high"),
        ],
    ),
    "1.5": Answers(
        right=[longest_by_sorting, longest_by_slices, longest_recursive],
        wrong=[
            (shortest_fits, "You took the shortest token that fits"),
            (first_fits, "You took the first in the list that fits"),
            (longest_of_all, "the longest token that stands anywhere in the text"),
            (from_the_end, "You cut from the right end"),
            (lengths_one_short, "do your lengths run one short?"),
            (findall_unescaped, "marks such as `.` and `?` have meanings of their own"),
            (never_forward, "An endless loop?"),
            (sorts_the_list, "`tokens` is ['ab', 'a', 'A', 'b']"),
            (lambda text, tokens: longest_by_slices(text, tokens)[:-1], "The end of the text is missing"),
            (
                lambda text, tokens: sorted(set(longest_by_slices(text, tokens))),
                "first at [0]: '.' instead of 'a'",
            ),
            (lambda text, tokens: [text], "first at [0]: '' is too many"),
        ],
    ),
    "1.6": Answers(
        right=[digits_by_replacing, digits_in_front, digits_in_a_list, OwnBytePairs],
        wrong=[
            (part_added_at_the_end, "does it come too late?"),
            (OwnWithNumbers, "Two digits became one token"),
            (part_added_in_front, "one behind a space is not"),
            (keeps_the_space, "one digit, two ids"),
            (OwnWithSpaces, "The space must be a piece of its own"),
            (OwnWithoutMerges, "Now nothing is merged, words neither"),
            (pattern_set_later, "You split the digits when encoding, and not when training"),
            (words_lose_their_space, "The words lost the space before them"),
            (forgets_end_of_text, "`vocab_size` counts everything"),
            (digits_of_ascii, "do not find ² or ½, which then fit no part"),
            (digits_by_d, "does not find ² or ½, which then fit no part"),
            (ascii_in_front, "Some digits are still cut as GPT-2 cuts them"),
            (decimals_in_front, "Some digits are still cut as GPT-2 cuts them"),
            (pattern_skips_spaces, "skips part of the text"),
            (lambda text, vocab_size: digits_by_replacing(text, vocab_size).encode(text), "has no `encode`"),
        ],
    ),
}


class TestChapter1(ExerciseTests):
    answers = ANSWERS
