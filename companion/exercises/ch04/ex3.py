"""The check of exercise 4.3: Order out of nothing."""

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="4.3",
    title="Order out of nothing",
    stars=2,
    wants="different_outputs()",
    answer=24,
    tolerance=0.1,
    mistakes=[
        (
            1,
            "One layer cannot tell the orders apart. But what reaches the second layer are outputs of the "
            "first: has token 2 of them seen the same tokens in every order?",
        ),
        (
            4,
            "You may have reasoned that only the token before the last matters. Every token's output in the "
            "first layer knows which tokens came before it.",
        ),
        (
            120,
            "Only the first four tokens change places. How many orders do four have?",
        ),
        (
            576,
            "There are no more outputs than orders; each order is read by the two layers one after the "
            "other.",
        ),
        (
            23,
            "One output was lost, or two were taken for the same. Do you compare with a tolerance? "
            "Differences in the last digits are rounding, those above 0.001 are not.",
        ),
        (
            5,
            "That is the number of tokens. Count the different outputs of the last one, over all orders.",
        ),
    ],
    right="Two causal layers can tell any order without positions: the mask says who came before whom.",
)
