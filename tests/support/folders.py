"""What tests of files share."""

import contextlib
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


@contextlib.contextmanager
def raises_one_line(kind: type[Exception], match: str):
    """Raises an error of this kind: one short line that matches, and no other error is shown with it."""
    with pytest.raises(kind, match=match) as error:
        yield error
    one_line(error)
    assert len(str(error.value)) < 300
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
