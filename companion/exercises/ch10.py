"""The checks of chapter 10, Modern blocks."""

import math
import random

import torch

from companion.exercises.comparison import a
from companion.exercises.normalize import normalize
from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

# -- 10.1 ------------------------------------------------------------------
HORIZON = 2 * math.pi * 500_000 ** (126 / 128)

chapter.number(
    "10.1 How far can it count? ★",
    wants="horizon()",
    answer=HORIZON,
    tolerance=HORIZON / 100,
    mistakes="""
        2 * math.pi * 500_000
            The slowest speed is not quite 1/theta. The first pair has number 0, so the last one has number
            D/2 − 1.
        500_000 ** (126 / 128)
            After so many tokens the slowest pair has turned by an angle of 1. A full turn is 2π.
        360 * 500_000 ** (126 / 128)
            The angles are in radians: a full turn is 2π, not 360.
        500_000 ** (-126 / 128)
            That is the speed of the slowest pair. How many tokens does it take for a turn of 2π?
        2 * math.pi * 500_000 ** (127 / 128)
            A head has D/2 pairs, not D. The exponent grows by 2/D from one pair to the next.
        2 * math.pi * 500_000 ** (63 / 128)
            The exponent in equation (1) is −2i/D. You left out the 2.
        2 * math.pi * 10_000 ** (126 / 128)
            That is the result for a theta of 10,000. Llama 3 uses 500,000.
        2_500_000 || 2_600_000
            This is close, but it must be right to within 1 %.
        628
            That is the result of the example, for heads that are 4 wide. Llama 3's heads are 128 wide.
    """,
    right="In the 8,192 tokens of its training, the slowest pair makes a three-hundredth of a turn.",
)


# -- 10.2 ------------------------------------------------------------------
def gated_cases(seed):
    rng = random.Random(seed)
    return [(rng.randint(2, 900), rng.randint(2, 70)) for _ in range(6)]


