"""Excess bits: what a model pays for a word beyond what the perfect reader pays.

The loss of a model has two parts. The unavoidable one is the surprise of the perfect reader: nobody could
have known better. The rest is avoidable. On average over many words it is not negative (it is the
Kullback–Leibler divergence of the model's distribution from the true one), though on a single word a model
can be lucky.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from itertools import chain
from math import log, log2
from typing import NamedTuple

import torch

from companion.village.reader import END, PerfectReader, Word, read_story, read_tokens, word_ids

RESAMPLES = 2000
"""How often the stories are resampled for an interval."""
RESAMPLES_SEED = 61


class WordLoss(NamedTuple):
    """What one word cost a model, and what it cost the perfect reader."""

    word: str  # with its punctuation; `END` after the last word of a story
    kind: str  # as in `Word`; "end" for the end of a story
    back: int  # as in `Word`
    unavoidable: float  # the perfect reader's surprise, in bits
    loss: float  # the model's surprise, in bits

    @property
    def excess(self) -> float:
        """The avoidable part: the loss beyond the perfect reader's."""
        return self.loss - self.unavoidable


@torch.no_grad()
def word_losses(teller, texts: Iterable[str]) -> list[list[WordLoss]]:
    """The losses of a model and of the perfect reader, word by word.

    Whether a word goes on ("key" or "key.") is decided by the token after it. So both losses are added up
    token by token, from the same distributions.

    Args:
        teller: Has model, tokenizer and end, as a LanguageModel of the village's tokenizer.
        texts: Stories of the village.

    Returns:
        For each story its words, and its end.

    Raises:
        ValueError: If the village could not have told a text.
    """
    was_training = teller.model.training
    teller.model.eval()
    try:
        return [losses_of_story(teller, text) for text in texts]
    finally:
        teller.model.train(was_training)


def losses_of_story(teller, text: str) -> list[WordLoss]:
    """The losses of the words of a story, and of its end, with the model in evaluation mode."""
    tokenizer = teller.tokenizer
    words, odds = read_words_and_tokens(text, tokenizer)
    words = [*words, Word(END, "end", 0, 0.0)]
    ids = [*tokenizer.encode(text), teller.end]
    tokens = torch.tensor([[teller.end, *ids[:-1]]], device=next(teller.model.parameters()).device)
    log_probs = teller.model(tokens)[0].float().log_softmax(-1).cpu()  # (T, V)
    nats = (-log_probs[range(len(ids)), ids]).tolist()  # T numbers
    measured = []
    first = 0
    for word in words:
        spaced = word.text if word.text == END or not first else f" {word.text}"
        n = len(word_ids(tokenizer, spaced))
        places = range(first, first + n)
        unavoidable = sum(log2(1 / odds[i][ids[i]]) for i in places)
        loss = sum(nats[first : first + n]) / log(2)
        measured.append(WordLoss(word.text, word.kind, word.back, unavoidable, loss))
        first += n
    return measured


def read_words_and_tokens(text: str, tokenizer) -> tuple[list[Word], list[dict[int, float]]]:
    """What `read_story` and `read_tokens` say of a story, which is read once for both."""
    reader = PerfectReader()
    return read_story(text, reader), read_tokens(text, tokenizer, reader)


class Part(NamedTuple):
    """Some of the words: how many they are, and their bits."""

    words: int
    unavoidable: float  # bits a word, over these words
    excess: float  # the same
    share: float  # of all avoidable bits of the text
    interval: tuple[float, float]  # a 95 % interval of `excess`, for other stories of the same kind


def parts(stories: list[list[WordLoss]], key: Callable[[WordLoss], Hashable]) -> dict[Hashable, Part]:
    """Split the losses by a property of the words.

    Args:
        stories: From `word_losses`.
        key: Gives the part that a word belongs to: its kind, whether the story has said it before
            (`word.back > 0`), or how many words ago (`word.back`).

    Returns:
        The parts, the one with the most avoidable bits first.
    """
    groups: dict[Hashable, list[list[WordLoss]]] = {}  # for each part its words, story by story
    for number, story in enumerate(stories):
        for word in story:
            of_stories = groups.setdefault(key(word), [[] for _ in stories])
            of_stories[number].append(word)
    total = 0.0
    for story in stories:
        for word in story:
            total += word.excess
    rows = {}
    for name, of_stories in groups.items():
        words = list(chain.from_iterable(of_stories))
        n = len(words)
        excess = sum(word.excess for word in words)
        unavoidable = sum(word.unavoidable for word in words)
        bits = [sum(word.excess for word in story) for story in of_stories]
        lengths = [len(story) for story in of_stories]
        interval = interval_of(torch.tensor(bits, dtype=torch.double), torch.tensor(lengths))
        rows[name] = Part(n, unavoidable / n, excess / n, excess / total, interval)
    return dict(sorted(rows.items(), key=lambda row: -row[1].share))


def interval_of(bits: torch.Tensor, words: torch.Tensor) -> tuple[float, float]:
    """A 95 % interval of bits a word, by the bootstrap over whole stories.

    The stories are resampled and not the words, because the words of a story are not independent. If only a
    few stories have such words, the interval is too narrow, as chapter 13 shows.

    Args:
        bits: The bits of each story, (N,).
        words: The number of words that have them, (N,).
    """
    generator = torch.Generator().manual_seed(RESAMPLES_SEED)
    drawn = torch.randint(len(words), (RESAMPLES, len(words)), generator=generator)  # (R, N)
    n_words = words[drawn].sum(1)  # (R,)
    means = bits[drawn].sum(1)[n_words > 0] / n_words[n_words > 0]  # a rare kind may not be drawn at all
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return low, high
