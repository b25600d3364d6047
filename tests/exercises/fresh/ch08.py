"""Answers to chapter 8 by someone who had not read the checks."""

import math
from fractions import Fraction

import numpy as np
import torch

# 8.1: sqrt(.96) / (sqrt(.96) + 1000 sqrt(.00004)) = 0.1341...
TRUE = math.sqrt(0.96) / (math.sqrt(0.96) + 1000 * math.sqrt(0.00004))


# 8.2 ------------------------------------------------------------------


def softmax(logits):
    return logits.float().softmax(-1)


def bar_above(logits, share):  # [0., 0.], share 1: both stay, here none
    p = softmax(logits)
    kept = p * (p > share * p.amax(-1, keepdim=True))
    return kept / kept.sum(-1, keepdim=True)


def one_bar_for_the_batch(logits, share):
    p = softmax(logits)
    kept = p * (p >= share * p.max())
    return kept / kept.sum(-1, keepdim=True).clamp(min=1e-30)


def bar_is_the_share(logits, share):
    p = softmax(logits)
    kept = p * ((p >= share) | (p == p.amax(-1, keepdim=True)))
    return kept / kept.sum(-1, keepdim=True)


def not_divided(logits, share):
    p = softmax(logits)
    return p * (p >= share * p.amax(-1, keepdim=True))


def compares_logits(logits, share):
    x = logits.float()
    return softmax(x.masked_fill(x < share * x.amax(-1, keepdim=True), -math.inf))


def divided_over_everything(logits, share):
    p = softmax(logits)
    kept = p * (p >= share * p.amax(-1, keepdim=True))
    return kept / kept.sum()


def softmax_of_what_is_left(logits, share):  # zeros get e**0
    p = softmax(logits)
    return (logits.float() * (p >= share * p.amax(-1, keepdim=True))).softmax(-1)


def in_place(logits, share):
    p = softmax(logits)
    logits[p < share * p.amax(-1, keepdim=True)] = -math.inf
    return softmax(logits)


def first_axis(logits, share):
    p = logits.float().softmax(0)
    kept = p * (p >= share * p.amax(0, keepdim=True))
    return kept / kept.sum(0, keepdim=True)


def powers_overflow(logits, share):  # logits of 100
    p = logits.float().exp()
    kept = p * (p >= share * p.amax(-1, keepdim=True))
    return kept / kept.sum(-1, keepdim=True)


def two_axes_only(logits, share):
    return torch.stack([honest_min_p(row, share) for row in logits]) if logits.ndim == 2 else softmax(logits)


def keeps_everything(logits, share):
    return softmax(logits)


def at_least_two(logits, share):
    p = softmax(logits)
    second = p.sort(-1, descending=True)[0][..., 1:2]
    kept = p * (p >= torch.minimum(share * p.amax(-1, keepdim=True), second))
    return kept / kept.sum(-1, keepdim=True)


def honest_min_p(logits, share):
    x = logits.float() - logits.float().amax(-1, keepdim=True)
    return x.masked_fill(x.softmax(-1) < share * x.softmax(-1).amax(-1, keepdim=True), -math.inf).softmax(-1)


def min_p_by_loops(logits, share):
    p = softmax(logits)
    rows = []
    for row in p.reshape(-1, p.shape[-1]).tolist():
        top = max(row)
        kept = [x if x >= share * top else 0.0 for x in row]
        rows.append([x / sum(kept) for x in kept])
    return torch.tensor(rows).reshape(p.shape)


def min_p_in_numpy(logits, share):
    p = softmax(logits).numpy()
    kept = np.where(p >= share * p.max(-1, keepdims=True), p, 0)
    return kept / kept.sum(-1, keepdims=True)


def min_p_in_float64(logits, share):
    p = softmax(logits).double()
    kept = p * (p >= share * p.amax(-1, keepdim=True))
    return kept / kept.sum(-1, keepdim=True)


# 8.3 ------------------------------------------------------------------


def entropy(logits, t):
    p = (logits.double() / t).softmax(-1)
    p = p[p > 0]
    return -(p * p.log2()).sum().item()


def search(logits, bits, low=1e-4, high=1000.0, steps=100, measure=entropy):
    for _ in range(steps):
        middle = math.sqrt(low * high)
        if measure(logits, middle) < bits:
            low = middle
        else:
            high = middle
    return middle


def up_to_ten(logits, bits):
    return search(logits, bits, high=10.0)


def from_a_tenth(logits, bits):
    return search(logits, bits, low=0.1)


def up_to_two(logits, bits):
    return search(logits, bits, high=2.0)


def in_nats(logits, bits):
    return search(logits, bits * math.log(2))


def eight_halvings(logits, bits):
    low, high = 0.0, 100.0
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if entropy(logits, middle) < bits else (low, middle)
    return middle


