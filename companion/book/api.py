"""The pages of the package's names, which Sphinx's autodoc and napoleon make from the docstrings."""

import re

from companion.book.manifest import GENERATED, OPEN_TO_CHAPTERS, Book, Chapter

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


def process_docstring(lines: list[str]) -> None:
    """Change the lines of a docstring into what napoleon reads.

    The docstrings have code in single backticks, as Markdown does, and `<|endoftext|>` in the text. That a
    module was generated is for authors, and left out.
    """
    text = "\n".join(lines).partition(f"\n{GENERATED}")[0]
    parts = []
    position = 0
    for span in CODE_SPAN.finditer(text):
        next_letter = text[span.end() : span.end() + 1]
        separator = "\\ " if next_letter.isalnum() else ""  # as in a plural
        parts += [escaped(text[position : span.start()]), f"``{span[2].strip()}``{separator}"]
        position = span.end()
    parts.append(escaped(text[position:]))
    lines[:] = "".join(parts).split("\n")


def escaped(text: str) -> str:
    """Text without the signs that reStructuredText would read as markup."""
    return re.sub(r"([*|])", r"\\\1", text)
