"""The checks of chapter 24, Experts."""

import math  # noqa: F401, an input uses it

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter
from companion.exercises.settle import Record, as_tensor, settle

chapter = Chapter()

# -- 24.1 -----------------------------------------------------------------


def random_scores(seed):
    generator = torch.Generator().manual_seed(seed)
    for n, k in ((5, 2), (7, 3), (9, 1)):
        yield torch.randn(n, generator=generator), k


@chapter.function(
    "24.1 Two of many ★",
    inputs="""
        torch.tensor([6.0, 1.0, 3.0]).log(), 2
        torch.tensor([6.0, 1.0, 3.0]).log(), 1
        torch.tensor([0.0, math.log(3)]), 2
        torch.tensor([0.0, math.log(3), -1.0, 1.0]), 1
        torch.tensor([100.0, 0.0, 99.0]), 2
    """,
    cases=random_scores,
    mistakes="""
        best if k == 1 else best / best.sum() => best
            Your weights are the shares. With k above 1 they must sum to 1 again.
        best if k == 1 else =>
            With k = 1 the weight is the share itself; 1 would teach the router nothing.
        = scores.softmax(dim=0)
            That is the softmax over all. Only the k best keep a weight.
        scores.softmax(dim=0) => scores ; best if k == 1 else =>
            You divide the scores by their sum. First a softmax makes shares of them.
        torch.zeros_like(share).scatter(0, at, weights) => weights
            Your result has k weights, by size. It should have one for each expert.
        = torch.where(it > 0, scores, 0.0).softmax(dim=0)
            A score of 0 is no share of 0: put the zeros after the softmax.
        scores.softmax(dim=0) => scores.exp() / scores.exp().sum()
            `exp(100)` is too large for 32 bits. Subtract the largest score first, or use softmax.
        = it.sort(descending=True).values
            Your k weights stand first. Each belongs where its expert is: `topk` says where.
        best / best.sum() => (best / best.sum()).softmax(dim=0)
            A softmax of shares is one too many: divide by their sum.
        scores.softmax(dim=0) => scores.sigmoid()
            A sigmoid looks at one score alone. A softmax makes shares of all of them.
        topk(k) => topk(k, largest=False)
            You took the k smallest.
        = (it > 0) / k
            The chosen count alike here. Each should count by its share.
    """,
    right="Two of E experts will compute, and their weights keep the ratio that the router gave them.",
)
def route(scores, k):
    share = scores.softmax(dim=0)
    best, at = share.topk(k)
    weights = best if k == 1 else best / best.sum()
    return torch.zeros_like(share).scatter(0, at, weights)


# -- 24.2 -----------------------------------------------------------------

WIDTH, LAYERS, TABLES = 6144, 56, 2 * 32768 * 6144
ATTENTION = 2 * WIDTH * WIDTH + 2 * WIDTH * 8 * 128
EXPERT, ROUTER, NORMS = 3 * WIDTH * 16384, 8 * WIDTH, 2 * WIDTH + 2 * 128


def billions(n_experts, tables=TABLES, attention=ATTENTION):
    """Weights with so many experts in a layer."""
    return (LAYERS * (attention + ROUTER + NORMS + n_experts * EXPERT) + WIDTH + tables) / 1e9


chapter.number(
    "24.2 What a name says ★",
    wants="active_billions()",
    answer=billions(2),
    tolerance=0.1,
    mistakes=f"""
        39
            That is the right number, rounded too far, or that with one table of two: give one decimal
            place.
        141 || {billions(8)}
            That is the whole model. Which experts does a token leave alone?
        {billions(2, tables=0)}
            Embedding and head are missing; both work on a token's way here.
        {billions(2, tables=TABLES // 2)}
            One of two tables is missing: `tied=False` gives the head its own.
        {billions(1)}
            That is so with one expert a token. It uses two.
        {billions(2, attention=4 * WIDTH * WIDTH)}
            There are 8 heads of keys and values, not 48.
        {billions(2) * 1e9}
            That is the number itself; give it in billions.
        {billions(2) * 1e3}
            In millions, yes: give it in billions.
        {billions(8) / 4}
            Not all shrinks to a quarter: attention and tables work on every token.
        {LAYERS * 2 * EXPERT / 1e9}
            Those are the experts alone. Attention and the tables work too.
        44
            Two times 22? The experts share attention and tables, and hold less than the name says.
    """,
    right="Of 141 billion, 39 work on a token: what it costs is not in its name.",
)

# -- 24.3 -----------------------------------------------------------------


def random_shares(seed):
    generator = torch.Generator().manual_seed(seed)
    for rows, n, k in ((5, 3, 2), (7, 4, 1), (6, 5, 3)):
        share = torch.randn(rows, n, generator=generator).softmax(-1)
        yield share, torch.rand(rows, n, generator=generator).topk(k).indices


