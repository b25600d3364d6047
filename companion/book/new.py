"""A new chapter: its block in book.toml and a skeleton of its text."""

import keyword
import re
from pathlib import Path

from companion.book import BookError
from companion.book.files import replace_files
from companion.book.imports import hidden_by
from companion.book.manifest import NAME, Book

SKELETON = Path(__file__).with_name("templates") / "chapter.md"
"""What a new chapter's text begins as."""


def new_chapter(book: Book, name: str) -> str:
    """Add NN_name to book.toml, at its place among the chapters, and write the skeleton of its text.

    A text that is there already stays. Returns a line that says what to do next. Raises BookError for a
    malformed name, for a number or a module that is taken, and for one that would hide what was written by
    hand.
    """
    match = NAME.fullmatch(name)
    if not match or keyword.iskeyword(match["module"]):
        raise BookError(
            f"{name!r} is not a chapter's name; it takes two digits, _ and a module's name, as in 09_caching"
        )
    text = book.root / "chapters" / "text" / f"{name}.md"
    number, module = match.groups()
    if any(c.module == module or c.name.startswith(number) for c in book.chapters):
        raise BookError(f"the number or the module of {name} is taken; see book.toml")
    if hidden := hidden_by(book, module):
        raise BookError(f"{name}: a module called {module!r} would hide {hidden}; choose another name")
    manifest = (book.root / "book.toml").read_text(encoding="utf-8").rstrip("\n")
    block = f'[[part.chapter]]\nname = "{name}"\nmodule = "{module}"\nseconds = 60'
    later = next((c for c in book.chapters if c.name > name), None)
    if later is None:
        manifest += f"\n\n{block}\n"
    else:
        following = re.compile(rf'\[\[part\.chapter\]\]\s+name = "{later.name}"')
        manifest = following.sub(lambda found: f"{block}\n\n{found[0]}", manifest, count=1) + "\n"
    files = {book.root / "book.toml": manifest.encode()}
    if not text.exists():
        title = module.replace("_", " ").capitalize()
        skeleton = SKELETON.read_text(encoding="utf-8")
        files[text] = skeleton.format(title=title, module=module, number=number).encode()
    replace_files(book.root, files)
    return f"{book.relative(text)} is yours to write; then run `python -m companion.book sync {number}`"
