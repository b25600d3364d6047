"""The check of exercise 9.6: Pages."""

import torch

from companion.exercises.exercise import Function


def read_pages(pages, table, length):
    return torch.cat([pages[page] for page in table], dim=1)[:, :length]


def pages_cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(n, heads, size, width, table, length):
        return torch.randn(n, heads, size, width, generator=generator), table, length

    plain = torch.arange(12.0).reshape(3, 1, 4, 1)
    return [
        (plain, [2, 0], 6),
        (plain, [1], 4),
        case(4, 3, 2, 5, [3, 1, 0], 5),
        case(6, 2, 3, 4, [0, 5, 2, 4], 12),
        case(5, 2, 4, 3, [4, 4, 1], 9),
        case(7, 3, 5, 2, [6, 2], 6),
    ]


def sorted_pages(pages, table, length):
    return read_pages(pages, sorted(table), length)


def first_pages(pages, table, length):
    return read_pages(pages, range(len(table)), length)


def not_cut(pages, table, length):
    return read_pages(pages, table, len(table) * pages.shape[2])


def last_tokens(pages, table, length):
    return read_pages(pages, table, len(table) * pages.shape[2])[:, -length:]


def mixed_up(pages, table, length):
    """Reshaped without bringing the pages beside their tokens first."""
    chosen = pages[table]
    return chosen.reshape(chosen.shape[1], -1, chosen.shape[3])[:, :length]


def tokens_first(pages, table, length):
    return read_pages(pages, table, length).transpose(0, 1)


def heads_on_top(pages, table, length):
    return torch.cat([pages[page] for page in table], dim=0)[:, :length]


def pages_by_turns(pages, table, length):
    return torch.stack([pages[page] for page in table], dim=2).flatten(1, 2)[:, :length]


def one_too_few(pages, table, length):
    return read_pages(pages, table, length - 1)


def each_page_once(pages, table, length):
    return read_pages(pages, list(dict.fromkeys(table)), length)


def last_page_is_empty(pages, table, length):
    out = read_pages(pages, table, length).clone()
    full = (length // pages.shape[2]) * pages.shape[2]
    return out[:, :full]


def reversed_table(pages, table, length):
    return read_pages(pages, table[::-1], length)


def where_the_page_would_be(pages, table, length):
    """The table turned round: the place of the text's page instead of its number."""
    return read_pages(pages, sorted(range(len(table)), key=table.__getitem__), length)


def end_of_the_last_page(pages, table, length):
    left = length - (len(table) - 1) * pages.shape[2]
    parts = [pages[page] for page in table[:-1]] + [pages[table[-1]][:, -left:]]
    return torch.cat(parts, dim=1)


def remainder_of_the_last_page(pages, table, length):
    left = length % pages.shape[2]
    parts = [pages[page] for page in table[:-1]] + [pages[table[-1]][:, :left]]
    return torch.cat(parts, dim=1)


def behind_the_last_page(pages, table, length):
    full, left = divmod(length, pages.shape[2])
    parts = [pages[page] for page in table[:full]] + [pages[table[full]][:, :left]]
    return torch.cat(parts, dim=1)


def zeros_behind(pages, table, length):
    found = not_cut(pages, table, length).clone()
    found[:, length:] = 0
    return found


def side_by_side(pages, table, length):
    return torch.cat([pages[page] for page in table], dim=2)[:, :length]


EXERCISE = Function(
    number="9.6",
    title="Pages",
    stars=3,
    wants="read_pages(pages, table, length)",
    cases=pages_cases,
    oracle=read_pages,
    shown="{f}(pages, {1}, {2}), pages = {0}",
    mistakes=[
        (sorted_pages, "You sorted the pages. The table says which comes first, wherever it lies."),
        (first_pages, "You took the first pages of the pool. The table names the text's own."),
        (not_cut, "The last page is not full: what lies behind `length` is not the text's."),
        (last_tokens, "You cut at the front. The text begins with the first token of the first page."),
        (
            mixed_up,
            "Heads and pages are mixed up: `pages[table]` is (pages, H, P, D), and a reshape does not move a "
            "dimension. Bring the pages beside their tokens first.",
        ),
        (tokens_first, "The shape is (tokens, H, D); (H, tokens, D) is wanted."),
        (
            heads_on_top,
            "You put the pages' heads below one another. A page goes on where the one before ends: dim 1.",
        ),
        (pages_by_turns, "The pages come by turns, a token of each. One after the other, whole."),
        (one_too_few, "The last token is missing."),
        (each_page_once, "A table may name a page twice; you kept it once."),
        (reversed_table, "The pages come backwards. The table has them in the order of the text."),
        (
            where_the_page_would_be,
            "An entry of the table is the number of a page in the pool; its place says which part of the "
            "text that is. You have it the other way round.",
        ),
        (
            end_of_the_last_page,
            "You took the end of the last page. A page fills up from its first place.",
        ),
        (
            remainder_of_the_last_page,
            "Where the last page is full, the remainder of `length` by `P` is 0, and you take nothing of it.",
        ),
        (
            behind_the_last_page,
            "Where the last page is full, no page comes behind it: the table has no such entry.",
        ),
        (zeros_behind, "The result ends with the text: (H, length, D), without zeros behind it."),
        (
            side_by_side,
            "You put the pages beside one another, as if keys got wider. A page goes on where the one before "
            "ends: dim 1.",
        ),
        (last_page_is_empty, "The last page is left out, though part of it is the text's."),
    ],
    right="With such a table nothing moves when a text grows, and texts that begin alike share their pages.",
)
