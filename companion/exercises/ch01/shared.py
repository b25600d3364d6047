"""What several checks of chapter 1 use: one merge, and small trained tokenizers of every kind."""

from collections import Counter
from itertools import pairwise

import regex

END = "<|endoftext|>"
LETTERS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
GPT2 = rf"{LETTERS}| ?\p{{N}}+|{REST}"


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


class Tokenizer:
    """What the chapter's tokenizers have in common; special tokens come last, in the order given."""

    def __init__(self, ordinary, special_tokens):
        self.vocab = dict(enumerate([*ordinary, *special_tokens]))
        self.special_tokens = {name: len(ordinary) + i for i, name in enumerate(special_tokens)}
        self.vocab_size = len(self.vocab)
        self._ids = {token: i for i, token in enumerate(ordinary)}

    def encode(self, text, allowed_special=()):
        everything = allowed_special == "all"
        allowed = set(self.special_tokens) if everything else set(allowed_special)
        if (isinstance(allowed_special, str) and not everything) or not allowed <= set(self.special_tokens):
            raise ValueError(f'allowed_special={allowed_special!r} must be "all" or a set of special tokens')
        if not allowed:
            return self.encode_ordinary(text)
        names = "|".join(map(regex.escape, sorted(allowed, key=len, reverse=True)))
        ids = []
        for i, part in enumerate(regex.split(f"({names})", text)):
            ids += [self.special_tokens[part]] if i % 2 else self.encode_ordinary(part)
        return ids

    def known(self, tokens):
        """The id of each token, that of <unk> for one that is unknown."""
        return [self._ids[t] if t in self._ids else self.special_tokens["<unk>"] for t in tokens]

    def tokens(self, ids):
        return [self.vocab[int(i)] for i in ids]

    def decode(self, ids):
        return "".join(self.tokens(ids))


class Letters(Tokenizer):
    """One token a character."""

    def __init__(self, text, special_tokens):
        super().__init__(sorted(set(text)), special_tokens)

    def encode_ordinary(self, text):
        return self.known(text)


class Words(Tokenizer):
    """One token a word, mark or run of spaces."""

    pattern = r" ?\w+| ?[^\w\s]|\s+"

    def __init__(self, text, special_tokens):
        super().__init__(sorted(set(regex.findall(self.pattern, text))), special_tokens)

    def encode_ordinary(self, text):
        return self.known(regex.findall(self.pattern, text))


class Merges(Tokenizer):
    """Byte-pair encoding as the chapter's first loop does it, on lists of bytes."""

    def __init__(self, text, vocab_size, pattern=GPT2, special_tokens=(END,)):
        self.pattern, self.merges = pattern, []
        counted = Counter(regex.findall(pattern, text)).items()
        words = [(as_bytes(piece), often) for piece, often in counted]
        while len(self.merges) < vocab_size - 256 - len(special_tokens):
            counts = Counter()
            for word, often in words:
                for pair in pairwise(word):
                    counts[pair] += often
            if not counts:
                break
            self.merges.append(max(counts, key=lambda pair: (counts[pair], pair)))
            words = [(merge_bytes(word, self.merges[-1]), often) for word, often in words]
        ordinary = [bytes([b]) for b in range(256)] + [x + y for x, y in self.merges]
        super().__init__(ordinary, [name.encode() for name in special_tokens])
        self.special_tokens = {name: len(ordinary) + i for i, name in enumerate(special_tokens)}

    def encode_ordinary(self, text):
        ids = []
        for piece in regex.findall(self.pattern, text):
            word = as_bytes(piece)
            for pair in self.merges:
                word = merge_bytes(word, pair)
            ids += self.known(word)
        return ids

    def decode(self, ids):
        return b"".join(self.tokens(ids)).decode("utf-8", "replace")


def as_bytes(piece):
    return [bytes([b]) for b in piece.encode()]


def merge_bytes(word, pair):
    return merge(word, pair) if pair[0] in word else word
