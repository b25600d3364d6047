"""A page of the web book, open in a browser."""

from pathlib import Path

from support.cases import texts

from companion.book.api import modules
from companion.book.manifest import Book

TEXTS = texts(__file__)

BOOK = Book.read(Path(__file__).parents[3])

MADE = ["index", "notation", "glossary", "api/index", "browser", "search"]
FIRST = BOOK.chapters[1]
"""The first chapter that exports."""
CHAPTERS = [f"chapters/{chapter.name}" for chapter in BOOK.chapters]
NAMES = MADE + [f"api/{module}" for module in modules(BOOK)] + CHAPTERS
"""Every page, by its file's name."""
KINDS = [*MADE, f"api/{FIRST.module}", f"chapters/{FIRST.name}"]
"""One page of each kind."""

OVERFLOWING = TEXTS["OVERFLOWING"]
"""What is wider than the page, in words."""

ONE_OF_EACH = TEXTS["ONE OF EACH"]
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
