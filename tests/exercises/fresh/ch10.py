"""Answers to chapter 10 by someone who had not read the checks."""

import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from companion.modern import RoPE, Shift, orthogonal

# 10.1 -----------------------------------------------------------------


def horizon_by_rope():
    return 2 * math.pi / RoPE(128, 8192, 500_000.0).speed[-1]


def horizon_by_turning():
    turned, tokens, speed = 0.0, 0, 500_000 ** (-2 * 63 / 128)
    while turned < 2 * math.pi:
        turned, tokens = turned + 100 * speed, tokens + 100
    return tokens


def horizon_in_decimals():
    return round(2 * np.pi * np.exp(np.log(500_000) * 126 / 128), 1)


# 10.2 -----------------------------------------------------------------


def down_to_a_whole_number(d_model, multiple):  # Llama's own code
    d_ff = int(2 * 4 * d_model / 3)
    return multiple * ((d_ff + multiple - 1) // multiple)


def down_to_a_multiple(d_model, multiple):
    return 8 * d_model // 3 // multiple * multiple


def nearest_multiple(d_model, multiple):
    return round(8 * d_model / 3 / multiple) * multiple


def always_one_more(d_model, multiple):
    return (8 * d_model // 3 // multiple + 1) * multiple


def strictly_more(d_model, multiple):
    d_ff = multiple
    while 3 * d_model * d_ff <= 8 * d_model * d_model:
        d_ff += multiple
    return d_ff


def multiple_forgotten(d_model, multiple):
    return math.ceil(8 * d_model / 3)


def always_eight(d_model, multiple):
    return -(-8 * d_model // 24) * 8


def decimal_thirds(d_model, multiple):
    return math.ceil(2.6667 * d_model / multiple) * multiple


def fewer_decimals(d_model, multiple):
    return math.ceil(2.66 * d_model / multiple) * multiple


def four_times(d_model, multiple):
    return math.ceil(4 * d_model / multiple) * multiple


def two_matrices(d_model, multiple):
    d_ff = multiple
    while 2 * d_model * d_ff < 8 * d_model * d_model:
        d_ff += multiple
    return d_ff


def one_matrix(d_model, multiple):
    return math.ceil(8 * d_model / multiple) * multiple


def with_biases(d_model, multiple):
    d_ff = multiple
    while 3 * d_model * d_ff < 8 * d_model * d_model + 5 * d_model:
        d_ff += multiple
    return d_ff


def never_wider_than_the_mlp(d_model, multiple):  # None where one multiple is more
    for d_ff in range(multiple, 4 * d_model + 1, multiple):
        if 3 * d_ff >= 8 * d_model:
            return d_ff


def from_the_mlp_down(d_model, multiple):  # begins at no multiple
    d_ff = 4 * d_model
    while 3 * (d_ff - multiple) >= 8 * d_model:
        d_ff -= multiple
    return d_ff


def power_of_two(d_model, multiple):
    return 2 ** math.ceil(math.log2(8 * d_model / 3))


def how_many_multiples(d_model, multiple):
    return -(-8 * d_model // (3 * multiple))


def width_from_a_multiple(d_model, multiple):  # rounds the model's width first
    return 8 * (-(-d_model // multiple) * multiple) // 3


def width_in_32_bits(d_model, multiple):
    with np.errstate(over="ignore"):
        numbers = np.int32(8) * np.int32(d_model) * np.int32(d_model)
    return int(-(-numbers // (3 * d_model * multiple)) * multiple)


def width_by_trying(d_model, multiple):
    d_ff = multiple * max(1, 8 * d_model // (3 * multiple) - 2)
    while 3 * d_model * d_ff < 2 * d_model * 4 * d_model:
        d_ff += multiple
    return d_ff


def width_in_fractions(d_model, multiple):
    return math.ceil(Fraction(8, 3) * d_model / multiple) * multiple


def width_by_counting_up(d_model, multiple):
    d_ff = multiple
    while 3 * d_model * d_ff < 8 * d_model * d_model:
        d_ff += multiple
    return d_ff


def width_in_floats(d_model, multiple):
    return float(math.ceil(8 / 3 * d_model / multiple) * multiple)


def width_by_remainder(d_model, multiple):
    least = (8 * d_model + 2) // 3
    return torch.tensor(least + -least % multiple)


def width_by_divmod(d_model, multiple):
    whole, rest = divmod(8 * d_model * d_model, 3 * d_model * multiple)
    return (whole + bool(rest)) * multiple


# 10.3 -----------------------------------------------------------------


def all_rows_at_once(weight, n_heads):
    return torch.cat([weight[0::2], weight[1::2]])


def to_neighbours(weight, n_heads):  # the way back
    return weight.unflatten(0, (n_heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def as_it_was(weight, n_heads):
    return weight.clone()


def seconds_first(weight, n_heads):
    return torch.cat([torch.cat([head[1::2], head[0::2]]) for head in weight.chunk(n_heads)])


def columns(weight, n_heads):
    return torch.cat([weight[:, 0::2], weight[:, 1::2]], dim=1)


def heads_of_four(weight, n_heads):
    return torch.cat([head[[0, 2, 1, 3]] for head in weight.split(4)])


def middle_swapped(weight, n_heads):
    out = weight.clone().unflatten(0, (n_heads, -1))
    half = out.shape[1] // 2
    out[:, [half - 1, half]] = out[:, [half, half - 1]]
    return out.flatten(0, 1)


def heads_kept_apart(weight, n_heads):
    return weight.unflatten(0, (n_heads, -1, 2)).transpose(1, 2).flatten(1, 2)


def heads_innermost(weight, n_heads):
    return weight.unflatten(0, (-1, 2, n_heads)).transpose(0, 1).flatten(0, 2)


def pairs_before_heads(weight, n_heads):
    return weight.unflatten(0, (n_heads, -1, 2)).permute(2, 0, 1, 3).flatten(0, 2)


def width_by_columns(weight, n_heads):  # takes C for H · D
    D = weight.shape[1] // n_heads
    rows = [torch.cat([head[0::2], head[1::2]]) for head in weight.split(max(1, D))]
    return torch.cat(rows)


def viewed_without_transposing(weight, n_heads):
    return weight.reshape(n_heads, -1, 2, weight.shape[1]).reshape(weight.shape)


def sorts_the_callers_rows(weight, n_heads):
    for head in weight.chunk(n_heads):
        head.copy_(torch.cat([head[0::2], head[1::2]]))
    return weight


def sorts_the_callers_then_copies(weight, n_heads):
    return sorts_the_callers_rows(weight, n_heads).clone()


def chunks_as_wide_as_heads_are_many(weight, n_heads):
    return torch.cat([torch.cat([head[0::2], head[1::2]]) for head in weight.split(n_heads)])


def second_half_backwards(weight, n_heads):
    return torch.cat([torch.cat([head[0::2], head[1::2].flip(0)]) for head in weight.chunk(n_heads)])


def first_head_only(weight, n_heads):
    head = weight.chunk(n_heads)[0]
    return torch.cat([head[0::2], head[1::2], weight[len(head) :]])


def pairs_in_the_columns_too(weight, n_heads):
    once = torch.cat([torch.cat([head[0::2], head[1::2]]) for head in weight.chunk(n_heads)])
    return torch.cat([once[:, 0::2], once[:, 1::2]], dim=1)


def thirds(weight, n_heads):
    return torch.cat([torch.cat([head[i::3] for i in range(3)]) for head in weight.chunk(n_heads)])


def halves_by_index(weight, n_heads):
    D = len(weight) // n_heads
    order = [h * D + 2 * i + j for h in range(n_heads) for j in range(2) for i in range(D // 2)]
    return weight[order]


def halves_in_numpy(weight, n_heads):
    rows = weight.detach().numpy().reshape(n_heads, -1, 2, weight.shape[1])
    return rows.swapaxes(1, 2).reshape(weight.shape)


def halves_by_matrix(weight, n_heads):
    D = len(weight) // n_heads
    turned = torch.zeros(D, D, dtype=torch.float64)
    for i in range(D // 2):
        turned[i, 2 * i] = turned[i + D // 2, 2 * i + 1] = 1
    return torch.kron(torch.eye(n_heads, dtype=torch.float64), turned) @ weight.double()


def halves_by_sorting(weight, n_heads):
    row = torch.arange(len(weight))
    D = len(weight) // n_heads
    key = row // D * 2 * D + row % 2 * D + row % D
    return weight.index_select(0, key.argsort())


# 10.4 -----------------------------------------------------------------


def distant_heads(weight, n_heads, n_kv_heads):  # heads 0, 2, 4 … to the first of two
    return weight.unflatten(0, (n_heads // n_kv_heads, n_kv_heads, -1)).mean(0).flatten(0, 1)


def added_up(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).sum(1).flatten(0, 1)


def first_of_each(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1))[:, 0].flatten(0, 1)


def last_of_each(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1))[:, -1].flatten(0, 1)


def first_and_last(weight, n_heads, n_kv_heads):
    cut = weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1))
    return ((cut[:, 0] + cut[:, -1]) / 2).flatten(0, 1)


def neighbouring_rows(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (-1, n_heads // n_kv_heads)).mean(1)


def the_middle_one(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).median(1).values.flatten(0, 1)


def mean_of_all_heads(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_heads, -1)).mean(0).repeat(n_kv_heads, 1)


def groups_of_kv_heads(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_heads // n_kv_heads, n_kv_heads, -1)).mean(1).flatten(0, 1)


def mean_within_a_head(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).mean(2).flatten(0, 1)


def pairs_of_heads(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (-1, 2, len(weight) // n_heads)).mean(1).flatten(0, 1)


def repeated_again(weight, n_heads, n_kv_heads):
    few = weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).mean(1)
    return few.repeat_interleave(n_heads // n_kv_heads, dim=0).flatten(0, 1)


def groups_kept_apart(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).mean(1)


def divided_by_all_heads(weight, n_heads, n_kv_heads):
    cut = weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1))
    return (cut.sum(1) / n_heads).flatten(0, 1)


def divided_by_two(weight, n_heads, n_kv_heads):
    return (weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).sum(1) / 2).flatten(0, 1)


def added_into_the_callers(weight, n_heads, n_kv_heads):
    cut = weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1))
    for i in range(1, n_heads // n_kv_heads):
        cut[:, 0] += cut[:, i]
    return (cut[:, 0] / (n_heads // n_kv_heads)).flatten(0, 1)


def halved_again_and_again(weight, n_heads, n_kv_heads):
    heads = list(weight.unflatten(0, (n_heads, -1)))
    while len(heads) > n_kv_heads:
        heads = [(a + b) / 2 for a, b in zip(heads[0::2], heads[1::2], strict=False)]
    return torch.cat(heads)


def running_mean(weight, n_heads, n_kv_heads):  # the last one counts half
    few = []
    for group in weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)):
        mean = group[0]
        for head in group[1:]:
            mean = (mean + head) / 2
        few.append(mean)
    return torch.cat(few)


def whole_numbers_only(weight, n_heads, n_kv_heads):
    cut = weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1))
    return (cut.sum(1) // (n_heads // n_kv_heads)).flatten(0, 1)


def columns_shared(weight, n_heads, n_kv_heads):
    return weight.unflatten(1, (-1, n_heads // n_kv_heads)).mean(2)


def head_width_from_columns(weight, n_heads, n_kv_heads):
    D = weight.shape[1] // n_heads
    return weight.view(n_kv_heads, -1, max(D, 1), weight.shape[1]).mean(1).flatten(0, 1)


def quarter_of_heads(weight, n_heads, n_kv_heads):  # the example: two
    return weight.unflatten(0, (2, n_heads // 2, -1)).mean(1).flatten(0, 1)


def few_by_loops(weight, n_heads, n_kv_heads):
    D, size = len(weight) // n_heads, n_heads // n_kv_heads
    rows = []
    for g in range(n_kv_heads):
        for d in range(D):
            rows.append(sum(weight[(g * size + h) * D + d] / size for h in range(size)))
    return torch.stack(rows)


def few_in_numpy(weight, n_heads, n_kv_heads):
    cut = np.split(weight.detach().numpy().astype(np.float64), n_kv_heads)
    return np.concatenate([np.mean(np.split(g, n_heads // n_kv_heads), axis=0) for g in cut])


def few_by_matrix(weight, n_heads, n_kv_heads):
    size = n_heads // n_kv_heads
    mean = torch.eye(n_kv_heads).repeat_interleave(size, dim=1) / size
    return torch.kron(mean, torch.eye(len(weight) // n_heads)).to(weight.dtype) @ weight


def few_by_pooling(weight, n_heads, n_kv_heads):
    heads = weight.reshape(1, n_heads, -1).transpose(1, 2)  # (1, D C, H)
    return F.avg_pool1d(heads, n_heads // n_kv_heads).transpose(1, 2).reshape(-1, weight.shape[1])


# 10.5 -----------------------------------------------------------------


def go(x, shares, before):
    n, whole = len(shares), torch.cat([before, x])
    return x + sum(s * whole[n - j : len(whole) - j] for j, s in enumerate(shares, 1)), whole


def right_one(x, shares, before):
    y, whole = go(x, shares, before)
    return y, whole[len(x) :]


def farthest_first(x, shares, before):
    return right_one(x, shares.flip(0), before)


def before_newest_first(x, shares, before):
    y, _ = go(x, shares, before.flip(0))
    return y, torch.cat([before, x])[len(x) :]


def hands_over_newest_first(x, shares, before):
    y, later = right_one(x, shares, before)
    return y, later.flip(0)


def forgets_before(x, shares, before):
    y, _ = go(x, shares, torch.zeros_like(before))
    return y, torch.cat([before, x])[len(x) :]


def end_of_x(x, shares, before):
    return go(x, shares, before)[0], x[-len(shares) :]


def end_of_x_or_zeros(x, shares, before):
    n = len(shares)
    return go(x, shares, before)[0], F.pad(x, (0, 0, n, 0))[-n:]


def hands_over_the_shifted(x, shares, before):
    y, _ = go(x, shares, before)
    return y, torch.cat([before, y])[len(x) :]


def hands_over_all(x, shares, before):
    return go(x, shares, before)


def hands_over_the_same(x, shares, before):
    return go(x, shares, before)[0], before.clone()


def hands_over_all_new(x, shares, before):
    return go(x, shares, before)[0], x.clone()


def without_itself(x, shares, before):
    y, later = right_one(x, shares, before)
    return y - x, later


def an_echo(x, shares, before):  # shares of what is already shifted
    n, whole = len(shares), list(before)
    for row in x:
        whole.append(row + sum(s * whole[-j] for j, s in enumerate(shares, 1)))
    return torch.stack(whole[n:]), torch.cat([before, x])[len(x) :]


def first_share_for_itself(x, shares, before):
    n, whole = len(shares), torch.cat([before, x])
    y = x + sum(s * whole[n - j : len(whole) - j] for j, s in enumerate(shares))
    return y, whole[len(x) :]


def nearest_only(x, shares, before):
    whole = torch.cat([before, x])
    return x + shares[0] * whole[len(before) - 1 : -1], whole[len(x) :]


def two_only(x, shares, before):
    whole = torch.cat([before, x])
    n = len(before)
    y = x + shares[0] * whole[n - 1 : -1] + shares[1] * whole[n - 2 : -2]
    return y, whole[-n:]


def one_share_for_all_numbers(x, shares, before):
    return right_one(x, shares.mean(1, keepdim=True).expand_as(shares), before)


def first_columns_shares(x, shares, before):
    return right_one(x, shares[:, :1].expand_as(shares), before)


def x_is_changed(x, shares, before):
    n, whole = len(shares), torch.cat([before, x])
    for j, s in enumerate(shares, 1):
        x += s * whole[n - j : len(whole) - j]
    return x, whole[len(x) :]


def before_is_changed(x, shares, before):
    y, later = right_one(x, shares, before)
    return y, before.copy_(later)


def swapped(x, shares, before):
    return right_one(x, shares, before)[::-1]


def shifted_only(x, shares, before):
    return go(x, shares, before)[0]


def last_n_minus_one(x, shares, before):
    y, whole = go(x, shares, before)
    return y, whole[-len(shares) + 1 :]


def one_too_old(x, shares, before):
    y, whole = go(x, shares, before)
    return y, whole[len(x) - 1 : -1] if len(x) else before


def looks_ahead(x, shares, before):
    n, whole = len(shares), torch.cat([before, x, torch.zeros_like(before)])
    y = x + sum(s * whole[n + j : n + j + len(x)] for j, s in enumerate(shares, 1))
    return y, torch.cat([before, x])[len(x) :]


def by_roll(x, shares, before):  # the end of x comes round
    y = x.clone()
    for j, s in enumerate(shares, 1):
        y = y + s * x.roll(j, dims=0)
    return y, torch.cat([before, x])[len(x) :]


def first_token_only_sees_before(x, shares, before):
    y, later = right_one(x, shares, before)
    alone = x + sum(s * F.pad(x, (0, 0, j, 0))[: len(x)] for j, s in enumerate(shares, 1))
    return torch.cat([y[:1], alone[1:]]), later


def by_shift(x, shares, before):
    class Memory:
        def remember(self, name, new, n):
            return torch.cat([before[None], new], dim=1)

    layer = Shift(x.shape[1], len(shares)).to(x.dtype)
    with torch.no_grad():
        layer.weight.copy_(shares)
        return layer(x[None], Memory())[0], torch.cat([before, x])[len(x) :]


def by_convolution(x, shares, before):
    C, whole = x.shape[1], torch.cat([before, x])
    kernel = torch.cat([shares.flip(0), torch.ones(1, C).to(x)]).T[:, None]  # (C, 1, n + 1)
    return [F.conv1d(whole.T[None], kernel, groups=C)[0].T, whole[len(x) :].clone()]


def token_by_token(x, shares, before):
    held, told = [row.clone() for row in before], []
    for row in x:
        told.append(row + sum(s * old for s, old in zip(shares, reversed(held), strict=True)))
        held = [*held[1:], row]
    return torch.stack(told), torch.stack(held)


def in_numpy(x, shares, before):
    x, shares, before = (t.numpy().astype(np.float64) for t in (x, shares, before))
    n, whole = len(shares), np.concatenate([before, x])
    y = np.array([whole[n + t] + (shares * whole[t : n + t][::-1]).sum(0) for t in range(len(x))])
    return y, whole[-n:]


def as_a_generator(x, shares, before):
    yield from right_one(x, shares, before)


def by_unfolding(x, shares, before):
    whole = torch.cat([before, x])
    seen = whole[:-1].unfold(0, len(shares), 1)  # (T, C, n), oldest first
    return x + torch.einsum("tcn,nc->tc", seen, shares.flip(0)), whole[-len(shares) :]


# 10.6 -----------------------------------------------------------------


def cubic(x, steps):
    for _ in range(steps):
        x = 1.5 * x - 0.5 * x @ x.T @ x
    return x


def as_muon(matrix):
    return orthogonal(matrix)


def as_muon_for_long(matrix):
    return orthogonal(matrix, steps=100)


def five_steps(matrix):
    return cubic(matrix.double() / matrix.norm(), 5)


def ten_steps(matrix):
    return cubic(matrix.double() / matrix.norm(), 10)


def fifteen_steps(matrix):
    return cubic(matrix.double() / matrix.norm(), 15)


def twenty_steps(matrix):  # enough where the others are small, too
    return cubic(matrix.double() / matrix.norm(), 20)


def as_it_comes(matrix):
    return cubic(matrix.double(), 60)


def largest_entry_to_one(matrix):
    return cubic(matrix.double() / matrix.abs().max(), 60)


def rows_to_one(matrix):
    return matrix / matrix.norm(dim=1, keepdim=True)


def columns_to_one(matrix):
    return matrix / matrix.norm(dim=0, keepdim=True)


def rows_to_one_then_steps(matrix):
    return cubic(matrix.double() / matrix.double().norm(dim=1, keepdim=True), 60)


def whole_to_one(matrix):
    return matrix / matrix.norm()


def by_qr(matrix):
    return torch.linalg.qr(matrix).Q


def by_gram_schmidt(matrix):
    tall = matrix.T if matrix.shape[0] < matrix.shape[1] else matrix
    columns = []
    for column in tall.double().T:
        for other in columns:
            column = column - (column @ other) * other
        columns.append(column / column.norm())
    out = torch.stack(columns, 1)
    return out.T if matrix.shape[0] < matrix.shape[1] else out


def left_vectors(matrix):
    return torch.linalg.svd(matrix, full_matrices=False).U


def right_vectors(matrix):
    return torch.linalg.svd(matrix, full_matrices=False).Vh


def all_left_vectors(matrix):  # right for square ones
    u, _, vh = torch.linalg.svd(matrix)
    return u @ vh


def not_transposed_back(matrix):
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    return u @ vh.T


def tall_lies_down(matrix):
    u, _, vh = torch.linalg.svd(matrix.T if len(matrix) > matrix.shape[1] else matrix, full_matrices=False)
    return u @ vh


def a_rotation(matrix):  # no mirror images
    u, s, vh = torch.linalg.svd(matrix.double(), full_matrices=False)
    signs = torch.ones_like(s)
    signs[-1] = torch.sign(torch.linalg.det(u.T @ u)) if len(matrix) != matrix.shape[1] else 1
    if len(matrix) == matrix.shape[1]:
        signs[-1] = torch.sign(torch.linalg.det(u @ vh))
    return u * signs @ vh


def signs_only(matrix):
    return matrix.sign()


def inverse_transposed(matrix):
    return torch.linalg.pinv(matrix).T


def ones_on_the_diagonal(matrix):
    return torch.eye(*matrix.shape, dtype=matrix.dtype)


def gram_forgotten_a_root(matrix):
    x = matrix.double()
    return torch.linalg.pinv(x @ x.T) @ x


def squares_only(matrix):
    values, vectors = torch.linalg.eig(matrix.to(torch.complex128))
    return (vectors @ torch.diag(values / values.abs()) @ torch.linalg.inv(vectors)).real


def symmetric_only(matrix):
    values, vectors = torch.linalg.eigh(matrix @ matrix.T)
    return vectors @ torch.diag(values.sign()) @ vectors.T @ torch.eye(*matrix.shape).to(matrix)


def a_wrong_sign(matrix):
    x = matrix.double() / matrix.norm()
    for _ in range(60):
        x = 1.5 * x + 0.5 * x @ x.T @ x
    return x


def by_elements(matrix):  # * instead of @
    x = matrix.double() / matrix.norm()
    for _ in range(60):
        x = 1.5 * x - 0.5 * x**3
    return x


def in_the_callers_matrix(matrix):
    matrix /= matrix.norm()
    for _ in range(60):
        matrix.copy_(1.5 * matrix - 0.5 * matrix @ matrix.T @ matrix)
    return matrix


def until_it_moves_little(matrix):  # small values move little at first
    x = matrix.double() / matrix.norm()
    while True:
        new = cubic(x, 1)
        if (new - x).abs().max() < 3e-2:
            return new
        x = new


def in_16_bits(matrix):
    return cubic(matrix.bfloat16() / matrix.bfloat16().norm(), 60).to(matrix.dtype)


def by_svd(matrix):
    u, _, vh = np.linalg.svd(matrix.numpy().astype(np.float64), full_matrices=False)
    return u @ vh


def by_root_of_the_gram(matrix):
    x = matrix.double()
    wide = x if len(x) <= x.shape[1] else x.T
    values, vectors = torch.linalg.eigh(wide @ wide.T)
    out = vectors @ torch.diag(values.rsqrt()) @ vectors.T @ wide
    return (out if len(x) <= x.shape[1] else out.T).to(matrix.dtype)


def by_newton(matrix):
    x = matrix.double()
    for _ in range(60):
        x = (x + torch.linalg.pinv(x, rtol=1e-12).T) / 2
    return x


def muon_first(matrix):
    return cubic(orthogonal(matrix.double(), 10).double(), 30)


def by_halves_of_root_three(matrix):
    x = matrix.double()
    return cubic(1.7 * x / torch.linalg.matrix_norm(x, 2), 200)


def until_it_is_even(matrix):
    x = matrix.double() / matrix.double().norm()
    wide = len(x) <= x.shape[1]
    one = torch.eye(min(x.shape), dtype=x.dtype)
    while ((x @ x.T if wide else x.T @ x) - one).abs().max() > 1e-9:
        x = cubic(x, 1)
    return x.to(matrix.dtype)


def svd_in_float32(matrix):
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    return (u @ v).tolist()


def in_the_callers_type(matrix):
    return cubic(matrix / matrix.norm(), 40)


WRONG = {
    "10.1": [
        100_000,
        1_000_000,
        1e7,
        lambda: 2 * math.pi * 500_000,
        lambda: 500_000 ** (126 / 128),
        lambda: math.pi * 500_000 ** (126 / 128),
        lambda: 2 * math.pi * 500_000 ** (63 / 128),
        lambda: 2 * math.pi * 500_000 ** (62 / 64),
        lambda: 2 * math.pi * 500_000 ** (127 / 128),
        lambda: 2 * math.pi * 500_000 ** (124 / 128),
        lambda: 2 * math.pi * 10_000 ** (126 / 128),
        lambda: 2 * math.pi * 500_000 ** (1 / 128),
        lambda: 500_000 ** (-126 / 128) / (2 * math.pi),
        lambda: 2 * math.pi / 500_000 ** (126 / 128),
        lambda: 360 * 500_000 ** (126 / 128),
        2 * math.pi,
        628,
        128_000,
        131_072,
        2_500_000,
        2_600_000,
        -2_559_000,
        math.inf,
        math.nan,
    ],
    "10.2": [
        down_to_a_whole_number,
        down_to_a_multiple,
        nearest_multiple,
        always_one_more,
        strictly_more,
        multiple_forgotten,
        always_eight,
        decimal_thirds,
        fewer_decimals,
        four_times,
        two_matrices,
        one_matrix,
        with_biases,
        never_wider_than_the_mlp,
        from_the_mlp_down,
        power_of_two,
        how_many_multiples,
        width_from_a_multiple,
        width_in_32_bits,
    ],
    "10.3": [
        all_rows_at_once,
        to_neighbours,
        as_it_was,
        seconds_first,
        columns,
        heads_of_four,
        middle_swapped,
        heads_kept_apart,
        heads_innermost,
        pairs_before_heads,
        width_by_columns,
        viewed_without_transposing,
        sorts_the_callers_rows,
        sorts_the_callers_then_copies,
        chunks_as_wide_as_heads_are_many,
        second_half_backwards,
        first_head_only,
        pairs_in_the_columns_too,
        thirds,
    ],
    "10.4": [
        distant_heads,
        added_up,
        first_of_each,
        last_of_each,
        first_and_last,
        neighbouring_rows,
        the_middle_one,
        mean_of_all_heads,
        groups_of_kv_heads,
        mean_within_a_head,
        pairs_of_heads,
        repeated_again,
        groups_kept_apart,
        divided_by_all_heads,
        divided_by_two,
        added_into_the_callers,
        halved_again_and_again,
        running_mean,
        whole_numbers_only,
        columns_shared,
        head_width_from_columns,
        quarter_of_heads,
    ],
    "10.5": [
        farthest_first,
        before_newest_first,
        hands_over_newest_first,
        forgets_before,
        end_of_x,
        end_of_x_or_zeros,
        hands_over_the_shifted,
        hands_over_all,
        hands_over_the_same,
        hands_over_all_new,
        without_itself,
        an_echo,
        first_share_for_itself,
        nearest_only,
        two_only,
        one_share_for_all_numbers,
        first_columns_shares,
        x_is_changed,
        before_is_changed,
        swapped,
        shifted_only,
        last_n_minus_one,
        one_too_old,
        looks_ahead,
        by_roll,
        first_token_only_sees_before,
    ],
    "10.6": [
        as_muon,
        as_muon_for_long,
        five_steps,
        ten_steps,
        fifteen_steps,
        twenty_steps,
        as_it_comes,
        largest_entry_to_one,
        rows_to_one,
        columns_to_one,
        rows_to_one_then_steps,
        whole_to_one,
        by_qr,
        by_gram_schmidt,
        left_vectors,
        right_vectors,
        all_left_vectors,
        not_transposed_back,
        tall_lies_down,
        a_rotation,
        signs_only,
        inverse_transposed,
        ones_on_the_diagonal,
        gram_forgotten_a_root,
        squares_only,
        symmetric_only,
        a_wrong_sign,
        by_elements,
        in_the_callers_matrix,
        until_it_moves_little,
        in_16_bits,
    ],
}
RIGHT = {
    "10.1": [
        2_560_000,
        Fraction(2_559_100),
        lambda: np.float32(2.559e6),
        horizon_by_rope,
        horizon_by_turning,
        horizon_in_decimals,
    ],
    "10.2": [
        width_by_trying,
        width_in_fractions,
        width_by_remainder,
        width_by_divmod,
        width_by_counting_up,
        width_in_floats,
    ],
    "10.3": [halves_by_index, halves_in_numpy, halves_by_matrix, halves_by_sorting],
    "10.4": [few_by_loops, few_in_numpy, few_by_matrix, few_by_pooling],
    "10.5": [right_one, by_shift, by_convolution, token_by_token, in_numpy, by_unfolding, as_a_generator],
    "10.6": [
        by_svd,
        by_root_of_the_gram,
        by_newton,
        muon_first,
        by_halves_of_root_three,
        until_it_is_even,
        in_the_callers_type,
        svd_in_float32,
    ],
}
