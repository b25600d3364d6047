"""What strangers say: trained and held-out kinds, and the conversations into which they say it."""

import re

import pytest

from companion.serve.kinds import kind_of
from companion.serve.message import story_and_question
from companion.serve.orders import ordered_phrases, unknown_in_order
from companion.serve.village_words import missing, unknown_words
from companion.village import KINDS
from companion.village.dialogues import (
    ASKED,
    DECLINE,
    HELD_OUT_ORDERS,
    HELD_OUT_PLAIN,
    LOOSE_ORDERS,
    NOBODY,
    ORDERS,
    PLAIN,
    lessons,
    orders,
)


@pytest.fixture
def chats(scripts):
    return scripts("chat_course")


def patterns(kinds):
    return [pattern for some in kinds.values() for pattern in some]


def test_what_is_held_out_is_not_among_what_is_learned(chats):
    assert not set(chats.TRAINED) & set(chats.HELD_OUT)
    learned = {pattern.lower().strip(" .!?") for pattern in patterns(chats.TRAINED)}
    assert not learned & {pattern.lower().strip(" .!?") for pattern in patterns(chats.HELD_OUT)}
    learned = {text.lower().strip(" .!?") for text in chats.strange_messages(5000, 1)}
    assert not learned & {text.lower().strip(" .!?") for _, text in chats.held_out_messages(500, 2)}


def test_no_stranger_is_of_the_village(chats):
    of_the_village = {word.lower() for kind in ("name", "thing", "role") for word in KINDS[kind]}
    strange = {word.lower() for words in (*chats.WORDS.values(), chats.HELD_OUT_LACKED) for word in words}
    assert not strange & of_the_village
    assert not {word.lower() for words in chats.WORDS.values() for word in words} & set(chats.HELD_OUT_LACKED)


def test_messages_are_the_same_for_a_seed_never_empty_and_never_too_long(chats):
    found = chats.strange_messages(400, 3, longest=80)
    assert found == chats.strange_messages(400, 3, longest=80) != chats.strange_messages(400, 4, longest=80)
    assert all(text.strip() and len(text) <= 80 and "{stranger}" not in text for text in found)
    assert len(set(found)) > 300
    held_out = chats.held_out_messages(28, 5)
    assert [kind for kind, _ in held_out] == [*chats.HELD_OUT] * 2 and all(
        text.strip() for _, text in held_out
    )
    assert held_out == chats.held_out_messages(28, 5)


def test_an_interruption_is_declined_and_leaves_all_else_as_it_was(chats):
    example = lessons(40, seed=8, stories=40) + orders(10, seed=9, questions=2)
    found = chats.interrupted(example, seed=10, share=0.5)
    changed = 0
    for before, after in zip(example, found, strict=True):
        pairs = list(zip(after.messages[::2], after.messages[1::2], after.kinds, strict=True))
        kept = [message for *pair, kind in pairs if kind != "declined" for message in pair]
        assert kept == before.messages
        strange = [answer["content"] for _, answer, kind in pairs if kind == "declined"]
        assert strange == [DECLINE] * len(strange) and len(strange) <= 2
        changed += bool(strange)
    assert 15 <= changed <= 35


def test_a_question_before_any_story_is_answered_by_nobody_said(chats):
    for one in chats.untold(20, seed=11):
        question, answer = (message["content"] for message in one.messages)
        assert answer == NOBODY and len(question) < 60 and one.kinds == ("nobody",)


def test_orders_in_other_words_are_followed_too(chats):
    for one in chats.plain_orders(60, 12, forms=(*LOOSE_ORDERS, *HELD_OUT_ORDERS)):
        order, story = (message["content"] for message in one.messages)
        assert not missing(ordered_phrases(order), story), (order, story)


def test_a_story_has_what_an_order_names_only_with_all_of_its_words(chats):
    story = "Once the baker Mara found a red kite. Then the goat Otto came to the mill with a blue drum."
    for order in ("a story please", "tell me about mara and a kite", "The baker Mara and a red kite"):
        assert not missing(ordered_phrases(order), story), order
    for order in ("a story about Pip", "the goat Mara and a kite", "a story about a blue kite", "a fox"):
        assert missing(ordered_phrases(order), story), order


def test_an_order_of_what_the_village_lacks_names_no_other_thing_in_its_place(chats):
    lacked = {word for some in ("lacked", "stranger", "job", "gadget") for word in chats.WORDS[some]}
    lacked = {word.replace("_", " ").lower() for word in lacked}
    for message in chats.lacking(200, seed=14):
        assert lacked & set(re.findall(r"\w+", message.lower())), message
    for message in chats.lacking(50, seed=15, words=chats.HELD_OUT_LACKED):
        assert set(chats.HELD_OUT_LACKED) & set(re.findall(r"\w+", message.lower())), message


def test_plain_questions_have_the_answers_of_their_kinds_and_held_out_wordings_are_not_learned(chats):
    assert list(PLAIN) == list(HELD_OUT_PLAIN) == list(ASKED)
    for kind, wordings in HELD_OUT_PLAIN.items():
        assert not set(wordings) & {*PLAIN[kind], *ASKED[kind].wordings}
    assert not set(HELD_OUT_ORDERS) & {*ORDERS, *LOOSE_ORDERS}
    usual = {wording for one in ASKED.values() for wording in one.wordings}
    plain = lessons(40, seed=16, stories=40, ask=chats.asking_plainly(1.0))
    assert plain != lessons(40, seed=16, stories=40)
    questions = [text["content"] for one in plain for text in one.messages[2::2]]
    assert sum(question in usual for question in questions) < len(questions) / 2
    for one in plain:
        for kind, said in zip(one.kinds, one.messages[1::2], strict=True):
            form = re.sub(r"\{\w\}", r"\\w+", ASKED[kind].answer) if kind != "nobody" else NOBODY
            assert re.fullmatch(form, said["content"])


def test_the_course_for_a_chat_is_mixed_as_it_says(chats):
    found = chats.chat_course(200, seed=13, stories=60)
    assert len(found) == 200 and found == chats.chat_course(200, seed=13, stories=60)
    kinds = [set(one.kinds) - {"declined"} for one in found]
    assert sum(not some for some in kinds) == 40  # nothing but messages that are declined
    assert sum("order" in some for some in kinds) == 90 and sum("summary" in some for some in kinds) == 10
    assert (
        sum(some == {"nobody"} and len(one.kinds) == 1 for some, one in zip(kinds, found, strict=True)) >= 5
    )
    mixed = [one for some, one in zip(kinds, found, strict=True) if some and "declined" in one.kinds]
    assert 25 <= len(mixed) <= 70
    assert set(ASKED) <= {kind for one in found for kind in one.kinds}


def test_a_chat_knows_the_words_of_what_is_learned_and_few_of_a_stranger(chats):
    talks = chats.plain_orders(20, 3, 2, (*ORDERS, *LOOSE_ORDERS, *HELD_OUT_ORDERS))
    talks += lessons(10, 4, stories=60, ask=chats.asking_plainly(0.8)) + chats.untold(20, 6)
    for one in talks:
        for message in one.messages[::2]:
            question = story_and_question(message["content"])[1]
            unknown = unknown_in_order if kind_of(question) == "order" else unknown_words
            assert not unknown(message["content"]), message
    said = chats.strange_messages(300, 1, longest=100)
    assert sum(bool(unknown_words(message)) for message in said) > 0.7 * len(said)
