"""Wrong and right answers to chapter 19 by a stranger who had not seen the checks."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch

from companion.quantization import restore, round_to_grid, unpack

# 19.1 -----------------------------------------------------------------


def grid(low, high, bits):
    step = (high - low) / (2**bits - 1)
    return step, round(-low / step)


def with_zero(change):
    """change(-low / step, bits) in place of rounding."""

    def answer(low, high, bits):
        step = (high - low) / (2**bits - 1)
        return step, change(-low / step, bits)

    return answer


def with_step(steps):
    def answer(low, high, bits):
        step = steps(low, high, bits)
        return step, round(-low / step)

    return answer


def sign_lost(low, high, bits):
    step = (high - low) / (2**bits - 1)
    return step, round(low / step)


def swapped(low, high, bits):
    return grid(low, high, bits)[::-1]


def whole_steps(low, high, bits):
    step = (high - low) // (2**bits - 1)
    return step, round(-low / step)


def from_above(low, high, bits):
    step = (high - low) / (2**bits - 1)
    return step, 2**bits - 1 - round(high / step)


def in_float32(low, high, bits):
    step = (np.float32(high) - np.float32(low)) / np.float32(2**bits - 1)
    return step, int(np.rint(-np.float32(low) / step))


def by_search(low, high, bits):
    points, step = np.linspace(low, high, 2**bits, retstep=True)
    return step, int(np.abs(points).argmin())


def in_tensors(low, high, bits):
    low, high = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
    step = (high - low) / (2**bits - 1)
    return torch.stack([step, (-low / step).round()])


def of_symmetric(low, high, bits):
    step = max(-low, high) / (2 ** (bits - 1) - 1)
    return step, round(-low / step)


def share_of_the_range(low, high, bits):
    return (high - low) / (2**bits - 1), round(-low / (high - low) * 2**bits)


# 19.3 -----------------------------------------------------------------


def signed(half):
    return half - 16 if half > 7 else half


def numbers(packed):
    return [signed(half) for byte in packed for half in (byte & 15, byte >> 4)]


def by_half(change):
    return lambda packed: [change(half) for byte in packed for half in (byte & 15, byte >> 4)]


def high_first(packed):
    return [signed(half) for byte in packed for half in (byte >> 4, byte & 15)]


def sign_and_size(half):
    return -(half & 7) if half > 7 else half


def ones_complement(half):
    return half - 15 if half > 7 else half


def lows_then_highs(packed):
    return [signed(byte & 15) for byte in packed] + [signed(byte >> 4) for byte in packed]


def empties(packed):
    found = []
    while packed:
        byte = packed.pop(0)
        found += [signed(byte & 15), signed(byte >> 4)]
    return found


def in_place(packed):
    for i in range(0, 2 * len(packed), 2):
        packed[i : i + 1] = signed(packed[i] & 15), signed(packed[i] >> 4)
    return packed


def wraps_in_uint8(packed):
    bytes_ = np.array(packed, dtype=np.uint8)
    halves = np.stack([bytes_ & 15, bytes_ >> 4], 1).reshape(-1)
    return np.where(halves > 7, halves - np.uint8(16), halves)


def pairs(packed):
    return [(signed(byte & 15), signed(byte >> 4)) for byte in packed]


def only_low_is_signed(packed):
    return [half for byte in packed for half in (signed(byte & 15), byte >> 4)]


def only_high_is_signed(packed):
    return [half for byte in packed for half in (byte & 15, signed(byte >> 4))]


def zeros_at_the_end_left_out(packed):
    found = numbers(packed)
    while found and found[-1] == 0:
        found.pop()
    return found


def last_zero_left_out(packed):
    found = numbers(packed)
    return found[:-1] if found and found[-1] == 0 else found


def borrows(packed):
    found = []
    for byte in packed:
        low = signed(byte % 16)
        found += [low, signed((byte - low) // 16)]
    return found


def each_byte_once(packed):
    return numbers(dict.fromkeys(packed))


def bits_reversed(packed):
    return [signed(int(text, 2)) for byte in packed for text in (f"{byte:08b}"[:3:-1], f"{byte:08b}"[3::-1])]


def of_hexadecimal(packed):
    return [signed(int(digit, 16)) for byte in packed for digit in f"{byte:x}"[::-1]]


def first_not_there(packed):
    return [packed[0] and signed(packed[0] & 15)] + numbers(packed)[1:]


def by_torch(packed):
    return unpack(torch.tensor(packed, dtype=torch.uint8))


def by_numpy(packed):
    both = np.array(packed, dtype=np.uint8)
    return (np.stack([both << 4, both], -1).astype(np.uint8).view(np.int8) >> 4).reshape(-1)


def generated(packed):
    for byte in packed:
        high, low = divmod(byte, 16)
        yield (low ^ 8) - 8
        yield (high ^ 8) - 8


def of_text(packed):
    sizes = [-8, 4, 2, 1]
    texts = (half for byte in packed for half in (f"{byte:08b}"[4:], f"{byte:08b}"[:4]))
    return tuple(sum(s * int(bit) for s, bit in zip(sizes, text, strict=True)) for text in texts)


# 19.4 -----------------------------------------------------------------


def error(row, scale, bits):
    n = 2 ** (bits - 1) - 1
    return ((row / scale).round().clamp(-n, n) * scale - row).square().sum().item()


def best_scale(row, scales, bits):
    return min(scales, key=lambda scale: error(row, scale, bits))


def least(measure):
    """The scale with the least measure(row, scale, n)."""
    return lambda row, scales, bits: min(scales, key=lambda s: measure(row, s, 2 ** (bits - 1) - 1))


def measured(distance):
    """The rounding of the exercise, another distance."""
    return least(lambda row, s, n: distance((row / s).round().clamp(-n, n) * s - row, s, row).item())


def rounded(change):
    """The exercise's distance, another rounding: change(row / s, n)."""
    return least(lambda row, s, n: (change(row / s, n) * s - row).square().sum().item())


