"""tiktoken, the library that OpenAI publishes: our vocabularies in it, and GPT-2's out of it."""

from collections.abc import Collection

import tiktoken

from companion.runtime.text.tokenizer import split_special


class LongestFirst(tiktoken.Encoding):
    """An encoding in which the longer special token wins where one's name begins another's.

    tiktoken itself tries the names in the order of a hash table, so there which of them wins depends on
    all their names, and `<|endoftext|>` may never be found beside `<|end`. Here, encode, encode_batch and
    encode_to_numpy cut the text as companion's tokenizers do; encode_with_unstable is tiktoken's.
    """

    def encode(self, text: str, *, allowed_special=frozenset(), disallowed_special="all") -> list[int]:
        """The ids of a text; as in tiktoken, ValueError for a special token that is disallowed."""
        known = self.special_tokens_set
        allowed = known if allowed_special == "all" else known & set(allowed_special)
        forbidden = known - allowed if disallowed_special == "all" else disallowed_special
        ids = []
        for i, part in enumerate(split_special(text, allowed)):
            if i % 2:
                ids.append(self._special_tokens[part])
            else:
                ids += super().encode(part, disallowed_special=forbidden)
        return ids

    def encode_to_numpy(self, text: str, **options):
        """As encode, in an array of uint32."""
        import numpy as np

        return np.array(self.encode(text, **options), dtype=np.uint32)


def one_begins_another(names: Collection[str]) -> bool:
    """Whether one of these names is the beginning of another."""
    ordered = sorted(names)  # then a name stands right before those that it begins
    return any(second.startswith(first) for first, second in zip(ordered, ordered[1:], strict=False))


def as_tiktoken(vocab: dict[int, bytes], special_tokens: dict[str, int], pattern: str) -> tiktoken.Encoding:
    """A vocabulary in tiktoken, which wants the ordinary tokens apart from the special ones.

    Raises ValueError if tiktoken cannot read the pattern: its regular expressions are Rust's.
    """
    special = set(special_tokens.values())
    ranks = {token: i for i, token in vocab.items() if i not in special}
    kind = LongestFirst if one_begins_another(special_tokens) else tiktoken.Encoding
    try:
        return kind("companion", pat_str=pattern, mergeable_ranks=ranks, special_tokens=dict(special_tokens))
    except ValueError as error:
        rule = f"is no regular expression to tiktoken: {' '.join(str(error).split())}"
        raise ValueError(f"pattern={pattern!r} {rule}; use encode, or another pattern") from None


def gpt2_tokens() -> list[bytes]:
    """GPT-2's 50,256 ordinary tokens in order, from tiktoken's cache, or downloaded into it (1.5 MB).

    Raises ConnectionError where it is neither cached nor to be had.
    """
    try:
        encoding = tiktoken.get_encoding("gpt2")
    except OSError as error:
        problem = f"{type(error).__name__} while fetching GPT-2's vocabulary"
        remedy = "connect, or set TIKTOKEN_CACHE_DIR to a folder that has it"
        raise ConnectionError(f"{problem}; {remedy}") from None
    return [encoding.decode_single_token_bytes(i) for i in range(encoding.eot_token)]
