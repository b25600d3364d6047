"""Wrong and right answers to chapter 17 by a stranger who had not seen the checks.

They were judged wrongly, or might have been.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch


def honest2(W, A, B, alpha):
    return W + alpha / len(A) * (B @ A)


def numpy_2(W, A, B, alpha):
    return torch.from_numpy(W.numpy() + np.float32(alpha / A.shape[0]) * (B.numpy() @ A.numpy()))


def loops_2(W, A, B, alpha):
    out = [
        [
            float(W[i, j]) + alpha / len(A) * sum(float(B[i, k]) * float(A[k, j]) for k in range(len(A)))
            for j in range(W.shape[1])
        ]
        for i in range(W.shape[0])
    ]
    return torch.tensor(out, dtype=W.dtype)


def eye_2(W, A, B, alpha):
    unit = torch.eye(W.shape[1])
    x = unit
    return (x @ W.T + alpha / A.shape[0] * (x @ A.T) @ B.T).T


def scale_A_2(W, A, B, alpha):
    return W + B @ (A * (alpha / len(A)))


def lists_2(W, A, B, alpha):
    return (W + alpha / len(A) * (B @ A)).tolist()


def restore_2(W, A, B, alpha):
    """adds in place, subtracts again (not exactly W any more)"""
    c = alpha / len(A) * (B @ A)
    W += c
    out = W.clone()
    W -= c
    return out


def A_scaled_2(W, A, B, alpha):
    """A altered"""
    A *= alpha / len(A)
    return W + B @ A


def sqrt_2(W, A, B, alpha):
    return W + alpha / len(A) ** 0.5 * (B @ A)


def floor_2(W, A, B, alpha):
    return W + alpha // len(A) * (B @ A)


def rank1_2(W, A, B, alpha):
    """only first rank"""
    return W + alpha / len(A) * torch.outer(B[:, 0], A[0])


def AT_2(W, A, B, alpha):
    """change transposed where square"""
    c = B @ A
    return W + alpha / len(A) * (c.T if c.shape[0] == c.shape[1] else c)


def bf16_2(W, A, B, alpha):
    return (W + alpha / len(A) * (B @ A)).bfloat16().float()


def int_alpha_2(W, A, B, alpha):
    return W + int(alpha) / len(A) * (B @ A)


def abs_alpha_2(W, A, B, alpha):
    return W + abs(alpha) / len(A) * (B @ A)


def matrank_2(W, A, B, alpha):
    """rank of the product, not number of rows of A"""
    return W + alpha / max(1, int(torch.linalg.matrix_rank(B @ A))) * (B @ A)


def rank_W_2(W, A, B, alpha):
    return W + alpha / min(W.shape) * (B @ A)


def maxrank_2(W, A, B, alpha):
    """alpha/r clamped to >= 1"""
    return W + max(1, alpha / len(A)) * (B @ A)


def complex_2(W, A, B, alpha):
    return (W + alpha / len(A) * (B @ A)).to(torch.complex64)


def honest3(adapters, shares):
    A = torch.cat([A for A, _, _ in adapters])
    B = torch.cat([p * s * B for (_, B, s), p in zip(adapters, shares, strict=False)], 1)
    return (A, B)


def scale_A_3(adapters, shares):
    return (
        torch.vstack([a * (s * p) for (a, b, s), p in zip(adapters, shares, strict=False)]),
        torch.hstack([b for _, b, _ in adapters]),
    )


def svd_3(adapters, shares):
    A, B = honest3(adapters, shares)
    M = B.double() @ A.double()
    U, S, V = torch.linalg.svd(M, full_matrices=False)
    r = min(len(A), len(S))
    return (V[:r].float(), (U[:, :r] * S[:r]).float())


def numeric_rank_3(adapters, shares):
    """keeps only what the sum needs, at least 1"""
    A, B = honest3(adapters, shares)
    M = B.double() @ A.double()
    U, S, V = torch.linalg.svd(M, full_matrices=False)
    r = max(1, int((S > 1e-09).sum()))
    return (V[:r].float(), (U[:, :r] * S[:r]).float())


def split_root_3(adapters, shares):
    """square root of |factor| on each side, sign on B"""
    f = [s * p for (_, _, s), p in zip(adapters, shares, strict=False)]
    return (
        torch.cat([abs(k) ** 0.5 * a for (a, _, _), k in zip(adapters, f, strict=False)]),
        torch.cat(
            [math.copysign(abs(k) ** 0.5, k) * b for (_, b, _), k in zip(adapters, f, strict=False)], 1
        ),
    )


def drop_zero_3(adapters, shares):
    """adapters with share 0 are left out, unless all are"""
    z = [(a, b, s * p) for (a, b, s), p in zip(adapters, shares, strict=False) if p]
    if not z:
        a, b, _ = adapters[0]
        return (a[:1].clone(), torch.zeros_like(b[:, :1]))
    return (torch.cat([a for a, _, _ in z]), torch.cat([b * f for _, b, f in z], 1))


def rank0_3(adapters, shares):
    """rank 0 if all shares are 0"""
    z = [(a[:0], b[:, :0], 0) for a, b, s in adapters[:1]] + [
        (a, b, s * p) for (a, b, s), p in zip(adapters, shares, strict=False) if p
    ]
    return (torch.cat([a for a, _, _ in z]), torch.cat([b * f for _, b, f in z], 1))


def ndarray_3(adapters, shares):
    A, B = honest3(adapters, shares)
    return (A.numpy(), B.numpy())


def sum_AB_3(adapters, shares):
    """sums As and Bs (equal ranks), else pads"""
    r = max((len(a) for a, _, _ in adapters))
    A = torch.zeros(r, adapters[0][0].shape[1])
    B = torch.zeros(len(adapters[0][1]), r)
    for (a, b, s), p in zip(adapters, shares, strict=False):
        A[: len(a)] += a * p * s
        B[:, : len(a)] += b
    return (A, B)


def pop_3(adapters, shares):
    """empties the caller's list"""
    As, Bs = ([], [])
    while adapters:
        a, b, s = adapters.pop(0)
        As.append(a)
        Bs.append(b * s * shares[len(As) - 1])
    return (torch.cat(As), torch.cat(Bs, 1))


