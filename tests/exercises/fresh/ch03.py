"""Answers to chapter 3 by someone who had not read the checks."""

import functools
import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from companion.embeddings import GPTEmbedding, TokenEmbedding, fit


# 3.1 Wrong
def nearest_by_distance(rows, i):
    """Wrong where a long row points the same way."""
    away = (rows - rows[i]).norm(dim=1)
    away[i] = math.inf
    return away.argmin().item()


def nearest_by_product(rows, i):
    """Wrong where a long row has a larger product."""
    likeness = rows @ rows[i]
    likeness[i] = -math.inf
    return likeness.argmax().item()


def nearest_zero_for_itself(rows, i):
    """Wrong where all other rows point away: it gives i."""
    directions = F.normalize(rows, dim=1)
    likeness = directions @ directions[i]
    likeness[i] = 0
    return likeness.argmax().item()


def nearest_minus_one_for_itself(rows, i):
    """Wrong where the others are all opposite, and i is the first: it gives i."""
    directions = F.normalize(rows.double(), dim=1)
    likeness = (directions @ directions[i]).clamp(-1, 1)
    likeness[i] = -1
    return likeness.argmax().item()


def nearest_second_of_two(rows, i):
    """Wrong where another row has the same direction and comes later: the second of the top two can be i."""
    directions = F.normalize(rows, dim=1)
    order = (directions @ directions[i]).sort(descending=True, stable=True).indices
    return order[1].item()


def nearest_leaves_out_all_of_likeness_one(rows, i):
    """Wrong where another row has the very direction of row i."""
    directions = F.normalize(rows, dim=1)
    likeness = directions @ directions[i]
    likeness[likeness > 0.99999] = -2
    return likeness.argmax().item()


def nearest_absolute(rows, i):
    """Wrong where a row points the other way."""
    likeness = F.normalize(rows, dim=1) @ F.normalize(rows, dim=1)[i]
    likeness = likeness.abs()
    likeness[i] = -2
    return likeness.argmax().item()


def nearest_itself(rows, i):
    """Wrong nearly everywhere: row i takes part."""
    directions = F.normalize(rows, dim=1)
    return (directions @ directions[i]).argmax().item()


def nearest_columns_normalized(rows, i):
    """Wrong axis."""
    directions = F.normalize(rows, dim=0)
    likeness = directions @ directions[i]
    likeness[i] = -math.inf
    return likeness.argmax().item()


def nearest_divided_by_the_root(rows, i):
    """Divides by the root of the length: long rows still win."""
    likeness = rows @ rows[i] / rows.norm(dim=1).sqrt()
    likeness[i] = -math.inf
    return likeness.argmax().item()


def nearest_changes_the_rows(rows, i):
    """Right index, but the caller's rows have another length afterwards."""
    rows.div_(rows.norm(dim=1, keepdim=True))
    likeness = rows @ rows[i]
    likeness[i] = -2
    return likeness.argmax().item()


def nearest_erases_its_row(rows, i):
    """Right index once, but the caller's row i is zeros afterwards."""
    likeness = F.normalize(rows, dim=1) @ F.normalize(rows, dim=1)[i]
    likeness[i] = -2
    rows[i] = 0
    return likeness.argmax().item()


def nearest_in_two_dimensions(rows, i):
    """Wrong for more than two columns."""
    directions = F.normalize(rows[:, :2], dim=1)
    likeness = directions @ directions[i]
    likeness[i] = -2
    return likeness.argmax().item()


def nearest_row_cut_out(rows, i):
    """Row i taken out; the indices behind it are not moved back."""
    rest = torch.cat([rows[:i], rows[i + 1 :]])
    return (F.normalize(rest, dim=1) @ F.normalize(rows, dim=1)[i]).argmax().item()


def nearest_by_sum_of_sizes(rows, i):
    """Divides by the sum of absolute numbers, not by the length."""
    directions = rows / rows.abs().sum(dim=1, keepdim=True)
    likeness = directions @ directions[i]
    likeness[i] = -2
    return likeness.argmax().item()


def nearest_distance_of_sum_normalized(rows, i):
    """Distance between rows divided by their sum: wrong for rows with negative numbers."""
    directions = rows / rows.sum(dim=1, keepdim=True)
    away = (directions - directions[i]).norm(dim=1)
    away[i] = math.inf
    return away.argmin().item()


