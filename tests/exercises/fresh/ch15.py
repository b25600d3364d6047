"""Answers to chapter 15, written from its text alone."""

import collections
import itertools
import math
import re
import statistics

import numpy as np
import torch

# 15.1 -----------------------------------------------------------------


def with_a_million():
    spam, honest = 10_000, 990_000
    return (spam * 9 // 10) / (spam * 9 // 10 + honest // 20)


def bayes():
    prior = 0.01
    return prior * 0.9 / (prior * 0.9 + (1 - prior) * 0.05)


def two_thirteenths():
    return np.float32(2 / 13)


# 15.2 -----------------------------------------------------------------


def where_it_ends(hidden, mask):
    ends = [torch.where(row)[0].max() for row in mask]
    return torch.stack([hidden[b, end] for b, end in enumerate(ends)])


def in_numpy(hidden, mask):
    h, m = hidden.numpy(), mask.numpy()
    return np.array([states[np.flatnonzero(real)[-1]] for states, real in zip(h, m, strict=True)])


def first_plus_length(hidden, mask):
    last = mask.long().argmax(1) + mask.sum(1) - 1
    return hidden[torch.arange(hidden.shape[0]), last].double()


def one_hot(hidden, mask):
    after = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], 1)
    return (hidden * (mask & ~after)[..., None]).sum(1)


def index(pick):
    return lambda hidden, mask: hidden[torch.arange(len(hidden)), pick(mask)]


def zeroes_padding(hidden, mask):
    hidden.mul_(mask[..., None])
    return where_it_ends(hidden, mask)


# 15.3 -----------------------------------------------------------------


def words(text):
    return re.findall(r"\w+", text.lower())


def frozen(train, test):
    known = {frozenset(collections.Counter(words(t)).items()) for t in train}
    return [i for i, t in enumerate(test) if frozenset(collections.Counter(words(t)).items()) in known]


def pairwise(train, test):
    return tuple(
        i for i, t in enumerate(test) if any(sorted(words(t)) == sorted(words(other)) for other in train)
    )


def by_length_first(train, test):
    known = collections.defaultdict(set)
    for t in train:
        known[len(words(t))].add(tuple(sorted(words(t))))
    for i, t in enumerate(test):
        if tuple(sorted(words(t))) in known[len(words(t))]:
            yield i


def key(make):
    return lambda train, test: [i for i, t in enumerate(test) if make(t) in [make(x) for x in train]]


def jaccard(train, test):
    def near(a, b):
        a, b = set(words(a)), set(words(b))
        return len(a & b) >= 0.9 * len(a | b)

    return [i for i, t in enumerate(test) if any(near(t, x) for x in train)]


# 15.4 -----------------------------------------------------------------


def shifted(logits, groups):
    found = []
    for row in logits.double():
        listed = [row[i].item() for group in groups for i in group]
        top = max(listed)
        sums = [sum(math.exp(row[i].item() - top) for i in group) for group in groups]
        found.append([s / sum(sums) for s in sums])
    return found


def by_matrix(logits, groups):
    ids = list(itertools.chain(*groups))
    member = torch.zeros(len(ids), len(groups))
    for k, group in enumerate(groups):
        for i in group:
            member[ids.index(i), k] = 1
    return torch.softmax(logits[:, ids], 1) @ member


def in_logs(logits, groups):
    each = np.stack([np.logaddexp.reduce(logits.double().numpy()[:, g], axis=1) for g in groups], 1)
    return np.exp(each - np.logaddexp.reduce(each, axis=1, keepdims=True))


def each(reduce):
    return lambda logits, groups: torch.stack([reduce(logits[:, g]) for g in groups], -1).softmax(-1)


def of_vocabulary(logits, groups):
    p = logits.softmax(-1)
    return torch.stack([p[:, g].sum(1) for g in groups], 1)


# 15.5 -----------------------------------------------------------------


def cluster(right, groups):
    mean = statistics.fmean(right)
    total = sum(sum(r - mean for r, h in zip(right, groups, strict=True) if h == g) ** 2 for g in set(groups))
    return math.sqrt(total) / len(right)


