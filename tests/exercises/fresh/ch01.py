"""Answers to chapter 1 by someone who had not read the checks."""

import functools
import html
import itertools
import re
import unicodedata
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import numpy as np
import regex
import torch

from companion.tokenization import GPT2_PATTERN, BPETokenizer, Tokenizer, count_pieces, learn_merges


# 1.1: merge(tokens, pair)
def reference_merge(tokens, pair):
    merged, i = [], 0
    while i < len(tokens):
        step = 2 if list(tokens[i : i + 2]) == list(pair) else 1
        merged.append("".join(tokens[i : i + step]))
        i += step
    return merged


def merge_in_joined_text(tokens, pair):
    """Wrong where a token has several letters: ["ba", "n"]."""
    text, out, i = "".join(tokens), [], 0
    while i < len(text):
        step = 2 if text[i : i + 2] == "".join(pair) else 1
        out.append(text[i : i + step])
        i += step
    return out


def merge_spaced_text(tokens, pair):
    """Wrong where a token only ends like the pair's first: ["xa", "n"]; or holds a space."""
    return " ".join(tokens).replace(" ".join(pair), "".join(pair)).split(" ")


def merge_sennrich(tokens, pair):
    """The regular expression of the paper's listing; wrong where tokens hold spaces, as " the"."""
    bigram = re.escape(" ".join(pair))
    return re.sub(r"(?<!\S)" + bigram + r"(?!\S)", lambda _: "".join(pair), " ".join(tokens)).split()


def merge_fenced(tokens, pair):
    """Wrong for two pairs side by side: their shared fence is used up by the first."""
    a, b = pair
    text = "\0" + "\0".join(tokens) + "\0"
    return text.replace(f"\0{a}\0{b}\0", f"\0{a}{b}\0").split("\0")[1:-1]


def merge_in_place(tokens, pair):
    """Right result, but the caller's list is changed."""
    tokens[:] = reference_merge(tokens, pair)
    return tokens


def merge_drains(tokens, pair):
    """Right result, but the caller's list is empty afterwards."""
    out = []
    while tokens:
        token = tokens.pop(0)
        if tokens and (token, tokens[0]) == tuple(pair):
            token += tokens.pop(0)
        out.append(token)
    return out


def merge_from_the_right(tokens, pair):
    """Wrong for a a a: gives a aa."""
    turned = [token[::-1] for token in tokens[::-1]]
    return [t[::-1] for t in reference_merge(turned, [pair[1][::-1], pair[0][::-1]])][::-1]


def merge_overlapping(tokens, pair):
    """Wrong for a a a: gives aa aa."""
    out = []
    for i, token in enumerate(tokens):
        if tokens[i : i + 2] == list(pair):
            out.append("".join(pair))
        elif i == 0 or tokens[i - 1 : i + 1] != list(pair):
            out.append(token)
    return out


def merge_first_only(tokens, pair):
    """Wrong where the pair stands twice."""
    for i in range(len(tokens) - 1):
        if tokens[i : i + 2] == list(pair):
            return [*tokens[:i], "".join(pair), *tokens[i + 2 :]]
    return list(tokens)


def merge_by_sum(tokens, pair):
    """Compares joined letters; wrong for ["ab", "c"] and the pair ("a", "bc")."""
    merged, i = [], 0
    while i < len(tokens):
        step = 2 if i + 1 < len(tokens) and tokens[i] + tokens[i + 1] == pair[0] + pair[1] else 1
        merged.append("".join(tokens[i : i + step]))
        i += step
    return merged


def merge_either_order(tokens, pair):
    """Wrong for n a and the pair a n."""
    merged, i = [], 0
    while i < len(tokens):
        step = 2 if sorted(tokens[i : i + 2]) == sorted(pair) else 1
        merged.append("".join(tokens[i : i + step]))
        i += step
    return merged


def merge_loses_the_end(tokens, pair):
    """Wrong where the last token is not merged: it is left out."""
    merged, i = [], 0
    while i < len(tokens) - 1:
        step = 2 if tokens[i : i + 2] == list(pair) else 1
        merged.append("".join(tokens[i : i + step]))
        i += step
    return merged


def merge_looks_past_the_end(tokens, pair):
    """IndexError where the last token is the pair's first: b a."""
    merged, i = [], 0
    while i < len(tokens):
        if tokens[i] == pair[0] and tokens[i + 1] == pair[1]:
            merged.append(pair[0] + pair[1])
            i += 2
        else:
            merged.append(tokens[i])
            i += 1
    return merged


def merge_needs_a_first(tokens, pair):
    """IndexError for an empty list."""
    out = [tokens[0]]
    merged = False
    for token in tokens[1:]:
        if not merged and (out[-1], token) == tuple(pair):
            out[-1], merged = out[-1] + token, True
        else:
            out.append(token)
            merged = False
    return out


