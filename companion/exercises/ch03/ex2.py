"""The check of exercise 3.2: Which came first?."""

import math

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="3.2",
    title="Which came first?",
    stars=1,
    wants="loss_at_the_end()",
    answer=math.log(2),
    tolerance=0.05,
    mistakes=[
        (
            0.0,
            "A loss of 0 would mean that it always knows which came first. Do the two orders of a pair "
            "give it different means, without a nonlinearity?",
        ),
        (
            math.log(10),
            "That is the loss of a model that finds all ten tokens alike. This one sees which two there are.",
        ),
        (1.0, "One question with two answers is one bit. The loss is in nats: how many of those is a bit?"),
        (
            0.5,
            "That may be the probability that it gives to the right token. Its loss is the surprise at it, "
            "minus the logarithm.",
        ),
        (math.log(9), "Nine tokens would be left if it knew one that is not the first. It knows more: both."),
        (math.log(20), "Ten tokens and two positions are in the tables. How many could be the answer?"),
    ],
    right="Half the time the wrong one, for ever: a straight sum cannot say which row stood where.",
)
