"""What a page of the web book costs a phone: requests, bytes by kind, and work before the first paint.

    python -m companion.book site --out site                  # the site to measure
    python benchmarks/pages.py --site site [index.html ...]   # prints a table for each page

Headless Chromium opens each page as a phone 380 pixels wide would, with nothing stored from earlier visits.
Bytes are those of the files, and "packed" those that gzip leaves of texts, which is what a server such as
GitHub Pages sends. Work is the processor time of the page's main thread, as Chromium's tracing reports it.
Other programs disturb that little. A phone needs about four times as much. "To the first paint" is all work
until the page's first words or picture appear, "to the end" all work until the page is quiet. What Chromium
does in other threads is not counted.
"""

import argparse
import functools
import gzip
import http.server
import json
import shutil
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

WIDTH, HEIGHT = 380, 800
HAS_MATHJAX = "() => !document.querySelector('script[src*=mathjax]') || window.MathJax?.startup?.promise"
TEXTS = {"document", "script", "stylesheet", "fetch", "xhr"}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *args):
        """Nothing."""


def traced(browser, page, address: str) -> list[dict]:
    """The events of Chromium's tracing while a page loads and becomes quiet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        categories = ["toplevel", "loading", "devtools.timeline", "blink.user_timing"]
        browser.start_tracing(page=page, path=str(path), categories=categories)
        page.goto(address, wait_until="networkidle")
        page.wait_for_function(HAS_MATHJAX)
        page.evaluate("() => window.MathJax?.startup.promise.then(() => null)")  # the equations
        page.wait_for_timeout(2000)
        browser.stop_tracing()
        return json.loads(path.read_text(encoding="utf-8"))["traceEvents"]


def work(events: list[dict]) -> dict[str, float]:
    """Milliseconds of the main thread: to the first paint, to the end, and of the longest task."""
    paints = [event for event in events if event["name"] == "firstContentfulPaint"]
    first = min(paints, key=lambda event: event["ts"])
    main = (first["pid"], first["tid"])
    tasks = [
        event
        for event in events
        if event["name"].endswith("RunTask")
        and event.get("ph") == "X"
        and (event["pid"], event["tid"]) == main
    ]
    spent = [(event["ts"], event.get("tdur", 0) / 1000) for event in tasks]
    return {
        "to the first paint": sum(cost for begin, cost in spent if begin < first["ts"]),
        "to the end": sum(cost for _, cost in spent),
        "longest task": max(cost for _, cost in spent),
    }


def measure(browser, site: Path, address: str, name: str) -> None:
    """Open a page once, and print what it asked for and what it did."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=2)
    page, asked = context.new_page(), []
    page.on("response", lambda answer: asked.append((answer.request.resource_type, answer.url)))
    events = traced(browser, page, f"{address}/{name}")
    context.close()
    kinds: dict[str, list[tuple[int, int, str]]] = {}
    for kind, url in asked:
        path = site / urlsplit(url).path.lstrip("/")
        if not path.is_file():
            continue  # such as data: addresses
        content = path.read_bytes()
        packed = len(gzip.compress(content, 6)) if kind in TEXTS or path.suffix == ".svg" else len(content)
        kinds.setdefault(kind, []).append((len(content), packed, path.name))
    print(f"\n{name}")
    print(f"{'kind':12} {'requests':>8} {'kB':>8} {'packed':>8}  largest")
    for kind, files in sorted(kinds.items()):
        size, packed = (sum(column) / 1000 for column in list(zip(*files, strict=True))[:2])
        largest = max(files, key=lambda file: file[1])
        print(f"{kind:12} {len(files):8} {size:8.0f} {packed:8.0f}  {largest[2]}, {largest[1] / 1000:.0f} kB")
    rows = [file for files in kinds.values() for file in files]
    print(f"{'all':12} {len(rows):8} {sum(row[0] for row in rows) / 1000:8.0f} "
          f"{sum(row[1] for row in rows) / 1000:8.0f}")  # fmt: skip
    for what, milliseconds in work(events).items():
        print(f"main thread, {what}: {milliseconds:.0f} ms of processor time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pages", nargs="*", default=["index.html"], help="(default: index.html, the cover)")
    parser.add_argument("--site", type=Path, required=True, help="folder that companion.book site wrote")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    handler = functools.partial(Handler, directory=args.site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in args.pages:
            measure(browser, args.site, f"http://127.0.0.1:{server.server_port}", name)
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
