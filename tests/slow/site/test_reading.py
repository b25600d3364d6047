"""What a reader does with the web book: search, switch to dark, turn pages, follow links, print."""

import re

import pytest
from opened import BOOK, FIRST

from companion.book.terms import chapter_terms
from companion.book.text import read_notebook

SEARCH = r"""
async (words) => {
  const results = document.getElementById("search-results");
  results.replaceChildren();
  Search.performSearch(words);
  while (!/finished|nothing/i.test(results.querySelector(".search-summary")?.innerText))
    await new Promise((soon) => setTimeout(soon, 20));
  return [...results.querySelectorAll("ul.search li a")].map((link) => link.getAttribute("href"));
}
"""


LONGEST_LINE = """() => {
  const range = document.createRange();
  let longest = 0;
  for (const paragraph of document.querySelectorAll(".bd-article section > p")) {
    if (paragraph.querySelector("mjx-container")) continue;
    const texts = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT);
    let bottom = 0, letters = 0;
    while (texts.nextNode()) for (let i = 0; i < texts.currentNode.length; i++) {
      range.setStart(texts.currentNode, i);
      range.setEnd(texts.currentNode, i + 1);
      const box = range.getBoundingClientRect();
      if (box.top >= bottom) [bottom, letters] = [box.bottom, 0];
      longest = Math.max(longest, ++letters);
    }
  }
  return longest;
}"""


BRIGHTNESS = """() => {
  const rgb = getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number);
  return rgb.reduce((a, b) => a + b) / 3;
}"""


@pytest.fixture(scope="module")
def search(tab):
    """A function that searches for words, on a page that has loaded the index once, and gives the links.

    The page asks for each page that it finds, to show the first lines, and is given nothing.
    """

    def answer(route):
        route.fulfill(body="") if route.request.resource_type == "fetch" else route.continue_()

    tab.go("search.html")
    tab.page.route("**/*.html", answer)
    yield lambda words: tab.page.evaluate(SEARCH, words)
    tab.page.unroute("**/*.html")


def test_search_finds_a_term_of_a_chapter(search):
    for chapter in BOOK.chapters[::4]:
        terms = chapter_terms(chapter, read_notebook(chapter.notebook))
        word = max(terms[0].names, key=len) if terms else "Mara"
        links = search(word)
        assert any(f"chapters/{chapter.name}.html" in link for link in links), (word, links)


def test_search_has_the_glossary_among_its_first_results(search):
    for words in ("residual stream", "byte-pair encoding"):
        assert any(link.startswith("glossary.html#term-") for link in search(words)[:3])


def test_a_page_or_a_section_with_the_words_in_its_title_comes_first(search):
    assert search("attention")[0].startswith("chapters/04_attention.html")
    assert search("temperature")[0].startswith("chapters/08_generation.html#")
    assert any(link.startswith("docs/your-text.html") for link in search("own text"))


def test_a_heading_and_a_term_come_first_with_a_hyphen_or_without(search):
    for words in ("top k", "top-k"):
        first = search(words)[:2]
        assert {link.split("#")[0] for link in first} == {"chapters/08_generation.html", "glossary.html"}
    assert search("loss")[0] == "glossary.html#term-loss"  # and not the page "Glossary"


@pytest.mark.parametrize(
    "words, meant",
    [("atention", "attention"), ("temprature", "temperature"), ("softmxa scores", "softmax scores")],
)
def test_a_typing_error_shows_what_is_found_without_it(search, tab, words, meant):
    found = search(words)
    note = tab.page.locator("#search-results p").first
    assert note.inner_text() == f"Results for {meant}; search instead for {words}."
    assert found == search(meant) != []


def test_search_says_where_nothing_is_found(search, tab):
    nothing = "Nothing found. Try another word, or look in the glossary."
    assert search("zzqqx") == []
    assert tab.page.locator("#search-results .search-summary").inner_text() == nothing


def test_what_was_typed_is_searched_where_a_reader_wants_it(opened):
    page = opened("search.html?q=atention").page
    page.locator("#search-results p a").first.click()
    page.get_by_text("Nothing found.").wait_for()


def test_another_spelling_with_the_same_stem_has_the_headings(search):
    assert search("overfiting")[0] == search("overfitting")[0] == "glossary.html#term-overfitting"


