"""Wrong and right answers to chapter 14 by a stranger who had not seen the checks.

Not settled by the exercises' wording, and so in neither list: whole numbers given as floats, sparse masks,
tokens below 0 and above 2**24, labels below 0, an empty word, what kind of list `score` is given and in which
order, differences of scores below 1e-6, and up to four times as many scores as are needed.
"""

import itertools
import math
import statistics
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import torch

# 14.1 -----------------------------------------------------------------


def by_a_logarithm():
    return math.log(121.5 / 61.5) / 60


def in_fractions():
    return sum(Fraction(1, seen) for seen in range(62, 122)) / 60


def in_float32():
    return np.float32((1 / np.arange(62, 122)).mean())


def share_of_the_mean():
    return 1 / 91.5


def share_of_the_mean_position():
    return 1 / 90.5


# 14.2 -----------------------------------------------------------------


def settled(lens, answers):
    hit = (lens.argmax(-1) == answers).long().flip(0).cumprod(0).sum(0)
    return (len(lens) - hit).tolist()


def losses_stepped_over(most):
    def answer(lens, answers):
        found = []
        for hit in (lens.argmax(-1) == answers).T.tolist():
            n = 0
            for _ in range(most + (not hit[0])):
                if not all(hit[n:]):
                    miss = hit.index(False, n)
                    n = next((k for k in range(miss, len(hit)) if hit[k]), len(hit))
            found.append(n if hit[-1] else len(hit))
        return found

    return answer


def more_likely_than(least):
    def answer(lens, answers):
        level = least or 1 / lens.shape[-1]
        hit = lens.softmax(-1)[:, torch.arange(len(answers)), answers] > level
        return (len(lens) - hit.long().flip(0).cumprod(0).sum(0)).tolist()

    return answer


def of_changed(change):
    return lambda lens, answers: settled(change(lens), answers)


def by_the_last_miss(lens, answers):
    wrong = lens.max(-1).indices != answers
    return (wrong * (torch.arange(len(lens)) + 1)[:, None]).amax(0).tolist()


def by_its_rank(lens, answers):
    above = [
        [lens[k, b].max() > lens[k, b, answers[b]] for k in range(len(lens))] for b in range(len(answers))
    ]
    return tuple(torch.tensor(max([0] + [k + 1 for k, a in enumerate(row) if a])) for row in above)


def by_log_softmax(lens, answers):
    return np.array(settled(lens.log_softmax(-1), answers), dtype=np.int32)


# 14.3 -----------------------------------------------------------------


def behind_same(tokens):
    T = tokens.shape[1]
    found = torch.zeros(*tokens.shape, T, dtype=torch.bool)
    found[:, :, 1:] = tokens[:, :, None] == tokens[:, None, :-1]
    return found.tril()


def tokens_as(change):
    return lambda tokens: behind_same(change(tokens))


def window(most):
    return lambda tokens: behind_same(tokens).triu(-most)


def the_same_object(tokens):
    rows, T = tokens.tolist(), tokens.shape[1]
    return [[[0 < j <= i and row[j - 1] is row[i] for j in range(T)] for i in range(T)] for row in rows]


def one_of_a_hundred(tokens):
    ones = torch.nn.functional.one_hot(tokens, 100).float()
    same = ones @ ones.mT > 0
    found = torch.zeros_like(same)
    found[:, :, 1:] = same[:, :, :-1]
    return found.tril()


def rolled_and_cut(tokens):
    found = tokens[:, :, None] == tokens.roll(1, 1)[:, None]
    found[:, :, 0] = False
    return found.tril().numpy()


def by_differences(tokens):
    same = (tokens[:, :, None] - tokens[:, None]) == 0
    return list(torch.nn.functional.pad(same, (1, 0))[..., :-1].tril())


