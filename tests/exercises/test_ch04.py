"""Answers to chapter 4's exercises."""

import itertools
import math

import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests

from companion.attention import CausalSelfAttention, attend, causal_mask

# -- 4.1 ------------------------------------------------------------------


def by_hand():
    return 64 / (64 + 4 + 1 + 16 + 1)


def by_softmax():
    return (torch.tensor([6.0, 2.0, 0.0, 4.0, 0.0]) * math.log(2)).softmax(-1)[0]


def by_powers_of_e():
    return torch.tensor([6.0, 2.0, 0.0, 4.0, 0.0]).softmax(-1)[0].item()


# -- 4.2 ------------------------------------------------------------------


def window_by_companion(n_query, n_key, window):
    return causal_mask(n_query, n_key).triu(n_key - n_query - window + 1)


def window_by_loops(n_query, n_key, window):
    mask = torch.zeros(n_query, n_key, dtype=torch.bool)
    for row in range(n_query):
        i = n_key - n_query + row
        mask[row, max(i - window + 1, 0) : i + 1] = True
    return mask


def window_by_distance(n_query, n_key, window):
    distance = torch.arange(n_key)[-n_query:, None] - torch.arange(n_key)
    return (distance >= 0) & (distance < window)


def window_by_staircases(n_query, n_key, window):
    ones = torch.ones(n_query, n_key, dtype=torch.bool)
    return ones.tril(n_key - n_query) ^ ones.tril(n_key - n_query - window)


def from_the_top(n_query, n_key, window):
    ones = torch.ones(n_query, n_key, dtype=torch.bool)
    return ones.tril() & ones.triu(1 - window)


def limit_from_the_top(n_query, n_key, window):
    return torch.triu(causal_mask(n_query, n_key), diagonal=-(window - 1))


def both_sides(n_query, n_key, window):
    return (torch.arange(n_key)[-n_query:, None] - torch.arange(n_key)).abs() < window


# -- 4.3 ------------------------------------------------------------------


def outputs(n_layers, places=range(4)):
    torch.manual_seed(3)
    layers, x = [CausalSelfAttention(16, 4) for _ in range(n_layers)], torch.randn(5, 16)
    found = []
    for order in itertools.permutations(places):
        y = x[[*order, *range(len(places), 5)]][None]
        for layer in layers:
            y = layer(y)
        if all((y[0, -1] - other).abs().max() > 1e-3 for other in found):
            found.append(y[0, -1])
    return len(found)


def after_two():
    return outputs(2)


def after_one():
    return outputs(1)


def all_five():
    return outputs(2, range(5))


# -- 4.4 ------------------------------------------------------------------


def leaks(layer, x, put, tokens=None, before=True):
    y, found = layer(x), set()
    for j in tokens or range(x.shape[1]):
        changed = x.clone()
        put(changed, j)
        for i in range(j) if before else range(j + 1, x.shape[1]):
            if not torch.allclose(layer(changed)[0, i], y[0, i], atol=1e-6):
                found.add(i)
    return sorted(found)


def put_random(x, j):
    x[:, j] = torch.randn(x.shape[-1])


def put_zeros(x, j):
    x[:, j] = 0


def double(x, j):
    x[:, j] *= 2


def add_one(x, j):
    x[:, j] += 1


def flip_last(x, j):
    x[:, j, -1] *= -1


def leaks_one_by_one(layer, x):
    return leaks(layer, x, put_random)


def leaks_of_all_later(layer, x):
    found = []
    for i in range(x.shape[1] - 1):
        changed = torch.cat([x[:, : i + 1], torch.randn_like(x[:, i + 1 :])], dim=1)
        if (layer(changed) - layer(x))[:, i].abs().max() > 1e-5:
            found.append(i)
    return found


def leaks_by_pairs(layer, x):
    t, found = x.shape[1], []
    for i, j in itertools.combinations(range(t), 2):
        changed = x.clone()
        changed[0, j] = 3 + torch.randn(x.shape[2])
        found.append((i, (layer(changed)[0, i] != layer(x)[0, i]).any()))
    return sorted({i for i, moved in found if moved})


def leaks_by_zeros(layer, x):
    return leaks(layer, x, put_zeros)


def by_gradient(layer, x):
    x = x.clone().requires_grad_()
    out, found = layer(x)[0], []
    for i in range(len(out)):
        (g,) = torch.autograd.grad((out[i] ** 3).sum(), x, retain_graph=True)
        if (g[0, i + 1 :].abs() > 1e-6).any():
            found.append(i)
    return found


def changes_last_only(layer, x):
    return leaks(layer, x, put_random, [x.shape[1] - 1])


def counts_its_own(layer, x):
    y, found = layer(x), set()
    for j in range(x.shape[1]):
        changed = x.clone()
        put_random(changed, j)
        found |= {i for i in range(j + 1) if not torch.equal(layer(changed)[0, i], y[0, i])}
    return sorted(found)


def looks_back(layer, x):
    return leaks(layer, x, put_random, before=False)


def sources(layer, x):
    return [j for j in range(1, x.shape[1]) if leaks(layer, x, put_random, [j])]


