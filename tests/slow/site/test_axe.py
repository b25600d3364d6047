"""Faults of accessibility, as axe-core finds them."""

import json

import pytest
from opened import BOOK, KINDS

CHAPTERS = [f"chapters/{chapter.name}" for chapter in BOOK.chapters]


def faults(shown, options) -> list:
    """What axe finds, but minor things: the rule, the number of places, the first of them."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e .[site]")
    report = axe.Axe().run(shown.page, options={"resultTypes": ["violations"]} | options).response
    found = [fault for fault in report["violations"] if fault["impact"] != "minor"]
    return [[fault["id"], len(fault["nodes"]), fault["nodes"][0]["html"][:200]] for fault in found]


@pytest.mark.parametrize("shown", list(dict.fromkeys(KINDS + CHAPTERS)), indirect=True)
def test_axe_finds_no_fault_but_minor_ones(shown):
    found = faults(shown, {})
    assert not found, json.dumps(found, indent=1)


@pytest.mark.parametrize("shown", [CHAPTERS[0], *KINDS], indirect=True)
def test_the_dark_colors_have_contrast(shown):
    """Of each kind of page one, since all have the same colors."""
    shown.page.evaluate("() => {document.documentElement.dataset.theme = 'dark'}")
    found = faults(shown, {"runOnly": ["color-contrast"]})
    shown.page.evaluate("() => {document.documentElement.dataset.theme = 'light'}")
    assert not found, json.dumps(found, indent=1)
