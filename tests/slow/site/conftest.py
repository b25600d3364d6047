"""The real web book, built once, served on this machine, and opened in Chromium."""

import functools
import http.server
import json
import os
import threading
from pathlib import Path

import pytest
from opened import BOOK, SHOWN, Opened

from companion.book.model import CHECKPOINT
from companion.book.site import build_site, missing_tools

SEED = b"""
let dart = 1;
Math.random = () => (dart = (dart * 16807) % 2147483647) / 2147483647;
"""
"""What the model's thread begins with, so that every run of a test is told the same stories."""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, without a word; behind the model's thread comes SEED."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """The file, with SEED behind it where it is the model's thread."""
        if not self.path.endswith("/teller/worker.js"):
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes() + SEED
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self):
        """Each page of a context may use again what another one loaded."""
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()

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


SCREEN = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="module")
def contexts(browser):
    """One of Playwright's contexts for each set of options: what one page loaded is there for the next."""
    made = {}

    def context(**options):
        key = json.dumps(options, sort_keys=True)
        if key not in made:
            made[key] = browser.new_context(**SCREEN | options)
        return made[key]

    yield context
    for context in made.values():
        context.close()


@pytest.fixture
def opened(contexts, address):
    """Opens a page by name, with options of Playwright's contexts."""
    pages = []

    def open_page(name: str, **options) -> Opened:
        pages.append(Opened(contexts(**options), address))
        pages[-1].go(name)
        return pages[-1]

    yield open_page
    for page in pages:
        page.page.close()


@pytest.fixture(scope="module")
def tab(contexts, address) -> Opened:
    """A tab in which one page follows another."""
    return Opened(contexts(), address)


@pytest.fixture(scope="module", params=SHOWN)
def shown(request, tab):
    """Each page in turn, loaded once, on a wide screen."""
    tab.page.set_viewport_size(SCREEN["viewport"])
    tab.go(f"{request.param}.html")
    tab.page.add_style_tag(content="* {transition: none !important}")
    return tab


@pytest.fixture(scope="session")
def tokenizer():
    """The shipped model's tokenizer."""
    from companion.runtime.text.tokenizer import Tokenizer

    return Tokenizer.load(BOOK.root / CHECKPOINT / "tokenizer.json")


@pytest.fixture(scope="session")
def model(site):
    """Python's model with the numbers in the site's file."""
    from safetensors.torch import load_file

    from companion.gpt import GPTConfig, gpt2

    described = json.loads((site / "_static" / "model" / "model.json").read_text(encoding="utf-8"))
    stored = load_file(site / "_static" / "model" / "weights.safetensors")
    state = {name: numbers for name, numbers in stored.items() if not name.endswith(".scales")}
    for name in state:
        if f"{name}.scales" in stored:
            state[name] = state[name] * stored[f"{name}.scales"][:, None]
    config = {key: value for key, value in described["config"].items() if key != "architecture"}
    made = gpt2(GPTConfig(**config))
    made.load_state_dict(state)
    return made.eval()
