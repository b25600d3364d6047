"""The pages of the package's names, which Sphinx's autodoc and napoleon make from the docstrings."""

import inspect
import re
from pathlib import Path
from typing import Any

from companion.book.manifest import OPEN_TO_CHAPTERS, Book, Chapter

CELL = re.compile(r"^# Cell \w+, under “(.+)”$", re.MULTILINE)
CODE_SPAN = re.compile(r"(`+)([^`]+)`+")


def modules(book: Book) -> dict[str, Chapter | None]:
    """The modules that have a page: the chapters', then those of the folders that chapters may use."""
    named: dict[str, Chapter | None] = {}
    for chapter in book.chapters:
        if chapter.module and chapter.module_file.exists():
            named[chapter.module] = chapter
    for folder in OPEN_TO_CHAPTERS:
        for path in sorted((book.root / "companion" / folder).rglob("[!_]*.py")):
            parts = path.relative_to(book.root / "companion").with_suffix("").parts
            named[".".join(parts)] = None
    return named


def module_page(module: str, chapter: Chapter | None) -> str:
    """The page of one module, in MyST."""
    lines = [f"# companion.{module}", ""]
    if chapter:
        lines += [f"Built in {{doc}}`chapter {chapter.number} </chapters/{chapter.name}>`.", ""]
    lines += ["```{eval-rst}", f".. automodule:: companion.{module}", "   :members:", "```", ""]
    return "\n".join(lines)


def index_page(book: Book) -> str:
    """The page that lists the modules."""
    lines = ["# The package", "", "Every name that can be imported, by module.", ""]
    lines += ["| module | built in |", "|---|---|"]
    for module, chapter in modules(book).items():
        place = f"{{doc}}`/chapters/{chapter.name}`" if chapter else ""
        lines.append(f"| {{doc}}`companion.{module} </api/{module}>` | {place} |")
    lines += ["", "```{toctree}", ":hidden:", "", *modules(book), "```", ""]
    return "\n".join(lines)


def target(chapter: Chapter, heading: str) -> str:
    """The label of a chapter's section, for links to it."""
    return f"{chapter.name}-{re.sub(r'[^a-z0-9]+', '-', heading.lower()).strip('-')}"


def process_docstring(book: Book, what: str, documented: Any, lines: list[str]) -> None:
    """Change the lines of a docstring into what napoleon reads, and name the section that builds the object.

    The docstrings have code in single backticks, as Markdown does, and `<|endoftext|>` in the text.
    """
    text = "\n".join(lines)
    parts = []
    position = 0
    for span in CODE_SPAN.finditer(text):
        next_letter = text[span.end() : span.end() + 1]
        separator = "\\ " if next_letter.isalnum() else ""  # as in a plural
        parts += [escaped(text[position : span.start()]), f"``{span[2].strip()}``{separator}"]
        position = span.end()
    parts.append(escaped(text[position:]))
    lines[:] = "".join(parts).split("\n")
    if what in ("class", "function"):
        lines += ["", *built_under(book, inspect.unwrap(documented))]


def escaped(text: str) -> str:
    """Text without the signs that reStructuredText would read as markup."""
    return re.sub(r"([*|])", r"\\\1", text)


def built_under(book: Book, documented: Any) -> list[str]:
    """A line with links to the section of the chapter that builds an object, and to its source."""
    try:
        source = Path(inspect.getsourcefile(documented))
        _, number = inspect.getsourcelines(documented)
    except (OSError, TypeError):  # not written in a file, such as what NamedTuple makes
        return []
    above = "\n".join(source.read_text(encoding="utf-8").split("\n")[:number])
    headings = CELL.findall(above)
    links = []
    for chapter in book.chapters:
        if chapter.module_file == source and headings:
            words = headings[-1].replace("`", "")  # a reference can hold no code
            links.append(f"Built under :ref:`{words} <{target(chapter, headings[-1])}>`.")
    if book.repository:
        links.append(f"`Source <{book.repository}/blob/main/{book.relative(source)}#L{number}>`__.")
    return links