def merge_as_text(tokens, pair):
    """A string, not a list."""
    return " ".join(reference_merge(tokens, pair))


def merge_keeps_pairs(tokens, pair):
    """The merged token as a pair in the list."""
    text = "".join(pair)
    return [tuple(pair) if token == text else token for token in reference_merge(tokens, pair)]


def merge_ignores_case(tokens, pair):
    """Wrong for A n and the pair a n."""
    merged, i = [], 0
    while i < len(tokens):
        step = 2 if [t.lower() for t in tokens[i : i + 2]] == [t.lower() for t in pair] else 1
        merged.append("".join(tokens[i : i + step]))
        i += step
    return merged


def merge_remembers(tokens, pair, out=[]):  # noqa: B006
    """Wrong at the second call: the list is the first call's."""
    out.extend(reference_merge(tokens, pair))
    return out


def merge_same_object(tokens, pair):
    """`is`: wrong where equal tokens are two objects, as tokens cut from a text are."""
    merged, i = [], 0
    while i < len(tokens):
        if i + 1 < len(tokens) and tokens[i] is pair[0] and tokens[i + 1] is pair[1]:
            merged.append(pair[0] + pair[1])
            i += 2
        else:
            merged.append(tokens[i])
            i += 1
    return merged


def merge_ends_with(tokens, pair):
    """Wrong for xa n, and for a a a, which becomes one token."""
    out = []
    for token in tokens:
        if out and out[-1].endswith(pair[0]) and token == pair[1]:
            out[-1] += token
        else:
            out.append(token)
    return out


def merge_skips_two(tokens, pair):
    """Goes by two: wrong where the pair begins at an odd place."""
    out = []
    for i in range(0, len(tokens), 2):
        two = tokens[i : i + 2]
        out += ["".join(two)] if two == list(pair) else two
    return out


def merge_strips(tokens, pair):
    """Wrong for tokens with a space: they lose it."""
    return [token.strip() for token in reference_merge(tokens, pair)]


def merge_with_stack(tokens, pair):
    """Right: merge backwards onto what was written, if that is whole."""
    out = []
    for token in tokens:
        if out and (out[-1], token) == tuple(pair):
            out[-1] += token
        else:
            out.append(token)
    return tuple(out)


def merge_yields(tokens, pair):
    """Right: a generator."""
    held = None
    for token in tokens:
        if held is not None and (held, token) == tuple(pair):
            yield held + token
            held = None
        else:
            if held is not None:
                yield held
            held = token
    if held is not None:
        yield held


def merge_by_letters(tokens, pair):
    """Right: each token one letter of an alphabet of its own, str.replace, and back."""
    letters = {token: chr(0xF0000 + i) for i, token in enumerate(dict.fromkeys([*tokens, *pair]))}
    names = {letter: token for token, letter in letters.items()} | {"!": "".join(pair)}
    text = "".join(letters[token] for token in tokens)
    return [names[c] for c in text.replace(letters[pair[0]] + letters[pair[1]], "!")]


def merge_as_array(tokens, pair):
    """Right: an array of objects."""
    return np.array(reference_merge(tokens, pair), dtype=object)


# 1.3: request(tokenizer, text)
def marks(tokenizer):
    return tokenizer.special_tokens["<|instruction|>"], tokenizer.special_tokens["<|response|>"]


def reference_request(tokenizer, text):
    first, last = marks(tokenizer)
    return [first, *tokenizer.encode(text), last]


def request_joined(tokenizer, text):
    """Wrong where the text holds a mark."""
    return tokenizer.encode("<|instruction|>" + text + "<|response|>", allowed_special="all")


def request_joined_two(tokenizer, text):
    """Wrong where the text holds one of the two marks; <|endoftext|> stays text."""
    allowed = {"<|instruction|>", "<|response|>"}
    return tokenizer.encode("<|instruction|>" + text + "<|response|>", allowed_special=allowed)


def request_spelled(tokenizer, text):
    """Wrong for every text: the marks are ordinary text."""
    return tokenizer.encode("<|instruction|>" + text + "<|response|>")


def request_deletes(tokenizer, text):
    """Wrong where the text holds a mark: it does not arrive."""
    for name in tokenizer.special_tokens:
        text = text.replace(name, "")
    return reference_request(tokenizer, text)


def request_deletes_ids(tokenizer, text):
    """Wrong where the text holds a mark: cut out as ids."""
    special = set(tokenizer.special_tokens.values())
    ids = [i for i in tokenizer.encode(text, "all") if i not in special]
    first, last = marks(tokenizer)
    return [first, *ids, last]


