"""Wrong and right answers to chapter 24 by a stranger who had not seen the checks."""

import math
from collections import Counter
from decimal import Decimal

import numpy as np
import torch
import torch.nn.functional as F

from companion.experts import ExpertsConfig, active_parameters, experts

# 24.1 -----------------------------------------------------------------


def route(scores, k):
    share = scores.softmax(-1)
    values, indices = share.topk(k)
    out = torch.zeros_like(scores)
    out[indices] = values / values.sum() if k > 1 else values
    return out


def route_by(shares=lambda s: s.softmax(-1), best=lambda p, k: p.topk(k).indices, after=None):
    """Equation (1) with one of its steps exchanged. after(values, k, p): the weights of the chosen."""
    after = after or (lambda values, k, p: values / values.sum() if k > 1 else values)

    def answer(scores, k):
        p = shares(scores)
        chosen = best(p, k)
        out = torch.zeros_like(p)
        out[chosen] = after(p[chosen], k, p)
        return out

    return answer


def softmax_of_the_best(scores, k):
    values, indices = scores.topk(k)
    out = torch.zeros_like(scores)
    out[indices] = values.softmax(-1)
    return out


def masked_in_place(scores, k):
    first = scores.softmax(-1)
    scores[[i for i in range(len(scores)) if i not in scores.topk(k).indices.tolist()]] = -torch.inf
    return scores.softmax(-1) if k > 1 else first * (scores > -torch.inf)


def zeros_in_place(scores, k):
    found = route(scores, k)
    scores.copy_(found)
    return scores


def values_first(scores, k):
    values = scores.softmax(-1).topk(k).values
    out = torch.zeros_like(scores)
    out[:k] = values / values.sum() if k > 1 else values
    return out


def only_the_chosen(scores, k):
    values = scores.softmax(-1).topk(k).values
    return values / values.sum() if k > 1 else values


def best_in_order(scores, k):
    found = route(scores, k)
    return found[found > 0]


def weights_and_chosen(scores, k):
    found = route(scores, k)
    return found, scores.topk(k).indices


def a_row(scores, k):
    return route(scores, k)[None]


def naive_in_torch(scores, k):
    return route_by(lambda s: s.exp() / s.exp().sum())(scores, k)


def whole_numbers(scores, k):
    return route(scores, k).round().long()


def before_the_k_th(scores, k):
    share = scores.softmax(-1)
    kept = share * (share > share.sort(descending=True).values[k - 1])
    return kept / kept.sum() if k > 1 else kept


def above_one_over_e(scores, k):
    share = scores.softmax(-1)
    kept = share * (share > 1 / len(scores))
    return kept / kept.sum() if k > 1 else kept


def in_numpy(scores, k):
    s = np.asarray(scores.tolist())
    share = np.exp(s - s.max())
    share /= share.sum()
    chosen = np.argsort(-share, kind="stable")[:k]
    out = np.zeros_like(share)
    out[chosen] = share[chosen] / (share[chosen].sum() if k > 1 else 1)
    return out


def in_loops(scores, k):
    found = [0.0] * len(scores)
    top = max(scores.tolist())
    powers = [math.exp(s - top) for s in scores.tolist()]
    left = dict(enumerate(powers))
    chosen = []
    for _ in range(k):
        e = max(left, key=left.get)
        chosen.append((e, left.pop(e)))
    whole = sum(p for _, p in chosen) if k > 1 else sum(powers)
    for e, p in chosen:
        found[e] = p / whole
    return tuple(found)


def generated(scores, k):
    chosen = set(scores.topk(k).indices.tolist())
    share = scores.double().softmax(-1)
    whole = share[list(chosen)].sum() if len(chosen) > 1 else 1.0
    for e in range(len(scores)):
        yield float(share[e] / whole) if e in chosen else 0


def by_mask(scores, k):
    if k == 1:
        return F.one_hot(scores.argmax(), len(scores)) * scores.softmax(0)
    mask = torch.ones_like(scores, dtype=torch.bool).scatter(0, scores.topk(k).indices, False)
    return scores.masked_fill(mask, -torch.inf).softmax(0)


def by_the_class(scores, k):
    from companion.experts import TopKRouter

    router = TopKRouter(1, len(scores), k)
    router.weight.data = scores[:, None]
    weights, chosen = router(torch.ones(1, 1))
    return torch.zeros(len(scores)).scatter(0, chosen[0], weights[0].detach())


# 24.2 -----------------------------------------------------------------


