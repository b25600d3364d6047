"""The check of exercise 1.2: Twice the tokens."""

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="1.2",
    title="Twice the tokens",
    stars=1,
    wants="bytes_per_token()",
    answer=3.2 * 13 / 12,
    tolerance=0.012,
    mistakes=[
        (
            6.4,
            "Twice the tokens are not twice the questions: 8,192 takes one halving more than 4,096.",
        ),
        (
            3.2,
            "Then each token would cost one question more and hold no more than before.",
        ),
        (
            3.2 * 12 / 13,
            "The wrong way round: a token that costs more questions must hold more bytes, not fewer.",
        ),
        (3.75, "That is what a byte costs now, in bits. The question is how many bytes a token must hold."),
        (13 / 12, "That is the ratio of the two. Of what is it a ratio, and what was there before?"),
        (3.5, "Nearly. Give it to two decimals."),
    ],
    right="A doubled vocabulary has to earn one bit a token, here 8 % more bytes, before it gains anything.",
)