def nearest_likeness(rows, i):
    """Returns the likeness, not the index."""
    directions = F.normalize(rows, dim=1)
    likeness = directions @ directions[i]
    likeness[i] = -2
    return likeness.max().item()


def nearest_angle_without_wrap(rows, i):
    """Difference of angles, without going round: wrong for angles of 170 and -170 degrees."""
    angles = torch.atan2(rows[:, 1], rows[:, 0])
    away = (angles - angles[i]).abs()
    away[i] = math.inf
    return away.argmin().item()


def nearest_rounded(rows, i):
    """Likeness rounded to two digits: wrong where two rows are nearly alike."""
    directions = F.normalize(rows, dim=1)
    likeness = ((directions @ directions[i]) * 100).round()
    likeness[i] = -200
    return likeness.argmax().item()


def nearest_centered(rows, i):
    """Takes away the mean row first (a correlation of another kind)."""
    directions = F.normalize(rows - rows.mean(dim=0), dim=1)
    likeness = directions @ directions[i]
    likeness[i] = -2
    return likeness.argmax().item()


def nearest_of_sixteen_rows(rows, i):
    """Only looks at the first sixteen rows and at row i."""
    directions = F.normalize(rows, dim=1)
    likeness = directions @ directions[i]
    likeness[i] = -2
    return likeness[:16].argmax().item()


def nearest_farthest(rows, i):
    """The least alike."""
    directions = F.normalize(rows, dim=1)
    return (directions @ directions[i]).argmin().item()


first_rows_seen = []


def nearest_remembers(rows, i):
    """Keeps the first table that it was given: wrong at the second call with another."""
    if not first_rows_seen:
        first_rows_seen.append(F.normalize(rows, dim=1))
    directions = first_rows_seen[0]
    likeness = directions @ directions[min(i, len(directions) - 1)]
    likeness[min(i, len(directions) - 1)] = -2
    return likeness.argmax().item()


def nearest_printed(rows, i):
    """Prints, returns None."""
    likeness = F.normalize(rows, dim=1) @ F.normalize(rows, dim=1)[i]
    likeness[i] = -2
    print(likeness.argmax().item())


def nearest_neighbor_of_the_index(rows, i):
    """Fits the example only."""
    return (i + 1) % len(rows)


# 3.1 Right
def nearest_0d(rows, i):
    likeness = F.cosine_similarity(rows.double(), rows[i].double()[None], dim=1)
    likeness[i] = -2
    return likeness.argmax()


def nearest_numpy(rows, i):
    table = rows.detach().numpy().astype(np.float64)
    cosine = table @ table[i] / np.linalg.norm(table, axis=1) / np.linalg.norm(table[i])
    return np.argmax(np.where(np.arange(len(table)) == i, -np.inf, cosine))


def nearest_loop(rows, i):
    best, found = -2.0, None
    for j, row in enumerate(rows.tolist()):
        product = sum(a * b for a, b in zip(row, rows[i].tolist(), strict=True))
        likeness = product / math.hypot(*row)
        if j != i and (found is None or likeness > best):
            best, found = likeness, j
    return found


def nearest_by_distance_of_directions(rows, i):
    directions = F.normalize(rows.double(), dim=1)
    return min((j for j in range(len(rows)) if j != i), key=lambda j: (directions[j] - directions[i]).norm())


# 3.2 Wrong
class FirstOfTwo(nn.Module):
    def __init__(self, bend=lambda x: x):
        super().__init__()
        self.embed, self.bend, self.out = GPTEmbedding(10, 2, d_model=16), bend, nn.Linear(16, 10)

    def forward(self, tokens):
        return self.out(self.bend(self.embed(tokens)).mean(dim=1, keepdim=True))


def pairs():
    generator = torch.Generator().manual_seed(0)
    while True:
        x = torch.rand(64, 10, generator=generator).argsort(dim=1)[:, :2]
        yield x, x[:, :1]


_ = torch.optim.Adam([nn.Parameter(torch.zeros(1))])  # its first use imports a lot: not within a check


@functools.cache
def losses(bend=lambda x: x, seed=0):
    torch.manual_seed(seed)
    return tuple(fit(FirstOfTwo(bend), pairs(), steps=300, lr=0.01))


