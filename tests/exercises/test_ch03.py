"""Answers to chapter 3's exercises."""

import math

import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests
from torch import nn

from companion.embeddings import GPTEmbedding, TokenEmbedding, fit

# -- 3.1 ------------------------------------------------------------------


def nearest_by_normalized_rows(rows, i):
    directions = F.normalize(rows, dim=1)
    likeness = directions @ directions[i]
    likeness[i] = -2
    return likeness.argmax().item()


def nearest_by_loop(rows, i):
    def cosine(j):
        return float(rows[i] @ rows[j] / (rows[i].norm() * rows[j].norm()))

    return max((j for j in range(len(rows)) if j != i), key=cosine)


def nearest_by_second_best(rows, i):
    best = F.cosine_similarity(rows, rows[i : i + 1]).topk(2).indices.tolist()
    return best[0] if best[0] != i else best[1]


def nearest_by_masking(rows, i):
    lengths = rows.norm(dim=1)
    return int(((rows @ rows[i]) / lengths).masked_fill(torch.arange(len(rows)) == i, -math.inf).argmax())


def finds_itself(rows, i):
    return F.cosine_similarity(rows, rows[i : i + 1]).argmax().item()


def by_product(rows, i):
    return max((j for j in range(len(rows)) if j != i), key=lambda j: float(rows[i] @ rows[j]))


def by_distance(rows, i):
    return min((j for j in range(len(rows)) if j != i), key=lambda j: float((rows[i] - rows[j]).norm()))


def by_columns(rows, i):
    return by_product(rows / rows.norm(dim=0), i)


def opposite_is_alike(rows, i):
    cosine = F.cosine_similarity(rows, rows[i : i + 1]).abs()
    cosine[i] = 0
    return cosine.argmax().item()


def own_place_zero(rows, i):
    cosine = F.cosine_similarity(rows, rows[i : i + 1])
    cosine[i] = 0
    return int(cosine.argmax())


def index_without_it(rows, i):
    others = torch.cat([rows[:i], rows[i + 1 :]])
    return F.cosine_similarity(others, rows[i : i + 1]).argmax().item()


def normalizes_in_place(rows, i):
    rows /= rows.norm(dim=1, keepdim=True)
    return nearest_by_loop(rows, i)


# -- 3.2 ------------------------------------------------------------------