def mixtral(change=lambda total, active: active / 1e9, **changes):
    def answer():
        shape = dict(vocab_size=32768, context_length=65536, n_layers=56, n_heads=48, n_kv_heads=8)
        shape |= dict(d_model=6144, d_ff=16384, tied=False)
        model = experts(ExpertsConfig(**(shape | changes)), meta=True)
        return change(sum(p.numel() for p in model.parameters()), active_parameters(model))

    return answer


def by_hand():
    width, wide, head = 6144, 16384, 128
    attention = 2 * width * width + 2 * width * 8 * head
    mlps = 2 * 3 * width * wide + 8 * width
    norms = 2 * width
    return (56 * (attention + mlps + norms) + 2 * 32768 * width + width) / 1e9


# 24.3 -----------------------------------------------------------------


def balance_loss(share, chosen):
    E = share.shape[1]
    f = chosen.flatten().bincount(minlength=E) / chosen.numel()
    return E * (f * share.mean(0)).sum()


def loss_of(change):
    """change(f, P, E, share, chosen) in place of equation (2)."""

    def answer(share, chosen):
        E = share.shape[1]
        f = chosen.flatten().bincount(minlength=E) / chosen.numel()
        return change(f, share.mean(0), E, share, chosen)

    return answer


def counted(count):
    """f = count(chosen, E) in place of the parts of all choices."""

    def answer(share, chosen):
        E = share.shape[1]
        return E * (count(chosen, E) * share.mean(0)).sum()

    return answer


def minlength_left_out(share, chosen):
    f = chosen.flatten().bincount() / chosen.numel()
    return share.shape[1] * (f * share.mean(0)).sum()


def as_many_as_seen(share, chosen):
    f = chosen.flatten().bincount() / chosen.numel()
    return share.shape[1] * (f * share.mean(0)[: len(f)]).sum()


def seen_for_e(share, chosen):
    seen = len(chosen.unique())
    return balance_loss(share, chosen) * seen / share.shape[1]


def of_unique(share, chosen):
    which, counts = chosen.unique(return_counts=True)
    f = torch.zeros(share.shape[1])
    f[: len(which)] = counts / chosen.numel()
    return share.shape[1] * (f * share.mean(0)).sum()


def loss_in_place(share, chosen):
    with torch.no_grad():
        share /= 2
    return 2 * balance_loss(share, chosen)


def chosen_sorted_in_place(share, chosen):
    found = balance_loss(share, chosen)
    chosen.copy_(chosen.sort(1).values)
    return found


def gradient_lost(share, chosen):
    return balance_loss(share.detach(), chosen)


def new_tensor(share, chosen):
    return torch.tensor(balance_loss(share, chosen).item(), requires_grad=True)


def straight_through(share, chosen):
    """The right number, and a gradient through f too."""
    P = share.mean(0)
    f = counts_of(share, chosen)
    f = f + P - P.detach()
    return share.shape[1] * (f * P).sum()


def counts_of(share, chosen):
    return chosen.flatten().bincount(minlength=share.shape[1]) / chosen.numel()


def loss_in_loops(share, chosen):
    (N, E), k = share.shape, chosen.shape[1]
    loss = 0.0
    for e in range(E):
        f = sum(int(c) == e for row in chosen for c in row) / (N * k)
        loss = loss + f * sum(share[i, e] for i in range(N)) / N
    return E * loss


def loss_by_columns(share, chosen):
    return share[:, chosen.flatten()].mean() * share.size(1)


def loss_by_one_hot(share, chosen):
    E = share.shape[-1]
    f = F.one_hot(chosen, E).double().mean((0, 1))
    return E * f @ share.double().mean(0)


def loss_by_einsum(share, chosen):
    hot = torch.zeros_like(share).scatter(1, chosen, 1.0)
    return torch.einsum("ie,je->", hot.detach(), share) * share.size(1) / share.size(0) / hot.sum()


def loss_by_numpy_counts(share, chosen):
    E = share.shape[1]
    f = np.bincount(np.array(chosen.tolist()).ravel(), minlength=E) / chosen.numel()
    return (torch.from_numpy(f) * share).sum(1).mean() * E


# 24.4 -----------------------------------------------------------------


def kept(chosen, n_experts, most):
    flat = chosen.flatten()
    hot = F.one_hot(flat, n_experts)
    return (hot.cumsum(0).gather(1, flat[:, None]) <= most).view(chosen.shape)


def with_most(change):
    return lambda chosen, n_experts, most: kept(chosen, n_experts, change(most))


def place_by_place(chosen, n_experts, most):
    return kept(chosen.T, n_experts, most).T


def each_place_alone(chosen, n_experts, most):
    return torch.cat([kept(column[:, None], n_experts, most) for column in chosen.T], 1)


def from_the_end(chosen, n_experts, most):
    return kept(chosen.flip(0), n_experts, most).flip(0)


