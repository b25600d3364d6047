"""The cover: what the course promises, a model at work, and the way through the chapters."""

import io
import json
import re
from pathlib import Path

from nbformat import NotebookNode

from companion.book.manifest import Book
from companion.book.pages import page_links, promise
from companion.book.teller import widget
from companion.book.text import title

LOG = Path("data/models/village/log.jsonl")
"""The shipped model's own record: its loss and what it told, step by step."""

KEY = """\
Three stories from one training run, each marked by the village's judge. Green: as the village could have told
it. Red, underlined: a sentence of the village that is not true here. Grey: no sentence of the village."""

CAPTION = """\
The loss of the same run. Large dots: where the three stories were told. Forgetful reader: the lowest loss of
one who knows which sentences come and forgets every word told. Floor: the village's entropy, the lowest loss
that any model can reach."""

WAY = """\
Most chapters open with a question that the earlier ones could not answer, and import what they built."""

TOLD_BY = """\
[The model in the browser](/browser.md): all of its arithmetic, beside the Python that the chapters build."""

INTRODUCTION = re.compile(r"^# .+?\n(?P<text>.*?)(?=^!\[|^## |\Z)", re.MULTILINE | re.DOTALL)
RUNS_HERE = re.compile(r"^## Start\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def read_log(book: Book) -> list[dict]:
    """The rows of the shipped model's log, [] where none ships."""
    path = book.root / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def marks(text: str) -> str:
    """A story with its judge's marks, as HTML."""
    from companion import village
    from companion.show import plots

    return " ".join(plots.judged(village.judge(text)).data.split())


def duration(seconds: float) -> str:
    """A time as a reader says it."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"


def stations(log: list[dict]) -> list[dict]:
    """The three rows of the log whose stories the cover shows: the first, one early, the last."""
    return [log[0], log[1], log[-1]] if len(log) > 2 else log


def draw_loss(log: list[dict]) -> bytes:
    """The shipped model's loss against time, with the village's two limits, as SVG."""
    import matplotlib

    matplotlib.use("agg")
    from companion.show import plots
    from companion.village.measures import reference_lines

    plots.use_style()
    ax = plots.loss_curve(log, reference_lines())
    shown = stations(log)
    ax.plot(
        [row["seconds"] / 60 for row in shown],
        [row["bits_per_byte"] for row in shown],
        "o",
        color=plots.VERMILLION,
        markersize=7,
        zorder=3,
    )
    picture = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "cover"}):
        ax.figure.savefig(picture, format="svg", metadata={"Date": None})
    matplotlib.pyplot.close(ax.figure)
    return picture.getvalue()


def at_work(log: list[dict]) -> list[str]:
    """The section that shows the shipped model learning, in MyST."""
    first, last = log[0], log[-1]
    alt = (
        f"The loss on held-out stories falls from {first['bits_per_byte']:.2f} to "
        f"{last['bits_per_byte']:.2f} bits per byte in {duration(last['seconds'])}, below the line of the "
        "forgetful reader, towards the floor."
    )
    out = ["## A model at work", "", KEY, ""]
    for row in stations(log):
        out += [f"**After {duration(row['seconds'])}** ({row['bits_per_byte']:.2f} bits per byte)", ""]
        out += ['<div class="story">', marks(row["sample"]), "</div>", ""]
    out += ["```{figure} /_static/loss.svg", f":alt: {alt}", ":width: 640px", ""]
    return [*out, CAPTION, "```", ""]


def path(book: Book, notebooks: dict[str, NotebookNode]) -> list[str]:
    """The way through the chapters, part by part, in MyST."""
    chapters = {chapter.name: chapter for chapter in book.chapters}
    out = ["## The way", "", WAY, ""]
    for part, names in book.parts.items():
        out += [f"### {part}", "", "````{container} way"]
        for name in names:
            there = f"- [{chapters[name].number}. {title(notebooks[name])}](/chapters/{name}.ipynb)"
            goal = promise(notebooks[name])
            out.append(there + (f"\\\n  {goal}" if goal else ""))
        out += ["````", ""]
    return out


def tables_of_contents(book: Book, runs: bool) -> list[str]:
    """The hidden tables of contents that make the navigation. runs: whether the model does, in the pages."""
    out = []
    for part, names in book.parts.items():
        out += ["```{toctree}", ":hidden:", f":caption: {part}", ""]
        out += [f"chapters/{name}" for name in names]
        out += ["```", ""]
    out += ["```{toctree}", ":hidden:", ":caption: To look up", "", "notation", "glossary", "api/index"]
    out += ["browser"] if runs else []
    return [*out, "```", ""]


def cover_page(
    book: Book, notebooks: dict[str, NotebookNode], log: list[dict], sizes: dict[str, int] | None = None
) -> str:
    """The cover, in MyST. Its words are README's introduction and the chapters' own first lines.

    sizes: bytes of the model's files for the pages, which then can tell a story; none where none ships.
    """
    name, _, line = book.title.partition(": ")
    headline = line[:1].upper() + line[1:] if line else name
    readme = book.root / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    introduction, runs = INTRODUCTION.search(text), RUNS_HERE.search(text)
    paragraphs = introduction["text"].strip().split("\n\n") if introduction else []
    paragraphs = [p for p in paragraphs if p.rstrip(".").lower() != headline.lower()]
    first = book.chapters[0].name if book.chapters else None
    out = [f"# {headline}", "", *("\n\n".join(paragraphs).splitlines()), ""]
    if first:
        begin = f"[Begin with chapter {book.chapters[0].number}](/chapters/{first}.ipynb)"
        out += ["```{container} begin", begin, "```", ""]
    out += [widget("tell", "", sizes), "", TOLD_BY, ""] if sizes else []
    out += at_work(log) if log else []
    out += path(book, notebooks)
    if runs:
        out += ["## On your own machine", "", *page_links(runs["text"], book, "").strip().splitlines(), ""]
    return "\n".join([*out, *tables_of_contents(book, bool(sizes))])