def by_places(tokens):
    found = np.zeros((*tokens.shape, tokens.shape[1]), bool)
    for b, row in enumerate(tokens.tolist()):
        behind = defaultdict(list)
        for i, token in enumerate(row):
            if i:
                behind[row[i - 1]].append(i)
            found[b, i, behind[token]] = True
    return found.tolist()


def ones_of_all(tokens):
    ones = torch.nn.functional.one_hot(tokens).float()
    return torch.nn.functional.pad(ones @ ones.mT > 0, (1, 0))[..., :-1].tril()


# 14.4 -----------------------------------------------------------------


def first(labels):
    return next(iter(labels))


def last(labels):
    return list(labels)[-1]


def as_text(labels):
    return min(labels, key=str)


def by_word(train, test, tie=min, tie_of_all=min, usual=None):
    table, overall = defaultdict(Counter), Counter(label for _, label in train)
    for word, label in train:
        table[word][label] += 1

    def top(counts, tie):
        return tie(label for label in counts if counts[label] == max(counts.values()))

    usual = top(overall, tie_of_all) if usual is None else usual
    hits = sum((top(table[word], tie) if word in table else usual) == label for word, label in test)
    return hits / len(test)


def with_ties(tie, tie_of_all=min):
    return lambda train, test: by_word(train, test, tie, tie_of_all)


def words_as(change):
    def answer(train, test):
        return by_word(*[[(change(word), label) for word, label in pairs] for pairs in (train, test)])

    return answer


def labels_as(change):
    def answer(train, test):
        return by_word(*[[(word, change(label)) for word, label in pairs] for pairs in (train, test)])

    return answer


def ties_by_all(train, test):
    overall = Counter(label for _, label in train)
    return by_word(train, test, tie=lambda labels: min(labels, key=lambda label: (-overall[label], label)))


def usual_of_the_rest(train, test):
    asked = {word for word, _ in test}
    counts = Counter([label for word, label in train if word not in asked] or [label for _, label in train])
    return by_word(train, test, usual=min(counts, key=lambda label: (-counts[label], label)))


def counts_of(most):
    def answer(train, test):
        table, overall = defaultdict(lambda: np.zeros(most, int)), np.zeros(most, int)
        for word, label in train:
            table[word][label] += 1
            overall[label] += 1
        hits = [(table[word] if word in table else overall).argmax() == label for word, label in test]
        return float(np.mean(hits))

    return answer


def the_same_label(train, test):
    table = {
        word: min(c, key=lambda label, c=c: (-c[label], label))
        for word in {word for word, _ in train}
        for c in [Counter(label for other, label in train if other == word)]
    }
    overall = Counter(label for _, label in train)
    usual = min(overall, key=lambda label: (-overall[label], label))
    return sum(table.get(word, usual) is label for word, label in test) / len(test)


def by_modes(train, test):
    train = sorted(train, key=lambda pair: pair[1])
    every = [label for _, label in train]
    own = [[label for other, label in train if other == word] for word, _ in test]
    return statistics.mean(
        label == statistics.mode(labels or every) for labels, (_, label) in zip(own, test, strict=True)
    )


def by_unique(train, test):
    def usual(labels):
        values, counts = np.unique(labels, return_counts=True)
        return values[counts.argmax()]

    every = [label for _, label in train]
    hits = [usual([y for w, y in train if w == word] or every) == label for word, label in test]
    return Fraction(sum(map(int, hits)), len(test))


# 14.5 -----------------------------------------------------------------


def written(weight, mixed, n_heads):
    B, T, _ = mixed.shape
    by_head = mixed.reshape(B, T, n_heads, -1), weight.reshape(len(weight), n_heads, -1)
    return torch.einsum("bthd,chd->bhtc", *by_head)


def then(change):
    return lambda weight, mixed, n_heads: change(written(weight, mixed, n_heads))


def inputs_as(change):
    return lambda weight, mixed, n_heads: written(change(weight), change(mixed), n_heads).float()


