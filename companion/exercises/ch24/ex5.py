"""The check of exercise 24.5: The experts choose."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import as_tensor, settle

aten = torch.ops.aten
PRODUCTS = {aten.mm, aten.bmm, aten.mv, aten.dot, aten.addmm, aten.baddbmm, aten.addmv, aten.mul}
COPIES = {aten.clone, aten._to_copy, aten.index, aten.index_select, aten.stack, aten.cat}


class ExpertWork(TorchDispatchMode):
    """Counts the multiplications with the experts' matrices, and with copies of them."""

    def __init__(self, experts):
        super().__init__()
        self.held, self.products = [experts], 0  # held, so that their memory is not given to others

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found, kind = func(*args, **kwargs or {}), func.overloadpacket
        factors = [arg for arg in args if torch.is_tensor(arg)][-2:]
        if kind in PRODUCTS and any(self.of_experts(factor) for factor in factors):
            last = factors[-1]
            inner = 1 if kind is aten.mul else last.shape[0] if last.dim() == 1 else last.shape[-2]
            self.products += found.numel() * inner
        if kind in COPIES and any(self.of_experts(arg) for arg in (args[0] if listed(args[0]) else args[:1])):
            self.held.append(found)
        return found

    def of_experts(self, tensor):
        memory = tensor.untyped_storage().data_ptr()
        return any(memory == held.untyped_storage().data_ptr() for held in self.held)


def listed(arg):
    return isinstance(arg, list | tuple)


def on_own_tokens(answer, x, router, experts, n):
    """What an answer gives. Where most tokens have no expert, its work counts: up to 2 n rows an expert."""
    with ExpertWork(experts) as work:
        found = settle(answer(x, router, experts, n))
    if len(x) <= 2 * n * len(experts) or work.products <= 2 * n * experts.numel():
        return found
    tensor, right = as_tensor(found), expert_choice(x, router, experts, n)
    if tensor is not None and tensor.shape == right.shape and torch.allclose(tensor.to(right), right, 1e-4):
        raise Problem(
            "The numbers are right, but your experts compute on tokens that they did not take, and throw the "
            "results away. Gather an expert's rows before you multiply."
        )
    return found


def chosen_by(scores, n):
    """(N, E) -> bool, True at the n largest of each column."""
    threshold = scores.sort(dim=0, descending=True).values[n - 1]
    return scores >= threshold


def combine(x, experts, weights):
    out = torch.zeros_like(x)
    for e, expert in enumerate(experts):
        row = weights[:, e].nonzero()[:, 0]
        out = out.index_add(0, row, weights[row, e, None] * (x[row] @ expert))
    return out


def shares(x, router):
    return torch.softmax(x @ router.T, dim=1)


def expert_choice(x, router, experts, n):
    share = shares(x, router)
    return combine(x, experts, share * chosen_by(share, n))


def choice_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.tensor([[1.0], [2.0]]), torch.tensor([[0.5], [1.0]]), torch.tensor([[[1.0]], [[10.0]]]), 1),
        (torch.tensor([[100.0], [1.0]]), torch.tensor([[1.0], [0.5]]), torch.tensor([[[1.0]], [[10.0]]]), 1),
    ]
    for rows, width, e, n in ((4, 2, 3, 1), (7, 3, 2, 3), (6, 5, 4, 2), (5, 2, 3, 5), (24, 4, 3, 2)):
        x, router = torch.randn(rows, width, generator=generator), torch.randn(e, width, generator=generator)
        cases.append((x, router, torch.randn(e, width, width, generator=generator), n))
    return cases


def softmax_over_tokens(x, router, experts, n):
    share = torch.softmax(x @ router.T, dim=0)
    return combine(x, experts, share * chosen_by(share, n))


def tokens_choose(x, router, experts, n):
    share = shares(x, router)
    return combine(x, experts, share * chosen_by(share.T, min(n, len(router))).T)


def tokens_choose_n(x, router, experts, n):
    """The same, where a token cannot choose more experts than there are."""
    weights, column = shares(x, router).topk(n, dim=1)
    return combine(x, experts, torch.zeros(len(x), len(router)).scatter(1, column, weights))


