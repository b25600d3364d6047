"""Answers to chapter 4 by someone who had not read the checks."""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from companion.attention import CausalSelfAttention, attend, causal_mask


# 4.1 Wrong
def mara_by_e():
    """Powers of e."""
    return torch.tensor([6.0, 2, 0, 4, 0]).softmax(0)[0].item()


def mara_divided():
    """With the division by the root of D, which the table by hand does not have."""
    powers = 2 ** (torch.tensor([6.0, 2, 0, 4, 0]) / math.sqrt(2))
    return (powers[0] / powers.sum()).item()


def all_weights():
    """All five, not Mara's."""
    powers = 2 ** torch.tensor([6.0, 2, 0, 4, 0])
    return (powers / powers.sum()).tolist()


def mara_printed():
    """Prints, returns None."""
    print(64 / 86)


# 4.1 Right
def mara_tensor():
    return (torch.tensor([6.0, 2, 0, 4, 0]) * math.log(2)).softmax(0)[0]


# 4.2 Wrong
def positions(n_query, n_key):
    return torch.arange(n_key - n_query, n_key)[:, None], torch.arange(n_key)[None]


def window_one_more(n_query, n_key, window):
    """Itself and `window` before."""
    i, j = positions(n_query, n_key)
    return (j <= i) & (j >= i - window)


def window_one_less(n_query, n_key, window):
    """window - 2 before: window 1 sees nothing."""
    i, j = positions(n_query, n_key)
    return (j <= i) & (j > i - window + 1)


def window_without_itself(n_query, n_key, window):
    """The `window` before, not itself."""
    i, j = positions(n_query, n_key)
    return (j < i) & (j >= i - window)


def window_both_sides(n_query, n_key, window):
    """Looks ahead."""
    i, j = positions(n_query, n_key)
    return (i - j).abs() < window


def window_queries_first(n_query, n_key, window):
    """Queries are the first: Tq < Tk."""
    i, j = torch.arange(n_query)[:, None], torch.arange(n_key)
    return (j <= i) & (j > i - window)


def window_square(n_query, n_key, window):
    """(Tk, Tk)."""
    i, j = positions(n_key, n_key)
    return (j <= i) & (j > i - window)


def window_of_two(n_query, n_key, window):
    """Window 2, as in the example."""
    i, j = positions(n_query, n_key)
    return (j <= i) & (j > i - 2)


def window_inverted(n_query, n_key, window):
    """True where it may not look."""
    i, j = positions(n_query, n_key)
    return ~((j <= i) & (j > i - window))


def window_added(n_query, n_key, window):
    """0 and -inf, to be added."""
    i, j = positions(n_query, n_key)
    return torch.zeros(n_query, n_key).masked_fill(~((j <= i) & (j > i - window)), -math.inf)


def window_only_back(n_query, n_key, window):
    """The lower staircase is forgotten."""
    i, j = positions(n_query, n_key)
    return j > i - window


def window_only_causal(n_query, n_key, window):
    """The window is forgotten."""
    return causal_mask(n_query, n_key)


def window_transposed(n_query, n_key, window):
    """(Tk, Tq)."""
    i, j = positions(n_query, n_key)
    return ((j <= i) & (j > i - window)).T


def window_offset_once(n_query, n_key, window):
    """The second staircase without the offset: Tq < Tk."""
    return causal_mask(n_query, n_key) & ~causal_mask(n_query, n_key).tril(-window)


def window_with_the_first(n_query, n_key, window):
    """The first token is always seen."""
    i, j = positions(n_query, n_key)
    return (j <= i) & ((j > i - window) | (j == 0))


