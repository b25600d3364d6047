"""Wrong and right answers to chapter 13's exercises, by someone who had read only their text."""

import heapq
import math
import random
import statistics
from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

# 13.1 -----------------------------------------------------------------


def ahead(example, log_probs):
    return max(
        zip(log_probs, example.choices, strict=True), key=lambda pair: pair[0] / len(pair[1].encode())
    )[1]


def ahead_exactly(example, log_probs):
    """By products, so that nothing is rounded."""
    best = 0
    sizes = [len(choice.encode("utf8")) for choice in example.choices]
    for i in range(1, len(sizes)):
        if log_probs[i] * sizes[best] > log_probs[best] * sizes[i]:
            best = i
    return example.choices[best]


def ahead_by_sorting(example, log_probs):
    order = sorted(range(len(log_probs)), key=lambda i: -log_probs[i] / len(example.choices[i].encode()))
    return example.choices[order[0]]


def ahead_by_perplexity(example, log_probs):
    sizes = np.array([len(choice.encode()) for choice in example.choices])
    return example.choices[(-np.array(log_probs) / sizes).argmin()]


def per(size):
    def answer(example, log_probs):
        scores = [p / (size(c) or 1) for c, p in zip(example.choices, log_probs, strict=True)]
        return example.choices[scores.index(max(scores))]

    return answer


def rounded_to(digits):
    def answer(example, log_probs):
        scores = [round(p / len(c.encode()), digits) for c, p in zip(example.choices, log_probs, strict=True)]
        return example.choices[scores.index(max(scores))]

    return answer


