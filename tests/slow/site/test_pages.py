"""Every page of the web book, as a browser shows it: loaded once, and then looked at by each test."""

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from opened import BOOK, CHAPTERS, KINDS, NAMES, ONE_OF_EACH, OVERFLOWING

from companion.book.pages import is_check
from companion.book.text import code_cells, has_image, read_notebook

FIGURES = r"""
() => [...document.querySelectorAll(".bd-article img")].map((image) => {
            image.scrollIntoView();
            const article = document.querySelector(".bd-article").getBoundingClientRect();
            const box = image.getBoundingClientRect();
            return {alt: image.alt, loaded: image.complete && image.naturalWidth > 0, width: box.width,
                    fits: box.left >= article.left - 1 && box.right <= article.right + 1};
        })
"""

WORDS = r"""
() => {
            const copy = document.querySelector(".bd-article-container").cloneNode(true);
            copy.querySelectorAll("pre, code, mjx-container, script, dt.sig").forEach((e) => e.remove());
            return copy.textContent;
        }
"""


CUT = """(all) => all.filter((pre) => pre.checkVisibility() && pre.scrollWidth > pre.clientWidth + 1)
  .map((pre) => pre.innerText.split("\\n").sort((a, b) => b.length - a.length)[0])"""


def test_its_equations_are_rendered(shown):
    count, rendered, errors = shown.page.evaluate(
        """() => [".math", ".math > mjx-container", "mjx-merror, [data-mjx-error]"].map(
            (selector) => document.querySelectorAll(selector).length)"""
    )
    assert (rendered, errors) == (count, 0)


def test_its_figures_are_there_have_words_and_fit(shown):
    figures = shown.page.evaluate(FIGURES)
    for figure in figures:
        assert figure["loaded"] and figure["fits"], figure
        assert len(figure["alt"]) > 20 and figure["width"] > 200, figure
    if shown.name.startswith("chapters/"):
        notebook = read_notebook(BOOK.find(Path(shown.name).stem).notebook)
        cells = [cell for cell in code_cells(notebook) if has_image(cell)]
        assert len(figures) == len(cells)
        captions = shown.page.locator("figcaption").all_text_contents()
        number = int(Path(shown.name).stem[:2])
        assert [c.split()[1] for c in captions] == [f"{number}.{i + 1}" for i in range(len(cells))]


def test_no_markup_is_left_raw(shown):
    text = shown.page.evaluate(WORDS)
    raw = re.findall(r":::.*|\{[a-z:]+\}`.*|\$[^$\n]*\$|\\tag|\*\*.*|<details.*|^#+ .*", text, re.MULTILINE)
    assert raw == []


NEEDS_AXE = "needs axe: pip install -e '.[site]'"


@cache
def anchors(path: Path) -> set[str]:
    """The ids in a page."""
    return set(re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8")))


def test_its_links_lead_somewhere(shown, site):
    links = shown.page.evaluate(
        "() => [...document.querySelectorAll('a[href]')].map((link) => link.getAttribute('href'))"
    )
    lost = []
    for link in set(links):
        url, fragment = urldefrag(urljoin(shown.page.url, link))
        if url.startswith(shown.address):
            path = site / unquote(urlsplit(url).path).lstrip("/")
            path = path / "index.html" if path.is_dir() else path
            if not path.exists() or (fragment and unquote(fragment) not in anchors(path)):
                lost.append(link)
    assert lost == []


def test_nothing_overflows(shown):
    assert shown.page.evaluate(OVERFLOWING) == []


def test_lines_of_code_and_output_are_seen_whole_on_a_wide_screen(shown):
    assert shown.page.locator(".bd-article pre").evaluate_all(CUT) == []


PLAIN = ".highlight pre {background-image: none !important}"
"""Without the shadow at the side of the code, on which axe does not judge contrast."""


def faults(shown, options) -> str:
    """What axe finds, but minor things: the rule, the number of places, the first of them; or nothing."""
    shown.page.evaluate(ONE_OF_EACH)
    shown.page.add_style_tag(content=PLAIN)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=NEEDS_AXE)
    settings = {"resultTypes": ["violations"], "preload": False}  # it would ask for files of its own
    report = axe.Axe().run(shown.page, options=settings | options).response
    found = [fault for fault in report["violations"] if fault["impact"] != "minor"]
    shown_text = [[fault["id"], len(fault["nodes"]), fault["nodes"][0]["html"][:200]] for fault in found]
    return json.dumps(shown_text, indent=1) if shown_text else ""


