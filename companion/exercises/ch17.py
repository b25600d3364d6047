"""The checks of chapter 17, LoRA."""

import random

import torch

from companion.exercises.normalize import as_tensor
from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

chapter.number(
    "17.1 How many numbers? ★",
    wants="numbers_of_the_adapter()",
    answer=32 * 16 * (3 * 4096 + 1024),
    tolerance=0,
    mistakes="""
        32 * 16 * 4 * 4096
            The output of `v_proj` has 1,024 numbers, not 4,096.
        32 * 16 * 2 * 4096
            That is only `q_proj`, or only the matrices A of both layers.
        32 * 16 * (4096 + 1024)
            That is only `v_proj`, or only the matrices B of both layers.
        16 * (3 * 4096 + 1024)
            That is the number for one block. There are 32 blocks.
        32 * (4096 * 4096 + 4096 * 1024)
            Those are the numbers of the frozen matrices, which are not part of the adapter.
        32 * 16 * 16 * (3 * 4096 + 1024)
            The rank is a factor of A's size and of B's size. It is not squared.
        32 * (3 * 4096 + 1024)
            That is the number for rank 1.
        32 * 16 * (2 * 4096 + 2 * 1024)
            The input of `v_proj` has 4,096 numbers, so its A has 4,096 columns.
        2 * 6_815_744
            That is twice as many. A has rank · in numbers, and B has out · rank.
        4 * 6_815_744
            That is the number of bytes in float32. Return how many numbers there are.
        8192
            That is the result of the example.
        6.815744 || 6.8
            That looks like millions. Return the exact number.
        7_000_000 || 6_800_000 || 6_820_000 || 6_816_000 || 6_815_000 || 6_815_700
            That looks rounded. Return the exact number.
    """,
    right="That is 6.8 million numbers beside 8 billion, less than a thousandth. At two bytes each, they take "
    "14 MB.",
)

# -- 17.2 ------------------------------------------------------------------
SQUARE = torch.tensor([[1.0, 0, 2], [0, 1, 0], [3, 0, 1]])


def folded_cases(seed):
    g = torch.Generator().manual_seed(seed)
    for out, into, r, alpha in ((5, 3, 2, 3), (4, 7, 3, 1.5), (6, 9, 4, 32), (7, 5, 5, 4)):
        W, A, B = (torch.randn(shape, generator=g) for shape in ((out, into), (r, into), (out, r)))
        yield W, A, B, alpha + seed


def real(answer, W, A, B, alpha):
    found = answer(W, A, B, alpha)
    matrix = as_tensor(found)
    if matrix is not None and matrix.is_complex():
        raise Problem("It must return a matrix of real numbers; these are complex.")
    return found


@chapter.function(
    "17.2 Folded by hand ★",
    inputs="""
        SQUARE, torch.tensor([[1.0, 2, 0]]), torch.tensor([[1.0], [0], [2]]), 2
        SQUARE, torch.tensor([[1.0, 2, 0], [0, 1, 1]]), torch.tensor([[1.0, 1], [0, 1], [2, 0]]), 2
        torch.zeros(2, 3), torch.tensor([[1.0, 2, 3]]), torch.tensor([[1.0], [10]]), 1
        SQUARE, torch.tensor([[1.0, 2, 0], [2, 4, 0]]), torch.tensor([[1.0, 1], [0, 1], [2, 0]]), 2
    """,
    cases=folded_cases,
    call=real,
    mistakes="""
        alpha / A.shape[0] => 1
            The change counts once: `alpha` and the rank were left out.
        alpha / A.shape[0] => alpha
            Divide `alpha` by the rank.
        alpha / A.shape[0] => 1 / A.shape[0]
            `alpha` was left out.
        A.shape[0] => A.shape[1]
            The rank is the number of rows of A, not of its columns.
        A.shape[0] => B.shape[0]
            The rank is the number of columns of B, not of its rows.
        W + =>
            That is the change alone. Add it to W.
        W + scale * (B @ A) => scale * (W + B @ A)
            You scaled W, too. Only the change is multiplied by `alpha` / rank.
        B @ A => (B @ A).T if W.shape[0] == W.shape[1] else B @ A
            You transposed the change. B times A is (out, in), like W.
    """,
    right="A merged adapter costs no time, so an adapter need not make a model slower.",
)
def folded(W, A, B, alpha):
    scale = alpha / A.shape[0]
    return W + scale * (B @ A)


# -- 17.3 ------------------------------------------------------------------
ONE = torch.tensor([[1.0, 2, 0]]), torch.tensor([[1.0], [3]]), 2.0
TWO = torch.tensor([[0.0, 1, 1]]), torch.tensor([[1.0], [0]]), 1.0


