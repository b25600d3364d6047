"""Every page of the web book, as a browser shows it."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from opened import BOOK, FIRST, NAMES, OVERFLOWING

from companion.book.check import has_image
from companion.book.text import code_cells, read_notebook

CUT = """(all) => all.filter((pre) => pre.checkVisibility() && pre.scrollWidth > pre.clientWidth + 1)
  .map((pre) => pre.innerText.split("\\n").sort((a, b) => b.length - a.length)[0])"""


def test_it_loads_without_a_complaint_and_asks_no_other_host(shown):
    assert shown.complaints == []


def test_its_equations_are_rendered(shown):
    count, rendered, errors = shown.page.evaluate(
        """() => [".math", ".math > mjx-container", "mjx-merror, [data-mjx-error]"].map(
            (selector) => document.querySelectorAll(selector).length)"""
    )
    assert (rendered, errors) == (count, 0)


def test_its_figures_are_there_have_words_and_fit(shown):
    figures = shown.page.evaluate(
        """() => [...document.querySelectorAll(".bd-article img")].map((image) => {
            image.scrollIntoView();
            const article = document.querySelector(".bd-article").getBoundingClientRect();
            const box = image.getBoundingClientRect();
            return {alt: image.alt, loaded: image.complete && image.naturalWidth > 0, width: box.width,
                    fits: box.left >= article.left - 1 && box.right <= article.right + 1};
        })"""
    )
    for figure in figures:
        assert figure["loaded"] and figure["fits"], figure
        assert len(figure["alt"]) > 20 and figure["width"] > 200, figure
    if shown.name.startswith("chapters/"):
        notebook = read_notebook(BOOK.find(Path(shown.name).stem).notebook)
        cells = [cell for cell in code_cells(notebook) if has_image(cell)]
        assert len(figures) == len(cells)
        captions = shown.page.locator("figcaption").all_inner_texts()
        number = int(Path(shown.name).stem[:2])
        assert [c.split()[1] for c in captions] == [f"{number}.{i + 1}" for i in range(len(cells))]


def test_no_markup_is_left_raw(shown):
    text = shown.page.evaluate(
        """() => {
            const copy = document.querySelector(".bd-article-container").cloneNode(true);
            copy.querySelectorAll("pre, code, mjx-container, script, dt.sig").forEach((e) => e.remove());
            return copy.textContent;
        }"""
    )
    raw = re.findall(r":::.*|\{[a-z:]+\}`.*|\$[^$\n]*\$|\\tag|\*\*.*|<details.*|^#+ .*", text, re.MULTILINE)
    assert raw == []


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


@pytest.mark.parametrize("width", [1280, 380])
def test_nothing_overflows(shown, width):
    shown.page.set_viewport_size({"width": width, "height": 800})
    shown.page.wait_for_timeout(150)
    wide = shown.page.evaluate(OVERFLOWING)
    shown.page.set_viewport_size({"width": 1280, "height": 900})
    assert wide == []


def test_lines_of_code_and_output_are_seen_whole_on_a_wide_screen(shown):
    assert shown.page.locator(".bd-article pre").evaluate_all(CUT) == []


def test_no_page_goes_unseen(site):
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    built = {name for name in built if not name.startswith("_static")}
    assert built == set(NAMES)


def test_a_search_finds_pages_without_a_complaint(opened):
    found = opened("search.html?q=attention")
    found.page.locator("#search-results li").first.wait_for()
    assert found.complaints == []


@pytest.mark.parametrize("name", ["index.html", f"chapters/{FIRST.name}.html"])
def test_a_script_that_comes_into_a_page_does_not_run(opened, name):
    ran = opened(name).page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.head.append(script);
            const button = document.createElement("div");
            button.innerHTML = "<b onclick='window.ran = true'>x</b><img src=x onerror='window.ran = true'>";
            document.body.append(button);
            button.querySelector("b").click();
            let asked = true;
            await fetch("http://127.0.0.1:9/").catch(() => (asked = false));
            await new Promise((done) => setTimeout(done, 200));
            return [window.ran ?? false, asked];
        }"""
    )
    assert ran == [False, False]
