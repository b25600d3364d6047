"""What is true at one moment of a story. Everything in it was said in the text."""

from __future__ import annotations

from typing import Any, NamedTuple


class Thing(NamedTuple):
    """One thing of a story. No story has two of the same noun, so "the key" is clear."""

    color: str
    noun: str


class State:
    """What is true at one moment of a story: who is in it, who is where, who holds what, how many.

    The dictionaries are keyed by name, or by noun for things; an absent key means "not so".
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
        self.nouns: list[str] = []  # every noun that was mentioned
        self.weather: str | None = None
        self.day: str | None = None
        self.words = 0  # told so far
        self.last: Any = None  # the pattern told last
        self.over = False

    def copy(self) -> State:
        other = State.__new__(State)
        for key, value in self.__dict__.items():
            other.__dict__[key] = value.copy() if isinstance(value, (dict, list)) else value
        return other

    def enter(self, name: str, role: str, place: str) -> None:
        self.role[name] = role
        self.place[name] = place

    def move(self, name: str, place: str) -> None:
        self.place[name] = place

    def take(self, name: str, thing: Thing) -> None:
        """Now `name` holds `thing`, and nobody else does."""
        for other in [who for who, held in self.thing.items() if held.noun == thing.noun]:
            del self.thing[other]
        self.lying.pop(thing.noun, None)
        self.hider.pop(thing.noun, None)
        if self.owner.get(thing.noun) == name:
            del self.owner[thing.noun]
        self.thing[name] = thing
        self.mention(thing.noun)

    def drop(self, name: str, thing: Thing, place: str | None) -> None:
        """Nobody holds `thing` any more: it lies at `place`, or is gone."""
        self.thing.pop(name, None)
        self.mention(thing.noun)
        if place is not None:
            self.lying[thing.noun] = (thing.color, place)

    def mention(self, noun: str) -> None:
        if noun not in self.nouns:
            self.nouns.append(noun)