def window_in_blocks(n_query, n_key, window):
    """Blocks of `window`, not a window that slides."""
    i, j = positions(n_query, n_key)
    return (j <= i) & (j // window == i // window)


def window_at_most_queries(n_query, n_key, window):
    """No wider than the number of queries: Tq = 1, window 3."""
    i, j = positions(n_query, n_key)
    return (j <= i) & (j > i - min(window, n_query))


def window_wider_than_the_text(n_query, n_key, window):
    """A window wider than the text is taken modulo its length."""
    i, j = positions(n_query, n_key)
    return (j <= i) & (j > i - ((window - 1) % n_key + 1))


def window_four_dimensions(n_query, n_key, window):
    """(1, 1, Tq, Tk)."""
    i, j = positions(n_query, n_key)
    return ((j <= i) & (j > i - window))[None, None]


def window_of_five_at_most(n_query, n_key, window):
    """Windows end at 5 (found in a second look)."""
    i, j = positions(n_query, n_key)
    return (j <= i) & (j > i - min(window, 5))


def window_none(n_query, n_key, window):
    """Returns None."""
    causal_mask(n_query, n_key).triu(-window + 1)


kept_mask = []


def window_kept(n_query, n_key, window):
    """A mask kept from the largest call before: wrong for another window."""
    if not kept_mask or kept_mask[0].shape != (n_query, n_key):
        kept_mask[:] = [causal_mask(n_query, n_key).triu(n_key - n_query - window + 1)]
    return kept_mask[0]


# 4.2 Right
def window_triu(n_query, n_key, window):
    return causal_mask(n_query, n_key).triu(n_key - n_query - window + 1)


def window_numpy(n_query, n_key, window):
    return np.tril(np.triu(np.ones((n_query, n_key), bool), n_key - n_query - window + 1), n_key - n_query)


def window_loop(n_query, n_key, window):
    mask = torch.zeros(n_query, n_key, dtype=torch.bool)
    for row in range(n_query):
        i = n_key - n_query + row
        mask[row, max(0, i - window + 1) : i + 1] = True
    return mask


def window_list(n_query, n_key, window):
    return [[0 <= i - j < window for j in range(n_key)] for i in range(n_key - n_query, n_key)]


# 4.3 Wrong
torch.manual_seed(0)
first, second = (CausalSelfAttention(d_model=16, n_heads=4) for _ in range(2))
x = torch.randn(5, 16)
orders = [[*order, 4] for order in itertools.permutations(range(4))]


@torch.no_grad()
def outputs(*layers, shuffled=orders):
    found = []
    for order in shuffled:
        y = x[order][None]
        for layer in layers:
            y = layer(y)
        found.append(y[0, -1])
    return found


def different(found):
    kept = []
    for y in found:
        if all((y - other).abs().max() > 1e-3 for other in kept):
            kept.append(y)
    return len(kept)


def outputs_of_one_layer():
    """One layer."""
    return different(outputs(first))


def outputs_of_all_orders_of_five():
    """All 120 orders, of the last token as well."""
    return different(outputs(first, second, shuffled=[list(o) for o in itertools.permutations(range(5))]))


def outputs_differ_from_the_first():
    """Counts those that differ from the first: one less."""
    found = outputs(first, second)
    return sum(((y - found[0]).abs().max() > 1e-3).item() for y in found)


def outputs_pairs():
    """Counts pairs."""
    found = outputs(first, second)
    return sum(((a - b).abs().max() > 1e-3).item() for a in found for b in found)


def outputs_in_a_list():
    """The outputs, not their number."""
    return outputs(first, second)


# 4.3 Right
def outputs_by_set():
    return len({tuple(y.round(decimals=3).tolist()) for y in outputs(first, second)})


# 4.4 Wrong
def ahead_by_gradient(layer, x):
    """What no gradient shows: detach, argmax."""
    x = x.clone().requires_grad_()
    y, found = layer(x), []
    for t in range(x.shape[1]):
        if y.requires_grad:
            (slope,) = torch.autograd.grad(y[:, t].sum(), x, retain_graph=True, allow_unused=True)
            if slope is not None and slope[:, t + 1 :].abs().sum() > 0:
                found.append(t)
    return found


def ahead_general(layer, x, change=None, tokens=None, moved=None, epsilon=1e-6):
    """The right one, with parts to spoil."""
    change = change or (lambda token: torch.randn_like(token))
    moved = moved or (lambda a, b: (a - b).abs().amax(dim=(0, 2)))
    before, found = layer(x.clone()), set()
    for j in range(x.shape[1]) if tokens is None else tokens(x.shape[1]):
        changed = x.clone()
        changed[:, j] = change(changed[:, j])
        for i in range(j):
            if moved(layer(changed), before)[i] > epsilon:
                found.add(i)
    return sorted(found)


def ahead_last_token_only(layer, x):
    """Changes the last token only: a layer in which each token sees the next one."""
    return ahead_general(layer, x, tokens=lambda T: [T - 1])


def ahead_next_token_only(layer, x):
    """Looks only at the token before the changed one: token 0 sees token 2."""
    before, found = layer(x), []
    for j in range(1, x.shape[1]):
        changed = x.clone()
        changed[:, j] = torch.randn(x.shape[-1])
        if (layer(changed) - before)[0, j - 1].abs().max() > 1e-6:
            found.append(j - 1)
    return found


def ahead_scaled(layer, x):
    """Doubles the token: a layer that brings tokens to length 1."""
    return ahead_general(layer, x, change=lambda token: 2 * token)


def ahead_negated(layer, x):
    """Turns the sign: a layer of squares."""
    return ahead_general(layer, x, change=lambda token: -token)


def ahead_added(layer, x):
    """Adds 1 to each number: a layer that takes away the mean first."""
    return ahead_general(layer, x, change=lambda token: token + 1)


def ahead_first_number(layer, x):
    """Changes the first number only: a leak by another channel."""

    def change(token):
        token = token.clone()
        token[..., 0] = torch.randn(1)
        return token

    return ahead_general(layer, x, change=change)


def ahead_last_number(layer, x):
    """Changes the last number only."""

    def change(token):
        token = token.clone()
        token[..., -1] = torch.randn(1)
        return token

    return ahead_general(layer, x, change=change)


def ahead_shuffled(layer, x):
    """Turns the token's numbers round: a layer that reads their sum."""
    return ahead_general(layer, x, change=lambda token: token.flip(-1))


def ahead_coarse(layer, x):
    """Only sees moves above 0.1: a small leak."""
    return ahead_general(layer, x, epsilon=0.1)


def ahead_less_coarse(layer, x):
    """Only sees moves above 0.01: a leak of a thousandth."""
    return ahead_general(layer, x, epsilon=0.01)


def ahead_reads_the_first_number(layer, x):
    """Only compares the first number of each output: a leak into another channel."""
    return ahead_general(layer, x, moved=lambda a, b: (a - b)[0, :, 0].abs())


def ahead_reads_the_sum(layer, x):
    """Compares the outputs' sums: a leak whose numbers cancel, +1 and -1."""
    return ahead_general(layer, x, moved=lambda a, b: (a - b).sum(dim=(0, 2)).abs(), epsilon=1e-4)


def ahead_signed(layer, x):
    """Without abs: moves downwards are not seen."""
    return ahead_general(layer, x, moved=lambda a, b: (a - b).amax(dim=(0, 2)), change=lambda t: t.abs() + 1)


def ahead_in_place(layer, x):
    """Changes the caller's x."""
    before, found = layer(x).clone(), set()
    for j in range(x.shape[1]):
        x[:, j] = torch.randn(x.shape[-1])
        moved = (layer(x) - before).abs().amax(dim=(0, 2)) > 1e-6
        found.update(moved[:j].nonzero().flatten().tolist())
    return sorted(found)


def ahead_with_itself(layer, x):
    """Counts a token's own place: all positions."""
    before, found = layer(x), set()
    for j in range(x.shape[1]):
        changed = x.clone()
        changed[:, j] = torch.randn(x.shape[-1])
        moved = (layer(changed) - before).abs().amax(dim=(0, 2)) > 1e-6
        found.update(moved[: j + 1].nonzero().flatten().tolist())
    return sorted(found)


def ahead_who_leaks(layer, x):
    """The tokens that are seen too early, not those that see them."""
    before, found = layer(x), []
    for j in range(x.shape[1]):
        changed = x.clone()
        changed[:, j] = torch.randn(x.shape[-1])
        if j and (layer(changed) - before)[:, :j].abs().max() > 1e-6:
            found.append(j)
    return found


def ahead_yes_or_no(layer, x):
    """True or False."""
    return bool(ahead_general(layer, x))


def ahead_repeated(layer, x):
    """A position comes once for each token that it sees: add_the_mean gives [0, 0, 1, …]."""
    before, found = layer(x), []
    for j in range(x.shape[1]):
        changed = x.clone()
        changed[:, j] = torch.randn(x.shape[-1])
        moved = (layer(changed) - before).abs().amax(dim=(0, 2)) > 1e-6
        found += moved[:j].nonzero().flatten().tolist()
    return sorted(found)


def ahead_from_large_to_small(layer, x):
    """In the other order."""
    return ahead_general(layer, x)[::-1]


def ahead_up_to_the_largest(layer, x):
    """All positions up to the last one that looks ahead: a layer where 0 is tight and 1 is not."""
    found = ahead_general(layer, x)
    return list(range(found[-1] + 1)) if found else []


def ahead_in_eval(layer, x):
    """Right list; the caller's module is in another mode."""
    if isinstance(layer, nn.Module):
        layer.eval()
    return ahead_general(layer, x)


def ahead_freezes(layer, x):
    """Right list; the caller's module no longer learns."""
    if isinstance(layer, nn.Module):
        layer.requires_grad_(False)
    return ahead_general(layer, x)


def ahead_of_four(layer, x):
    """Looks at four tokens only."""
    return ahead_general(layer, x, tokens=lambda T: range(min(T, 4)))


def ahead_guessed(layer, x):
    """Fits the examples: leaks and four tokens."""
    return [0, 1, 2] if layer(x).shape[1] == 4 else []


def ahead_none(layer, x):
    """Returns None."""
    ahead_general(layer, x)


# 4.4 Right
def ahead_many_tries(layer, x):
    found = set()
    with torch.no_grad():
        before = layer(x.clone())
        for i in range(x.shape[1] - 1):
            for _ in range(5):
                changed = torch.cat([x[:, : i + 1], torch.randn_like(x[:, i + 1 :])], dim=1)
                if not torch.allclose(layer(changed)[:, i], before[:, i], atol=1e-6, rtol=1e-6):
                    found.add(i)
    return tuple(sorted(found))


def ahead_tensor(layer, x):
    found = ahead_general(layer, x, change=lambda token: torch.randn_like(token) * 3)
    return torch.tensor(found, dtype=torch.int64)


def ahead_numpy(layer, x):
    return np.array(ahead_general(layer, x), dtype=int)


def ahead_plain(layer, x):
    return ahead_general(layer, x)


# 4.5 Wrong
def with_sink(q, k, v, score=0.0, mask=None):
    """The right one, written out."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(~causal_mask(q.shape[2], k.shape[2]) if mask is None else ~mask, -math.inf)
    sink = torch.full_like(scores[..., :1], score)
    return torch.cat([scores, sink], dim=-1).softmax(-1)[..., :-1] @ v


def sink_at_the_end(q, k, v):
    """The sink is the newest token: the future is seen."""
    nothing = torch.zeros_like(k[:, :, :1])
    return attend(q, torch.cat([k, nothing], dim=2), torch.cat([v, nothing], dim=2))


def sink_not_there(q, k, v):
    """No sink."""
    return attend(q, k, v)


def sink_overflows(q, k, v):
    """exp of the scores as they are: inf / inf for scores of 100."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    powers = scores.exp() * causal_mask(q.shape[2], k.shape[2])
    return powers @ v / (1 + powers.sum(dim=-1, keepdim=True))


def sink_after_the_shift(q, k, v):
    """1 is added after the largest score was taken away: the sink has the score of the best key."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(~causal_mask(q.shape[2], k.shape[2]), -math.inf)
    powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return powers @ v / (1 + powers.sum(dim=-1, keepdim=True))


def sink_shift_of_the_whole(q, k, v):
    """Shifted by the largest score of all, and 0: rows of -300 beside a row of 300 vanish."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    top = scores.max().clamp(min=0)
    powers = (scores - top).exp() * causal_mask(q.shape[2], k.shape[2])
    return powers @ v / ((-top).exp() + powers.sum(dim=-1, keepdim=True))


def sink_clamped(q, k, v):
    """Scores cut at ±20."""
    scores = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).clamp(-20, 20)
    powers = scores.exp() * causal_mask(q.shape[2], k.shape[2])
    return powers @ v / (1 + powers.sum(dim=-1, keepdim=True))


