"""What the village measures: floors to compare a loss with, and what a model's stories show of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from re import escape, finditer
from typing import Any

from companion.village.judge import judge
from companion.village.machine import bits, load_split, no_story, recalls


def story_bytes(text: str) -> int:
    """The length by which losses are divided: the UTF-8 bytes, and one for the end of the story."""
    return len(text.encode("utf-8")) + 1


def floor(texts: Iterable[str], forget: bool = False) -> float:
    """The loss of a reader who knows all probabilities. No reader has a lower loss on average.

    The loss is the total of bits over the total of bytes, where each story counts its UTF-8 bytes and one for
    its end.

    Args:
        texts: Stories of the village.
        forget: As in `bits`.

    Returns:
        The loss in bits per byte.

    Raises:
        ValueError: If there is no text, or a text is no story of the village.
    """
    total_bits = 0.0
    total_bytes = 0
    for text in texts:
        surprise = bits(text, forget)
        if surprise is None:
            raise ValueError(no_story(text))
        total_bits += surprise
        total_bytes += story_bytes(text)
    if not total_bytes:
        raise ValueError("texts=[] must hold at least one story")
    return total_bits / total_bytes


def recalled_tokens(texts: Iterable[str], starts, tokens, decode: Callable[[list], str]) -> tuple[Any, int]:
    """Mark the tokens that are part of a recalled word.

    Args:
        texts: Stories of the village.
        starts: For each story, the index in tokens of its <|endoftext|>. The story follows after it.
        tokens: Token ids, (N,).
        decode: Turns a list of token ids into text.

    Returns:
        For each token 1 or 0, as uint8 (N,), and the number of recalled words.

    Raises:
        ValueError: If a text is no story of the village.
    """
    import numpy

    flags = numpy.zeros(len(tokens), dtype=numpy.uint8)
    words = 0
    for text, start in zip(texts, starts, strict=False):
        ends = token_ends(text, start, tokens, decode)
        for a, b in recalls(text):
            words += 1
            flags[start + 1 + bisect_right(ends, a) : start + 2 + bisect_right(ends, b - 1)] = 1
    return flags, words


def token_ends(text: str, start: int, tokens, decode: Callable[[list], str]) -> list[int]:
    """Where each token of a text ends, in letters; `start` is the place of the <|endoftext|> before it."""
    ends = []
    letter = 0
    while letter < len(text):
        letter += len(decode([tokens[start + len(ends) + 1]]))
        ends.append(letter)
    return ends


def recalled_places(texts: Iterable[str], starts, tokens, decode: Callable[[list], str]) -> list[tuple]:
    """Find each recalled word that its story has said before.

    Recalled words that were never said, such as a sum or *he*, are left out.

    Args:
        texts: Stories of the village.
        starts: As in `recalled_tokens`.
        tokens: As in `recalled_tokens`.
        decode: As in `recalled_tokens`.

    Returns:
        For each word (story, first, last, back). `story` is the number of the story. `first` and `last` are
        the first and the last token of the word, counted from the story's <|endoftext|> as 0. `back` says how
        many tokens before `first` the last mention of the word begins.

    Raises:
        ValueError: If a text is no story of the village.
    """
    places = []
    for story, (text, start) in enumerate(zip(texts, starts, strict=False)):
        ends = token_ends(text, start, tokens, decode)
        for a, b in recalls(text):
            before = [found.start() for found in finditer(rf"\b{escape(text[a:b])}\b", text[:a])]
            if before:
                said = bisect_right(ends, before[-1]) + 1
                first = bisect_right(ends, a) + 1
                last = bisect_right(ends, b - 1) + 1
                places.append((story, first, last, first - said))
    return places


def abilities(texts: Iterable[str]) -> dict[str, float]:
    """What the texts that a model wrote show of the model.

    White space counts nowhere. Of the shares of texts, "whole" asks for most: a single true sentence is
    flawless, and a text that repeats itself is consistent.

    Args:
        texts: The texts.

    Returns:
        These measures by name. All but "recalls" and "words" are shares between 0 and 1.

        - "grammar": the sentences that are sentences of this village. A text without a sentence counts as one
          sentence that is not.
        - "consistent": the texts of one sentence or more whose sentences are all the village's and none a
          contradiction.
        - "flawless": the texts of one sentence or more whose sentences are all "ok".
        - "whole": the flawless texts that came to their end.
        - "memory": the recalled words that are right.
        - "recalls": the number of recalled words in a text, on average.
        - "words": the number of words in a text, on average.
        - "distinct": the texts that have words in them and are unlike all texts before.

    Raises:
        ValueError: If there is no text.
    """
    texts = list(texts)
    if not texts:
        raise ValueError("texts=[] must hold at least one text")
    kinds: list[set[str]] = []  # of each text
    of_village: list[bool] = []  # of each sentence
    recalled: list[bool] = []
    for text in texts:
        verdicts = judge(text)
        kinds.append({verdict.kind for verdict in verdicts})
        of_village += [verdict.kind != "unknown" for verdict in verdicts] or [False]
        for verdict in verdicts:
            recalled += [right for _, right in verdict.recalls]
    plain = [" ".join(text.split()) for text in texts]
    return {
        "grammar": share(of_village),
        "consistent": share(bool(of_text) and of_text <= {"ok", "misplaced"} for of_text in kinds),
        "flawless": share(of_text == {"ok"} for of_text in kinds),
        "whole": share(bits(text) is not None for text in plain),
        "memory": share(recalled),
        "recalls": len(recalled) / len(texts),
        "words": sum(len(text.split()) for text in texts) / len(texts),
        "distinct": len(set(plain) - {""}) / len(texts),
    }


def share(flags: Iterable[bool]) -> float:
    """The share of true flags, 0 if there are none."""
    flags = list(flags)
    return sum(flags) / len(flags) if flags else 0.0


def reference_lines(split: str = "val") -> dict[str, float]:
    """Bits per byte of the village's two limits, on a shipped split."""
    texts = load_split(split)
    return {"forgetful reader": floor(texts, forget=True), "floor": floor(texts)}


def gap_left(bits_per_byte: float, lines: dict[str, float]) -> float:
    """The share of the way from the forgetful reader to the floor that a loss has not gone.

    Args:
        bits_per_byte: The loss.
        lines: The losses to compare with, as from `reference_lines`.
    """
    return (bits_per_byte - lines["floor"]) / (lines["forgetful reader"] - lines["floor"])


def village_scores(teller, n: int, seed: int, temperature: float = 0.8) -> dict[str, float]:
    """Abilities of those of n stories that ended by themselves, and the share of stories that did.

    Args:
        teller: Has `tell_many(n, temperature=…, seed=…)`, which returns pairs of a text and whether it ended.
        n: Number of stories to begin.
        seed: Seed of the stories.
        temperature: Temperature of sampling.

    Returns:
        "ended", the share of stories that ended, and what `abilities` returns for these, if there are any.
    """
    results = teller.tell_many(n, temperature=temperature, seed=seed)
    ended = [text for text, finished in results if finished]
    return {"ended": len(ended) / len(results)} | (abilities(ended) if ended else {})
