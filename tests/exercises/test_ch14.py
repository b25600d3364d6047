"""Answers to chapter 14's exercises."""

import math
from collections import Counter

import torch
from harness import Answers, ExerciseTests

from companion.attention import causal_mask
from companion.inside import head_scores

# -- 14.1 ------------------------------------------------------------------


def by_the_chapters_score():
    even = causal_mask(121, 121).float()
    even = (even / even.sum(-1, keepdim=True))[None, None, None]
    i = torch.arange(121)
    return head_scores(even, ((i[:, None] - i == 59) & (i[:, None] > 60))[None]).item()


def by_adding_up():
    return sum(1 / seen for seen in range(62, 122)) / 60


# -- 14.2 ------------------------------------------------------------------


def settled_from_behind(lens, answers):
    found = torch.full_like(answers, len(lens))
    still = torch.ones_like(answers, dtype=torch.bool)
    for layer in range(len(lens) - 1, -1, -1):
        still = still & (lens[layer].argmax(-1) == answers)
        found[still] = layer
    return found


def settled_after_the_last_miss(lens, answers):
    wrong = lens.argmax(-1) != answers
    return [max([0, *(k + 1 for k in range(len(lens)) if wrong[k, b])]) for b in range(len(answers))]


def with_settled(change):
    def wrong(lens, answers):
        return change(settled_after_the_last_miss(lens, answers), lens)

    return wrong


def first_right(lens, answers):
    right = lens.argmax(-1) == answers
    return [next((k for k in range(len(lens)) if right[k, b]), len(lens)) for b in range(len(answers))]


# -- 14.3 ------------------------------------------------------------------


def behind_by_moving(tokens):
    before_ = torch.cat([torch.full_like(tokens[:, :1], -9), tokens[:, :-1]], dim=1)
    return (tokens[:, :, None] == before_[:, None]) & causal_mask(tokens.shape[1], tokens.shape[1])


def behind_by_pairs(tokens):
    B, T = tokens.shape
    rows = tokens.tolist()
    return [[[0 < j <= i and r[j - 1] == r[i] for j in range(T)] for i in range(T)] for r in rows]


def at_the_same(tokens):
    return (tokens[:, :, None] == tokens[:, None]) & causal_mask(tokens.shape[1], tokens.shape[1])


def at_the_roll(tokens):
    return (tokens[:, :, None] == tokens.roll(1, 1)[:, None]).tril()


# -- 14.4 ------------------------------------------------------------------


def table_of_counts(train, test):
    def usual(labels):
        counts = Counter(labels)
        return min(counts, key=lambda label: (-counts[label], label))

    right = 0
    for word, label in test:
        own = [y for w, y in train if w == word]
        right += usual(own or [y for _, y in train]) == label
    return right / len(test)


def in_torch(train, test):
    names = sorted({word for word, _ in [*train, *test]})
    counts = torch.zeros(len(names), 1 + max(label for _, label in [*train, *test]))
    for word, label in train:
        counts[names.index(word), label] += 1
    counts[counts.sum(1) == 0] = counts.sum(0)
    usual = counts.argmax(1)
    return sum(usual[names.index(word)] == label for word, label in test) / len(test)


def usual_of_all(train, test):
    labels = [label for _, label in train]
    return sum(label == min(set(labels), key=lambda y: (-labels.count(y), y)) for _, label in test) / len(
        test
    )


def new_words_are_0(train, test):
    known = {word for word, _ in train}
    return sum(table_of_counts(train, [(w, y)]) if w in known else y == 0 for w, y in test) / len(test)


def new_words_by_words(train, test):
    labels = {}
    for word, label in sorted(train, key=lambda pair: pair[1]):
        labels.setdefault(word, []).append(label)
    usual = [(word, max(own, key=own.count)) for word, own in labels.items()]
    right = [table_of_counts(train if word in labels else usual, [(word, y)]) for word, y in test]
    return sum(right) / len(test)


def on_its_own_labels(train, test):
    return table_of_counts(test, test)


# -- 14.5 ------------------------------------------------------------------


def written_in_one_product(weight, mixed, n_heads):
    x = mixed.unflatten(-1, (n_heads, -1)).transpose(1, 2)  # (B, H, T, D)
    w = weight.unflatten(1, (n_heads, -1)).permute(1, 2, 0)  # (H, D, C)
    return x @ w


def written_by_taking_out(weight, mixed, n_heads):
    whole, D = mixed @ weight.T, mixed.shape[-1] // n_heads
    parts = []
    for h in range(n_heads):
        without = mixed.clone()
        without[..., h * D : (h + 1) * D] = 0
        parts.append(whole - without @ weight.T)
    return torch.stack(parts, dim=1)


def one_of_many(weight, mixed, n_heads):
    return written_in_one_product(weight, mixed, n_heads).transpose(1, 2)


# -- 14.6 ------------------------------------------------------------------


def greedy(score, heads, level):
    kept = list(heads)
    while kept:
        found = [score(kept[:i] + kept[i + 1 :]) for i in range(len(kept))]
        if max(found) < level:
            return kept
        del kept[found.index(max(found))]
    return kept


def greedy_by_sets(score, heads, level):
    out = set()
    while len(out) < len(heads):
        left = [head for head in heads if head not in out]
        worth = {head: score([other for other in left if other != head]) for head in left}
        best = max(left, key=worth.get)  # the first, where equal
        if worth[best] < level:
            break
        out.add(best)
    return [head for head in heads if head not in out]