def sort_copy_3(adapters, shares):
    """sorted by rank, shares not along"""
    return honest3(sorted(adapters, key=lambda t: len(t[0])), shares)


def abs_3(adapters, shares):
    return honest3(adapters, [abs(p) for p in shares])


def clamp1_3(adapters, shares):
    return honest3(adapters, [min(1, p) for p in shares])


def dedupe_id_3(adapters, shares):
    """an adapter given twice counts once"""
    d = {id(a): ((a, b, s), p) for (a, b, s), p in zip(adapters, shares, strict=False)}
    return honest3(*map(list, zip(*d.values(), strict=False)))


def svd_cut_3(adapters, shares):
    """cut to the largest of the ranks"""
    A, B = honest3(adapters, shares)
    U, S, V = torch.linalg.svd(B @ A, full_matrices=False)
    r = max((len(a) for a, _, _ in adapters))
    return (V[:r], U[:, :r] * S[:r])


def too_many_3(adapters, shares):
    """a row of zeros more than allowed"""
    A, B = honest3(adapters, shares)
    return (torch.cat([A, A[:1] * 0]), torch.cat([B, B[:, :1] * 0], 1))


def nan0_3(adapters, shares):
    """divides by the share: nan for 0"""
    A, B = honest3(adapters, shares)
    return (
        A,
        torch.cat(
            [
                b * s * p * torch.tensor(float(p)) / torch.tensor(float(p))
                for (_, b, s), p in zip(adapters, shares, strict=False)
            ],
            1,
        ),
    )


def drop_small_3(adapters, shares):
    """shares below 0.1 left out"""
    return honest3(adapters, [p if abs(p) >= 0.1 else 0 for p in shares])


def fp16_3(adapters, shares):
    A, B = honest3(adapters, shares)
    return (A.half().float(), B.half().float())


def zero_leaves_error_3(adapters, shares):
    """all shares 0: cat of nothing fails"""
    return honest3(
        *map(list, zip(*[(a, p) for a, p in zip(adapters, shares, strict=False) if p], strict=False))
    )


def one_alias_3(adapters, shares):
    """right change for several, forgets the factor for one adapter"""
    if len(adapters) == 1:
        return (adapters[0][0], adapters[0][1])
    return honest3(adapters, shares)


