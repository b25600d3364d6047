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
        zero, scale = rng.randint(1, 2**bits - 2), rng.uniform(0.01, 0.5)
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
            There are 2 to the power of bits integers, and one step fewer between them.
        round(-low / scale) => -low / scale
            The zero point is an integer: round it.
        return scale, zero_point => return scale, -zero_point
            The zero point has the wrong sign: low is to become 0, and 0 lies above it.
        return scale, zero_point => return scale, 0
            With 0 at the integer 0 there is no place for what is below it.
        = (max(-low, high) / (2 ** (bits - 1) - 1), 0)
            That is the symmetric grid of equation (1).
        = it[::-1]
            The scale comes first, then the zero point.
        round(-low / scale) => int(-low / scale)
            The zero point is rounded to the nearest integer; yours is cut off.
        round(-low / scale) => math.ceil(-low / scale)
            The zero point is rounded to the nearest integer, not up.
        return scale, zero_point => return scale, zero_point - 2 ** (bits - 1)
            The integers begin at 0 here, not at half of them below it.
        return scale, zero_point => return scale, steps - zero_point
            You counted the zero point from `high` down; `low` is what becomes 0.
        round(-low / scale) => round(-low / (high - low) * 2**bits)
            The zero point counts steps of your scale; there is one fewer of them than integers.
        = grid(low, high, min(bits, 8))
            More than eight bits are allowed as well.
    """,
    right="Every integer is used, wherever the weights lie; the price is a second number for each scale.",
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
            That is the largest squared error, half a step squared. The mean is asked for.
        0.6 / 4
            That is the mean error without its sign. Square first, then take the mean.
        0.6**2 / 3
            The error is at most half a step, not a whole one.
        0.6**2 / 6
            That is twice as much; the mean of a square between 0 and h is h²/3, and h is 0.3.
        0.6 / 12
            The step is squared.
        0.0
            Errors of both signs do cancel, but their squares do not.
        0.6 / 12**0.5
            That is the root of it.
        0.6**2 / 48
            The 12 belongs to the whole step, from −0.3 to 0.3.
        0.6**2 / 8
            The mean of the square is not half of the largest: small errors' squares are smaller yet.
        0.6**3 / 12
            That is the sum over the step (the integral); a mean is divided by the step's length.
        0.6**2
            No error is as long as a step.
    """,
    right="Twice the step makes this four times as large.",
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
            Halves from 8 on stand for negative numbers.
        half - 16 if half > 7 else half => half - 8
            That is another code, with 8 for 0; here 0 is 0.
        half - 16 if => -(half & 7) if
            The first bit is not a sign alone: in two's complement 1111 is −1, not −7.
        half - 16 => half - 15
            `1111` is −1: take 16 off, not 15.
        half > 7 => half > 8
            `1000` is −8.
        , signed(byte >> 4) =>
        signed(byte & 15), =>
            A byte holds two numbers; you took one.
        half > 7 => half > 6
            `0111` is 7: negative are the halves from 8 on.
        half - 16 => -half
            `1111` is −1: a half from 8 on is what is 16 less.
        half - 16 => (half - 16) % 256
            A type without a sign, such as uint8, cannot hold what is negative: 16 less than 13 becomes 253
            there.
        signed(byte >> 4) => byte >> 4
            The high half can be negative, too.
        signed(byte & 15) => byte & 15
            The low half can be negative, too.
        = it[0::2] + it[1::2]
            The two of a byte stand next to each other; you have all low halves first, then the high ones.
        = it[::-1]
            That is the whole list backwards.
        = numbers(packed[:1])
            All bytes are to be read, not the first alone.
        = [tuple(numbers([byte])) for byte in packed]
            One flat list is asked for, not a pair for each byte.
        signed(byte >> 4) => signed((byte - signed(byte & 15)) // 16)
            A negative low half takes nothing from the high one: `byte >> 4` is that, as it is.
        [signed(byte & 15), signed(byte >> 4)] => [byte >> 4, byte & 15]
            The low half comes first, and halves from 8 on are negative.
    """,
    right="All 256 bytes are pairs, so nothing is wasted.",
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
            Integers beyond the grid must be cut to it before they are restored.
        = max(scales)
            The largest scale cuts nothing, but is coarse.
        lambda scale: error(row, scale, most) => lambda scale: abs(scale - row.abs().max().item() / most)
            That is equation (1)'s scale, or the nearest to it, which cuts little. Measure the errors.
        = min(scales)
            The smallest scale is fine, but cuts too much.
        return min( => return max(
            You took the scale with the largest error.
        = scales.index(it)
            Return the scale, not its place.
        = error(row, it, 2 ** (bits - 1) - 1)
            That is the least error; the scale that has it is asked for.
        2 ** (bits - 1) - 1 => 2**bits - 1
            The grid ends at 2^(bits−1) − 1, as half is negative.
        .round() =>
            Nothing was rounded.
        .round() => .trunc()
            You cut the digits off; the integers are to be the nearest ones.
        .round() => .floor()
            You rounded down; the integers are to be the nearest ones.
        clamp(-most, most) => clamp(-most - 1, most)
            The grid is even about 0: it ends at −n, not at −n − 1.
        clamp(-most, most) => clamp(max=most)
            Negative weights are cut as well, to −n.
        - integers = (row / scale).round().clamp(-most, most)
        + integers = (row / scale).round()
        + integers[integers.abs() > most] = 0
            What lies beyond the grid is cut to its end, not to 0.
        integers * scale - row => integers - row / scale
            You measure in steps, and steps of different scales differ: multiply the scale back first.
        .square() => .abs()
            That is the least sum of absolute errors; squares are asked for.
        .square().sum() => .abs().max()
            That is the least largest error; the sum of the squares is asked for.
        .square().sum() => .sum().abs()
            Errors of both signs cancel in your sum: square them first.
        - return min(scales, key=lambda scale: error(row, scale, most))
        + best = scales[0]
        + for scale in scales[1:]:
        +     if error(row, scale, most) >= error(row, best, most):
        +         break
        +     best = scale
        + return best
            The error may rise and fall again, and scales may come in any order: try them all.
        = scales[0]
            You took the first.
        = scales[-1]
            You took the last.
    """,
    right="A few large weights are worth cutting where many small ones gain: more so, the fewer the bits.",
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
            `// 8` drops a byte that is filled in part. It has to be kept too: round up.
        math.ceil(weights * bits / 8) => weights * bits / 8 ; return total => return math.ceil(total)
            Each matrix begins at a whole byte: round up for each of them, not once for all.
        + 2 * scales =>
            The scales need bytes, too.
        2 * scales => 2 * out
            Each group has a scale, not each row.
        2 * scales => 4 * scales
            A scale is kept in two bytes, not four.
        2 * scales => scales
            A scale is kept in two bytes, not one.
        math.ceil(weights * bits / 8) => weights * bits ; 2 * scales => 16 * scales
            Those are bits; a byte has eight.
        weights // group => into // group
            Every row has groups of its own.
        math.ceil(weights * bits / 8) => weights * bits
            The integers are counted in bits.
        math.ceil(weights * bits / 8) => weights // 2
            That is right for 4 bits; there are others.
        math.ceil(weights * bits / 8) => weights * (bits // 8)
            `bits // 8` is 0 below eight bits: multiply by the count before you divide.
        math.ceil(weights * bits / 8) => weights * math.ceil(bits / 8)
            An integer of 4 bits takes half a byte, not a whole one.
        math.ceil(weights * bits / 8) => weights // (8 // bits)
            Integers of 3 bits are packed without gaps: eight of them in three bytes.
        math.ceil(weights * bits / 8) => out * math.ceil(into * bits / 8) || out * (into * bits // 8)
            A row need not end with a byte: without gaps, the next row goes on in the same one.
        math.ceil(weights * bits / 8) => scales * math.ceil(group * bits / 8) || scales * (group * bits // 8)
            A group need not end with a byte: without gaps, the next group goes on in the same one.
        = file_bytes(set(shapes), bits, group)
            Two matrices may have the same shape; each needs its bytes.
        = file_bytes(shapes[:1], bits, group)
            All matrices count, not the first alone.
        2 * scales => 2 * out * group
            You took `group` for the number of groups of a row.
        packed + 2 * scales => 4 * weights
            That is the size in float32.
    """,
    right="Groups of 32 cost half a bit a weight: four bits are four and a half.",
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
            Divide the columns again.
        = protect(W, loud, 0.0, bits)
            That is plain rounding: the columns were not scaled.
        W * factor => W / factor ; integers * scale / factor => integers * scale * factor
            Loud columns are to be multiplied before rounding, so that they get more of the grid.
        loud**alpha => loud
            The exponent alpha was left out.
        loud**alpha => loud * alpha
            Alpha is an exponent, not a factor.
        amax(1, keepdim=True) => amax(0, keepdim=True)
            The scale is one for each row, not for each column.
        loud**alpha => loud.clamp(min=1) ** alpha
            `loud` may be below 1; such columns are made smaller.
        scaled.abs().amax(1, keepdim=True) / most => (scaled.abs().amax(1, keepdim=True) / most).half().float()
            The scale is to be float32; `round_to_grid` keeps it as float16, with three digits.
        amax(1, keepdim=True) => amax()
            You took one scale for the whole matrix; each row has its own.
        scaled.abs() => W.abs()
            Find the scale after the columns were multiplied: it follows the largest then.
        2 ** (bits - 1) - 1 => 2**bits - 1
            The largest integer, n, is 2 to the power of bits − 1, less 1: equation (1).
        return integers * scale / factor => return integers
            Those are the integers: multiply the scale back, and divide the columns.
        = it.half()
            The result is float32, not float16.
        = W.clone()
            Nothing was rounded.
    """,
    right="A loud column gets a finer grid, and the product stays what it was: the factors cancel.",
)
def protect(W, loud, alpha, bits):
    factor = loud**alpha
    scaled = W * factor
    most = 2 ** (bits - 1) - 1
    scale = scaled.abs().amax(1, keepdim=True) / most
    integers = (scaled / scale).round().clamp(-most, most)
    return integers * scale / factor
