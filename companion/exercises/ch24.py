"""The checks of chapter 24, Experts."""

import math  # noqa: F401, an input uses it

import torch
from torch.overrides import TorchFunctionMode

from companion.exercises.normalize import Record, as_tensor, normalize
from companion.exercises.notation import Chapter, Problem

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
            Your weights are the shares themselves. If k is above 1, divide them by their sum.
        best if k == 1 else =>
            With k = 1 the weight is the share itself. With a weight of 1 the router would have no gradient.
        = scores.softmax(dim=0)
            That is the softmax over all experts. Only the k best keep a weight.
        scores.softmax(dim=0) => scores ; best if k == 1 else =>
            You divide the scores by their sum. Apply a softmax to the scores first.
        torch.zeros_like(share).scatter(0, at, weights) => weights
            Your result has only the k weights, sorted by size. It should have one weight for each expert.
        = torch.where(it > 0, scores, 0.0).softmax(dim=0)
            A score of 0 does not give a share of 0. Set the other weights to 0 after the softmax.
        scores.softmax(dim=0) => scores.exp() / scores.exp().sum()
            `exp(100)` is too large for 32 bits. Subtract the largest score first, or use softmax.
        = it.sort(descending=True).values
            Your k weights come first. Put each weight at the position of its expert, which `topk` returns in
            `indices`.
        best / best.sum() => (best / best.sum()).softmax(dim=0)
            You applied a second softmax to the chosen shares. Divide them by their sum instead.
        scores.softmax(dim=0) => scores.sigmoid()
            A sigmoid depends on a single score. Use a softmax over all scores, so that the shares sum to 1.
    """,
    right="Only k of E experts compute, and their weights keep the ratio of their shares.",
)
def route(scores, k):
    share = scores.softmax(dim=0)
    best, at = share.topk(k)
    weights = best if k == 1 else best / best.sum()
    return torch.zeros_like(share).scatter(0, at, weights)


# -- 24.2 -----------------------------------------------------------------
WIDTH = 6144
LAYERS = 56
TABLES = 2 * 32768 * 6144
ATTENTION = 2 * WIDTH * WIDTH + 2 * WIDTH * 8 * 128
EXPERT = 3 * WIDTH * 16384
ROUTER = 8 * WIDTH
NORMS = 2 * WIDTH + 2 * 128


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
            That is the right number rounded to a whole one, or the number with only one of the two tables.
            Give one decimal place.
        141 || {billions(8)}
            That is the whole model. Which experts does a token not use?
        {billions(2, tables=0)}
            The embedding and the head are missing. Both count here.
        {billions(2, tables=TABLES // 2)}
            One of two tables is missing. With `tied=False` the head has a table of its own.
        {billions(1)}
            That is the number with one expert per token. A token uses two.
        {billions(2, attention=4 * WIDTH * WIDTH)}
            There are 8 heads of keys and values, not 48.
        {billions(2) * 1e9}
            That is the right number. Give it in billions.
        {billions(8) / 4}
            You divided the whole model by four. But attention and the tables work on every token.
        {LAYERS * 2 * EXPERT / 1e9}
            Those are the experts alone. Attention and the tables work on a token, too.
        44
            You multiplied 2 by 22. But the experts share attention and the tables, so they have fewer weights
            than the name says.
    """,
    right="Of 141 billion weights, 39 billion work on a token, so the name does not tell what a token costs.",
)


# -- 24.3 -----------------------------------------------------------------
def random_shares(seed):
    generator = torch.Generator().manual_seed(seed)
    for rows, n, k in ((5, 3, 2), (7, 4, 1), (6, 5, 3)):
        share = torch.randn(rows, n, generator=generator).softmax(-1)
        yield share, torch.rand(rows, n, generator=generator).topk(k).indices


