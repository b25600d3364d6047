"""The checks of chapter 12, Scaling."""

import copy
import math
import random
from fractions import Fraction
from functools import cache

import numpy as np
import torch

from companion.exercises.comparison import a
from companion.exercises.normalize import Record, as_list, as_number, normalize
from companion.exercises.notation import Chapter, Problem
from companion.gpt import GPTConfig, gpt2

chapter = Chapter()

# -- 12.1 ------------------------------------------------------------------
EQUAL = 6 * 4096 + 50257 / 64  # 6 N = 12 L C T, for N = 12 L C² + V C; without the head it is 6 C

chapter.number(
    "12.1 When attention takes over ★",
    wants="equal_length()",
    answer=EQUAL,
    tolerance=EQUAL / 10,
    mistakes="""
        2 * 25_361 || 2 * 24_576
            Half of the scores are masked; by custom, and in equation (1), they are counted.
        3 * 25_361 || 3 * 24_576 || 25_361 / 3
            The way back costs twice the way forward, for products with weights and without. Count both for
            both.
        2 * 4096
            Was that the way forward alone? The way back costs twice the way forward, for products with weights
            and without. Count both for both. Or attention's four matrices alone? A block has attention's four
            matrices and the MLP's two, which have twice as many weights.
        6 * 25_361 || 6 * 24_576
            Scores and values, forward and back: 12 L C T, not 2 L C T.
        32 * 25_361 || 32 * 24_576
            Every block has its attention: the products without weights grow with the number of blocks, too.
        1024
            That is what the model can read. At that length attention is a small part of the cost.
    """,
    right="Six times the width, however deep: up to some ten thousand tokens one pays for weights, not for "
    "length.",
)


# -- a model for 12.2 and 12.4 ---------------------------------------------
@cache
def prototype(vocab_size, context_length, n_layers, n_heads, d_model):
    """A GPT-2 without numbers, on the meta device."""
    return gpt2(GPTConfig(vocab_size, context_length, n_layers, n_heads, d_model), meta=True)


prototype(3, 2, 1, 1, 1)  # made here, because the first on the meta device imports much of torch


def sizes_of(rng):
    """vocab_size, context_length, n_layers, n_heads and d_model of a small model."""
    heads = rng.randint(1, 3)
    return rng.randint(9, 60), rng.randint(8, 40), rng.randint(2, 6), heads, heads * rng.randint(2, 7)


def ask(answer, sizes, run, first):
    """What an answer gives for a model; raises Problem where it changes the model.

    It is asked about a smaller model first, with the run `first`. That is then made the other model: what an
    answer has kept of it is of no use.
    """
    model = copy.copy(prototype(3, 2, 1, 1, 1))
    try:
        answer(model, *first)
    except Exception:  # it is wanted for the other model, which will show
        pass
    vars(model).update(vars(prototype(*sizes)))
    before = looks(model)
    try:
        found = answer(model, *run)
    finally:
        changed = looks(model) != before
        if changed:
            prototype.cache_clear()
    if changed:
        raise Problem("Your answer changes its model. The caller may still need it as it was.")
    return found


def looks(model):
    """All of a model that an answer could change."""
    weights = [
        (name, id(p), p.shape, p.dtype, p.requires_grad, p.grad is None)
        for name, p in model.named_parameters()
    ]
    return dict(vars(model.config)), len(model.blocks), weights


# -- 12.2 ------------------------------------------------------------------
def run_cases(seed):
    rng = random.Random(seed)
    for _ in range(4):
        V, context, L, heads, C = sizes_of(rng)
        length = rng.randint(2, context)
        gpus = rng.randint(2, 9)
        flops = 6 * (12 * L * C * C + V * C) + 12 * L * C * length
        peak = rng.randint(1, 50) * 10**6
        speed = round(rng.uniform(0.2, 0.9) * gpus * peak / flops, 1)
        yield V, context, L, heads, C, length, speed, gpus, peak


def ask_how_busy(answer, V, context, L, H, C, length, speed, gpus, peak):
    return ask(answer, (V, context, L, H, C), (length, speed, gpus, peak), (1, 10, 1, 1000))


