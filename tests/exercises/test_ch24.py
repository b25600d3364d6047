"""Answers to chapter 24's exercises."""

import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests

from companion.experts import ExpertsConfig, TopKRouter, active_parameters, experts

# -- 24.1 ------------------------------------------------------------------


def by_scatter(scores, k):
    values, at = scores.softmax(-1).topk(k)
    if k > 1:
        values = values / values.sum()
    return torch.zeros(len(scores)).scatter(0, at, values)


def by_lists(scores, k):
    p = [(s - scores.max()).exp().item() for s in scores]
    best = sorted(range(len(p)), key=lambda e: p[e])[-k:]
    total = sum(p) if k == 1 else sum(p[e] for e in best)
    return [p[e] / total if e in best else 0.0 for e in range(len(p))]


def by_masking_scores(scores, k):
    if k == 1:
        return scores.softmax(0) * F.one_hot(scores.argmax(), len(scores))
    return scores.masked_fill(scores < scores.topk(k).values[-1], -torch.inf).softmax(0)


def by_router(scores, k):
    router = TopKRouter(1, len(scores), k)
    router.weight.data = scores[:, None].clone()
    weights, chosen = router(torch.ones(1, 1))
    return torch.zeros(len(scores)).index_put((chosen[0],), weights[0]).detach()


def with_large_powers(scores, k):
    values, at = (scores.exp() / scores.exp().sum()).topk(k)
    return torch.zeros(len(scores)).scatter(0, at, values / values.sum() if k > 1 else values)


def put_first(scores, k):
    best = by_scatter(scores, k).topk(k).values
    return F.pad(best, (0, len(scores) - k))


def sum_made_one_always(scores, k):
    return scores.masked_fill(scores < scores.topk(k).values[-1], -torch.inf).softmax(0)


def only_shares(scores, k):
    p = scores.softmax(0)
    return p * (p >= p.topk(k).values[-1])


def zeros_before_softmax(scores, k):
    return (scores * (scores >= scores.topk(k).values[-1])).softmax(0)


def equal_parts(scores, k):
    return (scores >= scores.topk(k).values[-1]).float() / k


# -- 24.2 ------------------------------------------------------------------


def built(**more):
    sizes = {"n_layers": 56, "n_heads": 48, "n_kv_heads": 8, "d_model": 6144, "d_ff": 16384, "tied": False}
    return experts(ExpertsConfig(32768, 65536, **sizes | more), meta=True)


def on_paper():
    attention = 2 * 6144**2 + 2 * 6144 * 1024
    return (56 * (attention + 8 * 6144 + 2 * 3 * 6144 * 16384) + 2 * 32768 * 6144) / 1e9


# -- 24.3 ------------------------------------------------------------------


def by_one_hot(share, chosen):
    f = F.one_hot(chosen, share.shape[1]).float().mean((0, 1))
    return share.shape[1] * f @ share.mean(0)


def by_sums(share, chosen):
    N, E = share.shape
    counts = chosen.flatten().bincount(minlength=E)
    return (counts * share.sum(0)).sum() * E / chosen.numel() / N


def by_gather(share, chosen):
    mean = share.mean(0)
    return mean[chosen.flatten()].mean() * len(mean)


def halved_on_the_way(share, chosen):
    found = by_sums(share, chosen)
    share.data /= 2
    return found


# -- 24.4 ------------------------------------------------------------------


def by_cumsum(chosen, n_experts, most):
    hot = F.one_hot(chosen.reshape(-1), n_experts)
    return ((hot.cumsum(0) <= most) & (hot == 1)).any(1).view(chosen.shape)


def by_nonzero(chosen, n_experts, most):
    out = torch.zeros(chosen.shape, dtype=torch.bool)
    for e in range(n_experts):
        row, place = (chosen == e).nonzero(as_tuple=True)
        out[row[:most], place[:most]] = True
    return out


def by_loops(chosen, n_experts, most):
    room, out = [most] * n_experts, []
    for row in chosen.tolist():
        out.append([room[e] > 0 for e in row])
        for e in row:
            room[e] -= 1
    return out


def at_most_one_more(chosen, n_experts, most):
    hot = F.one_hot(chosen.reshape(-1), n_experts)
    return ((hot.cumsum(0) * hot).sum(1) - 1 <= most).view(chosen.shape)


def below_only(chosen, n_experts, most):
    hot = F.one_hot(chosen.reshape(-1), n_experts)
    return ((hot.cumsum(0) * hot).sum(1) < most).view(chosen.shape)


