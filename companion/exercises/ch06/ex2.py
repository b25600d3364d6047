"""The check of exercise 6.2: As deep as the memory allows."""

import torch

from companion.exercises.exercise import Function


def deepest(memory, d_model, vocab_size, context_length):
    return layers(memory // 16, d_model, vocab_size, context_length)


def layers(parameters, C, V, T, block=None, fixed=None):
    block = 12 * C**2 + 13 * C if block is None else block
    fixed = V * C + T * C + 2 * C if fixed is None else fixed
    return max(0, (parameters - fixed) // block)


def by_bytes(n):
    """Two wrong answers that count n bytes for each parameter, with and without the least of 0 layers."""
    return [
        lambda m, C, V, T: layers(m // n, C, V, T),
        lambda m, C, V, T: (m // n - V * C - T * C - 2 * C) // (12 * C**2 + 13 * C),
    ]


def deepest_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = [
        16 * (20 + 74 * 3) + 48,
        16 * (20 + 74 * 2),
        16 * (20 + 74 * 3) - 1,
        16 * 20,
        16 * (20 + 74) + 960,
    ]
    by_hand = [(memory, 2, 5, 3) for memory in [*sizes, 16 * 11]]
    by_hand += [(10**9, 768, 50257, 1024), (10**9, 1600, 50257, 1024)]
    random = [
        [torch.randint(low, high, (), generator=generator).item() for low, high in ranges]
        for ranges in 4 * [[(10**7, 10**9), (30, 300), (300, 9000), (60, 1200)]]
    ]
    by_hand += [(16 * (20 + 74 * n), 2, 5, 3) for n in (150, 2500)] + [(0, 2, 5, 3)]
    return by_hand * (seed == 0) + [tuple(case) for case in random]


EXERCISE = Function(
    number="6.2",
    title="As deep as the memory allows",
    stars=1,
    wants="deepest(memory, d_model, vocab_size, context_length)",
    cases=deepest_cases,
    oracle=deepest,
    mistakes=[
        *[
            (
                wrong,
                "There is room for the weights, and for nothing that training needs beside them: a gradient, "
                "and two numbers of the optimizer, for each weight.",
            )
            for wrong in by_bytes(4)
        ],
        *[
            (
                wrong,
                f"You count {n} bytes for each parameter. Training keeps four numbers of four bytes: the "
                "weight, its gradient, and two of the optimizer.",
            )
            for n in (8, 12)
            for wrong in by_bytes(n)
        ],
        (
            lambda m, C, V, T: layers(m, C, V, T),
            "You took the bytes for parameters. How many bytes does training keep for each?",
        ),
        (
            lambda m, C, V, T: (m // 16 - V * C - T * C - 2 * C) // (12 * C**2 + 13 * C),
            "There are no models with fewer than 0 layers. Where the memory does not hold even the rest, "
            "answer 0.",
        ),
        (
            lambda m, C, V, T: max(0, -(-(m // 16 - V * C - T * C - 2 * C) // (12 * C**2 + 13 * C))),
            "One layer too many: you rounded up, and a part of a layer does not run.",
        ),
        (
            lambda m, C, V, T: max(0, round((m / 16 - V * C - T * C - 2 * C) / (12 * C**2 + 13 * C))),
            "One layer too many: you rounded to the nearest, and a part of a layer does not run.",
        ),
        (
            lambda m, C, V, T: max(0, (m // 16 - V * C - T * C - 2 * C - 1) // (12 * C**2 + 13 * C)),
            "The memory may be filled to the last byte; you leave something over.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, fixed=2 * V * C + T * C + 2 * C),
            "You count the token table twice. The head is tied: it has no rows of its own.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, block=12 * C**2),
            "A block has biases and norms, too, and here they decide.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, fixed=V * C + 2 * C),
            "The positions have rows, too.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, fixed=V * C + T * C),
            "The last norm stands outside the blocks, and its weights count, too.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, fixed=0),
            "You spent all of the memory on blocks. The embedding comes first, whatever the depth.",
        ),
    ],
    right="A gigabyte trains three of GPT-2 small's twelve layers; xl's dictionary alone does not fit.",
)