def nan_where_a_chance_is_zero(logits, bits):
    def measure(logits, t):
        p = (logits.float() / t).softmax(-1)
        return -(p * p.log2()).sum().item()

    return search(logits, bits, low=1e-3, measure=measure)


def nan_at_one_far_logit(logits, bits):
    low, high = 0.01, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        p = (logits / middle).softmax(-1)
        low, high = (middle, high) if -(p * p.log2()).sum() < bits else (low, middle)
    return middle


def inverse(logits, bits):
    return 1 / search(logits, bits)


def halves_kept_wrongly(logits, bits):
    low, high = 0.01, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if entropy(logits, middle) < bits else (middle, high)
    return middle


def grid_of_tenths(logits, bits):
    return min((0.1 * k for k in range(1, 1001)), key=lambda t: abs(entropy(logits, t) - bits))


def proportional(logits, bits):
    return bits / entropy(logits, 1.0)


def always_one(logits, bits):
    return 1.0


def perplexity_for_bits(logits, bits):
    return search(logits, bits, measure=lambda x, t: 2 ** entropy(x, t))


def changes_logits(logits, bits):
    found = search(logits, bits)
    logits /= found
    return found


def by_logarithms(logits, bits):
    def measure(logits, t):
        log_p = (logits.double() / t).log_softmax(-1)
        return -torch.xlogy(log_p.exp(), log_p.exp()).sum().item() / math.log(2)

    return torch.tensor(search(logits, bits, measure=measure))


def by_numpy(logits, bits):
    return np.float64(search(logits, bits))


def by_secant_and_halving(logits, bits):
    low, high = math.log(1e-3), math.log(1e3)
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if entropy(logits, math.exp(middle)) < bits else (low, middle)
    return math.exp(low)


# 8.4 ------------------------------------------------------------------


@torch.no_grad()
def token_bits(model, tokens):
    log_p = model(torch.tensor([tokens]))[0, :-1].double().log_softmax(-1)
    return [-log_p[i, t].item() / math.log(2) for i, t in enumerate(tokens[1:])]


def ending_only(model, prompt, ending):
    return token_bits(model, prompt + ending)[len(prompt) - 1 :]


def prompt_counted_too(model, prompt, endings, sizes):
    return [sum(token_bits(model, prompt + e)) / n for e, n in zip(endings, sizes, strict=True)]


def ending_without_prompt(model, prompt, endings, sizes):
    return [sum(token_bits(model, prompt[:1] + e)) / n for e, n in zip(endings, sizes, strict=True)]


def first_token_free(model, prompt, endings, sizes):
    return [sum(ending_only(model, prompt, e)[1:]) / n for e, n in zip(endings, sizes, strict=True)]


def one_token_too_many(model, prompt, endings, sizes):
    bits = [token_bits(model, prompt + e)[max(0, len(prompt) - 2) :] for e in endings]
    return [sum(b) / n for b, n in zip(bits, sizes, strict=True)]


def not_by_bytes(model, prompt, endings, sizes):
    return [sum(ending_only(model, prompt, e)) for e in endings]


def by_tokens(model, prompt, endings, sizes):
    return [sum(b) / len(b) for b in (ending_only(model, prompt, e) for e in endings)]


def nats_by_bytes(model, prompt, endings, sizes):
    return [sum(ending_only(model, prompt, e)) * math.log(2) / n for e, n in zip(endings, sizes, strict=True)]


def negative(model, prompt, endings, sizes):
    return [-sum(ending_only(model, prompt, e)) / n for e, n in zip(endings, sizes, strict=True)]


def logits_for_logarithms(model, prompt, endings, sizes):
    def score(e):
        logits = model(torch.tensor([prompt + e]))[0].double()
        return -sum(logits[len(prompt) - 1 + i, t].item() for i, t in enumerate(e)) / math.log(2)

    return [score(e) / n for e, n in zip(endings, sizes, strict=True)]


def prompt_grows(model, prompt, endings, sizes):
    found = []
    for e, n in zip(endings, sizes, strict=True):
        found.append(sum(ending_only(model, prompt, e)) / n)
        prompt += e
    return found


def first_size_for_all(model, prompt, endings, sizes):
    return [sum(ending_only(model, prompt, e)) / sizes[0] for e in endings]


def padded_with_zeros(model, prompt, endings, sizes):
    longest = max(map(len, endings))
    padded = [e + [0] * (longest - len(e)) for e in endings]
    return [sum(ending_only(model, prompt, e)) / n for e, n in zip(padded, sizes, strict=True)]


def the_best_only(model, prompt, endings, sizes):
    found = honest_endings(model, prompt, endings, sizes)
    return found.index(min(found))


def in_training_mode(model, prompt, endings, sizes):  # changes the caller's mode
    found = honest_endings(model, prompt, endings, sizes)
    model.train(not model.training)
    return found