def by_unique(right, groups):
    r = np.asarray(right, float)
    _, where = np.unique(np.asarray([str(g) for g in groups]), return_inverse=True)
    return np.linalg.norm(np.bincount(where, r - r.mean())) / r.size


def by_sorting(right, groups):
    mean = sum(right) / len(right)
    pairs = sorted(zip(map(str, groups), right, strict=True))
    sums = [sum(r - mean for _, r in of) for _, of in itertools.groupby(pairs, key=lambda pair: pair[0])]
    return torch.tensor(sums, dtype=torch.float64).norm().item() / len(right)


def alone(right, groups):
    return statistics.pstdev(right) / math.sqrt(len(right))


def sample(right, groups):
    return statistics.stdev(right) / math.sqrt(len(right))


def by_group(right, groups):
    of = collections.defaultdict(list)
    for r, g in zip(right, groups, strict=True):
        of[g].append(r)
    return of


def spread_of_means(right, groups):
    means = [statistics.fmean(v) for v in by_group(right, groups).values()]
    return statistics.pstdev(means)


def spread_of_sums(right, groups):
    sums = [sum(v) for v in by_group(right, groups).values()]
    return math.sqrt(sum(s * s for s in sums)) / len(right)


def groups_own_mean(right, groups):
    of = by_group(right, groups).values()
    return math.sqrt(sum(sum(r - statistics.fmean(v) for r in v) ** 2 for v in of)) / len(right)


def absolute(right, groups):
    mean = statistics.fmean(right)
    return sum(abs(sum(r - mean for r in v)) for v in by_group(right, groups).values()) / len(right)


# 15.6 -----------------------------------------------------------------


def nats(scores, labels, t):
    logs = torch.log_softmax(scores.double() / t, -1)
    return -logs.gather(1, labels[:, None]).mean().item()


def finer_grids(scores, labels):
    low, high = math.log(0.01), math.log(100)
    for _ in range(12):
        grid = np.linspace(low, high, 21)
        at = int(np.argmin([nats(scores, labels, math.exp(g)) for g in grid]))
        low, high = grid[max(0, at - 1)], grid[min(20, at + 1)]
    return float(math.exp((low + high) / 2))


def newton(scores, labels):
    x = scores.double()
    own, b = x.gather(1, labels[:, None]).mean(), torch.tensor(0.1, dtype=torch.float64)
    low, high = 0.01, 100.0
    for _ in range(100):
        p = (b * x).softmax(-1)
        mean = (p * x).sum(-1)
        slope, bend = mean.mean() - own, ((p * x * x).sum(-1) - mean**2).mean()
        low, high = (low, float(b)) if slope > 0 else (float(b), high)
        step = float(b - slope / bend)
        b = torch.tensor(step if low < step < high else (low * high) ** 0.5, dtype=torch.float64)
    return 1 / b


def by_adam_and_then_some(scores, labels):
    """Bisection on the slope of the surprise in 1 / T."""
    low, high = 0.01, 100.0
    for _ in range(100):
        b = torch.tensor(math.sqrt(low * high), dtype=torch.float64, requires_grad=True)
        torch.nn.functional.cross_entropy(scores.double() * b, labels).backward()
        low, high = (low, b.item()) if b.grad > 0 else (b.item(), high)
    return 1 / low


