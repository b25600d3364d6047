"""The village's questions: one answer, which the judge confirms, and other choices, which it denies."""

import re
from collections import Counter
from functools import cache

import pytest

from companion.village import judge
from companion.village.machine import SPLITS, load_split
from companion.village.tasks import QUESTIONS, Question, questions

FEW = {"who broke": 4, "who hid": 4}
"""Questions of the rarer kinds, which take longer to find."""


@cache
def asked(kind: str, seed: int = 3) -> list[Question]:
    return questions(FEW.get(kind, 25), seed, [kind])


def story_of(question: Question) -> str:
    """What is told before the question."""
    return question.prompt[: question.prompt.rindex(QUESTIONS[question.kind][0].partition("{")[0])]


@pytest.mark.parametrize("kind", QUESTIONS)
def test_the_answer_is_true_and_each_other_choice_is_false(kind):
    """The judge knows nothing of the questions: it reads the text, and says what the story rules out."""
    counted = Counter()
    for question in asked(kind):
        assert question.kind == kind and question.answer in question.choices
        for choice in question.choices:
            verdict = judge(question.prompt + choice + question.rest)[-1]
            counted[choice == question.answer, verdict.kind] += 1
    n = len(asked(kind))
    assert counted[True, "ok"] == n
    wrong = sum(len(question.choices) for question in asked(kind)) - n
    assert counted[False, "contradiction"] == wrong >= n and counted.total() == n + wrong


@pytest.mark.parametrize("kind", QUESTIONS)
def test_the_answer_follows_in_the_words_of_the_village(kind):
    for question in asked(kind):
        story, (begins, _) = story_of(question), QUESTIONS[kind]
        assert question.prompt.startswith(story + begins.partition("{")[0]) and story.endswith(" ")
        assert {verdict.kind for verdict in judge(story)} == {"ok"}
        assert not question.prompt.endswith(" ")  # the space before the answer is the answer's
        assert {choice[0] == " " for choice in question.choices} == {question.answer[0] == " "}
        assert judge(question.prompt + question.answer + question.rest)[-1].sentence.endswith(question.rest)


def test_the_same_seed_asks_the_same_and_more_of_them_begin_alike():
    assert questions(14, 5, ["who has", "how many"]) == questions(30, 5, ["who has", "how many"])[:14]
    other = questions(14, 6, ["who has", "how many"])
    assert not {q.prompt for q in other} & {q.prompt for q in questions(14, 5, ["who has", "how many"])}


def test_kinds_take_turns_and_each_question_is_about_another_story():
    mixed = questions(30, 4, ["how many", "who has", "who is"])
    assert [q.kind for q in mixed] == ["how many", "who has", "who is"] * 10
    assert len({q.prompt for q in mixed}) == 30


@pytest.mark.gate
def test_no_question_is_about_a_shipped_story():
    """Seed 1 told the shipped stories to train on: what is asked begins after them."""
    shipped = [story for split in SPLITS for story in load_split(split)]
    for question in questions(12, 1, ["who has", "how many"]):
        story = story_of(question)
        assert story and not any(example.startswith(story) for example in shipped)


@pytest.mark.parametrize("kinds", [["who has", "who ate"], []])
def test_unknown_kinds_are_refused(kinds):
    with pytest.raises(ValueError, match=re.escape(f"kinds={kinds} must be some of {', '.join(QUESTIONS)}")):
        questions(3, 1, kinds)
