"""The perfect reader: the exact probability of every next word of a story.

On real text nobody knows how likely the next word was. In the village it can be computed: the reader keeps
all sentences that could still be meant, each with its probability, and drops those that the next word rules
out. What is left is certain as soon as one sentence is left.

`PerfectReader.next_words` adds up the drafts of sentences by their next word, and `read` drops drafts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from copy import copy
from functools import lru_cache, partial
from math import inf, log2
from typing import NamedTuple

from companion.village.facts import State
from companion.village.machine import VILLAGE, Pattern, Village

END = "<|endoftext|>"
"""What comes after the last word of a story, for certain."""
PUNCTUATION = '.,;:!?"'
KIND_OF_RULE = {"count": "count", "total": "sum", "minus": "difference"}
"""Kinds of words that are named by the rule of their slot, because the rule says what a reader must do."""


class Draft(NamedTuple):
    """A sentence that may be meant, filled as far as its next word needs."""

    probability: float  # of this draft, given the story before the sentence
    text: str  # what it says after the words that were read
    pattern: Pattern
    said: dict[str, str]  # the words in its first slots, by letter
    filled: int  # how many slots are filled


class Word(NamedTuple):
    """One word of a story, as the perfect reader met it."""

    text: str  # with its punctuation: "Mara,"
    kind: str  # of its slot: "name", "color", "count", "sum", …; "other" for a word that fills no slot
    back: int  # how many words ago the story said it last; 0 for a word that it has not said yet
    surprise: float  # −log2 of its probability, in bits


class PerfectReader:
    """Reads one story of the village word by word, and knows how likely each next word is.

    Args:
        village: The village that tells the story.
    """

    def __init__(self, village: Village = VILLAGE) -> None:
        self.village = village
        self.state = State()
        self.drafts: dict[str, list[Draft]] = {}  # by their next word
        self.sentence: list[str] = []  # the words of the sentence that is being read
        self.whole: list[str] = []  # the words of the sentence before
        self.last: Draft | None = None  # the same sentence
        self._after: dict[str, PerfectReader] = {}  # the readers that `after` has made
        self._next: dict[str, float] = {}  # what `next_words` has found
        self._begin()

    def next_words(self) -> dict[str, float]:
        """The probability of each word that can come next; `END` alone where the story is over."""
        if self.state.over:
            return {END: 1.0}
        if not self._next:
            weights = {}
            for word, drafts in self.drafts.items():
                weights[word] = sum([draft.probability for draft in drafts])
            total = sum(weights.values())
            self._next = {word: weight / total for word, weight in weights.items()}
        return self._next

    def read(self, word: str) -> None:
        """Read one word.

        Args:
            word: The word with its punctuation, without a space.

        Raises:
            ValueError: If the word cannot come here.
        """
        drafts = self.drafts.get(word)
        if drafts is None:
            raise ValueError(f"{word!r} cannot come after {self.last_words()!r} in a story of the village")
        self.sentence = [*self.sentence, word]
        self._after = {}
        self._next = {}
        if drafts[0].text == word:  # a sentence is whole, and no text is two sentences
            self.last = drafts[0]
            self.state = self.state.copy()  # another reader may hold it, see `after`
            self.village.advance(self.state, self.last.pattern, self.last.said, " ".join(self.sentence))
            self.whole = self.sentence
            self.sentence = []
            self._begin()
            return
        read = len(word) + 1
        self._fill([Draft(d.probability, d.text[read:], d.pattern, d.said, d.filled) for d in drafts])

    def _begin(self) -> None:
        """List the sentences that may come next: none if the story is over."""
        menu, self.options = self.village.menu(self.state)
        total = sum(menu.values())
        self._fill([Draft(weight / total, p.pieces[0], p, {}, 0) for p, weight in menu.items()])

    def _fill(self, open_drafts: list[Draft]) -> None:
        """Fill slots until each draft shows its next word whole. A choice of n words makes n drafts."""
        self.drafts = {}
        while open_drafts:
            draft = open_drafts.pop()
            probability, text, pattern, said, filled = draft
            word, space, _ = text.partition(" ")
            if space or filled == len(pattern.slots):
                self.drafts.setdefault(word, []).append(draft)
                continue
            slot = pattern.slots[filled]
            piece = pattern.pieces[filled + 1]
            allowed = self.village.allowed(self.state, slot, said, self.options)
            chance = probability / len(allowed)
            for option in allowed:
                words = {**said, slot.letter: option}
                open_drafts.append(Draft(chance, text + option + piece, pattern, words, filled + 1))

    def after(self, word: str) -> PerfectReader:
        """A reader that has read one word more; this one stays where it is."""
        if word not in self._after:
            other = copy(self)
            other._after = {}
            other.read(word)
            self._after[word] = other
        return self._after[word]

    @property
    def space(self) -> str:
        """What stands in the text before the next word: nothing before the first."""
        return " " if self.state.words or self.sentence else ""

    def spaced(self, word: str) -> str:
        """The word as it stands in the text: with a space before it, unless it is the first, or `END`."""
        return word if word == END else self.space + word

    def last_words(self) -> str:
        """What was read last, for messages: of this sentence, else the whole sentence before."""
        return " ".join(self.sentence or self.whole)


def next_words(text: str) -> dict[str, float]:
    """The exact distribution of the next word after the beginning of a story.

    Args:
        text: The story so far, up to the end of a word; "" for the first word.

    Returns:
        The probability of each word that can come next, with its punctuation; after a whole story, of `END`.

    Raises:
        ValueError: If the village could not have told the text. The message names the word.
    """
    reader = PerfectReader()
    for word in text.split():
        reader.read(word)
    return reader.next_words()


def entropy(distribution: dict[str, float]) -> float:
    """The expected surprise of a distribution, in bits."""
    return sum(p * log2(1 / p) for p in distribution.values())


def surprise(distribution: dict[str, float], word: str) -> float:
    """How surprising a word is where this is the distribution, in bits; infinite if it cannot come."""
    p = distribution.get(word, 0.0)
    return log2(1 / p) if p else inf


def read_story(text: str, reader: PerfectReader | None = None) -> list[Word]:
    """Read a whole story as the perfect reader does.

    Args:
        text: A story of the village, with one space between two words.
        reader: A reader that has read nothing, or None for a new one. It keeps what it finds, so if
            `read_tokens` gets the same reader, it need not read the story again.

    Returns:
        Its words in order. The sum of their surprises is `bits(text)`.

    Raises:
        ValueError: If the village could not have told the text, or the story has no end.
    """
    reader = reader or PerfectReader()
    words = []
    last_said = {}
    kinds: list[str] = []
    for i, word in enumerate(text.split(" ")):
        odds = reader.next_words()
        reader = reader.after(word)
        bare = word.strip(PUNCTUATION)
        back = i - last_said.get(bare, i)
        last_said[bare] = i
        words.append(Word(word, "other", back, surprise(odds, word)))
        if not reader.sentence:  # the word ended one
            kinds += kinds_of_words(reader.last)
    if not reader.state.over:
        raise ValueError(f"the story has no end: {text[-40:]!r}")
    return [word._replace(kind=kind) for word, kind in zip(words, kinds, strict=True)]


def kinds_of_words(draft: Draft) -> list[str]:
    """For each word of a whole sentence the kind of the slot that it stands in, or "other"."""
    pattern = draft.pattern
    said = draft.said
    filled = [said[slot.letter] for slot in pattern.slots]
    kinds = ["other"] * len(pattern.fill(filled).split(" "))
    before = pattern.pieces[0]
    for slot, words, piece in zip(pattern.slots, filled, pattern.pieces[1:], strict=True):
        first = before.count(" ")
        for place in range(first, first + words.count(" ") + 1):
            kinds[place] = KIND_OF_RULE.get(slot.rule, slot.kind)
        before += words + piece
    return kinds


# ---- tokens instead of words ------------------------------------------------------------------------------


def read_tokens(text: str, tokenizer, reader: PerfectReader | None = None) -> list[dict[int, float]]:
    """Read a story, or its beginning, token by token, as the perfect reader does.

    Args:
        text: The story, with one space between two words. A beginning may end within a word.
        tokenizer: Has `encode(text)`, which begins a new token at each space, and `end`, the id of
            <|endoftext|>.
        reader: As for `read_story`.

    Returns:
        For each token of the text, and for what comes after the last, the exact distribution: the probability
        of each token that can come there. The sum of the surprises of a story and its end is `bits(text)`.

    Raises:
        ValueError: If the village could not have told the text.
    """
    return list(token_distributions(text, tokenizer, reader))


def token_distributions(
    text: str, tokenizer, reader: PerfectReader | None = None
) -> Iterator[dict[int, float]]:
    """Yield what `read_tokens` returns, as far as the village could have told the text."""
    reader = reader or PerfectReader()
    encode = partial(word_ids, tokenizer)
    yield next_tokens(reader, encode, [])
    words = text.split(" ") if text else []
    for i, word in enumerate(words):
        if i:
            reader = reader.after(words[i - 1])
        ids = encode(reader.spaced(word))
        distributions = [next_tokens(reader, encode, ids[:n]) for n in range(1, len(ids) + 1)]
        if not ids or not distributions[-1]:
            raise ValueError(f"{word!r} cannot come after {reader.last_words()!r} in a story of the village")
        yield from distributions


@lru_cache(maxsize=10_000)
def word_ids(tokenizer, word: str) -> list[int]:
    """The tokens of a word, with the space before it, or of `END`. Do not change the list."""
    return [tokenizer.end] if word == END else tokenizer.encode(word)


def next_tokens(
    reader: PerfectReader, encode: Callable[[str], list[int]], begun: list[int]
) -> dict[int, float]:
    """The exact distribution of the next token.

    A word is as probable as its tokens together. So a token is as probable as all words together that begin
    with it. Where the tokens so far are a whole word, the next token may go on with it ("key" becomes
    "key.") or begin another word.

    Args:
        reader: Has read all words but the one that is begun.
        encode: Turns a word, with the space before it, into token ids.
        begun: The tokens of the next word that are there already; [] at its beginning.

    Returns:
        The probability of each token. Empty if no word that can come here begins with these tokens.
    """
    weights: dict[int, float] = defaultdict(float)
    n_begun = len(begun)
    space = reader.space
    for word, probability in reader.next_words().items():
        ids = encode(word if word == END else space + word)
        if begun and ids[:n_begun] != begun:
            continue
        if len(ids) > n_begun:
            weights[ids[n_begun]] += probability
            continue
        after = reader.after(word)
        for other, p in after.next_words().items():
            weights[encode(after.spaced(other))[0]] += probability * p
    total = sum(weights.values())
    return {token: weight / total for token, weight in weights.items()}
