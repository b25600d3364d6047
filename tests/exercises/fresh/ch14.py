"""Answers to chapter 14, written as readers would."""

import itertools
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import torch

# 14.1 -----------------------------------------------------------------


def exactly():
    return sum(Fraction(1, position + 1) for position in range(61, 121)) / 60


def by_a_map():
    weights = np.tril(np.ones((121, 121)))
    weights /= weights.sum(1, keepdims=True)
    return np.mean([weights[i, i - 59] for i in range(61, 121)])


def by_an_integral():
    return np.log(121.5 / 61.5) / 60


def percent():
    return 1.125


def only_the_first_query():
    return 1 / 62


def only_the_last_query():
    return 1 / 121


def of_the_token_alone():
    return 1 / 60


def all_queries():
    return sum(1 / (i + 1) for i in range(121)) / 121


def without_a_mean():
    return sum(1 / (i + 1) for i in range(61, 121))


def half_of_the_weight():
    return 0.5


def none_of_it():
    return 0


def of_the_first_telling():
    return sum(1 / (i + 1) for i in range(1, 61)) / 60


def both_of_a_pair():
    return 2 * 0.01127


def a_row_without_mask():
    return 1 / 121


def in_words():
    return "about a hundredth"


# 14.2 -----------------------------------------------------------------


def backwards(lens, answers):
    found = []
    for b, answer in enumerate(answers):
        layer = len(lens)
        while layer > 0 and lens[layer - 1, b].argmax() == answer:
            layer -= 1
        found.append(layer)
    return found


def in_numpy(lens, answers):
    wrong = np.asarray(lens).argmax(-1) != np.asarray(answers)
    return np.array([np.flatnonzero(column)[-1] + 1 if column.any() else 0 for column in wrong.T])


def as_a_generator(lens, answers):
    for b in range(lens.shape[1]):
        ok = [bool(lens[k, b].max() == lens[k, b, answers[b]]) for k in range(len(lens))]
        yield next((k for k in range(len(ok)) if all(ok[k:])), len(ok))


def as_a_tensor(lens, answers):
    right = (lens.argmax(-1) == answers).to(torch.float64)
    return len(lens) - right.flip(0).cumprod(0).sum(0)


def the_first(lens, answers):
    right = (lens.argmax(-1) == answers).tolist()
    return [next((k for k, r in enumerate(right) if r[b]), len(right)) for b in range(len(answers))]


def how_many(lens, answers):
    return (lens.argmax(-1) == answers).sum(0).tolist()


def from_the_end(lens, answers):
    return [len(lens) - k for k in backwards(lens, answers)]


def from_one(lens, answers):
    return [k + 1 for k in backwards(lens, answers)]


def minus_one(lens, answers):
    return [-1 if k == len(lens) else k for k in backwards(lens, answers)]


def none_for_never(lens, answers):
    return [None if k == len(lens) else k for k in backwards(lens, answers)]


def last_for_never(lens, answers):
    return [min(k, len(lens) - 1) for k in backwards(lens, answers)]


def the_smallest_score(lens, answers):
    return backwards(-lens, answers)


def the_last_wrong(lens, answers):
    return [k - 1 for k in backwards(lens, answers)]


def of_the_first_row(lens, answers):
    return backwards(lens[:, :1], answers[:1])


def what_it_says(lens, answers):
    return lens[-1].argmax(-1)


def zeroes_them(lens, answers):
    found = backwards(lens, answers)
    lens.zero_()
    return found


# 14.3 -----------------------------------------------------------------


def three_loops(tokens):
    B, T = tokens.shape
    found = torch.zeros(B, T, T, dtype=torch.bool)
    for b, i, j in itertools.product(range(B), range(T), range(T)):
        found[b, i, j] = 1 <= j <= i and tokens[b, j - 1] == tokens[b, i]
    return found


def numpy_mask(tokens):
    t = np.array(tokens)
    B, T = t.shape
    found = np.zeros((B, T, T), dtype=bool)
    found[:, :, 1:] = t[:, :, None] == t[:, None, :-1]
    return found & np.tri(T, dtype=bool)


