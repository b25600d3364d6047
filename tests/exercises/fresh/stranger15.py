"""Wrong and right answers to chapter 15 by a stranger who had not seen the checks.

They were judged wrongly, or might have been.
"""

import math
import re
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

# 15.2 -----------------------------------------------------------------


def by_places(numbers):
    """Reads the state where place times mask is greatest; numbers makes the places' dtype."""

    def answer(hidden, mask):
        last = (numbers(mask) * numbers(torch.arange(mask.shape[1]))).argmax(1)
        return hidden[torch.arange(len(hidden)), last]

    return answer


def where_the_next_is_false(hidden, mask):
    after = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], 1)
    return hidden[mask & ~after]


def padding_made_0(hidden, mask):
    hidden[~mask] = 0
    return where_the_next_is_false(hidden, mask)


# 15.3 -----------------------------------------------------------------


def words(text):
    return re.findall(r"\w+", text.lower())


def leaked(train, test, key=lambda text: sorted(words(text))):
    known = [key(text) for text in train]
    return [i for i, text in enumerate(test) if key(text) in known]


def by(key):
    return lambda train, test: leaked(train, test, key)


def found(pattern, flags=0):
    return by(lambda text: sorted(re.findall(pattern, text.lower(), flags)))


def of_texts(change):
    """A right answer with something done to its indices: (indices, train, test) -> what is returned."""
    return lambda train, test: change(leaked(train, test), train, test)


def as_in_train(train, test):
    order = []
    for text in train:
        order += [i for i in leaked([text], test) if i not in order]
    return order


def index_for_each(train, test):
    return [i for i, text in enumerate(test) for _ in leaked([text], train)]


def each_but_once(train, test):
    left, indices = Counter(tuple(sorted(words(text))) for text in train), []
    for i, text in enumerate(test):
        if left[key := tuple(sorted(words(text)))]:
            left[key] -= 1
            indices.append(i)
    return indices


def or_in_the_test(train, test):
    return [i for i, text in enumerate(test) if leaked([*train, *test[:i]], [text])]


def of_known_words(train, test):
    known = {word for text in train for word in words(text)}
    return by(lambda text: sorted(word for word in words(text) if word in known))(train, test)


def by_counters(train, test):
    bags = [Counter(words(text)) for text in train]
    return np.flatnonzero([any(Counter(words(text)) == bag for bag in bags) for text in test])


# 15.5 -----------------------------------------------------------------


def error(right, groups):
    mean, sums = sum(right) / len(right), defaultdict(float)
    for r, group in zip(right, groups, strict=True):
        sums[group] += r - mean
    return math.sqrt(sum(s * s for s in sums.values())) / len(right)


def of_names(change):
    return lambda right, groups: error(right, [change(group) for group in groups])


def alone_if_one(right, groups):
    return error(right, groups) if len(set(groups)) > 1 else math.sqrt(0.25 / len(right))


def by_pairs(right, groups):
    mean, n = sum(right) / len(right), len(right)
    same = [(i, j) for i in range(n) for j in range(n) if groups[i] == groups[j]]
    return max(0.0, math.fsum((right[i] - mean) * (right[j] - mean) for i, j in same)) ** 0.5 / n


def in_float32(right, groups):
    deviations = torch.tensor(right).float() - torch.tensor(right).float().mean()
    names = list(set(groups))
    sums = torch.zeros(len(names)).index_add(0, torch.tensor([names.index(g) for g in groups]), deviations)
    return float(sums.norm() / len(right))


# 15.6 -----------------------------------------------------------------


def nats(scores, labels, t):
    return F.cross_entropy(scores.double() / t, labels).item()


def lowest(loss, low=0.01, high=100):
    """Where a loss with one valley is least, found by thirds of log T."""
    low, high = math.log(low), math.log(high)
    for _ in range(120):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if loss(math.exp(a)) <= loss(math.exp(b)) else (a, high)
    return math.exp((low + high) / 2)


def by_thirds(scores, labels):
    return lowest(lambda t: nats(scores, labels, t))


def searched_within(low, high):
    return lambda scores, labels: lowest(lambda t: nats(scores, labels, t), low, high)


def with_t(change):
    return lambda scores, labels: change(by_thirds(scores, labels))


def with_scores(change):
    return lambda scores, labels: by_thirds(change(scores), labels)


def linear_thirds(scores, labels):
    low, high = 0.01, 100.0
    for _ in range(25):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if nats(scores, labels, a) <= nats(scores, labels, b) else (a, high)
    return (low + high) / 2