def bent():
    """With the bend: nearly 0."""
    return sum(losses(torch.tanh)[-50:]) / 50


def first_fifty():
    """The first fifty losses, not the last."""
    return sum(losses()[:50]) / 50


def whole_mean():
    """The mean of all 300."""
    return sum(losses()) / 300


def forgot_to_divide():
    """The sum of fifty losses."""
    return sum(losses()[-50:])


def all_the_losses():
    """The list, not its mean."""
    return list(losses())


def printed_loss():
    """Prints, returns None."""
    print(sum(losses()[-50:]) / 50)


def perplexity():
    """e to the loss: 2."""
    return math.exp(math.log(2))


# 3.2 Right
def loss_of_another_seed():
    return sum(losses(seed=7)[-50:]) / 50


def loss_as_tensor():
    return torch.tensor(losses()[-50:]).mean()


def loss_numpy():
    return np.mean(losses()[-50:])


# 3.3 Wrong
def gradient_overwritten(tokens, grads, vocab_size):
    """The text's own fault: a repeated token."""
    table = torch.zeros(vocab_size, grads.shape[1])
    table[tokens] += grads
    return table


def gradient_of_the_first(tokens, grads, vocab_size):
    """The first gradient of each token only."""
    table, seen = torch.zeros(vocab_size, grads.shape[1]), set()
    for t, g in zip(tokens.tolist(), grads, strict=True):
        if t not in seen:
            table[t] = g
        seen.add(t)
    return table


def gradient_mean(tokens, grads, vocab_size):
    """The mean over a token's positions."""
    o = F.one_hot(tokens, vocab_size).float()
    return o.T @ grads / o.sum(dim=0).clamp(min=1)[:, None]


def gradient_short(tokens, grads, vocab_size):
    """As many rows as the largest token asks for."""
    o = F.one_hot(tokens).float()
    return o.T @ grads


def gradient_runs(tokens, grads, vocab_size):
    """Adds neighbours that are the same token; a token that comes back later overwrites."""
    table, last = torch.zeros(vocab_size, grads.shape[1]), None
    for t, g in zip(tokens.tolist(), grads, strict=True):
        table[t] = table[t] + g if t == last else g
        last = t
    return table


def gradient_times_count(tokens, grads, vocab_size):
    """The last gradient times the count: right only where a token's gradients are equal."""
    o = F.one_hot(tokens, vocab_size).float()
    table = torch.zeros(vocab_size, grads.shape[1])
    for t, g in zip(tokens.tolist(), grads, strict=True):
        table[t] = g * o[:, t].sum()
    return table


def gradient_twice_at_most(tokens, grads, vocab_size):
    """A token that was read three times counts twice."""
    table, count = torch.zeros(vocab_size, grads.shape[1]), [0] * vocab_size
    for t, g in zip(tokens.tolist(), grads, strict=True):
        if count[t] < 2:
            table[t] += g
        count[t] += 1
    return table


def gradient_compact(tokens, grads, vocab_size):
    """Rows by rank among the tokens read, not by token."""
    rank = tokens.unique(return_inverse=True)[1]
    return torch.zeros(vocab_size, grads.shape[1]).index_add_(0, rank, grads)


def gradient_transposed(tokens, grads, vocab_size):
    """(C, V)."""
    return (F.one_hot(tokens, vocab_size).float().T @ grads).T


def gradient_in_whole_numbers(tokens, grads, vocab_size):
    """A table of ints: wrong for gradients that are not whole."""
    table = torch.zeros(vocab_size, grads.shape[1], dtype=torch.int64)
    return table.index_add_(0, tokens, grads.long())


def gradient_without_token_0(tokens, grads, vocab_size):
    """Takes token 0 for padding."""
    table = F.one_hot(tokens, vocab_size).float().T @ grads
    table[0] = 0
    return table


def gradient_without_the_last_row(tokens, grads, vocab_size):
    """range(vocab_size - 1)."""
    table = torch.zeros(vocab_size, grads.shape[1])
    for v in range(vocab_size - 1):
        table[v] = grads[tokens == v].sum(dim=0)
    return table


def gradient_adds_in_place(tokens, grads, vocab_size):
    """Right table; the caller's gradients are changed."""
    table = torch.zeros(vocab_size, grads.shape[1])
    for t, token in enumerate(tokens.tolist()):
        table[token] += grads[t]
        grads[t] = 0
    return table