def with_gradient(answer, share, chosen):
    given, share = share, share.clone().requires_grad_()
    found = answer(share, chosen)
    tensor = found if torch.is_tensor(found) else as_tensor(found)
    if tensor is None or tensor.numel() != 1 or not tensor.requires_grad:
        return Record("", {"loss": found, "gradient by share": None})
    [gradient] = torch.autograd.grad(tensor.sum(), share, allow_unused=True)
    if not torch.equal(given, share):
        raise Problem("Your answer changes `share`. The caller may still need it as it was; work on a copy.")
    return Record("", {"loss": tensor.detach(), "gradient by share": gradient})


@chapter.function(
    "24.3 The other remedy ★★",
    inputs="""
        torch.tensor([[0.9, 0.1], [0.7, 0.3]]), torch.tensor([[0], [0]])
        torch.full((4, 4), 0.25), torch.arange(4)[:, None]
        torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([[0, 1]])
    """,
    cases=random_shares,
    call=with_gradient,
    mistakes="""
        return n_experts * => return
            The factor E is missing: evenly used experts should give 1.
        chosen.numel() => len(chosen)
            You divide the counts by N. There are N k choices.
        counts / chosen.numel() => counts
            You take the counts. $f_e$ is the part of all choices, so that they sum to 1.
        share.mean(dim=0) => share.sum(dim=0)
            You sum the shares over the tokens. $P_e$ is their mean.
        part * mean => mean.square()
            That is made of the shares alone. What was chosen must count too.
        n_experts * (part * mean).sum() => (part * mean).mean()
            You take the mean over the experts; it is E times the sum.
        = it.detach()
            The value is right, but nothing can learn from it: it has no gradient by `share`.
        return n_experts * => return chosen.shape[1] *
            The factor is E, the number of experts, not k.
        = balance_loss(share, chosen[:, :1])
            You count first choices only. All k choices of a token count.
        = balance_loss(share, share.argmax(1, keepdim=True))
            You count the largest share of each token. Count what `chosen` says.
        (part * mean).sum() => (part * mean)
            You have one number for each expert. The loss is their sum.
    """,
    right="It is 1 at balance, and the gradient pushes the share of busy experts down.",
)
def balance_loss(share, chosen):
    n_experts = share.shape[1]
    counts = chosen.flatten().bincount(minlength=n_experts)
    part = counts / chosen.numel()
    mean = share.mean(dim=0)
    return n_experts * (part * mean).sum()


# -- 24.4 -----------------------------------------------------------------


def random_choices(seed):
    generator = torch.Generator().manual_seed(seed)
    for n, e, k, most in ((6, 4, 2, 2), (9, 3, 1, 2), (8, 5, 3, 4)):
        yield torch.rand(n, e, generator=generator).topk(k).indices, e, most


@chapter.function(
    "24.4 First come, first served ★★",
    inputs="""
        torch.tensor([[0, 1], [0, 2], [0, 1]]), 3, 1
        torch.tensor([[0], [0], [1], [0]]), 2, 2
        torch.tensor([[1, 0], [0, 1], [1, 2]]), 3, 1
        torch.tensor([[2], [0]]), 4, 1
        torch.tensor([[0, 1], [2, 0]]), 3, 0
        torch.zeros(300, 1, dtype=torch.long), 2, 200
    """,
    cases=random_choices,
    mistakes="""
        place <= most => place <= most + 1
            An expert takes one token too many: a count from 1 must be at most `most`.
        place <= most => place < most
            An expert takes one token too few: where does your count begin?
        = kept(chosen.flip(0), n_experts, most).flip(0)
            Your experts take the last tokens. Those that come first should be served.
        = ~it
            That is turned round: True means that a choice is kept.
        = it.all(dim=1, keepdim=True).expand_as(it)
            A token that loses one expert keeps the other: each choice counts for itself.
        = kept(chosen.T, n_experts, most).T
            All first choices come before all second ones in yours (GShard does so). Here a token's
            choices come together.
        = torch.cat([kept(choice, n_experts, most) for choice in chosen.split(1, dim=1)], dim=1)
            First and second choices of an expert share one queue; yours have two.
        place <= most => place <= max(most, 1)
            With `most` = 0 an expert has room for none; yours takes one.
        place <= most => place <= (most or len(chosen))
            With `most` = 0 nothing is kept; it does not mean that there is no limit.
        cumsum(dim=0) => cumsum(dim=0, dtype=torch.int8)
            Your count is in 8 bits: after 127 it goes on at -128.
        cumsum(dim=0) => cumsum(dim=0, dtype=torch.uint8)
            Your count is in 8 bits: after 255 it begins at 0 again.
        = torch.ones_like(it)
            You keep everything. An expert has room for `most` tokens only.
        = (torch.arange(len(chosen)) < most)[:, None].expand_as(it)
            You keep the first `most` tokens of all. Each expert has a queue of its own.
    """,
    right="A running count is a queue: no loop over tokens, and nobody waits.",
)
def kept(chosen, n_experts, most):
    flat = chosen.flatten()[:, None]
    is_chosen = flat == torch.arange(n_experts)
    place = is_chosen.cumsum(dim=0).gather(1, flat)
    return (place <= most).view(chosen.shape)


# -- 24.5 -----------------------------------------------------------------


