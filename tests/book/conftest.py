"""Every test of the machinery works on its own copy of the tiny book."""

import shutil
from pathlib import Path

import pytest

from companion.book.manifest import Book

TINY = Path(__file__).parent / "tiny"


@pytest.fixture
def book(tmp_path) -> Book:
    """A finished book of two chapters, free to be damaged."""
    shutil.copytree(TINY, tmp_path / "tiny", ignore=shutil.ignore_patterns("__pycache__"))
    return Book.read(tmp_path / "tiny")