def counted_in(dtype):
    def answer(chosen, n_experts, most):
        hot = F.one_hot(chosen.reshape(-1), n_experts).to(dtype)
        return (hot.cumsum(0, dtype=dtype).gather(1, chosen.reshape(-1, 1)) <= most).view(chosen.shape)

    return answer


def choices_first(chosen, n_experts, most):
    return by_cumsum(chosen.T, n_experts, most).T


# -- 24.5 ------------------------------------------------------------------


def choose_by_loop(x, router, experts, n):
    share, out = (x @ router.T).softmax(-1), torch.zeros_like(x)
    for e in range(len(experts)):
        rows = share[:, e].argsort(descending=True)[:n]
        out[rows] += share[rows, e, None] * (x[rows] @ experts[e])
    return out


def choose_by_einsum(x, router, experts, n):
    weights, row = F.softmax(F.linear(x, router), -1).T.topk(n)
    found = torch.einsum("en,enc,ecd->end", weights, x[row], experts)
    return torch.zeros_like(x).index_add(0, row.flatten(), found.flatten(0, 1))


def choose_by_mask(x, router, experts, n):
    share = (x @ router.T).softmax(-1)
    rank = (-share).argsort(0).argsort(0)
    return torch.einsum("ne,nc,ecd->nd", share * (rank < n), x, experts)


def choose_by_sending(x, router, experts, n):
    weights, row = F.softmax(F.linear(x, router), -1).T.topk(n)
    send = F.one_hot(row, len(x)).float()  # (E, n, N)
    return torch.einsum("emi,em,emd->id", send, weights, torch.bmm(send @ x, experts))


def choose_by_token(x, router, experts, n):
    share = (x @ router.T).softmax(-1)
    taken = (-share).argsort(0).argsort(0) < n
    for i, token in enumerate(x):
        made = [token @ (experts[e] * share[i, e]) for e in taken[i].nonzero()[:, 0]]
        yield sum(made, torch.zeros(x.shape[1]))


def choose_in_64_bits(x, router, experts, n):
    return choose_by_mask(x.double(), router.double(), experts.double(), n)


def choose_and_select(x, router, experts, n):
    weights, row = (x @ router.T).softmax(-1).topk(n, dim=0)
    made, out = x @ experts, torch.zeros_like(x)  # (E, N, C), all of them
    for e in range(len(experts)):
        out[row[:, e]] += weights[:, e, None] * made[e, row[:, e]]
    return out


def choose_with_large_powers(x, router, experts, n):
    powers = (x @ router.T).exp()
    weights, row = (powers / powers.sum(1, keepdim=True)).topk(n, dim=0)
    found = weights.T[..., None] * (x[row.T] @ experts)
    return torch.zeros_like(x).index_add(0, row.T.flatten(), found.flatten(0, 1))


def choose_with_sums(x, router, experts, n):
    weights, row = (x @ router.T).softmax(-1).topk(n, dim=0)
    found = (weights / weights.sum(0)).T[..., None] * (x[row.T] @ experts)
    return torch.zeros_like(x).index_add(0, row.T.flatten(), found.flatten(0, 1))


def choose_along_tokens(x, router, experts, n):
    share = (x @ router.T).softmax(0)
    rank = (-share).argsort(0).argsort(0)
    return torch.einsum("ne,nc,ecd->nd", share * (rank < n), x, experts)


def choose_without_weight(x, router, experts, n):
    rank = (-(x @ router.T).softmax(-1)).argsort(0).argsort(0)
    return torch.einsum("ne,nc,ecd->nd", (rank < n).float(), x, experts)


def choose_and_overwrite(x, router, experts, n):
    share, out = (x @ router.T).softmax(-1), torch.zeros_like(x)
    for e in range(len(experts)):
        rows = share[:, e].topk(n).indices
        out[rows] = share[rows, e, None] * (x[rows] @ experts[e])
    return out


def choose_all(x, router, experts, n):
    return torch.einsum("ne,nc,ecd->nd", (x @ router.T).softmax(-1), x, experts)


def tokens_choose_their_experts(x, router, experts, n):
    weights, chosen = (x @ router.T).softmax(1).topk(n)
    made = torch.einsum("nc,nkcd->nkd", x, experts[chosen])
    return (weights[..., None] * made).sum(1)


def choose_and_keep(x, router, experts, n):
    made = choose_by_mask(x, router, experts, n)
    return torch.where(made.abs().sum(1, keepdim=True) == 0, x, made)