def whole_token(chosen, n_experts, most):
    return kept(chosen, n_experts, most).all(1, keepdim=True).expand(chosen.shape)


def any_of_token(chosen, n_experts, most):
    return kept(chosen, n_experts, most).any(1, keepdim=True).expand(chosen.shape)


def in_all(chosen, n_experts, most):
    return (torch.arange(chosen.numel()) < most * n_experts).view(chosen.shape)


def first_tokens(chosen, n_experts, most):
    return (torch.arange(len(chosen)) < most)[:, None].expand(chosen.shape)


def by_experts_number(chosen, n_experts, most):
    return chosen < most


def no_limit_at_zero(chosen, n_experts, most):
    return kept(chosen, n_experts, most or len(chosen))


def at_least_one(chosen, n_experts, most):
    return kept(chosen, n_experts, max(most, 1))


def runs(chosen, n_experts, most):
    """A new start for each run of neighbours."""
    found, last, run = [], None, 0
    for e in chosen.flatten().tolist():
        run = run + 1 if e == last else 1
        last = e
        found.append(run <= most)
    return torch.tensor(found, dtype=torch.bool).view(chosen.shape)


def in_int8(chosen, n_experts, most):
    flat = chosen.flatten()
    hot = F.one_hot(flat, n_experts).to(torch.int8).cumsum(0, dtype=torch.int8)
    return (hot.gather(1, flat[:, None]) <= most).view(chosen.shape)


def in_uint8(chosen, n_experts, most):
    flat = chosen.flatten()
    hot = F.one_hot(flat, n_experts).to(torch.uint8).cumsum(0, dtype=torch.uint8)
    return (hot.gather(1, flat[:, None]) <= most).view(chosen.shape)


def last_expert_forgotten(chosen, n_experts, most):
    return kept(chosen, n_experts, most) | (chosen == n_experts - 1)


def first_expert_forgotten(chosen, n_experts, most):
    return kept(chosen, n_experts, most) | (chosen == 0)


def emptied(chosen, n_experts, most):
    found = kept(chosen, n_experts, most)
    chosen[~found] = -1
    return found


def within_token(chosen, n_experts, most):
    return F.one_hot(chosen, n_experts).cumsum(1).gather(2, chosen[..., None])[..., 0] <= most


def full_for_good(chosen, n_experts, most):
    """An expert that has dropped a token has room again."""
    taken, found = [0] * n_experts, []
    for row in chosen.tolist():
        found.append([])
        for e in row:
            taken[e] += 1
            found[-1].append(taken[e] <= most)
            if taken[e] > most:
                taken[e] = 0
    return found


def stops(chosen, n_experts, most):
    """After the first choice that is dropped, all are."""
    return kept(chosen, n_experts, most).flatten().cummin(0).values.view(chosen.shape)


def kept_in_loops(chosen, n_experts, most):
    taken = Counter()
    found = []
    for row in chosen:
        line = []
        for e in row.tolist():
            line.append(taken[e] < most)
            taken[e] += 1
        found.append(tuple(line))
    return found


def only_kept_count(chosen, n_experts, most):
    room = dict.fromkeys(range(n_experts), most)
    found = np.zeros(tuple(chosen.shape), dtype=bool)
    for place, e in np.ndenumerate(np.array(chosen.tolist(), dtype=int).reshape(found.shape)):
        if room[int(e)] > 0:
            room[int(e)] -= 1
            found[place] = True
    return found


def by_expert(chosen, n_experts, most):
    found = torch.zeros_like(chosen, dtype=torch.bool)
    for e in range(n_experts):
        row, place = (chosen == e).nonzero(as_tuple=True)
        found[row[:most], place[:most]] = True
    return found


def by_pairs(chosen, n_experts, most):
    flat = chosen.reshape(-1)
    return ((flat[:, None] == flat).tril(-1).sum(1) < most).reshape(chosen.shape)


def by_sorting(chosen, n_experts, most):
    flat = chosen.flatten()
    order = flat.argsort(stable=True)
    start = flat.bincount(minlength=n_experts).cumsum(0) - flat.bincount(minlength=n_experts)
    rank = torch.empty_like(flat)
    rank[order] = torch.arange(len(flat)) - start[flat[order]]
    return (rank < most).view_as(chosen)


def by_rows(chosen, n_experts, most):
    hot = F.one_hot(chosen, n_experts).sum(1).cumsum(0)
    return hot.gather(1, chosen) <= most


def rows_generated(chosen, n_experts, most):
    taken = [0] * n_experts
    for row in chosen.tolist():
        yield [taken[e] < most for e in row]
        for e in row:
            taken[e] += 1


# 24.5 -----------------------------------------------------------------


