"""The classifier of messages, and the file that it learned from."""

import numpy as np
import pytest

from companion.serve.classifier import Classifier
from companion.serve.course_lists import FAQ, LISTED, NOT_LISTED, QUESTIONS, read_questions
from companion.serve.fit_classifiers import POWER_OF_KINDS, fit
from companion.serve.kinds import (
    ABOUT_STORY,
    ANSWERS,
    OF_COURSE,
    Kind,
    classifier,
    kind_of,
    read_messages,
    words_of,
)

ROWS = read_messages()


def test_the_messages_are_many_and_each_kind_has_an_answer_or_a_place():
    messages = [message.lower() for message, _ in ROWS]
    assert len(ROWS) > 2000 and all(message.strip() for message in messages)
    kinds = {kind for _, kind in ROWS}
    assert kinds == {*ANSWERS, Kind.ORDER, Kind.MORE, *ABOUT_STORY, *OF_COURSE, "world"}
    assert set(Kind) - {Kind.UNCLEAR, Kind.LEARNED} <= kinds
    assert min(sum(one == kind for _, one in ROWS) for kind in kinds) >= 10


def test_messages_of_the_same_words_have_one_kind():
    kinds = {}
    for message, kind in ROWS:
        if words_of(message):
            kinds.setdefault(words_of(message), set()).add(kind)
    assert [words for words, some in kinds.items() if len(some) > 1] == []


def test_probabilities_add_up_to_one_and_a_message_without_words_has_some():
    for message in ("thank you", "", "日本語", "?"):
        assert classifier().probabilities(message).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "message, kind",
    [
        ("thank u sooo much my dear", "thanks"),
        ("could you tell a tale about an old sailor", "order"),
        ("whats the name of the girl in it", "cast"),
        ("where has the umbrella been put", "fact"),
        ("i have a hamster, he is called bobby", "told"),
        ("flibber wug dax", "unclear"),
        ("Hm. Thank you very much!", "thanks"),
    ],
)
def test_messages_in_new_words_get_their_kind(message, kind):
    assert kind_of(message) == kind


@pytest.mark.gate
def test_the_stored_weights_are_those_of_the_messages():
    """Those of the listed questions are fitted by the same function, which takes a minute longer."""
    found = fit(ROWS, POWER_OF_KINDS)
    stored = classifier()
    assert found.labels == stored.labels and found.scale == pytest.approx(stored.scale, rel=0.01)
    assert np.abs(found.weights.astype(int) - stored.weights).mean() < 0.01


def test_each_listed_question_is_a_label():
    """Else a row is new, and `python -m companion.serve.fit_classifiers` did not run after it."""
    stored = Classifier.load(LISTED)
    listed = [row.question for row in [*read_questions(FAQ), *read_questions(QUESTIONS)]]
    assert stored.labels == sorted({NOT_LISTED, *listed})
