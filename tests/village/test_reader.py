"""The perfect reader: the exact probability of every next word and token."""

from math import inf, log2
from random import Random

import pytest

from companion.tokenization import Tokenizer
from companion.village import DATA, Village, entropy, load_split, next_words, story, surprise
from companion.village.reader import END, PerfectReader, read_story, read_tokens
from companion.village.words import Sentence


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.load(DATA / "village" / "tokenizer.json")


@pytest.mark.parametrize("seed", range(20))
def test_the_surprises_of_the_words_are_the_bits_of_the_story(seed):
    example = story(Random(seed))
    words = read_story(example.text)
    assert " ".join(word.text for word in words) == example.text
    assert sum(word.surprise for word in words) == pytest.approx(example.bits, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_the_surprises_of_the_tokens_are_the_bits_of_the_story(tokenizer, seed):
    example = story(Random(seed))
    ids = [*tokenizer.encode(example.text), tokenizer.end]
    odds = read_tokens(example.text, tokenizer)
    assert all(sum(distribution.values()) == pytest.approx(1) for distribution in odds)
    surprise = sum(log2(1 / distribution[token]) for distribution, token in zip(odds, ids, strict=True))
    assert surprise == pytest.approx(example.bits, abs=1e-9)


def test_a_tiny_village_by_hand():
    """An opening of weight 3 and one of weight 1; then somebody comes."""
    kinds = {"name": ["Ann", "Bo"], "role": ["cook", "cat"], "place": ["mill"]}
    opens, arrives = (("enters", "A", "r", "p"),), (("enters", "B", "q", "p"),)
    table = [
        Sentence("opening", 3, opens, "The {r:new_role} {A:new_name} sat at the {p:any_place}."),
        Sentence("opening", 1, opens, "At the {p:any_place} lived the {r:new_role} {A:new_name}."),
        Sentence("arrival", 1, arrives, "{B:new_name} the {q:new_role} came to the {p:any_place}."),
    ]
    reader = PerfectReader(Village(kinds, table))
    assert reader.next_words() == {"The": 0.75, "At": 0.25}
    reader.read("The")
    assert reader.next_words() == {"cook": 0.5, "cat": 0.5}
    for word in "cook Ann sat at the".split():
        reader.read(word)
    assert reader.next_words() == {"mill.": 1}
    reader.read("mill.")
    assert reader.next_words() == {"Bo": 1}  # Ann is here already
    assert entropy({"a": 0.5, "b": 0.25, "c": 0.25}) == 1.5
    assert surprise({"a": 0.5, "b": 0.25, "c": 0.25}, "b") == 2
    assert surprise({"a": 1.0}, "b") == inf


def test_what_the_village_cannot_say_is_refused():
    assert {"Mara", "Tom"} < set(next_words("Once the baker"))
    with pytest.raises(ValueError, match="'zebra' cannot come after 'Once the baker'"):
        next_words("Once the baker zebra")
    text = load_split("test")[0]
    assert next_words(text) == {END: 1}
    with pytest.raises(ValueError, match="'And' cannot come"):
        next_words(text + " And")
    with pytest.raises(ValueError, match="has no end"):
        read_story(text[: text.index(".") + 1])


def test_kinds_and_how_long_ago():
    words = read_story(story(Random(99)).text)
    total = next(word for word in words if word.kind == "sum")
    assert total.text == "twelve." and total.surprise == 0 and total.back == 0
    dora = [i for i, word in enumerate(words) if word.text.startswith("Dora")]
    assert words[dora[0]].back == 0 and words[dora[0]].surprise == 5  # one of 32 names
    assert words[dora[1]].back == dora[1] - dora[0] and words[dora[1]].kind == "name"
    phrase = next(text for text in load_split("train") if "humming a tune about soup" in text)
    kinds = {word.text.strip('.,"'): word.kind for word in read_story(phrase)}
    assert kinds["humming"] == kinds["tune"] == kinds["soup"] == "doing"


def test_a_sentence_is_listed_once():
    """The list of what may come next, which is slow to make, is made once a sentence and not once a word."""
    village = Village()
    menus, menu = [], village.menu
    village.menu = lambda state: menus.append(state.words) or menu(state)
    text = load_split("test")[0]
    reader = PerfectReader(village)
    for word in text.split():
        reader.next_words()
        reader.read(word)
    assert len(menus) == len(list(village.moments(text))) + 1  # the last one is empty: the story is over
