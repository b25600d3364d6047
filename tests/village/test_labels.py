"""Labels of stories: twins that differ in nothing but the order of their words, and labels that are true."""

import re

import pytest

from companion.village import fresh_stories, judge, load_split
from companion.village.tasks import CHOIR, crowds, singers
from companion.village.words import KINDS


@pytest.fixture(scope="module")
def example():
    return singers(100, 11)


@pytest.mark.gate
def test_in_both_the_village_has_one_answer_and_the_label_says_whether_it_sings(example):
    for text, label in example:
        assert re.search(r' "Who has the \w+\?" "$', text)
        names = [name for name in KINDS["name"] if re.search(rf"\b{name}\b", text)]
        asked = {a: [judge(f'{text}{a}," said {b}.') for b in names if b != a] for a in names}
        found = {a for a, said in asked.items() if any({v.kind for v in of} == {"ok"} for of in said)}
        assert len(found) == 1 and (found.pop() in CHOIR) == label


def test_the_same_seed_tells_the_same_and_another_others(example):
    assert singers(20, 11) == example[:20] and not set(singers(50, 12)) & set(example)
    shipped = "\n".join(load_split("train"))
    total = [text.rsplit(' "Who', 1)[0] for text, _ in example]
    assert sum(text in shipped for text in total) < 10  # a short beginning may be told twice


@pytest.mark.parametrize("n", [0, 7])
def test_an_odd_number_is_refused_in_one_line(n):
    with pytest.raises(ValueError, match=rf"^n={n} must be even, and at least 2"):
        singers(n, 1)


def test_crowds_are_three_people_or_more():
    example = crowds(60, 5)
    assert [text for text, _ in example] == fresh_stories(60, 5)
    for text, label in example:
        assert label == (sum(bool(re.search(rf"\b{name}\b", text)) for name in KINDS["name"]) > 2)
    assert 10 < sum(label for _, label in example) < 50