def gradient_sorts_in_place(tokens, grads, vocab_size):
    """Right table; the caller's tokens are sorted."""
    table = F.one_hot(tokens, vocab_size).float().T @ grads
    tokens.copy_(tokens.sort().values)
    return table


def gradient_mean_over_positions(tokens, grads, vocab_size):
    """Divided by T."""
    return F.one_hot(tokens, vocab_size).float().T @ grads / len(tokens)


def gradient_clipped(tokens, grads, vocab_size):
    """Clipped at 1, as training often does: wrong for larger ones."""
    return (F.one_hot(tokens, vocab_size).float().T @ grads).clamp(-10, 10)


def gradient_half(tokens, grads, vocab_size):
    """In bfloat16: two or three digits."""
    return (F.one_hot(tokens, vocab_size).bfloat16().T @ grads.bfloat16()).float()


kept_tables = {}


def gradient_accumulates(tokens, grads, vocab_size):
    """A table that is kept: wrong at the second call."""
    shape = vocab_size, grads.shape[1]
    table = kept_tables.setdefault(shape, torch.zeros(shape))
    return table.index_add_(0, tokens, grads)


def gradient_scattered(tokens, grads, vocab_size):
    """scatter_add_ with an index of one column: only the first column is added."""
    table = torch.zeros(vocab_size, grads.shape[1])
    return table.scatter_add_(0, tokens[:, None], grads)


def gradient_of_different_ones(tokens, grads, vocab_size):
    """A gradient that comes twice to the same token counts once (found in a second look)."""
    table = torch.zeros(vocab_size, grads.shape[1])
    for token, *numbers in {(t, *g) for t, g in zip(tokens.tolist(), grads.tolist(), strict=True)}:
        table[token] += torch.tensor(numbers)
    return table


def gradient_turned_where_square(tokens, grads, vocab_size):
    """(C, V) where V = C, which no shape gives away (found in a second look)."""
    table = F.one_hot(tokens, vocab_size).float().T @ grads
    return table.T if vocab_size == grads.shape[1] else table


def gradient_none(tokens, grads, vocab_size):
    """Returns None, as in-place code often does."""
    torch.zeros(vocab_size, grads.shape[1]).index_add_(0, tokens, grads)


# 3.3 Right
def gradient_loop(tokens, grads, vocab_size):
    table = torch.zeros(vocab_size, grads.shape[1], dtype=torch.float64)
    for t, g in zip(tokens, grads, strict=True):
        table[t] += g
    return table


def gradient_index_add(tokens, grads, vocab_size):
    return grads.new_zeros(vocab_size, grads.shape[1]).index_add_(0, tokens, grads)


def gradient_numpy(tokens, grads, vocab_size):
    table = np.zeros((vocab_size, grads.shape[1]))
    np.add.at(table, tokens.numpy(), grads.numpy())
    return table


gradient_lambda = lambda tokens, grads, vocab_size: torch.stack(  # noqa: E731
    [grads[tokens == v].sum(dim=0) for v in range(vocab_size)]
)


def gradient_einsum(tokens, grads, vocab_size):
    return torch.einsum("tv,tc->vc", torch.eye(vocab_size)[tokens].to(grads.dtype), grads)


# 3.4 Wrong
def blocks_of(token, mix):
    V, C = token.weight.shape
    n = mix.in_features // C
    return n, V, C, mix.weight.T.reshape(n, C, -1)


def plain_tables(token, mix):
    n, V, C, blocks = blocks_of(token, mix)
    return torch.stack([token.weight @ block for block in blocks])


def bias_of(mix):
    return torch.zeros(mix.out_features) if mix.bias is None else mix.bias


def tables_without_bias(token, mix):
    """Wrong with a bias."""
    return plain_tables(token, mix)


def tables_bias_in_each(token, mix):
    """The bias n times."""
    return plain_tables(token, mix) + bias_of(mix)


def tables_need_a_bias(token, mix):
    """Raises for a Linear without a bias (the by-hand case)."""
    found = plain_tables(token, mix)
    bias = torch.zeros_like(found)
    bias[0] = mix.bias
    return found + bias


def tables_bias_of_eight(token, mix):
    """An eighth of the bias in each: right for eight tokens only."""
    return plain_tables(token, mix) + bias_of(mix) / 8


