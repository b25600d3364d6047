"""The repository's address, which book.toml has: README's badges and its `git clone`, and chapter 0's cell.

All follow book.toml: `repository` writes them, `check` compares them. While the address is empty, there are
no badges, README says that the reader has its folder, and the web book has no links to files.
"""

import re
from dataclasses import replace
from pathlib import Path

from companion.book import BookError
from companion.book.manifest import Book, replace_files

START = "chapters/00_start.ipynb"
ADDRESS = re.compile(r"https://github\.com/(?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?")
FETCHES = re.compile(r'(?P<before> address = \\?")[^"\\]*(?=\\?"  # the course\'s repository)')
"""The line of the cell that fetches the course on Colab, in chapter 0's text or in its notebook's JSON."""
BADGE = "[![Open in {}](https://{})](https://{})\n"
REMARK = "VS Code, which Codespaces opens, does not fold cells, so it shows the exercises' solutions."


def badges(book: Book) -> str:
    """README's lines with a badge for each place, in Markdown; "" without a repository at GitHub."""
    found = ADDRESS.fullmatch(book.repository)
    if not found:
        return ""
    name = found["name"]
    binder = f"mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/{START}"
    colab = f"colab.research.google.com/github/{name}/blob/main/{START}"
    return (
        BADGE.format("Codespaces", "github.com/codespaces/badge.svg", f"codespaces.new/{name}")
        + BADGE.format("Binder", "mybinder.org/badge_logo.svg", binder)
        + BADGE.format("Colab", "colab.research.google.com/assets/colab-badge.svg", colab)
        + f"\n{REMARK}\n"
    )


def clone(book: Book) -> str:
    """README's lines on how to get the course."""
    if not book.repository:
        return "You have this folder. Open a terminal in it.\n"
    name = book.repository.rstrip("/").split("/")[-1]
    return f"\n```\ngit clone {book.repository}\ncd {name}\n```\n\n"


def with_repository(book: Book, readme: str) -> str:
    """README's text with badges and clone of this book, each between the two comments that mark its place."""
    for name, lines in {"badges": badges(book), "clone": clone(book)}.items():
        begin = f"<!-- {name}: python -m companion.book repository -->\n"
        before, found, after = readme.partition(begin)
        if found:
            end = f"<!-- end of {name} -->"
            readme = before + begin + lines + end + after.partition(end)[2]
    return readme


def repository_files(book: Book) -> dict[Path, bytes]:
    """README, texts and notebooks, with the repository of this book where they name one."""
    contents = {}
    readme = book.root / "README.md"
    if readme.exists():
        contents[readme] = with_repository(book, readme.read_text(encoding="utf-8")).encode("utf-8")
    for chapter in book.chapters:
        for path in (chapter.text, chapter.notebook):
            if path.exists():
                source = path.read_text(encoding="utf-8")
                source = FETCHES.sub(rf"\g<before>{book.repository}", source)
                contents[path] = source.encode("utf-8")
    return contents


def set_repository(book: Book, address: str) -> str:
    """Write the address into book.toml, README and the cell that fetches the course.

    Args:
        book: The course.
        address: https://github.com/owner/name, or "" for none.

    Returns:
        A line that says what changed.

    Raises:
        BookError: If the address is another one. Then nothing is written.
    """
    found = ADDRESS.fullmatch(address.strip())
    if address.strip() and not found:
        raise BookError(f'repository={address!r} must be https://github.com/owner/name, or "" for none')
    address = f"https://github.com/{found['name']}" if found else ""
    manifest = (book.root / "book.toml").read_text(encoding="utf-8")
    manifest = re.sub(r"^repository *=.*$", f'repository = "{address}"', manifest, flags=re.MULTILINE)
    contents = {book.root / "book.toml": manifest.encode("utf-8")}
    contents |= repository_files(replace(book, repository=address))
    changed = [book.relative(path) for path in replace_files(contents)]
    return f"the repository is {address or 'none'}; wrote {', '.join(changed) or 'nothing, all as it was'}"
