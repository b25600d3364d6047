"""Questions that need several steps: companion.village.reasoning, and its judge: companion.village.steps."""

import re

import pytest

from companion.village.reasoning import hand_over_questions, read_question, step_questions, trace
from companion.village.steps import answer_reward, judge_trace, step_reward
from companion.village.words import NUMBERS, number_word

QUESTION = next(q for q in step_questions(60, 3, [4]) if "together" not in q.question)
STEPS = [fact.text for fact in QUESTION.steps]


def thought(steps: list[str], answer: str = QUESTION.answer) -> str:
    """A text with these steps and this answer."""
    return f"<think> {' '.join(steps)}</think> {answer}."


def kinds(text: str) -> list[str]:
    """What the judge says of each step of a text about QUESTION."""
    return [step.kind for step in judge_trace(QUESTION, text).steps]


def counted(story: str) -> dict[str, int]:
    """Who has how many at the end, read from the sentences alone."""
    counts: dict[str, int] = {}
    for sentence in re.findall(r"[^.]+(?=[.])", story):
        words = sentence.split()
        name, verb = words[0], words[1]
        if verb == "has":
            counts[name] = NUMBERS.index(words[2]) + 1
            continue
        n = NUMBERS.index(words[-1]) + 1
        counts[name] += n if verb == "found" else -n
        if verb == "gave":
            counts[words[2]] += n
    return counts


# -- questions ---------------------------------------------------------------------------------------------


def test_answers_are_what_the_sentences_say():
    for question in step_questions(400, 5, range(1, 10)):
        counts = counted(question.story)
        names = [word.strip("?") for word in question.question.split() if word.strip("?") in counts]
        assert question.answer == number_word(sum(counts[name] for name in names)), question
        assert all(1 <= n <= 20 for n in counts.values())


def test_numbers_of_steps_take_turns():
    questions = step_questions(12, 5, [2, 5, 7])
    assert [len(question.steps) for question in questions] == [2, 5, 7] * 4


def test_same_seed_same_questions():
    assert step_questions(8, 5) == step_questions(12, 5)[:8]
    assert not {q.story for q in step_questions(8, 6)} & {q.story for q in step_questions(8, 5)}


def test_steps_follow_from_what_is_before_them():
    for question in step_questions(200, 7, range(1, 10)):
        for i, fact in enumerate(question.steps):
            assert set(fact.premises) <= set(question.steps[:i])
            if fact.change:
                assert fact.value == fact.premises[0].value + fact.change


@pytest.mark.parametrize(
    "options", [{"n": 0, "seed": 1}, {"n": 1, "seed": 1, "steps": [10]}, {"n": 1, "seed": 1, "steps": []}]
)
def test_refused_numbers(options):
    with pytest.raises(ValueError, match="steps|n="):
        step_questions(**options)


# -- the judge ---------------------------------------------------------------------------------------------


def test_the_ledgers_own_steps_prove_the_answer():
    for question in step_questions(300, 9, range(1, 10)):
        verdict = judge_trace(question, trace(question))
        assert verdict.right and verdict.sound and not verdict.lucky
        assert {step.kind for step in verdict.steps} == {"true"}


def test_an_answer_alone_is_right_but_not_proved():
    verdict = judge_trace(QUESTION, trace(QUESTION, think=False))
    assert verdict.right and verdict.lucky and verdict.steps == ()


@pytest.mark.parametrize("i", range(4))
def test_a_wrong_number_is_false_and_says_what_it_should_be(i):
    words = STEPS[i].split()
    words[-1] = "nineteen." if words[-1] != "nineteen." else "one."
    verdict = judge_trace(QUESTION, thought([*STEPS[:i], " ".join(words), *STEPS[i + 1 :]]))
    assert [step.kind for step in verdict.steps] == ["true"] * i + ["false"] + ["true"] * (3 - i)
    assert verdict.steps[i].should == QUESTION.steps[i]
    assert verdict.steps[i].repaired == (i < 3)
    assert verdict.lucky


def test_a_false_step_said_again_corrected_is_repaired():
    false = re.sub(r"\w+[.]$", "nineteen.", STEPS[1])
    verdict = judge_trace(QUESTION, thought([STEPS[0], false, *STEPS[1:]]))
    assert [step.kind for step in verdict.steps] == ["true", "false", "true", "true", "true"]
    assert verdict.steps[1].repaired and not verdict.sound


def test_a_missing_step_leaves_the_answer_unproved():
    for i in range(4):
        verdict = judge_trace(QUESTION, thought(STEPS[:i] + STEPS[i + 1 :]))
        assert verdict.right and not verdict.sound


def test_a_step_out_of_order_is_false():
    assert "false" in kinds(thought([STEPS[0], STEPS[2], STEPS[1], STEPS[3]]))


def test_a_step_said_twice_is_false():
    assert kinds(thought([*STEPS, STEPS[-1]])) == ["true"] * 4 + ["false"]


def test_a_true_fact_about_somebody_else_is_irrelevant():
    other = next(fact for fact in QUESTION.facts if fact not in QUESTION.steps)
    verdict = judge_trace(QUESTION, thought([other.text, *STEPS]))
    assert verdict.steps[0].kind == "irrelevant" and verdict.sound


def test_people_come_in_any_order():
    question = next(q for q in step_questions(60, 4, [5]) if "together" in q.question)
    first = question.steps[0].about
    texts = [fact.text for fact in question.steps[:-1]]
    turned = [t for t in texts if not t.startswith(first)] + [t for t in texts if t.startswith(first)]
    assert judge_trace(question, thought([*turned, question.steps[-1].text], question.answer)).sound