def svd(M):
    return torch.linalg.svd(M, full_matrices=False)


def honest4(before, after, rank):
    U, S, V = svd(after - before)
    return (V[:rank], U[:, :rank] * S[:rank])


def root_4(before, after, rank):
    U, S, V = svd(after - before)
    s = S[:rank].sqrt()
    return (s[:, None] * V[:rank], U[:, :rank] * s)


def eigh_4(before, after, rank):
    """eigenvectors of MᵀM in float64; B = M V"""
    M = (after - before).double()
    w, Q = torch.linalg.eigh(M.T @ M)
    V = Q[:, -rank:]
    return (V.T.float(), (M @ V).float())


def reversed_4(before, after, rank):
    """rows in the other order, signs turned"""
    A, B = honest4(before, after, rank)
    return (-A.flip(0), -B.flip(1))


def mixed_4(before, after, rank):
    """any invertible matrix between"""
    A, B = honest4(before, after, rank)
    R = torch.eye(rank) * 2 + torch.ones(rank, rank).triu(1)
    return (torch.linalg.solve(R, A), B @ R)


def float64_4(before, after, rank):
    A, B = honest4(before.double(), after.double(), rank)
    return (A, B)


def restore_4(before, after, rank):
    """after -= before, then += : not the same bits"""
    after -= before
    U, S, V = svd(after)
    after += before
    return (V[:rank], U[:, :rank] * S[:rank])


def centered_4(before, after, rank):
    """PCA: the mean taken off first"""
    M = after - before
    U, S, V = svd(M - M.mean(0))
    return (V[:rank], U[:, :rank] * S[:rank])


def als1_4(before, after, rank):
    """one sweep of alternating least squares"""
    M = after - before
    g = torch.Generator().manual_seed(0)
    A = torch.randn(rank, M.shape[1], generator=g)
    B = M @ torch.linalg.pinv(A)
    A = torch.linalg.pinv(B) @ M
    return (A, B)


def random_proj_4(before, after, rank):
    """randomised SVD without power steps"""
    M = after - before
    g = torch.Generator().manual_seed(0)
    Q, _ = torch.linalg.qr(M @ torch.randn(M.shape[1], rank, generator=g))
    return (Q.T @ M, Q)


def eig_4(before, after, rank):
    """eigenvalues of the symmetric part, where square"""
    M = after - before
    return honest4(before, after, rank) if M.shape[0] != M.shape[1] else honest4(M * 0, (M + M.T) / 2, rank)


def half_4(before, after, rank):
    A, B = honest4(before, after, rank)
    return (A.half().float(), B.half().float())


def relative_4(before, after, rank):
    """of the relative change"""
    M = (after - before) / before.abs().clamp(min=1e-06)
    U, S, V = svd(M)
    return (V[:rank], U[:, :rank] * S[:rank])


def min_rank_4(before, after, rank):
    """at most out ranks (wide only)"""
    return honest4(before, after, min(rank, len(before) - 1))


def complex_4(before, after, rank):
    A, B = honest4(before, after, rank)
    return (A.to(torch.complex64), B.to(torch.complex64))


def sv(c):
    return [torch.linalg.svdvals(m.double()).tolist() for m in c]


def honest5(changes, total):
    gains = sorted(((v, i) for i, s in enumerate(sv(changes)) for v in s), key=lambda t: -t[0])
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def greedy_5(changes, total):
    s = [x + [-1.0] for x in sv(changes)]
    r = [0] * len(s)
    for _ in range(total):
        i = max(range(len(s)), key=lambda j: s[j][r[j]])
        r[i] += 1
    return r


def topk_5(changes, total):
    S = torch.linalg.svdvals(torch.stack(list(changes)))
    top = S.flatten().topk(total).indices // S.shape[1]
    return torch.bincount(top, minlength=len(changes)).tolist()


def numpy_5(changes, total):
    S = np.stack([np.linalg.svd(c.numpy(), compute_uv=False) for c in changes])
    idx = np.argsort(-S, axis=None, kind="stable")[:total] // S.shape[1]
    return [int(n) for n in np.bincount(idx, minlength=len(changes))]


