"""The logs of the measurements: whole, with the counts of their texts, and quoted as they are."""

import itertools
import json
from collections import Counter

import pytest

from companion import village
from companion.gpt import gpt2
from companion.village import judge
from companion.village.dialogues import has_both


def test_the_grid_of_the_scaling_law_is_whole(scripts):
    scaling = scripts("scaling")
    rows = scripts("logs").read_rows(scaling.LOG)
    once = {(row["size"], row["budget"], row["seed"], row["times"]): row for row in rows}
    assert len(once) == len(rows)
    for size, budget in [*itertools.product(scaling.SIZES, scaling.BUDGETS), *scaling.HELD_OUT]:
        row = once[size, budget, 0, 1.0]
        model = gpt2(scaling.shape(size, 1024))
        assert row["matrix_parameters"] == scaling.matrix_parameters(model)
        assert row["held_out"] == ((size, budget) in scaling.HELD_OUT)
        assert abs(row["tokens"] / budget - 1) < 0.02 and row["seconds"] < 1000


def test_the_log_of_a_fine_tuned_model_counts_what_its_texts_say(scripts):
    finetuning = scripts("finetuning")
    for row in json.loads(finetuning.LOG.read_text("utf-8")):
        stories, answers = row["stories"], row["answers"]
        assert list(answers) == list(finetuning.QUESTIONS)
        assert row["right"] == sum(finetuning.is_right(*pair) for pair in answers.items())
        assert row["both"] == sum(has_both(*pair) for pair in stories.items())
        assert row["verdicts"] == Counter(v.kind for story in stories.values() for v in judge(story))


def test_the_log_of_sums_counts_what_its_texts_say(scripts):
    thinking = scripts("thinking")
    for row in scripts("logs").read_rows(thinking.LOG):
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


@pytest.mark.gate
def test_the_data_card_states_the_measured_losses(scripts):
    card = (village.DATA / "README.md").read_text(encoding="utf-8")
    for split in ("val", "test"):  # train takes as long as all the other tests
        texts = village.load_split(split)
        size = sum(map(village.story_bytes, texts))
        losses = (
            village.floor(texts),
            village.floor(texts, forget=True),
            scripts("village").byte_frequency_loss(texts),
        )
        row = f"| {split} | {len(texts)} | {size} | " + " | ".join(f"{loss:.4f}" for loss in losses) + " |"
        assert row in card
        assert 0.15 < losses[0] < 0.6 and losses[0] < losses[1] < losses[2]
