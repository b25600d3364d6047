"""What every tokenizer needs besides its idea: special tokens, checks of what it is given, files."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from importlib import import_module
from operator import index
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import regex

from companion.runtime.files.arguments import replace_surrogates
from companion.runtime.files.atomic import write_atomic
from companion.runtime.terminal import joined_lines

BYTES = bytes(range(256))
"""Each byte once, in order."""
END_OF_TEXT = "<|endoftext|>"
"""The special token that closes each text."""
UNKNOWN = "<unk>"
"""The special token that stands where the vocabulary has none."""
CHAT_TOKENS = ("<|user|>", "<|assistant|>", "<|end|>")  # the special tokens of chapter 16
CHAT_TEMPLATE = (
    "{{ '<|endoftext|>' }}{% for message in messages %}"
    "{% if message['role'] not in ['user', 'assistant'] %}"
    "{{ raise_exception('this model knows the roles user and assistant') }}{% endif %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""What chapter 16's chat_ids writes, as a program in Jinja."""


class SpecialTokens(dict):
    """The id of each special token by its name.

    Attributes:
        source: The file that the tokenizer was loaded from, for the error message.

    Raises:
        ValueError: If a name is looked up that it lacks. The message says what to do.
    """

    source: str | None = None

    def __missing__(self, name: str):
        place = f"the tokenizer in {self.source}" if self.source else "the tokenizer"
        raise ValueError(f"{place} lacks the special token {name!r}; train one with it in special_tokens")


