"""The village's conversations: as many as asked for, the same for a seed, and their answers true."""

import re

import pytest

from companion.village import judge, load_split
from companion.village.dialogues import (
    ASKED,
    NOBODY,
    ORDERS,
    SUMMARIES,
    asked,
    course,
    facts_of,
    has_both,
    is_true,
    lessons,
    orders,
    summaries,
)
from companion.village.judge import state_of
from companion.village.words import KINDS


def slots(form, text):
    return re.fullmatch(re.sub(r"\\{(\w)\\}", r"(?P<\1>\\w+)", re.escape(form)), text)


def words_of(kind, answer):
    return slots(ASKED[kind].answer, answer).groupdict()


def story_of(message):
    """The story in a first message, without the question."""
    return re.match(r'(.*[.!?]"?) [^.!?]*[.?]$', message)[1]


def test_facts_are_what_a_story_tells():
    story = "Once the baker Mara sat at the mill and admired the red kite Mara had found. "
    story += "One day Mara met the fox Bram at the mill. An old woman gave Bram five plums and a wink. "
    story += "The kite Mara lent at the mill was now the kite Bram had to bring back. "
    story += "The fox Bram walked from the mill to the inn. "
    story += "Crack! The red kite Bram had broke, and somebody said a very short word. "
    story += "The blue drum Mara found at the mill was as good as new. "
    story += "The blue drum Mara put down stayed at the mill."
    assert {verdict.kind for verdict in judge(story)} == {"ok"}
    assert facts_of(state_of(story)) == {
        "who has": [("kite", "Bram", "")],
        "where is the thing": [("kite", "inn", ""), ("drum", "mill", "")],
        "where is somebody": [("Mara", "mill", ""), ("Bram", "inn", "")],
        "how many": [("plums", "five", "Bram")],
        "who is": [("baker", "Mara", ""), ("fox", "Bram", "")],
        "who broke": [("kite", "Bram", "")],
        "whose": [("kite", "Mara", "")],
        "what color": [("kite", "red", ""), ("drum", "blue", "")],
    }


def test_questions_come_in_turn_as_many_as_asked_and_the_same_for_a_seed():
    found = asked(17, seed=33)
    assert [one.kinds[0] for one in found] == [*ASKED, *ASKED, "who has"]
    assert found[:9] == asked(9, seed=33) != asked(9, seed=4)
    assert all([m["role"] for m in one.messages] == ["user", "assistant"] for one in found)
    shipped = load_split("train") + load_split("val") + load_split("test")
    begun = story_of(found[0].messages[0]["content"])
    assert not any(text.startswith(begun) for text in shipped)


def test_what_nobody_said_is_not_in_the_story():
    for one in asked(16, seed=9, known=False):
        asked_, said = (message["content"] for message in one.messages)
        assert said == NOBODY and one.kinds == ("nobody",)
        example = story_of(asked_)
        question = asked_.removeprefix(example + " ")
        words = set(re.findall(r"\w+", example))
        about = [
            word
            for kind in ASKED.values()
            for word in KINDS[kind.about]
            if re.search(rf"\b{word}\b", question)
        ]
        assert any(word not in words for word in about)


def test_lessons_have_their_turns_and_their_share_without_an_answer():
    found = lessons(120, seed=31, stories=80)
    assert len(found) == 120 and found[:40] == lessons(40, seed=31, stories=80)
    assert max(len(one.kinds) for one in found) == 5 and min(len(one.kinds) for one in found) >= 2
    kinds = [kind for one in found for kind in one.kinds]
    assert 0.15 < kinds.count("nobody") / len(kinds) < 0.25
    assert all(kinds.count(kind) >= 12 for kind in ASKED)
    for one in found:
        assert len(one.messages) == 2 * len(one.kinds)
        for kind, said in zip(one.kinds, one.messages[1::2], strict=True):
            assert (
                said["content"] == NOBODY if kind == "nobody" else slots(ASKED[kind].answer, said["content"])
            )
        facts = facts_of(state_of(story_of(one.messages[0]["content"])))
        for kind, said in zip(one.kinds, one.messages[1::2], strict=True):
            if kind != "nobody":
                words = {"z": ""} | words_of(kind, said["content"])
                assert (words["x"], words["y"], words["z"]) in facts[kind]


def test_orders_are_kept_by_their_stories_and_followed_by_true_answers():
    found = orders(12, seed=32, questions=2)
    assert len(found) == 12
    for one in found:
        order, story = (message["content"] for message in one.messages[:2])
        assert has_both(order, story) and all(verdict.kind == "ok" for verdict in judge(story))
        beginning = " ".join(verdict.sentence for verdict in judge(story)[:3])
        assert has_both(order, beginning)  # what is ordered does not come up at the end by luck
        assert one.kinds[0] == "order" and len(one.messages) == 2 * len(one.kinds)
        facts = facts_of(state_of(story))
        for kind, said in zip(one.kinds[1:], one.messages[3::2], strict=True):
            words = {"z": ""} | words_of(kind, said["content"])
            assert (words["x"], words["y"], words["z"]) in facts[kind]


def test_an_order_of_another_is_not_kept():
    order, story = (message["content"] for message in orders(1, seed=32)[0].messages)
    name = slots(ORDERS[0], order) or slots(ORDERS[1], order)
    assert not has_both(order.replace(name["A"], "Nemo"), story)
    assert not has_both(order.replace(f"{name['c']} {name['n']}", "plaid trombone"), story)


def test_summaries_are_true_and_others_are_not():
    found = summaries(15, seed=4)
    assert len(found) == 15
    for one in found:
        story = one.messages[0]["content"]
        for wording in SUMMARIES:
            story = story.removesuffix(" " + wording)
        said = one.messages[1]["content"]
        assert is_true(said, story)
        assert not is_true(said.replace(" the ", " a ", 1), story)
        words = said.removesuffix(".").split()
        assert not is_true(said.replace(words[-1], "moon"), story)
        assert not is_true("", story) and not is_true(story, story)


@pytest.mark.gate
def test_the_course_is_mixed_as_it_says():
    found = course(50, seed=6, stories=40)
    assert len(found) == 50 and found == course(50, seed=6, stories=40)
    assert sum(one.kinds[0] == "order" for one in found) == 10
    assert sum(one.kinds == ("summary",) for one in found) == 5


def test_a_state_is_read_from_what_is_false_in_parts():
    story = "The goat Mara and the fox Otto lived near the mill. "
    story += "At the mill lay a red key Mara tripped over and kept."
    false = 'The blue boat sank. "Who has the key?" "Otto," said Mara.'
    assert state_of(f"{story} {false}").thing["Mara"].noun == "key"
    assert state_of("").role == {}
