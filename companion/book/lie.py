"""Catch the lie: a page on which the reader looks for the first false sentence of a model's story."""

import json
import re
from pathlib import Path

from companion.book.manifest import Book

STORIES = Path("data/models/lie.json")
"""The stories with the judge's verdicts, as `benchmarks/lie.py` writes them."""
TEMPLATE = Path(__file__).with_name("templates") / "lie.md"
EXPECTED = re.compile(
    r"(?P<word>\w+): expected (?P<rule>.+), (?P<fits>but there is none|not this one|[\w ]+)"
)
"""How the judge says that a word breaks a rule: "bell: expected a thing that somebody holds, drum or key"."""


def has_stories(book: Book) -> bool:
    """Whether the book ships the game's stories."""
    return (book.root / STORIES).exists()


def lie_page(book: Book) -> str:
    """The page, in MyST, with the stories in it, so that it asks for no other file."""
    stories = json.loads((book.root / STORIES).read_text(encoding="utf-8"))
    for story in stories:
        explain(story["sentences"])
    content = json.dumps(stories, ensure_ascii=False).replace("</", "<\\/")
    return TEMPLATE.read_text(encoding="utf-8").replace("STORIES", content)


def explain(sentences: list[dict]) -> None:
    """Put plain words in the place of the judge's reasons for what is false."""
    for i, sentence in enumerate(sentences):
        if sentence["kind"] == "contradiction":
            before = " ".join(earlier["text"] for earlier in sentences[:i])
            sentence["reason"] = in_plain_words(sentence["reason"], before)


def in_plain_words(reason: str, before: str) -> str:
    """Why a sentence is false, in whole sentences.

    Args:
        reason: The judge's reason, such as "hat: expected a thing that somebody holds, bucket or wheel".
        before: The story before the sentence.

    Returns:
        Such as "Nobody has a hat. Only “bucket” or “wheel” would be right."
    """
    found = EXPECTED.fullmatch(reason)
    if found is None:
        return f"{reason[:1].upper()}{reason[1:]}."
    word, rule, fits = found["word"], found["rule"], found["fits"]
    fact = fact_about(word, before)
    if fits == "not this one":
        return fact or f"It should be {rule}, and “{word}” is not."
    if fits == "but there is none":
        return f"{fact} Nothing would be right here: it should be {rule}.".strip()
    right = " or ".join(f"“{one}”" for one in fits.split(" or "))
    if fact:
        return f"{fact} Only {right} would be right."
    return f"It should be {rule}: {right}, not “{word}”."


def fact_about(word: str, before: str) -> str:
    """What a story says of a thing, color, role or place, as a sentence; "" for another word."""
    from companion.village.judge import state_of
    from companion.village.words import KINDS

    state = state_of(before)
    if word in KINDS["thing"]:
        for name, held in state.thing.items():
            if held.noun == word:
                return f"{name} has the {word}."
        if word in state.lying:
            return f"The {word} lies at the {state.lying[word][1]}."
        return f"Nobody has a {word}."
    if word in KINDS["color"]:
        things = [held.noun for held in state.thing.values() if held.color == word]
        things += [noun for noun, (color, _) in state.lying.items() if color == word]
        if things:
            return f"What is {word} is the {' and the '.join(things)}."
        return f"Nothing in this story is {word}."
    if word in KINDS["role"]:
        for name, role in state.role.items():
            if role == word:
                return f"The {word} is {name}."
        return f"Nobody in this story is a {word}."
    if word in KINDS["place"]:
        names = [name for name, place in state.place.items() if place == word]
        if names:
            return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} at the {word}."
        return f"Nobody is at the {word}."
    return ""
