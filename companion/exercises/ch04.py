"""The checks of chapter 4, Attention."""

import math

import torch
import torch.nn.functional as F

from companion.exercises.exercise import Function, Number, Problem

# -- 4.1 ------------------------------------------------------------------

LOUDER = Number(
    number="4.1",
    title="Asking twice as loudly",
    stars=1,
    wants="weight_of_mara()",
    answer=64 / 86,
    tolerance=0.005,
    mistakes=[
        (0.5, "That is its share before. Doubling all scores does not double all powers alike."),
        (1.0, "The share of Mara is not doubled: the others' powers grow too, and it stays below 1."),
        (0.25, "You squared the share. Square each power, and then take the share of their new sum."),
        (16 / 24, "Only the power of Mara was changed. All five scores are products with the query."),
        (64 / 72, "Only the power of Mara was changed. All five scores are products with the query."),
        (
            math.exp(6) / (math.exp(6) + math.exp(2) + math.exp(4) + 2),
            "Here the powers are powers of 2, not of e.",
        ),
        (64, "That is the power. The weight is its share of all five."),
    ],
    right="A long query looks hard, a short one looks around; a query of zeros takes the plain average.",
)

# -- 4.2 ------------------------------------------------------------------


def window_mask(n_query, n_key, window):
    i = torch.arange(n_key - n_query, n_key)[:, None]
    j = torch.arange(n_key)
    return (j <= i) & (j > i - window)


def window_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [(1, 1, 1), (1, 2, 1), (3, 3, 1), (4, 4, 2), (2, 5, 3), (1, 4, 2), (3, 3, 9)]
    for n_query, n_key in ((6, 6), (4, 9), (1, 7)):
        window = int(torch.randint(2, 6, (), generator=generator))
        cases.append((n_query, n_key, window))
    return cases


def window_from_the_top(n_query, n_key, window):
    i, j = torch.arange(n_query)[:, None], torch.arange(n_key)
    return (j <= i) & (j > i - window)


def window_limit_from_the_top(n_query, n_key, window):
    return causal(n_query, n_key).triu(1 - window)


def window_both_sides(n_query, n_key, window):
    i, j = torch.arange(n_key - n_query, n_key)[:, None], torch.arange(n_key)
    return (i - j).abs() < window


def causal(n_query, n_key):
    return window_mask(n_query, n_key, n_key)


WINDOW_MASK = Function(
    number="4.2",
    title="A window that slides",
    stars=1,
    wants="window_mask(n_query, n_key, window)",
    cases=window_cases,
    oracle=window_mask,
    mistakes=[
        (
            lambda n_query, n_key, window: window_mask(n_query, n_key, window + 1),
            "A query sees one key too many. Its own position is one of the `window` that it may see.",
        ),
        (
            lambda n_query, n_key, window: window_mask(n_query, n_key, window - 1),
            "A query sees one key too few. With a window of 1 it still sees itself.",
        ),
        (
            window_both_sides,
            "Your window reaches into the future too. A query sees itself and what came before.",
        ),
        (
            window_from_the_top,
            "Your queries stand at the first positions. They are the last `n_query` of `n_key`, as in "
            "`causal_mask`: with 2 queries and 5 keys, at the positions 3 and 4.",
        ),
        (
            window_limit_from_the_top,
            "How far ahead a query may look is right; how far back is counted from the top left corner. The "
            "queries are the last ones: that staircase, too, must be shifted by n_key − n_query.",
        ),
        (
            lambda n_query, n_key, window: causal(n_query, n_key),
            "This is the causal mask: nothing limits how far back a query looks.",
        ),
        (
            lambda n_query, n_key, window: ~window_mask(n_query, n_key, window),
            "True and False are swapped: True is where a query may look.",
        ),
        (
            lambda n_query, n_key, window: causal(n_query, n_key) & (torch.arange(n_key) >= n_key - window),
            "All queries have the same window, the last keys. It should slide: each query has its own.",
        ),
        (
            lambda n_query, n_key, window: causal(n_query, n_key) & (torch.arange(n_key) < window),
            "All queries have the same window, the first keys. It should slide: each query has its own.",
        ),
        (
            lambda n_query, n_key, window: window_mask(n_query, n_key, window).float(),
            "The pattern is right, as numbers. A mask is of True and False: `attend` wants torch.bool.",
        ),
    ],
    right="The work per token is now the same in a long text as in a short one; mind what is lost.",
)

