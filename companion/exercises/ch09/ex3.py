"""The check of exercise 9.3: Each row its own end."""

import torch

from companion.exercises.exercise import Function


def cache_mask(lengths, n_new):
    at = lengths[:, None] + torch.arange(n_new)
    return (torch.arange(int(lengths.max()) + n_new) <= at[..., None])[:, None]


def mask_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.tensor([2, 4]), 2),
        (torch.tensor([0]), 3),
        (torch.tensor([1, 0]), 1),
        (torch.tensor([3, 3]), 2),
    ]
    for rows, n_new in ((3, 2), (5, 4), (4, 1)):
        cases.append((torch.randint(0, 9, (rows,), generator=generator), n_new))
    return cases


def strictly_before(lengths, n_new):
    at = lengths[:, None] + torch.arange(n_new)
    return (torch.arange(int(lengths.max()) + n_new) < at[..., None])[:, None]


def one_too_many(lengths, n_new):
    at = lengths[:, None] + torch.arange(n_new)
    return (torch.arange(int(lengths.max()) + n_new) <= at[..., None] + 1)[:, None]


def without_heads(lengths, n_new):
    return cache_mask(lengths, n_new)[:, 0]


def turned_round(lengths, n_new):
    return ~cache_mask(lengths, n_new)


def all_as_the_longest(lengths, n_new):
    return cache_mask(torch.full_like(lengths, int(lengths.max())), n_new)


def all_new_see_each_other(lengths, n_new):
    n_key = int(lengths.max()) + n_new
    seen = torch.arange(n_key) < (lengths + n_new)[:, None]
    return seen[:, None, None].expand(-1, 1, n_new, n_key)


def at_the_right_end(lengths, n_new):
    """As if the new keys lay behind the longest row's, in all rows."""
    longest = int(lengths.max())
    old = (torch.arange(longest) < lengths[:, None])[:, None, None].expand(-1, 1, n_new, longest)
    new = torch.ones(n_new, n_new, dtype=torch.bool).tril().expand(len(lengths), 1, -1, -1)
    return torch.cat([old, new], -1)


def old_keys_only(lengths, n_new):
    return cache_mask(lengths, n_new)[..., : int(lengths.max())]


def keys_by_queries(lengths, n_new):
    return cache_mask(lengths, n_new).transpose(-2, -1)


def all_as_the_first(lengths, n_new):
    row = cache_mask(lengths[:1], n_new)
    n_key = int(lengths.max()) + n_new
    return torch.nn.functional.pad(row, (0, n_key - row.shape[-1])).expand(len(lengths), -1, -1, -1)


def padded_in_front(lengths, n_new):
    """As if each row's keys ended at the longest row's end."""
    places = torch.arange(int(lengths.max()) + n_new)
    begun = places >= (lengths.max() - lengths)[:, None, None, None]
    return all_as_the_longest(lengths, n_new) & begun


def only_the_new(lengths, n_new):
    places = torch.arange(int(lengths.max()) + n_new)
    return cache_mask(lengths, n_new) & (places >= lengths[:, None, None, None])


def only_the_old(lengths, n_new):
    places = torch.arange(int(lengths.max()) + n_new)
    return cache_mask(lengths, n_new) & (places < lengths[:, None, None, None])


def one_query_for_all(lengths, n_new):
    return cache_mask(lengths, n_new)[:, :, :1].expand(-1, -1, n_new, -1)


EXERCISE = Function(
    number="9.3",
    title="Each row its own end",
    stars=2,
    wants="cache_mask(lengths, n_new)",
    cases=mask_cases,
    oracle=cache_mask,
    mistakes=[
        (strictly_before, "A token may look at itself."),
        (one_too_many, "Each query sees one key too many: the one behind it."),
        (without_heads, "One dimension is missing: all heads share the mask, so it is (B, 1, Tq, Tk)."),
        (turned_round, "Turned round: True is where a query may look."),
        (
            all_as_the_longest,
            "All rows have the mask of the longest. A shorter row would see what lies behind its own end.",
        ),
        (
            all_new_see_each_other,
            "The new tokens of a row see one another, those behind them included. Each query has a position "
            "of its own.",
        ),
        (
            at_the_right_end,
            "You put the new keys behind those of the longest row. They lie behind each row's own: at "
            "`lengths[b]` and after.",
        ),
        (old_keys_only, "The columns end too early: the new tokens have keys, too."),
        (
            keys_by_queries,
            "Rows and columns are exchanged: a row of the mask for each query, a column for each key.",
        ),
        (all_as_the_first, "All rows have the mask of the first. Each row has a length of its own."),
        (
            padded_in_front,
            "You left the gap in front of the shorter rows. Every row begins at place 0; what it does not "
            "fill lies behind its end.",
        ),
        (only_the_new, "What the cache holds may be seen as well: that is what it is kept for."),
        (only_the_old, "The new tokens have keys, too: each sees itself and the new ones before it."),
        (
            one_query_for_all,
            "All new tokens have the mask of the first. Each sees one key more than the last.",
        ),
    ],
    right="With this mask, texts of different lengths share a batch, and each gets what it would alone.",
)