def with_gradient(answer, share, chosen):
    given = share
    share = share.clone().requires_grad_()
    found = answer(share, chosen)
    tensor = found if torch.is_tensor(found) else as_tensor(found)
    if tensor is None or tensor.numel() != 1 or not tensor.requires_grad:
        return Record("", {"loss": normalize(found), "gradient by share": None})
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
            You divide the counts by N. The number of choices is N k.
        counts / chosen.numel() => counts
            You use the counts themselves. Divide them by the number of choices, so that the $f_e$ sum to 1.
        share.mean(dim=0) => share.sum(dim=0)
            You sum the shares over the tokens. $P_e$ is their mean.
        part * mean => mean.square()
            Your loss depends on the shares alone. It must also depend on the choices.
        n_experts * (part * mean).sum() => (part * mean).mean()
            You take the mean over the experts. The loss is E times the sum.
        = it.detach()
            The value is right, but it has no gradient with respect to `share`, so the router cannot learn
            from it.
        return n_experts * => return chosen.shape[1] *
            The factor is E, the number of experts, not k.
        = balance_loss(share, chosen[:, :1])
            You count only the first choice of each token. Count all k choices.
        = balance_loss(share, share.argmax(1, keepdim=True))
            You count the expert with the largest share of each token. Count the experts in `chosen`.
    """,
    right="It is 1 if all experts are used equally, and its gradient pushes the shares of busy experts down.",
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
            Each expert keeps one token too many. If you count from 1, the count must be at most `most`.
        place <= most => place < most
            Each expert keeps one token too few. Does your count begin at 0 or at 1?
        = kept(chosen.flip(0), n_experts, most).flip(0)
            Your experts keep the last tokens. They should keep the tokens that come first.
        = it.all(dim=1, keepdim=True).expand_as(it)
            You drop a token completely if one of its choices is dropped. It keeps its other choices.
        = kept(chosen.T, n_experts, most).T
            You serve the first choices of all tokens before their second choices, as GShard does. Here all
            choices of a token come before those of the next token.
        = torch.cat([kept(choice, n_experts, most) for choice in chosen.split(1, dim=1)], dim=1)
            You count first and second choices separately. Both use the same places of an expert.
        place <= most => place <= (most or len(chosen))
            With `most` = 0 no choice is kept. It does not mean that there is no limit.
        = (torch.arange(len(chosen)) < most)[:, None].expand_as(it)
            You keep the first `most` tokens of the batch. Count for each expert separately.
    """,
    right="A running count gives each choice its place, without a loop over tokens.",
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


PRODUCTS = {"matmul", "mm", "bmm", "mv", "dot", "linear", "einsum", "tensordot", "addmm", "baddbmm", "addmv"}
COPIES = {"clone", "to", "float", "double", "contiguous", "getitem", "index_select", "stack", "cat"}


class ExpertWork(TorchFunctionMode):
    """Counts the multiplications with the experts' matrices, and with copies of them."""

    def __init__(self, experts):
        super().__init__()
        self.width = experts.shape[-1]
        self.held = [experts]  # held, so that their memory is not given to others
        self.products = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        found = func(*args, **kwargs or {})
        given = [arg for one in args for arg in (one if isinstance(one, list | tuple) else [one])]
        name = func.__name__.strip("_").removeprefix("r")
        if torch.is_tensor(found) and any(self.of_experts(arg) for arg in given):
            if name in PRODUCTS:
                self.products += found.numel() * self.width
            elif name in ("mul", "multiply"):
                self.products += found.numel()
            elif name in COPIES:
                self.held.append(found)
        return found

    def of_experts(self, tensor):
        if not torch.is_tensor(tensor):
            return False
        try:
            memory = tensor.untyped_storage().data_ptr()
        except (NotImplementedError, RuntimeError):  # inside torch.vmap
            return False
        return any(memory == held.untyped_storage().data_ptr() for held in self.held)


def on_own_tokens(answer, x, router, experts, n):
    """What an answer gives. Where most tokens have no expert, its work counts: up to 2 n rows an expert."""
    with ExpertWork(experts) as work:
        found = normalize(answer(x, router, experts, n))
    if len(x) <= 2 * n * len(experts) or work.products <= 2 * n * experts.numel():
        return found
    tensor = as_tensor(found)
    right = expert_choice(x, router, experts, n)
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
            Your softmax runs over the tokens. It should run over the experts, so that the shares of each
            token sum to 1.
        topk(n, dim=0) => topk(min(n, len(experts)), dim=1) ; scatter(0 => scatter(1
            In your answer the tokens choose. Take the `n` largest shares of each column, not of each row.
        share * taken => taken
            You add the results of the experts without a weight. Multiply each by its share.
        share * taken => share * taken / (share * taken).sum(dim=1, keepdim=True)
            You made the weights of each token sum to 1. Here the share itself is the weight.
        share.topk => scores.topk
            Your experts choose by scores. They should choose by shares, which can be compared between tokens.
        share * taken => scores * taken
            You use the score as weight. Use the share, which is the score after the softmax.
        return out => return out + x * (taken.sum(dim=1, keepdim=True) == 0)
            A token that no expert takes should get zeros. The block's residual stream keeps its vector.
        x[mine] @ expert => x[mine] @ expert.T
            Expert e computes `x @ experts[e]`. You used the transposed matrix.
        out[mine] += => out[mine] =
            If two experts take the same token, you keep only the result of the last one. Add the results.
        scores.softmax(dim=1) => scores.exp() / scores.exp().sum(dim=1, keepdim=True)
            `exp(100)` is too large for 32 bits. Subtract the largest score first, or use softmax.
    """,
    right="Every expert has exactly n tokens, so balance needs neither a bias nor a second loss.",
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
