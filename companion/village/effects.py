"""What each sentence does to the state of a story.

sentences.toml names the effects of a sentence, each with the letters of the slots that it concerns: "moves A
q" moves the person in slot A to the place in slot q. An effect takes the state, the words `v` of the slots
and these letters, and believes what the sentence says. A thing is always in slot n, its color in c.
"""

from __future__ import annotations

from collections.abc import Callable

from companion.village.facts import Thing
from companion.village.rules import holding
from companion.village.words import number

EFFECTS: dict[str, Callable[..., None]] = {}


def effect(change):
    """Register the decorated function as the effect of its name."""
    EFFECTS[change.__name__] = change
    return change


# who and where ---------------------------------------------------------------------------------------------


@effect
def enters(s, v, who, role, place):
    s.enter(v[who], v[role], v[place])


@effect
def moves(s, v, who, place):
    s.move(v[who], v[place])


@effect
def all_move(s, v, place):
    for name in s.role:
        s.move(name, v[place])


# things ----------------------------------------------------------------------------------------------------


def thing_of(s, v) -> Thing:
    """The thing of the sentence, with its color, said or remembered."""
    if "c" in v:
        return Thing(v["c"], v["n"])
    who = holding(s, v["n"])
    return s.thing[who] if who else Thing(s.lying.get(v["n"], ("colorless",))[0], v["n"])


@effect
def takes(s, v, who):
    s.take(v[who], thing_of(s, v))


@effect
def drops(s, v, who, place):
    s.drop(v[who], thing_of(s, v), v[place])


@effect
def hides(s, v, who):
    s.hider[v["n"]] = v[who]


@effect
def vanishes(s, v, who):
    s.drop(v[who], thing_of(s, v), None)
    for memory in (s.owner, s.broken):
        memory.pop(v["n"], None)


@effect
def lends(s, v, who):
    s.owner[v["n"]] = v[who]


@effect
def returns(s, v):
    s.owner.pop(v["n"], None)


@effect
def swaps(s, v, who, other):
    mine, yours = s.thing.get(v[who]), s.thing.get(v[other])
    if yours:
        s.take(v[who], yours)
    if mine:
        s.take(v[other], mine)


@effect
def breaks(s, v, who):
    s.broken[v["n"]] = v[who]


@effect
def mends(s, v):
    s.broken.pop(v["n"], None)


@effect
def wishes(s, v, who):
    if (v[who], v["n"]) not in s.wish:
        s.wish.append((v[who], v["n"]))
    s.mention(v["n"])


@effect
def gets_wish(s, v, who):
    if (v[who], v["n"]) in s.wish:
        s.wish.remove((v[who], v["n"]))


# things to eat, in slot g ----------------------------------------------------------------------------------


@effect
def has(s, v, who, how_many):
    s.goods[v[who]] = (number(v[how_many]), v["g"])


@effect
def eats_all(s, v, who):
    s.goods.pop(v[who], None)


# and the rest ----------------------------------------------------------------------------------------------


@effect
def feels(s, v, who, mood):
    s.mood[v[who]] = v[mood]


@effect
def weather_comes(s, v, weather):
    s.weather = v[weather]


@effect
def weather_goes(s, v):
    s.weather = None


@effect
def day_is(s, v, day):
    s.day = v[day]


@effect
def ends(s, v):
    s.over = True
