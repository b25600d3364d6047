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
    wait_until_idle(page)


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
    page.get_by_text("Texts of a CSV file instead of those below").click()
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


@pytest.mark.parametrize("path, theme, width", [*((path, "dark", 380) for path in USES), ("", "light", 1280)])
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
    page.locator(".c-token").nth(2).wait_for(state="attached")  # part of a character is not visible
    assert page.locator(".c-token").count() < 200


def test_the_keyboard_alone_asks(opened):
    page = opened("chat")
    wait_until_idle(page)
    page.get_by_role("link", name="Chat", exact=True).focus()
    press_tab_until(page, "() => document.activeElement.tagName === 'TEXTAREA'")
    page.keyboard.type("what's a token")
    page.keyboard.press("Enter")
    page.get_by_text("Answered by the list of frequent questions").wait_for()


def press_tab_until(page, found: str):
    """Tab from stop to stop."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(found):
            return
    raise AssertionError(f"no stop of Tab was one with {found}")
