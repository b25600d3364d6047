"""The check of exercise 20.1: How many gigabytes?"""

from companion.exercises.exercise import Number

NUMBERS, BLOCK = 7e9, 32
ANSWER = NUMBERS / BLOCK * (2 + BLOCK / 2) / 1e9

EXERCISE = Number(
    number="20.1",
    title="How many gigabytes?",
    stars=1,
    wants="gigabytes()",
    answer=ANSWER,
    tolerance=0.005,
    mistakes=[
        (3.5, "Those are the halves of bytes alone. Each block has a scale, too."),
        (NUMBERS / BLOCK * (4 + BLOCK / 2) / 1e9, "A scale has 2 bytes, not 4."),
        (NUMBERS / BLOCK * (2 + BLOCK) / 1e9, "That is Q8_0. In Q4_0 two numbers share a byte."),
        (28, "That is float32."),
        (14, "That is float16."),
        (7, "That is a byte for each number, without scales."),
        (ANSWER * 8, "Those are gigabits. A byte has eight."),
        (ANSWER * 1e9, "Those are bytes. In gigabytes, please: billions of them."),
        (
            ANSWER * 1e9 / 2**30,
            "That counts 2 to the power of 30 bytes as one gigabyte. Here it is a billion.",
        ),
        (4.5, "Those are the bits of one number."),
        (18, "Those are the bytes of one block."),
        (36, "Those are the bytes of two blocks."),
        (ANSWER * 2, "In 36 bytes there are two blocks, with 64 numbers."),
        (ANSWER / 2, "A block of 18 bytes holds 32 numbers, not 64."),
        (7 * 18, "A block's 18 bytes are those of 32 numbers."),
        (7 * 36, "The 36 bytes are those of 64 numbers."),
        (ANSWER / 7, "Those are the bytes of one number."),
        (ANSWER * 1e3, "Those are megabytes. In gigabytes, please: billions of bytes."),
        (3.9, "Nearly: that is rounded. Two digits behind the point, please."),
        (4, "Nearly, but a whole number is too rough: two digits behind the point, please."),
    ],
    right="So it fits into a laptop's memory, where float16, with 14 GB, often does not.",
)
