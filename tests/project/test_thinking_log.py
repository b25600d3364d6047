"""The sums of benchmarks/thinking.py: its questions, what it counts as a false step, and its log."""

import pytest


@pytest.fixture(scope="module")
def thinking(scripts):
    return scripts("thinking")


def test_no_two_questions_have_the_same_numbers(thinking):
    questions = [q for name in ("held out", "tuning", "learned") for q in thinking.asked(name)]
    assert len({frozenset((a, b)) for _, a, b in questions}) == len(questions)
    for text, a, b in [*questions, *thinking.asked("three digits")]:
        assert str(a) in text and str(b) in text
    assert sum(text.startswith("What is") for text, _, _ in thinking.asked("held out")) == 50
    assert thinking.sums(5, 1) == thinking.sums(9, 1)[:5]


def test_a_trace_holds_and_gives_the_sum(thinking):
    assert thinking.trace(47, 38) == "40 + 30 = 70. 7 + 8 = 15. 70 + 15 = 85. The answer is 85."
    for _, a, b in thinking.asked("learned"):
        text = thinking.trace(a, b)
        assert [true for _, true in thinking.equations(text)] == [True] * 3
        assert thinking.answer_of(text) == a + b


def test_the_log_counts_what_its_texts_say(thinking, scripts):
    rows = scripts("logs").read_rows(thinking.LOG)
    if not rows:
        pytest.skip("no rows yet: python benchmarks/thinking.py")
    for row in rows:
        if row["arm"] == "draws":
            totals = [a + b for _, a, b in thinking.asked("held out")[: row["n"]]]
            votes = [thinking.vote(answers) for answers in row["answers"]]
            pairs = list(zip(totals, row["answers"], strict=True))
            assert row["right"] == sum(total == one for total, one in zip(totals, votes, strict=True))
            assert row["right_draws"] == sum(answers.count(total) for total, answers in pairs)
            assert row["any"] == sum(total in answers for total, answers in pairs)
            continue
        questions = thinking.asked_by(row["arm"], row["asked"])
        if row["arm"] in ("json", "masked"):
            sums = [thinking.json_sum(text) for text in row["texts"]]
            assert row["valid"] == sum(found is not None for found in sums)
            assert row["right"] == sum(
                found == a + b for found, (_, a, b) in zip(sums, questions, strict=True)
            )
            continue
        counted = thinking.measured(questions, row["texts"], [bool(end) for end in row["at_end"]])
        assert counted.items() <= row.items()
        if "followed" in row:
            assert row["followed"] == thinking.followed(row["arm"], row["texts"])


@pytest.mark.parametrize(
    ("text", "answer"),
    [("So the answer is 80. No.\nThe answer is 85.", 85), ("First 40, then 85", 85), ("Nothing.", None)],
)
def test_the_last_answer_of_a_text_counts(thinking, text, answer):
    assert thinking.answer_of(text) == answer


@pytest.mark.parametrize("text", ['{"sum": 85, "b": 1}', '{"sum": "85"}', "85"])
def test_an_answer_in_json_has_the_sum_and_nothing_else(thinking, text):
    assert thinking.json_sum('{"sum": 85}') == 85
    assert thinking.json_sum(text) is None
