"""Messages that are not about the village, for a model to learn to decline them.

People who try a chat for the first time greet it, ask about the world, paste code or insult it. Each kind of
message here is a list of sentence patterns, whose slots are filled from lists of words. A model learns from
the kinds in `TRAINED` and is tested on those in `HELD_OUT`. The two share no pattern. Patterns and words are
in strangers.toml.
"""

import re
import string
from random import Random

from companion.village.splits import DATA
from companion.village.words import lines, read_table

DECLINE = "I only know the village. Ask me for a story, or about one."
"""The answer to a message that is not about the village."""

_TABLE = read_table("strangers.toml")

WORDS: dict[str, list[str]] = {
    **{kind: text.split() for kind, text in _TABLE["words"].items()},
    "number": [str(n) for n in range(2, 100)],
    "year": [str(n) for n in range(1066, 2031, 17)],
}
"""What the slots of a pattern are filled from. An underscore stands for a space."""

HELD_OUT_LACKED = _TABLE["held_out_lacked"].split()
"""Words that the village lacks and that no model learns to decline, to test it."""

TRAINED = {kind: lines(text) for kind, text in _TABLE["trained"].items()}
"""Kinds of messages to learn from: for each kind its patterns."""

HELD_OUT = {kind: lines(text) for kind, text in _TABLE["held_out"].items()}
"""Kinds of messages that no model learns from, to test it."""


def _filled(pattern: str, rng: Random) -> str:
    """A pattern with words in its slots."""
    filled = pattern
    while slot := re.search(r"(?<!\{)\{(\w+)\}(?!\})", filled):
        if slot[1] == "random":
            word = "".join(rng.choice(string.ascii_lowercase + ";,1 ") for _ in range(rng.randint(3, 12)))
        elif slot[1] == "long":
            patterns = [one for kind in ("worries", "news and claims", "errands") for one in HELD_OUT[kind]]
            word = " ".join(rng.choice(patterns) for _ in range(rng.randint(6, 10)))
        else:
            word = rng.choice(WORDS[slot[1]]).replace("_", " ")
        filled = filled[: slot.start()] + word + filled[slot.end() :]
    return filled.replace("{{", "{").replace("}}", "}")


def _typed(message: str, rng: Random) -> str:
    """A message as people type it: with or without a capital and a mark at its end, or all in capitals."""
    if rng.random() < 0.5:
        message = message[:1].upper() + message[1:]
    if message[-1:].isalnum() and rng.random() < 0.4:
        message += rng.choice(".!?")
    elif message.endswith("?") and rng.random() < 0.2:
        message = message[:-1]
    return message.upper() if rng.random() < 0.05 else message


def _prose() -> list[str]:
    """Sentences of the course's own short story, which is not about the village."""
    text = (DATA / "lamplighter.txt").read_text("utf-8")
    return [one.strip() for one in re.split(r"(?<=[.!?”\"])\s+", text) if 10 < len(one.strip()) < 200]


def strange_messages(n: int, seed: int, longest: int = 500) -> list[str]:
    """n messages to learn from, of all kinds in `TRAINED`.

    One in five is longer: several messages in a row, sentences of the course's short story, or a pile of
    words.

    Args:
        n: Number of messages.
        seed: Seed of all choices.
        longest: Largest number of characters in a message.
    """
    rng = Random(seed)
    patterns = [pattern for kind in TRAINED.values() for pattern in kind]
    kinds = list(TRAINED)
    words = [word for some in WORDS.values() for word in some]
    words += [word for pattern in patterns for word in pattern.split() if "{" not in word]
    prose = _prose()
    found = []
    while len(found) < n:
        form = rng.random()
        if form < 0.8:
            message = _typed(_filled(rng.choice(TRAINED[rng.choice(kinds)]), rng), rng)
        elif form < 0.87:
            some = [_typed(_filled(rng.choice(patterns), rng), rng) for _ in range(rng.randint(2, 12))]
            message = " ".join(some)
        elif form < 0.94:
            first = rng.randrange(len(prose))
            message = " ".join(prose[first : first + rng.randint(1, 4)])
        else:
            some = rng.choices(words, k=rng.randint(1, 12))
            message = _typed(" ".join(some).replace("_", " "), rng)
        found.append(message[:longest].strip() or "?")
    return found


def held_out_messages(n: int, seed: int) -> list[tuple[str, str]]:
    """n pairs of kind and message, of the kinds in `HELD_OUT` in turn. No model learned from such a kind."""
    rng = Random(seed)
    kinds = list(HELD_OUT)
    found = []
    for i in range(n):
        kind = kinds[i % len(kinds)]
        found.append((kind, _filled(rng.choice(HELD_OUT[kind]), rng).strip() or "?"))
    return found
