"""The check of exercise 12.2: How busy were they?"""

import math
import random

from companion.exercises.ch12.shared import ask, drawn, in_all, in_matrices
from companion.exercises.exercise import Function


def utilization(model, length, tokens_per_second, gpus, peak):
    return share(model, length, tokens_per_second, gpus, peak)


def share(model, length, tokens_per_second, gpus, peak, weights=None, attention=12, layers=None, of=6):
    """A right answer; each part of it can be given otherwise."""
    c = model.config
    weights = in_matrices(c.vocab_size, c.n_layers, c.d_model) if weights is None else weights(c)
    layers = c.n_layers if layers is None else layers
    flops = of * weights + attention * layers * c.d_model * length
    return flops * tokens_per_second / (gpus * peak)


def run_cases(seed):
    rng = random.Random(seed)
    by_hand = [
        (8, 4, 1, 1, 2, 4, 1000, 2, 600_000),
        (8, 4, 1, 1, 2, 4, 1000, 1, 600_000),
        (8, 4, 1, 1, 2, 1, 1000, 1, 600_000),
        (8, 16, 3, 2, 2, 5, 100, 1, 600_000),
        (100, 16, 1, 2, 2, 3, 100, 4, 200_000),
        (8, 1000, 1, 2, 2, 3, 100, 4, 30_000),
        (50257, 1024, 12, 12, 768, 1024, 850_000, 8, 312 * 10**12),
        (50257, 1024, 3, 25, 1600, 1024, 700_000, 8, 312 * 10**12),
        (1024, 256, 4, 2, 96, 120, 9_000, 1, 10**11),
        (8, 4, 1, 1, 2, 4, 1000, 1, 100_000),  # more than can be: a peak from the wrong data sheet
        (8, 4, 1, 1, 2, 4, 1000, 64, 9_999),
        (100, 5000, 1, 2, 2, 4900, 7_000, 3000, 123_456),
        (100, 16, 1, 2, 2, 3, 0.5, 4, 200_999),
    ]
    cases = by_hand if seed == 0 else []
    for _ in range(4):
        V, context, L, heads, C = drawn(rng)
        length, gpus = rng.randint(2, context), rng.randint(2, 9)
        flops = 6 * in_matrices(V, L, C) + 12 * L * C * length
        peak = rng.randint(1, 50) * 10**6
        speed = round(rng.uniform(0.2, 0.9) * gpus * peak / flops, 1)
        cases.append((V, context, L, heads, C, length, speed, gpus, peak))
    return cases


def try_on(answer, V, context, L, H, C, length, speed, gpus, peak):
    return ask(answer, (V, context, L, H, C), (length, speed, gpus, peak), (1, 10, 1, 1000))


# -- mistakes ------------------------------------------------------------------


def made(**how):
    return lambda *run: share(*run, **how)


def changed(change):
    """A mistake made with the right share and the run: (share, length, tokens_per_second, gpus, peak)."""
    return lambda model, *run: change(share(model, *run), *run)


def with_numbers(change):
    """A mistake made with one of the numbers of the run."""
    return lambda model, *run: share(model, *change(model, *run))


HEAD = "The head's products are missing: as the head, all token rows are multiplied."
TABLE = "Position rows are looked up and added. They are in no product."
SMALL = "Biases and norms are in no product of matrices; equation (1) counts matrices alone."
FORWARD = "That is the way forward alone. A step goes back, too, at twice the price."
EACH = "`tokens_per_second` is what all GPUs read together, so the peak must be that of all."