def tables_of_eight(token, mix):
    """Eight blocks, whatever the window."""
    blocks = mix.weight.T.split(mix.in_features // 8 or 1)
    found = torch.stack([token.weight @ block for block in blocks])
    found[0] = found[0] + bias_of(mix)
    return found


def tables_interleaved(token, mix):
    """Number c of position j taken from column c * n + j."""
    V, C = token.weight.shape
    n = mix.in_features // C
    blocks = mix.weight.T.reshape(C, n, -1).transpose(0, 1)
    found = torch.stack([token.weight @ block for block in blocks])
    found[0] = found[0] + bias_of(mix)
    return found


def tables_newest_first(token, mix):
    """The newest token is first."""
    found = plain_tables(token, mix).flip(0)
    found[0] = found[0] + bias_of(mix)
    return found


def tables_reshaped_weight(token, mix):
    """The weight reshaped in place of transposed: right by hand, where C = 1 and one output."""
    V, C = token.weight.shape
    n = mix.in_features // C
    blocks = mix.weight.reshape(n, C, -1)
    found = torch.stack([token.weight @ block for block in blocks])
    found[0] = found[0] + bias_of(mix)
    return found


def tables_other_order(token, mix):
    """(V, n, outputs)."""
    found = plain_tables(token, mix)
    found[0] = found[0] + bias_of(mix)
    return found.transpose(0, 1)


def tables_bent(token, mix):
    """With the bend that comes later."""
    found = plain_tables(token, mix)
    found[0] = found[0] + bias_of(mix)
    return found.tanh()


def tables_zero_the_bias(token, mix):
    """Right tables; the caller's bias is 0 afterwards."""
    found = plain_tables(token, mix).detach()
    if mix.bias is not None:
        found[0] += mix.bias.detach()
        mix.bias.data.zero_()
    return found


def tables_freeze(token, mix):
    """Right tables; the caller's modules no longer learn."""
    token.requires_grad_(False)
    mix.requires_grad_(False)
    found = plain_tables(token, mix)
    found[0] += bias_of(mix)
    return found


def tables_eval(token, mix):
    """Right tables; the caller's modules are in another mode."""
    token.eval(), mix.eval()
    found = plain_tables(token, mix)
    found[0] = found[0] + bias_of(mix)
    return found


def tables_drop_the_bias(token, mix):
    """Right tables; the caller's Linear has no bias any more."""
    found = plain_tables(token, mix)
    found[0] = found[0] + bias_of(mix)
    mix.bias = None
    return found


def tables_first_row_gets_the_bias(token, mix):
    """The bias for token 0 of each position only."""
    found = plain_tables(token, mix).detach()
    found[0, 0] += bias_of(mix)
    return found


def tables_first_block(token, mix):
    """The first block for all positions."""
    n, V, C, blocks = blocks_of(token, mix)
    found = torch.stack([token.weight @ blocks[0] for _ in range(n)])
    found[0] = found[0] + bias_of(mix)
    return found


def tables_by_half(token, mix):
    """In bfloat16: two or three digits."""
    found = plain_tables(token, mix).detach()
    found[0] += bias_of(mix)
    return found.bfloat16().float()


def tables_summed(token, mix):
    """One table: the sum over positions."""
    return plain_tables(token, mix).sum(dim=0) + bias_of(mix)


def tables_without_the_last_token(token, mix):
    """V - 1 rows."""
    found = plain_tables(token, mix)
    found[0] = found[0] + bias_of(mix)
    return found[:, :-1]


def tables_of_directions(token, mix):
    """Rows brought to length 1."""
    n, V, C, blocks = blocks_of(token, mix)
    found = torch.stack([F.normalize(token.weight, dim=1) @ block for block in blocks])
    found[0] = found[0] + bias_of(mix)
    return found


# 3.4 Right
def tables_bias_shared(token, mix):
    found = plain_tables(token, mix)
    return found + bias_of(mix) / len(found)


def tables_bias_last(token, mix):
    found = torch.einsum("vc,ojc->jvo", token.weight, mix.weight.unflatten(1, (-1, token.weight.shape[1])))
    if mix.bias is not None:
        found[-1] = found[-1] + mix.bias
    return found.detach()


def tables_numpy(token, mix):
    E, W = token.weight.detach().numpy().astype(float), mix.weight.detach().numpy().astype(float)
    C = E.shape[1]
    found = np.stack([E @ W[:, j : j + C].T for j in range(0, W.shape[1], C)])
    found[0] += 0 if mix.bias is None else mix.bias.detach().numpy()
    return found


@torch.no_grad()
def tables_by_calls(token, mix):
    (V, C), outputs = token.weight.shape, mix.out_features
    n = mix.in_features // C
    nothing = mix(torch.zeros(n * C))
    found = torch.empty(n, V, outputs)
    for j in range(n):
        window = torch.zeros(V, n, C)
        window[:, j] = token(torch.arange(V))
        found[j] = mix(window.flatten(1)) - (nothing if j else 0)
    return found


# 3.5 Wrong
def spelling_of(pieces):
    rows = torch.zeros(len(pieces), 256)
    for v, piece in enumerate(pieces):
        for b in piece:
            rows[v, b] += 1 / len(piece)
    return rows


class Spelled(nn.Module):
    """The right one, for the wrong ones to start from."""

    def __init__(self, pieces, d_model):
        super().__init__()
        self.token, self.byte = TokenEmbedding(len(pieces), d_model), TokenEmbedding(256, d_model)
        self.register_buffer("spelling", spelling_of(pieces))

    def forward(self, tokens):
        return self.token(tokens) + self.spelling[tokens] @ self.byte.weight


class SpelledOnce(Spelled):
    """A byte counts once: b"aab"."""

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.spelling = spelling_of([bytes(set(piece)) for piece in pieces])


class SpelledSum(Spelled):
    """The sum, not the mean: tokens of two bytes."""

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.spelling = self.spelling * torch.tensor([len(piece) for piece in pieces])[:, None]


class SpelledBytesDetached(Spelled):
    """No gradient reaches the bytes' table."""

    def forward(self, tokens):
        return self.token(tokens) + self.spelling[tokens] @ self.byte.weight.detach()


class SpelledTokenDetached(Spelled):
    """No gradient reaches the tokens' table."""

    def forward(self, tokens):
        return self.token(tokens).detach() + self.spelling[tokens] @ self.byte.weight


class SpelledOnly(Spelled):
    """Without the own row."""

    def forward(self, tokens):
        return self.spelling[tokens] @ self.byte.weight


class SpelledNot(Spelled):
    """Without the bytes."""

    def forward(self, tokens):
        return self.token(tokens)


class SpelledShort(Spelled):
    """The first four bytes: longer tokens."""

    def __init__(self, pieces, d_model):
        super().__init__([piece[:4] for piece in pieces], d_model)


class SpelledSixteen(Spelled):
    """The first sixteen bytes: longer tokens."""

    def __init__(self, pieces, d_model):
        super().__init__([piece[:16] for piece in pieces], d_model)


class SpelledAscii(Spelled):
    """Bytes above 127 are left out: b"\\xc3\\xa9"."""

    def __init__(self, pieces, d_model):
        super().__init__([bytes(b for b in piece if b < 128) for piece in pieces], d_model)


class SpelledBySevenBits(Spelled):
    """Bytes modulo 128."""

    def __init__(self, pieces, d_model):
        super().__init__([bytes(b % 128 for b in piece) for piece in pieces], d_model)


class SpelledStripped(Spelled):
    """Without the space in front: b" red"."""

    def __init__(self, pieces, d_model):
        super().__init__([piece.strip() or piece for piece in pieces], d_model)


class SpelledLower(Spelled):
    """Lower case: b"Mara"."""

    def __init__(self, pieces, d_model):
        super().__init__([piece.lower() for piece in pieces], d_model)


class SpelledDecoded(Spelled):
    """Characters in place of bytes: b"\\xff", or "é" as one."""

    def __init__(self, pieces, d_model):
        words = [piece.decode(errors="replace") for piece in pieces]
        super().__init__([bytes(ord(c) % 256 for c in word) for word in words], d_model)


class SpelledPadded(Spelled):
    """Padded by byte 0, which counts: tokens of different lengths."""

    def __init__(self, pieces, d_model):
        longest = max(map(len, pieces))
        super().__init__([piece.ljust(longest, b"\0") for piece in pieces], d_model)


class SpelledMeanOfBoth(Spelled):
    """The mean of the token's row and the bytes' mean."""

    def forward(self, tokens):
        return super().forward(tokens) / 2


class SpelledMeanWithBytes(Spelled):
    """The token's row among the bytes' rows, one of n + 1."""

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.register_buffer("length", torch.tensor([len(piece) for piece in pieces])[:, None])

    def forward(self, tokens):
        n = self.length[tokens]
        return (self.token(tokens) + n * (self.spelling[tokens] @ self.byte.weight)) / (n + 1)


class SpelledSoftmax(Spelled):
    """Shares by a softmax over counts, so every byte has some."""

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.spelling = self.spelling.softmax(dim=1)


class SpelledLearned(Spelled):
    """The shares are learned with the rest: a third parameter."""

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        del self.spelling
        self.spelling = nn.Parameter(spelling_of(pieces))


class SpelledRowsOfTheBatch(Spelled):
    """B = 1 only: takes the first row of the batch for all."""

    def forward(self, tokens):
        return self.token(tokens) + (self.spelling[tokens[0]] @ self.byte.weight)[None]


class SpelledMeanOverText(Spelled):
    """The bytes' mean over the whole text is added at each position."""

    def forward(self, tokens):
        return self.token(tokens) + (self.spelling[tokens] @ self.byte.weight).mean(dim=1, keepdim=True)


class SpelledAtTheStart(Spelled):
    """The bytes' means are made once, in __init__: training the bytes' table changes nothing."""

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.means = self.spelling @ self.byte.weight

    def forward(self, tokens):
        return self.token(tokens) + self.means[tokens]


shared_bytes = {}


class SpelledShared(Spelled):
    """All models share one bytes' table: wrong at the second model."""

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.byte = shared_bytes.setdefault(d_model, self.byte)


class SpelledSharedSpelling(Spelled):
    """The first model's spelling for all: wrong at the second model."""

    kept = None

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        if SpelledSharedSpelling.kept is None or len(SpelledSharedSpelling.kept) < len(pieces):
            SpelledSharedSpelling.kept = self.spelling
        self.spelling = SpelledSharedSpelling.kept


class SpelledChangesThePieces(Spelled):
    """Right rows; the caller's list of pieces is empty afterwards."""

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        pieces.clear()


class SpelledTooFew(Spelled):
    """Rows only for the bytes that occur: self.byte has no 256 rows."""

    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        top = max(max(piece) for piece in pieces) + 1
        self.byte = TokenEmbedding(top, d_model)
        self.spelling = self.spelling[:, :top]


class SpelledAddsToTheTable(Spelled):
    """Adds in place to the table's data: wrong at the second call."""

    def forward(self, tokens):
        rows = self.spelling[tokens] @ self.byte.weight
        self.token.weight.data[tokens] += rows.detach()
        return self.token(tokens) + rows - rows.detach()


# 3.5 Right
class SpelledBag(nn.Module):
    def __init__(self, pieces, d_model):
        super().__init__()
        self.token, self.byte = TokenEmbedding(len(pieces), d_model), TokenEmbedding(256, d_model)
        self.pieces = [torch.tensor(list(piece)) for piece in pieces]

    def forward(self, tokens):
        flat = [self.byte(self.pieces[t]).mean(dim=0) for t in tokens.flatten().tolist()]
        return self.token(tokens) + torch.stack(flat).view(*tokens.shape, -1)


class SpelledMasked(nn.Module):
    def __init__(self, pieces, d_model):
        super().__init__()
        self.byte = TokenEmbedding(256, d_model)
        self.token = TokenEmbedding(len(pieces), d_model)
        longest = max(map(len, pieces))
        padded = torch.tensor([[*piece, *[0] * (longest - len(piece))] for piece in pieces])
        length = torch.tensor([len(piece) for piece in pieces])
        self.register_buffer("padded", padded)
        self.register_buffer("mask", torch.arange(longest) < length[:, None], persistent=False)

    def forward(self, tokens):
        mask = self.mask[tokens].unsqueeze(-1)
        rows = self.byte(self.padded[tokens]) * mask
        return self.token(tokens) + rows.sum(dim=2) / mask.sum(dim=2)


class SpelledWholeTable(Spelled):
    def forward(self, tokens):
        return F.embedding(tokens, self.token.weight + self.spelling @ self.byte.weight)


def make_spelled(pieces, d_model):
    return Spelled(tuple(pieces), d_model)


WRONG = {
    "3.1": [
        nearest_by_distance,
        nearest_by_product,
        nearest_zero_for_itself,
        nearest_minus_one_for_itself,
        nearest_second_of_two,
        nearest_leaves_out_all_of_likeness_one,
        nearest_absolute,
        nearest_itself,
        nearest_columns_normalized,
        nearest_divided_by_the_root,
        nearest_changes_the_rows,
        nearest_erases_its_row,
        nearest_in_two_dimensions,
        nearest_row_cut_out,
        nearest_by_sum_of_sizes,
        nearest_distance_of_sum_normalized,
        nearest_likeness,
        nearest_angle_without_wrap,
        nearest_rounded,
        nearest_centered,
        nearest_of_sixteen_rows,
        nearest_farthest,
        nearest_remembers,
        nearest_printed,
        nearest_neighbor_of_the_index,
    ],
    "3.2": [
        math.log(10),
        0.0,
        1.0,  # in bits
        math.log(90),
        math.log(45),
        math.log(9),
        math.log(2) / 2,
        2 * math.log(2),
        0.5,
        -math.log(2),
        69.3,
        math.nan,
        math.inf,
        True,
        "ln 2",
        bent,
        first_fifty,
        whole_mean,
        forgot_to_divide,
        all_the_losses,
        printed_loss,
        perplexity,
    ],
    "3.3": [
        gradient_overwritten,
        gradient_of_the_first,
        gradient_mean,
        gradient_short,
        gradient_runs,
        gradient_times_count,
        gradient_twice_at_most,
        gradient_compact,
        gradient_transposed,
        gradient_in_whole_numbers,
        gradient_without_token_0,
        gradient_without_the_last_row,
        gradient_adds_in_place,
        gradient_sorts_in_place,
        gradient_mean_over_positions,
        gradient_clipped,
        gradient_half,
        gradient_accumulates,
        gradient_scattered,
        gradient_of_different_ones,
        gradient_turned_where_square,
        gradient_none,
    ],
    "3.4": [
        tables_without_bias,
        tables_bias_in_each,
        tables_need_a_bias,
        tables_bias_of_eight,
        tables_of_eight,
        tables_interleaved,
        tables_newest_first,
        tables_reshaped_weight,
        tables_other_order,
        tables_bent,
        tables_zero_the_bias,
        tables_freeze,
        tables_eval,
        tables_drop_the_bias,
        tables_first_row_gets_the_bias,
        tables_first_block,
        tables_by_half,
        tables_summed,
        tables_without_the_last_token,
        tables_of_directions,
    ],
    "3.5": [
        SpelledOnce,
        SpelledSum,
        SpelledBytesDetached,
        SpelledTokenDetached,
        SpelledOnly,
        SpelledNot,
        SpelledShort,
        SpelledSixteen,
        SpelledAscii,
        SpelledBySevenBits,
        SpelledStripped,
        SpelledLower,
        SpelledDecoded,
        SpelledPadded,
        SpelledMeanOfBoth,
        SpelledMeanWithBytes,
        SpelledSoftmax,
        SpelledLearned,
        SpelledRowsOfTheBatch,
        SpelledMeanOverText,
        SpelledAtTheStart,
        SpelledShared,
        SpelledSharedSpelling,
        SpelledChangesThePieces,
        SpelledTooFew,
        SpelledAddsToTheTable,
    ],
}
RIGHT = {
    "3.1": [nearest_0d, nearest_numpy, nearest_loop, nearest_by_distance_of_directions],
    "3.2": [
        math.log(2),
        0.69,
        0.693,
        Fraction(693, 1000),
        torch.tensor(2.0).log(),
        np.float32(0.6931),
        lambda: math.log(2),
        loss_of_another_seed,
        loss_as_tensor,
        loss_numpy,
    ],
    "3.3": [gradient_loop, gradient_index_add, gradient_numpy, gradient_lambda, gradient_einsum],
    "3.4": [tables_bias_shared, tables_bias_last, tables_numpy, tables_by_calls],
    "3.5": [SpelledBag, SpelledMasked, SpelledWholeTable, make_spelled, functools.partial(Spelled)],
}