# -- 4.3 ------------------------------------------------------------------

ORDERS = Number(
    number="4.3",
    title="Order out of nothing",
    stars=2,
    wants="different_outputs()",
    answer=24,
    tolerance=0.1,
    mistakes=[
        (
            1,
            "One layer cannot tell the orders apart. But what reaches the second layer are outputs of the "
            "first: has token 2 of them seen the same tokens in every order?",
        ),
        (
            4,
            "You may have reasoned that only the token before the last matters. Every token's output in the "
            "first layer knows which tokens came before it.",
        ),
        (
            120,
            "Only the first four tokens change places. How many orders do four have?",
        ),
        (
            576,
            "There are no more outputs than orders; each order is read by the two layers one after the "
            "other.",
        ),
        (
            23,
            "One output was lost, or two were taken for the same. Do you compare with a tolerance? "
            "Differences in the last digits are rounding, those above 0.001 are not.",
        ),
        (
            5,
            "That is the number of tokens. Count the different outputs of the last one, over all orders.",
        ),
    ],
    right="Two causal layers can tell any order without positions: the mask says who came before whom.",
)

# -- 4.4 ------------------------------------------------------------------


def looks_ahead(layer, x):
    generator = torch.Generator().manual_seed(5)
    before, found = layer(x), set()
    for j in range(x.shape[1]):
        changed = x.clone()
        changed[:, j] = torch.randn(x.shape[2], generator=generator)
        moved = (layer(changed) - before).abs().amax((0, 2))
        found |= {i for i in range(j) if moved[i] > 1e-6}
    return sorted(found)


def own_only(x):
    return 2 * x


def mean_so_far(x):
    return x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]


def next_token(x):
    return torch.cat([x[:, 1:], x[:, -1:]], dim=1)


def mean_of_all(x):
    return x + x.mean(dim=1, keepdim=True)


def mean_of_all_detached(x):
    return x + x.detach().mean(dim=1, keepdim=True)


def two_ahead(x):
    return torch.cat([x[:, :-2] + x[:, 2:], x[:, -2:]], dim=1)


def first_sees_last(x):
    return torch.cat([x[:, :1] + x[:, -1:], x[:, 1:]], dim=1)


def centered_next(x):
    return x + next_token(x) - next_token(x).mean(dim=-1, keepdim=True)


def direction_of_next(x):
    return x + F.normalize(next_token(x), dim=-1)


def one_number_of_next(x):
    return x + next_token(x)[..., :1]


def leak_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    tiny = torch.tensor([[[1.0, 2.0], [4.0, -1.0], [0.5, 3.0]]])
    layers = [own_only, mean_so_far, next_token, mean_of_all, mean_of_all_detached, first_sees_last]
    cases = [(layer, tiny) for layer in layers]
    layers += [two_ahead, centered_next, direction_of_next, one_number_of_next]
    for t, c in ((4, 3), (6, 5)):
        cases += [(layer, torch.randn(1, t, c, generator=generator)) for layer in layers]
    return cases


def leaks_where(layer, x, change, positions=None, seen=lambda i, j: i < j):
    """The outputs i that move when a token j is changed in some way."""
    before, found = layer(x), set()
    for j in range(x.shape[1]) if positions is None else positions:
        changed = x.clone()
        changed[:, j] = change(x[:, j])
        moved = (layer(changed) - before).abs().amax((0, 2))
        found |= {i for i in range(x.shape[1]) if seen(i, j) and moved[i] > 1e-6}
    return sorted(found)


def another(token):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(token.shape, generator=generator)


