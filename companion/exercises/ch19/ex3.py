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
    made = [([93],), ([],), ([0],), ([8],), ([127],), ([0x70, 0x80],)] if seed == 0 else []
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
        (halves("low", lambda half: half - 15 if half > 7 else half), "1111 is −1: take 16 off, not 15."),
        (halves("low", lambda half: half - 16 if half > 8 else half), "1000 is −8."),
        (lambda packed: [signed(byte & 15) for byte in packed], "A byte holds two numbers; you took one."),
        (lambda packed: [signed(byte >> 4) for byte in packed], "A byte holds two numbers; you took one."),
        (halves("high", lambda half: half), "The low half comes first, and halves from 8 on are negative."),
    ],
    right="All 256 bytes are pairs, so nothing is wasted.",
)