def request_allows_end(tokenizer, text):
    """Wrong where the text holds <|endoftext|> (or another name that is no mark)."""
    first, last = marks(tokenizer)
    others = set(tokenizer.special_tokens) - {"<|instruction|>", "<|response|>"}
    return [first, *tokenizer.encode(text, others), last]


def request_allows_all(tokenizer, text):
    """Wrong where the text holds a special token's name."""
    first, last = marks(tokenizer)
    return [first, *tokenizer.encode(text, "all"), last]


def request_swapped(tokenizer, text):
    """The marks in each other's place."""
    first, last = marks(tokenizer)
    return [last, *tokenizer.encode(text), first]


def request_counts_ids(tokenizer, text):
    """The marks as the last two ids; wrong where another special token stands behind them."""
    n = tokenizer.vocab_size
    return [n - 2, *tokenizer.encode(text), n - 1]


def request_counts_ids_from_end_of_text(tokenizer, text):
    """The marks as the first two special ids; wrong where another one stands before them."""
    first = min(tokenizer.special_tokens.values())
    return [first, *tokenizer.encode(text), first + 1]


def request_strips(tokenizer, text):
    """Wrong for a text with spaces around it."""
    return reference_request(tokenizer, text.strip())


def request_one_line(tokenizer, text):
    """Wrong for two spaces, or line ends."""
    return reference_request(tokenizer, " ".join(text.split()))


def request_line_ends(tokenizer, text):
    """Wrong for \\r\\n."""
    return reference_request(tokenizer, text.replace("\r\n", "\n"))


def request_nfc(tokenizer, text):
    """Wrong for an e with a combining accent."""
    return reference_request(tokenizer, unicodedata.normalize("NFC", text))


def request_nfkc(tokenizer, text):
    """Wrong for ½ or a ligature."""
    return reference_request(tokenizer, unicodedata.normalize("NFKC", text))


def request_nfd(tokenizer, text):
    """Wrong for a composed é."""
    return reference_request(tokenizer, unicodedata.normalize("NFD", text))


def request_lower(tokenizer, text):
    """Wrong for capitals."""
    return reference_request(tokenizer, text.lower())


def request_ascii(tokenizer, text):
    """Wrong for é: it is left out."""
    return reference_request(tokenizer, text.encode("ascii", "ignore").decode())


def request_cut(tokenizer, text):
    """Wrong for a text of more than 100 characters."""
    return reference_request(tokenizer, text[:100])


def request_cut_ids(tokenizer, text):
    """Wrong for a text of more than 256 tokens."""
    first, last = marks(tokenizer)
    return [first, *tokenizer.encode(text)[:256], last]


def request_spaced(tokenizer, text):
    """A space before the text, that nobody typed."""
    return reference_request(tokenizer, " " + text)


def request_ends(tokenizer, text):
    """<|endoftext|> behind the row, where there is one, so the model has no turn."""
    end = tokenizer.special_tokens.get("<|endoftext|>")
    return reference_request(tokenizer, text) + ([] if end is None else [end])


def request_refuses(tokenizer, text):
    """ValueError where the text holds a mark."""
    if any(name in text for name in tokenizer.special_tokens):
        raise ValueError("forged")
    return reference_request(tokenizer, text)


def request_empty(tokenizer, text):
    """Wrong for the empty text: no marks."""
    return reference_request(tokenizer, text) if text else []


def request_by_character(tokenizer, text):
    """Wrong where a token has several characters: a model never saw it spelled so."""
    first, last = marks(tokenizer)
    return [first, *(i for c in text for i in tokenizer.encode(c)), last]


def request_by_word(tokenizer, text):
    """Wrong where a space stands before a word: the two are encoded apart."""
    first, last = marks(tokenizer)
    words = re.split(r"(\s+)", text)
    return [first, *(i for word in words for i in tokenizer.encode(word)), last]


def request_there_and_back(tokenizer, text):
    """Wrong for a tokenizer with <unk>: an unknown character arrives as the text "<unk>"."""
    return reference_request(tokenizer, tokenizer.decode(tokenizer.encode(text)))


def request_escapes(tokenizer, text):
    """Wrong where the text holds a mark: a character is put into it."""
    return reference_request(tokenizer, text.replace("<|", "< |"))


def request_text(tokenizer, text):
    """The row as text."""
    return "<|instruction|>" + text + "<|response|>"


_rows = {}


def request_remembers(tokenizer, text):
    """Wrong at the second tokenizer for the same text."""
    if text not in _rows:
        _rows[text] = reference_request(tokenizer, text)
    return _rows[text]


def request_pops(tokenizer, text):
    """The caller's tokenizer loses its special tokens."""
    first = tokenizer.special_tokens.pop("<|instruction|>")
    last = tokenizer.special_tokens.pop("<|response|>")
    return [first, *tokenizer.encode(text), last]