def by_a_product(tokens):
    T = tokens.shape[1]
    same = (tokens[:, :, None] == tokens[:, None, :]).float().tril(-1)  # earlier and the same
    behind = torch.eye(T).roll(1, dims=1)
    behind[:, 0] = 0
    return (same @ behind) > 0.5


def the_same(tokens):
    return (tokens[:, :, None] == tokens[:, None, :]).tril(-1)


def the_same_or_itself(tokens):
    return (tokens[:, :, None] == tokens[:, None, :]).tril()


def rolled(tokens):
    return (tokens[:, :, None] == tokens.roll(1, dims=1)[:, None, :]).tril()


def never_itself(tokens):
    return three_loops(tokens).tril(-1)


def anywhere(tokens):
    found = torch.zeros(*tokens.shape, tokens.shape[1], dtype=torch.bool)
    found[:, :, 1:] = tokens[:, :, None] == tokens[:, None, :-1]
    return found


def only_the_newest(tokens):
    found = three_loops(tokens)
    for row in found.flatten(0, 1):
        where = row.nonzero().flatten()
        row[where[:-1]] = False
    return found


def columns_first(tokens):
    return three_loops(tokens).mT


def before_it(tokens):
    B, T = tokens.shape
    found = torch.zeros(B, T, T, dtype=torch.bool)
    for b, i, j in itertools.product(range(B), range(T), range(T)):
        found[b, i, j] = j + 1 < i and tokens[b, j + 1] == tokens[b, i]
    return found


def first_row(tokens):
    return three_loops(tokens)[0]


def as_numbers(tokens):
    return three_loops(tokens).float()


def same_row_of_all(tokens):
    return three_loops(tokens.flatten()[None])


def two_behind(tokens):
    found = torch.zeros(*tokens.shape, tokens.shape[1], dtype=torch.bool)
    found[:, :, 2:] = tokens[:, :, None] == tokens[:, None, :-2]
    return found.tril()


# 14.4 -----------------------------------------------------------------


def by_counters(train, test):
    table = defaultdict(Counter)
    for word, label in train:
        table[word][label] += 1
    everything = sum(table.values(), Counter())

    def pick(counts):
        most = max(counts.values())
        return min(label for label, n in counts.items() if n == most)

    return Fraction(sum(pick(table.get(w, everything)) == label for w, label in test), len(test))


def by_arrays(train, test):
    words, labels = np.array([w for w, _ in train]), np.array([label for _, label in train])
    right = []
    for word, label in test:
        mine = labels[words == word] if (words == word).any() else labels
        right.append(np.bincount(mine).argmax() == label)
    return np.mean(right)


def by_sorting(train, test):
    def usual(labels):
        return sorted(sorted(set(labels)), key=labels.count, reverse=True)[0]

    right = 0
    for word, label in test:
        right += label == usual([y for w, y in train if w == word] or [y for _, y in train])
    return torch.tensor(right / len(test), dtype=torch.float64)


def most_frequent(train, test):
    usual = np.bincount([label for _, label in train]).argmax()
    return sum(label == usual for _, label in test) / len(test)


def new_never_right(train, test):
    known = {word for word, _ in train}
    return sum(by_sorting(train, [pair]).item() for pair in test if pair[0] in known) / len(test)


def without_new(train, test):
    known = {word for word, _ in train}
    test = [pair for pair in test if pair[0] in known]
    return by_sorting(train, test).item() if test else 0.0


def as_last_seen(train, test):
    table, usual = dict(train), np.bincount([label for _, label in train]).argmax()
    return sum(table.get(word, usual) == label for word, label in test) / len(test)


def ties_as_counted(train, test):
    right = 0
    for word, label in test:
        mine = [y for w, y in train if w == word] or [y for _, y in train]
        right += Counter(mine).most_common(1)[0][0] == label
    return right / len(test)


def ties_to_the_largest(train, test):
    right = 0
    for word, label in test:
        mine = [y for w, y in train if w == word] or [y for _, y in train]
        right += max(set(mine), key=lambda y: (mine.count(y), y)) == label
    return right / len(test)


