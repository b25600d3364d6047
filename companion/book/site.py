"""The web book: a static site from the notebooks as they are, made by Sphinx, that asks no other host."""

import importlib
import importlib.util
import io
import re
import shutil
import tempfile
import time
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from companion.book import BookError
from companion.book.api import index_page, module_page, modules, process_docstring
from companion.book.cover import cover_page, has_stories, lie_page, read_log
from companion.book.manifest import Book
from companion.book.model import ships, write_example, write_model, write_truth
from companion.book.pages import chapter_page, guides, outside_code, page_links, pictures
from companion.book.teller import EXAMPLES, model_page, place_tool
from companion.book.terms import all_terms, glossary_page, section
from companion.book.text import read_notebook, without_navigation, write_notebook

STATIC = Path(__file__).with_name("static")
TABLES = tomllib.loads((Path(__file__).with_name("templates") / "site.toml").read_text("utf-8"))
"""Sphinx's configuration that is the same for every book."""
INSTALL = "pip install -e .[site]"
MARKER = ".made-by-companion-book"
"""A file in every folder that this makes: only such a folder is replaced."""

MATHJAX = "sphinx-mathjax-offline"
"""The package that carries MathJax; its folder has the same name."""
MATHJAX_FILE = "tex-svg.js"
"""MathJax with its letters as outlines: one file, which loads nothing more."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'"
)
"""The Content-Security-Policy of every page: a browser loads nothing from another host."""


def missing_tools() -> list[str]:
    """What the extra `site` installs and is not there."""
    tools = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx_copybutton", MATHJAX)
    return [name for name in tools if importlib.util.find_spec(name) is None]


def settings(book: Book) -> dict[str, Any]:
    """Sphinx's configuration: that of site.toml, and what depends on the book. There is no conf.py."""
    name, _, _ = book.title.partition(": ")
    repository = [{"name": "Repository", "url": book.repository, "icon": "fa-brands fa-github"}]
    theme = TABLES["html_theme_options"] | {
        "logo": {"text": name},
        "icon_links": repository if book.repository else [],
    }
    return TABLES | {
        "project": name,
        "html_title": book.title,
        "html_theme_options": theme,
        "html_search_scorer": str(STATIC / "scorer.js"),
        "mathjax_path": f"mathjax/{MATHJAX_FILE}",
    }


def stage(book: Book, folder: Path) -> None:
    """Write what Sphinx reads: chapters as pages, the pages made from them, and what is served as it is."""
    static = folder / "_static"
    shutil.copytree(STATIC, static)
    (static / "mathjax").mkdir()
    package = Path(importlib.util.find_spec(MATHJAX).origin).parent
    shutil.copy(package / "static" / "mathjax" / MATHJAX_FILE, static / "mathjax")
    notebooks = {}
    for chapter in book.chapters:  # a page has its own way back and on
        notebooks[chapter] = without_navigation(read_notebook(chapter.notebook))
    terms = all_terms(notebooks)
    sizes = write_model(book, static / "model") if ships(book) else {}
    if sizes:
        write_example(book, static / "teller" / "example.json", EXAMPLES["flow"][0])
        write_truth(book, static / "teller" / "truth.json", list(chain.from_iterable(EXAMPLES.values())))
    pages = {
        "index.md": cover_page(book, read_log(book), sizes),
        "glossary.md": glossary_page(terms),
        "notation.md": notation_page(notebooks[book.chapters[0]]),
    }
    if sizes:
        pages["browser.md"] = model_page(sizes)
    if has_stories(book):
        pages["lie.md"] = lie_page(book)
    pages["api/index.md"] = index_page(book)
    for module, chapter in modules(book).items():
        pages[f"api/{module}.md"] = module_page(module, chapter)
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    stage_guides(book, folder)
    (folder / "chapters").mkdir()
    for chapter, notebook in notebooks.items():
        names = importlib.import_module(f"companion.{chapter.module}").__all__ if chapter.module else []
        page = chapter_page(book, chapter, notebook, terms, names)
        if sizes:
            place_tool(page, chapter, sizes)
        (folder / "chapters" / chapter.notebook.name).write_bytes(write_notebook(page))


def stage_guides(book: Book, folder: Path) -> None:
    """Write the pages of docs/, and copy their pictures to where their links lead."""
    for path in guides(book):
        text = path.read_text(encoding="utf-8")
        for picture in pictures(text):
            copy = (folder / "docs" / picture).resolve()
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path.parent / picture, copy)
        page = folder / "docs" / path.name
        page.parent.mkdir(exist_ok=True)
        page.write_text(outside_code(lambda part: page_links(part, book, "docs"), text), encoding="utf-8")


