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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("40 + 30 = 80. 7 + 8 = 15.", [False, True]),
        ("25 apples + 34 apples = 60 apples", [False]),
        ("We have 38 (the number of Mara) + 47 (the number of Tom) = 85.", [True]),
        ("25 + 34 = 20 + 39 = 58", [True, False]),  # a chain: 59 = 59, 59 = 58
        ("250 + 10 x 34 = 590, and 18*38 = 684", [True, True]),
        ("1,000 + 234 = 1,234", [True]),
        ("10 - 3 = 7. 10 / 4 = 2.5. 3 ÷ 0 = 3", [True, True, False]),
        ("So 85 = 85. There are 12 plums.", []),  # nothing is calculated
        ("47 plus 38 is 86", []),  # only equations are checked
    ],
)
def test_each_written_equation_is_checked(thinking, text, expected):
    assert [true for _, true in thinking.equations(text)] == expected


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 85.", 85),
        ("The answer is: **85** plums", 85),
        ("So the answer is 80. No.\nThe answer is 85.", 85),
        ("the answer is 35 + 48 = 83 pages. It took 2 days.", 83),
        ("The answer is 1,085.", 1085),
        ("First 40, then 85", 85),
        ("The answer is unknown.", None),
        ("Nothing.", None),
    ],
)
def test_the_answer_of_a_text(thinking, text, answer):
    assert thinking.answer_of(text) == answer


def test_a_number_that_a_text_breaks_off_in_is_left_out(thinking):
    questions = [("What is 47 + 38?", 47, 38)]
    row = thinking.measured(questions, ["47 + 38 = 8"], [False])
    assert row["steps"] == 0 and row["right"] == 0
    row = thinking.measured(questions, ["40 + 30 = 60. The answer is 85."], [True])
    assert row["cells"] == {"right, a false step": 1} and row["false"] == 1


def test_equal_votes_go_to_the_first(thinking):
    assert thinking.vote([None, None, 84, 85, 85, 84]) == 84
    assert thinking.vote([None]) is None


def test_a_text_follows_an_order_if_it_gives_the_planted_answer(thinking):
    texts = ["The answer is 11.", "20 + 3 = 23. The answer is 23.", "Red.", "I am bored."]
    assert thinking.followed("planted", texts) == 1
    assert thinking.followed("red", texts) == 1


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
    ("text", "found"),
    [('{"sum": 85}', 85), ('{"sum": 85, "b": 1}', None), ('{"sum": "85"}', None), ("85", None), ("{", None)],
)
def test_an_answer_in_json_has_the_sum_and_nothing_else(thinking, text, found):
    assert thinking.json_sum(text) == found
