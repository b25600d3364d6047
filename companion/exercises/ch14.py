"""The checks of chapter 14, Inside."""

import random
from collections import Counter

import torch

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter
from companion.exercises.settle import Record

chapter = Chapter()

# -- 14.1 -----------------------------------------------------------------

EVEN = sum(1 / seen for seen in range(62, 122)) / 60

chapter.number(
    "14.1 The score of a head that does nothing ★",
    wants="even_score()",
    answer=EVEN,
    tolerance=EVEN / 100,
    mistakes="""
        1 / 121
            That is the last query's. The others see fewer keys, and give each of them more.
        1 / 120
            That is about the last query's. The others see fewer keys, and give each of them more.
        1 / 60
            Does a query in the second half see the whole first half and nothing else?
        1 / 61
            That is what the earliest query in question would nearly have. The later ones see more keys.
        1 / 62
            That is the first query's. The later ones see more keys.
        1 / 91.5
            That is one key's share of the mean number seen. The mean of the 60 shares is larger.
        1 / 90.5
            That is one key's share of the mean position. The mean of the 60 shares is wanted.
        sum(1 / seen for seen in range(61, 121)) / 60
            A query sees itself, too: the one at position 61 sees 62 positions, 0 to 61.
        sum(1 / seen for seen in range(63, 123)) / 60
            That is one position too many: counted from 0, the query at position 61 sees 62, its own too.
        math.log(2) / 60
            That is near: a smooth curve in place of 60 shares. Add up the shares.
        0.5
            A head that sees a hundred keys alike can give none of them half of its weight.
        1.0
            That is a perfect induction head's.
        0.0
            An even head gives each key that it sees something.
        100 * sum(1 / seen for seen in range(62, 122)) / 60
            Is that in percent? A share is wanted, as 0.5 for a half.
        sum(1 / seen for seen in range(1, 122)) / 121
            Only queries of the second telling have such a key.
        sum(1 / seen for seen in range(1, 122))
            That is a sum over all queries; the score is a mean.
        sum(1 / seen for seen in range(62, 122))
            That is the sum over the queries; the score is a mean.
    """,
    right="Any score is to be read beside that of a head that does nothing: some 0.01 here.",
)

# -- 14.2 -----------------------------------------------------------------


def lens_of(tops, V=5):
    """Scores (L + 1, B, V) whose largest are at these tokens, and the rest drawn; NaN-free."""
    tops = torch.tensor(tops)
    generator = torch.Generator().manual_seed(int(tops.sum()) + tops.numel())
    scores = torch.randn(*tops.shape, V, generator=generator)
    return scores.scatter(-1, tops[..., None], scores.max().item() + 1)


def close_race(tops, V):
    """The same where the largest is so by little: no token has as much as a fifth of the probability."""
    tops = torch.tensor(tops)
    scores = (torch.arange(V) / 100).expand(*tops.shape, V)
    return scores.scatter(-1, tops[..., None], 0.5)


def settled_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for L, B, V in ((4, 6, 3), (7, 5, 4)):
        answers = torch.randint(V, (B,), generator=generator)
        tops = torch.randint(V, (L, B), generator=generator)
        late = torch.randint(L + 1, (B,), generator=generator)
        tops = torch.where(torch.arange(L)[:, None] >= late, answers, tops)
        yield lens_of(tops.tolist(), V), answers


def lost_once(lens, answers):
    """From the first loss on the next time that it is right."""
    found = []
    for right in (lens.argmax(-1) == answers).T.tolist():
        first = right.index(True) if right[-1] else len(right)
        loss = right.index(False, first) if False in right[first:] else first
        found.append(right.index(True, loss) if right[-1] else len(right))
    return found