@chapter.function(
    "12.2 How busy were they? ★",
    inputs="""
        8, 4, 1, 1, 2, 4, 1000, 2, 600_000
        8, 4, 1, 1, 2, 4, 1000, 1, 600_000
        8, 4, 1, 1, 2, 1, 1000, 1, 600_000
        8, 16, 3, 2, 2, 5, 100, 1, 600_000
        100, 16, 1, 2, 2, 3, 100, 4, 200_000
        8, 1000, 1, 2, 2, 3, 100, 4, 30_000
        50257, 1024, 12, 12, 768, 1024, 850_000, 8, 312 * 10**12
        50257, 1024, 3, 25, 1600, 1024, 700_000, 8, 312 * 10**12
        1024, 256, 4, 2, 96, 120, 9_000, 1, 10**11
        # more than can be: a peak from the wrong data sheet
        8, 4, 1, 1, 2, 4, 1000, 1, 100_000
        8, 4, 1, 1, 2, 4, 1000, 64, 9_999
        100, 5000, 1, 2, 2, 4900, 7_000, 3000, 123_456
        100, 16, 1, 2, 2, 3, 0.5, 4, 200_999
    """,
    cases=run_cases,
    call=ask_how_busy,
    shown="{f}(gpt2(GPTConfig({0}, {1}, {2}, {3}, {4})), {5}, {6}, {7}, {8})",
    tolerance=1e-7,
    mistakes="""
        + 12 * scores =>
            That is 6 N alone: attention has products without weights, 12 L C T a token.
        6 * weights + 12 * scores => 2 * weights + 4 * scores
            That is the way forward alone. A step goes back, too, at twice the price.
        12 * scores => 4 * scores
            The way back of attention's own products is missing: 12 L C T, not 4 L C T.
        12 * scores => 6 * scores
            Half of the scores are masked; by custom, and in equation (1), they are counted.
        c.n_layers * c.d_model * length => c.d_model * length
            Each block has its own attention: 12 L C T.
        + c.vocab_size * c.d_model =>
            The head's products are missing: as the head, all token rows are multiplied.
        12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model => sum(p.numel() for p in model.parameters())
            Position rows are looked up and added. They are in no product.
        6 * weights + 12 * scores => 6 * sum(p.numel() for p in model.parameters())
            Not all parameters are in products (position rows, biases, norms are not), and attention has
            products without weights.
        (gpus * peak) => peak
            `tokens_per_second` is what all GPUs read together, so the peak must be that of all.
        c.d_model * length => c.d_model * c.context_length
            Rows have `length` tokens. The model could read longer ones.
    """,
    right="With one division it is known whether a faster machine would help, or a better use of this one.",
)
def utilization(model, length, tokens_per_second, gpus, peak):
    c = model.config
    weights = 12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model
    scores = c.n_layers * c.d_model * length
    flops = 6 * weights + 12 * scores
    return flops * tokens_per_second / (gpus * peak)


# -- 12.3 ------------------------------------------------------------------
def f32(*numbers):
    return torch.tensor(numbers, dtype=torch.float32)