def sink_not_causal(q, k, v):
    """Without a mask."""
    return with_sink(q, k, v, mask=torch.ones(q.shape[2], k.shape[2], dtype=torch.bool))


def sink_queries_first(q, k, v):
    """Queries are the first: Tq < Tk."""
    return with_sink(q, k, v, mask=torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril())


def sink_not_divided(q, k, v):
    """Without the division by the root of D."""
    return with_sink(q * math.sqrt(q.shape[-1]), k, v)


def sink_of_score_one(q, k, v):
    """Score 1."""
    return with_sink(q, k, v, score=1.0)


def sink_takes_the_place_of_the_first(q, k, v):
    """The first token becomes the sink."""
    k, v = k.clone(), v.clone()
    k[:, :, 0], v[:, :, 0] = 0, 0
    return attend(q, k, v)


def sink_with_the_first_value(q, k, v):
    """The sink hands over the first token's value."""
    nothing = torch.zeros_like(k[:, :, :1])
    return attend(q, torch.cat([nothing, k], dim=2), torch.cat([v[:, :, :1], v], dim=2))


def sink_with_the_mean_value(q, k, v):
    """The sink hands over the mean value."""
    nothing = torch.zeros_like(k[:, :, :1])
    return attend(q, torch.cat([nothing, k], dim=2), torch.cat([v.mean(dim=2, keepdim=True), v], dim=2))


