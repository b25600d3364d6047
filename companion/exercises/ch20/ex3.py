"""The check of exercise 20.3: Four bits, by hand."""

import random
import struct

from companion.exercises.exercise import Function


def decoded(number, form="<e", halves=None):
    """read_q4_0 with this number of a half byte, and this order of the halves of 16 bytes."""
    halves = halves or (lambda packed: [b % 16 for b in packed] + [b // 16 for b in packed])

    def answer(data):
        found = []
        for at in range(0, len(data), 18):
            [scale] = struct.unpack_from(form, data, at)
            found += [number(scale, q) for q in halves(data[at + 2 : at + 18])]
        return found

    return answer


def less_eight(scale, q):
    return scale * (q - 8)


read_q4_0 = decoded(less_eight)


def cases(seed):
    rng = random.Random(seed)

    def block(scale, packed):
        return struct.pack("<e", scale) + bytes(packed)

    made = []
    if seed == 0:
        made += [b"", block(0.5, [0x98] * 16), block(1, range(16)), block(0, [7] * 16)]
    for n in (1, 2, 5):
        made.append(b"".join(block(rng.uniform(-2, 2), rng.randbytes(16)) for _ in range(n)))
    return [(data,) for data in made]


def high_first(packed):
    return [b // 16 for b in packed] + [b % 16 for b in packed]


def in_turn(packed):
    return [q for b in packed for q in (b % 16, b // 16)]


def in_turn_high(packed):
    return [q for b in packed for q in (b // 16, b % 16)]


def scale_last(data):
    turned = b"".join(data[at + 16 : at + 18] + data[at : at + 16] for at in range(0, len(data), 18))
    return read_q4_0(turned)


def lowers_first(data):
    """The lower halves of all blocks, then the upper ones of all."""
    blocks = [read_q4_0(data[at : at + 18]) for at in range(0, len(data), 18)]
    return [x for block in blocks for x in block[:16]] + [x for block in blocks for x in block[16:]]


def first_scale(data):
    blocks = (data[:2] + data[at + 2 : at + 18] for at in range(0, len(data), 18))
    return read_q4_0(b"".join(blocks))


def but_the_last(data):
    return read_q4_0(data[:-18])


def in_rows(data):
    return [read_q4_0(data[at : at + 18]) for at in range(0, len(data), 18)]


def signed_bytes(packed):
    return [b % 16 for b in packed] + [b // 16 - 16 * (b > 127) for b in packed]


def not_shifted(packed):
    return [b % 16 for b in packed] + [b - b % 16 for b in packed]


def in_float16(scale, q):
    return struct.unpack("<e", struct.pack("<e", scale * (q - 8)))[0]


def from_bfloat16(data):
    found = []
    for at in range(0, len(data), 18):
        [scale] = struct.unpack("<f", b"\0\0" + data[at : at + 2])
        packed = data[at + 2 : at + 18]
        found += [scale * (q - 8) for q in [b % 16 for b in packed] + [b // 16 for b in packed]]
    return found


EXERCISE = Function(
    number="20.3",
    title="Four bits, by hand",
    stars=2,
    wants="read_q4_0(data)",
    cases=cases,
    oracle=read_q4_0,
    mistakes=[
        (decoded(less_eight, halves=in_turn), "The two halves of a byte are not neighbors: the lower halves "
         "of all 16 bytes come first."),
        (decoded(less_eight, halves=in_turn_high), "The lower halves of all 16 bytes come first."),
        (decoded(less_eight, halves=high_first), "The lower halves come first: `b % 16`, or `b & 15`."),
        (decoded(lambda scale, q: scale * q), "The whole numbers are counted from −8."),
        (decoded(lambda scale, q: scale * (q - 16 if q > 7 else q)), "Here 8 to 15 are no negative numbers: "
         "8 is subtracted from each."),
        (decoded(lambda scale, q: scale * (q - 7)), "One too many: 8 is subtracted."),
        (decoded(lambda scale, q: q - 8), "Each number is to be multiplied by its block's scale."),
        (decoded(lambda scale, q: scale * q - 8), "First 8 is subtracted, then the scale multiplies."),
        (decoded(less_eight, form=">e"), "The scale's lower byte comes first, as everywhere in a GGUF file."),
        (scale_last, "The scale stands in front of its 16 bytes."),
        (lambda data: read_q4_0(data[:18]), "There is more than one block."),
        (but_the_last, "The last block is missing."),
        (lowers_first, "One block after the other: its lower halves, its upper halves, then the next block."),
        (first_scale, "Each block has a scale of its own, in front of its 16 bytes."),
        (in_rows, "One list of all the numbers, please, not one for each block."),
        (decoded(less_eight, form="<h"), "The scale's two bytes are a float16, no whole number."),
        (from_bfloat16, "The scale is a float16; you read it as a bfloat16."),
        (decoded(lambda scale, q: scale * ((q - 8) % 256)), "Unsigned bytes know nothing below 0: 7 − 8 is "
         "255 there. Make other integers of them before you subtract."),
        (decoded(less_eight, halves=signed_bytes), "`>> 4` of a signed byte keeps its sign: 0x98 becomes −7. "
         "Read the bytes as unsigned ones."),
        (decoded(less_eight, halves=not_shifted), "The upper half is to be moved down by four bits."),
        (decoded(lambda scale, q: scale * (q - 7.5)), "Subtract 8: the numbers do not lie evenly around 0."),
        (decoded(in_float16), "A float16 rounds the products. Make the scale a float32, or a Python float, "
         "before you multiply."),
    ],
    right="On a CPU llama.cpp reads blocks so, too, multiplies the whole numbers, and takes the scale last.",
)  # fmt: skip
