"""Small talk of strangers, and what is left to the model."""

from pathlib import Path

import pytest

from companion.serve.faq import CourseQuestions
from companion.serve.small_talk import ENGLISH_ONLY, INTENTS, small_talk
from companion.serve.story_chat import (
    BARE_ORDER,
    NO_STORY,
    QUESTIONS,
    StoryChat,
    as_order,
    note_on_order,
    story_verdicts,
)
from companion.village.dialogues import talk
from companion.village.strangers import DECLINE

COURSE = CourseQuestions()
ANSWERS = {intent.name: intent.answer for intent in INTENTS} | {"foreign": ENGLISH_ONLY, "decline": DECLINE}
FILE = Path(__file__).parents[1] / "support" / "strangers_messages.txt"
MESSAGES = [line.split(" | ") for line in FILE.read_text("utf-8").splitlines()]
STORY = (
    "Once the baker Mara sat at the mill and admired the red key Mara had found. "
    "One day Mara met the fox Bram at the mill."
)


def story_chat(*contents):
    """A chat in which these messages were said. It has no model, so that a test fails that would ask one."""
    chat = StoryChat.__new__(StoryChat)
    chat.messages = talk(*contents)
    chat.options = {}
    return chat


def answer(message, *contents):
    """What is answered without a model, after these messages; None for what a model must answer."""
    found = COURSE.find(message)
    return found.answer if found else story_chat(*contents).without_model(message) or None


@pytest.mark.parametrize("contents", [(), ("Tell me a story.", STORY)], ids=["before a story", "after one"])
def test_sixty_messages_of_strangers_get_a_sensible_answer(contents):
    assert len(MESSAGES) == 60
    wrong = []
    for kind, message in MESSAGES:
        said = answer(message, *contents)
        right = ": " in (said or "") if kind == "course" else said == ANSWERS[kind]
        if not right:
            wrong.append((kind, message, said))
    assert len(wrong) <= 3, wrong


@pytest.mark.parametrize(
    "message",
    [
        "Who has the key?",
        "tell me a story",
        "where is mara",
        "what is attention",
        "how do I train a model",
        "",
    ],
)
def test_what_is_no_small_talk_is_left(message):
    assert small_talk(message) is None


def test_a_question_about_what_is_not_in_the_story_is_not_left_to_the_model():
    after = story_chat("Tell a story about nine buns.", STORY)
    assert after.without_model("How many buns has Mara?") == "The story has no buns."
    assert after.without_model("who is otto?") == "The story has no Otto."
    assert after.without_model("Who has the key?") == after.without_model("how does it end?") == ""
    assert after.without_model("does bram love the key") == after.without_model("why?") == QUESTIONS
    before = story_chat()
    assert before.without_model("Who has the key?") == before.without_model("why?") == NO_STORY
    assert before.without_model(f"{STORY} Who has the key?") == ""


@pytest.mark.parametrize(
    "order, note",
    [
        ("Tell a story about nine buns.", "You ordered nine buns; the story has none."),
        ("a story about mara and a blue kite", "You ordered blue kite; the story has none."),
        ("a story about the goat Otto", "You ordered goat Otto; that is not in the story."),
        ("one story about the fox Bram and the red key", ""),
    ],
)
def test_what_was_ordered_and_is_not_in_the_story_is_said(order, note):
    assert note_on_order(order, STORY) == note


def test_an_order_may_be_short_and_have_figures():
    assert as_order("and another") == as_order("again please") == as_order("story") == BARE_ORDER
    assert as_order("Tell a story about 9 buns.") == "Tell a story about nine buns."
    assert as_order("Who has the key?") == "Who has the key?"


def test_a_story_has_verdicts_and_an_answer_has_none():
    assert [verdict.kind for verdict in story_verdicts(STORY)] == ["ok", "ok"]
    assert story_verdicts("Mara has the key.") == []
