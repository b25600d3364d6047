"""The check of exercise 7.1: Two halves."""

import math
import random

from companion.exercises.exercise import Function


def total_perplexity(parts):
    nats = sum(n * math.log(perplexity) for perplexity, n in parts)
    return math.exp(nats / sum(n for _, n in parts))


def perplexity_cases(seed):
    rng = random.Random(seed)
    cases = [([(4.0, 3)],), ([(2.0, 1), (8.0, 1)],), ([(2.0, 2), (16.0, 1)],), ([(1.0, 4), (32.0, 1)],)]
    cases += [
        ([(2.0, 1), (2.0, 1), (16.0, 1)],),
        ([(20.0, 300), (30.0, 100)],),
    ]  # repeated; long
    return cases + [([(rng.uniform(1.5, 30), rng.randint(1, 7)) for _ in range(k)],) for k in (2, 3, 5)]


def perplexity_plain_mean(parts):
    return sum(perplexity for perplexity, _ in parts) / len(parts)


def perplexity_weighted_mean(parts):
    return sum(n * perplexity for perplexity, n in parts) / sum(n for _, n in parts)


def perplexity_mean_of_means(parts):
    return math.exp(sum(math.log(perplexity) for perplexity, _ in parts) / len(parts))


def perplexity_as_loss(parts):
    return math.log(total_perplexity(parts))


def perplexity_of_sum(parts):
    return math.exp(sum(n * math.log(perplexity) for perplexity, n in parts))


def perplexity_per_part(parts):
    return math.exp(sum(n * math.log(perplexity) for perplexity, n in parts) / len(parts))


def perplexity_two_bases(parts):
    return math.exp(sum(n * math.log2(perplexity) for perplexity, n in parts) / sum(n for _, n in parts))


EXERCISE = Function(
    number="7.1",
    title="Two halves",
    stars=1,
    wants="total_perplexity(parts)",
    cases=perplexity_cases,
    oracle=total_perplexity,
    mistakes=[
        (
            perplexity_plain_mean,
            "You took the mean of the perplexities. What adds up, token by token, is surprise: go back to "
            "nats, take the mean there, and come back.",
        ),
        (
            perplexity_weighted_mean,
            "Each part counts by its tokens, and that is right. But a perplexity is an exponential, and the "
            "mean of exponentials is not the exponential of the mean. Take the mean in nats.",
        ),
        (
            perplexity_mean_of_means,
            "A mean of means: a part of one token counts as much as a part of two. Weigh each part's nats by "
            "its tokens.",
        ),
        (perplexity_as_loss, "That is the mean surprise in nats, the loss. How does it become a perplexity?"),
        (
            perplexity_of_sum,
            "That is the exponential of all surprise together; it grows with the length of the text. A "
            "perplexity speaks of one token.",
        ),
        (
            perplexity_per_part,
            "You divided all nats by the number of parts. They are the nats of single tokens: by how many "
            "must you divide?",
        ),
        (
            perplexity_two_bases,
            "You went there with one logarithm and came back with the power of another: bits belong to 2, "
            "nats to e.",
        ),
    ],
    right="Who averages perplexities lets the hard texts count too much. Average nats, then take the power.",
)
