"""Answers to chapter 15's exercises."""

import math
import re
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import torch
from harness import Answers, ExerciseTests

from companion.classification import word_counts

# -- 15.1 ------------------------------------------------------------------


def by_counting():
    return 90 / (90 + 495)


def by_odds():
    odds = Fraction(1, 99) * Fraction(90, 5)
    return odds / (1 + odds)


def in_numpy():
    share = np.array([0.01, 0.99])
    called = share * np.array([0.9, 0.05])
    return called[0] / called.sum()


# -- 15.2 ------------------------------------------------------------------


def by_argmax(hidden, mask):
    last = (mask * torch.arange(1, mask.shape[1] + 1)).argmax(1)
    return hidden[torch.arange(len(hidden)), last]


def by_flipping(hidden, mask):
    last = mask.shape[1] - 1 - mask.flip(1).int().argmax(1)
    return torch.stack([states[i] for states, i in zip(hidden, last.tolist(), strict=True)])


def by_loops(hidden, mask):
    found = []
    for states, real in zip(hidden, mask.tolist(), strict=True):
        found.append([float(x) for x in states[max(i for i, there in enumerate(real) if there)]])
    return found


def by_gather(hidden, mask):
    last = mask.long().cumsum(1).argmax(1)
    return hidden.gather(1, last[:, None, None].expand(-1, 1, hidden.shape[2]))[:, 0].numpy()


def counted(hidden, mask):
    return hidden[range(len(hidden)), mask.sum(1) - 1]


def first_padding(hidden, mask):
    places = [row.index(False) if False in row else len(row) for row in mask.tolist()]
    return torch.stack([states[place - 1] for states, place in zip(hidden, places, strict=True)])


def changes_the_states(hidden, mask):
    found = by_argmax(hidden, mask)
    hidden[~mask] = 0
    return found


# -- 15.3 ------------------------------------------------------------------


def by_counters(train, test):
    seen = [Counter(re.findall(r"\w+", text.lower())) for text in train]
    return [i for i, text in enumerate(test) if Counter(re.findall(r"\w+", text.lower())) in seen]


def by_the_chapter(train, test):
    _, words = word_counts([*train, *test])
    rows = [tuple(row) for row in word_counts([*train, *test], words)[0].tolist()]
    return (i for i, row in enumerate(rows[len(train) :]) if row in set(rows[: len(train)]))


def by_sorting(train, test):
    def key(text):
        return " ".join(sorted(re.sub(r"\W+", " ", text.lower()).split()))

    known, found = {key(text) for text in train}, []
    for i in range(len(test)):
        if key(test[i]) in known:
            found.append(i)
    return np.array(found, dtype=int)


def same(make):
    def wrong(train, test):
        seen = [make(text) for text in train]
        return [i for i, text in enumerate(test) if make(text) in seen]

    return wrong


def found_words(text):
    return re.findall(r"\w+", text.lower())


# -- 15.4 ------------------------------------------------------------------


def by_logsumexp(logits, groups):
    each = torch.stack([logits[:, group].logsumexp(-1) for group in groups], dim=-1)
    return (each - each.logsumexp(-1, keepdim=True)).exp()


def by_shifting(logits, groups):
    x = logits.double().numpy()
    listed = [i for group in groups for i in group]
    x = np.exp(x - x[:, listed].max(1, keepdims=True).clip(None, 1e9))
    sums = np.stack([x[:, group].sum(1) for group in groups], 1)
    return sums / sums.sum(1, keepdims=True)


def by_masking(logits, groups):
    kept = torch.full_like(logits, -math.inf)
    for group in groups:
        kept[:, group] = logits[:, group]
    shares = kept.softmax(-1)
    return [[row[group].sum().item() for group in groups] for row in shares]


def of_all(change):
    def wrong(logits, groups):
        shares = logits.softmax(-1)
        return change(torch.stack([shares[:, group].sum(-1) for group in groups], -1))

    return wrong


# -- 15.5 ------------------------------------------------------------------


def by_dictionary(right, groups):
    m, sums = sum(right) / len(right), defaultdict(float)
    for r, g in zip(right, groups, strict=True):
        sums[g] += r - m
    return sum(s**2 for s in sums.values()) ** 0.5 / len(right)


def by_matrix(right, groups):
    r = np.array(right) - np.mean(right)
    together = np.array([[a == b for a in groups] for b in groups])
    return np.sqrt(max(0.0, r @ together @ r)) / len(r)


def by_bincount(right, groups):
    names = {g: i for i, g in enumerate(dict.fromkeys(groups))}
    r = torch.tensor(right, dtype=torch.float64)
    sums = torch.bincount(torch.tensor([names[g] for g in groups]), weights=r - r.mean())
    return sums.norm() / len(r)


def each_alone(right, groups):
    p = sum(right) / len(right)
    return math.sqrt(p * (1 - p) / len(right))


def of(change):
    return lambda right, groups: change(by_dictionary(right, groups), right, groups)


