"""The check of exercise 20.5: Not a letter too many."""

import random

from companion.exercises.exercise import Function


def spoken(pieces, stops):
    said, held = [], ""
    for piece in pieces:
        text = held + piece
        found = [text.find(stop) for stop in stops if stop in text]
        if found:
            return [*said, text[: min(found)]]
        cut = next(i for i in range(len(text) + 1) if not text[i:] or begins(text[i:], stops))
        said.append(text[:cut])
        held = text[cut:]
    return [*said, held]


def begins(end, stops):
    return any(stop.startswith(end) for stop in stops)


def cases(seed):
    rng = random.Random(seed)
    made = []
    if seed == 0:
        made += [(["I kn", "ow", "!"], ["now"]), (["a n", "ow b"], ["now"]), (["a", "b"], []), ([], ["x"])]
        made += [(["now", " x"], ["now"]), (["no", "no", "w"], ["now"]), (["ab"], ["b", "a"])]
        made += [(["x END y"], ["END"]), (["aab", "c"], ["aabd", "b"]), (["aa", "a", "b"], ["aab"])]
        made += [(["a", "b", "c"], ["abcd"]), (["one", "", "two"], ["et"]), (["abx", "y"], ["xyz", "by"])]
        made += [(["a now b", "c now"], ["now"]), (["wow", "w"], ["ww"]), (["abab", "ac"], ["abac"])]
    for _ in range(8):
        pieces = ["".join(rng.choices("ab ", k=rng.randint(0, 4))) for _ in range(rng.randint(2, 7))]
        stops = ["".join(rng.choices("ab ", k=rng.randint(2, 5))) for _ in range(rng.randint(1, 3))]
        made.append((pieces, stops))
    return made


def at_once(pieces, stops):
    said = []
    for piece in pieces:
        found = [piece.find(stop) for stop in stops if stop in piece]
        if found:
            return [*said, piece[: min(found)]]
        said.append(piece)
    return [*said, ""]


def too_late(pieces, stops):
    said, text = [], ""
    for piece in pieces:
        before, text = len(text), text + piece
        found = [text.find(stop) for stop in stops if stop in text]
        if found:
            return [*said, text[before : max(before, min(found))]]
        said.append(piece)
    return [*said, ""]


def longest(pieces, stops):
    """Always holds back as many letters as the longest stop has, less one."""
    said, held, most = [], "", max(map(len, stops), default=1) - 1
    for piece in pieces:
        text = held + piece
        found = [text.find(stop) for stop in stops if stop in text]
        if found:
            return [*said, text[: min(found)]]
        cut = max(0, len(text) - most)
        said.append(text[:cut])
        held = text[cut:]
    return [*said, held]


def everything(pieces, stops):
    text = "".join(pieces)
    found = [text.find(stop) for stop in stops if stop in text]
    return [text[: min(found)] if found else text]


def lost(pieces, stops):
    """What is held at the end is forgotten."""
    found = spoken(pieces, stops)
    return found if len(found) <= len(pieces) and stopped(pieces, stops) else [*found[:-1], ""]


def stopped(pieces, stops):
    text = "".join(pieces)
    return any(stop in text for stop in stops)


def first_stop(pieces, stops):
    return spoken(pieces, stops[:1])


def shortest_hold(pieces, stops):
    """Holds back the shortest possible beginning instead of the longest."""
    said, held = [], ""
    for piece in pieces:
        text = held + piece
        found = [text.find(stop) for stop in stops if stop in text]
        if found:
            return [*said, text[: min(found)]]
        cut = next((i for i in reversed(range(len(text))) if begins(text[i:], stops)), len(text))
        said.append(text[:cut])
        held = text[cut:]
    return [*said, held]


def in_order(pieces, stops):
    """The first stop of the list that is found, not the one that stands first."""
    said, held = [], ""
    for piece in pieces:
        text = held + piece
        for stop in stops:
            if stop in text:
                return [*said, text[: text.find(stop)]]
        cut = next(i for i in range(len(text) + 1) if not text[i:] or begins(text[i:], stops))
        said.append(text[:cut])
        held = text[cut:]
    return [*said, held]


def with_the_stop(pieces, stops):
    said, held = [], ""
    for piece in pieces:
        text = held + piece
        found = [(text.find(stop), stop) for stop in stops if stop in text]
        if found:
            place, stop = min(found)
            return [*said, text[: place + len(stop)]]
        cut = next(i for i in range(len(text) + 1) if not text[i:] or begins(text[i:], stops))
        said.append(text[:cut])
        held = text[cut:]
    return [*said, held]


EXERCISE = Function(
    number="20.5",
    title="Not a letter too many",
    stars=3,
    wants="spoken(pieces, stops)",
    cases=cases,
    oracle=spoken,
    mistakes=[
        (at_once, "A stop may be spread over several pieces. What could be its beginning must wait."),
        (too_late, "You found a stop that lies in several pieces, but its beginning was said already."),
        (longest, "You hold back too much: only what is the beginning of a stop needs to wait."),
        (everything, "That waits for the whole text. A text for each piece, please, as early as possible."),
        (lost, "At the end without a stop, what was held back is to be said."),
        (first_stop, "There may be several stops; any of them ends the text."),
        (shortest_hold, "Hold back the longest end of the text that begins a stop: in \"aa\", a stop \"aab\" "
         "may have begun two letters ago."),
        (in_order, "Of several stops that are found, the one that stands first in the text ends it."),
        (with_the_stop, "The stop itself is not said."),
        (lambda pieces, stops: [one for one in spoken(pieces, stops) if one],
         "A text for each piece, also where it is empty."),
    ],
    right="So a reader never sees half of a stop, and waits for no letter longer than is needed.",
)  # fmt: skip
