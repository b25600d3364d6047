"""Which documents are refused and by what, on planted faults; and which are the same."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.runtime.data.filters import RULES, deduplicated, digest, refused_by, rule_name
from companion.village import DATA, load_split

PROSE = (DATA / "lamplighter.txt").read_text(encoding="utf-8")
PLANTED = {
    "too short": "Sign the guest book, please.",
    "few letters": "Tide table: " + " ".join(f"{n:02}:00 {n / 7:.2f}" for n in range(24)),
    "broken letters": "The caf\ufffd on the pier, na\ufffdve as ever, served cr\ufffdme until late.",
    "too long a word": f"The key on the door was {'deadbeef0A' * 20}, and nobody could read it.",
    "lines repeated": "The ferry leaves at noon.\n" * 5 + "It came back.\nNobody was on it but the dog.",
    "words repeated": "cheap red shoes " * 40,
    "markup": '<div class="row"><a href="/shop">shop</a></div> Two lines of text.<br/> And one more.<hr>',
    "boilerplate": "Skip to content\nLog in or sign up\nThe harbour at night\n"
    "We use cookies to make this page better\nSubscribe to our newsletter\n"
    "All rights reserved, the harbour master",
}


def test_each_planted_fault_is_found_by_its_own_name():
    assert {name: refused_by(document) for name, document in PLANTED.items()} == {
        name: name for name in PLANTED
    }
    assert [rule_name(rule) for rule in RULES] == list(PLANTED)


FINE = {
    "one line about cookies": "The baker sold cookies and a newsletter, and every cookie was gone by noon.",
    "Chinese, without spaces": "灯塔看守人每天晚上都会爬上楼梯，"
    "点亮那盏大灯，照亮海面上的船只，直到天亮才回家睡觉。第二天他又来了，带着一只猫和一本书。",
    "a program": "def total(values):\n    found = 0\n    for value in values:\n        found += value\n",
    "a comparison": "If a < b and b > c then nothing follows about a & c, and we look at each case alone.",
    "long prose": PROSE,
    "a page that mentions a login": PROSE[:900] + "\n\nTo read on, log in at the library.",
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_fine_is_not_refused(name):
    assert refused_by(FINE[name]) is None


def test_the_village_and_its_like_stay():
    assert {refused_by(story) for story in load_split("train")[:1000]} == {None}


def test_the_first_rule_gives_the_name():
    assert refused_by("<b>!</b>") == "too short"


@given(st.text())
def test_any_text_is_judged_and_has_a_digest(document):
    assert refused_by(document) in {None, *PLANTED}
    assert len(digest(document)) == 8


def test_documents_that_say_the_same_are_one():
    same = ["Café by the  sea", "cafe\u0301 by the sea\n", "CAFÉ BY\tTHE SEA", "café by the\u00a0sea"]
    other = ["Cafe by the sea", "Café by the sea.", "Café by the see"]
    assert len({digest(document) for document in same}) == 1
    assert list(deduplicated([*same, *other, *same])) == [same[0], *other]


def test_duplicates_are_found_while_they_are_read():
    endless = (f"story {n % 7}" for n in itertools.count())
    assert list(itertools.islice(deduplicated(endless), 7)) == [f"story {n}" for n in range(7)]