def sink_halves(q, k, v):
    """Half of everything."""
    return attend(q, k, v) / 2


def sink_as_one_of_n(q, k, v):
    """n / (n + 1): right by hand, where all scores are 0."""
    n = causal_mask(q.shape[2], k.shape[2]).sum(dim=1)[:, None]
    return attend(q, k, v) * n / (n + 1)


def sink_detached_values(q, k, v):
    """No gradient for v."""
    return with_sink(q, k, v.detach())


def sink_detached_keys(q, k, v):
    """No gradient for k."""
    return with_sink(q, k.detach(), v)


def sink_detached_queries(q, k, v):
    """No gradient for q."""
    return with_sink(q.detach(), k, v)


def sink_share_detached(q, k, v):
    """The sink's share is a constant for the gradient: right numbers, wrong slopes."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(~causal_mask(q.shape[2], k.shape[2]), -math.inf)
    return scores.softmax(-1) @ v * scores.logsumexp(-1, keepdim=True).sigmoid().detach()


def sink_scales_in_place(q, k, v):
    """Right output; the caller's q is changed."""
    out = with_sink(q, k, v)
    q.data.mul_(q.shape[-1] ** -0.5)
    return out


def sink_zeroes_in_place(q, k, v):
    """Right output; the caller's first key is zeros afterwards."""
    out = with_sink(q, k, v)
    k.data[:, :, 0] = 0
    return out