def blend_cases(seed):
    g = torch.Generator().manual_seed(seed)
    for ranks, shares in (((2, 2), (0.5, 0.5)), ((1, 3), (1.0, -0.5)), ((2, 1, 3), (0.2, 0.3, 0.5))):
        adapters = [
            (torch.randn(r, 7, generator=g), torch.randn(5, r, generator=g), scale)
            for r, scale in zip(ranks, (2.0, 0.5, 3.0), strict=False)
        ]
        yield adapters, [share + seed / 8 for share in shares]


def two_matrices(found, wanted, shapes=None):
    """A and B from what an answer returned; `wanted` is told where they are no matrices of these shapes."""
    try:
        A, B = found
    except (TypeError, ValueError):
        raise Problem("It must return two matrices, A and B.") from None
    A = as_tensor(A)
    B = as_tensor(B)
    if A is None or B is None or A.ndim != 2 or B.ndim != 2 or (shapes and (A.shape, B.shape) != shapes):
        raise Problem(wanted)
    if A.is_complex() or B.is_complex():
        raise Problem("A and B must be of real numbers; these are complex.")
    return A, B


def product(answer, adapters, shares):
    most = sum(len(A) for A, _, _ in adapters)
    A, B = two_matrices(answer(adapters, shares), "A and B must be matrices: A (ranks, in), B (out, ranks).")
    if A.shape[0] != B.shape[1]:
        raise Problem(f"A has {A.shape[0]} rows and B has {B.shape[1]} columns. B @ A needs equally many.")
    if len(A) > most:
        raise Problem(f"The rank is {len(A)}, and it may be at most {most}, the sum of the adapters' ranks.")
    return B.double() @ A.double()


def means(adapters, shares):
    most = max(len(A) for A, _, _ in adapters)
    summed_A = torch.zeros(most, adapters[0][0].shape[1])
    summed_B = torch.zeros(len(adapters[0][1]), most)
    for (A, B, scale), share in zip(adapters, shares, strict=True):
        summed_A[: len(A)] += A
        summed_B[:, : len(A)] += share * scale * B
    return summed_A, summed_B


@chapter.function(
    "17.3 Two adapters in one ★★",
    inputs="""
        [ONE], [1.0] || [ONE, TWO], [1.0, 1.0] || [ONE, TWO], [0.5, 2.0] || [ONE, TWO], [1.0, 0.0]
        [ONE, TWO], [0.0, 0.0] || [ONE, TWO], [0.01, 0.002]
        [ONE, TWO, ONE], [0.5, 1.0, 2.0]
    """,
    cases=blend_cases,
    call=product,
    mistakes="""
        shares[i] * scale * B => shares[i] * B
            The adapters' own scales were left out.
        shares[i] * scale * B => scale * B
            The shares were left out.
        shares[i] * scale * B => B
            Scales and shares were left out.
        rows.append(A) => rows.append(shares[i] * scale * A)
            You multiplied by scale and share twice, in A and in B. Once is enough.
        scale * B => scale / len(A) * B
            The scale is already divided by the rank.
        = blend(adapters, [share / sum(shares) for share in shares])
            Use the shares as they are, even if they do not sum to 1.
        : means
            If you add the A's and the B's, the product also contains one adapter's B times another's A.
    """,
    right="The ranks add up, and no model is needed. So you can mix adapters, such as half of a poet's and "
    "half of a lawyer's.",
)
def blend(adapters, shares):
    rows, columns = [], []
    for i, (A, B, scale) in enumerate(adapters):
        rows.append(A)
        columns.append(shares[i] * scale * B)
    return torch.cat(rows), torch.cat(columns, dim=1)


# -- 17.4 ------------------------------------------------------------------
def extract_cases(seed):
    g = torch.Generator().manual_seed(seed)
    for out, into, rank in ((6, 4, 2), (4, 7, 3), (5, 8, 1), (5, 3, 3), (4, 4, 2), (3, 5, 3)):
        before = torch.randn(out, into, generator=g)
        yield before, before + torch.randn(out, into, generator=g), rank
    for weight, change in ((1.0, 0.02), (30.0, 0.3)):
        before = weight * torch.randn(6, 5, generator=g)
        yield before, before + change * torch.randn(6, 5, generator=g), 2
    yield 2 * torch.randn(3, 4, generator=g), torch.randn(3, 4, generator=g), 1


