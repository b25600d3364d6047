"""The check of exercise 19.4: Cut off the largest."""

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
        made += [
            (torch.tensor([1.0, 1, 1, 1, 1, 3]), [1.0, 3.0], 2),
            (torch.tensor([3.0, -1]), [1.0, 0.5], 3),
        ]
        made += [
            (torch.tensor([0.2, 0.2, 0.2, 2.0]), [2.0, 0.2, 1.9], 2),
            (torch.tensor([-4.0, 4.0]), [4.0], 2),
            (torch.tensor([2.0, 0.6]), [2.0, 4.0], 2),
            (torch.tensor([-4.0, -1]), [1.0, 4.0], 2),  # one step more below would not be enough
            (
                torch.tensor([1.0, 1, 1, 1, 1, 3]),
                [1.0, 2.1, 3.0],
                2,
            ),  # from the largest on: rises, then falls
            # the largest over n is about 1: nearest to the better one here, which cuts a little
            (torch.tensor([3.0, -1, 1]), [1.8, 0.9], 3),
            # 200 steps, which do not fit into int8; errors of thousands; errors of thousandths
            (torch.tensor([100.0, 1, -1, 2]), [0.5, 0.6], 4),
            (torch.tensor([0.03, -0.01, 0.02, 0.013]), [0.005, 0.01, 0.0075], 3),
        ]
    for n, bits in ((33, 4), (17, 3), (64, 2)):
        row = torch.randn(n, generator=g)
        most = row.abs().max().item() / (2 ** (bits - 1) - 1)
        made.append((row, [most * share for share in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)], bits))
    return made


def by_error(measure):
    """The scale with the least measure(row, scale, most)."""
    return by(lambda row, scales, bits, most: min(scales, key=lambda s: measure(row, s, most).item()))


def rounded(row, s, most):
    return (row / s).round().clamp(-most, most)


def cut_to_zero(row, s, most):
    q = (row / s).round()
    return (q.masked_fill(q.abs() > most, 0) * s - row).square().sum()


def until_it_rises(row, scales, bits, most):
    best = scales[0]
    for s in scales[1:]:
        if error(row, s, most) >= error(row, best, most):
            break
        best = s
    return best


def by(rule):
    return lambda row, scales, bits: rule(row, scales, bits, 2 ** (bits - 1) - 1)


EXERCISE = Function(
    number="19.4",
    title="Cut off the largest",
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
        (
            by(
                lambda row, scales, bits, most: min(
                    scales, key=lambda s: abs(s - row.abs().max().item() / most)
                )
            ),
            "That is equation (1)'s scale, or the nearest to it, which cuts little. Measure the errors.",
        ),
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
        (
            by_error(lambda row, s, most: ((row / s).clamp(-most, most) * s - row).square().sum()),
            "Nothing was rounded.",
        ),
        (
            by_error(lambda row, s, most: ((row / s).trunc().clamp(-most, most) * s - row).square().sum()),
            "You cut the digits off; the integers are to be the nearest ones.",
        ),
        (
            by_error(lambda row, s, most: ((row / s).floor().clamp(-most, most) * s - row).square().sum()),
            "You rounded down; the integers are to be the nearest ones.",
        ),
        (
            by_error(
                lambda row, s, most: ((row / s).round().clamp(-most - 1, most) * s - row).square().sum()
            ),
            "The grid is even about 0: it ends at −n, not at −n − 1.",
        ),
        (
            by_error(lambda row, s, most: ((row / s).round().clamp(max=most) * s - row).square().sum()),
            "Negative weights are cut as well, to −n.",
        ),
        (by_error(cut_to_zero), "What lies beyond the grid is cut to its end, not to 0."),
        (
            by_error(lambda row, s, most: (rounded(row, s, most) - row / s).square().sum()),
            "You measure in steps, and steps of different scales differ: multiply the scale back first.",
        ),
        (
            by_error(lambda row, s, most: (rounded(row, s, most) * s - row).abs().sum()),
            "That is the least sum of absolute errors; squares are asked for.",
        ),
        (
            by_error(lambda row, s, most: (rounded(row, s, most) * s - row).abs().max()),
            "That is the least largest error; the sum of the squares is asked for.",
        ),
        (
            by_error(lambda row, s, most: (rounded(row, s, most) * s - row).sum().abs()),
            "Errors of both signs cancel in your sum: square them first.",
        ),
        (
            by(until_it_rises),
            "The error may rise and fall again, and scales may come in any order: try them all.",
        ),
        (by(lambda row, scales, bits, most: scales[0]), "You took the first."),
        (by(lambda row, scales, bits, most: scales[-1]), "You took the last."),
    ],
    right="A few large weights are worth cutting where many small ones gain: more so, the fewer the bits.",
)
