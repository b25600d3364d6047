"""Which documents of a large text are worth reading: rules with names, and one copy of each.

A document is refused by the first of RULES that finds fault with it. The rules are after those of Gopher
(Rae et al., 2021, arXiv:2112.11446, appendix A.1) and C4 (Raffel et al., 2020, arXiv:1910.10683, section
2.2). Theirs count words; these hold for languages without spaces, too.
"""

import hashlib
import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator

SPACES = string.whitespace.encode()
SIGNS = (string.digits + string.punctuation).encode()
RUN = re.compile(r"[!-~]{200}")
"""So many signs of ASCII without a space are a key, a picture as text, a program made small, and no word."""
TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,1000}>|&[a-z]{2,6};")
MENU = (
    "lorem ipsum, javascript, cookie, privacy policy, terms of use, terms of service, all rights reserved, "
    "log in, sign in, sign up, subscribe, newsletter, click here, skip to content, page not found"
).split(", ")
"""What stands around texts on the web, and not in them."""


def too_short(document: str) -> bool:
    """Below 50 characters, white space at the ends aside."""
    return len(document.strip()) < 50


def few_letters(document: str) -> bool:
    """Digits and ASCII's punctuation are more than 3 in 10 of what is no space."""
    data = document.encode("utf-8", "surrogatepass").translate(None, SPACES)
    return len(data.translate(None, SIGNS)) < 0.7 * len(data)


def broken_letters(document: str) -> bool:
    """More than 1 in 1,000 characters is U+FFFD, which stands for bytes that were no letter, or zero."""
    return document.count("\ufffd") + document.count("\0") > len(document) / 1000


def too_long_a_word(document: str) -> bool:
    """200 signs of ASCII without a space between them."""
    return RUN.search(document) is not None


def lines_repeated(document: str) -> bool:
    """More than 3 in 10 lines have been there before."""
    lines = [line for line in map(str.strip, document.splitlines()) if line]
    return len(lines) - len(set(lines)) > 0.3 * len(lines)


def words_repeated(document: str) -> bool:
    """Of its first 1,000 words, not 1 in 10 is another than those before it."""
    words = document.split(maxsplit=1000)[:1000]
    return len(set(words)) < 0.1 * len(words)


def markup(document: str) -> bool:
    """Tags and entities of HTML are more than a tenth of it."""
    if "<" not in document and "&" not in document:
        return False
    return sum(len(match.group()) for match in TAG.finditer(document)) > 0.1 * len(document)


def boilerplate(document: str) -> bool:
    """Three lines or more, and more than 3 in 10, are of a menu, a banner, a footer or an empty page."""
    text = document.lower()
    if not any(words in text for words in MENU):
        return False
    lines = [line for line in text.splitlines() if line.strip()]
    found = 0
    for line in lines:
        if any(words in line for words in MENU):
            found += 1
    return found >= 3 and found > 0.3 * len(lines)


RULES: tuple[Callable[[str], bool], ...] = (too_short, few_letters, broken_letters, too_long_a_word)
RULES += (lines_repeated, words_repeated, markup, boilerplate)


def rule_name(rule: Callable) -> str:
    """What is wrong with a document that a rule refuses."""
    return rule.__name__.replace("_", " ")


def refused_by(document: str) -> str | None:
    """The name of the first rule that refuses a document; None for one that may stay."""
    return next((rule_name(rule) for rule in RULES if rule(document)), None)


def digest(document: str) -> bytes:
    """8 bytes, the same for documents that differ in case, white space or the encoding of a letter alone.

    Of a hundred million different documents, two share theirs in 3 collections of 10,000.
    """
    text = unicodedata.normalize("NFKC", document).casefold().encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text.translate(None, SPACES), digest_size=8).digest()


def deduplicated(documents: Iterable[str]) -> Iterator[str]:
    """Yield the documents in their order, each only the first time that it comes (see digest)."""
    seen: set[bytes] = set()
    for document in documents:
        known = digest(document)
        if known not in seen:
            seen.add(known)
            yield document
