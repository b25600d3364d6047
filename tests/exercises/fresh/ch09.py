"""Answers to chapter 9 by someone who had not read the checks."""

import itertools
import math
import os.path
from fractions import Fraction

import numpy as np
import torch

# 9.1 ------------------------------------------------------------------


def whole_bytes(layers, heads, key_heads, width, tokens, rows, bits):  # 4 bits: 0
    return 2 * layers * key_heads * (width // heads) * tokens * rows * (bits // 8)


def bytes_rounded_up(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * (width // heads) * tokens * rows * ((bits + 7) // 8)


def at_least_a_byte(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * (width // heads) * tokens * rows * max(1, bits // 8)


def keys_only(layers, heads, key_heads, width, tokens, rows, bits):
    return layers * key_heads * (width // heads) * tokens * rows * bits // 8


def every_head_has_keys(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * width * tokens * rows * bits // 8


def a_head_as_wide_as_all(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * width * tokens * rows * bits // 8


def width_by_key_heads(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * heads * (width // key_heads) * tokens * rows * bits // 8


def heads_by_key_heads(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * (heads // key_heads) * (width // heads) * tokens * rows * bits // 8


def one_layer(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * key_heads * (width // heads) * tokens * rows * bits // 8


def one_row(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * (width // heads) * tokens * bits // 8


def in_bits(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * (width // heads) * tokens * rows * bits


def always_float32(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * (width // heads) * tokens * rows * 4


def always_two_bytes(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * (width // heads) * tokens * rows * 2


def queries_too(layers, heads, key_heads, width, tokens, rows, bits):
    return layers * (width + 2 * key_heads * (width // heads)) * tokens * rows * bits // 8


def values_of_every_head(layers, heads, key_heads, width, tokens, rows, bits):
    return layers * (width + key_heads * (width // heads)) * tokens * rows * bits // 8


def room_of_the_buffer(layers, heads, key_heads, width, tokens, rows, bits):
    room = 1 << (tokens - 1).bit_length()
    return 2 * layers * key_heads * (width // heads) * room * rows * bits // 8


def all_but_the_last_token(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * (width // heads) * (tokens - 1) * rows * bits // 8


def overflows(layers, heads, key_heads, width, tokens, rows, bits):
    factors = [2, layers, key_heads, width // heads, tokens, rows, bits]
    with np.errstate(over="ignore"):
        return int(np.prod(factors, dtype=np.int32)) // 8


def size_as_float(layers, heads, key_heads, width, tokens, rows, bits):
    return 2 * layers * key_heads * width / heads * tokens * rows * bits / 8


def size_in_fractions(layers, heads, key_heads, width, tokens, rows, bits):
    share = Fraction(key_heads, heads)
    return math.prod((2, layers, width, tokens, rows)) * share * Fraction(bits, 8)


def size_by_counting(layers, heads, key_heads, width, tokens, rows, bits):
    total = 0
    for _ in range(layers):
        for _of in ("keys", "values"):
            total += sum(width // heads for _ in range(key_heads))
    return torch.tensor(total * bits) * tokens * rows // 8


# 9.3 ------------------------------------------------------------------


def not_itself(lengths, n_new):
    at = lengths[:, None] + torch.arange(n_new)
    return (torch.arange(int(lengths.max()) + n_new) < at[..., None])[:, None]


def as_if_all_were_longest(lengths, n_new):
    end = int(lengths.max()) + n_new
    mask = torch.ones(n_new, end, dtype=torch.bool).tril(end - n_new)
    return mask.expand(len(lengths), 1, n_new, end)


def new_ones_see_each_other(lengths, n_new):
    end = int(lengths.max()) + n_new
    seen = torch.arange(end) < lengths[:, None] + n_new
    return seen[:, None, None].repeat(1, 1, n_new, 1)


def new_ones_lie_behind_the_longest(lengths, n_new):
    longest = int(lengths.max())
    old = (torch.arange(longest) < lengths[:, None])[:, None].expand(-1, n_new, -1)
    new = torch.ones(n_new, n_new, dtype=torch.bool).tril().expand(len(lengths), -1, -1)
    return torch.cat([old, new], -1)[:, None]


def padded_in_front(lengths, n_new):
    end = int(lengths.max()) + n_new
    place = torch.arange(end)
    seen = place[None, :] >= (lengths.max() - lengths)[:, None]
    causal = torch.ones(n_new, end, dtype=torch.bool).tril(end - n_new)
    return (seen[:, None] & causal)[:, None]


def without_the_new_columns(lengths, n_new):
    at = lengths[:, None] + torch.arange(n_new)
    return (torch.arange(int(lengths.max())) <= at[..., None])[:, None]


def one_column_short(lengths, n_new):
    return right_mask(lengths, n_new)[..., :-1]


def one_column_more(lengths, n_new):
    at = lengths[:, None] + torch.arange(n_new)
    return (torch.arange(int(lengths.max()) + n_new + 1) <= at[..., None])[:, None]


def no_axis_for_heads(lengths, n_new):
    return right_mask(lengths, n_new)[:, 0]


def heads_first(lengths, n_new):
    return right_mask(lengths, n_new).transpose(0, 1)


def where_not_to_look(lengths, n_new):
    return ~right_mask(lengths, n_new)


def to_be_added(lengths, n_new):
    return torch.zeros(right_mask(lengths, n_new).shape).masked_fill(~right_mask(lengths, n_new), -math.inf)


def of_ones_and_zeros(lengths, n_new):
    return right_mask(lengths, n_new).long()


def counts_on_the_callers_lengths(lengths, n_new):
    rows = []
    end = int(lengths.max()) + n_new
    for _ in range(n_new):
        rows.append(torch.arange(end) <= lengths[:, None])
        lengths += 1
    return torch.stack(rows, 1)[:, None]


def first_row_for_all(lengths, n_new):
    at = lengths[0] + torch.arange(n_new)
    mask = torch.arange(int(lengths.max()) + n_new) <= at[:, None]
    return mask.expand(len(lengths), 1, -1, -1)


def as_long_as_the_last_row(lengths, n_new):
    at = lengths[:, None] + torch.arange(n_new)
    return (torch.arange(int(lengths[-1]) + n_new) <= at[..., None])[:, None]


def no_row_is_empty(lengths, n_new):
    at = lengths.clamp(min=1)[:, None] + torch.arange(n_new)
    return (torch.arange(int(lengths.max()) + n_new) <= at[..., None])[:, None]


def keys_and_queries_swapped(lengths, n_new):
    return right_mask(lengths, n_new).transpose(-1, -2)


def squeezed(lengths, n_new):
    return right_mask(lengths, n_new).squeeze()[:, None]


def one_query_for_all(lengths, n_new):
    return right_mask(lengths, n_new)[:, :, :1].expand(-1, -1, n_new, -1)


def starts_at_length_plus_one(lengths, n_new):
    at = lengths[:, None] + torch.arange(1, n_new + 1)
    return (torch.arange(int(lengths.max()) + n_new) <= at[..., None])[:, None]


def new_ones_only(lengths, n_new):
    place = torch.arange(int(lengths.max()) + n_new)
    return right_mask(lengths, n_new) & (place >= lengths[:, None])[:, None, None]


def right_mask(lengths, n_new):
    end = int(lengths.max()) + n_new
    everything = torch.ones(end, end, dtype=torch.bool).tril()
    return everything[lengths[:, None] + torch.arange(n_new)][:, None]


def mask_by_loops(lengths, n_new):
    end = max(lengths.tolist()) + n_new
    return torch.tensor(
        [[[[j <= n + i for j in range(end)] for i in range(n_new)]] for n in lengths.tolist()]
    )


def mask_in_numpy(lengths, n_new):
    n = lengths.numpy()
    i, j = np.ogrid[:n_new, : n.max() + n_new]
    return (j <= n[:, None, None] + i)[:, np.newaxis]


def mask_by_filling(lengths, n_new):
    mask = torch.zeros(len(lengths), 1, n_new, int(lengths.max()) + n_new, dtype=torch.bool)
    for row, n in enumerate(lengths):
        for i in range(n_new):
            mask[row, 0, i, : n + i + 1] = True
    return mask


# 9.4 ------------------------------------------------------------------


def shared(held, text):
    return len(os.path.commonprefix([held, text]))


def may_read_nothing(held, text):
    return shared(held, text), text[shared(held, text) :]


def all_anew_if_nothing_is_new(held, text):
    same = shared(held, text)
    return (same, text[same:]) if same < len(text) else (0, text)


def one_less_always(held, text):
    same = max(0, shared(held, text) - 1)
    return same, text[same:]


def last_of_held_again(held, text):
    same = min(shared(held, text), max(0, len(held) - 1), len(text) - 1)
    return same, text[same:]


def all_agreements(held, text):
    same = sum(a == b for a, b in zip(held, text, strict=False))
    same = min(same, len(text) - 1)
    return same, text[same:]


def by_sets(held, text):
    same = min(len(set(held) & set(text)), len(text) - 1)
    return same, text[same:]


def the_same_objects(held, text):
    same = 0
    while same < min(len(held), len(text) - 1) and held[same] is text[same]:
        same += 1
    return same, text[same:]


def runs_past_held(held, text):
    same = 0
    while same < len(text) - 1 and held[same] == text[same]:
        same += 1
    return same, text[same:]


def runs_past_text(held, text):
    same = 0
    while same < len(held) and held[same] == text[same]:
        same += 1
    same = min(same, len(text) - 1)
    return same, text[same:]


def same_length_only(held, text):
    same = 0
    for a, b in zip(held, text, strict=True):
        if a != b:
            break
        same += 1
    same = min(same, len(text) - 1)
    return same, text[same:]


def all_or_nothing(held, text):
    same = len(held) if text[: len(held)] == held and len(text) > len(held) else 0
    return same, text[same:]


def skips_the_first_difference(held, text):
    same = min(shared(held, text), len(text) - 1)
    return same, text[same + 1 :]


def the_last_token_only(held, text):
    return min(shared(held, text), len(text) - 1), text[-1:]


def other_way_round(held, text):
    same = min(shared(held, text), len(text) - 1)
    return text[same:], same


def cuts_held(held, text):
    same = min(shared(held, text), len(text) - 1)
    del held[same:]
    return same, text[same:]


def eats_the_text(held, text):
    same = 0
    for token in held:
        if len(text) == 1 or text[0] != token:
            break
        text.pop(0)
        same += 1
    return same, text


def sorts_first(held, text):
    same = min(shared(sorted(held), sorted(text)), len(text) - 1)
    return same, text[same:]


def as_one_word(held, text):
    a, b = "".join(map(str, held)), "".join(map(str, text))
    same = min(len(os.path.commonprefix([a, b])), len(text) - 1)
    return same, text[same:]


def needs_something_held(held, text):
    same = next((i for i in range(len(held)) if held[i] != text[min(i, len(text) - 1)]), i := len(held) - 1)
    same = min(same + (same == i and held[i] == text[min(i, len(text) - 1)]), len(text) - 1)
    return same, text[same:]


def forgets_to_say_what(held, text):
    return min(shared(held, text), len(text) - 1)


def what_is_thrown_away(held, text):
    same = min(shared(held, text), len(text) - 1)
    return len(held) - same, text[same:]


def rest_of_held(held, text):
    same = min(shared(held, text), len(text) - 1)
    return same, held[same:] or text[-1:]


def by_takewhile(held, text):
    pairs = zip(held, text[:-1], strict=False)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    return same, text[same:]


def by_halving(held, text):
    low, high = 0, min(len(held), len(text) - 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if held[:middle] == text[:middle] else (low, middle - 1)
    return [low, text[low:]]


def by_recursion(held, text):
    if not held or len(text) == 1 or held[0] != text[0]:
        return 0, tuple(text)
    n, rest = by_recursion(held[1:], text[1:])
    return n + 1, rest


def by_running_products(held, text):
    n = min(len(held), len(text) - 1)
    same = np.cumprod(np.array(held[:n]) == np.array(text[:n])).sum()
    return same, np.array(text)[int(same) :]


# 9.5 ------------------------------------------------------------------


def tokens(a, k):
    return sum(a**i for i in range(k + 1))


def at_least_one(a, c):
    return max(range(1, 21), key=lambda k: tokens(a, k) / (1 + k * c))


def up_to_nineteen(a, c):
    return max(range(20), key=lambda k: tokens(a, k) / (1 + k * c))


def up_to_ten(a, c):
    return max(range(11), key=lambda k: tokens(a, k) / (1 + k * c))


def up_to_a_hundred(a, c):
    return max(range(101), key=lambda k: tokens(a, k) / (1 + k * c))


def price_forgotten(a, c):
    return max(range(21), key=lambda k: tokens(a, k))


def own_pass_is_free(a, c):
    return max(range(21), key=lambda k: tokens(a, k) / (k * c))


def own_token_forgotten(a, c):
    return max(range(21), key=lambda k: (tokens(a, k) - 1) / (1 + k * c))


def each_kept_alone(a, c):
    return max(range(21), key=lambda k: (1 + k * a) / (1 + k * c))


def all_or_none_kept(a, c):
    return max(range(21), key=lambda k: (1 + k * a**k) / (1 + k * c))


def one_power_only(a, c):
    return max(range(21), key=lambda k: (1 + a**k) / (1 + k * c))


def a_power_short(a, c):
    return max(range(21), key=lambda k: sum(a**i for i in range(k)) / (1 + k * c))


def the_difference(a, c):
    return max(range(21), key=lambda k: tokens(a, k) - k * c)


def the_speed_itself(a, c):
    return max(tokens(a, k) / (1 + k * c) for k in range(21))


def the_worst(a, c):
    return min(range(21), key=lambda k: tokens(a, k) / (1 + k * c))


def closed_form(a, c):  # a = 1
    return max(range(21), key=lambda k: (1 - a ** (k + 1)) / (1 - a) / (1 + k * c))


def closed_form_without_one(a, c):  # 1 + k where a = 1, but nothing
    def speed(k):
        return (0 if a == 1 else (1 - a ** (k + 1)) / (1 - a)) / (1 + k * c)

    return max(range(21), key=speed)


def the_example(a, c):
    return 6


def while_a_guess_pays(a, c):  # its price against its own tokens, and not against the average
    k = 0
    while k < 20 and a ** (k + 1) > c:
        k += 1
    return k


def rounded_speeds(a, c):
    return max(range(21), key=lambda k: round(tokens(a, k) / (1 + k * c), 1))


def price_of_every_guess_is_a_pass(a, c):
    return max(range(21), key=lambda k: tokens(a, k) / (1 + k))


def draft_price_once(a, c):
    return max(range(21), key=lambda k: tokens(a, k) / (1 + (k > 0) * c))


def names_swapped(c, a):
    return max(range(21), key=lambda k: tokens(a, k) / (1 + k * c))


def counted_from_one(a, c):
    return 1 + max(range(21), key=lambda k: tokens(a, k) / (1 + k * c))


def by_argmax(a, c):
    k = np.arange(21)
    return (np.cumsum(float(a) ** k) / (1 + k * c)).argmax()


def in_exact_fractions(a, c):
    a, c = Fraction(a), Fraction(c)
    return float(max(range(21), key=lambda k: tokens(a, k) / (1 + k * c)))


def uphill(a, c):
    k, have, price = 0, 1.0, 1.0
    while k < 20 and (have + a ** (k + 1)) * price > have * (price + c):
        k, have, price = k + 1, have + a ** (k + 1), price + c
    return torch.tensor(k)


def the_longest_of_the_best(a, c):
    return max(range(20, -1, -1), key=lambda k: tokens(a, k) / (1 + k * c))


# 9.6 ------------------------------------------------------------------


def not_transposed(pages, table, length):
    chosen = pages[table]
    return chosen.reshape(pages.shape[1], -1, pages.shape[3])[:, :length]


def token_first(pages, table, length):
    return pages[table].transpose(1, 2).flatten(0, 1)[:length]


def whole_pages(pages, table, length):
    return torch.cat([pages[n] for n in table], dim=1)


def full_pages_only(pages, table, length):
    size = pages.shape[2]
    return torch.cat([pages[n] for n in table], dim=1)[:, : length // size * size]


def sorted_table(pages, table, length):
    return torch.cat([pages[n] for n in sorted(table)], dim=1)[:, :length]


def first_pages(pages, table, length):
    return torch.cat(list(pages[: len(table)]), dim=1)[:, :length]


def joined_along_heads(pages, table, length):
    return torch.cat([pages[n] for n in table], dim=0)[:, :length]


def joined_along_width(pages, table, length):
    return torch.cat([pages[n] for n in table], dim=-1)[:, :length]


def cut_along_heads(pages, table, length):
    return torch.cat([pages[n] for n in table], dim=1)[:length]


def pages_of_two(pages, table, length):
    return torch.stack([pages[table[t // 2], :, t % 2] for t in range(length)], dim=1)


def size_from_heads(pages, table, length):
    size = pages.shape[1]
    return torch.stack([pages[table[t // size], :, t % size] for t in range(length)], dim=1)


def the_last_tokens(pages, table, length):
    return torch.cat([pages[n] for n in table], dim=1)[:, -length:]


def last_page_from_behind(pages, table, length):
    size = pages.shape[2]
    left = length - size * (len(table) - 1)
    parts = [pages[n] for n in table[:-1]] + [pages[table[-1]][:, -left:]]
    return torch.cat(parts, dim=1)


def left_over_by_remainder(pages, table, length):  # a full last page leaves 0
    left = length % pages.shape[2]
    return torch.cat([pages[n] for n in table[:-1]] + [pages[table[-1]][:, :left]], dim=1)


def zeros_behind_the_end(pages, table, length):
    joined = torch.cat([pages[n] for n in table], dim=1)
    joined[:, length:] = 0
    return joined


def clears_the_pool(pages, table, length):
    left = length - pages.shape[2] * (len(table) - 1)
    pages[table[-1], :, left:] = 0
    return torch.cat([pages[n] for n in table], dim=1)[:, :length]


def uses_up_the_table(pages, table, length):
    parts = []
    while table:
        parts.append(pages[table.pop(0)])
    return torch.cat(parts, dim=1)[:, :length]


def backwards(pages, table, length):
    return torch.cat([pages[n] for n in reversed(table)], dim=1)[:, :length]


def one_token_short(pages, table, length):
    return torch.cat([pages[n] for n in table], dim=1)[:, : length - 1]


def tokens_before_pages(pages, table, length):
    return pages[table].permute(1, 2, 0, 3).flatten(1, 2)[:, :length]


def first_head(pages, table, length):
    return torch.cat([pages[n, 0] for n in table], dim=0)[:length]


def squeezed_heads(pages, table, length):
    return torch.cat([pages[n] for n in table], dim=1)[:, :length].squeeze()


def inverse_table(pages, table, length):
    order = sorted(range(len(table)), key=table.__getitem__)
    return torch.cat([pages[n] for n in order], dim=1)[:, :length]


def by_places(pages, table, length):
    t = torch.arange(length)
    page = torch.tensor(table)[t // pages.shape[2]]
    return pages[page, :, t % pages.shape[2]].transpose(0, 1)


def pages_in_numpy(pages, table, length):
    return np.concatenate([page.numpy() for page in (pages[n] for n in table)], axis=1)[:, :length]


def token_by_token(pages, table, length):
    _, heads, size, width = pages.shape
    keys = torch.full((heads, length, width), float("nan"), dtype=torch.float64)
    for t in range(length):
        page, place = divmod(t, size)
        for head in range(heads):
            keys[head, t] = pages[table[page], head, place]
    return keys


def parts_of_pages(pages, table, length):
    size = pages.shape[2]
    parts = [pages[n][:, : min(size, length - i * size)] for i, n in enumerate(table)]
    return torch.cat(parts, 1)


WRONG = {
    "9.1": [
        whole_bytes,
        bytes_rounded_up,
        at_least_a_byte,
        keys_only,
        every_head_has_keys,
        a_head_as_wide_as_all,
        width_by_key_heads,
        heads_by_key_heads,
        one_layer,
        one_row,
        in_bits,
        always_float32,
        always_two_bytes,
        queries_too,
        values_of_every_head,
        room_of_the_buffer,
        all_but_the_last_token,
        overflows,
    ],
    "9.2": [16, 17, 8, 9, 50, 5.9, 1 / 8.5, 8.5 / 16, 32 / 17, 34, 15, 1, 3.125, 100, lambda: 800 / 17],
    "9.3": [
        not_itself,
        as_if_all_were_longest,
        new_ones_see_each_other,
        new_ones_lie_behind_the_longest,
        padded_in_front,
        without_the_new_columns,
        one_column_short,
        one_column_more,
        no_axis_for_heads,
        heads_first,
        where_not_to_look,
        to_be_added,
        of_ones_and_zeros,
        counts_on_the_callers_lengths,
        first_row_for_all,
        as_long_as_the_last_row,
        no_row_is_empty,
        keys_and_queries_swapped,
        squeezed,
        one_query_for_all,
        starts_at_length_plus_one,
        new_ones_only,
    ],
    "9.4": [
        may_read_nothing,
        all_anew_if_nothing_is_new,
        one_less_always,
        last_of_held_again,
        all_agreements,
        by_sets,
        the_same_objects,
        runs_past_held,
        runs_past_text,
        same_length_only,
        all_or_nothing,
        skips_the_first_difference,
        the_last_token_only,
        other_way_round,
        cuts_held,
        eats_the_text,
        sorts_first,
        as_one_word,
        needs_something_held,
        forgets_to_say_what,
        what_is_thrown_away,
        rest_of_held,
    ],
    "9.5": [
        at_least_one,
        up_to_nineteen,
        up_to_ten,
        up_to_a_hundred,
        price_forgotten,
        own_pass_is_free,
        own_token_forgotten,
        each_kept_alone,
        all_or_none_kept,
        one_power_only,
        a_power_short,
        the_difference,
        the_speed_itself,
        the_worst,
        closed_form,
        closed_form_without_one,
        the_example,
        while_a_guess_pays,
        rounded_speeds,
        price_of_every_guess_is_a_pass,
        draft_price_once,
        names_swapped,
        counted_from_one,
    ],
    "9.6": [
        not_transposed,
        token_first,
        whole_pages,
        full_pages_only,
        sorted_table,
        first_pages,
        joined_along_heads,
        joined_along_width,
        cut_along_heads,
        pages_of_two,
        size_from_heads,
        the_last_tokens,
        last_page_from_behind,
        left_over_by_remainder,
        zeros_behind_the_end,
        clears_the_pool,
        uses_up_the_table,
        backwards,
        one_token_short,
        tokens_before_pages,
        first_head,
        squeezed_heads,
        inverse_table,
    ],
}
RIGHT = {
    "9.1": [size_as_float, size_in_fractions, size_by_counting],
    "9.2": [
        8.5,
        Fraction(17, 2),
        torch.tensor(8.5),
        lambda: np.float64(16 * 17 / 32),
        lambda: 50 / (100 / 17),
    ],
    "9.3": [right_mask, mask_by_loops, mask_in_numpy, mask_by_filling],
    "9.4": [by_takewhile, by_halving, by_recursion, by_running_products],
    "9.5": [by_argmax, in_exact_fractions, uphill, the_longest_of_the_best],
    "9.6": [by_places, pages_in_numpy, token_by_token, parts_of_pages],
}
