"""The check of exercise 19.4: Cut off the longest."""

import torch

from companion.exercises.exercise import Function


def error(row, scale, most):
    return ((row / scale).round().clamp(-most, most) * scale - row).square().sum()


def best_scale(row, scales, bits):
    most = 2 ** (bits - 1) - 1
    return min(scales, key=lambda scale: error(row, scale, most).item())


def cases(seed):
    g = torch.Generator().manual_seed(seed)
    made = []
    if seed == 0:
        made += [(torch.tensor([1.0, 1, 1, 1, 3]), [1.0, 3.0], 2), (torch.tensor([3.0, -1]), [1.0, 0.5], 3)]
        made += [
            (torch.tensor([0.2, 0.2, 0.2, 2.0]), [2.0, 0.2, 1.9], 2),
            (torch.tensor([-4.0, 4.0]), [4.0], 2),
        ]
    for n, bits in ((33, 4), (17, 3), (64, 2)):
        row = torch.randn(n, generator=g)
        most = row.abs().max().item() / (2 ** (bits - 1) - 1)
        made.append((row, [most * share for share in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)], bits))
    return made


def by(rule):
    return lambda row, scales, bits: rule(row, scales, bits, 2 ** (bits - 1) - 1)


EXERCISE = Function(
    number="19.4",
    title="Cut off the longest",
    stars=2,
    wants="best_scale(row, scales, bits)",
    cases=cases,
    oracle=best_scale,
    mistakes=[
        (
            by(lambda row, scales, bits, most: min(scales, key=lambda s: error(row, s, 10**9).item())),
            "Integers beyond the grid must be cut to it before they are restored.",
        ),
        (by(lambda row, scales, bits, most: max(scales)), "The largest scale cuts nothing, but is coarse."),
        (by(lambda row, scales, bits, most: min(scales)), "The smallest scale is fine, but cuts too much."),
        (
            by(lambda row, scales, bits, most: max(scales, key=lambda s: error(row, s, most).item())),
            "You took the scale with the largest error.",
        ),
        (
            by(
                lambda row, scales, bits, most: scales.index(
                    min(scales, key=lambda s: error(row, s, most).item())
                )
            ),
            "Return the scale, not its place.",
        ),
        (
            by(lambda row, scales, bits, most: min(error(row, s, most).item() for s in scales)),
            "That is the least error; the scale that has it is asked for.",
        ),
        (
            by(lambda row, scales, bits, most: min(scales, key=lambda s: error(row, s, 2**bits - 1).item())),
            "The grid ends at 2^(bits−1) − 1, as half is negative.",
        ),
        (by(lambda row, scales, bits, most: scales[0]), "You took the first."),
        (by(lambda row, scales, bits, most: scales[-1]), "You took the last."),
    ],
    right="A few large weights are worth cutting where many small ones gain: more so, the fewer the bits.",
)