def few_steps(scores, labels):
    t = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([t], lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(scores.float() / t, labels).backward()
        optimizer.step()
    return t.item()


def between(low, high, n=400):
    return lambda scores, labels: min(np.linspace(low, high, n), key=lambda t: nats(scores, labels, t))


WRONG = {
    "15.1": [0.9, 0.95, 0.05, 0.01, 0.947, 0.847, 0.18, 0.16, 0.14, 15.4, 0.0585, 1.0, 0, None, "2 of 13"],
    "15.2": [
        index(lambda mask: mask.sum(1) - 1),
        index(lambda mask: mask.int().argmax(1)),
        index(lambda mask: torch.full((len(mask),), -1)),
        index(lambda mask: mask.int().argmin(1)),
        index(lambda mask: mask.int().argmin(1) - 1),
        index(lambda mask: (~mask).sum(1) - 1),
        lambda hidden, mask: hidden[mask],
        lambda hidden, mask: hidden[mask].mean(0),
        lambda hidden, mask: hidden.max(1).values,
        lambda hidden, mask: (hidden * mask[..., None]).sum(1),
        lambda hidden, mask: where_it_ends(hidden, mask)[0],
        lambda hidden, mask: where_it_ends(hidden, mask).round(decimals=2),
        lambda hidden, mask: where_it_ends(hidden, mask).long(),
        lambda hidden, mask: None,
        zeroes_padding,
    ],
    "15.3": [
        key(lambda t: t),
        key(str.lower),
        key(lambda t: t.split()),
        key(lambda t: sorted(t.split())),
        key(lambda t: sorted(re.findall(r"\w+", t))),
        key(lambda t: sorted(re.findall("[a-z]+", t.lower()))),
        key(lambda t: set(words(t))),
        key(lambda t: sorted(set(words(t)))),
        key(lambda t: len(t)),
        key(lambda t: "".join(sorted(words(t)))),
        key(lambda t: words(t)[:1]),
        jaccard,
        lambda train, test: bool(frozen(train, test)),
        lambda train, test: set(map(str, frozen(train, test))),
        lambda train, test: [i for i in frozen(train, test) if words(test[i])],
    ],
    "15.4": [
        of_vocabulary,
        lambda logits, groups: of_vocabulary(logits, groups) / of_vocabulary(logits, groups).sum(),
        lambda logits, groups: of_vocabulary(logits, groups).softmax(-1),
        lambda logits, groups: by_matrix(logits, groups).round(decimals=1),
        each(lambda x: x.sum(-1)),
        each(lambda x: x.mean(-1)),
        each(lambda x: x.max(-1).values),
        each(lambda x: x.min(-1).values),
        each(lambda x: x[:, -1]),
        lambda logits, groups: by_matrix(logits.exp(), groups),
        lambda logits, groups: by_matrix(logits, groups).T,
        lambda logits, groups: by_matrix(logits, groups).max(-1).values,
        lambda logits, groups: by_matrix(-logits, groups),
        lambda logits, groups: torch.sigmoid(by_matrix(logits, groups)),
        lambda logits, groups: by_matrix(logits / 2, groups),
    ],
    "15.5": [
        alone,
        sample,
        spread_of_means,
        spread_of_sums,
        groups_own_mean,
        absolute,
        lambda right, groups: cluster(right, groups) ** 2,
        lambda right, groups: 2 * cluster(right, groups),
        lambda right, groups: cluster(right, groups) * len(right),
        lambda right, groups: cluster(right, groups) * len(right) / (len(right) - 1),
        lambda right, groups: round(cluster(right, groups), 2),
        lambda right, groups: (cluster(right, groups), statistics.fmean(right)),
        lambda right, groups: len(set(groups)) ** -0.5,
        lambda right, groups: cluster(right, list(range(len(right)))),
        lambda right, groups: cluster(sorted(right), groups),
    ],
    "15.6": [
        few_steps,
        between(0.01, 1),
        between(1, 100),
        between(0.01, 100),
        lambda scores, labels: 1 / finer_grids(scores, labels),
        lambda scores, labels: finer_grids(scores.float() * 2, labels),
        lambda scores, labels: finer_grids(scores, labels.flip(0)) + 0.1,
        lambda scores, labels: [finer_grids(scores, labels)] * 2,
        lambda scores, labels: finer_grids(scores, labels) ** 2,
        lambda scores, labels: round(finer_grids(scores, labels)),
        lambda scores, labels: scores.std().item(),
        lambda scores, labels: 1.82,
        lambda scores, labels: math.nan,
        lambda scores, labels: nats(scores, labels, 1.0),
    ],
}

RIGHT = {
    "15.1": [with_a_million, bayes, two_thirteenths, 0.1538],
    "15.2": [where_it_ends, in_numpy, first_plus_length, one_hot],
    "15.3": [frozen, pairwise, by_length_first],
    "15.4": [shifted, by_matrix, in_logs],
    "15.5": [cluster, by_unique, by_sorting],
    "15.6": [finer_grids, newton, by_adam_and_then_some],
}
