"""Wrong and right answers to chapter 12 by a stranger who had not seen the checks: they were judged wrongly.

Not settled by the exercises' wording, and so in neither list: a width of the MLP other than 4 C, rows longer
than the context, 0 tokens a second, a parameter that only a process without targets used, totals in int32,
NaN among gradients, generators as results, models put in eval mode.
"""

import math

import numpy as np
import torch

# 12.2 -----------------------------------------------------------------


def share(model, length, tokens_per_second, gpus, peak):
    c = model.config
    N = 12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model
    return (6 * N + 12 * c.n_layers * c.d_model * length) * tokens_per_second / (gpus * peak)


def share_at_most_1(*run):
    return min(1.0, share(*run))


def share_in_six_digits(*run):
    return round(share(*run), 6)


def share_by_logs(*run):
    return math.exp(math.log(share(*run)))


def share_of_whole_thousands(model, length, tokens_per_second, gpus, peak):
    return share(model, length, tokens_per_second, gpus, peak // 1000 * 1000)


def share_of_at_most(most):
    def answer(model, length, tokens_per_second, gpus, peak):
        return share(model, length, tokens_per_second, min(gpus, most), peak)

    return answer


def share_of_short_rows(model, length, *run):
    return share(model, min(length, 2048), *run)


def share_kept(model, length, tokens_per_second, gpus, peak, kept={}):  # noqa: B006
    c = model.config
    N = kept.setdefault(id(model), 12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model)
    return (6 * N + 12 * c.n_layers * c.d_model * length) * tokens_per_second / (gpus * peak)


def and_then(change, answer):
    """A right answer that changes its model."""

    def wrong(model, *run):
        found = answer(model, *run)
        change(model, *run)
        return found

    return wrong


def cut_to_one_block(model, *run):
    model.blocks = torch.nn.ModuleList(list(model.blocks)[:1])
    model.config.n_layers = 1


def shorten(model, length, *run):
    model.config.context_length = length + 1


def freeze(model, *run):
    for p in model.parameters():
        p.requires_grad_(False)


def leave_gradients(model, *run):
    for p in model.parameters():
        p.grad = torch.zeros_like(p)


def zero(model, *run):
    with torch.no_grad():
        model.norm.bias.add_(1)


CHANGES = [cut_to_one_block, shorten, freeze, leave_gradients, zero]

# 12.3 -----------------------------------------------------------------


def combined(parts, targets=None):
    targets = targets or sum(count for _, count in parts)
    out = []
    for column in zip(*[gradients for gradients, _ in parts], strict=True):
        there = [g for g in column if g is not None]
        out.append(sum(there) / targets if there else None)
    return out


def counted(how):
    return lambda parts: combined(parts, how([count for _, count in parts]) or None)


def four_processes(parts):
    return combined(parts[:4])


def eight_processes(parts):
    return combined(parts[:8], sum(count for _, count in parts))


def six_parameters(parts):
    return combined([(gradients[:6], count) for gradients, count in parts])


def clamped(parts):
    return [None if g is None else g.clamp(-1e4, 1e4) for g in combined(parts)]


def singles(parts):
    return [None if g is None else g.float() for g in combined(parts)]


def one_list(parts, out=[]):  # noqa: B006
    out[:] = combined(parts)
    return out


def einsum_in_float64(parts):
    targets, out = sum(count for _, count in parts), []
    for column in zip(*[gradients for gradients, _ in parts], strict=True):
        there = [g for g in column if g is not None]
        if not there:
            out.append(None)
            continue
        ones = torch.ones(len(there), dtype=torch.float64) / targets
        out.append(torch.einsum("r,r...->...", ones, torch.stack(there).double()).to(there[0].dtype))
    return out


# 12.4 -----------------------------------------------------------------


def bytes_of(model, length):
    c = model.config
    fixed = 16 * sum(p.numel() for p in model.parameters())
    return fixed, 4 * length * ((c.n_layers + 2) * c.d_model + c.vocab_size)


def rows(model, length, memory, gpus):
    fixed, row = bytes_of(model, length)
    return max(0, (memory * gpus - fixed) // (gpus * row))


def at_most(most):
    return lambda *given: min(most, rows(*given))


def each_entry_up(model, length, memory, gpus):
    fixed, row = bytes_of(model, length)
    share = -2 * (-fixed // 4 // gpus) - (-fixed // 2 // gpus)
    return max(0, (memory - share) // row)


def rows_in_float32(model, length, memory, gpus):
    fixed, row = map(np.float32, bytes_of(model, length))
    return int(max(np.float32(0), np.float32(memory) - fixed / np.float32(gpus)) // row)


def rows_in_gigabytes(model, length, memory, gpus):
    fixed, row = bytes_of(model, length)
    if memory < 1e9:
        return rows(model, length, memory, gpus)
    return int(max(0, (round(memory / 1e9, 1) - round(fixed / gpus / 1e9, 1)) // (row / 1e9)))


def eight_gpus(model, length, memory, gpus):
    return rows(model, length, memory, min(gpus, 8))


def twelve_layers(model, length, memory, gpus):
    c = model.config
    fixed, _ = bytes_of(model, length)
    row = 4 * length * ((min(12, c.n_layers) + 2) * c.d_model + c.vocab_size)
    return max(0, (memory * gpus - fixed) // (gpus * row))


def rows_kept(model, length, memory, gpus, kept={}):  # noqa: B006
    fixed, row = kept.setdefault(id(model), bytes_of(model, length))
    return max(0, (memory * gpus - fixed) // (gpus * row))


def floor_twice(model, length, memory, gpus):
    fixed, row = bytes_of(model, length)
    return max(0, (gpus * memory - fixed) // row // gpus)


def share_up(model, length, memory, gpus):
    """Memory is whole bytes, so a share that is rounded up to one takes no more."""
    fixed, row = bytes_of(model, length)
    return max(0, (memory - -(-fixed // gpus)) // row)


# 12.5 -----------------------------------------------------------------


def bottom(rows, margin=0.0, least=0.0):
    x, y = np.log([size for size, _ in rows]), [loss for _, loss in rows]
    p, q, _ = np.polyfit(x, y, 2)
    if p <= least or not x.min() + margin <= -q / (2 * p) <= x.max() - margin:
        return None
    return math.exp(-q / (2 * p))


def with_margin(margin):
    return lambda rows: bottom(rows, margin)


def without_repeats(rows):
    return bottom(list(dict.fromkeys(rows)))


def as_a_set(rows):
    return bottom(list(set(rows)))


def ten_rows(rows):
    return bottom(rows[:10])


def by_raw_normal_equations(rows):
    x, y = [math.log(size) for size, _ in rows], [loss for _, loss in rows]
    A = np.array([[sum(a ** (i + j) for a in x) for j in range(3)] for i in range(3)])
    b = [sum(a**i * loss for a, loss in zip(x, y, strict=True)) for i in range(3)]
    _, q, p = np.linalg.solve(A, b)
    return math.exp(-q / 2 / p) if p > 0 and min(x) <= -q / 2 / p <= max(x) else None


def by_log2(rows):
    x, y = np.log2([size for size, _ in rows]), [loss for _, loss in rows]
    p, q, _ = np.polyfit(x, y, 2)
    return 2 ** (-q / (2 * p)) if p > 0 and x.min() <= -q / (2 * p) <= x.max() else None


# 12.6 -----------------------------------------------------------------


def slices(m, n):
    size = -(-m // n)
    return [slice(min(i * size, m), min((i + 1) * size, m)) for i in range(n)]


def round_it(rank, world, numbers, skip=lambda received: False):
    mine, parts = list(numbers), slices(len(numbers), world)
    for k in range(world - 1):
        received = yield mine[parts[(rank - k) % world]]
        here = parts[(rank - k - 1) % world]
        mine[here] = [x + y for x, y in zip(mine[here], received, strict=True)]
    for k in range(world - 1):
        received = yield mine[parts[(rank + 1 - k) % world]]
        if not skip(received):
            mine[parts[(rank - k) % world]] = received
    return mine


def each_number(change):
    def answer(rank, world, numbers):
        return [change(x) for x in (yield from round_it(rank, world, numbers))]

    return answer


def before(change, after=float):
    def answer(rank, world, numbers):
        total = yield from round_it(rank, world, [change(x) for x in numbers])
        return [after(x) for x in total]

    return answer


def up_to(most):
    return lambda rank, world, numbers: round_it(rank, min(world, most), numbers)


def sums_of_zero_left(rank, world, numbers):
    return (yield from round_it(rank, world, numbers, skip=lambda received: not any(received)))


def not_for_none(rank, world, numbers):
    numbers[0]
    return (yield from round_it(rank, world, numbers))


BOARD = {}


def on_a_board(rank, world, numbers):
    BOARD[rank] = list(numbers)
    yield []
    return [sum(BOARD[r][i] for r in range(world)) for i in range(len(numbers))]


def running_sum(rank, world, numbers):
    if rank == 0:
        BOARD["sum"] = [0.0] * len(numbers)
    BOARD["sum"] = [x + y for x, y in zip(BOARD["sum"], numbers, strict=True)]
    for _ in range(2 * (world - 1)):
        yield []
    return list(BOARD["sum"])


def sends_to_itself(rank, world, numbers):
    if world == 1:
        return (yield list(numbers))
    return (yield from round_it(rank, world, numbers))


def padded(rank, world, numbers):
    size = -(-len(numbers) // world)
    longer = list(numbers) + [0.0] * (size * world - len(numbers))
    return (yield from round_it(rank, world, longer))[: len(numbers)]


def in_numpy(rank, world, numbers):
    mine, parts = np.array(numbers, dtype=float), np.array_split(np.arange(len(numbers)), world)
    for k in range(world - 1):
        mine[parts[(rank - k - 1) % world]] += yield mine[parts[(rank - k) % world]]
    for k in range(world - 1):
        mine[parts[(rank - k) % world]] = yield mine[parts[(rank + 1 - k) % world]]
    return mine


def three_idle_rounds(rank, world, numbers):
    for _ in range(3 * (world > 1)):
        yield []
    return (yield from round_it(rank, world, numbers))


WRONG = {
    "12.2": [
        share_at_most_1,
        share_in_six_digits,
        share_of_whole_thousands,
        *[share_of_at_most(most) for most in (9, 16, 64, 1024)],
        share_of_short_rows,
        share_kept,
        *[and_then(change, share) for change in CHANGES],
    ],
    "12.3": [
        counted(lambda counts: int(np.sum(counts).astype(np.int16))),
        counted(lambda counts: float(torch.tensor(counts).half().sum())),
        counted(lambda counts: float(torch.tensor(counts).bfloat16().sum())),
        four_processes,
        eight_processes,
        six_parameters,
        clamped,
        singles,
        one_list,
    ],
    "12.4": [
        *[at_most(most) for most in (100, 128, 512, 1000)],
        each_entry_up,
        rows_in_float32,
        rows_in_gigabytes,
        eight_gpus,
        twelve_layers,
        rows_kept,
        *[and_then(change, rows) for change in CHANGES],
    ],
    "12.5": [
        *[with_margin(margin) for margin in (0.01, 0.05, 0.3, -0.01, -0.05, -0.3)],
        without_repeats,
        as_a_set,
        ten_rows,
    ],
    "12.6": [
        up_to(7),
        up_to(8),
        on_a_board,
        running_sum,
        not_for_none,
        sums_of_zero_left,
        sends_to_itself,
        each_number(lambda x: round(x, 2)),
        each_number(lambda x: round(x, 6)),
        each_number(lambda x: float(np.float16(x))),
        each_number(lambda x: max(-1000.0, min(x, 1000.0))),
        each_number(lambda x: min(x, 1e6)),
        each_number(lambda x: math.floor(4 * x) / 4),
        before(lambda x: int(4 * x), lambda x: x / 4),
        before(np.float32),
    ],
}
RIGHT = {
    "12.2": [share, share_by_logs],
    "12.3": [combined, einsum_in_float64],
    "12.4": [rows, floor_twice, share_up],
    "12.5": [bottom, by_raw_normal_equations, by_log2],
    "12.6": [round_it, padded, in_numpy, three_idle_rounds],
}
