"""What tests of files share."""

import os
from pathlib import Path

import pytest


def visible(folder: Path) -> list[str]:
    """The names in a folder, hidden ones (locks) left out."""
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def one_line(error: pytest.ExceptionInfo, *words) -> None:
    """The error's message is one line with these words."""
    assert "\n" not in str(error.value)
    for word in words:
        assert str(word) in str(error.value)
