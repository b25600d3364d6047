"""The check of exercise 20.5: Not a letter too many."""

import random
import re

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
        made += [
            (["NO", "W NOW", " no"], ["now"]),
            (["so", ". N", "o"], ["."]),
            (["a now b now"], ["now"]),
            (["a\nb", "\n"], ["\n\n"]),
        ]
        made += [(["a now b", "c now"], ["now"]), (["wow", "w"], ["ww"]), (["abab", "ac"], ["abac"])]
    for _ in range(8):
        pieces = ["".join(rng.choices("ab ", k=rng.randint(0, 4))) for _ in range(rng.randint(2, 7))]
        stops = ["".join(rng.choices("ab ", k=rng.randint(2, 5))) for _ in range(rng.randint(1, 3))]
        made.append((pieces, stops))
    return made


def speaker(find=None, hold=None):
    """spoken, with another place of the first stop, or another number of letters held back."""

    def first(text, stops):
        return min((text.find(stop) for stop in stops if stop in text), default=-1)

    def longest_begin(text, stops):
        return max((k for stop in stops for k in range(1, len(stop)) if text.endswith(stop[:k])), default=0)

    def answer(pieces, stops):
        said, text = [], ""
        for piece in pieces:
            text += piece
            at = (find or first)(text, stops)
            if at >= 0:
                return [*said, text[:at]]
            cut = len(text) - (hold or longest_begin)(text, stops)
            said.append(text[:cut])
            text = text[cut:]
        return [*said, text]

    return answer


def all_but_two(text, stops):
    return max((k for stop in stops for k in range(1, len(stop) - 1) if text.endswith(stop[:k])), default=0)


def one_begins(text, stops):
    return max((k for stop in stops[:1] for k in range(1, len(stop)) if text.endswith(stop[:k])), default=0)


def last_place(text, stops):
    return max((text.rfind(stop) for stop in stops if stop in text), default=-1)


def one_is_missing(text, stops):
    """-1 of a stop that is not there is the least."""
    return min((text.find(stop) for stop in stops), default=-1)


def not_at_first(text, stops):
    return min((text.find(stop) for stop in stops if text.find(stop) > 0), default=-1)


def as_pattern(text, stops):
    match = re.search("|".join(stops), text) if stops else None
    return match.start() if match else -1


def begun_wins(text, stops):
    if not any(stop in text for stop in stops):
        return -1
    return next(i for i in range(len(text)) if begins(text[i:], stops) or text.startswith(tuple(stops), i))


def any_case(text, stops):
    text = text.lower()
    return min((text.find(stop.lower()) for stop in stops if stop.lower() in text), default=-1)


def each_alone(pieces, stops):
    """Holds back, but looks at each piece alone."""
    said = []
    for piece in pieces:
        found = spoken([piece], stops)
        said.append(found[0])
        if len(found) == 1:
            return said
    return [*said, ""]


def lost_between(pieces, stops):
    """What was held back and began no stop is never said."""
    said, held = [], ""
    for piece in pieces:
        found = spoken([held + piece], stops)
        if len(found) == 1:
            return [*said, *found]
        said.append(found[0][len(held) :])
        held = found[1]
    return [*said, held]


def by_letters(again):
    """Letter by letter; where one does not fit, all that was held is said."""

    def answer(pieces, stops):
        said, held = [], ""
        for piece in pieces:
            text = ""
            for letter in piece:
                if again and held and not begins(held + letter, stops):
                    text, held = text + held, ""
                held += letter
                if held in stops:
                    return [*said, text]
                if not begins(held, stops):
                    text, held = text + held, ""
            said.append(text)
        return [*said, held]

    return answer


def all_again(pieces, stops):
    """The whole text each time, not only what is new."""
    said, text = [], ""
    for piece in spoken(pieces, stops):
        text += piece
        said.append(text)
    return said


def all_at_the_stop(pieces, stops):
    """All that stands before the stop, not only what is new."""
    found = spoken(pieces, stops)
    return [*found[:-1], "".join(found)] if stopped(pieces, stops) else found


def without_the_last(pieces, stops):
    found = spoken(pieces, stops)
    return found if stopped(pieces, stops) else found[:-1]


def last_if_any(pieces, stops):
    found = spoken(pieces, stops)
    return found if stopped(pieces, stops) or found[-1] else found[:-1]


def one_more(pieces, stops):
    found = spoken(pieces, stops)
    return [*found, ""] if stopped(pieces, stops) else found


def reads_on(pieces, stops):
    found = spoken(pieces, stops)
    return found + [""] * (len(pieces) - len(found))


def no_empty_pieces(pieces, stops):
    return spoken([piece for piece in pieces if piece], stops)


def letters(pieces, stops):
    return spoken(list("".join(pieces)), stops)


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
        (no_empty_pieces, "A text for each piece, also where it is empty."),
        (letters, "A text for each piece, not for each letter."),
        (speaker(hold=all_but_two), "A stop of which only the last letter is missing has begun, too."),
        (speaker(hold=one_begins), "Not only the first of the stops may have begun."),
        (speaker(last_place), "The first stop in the text ends it, not the last."),
        (speaker(one_is_missing), "`find` gives −1 for a stop that is not there: it is no place, and not the "
         "first."),
        (speaker(not_at_first), "A stop may stand at the very beginning: 0 is a place, too."),
        (speaker(as_pattern), "In a pattern a dot stands for any letter. A stop is meant letter by letter: "
         "`re.escape`."),
        (speaker(begun_wins), "Look for whole stops first. Where one is there, what only begins does not "
         "matter any more."),
        (speaker(any_case), "Capital letters are other letters: NOW is not now."),
        (each_alone, "Put what was held back in front of the next piece."),
        (lost_between, "What was held back and began no stop is to be said with a later piece."),
        (by_letters(False), "Where a letter does not fit, a stop may still have begun later in what was held "
         "back: in \"aaa\", a stop \"aab\" may have begun one letter ago."),
        (by_letters(True), "Where a letter does not fit, a stop may still have begun later in what was held "
         "back: in \"aaa\", a stop \"aab\" may have begun one letter ago."),
        (all_again, "Each text is only what is new."),
        (all_at_the_stop, "The last text, too, is only what is new."),
        (without_the_last, "Where no stop comes, one text more is added at the end."),
        (last_if_any, "Where no stop comes, one text more is added at the end, also where it is empty."),
        (one_more, "After a stop nothing is added."),
        (reads_on, "After a stop no more pieces are read: the list ends."),
    ],
    right="So a reader never sees half of a stop, and waits for no letter longer than is needed.",
)  # fmt: skip
