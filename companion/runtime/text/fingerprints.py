"""What tells one tokenizer, or one row of tokens, from another: SHA-256, as 64 hexadecimal digits."""

import hashlib

import numpy as np

from companion.runtime.files.arguments import token_row

PIECE = 2**24  # tokens that are read at a time, so that a memory-mapped file never stands in memory whole


def token_bytes(token: str | bytes) -> bytes:
    """The bytes of a token."""
    return token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")


def tokenizer_fingerprint(tokenizer) -> str:
    """The same for two tokenizers that cut and number every text alike, however they were saved.

    Made of the vocabulary, the merges in order, the special tokens and the pattern or rules that cut text.
    """
    digest = hashlib.sha256()
    for i, token in sorted(tokenizer.vocab.items()):
        token = token_bytes(token)
        digest.update(b"%d %d " % (i, len(token)) + token)
    special = sorted(tokenizer.special_tokens.items())
    digest.update(repr((list(tokenizer.merges), special, tokenizer.rules)).encode())
    return digest.hexdigest()


def tokens_fingerprint(tokens) -> str:
    """Of a row of tokens: the SHA-256 of its bytes, which for a token file is that of the file."""
    tokens, digest = token_row(tokens), hashlib.sha256()
    for start in range(0, len(tokens), PIECE):
        digest.update(np.ascontiguousarray(tokens[start : start + PIECE]))
    return digest.hexdigest()
