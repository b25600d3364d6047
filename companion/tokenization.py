"""Text to numbers and back: characters, words, byte-pair encoding (chapter 1)."""

import codecs
import heapq
import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from operator import add
from pathlib import Path

import regex
import tiktoken

END_OF_TEXT = "<|endoftext|>"
UNKNOWN = "<unk>"
WORD_PATTERN = r" ?\w+| ?[^\w\s]|\s+"
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def documents(text: str | Iterable[str]) -> Iterator[str]:
    """The documents of a text: itself, if it is one str, or those that it yields."""
    for document in [text] if isinstance(text, str) else text:
        if not isinstance(document, str):
            raise TypeError(f"text holds {document!r:.40}, which must be a str; open files as text")
        yield document


def split_pieces(pattern: str, text: str) -> list[str]:
    """Cut text into the pieces that the pattern finds; together they are the text.

    Half a surrogate pair, which UTF-8 cannot hold, becomes U+FFFD. ValueError if the pattern skips text.
    """
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    pieces = regex.findall(pattern, text)
    if sum(map(len, pieces)) != len(text):
        raise ValueError(
            f"pattern={pattern!r} skips part of the text; add an alternative for the rest, such as |\\s"
        )
    return pieces


def split_special(text: str, special_tokens: Collection[str], allowed: Collection[str] | str) -> list[str]:
    """Cut text at the allowed special tokens: ordinary text at even places, a special token at odd ones."""
    if not isinstance(text, str):
        raise TypeError(f"text={text!r:.40} must be a str; encode several texts one by one")
    chosen = set(special_tokens) if allowed == "all" else set(allowed)
    unknown = sorted(chosen - set(special_tokens))
    if isinstance(allowed, str) and allowed != "all" or unknown:
        names = ", ".join(special_tokens)
        raise ValueError(
            f'allowed_special={allowed!r} must be "all" or a set of this tokenizer\'s special tokens: {names}'
        )
    longest_first = sorted(chosen, key=len, reverse=True)
    return regex.split(f"({'|'.join(map(regex.escape, longest_first))})", text) if chosen else [text]


def special_names(special_tokens: Iterable[str]) -> list[str]:
    """The names in a list; TypeError or ValueError for a bare str, an empty name, or a name given twice."""
    if isinstance(special_tokens, str):
        raise TypeError(
            f"special_tokens={special_tokens!r} must be several names; write ({special_tokens!r},)"
        )
    names = list(special_tokens)
    if "" in names or len(set(names)) < len(names):
        raise ValueError(
            f"special_tokens={names!r} must be different and not empty; remove what is there twice"
        )
    return names


