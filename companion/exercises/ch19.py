"""The checks of chapter 19, Quantization."""

import math
import random

import torch

from companion.exercises.notation import Chapter

chapter = Chapter()


# -- 19.1 -----------------------------------------------------------------
def ranges(seed):
    """Ranges whose quotient stays away from a half, where two ways of rounding part."""
    rng = random.Random(seed)
    for bits in (2, 3, 4, 8):
        zero = rng.randint(1, 2**bits - 2)
        scale = rng.uniform(0.01, 0.5)
        low = -scale * (zero + rng.uniform(-0.3, 0.3))
        yield low, low + scale * (2**bits - 1), bits


@chapter.function(
    "19.1 Where 0 lies ★",
    inputs="""
        -1.0, 2.0, 2 || -0.3, 0.6, 4 || 0.0, 1.5, 4 || -0.7, 0.0, 3
        # one bit; more than eight; a zero point that a byte with a sign does not hold
        -0.2, 0.8, 1 || -0.7, 0.3, 1 || -200.0, 55.0, 8 || -300.0, 723.0, 10 || -3000.0, 1095.0, 12
    """,
    cases=ranges,
    mistakes="""
        2**bits - 1 => 2**bits
            There are 2 to the power of bits integers, and one step fewer lies between them.
        round(-low / scale) => -low / scale
            The zero point is an integer: round it.
        return scale, zero_point => return scale, -zero_point
            The zero point has the wrong sign: `low` becomes the integer 0, and the number 0 lies above `low`.
        return scale, zero_point => return scale, 0
            If the number 0 becomes the integer 0, there is no integer for weights below it.
        = (max(-low, high) / (2 ** (bits - 1) - 1), 0)
            That is the symmetric grid of equation (1).
        round(-low / scale) => int(-low / scale)
            Round the zero point to the nearest integer. You cut off its digits.
        return scale, zero_point => return scale, zero_point - 2 ** (bits - 1)
            Here the integers begin at 0. Yours begin at −2^(bits−1).
        return scale, zero_point => return scale, steps - zero_point
            You counted the zero point down from `high`. Count up from `low`, which becomes 0.
        round(-low / scale) => round(-low / (high - low) * 2**bits)
            The zero point counts steps of the scale, and there is one step fewer than integers.
    """,
    right="All integers are used, wherever the weights lie. The price is a second number for each scale.",
)
def grid(low, high, bits):
    steps = 2**bits - 1
    scale = (high - low) / steps
    zero_point = round(-low / scale)
    return scale, zero_point


chapter.number(
    "19.2 How far off? ★",
    wants="mean_squared_error()",
    answer=0.6**2 / 12,
    tolerance=0.0005,
    mistakes="""
        0.6**2 / 4
            That is the largest squared error, half a step squared. Return the mean.
        0.6 / 4
            That is the mean error without its sign. Square first, then take the mean.
        0.6**2 / 3
            The error is at most half a step, not a whole one.
        0.6**2 / 6
            That is twice as much. The mean of the square of a number between 0 and h is h²/3, and h is 0.3.
        0.6 / 12
            Square the step.
        0.0
            Positive and negative errors cancel, but their squares do not.
        0.6 / 12**0.5
            That is the square root of the answer.
        0.6**2 / 48
            You divide half a step squared by 12. The 12 belongs to the whole step, from −0.3 to 0.3.
        0.6**2 / 8
            The mean of the square is less than half of the largest, because small errors have tiny squares.
        0.6**2
            That is the square of a whole step. No error is larger than half a step.
    """,
    right="With steps twice as long, the mean squared error is four times as large.",
)


# -- 19.3 -----------------------------------------------------------------
def random_bytes(seed):
    rng = random.Random(seed)
    return [([rng.randrange(256) for _ in range(n)],) for n in (2, 5, 9)]


def signed(half):
    return half - 16 if half > 7 else half


@chapter.function(
    "19.3 Two from a byte ★★",
    inputs="""
        [93] || [] || [0] || [8] || [127] || [0x70, 0x80] || [255, 255] || [0x25, 0x00] || [0x97, 0x97]
    """,
    cases=random_bytes,
    helpers=(signed,),
    mistakes="""
        [signed(byte & 15), signed(byte >> 4)] => [signed(byte >> 4), signed(byte & 15)]
            The low half of a byte holds the first of the two.
        half - 16 if half > 7 else half => half
            A half of 8 or more stands for a negative number.
        half - 16 if half > 7 else half => half - 8
            You used another code, in which 8 stands for 0. In two's complement 0 stands for 0.
        half - 16 if => -(half & 7) if
            The first bit is not a sign alone: in two's complement 1111 is −1, not −7.
        half > 7 => half > 8
            `1000` is −8.
        , signed(byte >> 4) =>
        signed(byte & 15), =>
            Each byte has two numbers. You returned only one of them.
        half - 16 => (half - 16) % 256
            A type without a sign, such as uint8, cannot hold negative numbers: there, 13 − 16 becomes 253.
        signed(byte >> 4) => byte >> 4
            The high half can stand for a negative number, too.
        signed(byte & 15) => byte & 15
            The low half can stand for a negative number, too.
    """,
    right="Each of the 256 bytes stands for a pair, so no byte is wasted.",
)
def numbers(packed):
    found = []
    for byte in packed:
        found += [signed(byte & 15), signed(byte >> 4)]
    return found