def test_the_search_button_opens_a_field_that_leads_to_results(opened):
    page = opened("index.html").page
    page.locator("button.search-button-field:visible, button.search-button__button:visible").first.click()
    page.keyboard.type("perplexity")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"search\.html\?q=perplexity"))
    page.wait_for_selector("#search-results ul.search li a")


def test_results_come_while_typing_and_only_a_result_s_page_has_marks(opened):
    page = opened(f"chapters/{FIRST.name}.html").page
    page.locator("button.search-button__button:visible").first.click()
    page.keyboard.type("perplexity", delay=20)
    link = page.locator("#search-results ul.search a").first
    link.wait_for()
    said = page.locator("#search-results li .context").first
    said.wait_for()
    assert "perplexity: " in said.inner_text() and "Contents" not in said.inner_text()
    page.goto(page.url)
    page.wait_for_timeout(100)
    assert page.locator(".highlight-link").count() == 0  # no result was chosen
    page.locator("button.search-button__button:visible").first.click()
    page.keyboard.type("perplexity", delay=20)
    link.click()
    page.locator(".highlight-link").wait_for()


def test_the_magnifier_covers_no_letter(opened):
    page = opened("search.html").page
    icon = page.locator(".bd-search-container .fa-magnifying-glass").bounding_box()
    field = page.locator(".bd-search-container input")
    left = field.bounding_box()["x"] + float(
        field.evaluate("e => parseFloat(getComputedStyle(e).paddingLeft)")
    )
    assert icon["x"] + icon["width"] <= left


def test_the_contents_show_and_lines_have_85_letters_at_1280_pixels(opened):
    page = opened(f"chapters/{FIRST.name}.html", viewport={"width": 1280, "height": 800}).page
    assert page.locator(".bd-sidebar-secondary .page-toc").first.is_visible()
    assert page.evaluate(LONGEST_LINE) <= 85


def test_a_link_unfolds_what_is_not_on_the_main_path(opened):
    tab = opened("chapters/04_attention.html#terms")
    terms = tab.page.locator("#terms > details")
    item = tab.page.locator("#dropout > details")
    assert terms.evaluate("details => details.open") and not item.evaluate("details => details.open")
    assert "minute" in item.locator("summary").inner_text()
    tab.page.evaluate("() => {location.hash = '#dropout'}")
    item.locator("p").first.wait_for(state="visible")


def test_dark_mode_switches_and_stays(opened):
    page = opened("index.html", color_scheme="light").page
    assert page.evaluate(BRIGHTNESS) > 200
    page.locator("button.theme-switch-button:visible").click()
    page.locator("button.theme-change-button[data-mode=dark]:visible").click()
    page.wait_for_function(f"() => ({BRIGHTNESS})() < 60")
    page.goto(page.url.replace("index.html", f"chapters/{FIRST.name}.html"))
    assert page.evaluate(BRIGHTNESS) < 60
    drawn = page.locator("figure img").evaluate_all("all => all.map((one) => getComputedStyle(one).filter)")
    assert drawn and all("invert" in how for how in drawn)


def test_the_package_and_the_chapters_point_to_each_other(opened):
    chapter = next(c for c in BOOK.chapters if c.module)
    page = opened(f"chapters/{chapter.name}.html").page
    page.locator(f".bd-article a[href*='api/{chapter.module}.html']").first.click()
    page.wait_for_url(f"**/api/{chapter.module}.html*")
    page.locator(f".bd-article a[href*='chapters/{chapter.name}.html']").first.click()
    page.wait_for_url(f"**/chapters/{chapter.name}.html")


def test_the_judges_marks_are_dark_in_the_dark(opened):
    page = opened("index.html", color_scheme="dark").page
    assert page.evaluate(BRIGHTNESS) < 60  # the system decides before the reader does
    spans = page.locator(".bd-content .story span[style*='background']")
    marks = set(spans.evaluate_all("spans => spans.map((span) => getComputedStyle(span).backgroundColor)"))
    assert len(marks) == 2 and all(max(map(int, re.findall(r"\d+", mark))) < 130 for mark in marks)


def test_the_menu_opens_on_a_phone(opened):
    page = opened("index.html", is_mobile=True, viewport={"width": 380, "height": 800}).page
    last = page.locator(f".bd-sidebar-primary a[href$='{BOOK.chapters[-1].name}.html']").first
    assert not last.is_visible()
    page.locator("button.primary-toggle:visible").first.click()
    last.wait_for(state="visible")


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
