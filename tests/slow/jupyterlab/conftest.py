"""One JupyterLab for all the tests that a process runs."""

import pytest
from lab import serve


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab, on a copy of the course."""
    with serve(tmp_path_factory.mktemp("lab")) as running:
        yield running