def request_adds_a_token(tokenizer, text):
    """Right ids, but the caller's tokenizer gets a special token more."""
    tokenizer.special_tokens["<|user|>"] = tokenizer.vocab_size
    return reference_request(tokenizer, text)


def request_no_response(tokenizer, text):
    """The response's mark is missing."""
    return reference_request(tokenizer, text)[:-1]


def request_ordinary(tokenizer, text):
    """Right: encode_ordinary."""
    first, last = marks(tokenizer)
    return first, *tokenizer.encode_ordinary(text), last


def request_array(tokenizer, text):
    """Right: an array; the marks encoded alone, each allowed."""
    parts = [
        tokenizer.encode("<|instruction|>", {"<|instruction|>"}),
        tokenizer.encode(text),
        tokenizer.encode("<|response|>", "all"),
    ]
    return np.concatenate([np.array(part, dtype=np.int64) for part in parts])


def request_tensor(tokenizer, text):
    """Right: a tensor."""
    return torch.tensor(reference_request(tokenizer, text))


def request_chain(tokenizer, text):
    """Right: an iterator; the ids looked up in vocab."""
    names = {
        token.decode("utf-8", "replace") if isinstance(token, bytes) else token: i
        for i, token in tokenizer.vocab.items()
    }
    ids = tokenizer.encode(text)
    return itertools.chain([names["<|instruction|>"]], ids, [names["<|response|>"]])


# 1.5: longest_first(text, tokens)
def reference_longest(text, tokens):
    cut = []
    while text:
        cut.append(max((token for token in tokens if text.startswith(token)), key=len))
        text = text[len(cut[-1]) :]
    return cut


def longest_shortest(text, tokens):
    """The shortest that fits."""
    cut = []
    while text:
        cut.append(min((token for token in tokens if text.startswith(token)), key=len))
        text = text[len(cut[-1]) :]
    return cut


def longest_first_listed(text, tokens):
    """The first of the list that fits; right only where longer ones stand first."""
    cut = []
    while text:
        cut.append(next(token for token in tokens if text.startswith(token)))
        text = text[len(cut[-1]) :]
    return cut


def longest_last_listed(text, tokens):
    """The last of the list that fits; right only where longer ones stand last."""
    return longest_first_listed(text, tokens[::-1])


def longest_of_four(text, tokens):
    """Wrong for a token of five letters."""
    return reference_longest(text, [token for token in tokens if len(token) <= 4])


def longest_of_ten(text, tokens):
    """Wrong for a token of eleven letters."""
    return reference_longest(text, [token for token in tokens if len(token) <= 10])


def longest_while_it_grows(text, tokens):
    """Stops at the first prefix that is no token: wrong for "the" where "th" is none."""
    cut = []
    while text:
        n = 1
        while n < len(text) and text[: n + 1] in tokens:
            n += 1
        cut.append(text[:n])
        text = text[n:]
    return cut


def longest_sorts_in_place(text, tokens):
    """Right result, but the caller's list is sorted."""
    tokens.sort(key=len, reverse=True)
    return longest_first_listed(text, tokens)


def longest_uses_up(text, tokens):
    """Right result for most, but the caller's list grows empty, and a token fits only once."""
    cut = []
    while text:
        best = max((token for token in tokens if text.startswith(token)), key=len)
        tokens.remove(best)
        cut.append(best)
        text = text[len(best) :]
    return cut


def longest_anywhere(text, tokens):
    """Takes the longest token that stands anywhere, then cuts left and right of it."""
    if not text:
        return []
    best = max((token for token in tokens if token in text), key=len)
    before, _, after = text.partition(best)
    return [*longest_anywhere(before, tokens), best, *longest_anywhere(after, tokens)]


def longest_from_the_right(text, tokens):
    """Begins at the end."""
    cut = []
    while text:
        cut.insert(0, max((token for token in tokens if text.endswith(token)), key=len))
        text = text[: -len(cut[0])]
    return cut


def longest_fewest(text, tokens):
    """The fewest tokens of all ways to cut."""
    best = [[]]
    for end in range(1, len(text) + 1):
        ways = [[*best[end - len(t)], t] for t in tokens if text[:end].endswith(t)]
        best.append(min(ways, key=len))
    return best[-1]


def longest_lstrip(text, tokens):
    """lstrip removes letters, not a beginning: wrong for "aab"."""
    cut = []
    while text:
        cut.append(max((token for token in tokens if text.startswith(token)), key=len))
        text = text.lstrip(cut[-1])
    return cut


def longest_regex_raw(text, tokens):
    """Marks such as . and ( mean something else in a regular expression."""
    return re.findall("|".join(sorted(tokens, key=len, reverse=True)), text)


def longest_regex_unsorted(text, tokens):
    """The first alternative that fits, not the longest."""
    return re.findall("|".join(map(re.escape, tokens)), text)