def notation_page(notebook: NotebookNode) -> str:
    """The table of names that the first chapter has, as a page of its own."""
    lines = list(section(notebook, "Names"))
    return "\n".join(["# Notation", "", *(lines or ["This book needs no table of names."]), ""])


def change_page(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Add the policy, and offer to download chapters alone: the other pages have no notebook."""
    policy = f'\n    <meta http-equiv="Content-Security-Policy" content="{POLICY}" />\n'
    context["metatags"] = policy + context.get("metatags", "")
    if not page.startswith("chapters/"):
        buttons = context.get("header_buttons", [])
        context["header_buttons"] = [one for one in buttons if one.get("label") != "download-buttons"]


def run_sphinx(book: Book, source: Path, out: Path, doctrees: Path) -> None:
    """Build the site with Sphinx.

    Raises:
        BookError: If Sphinx warns. The message has every warning.
    """
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    warnings = io.StringIO()
    with patch_docutils(), docutils_namespace():
        options = {"status": None, "warning": warnings, "freshenv": True, "parallel": 2}
        app = Sphinx(source, None, out, doctrees, "html", settings(book), **options)
        app.connect("html-page-context", change_page, priority=900)
        app.connect(
            "autodoc-process-docstring",
            lambda app, what, name, documented, options, lines: process_docstring(lines),
            priority=400,  # before napoleon reads it
        )
        app.build(force_all=True)
    found = re.sub(r"\x1b\[[0-9;]*m", "", warnings.getvalue()).replace(str(source), "").strip()
    if found:
        raise BookError(f"the site has warnings; mend what they name:\n{found}")


ICON_SCRIPT = re.compile(r"""\s*<script[^>]* src="[^"]*scripts/fontawesome\.js[^"]*"></script>""")
"""A script of 1.6 MB that draws icons anew, which the theme's style sheet and font draw already."""
SEARCH_INDEX = re.compile(r"""\s*<script src="[^"]*searchindex\.js"></script>""")
"""The index of 0.5 MB, which the theme puts into each page's head: book.js loads it when it is needed."""


def lighter_pages(out: Path) -> None:
    """Take from each page what it loads and never uses, and from the site the files that no page loads."""
    for path in out.rglob("*.html"):
        if "_static" in path.relative_to(out).parts:
            continue
        page = ICON_SCRIPT.sub("", path.read_text(encoding="utf-8"))
        if path.name != "search.html":
            page = SEARCH_INDEX.sub("", page)
        path.write_text(page, encoding="utf-8")
    scripts = out / "_static" / "scripts"
    for path in [scripts / "fontawesome.js", *scripts.glob("*.js.map")]:
        path.unlink(missing_ok=True)


def build_site(book: Book, folder: Path) -> str:
    """Build the site into folder, which is replaced once everything is made.

    Returns:
        A line on what was built.

    Raises:
        BookError: If a tool, MathJax or a notebook is missing, if Sphinx warns, or if the folder holds
            something else than a site that this function made.
    """
    start = time.perf_counter()
    missing = missing_tools()
    if missing:
        raise BookError(f"the site needs {', '.join(missing)}, not installed here; run `{INSTALL}`")
    folder = folder.resolve()
    if folder.is_file() or (folder.exists() and any(folder.iterdir()) and not (folder / MARKER).is_file()):
        raise BookError(f"{folder} is no site that this command made; name another with --out, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=folder.parent) as temporary:
        source = Path(temporary) / "source"
        out = Path(temporary) / "html"
        source.mkdir()
        print(f"Writing the pages of {len(book.chapters)} chapters …", flush=True)
        stage(book, source)
        print("Sphinx makes HTML of them, which takes most of the time …", flush=True)
        run_sphinx(book, source, out, Path(temporary) / "doctrees")
        print("Leaving out what no page loads …", flush=True)
        lighter_pages(out)
        shutil.rmtree(out / "_sources")
        (out / "_sources" / "chapters").mkdir(parents=True)
        for chapter in book.chapters:
            shutil.copyfile(chapter.notebook, out / "_sources" / "chapters" / chapter.notebook.name)
        (out / MARKER).write_text("`python -m companion.book site` replaces this folder.\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        out.rename(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    pages = sum(path.suffix == ".html" for path in files)
    size = sum(path.stat().st_size for path in files)
    return f"{folder / 'index.html'}: {pages} pages, {size / 1e6:.1f} MB, {time.perf_counter() - start:.0f} s"