def floored(example, log_probs):
    scores = [p // len(c.encode()) for c, p in zip(example.choices, log_probs, strict=True)]
    return example.choices[scores.index(max(scores))]


def by_absolute(example, log_probs):
    scores = [abs(p) / len(c.encode()) for c, p in zip(example.choices, log_probs, strict=True)]
    return example.choices[scores.index(max(scores))]


def first_two(example, log_probs):
    a, b = [p / len(c.encode()) for c, p in zip(example.choices, log_probs, strict=True)][:2]
    return example.choices[0 if a >= b else 1]


def by_dict(example, log_probs):
    table = {p / len(c.encode()): c for c, p in zip(example.choices, log_probs, strict=True)}
    return table[max(table)]


def from_minus_100(example, log_probs):
    """The best so far begins at a number that is not low enough."""
    best, choice = -1.0, example.choices[-1]
    for c, p in zip(example.choices, log_probs, strict=True):
        if p / len(c.encode()) > best:
            best, choice = p / len(c.encode()), c
    return choice


def from_minus_infinity(example, log_probs):
    best, choice = -math.inf, None
    for c, p in zip(example.choices, log_probs, strict=True):
        if p / len(c.encode()) >= best:
            best, choice = p / len(c.encode()), c
    return choice


def first_size_for_all(example, log_probs):
    size = len(example.choices[0].encode())
    return example.choices[max(range(len(log_probs)), key=lambda i: log_probs[i] / size)]


def with_temperature(example, log_probs):
    shares = torch.tensor(log_probs).softmax(0)
    sizes = torch.tensor([len(c.encode()) for c in example.choices])
    return example.choices[(shares / sizes).argmax()]


def minus_length(example, log_probs):
    return max(
        zip(example.choices, log_probs, strict=True), key=lambda pair: pair[1] - len(pair[0].encode())
    )[0]


def plus_length(example, log_probs):
    return max(
        zip(example.choices, log_probs, strict=True), key=lambda pair: pair[1] + len(pair[0].encode())
    )[0]


def random_tie(example, log_probs):
    scores = [p / len(c.encode()) for c, p in zip(example.choices, log_probs, strict=True)]
    best = [c for c, s in zip(example.choices, scores, strict=True) if s == max(scores)]
    return best[-1] if len(best) < 3 else best[0]


def longest_of_ties(example, log_probs):
    return max(
        zip(example.choices, log_probs, strict=True),
        key=lambda pair: (pair[1] / len(pair[0].encode()), len(pair[0].encode())),
    )[0]


def encoded(example, log_probs):
    return ahead(example, log_probs).encode()


def in_the_prompt(example, log_probs):
    return example.prompt + ahead(example, log_probs)


# 13.2 -----------------------------------------------------------------


def needed():
    return (2.8 * 0.3 / 0.02) ** 2


def needed_as_tensor():
    return torch.tensor(2.8).mul(0.3).div(0.02).square().ceil()


def needed_by_doubling():
    n = 1
    while 0.02 * math.sqrt(n) < 2.8 * 0.3 - 1e-9:
        n += 1
    return n


def needed_without_square():
    return 2.8 * 0.3 / 0.02


def needed_with_xor():
    return int(2.8 * 0.3 / 0.02) ^ 2


# 13.3 -----------------------------------------------------------------


def luck(first, second):
    a = sum(x and not y for x, y in zip(first, second, strict=True))
    b = sum(y and not x for x, y in zip(first, second, strict=True))
    less = sum(math.comb(a + b, i) for i in range(min(a, b) + 1))
    return float(min(Fraction(1), Fraction(2 * less, 1 << (a + b))))


def luck_in_decimals(first, second):
    count = Counter(x - y for x, y in zip(first, second, strict=True))
    n, k = count[1] + count[-1], max(count[1], count[-1])
    return min(Decimal(1), 2 * Decimal(sum(math.comb(n, i) for i in range(k, n + 1))) / Decimal(2) ** n)


def luck_by_pascal(first, second):
    differ = [x for x, y in zip(first, second, strict=True) if x != y]
    row = [1]
    for _ in differ:
        row = [1, *map(sum, zip(row, row[1:], strict=False)), 1]
    k = min(sum(differ), len(differ) - sum(differ))
    return 1.0 if 2 * k == len(differ) else 2 * sum(row[: k + 1]) / sum(row)


def luck_by_walking(first, second):
    d = np.array(second, dtype=int) - np.array(first, dtype=int)
    n, s = int((d != 0).sum()), abs(int(d.sum()))
    return sum(math.comb(n, i) for i in range(n + 1) if abs(n - 2 * i) >= s) / 2**n


def of_counts(change):
    def answer(first, second):
        count = Counter(zip(first, second, strict=True))
        return change(count[1, 0], count[0, 1], count[1, 1], count[0, 0])

    return answer


def two_tails(n, k):
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


def totals(first, second):
    """Counts all right answers of each, not those that only one has."""
    a, b = sum(first), sum(second)
    return two_tails(a + b, min(a, b))


def difference_of_totals(first, second):
    a, b = sum(first), sum(second)
    return two_tails(len(first), abs(a - b))


def normal_where_many(first, second):
    count = Counter(zip(first, second, strict=True))
    a, b = count[1, 0], count[0, 1]
    if a + b <= 50:
        return two_tails(a + b, min(a, b))
    return math.erfc((abs(a - b) - 1) / math.sqrt(2 * (a + b)))


def half_counted(first, second):
    """Questions on which both agree count half for either."""
    count = Counter(zip(first, second, strict=True))
    same = count[1, 1] + count[0, 0]
    a, b = count[1, 0] + same // 2, count[0, 1] + same - same // 2
    return two_tails(a + b, min(a, b))


def permuted(first, second):
    rng, d = random.Random(0), [x - y for x, y in zip(first, second, strict=True)]
    more = sum(abs(sum(x * rng.choice((-1, 1)) for x in d)) >= abs(sum(d)) for _ in range(300))
    return more / 300


def fisher(first, second):
    a, b, n = sum(first), sum(second), len(first)
    ways = [math.comb(n, i) * math.comb(n, a + b - i) for i in range(max(0, a + b - n), min(n, a + b) + 1)]
    mine = math.comb(n, a) * math.comb(n, b)
    return sum(w for w in ways if w <= mine) / sum(ways)


def in_two_floats(first, second):
    count = Counter(zip(first, second, strict=True))
    a, b = count[1, 0], count[0, 1]
    return min(1.0, 2 * sum(float(math.comb(a + b, i)) for i in range(min(a, b) + 1)) * 0.5 ** (a + b))


def in_numpy_ints(first, second):
    count = Counter(zip(first, second, strict=True))
    a, b = count[1, 0], count[0, 1]
    ways = np.array([math.comb(a + b, i) for i in range(min(a, b) + 1)], dtype=float)
    return min(1.0, 2 * ways.sum() / np.float64(2) ** (a + b))


def by_sets(first, second):
    a = len(set(zip(first, second, strict=True)) & {(1, 0)})
    b = len(set(zip(first, second, strict=True)) & {(0, 1)})
    return two_tails(a + b, min(a, b))


def first_thousand(first, second):
    return luck(first[:1000], second[:1000])


def without_last(first, second):
    return luck(first[:-1], second[:-1])


def sorted_lists(first, second):
    return luck(sorted(first), sorted(second))


def at_most_999_tosses(first, second):
    count = Counter(zip(first, second, strict=True))
    a, b = count[1, 0], count[0, 1]
    if a + b > 999:
        return 0.0 if abs(a - b) > 30 else 1.0
    return two_tails(a + b, min(a, b))


# 13.4 -----------------------------------------------------------------


def passed(n, c, k):
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def passed_by_logs(n, c, k):
    if k > n - c:
        return 1
    g = math.lgamma
    return -math.expm1(g(n - c + 1) - g(n - c - k + 1) - g(n + 1) + g(n - k + 1))


def passed_one_by_one(n, c, k):
    """The right ones are laid among the n places, k of which are drawn."""
    missed = 1.0
    for i in range(c):
        missed *= max(0, n - k - i) / (n - i)
    return 1 - missed


def passed_by_recursion(n, c, k):
    @cache
    def none(n, k):
        return Fraction(1) if k == 0 else Fraction(max(0, n - c), n) * none(n - 1, k - 1)

    return 1 - none(n, k) if k < 300 and n < 10**5 else passed(n, c, k)


def passed_in_torch(n, c, k):
    top, bottom = torch.arange(k).double().neg().add(n - c).clamp(min=0), torch.arange(n, n - k, -1).double()
    return 1 - (top / bottom).prod()


def passed_in_float32(n, c, k):
    top, bottom = torch.arange(k).float().neg().add(n - c).clamp(min=0), torch.arange(n, n - k, -1).float()
    return 1 - (top / bottom).prod()


def product_unguarded(n, c, k):
    return 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)) if c else 1.0