def write_atomically(path: str | Path, data: str | bytes) -> None:
    """Write a file whole or not at all: into a new file beside it, which then takes its name."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(fresh, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def known_ids(tokens: Iterable[str], ids: dict[str, int], unknown: int | None) -> list[int]:
    """The id of each token; for one that ids lacks, the id `unknown`, or a ValueError where that is None."""
    found = [ids.get(token, unknown) for token in tokens]
    if None in found:
        missing = next(token for token in tokens if token not in ids)
        raise ValueError(
            f"text holds {missing!r}, which the vocabulary lacks; train with it, or with {UNKNOWN!r}"
        )
    return found


def load_tokenizer(path: str | Path, kinds: dict[str, type]) -> "Tokenizer":
    """Read what Tokenizer.save wrote, as the class that wrote it. ValueError for any other file."""
    try:
        state = json.loads(Path(path).read_text(encoding="utf-8"))
        return kinds[state.pop("kind")](**state)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"path={str(path)!r} is no tokenizer that .save wrote ({problem}); save it again"
        ) from None


class Tokenizer:
    """Text to ids and back. Subclasses say what a token is; special tokens, save and load are here.

    vocab: every token by its id, special tokens last; special_tokens: the id of each. A subclass lists in
    `fields` what its __init__ takes and keeps, and writes encode_ordinary.
    """

    kinds: dict[str, type] = {}

    def __init_subclass__(cls, kind: str):
        cls.kind, Tokenizer.kinds[kind] = kind, cls

    def __init__(self, tokens: Iterable[str | bytes], special_tokens: Iterable[str]):
        ordinary, names = list(tokens), special_names(special_tokens)
        self.vocab = dict(enumerate(ordinary + names))
        self.special_tokens = {name: len(ordinary) + i for i, name in enumerate(names)}
        self.vocab_size = len(self.vocab)

    def encode(self, text: str, allowed_special: Collection[str] | str = ()) -> list[int]:
        """The ids of a text. A special token's name in it counts as one only if allowed ("all", or a set)."""
        ids = []
        for i, part in enumerate(split_special(text, self.special_tokens, allowed_special)):
            ids += [self.special_tokens[part]] if i % 2 else self.encode_ordinary(part)
        return ids

    def tokens(self, ids: Iterable[int]) -> list:
        """The token of each id. Raises ValueError for an id outside the vocabulary."""
        return [look_up(self.vocab, i) for i in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids."""
        return "".join(self.tokens(ids))

    def save(self, path: str | Path) -> None:
        """Write everything that load needs, as JSON, whole or not at all."""
        state = {name: getattr(self, name) for name in ("kind", *self.fields)}
        write_atomically(path, json.dumps(state, default=lambda value: value.decode("latin-1")) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Read a saved tokenizer, as the class that wrote it."""
        return load_tokenizer(path, {kind: c for kind, c in Tokenizer.kinds.items() if issubclass(c, cls)})


def look_up(vocab: dict, i: int):
    """The token of one id. Raises ValueError for an id outside the vocabulary."""
    if int(i) not in vocab:
        raise ValueError(f"ids holds {int(i)}, but this tokenizer's ids run from 0 to {len(vocab) - 1}")
    return vocab[int(i)]


class CharTokenizer(Tokenizer, kind="char"):
    """One token for each character that the training text holds, in the order of their code points.

    Any other character becomes <unk>; a ValueError where special_tokens lacks that.
    """

    fields = ("characters", "special_tokens")

    def __init__(self, characters: Iterable[str], special_tokens: Iterable[str] = (UNKNOWN, END_OF_TEXT)):
        self.characters = "".join(characters)
        self.ids = {character: i for i, character in enumerate(self.characters)}
        super().__init__(self.characters, special_tokens)

    @classmethod
    def train(cls, text: str | Iterable[str], special_tokens=(UNKNOWN, END_OF_TEXT)) -> "CharTokenizer":
        """Collect the characters of a text, or of several."""
        return cls(sorted(set().union(*documents(text))), special_tokens)

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text, special tokens' names in it taken as plain text."""
        return known_ids(text, self.ids, self.special_tokens.get(UNKNOWN))


class WordTokenizer(Tokenizer, kind="word"):
    """One token for each word, mark or run of spaces in the training text, frequent ones first.

    Any other word becomes <unk>; a ValueError where special_tokens lacks that.
    """

    fields = ("words", "special_tokens", "pattern")

    def __init__(
        self, words, special_tokens: Iterable[str] = (UNKNOWN, END_OF_TEXT), pattern: str = WORD_PATTERN
    ):
        self.words, self.pattern = list(words), pattern
        self.ids = {word: i for i, word in enumerate(self.words)}
        super().__init__(self.words, special_tokens)

    @classmethod
    def train(cls, text, special_tokens=(UNKNOWN, END_OF_TEXT), pattern=WORD_PATTERN) -> "WordTokenizer":
        """Collect the words of a text, or of several."""
        counts = count_pieces(text, pattern)
        return cls(sorted(counts, key=lambda word: (-counts[word], word)), special_tokens, pattern)

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text, special tokens' names in it taken as plain text."""
        return known_ids(split_pieces(self.pattern, text), self.ids, self.special_tokens.get(UNKNOWN))


def count_pieces(text: str | Iterable[str], pattern: str = GPT2_PATTERN) -> Counter[str]:
    """How often each piece stands in a text, or in several."""
    counts: Counter[str] = Counter()
    for document in documents(text):
        counts.update(split_pieces(pattern, document))
    return counts


def replace_pair(word: str, pair: str, new: str) -> tuple[str, list[tuple[str, str]]]:
    """Write `new` for each `pair` in a word whose letters are tokens.

    Returns the new word, and (lost, gained) for each neighboring pair that this changed.
    """
    (a, b), word, changes = pair, word.replace(pair, new), []
    i = word.find(new)
    while i >= 0:
        before, after = word[i - 1 : i], word[i + 1 : i + 2]  # "" at either end of the word
        if before:
            changes.append(((b if before == new else before) + a, before + new))
        if after and after != new:
            changes.append((b + after, new + after))
        i = word.find(new, i + 1)
    return word, changes


def learn_merges(pieces: dict[str, int], n_merges: int) -> list[tuple[bytes, bytes]]:
    """The first n_merges merges of byte-pair encoding for these pieces and their counts, or all there are.

    Of pairs that are equally frequent, the lexicographically greater one is merged first.
    """
    words = [piece.encode().decode("latin-1") for piece in pieces]  # each byte a letter
    often, tokens = list(pieces.values()), [bytes([b]) for b in range(256)]
    counts, where = defaultdict(int), defaultdict(set)
    for w, word in enumerate(words):
        for pair in map(add, word, word[1:]):
            counts[pair] += often[w]
            where[pair].add(w)
    queue = PairQueue(counts, tokens)
    merges = []
    while len(merges) < n_merges and (pair := queue.pop()):
        a, b = (tokens[ord(token)] for token in pair)
        merges.append((a, b))
        tokens.append(a + b)
        new, touched = chr(len(tokens) - 1), set()
        for w in where.pop(pair):
            words[w], changes = replace_pair(words[w], pair, new)
            for lost, gained in changes:
                counts[lost] -= often[w]
                counts[gained] += often[w]
                where[gained].add(w)
                touched.add(gained)
        del counts[pair]
        queue.push(touched)
    return merges


class PairQueue:
    """Gives the most frequent pair; of equals, the one whose bytes are greater.

    counts and tokens belong to the caller and change. A count that fell is noticed when its pair comes up.
    """

    def __init__(self, counts: dict[str, int], tokens: list[bytes]):
        self.counts, self.tokens, self.heap = counts, tokens, []
        self.push(counts)

    def push(self, pairs: Iterable[str]) -> None:
        """Enter pairs with the counts that they have now."""
        for pair in pairs:
            heapq.heappush(self.heap, (-self.counts[pair], *map(self.backwards, pair), pair))

    def backwards(self, token: str) -> str:
        """A key that sorts tokens in the opposite order of their bytes: the heap gives the smallest first."""
        return "".join(chr(255 - b) for b in self.tokens[ord(token)]) + chr(256)

    def pop(self) -> str | None:
        """Take out the first pair; None when there is none."""
        while self.heap:
            count, *_, pair = heapq.heappop(self.heap)
            if self.counts.get(pair) == -count:
                return pair
            if self.counts.get(pair):
                self.push([pair])
        return None


def merge_piece(word: str, ranks: dict[str, str]) -> str:
    """Merge the tokens of a piece, written as letters, in the order in which the merges were learned."""
    while known := [pair for pair in map(add, word, word[1:]) if pair in ranks]:
        first = min(known, key=ranks.__getitem__)
        word = word.replace(first, ranks[first])
    return word


def as_bytes(token: str | bytes) -> bytes:
    """A token as it is in memory; JSON keeps bytes as a str with one character a byte."""
    return token if isinstance(token, bytes) else token.encode("latin-1")


def merge_ranks(tokens: list[bytes], merges: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Pair of letters -> the letter that replaces it: chr(id). Later merges have greater letters."""
    letter = {token: chr(i) for i, token in enumerate(tokens)}
    return {letter[a] + letter[b]: chr(256 + i) for i, (a, b) in enumerate(merges)}


def recover_merges(tokens: list[bytes]) -> list[tuple[bytes, bytes]]:
    """The merges that made a vocabulary, given its tokens in order: each is two earlier ones put together."""
    letter, ranks, merges = {token: chr(i) for i, token in enumerate(tokens)}, {}, []
    for token in tokens[256:]:
        pair = merge_piece("".join(letter[bytes([b])] for b in token), ranks)
        ranks[pair] = letter[token]
        merges.append((tokens[ord(pair[0])], tokens[ord(pair[1])]))
    return merges


def merges_for(vocab_size: int, names: list[str]) -> int:
    """How many merges a vocabulary has room for. ValueError if not even bytes and special tokens fit."""
    least = 256 + len(names)
    if vocab_size < least:
        raise ValueError(
            f"vocab_size={vocab_size} must be at least {least}: 256 bytes, {len(names)} special tokens"
        )
    return vocab_size - least


def gpt2_tokens() -> list[bytes]:
    """GPT-2's 50,256 ordinary tokens in order, from tiktoken's cache, or downloaded into it."""
    try:
        encoding = tiktoken.get_encoding("gpt2")
    except OSError as error:
        problem = f"{type(error).__name__} while fetching GPT-2's vocabulary"
        raise ConnectionError(
            f"{problem}; connect, or set TIKTOKEN_CACHE_DIR to a folder that has it"
        ) from None
    return [encoding.decode_single_token_bytes(i) for i in range(encoding.eot_token)]


class BPETokenizer(Tokenizer, kind="bpe"):
    """Byte-level byte-pair encoding: the 256 bytes, then a token for each merge, then the special tokens.

    pattern cuts the text into pieces that no token crosses; byte_order says which bytes have ids 0 to 255.
    Source: Sennrich et al., 2016 (arXiv:1508.07909); on bytes: Radford et al., 2019 (GPT-2), section 2.2.
    """

    fields = ("merges", "special_tokens", "pattern", "byte_order")

    def __init__(
        self, merges, special_tokens=(END_OF_TEXT,), pattern=GPT2_PATTERN, byte_order=bytes(range(256))
    ):
        self.merges = [(as_bytes(a), as_bytes(b)) for a, b in merges]
        self.pattern, self.byte_order = pattern, as_bytes(byte_order)
        ordinary = [bytes([b]) for b in self.byte_order] + [a + b for a, b in self.merges]
        super().__init__(ordinary, special_tokens)
        self.vocab |= {i: name.encode() for name, i in self.special_tokens.items()}
        self.ranks, self.cache = merge_ranks(ordinary, self.merges), {}

    @classmethod
    def train(
        cls, text, vocab_size: int, special_tokens=(END_OF_TEXT,), pattern=GPT2_PATTERN
    ) -> "BPETokenizer":
        """Learn vocab_size tokens in all. ValueError for fewer than the bytes, more than the text gives."""
        names = special_names(special_tokens)
        merges = learn_merges(count_pieces(text, pattern), merges_for(vocab_size, names))
        most = 256 + len(merges) + len(names)
        if most < vocab_size:
            raise ValueError(
                f"vocab_size={vocab_size} is more than this text can give; ask for at most {most}"
            )
        return cls(merges, names, pattern)

    @classmethod
    def gpt2(cls) -> "BPETokenizer":
        """GPT-2's own 50,257 tokens, from tiktoken's files: cached, else downloaded."""
        tokens = gpt2_tokens()
        return cls(recover_merges(tokens), byte_order=b"".join(tokens[:256]))

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text, special tokens' names in it taken as plain text."""
        return encode_pieces(split_pieces(self.pattern, text), self.ranks, self.byte_order, self.cache)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids; bytes that are no UTF-8 show as U+FFFD."""
        return b"".join(self.tokens(ids)).decode("utf-8", errors="replace")

    def to_tiktoken(self) -> tiktoken.Encoding:
        """The same tokenizer in tiktoken: same ids, its speed."""
        ranks = {
            token: i for i, token in self.vocab.items() if i < self.vocab_size - len(self.special_tokens)
        }
        return tiktoken.Encoding(
            "companion", pat_str=self.pattern, mergeable_ranks=ranks, special_tokens=self.special_tokens
        )


def encode_pieces(pieces: list[str], ranks: dict[str, str], byte_order: bytes, cache: dict) -> list[int]:
    """The ids of all pieces, one after the other. A piece met before is looked up in the cache."""
    letters = bytes(map(byte_order.index, range(256)))  # the id of each byte
    ids = []
    for piece in pieces:
        if piece not in cache:
            if len(cache) >= 2**17:  # some 30 MB
                cache.clear()
            word = piece.encode().translate(letters).decode("latin-1")
            cache[piece] = [ord(token) for token in merge_piece(word, ranks)]
        ids += cache[piece]
    return ids


def decode_stream(tokenizer: Tokenizer, ids: Iterable[int]) -> Iterator[str]:
    """Yield the text of ids as they come, holding back bytes until their character is whole."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for i in ids:
        (token,) = tokenizer.tokens([i])
        text = token if isinstance(token, str) else decoder.decode(token)
        if text:
            yield text
    if rest := decoder.decode(b"", final=True):
        yield rest
