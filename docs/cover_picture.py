"""Take .github/site.png, the picture of the web book's cover in README and docs/installing.md.

Run it from the repository's root, after `python -m companion.book site`: python docs/cover_picture.py
It needs pip install -e '.[site]' and Chromium, opens the site that is in site/, whose cover shows an example.
"""

import functools
import http.server
import io
import shutil
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

SITE = Path("site")
OUTPUT = Path(".github/site.png")
SIZE = {"width": 1280, "height": 1262}
DONE = "() => document.querySelector('.teller .flow.ran')"


def main():
    """Serve the site on this machine, photograph its cover, and write the picture with 128 colors."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        page.wait_for_function(DONE)
        picture = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    server.shutdown()
    small = picture.convert("RGB").resize((960, 946), Image.Resampling.LANCZOS)
    small.quantize(128).save(OUTPUT, optimize=True)
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
