"""The check of exercise 23.1: What a second text costs."""

from companion.exercises.exercise import Number

C = 768
MATRICES = 4 * C * C
BIASES = 4 * C
NORM = 2 * C

BLOCK_HAS = "A `Block` has one attention already; a `DecoderBlock` has one more, with one norm."

EXERCISE = Number(
    number="23.1",
    title="What a second text costs",
    stars=1,
    wants="extra_parameters()",
    answer=MATRICES + BIASES + NORM,
    tolerance=0.5,
    mistakes=[
        (MATRICES, "Those are the four matrices. Each projection has a bias, and there is a third norm."),
        (MATRICES + BIASES, "That is the cross-attention. It has a norm before it, as each part has."),
        (MATRICES + NORM, "The four projections have biases, C numbers each."),
        (MATRICES + BIASES + C, "A norm has a weight and a bias: 2 C numbers."),
        (3 * (C * C + C) + NORM, "Three projections make q, k and v; a fourth mixes the heads."),
        (
            MATRICES + BIASES + 2 * NORM,
            "There is one norm more, that before the cross-attention, and no second.",
        ),
        (12 * (MATRICES + BIASES + NORM), "That is for twelve blocks. One `DecoderBlock` is asked for."),
        (2 * (MATRICES + BIASES) + NORM, BLOCK_HAS),
        (2 * (MATRICES + BIASES + NORM), BLOCK_HAS),
        (
            3 * (C * C + C),
            "Three projections make q, k and v; a fourth mixes the heads. And where is the norm?",
        ),
        (
            12 * (MATRICES + BIASES) + NORM,
            "The heads share these matrices: each takes some of the columns.",
        ),
        (
            2 * (MATRICES + BIASES) + 3 * NORM + 8 * C * C + 5 * C,
            "That is a whole `DecoderBlock`. How many has it more than a `Block`?",
        ),
        (
            MATRICES + BIASES + 2 * NORM + 8 * C * C + 5 * C,
            "That is a whole `Block`. How many has a `DecoderBlock` more?",
        ),
    ],
    right="A third more than the 7.1 million of a `Block`: to read a second text has its price.",
)
