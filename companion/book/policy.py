"""The Content-Security-Policy of a page of the web book: what a browser lets the page load and run.

A site of files alone sends no headers of its own, so each page says it in a `meta` element. The page may load
what lies beside it and nothing from another host. Of the scripts inside the page, those run that were there
when the site was built: the policy has the hash of each. Whatever else came into a page would not run.

Reference:
    W3C, Content Security Policy Level 3, https://www.w3.org/TR/CSP3/.
"""

import base64
import hashlib
import re
from collections.abc import Collection
from html import escape
from html.parser import HTMLParser
from pathlib import Path

RULES = {
    "default-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",  # MathJax, figures and the theme set styles
    "img-src": "'self' data:",
    "font-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}
"""What holds for every page, beside `script-src`. The model's thread is a file of the site."""
RUN = ("", "module", "text/javascript", "application/javascript")
"""The types of a `script` element that a browser runs; others hold data."""
CHARSET = re.compile(r'<meta charset="utf-8"\s*/?>', re.IGNORECASE)


class Scripts(HTMLParser):
    """The scripts inside a page: the text of its `script` elements, and its attributes such as `onclick`."""

    def __init__(self):
        super().__init__()
        self.elements: list[str] = []
        self.handlers: list[str] = []
        self.open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.handlers += [value for name, value in attrs if name.startswith("on") and value]
        self.open = tag == "script" and "src" not in given and (given.get("type") or "").lower() in RUN
        if self.open:
            self.elements.append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = False

    def handle_data(self, data: str) -> None:
        if self.open:
            self.elements[-1] += data


def scripts_of(page: str) -> Scripts:
    """The scripts inside a page, a text of HTML."""
    found = Scripts()
    found.feed(page)
    found.close()
    return found


def policy_of(page: str, handlers: Collection[str] = ()) -> str:
    """The policy of a page.

    Args:
        page: A text of HTML.
        handlers: Attributes such as `onclick` of other pages, whose text the page reads. The search does so.
    """
    found = scripts_of(page)
    handlers = {*found.handlers, *handlers}
    sources = ["'self'", *sorted(map(hash_of, {*found.elements, *handlers}))]
    if handlers:
        sources.append("'unsafe-hashes'")  # the hashes hold for attributes, too
    rules = RULES | {"script-src": " ".join(sources)}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def hash_of(script: str) -> str:
    """A script as a policy names it."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def with_policy(page: str, handlers: Collection[str] = ()) -> str:
    """The page with its policy, which stands before whatever the page loads. Arguments as for policy_of.

    Raises:
        ValueError: If the page does not say its encoding, behind which the policy is written.
    """
    if not (place := CHARSET.search(page)):
        raise ValueError('page has no <meta charset="utf-8">; the policy is written behind it')
    said = f'<meta http-equiv="Content-Security-Policy" content="{escape(policy_of(page, handlers))}" />'
    return f"{page[: place.end()]}\n    {said}{page[place.end() :]}"


def add_policies(site: Path) -> None:
    """Write its policy into each page of a site. What lies in _static is no page, but a part of the theme."""
    paths = [path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts]
    pages = {path: path.read_text(encoding="utf-8") for path in paths}
    handlers = {handler for page in pages.values() for handler in scripts_of(page).handlers}
    for path, page in pages.items():
        path.write_text(with_policy(page, handlers), encoding="utf-8")
