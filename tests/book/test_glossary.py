"""data/glossary.csv and data/questions.csv, made from what the chapters define and answer."""

import csv

from companion.book.check import check
from companion.book.sync import sync


def test_a_glossary_that_differs_is_named_and_sync_makes_it_anew(book):
    file = book.root / "data" / "glossary.csv"
    file.write_text("old", encoding="utf-8")
    assert any(one.startswith("data/glossary.csv: differs from the chapters") for one in check(book))
    text = book.chapters[0].text.read_text(encoding="utf-8")
    added = '\n## Terms\n\n| term | meaning |\n|---|---|\n| decay, beta | a share, "kept" |\n'
    book.chapters[0].text.write_text(text + added, encoding="utf-8")
    sync(book, ["01"], run=False)
    assert check(book) == []
    [row] = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    assert row == {
        "names": "decay | beta",
        "meaning": 'a share, "kept"',
        "chapter": "1",
        "title": "An average that forgets",
    }


def test_the_questions_that_learners_ask_are_gathered_with_their_answers(book):
    file = book.root / "data" / "questions.csv"
    file.write_text("old", encoding="utf-8")
    assert any(one.startswith("data/questions.csv: differs from the chapters") for one in check(book))
    text = book.chapters[0].text.read_text(encoding="utf-8")
    added = (
        "\n## Questions that learners ask\n\n> **Why so?** Because.\n>\n> **A good place to stop.** Here.\n"
    )
    book.chapters[0].text.write_text(text + added, encoding="utf-8")
    sync(book, ["01"], run=False)
    [row] = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    assert (row["question"], row["answer"], row["chapter"]) == ("Why so?", "Because.", "1")