def leaks_by_gradient(layer, x):
    x = x.clone().requires_grad_()
    found = []
    for i, o in enumerate(layer(x)[0]):
        (slope,) = torch.autograd.grad((o**3).sum(), x, retain_graph=True, allow_unused=True)
        if slope is not None and slope[0, i + 1 :].abs().sum() > 1e-6:
            found.append(i)
    return found


def leak_sources(layer, x):
    t = x.shape[1]
    return [j for j in range(t) if leaks_where(layer, x, another, [j])]


def all_later_but_one(layer, x):
    return [i for i in looks_ahead(layer, x) if leaks_where(layer, x, another, [i + 1], lambda a, b: a < b)]


LOOKS_AHEAD = Function(
    number="4.4",
    title="A leak that no gradient shows",
    stars=2,
    wants="looks_ahead(layer, x)",
    cases=leak_cases,
    oracle=looks_ahead,
    shown="{f}({0}, x), x = {1}",
    mistakes=[
        (
            leaks_by_gradient,
            "This is what the gradient sees. The layer has a part that PyTorch did not record; the future "
            "reaches the output through it all the same. Change a token, and compare the outputs.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, another, [x.shape[1] - 1]),
            "You changed the last token only. A layer that looks one or two tokens ahead shows that only "
            "when those are changed.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, lambda token: 2 * token),
            "You doubled the token. A layer that brings tokens to one length before it uses them does not "
            "notice: put another token in its place.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, lambda token: token + 1),
            "You added the same to all numbers of a token. A layer that subtracts their mean does not "
            "notice: put another token in its place.",
        ),
        (
            lambda layer, x: leaks_where(
                layer, x, lambda token: torch.cat([token[..., :-1], -token[..., -1:]], -1)
            ),
            "You changed one of the token's numbers. The layer may be looking at another one.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, another, seen=lambda i, j: i <= j),
            "You counted outputs that change with their own token. They may: only those before the changed "
            "token have looked ahead.",
        ),
        (
            lambda layer, x: leaks_where(layer, x, another, seen=lambda i, j: i > j),
            "You listed outputs that depend on an earlier token. That is allowed; look at those before the "
            "token that you changed.",
        ),
        (
            leak_sources,
            "You listed the tokens that are seen too early. The question is which outputs see them.",
        ),
        (
            all_later_but_one,
            "You tried the next token for each output. A leak may come from any later one.",
        ),
    ],
    right="Changing the future and seeing whether the past moves needs no gradient, and works for any code.",
)

# -- 4.5 ------------------------------------------------------------------


def values_and_gradients(answer, q, k, v):
    """The answer's output, and the gradients that reach q, k and v."""
    inputs = [t.clone().requires_grad_() for t in (q, k, v)]
    out = answer(*inputs)
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


def qkv(generator, b, h, n_query, n_key, d, d_value=None):
    sizes = (b, h, n_query, d), (b, h, n_key, d), (b, h, n_key, d_value or d)
    return tuple(torch.randn(*size, generator=generator) for size in sizes)


def masked_scores(q, k, scale=None, mask=True):
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    hidden = ~causal(q.shape[-2], k.shape[-2]) if mask else torch.tensor(False)
    return scores.masked_fill(hidden, -math.inf)


def sink(q, k, v, **options):
    scores = masked_scores(q, k, **options)
    scores = torch.cat([torch.zeros_like(scores[..., :1]), scores], dim=-1)
    return scores.softmax(-1)[..., 1:] @ v


def line(*numbers):
    """(1, 1, T, 1)."""
    return torch.tensor(numbers).view(1, 1, -1, 1)


