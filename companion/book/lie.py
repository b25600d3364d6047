"""Catch the lie: a page on which the reader looks for the first false sentence of a model's story."""

import json
from pathlib import Path

from companion.book.manifest import Book

STORIES = Path("data/models/lie.json")
"""The stories with the judge's verdicts, as `benchmarks/lie.py` writes them."""
TEMPLATE = Path(__file__).with_name("templates") / "lie.md"


def has_stories(book: Book) -> bool:
    """Whether the book ships the game's stories."""
    return (book.root / STORIES).exists()


def lie_page(book: Book) -> str:
    """The page, in MyST, with the stories in it, so that it asks for no other file."""
    stories = json.loads((book.root / STORIES).read_text(encoding="utf-8"))
    content = json.dumps(stories, ensure_ascii=False).replace("</", "<\\/")
    return TEMPLATE.read_text(encoding="utf-8").replace("STORIES", content)
