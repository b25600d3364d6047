"""The check of exercise 19.5: Bytes of a file."""

from companion.exercises.exercise import Function


def file_bytes(shapes, bits, group):
    return sum(packed(out, into, bits) + 2 * out * into // group for out, into in shapes)


def packed(out, into, bits):
    """Bytes of a matrix's integers; the last one counts in full."""
    return -(-out * into * bits // 8)


def cases(seed):
    made = [([(512, 128)], 4, 32), ([(512, 128)], 8, 128), ([], 4, 32)] if seed == 0 else []
    if seed == 0:  # three and six bits; a shape that comes twice; more bytes than 32 bits can count
        made += [
            ([(8, 32)], 3, 32),
            ([(16, 64)], 6, 16),
            ([(8, 32), (8, 32)], 4, 16),
            ([(65536, 131072)], 4, 128),
            ([(8, 12)], 3, 4),  # neither a row nor a group fills whole bytes
            ([(3, 5)], 3, 5),  # 45 bits: the matrix does not fill its last byte
            ([(1, 3), (1, 3)], 3, 3),  # 9 bits each: both last bytes count
            ([(1, 4), (3, 4)], 5, 4),
        ]
    shapes = [(64 + 8 * seed, 128), (96, 64), (32, 192 + 64 * seed)]
    return made + [(shapes, 4, 32), (shapes, 8, 64), (shapes[:2], 2, 16), (shapes[1:], 4, 64)]


def plus(rule):
    return lambda shapes, bits, group: sum(rule(out, into, bits, group) for out, into in shapes)


ROWS = "A row need not end with a byte: without gaps, the next row goes on in the same one."
GROUPS = "A group need not end with a byte: without gaps, the next group goes on in the same one."

EXERCISE = Function(
    number="19.5",
    title="Bytes of a file",
    stars=1,
    wants="file_bytes(shapes, bits, group)",
    cases=cases,
    oracle=file_bytes,
    mistakes=[
        (
            plus(lambda o, i, b, g: o * i * b // 8 + 2 * o * i // g),
            "`// 8` drops a byte that is filled in part. It has to be kept too: round up.",
        ),
        (
            lambda shapes, bits, group: (
                -(-sum(o * i for o, i in shapes) * bits // 8) + sum(2 * o * i // group for o, i in shapes)
            ),
            "Each matrix begins at a whole byte: round up for each of them, not once for all.",
        ),
        (plus(lambda o, i, b, g: packed(o, i, b)), "The scales need bytes, too."),
        (plus(lambda o, i, b, g: packed(o, i, b) + 2 * o), "Each group has a scale, not each row."),
        (
            plus(lambda o, i, b, g: packed(o, i, b) + 4 * o * i // g),
            "A scale is kept in two bytes, not four.",
        ),
        (plus(lambda o, i, b, g: packed(o, i, b) + o * i // g), "A scale is kept in two bytes, not one."),
        (plus(lambda o, i, b, g: o * i * b + 16 * o * i // g), "Those are bits; a byte has eight."),
        (plus(lambda o, i, b, g: packed(o, i, b) + 2 * i // g), "Every row has groups of its own."),
        (plus(lambda o, i, b, g: o * i * b + 2 * o * i // g), "The integers are counted in bits."),
        (plus(lambda o, i, b, g: o * i // 2 + 2 * o * i // g), "That is right for 4 bits; there are others."),
        (
            plus(lambda o, i, b, g: o * i * (b // 8) + 2 * o * i // g),
            "`bits // 8` is 0 below eight bits: multiply by the count before you divide.",
        ),
        (
            plus(lambda o, i, b, g: o * i * -(-b // 8) + 2 * o * i // g),
            "An integer of 4 bits takes half a byte, not a whole one.",
        ),
        (
            plus(lambda o, i, b, g: o * i // (8 // b) + 2 * o * i // g),
            "Integers of 3 bits are packed without gaps: eight of them in three bytes.",
        ),
        (plus(lambda o, i, b, g: o * -(-i * b // 8) + 2 * o * i // g), ROWS),
        (plus(lambda o, i, b, g: o * (i * b // 8) + 2 * o * i // g), ROWS),
        (plus(lambda o, i, b, g: o * i // g * -(-g * b // 8) + 2 * o * i // g), GROUPS),
        (plus(lambda o, i, b, g: o * i // g * (g * b // 8) + 2 * o * i // g), GROUPS),
        (
            lambda shapes, bits, group: file_bytes(list(dict.fromkeys(shapes)), bits, group),
            "Two matrices may have the same shape; each needs its bytes.",
        ),
        (
            lambda shapes, bits, group: file_bytes(shapes[:1], bits, group),
            "All matrices count, not the first alone.",
        ),
        (
            plus(lambda o, i, b, g: packed(o, i, b) + 2 * o * g),
            "You took `group` for the number of groups of a row.",
        ),
        (plus(lambda o, i, b, g: o * i * 4), "That is the size in float32."),
    ],
    right="Groups of 32 cost half a bit a weight: four bits are four and a half.",
)