ANSWERS = {
    "24.1": Answers(
        right=[by_scatter, by_lists, by_masking_scores, by_router],
        wrong=[
            (sum_made_one_always, "the weight is the share itself"),
            (only_shares, "must sum to 1 again"),
            (zeros_before_softmax, "put the zeros after the softmax"),
            (equal_parts, "count alike"),
            (with_large_powers, "too large for 32 bits"),
            (put_first, "where its expert is"),
            (lambda scores, k: scores.softmax(0), "the softmax over all"),
            (lambda scores, k: by_scatter(-scores, k), "not yet"),
            (lambda scores, k: by_scatter(scores, k).sort(descending=True).values[:k], "by size"),
            (lambda scores, k: 1.0, "not yet"),
        ],
    ),
    "24.2": Answers(
        right=[lambda: active_parameters(built()) / 1e9, on_paper, 39.2],
        wrong=[
            (lambda: sum(p.numel() for p in built().parameters()) / 1e9, "the whole model"),
            (lambda: active_parameters(built(tied=True)) / 1e9, "gives the head its own"),
            (lambda: active_parameters(built(n_active=1)) / 1e9, "one expert a token"),
            (lambda: active_parameters(built(n_kv_heads=48)) / 1e9, "not 48"),
            (lambda: active_parameters(built()), "give it in billions"),
            (44, "Two times 22"),
            (39, "give one decimal place"),
            (141, "the whole model"),
            (0.5, "too low"),
        ],
    ),
    "24.3": Answers(
        right=[by_one_hot, by_sums, by_gather],
        wrong=[
            (lambda share, chosen: by_sums(share, chosen) / share.shape[1], "The factor E is missing"),
            (lambda share, chosen: by_sums(share, chosen).item(), "not yet"),
            (lambda share, chosen: by_sums(share.detach(), chosen), "no gradient by `share`"),
            (lambda share, chosen: by_sums(share, chosen) * chosen.shape[1], "There are N k choices"),
            (lambda share, chosen: by_sums(share, chosen) * len(share), "is their mean"),
            (lambda share, chosen: share.shape[1] * (share.mean(0) ** 2).sum(), "made of the shares alone"),
            (halved_on_the_way, "changes `share`"),
            (lambda share, chosen: by_sums(share, chosen[:, :1]), "first choices only"),
            (lambda share, chosen: share.sum() * 0 + 1, "not yet"),
        ],
    ),
    "24.4": Answers(
        right=[by_cumsum, by_nonzero, by_loops],
        wrong=[
            (at_most_one_more, "one token too many"),
            (below_only, "one token too few"),
            (choices_first, "All first choices come before"),
            (lambda chosen, n_experts, most: ~by_cumsum(chosen, n_experts, most), "turned round"),
            (lambda chosen, n_experts, most: by_cumsum(chosen, n_experts, most or 9), "no limit"),
            (lambda chosen, n_experts, most: by_cumsum(chosen, n_experts, max(most, 1)), "yours takes one"),
            (counted_in(torch.int8), "goes on at -128"),
            (counted_in(torch.uint8), "begins at 0 again"),
            (
                lambda chosen, n_experts, most: by_cumsum(chosen.flip(0), n_experts, most).flip(0),
                "last tokens",
            ),
            (lambda chosen, n_experts, most: torch.ones(chosen.shape, dtype=torch.bool), "keep everything"),
            (lambda chosen, n_experts, most: by_cumsum(chosen, n_experts, most).all(1), "not yet"),
        ],
    ),
    "24.5": Answers(
        right=[choose_by_loop, choose_by_einsum, choose_by_sending, choose_by_token],
        wrong=[
            (choose_by_mask, "throw the results away"),
            (choose_in_64_bits, "throw the results away"),
            (choose_and_select, "throw the results away"),
            (choose_with_large_powers, "too large for 32 bits"),
            (choose_with_sums, "sum to 1 for each expert"),
            (choose_along_tokens, "Your softmax runs over the tokens"),
            (choose_without_weight, "yours counts fully"),
            (tokens_choose_their_experts, "the tokens choose"),
            (lambda x, router, experts, n: x + choose_by_loop(x, router, experts, n), "the block adds it"),
            (choose_and_overwrite, "Add them"),
            (choose_all, "every expert takes every token"),
            (choose_and_keep, "gets zeros"),
            (lambda x, router, experts, n: choose_by_loop(x, router, experts.mT, n), "transposed"),
            (lambda x, router, experts, n: choose_by_loop(x, router, experts, 1), "not yet"),
        ],
    ),
}


class TestChapter24(ExerciseTests):
    answers = ANSWERS