EXERCISE = Function(
    number="12.2",
    title="How busy were they?",
    stars=1,
    wants="utilization(model, length, tokens_per_second, gpus, peak)",
    cases=run_cases,
    oracle=utilization,
    call=try_on,
    shown="{f}(gpt2(GPTConfig({0}, {1}, {2}, {3}, {4})), {5}, {6}, {7}, {8})",
    tolerance=1e-7,
    mistakes=[
        (made(attention=0), "That is 6 N alone: attention has products without weights, 12 L C T a token."),
        (made(of=2, attention=4), FORWARD),
        (made(of=2), FORWARD),
        (made(attention=4), "The way back of attention's own products is missing: 12 L C T, not 4 L C T."),
        (made(of=4, attention=8), "That is the way back alone."),
        (made(of=8, attention=16), "What is computed twice is not counted: 6 operations a weight."),
        (made(of=1), "Each weight costs 6 operations a token: 2 forward, 4 back."),
        (made(of=1, attention=0), "Each weight costs 6 operations a token: 2 forward, 4 back."),
        (
            made(attention=6),
            "Half of the scores are masked; by custom, and in equation (1), they are counted.",
        ),
        (made(layers=1), "Each block has its own attention: 12 L C T."),
        (made(weights=lambda c: in_matrices(0, c.n_layers, c.d_model)), HEAD),
        (
            made(weights=lambda c: in_all(0, 0, c.n_layers, c.d_model) - 2 * c.d_model),
            HEAD + " And biases and norms are in no product of matrices.",
        ),
        (made(weights=lambda c: in_all(c.vocab_size, c.context_length, c.n_layers, c.d_model)), TABLE),
        (
            made(
                weights=lambda c: in_all(c.vocab_size, c.context_length, c.n_layers, c.d_model), attention=0
            ),
            "Not all parameters are in products (position rows, biases, norms are not), and attention has "
            "products without weights.",
        ),
        (
            made(
                weights=lambda c: in_matrices(c.vocab_size + c.context_length, c.n_layers, c.d_model),
            ),
            TABLE,
        ),
        (made(weights=lambda c: in_all(c.vocab_size, 0, c.n_layers, c.d_model)), SMALL),
        (
            made(weights=lambda c: in_matrices(2 * c.vocab_size, c.n_layers, c.d_model)),
            "The token rows count once: as the head. To look one up is no product.",
        ),
        (changed(lambda found, length, speed, gpus, peak: found * gpus), EACH),
        (
            changed(lambda found, length, speed, gpus, peak: found * gpus * gpus),
            EACH + " You multiplied by their number.",
        ),
        (changed(lambda found, length, speed, gpus, peak: found / gpus), "The number of GPUs came in twice."),
        (changed(lambda found, *run: 100 * found), "Is that in percent? As a share, 40 % is 0.4."),
        (changed(lambda found, *run: round(100 * found)), "Is that in percent? As a share, 40 % is 0.4."),
        *[
            (
                changed(lambda found, *run, digits=digits: round(found, digits)),
                "You rounded it. Leave that to whoever prints it.",
            )
            for digits in (1, 2, 3, 4, 5, 6)
        ],
        (
            changed(lambda found, *run: 1 / found),
            "That is how many times longer than need be it takes: 1 over it.",
        ),
        (changed(lambda found, *run: 1 - found), "That is the share that was not used."),
        (
            changed(lambda found, length, *run: found * length),
            "`tokens_per_second` counts tokens, not rows: the length is in a token's cost already.",
        ),
        (changed(lambda found, length, *run: found / length), "You divided by the length. Why?"),
        (
            changed(lambda found, length, speed, gpus, peak: found * gpus * peak),
            "That is how many FLOPs a second they did. What share of the peak is it?",
        ),
        (
            changed(lambda found, length, speed, gpus, peak: found * peak / speed * gpus),
            "That is what a token costs. How many of them are there a second?",
        ),
        (
            with_numbers(lambda model, length, *run: (model.config.context_length, *run)),
            "Rows have `length` tokens. The model could read longer ones.",
        ),
        (
            with_numbers(lambda model, length, *run: (length - 1, *run)),
            "A row has `length` tokens, not one less.",
        ),
        (
            with_numbers(lambda model, length, *run: (length**2, *run)),
            "Attention's cost a token grows with T, a row's with T².",
        ),
        (
            changed(lambda found, *run: math.floor(found)),
            "`//` rounds down to a whole number. A share needs `/`.",
        ),
    ],
    right="With one division it is known whether a faster machine would help, or a better use of this one.",
)
