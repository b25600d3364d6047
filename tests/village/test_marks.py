"""The two marks that need no memory of facts, beside the judge, whose questions they are."""

import json
import random
import re

from support.marks import mark

from companion.village import judge, load_split, story
from companion.village.machine import VILLAGE
from companion.village.wordings import as_data, introducing


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