def dp_5(changes, total):
    """dynamic programming over layers"""
    best = {0: (0.0, [])}
    for s in sv(changes):
        new = {}
        for used, (v, own) in best.items():
            for r in range(min(len(s), total - used) + 1):
                c = v + sum(x * x for x in s[:r])
                if used + r not in new or c > new[used + r][0]:
                    new[used + r] = (c, own + [r])
        best = new
    return best[total][1]


def ties_last_5(changes, total):
    """ties go to the later layer"""
    gains = sorted(((v, i) for i, s in enumerate(sv(changes)) for v in s), key=lambda t: (-t[0], -t[1]))
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def floats_5(changes, total):
    return [float(n) for n in honest5(changes, total)]


def not_all_5(changes, total):
    """does not give out ranks that save nothing (values of 0): as near"""
    s = sv(changes)
    top = max(x for own in s for x in own) if s else 0
    gains = sorted(((v, i) for i, own in enumerate(s) for v in own if v > 1e-06 * top), key=lambda t: -t[0])
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def threshold_ge_5(changes, total):
    """all values at least the total-th: ties give more"""
    if total == 0:
        return [0] * len(changes)
    s = sv(changes)
    t = sorted((v for own in s for v in own), reverse=True)[total - 1]
    return [sum(v >= t for v in own) for own in s]


def threshold_round_5(changes, total):
    if total == 0:
        return [0] * len(changes)
    s = [[round(v, 4) for v in own] for own in sv(changes)]
    t = sorted((v for own in s for v in own), reverse=True)[total - 1]
    return [sum(v >= t for v in own) for own in s]


def threshold_gt_5(changes, total):
    s = sv(changes)
    v = sorted((v for own in s for v in own), reverse=True)
    t = v[total] if total < len(v) else -1
    return [sum(x > t for x in own) for own in s]


def total0_5(changes, total):
    """total 0: sorted list[-1], gives all"""
    s = sv(changes)
    t = sorted((v for own in s for v in own), reverse=True)[total - 1]
    out = [sum(v >= t for v in own) for own in s]
    while sum(out) > total > 0:
        out[max(i for i in range(len(out)) if out[i] and abs(s[i][out[i] - 1] - t) < 1e-09)] -= 1
    return out


def dict_ties_5(changes, total):
    """dict from value to layer: equal values lost"""
    d = {round(v, 4): i for i, s in enumerate(sv(changes)) for v in s}
    out = [0] * len(changes)
    for v in sorted(d, reverse=True)[:total]:
        out[d[v]] += 1
    return out


def set_5(changes, total):
    d = {(round(v, 4), i) for i, s in enumerate(sv(changes)) for v in s}
    out = [0] * len(changes)
    for _v, i in sorted(d, reverse=True)[:total]:
        out[i] += 1
    return out


def rows_5(changes, total):
    """row norms in place of singular values"""
    gains = sorted(
        ((v, i) for i, c in enumerate(changes) for v in c.norm(dim=1).tolist()), key=lambda t: -t[0]
    )
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def diag_5(changes, total):
    gains = sorted(
        ((abs(v), i) for i, c in enumerate(changes) for v in c.diagonal().tolist()), key=lambda t: -t[0]
    )
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def eig_5(changes, total):
    """eigenvalues' size, of square ones"""
    gains = sorted(
        (
            (v, i)
            for i, c in enumerate(changes)
            for v in (
                torch.linalg.eigvals(c).abs().tolist()
                if c.shape[0] == c.shape[1]
                else torch.linalg.svdvals(c).tolist()
            )
        ),
        key=lambda t: -t[0],
    )
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def greedy_pairs_5(changes, total):
    """greedy by what is left in the layer (not the next value)"""
    s = sv(changes)
    r = [0] * len(s)
    for _ in range(total):
        i = max(
            (j for j in range(len(s)) if r[j] < len(s[j])), key=lambda j: sum(v * v for v in s[j][r[j] :])
        )
        r[i] += 1
    return r


def drop_ratio_5(changes, total):
    """by the drop to the next value"""
    s = [x + [0.0] for x in sv(changes)]
    r = [0] * len(s)
    for _ in range(total):
        i = max((j for j in range(len(s)) if r[j] < len(s[j]) - 1), key=lambda j: s[j][r[j]] - s[j][r[j] + 1])
        r[i] += 1
    return r


