"""The two marks that need no memory of facts, beside the judge, whose questions they are."""

import json
import random
import re

from support.marks import mark

from companion.village import judge, load_split, story
from companion.village.machine import VILLAGE
from companion.village.wordings import as_data, introducing

TEXT = (
    "Once upon a time, the mouse Hazel lived by the mill. Blub, said the fish. "
    "One day Hazel met the baker Kit at the mill. One day Otto met the goat Pip at the mill."
)


def names(text: str) -> list[list[tuple[str, str]]]:
    """The names of each sentence, and what is known of them."""
    return [[(name.word, name.state) for name in one.names] for one in mark(text)]


def test_names_are_new_then_known_and_others_unknown():
    assert [one.grammar for one in mark(TEXT)] == [True, False, True, True]
    assert names(TEXT) == [
        [("Hazel", "new")],
        [],
        [("Hazel", "known"), ("Kit", "new")],
        [("Otto", "unknown"), ("Pip", "new")],
    ]


def test_places_are_those_of_the_text():
    for one in mark(TEXT.replace(" ", " \n")):
        assert TEXT[one.start : one.end] == one.sentence
        assert all(TEXT[name.start : name.end] == name.word for name in one.names)


def test_a_name_is_known_where_its_own_sentence_introduced_it():
    text = "Once the baker Mara sat at the mill and admired the red key {} had found."
    assert names(text.format("Mara")) == [[("Mara", "new"), ("Mara", "known")]]
    assert names(text.format("Leo")) == [[("Mara", "new"), ("Leo", "unknown")]]


def test_a_name_in_a_reader_s_own_sentence_was_told_before():
    later = "One day Otto met the goat Pip at the mill."
    assert names(f"Here comes Otto! {later}") == [[], [("Otto", "known"), ("Pip", "new")]]
    assert names(f"Here comes Ottoline, otto. {later}") == [[], [("Otto", "unknown"), ("Pip", "new")]]


def mixed(seed: int) -> str:
    """Sentences of two stories, shuffled together, with words lost."""
    rng = random.Random(seed)
    sentences = [one.sentence for n in (seed, seed + 1) for one in mark(story(random.Random(n)).text)]
    rng.shuffle(sentences)
    words = " ".join(sentences).split()
    return " ".join(word for word in words if rng.random() > 0.02)


def test_they_agree_with_the_judge():
    strangers, rest = 0, 0
    for text in [*load_split("test")[:100], *(mixed(seed) for seed in range(150))]:
        for one, verdict in zip(mark(text), judge(text), strict=True):
            assert (one.sentence, one.grammar) == (verdict.sentence, verdict.kind != "unknown")
            stranger = any(name.state == "unknown" for name in one.names)
            if stranger:
                assert verdict.kind == "contradiction", verdict
            strangers, rest = strangers + stranger, rest + (not stranger)
    assert strangers > 100 and rest > 100


def test_the_data_are_the_village_s_patterns():
    data = json.loads(json.dumps(as_data()))
    assert len(data["patterns"]) == len(VILLAGE.patterns)
    for parts, pattern in zip(data["patterns"], VILLAGE.patterns, strict=True):
        kinds = [part.removeprefix("+") for part in parts[1::2]]
        assert parts[::2] == pattern.pieces and kinds == [slot.kind for slot in pattern.slots]
        assert [i for i, part in enumerate(parts[1::2]) if part == "+name"] == introducing(pattern)
        holes = ["(?:" + "|".join(map(re.escape, data["kinds"][kind])) + ")" for kind in kinds]
        regex = re.escape(parts[0]) + "".join(
            hole + re.escape(text) for hole, text in zip(holes, parts[2::2], strict=True)
        )
        example = pattern.fill([data["kinds"][kind][0] for kind in kinds])
        assert re.fullmatch(regex, example) and pattern.regex.fullmatch(example)
