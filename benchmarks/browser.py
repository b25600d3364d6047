"""The shipped model in the web book, in headless Chromium: bytes, time to the first word, tokens a second.

    python -m companion.book site                      # the site to measure
    python benchmarks/browser.py --site site     # adds a row to data/models/browser.jsonl

A fresh page, a click on the cover's button, no words but "Once". Time to the first word is from the click
to the first new token on the page, with the loading of worker and model in it, from a server on this machine.
Tokens a second are those of the arithmetic alone, and those shown, which is paced. And how often the rounded
weights choose the same token as float32 at temperature 0: at each token of stories of the test split, and
over whole stories told from their first five words.
"""

import argparse
import functools
import http.server
import platform
import shutil
import statistics
import threading
import time
from pathlib import Path

import torch
from logs import append_row

from companion.book.model import CHECKPOINT, rounded
from companion.village import load_split

ROOT = Path(__file__).parents[1]
LOG = ROOT / "data" / "models" / "browser.jsonl"
NEW = ".teller .token:not(.beginning):not(.given)"
DONE = "() => /sentences are/.test(document.querySelector('.teller .status').textContent)"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *args):
        """Nothing."""


def measure(browser, address: str) -> dict:
    """One visit to the cover: bytes of model and scripts, seconds to the first word, tokens a second."""
    page, sizes = browser.new_page(), {}
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))
    page.goto(f"{address}/index.html", wait_until="networkidle")
    begin = time.perf_counter()
    page.locator(".teller .main").click()
    page.locator(NEW).first.wait_for()
    first = time.perf_counter() - begin
    page.wait_for_function(DONE, timeout=120_000)
    shown = page.locator(NEW).count() / (time.perf_counter() - begin - first)
    said = page.locator(".teller .status").inner_text()
    page.close()
    arithmetic = 1000 / float(said.split(" ms of arithmetic")[0].split()[-1])
    loaded = sum(size for url, size in sizes.items() if "/_static/teller/" in url or "/_static/model/" in url)
    return {"bytes": loaded, "first": first, "shown": shown, "arithmetic": arithmetic}


@torch.no_grad()
def agreement(n: int) -> dict:
    """How often the weights as the page has them choose as float32 does, on n stories."""
    from companion import load

    exact, coarse = load(ROOT / CHECKPOINT), load(ROOT / CHECKPOINT)
    for p in coarse.model.parameters():
        if p.ndim == 2:
            whole, scales = rounded(p.numpy())
            p.copy_(torch.from_numpy(whole * scales[:, None]))
    same = total = whole_same = 0
    for text in load_split("test")[:n]:
        tokens = exact.encode(text)
        chosen = [teller.model(tokens)[0].argmax(-1) for teller in (exact, coarse)]
        same, total = same + int((chosen[0] == chosen[1]).sum()), total + tokens.shape[1]
        first = " ".join(text.split()[:5])
        whole_same += exact.tell(first, temperature=0.0) == coarse.tell(first, temperature=0.0)
    return {"tokens": total, "same_tokens": same / total, "stories": n, "same_stories": whole_same / n}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--site", type=Path, default=Path("site"), help="a built site (default: site)")
    parser.add_argument("--visits", type=int, default=5, help="(default: 5)")
    parser.add_argument("--stories", type=int, default=100, help="for the agreement (default: 100)")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    handler = functools.partial(Handler, directory=str(args.site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        address = f"http://127.0.0.1:{server.server_port}"
        visits = [measure(browser, address) for _ in range(args.visits)]
        version = browser.version
        browser.close()
    server.shutdown()
    row = {name: round(statistics.median(visit[name] for visit in visits), 3) for name in visits[0]}
    row |= {name: round(value, 4) for name, value in agreement(args.stories).items()}
    row |= {"visits": args.visits, "browser": f"Chromium {version}, headless, {platform.machine()}"}
    append_row(LOG, row)
    for name, value in row.items():
        print(f"{name:13} {value}")


if __name__ == "__main__":
    main()
