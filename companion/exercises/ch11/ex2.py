"""The check of exercise 11.2: Half a number."""

import math
import random
import struct

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record, as_list, as_number, settle
from companion.exercises.values import a


def from_bfloat16(data):
    out = []
    for low, high in zip(data[0::2], data[1::2], strict=True):
        out.append(struct.unpack("<f", bytes([0, 0, low, high]))[0])
    return out


def try_reading(answer, data):
    found = settle(answer(data))
    numbers = as_list(found)
    if numbers is None:
        raise Problem(f"It must return a list of numbers, one for each two bytes; this is {a(found)}.")
    return Record("", {"": numbers, "zeros": [sign_of_zero(x) for x in numbers]})


def sign_of_zero(value):
    """What `==` does not tell: "0.0" or "-0.0", and "" of any other number."""
    number = as_number(value)
    return "" if number != 0 else "-0.0" if math.copysign(1, number) < 0 else "0.0"


def number_cases(seed):
    rng = random.Random(seed)
    alone = [0x3F80, 0xC000, 0x3FC0, 0x0000, 0x42F7, 0x7F7F, 0x0080, 0x7F80, 0xFF80, 0x7FC0, 0xFF81]
    alone += [0x8000, 0x0001, 0x007F, 0x8040]
    lists = [[word] for word in alone]
    lists += [
        [0x3F80, 0x3FC0],
        [0x0000, 0x8000, 0x3F80],
        [0x7F80, 0x7FC0, 0xFF80, 0x3F00],
        [0x0080, 0x007F, 0x0001],
    ]
    lists = lists if seed == 0 else []
    lists += [[rng.getrandbits(16) for _ in range(n)] for n in (3, 5, 40)]
    ordinary = [int.from_bytes(struct.pack(">f", rng.gauss(0, 0.02))[:2], "big") for _ in range(7)]
    lists += [ordinary]
    return [(b"".join(word.to_bytes(2, "little") for word in words),) for words in lists]


# -- mistakes ------------------------------------------------------------------


def words(data, order="little"):
    return [int.from_bytes(data[i : i + 2], order) for i in range(0, len(data), 2)]


def from_bits(bits):
    return struct.unpack(">f", bits.to_bytes(4, "big"))[0]


def by_formula(whole=128, bias=127, least=-126, normal=True, ends=True, zeros=True):
    """As in the books, each part of which can be forgotten.

    least: exponent of subnormals. normal: whether they are told from others (None: zero alone). ends: whether
    infinities and NaN are. zeros: whether a zero has a sign.
    """

    def wrong(data):
        return [number(word) for word in words(data)]

    def number(word):
        sign, e, m = -1 if word >> 15 else 1, word >> 7 & 255, word & 127
        if e == 255 and ends:
            return math.nan if m else sign * math.inf
        if e == 0 and (normal or (normal is None and m == 0)):
            size = m / whole * 2.0**least
        else:
            size = (1 + m / whole) * 2.0 ** (e - bias)
        return sign * size if size or zeros else 0.0

    return wrong


def each(change):
    return lambda data: [change(number) for number in from_bfloat16(data)]


def flushed(number):
    return number if abs(number) >= 2**-126 or number != number else math.copysign(0, number)


def large_for_none(number):
    top = 2.0**128 - 2.0**104  # of float32
    return 0.0 if number != number else max(-top, min(top, number))


def twice(number):
    """In float32: the largest become infinite."""
    return 2 * number if abs(number) < 2.0**127 else number * math.inf


