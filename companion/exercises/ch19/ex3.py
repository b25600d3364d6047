"""The check of exercise 19.3: Two from a byte."""

import random

from companion.exercises.exercise import Function


def numbers(packed):
    found = []
    for byte in packed:
        for half in (byte & 15, byte >> 4):
            found.append(half - 16 if half > 7 else half)
    return found


def cases(seed):
    rng = random.Random(seed)
    made = []
    if seed == 0:
        made += [([93],), ([],), ([0],), ([8],), ([127],), ([0x70, 0x80],)]
        made += [([255, 255],), ([0x25, 0x00],), ([0x97, 0x97],)]
    return made + [([rng.randrange(256) for _ in range(n)],) for n in (2, 5, 9)]


def halves(first, change):
    def wrong(packed):
        found = []
        for byte in packed:
            both = (byte & 15, byte >> 4)
            found += [change(half) for half in (both if first == "low" else both[::-1])]
        return found

    return wrong


def signed(half):
    return half - 16 if half > 7 else half


def signed_in(places):
    """Two's complement in one of the halves only."""

    def wrong(packed):
        both = [half for byte in packed for half in (byte & 15, byte >> 4)]
        return [signed(half) if i % 2 in places else half for i, half in enumerate(both)]

    return wrong


def borrowing(packed):
    found = []
    for byte in packed:
        low = signed(byte & 15)
        found += [low, signed((byte - low) // 16)]
    return found


NO_SIGN = (
    "A type without a sign, such as uint8, cannot hold what is negative: 16 less than 13 becomes 253 there."
)

EXERCISE = Function(
    number="19.3",
    title="Two from a byte",
    stars=2,
    wants="numbers(packed)",
    cases=cases,
    oracle=numbers,
    mistakes=[
        (halves("high", signed), "The low half of a byte holds the first of the two."),
        (halves("low", lambda half: half), "Halves from 8 on stand for negative numbers."),
        (halves("low", lambda half: half - 8), "That is another code, with 8 for 0; here 0 is 0."),
        (
            halves("low", lambda half: -(half & 7) if half > 7 else half),
            "The first bit is not a sign alone: in two's complement 1111 is −1, not −7.",
        ),
        (halves("low", lambda half: half - 15 if half > 7 else half), "`1111` is −1: take 16 off, not 15."),
        (halves("low", lambda half: half - 16 if half > 8 else half), "`1000` is −8."),
        (lambda packed: [signed(byte & 15) for byte in packed], "A byte holds two numbers; you took one."),
        (lambda packed: [signed(byte >> 4) for byte in packed], "A byte holds two numbers; you took one."),
        (
            halves("low", lambda half: half - 16 if half > 6 else half),
            "`0111` is 7: negative are the halves from 8 on.",
        ),
        (
            halves("low", lambda half: -half if half > 7 else half),
            "`1111` is −1: a half from 8 on is what is 16 less.",
        ),
        (halves("low", lambda half: half - 16 & 255 if half > 7 else half), NO_SIGN),
        (signed_in([0]), "The high half can be negative, too."),
        (signed_in([1]), "The low half can be negative, too."),
        (
            lambda packed: numbers(packed)[0::2] + numbers(packed)[1::2],
            "The two of a byte stand next to each other; you have all low halves first, then the high ones.",
        ),
        (lambda packed: numbers(packed)[::-1], "That is the whole list backwards."),
        (lambda packed: numbers(packed[:1]), "All bytes are to be read, not the first alone."),
        (
            lambda packed: [tuple(numbers([byte])) for byte in packed],
            "One flat list is asked for, not a pair for each byte.",
        ),
        (borrowing, "A negative low half takes nothing from the high one: `byte >> 4` is that, as it is."),
        (halves("high", lambda half: half), "The low half comes first, and halves from 8 on are negative."),
    ],
    right="All 256 bytes are pairs, so nothing is wasted.",
)