def with_stream(x, router, experts, n):
    return x + expert_choice(x, router, experts, n)


def without_weights(x, router, experts, n):
    return combine(x, experts, chosen_by(shares(x, router), n).to(x))


def made_to_sum(x, router, experts, n):
    share = shares(x, router)
    kept = share * chosen_by(share, n)
    return combine(x, experts, kept / kept.sum(1, keepdim=True).clamp(min=1e-9))


def choose_by_scores(x, router, experts, n):
    scores = x @ router.T
    return combine(x, experts, shares(x, router) * chosen_by(scores, n))


def weighted_by_scores(x, router, experts, n):
    scores = x @ router.T
    return combine(x, experts, scores * chosen_by(shares(x, router), n))


def everybody(x, router, experts, n):
    return combine(x, experts, shares(x, router))


def left_as_they_are(x, router, experts, n):
    share = shares(x, router)
    alone = ~chosen_by(share, n).any(1, keepdim=True)
    return expert_choice(x, router, experts, n) + alone * x


def transposed(x, router, experts, n):
    return expert_choice(x, router, experts.transpose(1, 2), n)


def overwritten(x, router, experts, n):
    share, out = shares(x, router), torch.zeros_like(x)
    for e, expert in enumerate(experts):
        rows = chosen_by(share, n)[:, e]
        out[rows] = share[rows, e, None] * (x[rows] @ expert)
    return out


def overflowing(x, router, experts, n):
    powers = (x @ router.T).exp()
    share = powers / powers.sum(1, keepdim=True)
    rows, out = share.topk(n, dim=0).indices, torch.zeros_like(x)
    for e, expert in enumerate(experts):
        out.index_add_(0, rows[:, e], share[rows[:, e], e, None] * (x[rows[:, e]] @ expert))
    return out


def sum_for_experts(x, router, experts, n):
    share = shares(x, router)
    kept = share * chosen_by(share, n)
    return combine(x, experts, kept / kept.sum(0))


def one_expert_a_token(x, router, experts, n):
    share = shares(x, router)
    weights, free = torch.zeros_like(share), torch.ones(len(x), dtype=torch.bool)
    for e in range(len(experts)):
        row = share[:, e].where(free, -1.0).topk(min(n, int(free.sum()))).indices
        weights[row, e], free[row] = share[row, e], False
    return combine(x, experts, weights)


EXERCISE = Function(
    number="24.5",
    title="The experts choose",
    stars=3,
    wants="expert_choice(x, router, experts, n)",
    cases=choice_cases,
    oracle=expert_choice,
    call=on_own_tokens,
    mistakes=[
        (
            softmax_over_tokens,
            "Your softmax runs over the tokens. A token's shares sum to 1 over the experts.",
        ),
        *(
            (wrong, "In yours the tokens choose. Take the `n` largest of each column, not of each row.")
            for wrong in (tokens_choose, tokens_choose_n)
        ),
        (
            without_weights,
            "What an expert makes is added with the share as weight; yours counts fully.",
        ),
        (made_to_sum, "Your weights sum to 1 for each token. Here the share itself is the weight."),
        (choose_by_scores, "Your experts choose by scores. They should by shares: those are comparable."),
        (weighted_by_scores, "Your weight is the score. It should be the share, after the softmax."),
        (everybody, "In yours every expert takes every token. Each should take `n`."),
        (left_as_they_are, "A token that nobody takes gets zeros; the block's stream carries it on."),
        (
            with_stream,
            "You add what the experts make to x. The layer gives it alone; the block adds it to x.",
        ),
        (transposed, "Expert e makes `x @ experts[e]`; yours is transposed."),
        (overwritten, "Where two experts take a token, yours keeps the last one's only. Add them."),
        (
            overflowing,
            "`exp(100)` is too large for 32 bits. Subtract the largest score first, or use softmax.",
        ),
        (sum_for_experts, "Your weights sum to 1 for each expert. Here the share itself is the weight."),
        (one_expert_a_token, "In yours a token has one expert at most. Several may take the same token."),
    ],
    right="Every expert has exactly n tokens, and balance needs neither bias nor loss.",
)
