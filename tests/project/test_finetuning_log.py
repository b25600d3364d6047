"""The log of SmolLM2's fine-tuning, which chapters 16 and 17 read: its counts are those of its texts."""

import json
from collections import Counter

import pytest

from companion.village import judge
from companion.village.dialogues import has_both


@pytest.fixture(scope="module")
def finetuning(scripts):
    return scripts("finetuning")


@pytest.fixture(scope="module")
def log(finetuning):
    return json.loads(finetuning.LOG.read_text("utf-8"))


def test_the_log_has_each_arm_of_the_script_once(finetuning, log):
    assert [row["arm"] for row in log] == ["before", *finetuning.RATES]
    assert {row["arm"]: row["lr"] for row in log[1:]} == finetuning.RATES
    assert all(len(row["losses"]) == finetuning.STEPS for row in log[1:])
    assert len({row["losses"][0] for row in log[1:]}) == 1  # the same first batch, before any step


def test_its_counts_are_those_of_its_texts(finetuning, log):
    for row in log:
        stories, answers = row["stories"], row["answers"]
        assert list(answers) == list(finetuning.QUESTIONS)
        assert row["right"] == sum(finetuning.is_right(*pair) for pair in answers.items())
        assert row["both"] == sum(has_both(*pair) for pair in stories.items())
        assert row["verdicts"] == Counter(v.kind for story in stories.values() for v in judge(story))
