"""Answers to chapter 10's exercises."""

import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests

from companion.modern import LlamaConfig, RoPE, Shift

# -- 10.1 ------------------------------------------------------------------


def by_the_formula():
    return 2 * math.pi / 500_000 ** (-2 * 63 / 128)


def by_listing():
    speeds = [500_000 ** (-2 * i / 128) for i in range(64)]
    return max(2 * math.pi / speed for speed in speeds)


def by_logarithms():
    return math.exp(math.log(2 * math.pi) + (1 - 2 / 128) * math.log(500_000))


def in_numpy():
    return (2 * np.pi / np.float64(500_000) ** (-np.arange(0, 128, 2) / 128)).max()


def from_the_class():
    return 2 * math.pi / RoPE(128, 1, 500_000).speed.double().min()


# -- 10.2 ------------------------------------------------------------------


def by_counting_up(d_model, multiple):
    d_ff = multiple
    while 3 * d_model * d_ff < 8 * d_model**2:
        d_ff += multiple
    return d_ff


def by_fractions(d_model, multiple):
    return math.ceil(Fraction(8 * d_model, 3 * multiple)) * multiple


def in_two_steps(d_model, multiple):
    least = (8 * d_model + 2) // 3
    return least + -least % multiple


def by_divmod(d_model, multiple):
    whole, rest = divmod(8 * d_model, 3 * multiple)
    return (whole + (rest > 0)) * multiple


def with_floats(d_model, multiple):
    return math.ceil(8 * d_model / 3 / multiple) * multiple


def rounds_down(d_model, multiple):
    return 8 * d_model // 3 // multiple * multiple


def rounds_to_nearest(d_model, multiple):
    return round(8 * d_model / (3 * multiple)) * multiple


