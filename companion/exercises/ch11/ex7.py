"""The check of exercise 11.7: The price of half a number."""

from companion.exercises.exercise import Number

SHARE = 1 / 257  # of 1 + 1/256, halfway between 1 and 1 + 1/128

EXERCISE = Number(
    number="11.7",
    title="The price of half a number",
    stars=1,
    wants="largest_change()",
    answer=SHARE,
    tolerance=SHARE / 80,  # 1/256 is right, too
    mistakes=[
        (
            2**-7,
            "That is the way from 1 to the next number. Rounded to the nearest, none goes further than half.",
        ),
        (
            1 / 129,
            "That is where the last bits are cut off. Rounded to the nearest, the way is half as long.",
        ),
        (
            2**-9,
            "Just below 2 the change is such a share. Just above 1 the step is as long, "
            "and the number smaller.",
        ),
        (2**-6, "That is twice the step above 1: seven bits behind the point make 128 steps from 1 to 2."),
        (2**-16, "There are sixteen bits in all, but only seven behind the point."),
        (2**-17, "There are sixteen bits in all, but only seven behind the point."),
        *[
            (n, "Is that in percent? As a share, one percent is 0.01.")
            for n in (0.39, SHARE * 100, 100 / 256)
        ],
        (0.004, "Nearly. It should be right to within 1 %."),
        (2**-11, "That is float16's, with ten bits behind the point. bfloat16 has seven."),
        (2**-12, "That is float16's, with ten bits behind the point. bfloat16 has seven."),
        (2**-10, "That is float16's, with ten bits behind the point. bfloat16 has seven."),
        (2**-24, "That is float32's, with 23 bits behind the point. bfloat16 has seven."),
        (2**-23, "That is float32's, with 23 bits behind the point. bfloat16 has seven."),
        (0.5, "Half a step, but how long is a step beside the number?"),
        (1.0, "So much only numbers change that are rounded to 0, far below those of a model."),
        (257, "So many times larger than the change is the number. The share is the other way round."),
        (256, "So many times larger than the change is the number. The share is the other way round."),
    ],
    right="At most four thousandths of a weight, up as often as down: sums over many weights hardly notice.",
)
