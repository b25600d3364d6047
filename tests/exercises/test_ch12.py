"""Answers to chapter 12's exercises."""

import math
from fractions import Fraction

import numpy as np
import torch
from harness import Answers, ExerciseTests

from companion.exercises.ch12.shared import shapes
from companion.gpt import GPTConfig, gpt2
from companion.scaling import flops_per_token, matrix_parameters, training_bytes

# -- 12.1 ------------------------------------------------------------------


def by_the_chapter():
    model = gpt2(GPTConfig(context_length=1024, n_layers=32, n_heads=32, d_model=4096), meta=True)
    return matrix_parameters(model) / (2 * 32 * 4096)


def by_hand():
    return 6 * 4096


def by_looking():
    lengths = np.arange(1, 100_000)
    return lengths[np.abs(12 * 32 * 4096 * lengths - 6 * (12 * 32 * 4096**2 + 50257 * 4096)).argmin()]


# -- 12.2 ------------------------------------------------------------------


def used(model, length, tokens_per_second, gpus, peak):
    return flops_per_token(model, length) * tokens_per_second / (gpus * peak)


def used_by_config(model, length, tokens_per_second, gpus, peak):
    c = model.config
    N = 12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model
    return (6 * N + 12 * c.n_layers * c.d_model * length) / gpus * tokens_per_second / peak


def used_by_layers(model, length, tokens_per_second, gpus, peak):
    layers = [m for m in model.blocks.modules() if isinstance(m, torch.nn.Linear)]
    products = sum(m.in_features * m.out_features for m in layers) + model.embed.token.weight.numel()
    without = 2 * len(model.blocks) * model.config.d_model * length
    return Fraction(6 * (products + without) * round(10 * tokens_per_second), 10 * gpus * round(peak))


def used_in_torch(model, length, tokens_per_second, gpus, peak):
    N = [p.numel() for name, p in model.named_parameters() if p.ndim == 2 and "position" not in name]
    flops = 6 * torch.tensor(N, dtype=torch.float64).sum()
    flops += 12 * model.config.n_layers * model.config.d_model * length
    return flops * tokens_per_second / gpus / peak


def of(change):
    """A wrong answer made of the right one."""
    return lambda model, *run: change(used_by_config(model, *run), *run)


def weights_alone(model, length, tokens_per_second, gpus, peak):
    return 6 * matrix_parameters(model) * tokens_per_second / (gpus * peak)


def all_of_them(model, length, tokens_per_second, gpus, peak):
    N, c = sum(p.numel() for p in model.parameters()), model.config
    return (6 * N + 12 * c.n_layers * c.d_model * length) * tokens_per_second / (gpus * peak)


def blocks_alone(model, length, tokens_per_second, gpus, peak):
    c = model.config
    N = 12 * c.n_layers * c.d_model**2
    return (6 * N + 12 * c.n_layers * c.d_model * length) * tokens_per_second / (gpus * peak)


def at_full_length(model, length, tokens_per_second, gpus, peak):
    return used_by_config(model, model.config.context_length, tokens_per_second, gpus, peak)


def attention_once(model, length, tokens_per_second, gpus, peak):
    c = model.config
    N = 12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model
    return (6 * N + 12 * c.d_model * length) * tokens_per_second / (gpus * peak)


def with_a_batch(model, length, tokens_per_second, gpus, peak):
    """Widens its model."""
    model.config.d_model *= 2
    return used_by_config(model, length, tokens_per_second, gpus, peak)


# -- 12.3 ------------------------------------------------------------------


def by_sums(parts):
    n = sum(count for _, count in parts)
    means = []
    for column in zip(*[gradients for gradients, _ in parts], strict=True):
        there = [g for g in column if g is not None]
        means.append(torch.stack(there).sum(0) / n if there else None)
    return means


def by_adding_on(parts):
    totals, n = [None] * len(parts[0][0]), 0
    for gradients, count in parts:
        n += count
        for i, g in enumerate(gradients):
            if g is not None:
                totals[i] = g.double() if totals[i] is None else totals[i] + g
    return tuple(g if g is None else g.div(n).numpy() for g in totals)


def by_autograd(parts):
    """The gradient of a loss that is linear, as autograd has it."""
    n, out = sum(count for _, count in parts), []
    for column in zip(*[gradients for gradients, _ in parts], strict=True):
        there = [g for g in column if g is not None]
        if not there:
            out.append(None)
            continue
        p = torch.zeros_like(there[0], requires_grad=True)
        (sum((p * g).sum() for g in there) / n).backward()
        out.append(p.grad)
    return out


