"""The cover: what the course promises, a model at work, a game, and the way through the chapters."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

from companion.book.elsewhere import clone
from companion.book.manifest import Book
from companion.book.pages import guides, page_links
from companion.book.teller import TEMPLATES, widget

LOG = Path("data/models/village/log.jsonl")
"""The shipped model's own record: its loss and what it told, step by step."""

STORIES = Path("data/models/lie.json")
"""The stories of the game "Catch the lie", as `benchmarks/lie.py` writes them."""

TEXTS = tomllib.loads((TEMPLATES / "cover.toml").read_text(encoding="utf-8"))
"""The cover's own sentences, by what they are about."""

INTRODUCTION = re.compile(r"^# .+?\n(?P<text>.*?)(?=^!\[|^## |\Z)", re.MULTILINE | re.DOTALL)
RUNS_HERE = re.compile(r"^## First five minutes\n(?P<text>.*?^```$.*?^```$)", re.MULTILINE | re.DOTALL)
"""README's section on how to begin, up to the end of its first command."""


def read_log(book: Book) -> list[dict]:
    """The rows of the shipped model's log, [] where none ships."""
    path = book.root / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def has_stories(book: Book) -> bool:
    """Whether the book ships the game's stories."""
    return (book.root / STORIES).exists()


def lie_page(book: Book) -> str:
    """The game, in MyST, with the stories in it, so that it asks for no other file."""
    stories = json.loads((book.root / STORIES).read_text(encoding="utf-8"))
    content = json.dumps(stories, ensure_ascii=False).replace("</", "<\\/")
    return (TEMPLATES / "lie.md").read_text(encoding="utf-8").replace("STORIES", content)


def marks(text: str) -> str:
    """A story with its judge's marks, as HTML, without the reasons."""
    from companion import village
    from companion.show import plots

    verdicts = [replace(verdict, reason="") for verdict in village.judge(text)]
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


def chapter_list(book: Book) -> list[str]:
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
    tables = {}
    for part, names in book.parts.items():
        tables[part] = [f"chapters/{name}" for name in names]
    tables["Guides"] = [f"docs/{page.stem}" for page in guides(book)]
    tables["To look up"] = ["notation", "glossary", "api/index"]
    if runs:
        tables["To look up"].append("browser")
    if has_stories(book):
        tables["To look up"].append("lie")
    out = []
    for caption, pages in tables.items():
        if pages:
            out += ["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""]
    return out


def cover_page(book: Book, log: list[dict], sizes: dict[str, int]) -> str:
    """The cover, in MyST. Its words are README's introduction and the chapters' own first lines.

    Args:
        book: The course.
        log: Rows of the shipped model's log, as for `at_work`. Empty if there is none.
        sizes: Bytes of each of the model's files, with which the pages tell a story. Empty if no model ships.
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
    out += chapter_list(book)
    out += guide_links(book)
    out += at_work(log) if log else []
    if runs:
        commands = runs["text"] if book.repository else runs["text"].replace(clone(book), TEXTS["where_from"])
        out += ["## On your own machine", "", *page_links(commands, book, "").strip().splitlines(), ""]
    return "\n".join([*out, *tables_of_contents(book, bool(sizes))])
