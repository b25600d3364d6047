"""The repository's address, which book.toml has: README's badges and its `git clone`, and chapter 0's cell.

All follow book.toml: `repository` writes them, `check` compares them. While the address is empty, there are
no badges, README says "download this folder", the cell that fetches the course says that it is missing,
and the web book has no links to files.
"""

import re
from dataclasses import replace
from pathlib import Path

from companion.book import BookError
from companion.book.manifest import Book, replace_files
from companion.book.text import code_cells, read_notebook, write_notebook

START = "chapters/00_start.ipynb"
ADDRESS = re.compile(r"https://github\.com/(?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?")
BEGIN, END = "<!-- badges: python -m companion.book repository -->", "<!-- end of badges -->"
BLOCK = re.compile(rf"{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", re.DOTALL)
BEGIN_CLONE, END_CLONE = "<!-- clone: python -m companion.book repository -->", "<!-- end of clone -->"
CLONE = re.compile(rf"{re.escape(BEGIN_CLONE)}\n.*?{re.escape(END_CLONE)}\n", re.DOTALL)
FETCHES = re.compile(
    r'^(?P<before> *address = )"(?P<address>[^"\n]*)"(?=  # the course\'s repository$)', re.MULTILINE
)
"""The line of a chapter's cell that fetches the course; the comment marks it."""
WITHOUT_ADDRESS = "Download this folder, and open a terminal in it."
REMARK = "VS Code, which Codespaces opens, does not fold cells, so it shows the exercises' solutions."


def badges(book: Book) -> str:
    """README's lines with a badge for each place, in Markdown; "" without a repository at GitHub."""
    found = ADDRESS.fullmatch(book.repository)
    if not found:
        return ""
    name = found["name"]
    places = {
        "Codespaces": ("github.com/codespaces/badge.svg", f"codespaces.new/{name}"),
        "Binder": ("mybinder.org/badge_logo.svg", f"mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/{START}"),
        "Colab": (
            "colab.research.google.com/assets/colab-badge.svg",
            f"colab.research.google.com/github/{name}/blob/main/{START}",
        ),
    }
    lines = [
        f"[![Open in {place}](https://{image})](https://{link})" for place, (image, link) in places.items()
    ]
    return "\n".join([*lines, "", REMARK])


def block(book: Book) -> str:
    """The badges between the two comments that mark their place in README."""
    return "\n".join([BEGIN, *filter(None, [badges(book)]), END, ""])


def clone_block(book: Book) -> str:
    """How to get the course, between the two comments that mark its place in README."""
    if book.repository:
        name = book.repository.rstrip("/").split("/")[-1]
        lines = ["", "```", f"git clone {book.repository}", f"cd {name}", "```", ""]
    else:
        lines = [WITHOUT_ADDRESS]
    return "\n".join([BEGIN_CLONE, *lines, END_CLONE, ""])


def repository_files(book: Book) -> dict[Path, bytes]:
    """README, and the chapters that fetch the course, with the repository of this book in their text."""
    contents = {}
    readme = book.root / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        text = CLONE.sub(lambda _: clone_block(book), text)
        contents[readme] = BLOCK.sub(lambda _: block(book), text).encode("utf-8")

    def named(source: str) -> str:
        return FETCHES.sub(lambda line: f'{line["before"]}"{book.repository}"', source)

    for chapter in book.chapters:
        if FETCHES.search(chapter.source):
            contents[chapter.text] = named(chapter.source).encode("utf-8")
            if chapter.notebook.exists():
                notebook = read_notebook(chapter.notebook)
                for cell in code_cells(notebook):
                    cell.source = named(cell.source)  # where the course is there, it does nothing: no new run
                contents[chapter.notebook] = write_notebook(notebook)
    return contents


def set_repository(book: Book, address: str) -> str:
    """Write the address into book.toml, README and the cell that fetches the course; return what changed.

    address: https://github.com/owner/name, or "" for none. BookError for another, where nothing is written.
    """
    found = ADDRESS.fullmatch(address.strip())
    if address.strip() and not found:
        raise BookError(
            f'repository={address!r} is none at GitHub; give https://github.com/owner/name, or "" for none'
        )
    address = f"https://github.com/{found['name']}" if found else ""
    manifest = (book.root / "book.toml").read_text(encoding="utf-8")
    manifest = re.sub(r"^repository *=.*$", f'repository = "{address}"', manifest, flags=re.MULTILINE)
    contents = {book.root / "book.toml": manifest.encode("utf-8")}
    contents |= repository_files(replace(book, repository=address))
    changed = [book.relative(path) for path in replace_files(book.root, contents)]
    return f"the repository is {address or 'none'}; wrote {', '.join(changed) or 'nothing, all as it was'}"