def sink_keeps_its_place(q, k, v):
    """The output of the sink is left in: one row more for square, as queries get one too."""
    nothing = torch.zeros_like(k[:, :, :1])
    q = torch.cat([torch.zeros_like(q[:, :, :1]), q], dim=2)
    return attend(q, torch.cat([nothing, k], dim=2), torch.cat([nothing, v], dim=2))


def sink_one_head(q, k, v):
    """H = 1 only: the first head's scores for all."""
    return with_sink(q[:, :1].expand_as(q), k[:, :1].expand_as(k), v)


def sink_one_text(q, k, v):
    """B = 1 only: the first text's scores for all."""
    return with_sink(q[:1].expand_as(q), k[:1].expand_as(k), v)


def sink_width_of_tokens(q, k, v):
    """Divides by the root of T, not D."""
    return with_sink(q * math.sqrt(q.shape[-1] / k.shape[2]), k, v)


def sink_minus_infinity_as_zero(q, k, v):
    """Hidden scores become 0: each hidden key is a sink."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    may = causal_mask(q.shape[2], k.shape[2])
    scores = torch.cat([scores * may, torch.zeros_like(scores[..., :1])], dim=-1)
    return (scores.softmax(-1)[..., :-1] * may) @ v


def sink_hidden_at_minus_nine(q, k, v):
    """Hidden scores become -9: a leak of a ten-thousandth, or worse when all scores are low."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(~causal_mask(q.shape[2], k.shape[2]), -9.0)
    return torch.cat([scores, torch.zeros_like(scores[..., :1])], dim=-1).softmax(-1)[..., :-1] @ v


def sink_none(q, k, v):
    """Returns None."""
    with_sink(q, k, v)


# 4.5 Right
def sink_by_sigmoid(q, k, v):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(~causal_mask(q.shape[2], k.shape[2]), -math.inf)
    return scores.softmax(-1) @ v * scores.logsumexp(-1, keepdim=True).sigmoid()


def sink_in_float64(q, k, v):
    scores = torch.einsum("bhid,bhjd->bhij", q.double(), k.double()) / q.shape[-1] ** 0.5
    may = torch.arange(k.shape[2]) <= torch.arange(k.shape[2] - q.shape[2], k.shape[2])[:, None]
    scores = F.pad(scores.masked_fill(~may, -math.inf), (1, 0))
    return torch.einsum("bhij,bhjd->bhid", scores.softmax(-1)[..., 1:], v.double())


def sink_loop(q, k, v):
    rows = []
    for t in range(q.shape[2]):
        end = k.shape[2] - q.shape[2] + t + 1
        scores = (q[:, :, t : t + 1] * k[:, :, :end]).sum(-1) * q.shape[-1] ** -0.5
        top = scores.amax(-1, keepdim=True).clamp(min=0).detach()
        powers = (scores - top).exp()
        weights = powers / (powers.sum(-1, keepdim=True) + (-top).exp())
        rows.append((weights[..., None] * v[:, :, :end]).sum(2))
    return torch.stack(rows, dim=2)


class SinkCalled:
    def __call__(self, q, k, v):
        return with_sink(q, k, v)


# 4.6 Wrong
def alibi(q, k, v, slopes=None, penalty=lambda d: d, may=None, scale=None):
    """The right one, with parts to spoil."""
    H, (n_query, n_key) = q.shape[1], (q.shape[2], k.shape[2])
    i, j = positions(n_query, n_key)
    if slopes is None:
        slopes = 2.0 ** (-8 * torch.arange(1, H + 1) / H)
    scores = q @ k.transpose(-2, -1) / (scale or math.sqrt(q.shape[-1]))
    scores = scores - slopes[:, None, None] * penalty((i - j).float())
    return (
        scores.masked_fill(~(causal_mask(n_query, n_key) if may is None else may), -math.inf).softmax(-1) @ v
    )