def worst_layer_5(changes, total):
    """minimises the worst layer's error"""
    s = sv(changes)
    m = len(s[0])
    best = None
    if (m + 1) ** len(s) > 20000:
        return honest5(changes, total)
    for r in itertools.product(range(m + 1), repeat=len(s)):
        if sum(r) == total:
            c = max((sum((v * v for v in x[k:])) for x, k in zip(s, r, strict=False)))
            if best is None or c < best[0] - 1e-12:
                best = (c, list(r))
    return best[1]


def int_values_5(changes, total):
    """values cut to whole numbers before they are compared"""
    gains = sorted(((int(v), i) for i, s in enumerate(sv(changes)) for v in s), key=lambda t: -t[0])
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def bf16_5(changes, total):
    return honest5([c.bfloat16().float() for c in changes], total)


def fp16_square_5(changes, total):
    """squares in float16: overflow beyond 255, underflow below 2e-4"""
    gains = sorted(
        ((float(torch.tensor(v).half() ** 2), i) for i, s in enumerate(sv(changes)) for v in s),
        key=lambda t: -t[0],
    )
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def round2_5(changes, total):
    gains = sorted(((round(v, 2), i) for i, s in enumerate(sv(changes)) for v in s), key=lambda t: -t[0])
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def bools_5(changes, total):
    """kept or not"""
    return [n > 0 for n in honest5(changes, total)]


def greedy_overrun_5(changes, total):
    """greedy; a layer that is full raises IndexError only when it is largest"""
    s = sv(changes)
    r = [0] * len(s)
    for _ in range(total):
        i = max(range(len(s)), key=lambda j: s[j][r[j]])
        r[i] += 1
    return r


def greedy_zero_pad_5(changes, total):
    """pads with 0: with values of 0 a full layer may get more than it has"""
    s = [x + [0.0] * total for x in sv(changes)]
    s = [[0.0 if v < 1e-06 else v for v in x] for x in s]
    r = [0] * len(s)
    for _ in range(total):
        i = max(range(len(s)), key=lambda j: s[j][r[j]])
        r[i] += 1
    return r


def honest6(x, W, adapters, which):
    y = x @ W.T
    for i, (A, B, s) in enumerate(adapters):
        m = which == i
        y[m] += s * (x[m] @ A.T) @ B.T
    return y


def rows_6(x, W, adapters, which):
    out = []
    for row, k in zip(x, which.tolist(), strict=False):
        y = row @ W.T
        if k >= 0:
            A, B, s = adapters[k]
            y = y + s * (row @ A.T @ B.T)
        out.append(y)
    return torch.stack(out) if out else x.new_zeros(0, x.shape[1], len(W))


def folded_6(x, W, adapters, which):
    M = torch.stack([W + a[2] * a[1] @ a[0] for a in adapters] + [W])
    return torch.einsum("nti,noi->nto", x, M[which])


def padded_6(x, W, adapters, which):
    r = max([len(a) for a, _, _ in adapters], default=0)
    As = x.new_zeros(len(adapters) + 1, r, x.shape[2])
    Bs = x.new_zeros(len(adapters) + 1, len(W), r)
    for i, (A, B, s) in enumerate(adapters):
        As[i, : len(A)] = A
        Bs[i, :, : len(A)] = s * B
    return x @ W.T + x @ As[which].mT @ Bs[which].mT


def index_add_6(x, W, adapters, which):
    y = torch.nn.functional.linear(x, W)
    for i in which.unique().tolist():
        if i >= 0:
            rows = (which == i).nonzero().flatten()
            A, B, s = adapters[i]
            y.index_add_(0, rows, s * x[rows] @ A.T @ B.T)
    return y


def lists_6(x, W, adapters, which):
    return honest6(x, W, adapters, which).tolist()


def ch(row, a):
    return a[2] * (row @ a[0].T @ a[1].T)


def none_x_6(x, W, adapters, which):
    """rows without an adapter are x, where the shape allows"""
    y = honest6(x, W, adapters, which)
    return torch.where((which < 0)[:, None, None], x, y) if y.shape == x.shape else y