def longest_regex_ignore_case(text, tokens):
    """Wrong where AB is no token and ab is one."""
    return re.findall("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))), text, re.I)


def longest_by_word(text, tokens):
    """Wrong for a token that reaches across a space."""
    return [t for word in re.findall(r" ?[^ ]+| ", text) for t in reference_longest(word, tokens)]


def longest_by_line(text, tokens):
    """Wrong for a text with a line end: it is lost."""
    return [t for line in text.splitlines() for t in reference_longest(line, tokens)]


def longest_strips(text, tokens):
    """Wrong for a text with a space at its end."""
    return reference_longest(text.strip(), tokens)


def longest_lower(text, tokens):
    """Wrong for capitals."""
    return reference_longest(text.lower(), [*tokens, *text.lower()])


def longest_nfc(text, tokens):
    """Wrong for a combining accent."""
    return reference_longest(
        unicodedata.normalize("NFC", text), [*tokens, *unicodedata.normalize("NFC", text)]
    )


def longest_cut(text, tokens):
    """Wrong for a text of more than 100 letters."""
    return reference_longest(text[:100], tokens)


def longest_numbers(text, tokens):
    """The places of the tokens in the list."""
    return [tokens.index(token) for token in reference_longest(text, tokens)]


def longest_joined(text, tokens):
    """One string."""
    return " ".join(reference_longest(text, tokens))


def longest_empty(text, tokens):
    """Wrong for the empty text: [""]."""
    return reference_longest(text, tokens) or [""]


def longest_needs_text(text, tokens):
    """ValueError for the empty text."""
    cut = []
    while True:
        cut.append(max((token for token in tokens if text.startswith(token)), key=len))
        text = text[len(cut[-1]) :]
        if not text:
            return cut


def longest_set(text, tokens):
    """Each token once."""
    return list(dict.fromkeys(reference_longest(text, tokens)))


def longest_leaves_the_last(text, tokens):
    """Wrong where the last token is a single letter: it is left out."""
    cut = []
    while len(text) > 1:
        cut.append(max((token for token in tokens if text.startswith(token)), key=len))
        text = text[len(cut[-1]) :]
    return cut


def longest_whole_only(text, tokens):
    """Never takes the whole rest: wrong where the text ends with its longest token."""
    cut = []
    while text:
        fits = [t for t in tokens if text.startswith(t) and (len(t) < len(text) or len(t) == 1)]
        cut.append(max(fits, key=len))
        text = text[len(cut[-1]) :]
    return cut


_sorted = []


def longest_remembers(text, tokens):
    """Wrong at the second vocabulary: it is added to the first."""
    _sorted.extend(tokens)
    return reference_longest(text, _sorted)


def longest_by_alphabet(text, tokens):
    """Right: of several beginnings of one text, the greatest is the longest."""
    i = 0
    while i < len(text):
        token = max(t for t in tokens if text.startswith(t, i))
        yield token
        i += len(token)


def longest_regex(text, tokens):
    """Right: a regular expression, sorted and escaped."""
    pattern = regex.compile("|".join(map(regex.escape, sorted(set(tokens), key=len, reverse=True))))
    return tuple(m.group() for m in pattern.finditer(text))


def longest_window(text, tokens):
    """Right: all lengths down from the longest, in a set; an array of objects."""
    known, most, i, cut = set(tokens), max(map(len, tokens), default=0), 0, []
    while i < len(text):
        n = next(n for n in range(most, 0, -1) if text[i : i + n] in known)
        cut.append(text[i : min(i + n, len(text))])
        i += n
    return np.array(cut, dtype=object)


def longest_by_bytes(text, tokens):
    """Right: longest in bytes is longest in letters, for beginnings of one text."""
    cut = []
    while text:
        best = max(
            (t for t in tokens if text.startswith(t)), key=lambda t: len(t.encode("utf-8", "surrogatepass"))
        )
        cut.append(best)
        text = text.removeprefix(best)
    return cut


# 1.6: digit_tokenizer(text, vocab_size)
def with_pattern(digits, front=""):
    return front + GPT2_PATTERN.replace(r" ?\p{N}+", digits)


def digits_default(text, vocab_size):
    """GPT-2's own pattern: 57 may be one token."""
    return BPETokenizer.train(text, vocab_size)


def digits_with_space(text, vocab_size):
    """The 5 of " 5" is another token."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r" ?\p{N}"))


def digits_with_white_space(text, vocab_size):
    """The same for a line end or a tab before a digit."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\p{N}", r"\s\p{N}|"))


def digits_in_front(text, vocab_size):
    """Behind a space the old alternative still takes all digits."""
    return BPETokenizer.train(text, vocab_size, pattern=r"\p{N}|" + GPT2_PATTERN)