def sink_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (line(0.0), line(0.0), line(6.0)),
        (line(0.0, 0.0), line(0.0, 0.0), line(6.0, 12.0)),
        (line(1.0), line(2.0, -1.0), line(3.0, 7.0)),
        (line(20.0, 20.0), line(10.0, 9.9), line(3.0, 7.0)),
        (line(1.0), line(-50.0, -60.0), line(3.0, 7.0)),
        (torch.ones(1, 1, 1, 4), torch.ones(1, 1, 1, 4), torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])),
    ]
    cases += [qkv(generator, 2, 3, 5, 5, 4), qkv(generator, 1, 2, 3, 7, 5), qkv(generator, 3, 2, 1, 4, 6)]
    return cases


def sink_last_without_mask(q, k, v):
    zero_k, zero_v = torch.zeros_like(k[..., :1, :]), torch.zeros_like(v[..., :1, :])
    k, v = torch.cat([k, zero_k], -2), torch.cat([v, zero_v], -2)
    return masked_scores(q, k).softmax(-1) @ v


def sink_by_powers(q, k, v):
    powers = masked_scores(q, k).exp()
    return powers / (1 + powers.sum(-1, keepdim=True)) @ v


def sink_after_shift(q, k, v):
    scores = masked_scores(q, k)
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / (1 + powers.sum(-1, keepdim=True)) @ v


def sink_with_value(q, k, v):
    scores = masked_scores(q, k)
    scores = torch.cat([torch.zeros_like(scores[..., :1]), scores], dim=-1)
    return scores.softmax(-1) @ torch.cat([torch.ones_like(v[..., :1, :]), v], -2)


SINK = Function(
    number="4.5",
    title="The right to look nowhere",
    stars=2,
    wants="attend_with_sink(q, k, v)",
    cases=sink_cases,
    oracle=sink,
    call=values_and_gradients,
    shown="q = {0}, k = {1}, v = {2}",
    mistakes=[
        (
            lambda q, k, v: masked_scores(q, k).softmax(-1) @ v,
            "This is attention as it was: the weights of the tokens still add up to 1. Is the sink missing, "
            "or did you divide by their sum again, and take back what it had got?",
        ),
        (
            sink_last_without_mask,
            "The sink stands behind the last key, and a causal mask takes it for the newest token: it moves "
            "all queries on by one, so that they see one token of the future. Where would nobody be moved?",
        ),
        (
            sink_with_value,
            "The sink has a value, so looking at it adds something. It should hand over zeros.",
        ),
        (
            sink_after_shift,
            "You took the largest score off before the powers, and still added 1. The sink's score of 0 is "
            "one of the scores: it has to be shifted as well.",
        ),
        (
            sink_by_powers,
            "The formula is right, and the powers are too large for a float: e to the power of 200 is "
            "infinite there, and infinity by infinity is NaN. Give the sink's score to `softmax`, which "
            "takes the largest off first.",
        ),
        (
            lambda q, k, v: sink(q, k, v, mask=False),
            "Queries see the future: the mask is gone, or not aligned with the keys any more.",
        ),
        (
            lambda q, k, v: sink(q, k, v, scale=1.0),
            "The scores are not divided by √D, with D the width of a query.",
        ),
    ],
    right="A head that finds nothing can now say nothing, and need not repeat what it did not look for.",
)

# -- 4.6 ------------------------------------------------------------------


def slopes_of(n_heads):
    return 2.0 ** (-8 * torch.arange(1, n_heads + 1) / n_heads)


def distances(n_query, n_key):
    return torch.arange(n_key - n_query, n_key)[:, None] - torch.arange(n_key)


def alibi(q, k, v, slopes=None, distance=None, mask=True):
    (h, n_query), n_key = q.shape[1:3], k.shape[2]
    slopes = slopes_of(h) if slopes is None else slopes
    distance = distances(n_query, n_key) if distance is None else distance
    scores = masked_scores(q, k, mask=mask) - slopes[:, None, None] * distance
    return scores.softmax(-1) @ v