def W_notT_6(x, W, adapters, which):
    """x @ W where square"""
    return honest6(x, W.T if W.shape[0] == W.shape[1] else W, adapters, which)


def change_T_6(x, W, adapters, which):
    """change transposed where square"""
    return (
        honest6(x, W, [(b.T, a.T, s) for a, b, s in adapters], which)
        if W.shape[0] == W.shape[1]
        else honest6(x, W, adapters, which)
    )


def max_rank_6(x, W, adapters, which):
    """cut to the smallest rank"""
    r = min([len(a) for a, _, _ in adapters], default=0)
    return honest6(x, W, [(a[:r], b[:, :r], s) for a, b, s in adapters], which)


def first_token_6(x, W, adapters, which):
    """only the first token"""
    y = x @ W.T
    z = honest6(x, W, adapters, which)
    y[:, :1] = z[:, :1]
    return y


def which_tokens_6(x, W, adapters, which):
    """which along T where N == T"""
    return (
        honest6(x.transpose(0, 1), W, adapters, which).transpose(0, 1)
        if x.shape[0] == x.shape[1]
        else honest6(x, W, adapters, which)
    )


def mean_tokens_6(x, W, adapters, which):
    """change of the mean token"""
    y = x @ W.T
    z = honest6(x * 0 + x.mean(1, keepdim=True), W * 0, adapters, which)
    return y + z


def abs_scale_6(x, W, adapters, which):
    return honest6(x, W, [(a, b, abs(s)) for a, b, s in adapters], which)


def int_scale_6(x, W, adapters, which):
    return honest6(x, W, [(a, b, int(s)) for a, b, s in adapters], which)


def dup_6(x, W, adapters, which):
    """row i gets adapter i"""
    return honest6(x, W, adapters, torch.arange(len(which)))


def nonlinear_6(x, W, adapters, which):
    """change of Wx where square: B A applied to y"""
    y = x @ W.T
    return y + honest6(y, W * 0, adapters, which) if y.shape == x.shape else honest6(x, W, adapters, which)


def reqgrad_2(W, A, B, alpha):
    """turns the caller's W into one that asks for gradients"""
    W.requires_grad_(True)
    return (W + alpha / len(A) * (B @ A)).detach()


def resize_2(W, A, B, alpha):
    """A reshaped in place"""
    out = W + alpha / len(A) * (B @ A)
    A.t_()
    return out


def fraction_2(W, A, B, alpha):
    return W + float(Fraction(alpha) / len(A)) * torch.einsum("or,ri->oi", B, A)


def list_clear_after_3(adapters, shares):
    out = honest3(adapters, shares)
    adapters.clear()
    return out


def rank_padded_equal_3(adapters, shares):
    """all padded to the greatest rank: more than the sum"""
    r = max((len(a) for a, _, _ in adapters))
    A = [torch.cat([a, a.new_zeros(r - len(a), a.shape[1])]) for a, _, _ in adapters]
    B = [
        torch.cat([b * s * p, b.new_zeros(len(b), r - b.shape[1])], 1)
        for (_, b, s), p in zip(adapters, shares, strict=False)
    ]
    return (torch.cat(A), torch.cat(B, 1))


def stack_3(adapters, shares):
    """torch.stack: equal ranks only"""
    A = torch.stack([a for a, _, _ in adapters]).flatten(0, 1)
    B = torch.cat([b * s * p for (_, b, s), p in zip(adapters, shares, strict=False)], 1)
    return (A, B)


def svd_nonzero_cut_3(adapters, shares):
    """singular values below 0.1 of the largest dropped"""
    A, B = honest3(adapters, shares)
    U, S, V = svd(B @ A)
    r = max(1, int((S > S[0] / 10).sum()))
    return (V[:r], U[:, :r] * S[:r])


def power_few_4(before, after, rank):
    """five steps of subspace iteration"""
    M = after - before
    g = torch.Generator().manual_seed(1)
    Q = torch.randn(M.shape[1], rank, generator=g)
    Q = torch.linalg.qr(Q)[0]
    [(Q := torch.linalg.qr(M.T @ (M @ Q))[0]) for _ in range(5)]
    return (Q.T, M @ Q)