def divided_up(number, by):
    return -(-number // by)


@chapter.function(
    "10.2 As many numbers ★",
    inputs="""
        6, 8 || 6, 5 || 6, 1 || 1, 1 || 1, 7 || 2, 2 || 3, 8 || 4096, 256 || 96, 8 || 576, 8 || 97, 10
        # where 32 bits overflow; floats are right
        4096, 1 || 16_384, 256 || 65_536, 1
    """,
    cases=gated_cases,
    helpers=(divided_up,),
    mistakes="""
        = 8 * d_model // (3 * multiple) * multiple
            You rounded down, so the SwiGLU has fewer numbers than the MLP. It must have at least as many.
        = round(8 * d_model / (3 * multiple)) * multiple
            You took the nearest multiple. If it lies below 8/3 C, the SwiGLU has too few numbers.
        8 * d_model, 3 * multiple => 4 * d_model, multiple
            With d_ff = 4 C, the three matrices have 12 C² numbers. The MLP's two have 8 C².
        -(-number // by) => number // by + 1
            If 8/3 C is already a multiple, you return one multiple too many.
        = math.ceil(2.6667 * d_model / multiple) * multiple
            The factor 2.6667 is a little more than 8/3, which sometimes gives a multiple too many.
            Multiply by 8 and divide by 3.
        8 * d_model => 4 * d_model
            That is half of the width. The MLP has two matrices of C × 4C numbers, 8 C² in all.
        8 * d_model, 3 * multiple => 8 * d_model // 3, multiple
            You rounded 8/3 C down before you rounded up to a multiple. Sometimes the result is too small.
    """,
    right="With two thirds of the width, a comparison tests the gate, and not a larger number of weights.",
)
def gated_width(d_model, multiple):
    times = divided_up(8 * d_model, 3 * multiple)
    return times * multiple


# -- 10.3 ------------------------------------------------------------------
def halves_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for heads, pairs, width in [(3, 5, 7), (2, 8, 3), (5, 3, 11)]:
        yield torch.randn(heads * pairs * 2, width, generator=generator), heads


@chapter.function(
    "10.3 Which number turns with which? ★★",
    inputs="""
        torch.arange(4.0)[:, None], 1 || torch.arange(6.0)[:, None], 1 || torch.arange(8.0)[:, None], 2
        torch.arange(24.0).view(12, 2), 3
    """,
    cases=halves_cases,
    mistakes="""
        (n_heads, -1, 2) => (n_heads, 2, -1)
            You sort in the opposite direction, from halves to neighbors. Which rows of a head are the
            first of their pair?
        (n_heads, -1, 2) => (1, -1, 2)
            You sorted all rows together. Each head is sorted by itself.
        pairs.transpose(1, 2) => pairs.permute(2, 1, 0, 3)
            You mixed the heads. Keep their order, and sort only the rows within each head.
        = torch.cat([weight[:, 0::2], weight[:, 1::2]], dim=1)
            You sorted the columns, which belong to the input. The numbers of a head are the rows.
        = torch.cat([half for piece in weight.split(n_heads) for half in (piece[0::2], piece[1::2])])
            You made pieces of `n_heads` rows. Make `n_heads` pieces.
    """,
    right="The rows decide which numbers form a pair, so sorting them turns one format into the other.",
)
def to_halves(weight, n_heads):
    pairs = weight.unflatten(0, (n_heads, -1, 2))
    halves = pairs.transpose(1, 2)
    return halves.flatten(0, 2)


# -- 10.4 ------------------------------------------------------------------
def share_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for groups, group, width, C in [(2, 3, 5, 7), (3, 2, 4, 11), (1, 5, 3, 2), (4, 3, 6, 5)]:
        rows = groups * group * width
        yield torch.randn(rows, C, generator=generator), groups * group, groups


@chapter.function(
    "10.4 From many keys, few ★★",
    inputs="""
        torch.tensor([[1.0], [3], [10], [20]]), 4, 2
        torch.tensor([[1.0], [3], [10], [20]]), 4, 1
        torch.tensor([[1.0], [3], [10], [20]]), 4, 4
        torch.tensor([[1.0], [3], [10], [20]]), 2, 1
        torch.arange(8.0)[:, None], 4, 2
        torch.tensor([[1.0], [3], [10], [21], [30], [50]]), 6, 2
    """,
    cases=share_cases,
    mistakes="""
        groups.mean(1) => groups.sum(1)
            You added the heads of a group up. A mean keeps the size of the keys.
        groups.mean(1) => groups[:, 0]
            You kept the first head of each group, and threw the others away. Their mean is wanted.
        (n_kv_heads, size, -1) => (n_kv_heads, -1, size) ; groups.mean(1) => groups.mean(2)
            You averaged neighboring rows, which are numbers of the same head. Average whole heads.
        (n_kv_heads, size, -1) => (size, n_kv_heads, -1) ; groups.mean(1) => groups.mean(0)
            The heads of a group are neighbours: with 4 heads and 2 groups, heads 0 and 1, not 0 and 2.
        means.flatten(0, 1) => means[:, None].expand_as(groups).flatten(0, 2)
            The means are right, but there are still as many heads as before.
    """,
    right="Averaging makes a model with fewer keys. After a little more training it is nearly as good.",
)
def share_heads(weight, n_heads, n_kv_heads):
    size = n_heads // n_kv_heads
    groups = weight.unflatten(0, (n_kv_heads, size, -1))
    means = groups.mean(1)
    return means.flatten(0, 1)


# -- 10.5 ------------------------------------------------------------------
def go_on_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for T, n, C in [(5, 3, 4), (2, 5, 3), (1, 4, 2), (7, 1, 6)]:
        yield tuple(torch.randn(rows, C, generator=generator) for rows in (T, n, n))


def try_going_on(answer, x, shares, before):
    found = normalize(answer(x, shares, before))
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Problem(f"Return two tensors, the shifted vectors and the next `before`. This is {a(found)}.")
    return {"shifted vectors": found[0], "next `before`": found[1]}


@chapter.function(
    "10.5 What a shift must remember ★★",
    inputs="""
        torch.tensor([[1.0]]), torch.tensor([[0.5]]), torch.tensor([[0.0]])
        torch.tensor([[1.0]]), torch.tensor([[0.5]]), torch.tensor([[4.0]])
        torch.tensor([[1.0], [2]]), torch.tensor([[0.5]]), torch.tensor([[4.0]])
        torch.tensor([[4.0], [6]]), torch.tensor([[0.5], [1]]), torch.tensor([[8.0], [2]])
        torch.tensor([[4.0]]), torch.tensor([[0.5], [1], [2]]), torch.tensor([[8.0], [2], [10]])
        torch.tensor([[1.0, 10], [2, 20], [3, 30]]), torch.tensor([[0.5, 0]]), torch.tensor([[4.0, 40]])
    """,
    cases=go_on_cases,
    call=try_going_on,
    mistakes="""
        shares[back - 1] => shares[-back]
            The first share belongs to the nearest vector. You used it for the furthest one.
        = (go_on(x, shares, before.flip(0))[0], it[1])
            `before` has the order of the text. Its last row comes just before `x`.
        joined[len(x) :] => before.clone()
            You return the old memory. The new one must end with the last vector of `x`.
        joined[len(x) :] => joined
            You pass on all vectors. The next call needs only the last n.
        joined[len(x) :] => x[-n:].clone()
            If `x` has fewer than n vectors, some of the old ones are still needed.
        = (go_on(x, shares, torch.zeros_like(before))[0], it[1])
            Your shifted vectors do not use `before`, as if the text began at each call.
        joined[t - back] => joined[t - back + 1]
            You are off by one. You multiply the first share with the vector itself, not with the one
            before it.
        joined[len(x) :] => shifted[len(x) :]
            You pass on shifted vectors. Equation (5) needs the vectors as they came in.
        joined[t - back] => shifted[t - back]
            You add shares of shifted vectors. Equation (5) adds shares of the vectors as they came in.
        joined[t - back] => x[(t - n - back) % len(x)]
            You use the end of `x` as what comes before it, as `roll` does. These vectors are in `before`.
        joined[len(x) :] => joined[-n + 1 :]
            You pass on one vector too few. Mind that `[-0:]` is everything.
    """,
    right="If the text arrives in pieces of any size, the result is the same as for the whole text at once.",
)
def go_on(x, shares, before):
    n = len(shares)
    joined = torch.cat([before, x])
    shifted = joined.clone()
    for t in range(n, len(joined)):
        for back in range(1, n + 1):
            shifted[t] += shares[back - 1] * joined[t - back]
    return shifted[n:], joined[len(x) :]


# -- 10.6 ------------------------------------------------------------------
def orthogonal_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for n, m, spread in [(3, 5, 1), (7, 4, 1), (6, 6, 3), (12, 9, 2), (5, 13, 3), (24, 30, 0)]:
        u, _, v = torch.linalg.svd(torch.randn(n, m, generator=generator).double(), full_matrices=False)
        sizes = 10 ** -torch.linspace(0, spread, min(n, m)).double()
        if spread == 0:  # one is small: by a thousand, and by 5 more once it is divided by the norm of all
            sizes[-1] = 0.001001
        scale = 10 ** (4 * torch.rand((), generator=generator) - 2).double()
        yield ((scale * (u * sizes) @ v).float(),)


@chapter.function(
    "10.6 Even, and exactly ★★★",
    inputs="""
        torch.tensor([[3.0, 0], [0, 0.5]])
        torch.tensor([[0.0, 2], [-2, 0]])
        torch.tensor([[3.0, 4]]) || torch.tensor([[0.5]]) || torch.tensor([[-7.0]])
        torch.tensor([[1.0, 1], [1, -1], [1, 1]])
    """,
    cases=orthogonal_cases,
    tolerance=1e-4,
    mistakes="""
        range(60) => range(5) || range(10) || range(15)
            The iteration is right, but so few steps leave a singular value of a thousandth far below 1:
            each step makes it larger by half.
        range(60) => range(16) || range(17) || range(18) || range(19) || range(20) || range(21) || range(22)
            This is close, but the smallest singular values are still below 1. Take a few more steps.
        x / x.norm() => x
            Singular values above the square root of 3 change their sign or grow without bound. How large
            may X be at the start?
        x.norm() => x.abs().max()
            You divided by the largest number in the matrix. A singular value can be larger than any
            number: a row of three ones has 1.7.
        x.norm() => x.norm(dim=1, keepdim=True)
            The iteration is right, but you divided each row by its own length, which changes the directions.
            Divide all numbers by the same one.
        range(60) => range(5) ; 1.5 * x - 0.5 * cube => 3.4445 * x - 4.7750 * cube + 2.0315 * cube @ x.T @ x
            You used Muon's coefficients, with which singular values come near 1 and never settle.
        = matrix.sign()
            You return the sign of each number. Did you multiply number by number? The iteration needs matrix
            products, `@`.
        = torch.linalg.qr(matrix).Q
            Your result is orthogonal, but its singular vectors are different. You made one column or row
            after the other, so the first one kept its direction.
        = torch.linalg.svd(matrix, full_matrices=False).U
            You return one set of singular vectors. The result needs the product of both sets.
        = torch.linalg.svd(matrix).U @ torch.linalg.svd(matrix).Vh
            This is right for square matrices only. For others, use only as many singular vectors of each
            set as there are singular values (`full_matrices=False`).
    """,
    right="Matrix products reach 1 in about thirty steps. Muon stops after five: near 1 is enough.",
)
def exactly_orthogonal(matrix):
    x = matrix.double()
    x = x / x.norm()
    for _ in range(60):
        cube = x @ x.T @ x
        x = 1.5 * x - 0.5 * cube
    return x.to(matrix.dtype)
