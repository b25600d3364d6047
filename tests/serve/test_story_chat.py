"""What the village knows of a message, before a model reads it."""

import pytest
from test_small_talk import STORY

from companion.serve.kinds import kind_of
from companion.serve.story_questions import corrected, told_and_asked
from companion.serve.village_words import unknown_words, with_names
from companion.village import dialogues
from companion.village.strangers import strange_messages
from companion.village.words import KINDS


def test_whatever_a_model_of_the_village_learns_to_answer_is_known():
    forms = (*dialogues.ORDERS, *dialogues.LOOSE_ORDERS, *dialogues.HELD_OUT_ORDERS)
    talks = dialogues.orders(60, 3, 2, forms, plain=1.0) + dialogues.lessons(30, 4, plain=0.8)
    talks += dialogues.summaries(10, 5) + dialogues.untold(30, 6)
    learned = [one["content"] for talk in talks for one in talk.messages if one["role"] == "user"]
    for wordings in dialogues.HELD_OUT_PLAIN.values():
        learned += [wording.format(x="key", y="Mara", z="Mara", c="red", r="baker") for wording in wordings]
    assert [
        message
        for message in learned
        if unknown_words(message, kind_of(told_and_asked(message)[1]) == "order")
    ] == []


def test_most_of_what_strangers_say_has_an_unknown_word():
    said = strange_messages(500, 1, longest=100)
    assert sum(bool(unknown_words(message)) for message in said) > 0.7 * len(said)


@pytest.mark.parametrize(
    "message, unknown",
    [
        ("What is the capital of France?", ["capital", "France"]),
        (
            "Tell me a story about a sad princess, two kites and a dragon. Alice asks.",
            ["sad", "princess", "dragon"],
        ),
        ("Who has the dragon?", []),
    ],
)
def test_unknown_words_are_named_as_they_are_typed(message, unknown):
    assert unknown_words(message, message.startswith("Tell")) == unknown


def test_names_may_be_in_small_letters_and_ivy_grows_on_walls():
    assert with_names("where is mara? pull the ivy off") == "where is Mara? pull the ivy off"
    for name in KINDS["name"]:
        assert with_names(f"who is {name}?") == f"who is {name}?"


@pytest.mark.parametrize(
    "answer, instead",
    [
        ("Mara has the key.", ""),
        ("Nobody said.", ""),
        ("Bram has the key.", "At the end of the story: “Mara has the key.”"),
        (
            "Bram has the drum.",
            "At the end of the story, the baker Mara is at the mill with the red key, and",
        ),
        ("It is the fox Mara.", "At the end of the story: “It is the fox Bram.”"),
    ],
)
def test_of_an_answer_that_the_story_contradicts_the_true_one_comes_first(answer, instead):
    said = corrected(dialogues.talk("a story about mara and a key", STORY, "Well?", answer), [])
    assert said.startswith(instead) and bool(said) == bool(instead) == (f"said “{answer}”" in said)