def change_of_rank(answer, before, after, rank):
    shapes = (rank, before.shape[1]), (before.shape[0], rank)
    wanted = f"A must be (rank, in) and B (out, rank): here {shapes[0]} and {shapes[1]}."
    A, B = two_matrices(answer(before, after, rank), wanted, shapes)
    return B.double() @ A.double() + 0.0  # no minus zeros


@chapter.function(
    "17.4 An adapter from two models ★★",
    inputs="""
        torch.zeros(2, 2), torch.tensor([[3.0, 0], [0, 1]]), 1
        torch.zeros(2, 3), torch.tensor([[0.0, 0, 1], [0, -5, 0]]), 1
        torch.ones(3, 2), torch.tensor([[2.0, 3], [1, 1], [3, 5]]), 1
        torch.ones(2, 3), torch.ones(2, 3), 1
    """,
    cases=extract_cases,
    call=change_of_rank,
    tolerance=1e-4,
    mistakes="""
        U[:, :rank] * S[:rank] => U[:, :rank]
            The singular values were left out.
        A = V[:rank] => A = S[:rank, None] * V[:rank]
            The singular values came in twice, in A and in B.
        after - before => after
            That approximates the new matrix. Approximate the change, which is after minus before.
        * S[:rank] => * S[:rank].sqrt()
            You used the square root of the singular values, but on one side only.
    """,
    right="So you can extract an adapter from any two models with the same parts, after the training.",
)
def extract(before, after, rank):
    change = (after - before).double()
    U, S, V = torch.linalg.svd(change, full_matrices=False)
    A = V[:rank]
    B = U[:, :rank] * S[:rank]
    return A, B


# -- 17.5 ------------------------------------------------------------------
def diagonals(*lines):
    return [torch.diag(torch.tensor(line).float()) for line in lines]


def ranks_cases(seed):
    g = torch.Generator().manual_seed(seed)
    rng = random.Random(seed)
    for shape in ("wide", "wide", "square", "tall", "tall"):
        few = rng.randint(3, 5)
        many = rng.randint(6, 8)
        n = rng.randint(3, 5)
        out, into = {"wide": (few, many), "square": (few, few), "tall": (many, few)}[shape]
        changes = [rng.uniform(0.3, 3) * torch.randn(out, into, generator=g) for _ in range(n)]
        yield changes, rng.randint(2, n * few - 1)


def accept_equal(answer, changes, total):
    """The right ranks for any that come as near: where values are equal, or 0, several do."""
    values = [torch.linalg.svdvals(change.double()) for change in changes]
    best = share_ranks(changes, total)
    found = answer(changes, total)
    found = list(found) if isinstance(found, tuple) else found
    ranks = as_tensor(found)
    if ranks is None or ranks.shape != (len(values),) or ranks.dtype == torch.bool or ranks.is_complex():
        return found
    given = ranks.tolist()
    if any(r not in range(len(own) + 1) for r, own in zip(given, values, strict=True)) or sum(given) > total:
        return found
    kept, wanted = (
        sum(own[: int(r)].square().sum().item() for own, r in zip(values, ranks, strict=True))
        for ranks in (given, best)
    )
    return best if kept >= wanted * (1 - 1e-6) else found


@chapter.function(
    "17.5 Ranks where they count ★★",
    inputs="""
        diagonals([5, 4], [6, 1]), 2 || diagonals([5, 4], [3, 1]), 2
        diagonals([9, 1], [5, 4], [3, 2]), 3
        diagonals([9, 1], [5, 4], [3, 2]), 4
        diagonals([9, 1], [5, 4], [3, 2]), 1
        diagonals([9, 1], [5, 4], [3, 2]), 6
        diagonals([9, 1], [5, 4], [3, 2]), 0
        diagonals([-7, 2], [6, 5]), 2
        # the largest value, not the largest rest
        diagonals([3, 3, 3], [5, 0, 0]), 1
        # equal values, near ones, very large and small ones, and 0
        diagonals([4, 4], [3, 1]), 1 || diagonals([4, 4], [3, 1]), 2 || diagonals([2, 2], [3, 1]), 3
        diagonals([5, 1], [5.004, 1]), 1
        diagonals([5.004, 1], [5, 1]), 1
        diagonals([300, 1], [400, 1]), 1
        diagonals([400, 1], [300, 1]), 1
        diagonals([2e-4, 0], [1e-4, 0]), 1
        diagonals([1e-4, 0], [2e-4, 0]), 1
        diagonals([2, 1], [3, 0]), 4 || diagonals([2, 1]), 2 || diagonals([2, 1]), 1
        [torch.eye(3, 2) @ change for change in diagonals([2, 1], [3, 0])], 4
    """,
    cases=ranks_cases,
    call=accept_equal,
    mistakes="""
        = [total // len(changes) + (i < total % len(changes)) for i in range(len(changes))]
            You gave every layer the same rank, whatever its singular values are.
        = [round(total * float(one.norm() / sum(change.norm() for change in changes))) for one in changes]
            You went by the size of each change. A large change may have a low rank.
        values[k] => change.norm()
            You gave the largest change every rank that it has, even if its next singular value is small.
        values[k] => values[k:].norm()
            A layer can have much left in many small singular values. Only the next value counts.
        values[k] => values[k] / values[0]
            Compare the singular values as they are, not as shares of each layer's largest.
        torch.linalg.svdvals(change.double()) => change.norm(dim=1)
            The rows of a change are not its directions. Take its singular values.
        = [max(1, rank) for rank in it]
            A layer may also get none.
    """,
    right="Each further rank goes to the layer that has the next largest singular value. AdaLoRA distributes "
    "ranks in a similar way during training, with a measure of its own.",
)
def share_ranks(changes, total):
    steps = []
    for i, change in enumerate(changes):
        values = torch.linalg.svdvals(change.double())
        for k in range(len(values)):
            steps.append((float(values[k]), i))
    steps = sorted(steps, reverse=True)
    chosen = [i for _, i in steps[:total]]
    return [chosen.count(i) for i in range(len(changes))]