def expert_choice(x, router, experts, n):
    share = F.linear(x, router).softmax(-1)
    weights, rows = share.topk(n, dim=0)
    out = torch.zeros_like(x)
    for e in range(len(experts)):
        row = rows[:, e]
        out.index_add_(0, row, weights[:, e, None] * (x[row] @ experts[e]))
    return out


def choice(
    shares=lambda s: s.softmax(-1),
    pick=lambda share, s, n: share.topk(n, dim=0).indices,
    weigh=lambda share, rows, s: share.gather(0, rows),
    make=lambda rows, e, experts: rows @ experts[e],
    start=torch.zeros_like,
    end=lambda out, *_: out,
):
    """The exercise with one of its steps exchanged."""

    def answer(x, router, experts, n):
        s = x @ router.T
        share = shares(s)
        rows = pick(share, s, n)
        weights = weigh(share, rows, s)
        out = start(x).clone()
        for e in range(len(experts)):
            out.index_add_(0, rows[:, e], weights[:, e, None] * make(x[rows[:, e]], e, experts))
        return end(out, share, rows, experts)

    return answer


def overwritten(x, router, experts, n):
    weights, rows = F.linear(x, router).softmax(-1).topk(n, dim=0)
    out = torch.zeros_like(x)
    for e in range(len(experts)):
        out[rows[:, e]] = weights[:, e, None] * (x[rows[:, e]] @ experts[e])
    return out


def added_at_once(x, router, experts, n):
    """`out[rows] +=` adds once to a row that comes twice."""
    weights, rows = F.linear(x, router).softmax(-1).topk(n, dim=0)
    out = torch.zeros_like(x)
    made = weights.T[..., None] * (x[rows.T] @ experts)  # (E, n, C)
    out[rows.T.flatten()] += made.flatten(0, 1)
    return out


def tokens_choose(x, router, experts, n):
    share = F.linear(x, router).softmax(-1)
    weights, chosen = share.topk(min(n, len(experts)))
    out = torch.zeros_like(x)
    for e in range(len(experts)):
        row, place = (chosen == e).nonzero(as_tuple=True)
        out[row] += weights[row, place, None] * (x[row] @ experts[e])
    return out


def all_then_masked(x, router, experts, n):
    share = F.linear(x, router).softmax(-1)
    weights, rows = share.topk(n, dim=0)
    mask = torch.zeros_like(share).scatter(0, rows, weights)
    return sum(mask[:, e, None] * (x @ experts[e]) for e in range(len(experts)))


def all_by_einsum(x, router, experts, n):
    share = F.linear(x, router).softmax(-1)
    weights, rows = share.topk(n, dim=0)
    mask = torch.zeros_like(share).scatter(0, rows, weights)
    return torch.einsum("ne,nc,ecd->nd", mask, x, experts)


def all_by_matmul(x, router, experts, n):
    share = F.linear(x, router).softmax(-1)
    weights, rows = share.topk(n, dim=0)
    made = torch.matmul(x, experts)  # (E, N, C)
    out = torch.zeros_like(x)
    for e in range(len(experts)):
        out[rows[:, e]] += weights[:, e, None] * made[e, rows[:, e]]
    return out


def zeroed_rows(x, router, experts, n):
    """Rows of zeros go through the expert too."""
    share = F.linear(x, router).softmax(-1)
    weights, rows = share.topk(n, dim=0)
    mask = torch.zeros_like(share).scatter(0, rows, weights)
    return sum((mask[:, e, None] * x) @ experts[e] for e in range(len(experts)))


def each_token_once(x, router, experts, n):
    weights, rows = F.linear(x, router).softmax(-1).topk(n, dim=0)
    out, seen = torch.zeros_like(x), set()
    for e in range(len(experts)):
        for w, i in zip(weights[:, e], rows[:, e].tolist(), strict=True):
            if i not in seen:
                out[i] = w * (x[i] @ experts[e])
                seen.add(i)
    return out


def free_tokens_only(x, router, experts, n):
    """An expert takes from those that none has taken yet."""
    share = F.linear(x, router).softmax(-1)
    out, free = torch.zeros_like(x), torch.ones(len(x), dtype=torch.bool)
    for e in range(len(experts)):
        among = share[:, e].masked_fill(~free, -1)
        row = among.topk(min(n, int(free.sum()))).indices
        out[row] = share[row, e, None] * (x[row] @ experts[e])
        free[row] = False
    return out


def x_changed(x, router, experts, n):
    found = expert_choice(x, router, experts, n)
    return x.copy_(found)


