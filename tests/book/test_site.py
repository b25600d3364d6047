"""The making of the web book: what a chapter, the package and the glossary become; the tiny book's site."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import edit_notebook, snapshot
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import companion
from companion.book import site
from companion.book.__main__ import main
from companion.book.api import modules, process_docstring
from companion.book.manifest import Book
from companion.book.pages import chapter_page
from companion.book.terms import Linker, Term, all_terms, chapter_terms, glossary_page, unique_terms
from companion.book.text import read_notebook

ROOT = Path(__file__).parents[2]
REAL = Book.read(ROOT)
needs_tools = pytest.mark.skipif(
    bool(site.missing_tools()), reason="the authors' tools are not installed: pip install -e .[site]"
)


HEAD = new_markdown_cell("# A\n\n*You will read. One minute.*")


def page_of(book: Book, *cells, terms=(), names=()):
    """The page of a notebook with these cells, as the tiny book's first chapter."""
    return chapter_page(book, book.chapters[0], new_notebook(cells=list(cells)), terms, names)


def figure():
    """A cell that draws."""
    output = new_output(
        "display_data", {"image/png": "iVBORw0="}, metadata={"image/png": {"width": 640, "height": 320}}
    )
    metadata = {"mystnb": {"image": {"alt": "A line."}}}
    return new_code_cell("draw()", outputs=[output], metadata=metadata)


def test_a_chapter_has_its_number_and_names_its_module(book):
    promise = "# Averages\n\n*You will forget. Reading 1 minute.*\n\nMore."
    page = page_of(book, new_markdown_cell(promise))
    assert page.cells[0].source == (
        "# 1. Averages\n\n*You will forget. Reading 1 minute.* "
        "It builds {doc}`companion.averages </api/averages>`.\n\nMore."
    )


def test_figures_are_numbered_and_take_the_italics_below_for_a_caption(book):
    below = new_markdown_cell("*It falls from $x$ on.*\n\nThen text.")
    only, other = new_markdown_cell("*Nothing else.*"), new_markdown_cell("*A* word, no caption.")
    page = page_of(book, HEAD, figure(), below, figure(), only, figure(), other)
    first, second, third = [cell.metadata.mystnb for cell in page.cells if cell.cell_type == "code"]
    assert first.figure == {"caption": "**Figure 1.1** It falls from $x$ on.", "name": "figure-1-1"}
    assert first.image == {"alt": "A line.", "width": "640px"}
    assert second.figure.caption == "**Figure 1.2** Nothing else."
    assert third.figure.caption == "**Figure 1.3**"
    left = [cell.source for cell in page.cells[1:] if cell.cell_type == "markdown"]
    assert left == ["Then text.", "*A* word, no caption."]


def test_links_to_files_lead_to_the_repository_and_those_to_chapters_stay(book):
    text = "[t](../tests/test_a.py) [n](02_smoothing.ipynb) [w](https://example.org/a#B-C) [d](#Going-deeper)"
    text += " [m](README.md) [![Open](https://example.org/a.svg)](https://example.org/b)"
    page = page_of(book, HEAD, new_markdown_cell(text))
    assert page.cells[1].source == (
        f"[t]({book.repository}/blob/main/tests/test_a.py) [n](02_smoothing.ipynb) "
        "[w](https://example.org/a#B-C) [d](#going-deeper) [m](/index.md) [Open](https://example.org/b)"
    )


def test_without_a_repository_no_link_leads_into_it(book):
    text = "[`t[0]`](../tests/test_a.py) [n](02_smoothing.ipynb#The-rule) [d](../data/README.md#a)"
    text += " [m](README.md)"
    nowhere = dataclasses.replace(book, repository="")
    page = page_of(nowhere, HEAD, new_markdown_cell(text))
    assert page.cells[1].source == "`t[0]` [n](02_smoothing.ipynb#the-rule) d [m](/index.md)"
    assert site.settings(nowhere)["html_theme_options"]["icon_links"] == []
    assert len(site.settings(book)["html_theme_options"]["icon_links"]) == 1


