"""The app as its command starts it, in Chromium: told, asked, compared, classified; by hand and by keys."""

import json
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs playwright: pip install -e '.[site]'")

DATA = Path(__file__).parents[3] / "data"
NEEDS_AXE = "needs axe: pip install -e '.[site]'"
BY_STREAMLIT = {"presentation-role-conflict"}
"""Faults that axe finds in what Streamlit draws. Its file uploader is a section with the role presentation
and a name: what it says is said by the button inside, so nothing is lost."""
TOO_WIDE = """() => [...document.querySelectorAll('[data-testid=stAppViewContainer] *')].filter(part => {
    const box = part.getBoundingClientRect();
    const scrolled = part.closest('.c-scroll, input[type=range], [aria-hidden=true]');
    return box.width && !scrolled && box.right > innerWidth + 1;
}).map(part => part.outerHTML.slice(0, 150))"""
OURS = "[class^=c-], [class*=' c-']"


@pytest.fixture
def opened(browser, address):
    """Opens a page of the app; at the end nothing may have been asked of another host."""
    contexts, asked = [], []

    def open_page(path: str = "", width: int = 1280, theme: str = "light"):
        screen = {"viewport": {"width": width, "height": 900}, "color_scheme": theme}
        contexts.append(browser.new_context(**screen))
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)  # on a busy machine, much is slow
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url.replace("ws", "http", 1)))
        page.goto(f"{address}/{path}")
        page.get_by_role("heading", level=1).wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def button(page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def tell(page):
    choose(page, "Model", "models/village")
    button(page, "Tell").click()
    page.get_by_text("told to its end").wait_for()


def choose(page, label: str, start: str):
    """Choose from a list on the page."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=start).click()


def wait_until_idle(page):
    """Wait until the page's script has ended: till then, Streamlit may draw the field anew under the keys."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def ask(page, text: str):
    box = page.get_by_placeholder("Ask something")
    answers = page.get_by_text("Answered by")
    wait_until_idle(page)
    before = answers.count()
    box.fill(text)
    box.press("Enter")
    answers.nth(before).wait_for()


def classify(page):
    page.get_by_text("Or the texts of a CSV file").click()
    page.locator("input[type=file]").set_input_files(DATA / "messages.csv")
    page.get_by_text("messages.csv").wait_for()
    button(page, "Classify").click()
    page.get_by_text("100 texts: ").wait_for()


def compare(page):
    choose(page, "First model", "models/village")
    choose(page, "Second model", "models/answerer")
    button(page, "Compare").click()
    page.get_by_text("The same as a table").nth(1).wait_for()


USES = {
    "": tell,
    "chat": lambda page: [ask(page, text) for text in ("what's a token", "Who is the baker Mara?")],
    "compare": compare,
    "classify": classify,
}


def wait_until_still(page):
    """Wait until nothing fades in or moves any more."""
    page.mouse.move(0, 0)
    page.wait_for_function("() => document.getAnimations().every((one) => one.playState !== 'running')")


@pytest.mark.parametrize("theme, width", [("light", 1280), ("dark", 380)])
@pytest.mark.parametrize("path", USES)
def test_each_page_does_what_it_is_for_and_fits_and_axe_finds_no_fault(opened, path, theme, width):
    """None that is serious, and none at all in what we draw."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=NEEDS_AXE)
    page = opened(path, width, theme)
    USES[path](page)
    wait_until_still(page)
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    shown = page.get_by_test_id("stAppViewContainer").inner_text()
    assert "Traceback" not in shown and page.get_by_role("alert").count() == 0

    for table in page.get_by_text("The same as a table").all():
        table.click()
    wait_until_still(page)
    faults = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    ours = axe.Axe().run(page, context={"include": [OURS]}).response["violations"]
    said = [[fault["id"], fault["impact"], fault["nodes"][0]["html"][:200]] for fault in faults + ours]
    assert {fault["id"] for fault in faults} <= BY_STREAMLIT, json.dumps(said, indent=1)
    assert ours == [], json.dumps(said, indent=1)


def test_the_pages_lead_to_each_other_on_a_phone(opened):
    page = opened("", 380)
    titles = {"Chat": "Chat", "Compare": "Compare two models", "Classify": "Classify texts"}
    for name, title in (titles | {"Tell": "Tell a story"}).items():
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", level=1, name=title, exact=True).wait_for()


def test_on_a_phone_the_story_begins_on_the_first_screen(opened):
    page = opened("", 380)
    tell(page)
    wait_until_still(page)
    page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    story = page.locator(".c-mark").first.bounding_box()
    assert 0 < story["y"] + story["height"] < page.viewport_size["height"]


def test_the_primary_button_is_blue_and_its_words_are_white_in_both_themes(opened):
    from playwright.sync_api import expect

    for theme in ("light", "dark"):
        primary = opened("", 1280, theme).locator("button[kind=primaryFormSubmit]")
        expect(primary).to_have_css("color", "rgb(255, 255, 255)", timeout=60_000)
        expect(primary).to_have_css("background-color", "rgb(0, 114, 178)", timeout=60_000)


def test_tokens_come_one_after_the_other_and_stop_stops(opened):
    page = opened()
    choose(page, "Model", "models/slow")
    button(page, "Tell").click()
    button(page, "Stop").wait_for()
    text, lengths = page.locator(".c-text").first, []
    while len(lengths) < 3:
        page.wait_for_timeout(150)
        if (n := len(text.inner_text())) not in lengths:
            lengths.append(n)
    assert lengths == sorted(lengths)
    button(page, "Stop").click()
    page.get_by_text("stopped.").wait_for()
    button(page, "Stop").wait_for(state="detached")
    page.locator(".c-token").nth(2).wait_for()
    assert page.locator(".c-token").count() < 200


def test_the_keyboard_alone_tells_and_reads_the_numbers(opened):
    page = opened()
    choose(page, "Model", "models/village")
    page.get_by_role("link", name="Tell", exact=True).focus()
    press_tab_until(page, "() => document.activeElement.matches('input[aria-label=\"How the text begins\"]')")
    page.keyboard.press("Control+A")
    page.keyboard.type("Once Mara")
    press_tab_until(page, "() => document.activeElement.tagName === 'SUMMARY'")  # of the settings
    page.keyboard.press("Enter")
    press_tab_until(page, "() => document.activeElement.type === 'range'")
    before = page.evaluate("() => document.activeElement.value")
    page.keyboard.press("ArrowLeft")
    assert float(page.evaluate("() => document.activeElement.value")) < float(before)
    wait_until_idle(page)
    page.get_by_role("textbox", name="How the text begins").focus()
    press_tab_until(
        page,
        "() => document.activeElement.innerText === 'Tell' && document.activeElement.tagName === 'BUTTON'",
    )
    page.keyboard.press("Enter")
    page.get_by_text("told to its end").wait_for()
    assert page.locator(".c-text").first.inner_text().startswith(("Once Mara", "? Once Mara"))
    button(page, "Stop").wait_for(state="detached")  # till then the page is drawn anew under the keys
    wait_until_idle(page)
    table = "document.activeElement.innerText.includes('The same as a table')"
    press_tab_until(page, f"() => document.activeElement.tagName === 'SUMMARY' && {table}")
    page.keyboard.press("Enter")
    page.locator(".c-table").wait_for(state="visible")
    press_tab_until(page, "() => document.activeElement.matches('.c-scroll')")
    page.keyboard.press("End")
    page.wait_for_function("() => document.querySelector('.c-scroll').scrollTop > 0")
    numbers = page.locator(".c-token").evaluate_all("all => all.map(one => one.title)")
    assert len(numbers) == page.locator(".c-table tbody tr").count() and all("others:" in n for n in numbers)


def test_the_keyboard_alone_asks(opened):
    page = opened("chat")
    page.get_by_role("link", name="Chat", exact=True).focus()
    press_tab_until(page, "() => document.activeElement.tagName === 'TEXTAREA'")
    page.keyboard.type("what's a token")
    page.keyboard.press("Enter")
    page.get_by_text("Answered by the glossary").wait_for()


def press_tab_until(page, found: str):
    """Tab from stop to stop."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(found):
            return
    raise AssertionError(f"no stop of Tab was one with {found}")


def test_a_file_over_the_limit_is_refused(opened, tmp_path):
    (tmp_path / "large.csv").write_text("text\n" + "a\n" * 3_000_000, encoding="utf-8")
    page = opened("classify")
    page.get_by_text("Or the texts of a CSV file").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "large.csv")
    page.get_by_text("File must be 5.0MB or smaller").wait_for()


def test_a_model_that_is_no_entry_of_the_list_cannot_be_chosen(opened):
    page = opened()
    page.get_by_role("combobox", name="Model").click()
    page.keyboard.type("/etc")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    button(page, "Tell").click()
    page.locator(".c-text").first.wait_for()
    assert "/etc" not in page.get_by_test_id("stAppViewContainer").inner_text()