def alone(score, heads, level):
    return [h for h in heads if score([o for o in heads if o != h]) < level]


def in_order(score, heads, level):
    kept, changed = list(heads), True
    while changed:
        changed = False
        for head in list(kept):
            rest = [other for other in kept if other != head]
            if score(rest) >= level:
                kept, changed = rest, True
    return kept


def by_first_cost(score, heads, level):
    worth, kept = {h: score([o for o in heads if o != h]) for h in heads}, list(heads)
    for out in sorted(heads, key=worth.get, reverse=True):
        rest = [head for head in kept if head != out]
        if score(rest) < level:
            return kept
        kept = rest
    return kept


def last_of_equals(score, heads, level):
    return list(reversed(greedy(score, list(reversed(heads)), level)))


def every_set(score, heads, level):
    """Asks about all sets of seven heads, again and again."""
    for _ in range(500):
        score(heads)
    return greedy(score, heads, level)


ANSWERS = {
    "14.1": Answers(
        right=[by_the_chapters_score, by_adding_up, 0.01125],
        wrong=[
            (1 / 121, "the last query's"),
            (1 / 60, "the whole first half"),
            (1 / 62, "the first query's"),
            (0.5, "half of its weight"),
            (100 * by_adding_up(), "in percent"),
            (60 * by_adding_up(), "the sum over the queries"),
            (0.0, "gives each key"),
            (lambda: sum(1 / seen for seen in range(61, 121)) / 60, "A query sees itself"),
            (lambda: sum(1 / seen for seen in range(63, 123)) / 60, "one position too many"),
            (lambda: math.log(2) / 60, "Add up the shares"),
            (1 / 90, "the mean position"),
            (1 / 91, "the mean number seen"),
            (0.02, "too high"),
        ],
    ),
    "14.2": Answers(
        right=[settled_from_behind, settled_after_the_last_miss],
        wrong=[
            (first_right, "the first layer that says it"),
            (lambda lens, answers: (lens.argmax(-1) == answers).int().argmax(0), "or 0 where none does"),
            (with_settled(lambda found, lens: [k - 1 for k in found]), "the last layer that does not"),
            (with_settled(lambda found, lens: [k + 1 for k in found]), "count from 0"),
            (with_settled(lambda found, lens: [len(lens) - k for k in found]), "from the end"),
            (
                with_settled(lambda found, lens: [-1 if k == len(lens) else k for k in found]),
                "number of layers",
            ),
            (with_settled(lambda found, lens: [max(found)] * len(found)), "for each row"),
            (lambda lens, answers: (lens.argmax(-1) == answers).sum(0), "counts the layers"),
            (lambda lens, answers: None, "return"),
        ],
    ),
    "14.3": Answers(
        right=[behind_by_moving, behind_by_pairs],
        wrong=[
            (at_the_same, "You point at the same tokens"),
            (at_the_roll, "`roll` takes the last token"),
            (lambda tokens: behind_by_moving(tokens).tril(-1), "a query may see itself"),
            (lambda tokens: behind_by_moving(tokens).mT, "Queries are rows"),
            (lambda tokens: behind_by_moving(tokens).any(-1), "all its keys"),
            (lambda tokens: ~behind_by_moving(tokens), "the reverse"),
        ],
    ),
    "14.4": Answers(
        right=[table_of_counts, in_torch],
        wrong=[
            (new_words_are_0, "not 0"),
            (new_words_by_words, "each known word once"),
            (usual_of_all, "Each word has one of its own"),
            (on_its_own_labels, "looked into the labels"),
            (lambda train, test: 1 - table_of_counts(train, test), "share of wrong labels"),
            (lambda train, test: table_of_counts(train, train), "on `train`"),
            (lambda train, test: len(test) * table_of_counts(train, test), "a count"),
        ],
    ),
    "14.5": Answers(
        right=[written_in_one_product, written_by_taking_out],
        wrong=[
            (
                lambda w, x, n: torch.einsum(
                    "bhtd,chd->bhtc", x.reshape(len(x), n, x.shape[1], -1), w.unflatten(1, (n, -1))
                ),
                "a reshape does not move",
            ),
            (one_of_many, "heads come before the tokens"),
            (lambda w, x, n: written_in_one_product(w, x, n).sum(1), "Each for itself"),
            (lambda w, x, n: written_in_one_product(w, x, n) / n, "nothing is divided"),
            (lambda w, x, n: x.unflatten(-1, (n, -1)).transpose(1, 2), "what comes into `o_proj`"),
            (lambda w, x, n: written_in_one_product(w, x, n).flip(1), "reverse order"),
        ],
    ),
    "14.6": Answers(
        right=[greedy, greedy_by_sets],
        wrong=[
            (alone, "stand in for each other"),
            (in_order, "in their order"),
            (by_first_cost, "ask again"),
            (last_of_equals, "the first of them in the list"),
            (every_set, "more than 60 scores"),
            (lambda score, heads, level: greedy(score, heads, level + 1e-6), "will do"),
            (lambda score, heads, level: len(greedy(score, heads, level)), "not their number"),
        ],
    ),
}


class TestChapter14(ExerciseTests):
    answers = ANSWERS
