"""Questions who holds what, and pairs of stories that differ in one thing: companion.village.tasks."""

from collections import Counter

import pytest

from companion.village import judge, load_split
from companion.village.judge import state_of
from companion.village.tasks import held, twins


def last_state(text):
    """What is true at the end of the sentences of a beginning; each must be possible where it stands."""
    assert {verdict.kind for verdict in judge(text)} == {"ok"}, text
    return state_of(text)


@pytest.fixture(scope="module")
def asked():
    return held(150, seed=3)


def test_the_answer_is_the_simulators(asked):
    assert len(asked) == 150
    for question in asked:
        assert (question.kind, question.rest) == ("held", "") and len(question.choices) > 1
        story, thing = question.prompt.rsplit(" The ", 1)
        state = last_state(story)
        holder = next(name for name, holding in state.thing.items() if holding.noun == thing)
        assert question.answer == f" {holder}"
        assert [choice.strip() for choice in question.choices] == list(state.role)


def test_questions_are_the_same_for_a_seed_and_of_no_shipped_story(asked):
    assert held(150, seed=3) == asked and held(20, seed=4) != asked[:20]
    shipped = {text[:80] for split in ("train", "val", "test") for text in load_split(split)}
    assert not any(question.prompt[:80] in shipped and len(question.prompt) > 120 for question in asked[:50])
    assert len(Counter(question.answer for question in asked)) > 20


@pytest.mark.parametrize("difference", ["name", "things"])
def test_twins_are_told_by_the_village_and_their_answers_differ(difference):
    for pair in twins(25, 7, difference):
        assert pair[0].answer != pair[1].answer and pair[0].choices == pair[1].choices
        for question in pair:
            story, thing = question.prompt.rsplit(" The ", 1)
            state = last_state(story)
            assert state.thing[question.answer.strip()].noun == thing and len(state.role) == 2


@pytest.mark.parametrize(("difference", "count"), [("name", 1), ("things", 2)])
def test_twins_differ_in_so_many_words(difference, count):
    for one, two in twins(25, 8, difference):
        words = list(zip(one.prompt.split(), two.prompt.split(), strict=True))
        assert sum(a != b for a, b in words) == count


def test_twins_of_another_kind_are_refused():
    with pytest.raises(ValueError, match='difference=\'weather\' must be "name" or "things"'):
        twins(1, 0, "weather")