def in_place(layer, x):
    y = layer(x).clone()
    x[:, -1] = 0
    return [i for i in range(x.shape[1] - 1) if (layer(x)[0, i] - y[0, i]).abs().max() > 1e-6]


# -- 4.5 and 4.6 ------------------------------------------------------------------


def scores_of(q, k):
    n_query, n_key = q.shape[-2], k.shape[-2]
    hidden = torch.ones(n_query, n_key, dtype=torch.bool).triu(n_key - n_query + 1)
    return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(hidden, -math.inf)


def zero_row(t):
    return torch.zeros_like(t[:, :, :1])


def sink_by_attend(q, k, v):
    return attend(q, torch.cat([zero_row(k), k], 2), torch.cat([zero_row(v), v], 2))


def sink_by_pad(q, k, v):
    return F.pad(scores_of(q, k), (1, 0)).softmax(-1)[..., 1:] @ v


def sink_by_shift(q, k, v):
    scores = scores_of(q, k)
    top = scores.amax(-1, keepdim=True).clamp(min=0)
    powers = (scores - top).exp()
    return powers @ v / (powers.sum(-1, keepdim=True) + (-top).exp())


def sink_by_fraction(q, k, v):
    scores = scores_of(q, k)
    found = scores.logsumexp(-1, keepdim=True).sigmoid()
    return found * (scores.softmax(-1) @ v)


def sink_behind(q, k, v):
    k, v = torch.cat([k, zero_row(k)], 2), torch.cat([v, zero_row(v)], 2)
    return scores_of(q, k).softmax(-1) @ v


def sink_forgotten(q, k, v):
    return scores_of(q, k).softmax(-1) @ v


def sink_naive(q, k, v):
    powers = scores_of(q, k).exp()
    return (powers / (powers.sum(-1, keepdim=True) + 1)) @ v


def sink_shifted_wrongly(q, k, v):
    scores = scores_of(q, k)
    powers = (scores - scores.max(-1, keepdim=True).values).exp()
    return (powers / (powers.sum(-1, keepdim=True) + 1)) @ v


def sink_hands_over(q, k, v):
    weights = F.pad(scores_of(q, k), (1, 0)).softmax(-1)
    return weights @ torch.cat([torch.ones_like(v[:, :, :1]), v], 2)


def sink_unmasked(q, k, v):
    return F.pad(q @ k.mT / math.sqrt(q.shape[-1]), (1, 0)).softmax(-1)[..., 1:] @ v


def sink_unscaled(q, k, v):
    return sink_by_pad(q * math.sqrt(q.shape[-1]), k, v)


def penalty(q, k, first=1, flip=False):
    h, n_query, n_key = q.shape[1], q.shape[2], k.shape[2]
    slopes = torch.tensor([2 ** (-8 * (n + first) / h) for n in range(h)])
    slopes = slopes.flip(0) if flip else slopes
    distance = torch.arange(n_key)[-n_query:, None] - torch.arange(n_key)
    return slopes.view(h, 1, 1) * distance


def alibi_by_hand(q, k, v):
    return (scores_of(q, k) - penalty(q, k)).softmax(-1) @ v


def alibi_by_companion(q, k, v):
    mask = (-penalty(q, k)).masked_fill(~causal_mask(q.shape[2], k.shape[2]), -math.inf)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def alibi_by_position(q, k, v):
    slopes = torch.tensor([2 ** (-8 * (n + 1) / q.shape[1]) for n in range(q.shape[1])])
    reward = slopes[:, None, None] * torch.arange(k.shape[2])
    return (scores_of(q, k) + reward).softmax(-1) @ v


def alibi_by_heads(q, k, v):
    outs = []
    for n in range(q.shape[1]):
        scores = scores_of(q[:, n], k[:, n]) - penalty(q, k)[n]
        outs.append(scores.softmax(-1) @ v[:, n])
    return torch.stack(outs, dim=1)


def alibi_from_the_top(q, k, v):
    n_query, n_key = q.shape[2], k.shape[2]
    distance = (torch.arange(n_query)[:, None] - torch.arange(n_key)).abs()
    slopes = torch.tensor([2 ** (-8 * (n + 1) / q.shape[1]) for n in range(q.shape[1])])
    return (scores_of(q, k) - slopes.view(-1, 1, 1) * distance).softmax(-1) @ v


def alibi_scaled_too(q, k, v):
    return (scores_of(q, k) - penalty(q, k) / math.sqrt(q.shape[-1])).softmax(-1) @ v


def alibi_unmasked(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[-1]) - penalty(q, k)).softmax(-1) @ v


def alibi_of_eight(q, k, v):
    n_query, n_key = q.shape[2], k.shape[2]
    distance = torch.arange(n_key)[-n_query:, None] - torch.arange(n_key)
    slopes = torch.tensor([2.0 ** -(n + 1) for n in range(q.shape[1])])
    return (scores_of(q, k) - slopes.view(-1, 1, 1) * distance).softmax(-1) @ v


def alibi_late(q, k, v):
    causal = scores_of(q, k) > -math.inf
    return (scores_of(q, k).softmax(-1) - penalty(q, k) * causal) @ v