def power_e1_4(before, after, rank):
    """power iteration from the first unit vector, which may be orthogonal; nan for no change"""
    M = (after - before).double()
    As, Bs = ([], [])
    for _ in range(rank):
        v = torch.zeros(M.shape[1], dtype=M.dtype)
        v[0] = 1
        for _ in range(2000):
            v = M.T @ (M @ v)
            v = v / v.norm()
        As.append(v)
        Bs.append(M @ v)
        M = M - torch.outer(M @ v, v)
    return (torch.stack(As).float(), torch.stack(Bs, 1).float())


def div_4(before, after, rank):
    """V found as UᵀM / S: nan where a singular value is 0"""
    M = after - before
    U, S, _ = svd(M)
    V = U.T @ M / S[:, None]
    return (V[:rank], U[:, :rank] * S[:rank])


def nochange_4(before, after, rank):
    """scales by the largest entry first: nan where before equals after"""
    M = after - before
    m = M.abs().max()
    A, B = honest4(M * 0, M / m, rank)
    return (A, B * m)


def int_rank_4(before, after, rank):
    """rank capped at in - 1"""
    return honest4(before, after, min(rank, before.shape[1] - 1))


def gram32_4(before, after, rank):
    """the square of the change, multiplied out in float32: cancels beside large weights"""
    G = after.T @ after - after.T @ before - before.T @ after + before.T @ before
    w, Q = torch.linalg.eigh(G)
    V = Q[:, -rank:]
    return (V.T, after @ V - before @ V)


def tol_4(before, after, rank):
    """changes below 0.01 taken for 0"""
    M = after - before
    return honest4(M * 0, torch.where(M.abs() < 0.01, 0 * M, M), rank)


def shape0_5(changes, total):
    """flat index // number of rows: right for wide matrices only"""
    S = torch.linalg.svdvals(torch.stack(list(changes)))
    return torch.bincount(
        S.flatten().topk(total).indices // changes[0].shape[0], minlength=len(changes)
    ).tolist()


def cap_rows_5(changes, total):
    """a layer is thought to have as many ranks as rows"""
    s = sv(changes)
    m = changes[0].shape[0]
    s = [x + [0.0] * (m - len(x)) + [-1.0] for x in s]
    r = [0] * len(s)
    for _ in range(total):
        i = max(range(len(s)), key=lambda j: s[j][r[j]] if r[j] < len(s[j]) else -1)
        r[i] += 1
    return r


def single_5(changes, total):
    """one layer gets one rank"""
    return [1] if len(changes) == 1 else honest5(changes, total)


def total_first_5(changes, total):
    """caps layers at half of their ranks, +1"""
    m = min(changes[0].shape)
    r = honest5(changes, total)
    return [min(n, m) for n in r] if total < len(changes) * m else [m] * (len(changes) - 1) + [m - 1]


def gram_rows_5(changes, total):
    """diagonal of MᵀM (column norms) instead of singular values"""
    gains = sorted(
        ((v, i) for i, c in enumerate(changes) for v in c.norm(dim=0).topk(min(c.shape)).values.tolist()),
        key=lambda t: -t[0],
    )
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def r_gram_5(changes, total):
    """square gains by eigvalsh of MMᵀ in float64"""
    gains = sorted(
        (
            (v, i)
            for i, c in enumerate(changes)
            for v in torch.linalg.eigvalsh(
                c.double() @ c.double().T if c.shape[0] <= c.shape[1] else c.double().T @ c.double()
            ).tolist()
        ),
        reverse=True,
    )
    out = [0] * len(changes)
    for _, i in gains[:total]:
        out[i] += 1
    return out


def like_x_6(x, W, adapters, which):
    """result cut from a tensor like x: wrong where out > in"""
    y = torch.zeros_like(x)[..., : len(W)]
    y[...] = (x @ W.T)[..., : y.shape[-1]]
    z = honest6(x, W, adapters, which)
    return z[..., : y.shape[-1]]


def squeeze_6(x, W, adapters, which):
    """a batch of one loses its axis"""
    return honest6(x, W, adapters, which).squeeze(0)


def squeeze_all_6(x, W, adapters, which):
    """squeeze()"""
    return honest6(x, W, adapters, which).squeeze()