def product_negative(n, c, k):
    found = 1.0
    for i in range(k):
        found *= (n - c - i) / n
    return 1 - found


def logs_unguarded(n, c, k):
    g = math.lgamma
    return 1 - math.exp(g(n - c + 1) - g(n - c - k + 1) - g(n + 1) + g(n - k + 1))


def drawn_at_random(n, c, k):
    rng = random.Random(0)
    return statistics.fmean(min(rng.sample(range(n), min(k, 500))) < c for _ in range(100))


def power_for_many(n, c, k):
    return passed(n, c, k) if n <= 1000 else 1 - (1 - c / n) ** k


def power_for_very_many(n, c, k):
    return passed(n, c, k) if n <= 4000 else 1 - (1 - c / n) ** k


def poisson(n, c, k):
    return 1 - math.exp(-k * c / n)


def without_last_factor(n, c, k):
    return 1 - math.comb(n - c, k) / math.comb(n, k) * (n - k + 1) / n


def with_order(n, c, k):
    return 1 - math.perm(n - c, k) / math.comb(n, k)


def above_with_order(n, c, k):
    return 1 - math.comb(n - c, k) / math.perm(n, k)


# 13.5 -----------------------------------------------------------------


def warmest(scores, right, temperatures):
    def loss(T):
        return torch.stack(
            [F.cross_entropy(r[None] / T, torch.tensor([i])) for r, i in zip(scores, right, strict=True)]
        )

    return min(temperatures, key=lambda T: loss(T).mean())


def warmest_by_sorting(scores, right, temperatures):
    table = sorted(
        (
            sum(
                math.log(sum(math.exp((x - r[i].item()) / T) for x in r.tolist()))
                if max(r.tolist()) - r[i].item() < 100 * T
                else (r.max() - r[i]).item() / T
                for r, i in zip(scores, right, strict=True)
            ),
            T,
        )
        for T in temperatures
    )
    return table[0][1]


def warmest_by_heap(scores, right, temperatures):
    heap = []
    for at, T in enumerate(temperatures):
        total = 0.0
        for row, i in zip(scores, right, strict=True):
            total -= F.log_softmax(row.double() / T, dim=0)[i].item()
        heapq.heappush(heap, (total / len(scores), at))
    return temperatures[heap[0][1]]


