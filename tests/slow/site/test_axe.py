"""Faults of accessibility, as axe-core finds them."""

import json

import pytest


@pytest.mark.gate
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault_but_minor_ones(shown, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e .[site]")
    shown.page.evaluate("theme => {document.documentElement.dataset.theme = theme}", theme)
    options = {"resultTypes": ["violations"]}
    if theme == "dark":
        options["runOnly"] = ["color-contrast"]  # all that differs
    report = axe.Axe().run(shown.page, options=options).response
    shown.page.evaluate("() => {document.documentElement.dataset.theme = 'light'}")
    faults = [fault for fault in report["violations"] if fault["impact"] != "minor"]
    said = [[fault["id"], len(fault["nodes"]), fault["nodes"][0]["html"][:200]] for fault in faults]
    assert not faults, json.dumps(said, indent=1)
