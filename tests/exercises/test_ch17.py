"""Answers to chapter 17's exercises."""

import numpy as np
import torch
from harness import Answers, ExerciseTests
from torch import nn

from companion.lora import LoRALinear

# -- 17.1 ------------------------------------------------------------------


def by_counting():
    q, v = 16 * 4096 + 4096 * 16, 16 * 4096 + 1024 * 16
    return 32 * (q + v)


def by_shapes():
    shapes = [(16, 4096), (4096, 16), (16, 4096), (1024, 16)]
    return sum(np.prod(shape) for shape in shapes for _ in range(32))


# -- 17.2 ------------------------------------------------------------------


def by_einsum(W, A, B, alpha):
    return W + torch.einsum("or,ri->oi", B, A) * (alpha / len(A))


def by_addmm(W, A, B, alpha):
    return torch.addmm(W, B, A, alpha=alpha / A.shape[0]).numpy()


def by_the_layer(W, A, B, alpha):
    base = nn.Linear(*reversed(W.shape), bias=False)
    base.weight.data = W
    layer = LoRALinear(base, len(A), alpha)
    layer.A.data, layer.B.data = A, B
    return layer(torch.eye(W.shape[1])).T.detach()


def in_place(W, A, B, alpha):
    W += alpha / len(A) * (B @ A)
    return W


def change(scale):
    return lambda W, A, B, alpha: W + scale(A, B, alpha) * B @ A


# -- 17.3 ------------------------------------------------------------------


def stacked(adapters, shares):
    A = torch.cat([a * s * share for (a, _, s), share in zip(adapters, shares, strict=True)])
    return A, torch.cat([b for _, b, _ in adapters], dim=1)


def in_numpy(adapters, shares):
    A = np.concatenate([a.numpy() for a, _, _ in adapters])
    B = np.concatenate([share * s * b.numpy() for (_, b, s), share in zip(adapters, shares, strict=True)], 1)
    return [A, B]


def by_svd(adapters, shares):
    total = sum(share * s * b @ a for (a, b, s), share in zip(adapters, shares, strict=True))
    r = min(sum(len(a) for a, _, _ in adapters), *total.shape)
    U, S, V = torch.linalg.svd(total.double(), full_matrices=False)
    return V[:r], (U * S)[:, :r]


def means(adapters, shares):
    ranks = min(len(a) for a, _, _ in adapters)
    A = sum(share * a[:ranks] for (a, _, _), share in zip(adapters, shares, strict=True))
    return A, sum(s * b[:, :ranks] for _, b, s in adapters)


def weighed(weight):
    def answer(adapters, shares):
        return stacked([(a, b, 1.0) for a, b, _ in adapters], [
            weight(s, share, len(a)) for (a, _, s), share in zip(adapters, shares, strict=True)
        ])  # fmt: skip

    return answer


# -- 17.4 ------------------------------------------------------------------


def by_lowrank_parts(before, after, rank):
    U, S, V = torch.linalg.svd((after - before).double(), full_matrices=False)
    root = S[:rank].sqrt()
    return root[:, None] * V[:rank], U[:, :rank] * root


def by_eigen(before, after, rank):
    D = (after - before).double()
    _, vectors = torch.linalg.eigh(D.T @ D)
    A = vectors[:, -rank:].T
    return A, D @ A.T


def by_numpy(before, after, rank):
    U, S, V = np.linalg.svd((after - before).numpy().astype(np.float64), full_matrices=False)
    return V[:rank].tolist(), (U[:, :rank] * S[:rank]).tolist()


def cut(make):
    def answer(before, after, rank):
        U, S, V = torch.linalg.svd(after - before, full_matrices=False)
        return make(U, S, V, rank)

    return answer


# -- 17.5 ------------------------------------------------------------------


def by_topk(changes, total):
    values = torch.stack([torch.linalg.svdvals(c.double()) for c in changes])
    best = values.flatten().topk(total).indices // values.shape[1]
    return torch.bincount(best, minlength=len(changes))


def one_by_one(changes, total):
    values, ranks = [[*torch.linalg.svdvals(c.double()).tolist(), -1] for c in changes], [0] * len(changes)
    for _ in range(total):
        i = max(range(len(changes)), key=lambda i: values[i][ranks[i]])
        ranks[i] += 1
    return tuple(ranks)


def at_a_border(changes, total):
    values = [np.linalg.svd(c.numpy().astype(float), compute_uv=False) for c in changes]
    every = np.sort(np.concatenate(values))[::-1]
    border = every[total - 1] if total else np.inf
    return [int((v >= border).sum()) for v in values]