def each_mean(parts):
    return [
        sum(g / count for g, (_, count) in zip(column, parts, strict=True) if g is not None) / len(parts)
        if any(g is not None for g in column)
        else None
        for column in zip(*[gradients for gradients, _ in parts], strict=True)
    ]


def with_columns(change):
    """A wrong answer: (gradients that are there, counts of all) -> one."""

    def wrong(parts):
        counts, out = [count for _, count in parts], []
        for column in zip(*[gradients for gradients, _ in parts], strict=True):
            there = [g for g in column if g is not None]
            out.append(change(there, counts) if there else None)
        return out

    return wrong


def users_alone(parts):
    out = []
    for column in zip(*[gradients for gradients, _ in parts], strict=True):
        there = [(g, count) for g, (_, count) in zip(column, parts, strict=True) if g is not None]
        out.append(sum(g for g, _ in there) / max(1, sum(n for _, n in there)) if there else None)
    return out


def nones_fail(parts):
    n = sum(count for _, count in parts)
    return [sum(column) / n for column in zip(*[gradients for gradients, _ in parts], strict=True)]


def zero_for_nobody(parts):
    return [torch.tensor(0.0) if g is None else g for g in by_sums(parts)]


def only_those_used_by_all(parts):
    n = sum(count for _, count in parts)
    columns = zip(*[gradients for gradients, _ in parts], strict=True)
    return [sum(column) / n if all(g is not None for g in column) else None for column in columns]


def into_what_came(parts):
    n = sum(count for _, count in parts)
    (first, _), *rest = parts
    for gradients, _ in rest:
        for mine, g in zip(first, gradients, strict=True):
            if mine is not None and g is not None:
                mine += g
    return [None if g is None else g / n for g in first]


def counts_twice(parts):
    return by_sums([([None if g is None else g * n for g in gs], n) for gs, n in parts])


def the_used(parts):
    return [g for g in by_sums(parts) if g is not None]


# -- 12.4 ------------------------------------------------------------------


