"""New stories that several processes tell: the same as one would."""

import json
from base64 import b64decode
from itertools import islice

import pytest

from companion import village
from companion.runtime.text import documents
from companion.runtime.text.documents import new_stories
from companion.village import splits
from companion.village.__main__ import main


@pytest.mark.gate
def test_the_stories_of_two_processes_are_those_that_one_would_tell():
    assert new_stories(10_003, 4) == list(islice(village.fresh(4), 10_003))


def test_a_share_goes_on_where_the_one_before_it_ends(tmp_path, monkeypatch):
    expected = village.fresh_stories(40, 4)
    monkeypatch.setattr("companion.village.__main__.PLACES", {4: (20, 30)})
    assert main(["--places", "--out", str(tmp_path)]) == 0
    states = json.loads((tmp_path / "places.json").read_text(encoding="utf-8"))["4"]
    known = {int(number): splits.STATE.unpack(b64decode(state)) for number, state in states.items()}
    monkeypatch.setattr(splits, "places", lambda seed: known)
    for first in (0, 20, 30):
        stories = village.fresh(4, first)
        assert [next(stories) for _ in range(10)] == expected[first : first + 10]
    with pytest.raises(ValueError, match="first=31 is no known place of seed 4; give one of 0, 20, 30"):
        village.fresh(4, first=31)


def test_the_known_places_are_of_whole_generators():
    assert list(village.places(4)) == [10000, 20000, 30000] and village.places(5) == {}
    first = next(village.fresh(4, first=10000))
    assert village.bits(first) is not None and first != next(village.fresh(4))


def test_few_stories_are_told_here(monkeypatch):
    monkeypatch.setattr(documents, "ProcessPoolExecutor", None)
    assert new_stories(20, 5) == village.fresh_stories(20, 5)
    assert new_stories(20, 4) == village.fresh_stories(20, 4)