def test_a_folded_cell_is_folded_under_its_comment(book):
    cell = new_code_cell("# Solution of 1.1\nx = 1", metadata={"tags": ["solution"]})
    page = page_of(book, HEAD, cell)
    assert page.cells[1].metadata.tags == ["solution", "hide-cell"]
    assert page.cells[1].metadata.mystnb.code_prompt_show == "In code: solution of 1.1"
    page = page_of(book, HEAD, new_code_cell("# Draws it\nx = 1", metadata={"tags": ["hide-input"]}))
    assert page.cells[1].metadata.tags == ["hide-input"]  # so its figure stays in sight
    assert page.cells[1].metadata.mystnb.code_prompt_show == "Draws it"


def test_names_are_linked_where_the_chapter_says_what_it_built(book):
    built = new_markdown_cell("## What you built\n\n- `smooth(x)` and `other`\n\n## Later\n")
    page = page_of(book, new_markdown_cell("# A\n\n*You will read.*\n\n`smooth`"), built, names=["smooth"])
    assert "{py:obj}`smooth(x) <companion.averages.smooth>` and `other`" in page.cells[-1].source
    assert "`smooth`" in page.cells[0].source and "py:obj" not in page.cells[0].source


DEFINITIONS = """\
## Terms

| name | what it does |
|---|---|
| `f` | no term |

| term | meaning |
|---|---|
| byte-pair encoding (BPE) | merges |
| token, id | a piece; its number |

- **cross-entropy** – the mean surprise; its exponential is the **perplexity**.
- *Head*: one attention.
- An item without a term.

## Going deeper

| term | meaning |
|---|---|
| late | not here |
"""


def test_terms_are_read_from_tables_and_items(book):
    chapter = book.chapters[0]
    terms = chapter_terms(chapter, new_notebook(cells=[new_markdown_cell(DEFINITIONS)]))
    assert [(term.names, term.meaning) for term in terms] == [
        (("byte-pair encoding", "BPE"), "merges"),
        (("token", "id"), "a piece; its number"),
        (("cross-entropy", "perplexity"), "the mean surprise; its exponential is the perplexity"),
        (("head",), "one attention"),
    ]


def test_a_term_defined_twice_is_kept_once(book):
    one, two = book.chapters
    terms = unique_terms([Term(("logit",), "first", one), Term(("Logit", "score"), "second", two)])
    assert [(term.names, term.meaning) for term in terms] == [(("logit",), "first"), (("score",), "second")]
    page = glossary_page(terms)
    assert "logit\n  first ([chapter\N{NO-BREAK SPACE}1](/chapters/01_averages.ipynb))\n" in page


@pytest.mark.parametrize(
    "before, after",
    [
        ["Two tokens.", "Two {term}`tokens <token>`."],
        ["A Token", "A {term}`Token <token>`"],
        ["`token` $token$ [token](a.md)", "`token` $token$ [token](a.md)"],
        ["<b title='token'>", "<b title='token'>"],
        ["```\ntoken\n```\nA token.", "```\ntoken\n```\nA {term}`token <token>`."],
        ["# A token\n| token |", "# A token\n| token |"],
        ["tokenizer, end-of-token", "tokenizer, end-of-token"],
        ["the blue key, its *key*", "the blue key, its *{term}`key <key>`*"],
        ["byte-pair\nencoding", "{term}`byte-pair encoding <byte-pair encoding>`"],
        ["bpe is no acronym", "bpe is no acronym"],
    ],
)
def test_a_term_is_linked_in_prose_only(book, before, after):
    terms = [Term(("token",), "x", book.chapters[0]), Term(("key",), "x", book.chapters[0])]
    terms.append(Term(("byte-pair encoding", "BPE"), "x", book.chapters[0]))
    assert Linker(terms, book.chapters[0]).link(before) == after


@pytest.mark.gate
def test_every_entry_of_the_glossary_is_linked_in_a_chapter():
    notebooks = {chapter: read_notebook(chapter.notebook) for chapter in REAL.chapters}
    terms = all_terms(notebooks)
    pages = [chapter_page(REAL, chapter, notebook, terms, []) for chapter, notebook in notebooks.items()]
    text = "\n".join(cell.source for page in pages for cell in page.cells)
    linked = set(re.findall(r"\{term\}`[^`<]*<([^>]+)>`", text))
    assert [term.names for term in terms if linked.isdisjoint(term.names)] == []


