"""The checks of chapter 14, Inside."""

import random
from collections import Counter

import torch

from companion.exercises.normalize import Record
from companion.exercises.notation import Chapter, Problem

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
            That is the weight that the last query gives to each key. The other queries see fewer keys, so
            they give more to each.
        1 / 60
            Does a query in the second half see the whole first half and nothing else?
        1 / 91.5
            You divided 1 by the mean number of visible keys. Compute the 60 weights first, and then their
            mean, which is larger.
        sum(1 / seen for seen in range(61, 121)) / 60
            A query also sees itself. The query at position 61 sees 62 positions, 0 to 61.
        math.log(2) / 60
            That is close, but it is the area under a smooth curve. Add up the 60 weights instead.
        0.5
            A head that treats about a hundred keys alike cannot give half of its weight to one of them.
        0.0
            A head that does nothing still gives some weight to each key that it sees.
        100 * sum(1 / seen for seen in range(62, 122)) / 60
            Is this in percent? Return a share, such as 0.5 for one half.
        sum(1 / seen for seen in range(62, 122))
            That is the sum of the 60 weights. The score is their mean.
    """,
    right="Compare every score with that of a head that does nothing. Here this chance level is about 0.01.",
)


# -- 14.2 -----------------------------------------------------------------
def lens_of(tops, V=5):
    """Logits (L + 1, B, V) whose largest are at these tokens. The others are random numbers."""
    tops = torch.tensor(tops)
    generator = torch.Generator().manual_seed(int(tops.sum()) + tops.numel())
    scores = torch.randn(*tops.shape, V, generator=generator)
    return scores.scatter(-1, tops[..., None], scores.max().item() + 1)


def close_race(tops, V):
    """The same, but the largest logit leads by little: no token has a fifth of the probability."""
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


@chapter.function(
    "14.2 From which block on? ★",
    inputs="""
        lens_of([[3], [1], [2], [2]]), torch.tensor([2])
        lens_of([[1], [1], [1]]), torch.tensor([1])
        lens_of([[1], [2], [2]]), torch.tensor([1])  # right at first, wrong later
        lens_of([[1], [0], [1]]), torch.tensor([1])  # right, wrong, and right again
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
            You return the first layer in which the answer is on top. A later layer may prefer another token.
        layers = len(lens) - stays.sum(0) => layers = len(lens) - right.sum(0)
            You count all layers in which the answer is not on top. Only the last of them matters.
        lens.argmax(-1) == answers => lens.softmax(-1)[:, torch.arange(len(answers)), answers] > 0.5
            The answer can have the largest logit with a probability far below one half.
        layers = len(lens) - stays.sum(0) => layers = stays.sum(0)
            You counted from the last layer. Count layers from the first one, which is 0.
    """,
    right="An early guess that disappears again does not count, only the layer from which on it stays.",
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
            You mark the earlier copy itself. Mark the token directly after it.
        return behind.tril() => return same.tril()
            You mark all tokens that are the same, the query included. Mark the tokens directly after the
            earlier copies.
        behind[:, :, 0] = False =>
            The first token has no token before it. `roll` puts the last token of the row there.
        return behind.tril() => return behind & ~torch.eye(tokens.shape[1], dtype=torch.bool) || return behind
            You mark keys that the query cannot see. It sees only its own position and earlier ones.
        behind.tril() => behind.tril(-1)
            You leave out the query's own position. In `7 7`, the second 7 comes directly after an earlier
            7, so it marks itself.
        = it & (it.flip(-1).cumsum(-1).flip(-1) == 1)
            You use only the latest earlier copy. Every earlier copy counts.
    """,
    right="This mask works for any text. If words repeat with their neighbors, a high score may have other "
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
    """The most frequent label, and the smallest if several are equally frequent."""
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
            You predict the most frequent label of all for every word. Predict the most frequent label of
            each word.
        table.get(word, usual) => table.get(word) || table.get(word, 0)
            For a word that is not in `train`, predict the most frequent label of all of `train`.
        table.get(word, usual) => table.get(word, best(table.values()))
            For a word that is not in `train`, you count each known word once. Count all pairs of `train`.
        in test] => in test if word in table] ; len(test) => max(1, len(right))
            You skip words that are not in `train`. All pairs of `test` count.
        {word: best(own) for word, own in labels.items()} => dict(train)
            You predict the last label of each word. Predict its most frequent one.
        (-counts[label], label) => -counts[label]
            If several labels are equally frequent, take the smallest. You take the one that comes first.
        = by_word(test, test)
            You make the table from `test`. Make it from `train` alone.
    """,
    right="If a probe has a larger share than this table, it reads something that is not in the word itself.",
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

    def integers(*shape, most=3):
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
        yield integers(C, H * D), integers(B, T, H * D), H
    yield integers(4, 6, most=300), integers(2, 3, 6, most=300), 3
    for B, T, H, D, C in [(2, 3, 4, 2, 6), (2, 9, 6, 3, 7)]:
        weight = torch.randn(C, H * D, generator=generator)
        yield weight, torch.randn(B, T, H * D, generator=generator), H


@chapter.function(
    "14.5 What each head writes ★★",
    inputs="torch.tensor([[1.0, 10.0], [2.0, 20.0], [0.0, 5.0]]), torch.tensor([[[3.0, 4.0]]]), 2",
    cases=written_cases,
    mistakes="""
        = it.sum(1)
            You return the sum of all heads. Return what each head writes by itself.
        = mixed.unflatten(-1, (n_heads, -1)).transpose(1, 2)
            You divided the input of `o_proj` into heads. Multiply each head with its columns of `weight`,
            too.
        - by_head = weight.unflatten(1, (n_heads, -1))  # (C, H, D)
        - parts = mixed.unflatten(2, (n_heads, -1))  # (B, T, H, D)
        + by_head = weight.unflatten(1, (-1, n_heads)).mT
        + parts = mixed.unflatten(2, (-1, n_heads)).mT
            You mixed up heads and numbers. The first D numbers belong to head 0, the next D to head 1.
        - parts = mixed.unflatten(2, (n_heads, -1))  # (B, T, H, D)
        + parts = mixed.reshape(len(mixed), n_heads, mixed.shape[1], -1).transpose(1, 2)
            You mixed up heads and tokens, because a reshape does not move a dimension. First divide the last
            dimension into (H, D), and then transpose H and T.
        weight.unflatten(1, => weight.unflatten(0, ; chd->bhtc => hdc->bhtc
            You divided the rows of `weight` among the heads. A linear layer computes x W^T, so each head
            has D of the columns.
    """,
    right="The sum over the heads, plus the bias, is exactly what attention adds to the residual stream.",
)
def written(weight, mixed, n_heads):
    by_head = weight.unflatten(1, (n_heads, -1))  # (C, H, D)
    parts = mixed.unflatten(2, (n_heads, -1))  # (B, T, H, D)
    return torch.einsum("bthd,chd->bhtc", parts, by_head)


# -- 14.6 -----------------------------------------------------------------
A = (0, 0)
B = (0, 1)
C = (1, 0)
D = (1, 1)


class Score:
    """A score of sets of heads: what each adds, what either or both of a pair add, and that of none."""

    def __init__(self, weights, either=(), both=(), none=0):
        self.weights = weights
        self.either = either
        self.both = both
        self.none = none

    def __call__(self, kept):
        kept = [tuple(head) for head in kept]
        if len(set(kept)) < len(kept) or any(head not in self.weights for head in kept):
            raise Problem("You called `score` with a head that is not in `heads`, or twice with one.")
        total = self.none + sum(self.weights[head] for head in kept)
        total += sum(w for a, b, w in self.either if a in kept or b in kept)
        return total + sum(w for a, b, w in self.both if a in kept and b in kept)


def case(weights, level, either=(), both=(), none=0):
    """An input: the weights, the level, the rest of the score in words, and the parts of the score."""
    parts = [(f"either of {a} and {b}", worth) for a, b, worth in either]
    parts += [(f"both of {a} and {b}", worth) for a, b, worth in both]
    parts += [("score([])", none)] if none else []
    rest = {f", {name}" if i == 0 else name: worth for i, (name, worth) in enumerate(parts)}
    return weights, level, Record("", rest), either, both, none


def circuit_cases(seed):
    rng = random.Random(seed)
    for n, unit in ((5, 1), (7, 1), (6, 0.125), (10, 1), (12, 0.125)):
        heads = rng.sample([(i, j) for i in range(4) for j in range(4)], n)
        weights = {head: unit * rng.randint(-1, 5) for head in heads}  # eighths: sums in any order are exact
        either, both = ((*rng.sample(heads, 2), unit * rng.randint(3, 8)) for _ in range(2))
        units = int(Score(weights, [either], [both])(heads) / unit)
        yield case(weights, unit * rng.randint(units // 2, units), (either,), (both,))


def try_circuit(answer, weights, level, rest, either, both, none):
    asked = 0
    score = Score(weights, either, both, none)
    n = len(weights)
    most = max(60, 2 * n * n + n)

    def counted(kept):
        nonlocal asked
        asked += 1
        if asked > most:
            calls = f"Your answer calls `score` more than {most} times for {n} heads."
            raise Problem(f"{calls} About n² are enough.")
        return score(list(kept))

    heads = list(weights)
    found = answer(counted, heads, level)
    if heads != list(weights):
        raise Problem("Your answer changes the list `heads`. Work on a copy: the caller may need it.")
    return found


def in_turn(score, heads, level):
    kept = list(heads)
    for head in heads:
        if score(without(head, kept)) >= level:
            kept.remove(head)
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
            You removed each head alone and never measured what is left. Two heads that stand in for each
            other cannot both be removed.
        : in_turn
            You try the heads in the order of the list. Each time, remove the head without which the score of
            the others is best.
        found.index(max(found)) => kept.index(max(kept, key=lambda head: score(without(head, heads))))
            You measured once what each removal costs. After a removal, other heads may be needed more, so
            measure again.
        found.index(max(found)) => len(found) - 1 - found[::-1].index(max(found))
            If the score is equally good without several heads, remove the first of them in the list.
        found[place] < level => found[place] <= level
            A score equal to `level` is enough.
        while kept => while kept and score(kept) >= level ; found[place] < level => False
            You removed one head too many. Compare the score with `level` before you remove the head.
        = it if score(heads) >= level else heads
            Even if all heads together are below `level`, the first removal may reach it, because some
            heads do harm.
        while kept => while len(kept) > 1
            You always keep one head. Remove the last head, too, if `score([])` is at least `level`.
    """,
    right="None of the heads that stay can be removed alone. A smaller group might still be enough.",
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
