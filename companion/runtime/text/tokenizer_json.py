"""The format of Hugging Face's tokenizer.json: read by their library `tokenizers`, and written."""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from companion.runtime.text.tokenizer import END_OF_TEXT, Tokenizer

FILE = "tokenizer.json"
SPACES = " \t\n\r\f\v▁"
"""What a token may be made of and still be text; ▁ is how SentencePiece writes a space."""
SPACE_DECODERS = {"Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"}
"""The steps of a decoder that turns ▁ into a space."""


def content(token: str | dict | None) -> str | None:
    """Return the name of a token that a configuration gives as a text or as an object."""
    return token["content"] if isinstance(token, dict) else token


def is_special(token: dict) -> bool:
    """Return whether an added token is a special one: it says so, or is more than spaces.

    Many files call what steers a model, such as <tool_call>, not special, so that it is shown. Runs of
    spaces, which GPT-NeoX adds, steer nothing.
    """
    return bool(token.get("special")) or bool(token["content"].strip(SPACES))


# -- the library -----------------------------------------------------------------------


def build_library(file: dict) -> Any:
    """Return the library's tokenizer for a tokenizer.json, in which no text becomes a special token."""
    import tokenizers

    kind = file["model"].get("type", "BPE")
    if kind != "BPE":
        raise ValueError(f"its model is {kind!r:.40}; only byte-pair encoding ('BPE') can be read")
    added = [token | {"special": is_special(token)} for token in file.get("added_tokens") or []]
    parts = {"added_tokens": added, "truncation": None, "padding": None}
    try:
        library = tokenizers.Tokenizer.from_str(json.dumps(file | parts))
    except Exception as error:  # the library raises nothing more special
        raise ValueError(f"the library tokenizers cannot read it ({error})") from None
    library.encode_special_tokens = True
    return library


def byte_level_file(
    vocab: dict[str, int],
    merges: list,
    added: list[dict],
    cuts: Sequence[str | None],
    normalizer: str | None = None,
    begin: str | None = None,
    ignore_merges: bool = False,
) -> dict:
    """Return a tokenizer.json of byte-level BPE.

    Args:
        vocab: Each token in byte letters, with its id.
        merges: Pairs of tokens.
        added: Special tokens, each with content and special.
        cuts: The patterns that cut a text, one after the other; None makes each digit a piece.
        normalizer: The name of a normalizer of the library's.
        begin: The token that begins every text.
        ignore_merges: Whether a piece that is a token stays whole, whatever the merges.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
    from tokenizers import pre_tokenizers as steps
    from tokenizers.processors import TemplateProcessing

    pairs = [tuple(pair) for pair in merges]
    library = Tokenizer(models.BPE(vocab, pairs, ignore_merges=ignore_merges))
    if normalizer is not None:
        library.normalizer = getattr(normalizers, normalizer)()
    before = [steps.Digits(True) if cut is None else steps.Split(Regex(cut), "isolated") for cut in cuts]
    level = steps.ByteLevel(add_prefix_space=False, use_regex=False)
    library.pre_tokenizer = steps.Sequence([*before, level])
    library.decoder = decoders.ByteLevel()
    tokens = [AddedToken(t["content"], special=t["special"], normalized=False) for t in added]
    library.add_tokens(tokens)
    if begin is not None:
        special = [(begin, library.token_to_id(begin))]
        library.post_processor = TemplateProcessing([begin, "$A"], [begin, "$A", begin, "$B:0"], special)
    return json.loads(library.to_str())


def bpe_file(tokenizer: Tokenizer) -> dict:
    """Return a BPETokenizer's tokenizer.json.

    Raises:
        ValueError: For a pattern or special token that it cannot hold.
    """
    special = tokenizer.special_tokens
    n_ordinary = len(tokenizer.vocab) - len(special)
    written = {tokenizer.vocab[i]: in_letters(tokenizer.vocab[i]) for i in range(n_ordinary)}
    vocab = {letters: i for i, letters in enumerate(written.values())}
    for name in special:
        if name in vocab:
            raise ValueError(f"special token {name!r} is an ordinary token, too, which {FILE} cannot hold")
    merges = [(written[a], written[b]) for a, b in tokenizer.merges]
    added = [{"content": name, "special": True} for name in special]
    begin = END_OF_TEXT if END_OF_TEXT in special else None  # our models learn every text behind it
    try:
        return byte_level_file(vocab, merges, added, [tokenizer.pattern], begin=begin)
    except Exception as error:  # its regular expressions are not Python's
        raise ValueError(f"pattern={tokenizer.pattern!r:.60} has no place in {FILE}: {error}") from None


# -- bytes -----------------------------------------------------------------------------


@lru_cache(1)
def byte_letters() -> list[str]:
    """Return the letter that stands for each of the 256 bytes in a byte-level tokenizer's file.

    Printable bytes stand for themselves; the others have the letters from U+0100 on, in order.

    Reference:
        GPT-2, encoder.py, bytes_to_unicode.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def in_letters(token: bytes) -> str:
    """Return a token as a byte-level tokenizer's file writes it."""
    letters = byte_letters()
    return "".join(letters[byte] for byte in token)


def bytes_of(file: dict) -> Callable[[str], bytes]:
    """Return a function from a token, as the file writes it, to its bytes.

    Raises:
        ValueError: For a decoder that is neither that of byte-level BPE nor that of ▁.
    """
    decoder = file.get("decoder") or {}
    steps = decoder["decoders"] if decoder.get("type") == "Sequence" else [decoder]
    kinds = {step.get("type") for step in steps}
    if "ByteLevel" in kinds:
        byte = {letter: i for i, letter in enumerate(byte_letters())}

        def from_letters(token: str) -> bytes:
            try:
                return bytes([byte[letter] for letter in token])
            except KeyError:  # not in byte letters, such as a special token
                return token.encode()

        return from_letters
    if not kinds & {"Metaspace", "Replace"} or kinds - SPACE_DECODERS:
        raise ValueError(f"its decoder is {', '.join(map(str, kinds)):.60}; read are ByteLevel, Metaspace")

    def from_text(token: str) -> bytes:
        match = re.fullmatch("<0x([0-9A-Fa-f]{2})>", token)
        if match and "ByteFallback" in kinds:
            return bytes.fromhex(match[1])
        return token.replace("▁", " ").encode()

    return from_text


def halves(merge: str | list[str]) -> list[str]:
    """Return the two tokens of a merge, in either of the two ways in which files write them."""
    return merge.split(" ") if isinstance(merge, str) else merge