class Tokenizer:
    """Text to ids and back. Subclasses say what a token is; special tokens, save and load are here.

    A subclass is written as ``class Mine(Tokenizer, kind="mine")``. It lists in `fields` the arguments that
    its ``__init__`` takes and keeps, which save writes beside the kind. It defines
    ``encode_ordinary(text) -> list[int]`` for text without special tokens.

    Attributes:
        vocab: Every token by its id, special tokens last.
        ids: The id of each ordinary token.
        special_tokens: The id of each special token.
    """

    kinds: dict[str, type] = {}
    kind: str
    fields: tuple[str, ...] = ()
    is_public = False
    """Whether it is a public model's, whose own chat template writes its conversations: see its `chat`."""
    pattern: str | None = None
    """The regular expression that cuts a text into pieces, where there is one."""
    merges: Collection[tuple[bytes, bytes]] = ()
    """The pairs that byte-pair encoding joins, in order."""
    ends: Sequence[int] = ()
    """Further ids that end a text, beside `end`."""
    model_ids: Mapping[str, Any] = MappingProxyType({})
    """What the config.json of its model says as bos_token_id and eos_token_id, where that was read."""
    generation: Mapping[str, Any] = MappingProxyType({})
    """What the model's generation_config.json holds."""
    sampling: Mapping[str, Any] = MappingProxyType({})
    """How the model of the tokenizer wants its texts to be drawn: options of generate."""
    without_end = f"tokenizer lacks {END_OF_TEXT}; train it with that in its special_tokens"

    def __init_subclass__(cls, kind: str):
        cls.kind = kind
        Tokenizer.kinds[kind] = cls

    def __init__(
        self,
        tokens: Iterable[str] | Iterable[bytes],
        special_tokens: Collection[str],
        pattern: str | None = None,
    ):
        names = special_names(special_tokens)
        ordinary = different_tokens(tokens)
        if "pattern" in self.fields:
            self.pattern = compiled(pattern).pattern
        self.ids = {token: i for i, token in enumerate(ordinary)}
        self.special_tokens = SpecialTokens({name: len(ordinary) + i for i, name in enumerate(names)})
        in_bytes = isinstance(ordinary[0], bytes)
        self.vocab = dict(enumerate(ordinary + [name.encode() if in_bytes else name for name in names]))
        self.vocab_size = len(self.vocab)

    # -- where texts begin and end

    # cached_property, not property: PublicTokenizer sets named_end, begin and control in its __init__
    @cached_property
    def named_end(self) -> int | None:
        """The id that ends a text, or None."""
        return self.special_tokens.get(END_OF_TEXT)

    @property
    def named_start(self) -> int | None:
        """The id that begins a text, or None."""
        return self.named_end

    @property
    def end(self) -> int:
        """The id that ends a text.

        Raises:
            ValueError: For a tokenizer that names none.
        """
        self.check_end()
        return self.named_end

    def check_end(self, place: str | Path = "") -> None:
        """Raise ValueError for a tokenizer that names no token that ends a text.

        Args:
            place: The tokenizer's file, for the error message.
        """
        if self.named_end is None:
            raise ValueError(f"{place}: {self.without_end}" if place else self.without_end)

    @property
    def start(self) -> int:
        """The id from which a text without a prompt is told, where nothing begins every text."""
        return self.end if self.named_start is None else self.named_start

    @cached_property
    def begin(self) -> list[int]:
        """The ids that stand before every text."""
        return [self.end]

    @cached_property
    def control(self) -> frozenset[int]:
        """The ids that no answer shows. <unk> is not one of them: it stands for a word of the text."""
        return frozenset(i for name, i in self.special_tokens.items() if name != UNKNOWN)

    @property
    def has_chat_tokens(self) -> bool:
        """Whether it has the special tokens of chapter 16."""
        return set(CHAT_TOKENS) <= set(self.special_tokens)

    @property
    def turn_end(self) -> int | None:
        """The id of the token that ends an answer; None for a tokenizer without chat tokens."""
        return self.special_tokens["<|end|>"] if self.has_chat_tokens else None

    @property
    def template(self) -> str | None:
        """The chat template, a program in Jinja; None where there is none."""
        return CHAT_TEMPLATE if self.has_chat_tokens else None

    # -- text to ids, and back

    @property
    def rules(self) -> str:
        """What decides how a text is cut: two tokenizers with the same tokens may differ in it."""
        return self.pattern or ""

    def encode(self, text: str, allowed_special: Collection[str] | str = ()) -> list[int]:
        """The ids of a text. Special tokens' names are ordinary text unless allowed ("all", or a set)."""
        ids = []
        names = allowed_names(text, self.special_tokens, allowed_special)
        for i, part in enumerate(split_special(replace_surrogates(text), names)):
            ids += [self.special_tokens[part]] if i % 2 else self.encode_ordinary(part)
        return ids

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text, special tokens' names in it taken as ordinary text."""
        raise NotImplementedError(f"{type(self).__name__} must define encode_ordinary(text)")

    def known_ids(self, tokens: Sequence[str]) -> list[int]:
        """Return the id of each token, and the id of <unk> for a token that the vocabulary lacks.

        Args:
            tokens: The tokens.

        Raises:
            ValueError: For a token that the vocabulary lacks, if special_tokens lacks <unk>.
        """
        found = [self.ids.get(token, self.special_tokens.get(UNKNOWN)) for token in tokens]
        if None in found:
            new = next(token for token in tokens if token not in self.ids)
            raise ValueError(f"text holds {new!r}, which the vocabulary lacks; train with it or {UNKNOWN!r}")
        return found

    def tokens(self, ids: Iterable[int]) -> list:
        """Return the token of each id.

        Raises:
            ValueError: For an id outside the vocabulary.
        """
        return [look_up(self.vocab, i) for i in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids."""
        return "".join(self.tokens(ids))

    def with_special_tokens(self, names: Collection[str]) -> Self:
        """The same tokenizer with further special tokens; their ids follow the last, no other id changes."""
        given = {field: getattr(self, field) for field in self.fields}
        return type(self)(**given | {"special_tokens": [*self.special_tokens, *names]})

    def save(self, path: str | Path) -> None:
        """Write everything that load needs, as JSON, whole or not at all; make the folder if need be."""
        state = {name: getattr(self, name) for name in ("kind", *self.fields)}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # JSON has no bytes; latin-1 has a character for each of the 256, so bytes become text and come back
        write_atomic(path, json.dumps(state, default=lambda b: b.decode("latin-1")) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a saved tokenizer, as the class that wrote it.

        Args:
            path: The file.

        Raises:
            ValueError: For any other file, and for a damaged one. The message names the file.
            OSError: If the file cannot be read.
        """
        data = Path(path).read_bytes()
        try:
            tokenizer: Any = from_state(json.loads(data), cls)
        except Exception as error:  # whatever a constructor finds wrong with the file
            problem = f"{type(error).__name__}: {joined_lines(error)}"
            where = f"path={str(path)!r} is no tokenizer that .save wrote"
            raise ValueError(f"{where} ({problem}); save it again") from None
        tokenizer.special_tokens.source = str(path)
        return tokenizer


def from_state(state: dict, cls: type[Tokenizer] = Tokenizer) -> Tokenizer:
    """Return the tokenizer of a saved state, of this class.

    Args:
        state: What save wrote.
        cls: The class, or a parent of it.

    Raises:
        Exception: For what is no such state.
    """
    given = dict(state)
    kind = given.pop("kind")
    if kind == "public":
        import_module("companion.runtime.text.hugging_face")  # a kind that no chapter imports
    kinds = {name: made for name, made in Tokenizer.kinds.items() if issubclass(made, cls)}
    if kind not in kinds:
        raise ValueError(f"its kind is {kind!r:.40}, which is none of {', '.join(map(repr, kinds))}")
    tokenizer = kinds[kind](**given)
    if tokenizer.special_tokens != given["special_tokens"]:
        raise ValueError("its special tokens have other ids")
    return tokenizer


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """A SHA-256, the same for two tokenizers that cut and number every text alike, however they were saved.

    Made of the vocabulary, the merges in order, the special tokens and the pattern or rules that cut text.
    """
    digest = hashlib.sha256()
    for i, token in sorted(tokenizer.vocab.items()):
        token = token_bytes(token)
        digest.update(b"%d %d " % (i, len(token)) + token)
    special = sorted(tokenizer.special_tokens.items())
    digest.update(repr((list(tokenizer.merges), special, tokenizer.rules)).encode())
    return digest.hexdigest()


def token_bytes(token: str | bytes) -> bytes:
    """The bytes of a token."""
    return token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")


# -- special tokens --------------------------------------------------------------------


def split_special(text: str, names: Collection[str]) -> list[str]:
    """Cut text at these special tokens: ordinary text at even places, special tokens at odd ones.

    From left to right; where one name begins another, the longer one is taken.
    """
    if not names:
        return [text]
    longest_first = sorted(names, key=len, reverse=True)
    return regex.split("(" + "|".join(map(regex.escape, longest_first)) + ")", text)


def special_names(given: Collection[str]) -> list[str]:
    """Return the names as a list.

    Raises:
        TypeError: For a single str.
        ValueError: For an empty or repeated name.
    """
    if isinstance(given, str):
        raise TypeError(f"special_tokens={given!r} must be several names; write ({given!r},)")
    names = list(given)
    if "" in names or len(set(names)) < len(names):
        raise ValueError(f"special_tokens={names!r} must be different names, none empty; leave out the rest")
    return names


def allowed_names(text: str, special: Collection[str], allowed: Collection[str] | str) -> list[str]:
    """Return the special tokens that count in a text.

    Args:
        text: The text.
        special: Names of all special tokens.
        allowed: Names that count, or "all".

    Raises:
        TypeError: If the text is no str.
        ValueError: For an unknown name.
    """
    if not isinstance(text, str):
        raise TypeError(f"text={text!r:.40} must be a str; encode several texts one by one")
    if allowed == "all":
        return list(special)
    if isinstance(allowed, str) or not set(allowed) <= set(special):
        rule = f'must be "all" or a set of special tokens: {", ".join(special) or "it has none"}'
        raise ValueError(f"allowed_special={allowed!r} {rule}")
    return list(allowed)


# -- texts, pieces and vocabularies ---------------------------------------------------


def documents(text: str | Iterable[str], special_tokens: Collection[str] = ()) -> Iterator[str]:
    """Yield the documents of a text, cut at special tokens.

    Args:
        text: One document as a str, or an iterable of documents.
        special_tokens: Names of the special tokens.

    Raises:
        TypeError: For a document that is no str.
    """
    names = special_names(special_tokens)
    for document in [text] if isinstance(text, str) else text:
        if not isinstance(document, str):
            raise TypeError(f"text holds {document!r:.40}, which must be a str; open files as text")
        yield from split_special(replace_surrogates(document), names)[::2]


@lru_cache(64)
def compiled(pattern: str) -> regex.Pattern:
    """Return a regular expression, ready to use.

    Raises:
        ValueError: If the pattern is invalid.
    """
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"pattern={pattern!r} is no regular expression: {error}; mend it") from None