def test_a_term_is_linked_once_in_a_chapter(book):
    linker = Linker([Term(("token",), "x", book.chapters[0])], book.chapters[0])
    assert linker.link("A token and a token.") == "A {term}`token <token>` and a token."
    assert linker.link("A token.") == "A token."


def test_a_docstring_is_read_as_markdown():
    lines = ["Count `a|b`, *all* of <|endoftext|>.", "", "Args:", "    **more: ``x``, too."]
    process_docstring(lines)
    assert lines[0] == r"Count ``a|b``, \*all\* of <\|endoftext\|>."
    assert lines[1:] == ["", "Args:", r"    \*\*more: ``x``, too."]


def test_the_folders_that_chapters_use_have_pages():
    expected = {"village.rules", "show.plots", "show.widgets", "runtime.files.atomic"}
    assert expected <= set(modules(REAL))


def test_without_the_tools_one_line_says_how_to_install_them(book, monkeypatch, capsys):
    monkeypatch.setattr(site, "missing_tools", lambda: ["sphinx", "myst_nb"])
    assert main(["--root", str(book.root), "site"]) == 1
    said = capsys.readouterr().err
    assert said == "the site needs sphinx, myst_nb, not installed here; run `pip install -e .[site]`\n"


@pytest.mark.gate
def test_the_machinery_imports_neither_torch_nor_sphinx_before_it_is_needed():
    code = "import sys; from companion.book import check, site, sync; "
    code += "sys.exit(bool({'sphinx', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.gate
@needs_tools
def test_the_tiny_book_becomes_a_site(book, capsys, monkeypatch):
    monkeypatch.setattr(companion, "__path__", [str(book.root / "companion"), *companion.__path__])
    before = snapshot(book.root)
    assert main(["--root", str(book.root), "site"]) == 0, capsys.readouterr().err
    folder = book.root / "site"
    assert re.search(r"index.html: \d+ pages, \d+\.\d MB, \d+ s$", capsys.readouterr().out.strip())
    after = snapshot(book.root)
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if not name.startswith("site/") and name not in before]
    chapter = (folder / "chapters" / "01_averages.html").read_text(encoding="utf-8")
    assert "1. An average that forgets" in chapter and 'alt="A green square."' in chapter
    for made in book.chapters:
        copy = folder / "_sources" / "chapters" / made.notebook.name
        assert copy.read_bytes() == made.notebook.read_bytes()
    for path in (folder / "index.html", folder / "search.html"):
        assert f'<meta http-equiv="Content-Security-Policy" content="{site.POLICY}" />' in path.read_text()
    api = (folder / "api" / "averages.html").read_text(encoding="utf-8")
    assert 'id="companion.averages.ExponentialAverage.update"' in api
    assert 'href="../chapters/01_averages.html"' in api
    assert "cdn." not in "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.html"))
    (folder / "left.txt").write_text("from before")
    assert main(["--root", str(book.root), "site"]) == 0
    assert not (folder / "left.txt").exists()


@pytest.mark.gate
@needs_tools
def test_a_warning_fails_the_build_and_keeps_the_old_site(book, capsys, monkeypatch):
    monkeypatch.setattr(companion, "__path__", [str(book.root / "companion"), *companion.__path__])
    folder = book.root / "site"
    folder.mkdir()
    (folder / "index.html").write_text("old")
    (folder / site.MARKER).write_text("")
    edit_notebook(book, lambda notebook: notebook.cells.append(new_markdown_cell("[lost](03_none.ipynb)")))
    assert main(["--root", str(book.root), "site"]) == 1
    assert "03_none.ipynb" in capsys.readouterr().err
    assert {path.name for path in folder.iterdir()} == {"index.html", site.MARKER}


@needs_tools
@pytest.mark.parametrize("out", ["other", "file"])
def test_a_folder_that_this_did_not_make_is_not_replaced(book, capsys, out):
    (book.root / "other").mkdir()
    (book.root / "other" / "index.html").write_text("<title>A site of somebody's</title>")
    (book.root / "file").write_text("a file")
    before = snapshot(book.root)
    assert main(["--root", str(book.root), "site", "--out", out]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "is no site that this command made" in line and line.endswith(
        "name another with --out, or remove it"
    )
    assert snapshot(book.root) == before
