"""Small talk of strangers, and what is left to the model."""

from pathlib import Path

import pytest

from companion.instructions import Chat
from companion.serve.faq import CourseQuestions
from companion.serve.small_talk import ENGLISH_ONLY, INTENTS, QUESTIONS, briefly, small_talk
from companion.serve.story_chat import (
    BARE_ORDER,
    DRAWS,
    NO_STORY,
    StoryChat,
    as_order,
    contents_of,
    note_on_order,
    story_verdicts,
)
from companion.village.dialogues import orders_a_story, talk
from companion.village.strangers import DECLINE

COURSE = CourseQuestions()
ANSWERS = {intent.name: intent.answer for intent in INTENTS} | {"foreign": ENGLISH_ONLY, "decline": DECLINE}
FILE = Path(__file__).parents[1] / "support" / "strangers_messages.txt"
SECOND_FILE = FILE.with_name("strangers_second.txt")
SECOND_MESSAGES = [line.split(" | ") for line in SECOND_FILE.read_text("utf-8").splitlines()]
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


def is_sensible(kind, message, *contents):
    """Whether the answer to a message is of the kind that a stranger can use."""
    found = COURSE.find(message)
    said = found.answer if found else story_chat(*contents).without_model(as_order(message))
    if kind == "story":
        return said == "" and orders_a_story(as_order(message))
    if kind == "has":
        return said.startswith("The story has no ") and said.endswith(contents_of(STORY))
    if kind == "no story":
        return said == NO_STORY
    if kind == "gpu":
        return "No. " in said and "laptop" in said
    if kind == "first":
        return "chapters/00_start.ipynb" in said
    if kind.startswith("course"):
        return found is not None and f"{kind.replace('course', 'chapter')}:" in found.source
    return said == ANSWERS[kind] and "the story," not in said


def test_forty_more_messages_get_a_sensible_answer():
    """14 of them did before this file was written, and all do now."""
    assert len(SECOND_MESSAGES) == 40
    after = ("Tell me a story.", STORY)
    moments = {"before": [()], "after": [after], "both": [(), after]}
    wrong = [
        message
        for when, kind, message in SECOND_MESSAGES
        if not all(is_sensible(kind, message, *contents) for contents in moments[when])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "order, nearest, note",
    [
        (
            "tell a story about mara and a dragon",
            "Tell me a story about Mara.",
            "I cannot tell about “dragon”, so the story leaves that out.",
        ),
        (
            "a story about the fox Bram, a robot and a red key",
            "Tell me a story about the fox Bram and a red key.",
            "I cannot tell about “robot”, so the story leaves that out.",
        ),
        (
            "Tell me a story about a princess.",
            BARE_ORDER,
            "I cannot tell about “princess”, so the story leaves that out.",
        ),
        (
            "tell me a story with a happy ending about a key",
            "Tell me a story about a key.",
            "I cannot tell about “happy”, “ending”, so the story leaves that out.",
        ),
        ("something sad", BARE_ORDER, "I cannot tell about “sad”, so the story leaves that out."),
        (
            "tell me a bedtime story",
            BARE_ORDER,
            "I cannot tell about “bedtime”, so the story leaves that out.",
        ),
        (
            "a story for my daughter Mara",
            "Tell me a story about Mara.",
            "I cannot tell about “daughter”, so the story leaves that out.",
        ),
        ("and then?", BARE_ORDER, "I cannot continue a story, so this is a new one."),
        ("another one", BARE_ORDER, ""),
    ],
)
def test_an_order_with_unknown_words_gets_the_nearest_story_and_a_note(order, nearest, note):
    assert as_order(order) == nearest
    assert story_chat(nearest, STORY).note(order, STORY) == note
    assert as_order("Tell me about Berlin.") == "Tell me about Berlin."


def test_a_question_about_who_is_in_the_story_gets_its_people_and_things():
    after = story_chat("Tell me a story.", STORY)
    people = "The story has the baker Mara, the fox Bram and the red key."
    assert after.without_model("Who is the hero of the story?") == people
    assert contents_of(STORY) == "It has the baker Mara, the fox Bram and the red key."


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
    assert after.without_model("How many buns has Mara?") == f"The story has no buns. {contents_of(STORY)}"
    assert after.without_model("who is otto?") == f"The story has no Otto. {contents_of(STORY)}"
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


@pytest.mark.parametrize(
    "question", ["is that story true?", "was there a mistake?", "Is it correct?", "what is wrong with it?"]
)
def test_whether_the_story_is_true_is_answered_by_the_judge(question):
    false = f'{STORY} "Where is the key?" asked Bram. It was at the pond.'
    finds = "The judge, a program that follows the story, finds"
    assert answer(question, "Tell me a story.", STORY) == f"{finds} nothing false in it."
    assert "It was at the pond." in answer(question, "Tell me a story.", false)
    assert answer(question) == NO_STORY
    after = ("Tell me a story.", STORY, "Who has the key?")
    assert answer(question, *after, "Mara has the key.") == f"{finds} this true: “Mara has the key.”"
    assert "at its end, the answer is “Mara" in answer(question, *after, "Bram has the key.")


def test_a_long_answer_is_short_the_second_time():
    [capability] = [one.answer for one in INTENTS if one.name == "capability"]
    for long in (QUESTIONS, capability):
        assert briefly(long, ["Hello."]) == long
        assert len(briefly(long, ["Hello.", long])) < len(long) / 2
    assert briefly(NO_STORY, [NO_STORY]) == NO_STORY


def test_of_several_stories_the_one_with_all_people_is_told(monkeypatch):
    drawn = iter([STORY.replace("Bram", "Finn"), STORY, "never drawn"])
    monkeypatch.setattr(Chat, "stream", lambda self, *given, **options: iter([next(drawn)]))
    assert "".join(story_chat().stream("a story about Mara and Bram")) == STORY
    assert next(drawn) == "never drawn"
    drawn = iter([STORY.replace("Bram", "Finn")] * DRAWS)
    told = "".join(story_chat().stream("a story about Mara and Bram"))
    assert note_on_order("a story about Mara and Bram", told).startswith("You ordered Bram; ")