def random_experts(seed):
    generator = torch.Generator().manual_seed(seed)
    for rows, width, e, n in ((4, 2, 3, 1), (7, 3, 2, 3), (6, 5, 4, 2), (5, 2, 3, 5), (24, 4, 3, 2)):
        shapes = (rows, width), (e, width), (e, width, width)
        yield *(torch.randn(shape, generator=generator) for shape in shapes), n


aten = torch.ops.aten
PRODUCTS = {aten.mm, aten.bmm, aten.mv, aten.dot, aten.addmm, aten.baddbmm, aten.addmv, aten.mul}
COPIES = {aten.clone, aten._to_copy, aten.index, aten.index_select, aten.stack, aten.cat}


class ExpertWork(TorchDispatchMode):
    """Counts the multiplications with the experts' matrices, and with copies of them."""

    def __init__(self, experts):
        super().__init__()
        self.held, self.products = [experts], 0  # held, so that their memory is not given to others

    @classmethod
    def _should_skip_dynamo(cls):
        # PyTorch's default, True, imports torch.compile at the first use, which would take seconds of the
        # answer's time. There is no public switch for it.
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found, kind = func(*args, **kwargs or {}), func.overloadpacket
        factors = [arg for arg in args if torch.is_tensor(arg)][-2:]
        if kind in PRODUCTS and any(self.of_experts(factor) for factor in factors):
            last = factors[-1]
            inner = 1 if kind is aten.mul else last.shape[0] if last.dim() == 1 else last.shape[-2]
            self.products += found.numel() * inner
        if kind in COPIES:
            copied = args[0] if isinstance(args[0], list | tuple) else args[:1]
            if any(self.of_experts(tensor) for tensor in copied):
                self.held.append(found)
        return found

    def of_experts(self, tensor):
        memory = tensor.untyped_storage().data_ptr()
        return any(memory == held.untyped_storage().data_ptr() for held in self.held)


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


@chapter.function(
    "24.5 The experts choose ★★★",
    inputs="""
        torch.tensor([[1.0], [2.0]]), torch.tensor([[0.5], [1.0]]), torch.tensor([[[1.0]], [[10.0]]]), 1
        torch.tensor([[100.0], [1.0]]), torch.tensor([[1.0], [0.5]]), torch.tensor([[[1.0]], [[10.0]]]), 1
    """,
    cases=random_experts,
    call=on_own_tokens,
    mistakes="""
        softmax(dim=1) => softmax(dim=0)
            Your softmax runs over the tokens. A token's shares sum to 1 over the experts.
        topk(n, dim=0) => topk(min(n, len(experts)), dim=1) ; scatter(0 => scatter(1
        topk(n, dim=0) => topk(n, dim=1) ; scatter(0 => scatter(1
            In yours the tokens choose. Take the `n` largest of each column, not of each row.
        share * taken => taken
            What an expert makes is added with the share as weight; yours counts fully.
        share * taken => share * taken / (share * taken).sum(dim=1, keepdim=True)
            Your weights sum to 1 for each token. Here the share itself is the weight.
        share.topk => scores.topk
            Your experts choose by scores. They should by shares: those are comparable.
        share * taken => scores * taken
            Your weight is the score. It should be the share, after the softmax.
        torch.zeros_like(share).scatter(0, best, 1.0) => torch.ones_like(share)
            In yours every expert takes every token. Each should take `n`.
        return out => return out + x * (taken.sum(dim=1, keepdim=True) == 0)
            A token that nobody takes gets zeros; the block's stream carries it on.
        = x + it
            You add what the experts make to x. The layer gives it alone; the block adds it to x.
        x[mine] @ expert => x[mine] @ expert.T
            Expert e makes `x @ experts[e]`; yours is transposed.
        out[mine] += => out[mine] =
            Where two experts take a token, yours keeps the last one's only. Add them.
        scores.softmax(dim=1) => scores.exp() / scores.exp().sum(dim=1, keepdim=True)
            `exp(100)` is too large for 32 bits. Subtract the largest score first, or use softmax.
        share * taken => share * taken / (share * taken).sum(dim=0)
            Your weights sum to 1 for each expert. Here the share itself is the weight.
        - best = share.topk(n, dim=0).indices
        - taken = torch.zeros_like(share).scatter(0, best, 1.0)
        + taken = torch.zeros_like(share)
        + for e in range(len(experts)):
        +     free = taken.sum(dim=1) == 0
        +     best = share[:, e].where(free, -1.0).topk(min(n, int(free.sum()))).indices
        +     taken[best, e] = 1.0
            In yours a token has one expert at most. Several may take the same token.
    """,
    right="Every expert has exactly n tokens, and balance needs neither bias nor loss.",
)
def expert_choice(x, router, experts, n):
    scores = x @ router.T
    share = scores.softmax(dim=1)
    best = share.topk(n, dim=0).indices
    taken = torch.zeros_like(share).scatter(0, best, 1.0)
    weights = share * taken
    out = torch.zeros_like(x)
    for e, expert in enumerate(experts):
        mine = taken[:, e].nonzero().flatten()
        out[mine] += weights[mine, e, None] * (x[mine] @ expert)
    return out