def right_ones(train, test):
    return by_counters(train, test) * len(test)


def in_percent(train, test):
    return 100 * by_counters(train, test)


def looks_it_up(train, test):
    return float(by_counters(train + test, test))


def any_label_seen(train, test):
    return sum((word, label) in train for word, label in test) / len(test)


def new_gets_zero(train, test):
    known = {word for word, _ in train}
    right = sum(by_sorting(train, [pair]).item() for pair in test if pair[0] in known)
    return (right + sum(label == 0 for word, label in test if word not in known)) / len(test)


def by_words_of_the_test(train, test):
    return by_sorting(test, train).item()


# 14.5 -----------------------------------------------------------------


def by_slices(weight, mixed, n_heads):
    D = mixed.shape[-1] // n_heads
    cuts = [slice(h * D, h * D + D) for h in range(n_heads)]
    return torch.stack([mixed[..., cut] @ weight[:, cut].T for cut in cuts], dim=1)


def by_masks(weight, mixed, n_heads):
    parts, D = [], mixed.shape[-1] // n_heads
    for h in range(n_heads):
        alone = torch.zeros_like(mixed)
        alone[..., h * D : (h + 1) * D] = mixed[..., h * D : (h + 1) * D]
        parts.append(torch.nn.functional.linear(alone, weight))
    return torch.stack(parts).transpose(0, 1)


def in_numpys_einsum(weight, mixed, n_heads):
    w, x = weight.numpy().astype(np.float64), mixed.numpy().astype(np.float64)
    w, x = w.reshape(len(w), n_heads, -1), x.reshape(*x.shape[:2], n_heads, -1)
    return np.einsum("bthd,chd->bhtc", x, w)


def changed(change):
    return lambda weight, mixed, n_heads: change(by_slices(weight, mixed, n_heads))


def every_nth(weight, mixed, n_heads):
    return torch.stack([mixed[..., h::n_heads] @ weight[:, h::n_heads].T for h in range(n_heads)], dim=1)


def whole_matrix(weight, mixed, n_heads):
    return torch.stack([mixed @ weight.T] * n_heads, dim=1)


def an_equal_share(weight, mixed, n_heads):
    return torch.stack([mixed @ weight.T / n_heads] * n_heads, dim=1)


def first_columns(weight, mixed, n_heads):
    D = mixed.shape[-1] // n_heads
    return torch.stack([x @ weight[:, :D].T for x in mixed.split(D, dim=-1)], dim=1)


def only_cut(weight, mixed, n_heads):
    return mixed.unflatten(-1, (n_heads, -1)).transpose(1, 2)


def damages(weight, mixed, n_heads):
    found = by_slices(weight, mixed, n_heads)
    mixed.mul_(0)
    return found


# 14.6 -----------------------------------------------------------------


def one_by_one(score, heads, level):
    kept = list(heads)
    while kept:
        best_score, best_head = None, None
        for head in kept:
            found = score([other for other in kept if other != head])
            if best_score is None or found > best_score:
                best_score, best_head = found, head
        if best_score < level:
            return kept
        kept.remove(best_head)
    return []


def in_a_recursion(score, heads, level):
    heads = tuple(heads)
    if not heads:
        return ()
    rests = [heads[:i] + heads[i + 1 :] for i in range(len(heads))]
    found = [score(rest) for rest in rests]
    top = max(found)
    return in_a_recursion(score, rests[found.index(top)], level) if top >= level else heads


def by_numpy(score, heads, level):
    alive = np.ones(len(heads), dtype=bool)
    while alive.any():
        found = np.full(len(heads), -np.inf)
        for i in np.flatnonzero(alive):
            alive[i] = False
            found[i] = score([head for head, there in zip(heads, alive, strict=True) if there])
            alive[i] = True
        if found.max() < level:
            break
        alive[found.argmax()] = False
    return np.array(heads)[alive] if alive.any() else []


def each_alone(score, heads, level):
    return [head for head in heads if score([other for other in heads if other is not head]) < level]


def in_their_order(score, heads, level):
    kept = list(heads)
    for head in list(heads):
        if score([other for other in kept if other != head]) >= level:
            kept.remove(head)
    return kept