def heads(q):
    return torch.arange(1, q.shape[1] + 1)


def alibi_heads_from_0(q, k, v):
    """h = 0, …, H - 1."""
    return alibi(q, k, v, slopes=2.0 ** (-8 * (heads(q) - 1) / q.shape[1]))


def alibi_halves(q, k, v):
    """2^-h: right for eight heads only."""
    return alibi(q, k, v, slopes=2.0 ** -heads(q))


def alibi_reversed(q, k, v):
    """The last head has the largest slope."""
    return alibi(q, k, v, slopes=2.0 ** (-8 * heads(q) / q.shape[1]).flip(0))


def alibi_reward(q, k, v):
    """The penalty is added, so far keys win."""
    return alibi(q, k, v, slopes=-(2.0 ** (-8 * heads(q) / q.shape[1])))


def alibi_divided(q, k, v):
    """The penalty is divided by the root of D as well."""
    return alibi(q, k, v, slopes=2.0 ** (-8 * heads(q) / q.shape[1]) / math.sqrt(q.shape[-1]))


def alibi_not_divided(q, k, v):
    """No division by the root of D."""
    return alibi(q, k, v, scale=1.0)


def alibi_divided_by_width(q, k, v):
    """Divided by D."""
    return alibi(q, k, v, scale=q.shape[-1])


def alibi_not_causal(q, k, v):
    """Sees the future (with a reward for it)."""
    return alibi(q, k, v, may=torch.ones(q.shape[2], k.shape[2], dtype=torch.bool))


def alibi_queries_first(q, k, v):
    """Causal for queries that are the first: Tq < Tk."""
    return alibi(q, k, v, may=torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril())


def alibi_like_the_code_of_the_paper(q, k, v):
    """The paper's code: for H that is no power of two, slopes of the next powers. Wrong for H = 3."""
    H = q.shape[1]
    low = 2 ** int(math.log2(H))
    slopes = [2.0 ** (-8 * h / low) for h in range(1, low + 1)]
    slopes += [2.0 ** (-8 * h / (2 * low)) for h in range(1, 2 * (H - low) + 1, 2)]
    return alibi(q, k, v, slopes=torch.tensor(slopes))


def alibi_whole_exponents(q, k, v):
    """-8 * h // H: wrong for H = 3."""
    return alibi(q, k, v, slopes=2.0 ** (-(8 * heads(q) // q.shape[1])))


def alibi_none_of_it(q, k, v):
    """No penalty."""
    return attend(q, k, v)


def alibi_one_slope(q, k, v):
    """1/256 for all heads."""
    return alibi(q, k, v, slopes=torch.full((q.shape[1],), 1 / 256))


def alibi_squared(q, k, v):
    """Distance squared: right by hand."""
    return alibi(q, k, v, penalty=lambda d: d**2)


def alibi_log(q, k, v):
    """log2(1 + d): right by hand."""
    return alibi(q, k, v, penalty=lambda d: (1 + d.clamp(min=0)).log2())


def alibi_cut(q, k, v):
    """Distances end at 16."""
    return alibi(q, k, v, penalty=lambda d: d.clamp(max=16))


def alibi_cut_at_four(q, k, v):
    """Distances end at 4."""
    return alibi(q, k, v, penalty=lambda d: d.clamp(max=4))


def alibi_detached_values(q, k, v):
    """No gradient for v."""
    return alibi(q, k, v.detach())


def alibi_detached_keys(q, k, v):
    """No gradient for k."""
    return alibi(q, k.detach(), v)


def alibi_detached_queries(q, k, v):
    """No gradient for q."""
    return alibi(q.detach(), k, v)


def alibi_nan(q, k, v):
    """-inf times 0 in the mask."""
    H, (n_query, n_key) = q.shape[1], (q.shape[2], k.shape[2])
    i, j = positions(n_query, n_key)
    slopes = 2.0 ** (-8 * heads(q) / H)
    hidden = (~causal_mask(n_query, n_key)).float() * -math.inf
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) - slopes[:, None, None] * (i - j) + hidden
    return scores.softmax(-1) @ v


def alibi_hidden_at_minus_hundred(q, k, v):
    """Hidden scores become -100: a leak when the others are lower."""
    H, (n_query, n_key) = q.shape[1], (q.shape[2], k.shape[2])
    i, j = positions(n_query, n_key)
    slopes = 2.0 ** (-8 * heads(q) / H)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) - slopes[:, None, None] * (i - j)
    return scores.masked_fill(~causal_mask(n_query, n_key), -100.0).softmax(-1) @ v


def alibi_overflows(q, k, v):
    """exp of the scores as they are: NaN for scores of 100."""
    H, (n_query, n_key) = q.shape[1], (q.shape[2], k.shape[2])
    i, j = positions(n_query, n_key)
    slopes = 2.0 ** (-8 * heads(q) / H)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) - slopes[:, None, None] * (i - j)
    powers = scores.exp() * causal_mask(n_query, n_key)
    return powers @ v / powers.sum(-1, keepdim=True)