def cut_too_late(row, s, n):
    return ((row / s).round() * s).clamp(-n, n).sub(row).square().sum().item()


def index(row, scales, bits):
    return scales.index(best_scale(row, scales, bits))


def error_itself(row, scales, bits):
    return error(row, best_scale(row, scales, bits), bits)


def sorts(row, scales, bits):
    scales.sort()
    return best_scale(row, scales, bits)


def cuts_row(row, scales, bits):
    found = best_scale(row, scales, bits)
    most = found * (2 ** (bits - 1) - 1)
    row.clamp_(-most, most)
    return found


def row_divided(row, scales, bits):
    n, found = 2 ** (bits - 1) - 1, []
    for s in scales:
        row /= s
        found.append((row.round().clamp(-n, n) - row).square().sum().item() * s * s)
        row *= s
    return scales[found.index(min(found))]


def until_it_rises(row, scales, bits):
    best = scales[0]
    for scale in scales[1:]:
        if error(row, scale, bits) >= error(row, best, bits):
            break
        best = scale
    return best


def largest_that_does_not_rise(row, scales, bits):
    return until_it_rises(row, sorted(scales, reverse=True), bits)


def not_above(start):
    def answer(row, scales, bits):
        best, found = start, scales[0]
        for scale in scales:
            if error(row, scale, bits) < best:
                best, found = error(row, scale, bits), scale
        return found

    return answer


def forgets_the_best(row, scales, bits):
    best, last = scales[0], error(row, scales[0], bits)
    for scale in scales[1:]:
        if error(row, scale, bits) < last:
            best = scale
        last = error(row, scale, bits)
    return best


def of_the_largest(row, scales, bits):
    want = row.abs().max().item() / (2 ** (bits - 1) - 1)
    return min(scales, key=lambda s: abs(s - want))


def computed(row, scales, bits):
    return row.abs().max().item() / (2 ** (bits - 1) - 1)


def with_bits(n):
    return lambda row, scales, bits: best_scale(row, scales, n)


def in_half(row, scales, bits):
    return best_scale(row.half(), scales, bits)


