"""The shipped model at work in the web book: where its tools stand, and the page that shows its code."""

import html
import json
import tomllib
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from companion.book import BookError
from companion.book.manifest import Chapter
from companion.book.model import CHECKPOINT, MODEL
from companion.book.text import headings_in

TEMPLATES = Path(__file__).with_name("templates")
TABLES = tomllib.loads((TEMPLATES / "teller.toml").read_text(encoding="utf-8"))

PLACES: dict[str, tuple[str, str]] = {name: tuple(place) for name, place in TABLES["places"].items()}
"""Chapter -> the heading at whose section's end a tool stands, and which. The notebooks stay as they are."""

EXAMPLES: dict[str, list[str]] = TABLES["examples"]
"""Tool -> the texts that it offers; and "more", which no tool offers. The truth is stored for all of them."""


def flow(way: str) -> str:
    """The parts of the model as a list in HTML, which is there without scripts too.

    Args:
        way: Path from the page to _static. It is empty on the cover, where chapters lie in a folder.
    """
    folder = "" if way else "chapters/"
    parts = []
    for part in TABLES["flow"]:
        links = [f'<a href="{folder}{name}.html">chapter {int(name[:2])}</a>' for name in part["chapters"]]
        words = f'<span class="part">{part["title"]}</span> {part["words"]} ({" and ".join(links)})'
        parts.append(f'<li data-part="{part["part"]}"><p>{words}</p></li>')
    return f'<ol class="flow">{"".join(parts)}</ol>'


def widget(kind: str, way: str, sizes: dict[str, int]) -> str:
    """A tool's place in a page, in MyST.

    The place is empty until its script fills it, but for the parts of the model.

    Args:
        kind: The tool.
        way: Path from the page to _static.
        sizes: Bytes of each of the model's files, which the tool names before it loads them.
    """
    anchor = 'id="tool" ' if way else ""  # the line under a chapter's title leads there
    total = sum(sizes.values())
    attributes = f'{anchor}data-widget="{kind}" data-bytes="{total}" data-described="{sizes[MODEL]}"'
    if kind in EXAMPLES:
        attributes += f' data-examples="{html.escape(json.dumps(EXAMPLES[kind]))}"'
    return "\n".join(
        [
            "```{raw} html",
            f'<link rel="stylesheet" href="{way}_static/teller/teller.css">',
            f'<div class="teller" {attributes}>{flow(way) if kind == "flow" else ""}</div>',
            f'<script type="module" src="{way}_static/teller/play.js"></script>',
            "```",
        ]
    )


def place_tool(page: NotebookNode, chapter: Chapter, sizes: dict[str, int]) -> None:
    """Put a chapter's tool at the end of its section, if PLACES has one.

    Raises:
        BookError: If the heading of that section is lost.
    """
    if chapter.name not in PLACES:
        return
    heading, kind = PLACES[chapter.name]
    level = None
    for i, cell in enumerate(page.cells):
        if cell.cell_type != "markdown":
            continue
        for its_level, words in headings_in(cell.source):
            if level is not None and its_level <= level:
                page.cells.insert(i, new_markdown_cell(widget(kind, "../", sizes)))
                return
            if words == heading:
                level = its_level
    raise BookError(f"{chapter.name} has no section {heading!r} before another; mend [places] in teller.toml")


def model_page(sizes: dict[str, int]) -> str:
    """The page that shows all of gpt.js, in MyST. `sizes` has the bytes of each of the model's files."""
    numbers = [str(int(name.split("_")[0])) for name in PLACES]
    page = (TEMPLATES / "browser.md").read_text(encoding="utf-8")
    chapters = f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    return page.format(chapters=chapters, checkpoint=CHECKPOINT.as_posix(), bytes=sum(sizes.values()))