def digits_threes(text, vocab_size):
    """Up to three digits in a piece, as GPT-4 cuts."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\p{N}{1,3}"))


def digits_backslash_d(text, vocab_size):
    """Nothing takes ² or ½: ValueError."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\d"))


def digits_decimal(text, vocab_size):
    """Digits of \\p{Nd} one by one; ²½ is one piece."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\p{Nd}|\p{N}+"))


def digits_ascii(text, vocab_size):
    """0 to 9 one by one; ٣٤ is one piece."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"[0-9]| ?\p{N}+"))


def digits_ascii_as_marks(text, vocab_size):
    """0 to 9 one by one; other digits count as marks: ½% is one piece."""
    pattern = with_pattern("[0-9]").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}0-9]")
    return BPETokenizer.train(text, vocab_size, pattern=pattern)


def digits_listed(text, vocab_size):
    """The digits of the statement alone."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"[0-9²½٣]| ?\p{N}+"))


def digits_join_marks(text, vocab_size):
    """Marks take digits along: "%5" is one piece."""
    pattern = with_pattern(r"\p{N}").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}]")
    return BPETokenizer.train(text, vocab_size, pattern=pattern)


def digits_join_letters(text, vocab_size):
    """Words take digits along: "a5" is one piece."""
    pattern = with_pattern(r"\p{N}").replace(r" ?\p{L}+", r" ?\p{L}[\p{L}\p{N}]*")
    return BPETokenizer.train(text, vocab_size, pattern=pattern)


def digits_no_space_before_words(text, vocab_size):
    """ " ?" taken from all alternatives, not only from digits."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\p{N}").replace(" ?", ""))


def digits_and_the_rest(text, vocab_size):
    """All else as one piece: tokens across words."""
    return BPETokenizer.train(text, vocab_size, pattern=r"\p{N}|[^\p{N}]+")


def digits_without_apostrophes(text, vocab_size):
    """'s is no piece any more."""
    pattern = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    return BPETokenizer.train(text, vocab_size, pattern=pattern)


def digits_simple_spaces(text, vocab_size):
    """\\s+ alone: of several spaces before a word all are one piece."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\p{N}").replace(r"\s+(?!\S)|", ""))


def digits_words_pattern(text, vocab_size):
    """Another pattern of words: \\w holds the underscore, and marks stand one by one."""
    return BPETokenizer.train(text, vocab_size, pattern=r"\p{N}| ?[^\W\p{N}]+| ?[^\w\s]|\s+")


def digits_spaced_out(text, vocab_size):
    """Spaces put between digits, in the training text only."""
    return BPETokenizer.train(regex.sub(r"(\p{N})", r" \1 ", text), vocab_size)


def digits_removed(text, vocab_size):
    """Right pattern, but trained without digits: words around a digit grow together."""
    return BPETokenizer.train(regex.sub(r"\p{N}", "", text), vocab_size, pattern=with_pattern(r"\p{N}"))


def digits_pattern_later(text, vocab_size):
    """Trained with GPT-2's pattern, the new one set afterwards: merges of digits stay as tokens."""
    tokenizer = BPETokenizer.train(text, vocab_size)
    tokenizer.pattern = with_pattern(r"\p{N}")
    return tokenizer


def digits_lower(text, vocab_size):
    """Trained on lower case: capitals' merges are missing."""
    return BPETokenizer.train(text.lower(), vocab_size, pattern=with_pattern(r"\p{N}"))


def digits_cut(text, vocab_size):
    """Trained on the first 100 characters, as far as they go."""
    part = text[:100]
    pattern = with_pattern(r"\p{N}")
    most = len(learn_merges(count_pieces(part, pattern), vocab_size)) + 257
    return BPETokenizer.train(part, min(vocab_size, most), pattern=pattern)


def digits_one_line(text, vocab_size):
    """Trained without line ends."""
    return BPETokenizer.train(text.replace("\n", " "), vocab_size, pattern=with_pattern(r"\p{N}"))


def digits_fewer(text, vocab_size):
    """One token too few."""
    return BPETokenizer.train(text, vocab_size - 1, pattern=with_pattern(r"\p{N}"))


def digits_256(text, vocab_size):
    """vocab_size ignored: bytes only. Every digit is a token, and so is every letter."""
    return BPETokenizer.train(text, 257, pattern=with_pattern(r"\p{N}"))


_first = []