def kept_in_int8(x, n):
    return x.round().to(torch.int8).clamp(-n, n).float()


def without_first(row, scales, bits):
    return best_scale(row, scales[1:] or scales, bits)


def without_last(row, scales, bits):
    return best_scale(row, scales[:-1] or scales, bits)


def sides(row, s, n):
    """What the largest and the smallest number lose."""
    ends = torch.stack([row.max(), row.min()])
    return ((ends / s).round().clamp(-n, n) * s - ends).square().sum().item()


def in_numpy(row, scales, bits):
    n, x = 2 ** (bits - 1) - 1, row.numpy().astype(np.float64)
    s = np.array(scales, dtype=np.float64)[:, None]
    return s[((np.clip(np.rint(x / s), -n, n) * s - x) ** 2).sum(1).argmin(), 0]


def in_loops(row, scales, bits):
    n, found = 2 ** (bits - 1) - 1, {}
    for s in scales:
        found[s] = sum(min((q * s - x) ** 2 for q in range(-n, n + 1)) for x in row.tolist())
    return sorted(found, key=found.get)[0]


def of_sizes_half_up(row, scales, bits):
    n, x = 2 ** (bits - 1) - 1, row.abs().double()
    return torch.tensor(scales)[
        torch.stack([((x / s + 0.5).floor().clamp(max=n) * s - x).norm() for s in scales]).argmin()
    ]


def mean_and_last(row, scales, bits):
    return min(reversed(scales), key=lambda s: error(row.double(), s, bits) / len(row))


# 19.5 -----------------------------------------------------------------