def by_keeping(weight, mixed, n_heads):
    keep = torch.block_diag(*[torch.ones(1, mixed.shape[-1] // n_heads)] * n_heads).to(mixed)
    return (mixed[:, None] * keep[:, None]) @ weight.T


def by_differences_of_sums(weight, mixed, n_heads):
    D, weight = mixed.shape[-1] // n_heads, weight.double()
    sums = [mixed[..., : h * D].double() @ weight[:, : h * D].T for h in range(n_heads + 1)]
    return torch.stack([b - a for a, b in itertools.pairwise(sums)], 1)


# 14.6 -----------------------------------------------------------------


def circuit(score, heads, level):
    left = list(heads)
    while left:
        tries = [left[:i] + left[i + 1 :] for i in range(len(left))]
        scores = [score(rest) for rest in tries]
        if max(scores) < level:
            break
        left = tries[scores.index(max(scores))]
    return left


def scores_as(change):
    return lambda score, heads, level: circuit(lambda kept: change(score(kept)), heads, level)


def level_as(change):
    return lambda score, heads, level: circuit(score, heads, change(level))


def to_the_end(score, heads, level):
    left = best = list(heads)
    while left:
        tries = [left[:i] + left[i + 1 :] for i in range(len(left))]
        scores = [score(rest) for rest in tries]
        left = tries[scores.index(max(scores))]
        best = left if max(scores) >= level else best
    return best


def all_or_nothing(score, heads, level):
    return list(heads) if score(list(heads)) < level else circuit(score, heads, level)


def lowered(score, heads, level):
    return circuit(score, heads, min(level, score(list(heads))))


def of_none(value):
    return lambda score, heads, level: circuit(lambda kept: score(kept) if kept else value, heads, level)


def best_from(start):
    def answer(score, heads, level):
        left = list(heads)
        while left:
            best, at = start, None
            for i in range(len(left)):
                found = score(left[:i] + left[i + 1 :])
                if found > best:
                    best, at = found, i
            if at is None or best < level:
                break
            left = left[:at] + left[at + 1 :]
        return left

    return answer


def of_sorted(score, heads, level):
    kept = circuit(score, sorted(heads), level)
    return [head for head in heads if head in kept]


def beam(width):
    def answer(score, heads, level):
        lists, best = [tuple(heads)], tuple(heads)
        while True:
            found = {}
            for kept in lists:
                for rest in itertools.combinations(kept, max(len(kept) - 1, 0)):
                    if kept and (worth := score(list(rest))) >= level:
                        found.setdefault(rest, worth)
            if not found:
                return list(best)
            lists = sorted(found, key=lambda kept: -found[kept])[:width]
            best = lists[0]

    return answer


def no_empty_list(score, heads, level):
    heads[0]
    return circuit(score, heads, level)


def a_single_one_stays(score, heads, level):
    return list(heads) if len(heads) == 1 else circuit(score, heads, level)


def asks_about_all_sets(score, heads, level):
    for n in range(len(heads) + 1):
        for kept in itertools.combinations(heads, n):
            score(list(kept))
    return circuit(score, heads, level)


def asks_again(times):
    def answer(score, heads, level):
        for _ in range(times):
            found = circuit(score, heads, level)
        return found

    return answer


def by_recursion(score, heads, level):
    if not heads:
        return []
    rests = [[head for k, head in enumerate(heads) if k != i] for i in range(len(heads))]
    best, i = max((score(rest), -i) for i, rest in enumerate(rests))
    return by_recursion(score, rests[-i], level) if best >= level else list(heads)


def by_argmax(score, heads, level):
    left = np.arange(len(heads))
    while len(left):
        scores = np.array([score([heads[j] for j in np.delete(left, i)]) for i in range(len(left))])
        if scores.max() < level:
            break
        left = np.delete(left, scores.argmax())
    return [list(heads[j]) for j in left]


def from_a_memory(score, heads, level):
    known = {}

    def found(kept):
        if kept not in known:
            known[kept] = score(list(kept))
        return known[kept]

    left = tuple(heads)
    while left:
        rests = [left[:i] + left[i + 1 :] for i in range(len(left))]
        best = max(rests, key=found)
        if found(best) < level:
            break
        left = best
    return left


def all_heads_first(score, heads, level):
    score(list(heads))
    return np.array(circuit(score, heads, level))


def one_list_changed(score, heads, level):
    left = list(heads)
    while left:
        scores = []
        for i in range(len(left)):
            head = left.pop(i)
            scores.append(score(left))
            left.insert(i, head)
        if max(scores) < level:
            break
        left.pop(scores.index(max(scores)))
    return left


WRONG = {
    "14.1": [share_of_the_mean, share_of_the_mean_position],
    "14.2": [
        *[losses_stepped_over(most) for most in (0, 1, 2, 3, 4)],
        *[more_likely_than(least) for least in (None, 0.2, 0.3, 0.4, 0.5, 0.6)],
        *[of_changed(change) for change in (torch.exp, torch.Tensor.half, torch.Tensor.bfloat16)],
        of_changed(lambda lens: lens.exp() / lens.exp().sum(-1, keepdim=True)),
        of_changed(lambda lens: lens.clamp(-100, 100)),
    ],
    "14.3": [
        the_same_object,
        one_of_a_hundred,
        tokens_as(lambda tokens: tokens % 256),
        *[tokens_as(lambda tokens, dtype=dtype: tokens.to(dtype)) for dtype in (torch.int8, torch.int16)],
        *[tokens_as(lambda tokens, dtype=dtype: tokens.to(dtype)) for dtype in (torch.half, torch.bfloat16)],
        *[window(most) for most in (7, 8, 16, 32, 64)],
    ],
    "14.4": [
        *[with_ties(min, tie) for tie in (first, last, as_text)],
        *[with_ties(tie) for tie in (first, last, as_text)],
        ties_by_all,
        usual_of_the_rest,
        *[words_as(change) for change in (str.lower, str.strip)],
        *[labels_as(change) for change in (np.int8, lambda label: min(label, 9), lambda label: label % 256)],
        *[counts_of(most) for most in (6, 8, 16, 256)],
        the_same_label,
    ],
    "14.5": [
        *[then(change) for change in (torch.round, torch.Tensor.long, torch.Tensor.half)],
        then(lambda y: y.round(decimals=2)),
        then(lambda y: y.to(torch.int8).float()),
        then(lambda y: y.clamp(-1000, 1000)),
        *[inputs_as(change) for change in (torch.Tensor.half, torch.Tensor.bfloat16)],
    ],
    "14.6": [
        to_the_end,
        all_or_nothing,
        lowered,
        *[of_none(value) for value in (0, -math.inf, math.inf)],
        *[scores_as(change) for change in (int, round, lambda found: round(found, 2), abs)],
        *[level_as(change) for change in (int, lambda level: max(level, 0), lambda level: round(level, 2))],
        *[best_from(start) for start in (0, -1, -100)],
        of_sorted,
        *[beam(width) for width in (2, 3)],
        no_empty_list,
        a_single_one_stays,
        asks_about_all_sets,
        *[asks_again(times) for times in (20, 300)],
    ],
}
RIGHT = {
    "14.1": [by_a_logarithm, in_fractions, in_float32, lambda: 0.0113],
    "14.2": [settled, by_the_last_miss, by_its_rank, by_log_softmax],
    "14.3": [behind_same, rolled_and_cut, by_differences, by_places, ones_of_all],
    "14.4": [by_word, by_modes, by_unique],
    "14.5": [written, by_keeping, by_differences_of_sums, then(lambda y: y.mT.contiguous().mT)],
    "14.6": [
        circuit,
        by_recursion,
        by_argmax,
        from_a_memory,
        all_heads_first,
        one_list_changed,
        asks_again(2),
    ],
}