def in_x(x, router, experts, n):
    weights, rows = F.linear(x, router).softmax(-1).topk(n, dim=0)
    start = x.clone()
    x.zero_()
    for e in range(len(experts)):
        x.index_add_(0, rows[:, e], weights[:, e, None] * (start[rows[:, e]] @ experts[e]))
    return x


def rows_of_another(x, router, experts, n):
    """The n rows reordered, the weights not."""
    weights, rows = F.linear(x, router).softmax(-1).topk(n, dim=0)
    rows = rows.sort(0).values
    out = torch.zeros_like(x)
    for e in range(len(experts)):
        out.index_add_(0, rows[:, e], weights[:, e, None] * (x[rows[:, e]] @ experts[e]))
    return out


def row_major(x, router, experts, n):
    """(n, E) read as (E, n)."""
    weights, rows = F.linear(x, router).softmax(-1).topk(n, dim=0)
    weights, rows = weights.reshape(len(experts), n), rows.reshape(len(experts), n)
    out = torch.zeros_like(x)
    for e in range(len(experts)):
        out.index_add_(0, rows[e], weights[e, :, None] * (x[rows[e]] @ experts[e]))
    return out


def naive_softmax(s):
    return s.exp() / s.exp().sum(1, keepdim=True)


def mean_of_experts(out, share, rows, experts):
    return out / len(experts)


def mean_of_its_experts(out, share, rows, experts):
    times = rows.flatten().bincount(minlength=len(out)).clamp(min=1)
    return out / times[:, None]


def summed_to_one(out, share, rows, experts):
    kept = torch.zeros_like(share).scatter(0, rows, share.gather(0, rows))
    return out / kept.sum(1, keepdim=True).clamp(min=1e-9)


def a_token_left_out(out, share, rows, experts):
    out[-1] = 0
    return out


def none_gives_nan(out, share, rows, experts):
    return torch.where(out.abs().sum(1, keepdim=True) > 0, out, torch.nan)


