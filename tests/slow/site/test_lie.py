"""Catch the lie, played in a browser: with the mouse, with the keyboard, and too late."""

import json

import pytest
from opened import BOOK

from companion.book.cover import STORIES, read_log

CHANCE = "() => document.querySelector('.lie .score').textContent"
ONE = [
    {"minutes": 1, "steps": 9, "seconds": 66, "sentences": []},
    {"minutes": 88, "steps": 99, "seconds": 5271, "sentences": []},
]
for one in ONE:
    for kind in ("ok", "misplaced", "contradiction", "contradiction"):
        one["sentences"].append({"text": f"A sentence is {kind}.", "kind": kind, "reason": "No <b>."})
SWAP = f"document.getElementById('lie-stories').textContent = {json.dumps(json.dumps(ONE))};"
"""Two stories of four sentences in the place of the page's own."""


@pytest.fixture
def game(opened):
    """The page with two stories in place of its own, the text at once as with reduced motion."""

    def swap(route):
        route.fulfill(body=f"{SWAP}\n{route.fetch().text()}", content_type="text/javascript")

    tab = opened("index.html", reduced_motion="reduce")
    tab.page.route("**/lie.js*", swap)
    tab.go("lie.html")
    yield tab
    tab.page.unroute("**/lie.js*")


def said(game, part):
    """The text of a part of the game."""
    return game.page.locator(f".lie .{part}").inner_text()


def signs(game):
    """Which sentences are marked as the reader's, and with which words."""
    chosen = game.page.locator(".lie .sentences button.chosen").all()
    return [
        (int(one.locator(".number").inner_text()) - 1, one.locator(".sign").inner_text()) for one in chosen
    ]


def test_a_game_is_played_with_the_keyboard_alone(game):
    page = game.page
    assert said(game, "told") == "Story 1 of 2, after about 1 minute of training (9 steps)"
    page.keyboard.press("3")
    assert said(game, "verdict") == "Caught! Sentence 3 is the first false one. No <b>."
    assert "You caught 1 of 1. Chance: random clicks catch 0.3 of 1 on average." == page.evaluate(CHANCE)
    assert signs(game) == [(2, "your click: right")]
    page.keyboard.press("Enter")  # the focus is on the button for the next story
    page.locator(".lie .sentences button").nth(3).wait_for()
    page.keyboard.press("4")
    assert said(game, "verdict").startswith("Sentence 4 stands after the first false one")
    assert "You caught 1 of 2. Chance: random clicks catch 0.5 of 2" in page.evaluate(CHANCE)
    assert signs(game) == [(3, "your click")]
    assert said(game, "main") == "Play again"
    assert game.complaints == []


def test_a_second_click_does_not_count(game):
    game.page.locator(".lie .sentences button").nth(1).click()
    assert said(game, "verdict").startswith("Sentence 2 is not false.")
    assert game.page.locator(".lie .sentences button:enabled").count() == 0
    game.page.keyboard.press("3")
    assert "You caught 0 of 1" in game.page.evaluate(CHANCE)


@pytest.fixture
def page(opened):
    """The page as it opens, with a clock that a test moves."""
    page = opened("lie.html").page
    page.clock.install()
    return page


def test_the_first_story_stands_there_and_waits(page):
    n = page.locator(".lie .sentences button").count()
    assert 4 <= n <= 7 and page.locator(".lie .sentences .words:empty").count() == 0
    page.clock.run_for(60_000)
    assert page.locator(".lie .verdict").inner_text() == ""


def test_the_judge_speaks_first_when_the_reader_waits(page):
    page.keyboard.press("1")
    page.locator(".lie .main").click()
    page.clock.run_for(60_000)
    assert page.locator(".lie .verdict").inner_text().startswith("The judge was faster.")
    assert page.locator(".lie .sentences button.first").count() == 1
    assert page.locator(".lie .sentences .sign").count() == 0


def test_the_judge_waits_where_the_box_is_ticked(page):
    page.keyboard.press("1")
    page.locator(".lie .patient").check()
    page.locator(".lie .main").click()
    page.clock.run_for(60_000)
    assert page.locator(".lie .verdict").inner_text() == ""
    page.locator(".lie .patient").uncheck()
    page.clock.run_for(6_000)
    assert page.locator(".lie .verdict").inner_text().startswith("The judge was faster.")


def test_each_age_has_stories_and_each_story_a_false_sentence():
    stories = json.loads((BOOK.root / STORIES).read_text(encoding="utf-8"))
    assert sorted({story["minutes"] for story in stories}) == [1, 3, 10, 88]
    first = [story for story in stories if story["minutes"] == 1]
    n_false = [[one["kind"] for one in story["sentences"]].count("contradiction") for story in first]
    assert 1 in n_false  # which the page tells first
    shown = [row["sample"] for row in (read_log(BOOK)[1], read_log(BOOK)[-1])]
    assert not any(story["sentences"][0]["text"] in text for story in stories for text in shown)
    for story in stories:
        assert story["steps"] > 0 and story["seconds"] > 0
        kinds = [sentence["kind"] for sentence in story["sentences"]]
        assert 4 <= len(kinds) <= 7
        assert "contradiction" in kinds and "unknown" not in kinds
    assert (BOOK.root / STORIES).stat().st_size < 100_000