@pytest.mark.parametrize("shown", list(dict.fromkeys(KINDS + CHAPTERS[::5])), indirect=True)
def test_axe_finds_no_fault_but_minor_ones(shown):
    assert not faults(shown, {})


@pytest.mark.parametrize("shown", KINDS, indirect=True)
def test_the_dark_colors_have_contrast(shown):
    """Of each kind of page one, since all have the same colors."""
    shown.page.evaluate("() => {document.documentElement.dataset.theme = 'dark'}")
    found = faults(shown, {"runOnly": ["color-contrast"]})
    shown.page.evaluate("() => {document.documentElement.dataset.theme = 'light'}")
    assert not found


def chapter_of(shown):
    """The chapter that is on the page, and its notebook."""
    chapter = BOOK.find(Path(shown.name).stem)
    return chapter, read_notebook(chapter.notebook)


@pytest.mark.parametrize("shown", CHAPTERS, indirect=True)
def test_what_is_folded_opens_with_a_click_and_folds_again(shown):
    folded = shown.page.locator(".bd-article details")
    _, notebook = chapter_of(shown)
    written = sum(cell.source.count("<details") for cell in notebook.cells if cell.cell_type == "markdown")
    folds = {"hide-cell", "hide-input", "solution"}
    shown_cells = [cell for cell in notebook.cells if not is_check(cell)]
    tags = [set(cell.metadata.get("tags", [])) for cell in shown_cells]
    tagged = [one for one in tags if folds & one and "notebook-only" not in one]
    aside = [cell for cell in notebook.cells if "jp-MarkdownHeadingCollapsed" in cell.metadata]
    assert folded.count() == written + len(tagged) + len(aside)
    assert shown.page.locator(".bd-article details[open]").count() == 0
    if folded.count():
        details = folded.last
        content = details.locator(":scope > :not(summary)").first
        assert not content.is_visible()
        details.locator("> summary").click()
        assert content.is_visible()
        details.locator("> summary").click()
        assert not content.is_visible()


@pytest.mark.parametrize("shown", CHAPTERS[:1], indirect=True)
def test_the_downloaded_notebook_is_the_committed_one(shown):
    chapter, _ = chapter_of(shown)
    shown.page.locator("button[aria-label^='Download']:visible").click()
    with shown.page.expect_download() as download:
        shown.page.locator("a.btn-download-source-button").first.click()
    assert download.value.suggested_filename == chapter.notebook.name
    with open(download.value.path(), "rb") as file:
        assert file.read() == chapter.notebook.read_bytes()


def test_nothing_overflows_on_a_phone(shown):
    become_narrow(shown.page)
    assert shown.page.evaluate(OVERFLOWING) == []


def become_narrow(page) -> None:
    """Make the screen a phone's until the next page comes, and wait until the page was drawn on it."""
    if page.viewport_size["width"] == 380:
        return
    page.set_viewport_size({"width": 380, "height": 800})
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def test_nothing_complained_and_no_other_host_was_asked(shown):
    """While the page loaded, in all that the tests above did with it, and since the page before."""
    complaints, shown.complaints = shown.complaints, []
    assert complaints == []


def test_no_page_goes_unseen(site):
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    built = {name for name in built if not name.startswith("_static")}
    assert built == set(NAMES)
