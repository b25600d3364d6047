"""What a reader does with the web book: search, unfold, switch, download, turn pages, print."""

import re

import pytest
from opened import BOOK

from companion.book.terms import chapter_terms
from companion.book.text import read_notebook

CHAPTERS = pytest.mark.parametrize("chapter", BOOK.chapters, ids=lambda chapter: chapter.name)
BRIGHTNESS = """() => {
  const rgb = getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number);
  return rgb.reduce((a, b) => a + b) / 3;
}"""


@CHAPTERS
def test_search_finds_a_term_of_each_chapter(opened, chapter):
    notebook = read_notebook(chapter.notebook)
    terms = chapter_terms(chapter, notebook)
    word = max(terms[0].names, key=len) if terms else "Mara"
    page = opened("index.html").page
    page.evaluate("word => {location = `search.html?q=${encodeURIComponent(word)}`}", word)
    page.wait_for_selector("#search-results ul.search li a")
    done = "() => /found|finished/i.test(document.querySelector('#search-results').innerText)"
    page.wait_for_function(done)
    links = page.locator("#search-results ul.search li a").evaluate_all("links => links.map((l) => l.href)")
    assert any(f"chapters/{chapter.name}.html" in link for link in links), (word, links)


def test_the_search_button_opens_a_field_that_leads_to_results(opened):
    page = opened("index.html").page
    page.locator("button.search-button-field:visible, button.search-button__button:visible").first.click()
    page.keyboard.type("perplexity")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"search\.html\?q=perplexity"))
    page.wait_for_selector("#search-results ul.search li a")


@CHAPTERS
def test_what_is_folded_opens_with_a_click(opened, chapter):
    page = opened(f"chapters/{chapter.name}.html").page
    folded = page.locator(".bd-article details")
    notebook = read_notebook(chapter.notebook)
    written = sum(cell.source.count("<details") for cell in notebook.cells if cell.cell_type == "markdown")
    folds = {"hide-cell", "hide-input", "solution"}
    tagged = [c for c in notebook.cells if folds & set(c.metadata.get("tags", []))]
    assert folded.count() == written + len(tagged)
    assert page.locator(".bd-article details[open]").count() == 0
    for place in {0, folded.count() - 1} - {-1}:
        details = folded.nth(place)
        content = details.locator(":scope > :not(summary)").first
        assert not content.is_visible()
        details.locator("> summary").click()
        assert content.is_visible()


def test_dark_mode_switches_and_stays(opened):
    page = opened("index.html", color_scheme="light").page
    assert page.evaluate(BRIGHTNESS) > 200
    page.locator("button.theme-switch-button:visible").click()
    page.locator("button.theme-change-button[data-mode=dark]:visible").click()
    page.wait_for_timeout(300)
    assert page.evaluate(BRIGHTNESS) < 60
    page.goto(page.url.replace("index.html", "glossary.html"))
    assert page.evaluate(BRIGHTNESS) < 60


def test_the_system_decides_about_dark_before_the_reader_does(opened):
    assert opened("index.html", color_scheme="dark").page.evaluate(BRIGHTNESS) < 60


@CHAPTERS
def test_the_downloaded_notebook_is_the_committed_one(opened, chapter):
    page = opened(f"chapters/{chapter.name}.html").page
    page.locator("button[aria-label^='Download']:visible").click()
    with page.expect_download() as download:
        page.locator("a.btn-download-source-button").first.click()
    assert download.value.suggested_filename == chapter.notebook.name
    with open(download.value.path(), "rb") as file:
        assert file.read() == chapter.notebook.read_bytes()


def test_next_and_previous_walk_through_the_book_in_its_order(opened):
    page = opened("index.html").page
    for chapter in BOOK.chapters:
        page.locator("a.right-next").click()
        page.wait_for_url(f"**/chapters/{chapter.name}.html")
    for chapter in reversed(BOOK.chapters[:-1]):
        page.locator("a.left-prev").click()
        page.wait_for_url(f"**/chapters/{chapter.name}.html")


def test_the_package_and_the_chapters_point_to_each_other(opened):
    chapter = next(c for c in BOOK.chapters if c.module)
    page = opened(f"chapters/{chapter.name}.html").page
    page.locator(f".bd-article a[href*='api/{chapter.module}.html']").first.click()
    page.wait_for_url(f"**/api/{chapter.module}.html*")
    page.locator(f".bd-article a[href*='chapters/{chapter.name}.html#']").first.click()
    page.wait_for_url(f"**/chapters/{chapter.name}.html#*")


def test_a_term_leads_to_its_meaning(opened):
    page = opened(f"chapters/{BOOK.chapters[-1].name}.html").page
    page.locator(".bd-article a[href*='glossary.html#']").first.click()
    page.wait_for_url("**/glossary.html#term-*")
    assert page.locator("dt:target").count() == 1


def test_the_judges_marks_are_dark_in_the_dark(opened):
    page = opened("index.html", color_scheme="dark").page
    spans = page.locator(".bd-content .story span[style*='background']")
    marks = set(spans.evaluate_all("spans => spans.map((span) => getComputedStyle(span).backgroundColor)"))
    assert len(marks) == 3 and all(max(map(int, re.findall(r"\d+", mark))) < 130 for mark in marks)


def test_the_menu_opens_on_a_phone(opened):
    page = opened("index.html", is_mobile=True, viewport={"width": 380, "height": 800}).page
    last = page.locator(f".bd-sidebar-primary a[href$='{BOOK.chapters[-1].name}.html']").first
    assert not last.is_visible()
    page.locator("button.primary-toggle:visible").first.click()
    last.wait_for(state="visible")


@pytest.mark.parametrize("chapter", BOOK.chapters[1:], ids=lambda chapter: chapter.name)
def test_equations_fit_a_phone_and_stay_legible(opened, chapter):
    phone = {"is_mobile": True, "viewport": {"width": 380, "height": 800}}
    page = opened(f"chapters/{chapter.name}.html", **phone).page
    page.wait_for_function(
        """() => {
          const frames = [...document.querySelectorAll(".bd-article div.math")];
          return frames.length && frames.every((frame) => frame.scrollWidth <= frame.clientWidth);
        }"""
    )
    sizes = page.locator(".bd-article div.math mjx-container").evaluate_all(
        "(all) => all.map((e) => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert sizes and min(sizes) > 9.3  # pixels; the text around has 16


def test_a_chapter_prints_unfolded_and_without_the_navigation(opened):
    page = opened(f"chapters/{BOOK.chapters[1].name}.html").page
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(".bd-article details:not([open])").count() == 0
    assert not page.locator(".bd-sidebar-primary").is_visible()
    assert page.locator("h1:visible").count() == 1
    page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert page.locator(".bd-article details[open]").count() == 0
    assert len(page.pdf()) > 50_000
