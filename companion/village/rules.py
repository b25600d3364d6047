"""Which words of a kind the state of a story allows in a slot.

A rule that allows exactly one word is a *recall*: whoever remembers the story knows the word, whoever forgot
it has to guess.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from companion.village.words import KINDS, NUMBERS, SHE, number


class Rule(NamedTuple):
    """Which words may fill a slot."""

    kind: str  # the list that they come from
    phrase: str  # the rule in words
    allowed: Callable[..., list[str]]  # (state, words of the kind, *words of earlier slots) -> words


RULES: dict[str, Rule] = {}


def rule(kind: str, phrase: str):
    """Register the decorated function as the rule of its name."""

    def register(allowed):
        RULES[allowed.__name__] = Rule(kind, phrase, allowed)
        return allowed

    return register


for _kind in KINDS:
    RULES[f"any_{_kind}"] = Rule(_kind, f"a {_kind}", lambda s, kind: kind)


def one(value) -> list:
    """The list of options of a slot that the state determines (none, if the state does not know)."""
    return [] if value is None else [value]


def number_option(n: int) -> list[str]:
    """The option for a slot that must be the number `n`: one word, or none beyond twenty."""
    return [NUMBERS[n - 1]] if 1 <= n <= 20 else []


# who: rules that name somebody -----------------------------------------------------------------------------


@rule("name", "somebody of this story")
def anyone(s, kind):
    return list(s.role)


@rule("name", "somebody new")
def new_name(s, kind):
    return [name for name in kind if name not in s.role]


@rule("name", "another name")
def other_name(s, kind, a):
    return [name for name in kind if name != a]


@rule("name", "somebody else of this story")
def other(s, kind, a):
    return [name for name in s.role if name != a]


def beside(s, a):
    """Everybody at the place of `a`, `a` aside."""
    here = s.place.get(a)
    return [name for name in s.role if name != a and s.place[name] == here]


@rule("name", "somebody at the same place")
def neighbor(s, kind, a):
    return beside(s, a)


@rule("name", "somebody who is not alone")
def with_company(s, kind):
    return [name for name in s.role if beside(s, name)]


@rule("name", "somebody at another place")
def away_from(s, kind, a):
    here = s.place.get(a)
    return [name for name in s.role if s.place[name] != here and name != a]


@rule("name", "somebody away from another")
def separated(s, kind):
    return list(s.role) if len(set(s.place.values())) > 1 else []


@rule("name", "somebody at that place")
def at(s, kind, place):
    return [name for name in s.role if s.place[name] == place]


@rule("name", "the one who has that role")
def who_is(s, kind, role):
    return [name for name in s.role if s.role[name] == role]


@rule("name", "somebody with empty hands")
def empty(s, kind):
    return [name for name in s.role if name not in s.thing]


@rule("name", "somebody at that place with empty hands")
def empty_at(s, kind, place):
    return [name for name in s.role if name not in s.thing and s.place[name] == place]


@rule("name", "somebody at the same place with empty hands")
def empty_near(s, kind, a):
    return [name for name in beside(s, a) if name not in s.thing]


def to_give(s):
    """The things whose holder may give them away and stands beside somebody with empty hands."""
    return [held for name, held in s.thing.items() if held.noun not in s.owner and empty_near(s, None, name)]


@rule("name", "somebody with empty hands beside somebody with a thing to give")
def empty_by_giver(s, kind):
    return [name for name in s.role if name not in s.thing and givable_to(s, None, name)]


def exists(s, noun):
    """Whether somebody holds the thing called `noun`, or it lies somewhere."""
    return s.holder(noun) is not None or noun in s.lying


@rule("name", "the one who holds it")
def holder_of(s, kind, noun):
    return one(s.holder(noun))


@rule("name", "the one to whom it belongs")
def owner(s, kind, noun):
    return one(s.owner.get(noun))


@rule("name", "somebody with empty hands where it lies")
def empty_by(s, kind, noun):
    return empty_at(s, kind, s.lying.get(noun, (None, None))[1])


@rule("name", "somebody with empty hands, away from where something lies")
def fetcher(s, kind):
    if not s.lying:
        return []
    return [name for name in s.role if name not in s.thing and place_of_lying(s, None, name)]


@rule("name", "the one who hid it")
def hider(s, kind, noun):
    return one(s.hider.get(noun))


@rule("name", "the one who broke it")
def breaker(s, kind, noun):
    return one(s.broken.get(noun))


@rule("name", "somebody with nothing to eat")
def gatherer(s, kind):
    return [name for name in s.role if name not in s.goods]


@rule("name", "somebody at that place with nothing to eat")
def gatherer_at(s, kind, place):
    return [name for name in s.role if name not in s.goods and s.place[name] == place]


@rule("name", "somebody with something to eat")
def eater(s, kind):
    return list(s.goods)


@rule("name", "somebody with something to eat and room for more")
def adder(s, kind):
    return [name for name, (n, _) in s.goods.items() if n <= 15]


@rule("name", "somebody with at least four things to eat")
def nibbler(s, kind):
    return [name for name, (n, _) in s.goods.items() if n >= 4]


@rule("name", "somebody with empty hands and at least four things to eat")
def buyer(s, kind):
    return [name for name, (n, _) in s.goods.items() if n >= 4 and name not in s.thing]


@rule("name", "somebody at the same place with nothing to eat")
def foodless_near(s, kind, a):
    return [name for name in beside(s, a) if name not in s.goods]


@rule("name", "somebody with enough to share, beside somebody with nothing")
def sharer(s, kind):
    return [name for name in nibbler(s, kind) if foodless_near(s, kind, name)]


@rule("name", "somebody whose things to eat can be added to another's")
def totaler(s, kind):
    return [name for name in s.goods if addable(s, None, name)] if len(s.goods) > 1 else []


@rule("name", "somebody else with things to eat, twenty together at most")
def addable(s, kind, a):
    mine = s.goods.get(a, (20,))[0]
    return [name for name, (n, _) in s.goods.items() if name != a and n + mine <= 20]


@rule("name", "somebody who has those")
def who_has_goods(s, kind, goods):
    return [name for name, (_, what) in s.goods.items() if what == goods]


@rule("name", "somebody whose mood was told")
def moody(s, kind):
    return list(s.mood)


@rule("name", "somebody whose mood was told, and who is not alone")
def moody_in_company(s, kind):
    return [name for name in s.mood if beside(s, name)]


@rule("name", "somebody who feels so")
def who_feels(s, kind, mood):
    return [name for name, felt in s.mood.items() if felt == mood]


@rule("name", "somebody without a wish")
def wishless(s, kind):
    wishing = [name for name, _ in s.wish]
    return [name for name in s.role if name not in wishing]


@rule("name", "the one who wished for it")
def wisher_of(s, kind, noun):
    return [name for name, wish in s.wish if wish == noun]


@rule("pronoun", "the word for this name")
def pronoun(s, kind, a):
    return ["she" if a in SHE else "he"]


# what: things and their colors -----------------------------------------------------------------------------


@rule("thing", "a thing not mentioned before")
def new_noun(s, kind):
    return [noun for noun in kind if noun not in s.nouns]


@rule("thing", "a thing that somebody holds")
def held(s, kind):
    return [held.noun for held in s.thing.values()]


@rule("thing", "a thing that can be given to a neighbor")
def givable(s, kind):
    return [held.noun for held in to_give(s)]


@rule("thing", "a thing that a neighbor can give")
def givable_to(s, kind, b):
    return [s.thing[a].noun for a in beside(s, b) if a in s.thing and s.thing[a].noun not in s.owner]


@rule("thing", "a thing whose holder stands beside another who holds something")
def swappable(s, kind):
    return [held.noun for name, held in s.thing.items() if held_near(s, None, name)]


@rule("thing", "a thing that somebody at the same place holds")
def held_near(s, kind, a):
    return [s.thing[b].noun for b in beside(s, a) if b in s.thing]


@rule("thing", "a thing that is held or lies somewhere")
def known(s, kind):
    return [held.noun for held in s.thing.values()] + list(s.lying)


@rule("thing", "a thing that lies beside somebody with empty hands")
def pickable(s, kind):
    return [noun for noun in s.lying if empty_by(s, None, noun)]


@rule("place", "a place where something lies")
def place_of_lying(s, kind, a):
    here = s.place.get(a)
    return list(dict.fromkeys(place for _, place in s.lying.values() if place != here))


@rule("thing", "a thing that lies there")
def lying_there(s, kind, place):
    return [noun for noun, (_, other) in s.lying.items() if other == place]


def colors(things) -> list[str]:
    """The different colors of (color, noun) pairs."""
    return list(dict.fromkeys(color for color, _ in things))


@rule("color", "the color of a thing that can be given to a neighbor")
def givable_color(s, kind):
    return colors(to_give(s))


@rule("thing", "a thing of that color that can be given to a neighbor")
def givable_noun(s, kind, c):
    return [held.noun for held in to_give(s) if held.color == c]


@rule("color", "the color of something whole that somebody holds")
def intact_color(s, kind):
    return colors(held for held in s.thing.values() if held.noun not in s.broken)


@rule("thing", "a whole thing of that color")
def intact_noun(s, kind, c):
    return [held.noun for held in s.thing.values() if held.color == c and held.noun not in s.broken]


@rule("color", "the color of something that somebody holds")
def held_color(s, kind):
    return colors(s.thing.values())


@rule("thing", "a thing of that color that somebody holds")
def held_noun(s, kind, c):
    return [held.noun for held in s.thing.values() if held.color == c]


@rule("color", "the color of something that lies somewhere")
def lying_color(s, kind):
    return colors(s.lying.values())


@rule("thing", "a thing of that color that lies somewhere")
def lying_noun(s, kind, c):
    return [noun for noun, (color, _) in s.lying.items() if color == c]


@rule("thing", "a hidden thing")
def hidden(s, kind):
    return list(s.hider)


@rule("thing", "a broken thing")
def broken(s, kind):
    return list(s.broken)


@rule("thing", "a broken thing that somebody holds")
def mendable(s, kind):
    return [held.noun for held in s.thing.values() if held.noun in s.broken]


@rule("thing", "a borrowed thing, whose owner has empty hands")
def borrowed(s, kind):
    return [held.noun for name, held in s.thing.items() if s.owner.get(held.noun, name) not in s.thing]


@rule("thing", "a borrowed thing")
def owed(s, kind):
    return [held.noun for held in s.thing.values() if held.noun in s.owner]


@rule("thing", "what somebody with empty hands wished for")
def wanted(s, kind):
    return [noun for name, noun in s.wish if name not in s.thing and not exists(s, noun)]


@rule("thing", "what somebody wished for")
def wished(s, kind):
    return [noun for _, noun in s.wish if not exists(s, noun)]


# where -----------------------------------------------------------------------------------------------------


@rule("place", "where this one is")
def place(s, kind, a):
    return one(s.place.get(a))


@rule("place", "a place where somebody is")
def occupied(s, kind):
    return list(dict.fromkeys(s.place.values()))


@rule("place", "a place where two or more are")
def crowded(s, kind):
    places = list(s.place.values())
    return [place for place in dict.fromkeys(places) if places.count(place) > 1]


@rule("place", "a place where somebody with empty hands is")
def occupied_empty(s, kind):
    return list(dict.fromkeys(s.place[name] for name in s.role if name not in s.thing))


@rule("place", "a place where somebody with nothing to eat is")
def occupied_foodless(s, kind):
    return list(dict.fromkeys(s.place[name] for name in s.role if name not in s.goods))


@rule("place", "another place")
def elsewhere(s, kind, a):
    return [place for place in kind if place != s.place.get(a)]


@rule("place", "a place where nobody is")
def deserted(s, kind):
    taken = set(s.place.values())
    return [place for place in kind if place not in taken]


@rule("place", "where it is")
def where(s, kind, noun):
    who = s.holder(noun)
    return one(s.place.get(who) if who else s.lying.get(noun, (None, None))[1])


# how many --------------------------------------------------------------------------------------------------


@rule("number", "how many there are")
def count(s, kind, a):
    return number_option(s.goods[a][0]) if a in s.goods else []


@rule("goods", "what this one has to eat")
def goods(s, kind, a):
    return [s.goods[a][1]] if a in s.goods else []


@rule("goods", "something that nobody has yet")
def new_goods(s, kind):
    taken = [what for _, what in s.goods.values()]
    return [what for what in kind if what not in taken]


@rule("goods", "something that somebody has")
def had_goods(s, kind):
    return list(dict.fromkeys(what for _, what in s.goods.values()))


@rule("few", "so many more, twenty at most")
def more(s, kind, a):
    return [k for k in kind if number(k) + s.goods[a][0] <= 20] if a in s.goods else []


@rule("few", "so many that at least two are left")
def some(s, kind, a):
    return [k for k in kind if number(k) <= s.goods[a][0] - 2] if a in s.goods else []


@rule("number", "the sum")
def added(s, kind, a, k):
    return number_option(s.goods[a][0] + number(k)) if a in s.goods else []


@rule("number", "what is left")
def less(s, kind, a, k):
    return number_option(s.goods[a][0] - number(k)) if a in s.goods else []


@rule("number", "the sum")
def total(s, kind, n, k):
    return number_option(number(n) + number(k))


@rule("number", "the difference")
def minus(s, kind, n, k):
    return number_option(number(n) - number(k))


# and the rest ----------------------------------------------------------------------------------------------


@rule("role", "a role that nobody has yet")
def new_role(s, kind):
    taken = list(s.role.values())
    return [role for role in kind if role not in taken]


@rule("role", "another role")
def other_role(s, kind, r):
    return [role for role in kind if role != r]


@rule("role", "what somebody of this story is")
def some_role(s, kind):
    return list(s.role.values())


@rule("mood", "another mood")
def new_mood(s, kind, a):
    return [mood for mood in kind if mood != s.mood.get(a)]


@rule("mood", "the mood of this one")
def mood(s, kind, a):
    return one(s.mood.get(a))


@rule("mood", "the mood of somebody")
def some_mood(s, kind):
    return list(dict.fromkeys(s.mood.values()))


@rule("weather", "another weather")
def new_weather(s, kind):
    return [weather for weather in kind if weather != s.weather]


@rule("weather", "the weather")
def weather(s, kind):
    return one(s.weather)


@rule("day", "a day, the first that is told")
def first_day(s, kind):
    return kind if s.day is None else []


@rule("day", "this day")
def today(s, kind):
    return one(s.day)


@rule("day", "the day after")
def next_day(s, kind):
    return [kind[(kind.index(s.day) + 1) % len(kind)]] if s.day else []