def side_by_side(right, groups):
    m, total, run, last = sum(right) / len(right), 0.0, 0.0, None
    for r, g in zip(right, groups, strict=True):
        if g != last:
            total, run = total + run * run, 0.0
        run, last = run + r - m, g
    return math.sqrt(total + run * run) / len(right)


def mean_of_means(right, groups):
    by = defaultdict(list)
    for r, g in zip(right, groups, strict=True):
        by[g].append(r)
    return np.std([np.mean(v) for v in by.values()]) / math.sqrt(len(by))


def absolute(right, groups):
    m = np.mean(right)
    sums = [sum(r - m for r, g in zip(right, groups, strict=True) if g == group) for group in set(groups)]
    return np.abs(sums).sum() / len(right)


def from_its_groups_mean(right, groups):
    total = 0.0
    for group in set(groups):
        mine = [r for r, g in zip(right, groups, strict=True) if g == group]
        total += sum(r - sum(mine) / len(mine) for r in mine) ** 2
    return math.sqrt(total) / len(right)


# -- 15.6 ------------------------------------------------------------------


def surprise(scores, labels, t):
    return torch.nn.functional.cross_entropy(scores.double() / t, labels).item()


def by_thirds(scores, labels):
    a, b = math.log(0.01), math.log(100)
    for _ in range(70):
        c, d = a + (b - a) / 3, b - (b - a) / 3
        a, b = (
            (a, d)
            if surprise(scores, labels, math.exp(c)) < surprise(scores, labels, math.exp(d))
            else (c, b)
        )
    return math.exp(a)