def split_pieces(pattern: str, text: str) -> list[str]:
    """Cut text into the pieces that the pattern finds; together they are the text.

    Half a surrogate pair becomes � (U+FFFD), as in tiktoken.

    Args:
        pattern: The regular expression.
        text: The text.

    Raises:
        ValueError: For a pattern that is invalid or skips text.
    """
    text = replace_surrogates(text)
    found = compiled(pattern)
    if found.groups:  # findall would give the groups in place of the whole
        pieces = [match[0] for match in found.finditer(text)]
    else:
        pieces = found.findall(text)
    if "".join(pieces) != text:
        raise ValueError(f"pattern={pattern!r} skips part of the text; add an alternative, such as |\\s+")
    return pieces


def different_tokens(given: Iterable[str] | Iterable[bytes]) -> list:
    """Return the tokens as a list.

    Raises:
        ValueError: For no tokens, and for a repeated one.
    """
    tokens = list(given)
    if not tokens:
        raise ValueError("text is empty, and gives no tokens; train on one that is not")
    token, times = Counter(tokens).most_common(1)[0]
    if times > 1:
        raise ValueError(f"tokens hold {token!r:.40} {times} times; each must have one id")
    return tokens


def look_up(vocab: dict, i: int):
    """Return the token of one id.

    Raises:
        ValueError: For an id outside the vocabulary.
        TypeError: For what is no whole number.
    """
    i = index(i)
    if i not in vocab:
        raise ValueError(f"ids holds {i}, but the ids run from 0 to {max(vocab)}")
    return vocab[i]


