"""The real web book, built once, served on this machine, and opened in Chromium."""

import functools
import http.server
import json
import os
import threading
from pathlib import Path

import pytest
from opened import BOOK, NAMES, Opened

from companion.book.model import CHECKPOINT
from companion.book.site import build_site, missing_tools


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *args):
        """Nothing."""


def built_site(folder: Path) -> Path:
    """The site, made by the first of the workers that asks for it."""
    from filelock import FileLock

    with FileLock(folder / "site.lock"):
        site = folder / "site"
        if not site.exists():
            build_site(BOOK, site)
    return site


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder with the built site; SITE names one that is built already."""
    if "SITE" in os.environ:
        return Path(os.environ["SITE"])
    if missing_tools():
        pytest.skip("the authors' tools are not installed: pip install -e .[site]")
    base = tmp_path_factory.getbasetemp()
    return built_site(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def address(site) -> str:
    """Where the site is served."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(site))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def opened(browser, address):
    """Opens a page by name, with options of Playwright's contexts."""
    pages = []

    def open_page(name: str, **options) -> Opened:
        pages.append(Opened(browser, address, name, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()


@pytest.fixture(scope="module", params=NAMES)
def shown(request, browser, address):
    """Each page in turn, loaded once."""
    page = Opened(browser, address, f"{request.param}.html")
    page.page.add_style_tag(content="* {transition: none !important}")
    yield page
    page.close()


@pytest.fixture(scope="session")
def tokenizer():
    """The shipped model's tokenizer."""
    from companion.runtime.text.tokenizer import Tokenizer

    return Tokenizer.load(BOOK.root / CHECKPOINT / "tokenizer.json")


@pytest.fixture(scope="session")
def model(site):
    """Python's model with the numbers in the site's file, read by its table."""
    import numpy as np
    import torch

    from companion.gpt import GPTConfig, gpt2

    described = json.loads((site / "_static" / "model" / "model.json").read_text(encoding="utf-8"))
    content = (site / "_static" / "model" / "weights.bin").read_bytes()
    state = {}
    for row in described["tensors"]:
        shape = row["shape"]
        if "scales" in row:
            whole = np.frombuffer(content, np.int8, shape[0] * shape[1], row["at"]).reshape(shape)
            scales = np.frombuffer(content, "<f4", shape[0], row["scales"])
            state[row["name"]] = torch.from_numpy(whole * scales[:, None])
        else:
            state[row["name"]] = torch.from_numpy(np.frombuffer(content, "<f4", shape[0], row["at"]).copy())
    config = {key: value for key, value in described["config"].items() if key != "architecture"}
    made = gpt2(GPTConfig(**config))
    made.load_state_dict(state)
    return made.eval()
