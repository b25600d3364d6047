"""A hidden key, and the calls that find it: look at a place, or ask a person.

    Mara had the key. Others: Tom, Finn. Places: mill, barn, well.
    Where is the key?

Mara hid it at one of the places, or she gave it to one of the others, who did the same, and so on. Nobody had
it twice. "look mill" tells who and what is at the mill, and "ask Tom" what Tom did with the key. Who stands
where says nothing of the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from companion.village.reasoning import NAMES

PLACES = ("mill", "barn", "well", "inn", "pond", "tower", "forge", "bakery")


@dataclass(frozen=True)
class Search:
    """A key to be found.

    Attributes:
        people: Who may have had the key. The first one surely had it.
        places: Where it may be.
        chain: Who had it, one after the other.
        place: Where the last of them hid it.
        standing: For each of the people, the place at which they stand.
    """

    people: tuple[str, ...]
    places: tuple[str, ...]
    chain: tuple[str, ...]
    place: str
    standing: tuple[str, ...]

    @property
    def prompt(self) -> str:
        """What is known, and the question. Calls and their results come next."""
        first, *others = self.people
        listed = f"Others: {', '.join(others) or 'nobody'}. Places: {', '.join(self.places)}."
        return f"{first} had the key. {listed}\nWhere is the key?"

    @property
    def answer(self) -> str:
        """The sentence that ends an episode rightly."""
        return f"It is at the {self.place}."

    def run(self, call: str) -> str:
        """Return the result of a call such as " ask Tom"; "error" for what is no call of this search."""
        verb, _, name = call.strip().partition(" ")
        if verb == "look" and name in self.places:
            here = [who for who, at in zip(self.people, self.standing, strict=True) if at == name]
            here += ["the key"] if name == self.place else []
            return f"Here: {', '.join(here) or 'nobody'}."
        if verb != "ask" or name not in self.people:
            return "error"
        if name not in self.chain:
            return "I never had it."
        later = self.chain[self.chain.index(name) + 1 :]
        return f"I gave it to {later[0]}." if later else f"I hid it at the {self.place}."


@cache
def least_calls(people: int, places: int) -> int:
    """The least number of calls with which the key is surely found, whatever the results are.

    To ask the last person who is known to have had the key leaves, at worst, one person fewer; a look leaves
    one place fewer. To ask somebody else may tell only "I never had it." and is no better. Names do not
    matter, so the two numbers are all that is known, and each call is tried.

    Args:
        people: How many may have hidden the key: the last one who is known to have had it, and the others.
            0 if the last of them has told the place.
        places: How many places are left.
    """
    if people == 0 or places == 1:
        return 0
    return 1 + min(least_calls(people - 1, places), least_calls(people, places - 1))


def episode(search: Search) -> list[tuple[str, str]]:
    """The calls of a program that needs the least number at worst, and their results. It prefers to ask."""
    people = list(search.people)
    places = list(search.places)
    calls = []
    while people and len(places) > 1:
        ask = least_calls(len(people) - 1, len(places)) <= least_calls(len(people), len(places) - 1)
        call = f"ask {people[0]}" if ask else f"look {places[0]}"
        result = search.run(call)
        calls.append((call, result))
        if ask and "gave" in result:
            receiver = result.removesuffix(".").split()[-1]
            people = [receiver, *(name for name in people[1:] if name != receiver)]
        elif ask or "the key" in result:
            people = []
        else:
            places.pop(0)
    return calls


def searches(n: int, seed: int, people: Sequence[int], places: Sequence[int]) -> list[Search]:
    """n searches, each in another new world. The same seed gives the same searches.

    Args:
        n: Number of searches.
        seed: Seed of all choices.
        people: Numbers of people to choose from, from 1 to 12.
        places: Numbers of places to choose from, from 2 to 8.

    Raises:
        ValueError: If n is below 1, or a number is out of range.
    """
    if n < 1 or not set(people) <= set(range(1, 13)) or not set(places) <= set(range(2, 9)):
        raise ValueError(f"n={n} must be at least 1, people={people} within 1 to 12, places={places} 2 to 8")
    rng = Random(seed)
    found = []
    for _ in range(n):
        names = rng.sample(NAMES, rng.choice(people))
        where = rng.sample(PLACES, rng.choice(places))
        chain = (names[0], *rng.sample(names[1:], rng.randrange(len(names))))
        standing = tuple(rng.choice(where) for _ in names)
        found.append(Search(tuple(names), tuple(where), chain, rng.choice(where), standing))
    return found