@chapter.function(
    "14.2 From which block on? ★",
    inputs="""
        lens_of([[3], [1], [2], [2]]), torch.tensor([2])
        lens_of([[1], [1], [1]]), torch.tensor([1])
        lens_of([[1], [2], [2]]), torch.tensor([1])  # it knew, and forgot
        lens_of([[1], [0], [1]]), torch.tensor([1])  # it knew, forgot, and knew again
        lens_of([[0, 1, 2], [0, 2, 2], [1, 2, 2], [1, 2, 3]]), torch.tensor([1, 2, 2])
        lens_of([[4, 4], [4, 0]]), torch.tensor([4, 4])
        lens_of([[2, 3]]), torch.tensor([2, 2])
        lens_of([[2], [1], [2], [1], [2]]), torch.tensor([2])
        lens_of([[2], [1], [2], [1], [2], [1], [2]]), torch.tensor([2])
        lens_of([[2], [1]] * 6 + [[2]]), torch.tensor([2])
        close_race([[1], [2], [2]], 6), torch.tensor([2])
        close_race([[1, 7], [2, 7], [2, 7]], 20), torch.tensor([2, 7])
        torch.tensor([[[100.0, 200.0, 0.0]], [[100.0, 200.0, 0.0]]]), torch.tensor([1])
        torch.tensor([[[-300.0, -200.0, -400.0]], [[-300.0, -200.0, -400.0]]]), torch.tensor([1])
        torch.tensor([[[1000.0, 1000.25, 0.0]], [[1000.0, 1000.25, 0.0]]]), torch.tensor([1])
        torch.tensor([[[-9.0, -8.0, -7.0]], [[-3.0, -9.0, -3.5]], [[-1.0, -0.5, -2.0]]]), torch.tensor([1])
    """,
    cases=settled_cases,
    mistakes="""
        layers = len(lens) - stays.sum(0) => layers = (right.long().cumsum(0) == 0).sum(0)
            That is the first layer that says it. A later one may say something else again.
        layers = len(lens) - stays.sum(0) => layers = right.long().argmax(0)
            That is the first layer that says it, or 0 where none does. A later one may say something
            else again.
        layers = len(lens) - stays.sum(0) => layers = right.sum(0)
            That counts the layers that say it. The first of those at the end is wanted.
        layers = len(lens) - stays.sum(0) => layers = len(lens) - right.sum(0)
            That counts the layers that do not say it, wherever they stand.
        : lost_once
            It may be lost more than once; what counts is the last time.
        lens.argmax(-1) == answers => lens.softmax(-1)[:, torch.arange(len(answers)), answers] > 0.5
            The largest of many scores may have a probability far below one half.
        layers = len(lens) - stays.sum(0) => layers = stays.sum(0)
            You counted from the end. Count layers from 0.
        = [layer + 1 for layer in it]
            Layers count from 0, and so do your results.
        = [layer - 1 for layer in it]
            That is the last layer that does not say it, or -1. The one behind it is the first of those
            that do.
        = [-1 if layer == len(lens) else layer for layer in it]
        = [None if layer == len(lens) else layer for layer in it]
        = [len(lens) - 1 if layer == len(lens) else layer for layer in it]
        = [0 if layer == len(lens) else layer for layer in it]
            Where the last layer does not say it, the number of layers is wanted.
        = [max(it)] * len(answers)
            One number for each row is wanted, not one for all.
        = lens.argmax(-1)[-1]
            Those are tokens, what the last layer says.
    """,
    right="An early guess that is given up again does not count: what counts is from where on it stays.",
)
def settled(lens, answers):
    right = lens.argmax(-1) == answers  # (L + 1, B)
    stays = right.flip(0).cumprod(0)  # from the last layer back, 1 as long as it is right
    layers = len(lens) - stays.sum(0)
    return layers.tolist()


# -- 14.3 -----------------------------------------------------------------


def behind_same_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    yield (torch.randint(3, (4, 6), generator=generator),)
    yield (torch.randint(5, (2, 9), generator=generator),)


