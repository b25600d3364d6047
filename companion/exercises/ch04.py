"""The checks of chapter 4, Attention."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

chapter.number(
    "4.1 A query twice as long ★",
    wants="weight_of_mara()",
    answer=64 / 86,
    tolerance=0.005,
    mistakes="""
        0.5
            That is Mara's weight with the query (2, 1). With (4, 2) all scores double. What happens to the powers?
        1.0
            The weight does not simply double, because the powers of the other tokens grow as well. It stays
            below 1.
        0.25
            You squared the share. Square each power, and then take the share of their new sum.
        16 / 24 || 64 / 72
            You changed only the power of Mara. All five scores are products with the query.
        math.exp(6) / (math.exp(6) + math.exp(2) + math.exp(4) + 2)
            Here the powers are powers of 2, not of e.
        16 / 30
            You doubled each power. The scores double, and so each power is squared.
        64 / 84
            The tokens with the score 0 count too: the power of each is 1, before and after.
        512 / 532
            You squared the scores. Twice the query doubles each of them.
        64
            That is the power. The weight is its share of all five.
    """,
    right="A longer query concentrates the weights, and a query of zeros gives the plain average.",
)


# -- 4.2 ------------------------------------------------------------------
def window_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for n_query, n_key in [(6, 6), (4, 9), (1, 7)]:
        yield n_query, n_key, int(torch.randint(2, 6, (), generator=generator))


@chapter.function(
    "4.2 A sliding window ★",
    inputs="""
        1, 1, 1 || 1, 2, 1 || 3, 3, 1 || 4, 4, 2 || 2, 5, 3 || 1, 4, 2 || 3, 3, 9 || 3, 3, 2 || 3, 3, 3
        3, 3, 4 || 1, 3, 3 || 1, 3, 5 || 2, 5, 7 || 10, 10, 8 || 4, 30, 17
    """,
    cases=window_cases,
    mistakes="""
        i - window => i - window - 1
            A query sees one key too many. Its own position is one of the `window` positions that it may see.
        i - window => i - window + 1
            A query sees one key too few. With a window of 1 it still sees itself.
        j <= i => j < i + window
            Your window reaches into the future too. A query sees itself and what came before.
        torch.arange(n_key - n_query, n_key) => torch.arange(n_query)
            Your queries stand at the first positions. They are the last `n_query` of `n_key`, as in
            `causal_mask`: with 2 queries and 5 keys, at the positions 3 and 4.
        i - window => i - window - (n_key - n_query)
            How far ahead a query may look is right, but how far back is counted from the top left corner. The
            queries are the last ones, so the second staircase must also be shifted by n_key − n_query.
        & (j > i - window) =>
            This is the causal mask: nothing limits how far back a query looks.
        j > i - window => j >= n_key - window
            All queries have the same window, the last keys. It should slide: each query has its own.
    """,
    right="Code that skips what is False now does the same work for each token, however long the text is. "
    "The price is that older tokens are lost.",
)
def window_mask(n_query, n_key, window):
    i = torch.arange(n_key - n_query, n_key)[:, None]
    j = torch.arange(n_key)
    return (j <= i) & (j > i - window)


chapter.number(
    "4.3 Order without positions ★★",
    wants="different_outputs()",
    answer=24,
    tolerance=0.1,
    mistakes="""
        1
            One layer cannot tell the orders apart. But the second layer reads outputs of the first. Has
            token 2 seen the same tokens there in every order?
        4
            You may have reasoned that only the token before the last matters. Every token's output in the
            first layer knows which tokens came before it.
        120
            Only the first four tokens change places. How many orders of four tokens are there?
        576
            There cannot be more outputs than orders: each order passes through both layers once.
        23
            One output was lost, or two were taken for the same. Do you compare with the tolerance? Differences
            above 0.001 are real, smaller ones are rounding.
    """,
    right="Two causal layers can tell all orders apart without positions: the mask shows who came first.",
)


# -- 4.4 ------------------------------------------------------------------
def next_token(x):
    return torch.cat([x[:, 1:], x[:, -1:]], dim=1)


def two_numbers_see_next(x):
    leak = next_token(x)[..., :1]
    return torch.cat([x[..., :1] + leak, x[..., 1:2] - leak, x[..., 2:]], dim=-1)


LAYERS = {
    "own_only": lambda x: 2 * x,
    "mean_so_far": lambda x: x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None],
    "next_token": next_token,
    "mean_of_all": lambda x: x + x.mean(dim=1, keepdim=True),
    "mean_of_all_detached": lambda x: x + x.detach().mean(dim=1, keepdim=True),
    "first_sees_last": lambda x: torch.cat([x[:, :1] + x[:, -1:], x[:, 1:]], dim=1),
    "two_ahead": lambda x: torch.cat([x[:, :-2] + x[:, 2:], x[:, -2:]], dim=1),
    "centered_next": lambda x: x + next_token(x) - next_token(x).mean(dim=-1, keepdim=True),
    "direction_of_next": lambda x: x + F.normalize(next_token(x), dim=-1),
    "one_number_of_next": lambda x: x + next_token(x)[..., :1],
    "last_number_of_next": lambda x: x + next_token(x)[..., -1:],
    "sum_of_next": lambda x: x + next_token(x).sum(dim=-1, keepdim=True),
    "size_of_next": lambda x: x + 2 * next_token(x).abs(),
    "last_number_sees_next": lambda x: torch.cat([x[..., :-1], x[..., -1:] + next_token(x)[..., :1]], -1),
    "two_numbers_see_next": two_numbers_see_next,
    "a_little_of_next": lambda x: x + 2e-4 * next_token(x),
    "second_sees_last": lambda x: torch.cat([x[:, :1], x[:, 1:2] + x[:, -1:], x[:, 2:]], dim=1),
}
for name, layer in LAYERS.items():
    layer.__name__ = name  # the verdict shows it


class Mixed(nn.Module):
    """A layer that learns, and looks ahead: each token and the next, each times a matrix."""

    def __init__(self, width):
        super().__init__()
        self.own, self.other = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return self.own(x) + self.other(next_token(x))


def leak_cases(seed):
    torch.manual_seed(seed + 100)  # not 0: an answer's own draws would be equal
    tiny = torch.tensor([[[1.0, 2.0], [4.0, -1.0], [0.5, 3.0]]])
    for layer in list(LAYERS.values())[:6]:
        yield layer, tiny
    yield LAYERS["mean_of_all"], tiny[:, :1]
    for t, c in [(4, 3), (6, 5)]:
        for layer in [*LAYERS.values(), nn.Linear(c, c), Mixed(c)]:
            yield layer, torch.randn(1, t, c)


def leaks_by_gradient(layer, x):
    x = x.clone().requires_grad_()
    found = []
    for i, o in enumerate(layer(x)[0]):
        (slope,) = torch.autograd.grad((o**3).sum(), x, retain_graph=True, allow_unused=True)
        if slope is not None and slope[0, i + 1 :].abs().sum() > 1e-6:
            found.append(i)
    return found


@chapter.function(
    "4.4 A leak that no gradient shows ★★",
    cases=leak_cases,
    shown="{f}({0}, x), x = {1}",
    mistakes="""
        : leaks_by_gradient
            This is what the gradient shows. The layer has a part that PyTorch did not record, and the future
            reaches the output through this part. Change a token, and compare the outputs.
        range(x.shape[1]) => [x.shape[1] - 1]
            You changed only the last token. If a layer looks one or two tokens ahead, you find it only by
            changing those tokens.
        changed[:, j] = torch.randn(x.shape[2]) => changed[:, j] *= 2
            You doubled the token. A layer that scales tokens to the same length before it uses them does not
            react to this. Put other numbers in its place.
        changed[:, j] = torch.randn(x.shape[2]) => changed[:, j] += 1
            You added the same amount to all numbers of a token. A layer that subtracts their mean does not
            react to this. Put other numbers in its place.
        range(j) => range(j + 1)
            You counted outputs that change with their own token, which is allowed. Only outputs before the
            changed token have looked ahead.
        range(j) => range(j + 1, x.shape[1])
            You listed outputs that depend on an earlier token, which is allowed. Look at the outputs before the
            token that you changed.
        {i for i in range(j) => {j for i in range(j)
            You listed the tokens that are seen too early. The question is which outputs depend on them.
        range(j) => range(max(0, j - 1), j)
            You tried the next token for each output. A leak may come from any later one.
    """,
    right="Changing the future and seeing whether the past moves needs no gradient, and works for any code.",
)
def looks_ahead(layer, x):
    before, found = layer(x), set()
    for j in range(x.shape[1]):
        changed = x.clone()
        changed[:, j] = torch.randn(x.shape[2])
        moved = (layer(changed) - before).abs().amax((0, 2))
        found |= {i for i in range(j) if moved[i] > 1e-6}
    return sorted(found)


# -- 4.5 ------------------------------------------------------------------
def line(*numbers):
    """(1, 1, T, 1)."""
    return torch.tensor(numbers).view(1, 1, -1, 1)


def qkv(generator, b, h, n_query, n_key, d):
    return tuple(torch.randn(b, h, t, d, generator=generator) for t in (n_query, n_key, n_key))


def causal_scores(q, k):
    n_query, n_key = q.shape[2], k.shape[2]
    scores = q @ k.mT / q.shape[-1] ** 0.5
    may_see = torch.ones(n_query, n_key).tril(n_key - n_query)
    return scores.masked_fill(may_see == 0, -math.inf)


def sink_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    yield qkv(generator, 2, 3, 5, 5, 4)
    yield qkv(generator, 1, 2, 3, 7, 5)
    yield qkv(generator, 3, 2, 1, 4, 6)


def values_and_gradients(answer, q, k, v):
    """The answer's output, and the gradients that reach q, k and v."""
    inputs = [t.clone().requires_grad_() for t in (q, k, v)]
    out = answer(*inputs)
    for name, t, old in zip("qkv", inputs, (q, k, v), strict=True):
        if not torch.equal(t, old):
            raise Problem(f"Your answer changes `{name}`, which the caller still needs: work on a copy.")
    if not isinstance(out, torch.Tensor):
        raise Problem(f"Your answer gives a {type(out).__name__}; a tensor (B, H, Tq, D) is wanted.")
    found = {"output": out.detach()}
    if out.shape == (*q.shape[:3], v.shape[-1]):
        if not out.requires_grad:
            raise Problem("Your output has no gradient: somewhere it was cut off from q, k and v.")
        weighting = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
        grads = torch.autograd.grad((out * weighting).sum(), inputs, allow_unused=True)
        for name, t, grad in zip("qkv", inputs, grads, strict=True):
            found[f"gradient of {name}"] = torch.zeros_like(t) if grad is None else grad
    return found


@chapter.function(
    "4.5 An attention sink ★★",
    inputs="""
        line(0.0), line(0.0), line(6.0)
        line(0.0, 0.0), line(0.0, 0.0), line(6.0, 12.0)
        line(1.0), line(2.0, -1.0), line(3.0, 7.0)
        line(20.0, 20.0), line(10.0, 9.9), line(3.0, 7.0)
        line(1.0), line(-50.0, -60.0), line(3.0, 7.0)
        line(10.0, -10.0), line(30.0, 29.0), line(3.0, 7.0)
        torch.ones(1, 1, 1, 4), torch.ones(1, 1, 1, 4), torch.arange(1.0, 5.0).view(1, 1, 1, 4)
    """,
    cases=sink_cases,
    call=values_and_gradients,
    shown="q = {0}, k = {1}, v = {2}",
    helpers=(causal_scores,),
    mistakes="""
        = causal_scores(q, k).softmax(-1) @ v
            This is ordinary attention: the weights of the tokens still add up to 1. Is the sink missing, or
            did you normalize the weights again after removing the sink?
        = causal_scores(q, F.pad(k, (0, 0, 0, 1))).softmax(-1) @ F.pad(v, (0, 0, 0, 1))
            The sink stands behind the last key, so the causal mask takes it for the newest token. It moves all
            queries on by one, and they see one token of the future. At which end would no query be moved?
        weights[..., 1:] @ v => weights @ torch.cat([torch.ones_like(v[..., :1, :]), v], dim=-2)
            The sink has a value other than zero, so it adds something to the output. Its value should be 0.
        [sink, scores] => [sink, scores - scores.amax(-1, keepdim=True)]
            You subtracted the largest score before the powers, and still added 1 for the sink. The sink's
            score of 0 is one of the scores, so it has to be shifted as well.
        .softmax(-1) => .exp() ; weights[..., 1:] @ v => weights[..., 1:] / weights.sum(-1, keepdim=True) @ v
            The formula is right, but the powers are too large for a float32: e to the power of 200 becomes
            infinite, and infinity divided by infinity is NaN. Let `softmax` treat the sink's score with the
            others, because it subtracts the largest score first.
        .masked_fill(may_see == 0, -math.inf) =>
            Queries see the future: the mask is missing, or it is no longer aligned with the keys.
        / q.shape[-1] ** 0.5 =>
            The scores are not divided by √D, with D the width of a query.
    """,
    right="A head that finds nothing can now contribute nothing, instead of some value it did not look for.",
)
def attend_with_sink(q, k, v):
    scores = causal_scores(q, k)
    sink = torch.zeros_like(scores[..., :1])
    weights = torch.cat([sink, scores], dim=-1).softmax(-1)
    return weights[..., 1:] @ v


# -- 4.6 ------------------------------------------------------------------
def alibi_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    yield qkv(generator, 2, 4, 6, 6, 5)
    yield qkv(generator, 2, 3, 4, 9, 5)
    yield qkv(generator, 1, 8, 1, 11, 3)
    yield qkv(generator, 1, 2, 1, 300, 2)


@chapter.function(
    "4.6 ALiBi: positions without a table ★★★",
    inputs="""
        line(0.0), line(0.0), line(5.0)
        torch.zeros(1, 2, 2, 1), torch.zeros(1, 2, 2, 1), torch.tensor([8.0, 0.0, 8.0, 0.0]).view(1, 2, 2, 1)
        line(0.0), line(0.0, 0.0, 0.0), line(1.0, 2.0, 3.0)
        line(0.0, 0.0), line(0.0, 0.0), line(5.0, 1.0)
        line(10.0, 10.0), line(30.0, 29.9), line(3.0, 7.0)
        line(10.0, 10.0), line(-30.0, -29.9), line(3.0, 7.0)
        line(10.0, -10.0), line(30.0, 29.0), line(3.0, 7.0)
        torch.ones(1, 2, 2, 4), torch.ones(1, 2, 2, 4), torch.arange(16.0).view(1, 2, 2, 4)
    """,
    cases=alibi_cases,
    call=values_and_gradients,
    shown="q = {0}, k = {1}, v = {2}",
    helpers=(causal_scores,),
    mistakes="""
        causal_scores(q, k) - penalty => causal_scores(q, k) + penalty
            Here distant tokens gain and near ones lose. The distance is a penalty: subtract it.
        torch.arange(1, n_heads + 1) => torch.arange(n_heads)
            You number the heads from 0, so the first slope is 1. They are numbered from 1: with 8 heads the
            first slope is ½.
        slopes[:, None, None] => slopes[0]
            All heads have the same slope. Give the slopes a shape that runs along the heads: (H, 1, 1).
        -8 * heads / n_heads => -heads
            These are the slopes for 8 heads, ½, ¼, … With H heads the exponents go in steps of 8 / H.
        causal_scores(q, k) - penalty => causal_scores(q, k) - penalty / q.shape[-1] ** 0.5
            You divided the penalty by √D, too. Divide the products first, then subtract the penalty.
        queries[:, None] - torch.arange(n_key) => (torch.arange(n_query)[:, None] - torch.arange(n_key)).abs()
            Your distances are counted as if the queries stood at the first positions. They are the last of
            the keys' positions, as in `causal_mask`.
        .masked_fill(may_see == 0, -math.inf) =>
            The future is not hidden. A negative distance is even a reward here, so the mask is still needed.
        causal_scores(q, k) - penalty => causal_scores(q, k)
            This is ordinary attention: the distance is missing.
        (causal_scores(q, k) - penalty).softmax(-1) => causal_scores(q, k).softmax(-1) - penalty * (distance > 0)
            The penalty came after the softmax, so the weights no longer add up to 1. It belongs to the
            scores.
    """,
    right="There is no table of positions, so none is missing when a text is longer than those in training.",
)
def attend_alibi(q, k, v):
    n_heads, n_query, n_key = q.shape[1], q.shape[2], k.shape[2]
    heads = torch.arange(1, n_heads + 1)
    slopes = 2.0 ** (-8 * heads / n_heads)
    queries = torch.arange(n_key - n_query, n_key)
    distance = queries[:, None] - torch.arange(n_key)
    penalty = slopes[:, None, None] * distance
    weights = (causal_scores(q, k) - penalty).softmax(-1)
    return weights @ v