@pytest.mark.parametrize(
    "step",
    ["Tom had five.", "tom has five.", "Tom has 5.", "Tom got two.", "Together.", "Tom has five"]
    + ["Otto gave Mara it.", "Otto gave it to Zoe."],
)
def test_what_is_no_step_is_unreadable(step):
    assert kinds(thought([step]))[0] == "unreadable"


@pytest.mark.parametrize("text", ["", "<think>", "<think> Tom", f"<think> {QUESTION.answer}.", "</think>"])
def test_without_an_answer_nothing_is_right(text):
    assert not judge_trace(QUESTION, text).right


# -- hand-overs --------------------------------------------------------------------------------------------


HANDED = hand_over_questions(1, 3, [4])[0]
HAND_OVERS = [step.text for step in HANDED.steps]


def followed(story: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Who has each thing at the end, and all hand-overs (thing, giver, receiver), read from the sentences."""
    holders: dict[str, str] = {}
    hand_overs = []
    for sentence in re.findall(r"[^.]+(?=[.])", story):
        words = sentence.split()
        if words[1] == "has":
            holders[words[-1]] = words[0]
            continue
        [thing] = [thing for thing, holder in holders.items() if holder == words[0]]
        holders[thing] = words[2]
        hand_overs.append((thing, words[0], words[2]))
        assert len(set(holders.values())) == len(holders), "nobody has two things"
    return holders, hand_overs


def test_hand_overs_are_what_the_sentences_say():
    for question in hand_over_questions(200, 5, range(1, 9)):
        holders, hand_overs = followed(question.story)
        thing = question.question.split()[-2]
        assert question.question == f"Where is the {thing} now?"
        assert question.answer == f"with {holders[thing]}"
        steps = [f"{giver} gave it to {receiver}." for what, giver, receiver in hand_overs if what == thing]
        assert [step.text for step in question.steps] == steps


@pytest.mark.parametrize("i", range(4))
def test_a_wrong_receiver_is_false_and_says_who_it_should_be(i):
    giver, receiver = HANDED.steps[i].giver, HANDED.steps[i].receiver
    wrong = next(name for name in ("Otto", "Mara") if name not in (giver, receiver))
    steps = [*HAND_OVERS[:i], f"{giver} gave it to {wrong}.", *HAND_OVERS[i + 1 :]]
    verdict = judge_trace(HANDED, thought(steps, HANDED.answer))
    assert [step.kind for step in verdict.steps] == ["true"] * i + ["false"] + ["true"] * (3 - i)
    assert verdict.steps[i].should == HANDED.steps[i] and verdict.lucky


def test_the_hand_over_of_another_thing_is_false():
    thing = HANDED.question.split()[-2]
    hand_overs = followed(HANDED.story)[1]
    giver, receiver = next((a, b) for what, a, b in hand_overs if what != thing)
    verdict = judge_trace(HANDED, thought([f"{giver} gave it to {receiver}.", *HAND_OVERS], HANDED.answer))
    assert verdict.steps[0].kind == "false" and not verdict.sound


# -- typed questions ---------------------------------------------------------------------------------------


def test_every_question_of_ours_can_be_typed():
    for question in step_questions(200, 9, range(1, 10)):
        assert read_question(question.prompt) == question
        assert read_question(f"  {question.prompt} ".replace(" ", "\n ")) == question


STORY = "Otto has five plums. Mara has three plums."
NOW = "How many plums does Otto have now?"
UNREADABLE = {
    "": "'' is no question that can be read; write “Otto has five plums.”",
    STORY: "is no question that can be read",
    f"{STORY} How many kites does Otto have now?": "is no question that can be read",
    f"{STORY} Otto sold two. {NOW}": "'Otto sold two.' cannot be told here; write “Otto has five plums.”",
    f"{STORY} Otto ate 2. {NOW}": "every count stays from one to twenty, as a word",
    f"{STORY} Otto ate five. {NOW}": "'Otto ate five.' cannot be told here",
    f"{STORY} Mara found eighteen. {NOW}": "'Mara found eighteen.' cannot be told here",
    f"{STORY} Otto gave Otto two. {NOW}": "'Otto gave Otto two.' cannot be told here",
    f"{STORY} Otto gave Nell two. {NOW}": "'Otto gave Nell two.' cannot be told here",
    f"Zoe has two plums. {NOW}": "'Zoe has two plums.' cannot be told here",
    f"Otto has two pears. {NOW}": "each begins once with the same of plums, pears",
    f"{STORY} Otto has two plums. {NOW}": "'Otto has two plums.' cannot be told here",
    f"Mara has two plums. {NOW}": "'How many plums does Otto have now?' cannot be counted",
    f"{STORY} How many plums do Otto and Otto have together?": "cannot be counted",
}


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_is_one_line(text):
    with pytest.raises(ValueError, match=re.escape(UNREADABLE[text])) as error:
        read_question(text)
    assert "\n" not in str(error.value)


# -- rewards -----------------------------------------------------------------------------------------------


def test_rewards_of_a_proved_a_lucky_and_a_wrong_text():
    proved, bare, wrong = trace(QUESTION), trace(QUESTION, think=False), thought(STEPS[:2], "nineteen")
    assert [answer_reward(QUESTION, text) for text in (proved, bare, wrong)] == [1, 1, 0]
    assert [step_reward(QUESTION, text) for text in (proved, bare, wrong)] == [2, 1, 0.5]
    false = re.sub(r"\w+[.]$", "nineteen.", STEPS[0])
    assert step_reward(QUESTION, thought([false, "Hm.", *STEPS[1:]])) == 1 + (3 - 2) / 4
