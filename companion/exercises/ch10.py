"""The checks of chapter 10, Modern blocks."""

import math
import random

import torch

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter
from companion.exercises.settle import settle
from companion.exercises.values import a

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
            The slowest speed is nearly 1/theta, and not quite: the last pair is number D/2 − 1, for the first
            is number 0.
        500_000 ** (126 / 128)
            After so many tokens the slowest pair has turned by 1, in radians. A turn is longer.
        360 * 500_000 ** (126 / 128)
            The angles are in radians: a full turn is 2π, not 360.
        math.pi * 500_000 ** (126 / 128)
            That is half a turn.
        2 * math.pi
            That is a turn of the fastest pair. The slowest is the last one.
        500_000 ** (-126 / 128)
            That is the speed of the slowest pair. How many tokens does it take for a turn of 2π?
        2 * math.pi * 500_000 ** (-126 / 128)
            The slowest pair needs the most tokens: divide by its speed.
        2 * math.pi * 500_000 ** (127 / 128)
            The pairs are D/2, not D: the exponent goes up by 2/D from one to the next.
        2 * math.pi * 500_000 ** (63 / 128)
            Equation (1) has −2i/D in the exponent, and a 2 got lost.
        2 * math.pi * 10_000 ** (126 / 128)
            That is with a theta of 10,000. Llama 3 took another.
        2 * math.pi * 500_000 ** (124 / 128)
            That is the last pair but one, or the last of a head half as wide. Count: 128 numbers are 64
            pairs, and the first of them is number 0.
        1 / (2 * math.pi * 500_000 ** (126 / 128))
            That is how much of a turn it makes in one token. How many tokens make a whole one?
        2 * math.pi * 500_000 ** (126 / 128) / 1000
            Near, but for a factor of a thousand: is that in thousands of tokens?
        2 * math.pi * 500_000 ** (126 / 128) / 10**6
            Near, but for a factor of a million: is that in millions of tokens?
        2_500_000 || 2_600_000
            Nearly. It should be right to within 1 %.
        628
            That is the example, a head 4 wide. Llama 3's are 128 wide.
        2 * math.pi * 500_000 ** (46 / 48)
            That is for heads of 48. Llama 3's are wider.
        2 * math.pi * 10_000 ** (46 / 48)
            That is the chapter's own example. Llama 3 has other numbers.
    """,
    right="The 8,192 tokens that Llama 3 was trained on are a three-hundredth of a turn of the slowest pair.",
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
            You rounded down, so SwiGLU has fewer numbers than the MLP. At least as many are wanted.
        = round(8 * d_model / (3 * multiple)) * multiple
            You took the nearest multiple. Where that lies below, SwiGLU has too few numbers.
        8 * d_model, 3 * multiple => 4 * d_model, multiple
            With d_ff = 4 C, three matrices have half as many numbers again as the MLP's two.
        = divided_up(8 * d_model, 3)
            Enough numbers, but not a multiple of `multiple`.
        -(-number // by) => number // by + 1
            One multiple too many where 8/3 C is one already.
        = gated_width(d_model, 8)
            That is a multiple of 8, whatever `multiple` says.
        3 * multiple => multiple
            One matrix of that width has as many numbers as the MLP's two. A SwiGLU has three.
        8 * d_model => 8 * d_model + 5
            You counted the MLP's biases too. Here neither has any.
        = math.ceil(2.6667 * d_model / multiple) * multiple
            The factor 2.6667 is a bit more than 8/3, sometimes by a whole multiple. Divide by 3.
        = math.ceil(2.67 * d_model / multiple) * multiple
            The factor 2.67 is more than 8/3, and sometimes that is a multiple too many. Divide by 3.
        = next((d_ff for d_ff in range(multiple, 4 * d_model + 1, multiple) if 3 * d_ff >= 8 * d_model), None)
            Where `multiple` is more than 4 C, your search ends before it has found any.
        8 * d_model => 4 * d_model
            That is half of it: the MLP has two matrices of C × 4C, 8 C² in all.
        = 8 * d_model // 3
            You rounded 8/3 C down, and not to a multiple of `multiple`.
        8 * d_model, 3 * multiple => 8 * d_model // 3, multiple
            You rounded 8/3 C down before you took the multiple, and lost a little, which sometimes counts.
        8 * d_model => 2 * d_model
            Two thirds of C; but the MLP's middle is 4 C wide, so it is two thirds of that.
        times * multiple => times
            That is how many times `multiple` fits; the width is so many times `multiple`.
    """,
    right="Two thirds of 4 C, rounded up: so a trial of the gate is a trial of nothing else.",
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
            That is the way back, from halves to neighbours. Which rows of a head are first in their pair?
        (n_heads, -1, 2) => (1, -1, 2)
            You sorted all rows together. Each head is sorted by itself.
        pairs.transpose(1, 2) => pairs.permute(2, 1, 0, 3)
            The heads got mixed: their order stays, only the rows within a head change places.
        pairs.transpose(1, 2) => pairs.transpose(0, 1)
            You exchanged heads and pairs. A pair's two numbers still are neighbours.
        = weight.clone()
            Nothing has changed places.
        pairs.transpose(1, 2) => pairs.flip(2)
            You exchanged the two numbers of each pair; they still are neighbours.
        pairs.transpose(1, 2) => pairs.flip(2).transpose(1, 2)
            The second halves come first: the first numbers of the pairs should.
        pairs.transpose(1, 2) => pairs.flip(1, 2)
            You reversed the rows of each head.
        = torch.cat([weight[:, 0::2], weight[:, 1::2]], dim=1)
            You sorted the columns, which are what a head reads. What it makes of that are the rows.
        (n_heads, -1, 2) => (-1, 2, n_heads) ; pairs.transpose(1, 2) => pairs.transpose(0, 1)
            You cut the rows as if the heads lay inside one another. The first D rows are the first head.
        = torch.cat([half for piece in weight.split(n_heads) for half in (piece[0::2], piece[1::2])])
            You cut pieces of `n_heads` rows. There should be `n_heads` pieces.
        = torch.cat([it[: len(it) // n_heads], weight[len(it) // n_heads :]])
            Only the first head is sorted.
        halves.flatten(0, 2) => halves.flatten(1, 2)
            The order is right. The heads should be joined again, to the shape that came in.
        halves.flatten(0, 2) => halves
            The order is right. The levels should be joined again, to the shape that came in.
        = to_halves(it, n_heads)
            The rows were sorted twice.
    """,
    right="The matrix decides which numbers are a pair, so sorted rows make one file of the other.",
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
            You averaged neighbouring rows, which are numbers of the same head. Average whole heads.
        (n_kv_heads, size, -1) => (size, n_kv_heads, -1) ; groups.mean(1) => groups.mean(0)
            The heads of a group are neighbours: with 4 heads and 2 groups, heads 0 and 1, not 0 and 2.
        means.flatten(0, 1) => means[:, None].expand_as(groups).flatten(0, 2)
            The means are right, but there are still as many heads as before.
        groups.mean(1) => groups.mean(0)
            You averaged over the groups, not over the heads of a group.
        = weight[: len(weight) * n_kv_heads // n_heads].clone()
            You kept the first heads. The new ones are means of all.
        groups.mean(1) => groups.median(1).values
            You took the median of each group's heads. The mean is wanted.
        groups.mean(1) => groups[:, -1]
            You kept the last head of each group, and threw the others away. Their mean is wanted.
        groups.mean(1) => groups.amax(1)
            You took the largest number of each group's heads. The mean is wanted.
        groups.mean(1) => groups.sum(1) / 2
            You divided by 2. A group may have more heads, or one alone.
        groups.mean(1) => groups.sum(1) / n_heads
            You divided by the number of all heads. A mean divides by the number that was added.
        means.flatten(0, 1) => means
            The means are right. The new heads should be joined again, to rows of C numbers.
        (n_kv_heads, size, -1) => (size, n_kv_heads, -1)
            You averaged `n_kv_heads` heads at a time. A group has `n_heads / n_kv_heads`.
        groups.mean(1) => groups.mean((0, 1)).expand(n_kv_heads, -1, -1)
            You averaged over all heads. Each group has a mean of its own.
        = weight.unflatten(0, (n_heads, -1)).mean(0)
            You averaged over all heads, to a single one. Each group has a mean of its own.
        groups.mean(1) => groups.mean(2)
            You averaged the numbers of a head. Average the heads of a group, number by number.
        - means = groups.mean(1)
        + means = groups[:, 0]
        + for i in range(1, size):
        +     means = (means + groups[:, i]) / 2
            A running mean of two gives the last head half of all the weight. Each should count alike.
        groups.mean(1) => groups.mean(1).flip(0)
            The new heads are right, and in the wrong order.
    """,
    right="A model with fewer keys, made from one with many; a little training, and it is nearly as good.",
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
    found = settle(answer(x, shares, before))
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Problem(f"It must return two tensors, the shifted vectors and the memory; this is {a(found)}.")
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
            The first of the shares belongs to the vector just before, and you gave it to the furthest.
        = (go_on(x, shares, before.flip(0))[0], it[1])
            `before` is ordered as the text is: its last row stood just before `x`.
        shifted[n:] => shifted[n:] - x
            The vector itself is missing: the shares are added to it.
        whole[len(x) :] => before.clone()
            The memory has not moved on: it must end with what was just read.
        whole[len(x) :] => whole
            You hand over everything. The last n vectors are all that the next call needs.
        whole[len(x) :] => x[-n:].clone()
            Where `x` is shorter than the memory, some of the old vectors are still needed.
        whole[len(x) :] => torch.cat([torch.zeros_like(before), x])[len(x) :]
            Where `x` is shorter than the memory, the old vectors stay; you put zeros there.
        = (go_on(x, shares, torch.zeros_like(before))[0], it[1])
            The shifted vectors do not use `before`: each call begins as if the text began there.
        whole[t - back] => whole[t - back + 1]
            Off by one: the nearest share meets the vector itself, not the one before it.
        whole[len(x) :] => shifted[len(x) :]
            You hand over shifted vectors. The next ones need them as they came in, as equation (4) says.
        shifted[n:], whole[len(x) :] => whole[len(x) :], shifted[n:]
            The two results are swapped: the shifted vectors come first.
        whole[t - back] => shifted[t - back]
            You add shares of vectors that are shifted already. Equation (4) adds shares of what came in.
        whole[t - back] => x[(t - n - back) % len(x)]
            `roll` brings the end of `x` round to its beginning. What stood before `x` is in `before`.
        - shifted[t] += shares[back - 1] * whole[t - back]
        + if t + back < len(whole):
        +     shifted[t] += shares[back - 1] * whole[t + back]
            Each vector looks at those after it. Equation (4) looks back.
        range(1, n + 1) => range(1, 2)
            Only the vector just before counts. There are n shares.
        shares[back - 1] => shares[back - 1, 0]
            Every number has a share of its own; you took those of the first for all.
        = (torch.cat([it[0][:1], go_on(x, shares, torch.zeros_like(before))[0][1:]]), it[1])
            The second new vector, too, may reach back into `before`.
        whole[len(x) :] => x.clone()
            You hand over the new vectors. The next call needs n, however many are new.
        whole[len(x) :] => whole[-n + 1 :]
            You hand over one vector too few (and `[-0:]` is everything).
        whole[len(x) :] => whole[len(x) :].flip(0)
            The memory is handed over newest first; `before` is oldest first.
    """,
    right="Told in pieces of any size, the text is shifted as it is at once.",
)
def go_on(x, shares, before):
    n = len(shares)
    whole = torch.cat([before, x])
    shifted = whole.clone()
    for t in range(n, len(whole)):
        for back in range(1, n + 1):
            shifted[t] += shares[back - 1] * whole[t - back]
    return shifted[n:], whole[len(x) :]


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


def one_after_another(matrix):
    """Gram and Schmidt: columns, or rows of a wide matrix, each without what those before it have."""
    wide = len(matrix) < matrix.shape[1]
    q, r = torch.linalg.qr(matrix.T if wide else matrix)
    q = q * r.diagonal().sign()
    return q.T if wide else q


FEW_STEPS = "".join(
    f"""
        range(60) => range({steps})
            Right in the direction, and {steps} steps are too few for a singular value of a thousandth: each
            makes it larger by half."""
    for steps in (3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 15)
)


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
    mistakes=FEW_STEPS
    + """
        range(60) => range(5)
            Right in the direction, and five steps are too few: small singular values have not come up yet.
        range(60) => range(10)
            Ten steps are too few for a singular value of a thousandth. Each step makes it larger by half.
        range(60) => range(16)
        range(60) => range(17)
        range(60) => range(18)
        range(60) => range(19)
        range(60) => range(20)
        range(60) => range(21)
        range(60) => range(22)
        range(60) => range(23)
            Nearly: the smallest singular values are still below 1. A few steps more.
        x / x.norm() => x ; range(60) => range(20)
        x / x.norm() => x ; range(60) => range(30)
        x / x.norm() => x
            It grew without bound: values above the square root of 3 turn over, and those above that of 5 fly
            off. How large may the first X be?
        x.norm() => x.abs().max() ; range(60) => range(20)
        x.norm() => x.abs().max() ; range(60) => range(30)
        x.norm() => x.abs().max()
            You divided by the largest number in the matrix. Singular values may be larger than any number in
            it: three ones in a row have 1.7.
        x.norm() => x.norm(dim=1, keepdim=True)
            The iteration is right, and began with another matrix: rows of length 1 have other directions.
            Divide all numbers by the same one.
        range(60) => range(5) ; 1.5 * x - 0.5 * cube => 3.4445 * x - 4.7750 * cube + 2.0315 * cube @ x.T @ x
            These are Muon's coefficients, which never settle: singular values end anywhere near 1.
        range(60) => range(40) ; 1.5 * x - 0.5 * cube => 3.4445 * x - 4.7750 * cube + 2.0315 * cube @ x.T @ x
            These are Muon's coefficients, and more steps do not help: they never settle.
        = matrix / matrix.norm()
            It has the right size as a whole, but its singular values are as different as before.
        = matrix / torch.linalg.matrix_norm(matrix, 2)
            Now the largest singular value is 1; the others are as far below it as before.
        = matrix / matrix.norm(dim=1, keepdim=True)
            Each row has length 1 now, but the rows are not orthogonal to one another.
        = matrix / matrix.norm(dim=0, keepdim=True)
            Each column has length 1 now, but the columns are not orthogonal to one another.
        = it.T
            It is transposed: the result has the shape of the matrix.
        = -it
            The directions are turned round: the sign of every number is wrong.
        = torch.eye(*matrix.shape)
            That is an orthogonal matrix, but not one with this matrix's directions.
        = matrix.sign()
            Each number became its sign. Did you multiply number by number? The products in the iteration are
            those of matrices, `@`.
        = torch.linalg.qr(matrix).Q
        : one_after_another
            Orthogonal, but with other directions: one column (or row) was made after another, and the first
            kept its own. All should give way alike.
        = torch.linalg.svd(matrix, full_matrices=False).U
        = torch.linalg.svd(matrix, full_matrices=False).Vh
            One set of singular vectors alone. The matrix has two, and keeps both.
        = torch.linalg.svd(matrix).U @ torch.linalg.svd(matrix).Vh
            Right where the matrix is square. Else one set of singular vectors is larger than the other; only
            as many of each count as there are singular values.
        = torch.linalg.pinv(matrix)
        = torch.linalg.pinv(matrix).T
            Inverted: a singular value of 2 became 0.5. It should become 1.
        = it.T if len(it) > it.shape[1] else it
            A tall matrix comes back lying down. The result has the shape of the matrix.
    """,
    right="Products alone do it too, in two dozen steps; Muon stops after five, because near 1 is enough.",
)
def exactly_orthogonal(matrix):
    x = matrix.double()
    x = x / x.norm()
    for _ in range(60):
        cube = x @ x.T @ x
        x = 1.5 * x - 0.5 * cube
    return x.to(matrix.dtype)
