"""The cover: what the course promises, a model at work, and the way through the chapters."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

from companion.book.elsewhere import clone
from companion.book.lie import has_stories
from companion.book.manifest import Book
from companion.book.pages import guides, page_links
from companion.book.teller import TEMPLATES, widget

LOG = Path("data/models/village/log.jsonl")
"""The shipped model's own record: its loss and what it told, step by step."""

TEXTS = tomllib.loads((TEMPLATES / "cover.toml").read_text(encoding="utf-8"))
"""The cover's own sentences, by what they are about."""

INTRODUCTION = re.compile(r"^# .+?\n(?P<text>.*?)(?=^!\[|^## |\Z)", re.MULTILINE | re.DOTALL)
RUNS_HERE = re.compile(r"^## First five minutes\n(?P<text>.*?^```$.*?^```$)", re.MULTILINE | re.DOTALL)
"""README's section on how to begin, up to the end of its first command."""
EXPECTED = re.compile(
    r"(?P<word>\w+): expected (?P<rule>.+), (?P<fits>but there is none|not this one|[\w ]+)"
)
"""How the judge says that a word breaks a rule: "bell: expected a thing that somebody holds, drum or key"."""


def read_log(book: Book) -> list[dict]:
    """The rows of the shipped model's log, [] where none ships."""
    path = book.root / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


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


def marks(text: str) -> str:
    """A story with its judge's marks, as HTML."""
    from companion import village
    from companion.show import plots

    verdicts = []
    before: list[str] = []
    for verdict in village.judge(text):
        if verdict.kind == "contradiction":
            verdict = replace(verdict, reason=in_plain_words(verdict.reason, " ".join(before)))
        verdicts.append(verdict)
        before.append(verdict.sentence)
    return " ".join(plots.judged(verdicts).data.split())


def duration(seconds: float) -> str:
    """A time as a reader says it."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"


def at_work(log: list[dict]) -> list[str]:
    """The section that shows the shipped model learning, in MyST: an early row of its log, and the last."""
    out = ["## A model learns", "", TEXTS["key"], "", "`````{container} stories"]
    for row in (log[1], log[-1]):
        out += ["````{container} told-at"]
        out += [f"**After {duration(row['seconds'])}** ({row['bits_per_byte']:.2f} bits per byte)", ""]
        out += ['<div class="story">', marks(row["sample"]), "</div>", "", "````"]
    return [*out, "`````", ""]


def path(book: Book) -> list[str]:
    """The way through the chapters, part by part, in MyST."""
    chapters = {chapter.name: chapter for chapter in book.chapters}
    out = ["## The chapters", "", "`````{container} way"]
    for part, names in book.parts.items():
        out += ["````{container} part", f"**{part}**", ""]
        out += [f"- [{chapters[n].number}. {chapters[n].title}](/chapters/{n}.ipynb)" for n in names]
        out += ["````"]
    return [*out, "`````", ""]


def guide_links(book: Book) -> list[str]:
    """The pages of docs/ by their titles, in MyST; nothing where there is none."""
    found = guides(book)
    if not found:
        return []
    out = ["## Guides", "", "`````{container} guides"]
    for page in found:
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        out.append(f"- [{title}](/docs/{page.name})")
    return [*out, "`````", ""]


def tables_of_contents(book: Book, runs: bool) -> list[str]:
    """The hidden tables of contents that make the navigation.

    Args:
        book: The course.
        runs: Whether the model runs in the pages.
    """
    tables = {part: [f"chapters/{name}" for name in names] for part, names in book.parts.items()}
    tables["Guides"] = [f"docs/{page.stem}" for page in guides(book)]
    more = ["browser"] * runs + ["lie"] * has_stories(book)
    tables["To look up"] = ["notation", "glossary", "api/index", *more]
    out = []
    for caption, pages in tables.items():
        if pages:
            out += ["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""]
    return out


def cover_page(book: Book, log: list[dict], sizes: dict[str, int] | None = None) -> str:
    """The cover, in MyST. Its words are README's introduction and the chapters' own first lines.

    Args:
        book: The course.
        log: Rows of the shipped model's log, as for `at_work`. Empty if there is none.
        sizes: Bytes of each of the model's files for the pages. With them the pages can tell a story. None if
            no model ships.
    """
    name, _, line = book.title.partition(": ")
    headline = line[:1].upper() + line[1:] if line else name
    readme = book.root / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    introduction = INTRODUCTION.search(text)
    runs = RUNS_HERE.search(text)
    paragraphs = introduction["text"].strip().split("\n\n") if introduction else []
    paragraphs = [p for p in paragraphs if p.rstrip(".").lower() != headline.lower()]
    first = book.chapters[0]
    out = ["---", "html_theme.sidebar_secondary.remove: true", "---", "", f"# {headline}", ""]
    out += ["````{container} opening", "```{container}", *"\n\n".join(paragraphs).splitlines(), "```", ""]
    out += ["```{container} begin", f"[Begin with chapter {first.number}](/chapters/{first.name}.ipynb)", ""]
    out += [TEXTS["game"].strip()] if has_stories(book) else []
    out += ["```", "````", ""]
    out += [widget("flow", "", sizes), "", TEXTS["told_by"], ""] if sizes else []
    out += path(book)
    out += guide_links(book)
    out += at_work(log) if log else []
    if runs:
        commands = runs["text"] if book.repository else runs["text"].replace(clone(book), TEXTS["where_from"])
        out += ["## On your own machine", "", *page_links(commands, book, "").strip().splitlines(), ""]
    return "\n".join([*out, *tables_of_contents(book, bool(sizes))])
