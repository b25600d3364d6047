"""data/glossary.csv: the terms that the chapters define, for the chat to answer questions about the course.

It is made from what each chapter says it built. `sync` writes it where it is there, and the web book makes
its page of the glossary from the same terms.
"""

import csv
import io
from pathlib import Path

from companion.book.manifest import Book
from companion.book.terms import Term, chapter_terms, unique_terms
from companion.book.text import read_notebook


def glossary_file(book: Book) -> Path:
    """Where the glossary lies."""
    return book.root / "data" / "glossary.csv"


def all_terms(book: Book) -> list[Term]:
    """The terms of all chapters, each name once. BookError where a notebook is missing."""
    return unique_terms(
        term for chapter in book.chapters for term in chapter_terms(chapter, read_notebook(chapter.notebook))
    )


def glossary_rows(book: Book) -> str:
    """The glossary as CSV, with the columns names (joined by " | "), meaning, chapter and title."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["names", "meaning", "chapter", "title"])
    for term in all_terms(book):
        writer.writerow([" | ".join(term.names), term.meaning, term.chapter.number, term.chapter.title])
    return text.getvalue()