def four_c(d_model, multiple):
    return -(-4 * d_model // multiple) * multiple


def no_multiple(d_model, multiple):
    return -(-8 * d_model // 3)


def always_one_more(d_model, multiple):
    return (8 * d_model // (3 * multiple) + 1) * multiple


def counts_multiples(d_model, multiple):
    return -(-8 * d_model // (3 * multiple))


def only_the_default(d_model, multiple):
    return LlamaConfig(d_model=d_model, n_heads=1, head_width=2).d_ff if d_model < 10**6 else 0


def floors_first(d_model, multiple):
    return -(-(8 * d_model // 3) // multiple) * multiple


def two_thirds(d_model, multiple):
    return -(-2 * d_model // (3 * multiple)) * multiple


def as_text(d_model, multiple):
    return str(by_fractions(d_model, multiple))


# -- 10.3 ------------------------------------------------------------------


def by_transposing(weight, n_heads):
    return weight.view(n_heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def by_slices(weight, n_heads):
    heads = weight.chunk(n_heads)
    return torch.cat([part for head in heads for part in (head[0::2], head[1::2])])


def by_index(weight, n_heads):
    D = weight.shape[0] // n_heads
    order = torch.arange(D).view(-1, 2).T.flatten()
    return weight[(torch.arange(n_heads)[:, None] * D + order).flatten()]


def by_numpy(weight, n_heads):
    rows, columns = weight.shape
    return weight.numpy().reshape(n_heads, -1, 2, columns).swapaxes(1, 2).reshape(rows, columns).copy()


def by_product(weight, n_heads):
    return by_index(torch.eye(len(weight)), n_heads) @ weight


def the_way_back(weight, n_heads):
    return weight.unflatten(0, (n_heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def all_heads_at_once(weight, n_heads):
    return torch.cat([weight[0::2], weight[1::2]])


def unchanged(weight, n_heads):
    return weight


def second_first(weight, n_heads):
    return torch.cat([part for head in weight.chunk(n_heads) for part in (head[1::2], head[0::2])])


def swaps_neighbours(weight, n_heads):
    return weight.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


def sorts_columns(weight, n_heads):
    return torch.cat([weight[:, 0::2], weight[:, 1::2]], dim=1)


def keeps_three_levels(weight, n_heads):
    return weight.unflatten(0, (n_heads, -1, 2)).transpose(1, 2)


def heads_inside(weight, n_heads):
    return weight.unflatten(0, (-1, 2, n_heads)).transpose(0, 1).flatten(0, 2)


def pairs_and_heads(weight, n_heads):
    return weight.unflatten(0, (n_heads, -1, 2)).transpose(0, 1).flatten(0, 2)


def in_place(weight, n_heads):
    weight.copy_(by_slices(weight, n_heads))
    return weight


def only_the_first_head(weight, n_heads):
    D = len(weight) // n_heads
    return torch.cat([weight[:D:2], weight[1:D:2], weight[D:]])


# -- 10.4 ------------------------------------------------------------------


def by_three_levels(weight, n_heads, n_kv_heads):
    return weight.view(n_kv_heads, n_heads // n_kv_heads, -1, weight.shape[1]).mean(1).flatten(0, 1)


def by_loops(weight, n_heads, n_kv_heads):
    D, group = len(weight) // n_heads, n_heads // n_kv_heads
    new = torch.zeros(n_kv_heads * D, weight.shape[1])
    for head in range(n_heads):
        new[head // group * D : (head // group + 1) * D] += weight[head * D : (head + 1) * D] / group
    return new


def by_a_matrix(weight, n_heads, n_kv_heads):
    mix = torch.eye(n_kv_heads).repeat_interleave(n_heads // n_kv_heads, dim=1) * n_kv_heads / n_heads
    return torch.einsum("gh,hdc->gdc", mix, weight.unflatten(0, (n_heads, -1))).flatten(0, 1)


def numpy_means(weight, n_heads, n_kv_heads):
    heads = np.split(weight.numpy(), n_heads)
    group = n_heads // n_kv_heads
    return np.concatenate([np.mean(heads[i : i + group], axis=0) for i in range(0, n_heads, group)])


def sums(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).sum(1).flatten(0, 1)


def first_of_group(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1))[:, 0].flatten(0, 1)


def neighbouring_rows(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (-1, n_heads // n_kv_heads)).mean(1)


def strided_heads(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_heads // n_kv_heads, n_kv_heads, -1)).mean(0).flatten(0, 1)


def repeated_again(weight, n_heads, n_kv_heads):
    means = by_three_levels(weight, n_heads, n_kv_heads).unflatten(0, (n_kv_heads, -1))
    return means.repeat_interleave(n_heads // n_kv_heads, dim=0).flatten(0, 1)


def over_the_groups(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).mean(0).flatten(0, 1)


def the_first_heads(weight, n_heads, n_kv_heads):
    return weight[: len(weight) // n_heads * n_kv_heads]


def of_columns(weight, n_heads, n_kv_heads):
    return weight.mean(1, keepdim=True).expand_as(weight)


def one_for_all(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_heads, -1)).mean(0)


def largest(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).amax(1).flatten(0, 1)


def still_three_levels(weight, n_heads, n_kv_heads):
    return weight.unflatten(0, (n_kv_heads, n_heads // n_kv_heads, -1)).mean(1)


# -- 10.5 ------------------------------------------------------------------


def by_slicing(x, shares, before):
    n, whole = len(shares), torch.cat([before, x])
    out = x.clone()
    for j in range(1, n + 1):
        out += shares[j - 1] * whole[n - j : n - j + len(x)]
    return out, whole[-n:].clone()


def by_convolution(x, shares, before):
    whole = torch.cat([before, x])
    kernel = torch.cat([torch.ones_like(shares[:1]), shares]).flip(0)  # (n + 1, C), oldest first
    out = F.conv1d(whole.T[None], kernel.T[:, None], groups=x.shape[1])[0].T
    return out, whole[len(x) :]


def one_at_a_time(x, shares, before):
    memory, out = list(before), []
    for row in x:
        out.append(row + sum(w * old for w, old in zip(shares, reversed(memory), strict=True)))
        memory = [*memory[1:], row]
    return torch.stack(out), torch.stack(memory)


def with_the_class(x, shares, before):
    shift = Shift(x.shape[1], len(shares))
    with torch.no_grad():
        shift.weight.copy_(shares)
        whole = torch.cat([before, x])
        return shift(whole[None])[0, len(before) :], whole[len(x) :]


def lists_of_numpy(x, shares, before):
    out, memory = one_at_a_time(x, shares, before)
    return [out.numpy(), memory.tolist()]


def furthest_first(x, shares, before):
    return by_slicing(x, shares.flip(0), before)[0], by_slicing(x, shares, before)[1]


def memory_reversed(x, shares, before):
    return by_slicing(x, shares, before.flip(0))[0], by_slicing(x, shares, before)[1]


def not_itself(x, shares, before):
    out, memory = by_slicing(x, shares, before)
    return out - x, memory


def old_memory(x, shares, before):
    return by_slicing(x, shares, before)[0], before


def whole_memory(x, shares, before):
    return by_slicing(x, shares, before)[0], torch.cat([before, x])


def end_of_x(x, shares, before):
    return by_slicing(x, shares, before)[0], x[-len(shares) :]


def zeros_before(x, shares, before):
    return by_slicing(x, shares, torch.zeros_like(before))[0], by_slicing(x, shares, before)[1]


def includes_now(x, shares, before):
    n, whole = len(shares), torch.cat([before, x])
    out = x + sum(shares[j] * whole[n - j : n - j + len(x)] for j in range(n))
    return out, whole[len(x) :]


def shifted_memory(x, shares, before):
    out, _ = by_slicing(x, shares, before)
    return out, torch.cat([before, out])[-len(shares) :]


def only_the_output(x, shares, before):
    return by_slicing(x, shares, before)[0]


def newest_first(x, shares, before):
    out, memory = by_slicing(x, shares, before)
    return out, memory.flip(0)


def changes_x(x, shares, before):
    out, memory = by_slicing(x, shares, before)
    x.copy_(out)
    return x, memory


def padded_with_zeros(x, shares, before):
    n = len(shares)
    return by_slicing(x, shares, before)[0], F.pad(x, (0, 0, n, 0))[-n:]


# -- 10.6 ------------------------------------------------------------------


def by_svd(matrix):
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    return u @ v


def by_iteration(matrix):
    x = matrix.double() / matrix.double().norm()
    for _ in range(50):
        x = (3 * x - x @ x.T @ x) / 2
    return x.float()


def until_it_settles(matrix):
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).double()
    x = x / torch.linalg.matrix_norm(x, 2)
    for _ in range(200):
        new = 1.5 * x - 0.5 * x @ x.T @ x
        if (new - x).abs().max() < 1e-9:
            break
        x = new
    return (x if wide else x.T).to(matrix.dtype)


def numpy_svd(matrix):
    u, _, v = np.linalg.svd(matrix.numpy().astype(np.float64), full_matrices=False)
    return u @ v


def muon_s(matrix, steps=5):
    x = matrix.double() / matrix.double().norm()
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.float()


def many_of_muon_s(matrix):
    return muon_s(matrix, 40)


def five_steps(matrix):
    x = matrix.double() / matrix.double().norm()
    for _ in range(5):
        x = 1.5 * x - 0.5 * x @ x.T @ x
    return x.float()


def sixteen_steps(matrix):
    x = matrix.double() / matrix.double().norm()
    for _ in range(16):
        x = 1.5 * x - 0.5 * x @ x.T @ x
    return x.float()


def not_scaled(matrix):
    x = matrix.double()
    for _ in range(40):
        x = 1.5 * x - 0.5 * x @ x.T @ x
    return x.float()


def only_scaled(matrix):
    return matrix / matrix.norm()


def rows_of_length_one(matrix):
    return F.normalize(matrix, dim=1)


def columns_of_length_one(matrix):
    return F.normalize(matrix, dim=0)


def by_qr(matrix):
    return torch.linalg.qr(matrix)[0]


def inverse(matrix):
    return torch.linalg.pinv(matrix)


def transposed(matrix):
    return by_svd(matrix).T


def full_matrices(matrix):
    u, _, v = torch.linalg.svd(matrix)
    return u[:, : len(v)] @ v[: u.shape[1]] if u.shape == v.shape else u


def squares_only(matrix):
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError("not square")
    return by_svd(matrix)


def overwrites(matrix):
    matrix.copy_(by_svd(matrix))
    return matrix


NOT_YET = "expected"

ANSWERS = {
    "10.1": Answers(
        right=[by_the_formula, by_listing, by_logarithms, in_numpy, from_the_class, 2_560_000],
        wrong=[
            (3_141_593, "the last pair is number D/2 − 1"),
            (lambda: 500_000 ** (126 / 128), "A turn is longer"),
            (lambda: 360 * 500_000 ** (126 / 128), "radians"),
            (6.28319, "the fastest pair"),
            (lambda: 500_000 ** (-126 / 128), "That is the speed"),
            (lambda: 2 * math.pi * 500_000 ** (127 / 128), "The pairs are D/2"),
            (lambda: 2 * math.pi * 500_000 ** (63 / 128), "a 2 got lost"),
            (lambda: 2 * math.pi * 10_000 ** (126 / 128), "Llama 3 took another"),
            (42_807, "the chapter's own example"),
            (128_000, "too low"),
            (1e9, "too high"),
        ],
    ),
    "10.2": Answers(
        right=[by_counting_up, by_fractions, in_two_steps, by_divmod, with_floats],
        wrong=[
            (rounds_down, "You rounded down"),
            (rounds_to_nearest, "nearest"),
            (four_c, "half as many numbers again"),
            (no_multiple, "not a multiple"),
            (always_one_more, "One multiple too many"),
            (counts_multiples, "how many times"),
            (only_the_default, "whatever `multiple` says"),
            (floors_first, "You rounded 8/3 C down"),
            (two_thirds, "two thirds of that"),
            (as_text, NOT_YET),
        ],
    ),
    "10.3": Answers(
        right=[by_transposing, by_slices, by_index, by_numpy, by_product],
        wrong=[
            (the_way_back, "the way back"),
            (all_heads_at_once, "Each head is sorted by itself"),
            (unchanged, "Nothing has changed places"),
            (second_first, "The second halves come first"),
            (swaps_neighbours, "still are neighbours"),
            (sorts_columns, "You sorted the columns"),
            (keeps_three_levels, "joined again"),
            (heads_inside, "inside one another"),
            (pairs_and_heads, "heads and pairs"),
            (in_place, "changes its input"),
            (only_the_first_head, "Only the first head"),
        ],
    ),
    "10.4": Answers(
        right=[by_three_levels, by_loops, by_a_matrix, numpy_means],
        wrong=[
            (sums, "added the heads"),
            (first_of_group, "the first head of each group"),
            (neighbouring_rows, "numbers of the same head"),
            (strided_heads, "are neighbours"),
            (repeated_again, "as many heads as before"),
            (over_the_groups, "over the groups"),
            (the_first_heads, "You kept the first heads"),
            (of_columns, NOT_YET),
            (one_for_all, "to a single one"),
            (largest, "the largest number"),
            (still_three_levels, "joined again"),
        ],
    ),
    "10.5": Answers(
        right=[by_slicing, by_convolution, one_at_a_time, with_the_class, lists_of_numpy],
        wrong=[
            (furthest_first, "the vector just before"),
            (memory_reversed, "ordered as the text is"),
            (not_itself, "The vector itself is missing"),
            (old_memory, "has not moved on"),
            (whole_memory, "You hand over everything"),
            (end_of_x, "shorter than the memory"),
            (zeros_before, "do not use `before`"),
            (includes_now, "Off by one"),
            (shifted_memory, "as they came in"),
            (only_the_output, "two tensors"),
            (newest_first, "newest first"),
            (changes_x, "after the call, `x` is"),
            (padded_with_zeros, "you put zeros there"),
        ],
    ),
    "10.6": Answers(
        right=[by_svd, by_iteration, until_it_settles, numpy_svd],
        wrong=[
            (muon_s, "never settle"),
            (many_of_muon_s, "never settle"),
            (five_steps, "five steps are too few"),
            (sixteen_steps, "A few steps more"),
            (not_scaled, "It grew without bound"),
            (only_scaled, "as different as before"),
            (rows_of_length_one, "Each row has length 1"),
            (columns_of_length_one, "Each column has length 1"),
            (by_qr, "one column (or row) was made after another"),
            (inverse, "Inverted"),
            (transposed, "transposed"),
            (full_matrices, NOT_YET),
            (squares_only, "not square"),
            (overwrites, "changes its input"),
        ],
    ),
}


class TestChapter10(ExerciseTests):
    answers = ANSWERS