# -- 19.4 -----------------------------------------------------------------
def rows_and_scales(seed):
    generator = torch.Generator().manual_seed(seed)
    for n, bits in ((33, 4), (17, 3), (64, 2)):
        row = torch.randn(n, generator=generator)
        most = row.abs().max().item() / (2 ** (bits - 1) - 1)
        yield row, [most * share for share in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)], bits


def error(row, scale, most):
    integers = (row / scale).round().clamp(-most, most)
    return (integers * scale - row).square().sum().item()


@chapter.function(
    "19.4 Cut off the largest ★★",
    inputs="""
        torch.tensor([1.0, 1, 1, 1, 1, 3]), [1.0, 3.0], 2
        torch.tensor([3.0, -1]), [1.0, 0.5], 3
        torch.tensor([0.2, 0.2, 0.2, 2.0]), [2.0, 0.2, 1.9], 2
        torch.tensor([-4.0, 4.0]), [4.0], 2
        torch.tensor([2.0, 0.6]), [2.0, 4.0], 2
        # one step more below would not be enough
        torch.tensor([-4.0, -1]), [1.0, 4.0], 2
        # from the largest on: rises, then falls
        torch.tensor([1.0, 1, 1, 1, 1, 3]), [1.0, 2.1, 3.0], 2
        # the largest over n is about 1: nearest to the better one here, which cuts a little
        torch.tensor([3.0, -1, 1]), [1.8, 0.9], 3
        # 200 steps, which do not fit into int8; errors of thousands; errors of thousandths
        torch.tensor([100.0, 1, -1, 2]), [0.5, 0.6], 4
        torch.tensor([0.03, -0.01, 0.02, 0.013]), [0.005, 0.01, 0.0075], 3
    """,
    cases=rows_and_scales,
    helpers=(error,),
    mistakes="""
        .clamp(-most, most) =>
            Cut integers beyond the grid to its ends before you multiply by the scale.
        = max(scales)
            You returned the largest scale. It cuts little off, but it is coarse.
        lambda scale: error(row, scale, most) => lambda scale: abs(scale - row.abs().max().item() / most)
            That is the scale of equation (1), or the nearest to it. Compare the errors of the scales.
        2 ** (bits - 1) - 1 => 2**bits - 1
            The largest integer is 2^(bits−1) − 1, because half of the grid is negative.
        .round() =>
            You did not round.
        .round() => .trunc()
            You cut off the digits. Round to the nearest integer.
        clamp(-most, most) => clamp(-most - 1, most)
            The grid is symmetric about 0: it ends at −n, not at −n − 1.
        clamp(-most, most) => clamp(max=most)
            Cut negative integers as well, to −n.
        integers * scale - row => integers - row / scale
            You measured the error in steps, and steps of different scales differ. Multiply by the scale first.
        .square() => .abs()
            You compared sums of absolute errors. Compare sums of squared errors.
        - return min(scales, key=lambda scale: error(row, scale, most))
        + best = scales[0]
        + for scale in scales[1:]:
        +     if error(row, scale, most) >= error(row, best, most):
        +         break
        +     best = scale
        + return best
            The error may rise and fall again, and the scales may come in any order. Try all of them.
    """,
    right="It pays to cut a few large weights if many small ones gain, and the more so the fewer bits there are.",
)
def best_scale(row, scales, bits):
    most = 2 ** (bits - 1) - 1
    return min(scales, key=lambda scale: error(row, scale, most))


# -- 19.5 -----------------------------------------------------------------
def shapes_of_a_model(seed):
    shapes = [(64 + 8 * seed, 128), (96, 64), (32, 192 + 64 * seed)]
    return [(shapes, 4, 32), (shapes, 8, 64), (shapes[:2], 2, 16), (shapes[1:], 4, 64)]


