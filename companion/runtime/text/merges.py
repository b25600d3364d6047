"""What chapter 1's BPETokenizer does not teach: checks of its merges, and tiktoken's vocabularies."""

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

import tiktoken

from companion.runtime.files.arguments import whole_number
from companion.runtime.terminal import joined_lines
from companion.runtime.text.tokenizer import special_names

# -- merges ----------------------------------------------------------------------------


def merges_wanted(vocab_size: int, special_tokens: Collection[str]) -> int:
    """Return how many merges make up a vocabulary with the 256 bytes and these special tokens.

    Args:
        vocab_size: Number of tokens in the vocabulary.
        special_tokens: Names of the special tokens.

    Raises:
        TypeError: If vocab_size is no int.
        ValueError: If vocab_size is too small.
    """
    n_special = len(special_names(special_tokens))
    parts = f"it has 256 bytes and {n_special} special tokens"
    return whole_number("vocab_size", vocab_size, 256 + n_special, parts) - 256 - n_special


def cut_long_pieces(counts: Mapping[str, int]) -> Counter[str]:
    """Cut each piece of more than 10,000 characters into parts of 32, from which merges are learned sooner.

    A merge reads every piece that it changes to its end, so a megabyte without a space would take hours.

    Args:
        counts: How often each piece occurs.
    """
    parts: Counter[str] = Counter()
    for piece, count in counts.items():
        size = 32 if len(piece) > 10_000 else len(piece)
        for start in range(0, len(piece), size):
            parts[piece[start : start + size]] += count
    return parts


class TooLarge(ValueError):
    """A vocabulary of more tokens than a text can give.

    Args:
        vocab_size: Number of tokens that was asked for.
        most: Number of tokens that the text can give at most.
    """

    def __init__(self, vocab_size: int, most: int):
        super().__init__(f"vocab_size={vocab_size} is more than this text can give; ask for at most {most}")
        self.most = most


def check_merges(merges: list, n_merges: int, vocab_size: int) -> list:
    """Return the merges that were learned.

    Args:
        merges: The merges that were learned.
        n_merges: Number of merges that were wanted.
        vocab_size: Number of tokens that was asked for, for the error.

    Raises:
        TooLarge: If there are fewer merges than were wanted.
    """
    if len(merges) < n_merges:
        raise TooLarge(vocab_size, vocab_size - n_merges + len(merges))
    return merges


# -- tiktoken, the library that OpenAI publishes -----------------------------------------


def as_tiktoken(vocab: dict[int, bytes], special_tokens: dict[str, int], pattern: str) -> tiktoken.Encoding:
    """Return a tiktoken encoding of a vocabulary, with its ordinary tokens apart from its special ones.

    Args:
        vocab: Every token by its id.
        special_tokens: The id of each special token.
        pattern: The regular expression that cuts a text into pieces.

    Raises:
        ValueError: If tiktoken cannot read the pattern, because its regular expressions are Rust's. Also if
            one special token begins another, because which of them tiktoken finds depends on a hash table.
    """
    names = sorted(special_tokens)  # a name stands right before those that it begins
    for first, second in pairwise(names):
        if second.startswith(first):
            raise ValueError(f"special token {second!r} begins with {first!r}; for tiktoken, rename one")
    special = set(special_tokens.values())
    ranks = {token: i for i, token in vocab.items() if i not in special}
    parts: dict[str, Any] = {"mergeable_ranks": ranks, "special_tokens": dict(special_tokens)}
    try:
        return tiktoken.Encoding("companion", pat_str=pattern, **parts)
    except ValueError as error:
        rule = f"is no regular expression to tiktoken: {joined_lines(error)}"
        raise ValueError(f"pattern={pattern!r} {rule}; use encode, or another pattern") from None


def gpt2_tokens() -> list[bytes]:
    """Return GPT-2's 50,256 ordinary tokens in order, from tiktoken's cache, or downloaded into it (1.5 MB).

    Raises:
        ConnectionError: If the vocabulary is neither cached nor can be downloaded.
    """
    try:
        encoding = tiktoken.get_encoding("gpt2")
    except OSError as error:
        problem = f"{type(error).__name__} while fetching GPT-2's vocabulary"
        remedy = "connect, or set TIKTOKEN_CACHE_DIR to a folder that has it"
        raise ConnectionError(f"{problem}; {remedy}") from None
    return [encoding.decode_single_token_bytes(i) for i in range(encoding.eot_token)]