# Here and not in merges.py, because a saved tokenizer needs it when it is loaded.
def byte_pairs(merges: Iterable[tuple], byte_order: str | bytes) -> tuple[list, bytes]:
    """Return the merges and byte_order of a BPETokenizer as bytes.

    Args:
        merges: Pairs of tokens, as bytes or as in a file, which has a character for each byte.
        byte_order: The 256 bytes, in either form.

    Raises:
        TypeError: For merges that are no pairs of tokens.
        ValueError: For a merge that joins what is no token yet, and for a byte_order that is not each of the
            256 bytes once.
    """

    def as_bytes(token: str | bytes) -> bytes:
        return token if isinstance(token, bytes) else token.encode("latin-1")

    order = as_bytes(byte_order)
    if sorted(order) != list(BYTES):
        raise ValueError(f"byte_order={byte_order!r:.40} must hold each of the 256 bytes once")
    try:
        pairs = [(as_bytes(first), as_bytes(second)) for first, second in merges]
    except (TypeError, ValueError, AttributeError):
        raise TypeError(f"merges={merges!r:.40} must be a list of pairs of tokens") from None
    known = {bytes([byte]) for byte in BYTES}
    for n, pair in enumerate(pairs):
        for token in pair:
            if token not in known:
                raise ValueError(f"merges[{n}]={pair!r} joins {token!r}, which no merge before it made")
        known.add(b"".join(pair))
    return pairs, order
