"""Where an answer ends, and what of it is never shown: one rule for all that decodes drawn ids.

An answer ends at every token that ends a text or a turn. The token that begins the user's turn ends one too,
because what follows would be the user's words. Control tokens steer the model and are no text, so no answer
shows them.
"""

import codecs
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from companion.runtime.text.tokenizer import Tokenizer

TURN_ENDS = ("<|end|>", "<|user|>")
"""Of the special tokens of chapter 16, those at which the model's turn is over."""


def end_ids(tokenizer: Tokenizer, vocab_size: int | None = None) -> tuple[int, ...]:
    """Return the ids at which a text or an answer ends, the one that closes a text first.

    A public tokenizer also knows the ids that its model's generation_config.json lists.

    Args:
        tokenizer: Any tokenizer.
        vocab_size: Rows of the model. An id without a row is never drawn, and is left out.

    Raises:
        ValueError: If the tokenizer knows no token that ends a text.
    """
    special = tokenizer.special_tokens
    found = [tokenizer.end, *tokenizer.ends]
    found += [special[name] for name in TURN_ENDS if name in special]
    return tuple(dict.fromkeys(i for i in found if vocab_size is None or i < vocab_size))


def stop_ids(stop: int | Collection[int] | None) -> tuple[int, ...]:
    """Return what generate takes as `stop`, one id, several or None, as a tuple of ids."""
    if stop is None:
        return ()
    ids: Any = stop if isinstance(stop, (list, tuple, set, frozenset)) else (stop,)
    return tuple(ids)


def until(ids: Iterable[int], stop: int | Collection[int] | None) -> Iterator[int]:
    """Yield ids up to the first one that stops, which is left out."""
    stops = stop_ids(stop)
    for i in ids:
        if i in stops:
            return
        yield i


def drawn_token(tokenizer: Tokenizer, i: int) -> str | bytes:
    """The token of an id that a model drew; b"" where the model has rows to spare and this is one of them."""
    try:
        return tokenizer.tokens([i])[0]
    except ValueError:
        if i < 0:
            raise
        return b""


class TextDecoder:
    """The text of ids that come one by one; bytes are held back until their character is whole.

    `add` takes an id as drawn_token does, and returns the text that can be shown now, which may be empty.
    `end` returns what was held back.

    Args:
        tokenizer: The tokenizer.
        hidden: Ids that have no text here, such as those of control tokens in an answer.
    """

    def __init__(self, tokenizer: Tokenizer, hidden: Collection[int] = ()):
        self.tokenizer = tokenizer
        self.hidden = hidden
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, i: int) -> str:
        if i in self.hidden:
            return ""
        token = drawn_token(self.tokenizer, i)
        return token if isinstance(token, str) else self.decoder.decode(token)

    def end(self) -> str:
        return self.decoder.decode(b"", final=True)


def decode_stream(tokenizer: Tokenizer, ids: Iterable[int], hidden: Collection[int] = ()) -> Iterator[str]:
    """Yield the text of ids as they come, holding back bytes until their character is whole.

    Joined, the pieces are what tokenizer.decode gives, with one exception. A public model's decode may drop a
    first space, which stays here because the text may follow another text.

    Args:
        tokenizer: The tokenizer.
        ids: The ids, as for drawn_token.
        hidden: Ids that have no text here, as for TextDecoder.
    """
    decoder = TextDecoder(tokenizer, hidden)
    for i in ids:
        text = decoder.add(i)
        if text:
            yield text
    rest = decoder.end()
    if rest:
        yield rest


def answer_decoder(tokenizer: Tokenizer) -> TextDecoder:
    """Return a decoder of ids that come one by one, to which control tokens are no text."""
    return TextDecoder(tokenizer, tokenizer.control)


def decode_answer(
    tokenizer: Tokenizer, ids: Iterable[int], stop: int | Collection[int] | None = None
) -> Iterator[str]:
    """Yield the text of drawn ids as they come, up to the first that stops, without control tokens.

    Bytes are held back until their character is whole, as in decode_stream.
    """
    return decode_stream(tokenizer, until(ids, stop), tokenizer.control)
