"""Catch the lie: each story's first false sentence contradicts what was told, and the reason says where."""

import json

import pytest

from companion.village import DATA


@pytest.fixture(scope="module")
def plain_reason(scripts):
    return scripts("plain_lies").plain_reason


def test_each_story_s_first_false_sentence_is_a_plain_lie_that_the_page_explains(plain_reason):
    for story in json.loads((DATA / "models" / "lie.json").read_text(encoding="utf-8")):
        kinds = [sentence["kind"] for sentence in story["sentences"]]
        first = kinds.index("contradiction")
        assert "misplaced" not in kinds[:first]
        texts = [sentence["text"] for sentence in story["sentences"]]
        assert plain_reason(texts[: first + 1]) == story["sentences"][first]["reason"] != ""


FOUND = "Once the baker Mara sat at the mill and admired the red key Mara had found."
MET = "One day Mara met the fox Bram at the mill."
WALKED = "The fox Bram walked from the mill to the inn."
EGGS = "The duck Ned stopped at the mill with seven eggs."
LEFT = '"This is heavy!" So the key Mara carried was left at the mill.'
LENT = "The key Mara lent at the mill was now the key Bram had to bring back."
PLAIN = [
    (MET, "The goose Bram winked. You could never tell with Bram.", "Bram is the fox.", 2),
    (MET, '"Who has the key?" "Bram," said Mara.', "Mara has the key.", 1),
    (MET, "The blue key Mara polished shone until Bram clapped.", "The key is red.", 1),
    (f"{MET}|{WALKED}", '"Where is Bram?" asked Mara. It was easy: at the mill.', "Bram is at the inn.", 3),
    (
        EGGS,
        "Ned ate three of the eggs. That left five.",
        "Ned had seven eggs, and seven less three leaves four.",
        2,
    ),
    (EGGS, "Ned counted the eggs again. There were still six.", "Ned has seven eggs.", 2),
    (f"{MET}|{LEFT}", "The blue key still lay at the mill.", "The key is red.", 1),
]
"""Sentences after FOUND, the false one, what is true instead, and the sentence that said so."""


@pytest.mark.parametrize("after, false, truth, number", PLAIN)
def test_the_reason_quotes_what_a_plain_lie_contradicts(plain_reason, after, false, truth, number):
    before = [FOUND, *after.split("|")]
    assert plain_reason([*before, false]) == f"{truth} Sentence {number} said: “{before[number - 1]}”"


UNFAIR = [
    (MET, "The blue hat Mara found at the mill was as good as new."),  # she has something in hand
    (MET, "The blue key Bram found at the mill was as good as new."),  # a second key
    (MET, "The blue key Bram polished shone until Mara clapped."),
    (MET, "What a lovely hat Mara has!"),  # no sentence of the village
    (f"{MET}|{LEFT}", "Crack! The red key Mara had broke, and somebody said a very short word."),
    (f"{MET}|{LENT}", '"Who has the key?" "Mara," said Bram.'),  # it is still hers
    (MET, '"Who has the hat?" "Bram," said Mara.'),
    (MET, '"Who has the key?" "Mara," said Bram.'),  # true
]


@pytest.mark.parametrize("after, sentence", UNFAIR)
def test_what_a_player_may_find_only_odd_is_no_plain_lie(plain_reason, after, sentence):
    assert plain_reason([FOUND, *after.split("|"), sentence]) == ""