def honest_endings(model, prompt, endings, sizes):
    return [sum(ending_only(model, prompt, e)) / n for e, n in zip(endings, sizes, strict=True)]


def endings_as_tensor(model, prompt, endings, sizes):
    return torch.tensor(honest_endings(model, prompt, endings, sizes), dtype=torch.float64)


def endings_lazily(model, prompt, endings, sizes):
    return (bits for bits in honest_endings(model, prompt, endings, sizes))


def endings_in_numpy(model, prompt, endings, sizes):
    totals = np.array([math.fsum(ending_only(model, prompt, e)) for e in endings])
    return totals / np.array(sizes)


# 8.5 ------------------------------------------------------------------


def no_trap():
    return [0.6, 0.3, 0.1], [[0.5, 0.3, 0.2]] * 3


def twice_only():
    return [0.4, 0.35, 0.25], [[0.4, 0.3, 0.3], [1, 0, 0], [1, 0, 0]]


def a_tie():
    return [1 / 3, 1 / 3, 1 / 3], [[1 / 3, 1 / 3, 1 / 3], [1, 0, 0], [1, 0, 0]]


def sums_to_more():
    return [0.34, 0.33, 0.33], [[0.1, 0.1, 0.1], [1, 1, 1], [1, 0, 0]]


def rows_do_not_sum():
    return [0.34, 0.33, 0.33], [[0.2, 0.2, 0.2], [1, 0, 0], [1, 0, 0]]


def first_does_not_sum():
    return [0.2, 0.19, 0.19], [[1 / 3] * 3, [1, 0, 0], [1, 0, 0]]


def negative_chance():
    return [0.34, 0.33, 0.33], [[1 / 3] * 3, [1.5, -0.5, 0], [1, 0, 0]]


def two_tokens():
    return [0.51, 0.49], [[0.5, 0.5], [1, 0]]


def texts_of_three():
    return [0.34, 0.33, 0.33], [[[1 / 3] * 3] * 3] * 3


def second_by_column():
    return [0.34, 0.33, 0.33], [[1 / 3, 1, 1], [1 / 3, 0, 0], [1 / 3, 0, 0]]


def only_the_first():
    return [0.34, 0.33, 0.33]


