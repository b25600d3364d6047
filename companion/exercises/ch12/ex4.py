"""The check of exercise 12.4: A batch that fits."""

import math
import random

from companion.exercises.ch12.shared import ask, drawn, in_all
from companion.exercises.exercise import Function


def largest_batch(model, length, memory, gpus):
    fixed, row = 16 * parameters(model.config), row_bytes(model.config, length)
    rows = 0
    while fixed + gpus * row * (rows + 1) <= gpus * memory:
        rows += 1
    return rows


def parameters(c):
    return in_all(c.vocab_size, c.context_length, c.n_layers, c.d_model)


def row_bytes(c, length):
    return 4 * length * (c.n_layers * c.d_model + 2 * c.d_model + c.vocab_size)


def memory_cases(seed):
    rng = random.Random(seed)
    tiny = 8, 4, 1, 1, 2
    by_hand = [
        (*tiny, 4, 2000, 2),
        (*tiny, 4, 2000, 1),
        (*tiny, 3, 2000, 1),
        (*tiny, 4, 1632, 1),  # not a row
        (*tiny, 4, 1632 + 224, 1),  # just a row
        (*tiny, 4, 1632 + 223, 1),
        (*tiny, 4, 816 + 5 * 224, 2),
        (*tiny, 4, 816 + 5 * 224 - 1, 2),
        (*tiny, 4, 816 + 3 * 224 + 200, 2),
        (*tiny, 4, 1500, 1),  # less than nothing left, but not by a row
        (*tiny, 4, 100, 1),  # nor does the model fit
        (*tiny, 4, 100, 3),
        (*tiny, 1, 600, 3),
        (*tiny, 2, 408 + 3 * 112, 4),
        (*tiny, 2, 400 + 3 * 112, 4),  # 102 parameters do not divide by 4
        (*tiny, 2, 326 + 2 * 112, 5),  # nor 1,632 bytes by 5
        (*tiny, 2, 327 + 2 * 112, 5),  # a share of each entry, rounded up, is too much
        (*tiny, 1, 200_000, 64),  # thousands of rows
        (*tiny, 1, 1000, 1024),
        (50, 9, 3, 2, 4, 5, 60_000, 3),
        (5, 9, 24, 1, 2, 5, 60_000, 3),
    ]
    cases = by_hand if seed == 0 else []
    for _ in range(4):
        V, context, L, heads, C = drawn(rng)
        length, gpus = rng.randint(2, context - 1), rng.randint(2, 9)
        fixed = 16 * in_all(V, context, L, C)
        row = 4 * length * (L * C + 2 * C + V)
        memory = -(-fixed // gpus) + int(row * (rng.randint(1, 30) + rng.uniform(0.1, 0.9)))
        cases.append((V, context, L, heads, C, length, memory, gpus))
    gpt2 = 50257, 1024, 12, 12, 768
    just = 2 * in_all(50257, 1024, 12, 768) + 20 * 4 * 1024 * (14 * 768 + 50257)
    small = [(*gpt2, 1024, memory, 8) for memory in (24 * 10**9, just, just - 1)] if seed == 0 else []
    return cases + small


def try_on(answer, V, context, L, H, C, length, memory, gpus):
    return ask(answer, (V, context, L, H, C), (length, memory, gpus), (1, 1000, 1))


# -- mistakes ------------------------------------------------------------------


def made(fixed=lambda c: 16 * parameters(c), row=row_bytes, rounded=math.floor, least=0, shared=True):
    """A right answer, but for the parts that are given."""

    def wrong(model, length, memory, gpus):
        c = model.config
        held = fixed(c) / gpus if shared else fixed(c)
        return max(least, rounded((memory - held) / row(c, length)))

    return wrong


def kept(numbers):
    """A row's bytes, of the numbers that a token keeps."""
    return lambda c, length: 4 * length * numbers(c)


def with_numbers(change):
    """A mistake made with one of the numbers given."""
    return lambda model, *given: largest_batch(model, *change(model, *given))


def changed(change):
    """A mistake made with the right rows: (rows, length, memory, gpus)."""
    return lambda model, *given: change(largest_batch(model, *given), *given)


def divided(model, length, memory, gpus):
    """The memory that one copy leaves, divided among all."""
    return max(0, (memory - 16 * parameters(model.config)) // gpus // row_bytes(model.config, length))


def whole_share(share):
    """A share of whole parameters or bytes."""

    def wrong(model, length, memory, gpus):
        c = model.config
        return max(0, (memory - share(parameters(c), gpus)) // row_bytes(c, length))

    return wrong


def per_token(c):
    return row_bytes(c, 1) // 4


def fixed_for(bytes_each):
    return lambda c: bytes_each * parameters(c)


STATES = (
    "Each parameter takes 16 bytes: the weight, its gradient and AdamW's two averages, 4 bytes each. "
    "Something of it is missing."
)
NEGATIVE = "Where the model itself does not fit, the rest is less than nothing. The answer is 0 then."
DOWN = "Rows are whole: what is not quite one more row does not fit. Round down."
EVEN = (
    "Shares are even here, to a fraction of a byte. You rounded a GPU's share; in whole numbers, divide last."
)
SHARE = "Weights, gradients and averages are shared: each GPU holds only its part."
TABLES = "Position rows are parameters too, with gradients and averages."

EXERCISE = Function(
    number="12.4",
    title="A batch that fits",
    stars=2,
    wants="largest_batch(model, length, memory, gpus)",
    cases=memory_cases,
    oracle=largest_batch,
    call=try_on,
    shown="{f}(gpt2(GPTConfig({0}, {1}, {2}, {3}, {4})), {5}, {6}, {7})",
    mistakes=[
        (made(least=-math.inf), NEGATIVE),
        (made(least=-math.inf, rounded=int), NEGATIVE),
        (made(least=-math.inf, rounded=round), NEGATIVE + " And rows are rounded down."),
        (made(least=-math.inf, rounded=math.ceil), NEGATIVE + " And rows are rounded down."),
        (made(least=-math.inf, rounded=float), NEGATIVE + " And rows are whole."),
        (
            lambda model, *given: abs(made(least=-math.inf)(model, *given)),
            NEGATIVE,
        ),
        (made(rounded=round), DOWN),
        (made(rounded=math.ceil), DOWN),
        (made(rounded=float), DOWN),
        (
            made(rounded=lambda x: math.ceil(x) - 1),
            "A row that just fits, fits: all of the memory may be used.",
        ),
        (made(least=1), "Where not one row fits, the answer is 0."),
        (changed(lambda rows, *given: rows or None), "Where not one row fits, the answer is 0, a number."),
        (made(shared=False), SHARE),
        (made(shared=False, least=-math.inf), SHARE + " And nothing is less than 0 rows."),
        (
            changed(lambda rows, length, memory, gpus: rows * gpus),
            "That is for all GPUs together. How many rows can each take?",
        ),
        (
            lambda model, length, memory, gpus: largest_batch(model, length, memory * gpus, 1),
            "Activations are not shared: each GPU keeps those of its own rows. Or did you count the rows of "
            "all GPUs together?",
        ),
        (
            lambda model, length, memory, gpus: largest_batch(model, length, memory * gpus, 1) // gpus * gpus,
            "That is for all GPUs together. How many rows can each take?",
        ),
        (whole_share(lambda P, gpus: 16 * (P // gpus)), EVEN),
        (whole_share(lambda P, gpus: 16 * -(-P // gpus)), EVEN),
        (whole_share(lambda P, gpus: 16 * P // gpus), EVEN),
        (whole_share(lambda P, gpus: 4 * -(-4 * P // gpus)), EVEN),
        (whole_share(lambda P, gpus: 2 * -(-4 * P // gpus) - (-8 * P // gpus)), EVEN),
        (divided, "You shared the memory that is left, not what the model takes."),
        (
            made(
                row=lambda c, length: (
                    4 * length * (16 * c.n_layers * c.d_model + 2 * c.d_model + c.vocab_size)
                )
            ),
            "The blocks recompute: each keeps its input alone, C numbers a token.",
        ),
        (
            made(row=kept(lambda c: c.n_layers * c.d_model)),
            "Behind the blocks the last norm and the loss keep numbers, too.",
        ),
        (
            made(row=kept(lambda c: c.n_layers * c.d_model + 2 * c.d_model)),
            "The loss keeps a probability for each token of the vocabulary.",
        ),
        (
            made(row=kept(lambda c: c.n_layers * c.d_model + c.vocab_size)),
            "The last norm keeps its input and its output: 2 C more.",
        ),
        (
            made(row=kept(lambda c: c.d_model + 2 * c.d_model + c.vocab_size)),
            "Every block keeps its input, not one alone.",
        ),
        (
            made(row=lambda c, length: length * per_token(c)),
            "A number has 4 bytes. You counted the numbers of activations.",
        ),
        (
            made(row=lambda c, length: 2 * length * per_token(c)),
            "In float32 a number has 4 bytes, not 2.",
        ),
        (made(row=lambda c, length: 4 * per_token(c)), "A row has `length` tokens. You counted one."),
        (
            made(row=lambda c, length: 4 * c.context_length * per_token(c)),
            "Rows have `length` tokens. The model could read longer ones.",
        ),
        (
            made(row=lambda c, length: 16 * length * per_token(c)),
            "Activations have no averages: 4 bytes a number.",
        ),
        *[(made(fixed=fixed_for(n)), STATES) for n in (1, 2, 4, 8, 12)],
        (made(fixed=fixed_for(0)), "Weights, gradients and averages take memory, too."),
        (
            made(fixed=lambda c: 16 * in_all(c.vocab_size, 0, c.n_layers, c.d_model)),
            TABLES,
        ),
        (
            made(fixed=lambda c: 16 * (12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model)),
            "Weights in matrices are what is multiplied. All parameters take memory: position rows, biases "
            "and norms, too.",
        ),
        (
            made(fixed=lambda c: 16 * in_all(2 * c.vocab_size, c.context_length, c.n_layers, c.d_model)),
            "The head is tied: it has no weights of its own.",
        ),
        (
            changed(lambda rows, *given: 2 ** (rows.bit_length() - 1) if rows else 0),
            "Any whole number will do, not only powers of two.",
        ),
        (
            changed(lambda rows, length, memory, gpus: rows * length),
            "Those are tokens. How many rows of `length` are they?",
        ),
        (changed(lambda rows, *given: rows + 1), "That is the first batch that does not fit."),
        (with_numbers(lambda model, length, memory, gpus: (length, memory, 1)), SHARE),
        (
            with_numbers(lambda model, length, memory, gpus: (length, memory - 1, gpus)),
            "A row that just fits, fits: all of the memory may be used.",
        ),
        (
            with_numbers(lambda model, length, memory, gpus: (length, memory * 9 // 10, gpus)),
            "All of the memory may be used here, though in life one keeps some back.",
        ),
    ],
    right="What the model takes, what a row takes: so no run needs to fail to find the batch.",
)