def by_a_border(changes, total):
    ranks = at_a_border(changes, total)
    values = [np.linalg.svd(c.numpy().astype(float), compute_uv=False) for c in changes]
    while sum(ranks) > total:  # equal values: any one of them goes
        i = min((i for i, r in enumerate(ranks) if r), key=lambda i: values[i][ranks[i] - 1])
        ranks[i] -= 1
    return ranks


def of_squares_share(changes, total):
    squares = [c.square().sum().item() for c in changes]
    return [round(total * s / sum(squares)) for s in squares]


# -- 17.6 ------------------------------------------------------------------


def row_by_row(x, W, adapters, which):
    rows = []
    for row, i in zip(x.double(), which.tolist(), strict=True):
        change = 0 if i < 0 else adapters[i][2] * adapters[i][1].double() @ adapters[i][0].double()
        rows.append(row @ (W.double() + change).T)
    return torch.stack(rows)


def by_masks(x, W, adapters, which):
    y = x @ W.T
    for i, (A, B, scale) in enumerate(adapters):
        y = y + (which == i)[:, None, None] * (scale * (x @ A.T) @ B.T)
    return y


def all_at_once(x, W, adapters, which):
    y = torch.einsum("nti,oi->nto", x, W)
    for i in set(which.tolist()) - {-1}:
        A, B, scale = adapters[i]
        y[which == i] += torch.einsum("nti,ri,or->nto", x[which == i], A, B) * scale
    return y.numpy()


def in_its_place(x, W, adapters, which):
    y = x @ W.T
    for row, i in enumerate(which.tolist()):
        if i >= 0:
            A, B, scale = adapters[i]
            y[row] = x[row] @ (scale * B @ A).T
    return y


def indexed(x, W, adapters, which):
    return torch.stack([
        row @ W.T + (adapters[i][2] * row @ adapters[i][0].T @ adapters[i][1].T if adapters else 0)
        for row, i in zip(x, which.tolist(), strict=True)
    ])  # fmt: skip