def in_half(number):
    try:
        return struct.unpack("<e", struct.pack("<e", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)


SUBNORMAL = (
    "Below 2 to the −126 (exponent bits all 0) the 1 before the point is missing, and the exponent stays at "
    "−126. Or let float32 do all that: which half of it do you have?"
)
ENDS = "With all exponent bits 1 it is an infinity, or NaN where any of the seven other bits is 1."
LOWER = "You made it the lower half of a float32. Sign and exponent stand in the upper one."
ZERO = "Minus zero has a sign: its highest bit is 1. An integer 0, or adding 0.0, loses it."

EXERCISE = Function(
    number="11.2",
    title="Half a number",
    stars=2,
    wants="from_bfloat16(data)",
    cases=number_cases,
    oracle=from_bfloat16,
    call=try_reading,
    tolerance=0.0,
    mistakes=[
        (
            lambda data: [from_bits(word << 16) for word in words(data, "big")],
            "The bytes are little-endian: the second of the two has the sign.",
        ),
        (
            lambda data: list(struct.unpack(f"<{len(data) // 2}e", data)),
            "That is float16: 5 bits of exponent, 10 behind the point. bfloat16 has 8 and "
            "7, as float32 begins.",
        ),
        (lambda data: [from_bits(word) for word in words(data)], LOWER),
        (words, "These are the 16 bits as a whole number. Which float32 has them as its upper half?"),
        (
            lambda data: [float(word << 16) for word in words(data)],
            "You shifted a number, not bits: the 32 bits must be read as a float32.",
        ),
        (
            by_formula(normal=False, ends=False),
            SUBNORMAL + " Infinities and NaN have a rule of their own too.",
        ),
        (by_formula(normal=False), SUBNORMAL),
        (by_formula(normal=None), SUBNORMAL),
        (by_formula(normal=None, zeros=False), SUBNORMAL),
        (
            by_formula(normal=None, ends=False),
            SUBNORMAL + " Infinities and NaN have a rule of their own too.",
        ),
        (by_formula(least=-127), SUBNORMAL),
        (by_formula(least=-127, zeros=False), SUBNORMAL),
        (each(flushed), SUBNORMAL),
        (each(lambda x: 0.0 if abs(x) < 2**-126 else x), SUBNORMAL),
        (by_formula(ends=False), ENDS),
        (by_formula(ends=False, zeros=False), ENDS),
        (each(lambda x: math.inf if x != x else x), ENDS),
        (
            lambda data: [
                math.copysign(math.inf, 0.5 - (w >> 15)) if w >> 7 & 255 == 255 else from_bits(w << 16)
                for w in words(data)
            ],
            ENDS,
        ),
        (each(lambda x: math.nan if math.isinf(x) else x), ENDS),
        (
            each(lambda x: 0.0 if x != x else x),
            "NaN should stay NaN: a file with one in it has a fault to be seen.",
        ),
        (
            lambda data: [x for x in from_bfloat16(data) if x == x],
            "NaN should stay NaN, at its place: a file with one in it has a fault to be seen.",
        ),
        (
            each(large_for_none),
            "NaN and infinities should stay: a file with one in it has a fault to be seen.",
        ),
        (
            each(lambda x: math.inf if math.isinf(x) else x),
            "An infinity has a sign too: the highest bit tells which of the two it is.",
        ),
        (each(abs), "The highest bit is the sign."),
        (each(lambda x: x + 0.0), ZERO),
        (by_formula(zeros=False), ZERO),
        (
            by_formula(whole=256),
            "Seven bits stand behind the point: 128 steps from one power of two to the next.",
        ),
        (by_formula(whole=127), "Seven bits count up to 127, and 128 steps make a whole."),
        (by_formula(bias=126), "Twice too large: an exponent of 127 stands for 1."),
        (by_formula(bias=128), "Half of what it should be: an exponent of 127 stands for 1."),
        (each(twice), "Twice too large: an exponent of 127 stands for 1."),
        (each(lambda x: 2 * x), "Twice too large: an exponent of 127 stands for 1."),
        (each(lambda x: x / 2), "Half of what it should be: an exponent of 127 stands for 1."),
        (
            lambda data: list(struct.unpack(f"<{len(data) // 4}f", data[: len(data) // 4 * 4])),
            "You took four bytes a number. In the file it has two; the other two are zeros.",
        ),
        (
            each(in_half),
            "On the way through float16 large numbers became infinite, and small ones lost bits.",
        ),
        (lambda data: from_bfloat16(data)[::-1], "The numbers are right, and in the wrong order."),
        (
            lambda data: [[number] for number in from_bfloat16(data)],
            "The numbers are right. They should stand in one list, not each in its own.",
        ),
        (
            each(lambda x: round(x, 4) if math.isfinite(x) else x),
            "Nothing needs to be rounded: every bfloat16 is a float32 exactly.",
        ),
        (
            each(lambda x: round(x, 6) if math.isfinite(x) else x),
            "Nothing needs to be rounded: every bfloat16 is a float32 exactly.",
        ),
        (
            lambda data: [from_bits(word << 16 | 0xFFFF) for word in words(data)],
            "The lower 16 bits are taken to be zeros; yours are ones.",
        ),
        (
            lambda data: [0 for _ in words(data)],
            "All are 0: 16 bits shifted by 16 are gone, unless there is room for 32.",
        ),
        (
            lambda data: from_bfloat16(data)[:1],
            "Only the first number is there: `data` has two bytes for each.",
        ),
        (each(str), "The numbers should be floats, not texts."),
    ],
    right="The upper half of a float32 is a number of its own: the same range, in steps 65,536 "
    "times as wide.",
)