def by_division(model, length, memory, gpus):
    held = training_bytes(model, length, recompute=True)
    fixed = held["weights"] + held["gradients"] + held["averages"]
    return max((memory * gpus - fixed) // (gpus * held["activations"]), 0)


def by_counting_up(model, length, memory, gpus):
    c, P = model.config, sum(p.numel() for p in model.parameters())
    rows = 0
    while Fraction(16 * P, gpus) + 4 * (rows + 1) * length * kept(c) <= memory:
        rows += 1
    return rows


def kept(c):
    return c.d_model * (c.n_layers + 2) + c.vocab_size


def by_numpy(model, length, memory, gpus):
    P = np.sum([np.prod(p.shape, dtype=np.int64) for p in model.parameters()])
    left = memory - 16 * P / gpus
    return np.floor(np.clip(left, 0, None) / (4.0 * length * kept(model.config)))


def parts_of(model, length):
    """(fixed bytes, bytes of a row)."""
    return 16 * sum(p.numel() for p in model.parameters()), 4 * length * kept(model.config)


def wrong_rows(change):
    """A wrong answer: (fixed, row, memory, gpus) -> rows."""
    return lambda model, length, memory, gpus: change(*parts_of(model, length), memory, gpus)


def keeping_all(model, length, memory, gpus):
    held = training_bytes(model, length)
    row = held.pop("activations")
    return max((memory * gpus - sum(held.values())) // (gpus * row), 0)


def weights_of_matrices(model, length, memory, gpus):
    c = model.config
    fixed = 16 * (12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model)
    return max(0, (memory * gpus - fixed) // (gpus * 4 * length * kept(c)))


def without_loss(model, length, memory, gpus):
    fixed, _ = parts_of(model, length)
    c = model.config
    return max(0, (memory * gpus - fixed) // (gpus * 4 * length * c.d_model * (c.n_layers + 2)))


# -- 12.5 ------------------------------------------------------------------


def by_polyfit(rows):
    x, y = np.log([size for size, _ in rows]), [loss for _, loss in rows]
    p, q, _ = np.polyfit(x, y, 2)
    bottom = -q / (2 * p)
    return np.exp(bottom) if p > 0 and x.min() <= bottom <= x.max() else None


def by_lstsq(rows):
    data = torch.tensor(sorted(rows), dtype=torch.float64)
    x, y = data[:, :1].log(), data[:, 1:]
    c, b, a = torch.linalg.lstsq(x ** torch.arange(3), y).solution.flatten().tolist()
    if a > 0 and x[0].item() <= -b / a / 2 <= x[-1].item():
        return math.exp(-b / a / 2)
    return None


def by_orthogonal_polynomials(rows):
    """Gram and Schmidt: 1, u, and a square that is orthogonal to both."""
    x = np.log2([size for size, _ in rows])
    y, u = np.array([loss for _, loss in rows]), x - x.mean()
    s = u**2 - (u**2).mean() - u * (u**3).sum() / (u**2).sum()
    q, p = (u * y).sum() / (u**2).sum(), (s * y).sum() / (s**2).sum()
    if p <= 0:
        return None
    bottom = x.mean() + ((u**3).sum() / (u**2).sum() - q / p) / 2
    return round(2**bottom) if x.min() < bottom < x.max() else None


def the_lowest(rows):
    return min(rows, key=lambda row: row[1])[0]


def over_n(rows):
    x, y = np.array([size for size, _ in rows]) / 1e6, [loss for _, loss in rows]
    p, q, _ = np.polyfit(x, y, 2)
    return -q / (2 * p) * 1e6 if p > 0 and x.min() <= -q / (2 * p) <= x.max() else None


def anywhere(rows):
    p, q, _ = np.polyfit(np.log([size for size, _ in rows]), [loss for _, loss in rows], 2)
    return math.exp(min(700, -q / (2 * p))) if p > 0 else None


def tops_too(rows):
    x = np.log([size for size, _ in rows])
    p, q, _ = np.polyfit(x, [loss for _, loss in rows], 2)
    return math.exp(-q / (2 * p)) if x.min() <= -q / (2 * p) <= x.max() else None


def log_of_it(rows):
    found = by_polyfit(rows)
    return None if found is None else math.log(found)


def e_for_ten(rows):
    x, y = np.log10([size for size, _ in rows]), [loss for _, loss in rows]
    p, q, _ = np.polyfit(x, y, 2)
    return math.exp(-q / (2 * p)) if p > 0 and x.min() <= -q / (2 * p) <= x.max() else None


def neighbours_of_the_lowest(rows):
    rows = sorted(rows)
    i = rows.index(min(rows, key=lambda row: row[1]))
    return by_polyfit(rows[i - 1 : i + 2]) if 0 < i < len(rows) - 1 else None


def relative(rows):
    x, y = np.log([size for size, _ in rows]), np.array([loss for _, loss in rows])
    p, q, _ = np.polyfit(x, y, 2, w=1 / y)
    return math.exp(-q / (2 * p)) if p > 0 and x.min() <= -q / (2 * p) <= x.max() else None


def in_order_given(rows):
    x, y = np.log([size for size, _ in rows]), [loss for _, loss in rows]
    p, q, _ = np.polyfit(x, y, 2)
    return math.exp(-q / (2 * p)) if p > 0 and x[0] <= -q / (2 * p) <= x[-1] else None


def in_a_dict(rows):
    return by_polyfit(list(dict(rows).items()))


def end_of_range(rows):
    x = np.log([size for size, _ in rows])
    p, q, _ = np.polyfit(x, [loss for _, loss in rows], 2)
    return math.exp(np.clip(-q / (2 * p), x.min(), x.max())) if p > 0 else None


def by_normal_equations(rows):
    """In float32, where the squares of squares of logs lose what matters."""
    data = torch.tensor(rows)
    x, y = data[:, :1].log(), data[:, 1:]
    X = x ** torch.arange(3)
    c, b, a = torch.linalg.solve(X.T @ X, X.T @ y).flatten().tolist()
    return math.exp(-b / a / 2) if a > 0 and x.min().item() <= -b / a / 2 <= x.max().item() else None


def sorts_them(rows):
    rows.sort()
    return by_polyfit(rows)


def not_a_number(rows):
    found = by_polyfit(rows)
    return math.nan if found is None else found


# -- 12.6 ------------------------------------------------------------------


def in_two_passes(rank, world, numbers):
    size = math.ceil(len(numbers) / world)
    parts = [list(numbers[i * size : (i + 1) * size]) for i in range(world)]
    for k in range(world - 1):
        arrived = yield parts[(rank - k) % world]
        mine = parts[(rank - k - 1) % world]
        for i, x in enumerate(arrived):
            mine[i] += x
    for k in range(world - 1):
        parts[(rank - k) % world] = yield parts[(rank + 1 - k) % world]
    return sum(parts, [])


def with_tensors(rank, world, numbers):
    parts = list(torch.tensor(numbers, dtype=torch.float64).tensor_split(world))
    here = rank
    for k in range(2 * (world - 1)):
        arrived = torch.tensor((yield parts[here]), dtype=torch.float64)
        here = (here - 1) % world
        parts[here] = arrived + parts[here] * (k < world - 1)
    return torch.cat(parts)


def every_other(rank, world, numbers):
    mine = list(numbers)
    for k in range(world - 1):
        arrived = yield mine[(rank - k) % world :: world]
        for x, i in zip(arrived, range((rank - k - 1) % world, len(mine), world), strict=True):
            mine[i] += x
    for k in range(world - 1):
        mine[(rank - k) % world :: world] = yield tuple(mine[(rank + 1 - k) % world :: world])
    return mine


def all_of_it(rank, world, numbers):
    total, moving = list(numbers), list(numbers)
    for _ in range(world - 1):
        moving = yield moving
        total = [x + y for x, y in zip(total, moving, strict=True)]
    return total


def first_pass(rank, world, numbers):
    parts = [part.tolist() for part in np.array_split(np.array(numbers), world)]
    for k in range(world - 1):
        arrived = yield parts[(rank - k) % world]
        here = (rank - k - 1) % world
        parts[here] = [x + y for x, y in zip(parts[here], arrived, strict=True)]
    return sum(parts, [])


def added_again(rank, world, numbers):
    parts = [part.tolist() for part in np.array_split(np.array(numbers), world)]
    for k in range(2 * world - 2):
        arrived = yield parts[(rank - k) % world]
        here = (rank - k - 1) % world
        parts[here] = [x + y for x, y in zip(parts[here], arrived, strict=True)]
    return sum(parts, [])


def of_the_result(change):
    def wrong(rank, world, numbers):
        total = yield from in_two_passes(rank, world, numbers)
        return change(total, world)

    return wrong


def what_divides(rank, world, numbers):
    return (yield from in_two_passes(rank, world, numbers[: len(numbers) // world * world]))


def tail_left(rank, world, numbers):
    cut = len(numbers) // world * world
    head = yield from in_two_passes(rank, world, numbers[:cut])
    return head + numbers[cut:]


def process_zero_stays(rank, world, numbers):
    total = yield from in_two_passes(rank, world, numbers)
    if rank > 0:
        yield []
    return total


def empty_handed(rank, world, numbers):
    for _ in range(world - 1):
        yield
    return numbers


def in_pairs(rank, world, numbers):
    got = yield [numbers, rank]
    return got


def a_list(rank, world, numbers):
    return [world * x for x in numbers]


def forever(rank, world, numbers):
    moving = numbers
    while True:
        moving = yield moving


def where_it_came(rank, world, numbers):
    total = yield from in_two_passes(rank, world, numbers)
    numbers[:] = total
    return total


def labelled(rank, world, numbers):
    """A right sum; each part has its number in front."""
    parts = [part.tolist() for part in np.array_split(np.array(numbers), world)]
    here = rank
    for k in range(2 * (world - 1)):
        here, *arrived = yield [here, *parts[here]]
        here = int(here)
        parts[here] = [x + y * (k < world - 1) for x, y in zip(arrived, parts[here], strict=True)]
    return sum(parts, [])


def nothing_at_all(rank, world, numbers):
    return numbers
    yield


def sum_so_far(rank, world, numbers):
    total = list(numbers)
    for _ in range(world - 1):
        total = [x + y for x, y in zip(total, (yield total), strict=True)]
    return total


def without_return(rank, world, numbers):
    yield from in_two_passes(rank, world, numbers)


def from_the_right(rank, world, numbers):
    parts = [part.tolist() for part in np.array_split(np.array(numbers), world)]
    for k in range(world - 1):
        arrived, here = (yield parts[(rank + k) % world]), (rank + k + 1) % world
        parts[here] = [x + y for x, y in zip(parts[here], arrived, strict=False)]
    for k in range(world - 1):
        parts[(rank + k) % world] = yield parts[(rank - 1 + k) % world]
    return sum(parts, [])


ANSWERS = {
    "12.1": Answers(
        right=[by_the_chapter, by_hand, by_looking, 25_361, 27_000],
        wrong=[
            (4096, "6 operations"),
            (12_700, "too low"),
            (50_722, "they are counted"),
            (8454, "The way back"),
            (8192, "Or attention's four matrices alone"),
            (16_384, "twice as many weights"),
            (811_560, "Every block has its attention"),
            (100_663_296, "where is C"),
            (159, "square of its length"),
            (768, "All heads together"),
            (1024, "what the model can read"),
            (704, "96 wide"),
            (25.4, "in thousands"),
            (10_000, "the nearest of the powers of ten"),
            (1_000_000, "Far too long"),
            (0, "too low"),
        ],
    ),
    "12.2": Answers(
        right=[used, used_by_config, used_by_layers, used_in_torch],
        wrong=[
            (weights_alone, "attention has products without weights"),
            (all_of_them, "no product"),
            (blocks_alone, "The head's products are missing"),
            (at_full_length, "Rows have `length` tokens"),
            (attention_once, "Each block has its own attention"),
            (with_a_batch, "expected"),
            (of(lambda share, *run: share / 3), "the way forward alone"),
            (of(lambda share, *run: 2 / 3 * share), "the way back alone"),
            (of(lambda share, *run: 4 / 3 * share), "What is computed twice"),
            (of(lambda share, length, speed, gpus, peak: share * gpus), "what all GPUs read together"),
            (of(lambda share, length, speed, gpus, peak: share / gpus), "came in twice"),
            (of(lambda share, *run: 100 * share), "percent"),
            (of(lambda share, *run: 1 / share), "1 over it"),
            (of(lambda share, *run: 1 - share), "not used"),
            (of(lambda share, length, *run: share * length), "not rows"),
            (of(lambda share, *run: round(share, 2)), "You rounded it"),
            (of(lambda share, length, speed, gpus, peak: share * gpus * peak), "FLOPs a second"),
            (of(lambda share, *run: f"{share:.0%}"), "a str where a float is expected"),
            (of(lambda share, *run: [share]), "a list where a float is expected"),
            (of(lambda share, *run: 0.4), "the same for every input"),
        ],
    ),
    "12.3": Answers(
        right=[by_sums, by_adding_on, by_autograd],
        wrong=[
            (each_mean, "0/0"),
            (with_columns(lambda there, counts: sum(there)), "the gradient of the sum"),
            (with_columns(lambda there, counts: sum(there) / len(counts)), "the number of processes"),
            (with_columns(lambda there, counts: sum(there) / len(there)), "the number of processes"),
            (with_columns(lambda there, counts: sum(there) / max(counts)), "one process's targets"),
            (with_columns(lambda there, counts: sum(there) / max(1, counts[0])), "first process's targets"),
            (with_columns(lambda there, counts: there[0] / sum(counts)), "Only the first process's"),
            (with_columns(lambda there, counts: (sum(there) / sum(counts)).norm()), "not their lengths"),
            (users_alone, "those that used the parameter"),
            (nones_fail, "A gradient may be None"),
            (zero_for_nobody, "None is wanted"),
            (only_those_used_by_all, "another may have"),
            (into_what_came, "changes its input"),
            (counts_twice, "You weighed each"),
            (the_used, "keeps its place"),
            (lambda parts: (by_sums(parts), sum(n for _, n in parts)), "without the count"),
            (lambda parts: [None if g is None else -g for g in by_sums(parts)], "The sign"),
        ],
    ),
    "12.4": Answers(
        right=[by_division, by_counting_up, by_numpy],
        wrong=[
            (wrong_rows(lambda fixed, row, memory, gpus: (gpus * memory - fixed) // (gpus * row)), "0 then"),
            (
                wrong_rows(lambda fixed, row, memory, gpus: max(0, round((memory - fixed / gpus) / row))),
                "Round down",
            ),
            (
                wrong_rows(lambda fixed, row, memory, gpus: max(0, math.ceil((memory - fixed / gpus) / row))),
                "Round down",
            ),
            (
                wrong_rows(lambda fixed, row, memory, gpus: max(0, (memory - fixed / gpus) / row)),
                "Rows are whole",
            ),
            (wrong_rows(lambda fixed, row, memory, gpus: max(0, (memory - fixed) // row)), "are shared"),
            (
                wrong_rows(lambda fixed, row, memory, gpus: max(0, (gpus * memory - fixed) // row)),
                "Activations are not shared",
            ),
            (
                wrong_rows(lambda fixed, row, memory, gpus: max(0, (memory - fixed) // gpus // row)),
                "You shared the memory that is left",
            ),
            (
                wrong_rows(lambda fixed, row, memory, gpus: max(1, (gpus * memory - fixed) // (gpus * row))),
                "Where not one row fits",
            ),
            (
                wrong_rows(
                    lambda fixed, row, memory, gpus: max(0, (gpus * memory - fixed / 4) // (gpus * row))
                ),
                "16 bytes",
            ),
            (
                wrong_rows(
                    lambda fixed, row, memory, gpus: max(0, 4 * (gpus * memory - fixed) // (gpus * row))
                ),
                "A number has 4 bytes",
            ),
            (
                wrong_rows(
                    lambda fixed, row, memory, gpus: max(0, (gpus * memory - fixed - 1) // (gpus * row))
                ),
                "just fits",
            ),
            (wrong_rows(lambda fixed, row, memory, gpus: memory // row), "take memory, too"),
            (keeping_all, "The blocks recompute"),
            (weights_of_matrices, "All parameters take memory"),
            (without_loss, "The loss keeps"),
            (lambda model, length, memory, gpus: by_counting_up(model, 1, memory, gpus), "A row has"),
            (lambda *given: gpus_times(*given), "for all GPUs together"),
            (lambda *given: by_counting_up(*given) or None, "a number"),
            (lambda *given: by_counting_up(*given) + 1, "does not fit"),
            (lambda *given: 3, "the same for every input"),
        ],
    ),
    "12.5": Answers(
        right=[by_polyfit, by_lstsq, by_orthogonal_polynomials],
        wrong=[
            (the_lowest, "by chance"),
            (over_n, "Over N itself"),
            (anywhere, "was not seen"),
            (tops_too, "opens downwards"),
            (log_of_it, "That is log N"),
            (e_for_ten, "base 10"),
            (neighbours_of_the_lowest, "the two beside it"),
            (relative, "counts alike"),
            (in_order_given, "in any order"),
            (in_a_dict, "a dict keeps the last"),
            (end_of_range, "the end of the range"),
            (by_normal_equations, "float32"),
            (sorts_them, "changes its input"),
            (not_a_number, "not NaN"),
            (lambda rows: by_polyfit(rows) or 0, "not 0"),
            (lambda rows: by_polyfit(rows[:3]), "not the first three"),
            (lambda rows: by_polyfit([(n, math.log(y)) for n, y in rows]), "not of its logarithm"),
            (lambda rows: None, "expected"),
        ],
    ),
    "12.6": Answers(
        right=[in_two_passes, with_tensors, every_other],
        wrong=[
            (all_of_it, "Whole vectors travel"),
            (first_pass, "Those must go round, too"),
            (added_again, "Adding counts some twice"),
            (of_the_result(lambda total, world: [x / world for x in total]), "the mean"),
            (of_the_result(lambda total, world: list(map(int, total))), "need not be whole"),
            (of_the_result(lambda total, world: sum(total)), "the sum of each place"),
            (of_the_result(lambda total, world: total[::-1]), "reverse order"),
            (what_divides, "Some numbers were lost"),
            (tail_left, "The last numbers were not summed"),
            (process_zero_stays, "equally many rounds"),
            (empty_handed, "process 0 yielded None"),
            (in_pairs, "Only numbers can be sent"),
            (a_list, "must be a generator"),
            (forever, "none has returned"),
            (where_it_came, "changes its input"),
            (labelled, "must do"),
            (nothing_at_all, "Nothing was sent"),
            (sum_so_far, "counted again"),
            (without_return, "returned None"),
            (from_the_right, "turns the other way"),
        ],
    ),
}


def gpus_times(model, length, memory, gpus):
    return gpus * by_counting_up(model, length, memory, gpus)


class TestChapter12(ExerciseTests):
    answers = ANSWERS


def test_the_checks_model_has_the_parameters_of_the_chapters():
    size = 11, 7, 2, 2, 6
    own, real = shapes(*size), gpt2(GPTConfig(*size), meta=True)
    assert {name: p.shape for name, p in own.named_parameters()} == {
        name: p.shape for name, p in real.named_parameters()
    }
    assert vars(own.config) == vars(real.config)
    assert flops_per_token(own, 5) == flops_per_token(real, 5)
    assert training_bytes(own, 5, recompute=True) == training_bytes(real, 5, recompute=True)
