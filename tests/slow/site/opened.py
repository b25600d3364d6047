"""A page of the web book, open in a browser."""

from pathlib import Path

from companion.book.api import modules
from companion.book.manifest import Book
from companion.book.pages import guides

BOOK = Book.read(Path(__file__).parents[3])

MADE = ["index", "notation", "glossary", "api/index", "browser", "lie", "search"]
FIRST = BOOK.chapters[1]
"""The first chapter that exports."""
CHAPTERS = [f"chapters/{chapter.name}" for chapter in BOOK.chapters]
API = [f"api/{module}" for module in modules(BOOK)]
DOCS = [f"docs/{path.stem}" for path in guides(BOOK)]
NAMES = MADE + API + DOCS + CHAPTERS
"""Every page, by its file's name."""
SHOWN = MADE + API[::6] + DOCS + CHAPTERS
"""The pages that are looked at. Sphinx makes the package's pages all in one way, so some are enough."""
KINDS = [*MADE, DOCS[0], f"api/{FIRST.module}", f"chapters/{FIRST.name}"]
"""One page of each kind."""

OVERFLOWING = r"""
() => {
  const wide = [];
  const scrolls = (e) => {
    for (let p = e; !p.matches(".bd-article-container"); p = p.parentElement)
      if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(p).overflowX)) return true;
    return false;
  };
  for (const e of document.querySelectorAll(".bd-article-container *")) {
    const box = e.getBoundingClientRect();
    const seen = box.width && !e.closest("mjx-assistive-mml");
    if (e.matches("div.math > mjx-container") && box.left < 0) wide.push("an equation begins out of sight");
    if (seen && box.right > innerWidth + 1 && !scrolls(e.parentElement))
      wide.push(`${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}`);
  }
  const page = document.documentElement.scrollWidth;
  return page > innerWidth ? [`the page is ${page} wide`, ...wide] : wide;
}
"""
"""What is wider than the page, in words."""

ONE_OF_EACH = r"""
() => {
  const seen = new Set();
  const spans = [...document.querySelectorAll(".highlight pre span[class]:not(:has(*))")];
  const visible = spans.map((span) => span.checkVisibility());  // before any change: each makes it slow again
  spans.forEach((span, i) => {
    const kind = `${span.className} in ${span.parentElement.className}`;
    if (seen.has(kind) || !visible[i]) span.replaceWith(span.textContent);
    else seen.add(kind);
  });
  for (const pre of document.querySelectorAll(".highlight pre")) pre.normalize();
}
"""
"""Leaves one of each kind of the colored words that code shows: a chapter has 8,000, and axe is slow."""


class Opened:
    """A page of the site in one of Playwright's contexts, and what complained in it."""

    def __init__(self, context, address: str):
        self.address, self.name, self.complaints = address, "", []
        self.page = context.new_page()
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self.asked)
        self.page.on("requestfailed", self.failed)
        self.page.on("response", self.answered)

    def go(self, name: str) -> None:
        """Load a page by its file's name, equations included."""
        self.name = name
        self.page.goto(f"{self.address}/{name}")
        self.page.evaluate("() => window.MathJax?.startup?.promise?.then(() => null)")

    def heard(self, message):
        """What the console says."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def asked(self, request):
        """Each request, also of scripts and fonts."""
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"outside: {request.url}")

    def failed(self, request):
        """Each request without an answer, but those that end because another page is opened."""
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url}")

    def answered(self, response):
        """Each answer."""
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")