def alibi_after_the_softmax(q, k, v):
    """The penalty is taken from the weights."""
    H, (n_query, n_key) = q.shape[1], (q.shape[2], k.shape[2])
    i, j = positions(n_query, n_key)
    slopes = 2.0 ** (-8 * heads(q) / H)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    may = causal_mask(n_query, n_key)
    weights = scores.masked_fill(~may, -math.inf).softmax(-1)
    return (weights - slopes[:, None, None] * (i - j) * may) @ v


def alibi_scales_in_place(q, k, v):
    """Right output; the caller's q is changed."""
    out = alibi(q, k, v)
    q.data.mul_(q.shape[-1] ** -0.5)
    return out


def alibi_eight_heads(q, k, v):
    """Eight slopes, cut to H."""
    return alibi(q, k, v, slopes=(2.0 ** -torch.arange(1.0, 9.0))[: q.shape[1]].expand(q.shape[1]))


def alibi_slopes_by_text(q, k, v):
    """The slopes run along the batch: B = H only."""
    B = q.shape[0]
    slopes = 2.0 ** (-8 * torch.arange(1, B + 1) / B)
    i, j = positions(q.shape[2], k.shape[2])
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) - slopes[:, None, None, None] * (i - j)
    return scores.masked_fill(~causal_mask(q.shape[2], k.shape[2]), -math.inf).softmax(-1) @ v


kept_alibi = {}


def alibi_kept(q, k, v):
    """The penalties are kept for each (Tq, Tk), whatever the number of heads."""
    key = q.shape[2], k.shape[2]
    i, j = positions(*key)
    slopes = kept_alibi.setdefault(key, 2.0 ** (-8 * heads(q) / q.shape[1]))
    return alibi(q, k, v, slopes=slopes)


def alibi_shift_of_the_whole(q, k, v):
    """Shifted by the largest score of all: a row of -300 vanishes beside one of 300 (a second look)."""
    H, (n_query, n_key) = q.shape[1], (q.shape[2], k.shape[2])
    i, j = positions(n_query, n_key)
    slopes = 2.0 ** (-8 * heads(q) / H)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) - slopes[:, None, None] * (i - j)
    powers = (scores - scores.max()).exp() * causal_mask(n_query, n_key)
    return powers @ v / powers.sum(-1, keepdim=True)


def alibi_none(q, k, v):
    """Returns None."""
    alibi(q, k, v)


# 4.6 Right
def alibi_sdpa(q, k, v):
    i, j = positions(q.shape[2], k.shape[2])
    M = -(2.0 ** (-8 * heads(q) / q.shape[1]))[:, None, None] * (i - j)
    M = M.masked_fill(j > i, -math.inf)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=M.to(q.dtype))


def alibi_from_0(q, k, v):
    n_query, n_key = q.shape[2], k.shape[2]
    distance = torch.arange(n_query)[:, None] - torch.arange(n_key)
    slopes = torch.tensor([2 ** (-8 * h / q.shape[1]) for h in range(1, q.shape[1] + 1)])
    scores = torch.einsum("bhid,bhjd->bhij", q, k) / q.shape[-1] ** 0.5 - slopes.view(-1, 1, 1) * distance
    return scores.masked_fill(~causal_mask(n_query, n_key), -1e9).softmax(-1) @ v


def alibi_loop(q, k, v):
    q, k, v = q.double(), k.double(), v.double()
    (_, H, n_query, D), n_key = q.shape, k.shape[2]
    out = []
    for h in range(H):
        m, rows = 2 ** (-8 * (h + 1) / H), []
        for t in range(n_query):
            i = n_key - n_query + t
            past = torch.arange(i + 1)
            scores = (q[:, h, t, None] * k[:, h, : i + 1]).sum(-1) / math.sqrt(D) - m * (i - past)
            rows.append((scores.softmax(-1)[..., None] * v[:, h, : i + 1]).sum(1))
        out.append(torch.stack(rows, dim=1))
    return torch.stack(out, dim=1)


