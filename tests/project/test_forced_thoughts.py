"""Budget forcing in benchmarks/reasoning.py: what is written where the end of a thought is replaced."""

import pytest

import companion
from companion.reasoning import draw_texts
from companion.village.reasoning import END_THINK, THINK, step_questions


@pytest.fixture(scope="module")
def thinker(scripts):
    return companion.load(scripts("reasoning").MODEL.with_name("reasoner-think"), device="cpu")


PROMPTS = [question.prompt for question in step_questions(6, 77, range(1, 5))]


def test_without_a_forced_go_the_texts_are_those_of_temperature_0(scripts, thinker):
    texts, tokens = scripts("reasoning").think_on(thinker, PROMPTS, 0, again=False)
    drawn = draw_texts(thinker, PROMPTS, temperature=0.0)
    assert texts == drawn.texts
    assert tokens == drawn.mask.sum().item() / len(PROMPTS)


@pytest.mark.parametrize("again", [False, True])
def test_a_forced_go_keeps_the_thought_and_replaces_its_end(scripts, thinker, again):
    before, fewer = scripts("reasoning").think_on(thinker, PROMPTS, 0, again)
    after, more = scripts("reasoning").think_on(thinker, PROMPTS, 1, again)
    assert more > fewer
    for short, long in zip(before, after, strict=True):
        thought = short.partition(END_THINK)[0]
        assert long.startswith(thought) and not long.startswith(thought + END_THINK)
        assert long.startswith(thought + THINK) == again


def test_a_trace_with_all_steps_twice(scripts):
    [question] = step_questions(1, 77, [2])
    text = scripts("reasoning").steps_twice(question)
    thought = " ".join(fact.text for fact in question.steps)
    assert text == f"{THINK} {thought}{THINK} {thought}{END_THINK} {question.answer}."
