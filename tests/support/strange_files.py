"""Files that no model has and that a stranger's folder may hold."""

import os

import pytest

KINDS = ("a pipe", "a device", "a folder", "too large")


def make_strange(path, kind):
    """Put a pipe, a link to an endless device, a folder, or a huge file without content in a path's place."""
    path.unlink(missing_ok=True)
    if kind == "a folder":
        path.mkdir()
    elif kind == "too large":
        with open(path, "wb") as file:
            file.truncate(2**40)
    elif os.name == "nt":
        pytest.skip("Windows has no such files")
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