@chapter.function(
    "14.3 Where to point ★★",
    inputs="""
        torch.tensor([[7, 3, 7]]) || torch.tensor([[7, 3, 5]]) || torch.tensor([[7, 7]])
        torch.tensor([[7, 7, 7]]) || torch.tensor([[7]])
        torch.tensor([[7, 3, 7, 3, 7]])
        torch.tensor([[1, 2, 1], [2, 2, 1]])
        torch.tensor([[0, 4, 0, 4]])
        torch.tensor([[300, 5, 44, 300]])  # 300 is 44 in eight bits
        torch.tensor([[70000, 1, 4464]])  # the same in sixteen
        torch.tensor([[2048, 1, 2049]])  # one number in half precision
        torch.tensor([[50000, 1, 50001, 2, 50000]])
        torch.tensor([[7, *range(30, 48), 7]])  # far apart
        torch.tensor([[7, *range(300, 368), 7]])
    """,
    cases=behind_same_cases,
    mistakes="""
        return behind.tril() => return same.tril(-1)
            You point at the earlier same token. The one behind it is wanted.
        return behind.tril() => return same.tril()
            You point at the same tokens. The ones behind the earlier of them are wanted.
        behind[:, :, 0] = False =>
            The first token has none before it; `roll` takes the last token of the row for it.
        return behind.tril() => return behind & ~torch.eye(tokens.shape[1], dtype=torch.bool) || return behind
            A query sees its own position and those before it, and no later ones.
        behind.tril() => behind.tril(-1)
            In `7 7` the second 7 itself stands behind an earlier 7: a query may see itself.
        = it & (it.flip(-1).cumsum(-1).flip(-1) == 1)
            Every earlier same token counts, not the newest alone.
        = it & (it.cumsum(-1) == 1)
            Every earlier same token counts, not the oldest alone.
        return behind.tril() => return same.roll(-1, 2).tril(-2)
            You point at the token in front of the earlier one. The one behind it is wanted.
        = it.mT
            Queries are rows, keys are columns: yours are exchanged.
        = it[0] || it.any(0)
            A mask for each row is wanted, (B, T, T).
        = ~it
            True is where to look. Yours is the reverse.
        = it.any(-1)
            For each query all its keys are wanted, (B, T, T); you only say whether it has some.
    """,
    right="This mask points in any text. Where words repeat with their neighbors, a score may have other "
    "reasons.",
)
def behind_same(tokens):
    same = tokens[:, :, None] == tokens[:, None]  # (B, T, T), query and key
    behind = same.roll(1, 2)
    behind[:, :, 0] = False
    return behind.tril()


# -- 14.4 -----------------------------------------------------------------


def by_word_cases(seed):
    rng = random.Random(seed)
    for n, m, first in ((12, 7, 0), (30, 11, 0), (40, 12, 997)):
        words = ["key", "pot", "map", "fan", "cup"][: rng.randint(3, 5)]
        new = ("kite", first + rng.randrange(4))
        pairs = [(rng.choice(words), first + rng.randrange(4)) for _ in range(n + m)]
        yield pairs[:n], [*pairs[n:], new]