ANSWERS = {
    "4.1": Answers(
        right=[by_hand, by_softmax, 0.744, 32 / 43],
        wrong=[
            (0.5, "That is its share before"),
            (1.0, "it stays below 1"),
            (0.25, "You squared the share"),
            (64 / 72, "Only the power of Mara"),
            (by_powers_of_e, "powers of 2, not of e"),
            (16 / 30, "You doubled each power"),
            (16 / 26, "Only one of the query's two numbers"),
            (0.2, "the weight with the query (0, 0)"),
            (64 / 84, "The tokens with the score 0 count too"),
            (512 / 532, "You squared the scores"),
            (64, "That is the power"),
            (0.1, "too low"),
        ],
    ),
    "4.2": Answers(
        right=[
            lambda q, k, w: window_by_loops(q, k, w).tolist(),
            window_by_companion,
            window_by_loops,
            window_by_distance,
            window_by_staircases,
        ],
        wrong=[
            (lambda q, k, w: window_by_loops(q, k, w + 1), "one key too many"),
            (lambda q, k, w: window_by_loops(q, k, w - 1), "one key too few"),
            (from_the_top, "Your queries stand at the first positions"),
            (limit_from_the_top, "how far back is counted from the top left corner"),
            (both_sides, "into the future too"),
            (lambda q, k, w: window_by_loops(q, k, k), "This is the causal mask"),
            (lambda q, k, w: ~window_by_loops(q, k, w), "True and False are swapped"),
            (lambda q, k, w: window_by_loops(q, k, w).float(), "`attend` wants torch.bool"),
            (lambda q, k, w: window_by_loops(q, k, w).int(), "its dtype is torch.int32"),
            (lambda q, k, w: window_by_loops(k, k, w), "its shape is (2, 2), expected (1, 2)"),
        ],
    ),
    "4.3": Answers(
        right=[24, after_two, lambda: math.factorial(4), torch.tensor(24)],
        wrong=[
            (after_one, "One layer cannot tell the orders apart"),
            (all_five, "Only the first four tokens change places"),
            (4, "only the token before the last"),
            (23, "Do you compare with a tolerance"),
            (5, "That is the number of tokens"),
            (6, "too low"),
        ],
    ),
    "4.4": Answers(
        right=[leaks_one_by_one, leaks_of_all_later, leaks_by_pairs, leaks_by_zeros],
        wrong=[
            (by_gradient, "This is what the gradient sees"),
            (changes_last_only, "You changed the last token only"),
            (lambda layer, x: leaks(layer, x, double), "You doubled the token"),
            (lambda layer, x: leaks(layer, x, add_one), "You added the same to all numbers"),
            (lambda layer, x: leaks(layer, x, flip_last), "You changed one of the token's numbers"),
            (counts_its_own, "You counted outputs that change with their own token"),
            (looks_back, "That is allowed"),
            (sources, "which outputs see them"),
            (in_place, "Your answer changes its input"),
            (lambda layer, x: leaks_one_by_one(layer, x) != [], "a bool where a list is expected"),
        ],
    ),
    "4.5": Answers(
        right=[sink_by_attend, sink_by_pad, sink_by_shift, sink_by_fraction],
        wrong=[
            (sink_forgotten, "This is attention as it was"),
            (sink_behind, "Where would nobody be moved"),
            (sink_hands_over, "It should hand over zeros"),
            (sink_shifted_wrongly, "it has to be shifted as well"),
            (sink_naive, "too large for a float"),
            (sink_unmasked, "Queries see the future"),
            (sink_unscaled, "not divided by √D"),
            (lambda q, k, v: sink_by_pad(q, k, v).detach(), "Your output has no gradient"),
            (lambda q, k, v: sink_by_pad(q, k, v)[0], "its shape is (1, 1, 1), expected (1, 1, 1, 1)"),
            (lambda q, k, v: (sink_by_pad(q, k, v), None), "Your answer gives a tuple"),
        ],
    ),
    "4.6": Answers(
        right=[alibi_by_hand, alibi_by_companion, alibi_by_position, alibi_by_heads],
        wrong=[
            (lambda q, k, v: (scores_of(q, k) + penalty(q, k)).softmax(-1) @ v, "Far tokens win here"),
            (lambda q, k, v: (scores_of(q, k) - penalty(q, k, 0)).softmax(-1) @ v, "Your heads count from 0"),
            (
                lambda q, k, v: (scores_of(q, k) - penalty(q, k, flip=True)).softmax(-1) @ v,
                "in the wrong order",
            ),
            (lambda q, k, v: (scores_of(q, k) - penalty(q, k)[:1]).softmax(-1) @ v, "the same slope"),
            (alibi_of_eight, "These are the slopes of 8 heads"),
            (alibi_scaled_too, "The penalty was divided by √D too"),
            (alibi_from_the_top, "as if the queries stood at the first positions"),
            (alibi_unmasked, "The future is not hidden"),
            (sink_forgotten, "There is no trace of the distance"),
            (alibi_late, "the weights no longer add up to 1"),
        ],
    ),
}


class TestChapter4(ExerciseTests):
    answers = ANSWERS