class First(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = GPTEmbedding(10, 2, 16), nn.Linear(16, 10)

    def forward(self, tokens):
        return self.out(self.embed(tokens).mean(dim=1, keepdim=True))


def two_of_ten():
    while True:
        x = torch.rand(64, 10).argsort()[:, :2]
        yield x, x[:, :1]


def trained():
    return fit(First(), two_of_ten(), steps=300, lr=0.01)[-1]


def untrained():
    return fit(First(), two_of_ten(), steps=1, lr=0.01)[0]


# -- 3.3 ------------------------------------------------------------------


def gradient_by_loop(tokens, grads, vocab_size):
    table = torch.zeros(vocab_size, grads.shape[1])
    for token, grad in zip(tokens, grads, strict=True):
        table[token] += grad
    return table


def gradient_by_index_add(tokens, grads, vocab_size):
    return grads.new_zeros(vocab_size, grads.shape[1]).index_add_(0, tokens, grads)


def gradient_by_one_hot(tokens, grads, vocab_size):
    return torch.einsum("tv,tc->vc", F.one_hot(tokens, vocab_size).float(), grads)


def gradient_by_rows(tokens, grads, vocab_size):
    return torch.stack([grads[tokens == v].sum(0) for v in range(vocab_size)])


def gradient_by_autograd(tokens, grads, vocab_size):
    table = TokenEmbedding(vocab_size, grads.shape[1])
    table(tokens).backward(grads)
    return table.weight.grad


def adds_at_index(tokens, grads, vocab_size):
    table = torch.zeros(vocab_size, grads.shape[1])
    for token in tokens.unique():
        table[token] = grads[tokens == token][-1]
    return table


def keeps_first(tokens, grads, vocab_size):
    return torch.stack(
        [grads[tokens == v][0] if (tokens == v).any() else 0 * grads[0] for v in range(vocab_size)]
    )


def takes_mean(tokens, grads, vocab_size):
    return torch.nan_to_num(torch.stack([grads[tokens == v].mean(0) for v in range(vocab_size)]))


def sums_columns_too(tokens, grads, vocab_size):
    table = torch.zeros(vocab_size, grads.shape[1])
    for v in range(vocab_size):
        table[v] = grads[tokens == v].sum()
    return table


def forgets_vocab_size(tokens, grads, vocab_size):
    return F.one_hot(tokens).float().T @ grads


def whole_numbers(tokens, grads, vocab_size):
    return F.one_hot(tokens, vocab_size).T @ grads


# -- 3.4 ------------------------------------------------------------------


def bias_of(mix):
    return torch.zeros(mix.out_features) if mix.bias is None else mix.bias


def tables_by_split(token, mix):
    E = token.weight.detach()
    found = torch.stack([E @ block for block in mix.weight.detach().T.split(E.shape[1])])
    found[-1] += bias_of(mix).detach()
    return found


def tables_by_view(token, mix):
    (_, c), d = token.weight.shape, mix.out_features
    blocks = mix.weight.T.reshape(-1, c, d)
    return token.weight @ blocks + bias_of(mix) / len(blocks)


def tables_by_einsum(token, mix):
    c = token.weight.shape[1]
    found = torch.einsum("vc,dnc->nvd", token.weight, mix.weight.unflatten(1, (-1, c)))
    return torch.cat([found[:1] + bias_of(mix), found[1:]])


def tables_by_asking_the_layer(token, mix):
    v, c = token.weight.shape
    found = []
    for j in range(mix.in_features // c):
        x = torch.zeros(v, mix.in_features)
        x[:, j * c : (j + 1) * c] = token(torch.arange(v))
        found.append(mix(x) if j == 0 else mix(x) - mix(0 * x))
    return torch.stack(found)


def bias_in_each(token, mix):
    blocks = mix.weight.T.split(token.weight.shape[1])
    return torch.stack([token.weight @ block + bias_of(mix) for block in blocks])


def bias_forgotten(token, mix):
    return bias_in_each(token, mix) - bias_of(mix)


def blocks_of_the_other_kind(token, mix):
    c = token.weight.shape[1]
    blocks = mix.weight.T.reshape(c, -1, mix.out_features).transpose(0, 1)
    return token.weight @ blocks + bias_of(mix) / len(blocks)


def always_a_bias(token, mix):
    blocks = mix.weight.T.split(token.weight.shape[1])
    return torch.stack([token.weight @ block + mix.bias / len(blocks) for block in blocks])


def bias_forgets(token, mix):
    found = tables_by_split(token, mix)
    mix.bias = None
    return found


def newest_first(token, mix):
    return tables_by_split(token, mix).flip(0)


def axes_swapped(token, mix):
    return tables_by_split(token, mix).transpose(0, 1)


def weight_as_it_is(token, mix):
    return torch.stack([token.weight @ block for block in mix.weight.split(token.weight.shape[1])])


def viewed_without_transpose(token, mix):
    c, d = token.weight.shape[1], mix.out_features
    blocks = mix.weight.view(mix.in_features // c, c, d)
    return torch.stack([token.weight @ block + bias_of(mix) / len(blocks) for block in blocks])


def a_list(token, mix):
    return list(tables_by_split(token, mix))


# -- 3.5 ------------------------------------------------------------------


class SpelledBySums(nn.Module):
    def __init__(self, pieces, d_model):
        super().__init__()
        self.token, self.byte = nn.Embedding(len(pieces), d_model), nn.Embedding(256, d_model)
        counts = torch.zeros(len(pieces), 256)
        for i, piece in enumerate(pieces):
            for byte in piece:
                counts[i, byte] += 1
        self.register_buffer("shares", counts / counts.sum(1, keepdim=True))

    def forward(self, tokens):
        return self.token(tokens) + (self.shares @ self.byte.weight)[tokens]


class SpelledByBags(nn.Module):
    def __init__(self, pieces, d_model):
        super().__init__()
        self.token, self.byte = nn.Embedding(len(pieces), d_model), nn.EmbeddingBag(256, d_model, mode="mean")
        self.pieces = [torch.tensor(list(piece)) for piece in pieces]

    def forward(self, tokens):
        spelled = torch.cat([self.byte(self.pieces[i][None]) for i in tokens.flatten().tolist()])
        return self.token(tokens) + spelled.view(*tokens.shape, -1)


class SpelledByLoop(nn.Module):
    def __init__(self, pieces, d_model):
        super().__init__()
        self.pieces = pieces
        self.token, self.byte = nn.Embedding(len(pieces), d_model), nn.Embedding(256, d_model)

    def mean(self, piece):
        return sum(self.byte.weight[byte] for byte in piece) / len(piece)

    def forward(self, tokens):
        table = torch.stack([self.mean(piece) for piece in self.pieces])
        return F.embedding(tokens, self.token.weight + table)


class SpelledByOneHot(nn.Module):
    def __init__(self, pieces, d_model):
        super().__init__()
        self.token, self.byte = TokenEmbedding(len(pieces), d_model), TokenEmbedding(256, d_model)
        shares = [F.one_hot(torch.tensor(list(piece)), 256).float().mean(0) for piece in pieces]
        self.register_buffer("shares", torch.stack(shares))

    def forward(self, tokens):
        return self.token(tokens) + self.shares[tokens] @ self.byte.weight


class SpelledPadded(SpelledByLoop):
    def mean(self, piece):
        longest = max(map(len, self.pieces))
        return self.byte.weight[list(piece.ljust(longest, b"\0"))].mean(0)


class SpelledDividedByLongest(SpelledByLoop):
    def mean(self, piece):
        return self.byte.weight[list(piece)].sum(0) / max(map(len, self.pieces))


class SpelledSums(SpelledByLoop):
    def mean(self, piece):
        return self.byte.weight[list(piece)].sum(0)


class SpelledSets(SpelledByLoop):
    def mean(self, piece):
        return self.byte.weight[sorted(set(piece))].mean(0)


class SpelledByIndex(SpelledBySums):
    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.shares.zero_()
        for share, piece in zip(self.shares, pieces, strict=True):
            share[list(piece)] += 1 / len(piece)


class SpelledPlainTensor(SpelledBySums):
    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        shares = self.shares
        del self.shares
        self.shares = shares


class SpelledOnce(SpelledByLoop):
    def mean(self, piece):
        with torch.no_grad():
            return super().mean(piece)


class SpelledNoRow(SpelledByLoop):
    def forward(self, tokens):
        return super().forward(tokens) - self.token(tokens)


class SpelledMeanOfAll(SpelledByLoop):
    def forward(self, tokens):
        n = torch.tensor([len(piece) for piece in self.pieces])[tokens][..., None]
        own = self.token.weight[tokens]
        return (own + n * (super().forward(tokens) - own)) / (n + 1)


class SpelledLearnsSpelling(SpelledBySums):
    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        shares = self.shares
        del self.shares
        self.shares = nn.Parameter(shares)


class SpelledOtherNames(SpelledBySums):
    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.letter = self.byte
        del self.byte


class SpelledFor128(SpelledBySums):
    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.byte = nn.Embedding(128, d_model)


ANSWERS = {
    "3.1": Answers(
        right=[
            lambda rows, i: torch.tensor(nearest_by_loop(rows, i)),
            nearest_by_normalized_rows,
            nearest_by_loop,
            nearest_by_second_best,
            nearest_by_masking,
        ],
        wrong=[
            (finds_itself, "You found the row itself"),
            (by_product, "A long row has large products with everybody"),
            (by_distance, "compare directions, not places"),
            (by_columns, "You brought the columns to length 1"),
            (opposite_is_alike, "as unlike as can be"),
            (own_place_zero, "needs a number below any cosine"),
            (index_without_it, "every index is then one too small"),
            (normalizes_in_place, "Your answer changes its input"),
            (lambda rows, i: rows[nearest_by_loop(rows, i)], "a tensor where an int is expected"),
            (lambda rows, i: 7, "It gives the same for every input"),
        ],
    ),
    "3.2": Answers(
        right=[math.log(2), 0.69, 0.7, trained],
        wrong=[
            (0, "A loss of 0 would mean"),
            (untrained, "all ten tokens alike"),
            (math.log(9), "It knows more: both"),
            (1, "how many of those is a bit"),
            (0.5, "minus the logarithm"),
            (3, "too high"),
        ],
    ),
    "3.3": Answers(
        right=[
            lambda t, g, v: gradient_by_loop(t, g, v).double(),
            gradient_by_loop,
            gradient_by_index_add,
            gradient_by_one_hot,
            gradient_by_rows,
            gradient_by_autograd,
        ],
        wrong=[
            (adds_at_index, "one survives"),
            (keeps_first, "only its first gradient"),
            (takes_mean, "a derivative adds up"),
            (
                lambda t, g, v: torch.stack([g[t == i].mean(0) for i in range(v)]),
                "of a token that never occurs, it is nan",
            ),
            (sums_columns_too, "a `sum()` without `dim`"),
            (lambda t, g, v: gradient_by_loop(t, g, v) / len(t), "that is in `grads` already"),
            (forgets_vocab_size, "Your table ends at the largest token"),
            (lambda t, g, v: gradient_by_loop(t, g, v).T, "Rows and columns are swapped"),
            (lambda t, g, v: gradient_by_loop(t, g, v)[sorted(set(t.tolist()))], "You kept only the rows"),
            (lambda t, g, v: gradient_by_loop(t, torch.ones_like(g), v), "You counted how often"),
            (whole_numbers, "RuntimeError: expected m1 and m2 to have the same dtype"),
        ],
    ),
    "3.4": Answers(
        right=[tables_by_split, tables_by_view, tables_by_einsum, tables_by_asking_the_layer],
        wrong=[
            (bias_in_each, "so a sum over n tables has it n times"),
            (bias_forgotten, "`mix.bias` is missing"),
            (blocks_of_the_other_kind, "the blocks do too"),
            (viewed_without_transpose, "so transpose first"),
            (always_a_bias, "None as its `bias`"),
            (bias_forgets, "`mix.bias"),
            (newest_first, "table 0 is for the oldest token"),
            (lambda token, mix: tables_by_split(token, mix).tanh(), "The tanh of a sum"),
            (axes_swapped, "Your tables have the shape (2, 1, 1)"),
            (weight_as_it_is, "Your tables have the shape"),
            (a_list, "`torch.stack` makes a tensor of a list"),
        ],
    ),
    "3.5": Answers(
        right=[SpelledBySums, SpelledByBags, SpelledByLoop, SpelledByOneHot],
        wrong=[
            (SpelledSums, "Take their mean"),
            (SpelledSets, "A byte that occurs twice"),
            (SpelledByIndex, "is counted once, and the parts"),
            (SpelledPlainTensor, "when the layer moves to another device"),
            (SpelledPadded, "The padding counts as bytes"),
            (SpelledDividedByLongest, "Each token has its own number of bytes"),
            (SpelledOnce, "no gradient reaches the bytes"),
            (SpelledNoRow, "The token's own row is missing"),
            (SpelledMeanOfAll, "First the mean over the bytes"),
            (SpelledLearnsSpelling, "keep it by `register_buffer`"),
            (SpelledOtherNames, "The check needs `self.byte`"),
            (SpelledFor128, "it must be (256, 1)"),
        ],
    ),
}


class TestChapter3(ExerciseTests):
    answers = ANSWERS