def softmax_then_log(change, least=0.0):
    def answer(scores, labels):
        def loss(t):
            shares = (change(scores) / t).softmax(-1).gather(1, labels[:, None])
            return -(shares + least).log().mean().item()

        return lowest(loss)

    return answer


def two_classes_shifted(scores, labels):
    return by_thirds(scores - scores.mean() if scores.shape[1] == 2 else scores.clamp(-20, 20), labels)


def adam(scores, labels):
    log_t = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([log_t], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(scores.detach().float() / log_t.exp(), labels).backward()
        optimizer.step()
    return log_t.exp().item()


def finer_grids(scores, labels):
    low, high = -2.0, 2.0
    for _ in range(8):
        grid = torch.linspace(low, high, 41, dtype=torch.float64).tolist()
        i = min(range(41), key=lambda i: nats(scores, labels, 10 ** grid[i]))
        low, high = grid[max(0, i - 1)], grid[min(40, i + 1)]
    return 10 ** ((low + high) / 2)


def newton_with_a_net(scores, labels):
    scores, low, high, b = scores.double(), 0.01, 100.0, 1.0
    own = scores.gather(1, labels[:, None])[:, 0]
    for _ in range(200):
        p = (scores * b).softmax(-1)
        mean = (p * scores).sum(-1)
        slope, bend = (mean - own).mean().item(), ((p * scores**2).sum(-1) - mean**2).mean().item()
        low, high = (low, b) if slope > 0 else (b, high)
        b = b - slope / bend if bend > 0 else 0
        b = b if low < b < high else math.sqrt(low * high)
    return 1 / b


WRONG = {
    "15.2": [
        by_places(lambda x: x.to(torch.int8)),
        by_places(torch.Tensor.bfloat16),
        by_places(torch.Tensor.half),
        padding_made_0,
    ],
    "15.3": [
        *[found(pattern) for pattern in (r"[a-z]+", r"[a-z0-9_]+", r"[^\W_]+", r"[\w']+", r"[\w-]+")],
        found(r"\w+", re.ASCII),
        by(lambda text: sorted(re.findall(r"\w+", text.casefold()))),
        by(lambda text: sorted(re.findall(r"\w+", text.upper()))),
        by(lambda text: sorted(re.sub(r"[^\w\s]", "", text.lower()).split())),
        by(lambda text: sorted(words(text))[:10]),
        by(lambda text: {word: min(2, count) for word, count in Counter(words(text)).items()}),
        by(lambda text: sorted(word.rstrip("s") for word in words(text))),
        by(lambda text: sorted(word for word in words(text) if word not in ("the", "has"))),
        by(lambda text: "".join(sorted(words(text)))),
        of_texts(lambda indices, train, test: [i for i in indices if words(test[i])]),
        of_texts(
            lambda indices, train, test: [i for i in range(len(test)) if i in indices or not words(test[i])]
        ),
        of_texts(lambda indices, train, test: [test.index(test[i]) for i in indices]),
        of_texts(lambda indices, train, test: sorted({test.index(test[i]) for i in indices})),
        of_texts(lambda indices, train, test: [i for i in indices if len(words(test[i])) != 1]),
        as_in_train,
        index_for_each,
        each_but_once,
        or_in_the_test,
        of_known_words,
    ],
    "15.5": [
        of_names(lambda name: str(name)[0]),
        of_names(lambda name: str(name).lower()),
        of_names(bool),
        alone_if_one,
    ],
    "15.6": [
        *[searched_within(*ends) for ends in ((0.19, 5.3), (0.1, 10), (0.05, 50), (0.01, 50), (0.02, 100))],
        linear_thirds,
        softmax_then_log(torch.Tensor.float),
        softmax_then_log(torch.Tensor.double),
        softmax_then_log(torch.Tensor.double, least=1e-12),
        *[with_scores(lambda scores, most=most: scores.clamp(-most, most)) for most in (20, 60)],
        two_classes_shifted,
        with_scores(torch.Tensor.half),
        with_scores(torch.Tensor.bfloat16),
        adam,
        *[with_t(lambda t, share=share: t * share) for share in (1.002, 1 / 1.002, 1.003)],
        with_t(lambda t: round(t, 3)),
    ],
}
RIGHT = {
    "15.2": [by_places(torch.Tensor.long), where_the_next_is_false],
    "15.3": [leaked, by_counters],
    "15.5": [error, by_pairs, in_float32],
    "15.6": [
        by_thirds,
        finer_grids,
        newton_with_a_net,
        with_t(Fraction),
        *[with_t(lambda t, share=share: t * share) for share in (1.0009, 0.9991)],
    ],
}