@chapter.function(
    "19.5 Bytes of a file ★",
    inputs="""
        [(512, 128)], 4, 32 || [(512, 128)], 8, 128 || [], 4, 32
        # three and six bits; a shape that comes twice; more bytes than 32 bits can count
        [(8, 32)], 3, 32 || [(16, 64)], 6, 16 || [(8, 32), (8, 32)], 4, 16 || [(65536, 131072)], 4, 128
        # neither a row nor a group fills whole bytes
        [(8, 12)], 3, 4
        # 45 bits: the matrix does not fill its last byte
        [(3, 5)], 3, 5
        # 9 bits each: both last bytes count
        [(1, 3), (1, 3)], 3, 3 || [(1, 4), (3, 4)], 5, 4
    """,
    cases=shapes_of_a_model,
    mistakes="""
        math.ceil(weights * bits / 8) => weights * bits // 8
            `// 8` drops a byte that is only partly filled. Such a byte counts too, so round up.
        math.ceil(weights * bits / 8) => weights * bits / 8 ; return total => return math.ceil(total)
            Each matrix begins at a whole byte, so round up for each matrix, not once for all.
        + 2 * scales =>
            You left out the bytes of the scales.
        2 * scales => 2 * out
            You counted one scale for each row. Each group has one.
        2 * scales => 4 * scales
            A scale takes two bytes, not four.
        weights // group => into // group
            You counted the groups of one row. Every row has its own groups.
        math.ceil(weights * bits / 8) => weights * (bits // 8)
            `bits // 8` is 0 for fewer than eight bits. Multiply by the number of weights before you divide.
        math.ceil(weights * bits / 8) => weights * math.ceil(bits / 8)
            An integer of 4 bits takes half a byte, not a whole one.
        math.ceil(weights * bits / 8) => weights // (8 // bits)
            Integers of 3 bits are packed without gaps: eight of them in three bytes.
        math.ceil(weights * bits / 8) => out * math.ceil(into * bits / 8) || out * (into * bits // 8)
            A row need not end with a byte. Without gaps, the next row goes on in the same byte.
        math.ceil(weights * bits / 8) => scales * math.ceil(group * bits / 8) || scales * (group * bits // 8)
            A group need not end with a byte. Without gaps, the next group goes on in the same byte.
        = file_bytes(set(shapes), bits, group)
            Two matrices may have the same shape, and each needs its own bytes.
        2 * scales => 2 * out * group
            You used `group` as the number of groups in a row. It is the number of weights in a group.
    """,
    right="The scales of groups of 32 cost half a bit for each weight, so four bits become four and a half.",
)
def file_bytes(shapes, bits, group):
    total = 0
    for out, into in shapes:
        weights = out * into
        scales = weights // group
        packed = math.ceil(weights * bits / 8)
        total += packed + 2 * scales
    return total


# -- 19.6 -----------------------------------------------------------------
def loud_columns(seed):
    generator = torch.Generator().manual_seed(seed)
    if seed == 0:  # an exponent above 1; weights so small that a least scale would show
        loud = torch.tensor([3.0, 0.5, 1.7])
        yield torch.randn(2, 3, generator=generator), loud, 1.5, 3
        yield torch.randn(2, 3, generator=generator) / 100, loud, 0.5, 4
    for out, into, bits in ((3, 5, 3), (4, 7, 4), (6, 3, 2)):
        loud = torch.rand(into, generator=generator) * 5 + 0.1
        yield torch.randn(out, into, generator=generator), loud, 0.25 + seed / 4, bits


@chapter.function(
    "19.6 Columns that are read loudly ★★★",
    inputs="""
        torch.tensor([[1.0, 0.2], [-0.4, 0.9]]), torch.tensor([1.0, 4.0]), 1.0, 3
        torch.tensor([[1.0, 0.2], [-0.4, 0.9]]), torch.tensor([4.0, 1.0]), 0.5, 3
        torch.tensor([[1.0, 0.2], [-0.4, 0.9]]), torch.tensor([1.0, 4.0]), 0.0, 3
    """,
    cases=loud_columns,
    mistakes="""
        integers * scale / factor => integers * scale
            Divide the columns by the factors again.
        = protect(W, loud, 0.0, bits)
            That is plain rounding. You did not scale the columns.
        W * factor => W / factor ; integers * scale / factor => integers * scale * factor
            Multiply loud columns before rounding, so that they get more of the grid.
        loud**alpha => loud
            You left out the exponent alpha.
        amax(1, keepdim=True) => amax(0, keepdim=True)
            Use one scale for each row, not for each column.
        loud**alpha => loud.clamp(min=1) ** alpha
            `loud` may be below 1. Such columns become smaller.
        scaled.abs().amax(1, keepdim=True) / most => (scaled.abs().amax(1, keepdim=True) / most).half().float()
            Keep the scale in float32. `round_to_grid` rounds it to float16, which has only three digits.
        amax(1, keepdim=True) => amax()
            You used one scale for the whole matrix. Each row has its own.
        scaled.abs() => W.abs()
            Find the scale after you have multiplied the columns, so that it reaches the largest product.
        2 ** (bits - 1) - 1 => 2**bits - 1
            The largest integer n is 2^(bits−1) − 1, as in equation (1).
    """,
    right="A loud column gets a finer grid, and apart from rounding the product stays the same, because the "
    "factors cancel.",
)
def protect(W, loud, alpha, bits):
    factor = loud**alpha
    scaled = W * factor
    most = 2 ** (bits - 1) - 1
    scale = scaled.abs().amax(1, keepdim=True) / most
    integers = (scaled / scale).round().clamp(-most, most)
    return integers * scale / factor
