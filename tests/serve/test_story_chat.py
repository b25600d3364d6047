"""What the village knows of a message, before a model reads it."""

import pytest
from test_small_talk import STORY

from companion.serve.orders import unknown_in_order
from companion.serve.story_facts import corrected
from companion.serve.village_words import unknown_words, with_names
from companion.village import dialogues
from companion.village.words import KINDS


def test_the_words_of_every_order_and_question_are_known():
    for form in (*dialogues.ORDERS, *dialogues.LOOSE_ORDERS, *dialogues.HELD_OUT_ORDERS):
        order = form.format(r="baker", A="Mara", c="red", n="key", p="mill")
        assert not unknown_in_order(order), order
    for wordings in (*dialogues.PLAIN.values(), *dialogues.HELD_OUT_PLAIN.values()):
        for wording in wordings:
            question = wording.format(x="key", y="Mara", z="Mara", c="red", r="baker")
            assert not unknown_words(question), question


@pytest.mark.parametrize(
    "message, unknown",
    [
        ("What is the capital of France?", ["capital", "France"]),
        ("Who has the dragon?", []),
    ],
)
def test_unknown_words_are_named_as_they_are_typed(message, unknown):
    assert unknown_words(message) == unknown


def test_of_an_order_only_the_words_of_its_kind_and_subject_count():
    order = "Tell me a story about a sad princess, two kites and a dragon. Alice asks."
    assert unknown_in_order(order) == ["sad", "princess", "dragon"]


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
