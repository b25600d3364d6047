"""README's table of the chapters: a row for each, in the order of book.toml.

`sync` writes it. A row that is there stays as somebody wrote it; a new chapter gets one with its title and
what its text promises first ("You will be able to ..."), and a chapter that is gone loses its row.
"""

import re
from itertools import takewhile

from companion.book.manifest import Book, Chapter

ROW = re.compile(r"^\|.*?\(chapters/(\w+)\.ipynb\)(.*)\|$")


def described(book: Book) -> list[tuple[str, str]]:
    """(chapter, what it builds or "") for each row of README's table."""
    readme = book.root / "README.md"
    lines = readme.read_text(encoding="utf-8").split("\n") if readme.exists() else []
    return [(row[1], row[2].strip(" |")) for row in map(ROW.match, lines) if row]


def with_chapters(book: Book, readme: str) -> str:
    """README's text with a row for each chapter; unchanged where it has no table of chapters."""
    lines = readme.split("\n")
    places = [i for i, line in enumerate(lines) if ROW.match(line)]
    if not places:
        return readme
    begin = places[0]
    end = begin + len(list(takewhile(ROW.match, lines[begin:])))
    there = {ROW.match(line)[1]: line for line in lines[begin:end]}
    columns = lines[begin - 1].count("|") - 1
    rows = [there.get(chapter.name) or new_row(chapter, columns) for chapter in book.chapters]
    return "\n".join([*lines[:begin], *rows, *lines[end:]])


def new_row(chapter: Chapter, columns: int) -> str:
    """The row of a chapter that had none; columns: number, title and, if there are three, what it builds."""
    promise = re.search(r"^\*You will be able to (.+?)\.", chapter.source, re.MULTILINE)
    cells = [str(chapter.number), f"[{chapter.title or chapter.name}](chapters/{chapter.name}.ipynb)"]
    if columns > 2:
        cells.append(promise[1] if promise else "")
    return f"| {' | '.join(cells)} |"