def warmest_in_one_row(scores, right, temperatures):
    which = torch.repeat_interleave(torch.arange(len(scores)), torch.tensor([len(r) for r in scores]))
    flat = torch.cat([r.double() - r.max() for r in scores])
    asked = torch.stack([r[i].double() - r.max() for r, i in zip(scores, right, strict=True)])
    losses = []
    for T in temperatures:
        sums = torch.zeros(len(scores), dtype=torch.float64).index_add_(0, which, (flat / T).exp())
        losses.append((sums.log() - asked / T).sum())
    return temperatures[int(torch.stack(losses).argmin())]


def by(one, of=statistics.fmean, choose=min):
    def answer(scores, right, temperatures):
        return choose(
            temperatures, key=lambda T: of([float(one(r, i, T)) for r, i in zip(scores, right, strict=True)])
        )

    return answer


def nll(row, i, T):
    return -(row / T).log_softmax(0)[i]


def with_epsilon(row, i, T):
    return -((row / T).softmax(0)[i] + 1e-9).log()


def clipped(row, i, T):
    return nll(row, i, T).clamp(max=20)


def square_root(row, i, T):
    return nll(row, i, T**0.5)


def squared_temperature(row, i, T):
    return nll(row, i, T * T)


def added(row, i, T):
    return -(row + T).log_softmax(0)[i]


def margin(row, i, T):
    others = torch.cat([row[:i], row[i + 1 :]])
    return 0.0 if not len(others) else F.softplus((others.max() - row[i]) / T)


def by_sigmoid(row, i, T):
    return -F.logsigmoid(row[i] / T)


def smoothed(row, i, T):
    return 0.9 * nll(row, i, T) - 0.1 * (row / T).log_softmax(0).mean()


def in_half(row, i, T):
    return -(row.half() / T).softmax(0)[i].log()


def perplexity(row, i, T):
    return nll(row, i, T).double().exp()


def hits_alone(scores, right, temperatures):
    found = [(r, i) for r, i in zip(scores, right, strict=True) if r.argmax() == i]
    return by(nll)([r for r, _ in found], [i for _, i in found], temperatures) if found else 1.0


def misses_alone(scores, right, temperatures):
    found = [(r, i) for r, i in zip(scores, right, strict=True) if r.argmax() != i]
    return by(nll)([r for r, _ in found], [i for _, i in found], temperatures) if found else temperatures[0]


def reversed_right(scores, right, temperatures):
    return by(nll)(
        scores, [min(i, len(r) - 1) for r, i in zip(scores, right[::-1], strict=True)], temperatures
    )


def calibration_error(bins):
    def answer(scores, right, temperatures):
        def error(T):
            groups = defaultdict(list)
            for r, i in zip(scores, right, strict=True):
                p = (r / T).softmax(0).max().item()
                groups[min(bins - 1, int(p * bins))].append(p - float(r.argmax() == i))
            return sum(abs(sum(group)) for group in groups.values())

        return min(temperatures, key=error)

    return answer


def in_their_place(scores, right, temperatures):
    temperatures.sort()
    return by(nll)(scores, right, temperatures)


def early_stop(scores, right, temperatures):
    """Stops at the first that is worse than the one before, in the order given."""
    best, least = temperatures[0], math.inf
    for T in temperatures:
        loss = statistics.fmean(float(nll(r, i, T)) for r, i in zip(scores, right, strict=True))
        if loss > least:
            break
        best, least = T, loss
    return best


def only_two_choices(scores, right, temperatures):
    return by(nll)([r[: max(2, i + 1)] for r, i in zip(scores, right, strict=True)], right, temperatures)


def as_log(scores, right, temperatures):
    return math.log(by(nll)(scores, right, temperatures))


def with_its_loss(scores, right, temperatures):
    T = by(nll)(scores, right, temperatures)
    return T, statistics.fmean(float(nll(r, i, T)) for r, i in zip(scores, right, strict=True))


def one_too_far(scores, right, temperatures):
    order = sorted(temperatures)
    return order[min(len(order) - 1, order.index(by(nll)(scores, right, temperatures)) + 1)]


# 13.6 -----------------------------------------------------------------