def f64(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def part_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for n, counts in [(2, (7, 3)), (3, (40, 0, 21)), (4, (100, 3, 30, 12))]:
        parts = []
        for i in range(n):
            shapes = [(5, 3), (3,), (2, 3, 4), ()]
            gradients = [torch.randn(shape, generator=generator) * (counts[i] > 0) for shape in shapes]
            gradients[1] = None if i == seed % n else gradients[1]
            parts.append((gradients, counts[i]))
        yield (parts,)


def combine_twice(answer, parts):
    """What it gives, looked at when it has been called again, with other gradients."""
    others = [([None if g is None else 2 * g for g in gradients], count) for gradients, count in parts]
    found = answer(parts)
    answer(others)
    if isinstance(found, list | tuple) and len(found) == len(parts[0][0]):
        for i, got in enumerate(found):
            double = any(gs[i] is not None and gs[i].dtype == torch.float64 for gs, _ in parts)
            if isinstance(got, torch.Tensor) and got.dtype == torch.float32 and double:
                raise Problem(
                    "Gradients came in float64, and went out in float32: half of the digits are lost."
                )
    return found


@chapter.function(
    "12.3 As one process ★★",
    inputs="""
        [([f32(6.0)], 3), ([f32(4.0)], 1)]
        [([f32(6.0)], 3)] || [([f32(6.0)], 1)] || [([None], 3)] || [([f32(0.0)], 3)]
        [([f32(0.0, 0.0), f32(1.0)], 3), ([None, f32(2.0)], 1)]
        [([None], 3), ([None], 1)] || [([f32(6.0)], 3), ([None], 1)] || [([None], 2), ([f32(4.0)], 1)]
        [([f32(0.0)], 0), ([f32(6.0)], 4)]
        [([f32(6.0)], 4), ([f32(0.0)], 0)]
        [([None], 0), ([f32(6.0)], 4)]
        [([f32(6.0), None], 4), ([None, f32(2.0)], 1)]
        [([f32(6.0), None], 4), ([f32(1.0), None], 1)]
        [([f32(3.0, 0.0)], 2), ([f32(-3.0, 9.0)], 2), ([f32(0.0, 0.0)], 2)]
        [([f32(6.0)], 2), ([f32(3.0)], 2), ([f32(8.0)], 5)]
        [([f32(3e6)], 2), ([f32(-4e6)], 1)]
        [([f32(6e4)], 40_000), ([f32(7e4)], 30_011)]
        [([f32(6e4)], 2**24), ([f32(7e4)], 30_011)]
        [([f64(1e9 + 0.25)], 1), ([f64(-1e9)], 1)]
        [([f64(1.0), None], 2), ([f64(2.0), f64(3.0)], 1)]
        [([f32(float(i))], i) for i in range(6)]
        [([f32(float(i + j)) for j in range(9)], i + 1) for i in range(12)]
    """,
    cases=part_cases,
    call=combine_twice,
    shown="{f}({0})",
    mistakes="""
        total / targets => sum(g / max(n, 1) for g, n in used) / len(parts)
            You took the mean of means: a target of a process with few of them then counts for more than one of
            a process with many. Add sums, divide once.
        total / targets => sum(g / n * (n / targets) for g, n in used)
            The weights are right, but a process may have 0 targets, and 0/0 is no number.
        total / targets => total
            That is the gradient of the sum. The mean over all targets is wanted.
        total / targets => total / len(parts) || total / len(used)
            You divided by the number of processes. The mean is one over targets.
        total / targets => total / max(sum(n for _, n in used), 1) || total / sum(n for _, n in used)
            You divided by the targets of those that used the parameter. The others' targets have a loss too,
            which the parameter does not change: they count.
        total / targets => sum(g * n for g, n in used) / targets
            They are gradients of sums already. You weighed each with its count once more.
        if gradients[i] is not None =>
            A gradient may be None. For the sum that is as good as zeros.
        if used else None => if len(used) == len(parts) else None
            What one process did not use, another may have: None is wanted only where nobody used it.
        if used else None => if any(g.any() for g, _ in used) else None
            A gradient of zeros is a gradient. None is only for a parameter that nobody used.
        if used else None => if used else torch.zeros(1) || if used else torch.tensor(0.0) || if used else 0
            For a parameter that nobody used, None is wanted.
    """,
    right="Batches are unequal, and the step is that of one process: add first, divide once.",
)
def combine(parts):
    counts = [count for _, count in parts]
    targets = sum(counts)
    means = []
    for i in range(len(parts[0][0])):
        used = [(gradients[i], count) for gradients, count in parts if gradients[i] is not None]
        total = sum(gradient for gradient, _ in used)
        means.append(total / targets if used else None)
    return means


# -- 12.4 ------------------------------------------------------------------
def memory_cases(seed):
    def parameters(V, context, L, C):
        return sum(p.numel() for p in prototype(V, context, L, 1, C).parameters())

    rng = random.Random(seed)
    for _ in range(4):
        V, context, L, heads, C = sizes_of(rng)
        length = rng.randint(2, context - 1)
        gpus = rng.randint(2, 9)
        fixed = 16 * parameters(V, context, L, C)
        row = 4 * length * (L * C + 2 * C + V)
        memory = -(-fixed // gpus) + int(row * (rng.randint(1, 30) + rng.uniform(0.1, 0.9)))
        yield V, context, L, heads, C, length, memory, gpus
    if seed == 0:
        just = 2 * parameters(50257, 1024, 12, 768) + 20 * 4 * 1024 * (14 * 768 + 50257)
        for memory in (24 * 10**9, just, just - 1):
            yield 50257, 1024, 12, 12, 768, 1024, memory, 8


def ask_for_rows(answer, V, context, L, H, C, length, memory, gpus):
    return ask(answer, (V, context, L, H, C), (length, memory, gpus), (1, 1000, 1))


@chapter.function(
    "12.4 A batch that fits ★★",
    inputs="""
        # the model takes 1,632 bytes, and a row of 4 tokens 224
        8, 4, 1, 1, 2, 4, 2000, 2 || 8, 4, 1, 1, 2, 4, 2000, 1 || 8, 4, 1, 1, 2, 3, 2000, 1
        # not a row; just a row
        8, 4, 1, 1, 2, 4, 1632, 1
        8, 4, 1, 1, 2, 4, 1632 + 224, 1
        8, 4, 1, 1, 2, 4, 1632 + 223, 1
        8, 4, 1, 1, 2, 4, 816 + 5 * 224, 2
        8, 4, 1, 1, 2, 4, 816 + 5 * 224 - 1, 2
        8, 4, 1, 1, 2, 4, 816 + 3 * 224 + 200, 2
        # less than nothing left, but not by a row; nor does the model fit
        8, 4, 1, 1, 2, 4, 1500, 1 || 8, 4, 1, 1, 2, 4, 100, 1 || 8, 4, 1, 1, 2, 4, 100, 3
        8, 4, 1, 1, 2, 1, 600, 3
        8, 4, 1, 1, 2, 2, 408 + 3 * 112, 4
        # 102 parameters do not divide by 4, nor 1,632 bytes by 5; a share of each entry, rounded up, is too much
        8, 4, 1, 1, 2, 2, 400 + 3 * 112, 4
        8, 4, 1, 1, 2, 2, 326 + 2 * 112, 5
        8, 4, 1, 1, 2, 2, 327 + 2 * 112, 5
        # thousands of rows
        8, 4, 1, 1, 2, 1, 200_000, 64 || 8, 4, 1, 1, 2, 1, 1000, 1024 || 50, 9, 3, 2, 4, 5, 60_000, 3
        5, 9, 24, 1, 2, 5, 60_000, 3
    """,
    cases=memory_cases,
    call=ask_for_rows,
    shown="{f}(gpt2(GPTConfig({0}, {1}, {2}, {3}, {4})), {5}, {6}, {7})",
    mistakes="""
        max(0, rows) => rows
            Where the model itself does not fit, the rest is less than nothing. The answer is 0 then.
        math.floor => round || math.ceil || float
            Rows are whole: what is not quite one more row does not fit. Round down.
        Fraction(16 * parameters, gpus) => 16 * parameters
            Weights, gradients and averages are shared: each GPU holds only its part.
        = it * gpus || largest_batch(model, length, memory * gpus, 1) // gpus * gpus
            That is for all GPUs together. How many rows can each take?
        = largest_batch(model, length, memory * gpus, 1)
            Activations are not shared: each GPU keeps those of its own rows. Or did you count the rows of all
            GPUs together?
        Fraction(16 * parameters, gpus) => 16 * parameters // gpus || 4 * -(-4 * parameters // gpus)
            Shares are even here, to a fraction of a byte. You rounded a GPU's share; in whole numbers, divide
            last.
        math.floor((memory - held) / row) => (memory - 16 * parameters) // gpus // row
            You shared the memory that is left, not what the model takes.
        kept = c.n_layers => kept = 16 * c.n_layers
            The blocks recompute: each keeps its input alone, C numbers a token.
        + 2 * c.d_model + c.vocab_size =>
            Behind the blocks the last norm and the loss keep numbers, too.
        + c.vocab_size =>
            The loss keeps a probability for each token of the vocabulary.
        16 * parameters => parameters || 2 * parameters || 4 * parameters || 8 * parameters || 12 * parameters
            Each parameter takes 16 bytes: the weight, its gradient and AdamW's two averages, 4 bytes each.
            Something of it is missing.
        16 * parameters => 16 * (12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model)
            Weights in matrices are what is multiplied. All parameters take memory: position rows, biases and
            norms, too.
        16 * parameters => 16 * (parameters + c.vocab_size * c.d_model)
            The head is tied: it has no weights of its own.
    """,
    right="What the model takes, what a row takes: so no run needs to fail to find the batch.",
)
def largest_batch(model, length, memory, gpus):
    c = model.config
    parameters = sum(p.numel() for p in model.parameters())
    held = Fraction(16 * parameters, gpus)
    kept = c.n_layers * c.d_model + 2 * c.d_model + c.vocab_size
    row = 4 * length * kept
    rows = math.floor((memory - held) / row)
    return max(0, rows)


# -- 12.5 ------------------------------------------------------------------
M = 10**6
THREE = [M, 10 * M, 100 * M]
UP_AND_DOWN = [3.0, 2.8, 2.7, 2.5, 2.6, 2.5, 2.4, 2.5, 2.5, 2.4, 2.6, 2.9, 3.0, 3.3]


def valley(sizes, bottom, p=0.1):
    """Rows that lie on a parabola, with its bottom at a log N."""
    return [(size, 2 + p * (math.log(size) - bottom) ** 2) for size in sizes]


def row_cases(seed):
    rng = random.Random(seed)
    for n, inside in [(3, True), (5, True), (6, True), (9, True), (4, False), (5, False)]:
        low = rng.uniform(12, 18)
        x = sorted(low + rng.uniform(0, 7) for _ in range(n - 2))
        x = [low, *x, low + 7] if n > 3 else [low, low + 3, low + 7]
        bottom = low + rng.uniform(1.5, 5.5) if inside else low + rng.choice([-2, 9])
        depth = rng.uniform(0.02, 0.06)
        level = rng.uniform(1.5, 3.5)
        noise = 0.005 if n > 3 else 0.0
        sizes = [round(math.exp(each)) for each in x]
        rows = [
            (size, round(level + depth * (math.log(size) - bottom) ** 2 + rng.gauss(0, noise), 6))
            for size in sizes
        ]
        if seed:
            rng.shuffle(rows)
        yield (rows,)


def rounding_hint(got, rows):
    """Whether it is nearly right: float32's rounding is different in every way to solve it."""
    right = best_size(rows)
    found = None if got.error is not None else as_number(got.value)
    if right is None or found is None or not abs(found / right - 1) < 0.05:
        return ""
    return (
        "That is near. Was it rounded on the way? Are the numbers float32? Squares of logs take more "
        "digits than it has: use float64. Or is it another curve than the one asked for: "
        "least squares of the losses, over log N, all rows alike?"
    )


@chapter.function(
    "12.5 Where the loss is least ★★",
    inputs="""
        [(M, 3.0), (10 * M, 2.0), (100 * M, 2.0)]
        [(100 * M, 3.0), (10 * M, 2.0), (M, 3.0)]
        # hills
        [(M, 2.0), (10 * M, 3.0), (100 * M, 2.5)]
        [(M, 2.5), (10 * M, 3.0), (100 * M, 2.0)]
        # still falling; falling no more; steeper and steeper
        [(M, 4.0), (10 * M, 3.0), (100 * M, 2.5)]
        [(M, 2.5), (10 * M, 3.0), (100 * M, 4.0)]
        [(M, 4.0), (10 * M, 3.2), (100 * M, 2.0)]
        # its bottom lies outside over N, too
        [(2 * M, 3.2), (M, 4.0), (3 * M, 2.9)]
        # one size twice
        [(M, 3.0), (2 * M, 2.0), (M, 3.5), (4 * M, 2.5)]
        [(2 * M, 2.2), (M, 3.0), (4 * M, 2.6), (2 * M, 2.0), (8 * M, 3.6), (2 * M, 2.4)]
        # the bottom is not by the best
        [(M, 2.6), (2 * M, 2.0), (4 * M, 2.5), (8 * M, 2.5), (16 * M, 3.5)]
        [(4 * M, 2.9), (2 * M, 3.0), (M, 3.4), (8 * M, 2.95)]
        [(M, 2.0), (2 * M, 1.0), (64 * M, 7.0)]
        [(64 * M, 7.0), (2 * M, 1.0), (M, 2.0)]
        # the last is best, by chance
        [(M, 3.0), (2 * M, 2.9), (4 * M, 2.75), (8 * M, 2.76), (16 * M, 2.74)]
        [(16 * M, 3.0), (8 * M, 2.9), (4 * M, 2.75), (2 * M, 2.76), (M, 2.74)]
        # the bottom is just seen, or just not
        valley(THREE, math.log(M) + 0.05) || valley(THREE, math.log(M) - 0.05)
        valley(THREE, math.log(100 * M) + 0.05) || valley(THREE, math.log(100 * M) - 0.05)
        valley(THREE, math.log(M) + 0.005) || valley(THREE, math.log(M) - 0.005)
        valley(THREE, math.log(100 * M) + 0.005) || valley(THREE, math.log(100 * M) - 0.005)
        # rows repeated
        [(M, 3.0), (2 * M, 2.0), (2 * M, 2.0), (2 * M, 2.0), (4 * M, 2.5), (8 * M, 3.6)]
        [(M, 3.0), (2 * M, 2.0), (4 * M, 2.5), (8 * M, 3.6), (8 * M, 3.6)]
        valley([10, 1000, 100_000], math.log(50), 1.2)
        [(n * M, loss) for n, loss in enumerate(UP_AND_DOWN, 1)]
    """,
    cases=row_cases,
    tolerance=1e-4,
    hint=rounding_hint,
    mistakes="""
        = min(rows, key=lambda row: row[1])[0]
            No row needs to be at the bottom, and the best one may be best by chance: the parabola through all
            rows knows more.
        np.log( => 1e-6 * np.array( ; math.exp(bottom) => 1e6 * bottom
            The parabola is one in log N. Over N itself the valley is far from symmetric.
        p > 0 and seen => p > 0
            A bottom below the smallest or above the largest N was not seen: None is wanted there.
        if p > 0 and seen else None =>
            None is wanted where the parabola opens downwards, and where its bottom was not seen.
        min(x) <= bottom <= max(x) => x[0] <= bottom <= x[-1]
            The rows come in any order: the first need not be the smallest.
        / (2 * p) => / p
            The slope of p x² + q x is 2 p x + q: you lost the 2.
        / (2 * p) => / 2 * p
            `-q / 2 * p` is (-q / 2) * p. To divide by both, write -q / (2 * p).
        math.exp(bottom) => bottom || bottom / math.log(10) || bottom / math.log(2)
            That is log N. N itself is wanted.
        np.log => np.log10
            The logarithm was to base 10: then 10 to the power of it is N, not e to the power.
    """,
    right="A few trainings of one price tell which size to buy; how it grows with the price, is a law.",
)
def best_size(rows):
    x = np.log([size for size, _ in rows])
    y = np.array([loss for _, loss in rows])
    p, q, _ = np.polyfit(x, y, 2)
    bottom = -q / (2 * p)
    seen = min(x) <= bottom <= max(x)
    return math.exp(bottom) if p > 0 and seen else None


# -- 12.6 ------------------------------------------------------------------
def vector_cases(seed):
    rng = random.Random(seed)
    for n, m in [(2, 7), (3, 11), (4, 8), (5, 12), (7, 30), (6, 4)]:
        yield ([[rng.randint(-99, 99) / 4 for _ in range(m + seed * (m > 5))] for _ in range(n)],)


def play(answer, vectors):
    """Run all processes, a round at a time."""
    n = len(vectors)
    m = len(vectors[0])
    most = 2 * (n - 1) * -(-m // n)
    rounds = 4 * (n + 1) * (m + 1)
    processes = [started(answer(rank, n, vector)) for rank, vector in enumerate(vectors)]
    arriving = [None] * n
    sent = [0] * n
    longest = 0
    for number in range(1, rounds + 2):
        steps = [step(process, part) for process, part in zip(processes, arriving, strict=True)]
        done = [ended for ended, _ in steps]
        if all(done):
            return judged([value for _, value in steps], vectors, sent, most, longest)
        if any(done):
            raise Problem(
                f"Process {done.index(True)} returned in round {number}, while process {done.index(False)} "
                "still sends. All must take equally many rounds: a process with nothing to send yields an "
                "empty list."
            )
        if number > rounds:
            raise Problem(
                f"After {rounds} rounds with {n} processes none has returned. 2 (n − 1) rounds are enough."
                if n > 1
                else f"After {rounds} rounds a process that is alone has not returned. It needs none."
            )
        parts = [as_part(rank, part) for rank, (_, part) in enumerate(steps)]
        sent = [before + len(part) for before, part in zip(sent, parts, strict=True)]
        longest = max(longest, *map(len, parts))
        arriving = parts[-1:] + parts[:-1]
    raise AssertionError


def started(process):
    """What an answer gave, if it is a generator or as good as one."""
    if not hasattr(process, "__next__") or not hasattr(process, "send"):
        raise Problem(
            f"It must be a generator, which a function is that has a `yield` in it; it returned {a(process)}."
        )
    return process


def step(process, part):
    """Go on to the next `yield` or `return`: (whether it ended, what it gave)."""
    try:
        return False, next(process) if part is None else process.send(part)
    except StopIteration as end:
        return True, end.value


def as_part(rank, part):
    """What a process sends, as a list that it can no longer change."""
    numbers = as_list(part)
    if numbers is None:
        raise Problem(
            f"A round sends a list of numbers, if only an empty one; process {rank} yielded {a(part)}."
        )
    if any(as_number(number) is None for number in numbers):
        raise Problem(f"Only numbers can be sent, in one flat list; in process {rank}'s is something else.")
    return numbers


def judged(found, vectors, sent, most, longest):
    """The results; raises Problem where they are right, and too much was sent."""
    n = len(vectors)
    m = len(vectors[0])
    sums = [sum(column) for column in zip(*vectors, strict=True)]
    found = [normalize(value) for value in found]
    for rank, value in enumerate(found):
        if value is None:
            raise Problem(f"Process {rank} returned None. In a generator, too, `return` gives the result.")
    right = all(has_sums(as_list(value), sums) for value in found)
    if n == 1 and sent[0] and right:
        raise Problem("A process that is alone sends nothing: there is nobody to tell. Yours sent to itself.")
    if n > 1 and min(sent) < m and right:
        rank = sent.index(min(sent))
        raise Problem(
            f"The sums are right. But process {rank} has numbers ({m}) of which the others cannot know "
            f"otherwise, and it sent {sent[rank] or 'nothing'}: real processes share no variables. All must "
            "go through `yield`."
        )
    if max(sent) > most and right:
        rank = sent.index(max(sent))
        why = (
            "Whole vectors travel. Cut each into as many parts as there are processes: a part a round."
            if longest >= m > 1
            else "What else is sent than parts of m/n numbers, in 2 (n − 1) rounds? The round tells which part "
            "comes."
        )
        raise Problem(
            f"The sums are right. But where n is {n} and m is {m}, process {rank} sent {sent[rank]} "
            f"numbers; {most} must do. {why}"
        )
    return Record("", {f"process {rank}": value for rank, value in enumerate(found)})


def sum_hint(got, vectors):
    """Whether the sums are nearly right."""
    if got.error is not None:
        return ""
    sums = [sum(column) for column in zip(*vectors, strict=True)]
    if not all(has_sums(as_list(one), sums, 0.51) for one in got.value.parts.values()):
        return ""
    return "That is near. Were numbers rounded on the way, or at the end? Are they float32, or float16?"


def has_sums(numbers, sums, within=1e-3):
    """Whether a list has these sums."""
    if numbers is None or len(numbers) != len(sums):
        return False
    values = [as_number(number) for number in numbers]
    return all(x is not None and abs(x - y) < within for x, y in zip(values, sums, strict=True))


def plus(mine, received):
    """The sums of two parts; of the shorter one's length, as `zip` has it."""
    return [x + y for x, y in zip(mine, received, strict=False)]


def even_parts(numbers, world, size):
    """Parts of one size; what is behind the last is lost."""
    return [np.array(numbers[i * size : (i + 1) * size]) for i in range(world)]


@chapter.function(
    "12.6 Round the ring ★★★",
    inputs="""
        [[5.0]] || [[5.0, 7.5]] || [[1.0], [10.0]] || [[1.0, 2.0], [10.0, 20.0]]
        [[1.5, 2.0, 3.0], [10.0, 20.0, 30.0]]
        [[1.0], [10.0], [100.0]]
        [[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]
        [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [100.0, 200.0, 300.0]]
        [[1.0, 1.0, 1.0, 1.0], [10.0, 10.0, 10.0, 10.0], [100.0, 100.0, 100.0, 100.5]]
        [[], []] || [[0.1], [0.2]] || [[0.123456789], [1.0]]
        [[0.1, 1e6 + 0.3], [0.2, -1e6]]
        [[3e9, 0.1], [1e9, -0.7]] || [[-1e9, 0.1], [-1e9, 1.0]]
        # sums of 0
        [[1.0, 2.0], [-1.0, -2.0]]
        [[1.0, 2.0, 3.0], [-3.0, 5.0, -1.0], [2.0, -7.0, -2.0]]
        [[0.1 * i] for i in range(8)]
        [[0.1 * i + j for j in range(20)] for i in range(9)]
    """,
    cases=vector_cases,
    call=play,
    tolerance=1e-8,
    hint=sum_hint,
    shown="{f}(rank, world, numbers) in each process, numbers = {0}",
    mistakes="""
        for j in range(world - 1) => for j in range(0)
            After the first pass each process has one part complete. Those must go round, too.
        parts[there] = received => parts[there] = plus(parts[there], received)
            In the second pass complete parts travel, and replace what is there. Adding counts some twice.
        plus(parts[here], received) => received
        (rank - j + 1) => (rank - j) ; there = (rank - j) => there = (rank - j - 1)
            Each part came out as one process had it. Does the first pass add what comes to one's own? The
            second must begin with a complete part: of process r that is part r + 1, not part r.
        here = (rank - k - 1) => here = (rank - k)
        for k in range(world - 1) => for k in range(world - 2)
            Nothing was added to the part with which the second pass begins. A part that comes was the left
            neighbor's, so its number is one less than that of the part sent; and the first pass has n − 1
            rounds.
        (rank - k) => (rank + k) ; (rank - k - 1) => (rank + k + 1) ; (rank - j + 1) => (rank + j - 1) ; (rank - j) => (rank + j)
            Your ring turns the other way: what you send goes to process r + 1.
        for k in range(world - 1) => for k in range(world)
            The first pass has n − 1 rounds. With n each part comes home, and counts again.
        for j in range(world - 1) => for j in range(world - 2)
            The second pass has n − 1 rounds: each complete part must reach all others.
        np.array_split(numbers, world) => even_parts(numbers, world, len(numbers) // world)
            The length need not divide by the number of processes. Some parts are then a number longer than
            others. Some numbers were lost.
    """,
    right="The more processes, the smaller the parts: what each sends stays at about two vectors.",
)
def ring(rank, world, numbers):
    parts = [part.tolist() for part in np.array_split(numbers, world)]
    for k in range(world - 1):
        received = yield parts[(rank - k) % world]
        here = (rank - k - 1) % world
        parts[here] = plus(parts[here], received)
    for j in range(world - 1):
        received = yield parts[(rank - j + 1) % world]
        there = (rank - j) % world
        parts[there] = received
    joined = sum(parts, [])
    return joined
