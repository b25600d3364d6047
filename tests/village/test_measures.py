"""What the village measures: floors, abilities, and the share of the gap that a loss leaves."""

from random import Random

import pytest

from companion.village import (
    abilities,
    floor,
    gap_left,
    judge,
    load_split,
    recalls,
    reference_lines,
    story,
    village_scores,
)

TOLD = [story(Random(seed)) for seed in range(50)]
TWO = (
    "Once the baker Mara sat at the mill and admired the red lantern Mara had found. "
    "One day Mara met the fox Bram at the mill. "
)
WRONG = '"Who has the lantern?" "Bram," said Mara.'
GREETING = '"Good morning, Mara," said Bram. "Good morning, Bram," said Mara.'
SHARES = "grammar", "consistent", "flawless", "whole", "memory", "distinct"


def test_floor_is_bits_over_bytes_and_one_for_the_end():
    texts = [example.text for example in TOLD]
    expected = sum(example.bits for example in TOLD) / sum(len(text.encode()) + 1 for text in texts)
    assert floor(texts) == pytest.approx(expected)
    assert floor(texts) < floor(texts, forget=True)
    with pytest.raises(ValueError, match="no story of this village"):
        floor(["The key Mara found was new."])
    with pytest.raises(ValueError, match="at least one story"):
        floor([])


def test_abilities_of_true_false_and_strange_texts():
    texts = [example.text for example in TOLD[:20]]
    scores = abilities(texts)
    assert all(scores[name] == 1 for name in SHARES)
    assert scores["recalls"] == pytest.approx(sum(len(recalls(text)) for text in texts) / 20)
    strange = abilities(["The weather is fine. It is late.", "The weather is fine. It is late."])
    assert all(strange[name] == 0 for name in SHARES if name != "distinct") and strange["distinct"] == 0.5
    with pytest.raises(ValueError, match="at least one text"):
        abilities([])


def test_abilities_tell_grammar_from_memory_and_from_consistency():
    example, wrong = TOLD[0].text, TWO + WRONG
    assert judge(wrong)[-1].recalls == (("lantern", True), ("Bram", False), ("Mara", True))
    scores = abilities([example, wrong])
    assert [scores[name] for name in SHARES[:4]] == [1, 0.5, 0.5, 0.5]
    assert scores["memory"] == pytest.approx(1 - 1 / (2 * scores["recalls"]))
    assert scores["words"] == (example.count(" ") + 1 + wrong.count(" ") + 1) / 2


def test_what_is_misplaced_is_consistent_and_not_flawless():
    scores = abilities([TWO + GREETING + " " + GREETING])
    assert [judged.kind for judged in judge(TWO + GREETING + " " + GREETING)] == ["ok"] * 3 + ["misplaced"]
    assert [scores[name] for name in SHARES] == [1, 1, 0, 0, 1, 1]
    assert abilities([TWO + GREETING])["recalls"] == scores["recalls"]  # said again, it proves no memory


@pytest.mark.parametrize("text", ["", "\n\t\n"])
def test_a_text_without_a_sentence_is_good_in_no_share(text):
    assert all(abilities([text])[name] == 0 for name in SHARES)
    alone, beside = abilities([TOLD[0].text]), abilities([TOLD[0].text, text])
    for name in SHARES:
        assert beside[name] == alone[name] or beside[name] < alone[name]
    assert beside["consistent"] == beside["flawless"] == beside["whole"] == beside["distinct"] == 0.5
    assert beside["grammar"] < 1  # silence is no sentence of the village


REPEATED = {
    "an opening": "Once upon a time, the baker Mara lived by the mill. " * 30,
    "a greeting": TWO + f"{GREETING} " * 30,
    "two in turn": TWO
    + f'{GREETING} "Is this the mill?" asked Mara. "Yes, this is the mill," said Bram. ' * 30,
    "a true story": TOLD[1].text + " " + TOLD[1].text,
    "what is false": TWO + f"{WRONG} " * 50,
}


@pytest.mark.parametrize("name", REPEATED)
def test_nothing_is_won_by_saying_things_again(name):
    scores = abilities([REPEATED[name]])
    assert scores["flawless"] == scores["whole"] == 0
    assert scores["recalls"] < 45  # as in a long story
    assert sum(verdict.kind == "ok" for verdict in judge(REPEATED[name])) < 14
    assert (scores["memory"] == 1) == (name != "what is false" and scores["recalls"] > 0)


def test_half_a_story_is_not_whole():
    half = " ".join(verdict.sentence for verdict in judge(TOLD[1].text)[:-1])
    scores = abilities([half])
    assert (scores["flawless"], scores["whole"]) == (1, 0)
    assert abilities([half[:-9]])["consistent"] == 0  # its last sentence is cut


@pytest.mark.gate
def test_the_gap_left_is_one_for_who_forgets_and_none_at_the_floor():
    lines = reference_lines("test")
    texts = load_split("test")
    assert lines == {"forgetful reader": floor(texts, forget=True), "floor": floor(texts)}
    assert gap_left(lines["forgetful reader"], lines) == 1 and gap_left(lines["floor"], lines) == 0
    assert gap_left(0.75, {"forgetful reader": 1.0, "floor": 0.5}) == 0.5


def test_scores_are_of_the_stories_that_ended():
    class Teller:
        def __init__(self, ended):
            self.ended = ended

        def tell_many(self, n, temperature, seed):
            assert (n, temperature, seed) == (3, 0.5, 7)
            return [(example.text, i < self.ended) for i, example in enumerate(TOLD[:3])]

    two = village_scores(Teller(2), 3, seed=7, temperature=0.5)
    assert two == {"ended": 2 / 3} | abilities([example.text for example in TOLD[:2]])
    assert village_scores(Teller(0), 3, seed=7, temperature=0.5) == {"ended": 0}