def from_none(score, heads, level):
    kept = []
    while score(kept) < level and len(kept) < len(heads):
        kept.append(max((h for h in heads if h not in kept), key=lambda h: score([*kept, h])))
    return kept


def the_last_of_equals(score, heads, level):
    kept = list(heads)
    while kept:
        found = [(score(kept[:i] + kept[i + 1 :]), i) for i in range(len(kept))]
        best, i = max(found)
        if best < level:
            break
        del kept[i]
    return kept


def more_than_level(score, heads, level):
    return one_by_one(score, heads, level + 1e-9)


def at_least_one(score, heads, level):
    return one_by_one(score, heads, level) or list(heads)[-1:]


def one_over(score, heads, level):
    kept = list(heads)
    while kept and score(kept) >= level:
        kept.remove(max(kept, key=lambda head: score([other for other in kept if other != head])))
    return kept


def dropped(score, heads, level):
    kept = one_by_one(score, heads, level)
    return [head for head in heads if head not in kept]


def most_costly_first(score, heads, level):
    kept = list(heads)
    while kept:
        out = min(kept, key=lambda head: score([other for other in kept if other != head]))
        if score([other for other in kept if other != out]) < level:
            break
        kept.remove(out)
    return kept


def weak_alone(score, heads, level):
    kept = list(heads)
    while kept:
        out = min(kept, key=lambda head: score([head]))
        if score([head for head in kept if head != out]) < level:
            break
        kept.remove(out)
    return kept


def in_place(score, heads, level):
    kept = one_by_one(score, heads, level)
    heads[:] = kept
    return kept


def just_all(score, heads, level):
    return heads


def turned(score, heads, level):
    return one_by_one(score, heads, level)[::-1]


WRONG = {
    "14.1": [
        percent,
        only_the_first_query,
        only_the_last_query,
        of_the_token_alone,
        all_queries,
        without_a_mean,
        half_of_the_weight,
        none_of_it,
        of_the_first_telling,
        both_of_a_pair,
        a_row_without_mask,
        in_words,
    ],
    "14.2": [
        the_first,
        how_many,
        from_the_end,
        from_one,
        minus_one,
        none_for_never,
        last_for_never,
        the_smallest_score,
        the_last_wrong,
        of_the_first_row,
        what_it_says,
        zeroes_them,
    ],
    "14.3": [
        the_same,
        the_same_or_itself,
        rolled,
        never_itself,
        anywhere,
        only_the_newest,
        columns_first,
        before_it,
        first_row,
        as_numbers,
        same_row_of_all,
        two_behind,
    ],
    "14.4": [
        most_frequent,
        new_never_right,
        without_new,
        as_last_seen,
        ties_as_counted,
        ties_to_the_largest,
        right_ones,
        in_percent,
        looks_it_up,
        any_label_seen,
        new_gets_zero,
        by_words_of_the_test,
    ],
    "14.5": [
        changed(lambda y: y.sum(1)),
        changed(lambda y: y.transpose(1, 2)),
        changed(lambda y: y.flip(1)),
        changed(lambda y: y.half().long().clamp(max=3)),
        changed(lambda y: y.norm(dim=-1)),
        changed(lambda y: list(y[0])),
        every_nth,
        whole_matrix,
        an_equal_share,
        first_columns,
        only_cut,
        damages,
    ],
    "14.6": [
        each_alone,
        in_their_order,
        from_none,
        the_last_of_equals,
        more_than_level,
        at_least_one,
        one_over,
        dropped,
        most_costly_first,
        weak_alone,
        in_place,
        just_all,
        turned,
    ],
}

RIGHT = {
    "14.1": [exactly, by_a_map, by_an_integral],
    "14.2": [backwards, in_numpy, as_a_generator, as_a_tensor],
    "14.3": [three_loops, numpy_mask, by_a_product],
    "14.4": [by_counters, by_arrays, by_sorting],
    "14.5": [by_slices, by_masks, in_numpys_einsum],
    "14.6": [one_by_one, in_a_recursion, by_numpy],
}
