"""Settings for every test and every notebook's kernel."""

import os
import tomllib
from pathlib import Path

import pytest

# Two processes with two threads each on two cores take ten times as long as with one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Set where a notebook started the tests; their kernels would show controls, as if to a reader (widgets.py).
os.environ.pop("JPY_SESSION_NAME", None)

QUICK = 15
"""Seconds that a chapter may have in book.toml and still be run by `pytest -m "not slow"`."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the cells of long chapters as slow; a cell alone is no test, since it needs those before it."""
    book = tomllib.loads((Path(__file__).parent / "book.toml").read_text(encoding="utf-8"))
    chapters = [chapter for part in book["part"] for chapter in part["chapter"]]
    long = {f"{chapter['name']}.ipynb" for chapter in chapters if chapter["seconds"] > QUICK}
    for item in items:
        if item.path.name in long:
            item.add_marker("slow")