def best(labels):
    """The label that comes most often; of several the smallest."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


@chapter.function(
    "14.4 What the word alone says ★★",
    helpers=(best,),
    inputs="""
        [("key", 1), ("key", 1), ("key", 0), ("pot", 2)], [("key", 1), ("key", 0), ("pot", 2), ("pot", 1)]
        [("key", 1)], [("key", 1)] || [("key", 1)], [("key", 0)]
        [("key", 1), ("pot", 0), ("pot", 0)], [("map", 0), ("map", 1), ("map", 2)]  # a new word
        [("key", 1), ("key", 0)], [("key", 0), ("key", 0), ("key", 1)]  # a tie
        [("key", 0), ("key", 1)], [("key", 0), ("key", 0), ("key", 1)]
        [("key", 3), ("pot", 1)], [("map", 1), ("map", 3), ("map", 3)]  # a new word, and a tie
        [("a", 0), ("a", 1), ("a", 1), ("b", 0), ("b", 0), ("b", 0)], [("a", 0), ("a", 1), ("b", 0), ("c", 0)]
        [("a", 2), ("a", 2), ("b", 5)], [("b", 5), ("b", 5), ("b", 2), ("a", 5)]
        [("a", 0), ("b", 2), ("c", 2)], [("a", 0), ("a", 2), ("d", 2), ("d", 0), ("d", 1)]
        [("a", 0), ("b", 1), ("b", 1), ("c", 0), ("d", 0), ("a", 1)], [("b", 0), ("z", 0), ("z", 1), ("a", 0)]
        [("pot", 1), ("key", 3)], [("map", 1)]  # the smallest of equals is the first seen
        [("a", 1), ("a", 2), ("b", 2)], [("a", 1)]  # a tie, though one of the two is frequent elsewhere
        [("a", 1), ("a", 1), ("b", 2)], [("a", 1), ("c", 1)]  # words of test count for new ones, too
        [("a", 10), ("a", 9)], [("a", 9)]
        [("b", 10), ("a", 9)], [("c", 9)]
        [("a", 12), ("b", 11), ("b", 11)], [("a", 12), ("b", 11), ("c", 11)]
        [("a", 300), ("a", 300), ("b", 44)], [("a", 300), ("a", 44), ("b", 44)]
        [("Key", 1), ("key", 2), ("key", 2)], [("Key", 1)]
        [(" key", 1), ("key", 2), ("key", 2)], [(" key", 1)]
    """,
    cases=by_word_cases,
    mistakes="""
        table.get(word, usual) => usual
            That is the most frequent label of all. Each word has one of its own.
        table.get(word, usual) => table.get(word)
            A word that `train` does not have gets the label that is most frequent there.
        table.get(word, usual) => table.get(word, 0)
            A word that `train` does not have gets the label that is most frequent there, not 0.
        table.get(word, usual) => table.get(word, best(table.values()))
            For a new word you counted each known word once. Its label is the most frequent in all pairs
            of `train`.
        in test] => in test if word in table] ; len(test) => max(1, len(right))
            All pairs of `test` count, those with new words, too.
        {word: best(own) for word, own in labels.items()} => dict(train)
            You took the last label that a word had. The most frequent one is wanted.
        (-counts[label], label) => (-counts[label], -label)
            Of labels that come equally often the smallest is wanted; yours is the largest.
        (-counts[label], label) => -counts[label]
            Of labels that come equally often the smallest is wanted, not the first.
        min(counts, key=lambda label: (-counts[label], label)) => max(reversed(counts), key=counts.get)
            Of labels that come equally often the smallest is wanted, not the last.
        (-counts[label], label) => (-counts[label], str(label))
            The smallest number is wanted; as text, 10 comes before 9.
        best(own) => min(own, key=lambda label: (-own.count(label), -overall.count(label), label))
            Of a word's labels that come equally often the smallest counts, whatever other words have.
        = by_word(*([(word.lower(), label) for word, label in pairs] for pairs in (train, test)))
            `Key` and `key` are two words. Take them as they are.
        = by_word(*([(word.strip(), label) for word, label in pairs] for pairs in (train, test)))
            A word with a space before it is another one. Take them as they are.
        = by_word(test, test)
            You looked into the labels of `test`. The table is made from `train` alone.
        = by_word(train, train)
            That is the share on `train`. It is wanted on `test`.
        = it * len(test)
            That is a count. The share is wanted.
        = 1 - it
            That is the share of wrong labels.
        = 100 * it
            Is that in percent? The share is wanted, from 0 to 1.
    """,
    right="What a probe reads beyond this share was not in the word itself.",
)
def by_word(train, test):
    overall = [label for _, label in train]
    usual = best(overall)
    labels = {}
    for word, label in train:
        labels.setdefault(word, []).append(label)
    table = {word: best(own) for word, own in labels.items()}
    right = [label == table.get(word, usual) for word, label in test]
    return sum(right) / len(test)


# -- 14.5 -----------------------------------------------------------------


def written_cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def whole(*shape, most=3):
        """Whole numbers up to `most` of either sign, no zeros."""
        size = torch.randint(1, most + 1, shape, generator=generator)
        return (size * (2 * torch.randint(2, shape, generator=generator) - 1)).float()

    for B, T, H, D, C in [
        (1, 2, 2, 1, 2),
        (2, 3, 1, 2, 4),
        (2, 4, 3, 2, 6),
        (3, 2, 2, 4, 8),
        (1, 5, 4, 3, 5),
    ]:
        yield whole(C, H * D), whole(B, T, H * D), H
    yield whole(4, 6, most=300), whole(2, 3, 6, most=300), 3
    for B, T, H, D, C in [(2, 3, 4, 2, 6), (2, 9, 6, 3, 7)]:
        weight = torch.randn(C, H * D, generator=generator)
        yield weight, torch.randn(B, T, H * D, generator=generator), H


@chapter.function(
    "14.5 What each head writes ★★",
    inputs="torch.tensor([[1.0, 10.0], [2.0, 20.0], [0.0, 5.0]]), torch.tensor([[[3.0, 4.0]]]), 2",
    cases=written_cases,
    mistakes="""
        = it.sum(1)
            That is what all heads write together. Each for itself is wanted.
        = it.transpose(1, 2)
            The heads come before the tokens: (B, H, T, C).
        = it.transpose(0, 1)
            The rows come first, then the heads: (B, H, T, C).
        = it.flatten(2)
            The shape (B, H, T, C) is wanted.
        = it.flip(1)
            The heads are in the reverse order.
        = it / n_heads
            Heads add up; nothing is divided by their number.
        = it.norm(dim=-1)
            The vectors are wanted, not their lengths.
        = it.mean(2)
            Each token has its own vector: (B, H, T, C).
        = mixed.unflatten(-1, (n_heads, -1)).transpose(1, 2)
            That is what comes into `o_proj`, cut into heads. Its part of the matrix is to be applied.
        - by_head = weight.unflatten(1, (n_heads, -1))  # (C, H, D)
        - parts = mixed.unflatten(2, (n_heads, -1))  # (B, T, H, D)
        + by_head = weight.unflatten(1, (-1, n_heads)).mT
        + parts = mixed.unflatten(2, (-1, n_heads)).mT
            A head's D numbers stand side by side: the first D are head 0's.
        - parts = mixed.unflatten(2, (n_heads, -1))  # (B, T, H, D)
        + parts = mixed.reshape(len(mixed), n_heads, mixed.shape[1], -1).transpose(1, 2)
            Heads and tokens are mixed up: a reshape does not move a dimension. Cut the last one into (H,
            D) first, then bring H before T.
        "bthd,chd->bhtc", parts, by_head => "bthd,cd->bhtc", parts, by_head[:, 0]
            Each head has columns of its own in `weight`; you took head 0's for all.
        weight.unflatten(1, => weight.unflatten(0, ; chd->bhtc => hdc->bhtc
            A linear layer computes x W^T: a head's part of the matrix are D of its columns.
    """,
    right="The sum over heads, and the bias, is what attention adds to the stream: nothing is hidden.",
)
def written(weight, mixed, n_heads):
    by_head = weight.unflatten(1, (n_heads, -1))  # (C, H, D)
    parts = mixed.unflatten(2, (n_heads, -1))  # (B, T, H, D)
    return torch.einsum("bthd,chd->bhtc", parts, by_head)


# -- 14.6 -----------------------------------------------------------------

A, B, C, D = (0, 0), (0, 1), (1, 0), (1, 1)


class Score:
    """A score of sets of heads: what each adds, what either or both of a pair add, and that of none."""

    def __init__(self, weights, either=(), both=(), none=0):
        self.weights, self.either, self.both, self.none = weights, either, both, none

    def __call__(self, kept):
        kept = [tuple(head) for head in kept]
        if len(set(kept)) < len(kept) or any(head not in self.weights for head in kept):
            raise Problem("`score` was asked about heads that are not in the list, or twice about one.")
        total = self.none + sum(self.weights[head] for head in kept)
        total += sum(w for a, b, w in self.either if a in kept or b in kept)
        return total + sum(w for a, b, w in self.both if a in kept and b in kept)


def case(weights, level, either=(), both=(), none=0):
    """An input: the weights, the level, what else there is to be told of the score, and the score's parts."""
    parts = [(f"either of {a} and {b}", worth) for a, b, worth in either]
    parts += [(f"both of {a} and {b}", worth) for a, b, worth in both]
    parts += [("score([])", none)] if none else []
    told = {f", {name}" if i == 0 else name: worth for i, (name, worth) in enumerate(parts)}
    return weights, level, Record("", told), either, both, none


def circuit_cases(seed):
    rng = random.Random(seed)
    for n, unit in ((5, 1), (7, 1), (6, 0.125), (10, 1), (12, 0.125)):
        heads = rng.sample([(i, j) for i in range(4) for j in range(4)], n)
        weights = {head: unit * rng.randint(-1, 5) for head in heads}  # eighths: sums in any order are exact
        either, both = ((*rng.sample(heads, 2), unit * rng.randint(3, 8)) for _ in range(2))
        whole = int(Score(weights, [either], [both])(heads) / unit)
        yield case(weights, unit * rng.randint(whole // 2, whole), (either,), (both,))


def try_circuit(answer, weights, level, told, either, both, none):
    asked, score, n = 0, Score(weights, either, both, none), len(weights)
    most = max(60, 2 * n * n + n)

    def counted(kept):
        nonlocal asked
        asked += 1
        if asked > most:
            raise Problem(f"Your answer asks for more than {most} scores of {n} heads. About n² will do.")
        return score(list(kept))

    heads = list(weights)
    found = answer(counted, heads, level)
    if heads != list(weights):
        raise Problem("Your answer changes the list of heads. The caller may still need it as it was.")
    return found


def in_turn(score, heads, level):
    kept = list(heads)
    for head in heads:
        if score(without(head, kept)) >= level:
            kept.remove(head)
    return kept


def in_turn_again(score, heads, level):
    kept = in_turn(score, heads, level)
    return kept if kept == heads else in_turn_again(score, kept, level)


def growing(score, heads, level):
    kept, rest = [], list(heads)
    while rest and score(kept) < level:
        best = max(rest, key=lambda head: score([*kept, head]))
        kept.append(best), rest.remove(best)
    return kept


def without(out, heads):
    return [head for head in heads if head != out]


@chapter.function(
    "14.6 As few heads as will do ★★★",
    helpers=(without,),
    inputs="""
        *case({A: 5, B: 0, C: 3}, 8) || *case({A: 5, B: 0, C: 3}, 5) || *case({A: 1, B: 1}, 0)
        *case({A: 1, B: 1}, 3)  # not even all will do
        *case({A: 1, B: 0}, 3)
        *case({A: 5, B: -3}, 4)  # all will not do, and the first will
        *case({A: 1, B: 1, C: 1}, 1)  # ties: the first goes
        *case({C: 1, A: 1}, 1)  # the first in the list, not the smallest
        *case({A: 0, B: 0, C: 2}, 9, either=[(A, B, 9)])  # either will do, and one must stay
        *case({A: 0, B: 0, C: 0}, 9, either=[(A, B, 9)])
        *case({A: 0, B: 0, C: 4, D: 1}, 9, both=[(A, B, 9)])
        *case({A: -2, B: 1, C: 4}, 3)  # one that harms
        *case({A: 2, B: 3, C: 4, D: 5}, 9)
        *case({A: 3, B: 0, C: 0, D: 4}, 9, either=[(B, C, 5), (A, D, 2)])
        *case({C: 1, A: 0, B: 2}, 2) || *case({}, 0) || *case({}, 1) || *case({A: 1}, 0) || *case({A: 1}, 1)
        *case({A: 1}, 2, none=2)
        *case({A: -4, B: -4}, 3, both=[(A, B, 5)], none=5)  # none will do, and each alone will not
        *case({A: 0.125, B: 0.125}, 0.5, none=0.5)  # right by chance
        *case({A: 0.125, B: 0.125}, 0.625, none=0.5)
        *case({A: 4, B: 1}, -7, none=-10)
        *case({A: 4, B: 1}, -997, none=-1000)
        *case({A: 0.5, B: 0.375, C: 0.125}, 0.625)
        *case({A: 9 / 2048, B: 1 / 512, C: 0.5}, 0.5 + 9 / 2048)
        # Here the second best first loss leads further.
        *case({A: 1, B: 1, C: 5}, 5, both=[(A, B, 6), (A, C, 1)])
    """,
    cases=circuit_cases,
    call=try_circuit,
    shown="{f}(score, heads, {1}), where heads add {0}{2}",
    mistakes="""
        = [head for head in heads if score(without(head, heads)) < level]
            Each head was tried alone. Two that stand in for each other cannot go together.
        : in_turn || in_turn_again
            You take heads out in their order. Each time the one whose loss costs least is to go.
        found.index(max(found)) => kept.index(max(kept, key=lambda head: score(without(head, heads))))
            You asked once what each loss costs. After a loss the others may be needed more: ask again.
        : growing
            You put heads in from none. Begin with all, and take out.
        found.index(max(found)) => len(found) - 1 - found[::-1].index(max(found))
            Where several cost equally little, the first of them in the list goes.
        found[place] < level => found[place] <= level
            A score equal to `level` will do.
        = it[::-1]
            The heads that stay keep their order.
        found.index(max(found)) => found.index(min(found))
            You take out the head that costs most.
        found.index(max(found)) => kept.index(min(kept, key=lambda head: score([head])))
            A head's score by itself is another thing than what its loss costs the others.
        while kept => while kept and score(kept) >= level ; found[place] < level => False
            You took one out too many: look at the score before it goes.
        = it if score(heads) >= level else heads
            Even where all heads together miss the level, a first loss may reach it: some heads harm.
        = circuit(score, heads, min(level, score(heads)))
            The level stays what it is, even where all heads together miss it.
        - kept = list(heads)
        + kept = stay = list(heads)
        - if found[place] < level:
        - break
        - del kept[place]
        + kept = without(kept[place], kept)
        + stay = kept if found[place] >= level else stay
        - return kept
        + return stay
            You went on below the level. The first loss that misses it ends the search.
        found[place] < level => found[place] < level or found[place] <= 0
            A score may be below 0, and still the best of its round.
        found[place] < level => found[place] < level or found[place] <= -1
            A score may be far below 0, and still the best of its round.
        = circuit(lambda kept: score(kept) if kept else 0, heads, level)
            The score of no head at all need not be 0: ask for it, too.
        while kept => while len(kept) > 1
            The last head may go, too, where the score of `[]` is at least `level`.
        = [head for head in heads if head not in it]
            Those are the heads that can be spared. The ones that stay are wanted.
        = len(it)
            The heads are wanted, not their number.
        = score(it)
            The heads are wanted, not their score.
    """,
    right="No head of what is left can be spared alone. Whether fewer others would do, this does not tell.",
)
def circuit(score, heads, level):
    kept = list(heads)
    while kept:
        found = [score(without(head, kept)) for head in kept]
        place = found.index(max(found))
        if found[place] < level:
            break
        del kept[place]
    return kept