def file_bytes(shapes, bits, group):
    return sum(-(-o * i * bits // 8) + o * (i // group) * 2 for o, i in shapes)


def a_shape(count):
    return lambda shapes, bits, group: sum(count(o, i, bits, group) for o, i in shapes)


def only_first(shapes, bits, group):
    return file_bytes(shapes[:1], bits, group)


def each_shape_once(shapes, bits, group):
    return file_bytes(set(shapes), bits, group)


def pops(shapes, bits, group):
    total = 0
    while shapes:
        total += file_bytes([shapes.pop()], bits, group)
    return total


def in_int32(shapes, bits, group):
    with np.errstate(over="ignore"):
        o, i = np.array(shapes, dtype=np.int32).reshape(-1, 2).T
        return int((o * i * np.int32(bits) // np.int32(8) + o * i // np.int32(group) * 2).sum(dtype=np.int32))


def in_kilobytes(shapes, bits, group):
    return file_bytes(shapes, bits, group) / 1024


def weights_twice(shapes, bits, group):
    last = 0
    for o, i in shapes:
        last = file_bytes([(o, i)], bits, group)
    return last


def not_none(shapes, bits, group):
    o, i = shapes[0]
    return file_bytes([(o, i), *shapes[1:]], bits, group)


def by_bits_a_weight(shapes, bits, group):
    return sum(math.prod(shape) for shape in shapes) * (bits + Fraction(16, group)) / 8


def as_array(shapes, bits, group):
    return (np.array(shapes, dtype=np.int64).reshape(-1, 2).prod(1) * (bits / 8 + 2 / group)).sum()


def added_up(shapes, bits, group):
    total = Decimal(0)
    for out, width in shapes:
        for _ in range(min(out, 1)):
            total += out * (Decimal(width) * bits / 8 + Decimal(2) * (width // group))
    return total


# 19.6 -----------------------------------------------------------------


def protected(factors, scale, rounding=torch.round, after=None):
    """factors(loud, alpha), scale(W times them, n, W), rounding, factors after."""

    def answer(W, loud, alpha, bits):
        n = 2 ** (bits - 1) - 1
        f = factors(loud, alpha)
        s = scale(W * f, n, W)
        last = f if after is None else after(f)
        return rounding(W * f / s).clamp(-n, n) * s / last

    return answer


def power(loud, alpha):
    return loud**alpha


def a_row(x, n, W):
    return x.abs().amax(1, keepdim=True) / n


protect = protected(power, a_row)


def along_rows(W, loud, alpha, bits):
    if W.shape[0] != W.shape[1]:
        return protect(W, loud, alpha, bits)
    return protect(W.T, loud, alpha, bits).T


def by_the_chapter(W, loud, alpha, bits):
    factors = loud**alpha
    return restore(*round_to_grid(W * factors, bits)) / factors


def grown_in_place(W, loud, alpha, bits):
    W *= loud**alpha
    n = 2 ** (bits - 1) - 1
    s = W.abs().amax(1, keepdim=True) / n
    return (W / s).round() * s / loud**alpha


def loud_in_place(W, loud, alpha, bits):
    return protect(W, loud.pow_(alpha), 1, bits)


def integers(W, loud, alpha, bits):
    f = loud**alpha
    return (W * f / a_row(W * f, 2 ** (bits - 1) - 1, W)).round()


def asymmetric(W, loud, alpha, bits):
    x = W * loud**alpha
    low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
    step = (high - low) / (2**bits - 1)
    return (((x - low) / step).round() * step + low) / loud**alpha


def wide(W, loud, alpha, bits):
    n = 2 ** (bits - 1)
    f = loud**alpha
    s = a_row(W * f, n, W)
    return (W * f / s).round().clamp(-n, n - 1) * s / f


def with_bits_more(W, loud, alpha, bits):
    return protect(W, loud, alpha, bits + 1)


def as_float16(W, loud, alpha, bits):
    return protect(W, loud, alpha, bits).half()


def plain(W, loud, alpha, bits):
    return protect(W, loud, 0, bits)


def transposed(W, loud, alpha, bits):
    return protect(W, loud, alpha, bits).T


def in_int8(W, loud, alpha, bits):
    """An integer type that wraps round where a scale is cut to float16."""
    f = loud**alpha
    s = a_row(W * f, 2 ** (bits - 1) - 1, W).half().float()
    return (W * f / s).round().to(torch.int8) * s / f


def in_rows(W, loud, alpha, bits):
    n, found = 2 ** (bits - 1) - 1, []
    for row in W:
        x = row.double() * loud.double() ** alpha
        s = x.abs().max() / n
        found.append((x / s).round() * s / loud.double() ** alpha)
    return torch.stack(found)


def np_protect(W, loud, alpha, bits):
    f = np.power(loud.numpy(), np.float32(alpha))
    x = W.numpy() * f
    s = np.abs(x).max(1, keepdims=True) / np.float32(2 ** (bits - 1) - 1)
    return np.rint(x / s) * s / f


def lists(W, loud, alpha, bits):
    return protect(W.double(), loud.double(), alpha, bits).tolist()


def above_zero_only(x, n, W):
    return x.amax(1, keepdim=True) / n


def half_up(x):
    return (x + 0.5).floor()


WRONG = {
    "19.1": [
        with_step(lambda low, high, bits: (high - low) / 2**bits),
        with_step(lambda low, high, bits: (high - low) / (2**bits - 2)),
        with_step(lambda low, high, bits: (high - low) / (2 ** (bits - 1) - 1) if bits > 1 else high - low),
        with_step(lambda low, high, bits: (high - low) / (bits**2 - 1) if bits > 1 else high - low),
        with_step(lambda low, high, bits: (high - low) / 15),
        with_step(lambda low, high, bits: (high - low) / 255),
        with_step(lambda low, high, bits: high / (2**bits - 1) or 1.0),
        with_step(lambda low, high, bits: round((high - low) / (2**bits - 1), 2) or 0.01),
        with_step(lambda low, high, bits: float(np.float16((high - low) / (2**bits - 1))) or 1e-8),
        with_step(lambda low, high, bits: (high + low) / (2**bits - 1) or 1.0),
        of_symmetric,
        sign_lost,
        swapped,
        whole_steps,
        share_of_the_range,
        with_zero(lambda z, bits: z),
        with_zero(lambda z, bits: int(z)),
        with_zero(lambda z, bits: math.ceil(z)),
        with_zero(lambda z, bits: round(z) - 2 ** (bits - 1)),
        with_zero(lambda z, bits: round(z) + 1),
        with_zero(lambda z, bits: min(round(z), 2**bits - 2)),
        with_zero(lambda z, bits: max(round(z), 1)),
        with_zero(lambda z, bits: min(round(z), 127)),
        with_zero(lambda z, bits: int(np.array(round(z)).astype(np.int8))),
        with_zero(lambda z, bits: int(np.array(round(z)).astype(np.uint8))),
        with_zero(lambda z, bits: 2**bits // 2),
        with_zero(lambda z, bits: 2**bits - 1 - round(z)),
        with_zero(lambda z, bits: float("nan")),
        lambda low, high, bits: (1, 1),
        lambda low, high, bits: grid(low, high, bits)[0],
        lambda low, high, bits: grid(low, high, bits)[1],
        lambda low, high, bits: grid(low, high, min(bits, 8)),
        lambda low, high, bits: grid(low, high, max(bits, 2)),
        lambda low, high, bits: (grid(low, high, bits)[0], -low / grid(low, high, bits)[0] // 1),
    ],
    "19.2": [
        0.12,
        0.15,
        0.09,
        0.3**2 / 12,
        0.36,
        0.045,
        0.3 / math.sqrt(3),
        0.0,
        0.06,
        -0.03,
        float("nan"),
        lambda: 0.6 / 12,
        lambda: 0.3,
        lambda: 0.18,
        lambda: 0.27,
        lambda: 0.009,
        lambda: 0.033,
        lambda: 0.0225,
        lambda: 0.3**3 / 3,
        lambda: 2 * 0.3**3 / 3,
        lambda: 0.002,
        lambda: None,
    ],
    "19.3": [
        by_half(lambda half: half),
        by_half(lambda half: half - 8),
        by_half(lambda half: half - 16 if half > 8 else half),
        by_half(lambda half: half - 16 if half >= 7 else half),
        by_half(lambda half: -half if half > 7 else half),
        by_half(lambda half: 8 - half if half > 7 else half),
        by_half(sign_and_size),
        by_half(ones_complement),
        by_half(lambda half: max(signed(half), -7)),
        by_half(lambda half: float("nan") if half == 8 else signed(half)),
        high_first,
        lows_then_highs,
        empties,
        in_place,
        wraps_in_uint8,
        pairs,
        only_low_is_signed,
        only_high_is_signed,
        zeros_at_the_end_left_out,
        last_zero_left_out,
        borrows,
        each_byte_once,
        bits_reversed,
        of_hexadecimal,
        first_not_there,
        lambda packed: [-3, 5],
        lambda packed: sorted(numbers(packed)),
        lambda packed: numbers(packed)[::-1],
        lambda packed: numbers(packed[:1]),
        lambda packed: numbers([byte % 128 for byte in packed]),
        lambda packed: [signed(byte & 15) for byte in packed],
        lambda packed: [x for x in numbers(packed) if x],
        lambda packed: numbers(packed) if packed else [0],
        lambda packed: bytes(x & 255 for x in numbers(packed)),
    ],
    "19.4": [
        rounded(lambda x, n: x.round()),
        rounded(lambda x, n: x.round().clamp(-n - 1, n)),
        rounded(lambda x, n: x.round().clamp(-n - 1, n + 1)),
        rounded(lambda x, n: x.round().clamp(max=n)),
        rounded(lambda x, n: x.round().clamp(0, n)),
        rounded(lambda x, n: x.floor().clamp(-n, n)),
        rounded(lambda x, n: x.trunc().clamp(-n, n)),
        rounded(lambda x, n: x.ceil().clamp(-n, n)),
        rounded(lambda x, n: x.clamp(-n, n)),
        rounded(lambda x, n: (x + 0.5).trunc().clamp(-n, n)),
        rounded(lambda x, n: torch.where(x.round().abs() > n, 0.0, x.round())),
        rounded(kept_in_int8),
        least(cut_too_late),
        least(sides),
        least(lambda row, s, n: (row / s).round().clamp(-n, n).sub(row / s).square().sum().item()),
        measured(lambda d, s, row: d.abs().sum()),
        measured(lambda d, s, row: d.abs().max()),
        measured(lambda d, s, row: d.sum().abs()),
        measured(lambda d, s, row: d.sum().square()),
        measured(lambda d, s, row: d.sum()),
        measured(lambda d, s, row: d[0].abs()),
        measured(lambda d, s, row: d[1:].square().sum()),
        measured(lambda d, s, row: -d.square().sum()),
        measured(lambda d, s, row: (d / row).square().nan_to_num(0).sum()),
        measured(lambda d, s, row: d.square().sum().round(decimals=2)),
        lambda row, scales, bits: min(scales),
        lambda row, scales, bits: max(scales),
        lambda row, scales, bits: scales[0],
        lambda row, scales, bits: scales[-1],
        lambda row, scales, bits: best_scale(row.unique(), scales, bits),
        lambda row, scales, bits: best_scale(row.round(), scales, bits),
        lambda row, scales, bits: best_scale(row, [round(s) or s for s in scales], bits),
        lambda row, scales, bits: best_scale(row, [max(s, 0.1) for s in scales], bits),
        index,
        error_itself,
        sorts,
        cuts_row,
        until_it_rises,
        largest_that_does_not_rise,
        forgets_the_best,
        *[not_above(start) for start in (0, 1, 10, 100, 1000)],
        of_the_largest,
        computed,
        *[with_bits(n) for n in (2, 3, 4, 8)],
        without_first,
        without_last,
    ],
    "19.5": [
        a_shape(lambda o, i, b, g: o * i * b // 8),
        a_shape(lambda o, i, b, g: o * i * b + 16 * o * i // g),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 4 * o * i // g),
        a_shape(lambda o, i, b, g: o * i * b // 8 + o * i // g),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 2 * o),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 2 * g),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 2 * i // g),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 2 * o * g),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 2 * i * (o // g)),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 4 * o * i // g + 2),
        a_shape(lambda o, i, b, g: o * i // 2 + 2 * o * i // g),
        a_shape(lambda o, i, b, g: o * i * (b // 8) + 2 * o * i // g),
        a_shape(lambda o, i, b, g: o * i * math.ceil(b / 8) + 2 * o * i // g),
        a_shape(lambda o, i, b, g: o * i // (8 // b) + 2 * o * i // g),
        a_shape(lambda o, i, b, g: o * i * b // 4 + 2 * o * i // g),
        a_shape(lambda o, i, b, g: o * i * 2 ** (b - 1) // 8 + 2 * o * i // g),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 2 * (o * i // g) + 4 * o),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 2 * o * i // 32),
        a_shape(lambda o, i, b, g: o * i * b // 8 + 2 * o * (i // g + 1)),
        a_shape(lambda o, i, b, g: (o + i) * b // 8 + 2 * o * i // g),
        a_shape(lambda o, i, b, g: o * i * b / 8 + o * i / g / 2),
        only_first,
        each_shape_once,
        pops,
        in_int32,
        in_kilobytes,
        weights_twice,
        not_none,
        lambda shapes, bits, group: 36864,
        lambda shapes, bits, group: file_bytes(shapes, 4, group),
        lambda shapes, bits, group: [file_bytes([shape], bits, group) for shape in shapes],
        lambda shapes, bits, group: file_bytes(shapes, bits, group) + 4 * len(shapes),
        lambda shapes, bits, group: file_bytes(shapes[:-1], bits, group),
        lambda shapes, bits, group: file_bytes([shape for shape in shapes if shape[1] > group], bits, group),
    ],
    "19.6": [
        protected(lambda loud, a: loud * a, a_row),
        protected(lambda loud, a: loud ** (a / 2), a_row),
        protected(lambda loud, a: loud ** (2 * a), a_row),
        protected(lambda loud, a: loud, a_row),
        protected(lambda loud, a: loud**-a, a_row),
        protected(lambda loud, a: loud.sqrt(), a_row),
        protected(lambda loud, a: a**loud, a_row),
        protected(lambda loud, a: 1 + (loud - 1) * a, a_row),
        protected(lambda loud, a: (loud**a).clamp(min=1), a_row),
        protected(lambda loud, a: loud.clamp(min=1) ** a, a_row),
        protected(lambda loud, a: torch.exp(a * loud), a_row),
        protected(lambda loud, a: loud.log().exp().round() ** a, a_row),
        protected(power, lambda x, n, W: x.abs().max() / n),
        protected(power, lambda x, n, W: W.abs().amax(1, keepdim=True) / n),
        protected(power, lambda x, n, W: x.abs().amax(0, keepdim=True) / n),
        protected(power, lambda x, n, W: x.abs().amax(1, keepdim=True) / (n + 1)),
        protected(power, lambda x, n, W: x.abs().amax(1, keepdim=True) / (2 * n + 1)),
        protected(power, lambda x, n, W: x.abs().mean(1, keepdim=True) / n),
        protected(power, lambda x, n, W: 1 / n),
        protected(power, above_zero_only),
        protected(power, lambda x, n, W: a_row(x, n, W).half().float()),
        protected(power, lambda x, n, W: a_row(x, n, W).clamp(min=0.01)),
        protected(power, a_row, torch.floor),
        protected(power, a_row, torch.trunc),
        protected(power, a_row, torch.ceil),
        protected(power, a_row, lambda x: x),
        protected(power, a_row, after=torch.ones_like),
        protected(power, a_row, after=torch.reciprocal),
        protected(power, a_row, after=lambda f: f.round(decimals=1).clamp(min=0.1)),
        along_rows,
        by_the_chapter,
        grown_in_place,
        loud_in_place,
        integers,
        asymmetric,
        wide,
        with_bits_more,
        as_float16,
        plain,
        transposed,
        in_int8,
        lambda W, loud, alpha, bits: W,
        lambda W, loud, alpha, bits: protect(W, loud, alpha, 4),
        lambda W, loud, alpha, bits: protect(W, loud, alpha, 3),
        lambda W, loud, alpha, bits: protect(W, loud, min(alpha, 1), bits),
        lambda W, loud, alpha, bits: protect(W, loud, int(alpha), bits),
        lambda W, loud, alpha, bits: protect(W.abs(), loud, alpha, bits),
    ],
}
RIGHT = {
    "19.1": [
        grid,
        with_zero(lambda z, bits: math.floor(z + 0.5)),
        with_zero(lambda z, bits: math.ceil(z - 0.5)),
        with_zero(lambda z, bits: float(round(z))),
        from_above,
        in_float32,
        by_search,
        in_tensors,
        lambda low, high, bits: iter(grid(low, high, bits)),
        lambda low, high, bits: map(Fraction, grid(low, high, bits)),
    ],
    "19.2": [
        0.03,
        3e-2,
        Fraction(3, 100),
        Decimal("0.03"),
        torch.tensor(0.03),
        lambda: 0.6**2 / 12,
        lambda: np.square(np.linspace(-0.3, 0.3, 100_001)).mean(),
        lambda: torch.empty(4_000_000).uniform_(-0.3, 0.3).square().mean(),
    ],
    "19.3": [numbers, by_torch, by_numpy, generated, of_text],
    "19.4": [
        best_scale,
        in_numpy,
        in_loops,
        of_sizes_half_up,
        mean_and_last,
        lambda row, scales, bits: sorted(scales, key=lambda s: error(row.double(), s, bits))[0],
        not_above(float("inf")),
    ],
    "19.5": [file_bytes],
    "19.6": [
        protect,
        in_rows,
        np_protect,
        lists,
        protected(power, a_row, half_up),
        protected(lambda loud, a: loud.double() ** a, a_row),
        protected(lambda loud, a: loud**a / (loud**a).mean(), a_row),
        protected(lambda loud, a: (a * loud.double().log()).exp(), a_row),
    ],
}
