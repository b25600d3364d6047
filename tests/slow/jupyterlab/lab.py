"""JupyterLab as a reader starts it, and a chapter open in it, driven in a real browser."""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[3]
SECONDS = 300
"""How long the server may take to start, and a page to open: on a busy machine, more than a minute."""

NO_NEWS = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
"""Where JupyterLab keeps whether it asks to fetch news; its question would cover the page."""

SCROLL = """
() => {
    const view = document.querySelector(".jp-WindowedPanel-outer");
    const before = view.scrollTop;
    view.scrollTop += 0.85 * view.clientHeight;
    const cells = jupyterapp.shell.currentWidget.content.widgets;
    const shown = cell => cell.model.type !== "markdown"
        || cell.node.querySelector(".jp-MarkdownOutput")?.childElementCount;
    return view.scrollTop > before || !cells.every(cell => cell.isAttached && shown(cell));
}
"""
"""Scrolls on by most of a screen, and says whether there is more to come."""
TOO_WIDE = """
() => [...document.querySelectorAll(
    ".jp-RenderedHTMLCommon *, .jp-OutputArea img, .jp-OutputArea pre, .jp-Placeholder-content"
)].filter(part => {
    const cell = part.closest(".jp-Notebook .jp-Cell"), box = part.getBoundingClientRect();
    return cell && box.width && !part.closest("mjx-assistive-mml, svg")
        && box.right > cell.getBoundingClientRect().right + 1;
}).map(part => part.outerHTML.slice(0, 120))
"""
COUNTED = {
    "folded cells": ".jp-CodeCell .jp-InputPlaceholder",
    "folded parts": ".jp-MarkdownCell details:not([open])",
    "open parts": ".jp-MarkdownCell details[open]",
    "broken equations": ":is(mjx-merror, [data-mml-node=merror])",
}


def command_of_readme() -> list[str]:
    """The options with which README starts JupyterLab, without the file that it opens."""
    (line,) = re.findall(r"`\.venv/bin/jupyter lab (.*)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    *options, _ = shlex.split(line)
    return options


class Lab:
    """A running JupyterLab: its address, its token, and the copy of the course that it serves."""

    def __init__(self, url: str, token: str, course: Path):
        self.url, self.token, self.course = url, token, course

    @contextmanager
    def open(self, browser: "Browser", chapter: str, **options) -> Iterator["OpenChapter"]:
        """Open a chapter by name in a page of its own; options (color_scheme …) go to the page."""
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        page.set_default_timeout(SECONDS * 1000)
        try:
            path = f"chapters/{chapter}.ipynb"
            page.goto(f"{self.url}lab/tree/{quote(path)}?token={self.token}&reset")
            opened = OpenChapter(page, self.course / path)
            opened.wait_until_ready()
            yield opened
        finally:
            page.close()


@contextmanager
def serve(folder: Path) -> Iterator[Lab]:
    """Start JupyterLab on 127.0.0.1, with README's options, on a copy of the course in a folder.

    All that Jupyter keeps (settings, workspaces, history, runtime files) lies in the folder too, so it is the
    JupyterLab of someone who never opened one.
    """
    course, token = folder / "course", secrets.token_hex(16)
    for name in ("chapters", "companion", "data", "tests"):
        shutil.copytree(ROOT / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
    kept = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    kept |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    kept |= {"IPYTHONDIR": "ipython"}
    environment = {**os.environ, "JUPYTER_TOKEN": token, "PYTHONPATH": str(course)}
    environment |= {name: str(folder / "jupyter" / place) for name, place in kept.items()}
    settings = folder / "jupyter" / "settings" / NO_NEWS
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false"}', encoding="utf-8")
    options = ["--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root", "--expose-app-in-browser"]
    log = folder / "jupyter" / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, *command_of_readme()],
            cwd=course,
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            yield Lab(wait_for_server(server, folder / "jupyter" / "runtime", log), token, course)
        finally:
            server.terminate()
            try:
                server.wait(SECONDS)
            except subprocess.TimeoutExpired:  # it waits for kernels; they end by themselves without it
                server.kill()
                server.wait()


def wait_for_server(server: subprocess.Popen, runtime: Path, log: Path) -> str:
    """The server's address, once it answers. AssertionError with its log where it does not."""
    deadline = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        for file in runtime.glob("jpserver-*.json"):
            try:
                url = json.loads(file.read_text(encoding="utf-8"))["url"]
                with urlopen(url + "api", timeout=5):
                    return url
            except (URLError, TimeoutError, json.JSONDecodeError):
                continue  # not yet listening, or the file is half written
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")


class OpenChapter:
    """A chapter in JupyterLab: the page, and the notebook's file on the server."""

    def __init__(self, page: "Page", file: Path):
        self.page, self.file = page, file

    def wait_until_ready(self) -> None:
        """Wait until the notebook is read and its kernel started."""
        self.page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.context?.isReady")
        self.page.evaluate("async () => await jupyterapp.shell.currentWidget.sessionContext.ready")

    def read_through(self) -> None:
        """Scroll to the end, a screen at a time, until every cell is on the page and rendered.

        JupyterLab puts cells on the page as they come near, and sets equations after that.
        """
        self.page.wait_for_function(f"() => !({SCROLL})()", polling=100)

    def counts(self) -> dict[str, int]:
        """How many of each of COUNTED are on the page."""
        return {
            name: self.page.locator(f".jp-Notebook {selector}").count() for name, selector in COUNTED.items()
        }

    def too_wide(self) -> list[str]:
        """What reaches over the right edge of its cell."""
        return self.page.evaluate(TOO_WIDE)
