"""What readers look up, from the chapters: terms, which are linked, and questions and headings as CSV."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nbformat import NotebookNode

from companion.book.manifest import Chapter
from companion.book.text import heading_lines

TERMS = "Terms"

ROW = re.compile(r"^\| *(?P<names>[^|]+?) *\| *(?P<meaning>[^|]+?) *\|$")
ITEM = re.compile(r"^- (?P<mark>\*{1,2})(?P<names>[^*]+)(?P=mark)(?: –|:) (?P<meaning>.+)$")
BOLD = re.compile(r"\*\*([^*]+)\*\*")
SYNONYM = re.compile(r"^(?P<name>.+?) \((?P<short>[^)]+)\)$")

EVERYDAY = frozenset(
    "accumulation advantage bit cell clipping collapse context draw expert fused gate greedy group head "
    "id key layer mask memory merge merging padding parameter prompt query rank recall reference replay "
    "scale scan score split state stream stride target turn value weight".split()
)
"""Terms that are words of everyday English too: linked only in the chapter that defines them, and there in
italics or bold. (The *key* of another chapter's example opens a door.)"""

PROPER = frozenset({"Adam", "Muon"})
"""Terms that are names, and have a capital in the middle of a sentence too."""

PROTECTED = re.compile(
    r"""
    ^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^(?P=fence)`*~*[ ]*$   # code
    | ^[ ]{4,}[^\n]*$
    | ^[#|][^\n]*$                                           # headings, rows of tables
    | (?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`)               # code within a line
    | \$\$.+?\$\$ | \$[^$\n]+\$                              # mathematics
    | !?\[[^\]]*\]\([^)]*\)                                  # links and images
    | <[^>\n]+>                                              # HTML
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
"""Where no term is linked."""


@dataclass(frozen=True)
class Term:
    """One entry of the glossary: its names, the first of them the main one, and what they mean (Markdown)."""

    names: tuple[str, ...]
    meaning: str
    chapter: Chapter


def section(notebook: NotebookNode, title: str) -> Iterator[str]:
    """The lines of Markdown under a heading of the second level, up to the next of that level."""
    inside = False
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        heads = {f"## {heading}" for heading in heading_lines(cell)}
        for line in cell.source.split("\n"):
            if line in heads:
                inside = line == f"## {title}"
            elif inside:
                yield line


def split_names(text: str) -> tuple[str, ...]:
    """The names in "token, id" or "byte-pair encoding (BPE)"; a capital at a sentence's start is dropped.

    Names that are always written with a capital keep it.
    """
    names: list[str] = []
    for name in text.split(", "):
        found = SYNONYM.match(name)
        names += [found["name"], found["short"]] if found else [name]
    for i, name in enumerate(names):
        if name[1:].islower() and name not in PROPER:
            names[i] = name[0].lower() + name[1:]
    return tuple(names)


def chapter_terms(chapter: Chapter, notebook: NotebookNode) -> list[Term]:
    """The terms that a chapter defines at its end.

    Two forms are read: the rows of a table with the heading "term", and items "- **term** – meaning", where
    a phrase in bold within the meaning is one more name for it.
    """
    found = []
    in_table = False
    for line in section(notebook, TERMS):
        row = ROW.match(line)
        item = ITEM.match(line)
        if row:
            if row["names"] == "term":
                in_table = True
            elif in_table and not set(row["names"]) <= set("-: "):
                found.append(Term(split_names(row["names"]), row["meaning"], chapter))
        else:
            in_table = False
        if item:
            names = [*split_names(item["names"]), *BOLD.findall(item["meaning"])]
            meaning = BOLD.sub(r"\1", item["meaning"]).rstrip(".")
            found.append(Term(tuple(names), meaning, chapter))
    return found


def unique_terms(terms: Iterable[Term]) -> list[Term]:
    """Each name once: where a later chapter defines it again, the first definition stands."""
    taken: set[str] = set()
    kept = []
    for term in terms:
        names = tuple(name for name in term.names if name.lower() not in taken)
        taken.update(name.lower() for name in names)
        if names:
            kept.append(Term(names, term.meaning, term.chapter))
    return kept


def all_terms(notebooks: dict[Chapter, NotebookNode]) -> list[Term]:
    """The terms of these chapters, each name once."""
    terms: list[Term] = []
    for chapter, notebook in notebooks.items():
        terms += chapter_terms(chapter, notebook)
    return unique_terms(terms)


def as_csv(rows: Iterable[Sequence]) -> str:
    """Rows as CSV, the first one with the names of the columns."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def glossary_rows(terms: Iterable[Term]) -> str:
    """The glossary as CSV, with the columns names (joined by " | "), meaning, chapter and title."""
    rows = [(" | ".join(term.names), term.meaning, term.chapter.number, term.chapter.title) for term in terms]
    return as_csv([("names", "meaning", "chapter", "title"), *rows])


QUESTIONS = "Questions that learners ask"
QUESTION = re.compile(r"^(?:> )?\*\*(?P<question>[^*]+\?)\*\* (?P<answer>.+)$")


def question_rows(notebooks: dict[Chapter, NotebookNode]) -> str:
    """The questions that learners ask, as CSV, with the columns question, answer, chapter and title."""
    rows: list[tuple] = [("question", "answer", "chapter", "title")]
    for chapter, notebook in notebooks.items():
        for line in section(notebook, QUESTIONS):
            found = QUESTION.match(line)
            if found:
                rows.append((found["question"], found["answer"], chapter.number, chapter.title))
    return as_csv(rows)


EXERCISE = re.compile(r"\d+\.\d+ ")
"""How the heading of an exercise begins."""


def section_rows(notebooks: dict[Chapter, NotebookNode]) -> str:
    """The headings of the chapters' sections, as CSV, with the columns question, chapter and title.

    Headings of exercises are left out, and those that several chapters have, such as "Further reading".
    """
    found = []
    for chapter, notebook in notebooks.items():
        for cell in notebook.cells:
            for heading in heading_lines(cell):
                if heading != chapter.title and not EXERCISE.match(heading):
                    found.append((heading, chapter))
    times = Counter(heading for heading, _ in found)
    rows = [(heading, chapter.number, chapter.title) for heading, chapter in found if times[heading] == 1]
    return as_csv([("question", "chapter", "title"), *rows])


def glossary_page(terms: Iterable[Term]) -> str:
    """The glossary's page, in MyST, sorted by Sphinx."""
    lines = ["# Glossary", "", "Every term that a chapter defines, and the chapter that does.", ""]
    lines += ["```````{glossary}", ":sorted:", ""]
    for term in terms:
        source = f"([chapter\N{NO-BREAK SPACE}{term.chapter.number}](/chapters/{term.chapter.name}.ipynb))"
        lines += [*term.names, f"  {term.meaning} {source}", ""]
    return "\n".join([*lines, "```````", ""])


def occurrence(name: str) -> re.Pattern:
    """Where a term stands in prose: as a word, with or without a plural's s, in italics where it must be."""
    word = re.escape(name).replace(r"\ ", r"\s+")
    case = 0 if name.isupper() else re.IGNORECASE
    if name.lower() in EVERYDAY:
        return re.compile(rf"(?<=\*)(?P<word>{word}s?)(?=\.?\*)", case)
    return re.compile(rf"(?<![\w/.-])(?P<word>{word}s?)(?![\w/-])", case)


def unprotected(source: str) -> list[tuple[int, int]]:
    """The parts of a Markdown text in which terms may be linked, as positions of begin and end."""
    free = []
    position = 0
    for protected in PROTECTED.finditer(source):
        free.append((position, protected.start()))
        position = protected.end()
    free.append((position, len(source)))
    return free


class Linker:
    """Links each term where a chapter uses it first; one linker for one chapter."""

    def __init__(self, terms: Iterable[Term], chapter: Chapter):
        names = []
        for term in terms:
            names += [n for n in term.names if term.chapter == chapter or n.lower() not in EVERYDAY]
        self.open = [(occurrence(name), name) for name in sorted(names, key=len, reverse=True)]

    def link(self, source: str) -> str:
        """The Markdown of a cell, with links; code, mathematics, headings, tables and links stay."""
        free = unprotected(source)
        for pattern, name in list(self.open):
            for start, end in free:
                found = pattern.search(source, start, end)
                if found:
                    role = f"{{term}}`{' '.join(found['word'].split())} <{name}>`"
                    source = source[: found.start("word")] + role + source[found.end("word") :]
                    free = unprotected(source)
                    self.open.remove((pattern, name))
                    break
        return source