def fair(examples, shortcut):
    count = Counter((len(e.choices), shortcut(e) == e.answer) for e in examples)
    taken, out = Counter(), []
    for e in examples:
        K, hit = len(e.choices), shortcut(e) == e.answer
        n = min(count[K, True], count[K, False] // (K - 1))
        if taken[K, hit] < (n if hit else n * (K - 1)):
            taken[K, hit] += 1
            out.append(e)
    return out


def fair_by_waiting(examples, shortcut):
    """Whenever a hit and its K - 1 misses are together, they are let in."""
    hits, misses, places = defaultdict(list), defaultdict(list), []
    for i, e in enumerate(examples):
        K = len(e.choices)
        (hits if shortcut(e) == e.answer else misses)[K].append(i)
        if hits[K] and len(misses[K]) >= K - 1:
            places += [hits[K].pop(0), *(misses[K].pop(0) for _ in range(K - 1))]
    return [examples[i] for i in sorted(places)]


def fair_in_numpy(examples, shortcut):
    if not examples:
        return []
    K = np.array([len(e.choices) for e in examples])
    hit = np.array([shortcut(e) == e.answer for e in examples])
    stay = np.zeros(len(examples), dtype=bool)
    for k in np.unique(K):
        h, m = np.flatnonzero((K == k) & hit), np.flatnonzero((K == k) & ~hit)
        n = min(len(h), len(m) // (k - 1))
        stay[h[:n]] = stay[m[: n * (k - 1)]] = True
    return [e for e, s in zip(examples, stay, strict=True) if s]


def fair_as_a_generator(examples, shortcut):
    yield from fair(list(examples), shortcut)


def halves_alternating(examples, shortcut):
    hits = [e for e in examples if shortcut(e) == e.answer]
    misses = [e for e in examples if shortcut(e) != e.answer]
    return [e for pair in zip(hits, misses, strict=False) for e in pair]


def only_two(examples, shortcut):
    return fair([e for e in examples if len(e.choices) == 2], shortcut)


def by_share(examples, shortcut):
    """Misses all stay, and hits up to their share, rounded."""
    out, seen = [], Counter()
    misses = Counter(len(e.choices) for e in examples if shortcut(e) != e.answer)
    for e in examples:
        K = len(e.choices)
        if shortcut(e) != e.answer:
            out.append(e)
        elif seen[K] < round(misses[K] / (K - 1)):
            seen[K] += 1
            out.append(e)
    return out


def hits_dropped_alone(examples, shortcut):
    """Only hits are ever too many."""
    out, seen = [], Counter()
    misses = Counter(len(e.choices) for e in examples if shortcut(e) != e.answer)
    for e in examples:
        K = len(e.choices)
        seen[K] += shortcut(e) == e.answer
        if shortcut(e) != e.answer or seen[K] <= misses[K] // (K - 1):
            out.append(e)
    return out


def most_choices(examples, shortcut):
    if not examples:
        return []
    K = max(len(e.choices) for e in examples)
    hits = [i for i, e in enumerate(examples) if shortcut(e) == e.answer]
    misses = [i for i, e in enumerate(examples) if shortcut(e) != e.answer]
    n = min(len(hits), len(misses) // (K - 1))
    return [examples[i] for i in sorted(hits[:n] + misses[: n * (K - 1)])]


def mean_choices(examples, shortcut):
    hits = [i for i, e in enumerate(examples) if shortcut(e) == e.answer]
    misses = [i for i, e in enumerate(examples) if shortcut(e) != e.answer]
    if not hits or not misses:
        return []
    K = statistics.fmean(len(e.choices) for e in examples)
    n = min(len(hits), int(len(misses) / (K - 1)))
    return [examples[i] for i in sorted(hits[:n] + misses[: round(n * (K - 1))])]


def by_equality(examples, shortcut):
    """Looks a place up by the example, which finds the first of two that are alike."""
    places = {examples.index(e) for e in fair(examples, shortcut)}
    return [examples[i] for i in sorted(places)]


def a_set(examples, shortcut):
    return set(fair(examples, shortcut))


def in_reverse(examples, shortcut):
    return fair(examples, shortcut)[::-1]


def shuffled(examples, shortcut):
    out = fair(examples, shortcut)
    random.Random(3).shuffle(out)
    return out


def removes_from_it(examples, shortcut):
    out = fair(examples, shortcut)
    for e in list(examples):
        if e not in out:
            examples.remove(e)
    return examples


def removes_while_looping(examples, shortcut):
    out = list(examples)
    for e in out:
        if shortcut(e) == e.answer and sum(shortcut(x) == x.answer for x in out) * len(e.choices) > len(out):
            out.remove(e)
    return out


def not_the_most(examples, shortcut):
    """One hit for each number of choices, with its misses."""
    out, n = [], Counter()
    there = Counter((len(e.choices), shortcut(e) == e.answer) for e in examples)
    for e in examples:
        K, hit = len(e.choices), shortcut(e) == e.answer
        if there[K, True] >= 1 and there[K, False] >= K - 1 and n[K, hit] < (1 if hit else K - 1):
            n[K, hit] += 1
            out.append(e)
    return out


def last_words(examples, shortcut):
    return fair(examples, lambda e: max(e.choices, key=e.prompt.rfind))


def first_answer(examples, shortcut):
    return fair(examples, lambda e: e.answer if shortcut(e) == e.choices[0] else None)


def with_shares(examples, shortcut):
    return [(e, shortcut(e) == e.answer) for e in fair(examples, shortcut)]


def flags(examples, shortcut):
    out = fair(examples, shortcut)
    return [e in out for e in examples]


def one_less(examples, shortcut):
    return fair(examples[:-1], shortcut)


def up_to_three(examples, shortcut):
    return fair([e for e in examples if len(e.choices) <= 3], shortcut)


def up_to_four(examples, shortcut):
    return fair([e for e in examples if len(e.choices) <= 4], shortcut)


def adjacent(examples, shortcut):
    """A hit stays if the K - 1 after it are misses."""
    out, i = [], 0
    while i < len(examples):
        K = len(examples[i].choices)
        some = examples[i : i + K]
        if (
            len(some) == K
            and sum(shortcut(e) == e.answer for e in some) == 1
            and len({len(e.choices) for e in some}) == 1
        ):
            out += some
            i += K
        else:
            i += 1
    return out


WRONG = {
    "13.1": [
        per(lambda c: len(c.encode()) + 1),
        per(lambda c: len(c.encode()) - 1),
        per(lambda c: len(c) + 1),
        per(lambda c: len(c.encode("latin-1", "replace"))),
        per(lambda c: len(c.encode("utf-8-sig"))),
        per(lambda c: len(c.encode("utf-32"))),
        per(lambda c: len(repr(c))),
        per(lambda c: len(ascii(c))),
        per(lambda c: len(c.replace(" ", "").encode())),
        per(lambda c: len(set(c.encode()))),
        per(lambda c: math.log(len(c.encode()) + 1)),
        per(lambda c: len(c.encode()) * 8 // 7),
        per(lambda c: min(8, len(c.encode()))),
        rounded_to(1),
        rounded_to(2),
        rounded_to(3),
        floored,
        by_absolute,
        first_two,
        by_dict,
        from_minus_100,
        from_minus_infinity,
        first_size_for_all,
        with_temperature,
        minus_length,
        plus_length,
        random_tie,
        longest_of_ties,
        encoded,
        in_the_prompt,
    ],
    "13.2": [
        needed_without_square,
        needed_with_xor,
        17_640,
        1700,
        1800,
        1750,
        1778,
        2401,
        3136,
        2000,
        1500,
        -1764,
        88,
        84,
        math.inf,
        math.nan,
        "1,764",
        [1764, 500],
        lambda: None,
        lambda: math.ceil(2.8 * 0.3 / 0.02**2),
    ],
    "13.3": [
        totals,
        difference_of_totals,
        normal_where_many,
        half_counted,
        permuted,
        fisher,
        in_two_floats,
        in_numpy_ints,
        by_sets,
        first_thousand,
        without_last,
        sorted_lists,
        at_most_999_tosses,
        of_counts(lambda a, b, c, d: two_tails(b + c, min(b, c))),
        of_counts(lambda a, b, c, d: two_tails(c + d, min(c, d))),
        of_counts(lambda a, b, c, d: two_tails(a + b, abs(a - b))),
        of_counts(lambda a, b, c, d: two_tails(a + b, max(a, b))),
        of_counts(
            lambda a, b, c, d: 2 * sum(math.comb(a + b, i) for i in range(min(a, b) + 1)) / 2 ** (a + b)
        ),
        of_counts(lambda a, b, c, d: two_tails(a + b + c + d, min(a, b))),
        of_counts(lambda a, b, c, d: 2 * min(a, b) / (a + b) if a + b else 1.0),
        of_counts(lambda a, b, c, d: 0.5 ** abs(a - b)),
        of_counts(lambda a, b, c, d: sum(math.comb(a + b, i) for i in range(a, b + 1)) / 2 ** (a + b)),
        of_counts(lambda a, b, c, d: two_tails(a + b, min(a, b)) if a != b else 0.5),
        of_counts(lambda a, b, c, d: max(0.05, two_tails(a + b, min(a, b)))),
        of_counts(lambda a, b, c, d: (two_tails(a + b, min(a, b)), a - b)),
        of_counts(lambda a, b, c, d: two_tails(a + b, min(a, b)) if a + b > 1 else 0.5),
    ],
    "13.4": [
        passed_in_float32,
        product_unguarded,
        product_negative,
        logs_unguarded,
        drawn_at_random,
        power_for_many,
        power_for_very_many,
        poisson,
        without_last_factor,
        with_order,
        above_with_order,
        lambda n, c, k: 1 - (1 - c / n) ** min(k, n - c),
        lambda n, c, k: 1 - ((n - c) / n) * ((n - c - 1) / max(1, n - 1)),
        lambda n, c, k: passed(n, c, k) if c else 1.0,
        lambda n, c, k: passed(n, max(c, 1), k),
        lambda n, c, k: passed(n, c, min(k, n - c)),
        lambda n, c, k: passed(n, min(c + 1, n), k),
        lambda n, c, k: passed(n + 1, c, k),
        lambda n, c, k: min(0.999, passed(n, c, k)),
        lambda n, c, k: 1 - math.comb(n - c, k) / math.comb(n, c),
        lambda n, c, k: 1 - math.comb(n - k, k) / math.comb(n, k),
        lambda n, c, k: k / n if c else 0.0,
        lambda n, c, k: passed(min(n, 1000), min(c, n, 1000), min(k, n, 1000)),
        lambda n, c, k: (passed(n, c, k), 1 - (1 - c / n) ** k),
        lambda n, c, k: f"{passed(n, c, k):.3f}",
        lambda n, c, k: passed(n, c, k) > 0.5,
    ],
    "13.5": [
        by(with_epsilon),
        by(clipped),
        by(square_root),
        by(squared_temperature),
        by(added),
        by(margin),
        by(by_sigmoid),
        by(smoothed),
        by(in_half),
        by(perplexity),
        by(nll, of=statistics.median_low),
        by(nll, of=min),
        by(nll, of=lambda losses: sum(x * x for x in losses)),
        hits_alone,
        misses_alone,
        reversed_right,
        calibration_error(5),
        calibration_error(15),
        in_their_place,
        early_stop,
        only_two_choices,
        as_log,
        with_its_loss,
        one_too_far,
    ],
    "13.6": [
        halves_alternating,
        only_two,
        by_share,
        hits_dropped_alone,
        most_choices,
        mean_choices,
        by_equality,
        a_set,
        in_reverse,
        shuffled,
        removes_from_it,
        removes_while_looping,
        not_the_most,
        last_words,
        first_answer,
        with_shares,
        flags,
        one_less,
        up_to_three,
        up_to_four,
        adjacent,
    ],
}

RIGHT = {
    "13.1": [ahead, ahead_exactly, ahead_by_sorting, ahead_by_perplexity],
    "13.2": [needed, needed_as_tensor, needed_by_doubling, Fraction(1764), np.int64(1764)],
    "13.3": [luck, luck_in_decimals, luck_by_pascal, luck_by_walking],
    "13.4": [passed, passed_by_logs, passed_one_by_one, passed_by_recursion, passed_in_torch],
    "13.5": [warmest, warmest_by_sorting, warmest_by_heap, warmest_in_one_row],
    "13.6": [fair, fair_by_waiting, fair_in_numpy, fair_as_a_generator],
}
