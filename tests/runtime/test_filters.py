"""Which documents are refused and by what, on planted faults; and which are the same."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cases import cases

from companion.runtime.data.filters import RULES, deduplicated, digest, name_of, refused_by
from companion.village import DATA, load_split

CASES = cases(__file__)
PROSE = (DATA / "lamplighter.txt").read_text(encoding="utf-8")
PLANTED = CASES["planted"]


def test_each_planted_fault_is_found_by_its_own_name():
    assert {name: refused_by(document) for name, document in PLANTED.items()} == {
        name: name for name in PLANTED
    }
    assert [name_of(rule) for rule in RULES] == list(PLANTED)


FINE = {
    **CASES["fine"],
    "a story": load_split("val")[0],
    "long prose": PROSE,
    "a page that mentions a login": PROSE[:900] + "\n\nTo read on, log in at the library.",
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_fine_is_not_refused(name):
    assert refused_by(FINE[name]) is None


def test_the_village_and_its_like_stay():
    assert {refused_by(story) for story in load_split("train")[:1000]} == {None}


def too_quiet(document):
    return "quiet" in document


def test_the_first_rule_gives_the_name_and_rules_can_be_others():
    assert refused_by("<b>!</b>") == "too short"
    assert refused_by("<b>!</b>", RULES[-2:]) == "markup"
    assert refused_by("x", ()) is None
    assert refused_by("a quiet night", [too_quiet]) == "too quiet"


@given(st.text())
def test_any_text_is_judged_and_has_a_digest(document):
    assert refused_by(document) in {None, *PLANTED}
    assert len(digest(document)) == 8


def test_documents_that_say_the_same_are_one():
    same = ["Café by the  sea", "cafe\u0301 by the sea\n", "CAFÉ BY\tTHE SEA", "café by the\u00a0sea"]
    other = ["Cafe by the sea", "Café by the sea.", "Café by the see"]
    assert len({digest(document) for document in same}) == 1
    assert list(deduplicated([*same, *other, *same])) == [same[0], *other]


def test_duplicates_are_found_while_they_are_read_and_across_calls():
    endless = (f"story {n % 7}" for n in itertools.count())
    assert list(itertools.islice(deduplicated(endless), 7)) == [f"story {n}" for n in range(7)]
    seen = set()
    assert list(deduplicated(["one", "two"], seen)) == ["one", "two"]
    assert list(deduplicated(["Two", "three"], seen)) == ["three"] and len(seen) == 3
