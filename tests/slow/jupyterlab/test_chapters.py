"""Chapters in a real JupyterLab: opening one changes nothing, and the page reads as it was meant.

Every run opens one chapter. LAB_CHAPTERS names others, by number, or all of them:

    LAB_CHAPTERS=all pytest -m gate tests/slow/jupyterlab
    LAB_CHAPTERS=03,08 pytest -m gate tests/slow/jupyterlab
"""

import os

import pytest

pytest.importorskip("playwright", reason="needs playwright: pip install -e '.[site]'")

from lab import ROOT

from companion.book.manifest import Book
from companion.book.text import read_notebook

BOOK = Book.read(ROOT)
KEYS = os.environ.get("LAB_CHAPTERS", "00_start")
"""The start, for every run: the first that a reader opens, and the quickest."""
CHAPTERS = BOOK.chapters if KEYS == "all" else [BOOK.find(key) for key in KEYS.split(",")]


@pytest.fixture(scope="module", params=CHAPTERS, ids=lambda chapter: chapter.name)
def chapter(request):
    """Each chapter that was asked for."""
    return request.param


@pytest.fixture(scope="module")
def opened(chapter, lab, browser):
    """The chapter, open and read to its end."""
    with lab.open(browser, chapter.name) as page:
        page.read_through()
        yield page


def test_opening_a_notebook_changes_nothing(opened):
    """But for the version of Python: where it is another one, JupyterLab writes its own."""
    now = opened.page.evaluate("() => jupyterapp.shell.currentWidget.context.model.toJSON().metadata")
    before = read_notebook(opened.file).metadata
    same_version = now["language_info"].pop("version") == before["language_info"].pop("version")
    assert now == before
    if same_version:
        assert not opened.page.evaluate("() => jupyterapp.shell.currentWidget.context.model.dirty")


def test_nothing_is_wider_than_its_cell(opened):
    assert opened.too_wide() == []


def test_what_is_folded_is_folded_and_nothing_is_broken(chapter, opened):
    cells = read_notebook(chapter.notebook).cells
    assert opened.counts() == {
        "folded cells": sum(cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in cells),
        "folded parts": sum(cell.source.count("<details") for cell in cells if cell.cell_type == "markdown"),
        "open parts": 0,
        "broken equations": 0,
    }