WRONG = {
    "4.1": [
        0.5,
        1.0,
        16 / 32,
        64 / 85,  # one of the zeros forgotten
        64 / 84,  # both zeros have no power
        16 / 86,
        4 / 86,
        1 / 86,
        0.2,  # for (0, 0)
        0.25,  # 8/16 squared
        6 / 12,
        64,
        74.4,
        16 / 26,  # only Mara's power is doubled
        "64/86",
        mara_by_e,
        mara_divided,
        all_weights,
        mara_printed,
    ],
    "4.2": [
        window_one_more,
        window_one_less,
        window_without_itself,
        window_both_sides,
        window_queries_first,
        window_square,
        window_of_two,
        window_inverted,
        window_added,
        window_only_back,
        window_only_causal,
        window_transposed,
        window_offset_once,
        window_with_the_first,
        window_in_blocks,
        window_at_most_queries,
        window_wider_than_the_text,
        window_four_dimensions,
        window_of_five_at_most,
        window_none,
        window_kept,
    ],
    "4.3": [
        1,
        2,
        4,
        5,
        6,
        12,
        10,
        23,
        25,
        120,
        0,
        24.5,
        "24",
        outputs_of_one_layer,
        outputs_of_all_orders_of_five,
        outputs_differ_from_the_first,
        outputs_pairs,
        outputs_in_a_list,
    ],
    "4.4": [
        ahead_by_gradient,
        ahead_last_token_only,
        ahead_next_token_only,
        ahead_scaled,
        ahead_negated,
        ahead_added,
        ahead_first_number,
        ahead_last_number,
        ahead_shuffled,
        ahead_coarse,
        ahead_less_coarse,
        ahead_reads_the_first_number,
        ahead_reads_the_sum,
        ahead_signed,
        ahead_in_place,
        ahead_with_itself,
        ahead_who_leaks,
        ahead_yes_or_no,
        ahead_repeated,
        ahead_from_large_to_small,
        ahead_up_to_the_largest,
        ahead_in_eval,
        ahead_freezes,
        ahead_of_four,
        ahead_guessed,
        ahead_none,
    ],
    "4.5": [
        sink_at_the_end,
        sink_not_there,
        sink_overflows,
        sink_after_the_shift,
        sink_shift_of_the_whole,
        sink_clamped,
        sink_not_causal,
        sink_queries_first,
        sink_not_divided,
        sink_of_score_one,
        sink_takes_the_place_of_the_first,
        sink_with_the_first_value,
        sink_with_the_mean_value,
        sink_halves,
        sink_as_one_of_n,
        sink_detached_values,
        sink_detached_keys,
        sink_detached_queries,
        sink_share_detached,
        sink_scales_in_place,
        sink_zeroes_in_place,
        sink_keeps_its_place,
        sink_one_head,
        sink_one_text,
        sink_width_of_tokens,
        sink_minus_infinity_as_zero,
        sink_hidden_at_minus_nine,
        sink_none,
    ],
    "4.6": [
        alibi_heads_from_0,
        alibi_halves,
        alibi_reversed,
        alibi_reward,
        alibi_divided,
        alibi_not_divided,
        alibi_divided_by_width,
        alibi_not_causal,
        alibi_queries_first,
        alibi_like_the_code_of_the_paper,
        alibi_whole_exponents,
        alibi_none_of_it,
        alibi_one_slope,
        alibi_squared,
        alibi_log,
        alibi_cut,
        alibi_cut_at_four,
        alibi_detached_values,
        alibi_detached_keys,
        alibi_detached_queries,
        alibi_nan,
        alibi_hidden_at_minus_hundred,
        alibi_overflows,
        alibi_after_the_softmax,
        alibi_scales_in_place,
        alibi_eight_heads,
        alibi_slopes_by_text,
        alibi_kept,
        alibi_shift_of_the_whole,
        alibi_none,
    ],
}
RIGHT = {
    "4.1": [64 / 86, 0.744, 0.74, Fraction(64, 86), np.float64(32 / 43), torch.tensor(64 / 86), mara_tensor],
    "4.2": [window_triu, window_numpy, window_loop, window_list],
    "4.3": [24, 24.0, np.int64(24), torch.tensor(24), Fraction(24), lambda: 24, outputs_by_set],
    "4.4": [ahead_many_tries, ahead_tensor, ahead_numpy, ahead_plain],
    "4.5": [sink_by_sigmoid, sink_in_float64, sink_loop, SinkCalled()],
    "4.6": [alibi_sdpa, alibi_from_0, alibi_loop],
}
