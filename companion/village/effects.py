"""What each sentence does to the state of a story.

An effect takes the state and the words `v` of a sentence's slots, and believes what the sentence says.
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


@effect
def opens(s, v):
    s.enter(v["A"], v["r"], v["p"])


@effect
def opens_with_two(s, v):
    s.enter(v["A"], v["r"], v["p"])
    s.enter(v["B"], v["q"], v["p"])


@effect
def arrives(s, v):
    s.enter(v["B"], v["r"], v["p"])


@effect
def brings_thing(s, v):
    s.take(v["B"], Thing(v["c"], v["n"]))


@effect
def brings_goods(s, v):
    s.goods[v["B"]] = (number(v["k"]), v["g"])


@effect
def looks(s, v):
    s.mood[v["B"]] = v["f"]


@effect
def finds(s, v):
    s.take(v["A"], Thing(v["c"], v["n"]))


@effect
def buys(s, v):
    s.take(v["A"], Thing(v["c"], v["n"]))
    s.goods[v["A"]] = (number(v["m"]), v["g"])


@effect
def gets_wish(s, v):
    s.take(v["A"], Thing(v["c"], v["n"]))
    if (v["A"], v["n"]) in s.wish:
        s.wish.remove((v["A"], v["n"]))


def known_color(s, v):
    """The color of the thing that the sentence names, said or remembered."""
    if "c" in v:
        return v["c"]
    who = holding(s, v["n"])
    return s.thing[who].color if who else s.lying.get(v["n"], ("colorless",))[0]


@effect
def gives(s, v):
    s.take(v["B"], Thing(known_color(s, v), v["n"]))


@effect
def lends(s, v):
    gives(s, v)
    s.owner[v["n"]] = v["A"]


@effect
def returns(s, v):
    s.take(v["A"], Thing(known_color(s, v), v["n"]))
    s.owner.pop(v["n"], None)
    s.move(v["B"], v["p"])


@effect
def swaps(s, v):
    mine, yours = s.thing.get(v["A"]), s.thing.get(v["B"])
    if yours:
        s.take(v["A"], yours)
    if mine:
        s.take(v["B"], mine)


@effect
def puts_down(s, v):
    s.drop(v["A"], Thing(known_color(s, v), v["n"]), v["p"])


@effect
def hides(s, v):
    puts_down(s, v)
    s.hider[v["n"]] = v["A"]


@effect
def picks_up(s, v):
    s.take(v["A"], Thing(known_color(s, v), v["n"]))


@effect
def fetches(s, v):
    s.move(v["A"], v["p"])
    picks_up(s, v)


@effect
def vanishes(s, v):
    s.drop(v["A"], Thing(known_color(s, v), v["n"]), None)
    for memory in (s.owner, s.broken):
        memory.pop(v["n"], None)


@effect
def breaks(s, v):
    s.broken[v["n"]] = v["A"]


@effect
def mends(s, v):
    s.broken.pop(v["n"], None)


@effect
def goes(s, v):
    s.move(v["A"], v["q"])


@effect
def go_together(s, v):
    s.move(v["A"], v["q"])
    s.move(v["B"], v["q"])


@effect
def all_go(s, v):
    for name in s.role:
        s.move(name, v["q"])


@effect
def follows(s, v):
    s.move(v["A"], v["p"])


@effect
def comes(s, v):
    s.move(v["B"], v["q"])


@effect
def gathers(s, v):
    s.goods[v["A"]] = (number(v["k"]), v["g"])


@effect
def counts(s, v):
    """Somebody has more or fewer now: `m` is what the sentence says there are."""
    s.goods[v["A"]] = (number(v["m"]), v["g"])


@effect
def shares(s, v):
    counts(s, v)
    s.goods[v["B"]] = (number(v["k"]), v["g"])


@effect
def eats_all(s, v):
    s.goods.pop(v["A"], None)


@effect
def feels(s, v):
    s.mood[v["A"]] = v["f"]


@effect
def comforts(s, v):
    s.mood[v["B"]] = v["j"]


@effect
def weather_comes(s, v):
    s.weather = v["w"]


@effect
def weather_goes(s, v):
    s.weather = None


@effect
def day_is(s, v):
    s.day = v["d"]


@effect
def wishes(s, v):
    if (v["A"], v["n"]) not in s.wish:
        s.wish.append((v["A"], v["n"]))
    s.mention(v["n"])


@effect
def ends(s, v):
    s.over = True
