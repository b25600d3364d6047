"""data/glossary.csv, made from what the chapters define."""

import csv

from companion.book.check import check
from companion.book.sync import sync
from companion.book.terms import glossary_file, glossary_rows


def test_a_glossary_that_differs_is_named_and_sync_makes_it_anew(book):
    glossary_file(book).parent.mkdir(exist_ok=True)
    glossary_file(book).write_text("old", encoding="utf-8")
    assert any(one.startswith("data/glossary.csv: differs from what") for one in check(book))
    sync(book, ["01"], run=False)
    assert check(book) == []
    assert glossary_file(book).read_text(encoding="utf-8") == glossary_rows(book)


def test_each_row_has_the_names_the_meaning_and_the_chapter(book):
    text = book.chapters[0].text.read_text(encoding="utf-8")
    added = '\n## What you built\n\n| term | meaning |\n|---|---|\n| decay, beta | a share, "kept" |\n'
    book.chapters[0].text.write_text(text + added, encoding="utf-8")
    sync(book, ["01"], run=False)
    [row] = csv.DictReader(glossary_rows(book).splitlines())
    assert row == {
        "names": "decay | beta",
        "meaning": 'a share, "kept"',
        "chapter": "1",
        "title": "An average that forgets",
    }