# -- 17.6 ------------------------------------------------------------------
SUM_TO_FIRST = torch.tensor([[1.0, 1]]), torch.tensor([[1.0], [0]]), 2.0
SECOND_TO_SECOND = torch.tensor([[0.0, 1]]), torch.tensor([[0.0], [1]]), 10.0


def alike(n):
    """n rows of one vector."""
    return torch.tensor([[[1.0, 2]]] * n)


def served_cases(seed):
    g = torch.Generator().manual_seed(seed)
    rng = random.Random(seed)
    sizes = [(5, 2, 5, 7), (6, 3, 5, 7), (4, 3, 6, 6), (4, 4, 7, 5), (1, 3, 5, 6), (5, 1, 6, 5)]
    for N, T, out, into in sizes:
        n = rng.randint(2, 4)
        adapters = [
            (torch.randn(r, into, generator=g), torch.randn(out, r, generator=g), rng.uniform(0.5, 3))
            for r in rng.sample([1, 2, 3, 4, 5], n)
        ]
        whose = [*[-1] * (N != 6), n - 1, *(rng.randint(-(N != 6), n - 1) for _ in range(N))][:N]
        which = torch.tensor(rng.sample(whose, N))  # where N is 6, all have one
        yield torch.randn(N, T, into, generator=g), torch.randn(out, into, generator=g), adapters, which


@chapter.function(
    "17.6 Everyone their own ★★★",
    inputs="""
        alike(3), torch.eye(2), [SUM_TO_FIRST, SECOND_TO_SECOND], torch.tensor([0, 1, -1])
        alike(3), torch.eye(2), [SUM_TO_FIRST, SECOND_TO_SECOND], torch.tensor([-1, -1, -1])
        alike(3), torch.eye(2), [SUM_TO_FIRST, SECOND_TO_SECOND], torch.tensor([1, 1, 1])
        alike(3), torch.eye(2), [], torch.tensor([-1, -1, -1])
        alike(1), torch.eye(2), [SUM_TO_FIRST, SECOND_TO_SECOND], torch.tensor([1])
        alike(1), torch.eye(2), [SUM_TO_FIRST, SECOND_TO_SECOND], torch.tensor([-1])
    """,
    cases=served_cases,
    mistakes="""
        mine * change => change
            You gave every row every adapter.
        which == i => which % len(adapters) == i
            `-1` chose the last adapter, as in a Python list. Here it stands for no adapter.
        y = y + mine * change => y = torch.where(mine, change, y)
            Rows with an adapter lost the product of x and W. Add the change to it.
        scale * =>
            The adapters' scales were left out.
        scale * => scale / len(A) *
            The scale is already divided by the rank.
        mine * change => mine * change * (i > 0)
            Number 0 is an adapter, too.
        = it[which.argsort(stable=True)]
            You returned the rows sorted by adapter. Return them in the order of x.
    """,
    right="So a server can hold one model and answer many customers in one batch, each with an adapter.",
)
def served(x, W, adapters, which):
    x, W = x.double(), W.double()
    y = x @ W.T
    for i, (A, B, scale) in enumerate(adapters):
        mine = (which == i)[:, None, None]
        change = scale * (x @ A.T.double() @ B.T.double())
        y = y + mine * change
    return y