def by_lbfgs(scores, labels):
    log_t = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(scores.double() / log_t.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return log_t.exp().item()


def by_the_slope(scores, labels):
    """Bisection: at the best T the mean score under the model is the mean score of the labels."""
    x = scores.double().numpy()
    own, low, high = x[np.arange(len(x)), labels].mean(), 0.01, 100.0
    for _ in range(80):
        t = math.sqrt(low * high)
        p = np.exp(x / t - (x / t).max(1, keepdims=True))
        expected = (x * p / p.sum(1, keepdims=True)).sum(1).mean()
        low, high = (t, high) if expected > own else (low, t)
    return np.float64(low)


def by_softmax_then_log(scores, labels):
    a, b = math.log(0.01), math.log(100)
    for _ in range(70):
        c, d = a + (b - a) / 3, b - (b - a) / 3
        below, above = (
            -(scores.double() / math.exp(x)).softmax(-1).gather(1, labels[:, None]).log().mean()
            for x in (c, d)
        )
        a, b = (a, d) if below <= above else (c, b)
    return math.exp(a)


def best(change):
    return lambda scores, labels: change(by_thirds(scores, labels))


def rough(values):
    return lambda scores, labels: min(values, key=lambda t: surprise(scores, labels, t))


ANSWERS = {
    "15.1": Answers(
        right=[by_counting, by_odds, in_numpy, 0.154],
        wrong=[
            (0.9, "That is the recall"),
            (0.95, "calls rightly"),
            (0.05, "called spam"),
            (0.01, "before anybody looked"),
            (0.9474, "half of the letters were spam"),
            (0.009, "spam and found"),
            (0.1818, "for each honest letter"),
            (0.8462, "that is honest"),
            (0.9495, "calls rightly"),
            (15.3846, "percent"),
            (15.4, "percent"),
            (15, "percent"),
            (0.0585, "called spam"),
            (0.667, "example"),
            (0.15, "Rounded?"),
            (0.5, "a guess"),
            (0.3, "too high"),
        ],
    ),
    "15.2": Answers(
        right=[by_argmax, by_flipping, by_loops, by_gather],
        wrong=[
            (counted, "With padding on the left"),
            (lambda hidden, mask: hidden[:, -1], "the batch's last position"),
            (lambda hidden, mask: hidden[:, 0], "first position"),
            (lambda hidden, mask: hidden[range(len(hidden)), mask.int().argmax(1)], "first real token"),
            (
                lambda hidden, mask: (hidden * mask[..., None]).sum(1) / mask.sum(1)[:, None],
                "the mean over the real",
            ),
            (lambda hidden, mask: hidden.mean(1), "the mean over all"),
            (lambda hidden, mask: hidden[:, mask.sum(1).max() - 1], "the longest row's"),
            (lambda hidden, mask: hidden[:, mask.sum(1) - 1], "(B, B, C)"),
            (lambda hidden, mask: by_argmax(hidden, mask)[:, None], "a dimension too many"),
            (lambda hidden, mask: (hidden * mask[..., None])[:, -1], "It moves no state"),
            (lambda hidden, mask: by_argmax(hidden, mask)[:1], "expected"),
            (lambda hidden, mask: -by_argmax(hidden, mask), "expected"),
            (first_padding, "the first padding"),
            (changes_the_states, "numbers differ. The caller"),
            (lambda hidden, mask: by_argmax(hidden, mask).T, "expected"),
        ],
    ),
    "15.3": Answers(
        right=[by_counters, by_the_chapter, by_sorting],
        wrong=[
            (same(str), "word for word"),
            (same(lambda text: sorted(text.lower().split())), "Marks are no part"),
            (same(lambda text: sorted(re.findall(r"\w+", text))), "Capitals"),
            (same(lambda text: set(found_words(text))), "How often"),
            (same(lambda text: len(found_words(text))), "the number of words"),
            (same(lambda text: sorted(text.lower())), "the letters"),
            (same(found_words), "The order of the words"),
            (
                lambda train, test: [test[i] for i in by_counters(train, test)],
                "indices are wanted, not the texts",
            ),
            (lambda train, test: by_counters(test, train), "indices of training texts"),
            (lambda train, test: len(by_counters(train, test)), "Which are they"),
            (lambda train, test: [text in train for text in test], "expected"),
            (lambda train, test: by_counters(train, test)[:1], "expected"),
            (lambda train, test: [i + 1 for i in by_counters(train, test)], "expected"),
            (lambda train, test: [], "the same for every input"),
        ],
    ),
    "15.4": Answers(
        right=[by_logsumexp, by_shifting, by_masking],
        wrong=[
            (of_all(lambda sums: sums), "of the whole vocabulary"),
            (of_all(lambda sums: sums.softmax(-1)), "a second time"),
            (
                lambda logits, groups: torch.stack([logits[:, g].sum(-1) for g in groups], -1).softmax(-1),
                "Logits were added",
            ),
            (
                lambda logits, groups: torch.stack([logits[:, g].mean(-1) for g in groups], -1).softmax(-1),
                "mean logit",
            ),
            (
                lambda logits, groups: torch.stack([logits[:, g].amax(-1) for g in groups], -1).softmax(-1),
                "The likeliest of a group",
            ),
            (lambda logits, groups: logits[:, [g[0] for g in groups]].softmax(-1), "Only the first token"),
            (lambda logits, groups: by_logsumexp(logits, groups).argmax(-1), "the likeliest class"),
            (lambda logits, groups: by_logsumexp(logits, groups).T, "A row for each text"),
            (lambda logits, groups: by_logsumexp(logits, groups).log(), "logarithms"),
            (of_all(lambda sums: sums / sums.sum(-1, keepdim=True)), "0 / 0"),
            (of_all(lambda sums: sums / (sums.sum(-1, keepdim=True) + 1e-12)), "added to the divisor"),
            (of_all(lambda sums: sums / sums.sum(-1, keepdim=True).clamp(min=1e-8)), "added to the divisor"),
            (lambda logits, groups: by_logsumexp(logits, groups)[0], "expected"),
            (lambda logits, groups: by_logsumexp(logits, groups)[:, ::1].flip(-1), "expected"),
        ],
    ),
    "15.5": Answers(
        right=[by_dictionary, by_matrix, by_bincount],
        wrong=[
            (each_alone, "all independent"),
            (mean_of_means, "the groups' means"),
            (side_by_side, "side by side"),
            (of(lambda e, right, groups: e**2), "variance"),
            (of(lambda e, right, groups: 1.96 * e), "half an interval"),
            (of(lambda e, right, groups: 100 * e), "percent"),
            (of(lambda e, right, groups: e * len(right) / len(set(groups))), "the number of groups"),
            (of(lambda e, right, groups: e * math.sqrt(len(right))), "Divide by N"),
            (lambda right, groups: each_alone(right, groups) * 2**0.5, "Not every group is a pair"),
            (of(lambda e, right, groups: e / (sum(right) / len(right))), "not its share of the mean"),
            (lambda right, groups: 0.0, "deviate by 0"),
            (absolute, "without their signs"),
            (from_its_groups_mean, "take the mean of all answers"),
            (lambda right, groups: sum(right) / len(right), "expected"),
        ],
    ),
    "15.6": Answers(
        right=[by_thirds, by_lbfgs, by_the_slope],
        wrong=[
            (lambda scores, labels: 1.0, "the scores stay"),
            (best(lambda t: 1 / t), "multiply the scores"),
            (best(math.log), "the logarithm"),
            (best(math.sqrt), "the root"),
            (best(lambda t: round(t, 1)), "Rounded?"),
            (rough([x / 10 for x in range(1, 101)]), "within a thousandth of itself"),
            (rough([0.5, 1, 1.5, 2, 3, 5]), "It should lie closer"),
            (
                lambda scores, labels: surprise(scores, labels, by_thirds(scores, labels)),
                "the least surprise itself",
            ),
            (lambda scores, labels: by_thirds(scores, scores.argmax(-1)), "The surprise at the label"),
            (lambda scores, labels: scores / by_thirds(scores, labels), "one number"),
            (best(lambda t: round(t, 2)), "Rounded?"),
            (best(lambda t: float(f"{t:.3g}")), "Rounded?"),
            (best(lambda t: max(0.1, min(t, 10))), "between 0.01 and 100"),
            (by_softmax_then_log, "take `log_softmax`"),
            (best(lambda t: t * 1.002), "expected"),
            (best(lambda t: t * 1.05), "Nearly"),
            (best(lambda t: t + 1), "expected"),
        ],
    ),
}


class TestChapter15(ExerciseTests):
    answers = ANSWERS
