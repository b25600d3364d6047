"""The chronicle: a second wording of the village's sentences."""

import re

import pytest

from companion.tokenization import Tokenizer
from companion.village import DATA, VILLAGE, load_split
from companion.village.tasks import CHRONICLE, chronicle, repeats


def slots(text):
    return sorted(set(re.findall(r"\{(\w)\}", text)))


def test_each_wording_belongs_to_a_sentence_and_keeps_what_it_says():
    known = {re.sub(r"\{(\w)[^}]*\}", r"{\1}", pattern.text) for pattern in VILLAGE.patterns}
    assert len(CHRONICLE) == 25 and CHRONICLE.keys() <= known
    assert all(slots(village) == slots(written) for village, written in CHRONICLE.items())


def test_a_sentence_and_its_wording():
    text = (
        "Once the baker Mara sat at the mill and admired the red kite Mara had found. "
        "A dandelion gave up its last seed. A magpie stole the kite Mara had and never gave it back."
    )
    assert list(chronicle([text])) == [
        (
            "Once the baker Mara sat at the mill and admired the red kite Mara had found.",
            "At the mill, Mara the baker found a kite, a red one, and sat to admire it.",
        ),
        ("A magpie stole the kite Mara had and never gave it back.", "Mara lost the kite to a magpie."),
    ]


def test_equal_sentences_have_equal_wordings_and_others_have_others():
    pairs = set(chronicle(load_split("val")))
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs) > 1000


def test_a_text_that_is_none_of_the_villages_is_named():
    with pytest.raises(ValueError, match="'Nobody knows this"):
        list(chronicle(["A dandelion gave up its last seed. Nobody knows this sentence."]))


def test_repeats_finds_both_places():
    tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
    row = tokenizer.encode(
        "Then the baker Mara came to the mill, and everybody saw the red kite Mara brought."
    )
    [(found, first, second)] = repeats([row, tokenizer.encode("There was rain at the mill now.")], tokenizer)
    assert found == row and row[first] == row[second] == tokenizer.encode(" Mara")[0] and first < second
