"""Which tokens may come next, so that a text stays one of a grammar (formats.py).

A `Constraint` is made for the field `allowed` of chapter 20's `Request`: called with the drawn ids, it
returns a mask of the next token.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from companion.runtime.text.tokenizer import Tokenizer, token_bytes
from companion.serve.formats import PLAIN, Place, advance, expand, needed, shortest

NEVER = 2**31 - 1
"""Bytes that are still needed after a token that is not allowed."""
NEEDED_BYTES = frozenset({*range(0x20, 0x7F), *range(0x80, 0xC0), *range(0xC2, 0xF1)})


class Vocabulary:
    """The ordinary tokens of a tokenizer, in tries: nested dicts by byte, the ids of a token under "ids".

    Args:
        tokenizer: The tokenizer.
        vocab_size: Number of logits. Tokens from there on are left out.

    Attributes:
        tokens: The bytes of each ordinary token. A mask allows no other token, but those that end.
        trie: All of them.
        unusual: Those that a string does not hold as they are, such as one with a quotation mark. Those with
            control characters, which JSON never has, are left out.
        longest: The most bytes of an unusual token.
        n_characters: For each id the number of characters, if the token is unescaped text of a string. Else
            0. int64 of shape (V,).

    Raises:
        ValueError: If not every byte has a token: at some places no other one may be allowed.
    """

    def __init__(self, tokenizer: Tokenizer, vocab_size: int):
        special = set(tokenizer.special_tokens.values())
        self.tokens = {}
        for i, token in tokenizer.vocab.items():
            if token and i not in special and i < vocab_size:
                self.tokens[i] = token_bytes(token)
        single = {token[0] for token in self.tokens.values() if len(token) == 1}
        if not single >= NEEDED_BYTES:
            raise ValueError("this model's tokenizer lacks tokens of single bytes, so no format can be kept")
        self.vocab_size = vocab_size
        self.trie: dict = {}
        self.unusual: dict = {}
        self.longest = 0
        self.n_characters = torch.zeros(vocab_size, dtype=torch.int64)
        for i, token in self.tokens.items():
            add_token(self.trie, token, i)
            text = token.decode("utf-8", "replace")
            if text.isprintable() and not set(text) & {'"', "\\", "\ufffd"}:
                self.n_characters[i] = len(text)
            elif min(token) >= 0x20:
                add_token(self.unusual, token, i)
                self.longest = max(self.longest, len(token))


@lru_cache(1)
def vocabulary_of(tokenizer: Tokenizer, vocab_size: int) -> Vocabulary:
    """Return the Vocabulary of a tokenizer, which is made once."""
    return Vocabulary(tokenizer, vocab_size)


def add_token(trie: dict, token: bytes, i: int) -> None:
    """Put a token with its id into a trie."""
    for byte in token:
        trie = trie.setdefault(byte, {})
    trie.setdefault("ids", []).append(i)


class Constraint:
    """Which tokens may follow, so that a text is one of a grammar's and ends within max_new_tokens.

    A token is allowed if the grammar allows its bytes, and if the tokens that remain suffice to end the text,
    a token for each byte. The tokens that end a text are allowed where it is complete. Special tokens are not
    allowed.

    Args:
        grammar: A piece, such as json_schema returns.
        vocabulary: The vocabulary.
        ends: Ids that end a text. One more token is needed for it.
        max_new_tokens: Largest number of tokens, the end included.

    Raises:
        ValueError: If max_new_tokens is too small for the shortest text.
    """

    def __init__(self, grammar, vocabulary: Vocabulary, ends: Sequence[int], max_new_tokens: int):
        self.vocabulary = vocabulary
        self.ends = list(ends)
        self.max_new_tokens = max_new_tokens
        self.places = expand(Place(grammar, None))
        self.n_read = 0
        self.in_strings: dict = {}
        least = shortest(grammar) + 1
        if max_new_tokens < least:
            raise ValueError(f"an answer in this format may need {least} tokens, above {max_new_tokens}")

    @property
    def complete(self) -> bool:
        """Whether the text so far is one of the grammar's."""
        return None in self.places

    def __call__(self, drawn: Sequence[int]) -> Tensor:
        """Return which tokens may follow those that were drawn, True for each: (V,).

        Args:
            drawn: All tokens so far. They begin with those of the last call.
        """
        for i in drawn[self.n_read :]:
            for byte in self.vocabulary.tokens[i]:
                self.places = advance(self.places, byte)
        self.n_read = len(drawn)
        left = self.max_new_tokens - len(drawn) - 1  # after the next token
        allowed = self.needed_after() < left  # one more than needed, for the end
        if self.complete:
            allowed[self.ends] = True
        return allowed

    def needed_after(self) -> Tensor:
        """Return the bytes that are still needed after each token, or NEVER: (V,).

        In a string most tokens are allowed. Those without quotation marks, escapes and parts of characters
        need no walk through the trie, and the others give the same numbers in the whole string.
        """
        vocabulary = self.vocabulary
        inside = [place for place in self.places if place is not None and place.piece is PLAIN]
        if not inside:
            return walked(self.places, vocabulary.trie, vocabulary.vocab_size)
        [place] = inside  # place.rest: the characters that are left; place.rest.rest: the closing mark
        room = place.rest.piece.most + 1  # characters
        key = (place.rest.rest, min(room, vocabulary.longest))
        if key not in self.in_strings:
            self.in_strings[key] = walked(self.places, vocabulary.unusual, vocabulary.vocab_size)
        fits = (vocabulary.n_characters > 0) & (vocabulary.n_characters <= room)
        return self.in_strings[key].where(~fits, needed(place.rest.rest))


def walked(places: list[Place | None], trie: dict, vocab_size: int) -> Tensor:
    """Return the bytes that are still needed after each token of a trie, or NEVER: (V,)."""
    ids = []
    numbers = []
    waiting = [(places, trie)]
    while waiting:
        places, inner = waiting.pop()
        for i in inner.get("ids", ()):
            ids.append(i)
            numbers.append(min(NEVER, *map(needed, places)))
        for byte, deeper in inner.items():
            if byte != "ids":
                after = advance(places, byte)
                if after:
                    waiting.append((after, deeper))
    found = torch.full((vocab_size,), NEVER)
    found[ids] = torch.tensor(numbers, dtype=torch.int64)
    return found