def digits_remembers(text, vocab_size):
    """Wrong at the second text."""
    if not _first:
        _first.append(BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\p{N}")))
    return _first[0]


def digits_pattern_itself(text, vocab_size):
    """The pattern, not a tokenizer."""
    return with_pattern(r"\p{N}")


def digits_untrained(text, vocab_size):
    """None: the result is not returned."""
    BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\p{N}"))


def digits_first(text, vocab_size):
    """Right: \\p{N} before the pattern, and the old alternative gone."""
    parts = [part for part in GPT2_PATTERN.split("|") if part != r" ?\p{N}+"]
    return BPETokenizer.train(text, vocab_size, pattern=r"[\p{N}]|" + "|".join(parts))


def digits_by_hand(text, vocab_size):
    """Right: merges learned, tokenizer built from them."""
    pattern = with_pattern(r"\p{N}{1}")
    merges = learn_merges(count_pieces([text], pattern), vocab_size - 257)
    return BPETokenizer(merges, pattern=pattern)


def digits_space_apart(text, vocab_size):
    """Right: an alternative takes the single space before a digit."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\p{N}| (?=\p{N})"))


def digits_subclass(text, vocab_size):
    """Right: a subclass with a pattern of its own."""

    class Digits(BPETokenizer, kind="digits of a test"):
        pass

    Tokenizer.kinds.pop("digits of a test")
    return Digits.train(text=text, vocab_size=vocab_size, pattern=with_pattern(r"\p{N}"))


class DigitMaker:
    """Right: an object that is called."""

    def __call__(self, text, vocab_size):
        return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"(?:\p{Nd}|\p{Nl}|\p{No})"))


# A second look: after the checks were mended, what would still get through?
def merge_first_hundred(tokens, pair):
    """Wrong for a list of more than 100 tokens."""
    return reference_merge(tokens[:100], pair) + tokens[100:]


def merge_nfc(tokens, pair):
    """Wrong where a token only looks like one of the pair: é written in two ways."""
    composed = [unicodedata.normalize("NFC", token) for token in tokens]
    return reference_merge(composed, [unicodedata.normalize("NFC", token) for token in pair])


def merge_casefolded(tokens, pair):
    """Wrong for ß and ss."""
    merged, i = [], 0
    while i < len(tokens):
        step = 2 if [t.casefold() for t in tokens[i : i + 2]] == [t.casefold() for t in pair] else 1
        merged.append("".join(tokens[i : i + step]))
        i += step
    return merged


def request_cut_at_thousand(tokenizer, text):
    """Wrong for a text of more than 1,000 characters."""
    return reference_request(tokenizer, text[:1000])


def request_cut_at_512(tokenizer, text):
    """Wrong for a text of more than 512 tokens."""
    first, last = marks(tokenizer)
    return [first, *tokenizer.encode(text)[:512], last]


def request_without_zero_width(tokenizer, text):
    """Wrong for characters that nobody sees."""
    return reference_request(tokenizer, text.replace("\u200b", "").replace("\ufeff", ""))


def request_unescaped(tokenizer, text):
    """Wrong for &lt;."""
    return reference_request(tokenizer, html.unescape(text))


def request_plain_spaces(tokenizer, text):
    """Wrong for a space that does not break."""
    return reference_request(tokenizer, text.replace("\xa0", " "))


def longest_of_twenty(text, tokens):
    """Wrong for a token of 21 letters."""
    return reference_longest(text, [token for token in tokens if len(token) <= 20])


def longest_cut_at_200(text, tokens):
    """Wrong for a text of more than 200 letters."""
    return reference_longest(text[:200], tokens)


def longest_with_marks_of_patterns(text, tokens):
    """re.VERBOSE: spaces and # in a token are skipped."""
    pattern = "|".join(sorted(tokens, key=len, reverse=True))
    pattern = re.sub(r"([.?*+()\[\]{}|^$\\\\])", r"\\\1", pattern.replace("|", "\0")).replace("\0", "|")
    return re.findall(pattern, text, re.VERBOSE)


def digits_no_letters(text, vocab_size):
    """Ⅳ, a number that is a letter, is skipped: ValueError."""
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"[\p{Nd}\p{No}]"))


def digits_nfc(text, vocab_size):
    """Trained with accents composed."""
    text = unicodedata.normalize("NFC", text)
    return BPETokenizer.train(text, vocab_size, pattern=with_pattern(r"\p{N}"))


def digits_of_different_words(text, vocab_size):
    """Trained on each word once: frequencies are lost."""
    text = " ".join(dict.fromkeys(text.split(" ")))
    most = len(learn_merges(count_pieces(text, with_pattern(r"\p{N}")), vocab_size)) + 257
    return BPETokenizer.train(text, min(vocab_size, most), pattern=with_pattern(r"\p{N}"))


def digits_stripped(text, vocab_size):
    """Trained without the spaces and line ends around the text."""
    return BPETokenizer.train(text.strip(), vocab_size, pattern=with_pattern(r"\p{N}"))


def prints(value):
    def answer():
        print(value)

    return answer