def row0_6(x, W, adapters, which):
    """row 0's later tokens without adapter"""
    y = honest6(x, W, adapters, which)
    y[0, 1:] = (x @ W.T)[0, 1:]
    return y


def all_have_6(x, W, adapters, which):
    """unique()[1:] taken as the adapters in use: the first unique is thought to be -1"""
    y = x @ W.T
    for k in which.unique()[1:].tolist():
        m = which == k
        y[m] += ch(x[m], adapters[k])
    return y


def all_have_2_6(x, W, adapters, which):
    """same, but with more than one kind of row only; one kind handled"""
    y = x @ W.T
    u = which.unique().tolist()
    u = u[1:] if len(u) > 1 and x.shape[1] > 1 else [k for k in u if k >= 0]
    for k in u:
        m = which == k
        y[m] += ch(x[m], adapters[k])
    return y


def pop_6(x, W, adapters, which):
    out = honest6(x, W, adapters, which)
    adapters.clear()
    return out


def max_empty_6(x, W, adapters, which):
    """ranks padded to in; right shapes, BUT rank above 4 cut"""
    return honest6(x, W, [(a[:4], b[:, :4], s) for a, b, s in adapters], which)


def scale_half_6(x, W, adapters, which):
    """scales in float16"""
    return honest6(x, W, [(a, b, float(torch.tensor(s).half())) for a, b, s in adapters], which)


WRONG = {
    "17.2": [
        matrank_2,
        restore_2,
        A_scaled_2,
        sqrt_2,
        floor_2,
        rank1_2,
        AT_2,
        bf16_2,
        int_alpha_2,
        rank_W_2,
        maxrank_2,
        complex_2,
        reqgrad_2,
        resize_2,
    ],
    "17.3": [
        dedupe_id_3,
        drop_small_3,
        zero_leaves_error_3,
        sum_AB_3,
        pop_3,
        sort_copy_3,
        abs_3,
        clamp1_3,
        svd_cut_3,
        too_many_3,
        nan0_3,
        fp16_3,
        one_alias_3,
        list_clear_after_3,
        rank_padded_equal_3,
        stack_3,
        svd_nonzero_cut_3,
    ],
    "17.4": [
        restore_4,
        eig_4,
        min_rank_4,
        complex_4,
        centered_4,
        als1_4,
        random_proj_4,
        half_4,
        relative_4,
        power_few_4,
        power_e1_4,
        div_4,
        nochange_4,
        int_rank_4,
        gram32_4,
        tol_4,
    ],
    "17.5": [
        threshold_ge_5,
        threshold_round_5,
        threshold_gt_5,
        dict_ties_5,
        set_5,
        eig_5,
        greedy_pairs_5,
        worst_layer_5,
        bf16_5,
        fp16_square_5,
        round2_5,
        greedy_zero_pad_5,
        shape0_5,
        cap_rows_5,
        single_5,
        total_first_5,
        gram_rows_5,
        diag_5,
        drop_ratio_5,
        int_values_5,
        bools_5,
        greedy_overrun_5,
        total0_5,
        rows_5,
    ],
    "17.6": [
        none_x_6,
        W_notT_6,
        nonlinear_6,
        which_tokens_6,
        change_T_6,
        max_rank_6,
        first_token_6,
        mean_tokens_6,
        int_scale_6,
        dup_6,
        like_x_6,
        squeeze_6,
        squeeze_all_6,
        row0_6,
        all_have_6,
        all_have_2_6,
        pop_6,
        max_empty_6,
        scale_half_6,
    ],
}


RIGHT = {
    "17.2": [honest2, numpy_2, loops_2, eye_2, scale_A_2, abs_alpha_2, lists_2, fraction_2],
    "17.3": [honest3, scale_A_3, svd_3, numeric_rank_3, split_root_3, drop_zero_3, rank0_3, ndarray_3],
    "17.4": [honest4, root_4, eigh_4, reversed_4, mixed_4, float64_4],
    "17.5": [honest5, greedy_5, topk_5, numpy_5, dp_5, ties_last_5, floats_5, not_all_5, r_gram_5],
    "17.6": [honest6, rows_6, folded_6, padded_6, index_add_6, abs_scale_6, lists_6],
}
