"""What is true at one moment of a story, and what a sentence changes of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from companion.village.words import number


class Thing(NamedTuple):
    """One thing of a story. No story has two of the same noun, so "the key" is clear."""

    color: str
    noun: str


class State:
    """What is true at one moment of a story: who is in it, who is where, who holds what, how many.

    Everything in it was said in the text. The dictionaries are keyed by name, or by noun for things; an
    absent key means "not so".

    The methods from `enters` on are the effects of sentences. sentences.toml names them, each with the slots
    whose words are its arguments: "moves A q" moves the person in slot A to the place in slot q. An effect
    believes what the sentence says.
    """

    def __init__(self) -> None:
        self.role: dict[str, str] = {}  # the cast, in order of appearance: Mara -> baker
        self.place: dict[str, str] = {}  # Mara -> mill
        self.thing: dict[str, Thing] = {}  # Mara -> red lantern; nobody holds two
        self.goods: dict[str, tuple[int, str]] = {}  # Mara -> (5, plums)
        self.mood: dict[str, str] = {}  # Mara -> happy
        self.wish: list[tuple[str, str]] = []  # (Mara, kite)
        self.owner: dict[str, str] = {}  # key -> Mara, who lent it
        self.hider: dict[str, str] = {}  # key -> Mara, who hid it
        self.lying: dict[str, tuple[str, str]] = {}  # key -> (blue, mill): nobody holds it
        self.broken: dict[str, str] = {}  # key -> the name of who broke it
        self.nouns: set[str] = set()  # every noun that was mentioned
        self.weather: str | None = None
        self.day: str | None = None
        self.words = 0  # told so far
        self.last: Any = None  # the pattern told last
        self.over = False

    def copy(self) -> State:
        other = State.__new__(State)
        for key, value in self.__dict__.items():
            other.__dict__[key] = value.copy() if isinstance(value, (dict, list, set)) else value
        return other

    def holder(self, noun: str) -> str | None:
        """The name of whoever holds the thing called `noun`."""
        return next((name for name, held in self.thing.items() if held.noun == noun), None)

    def color(self, noun: str) -> str:
        """The color of a thing that somebody holds, or that lies somewhere."""
        who = self.holder(noun)
        return self.thing[who].color if who else self.lying.get(noun, ("colorless", ""))[0]

    # who and where

    def enters(self, name: str, role: str, place: str) -> None:
        self.role[name] = role
        self.place[name] = place

    def moves(self, name: str, place: str) -> None:
        self.place[name] = place

    def all_move(self, place: str) -> None:
        for name in self.role:
            self.place[name] = place

    # things

    def takes(self, name: str, noun: str, color: str | None = None) -> None:
        """Now `name` holds the thing, and nobody else does. Without a color it has the one that was told."""
        thing = Thing(color or self.color(noun), noun)
        holder = self.holder(noun)
        if holder:
            del self.thing[holder]
        self.lying.pop(noun, None)
        self.hider.pop(noun, None)
        if self.owner.get(noun) == name:
            del self.owner[noun]
        self.thing[name] = thing
        self.nouns.add(noun)

    def drops(self, name: str, place: str, noun: str) -> None:
        self.lying[noun] = (self.color(noun), place)
        self.thing.pop(name, None)
        self.nouns.add(noun)

    def hides(self, name: str, noun: str) -> None:
        self.hider[noun] = name

    def vanishes(self, name: str, noun: str) -> None:
        self.thing.pop(name, None)
        self.owner.pop(noun, None)
        self.broken.pop(noun, None)
        self.nouns.add(noun)

    def lends(self, name: str, noun: str) -> None:
        self.owner[noun] = name

    def swaps(self, name: str, other: str) -> None:
        mine = self.thing.get(name)
        yours = self.thing.get(other)
        if yours:
            self.takes(name, yours.noun, yours.color)
        if mine:
            self.takes(other, mine.noun, mine.color)

    def breaks(self, name: str, noun: str) -> None:
        self.broken[noun] = name

    def mends(self, noun: str) -> None:
        self.broken.pop(noun, None)

    def wishes(self, name: str, noun: str) -> None:
        if (name, noun) not in self.wish:
            self.wish.append((name, noun))
        self.nouns.add(noun)

    def gets_wish(self, name: str, noun: str) -> None:
        if (name, noun) in self.wish:
            self.wish.remove((name, noun))

    # things to eat

    def has(self, name: str, how_many: str, goods: str) -> None:
        self.goods[name] = (number(how_many), goods)

    def eats_all(self, name: str) -> None:
        self.goods.pop(name, None)

    # and the rest

    def feels(self, name: str, mood: str) -> None:
        self.mood[name] = mood

    def weather_comes(self, weather: str) -> None:
        self.weather = weather

    def weather_goes(self) -> None:
        self.weather = None

    def day_is(self, day: str) -> None:
        self.day = day

    def ends(self) -> None:
        self.over = True
