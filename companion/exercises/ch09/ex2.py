"""The check of exercise 9.2: The speed of memory."""

import random

from companion.exercises.exercise import Function


def most_tokens(weights, cache, rows, bandwidth):
    return rows * bandwidth / (weights + rows * cache)


def speed_cases(seed):
    rng = random.Random(seed)
    cases = [(4.0, 0.0, 1, 8.0), (8e9, 1e9, 4, 24e9), (2.0, 3.0, 1, 10.0), (6.0, 1.0, 3, 18.0)]
    for rows in (2, 7, 40):
        cases.append((rng.uniform(1, 20) * 1e9, rng.uniform(0.01, 2) * 1e9, rows, rng.uniform(10, 900) * 1e9))
    return cases


def of_one_row(weights, cache, rows, bandwidth):
    return bandwidth / (weights + rows * cache)


def weights_for_each(weights, cache, rows, bandwidth):
    return bandwidth / (weights + cache)


def one_cache_for_all(weights, cache, rows, bandwidth):
    return rows * bandwidth / (weights + cache)


def weights_only(weights, cache, rows, bandwidth):
    return rows * bandwidth / weights


def in_seconds(weights, cache, rows, bandwidth):
    return (weights + rows * cache) / bandwidth


def seconds_a_token(weights, cache, rows, bandwidth):
    return (weights + rows * cache) / bandwidth / rows


def sum_of_speeds(weights, cache, rows, bandwidth):
    return (
        rows * bandwidth / (rows * (weights + cache))
        if rows == 1
        else bandwidth / weights + bandwidth / cache
    )


def cache_twice(weights, cache, rows, bandwidth):
    return rows * bandwidth / (weights + 2 * rows * cache)


EXERCISE = Function(
    number="9.2",
    title="The speed of memory",
    stars=1,
    wants="most_tokens(weights, cache, rows, bandwidth)",
    cases=speed_cases,
    oracle=most_tokens,
    mistakes=[
        (of_one_row, "That is one row's share. A step gives a token to every row; count them all."),
        (
            weights_for_each,
            "As if each row fetched the weights anew. In a batch they come once a step, for all rows.",
        ),
        (one_cache_for_all, "Each row has keys and values of its own, and a step reads those of all rows."),
        (weights_only, "The keys and values have to be read, too."),
        (in_seconds, "These are the seconds of a step. How many steps are in a second, and how many tokens?"),
        (seconds_a_token, "These are seconds a token. Turn it round."),
        (cache_twice, "`cache` holds keys and values already; they are read once a step."),
        (sum_of_speeds, "Times add up, speeds do not: first all bytes of a step, then by the bandwidth."),
    ],
    right="With few rows the weights set the pace, with many the caches: then more rows gain nothing.",
)
