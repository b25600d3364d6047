"""The check of exercise 17.1: How many numbers?"""

from companion.exercises.exercise import Number

LAYERS, RANK, WIDTH, KV = 32, 16, 4096, 1024
ANSWER = LAYERS * RANK * (2 * WIDTH + WIDTH + KV)

EXERCISE = Number(
    number="17.1",
    title="How many numbers?",
    stars=1,
    wants="numbers_of_the_adapter()",
    answer=ANSWER,
    tolerance=0,
    mistakes=[
        (
            LAYERS * RANK * 4 * WIDTH,
            "`v_proj` gives 1,024 numbers, not 4,096.",
        ),
        (LAYERS * RANK * 2 * WIDTH, "That is `q_proj` alone, or A alone of both."),
        (LAYERS * RANK * (WIDTH + KV), "That is `v_proj` alone, or B alone of both."),
        (RANK * (3 * WIDTH + KV), "That is one block's. There are 32."),
        (LAYERS * (WIDTH * WIDTH + WIDTH * KV), "Those are the frozen matrices' own numbers."),
        (LAYERS * RANK * RANK * (3 * WIDTH + KV), "The rank counts once in A and once in B, not squared."),
        (LAYERS * (3 * WIDTH + KV), "That is so at rank 1."),
        (LAYERS * RANK * 2 * WIDTH + 0.0 + LAYERS * RANK * 2 * KV, "A of `v_proj` reads 4,096 numbers."),
        (2 * ANSWER, "That is twice as many. A has rank times in, B out times rank."),
        (4 * ANSWER, "Those are bytes in float32. The numbers are asked for."),
        (8192, "That is the example's."),
        (ANSWER / 1e6, "In millions? All of them, please, one by one."),
        (6.8, "In millions? All of them, please, one by one."),
        *[
            (rounded, "Rounded? As many as there are, to the last one.")
            for rounded in (7_000_000, 6_800_000, 6_820_000, 6_816_000, 6_815_000, 6_815_700)
        ],
        (ANSWER / 4, "That is so at rank 4."),
        (ANSWER / 2, "That is so at rank 8."),
        (ANSWER / 8, "That is so in 4 blocks. There are 32."),
    ],
    right="That is 6.8 million beside 8 billion, less than a thousandth: 14 MB at two bytes each.",
)