def choice_in_numpy(x, router, experts, n):
    x, router, experts = (np.array(t.tolist(), dtype=np.float64) for t in (x, router, experts))
    scores = x @ router.T
    share = np.exp(scores - scores.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    out = np.zeros_like(x)
    for e, matrix in enumerate(experts):
        rows = np.argsort(-share[:, e], kind="stable")[:n]
        np.add.at(out, rows, share[rows, e][:, None] * (x[rows] @ matrix))
    return out


def choice_in_loops(x, router, experts, n):
    x, router, experts = x.tolist(), router.tolist(), experts.tolist()
    width = len(router[0])
    shares = []
    for row in x:
        scores = [sum(a * b for a, b in zip(row, r, strict=True)) for r in router]
        powers = [math.exp(s - max(scores)) for s in scores]
        shares.append([p / sum(powers) for p in powers])
    out = [[0.0] * width for _ in x]
    for e, matrix in enumerate(experts):
        for i in sorted(range(len(x)), key=lambda i: -shares[i][e])[:n]:
            for d in range(width):
                made = sum(x[i][c] * matrix[c][d] for c in range(width))
                out[i][d] += shares[i][e] * made
    return out


def at_once(x, router, experts, n):
    share, rows = F.linear(x, router).softmax(-1).topk(n, dim=0)
    made = torch.bmm(x[rows.T], experts) * share.T[..., None]  # (E, n, C)
    return torch.zeros_like(x).index_add(0, rows.T.flatten(), made.flatten(0, 1))


def by_one_hot(x, router, experts, n):
    weights, rows = F.linear(x, router).softmax(-1).T.topk(n)  # (E, n)
    send = F.one_hot(rows, len(x)).to(x.dtype)  # (E, n, N)
    made = torch.einsum("enc,ecd->end", send @ x, experts)
    return torch.einsum("enN,en,end->Nd", send, weights, made)


def weighed_first(x, router, experts, n):
    share = torch.softmax(x.double() @ router.double().T, 1)
    out = torch.zeros(x.shape, dtype=torch.float64)
    for e, matrix in enumerate(experts.double()):
        row = share[:, e].argsort(descending=True)[:n]
        out[row] += torch.mm(share[row, e, None] * x[row].double(), matrix)
    return out


def token_by_token(x, router, experts, n):
    share = F.linear(x, router).softmax(-1)
    takes = [set(column.topk(n).indices.tolist()) for column in share.T]
    for i, token in enumerate(x):
        out = torch.zeros_like(token)
        for e, tokens in enumerate(takes):
            if i in tokens:
                out = out + share[i, e] * (token @ experts[e])
        yield out


def as_linear(x, router, experts, n):
    share, rows = F.linear(x, router).softmax(-1).topk(n, dim=0)
    out = torch.zeros_like(x)
    for matrix, weight, row in zip(experts, share.unbind(1), rows.unbind(1), strict=True):
        out[row] = out[row] + F.linear(x[row], matrix.mT) * weight.unsqueeze(1)
    return out


WRONG = {
    "24.1": [
        route_by(after=lambda values, k, p: values),
        route_by(after=lambda values, k, p: values / values.sum()),
        route_by(after=lambda values, k, p: torch.full_like(values, 1 / k)),
        route_by(after=lambda values, k, p: values.softmax(-1)),
        route_by(after=lambda values, k, p: values / k),
        route_by(after=lambda values, k, p: values.sort().values / values.sum() if k > 1 else values),
        route_by(after=lambda values, k, p: values / values.sum() if k == 2 else values),
        route_by(after=lambda values, k, p: values / values.sum() if 1 < k < len(p) - 1 else values),
        route_by(after=lambda values, k, p: values / values.norm() if k > 1 else values),
        route_by(after=lambda values, k, p: (values / values.sum() if k > 1 else values).round(decimals=2)),
        route_by(after=lambda values, k, p: values / values.max() if k > 1 else values),
        route_by(lambda s: s),
        route_by(lambda s: s.sigmoid()),
        route_by(lambda s: s.log_softmax(-1)),
        route_by(lambda s: (-s).softmax(-1)),
        route_by(lambda s: s.abs().softmax(-1)),
        route_by(lambda s: s.clamp(min=0).softmax(-1)),
        route_by(lambda s: s / s.sum()),
        route_by(lambda s: s.softmax(-1).round(decimals=1)),
        route_by(lambda s: (s / len(s) ** 0.5).softmax(-1)),
        route_by(best=lambda p, k: p.topk(k, largest=False).indices),
        route_by(best=lambda p, k: torch.arange(k)),
        route_by(best=lambda p, k: p.topk(min(k + 1, len(p))).indices),
        route_by(best=lambda p, k: p.topk(2).indices),
        route_by(best=lambda p, k: p.topk(1).indices),
        softmax_of_the_best,
        masked_in_place,
        zeros_in_place,
        values_first,
        only_the_chosen,
        best_in_order,
        weights_and_chosen,
        a_row,
        naive_in_torch,
        whole_numbers,
        before_the_k_th,
        above_one_over_e,
        lambda scores, k: scores.softmax(-1),
        lambda scores, k: route(scores, 2),
        lambda scores, k: scores.topk(k).indices,
        lambda scores, k: torch.tensor([2 / 3, 0, 1 / 3]),
        lambda scores, k: route(scores, k) * scores.softmax(-1) if k > 1 else route(scores, k),
        lambda scores, k: torch.where(route(scores, k) > 0, route(scores, k), torch.nan),
    ],
    "24.2": [
        mixtral(lambda total, active: total / 1e9),
        mixtral(lambda total, active: active),
        mixtral(lambda total, active: active / 1e6),
        mixtral(lambda total, active: active / 2**30),
        mixtral(lambda total, active: total / 1e9 / 4),
        mixtral(lambda total, active: (total - active) / 1e9),
        mixtral(lambda total, active: active / total),
        mixtral(lambda total, active: 2 * active / 1e9),
        mixtral(lambda total, active: active / 1e9 - 32768 * 6144 / 1e9),
        mixtral(lambda total, active: active / 1e9 - 2 * 32768 * 6144 / 1e9),
        mixtral(n_kv_heads=None),
        mixtral(d_ff=None),
        mixtral(d_ff=14336),
        mixtral(d_ff=8192),
        mixtral(n_layers=32),
        mixtral(n_layers=48),
        mixtral(n_active=1),
        mixtral(n_active=8),
        mixtral(tied=True),
        mixtral(lambda total, active: round(active / 1e9)),
        44,
        2 * 22,
        176,
        12.9,
        22,
        0.0,
        float("nan"),
        -39.2,
        lambda: None,
    ],
    "24.3": [
        loss_of(lambda f, P, E, share, chosen: (f * P).sum()),
        loss_of(lambda f, P, E, share, chosen: E * (f * P).mean()),
        loss_of(lambda f, P, E, share, chosen: E * f * P),
        loss_of(lambda f, P, E, share, chosen: (E * (f * P).sum())[None]),
        loss_of(lambda f, P, E, share, chosen: E * (f * P).sum() - 1),
        loss_of(lambda f, P, E, share, chosen: -E * (f * P).sum()),
        loss_of(lambda f, P, E, share, chosen: E * (P * P).sum()),
        loss_of(lambda f, P, E, share, chosen: E * (f * f).sum()),
        loss_of(lambda f, P, E, share, chosen: E * E * (f * P).sum()),
        loss_of(lambda f, P, E, share, chosen: len(share) * (f * P).sum()),
        loss_of(lambda f, P, E, share, chosen: chosen.shape[1] * (f * P).sum()),
        loss_of(lambda f, P, E, share, chosen: 2 * (f * P).sum()),
        loss_of(lambda f, P, E, share, chosen: E / chosen.shape[1] * (f * P).sum()),
        loss_of(lambda f, P, E, share, chosen: E * (f * share.sum(0)).sum()),
        loss_of(lambda f, P, E, share, chosen: E * (f * share.softmax(1).mean(0)).sum()),
        loss_of(lambda f, P, E, share, chosen: E * (f * share.max(0).values).sum()),
        loss_of(lambda f, P, E, share, chosen: E * (f * share[0]).sum()),
        loss_of(lambda f, P, E, share, chosen: share.gather(1, chosen).mean()),
        loss_of(lambda f, P, E, share, chosen: E * share.gather(1, chosen).mean()),
        loss_of(lambda f, P, E, share, chosen: E * (f * P).max()),
        loss_of(lambda f, P, E, share, chosen: E * ((f - P) ** 2).sum()),
        loss_of(lambda f, P, E, share, chosen: E * (f * P).sum().clamp(min=1 / E)),
        loss_of(lambda f, P, E, share, chosen: E * (f * P).sum().round(decimals=2)),
        loss_of(lambda f, P, E, share, chosen: (E * (f * P).sum()).log()),
        loss_of(lambda f, P, E, share, chosen: E * (P * f.log()).sum()),
        loss_of(lambda f, P, E, share, chosen: (E * (f * P).sum()).item()),
        loss_of(lambda f, P, E, share, chosen: 0.01 * E * (f * P).sum()),
        counted(lambda chosen, E: chosen.flatten().bincount(minlength=E)),
        counted(lambda chosen, E: chosen.flatten().bincount(minlength=E) / len(chosen)),
        counted(lambda chosen, E: chosen[:, 0].bincount(minlength=E) / len(chosen)),
        counted(lambda chosen, E: chosen[:, -1].bincount(minlength=E) / len(chosen)),
        counted(lambda chosen, E: (chosen.flatten().bincount(minlength=E) > 0) / E),
        counted(lambda chosen, E: chosen.flatten().bincount(minlength=E).float().softmax(0)),
        counted(lambda chosen, E: chosen.flatten().bincount(minlength=E) // chosen.numel()),
        counted(lambda chosen, E: chosen.flatten().bincount(minlength=E).clamp(min=1) / chosen.numel()),
        lambda share, chosen: balance_loss(share, share.argmax(1, keepdim=True)),
        lambda share, chosen: balance_loss(share, share.topk(chosen.shape[1]).indices),
        minlength_left_out,
        seen_for_e,
        of_unique,
        loss_in_place,
        chosen_sorted_in_place,
        gradient_lost,
        new_tensor,
        straight_through,
        lambda share, chosen: torch.tensor(1.6),
    ],
    "24.4": [
        with_most(lambda most: most - 1),
        with_most(lambda most: most + 1),
        with_most(lambda most: 1),
        with_most(lambda most: 2 * most),
        place_by_place,
        each_place_alone,
        from_the_end,
        whole_token,
        any_of_token,
        in_all,
        first_tokens,
        by_experts_number,
        no_limit_at_zero,
        at_least_one,
        runs,
        in_int8,
        in_uint8,
        last_expert_forgotten,
        first_expert_forgotten,
        emptied,
        within_token,
        full_for_good,
        stops,
        lambda chosen, n_experts, most: ~kept(chosen, n_experts, most),
        lambda chosen, n_experts, most: kept(chosen, n_experts, most).int(),
        lambda chosen, n_experts, most: kept(chosen, n_experts, most).float(),
        lambda chosen, n_experts, most: kept(chosen, n_experts, most).flatten(),
        lambda chosen, n_experts, most: kept(chosen, n_experts, most).T,
        lambda chosen, n_experts, most: kept(chosen, n_experts, most)[:, 0],
        lambda chosen, n_experts, most: kept(chosen, 3, most),
        lambda chosen, n_experts, most: chosen[kept(chosen, n_experts, most)],
        lambda chosen, n_experts, most: kept(chosen, n_experts, most).nonzero(),
        lambda chosen, n_experts, most: torch.where(kept(chosen, n_experts, most), chosen, -1),
        lambda chosen, n_experts, most: torch.ones_like(chosen, dtype=torch.bool),
        lambda chosen, n_experts, most: kept(chosen.sort(1).values, n_experts, most),
        lambda chosen, n_experts, most: F.one_hot(chosen, n_experts).cumsum(0).amax(-1) <= most,
        lambda chosen, n_experts, most: (
            F.one_hot(chosen.flatten(), n_experts).cumsum(0).sum(1).view(chosen.shape) <= most
        ),
    ],
    "24.5": [
        choice(lambda s: s.softmax(0)),
        choice(lambda s: s),
        choice(lambda s: s.sigmoid()),
        choice(lambda s: s.log_softmax(-1)),
        choice(lambda s: (s / s.shape[1] ** 0.5).softmax(-1)),
        choice(naive_softmax),
        choice(lambda s: s.flatten().softmax(0).view(s.shape)),
        choice(pick=lambda share, s, n: s.topk(n, dim=0).indices),
        choice(pick=lambda share, s, n: s.softmax(0).topk(n, dim=0).indices),
        choice(pick=lambda share, s, n: share.topk(n, dim=0, largest=False).indices),
        choice(pick=lambda share, s, n: share.topk(min(n + 1, len(share)), dim=0).indices),
        choice(pick=lambda share, s, n: share.topk(max(n - 1, 1), dim=0).indices),
        choice(pick=lambda share, s, n: share.topk(1, dim=0).indices),
        choice(pick=lambda share, s, n: torch.arange(n)[:, None].expand(n, share.shape[1])),
        choice(pick=lambda share, s, n: share.flip(0).topk(n, dim=0).indices),
        choice(weigh=lambda share, rows, s: torch.ones_like(rows, dtype=s.dtype)),
        choice(weigh=lambda share, rows, s: share.gather(0, rows) / share.gather(0, rows).sum(0)),
        choice(weigh=lambda share, rows, s: share.gather(0, rows).softmax(0)),
        choice(weigh=lambda share, rows, s: s.gather(0, rows)),
        choice(weigh=lambda share, rows, s: s.softmax(0).gather(0, rows)),
        choice(weigh=lambda share, rows, s: share.gather(0, rows).flip(0)),
        choice(weigh=lambda share, rows, s: share.gather(0, rows).sqrt()),
        choice(weigh=lambda share, rows, s: share[: len(rows)]),
        choice(make=lambda rows, e, experts: rows @ experts[e].T),
        choice(make=lambda rows, e, experts: rows @ experts[0]),
        choice(make=lambda rows, e, experts: (rows @ experts[e]).relu()),
        choice(make=lambda rows, e, experts: rows + rows @ experts[e]),
        choice(make=lambda rows, e, experts: rows * experts[e].diagonal()),
        choice(make=lambda rows, e, experts: (rows @ experts[e]).half().float()),
        choice(start=lambda x: x),
        choice(start=torch.ones_like),
        choice(end=mean_of_experts),
        choice(end=mean_of_its_experts),
        choice(end=summed_to_one),
        choice(end=a_token_left_out),
        choice(end=none_gives_nan),
        choice(end=lambda out, *_: out.T),
        choice(end=lambda out, *_: out.sum(0)),
        choice(end=lambda out, *_: out[out.abs().sum(1) > 0]),
        choice(end=lambda out, *_: out[None]),
        choice(end=lambda out, share, *_: (out, share)),
        overwritten,
        added_at_once,
        tokens_choose,
        all_then_masked,
        all_by_einsum,
        all_by_matmul,
        zeroed_rows,
        each_token_once,
        free_tokens_only,
        x_changed,
        in_x,
        rows_of_another,
        row_major,
        lambda x, router, experts, n: torch.zeros_like(x),
        lambda x, router, experts, n: expert_choice(x, router, experts, len(x)),
        lambda x, router, experts, n: expert_choice(x, router, experts[:-1], n),
    ],
}
RIGHT = {
    "24.1": [route, in_numpy, in_loops, generated, by_mask, by_the_class],
    "24.2": [
        mixtral(),
        mixtral(lambda total, active: round(active / 1e9, 1)),
        mixtral(lambda total, active: Decimal(active) / 10**9),
        mixtral(lambda total, active: np.float32(active / 1e9)),
        mixtral(context_length=1024),
        by_hand,
    ],
    "24.3": [
        balance_loss,
        loss_in_loops,
        loss_by_columns,
        loss_by_one_hot,
        loss_by_einsum,
        loss_by_numpy_counts,
        as_many_as_seen,
    ],
    "24.4": [
        kept,
        kept_in_loops,
        only_kept_count,
        by_expert,
        by_pairs,
        by_sorting,
        by_rows,
        rows_generated,
    ],
    "24.5": [
        expert_choice,
        choice_in_numpy,
        choice_in_loops,
        at_once,
        by_one_hot,
        weighed_first,
        token_by_token,
        as_linear,
    ],
}
