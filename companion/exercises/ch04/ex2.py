"""The check of exercise 4.2: A window that slides."""

import torch

from companion.exercises.ch04.shared import causal, window_mask
from companion.exercises.exercise import Function


def window_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [(1, 1, 1), (1, 2, 1), (3, 3, 1), (4, 4, 2), (2, 5, 3), (1, 4, 2), (3, 3, 9)]
    cases += [(3, 3, 2), (3, 3, 3), (3, 3, 4), (1, 3, 3), (1, 3, 5), (2, 5, 7), (10, 10, 8), (4, 30, 17)]
    for n_query, n_key in ((6, 6), (4, 9), (1, 7)):
        window = int(torch.randint(2, 6, (), generator=generator))
        cases.append((n_query, n_key, window))
    return cases


def window_from_the_top(n_query, n_key, window):
    i, j = torch.arange(n_query)[:, None], torch.arange(n_key)
    return (j <= i) & (j > i - window)


def window_limit_from_the_top(n_query, n_key, window):
    return causal(n_query, n_key).triu(1 - window)


def window_both_sides(n_query, n_key, window):
    i, j = torch.arange(n_key - n_query, n_key)[:, None], torch.arange(n_key)
    return (i - j).abs() < window


EXERCISE = Function(
    number="4.2",
    title="A window that slides",
    stars=1,
    wants="window_mask(n_query, n_key, window)",
    cases=window_cases,
    oracle=window_mask,
    mistakes=[
        (
            lambda n_query, n_key, window: window_mask(n_query, n_key, window + 1),
            "A query sees one key too many. Its own position is one of the `window` that it may see.",
        ),
        (
            lambda n_query, n_key, window: window_mask(n_query, n_key, window - 1),
            "A query sees one key too few. With a window of 1 it still sees itself.",
        ),
        (
            window_both_sides,
            "Your window reaches into the future too. A query sees itself and what came before.",
        ),
        (
            window_from_the_top,
            "Your queries stand at the first positions. They are the last `n_query` of `n_key`, as in "
            "`causal_mask`: with 2 queries and 5 keys, at the positions 3 and 4.",
        ),
        (
            window_limit_from_the_top,
            "How far ahead a query may look is right; how far back is counted from the top left corner. The "
            "queries are the last ones: that staircase, too, must be shifted by n_key − n_query.",
        ),
        (
            lambda n_query, n_key, window: causal(n_query, n_key),
            "This is the causal mask: nothing limits how far back a query looks.",
        ),
        (
            lambda n_query, n_key, window: ~window_mask(n_query, n_key, window),
            "True and False are swapped: True is where a query may look.",
        ),
        (
            lambda n_query, n_key, window: causal(n_query, n_key) & (torch.arange(n_key) >= n_key - window),
            "All queries have the same window, the last keys. It should slide: each query has its own.",
        ),
        (
            lambda n_query, n_key, window: causal(n_query, n_key) & (torch.arange(n_key) < window),
            "All queries have the same window, the first keys. It should slide: each query has its own.",
        ),
        (
            lambda n_query, n_key, window: window_mask(n_query, n_key, window).float(),
            "The pattern is right, as numbers. A mask is of True and False: `attend` wants torch.bool.",
        ),
    ],
    right="Code that skips what is False now does the same work for each token, however long the text; "
    "mind what is lost.",
)
