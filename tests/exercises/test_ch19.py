"""Answers to chapter 19's exercises."""

import math

import numpy as np
import torch
from harness import Answers, ExerciseTests

from companion.quantization import unpack

# -- 19.1 ------------------------------------------------------------------


def in_steps(low, high, bits):
    steps = 2**bits - 1
    return (high - low) / steps, round(-low * steps / (high - low))


def by_numpy(low, high, bits):
    scale = np.float64(high - low) / (2**bits - 1)
    return [scale, int(np.rint(-low / scale))]


def by_half(low, high, bits):
    scale = (high - low) / ((1 << bits) - 1)
    return scale, int(0.5 - low / scale)


def one_more(low, high, bits):
    scale = (high - low) / 2**bits
    return scale, round(-low / scale)


def changed(rule):
    return lambda low, high, bits: rule(*in_steps(low, high, bits))


# -- 19.2 ------------------------------------------------------------------


def drawn():
    errors = (np.arange(100001) / 100000 - 0.5) * 0.6
    return float((errors**2).mean())


# -- 19.3 ------------------------------------------------------------------


def by_unpack(packed):
    return unpack(torch.tensor([packed], dtype=torch.uint8))[0] if packed else []


def by_xor(packed):
    return [((half ^ 8) - 8) for byte in packed for half in (byte % 16, byte // 16)]


def by_table(packed):
    signed = [*range(8), *range(-8, 0)]
    found = []
    for byte in packed:
        high, low = divmod(byte, 16)
        found.extend([signed[low], signed[high]])
    return tuple(found)


def swapped(packed):
    found = by_xor(packed)
    return [x for i in range(0, len(found), 2) for x in (found[i + 1], found[i])]


# -- 19.4 ------------------------------------------------------------------


def by_loop(row, scales, bits):
    most, best, least = 2 ** (bits - 1) - 1, None, float("inf")
    for scale in scales:
        kept = torch.clamp(torch.round(row / scale), -most, most) * scale
        if (error := ((kept - row) ** 2).sum().item()) < least:
            best, least = scale, error
    return best


def at_once(row, scales, bits):
    most, s = 2 ** (bits - 1) - 1, torch.tensor(scales)[:, None]
    errors = ((row / s).round().clamp(-most, most) * s - row).pow(2).mean(1)
    return scales[int(errors.argmin())]


def in_numpy(row, scales, bits):
    row, most = row.numpy(), 2 ** (bits - 1) - 1
    errors = [np.sum((np.clip(np.rint(row / s), -most, most) * s - row) ** 2) for s in scales]
    return scales[int(np.argmin(errors))]


def uncut(row, scales, bits):
    return min(scales, key=lambda s: ((row / s).round() * s - row).square().sum().item())


def by_the_largest(row, scales, bits):
    wanted = row.abs().max().item() / (2 ** (bits - 1) - 1)
    return sorted(scales, key=lambda scale: abs(scale - wanted))[0]


# -- 19.5 ------------------------------------------------------------------


def row_by_row(shapes, bits, group):
    return sum(-(-sum([into * bits] * out) // 8) + out * (into // group * 2) for out, into in shapes)


def in_bits(shapes, bits, group):
    return int(sum(math.ceil(a * b * bits / 8) * 8 + a * b * 16 / group for a, b in shapes) / 8)


def one_by_one(shapes, bits, group):
    total = 0
    for out, into in shapes:
        total += math.ceil(out * into * bits / 8)
        total += out * into / group * 2
    return total


def summed(rule):
    return lambda shapes, bits, group: sum(rule(o, i, bits, group) for o, i in shapes)


# -- 19.6 ------------------------------------------------------------------


def rounded(W, bits):
    most = 2 ** (bits - 1) - 1
    scale = W.abs().max(dim=1).values[:, None] / most
    return torch.clamp(torch.round(W / scale), -most, most) * scale


def by_diagonal(W, loud, alpha, bits):
    D = torch.diag(loud.double() ** alpha)
    return rounded(W.double() @ D, bits) @ torch.linalg.inv(D)


def by_rows(W, loud, alpha, bits):
    factor = loud.pow(alpha)
    return torch.stack([rounded((row * factor)[None], bits)[0] / factor for row in W])


def with_numpy(W, loud, alpha, bits):
    f, most = loud.numpy() ** alpha, 2 ** (bits - 1) - 1
    M = W.numpy() * f
    s = np.abs(M).max(1, keepdims=True) / most
    return np.rint(M / s) * s / f


ANSWERS = {
    "19.1": Answers(
        right=[in_steps, by_numpy, by_half],
        wrong=[
            (one_more, "one step fewer"),
            (changed(lambda scale, zero: (zero, scale)), "scale comes first"),
            (changed(lambda scale, zero: (scale, -zero)), "wrong sign"),
            (changed(lambda scale, zero: (scale, 0)), "no place"),
            (
                lambda low, high, bits: ((high - low) / (2**bits - 1), -low * (2**bits - 1) / (high - low)),
                "integer",
            ),
            (changed(lambda scale, zero: scale), "expected"),
            (changed(lambda scale, zero: (scale, zero + 1)), "expected"),
        ],
    ),
    "19.2": Answers(
        right=[drawn, 0.03, lambda: 0.6 * 0.6 / 12],
        wrong=[
            (0.09, "largest"),
            (0.15, "Square first"),
            (0.12, "half a step"),
            (0.06, "twice"),
            (0.05, "squared"),
            (0, "cancel"),
            (0.173205, "root"),
        ],
    ),
    "19.3": Answers(
        right=[by_unpack, by_xor, by_table],
        wrong=[
            (swapped, "low half"),
            (lambda packed: [half for b in packed for half in (b & 15, b >> 4)], "negative"),
            (lambda packed: [half - 8 for b in packed for half in (b & 15, b >> 4)], "8 for 0"),
            (lambda packed: by_xor(packed)[::2], "two numbers"),
            (lambda packed: by_xor(packed)[1::2], "two numbers"),
            (lambda packed: by_xor(packed)[::-1], "expected"),
        ],
    ),
    "19.4": Answers(
        right=[by_loop, at_once, in_numpy],
        wrong=[
            (uncut, "cut to it"),
            (lambda row, scales, bits: max(scales), "coarse"),
            (lambda row, scales, bits: min(scales), "cuts too much"),
            (by_the_largest, "equation (1)"),
            (lambda row, scales, bits: scales.index(by_loop(row, scales, bits)), "not its place"),
            (lambda row, scales, bits: scales[0], "first"),
            (lambda row, scales, bits: by_loop(row, scales, bits) + 0.5, "expected"),
        ],
    ),
    "19.5": Answers(
        right=[row_by_row, in_bits, one_by_one],
        wrong=[
            (summed(lambda o, i, b, g: math.ceil(o * i * b / 8)), "scales"),
            (summed(lambda o, i, b, g: math.ceil(o * i * b / 8) + 2 * o), "Each group"),
            (summed(lambda o, i, b, g: math.ceil(o * i * b / 8) + o * i // g * 4), "not four"),
            (summed(lambda o, i, b, g: o * i * b + o * i // g * 16), "bits"),
            (summed(lambda o, i, b, g: 4 * o * i), "float32"),
            (summed(lambda o, i, b, g: o * (i * b // 8 + i // g * 2)), "the next row"),
            (summed(lambda o, i, b, g: o * math.ceil(i * b / 8) + o * (i // g) * 2), "the next row"),
            (summed(lambda o, i, b, g: o * (i // g) * (math.ceil(g * b / 8) + 2)), "the next group"),
            (summed(lambda o, i, b, g: o * i), "expected"),
        ],
    ),
    "19.6": Answers(
        right=[by_diagonal, by_rows, with_numpy],
        wrong=[
            (lambda W, loud, alpha, bits: rounded(W * loud**alpha, bits), "again"),
            (lambda W, loud, alpha, bits: rounded(W, bits), "plain rounding"),
            (lambda W, loud, alpha, bits: by_diagonal(W, 1 / loud, alpha, bits), "before rounding"),
            (lambda W, loud, alpha, bits: by_rows(W, loud, 1, bits), "exponent"),
            (lambda W, loud, alpha, bits: W * 1, "Nothing"),
            (lambda W, loud, alpha, bits: by_rows(W, loud, alpha, bits).T, "expected"),
        ],
    ),
}


class TestChapter19(ExerciseTests):
    answers = ANSWERS
