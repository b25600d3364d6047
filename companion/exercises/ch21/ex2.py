"""The check of exercise 21.2: The price of an accident."""

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="21.2",
    title="The price of an accident",
    stars=1,
    wants="bytes_of_the_accident()",
    answer=4e10,
    tolerance=1e8,
    mistakes=[
        (4e5, "That is the difference that was meant, (N,). What shape do (N, 1) and (N,) have together?"),
        (8e5, "That is what the two inputs take together. What shape do they stretch to?"),
        (1e10, "So many numbers there are. How many bytes is one of 32 bits?"),
        (8e10, "With 8 bytes each, that is float64. A float32 has 32 bits."),
        (3.2e11, "That is bits. A byte has eight."),
        (2e10, "With 2 bytes each, that is float16. A float32 has 32 bits."),
        (4e10 / 2**30, "In GiB, yes: give it in bytes."),
        (4e4, "In MB, yes: give it in bytes."),
        (40 * 2**30, "A thousand million bytes are no GiB: multiply 100,000 by 100,000 by the bytes of one."),
        (40, "In GB, yes: give it in bytes."),
    ],
    right="It is 40 GB where 400 KB were meant: at full size the accident shows as a lack of memory.",
)
