"""The shipped model at work in the web book: where its tools stand, and the page that shows its code."""

import ast
import math
import re
import textwrap
import tomllib
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from companion.book import BookError
from companion.book.manifest import Book, Chapter
from companion.book.model import MODEL
from companion.book.text import headings_in

TEMPLATES = Path(__file__).with_name("templates")
TABLES = tomllib.loads((TEMPLATES / "teller.toml").read_text(encoding="utf-8"))

PLACES: dict[str, tuple[str, str]] = {name: tuple(place) for name, place in TABLES["places"].items()}
"""Chapter -> the heading at whose section's end a tool stands, and which. The notebooks stay as they are."""

MIRRORS = [(part["name"], part["words"], part["python"]) for part in TABLES["mirrors"]]
"""Each part of gpt.js, in its order: its name, a word on it, and the Python that it mirrors."""


def javascript_parts(source: str) -> dict[str, str]:
    """A module's top-level functions and classes by name, each with the comment above it.

    Its opening comment is left out. BookError for what stands outside of them.
    """
    _, *blocks = re.split(r"^(?=/\*\*)", source, flags=re.MULTILINE)
    parts = {}
    for block in blocks:
        found = re.findall(r"^(?:export )?(?:function|class) (\w+)", block, re.MULTILINE)
        if len(found) != 1:
            raise BookError(f"gpt.js: {block.splitlines()[0]!r} must stand above one function or class")
        parts[found[0]] = block.strip()
    return parts


def python_part(book: Book, module: str, name: str) -> str:
    """A function or method of the package, by its qualified name, without docstring. BookError for none."""
    source = (book.root / "companion" / f"{module}.py").read_text(encoding="utf-8")
    node: Any = ast.parse(source)
    for part in name.split("."):
        body = getattr(node, "body", [])
        node = next((child for child in body if getattr(child, "name", None) == part), None)
    if node is None:
        raise BookError(
            f"companion/{module}.py has no {name}, which the page of the model shows; "
            "mend [[mirrors]] in book/templates/teller.toml"
        )
    lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        del lines[docstring.lineno - node.lineno : docstring.end_lineno - node.lineno + 1]
    return textwrap.dedent("\n".join(lines))


def flow(way: str) -> str:
    """The parts of the model as a list in HTML, which is there without scripts too.

    way: from the page to _static: empty on the cover, where chapters lie in a folder.
    """
    folder = "" if way else "chapters/"
    parts = []
    for part in TABLES["flow"]:
        links = [f'<a href="{folder}{name}.html">chapter {int(name[:2])}</a>' for name in part["chapters"]]
        said = f'<span class="part">{part["title"]}</span> {part["words"]} ({" and ".join(links)})'
        parts.append(f'<li data-part="{part["part"]}"><p>{said}</p></li>')
    return f'<ol class="flow">{"".join(parts)}</ol>'


def widget(kind: str, way: str, sizes: dict[str, int]) -> str:
    """A tool's place in a page, in MyST: empty until its script fills it, but for the parts of the model.

    way: from the page to _static. sizes: bytes of the model's files, which the tool names before it loads.
    """
    attributes = f'data-widget="{kind}" data-bytes="{sum(sizes.values())}" data-described="{sizes[MODEL]}"'
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
    """Put a chapter's tool at the end of its section, where PLACES has one. BookError for a lost heading."""
    if chapter.name not in PLACES:
        return
    heading, kind = PLACES[chapter.name]
    level = None
    for i, cell in enumerate(page.cells):
        for its_level, words in headings_in(cell.source) if cell.cell_type == "markdown" else []:
            if level is not None and its_level <= level:
                page.cells.insert(i, new_markdown_cell(widget(kind, "../", sizes)))
                return
            if words == heading:
                level = its_level
    raise BookError(
        f"{chapter.name} has no section {heading!r} before another; "
        "mend [places] in book/templates/teller.toml"
    )


def mirror(book: Book, javascript: str, python: list[tuple[str, str]]) -> list[str]:
    """A part of gpt.js beside what it mirrors, in MyST."""
    out = ["`````{container} mirror", "````{container} side", "```javascript", javascript, "```", "````"]
    if python:
        out += ["````{container} side"]
        for module, name in python:
            out += ["```python", f"# companion/{module}.py: {name}", python_part(book, module, name), "```"]
        out += ["````"]
    return [*out, "`````", ""]


def model_page(book: Book, source: str, described: dict, sizes: dict[str, int], checkpoint: str) -> str:
    """The page that shows all of gpt.js, in MyST. source: the file; described: model.json.

    Raises BookError where MIRRORS and the file have different parts.
    """
    parts = javascript_parts(source)
    if list(parts) != [name for name, _, _ in MIRRORS]:
        raise BookError(
            f"gpt.js has the parts {', '.join(parts)}; name each in book/templates/teller.toml, in this order"
        )
    numbers = [str(int(name.split("_")[0])) for name in PLACES]
    facts = {
        "chapters": f"{', '.join(numbers[:-1])} and {numbers[-1]}",
        "lines": source.count("\n"),
        "checkpoint": checkpoint,
        "parameters": sum(math.prod(tensor["shape"]) for tensor in described["tensors"]),
        "bytes": sum(sizes.values()),
    }
    page = (TEMPLATES / "browser.md").read_text(encoding="utf-8")
    out = [page.format(**facts)]
    for name, words, python in MIRRORS:
        out += [f"### `{name}`", "", *([words, ""] if words else []), *mirror(book, parts[name], python)]
    return "\n".join(out)
