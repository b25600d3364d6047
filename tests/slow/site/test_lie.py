"""Catch the lie, played in a browser: with the mouse, with the keyboard, and too late."""

import json

import pytest
from opened import BOOK

from companion.book.lie import STORIES

CHANCE = "() => document.querySelector('.lie .score').textContent"
ONE = [
    {"minutes": 1, "steps": 9, "seconds": 66, "sentences": []},
    {"minutes": 88, "steps": 99, "seconds": 5271, "sentences": []},
]
for one in ONE:
    for kind in ("ok", "misplaced", "contradiction", "contradiction"):
        one["sentences"].append({"text": f"A sentence is {kind}.", "kind": kind, "reason": "no <b>"})
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


def test_a_game_is_played_with_the_keyboard_alone(game):
    page = game.page
    page.locator(".lie .main").focus()
    page.keyboard.press("Enter")
    page.locator(".lie .sentences button").nth(3).wait_for()
    assert said(game, "told") == "Story 1 of 2, after 1.1 minutes of training"
    page.keyboard.press("3")
    assert said(game, "verdict") == "Caught! Sentence 3 is the first false one (no <b>)."
    assert "Caught: 1 of 1. Clicking at random would catch 0.3 on average." == page.evaluate(CHANCE)
    page.keyboard.press("Enter")  # the focus is on the button for the next story
    page.locator(".lie .sentences button").nth(3).wait_for()
    page.keyboard.press("4")
    assert said(game, "verdict").startswith("Sentence 4 is false too, but not the first.")
    assert "Caught: 1 of 2. Clicking at random would catch 0.5" in page.evaluate(CHANCE)
    assert said(game, "main") == "Play again"
    assert game.complaints == []


def test_a_second_click_does_not_count(game):
    game.page.locator(".lie .main").click()
    game.page.locator(".lie .sentences button").nth(1).click()
    assert said(game, "verdict").startswith("Sentence 2 is not false.")
    assert game.page.locator(".lie .sentences button:enabled").count() == 0
    game.page.keyboard.press("3")
    assert "Caught: 0 of 1" in game.page.evaluate(CHANCE)


def test_the_judge_speaks_first_when_the_reader_waits(opened):
    page = opened("lie.html").page
    page.clock.install()
    page.locator(".lie .main").click()
    page.clock.run_for(60_000)
    assert page.locator(".lie .verdict").inner_text().startswith("The judge was faster.")
    assert page.locator(".lie .sentences button.first").count() == 1


def test_the_judge_waits_where_the_box_is_ticked(opened):
    page = opened("lie.html").page
    page.clock.install()
    page.locator(".lie .patient").check()
    page.locator(".lie .main").click()
    page.clock.run_for(60_000)
    assert page.locator(".lie .verdict").inner_text() == ""
    page.locator(".lie .patient").uncheck()
    assert page.locator(".lie .verdict").inner_text().startswith("The judge was faster.")


def test_each_age_has_stories_and_each_story_a_false_sentence():
    stories = json.loads((BOOK.root / STORIES).read_text(encoding="utf-8"))
    assert sorted({story["minutes"] for story in stories}) == [1, 3, 10, 88]
    for story in stories:
        assert story["steps"] > 0 and story["seconds"] > 0
        kinds = [sentence["kind"] for sentence in story["sentences"]]
        assert 4 <= len(kinds) <= 7
        assert "contradiction" in kinds and "unknown" not in kinds
    assert (BOOK.root / STORIES).stat().st_size < 100_000