ANSWERS = {
    "17.1": Answers(
        right=[by_counting, by_shapes, 6_815_744, 6815744.0],
        wrong=[
            (8_388_608, "gives 1,024"),
            (4_194_304, "alone"),
            (2_621_440, "`v_proj` alone"),
            (212_992, "one block's"),
            (671_088_640, "frozen matrices"),
            (109_051_904, "not squared"),
            (425_984, "rank 1"),
            (5_242_880, "reads 4,096"),
            (13_631_488, "twice"),
            (27_262_976, "bytes in float32"),
            (8192, "example"),
            (6.815744, "millions"),
            (6.8e6, "Rounded?"),
            (6_816_000, "Rounded?"),
        ],
    ),
    "17.2": Answers(
        right=[by_einsum, by_addmm, by_the_layer],
        wrong=[
            (change(lambda A, B, alpha: 1), "counts once"),
            (change(lambda A, B, alpha: alpha), "divided by the rank"),
            (change(lambda A, B, alpha: 1 / len(A)), "was left out"),
            (change(lambda A, B, alpha: alpha / A.shape[1]), "how many rows A has"),
            (change(lambda A, B, alpha: alpha / len(B)), "how many columns B has"),
            (change(lambda A, B, alpha: alpha * len(A)), "multiplied"),
            (change(lambda A, B, alpha: -alpha / len(A)), "away"),
            (lambda W, A, B, alpha: alpha / len(A) * B @ A, "Add it to W"),
            (lambda W, A, B, alpha: alpha / len(A) * (W + B @ A), "W was scaled"),
            (lambda W, A, B, alpha: by_einsum(W, A, B, alpha).T, "expected"),
            (lambda W, A, B, alpha: by_einsum(W, A, B, int(alpha)), "expected"),
            (lambda W, A, B, alpha: W + alpha / len(A) * (A @ B), "error"),
            (in_place, "The caller"),
        ],
    ),
    "17.3": Answers(
        right=[stacked, in_numpy, by_svd],
        wrong=[
            (weighed(lambda s, share, r: share), "own scales"),
            (weighed(lambda s, share, r: s), "shares were left out"),
            (weighed(lambda s, share, r: 1), "Scales and shares"),
            (weighed(lambda s, share, r: s * share / r), "already"),
            (weighed(lambda s, share, r: share / s), "divided by"),
            (weighed(lambda s, share, r: (s * share) ** 2), "twice"),
            (lambda adapters, shares: stacked(adapters[:1], shares[:1]), "first adapter"),
            (lambda adapters, shares: stacked(adapters, shares[::-1]), "wrong adapters"),
            (means, "expected"),
            (lambda adapters, shares: stacked(adapters, shares)[::-1], "needs as many"),
            (lambda adapters, shares: stacked(adapters, shares)[0], "two matrices"),
            (
                lambda adapters, shares: stacked([*adapters, *adapters], [s / 2 for s in shares * 2]),
                "are enough",
            ),
        ],
    ),
    "17.4": Answers(
        right=[by_lowrank_parts, by_eigen, by_numpy],
        wrong=[
            (cut(lambda U, S, V, r: (V[:r], U[:, :r])), "left out"),
            (cut(lambda U, S, V, r: (V[:r] * S[:r, None], U[:, :r] * S[:r])), "twice"),
            (cut(lambda U, S, V, r: (V[-r:], U[:, -r:] * S[-r:])), "smallest"),
            (lambda before, after, rank: by_eigen(0 * before, after, rank), "near the new matrix"),
            (lambda before, after, rank: by_eigen(after, before, rank), "leads back"),
            (cut(lambda U, S, V, r: (V[:r], U[:, :r] * S[:r].sqrt())), "one side"),
            (cut(lambda U, S, V, r: (V[:r], U[:, :r] * S[:r] ** 2)), "twice"),
            (cut(lambda U, S, V, r: (V[:, :r].T, U[:, :r] * S[:r])), "A must be"),
            (cut(lambda U, S, V, r: (V, U * S)), "A must be"),
            (cut(lambda U, S, V, r: (U[:, :r] * S[:r], V[:r])), "A must be"),
            (cut(lambda U, S, V, r: (U[:, :r] * S[:r]) @ V[:r]), "must"),
            (cut(lambda U, S, V, r: (V[:r], U[:r].T[:, :r] * S[:r])), ""),
        ],
    ),
    "17.5": Answers(
        right=[by_topk, one_by_one, by_a_border],
        wrong=[
            (lambda changes, total: [total // len(changes)] * len(changes), "expected"),
            (of_squares_share, "expected"),
            (lambda changes, total: [total] * len(changes), "sum to"),
            (at_a_border, "expected"),
            (lambda changes, total: sorted(one_by_one(changes, total), reverse=True), "in their order"),
            (lambda changes, total: [r + 1 for r in one_by_one(changes, total)], "one too many"),
            (lambda changes, total: [max(1, r) for r in one_by_one(changes, total)], "may also get none"),
            (lambda changes, total: one_by_one(changes, total)[::-1], "expected"),
            (lambda changes, total: one_by_one([c[:, :3] for c in changes], total), "expected"),
            (lambda changes, total: one_by_one([c / c.norm() for c in changes], total), "expected"),
            (lambda changes, total: sum(one_by_one(changes, total)), "expected"),
            (
                lambda changes, total: [r / total if total else 0 for r in one_by_one(changes, total)],
                "expected",
            ),
        ],
    ),
    "17.6": Answers(
        right=[row_by_row, by_masks, all_at_once],
        wrong=[
            (indexed, "took the last"),
            (in_its_place, "lost the layer"),
            (lambda x, W, adapters, which: x @ W.T, "No adapter"),
            (lambda x, W, adapters, which: by_masks(x, 0 * W, adapters, which), "own product is missing"),
            (
                lambda x, W, adapters, which: by_masks(x, W, [(a, b, 1) for a, b, _ in adapters], which),
                "scales were left out",
            ),
            (
                lambda x, W, adapters, which: by_masks(x, W, adapters, 0 * which + which[0]),
                "first row's",
            ),
            (lambda x, W, adapters, which: by_masks(x, W, adapters, which - 1), "count from 0"),
            (
                lambda x, W, adapters, which: sum(by_masks(x, W, adapters, 0 * which + i) for i in range(2)),
                "expected",
            ),
            (lambda x, W, adapters, which: by_masks(x, W, adapters, which)[:, -1], "expected"),
            (lambda x, W, adapters, which: by_masks(x, W, adapters, which).transpose(0, 1), "expected"),
            (lambda x, W, adapters, which: by_masks(x, W, adapters, which.flip(0)), "expected"),
            (lambda x, W, adapters, which: by_masks(x, W, adapters, which).sum(0), "expected"),
        ],
    ),
}


class TestChapter17(ExerciseTests):
    answers = ANSWERS