def logits_for_chances():
    return [1.0, 0.9, 0.9], [[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [9.0, 0.0, 0.0]]


def not_a_number():
    return [0.34, 0.33, 0.33], [[math.nan] * 3, [1, 0, 0], [1, 0, 0]]


def in_tensors():
    return torch.tensor([0.34, 0.33, 0.33]), torch.tensor([[1 / 3] * 3, [0, 1, 0], [0, 0, 1.0]])


def in_fractions():
    third = Fraction(1, 3)
    row = (third, third, third)
    return (Fraction(33, 100), Fraction(35, 100), Fraction(32, 100)), ((0, 1, 0), row, (0, 0, 1))


def in_numpy():
    return np.array([0.3, 0.34, 0.36]), np.array([[0, 0.05, 0.95], [0, 1, 0], [0.33, 0.33, 0.34]])


# 8.6 ------------------------------------------------------------------


def honest(p, q):
    p, q = p.double(), q.double()
    accept = [min(1.0, (x / y).item()) if y > 0 else 1.0 for x, y in zip(p, q, strict=True)]
    missing = (p - q).clamp(min=0)
    rest = missing / missing.sum() if missing.sum() > 0 else p / p.sum()
    return torch.tensor(accept), rest.float()


def rest_is_p(p, q):
    return honest(p, q)[0], p.clone()


def swapped_ratio(p, q):
    return (q / p.clamp(min=1e-30)).clamp(max=1), honest(p, q)[1]


def nan_where_nothing_is_drafted(p, q):
    return (p / q).clamp(max=1), honest(p, q)[1]  # 0 / 0


def nan_where_equal(p, q):
    missing = (p - q).clamp(min=0)
    return honest(p, q)[0], missing / missing.sum()


def never_accepts(p, q):
    return torch.zeros_like(p), p.clone()


def always_accepts(p, q):
    return torch.ones_like(p), p.clone()


def accepts_half(p, q):
    accept = honest(p, q)[0] / 2
    missing = p - accept * q
    return accept, missing / missing.sum()


def accepts_p(p, q):
    missing = p - p * q
    return p.clone(), missing / missing.sum()


def above_one(p, q):
    return p / q.clamp(min=1e-30), honest(p, q)[1]


def rest_not_divided(p, q):
    return honest(p, q)[0], (p - q).clamp(min=0)


def rest_of_the_draft(p, q):
    missing = (q - p).clamp(min=0)
    total = missing.sum()
    return honest(p, q)[0], missing / total if total > 0 else p.clone()


def difference_both_ways(p, q):
    missing = (p - q).abs()
    return honest(p, q)[0], missing / missing.sum() if missing.sum() > 0 else p.clone()


def rest_zero_where_equal(p, q):
    missing = (p - q).clamp(min=0)
    return honest(p, q)[0], missing / missing.sum().clamp(min=1e-9)


def nothing_where_not_drafted(p, q):
    accept = torch.where(q > 0, (p / q.clamp(min=1e-30)).clamp(max=1), 0.0)
    missing = torch.where(q > 0, (p - q).clamp(min=0), 0.0)
    return accept, missing / missing.sum() if missing.sum() > 0 else p.clone()


def all_or_nothing(p, q):
    accept = (p >= q).float()
    missing = p - accept * q
    return accept, missing / missing.sum() if missing.sum() > 0 else p.clone()


def smoothed(p, q):
    accept = (p / (q + 1e-3)).clamp(max=1)
    missing = p - accept * q
    return accept, missing / missing.sum()


def in_lists(p, q):
    accept, rest = honest(p, q)
    return accept.tolist(), rest.tolist()


def as_a_list_of_arrays(p, q):
    return [np.asarray(part) for part in honest(p, q)]


def other_value_where_nothing_is_drafted(p, q):
    """Where q is 0, no draft is ever accepted or refused: any acceptance is right."""
    accept, rest = honest(p, q)
    return torch.where(q > 0, accept, 0.5), rest


def another_rest_where_nothing_is_refused(p, q):
    """Where p is q, nothing is drawn from the rest: any distribution is right."""
    accept, rest = honest(p, q)
    return accept, rest if (p - q).clamp(min=0).sum() > 0 else torch.full_like(p, 1 / len(p))


def by_loops(p, q):
    kept = [min(x, y) for x, y in zip(p.tolist(), q.tolist(), strict=True)]
    missing = [x - k for x, k in zip(p.tolist(), kept, strict=True)]
    total = sum(missing)
    accept = [k / y if y else 1.0 for k, y in zip(kept, q.tolist(), strict=True)]
    return torch.tensor(accept), torch.tensor([m / total for m in missing]) if total > 0 else p


WRONG = {
    "8.1": [0.96, 0.04, 0.48, 0.87, 0.83, 0.5, 1 - TRUE, 0.98 / 6.3, 0.999, 13.4, 0.0063, lambda: 0.9216],
    "8.2": [
        bar_above,
        one_bar_for_the_batch,
        bar_is_the_share,
        not_divided,
        compares_logits,
        divided_over_everything,
        softmax_of_what_is_left,
        in_place,
        first_axis,
        powers_overflow,
        two_axes_only,
        keeps_everything,
        at_least_two,
    ],
    "8.3": [
        up_to_ten,
        from_a_tenth,
        up_to_two,
        in_nats,
        eight_halvings,
        nan_where_a_chance_is_zero,
        nan_at_one_far_logit,
        inverse,
        halves_kept_wrongly,
        grid_of_tenths,
        proportional,
        always_one,
        perplexity_for_bits,
        changes_logits,
    ],
    "8.4": [
        prompt_counted_too,
        ending_without_prompt,
        first_token_free,
        one_token_too_many,
        not_by_bytes,
        by_tokens,
        nats_by_bytes,
        negative,
        logits_for_logarithms,
        prompt_grows,
        first_size_for_all,
        padded_with_zeros,
        the_best_only,
        in_training_mode,
    ],
    "8.5": [
        no_trap,
        twice_only,
        a_tie,
        sums_to_more,
        rows_do_not_sum,
        first_does_not_sum,
        negative_chance,
        two_tokens,
        texts_of_three,
        second_by_column,
        only_the_first,
        logits_for_chances,
        not_a_number,
    ],
    "8.6": [
        rest_is_p,
        swapped_ratio,
        nan_where_nothing_is_drafted,
        nan_where_equal,
        never_accepts,
        always_accepts,
        accepts_half,
        accepts_p,
        above_one,
        rest_not_divided,
        rest_of_the_draft,
        difference_both_ways,
        rest_zero_where_equal,
        nothing_where_not_drafted,
        all_or_nothing,
        smoothed,
    ],
}
RIGHT = {
    "8.1": [TRUE, lambda: torch.tensor(TRUE), np.float32(TRUE), Fraction(TRUE).limit_denominator(10**6)],
    "8.2": [honest_min_p, min_p_by_loops, min_p_in_numpy, min_p_in_float64],
    "8.3": [by_logarithms, by_numpy, by_secant_and_halving],
    "8.4": [honest_endings, endings_as_tensor, endings_lazily, endings_in_numpy],
    "8.5": [in_tensors, in_fractions, in_numpy],
    "8.6": [
        honest,
        in_lists,
        as_a_list_of_arrays,
        other_value_where_nothing_is_drafted,
        another_rest_where_nothing_is_refused,
        by_loops,
    ],
}
