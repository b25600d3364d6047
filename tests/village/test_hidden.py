"""A hidden key: companion.village.hidden."""

from itertools import permutations

import pytest

from companion.village.hidden import Search, episode, least_calls, searches

WORLD = Search(
    ("Mara", "Tom", "Finn"), ("mill", "barn", "well"), ("Mara", "Finn"), "well", ("mill", "well", "mill")
)


def searched(worlds: frozenset[Search]) -> int:
    """The least number of calls that surely find the key, by trying all calls in all worlds."""
    if len({world.place for world in worlds}) == 1:
        return 0
    some = next(iter(worlds))
    numbers = []
    for call in [f"ask {name}" for name in some.people] + [f"look {name}" for name in some.places]:
        groups: dict[str, set[Search]] = {}
        for world in worlds:
            groups.setdefault(world.run(call), set()).add(world)
        if len(groups) > 1:
            numbers.append(1 + max(searched(frozenset(group)) for group in groups.values()))
    return min(numbers)


@pytest.mark.parametrize(("people", "places"), [(1, 2), (1, 4), (2, 2), (2, 3), (2, 4), (3, 2), (3, 3)])
def test_least_calls_are_those_of_a_search_over_all_worlds(people, places):
    names, where = ("Mara", "Tom", "Finn")[:people], ("mill", "barn", "well", "inn")[:places]
    chains = [(names[0], *later) for k in range(people) for later in permutations(names[1:], k)]
    # Nobody stands anywhere: who is at a place says nothing of the key.
    worlds = frozenset(
        Search(names, where, chain, place, ("",) * people) for chain in chains for place in where
    )
    assert least_calls(people, places) == searched(worlds)


def test_results_of_calls():
    assert WORLD.prompt == "Mara had the key. Others: Tom, Finn. Places: mill, barn, well.\nWhere is the key?"
    assert WORLD.run(" look mill") == "Here: Mara, Finn."
    assert WORLD.run("look barn") == "Here: nobody."
    assert WORLD.run("look well") == "Here: Tom, the key."
    assert WORLD.run("ask Mara") == "I gave it to Finn."
    assert WORLD.run("ask Finn") == "I hid it at the well."
    assert WORLD.run("ask Tom") == "I never had it."
    for call in ("", "look", "look inn", "ask Otto", "ask mill", "open mill", "ask Tom Finn"):
        assert WORLD.run(call) == "error"


def test_the_program_stays_within_the_least_number_and_reaches_it():
    worst: dict[tuple[int, int], int] = {}
    for search in searches(2000, 3, range(1, 5), range(2, 6)):
        calls = episode(search)
        size = len(search.people), len(search.places)
        assert len(calls) <= least_calls(*size)
        worst[size] = max(worst.get(size, 0), len(calls))
        results = " ".join(result for _, result in calls)
        left = {place for place in search.places if f"look {place}" not in dict(calls)}
        assert f"hid it at the {search.place}" in results or "the key" in results or left == {search.place}
    assert worst == {size: least_calls(*size) for size in worst}


def test_searches_are_reproducible_and_of_all_sizes():
    assert searches(5, 1, [2], [3]) == searches(9, 1, [2], [3])[:5]
    found = searches(400, 2, [1, 3], [2, 5])
    assert {(len(s.people), len(s.places)) for s in found} == {(1, 2), (1, 5), (3, 2), (3, 5)}
    assert {len(s.chain) for s in found if len(s.people) == 3} == {1, 2, 3}


@pytest.mark.parametrize("options", [(0, 1, [1], [2]), (1, 1, [0], [2]), (1, 1, [13], [2]), (1, 1, [1], [1])])
def test_refused_searches(options):
    with pytest.raises(ValueError, match="n="):
        searches(*options)