def alibi_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (line(0.0), line(0.0), line(5.0)),
        (
            torch.zeros(1, 2, 2, 1),
            torch.zeros(1, 2, 2, 1),
            torch.tensor([8.0, 0.0, 8.0, 0.0]).view(1, 2, 2, 1),
        ),
        (line(0.0), line(0.0, 0.0, 0.0), line(1.0, 2.0, 3.0)),
        (torch.ones(1, 2, 2, 4), torch.ones(1, 2, 2, 4), torch.arange(16.0).view(1, 2, 2, 4)),
    ]
    cases += [qkv(generator, 2, 4, 6, 6, 5), qkv(generator, 2, 3, 4, 9, 5), qkv(generator, 1, 8, 1, 11, 3)]
    return cases


def alibi_before_scale(q, k, v):
    slopes = slopes_of(q.shape[1]) / q.shape[-1] ** 0.5
    return alibi(q, k, v, slopes)


def alibi_after_softmax(q, k, v):
    bias = slopes_of(q.shape[1])[:, None, None] * distances(q.shape[2], k.shape[2])
    return (masked_scores(q, k).softmax(-1) - bias * causal(q.shape[2], k.shape[2])) @ v


def alibi_multiplied(q, k, v):
    bias = slopes_of(q.shape[1])[:, None, None] * distances(q.shape[2], k.shape[2])
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 * -bias
    return scores.masked_fill(~causal(q.shape[2], k.shape[2]), -math.inf).softmax(-1) @ v


def alibi_from_the_top(q, k, v):
    n_query, n_key = q.shape[2], k.shape[2]
    away = torch.arange(n_query)[:, None] - torch.arange(n_key)
    return alibi(q, k, v, distance=away.abs())


ALIBI = Function(
    number="4.6",
    title="Positions without a table",
    stars=3,
    wants="attend_alibi(q, k, v)",
    cases=alibi_cases,
    oracle=alibi,
    call=values_and_gradients,
    shown="q = {0}, k = {1}, v = {2}",
    mistakes=[
        (
            lambda q, k, v: alibi(q, k, v, -slopes_of(q.shape[1])),
            "Far tokens win here, near ones lose. Distance is a penalty: subtract it.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, 2.0 ** (-8 * torch.arange(q.shape[1]) / q.shape[1])),
            "Your heads count from 0, so the first slope is 1. They count from 1: with 8 heads the first is "
            "½.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, slopes_of(q.shape[1]).flip(0)),
            "The slopes are in the wrong order: head 1 has the steepest.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, slopes_of(q.shape[1])[:1].repeat(q.shape[1])),
            "All heads have the same slope. Give the slopes a shape that runs along the heads: (H, 1, 1).",
        ),
        (
            lambda q, k, v: alibi(q, k, v, 2.0 ** -torch.arange(1.0, q.shape[1] + 1)),
            "These are the slopes of 8 heads, ½, ¼, … With H heads the exponents go in steps of 8 / H.",
        ),
        (
            alibi_before_scale,
            "The penalty was divided by √D too. Divide the products first, then subtract.",
        ),
        (
            alibi_from_the_top,
            "Your distances are counted as if the queries stood at the first positions. They are the last "
            "of the keys' positions, as in `causal_mask`.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, mask=False),
            "The future is not hidden. A negative distance is even a reward here; the mask has to stay.",
        ),
        (
            lambda q, k, v: masked_scores(q, k).softmax(-1) @ v,
            "There is no trace of the distance: this is attention as it was.",
        ),
        (
            alibi_after_softmax,
            "The penalty came after the softmax, so the weights no longer add up to 1. It belongs to the "
            "scores.",
        ),
        (
            alibi_multiplied,
            "You multiplied the scores by the penalty. It is subtracted: a token far away loses the same, "
            "whatever its score is.",
        ),
        (
            lambda q, k, v: alibi(q, k, v, distance=distances(q.shape[2], k.shape[2]) ** 2),
            "The penalty grows with the square of the distance. It should grow evenly, by the slope each "
            "token.",
        ),
    ],
    right="No position has a row, so none is missing when a text gets longer than any that was trained on.",
)

EXERCISES = [LOUDER, WINDOW_MASK, ORDERS, LOOKS_AHEAD, SINK, ALIBI]
