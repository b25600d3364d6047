"""Where a story's tokens say who has what: companion.village.spots."""

import pytest

from companion.datasets import pad_batch
from companion.tokenization import Tokenizer
from companion.village import DATA, KINDS, load_split
from companion.village.spots import Tie, holders, question_masks, story_masks, ties
from companion.village.tasks import held

TEXT = "Wren waved to the hedgehog Vera and liked the red key Vera brought to the bakery. The key Vera had"


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.load(DATA / "models" / "village" / "tokenizer.json")


def words(row, tokenizer):
    return [tokenizer.decode([token]).strip() for token in row]


def test_a_tie_is_a_name_directly_after_a_thing(tokenizer):
    row = tokenizer.encode(TEXT)
    found = ties(row, tokenizer)
    said = words(row, tokenizer)
    places = [i for i, word in enumerate(said) if word == "Vera"][1:]
    key = KINDS["thing"].index("key")
    assert found == [Tie(places[0], key, False), Tie(places[1], key, True)]
    assert ties(row[:3], tokenizer) == [] == ties([], tokenizer)


def test_story_masks_point_at_what_they_are_called(tokenizer):
    rows = [tokenizer.encode(text) for text in load_split("val")[:6]]
    tokens, real = pad_batch(rows, rows[0][0])  # the padding is a token of the story
    masks = story_masks(tokens, real, tokenizer)
    for b, row in enumerate(rows):
        before, same, tied = (
            {tuple(pair) for pair in masks[what][b].nonzero().tolist()}
            for what in ("the token before", "the same token", "from a name to its thing")
        )
        assert before == {(i, i - 1) for i in range(1, len(row))}
        assert same == {(i, j) for i in range(len(row)) for j in range(i) if row[i] == row[j]}
        assert tied == {(tie.at, tie.at - 1) for tie in ties(row, tokenizer)}


def test_question_masks_point_from_the_thing_to_names(tokenizer):
    asked = held(8, seed=5)
    rows = [tokenizer.encode(question.prompt) for question in asked]
    tokens, real = pad_batch(rows, tokenizer.encode(" Mara")[0])  # a name as padding must not count
    masks = question_masks(tokens, real, asked, tokenizer)
    for b, (row, question) in enumerate(zip(rows, asked, strict=True)):
        said, name = words(row, tokenizer), question.answer.strip()
        holder, others = (masks[what][b].nonzero().tolist() for what in masks)
        last = len(row) - 1
        assert holder == [[last, j] for j, word in enumerate(said) if word == name]
        assert others == [[last, j] for j, word in enumerate(said) if word in KINDS["name"] and word != name]


def test_holders_change_when_a_sentence_ends():
    story = load_split("val")[42]
    swap, after = story.index("The ladder Wren had"), story.index("They all lived")
    places = [0, -1, swap, after - 2, after, len(story) - 1]
    assert holders(story, "ladder", places)[2:] == ["Wren", "Wren", "Vera", "Vera"]
    assert holders(story, "key", places) == [None, None, "Vera", "Vera", "Wren", "Wren"]
    with pytest.raises(ValueError, match="story"):
        holders("No village tells this.", "key", [0])