WRONG = {
    "1.1": [
        merge_in_joined_text,
        merge_spaced_text,
        merge_sennrich,
        merge_fenced,
        merge_in_place,
        merge_drains,
        merge_from_the_right,
        merge_overlapping,
        merge_first_only,
        merge_by_sum,
        merge_either_order,
        merge_loses_the_end,
        merge_looks_past_the_end,
        merge_needs_a_first,
        merge_as_text,
        merge_keeps_pairs,
        merge_ignores_case,
        merge_remembers,
        merge_same_object,
        merge_ends_with,
        merge_skips_two,
        merge_strips,
        merge_first_hundred,
        merge_nfc,
        merge_casefolded,
    ],
    # 3.4667: bytes as before, twice as many, bits per byte, 13/3.2, upside down, one digit, tokens' ratio …
    "1.2": [3.2, 6.4, 3.75, 4.0625, 12 * 3.2 / 13, 1.6, 3.4, 3.5, 346.67, 1.0833, 4.2, 3, -3.47, float("nan")]
    + [float("inf"), None, True, [], "four", prints(3.47), lambda: None, lambda: 3.44],
    "1.3": [
        request_joined,
        request_joined_two,
        request_spelled,
        request_deletes,
        request_deletes_ids,
        request_allows_end,
        request_allows_all,
        request_swapped,
        request_counts_ids,
        request_counts_ids_from_end_of_text,
        request_strips,
        request_one_line,
        request_line_ends,
        request_nfc,
        request_nfkc,
        request_nfd,
        request_lower,
        request_ascii,
        request_cut,
        request_cut_ids,
        request_spaced,
        request_ends,
        request_refuses,
        request_empty,
        request_by_character,
        request_by_word,
        request_there_and_back,
        request_escapes,
        request_text,
        request_remembers,
        request_pops,
        request_adds_a_token,
        request_no_response,
        request_cut_at_thousand,
        request_cut_at_512,
        request_without_zero_width,
        request_unescaped,
        request_plain_spaces,
    ],
    # 108 of 767: the number, the share that is used, of all 1,024, with bytes, with held-out stories only …
    "1.4": [108, 108 / 1024, 659 / 767, 154 / 767, 14.1, 0, 1.0, 0.15, 0.13, 0.114, 46 / 767, 0.1, -0.141]
    + [float("nan"), None, 767, False, [0.5], prints(0.141), lambda: 109],
    "1.5": [
        longest_shortest,
        longest_first_listed,
        longest_last_listed,
        longest_of_four,
        longest_of_ten,
        longest_while_it_grows,
        longest_sorts_in_place,
        longest_uses_up,
        longest_anywhere,
        longest_from_the_right,
        longest_fewest,
        longest_lstrip,
        longest_regex_raw,
        longest_regex_unsorted,
        longest_regex_ignore_case,
        longest_by_word,
        longest_by_line,
        longest_strips,
        longest_lower,
        longest_nfc,
        longest_cut,
        longest_numbers,
        longest_joined,
        longest_empty,
        longest_needs_text,
        longest_set,
        longest_leaves_the_last,
        longest_whole_only,
        longest_remembers,
        longest_of_twenty,
        longest_cut_at_200,
        longest_with_marks_of_patterns,
    ],
    "1.6": [
        digits_default,
        digits_with_space,
        digits_with_white_space,
        digits_in_front,
        digits_threes,
        digits_backslash_d,
        digits_decimal,
        digits_ascii,
        digits_ascii_as_marks,
        digits_listed,
        digits_join_marks,
        digits_join_letters,
        digits_no_space_before_words,
        digits_and_the_rest,
        digits_without_apostrophes,
        digits_simple_spaces,
        digits_words_pattern,
        digits_spaced_out,
        digits_removed,
        digits_pattern_later,
        digits_lower,
        digits_cut,
        digits_one_line,
        digits_fewer,
        digits_256,
        digits_remembers,
        digits_pattern_itself,
        digits_untrained,
        digits_no_letters,
        digits_nfc,
        digits_of_different_words,
        digits_stripped,
    ],
}

RIGHT = {
    "1.1": [
        merge_with_stack,
        merge_yields,
        merge_by_letters,
        merge_as_array,
        functools.partial(reference_merge),
    ],
    "1.2": [
        3.47,
        Fraction(52, 15),
        Decimal("3.467"),
        np.float32(13 / 3.75),
        torch.tensor(3.47),
        lambda: 13 * 3.2 / 12,
    ],
    "1.3": [request_ordinary, request_array, request_tensor, request_chain],
    "1.4": [
        0.141,
        Fraction(108, 767),
        np.array(0.1408),
        torch.tensor(108 / 767),
        lambda: Counter(a=108)["a"] / 767,
    ],
    "1.5": [longest_by_alphabet, longest_regex, longest_window, longest_by_bytes],
    "1.6": [digits_first, digits_by_hand, digits_space_apart, digits_subclass, DigitMaker()],
}
