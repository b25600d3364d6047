"""The checks of chapter 3, Embeddings."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.exercise import Function, Number, Problem

E = torch.tensor([[0.0, 1.0], [2.0, 1.0], [2.0, 0.0], [-1.0, 3.0], [-1.0, 2.0]])
"""The chapter's table by hand: a, red, blue, lantern, key."""

# -- 3.1 ------------------------------------------------------------------


def likeness(rows, i):
    cosine = F.normalize(rows, dim=1) @ F.normalize(rows[i], dim=0)
    cosine[i] = -2
    return cosine


def nearest(rows, i):
    return likeness(rows, i).argmax().item()


def nearest_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    by_hand = [(E, i) for i in range(5)]
    opposite = [(torch.tensor([[1.0, 2.0], [-1.0, -2.1], [2.0, -0.9]]), i) for i in range(3)]
    lengths = 4 * torch.rand(11, 1, generator=generator) + 0.2
    rows = lengths * torch.randn(11, 3, generator=generator)
    return by_hand + opposite + [(rows, i) for i in (0, 4, 10)]


def nearest_by_product(rows, i):
    product = rows @ rows[i]
    product[i] = -math.inf
    return product.argmax().item()


def nearest_by_distance(rows, i):
    distance = (rows - rows[i]).norm(dim=1)
    distance[i] = math.inf
    return distance.argmin().item()


def nearest_by_columns(rows, i):
    columns = F.normalize(rows, dim=0)
    return nearest_by_product(columns, i)


def nearest_by_size(rows, i):
    cosine = likeness(rows, i).abs()
    cosine[i] = -2
    return cosine.argmax().item()


def nearest_above_zero(rows, i):
    cosine = likeness(rows, i)
    cosine[i] = 0
    return cosine.argmax().item()


def nearest_among_others(rows, i):
    return likeness(rows, i)[torch.arange(len(rows)) != i].argmax().item()


NEAREST = Function(
    number="3.1",
    title="Whose neighbor?",
    stars=1,
    wants="nearest(rows, i)",
    cases=nearest_cases,
    oracle=nearest,
    mistakes=[
        (lambda rows, i: i, "You found the row itself: nothing is more like it. Leave it out of the search."),
        (
            nearest_by_product,
            "You compared products of the rows as they are. A long row has large products with everybody, "
            "wherever it points: bring the rows to length 1 first.",
        ),
        (
            nearest_by_distance,
            "You took the row that is least far away. Two rows that point the same way can lie far apart, "
            "one short and one long: compare directions, not places.",
        ),
        (
            nearest_by_columns,
            "You brought the columns to length 1, not the rows. In a table (V, C), which `dim` runs along a "
            "row?",
        ),
        (
            nearest_by_size,
            "A row that points the opposite way is as unlike as can be. The cosine's sign matters: no `abs`.",
        ),
        (
            nearest_above_zero,
            "You put 0 in row i's own place. Where all the others point away from it, their cosines lie "
            "below 0, and it finds itself: its place needs a number below any cosine.",
        ),
        (
            nearest_among_others,
            "You took row i out and searched the rest. Behind it every index is then one too small.",
        ),
        (
            lambda rows, i: (F.normalize(rows, dim=1) @ F.normalize(rows[i], dim=0)).argmin().item(),
            "You found the least alike row, not the most alike one.",
        ),
        (
            lambda rows, i: likeness(rows, i).argmax(),
            "The index is right, and still wrapped in a tensor: `.item()` makes a Python number of it.",
        ),
        (
            lambda rows, i: likeness(rows, i).max().item(),
            "You returned how alike the nearest row is. The question is which row it is: its index.",
        ),
    ],
    right="What a word means to the model is where its row points; how long it is, is another matter.",
)

# -- 3.2 ------------------------------------------------------------------

WHICH_FIRST = Number(
    number="3.2",
    title="Which came first?",
    stars=1,
    wants="loss_at_the_end()",
    answer=math.log(2),
    tolerance=0.05,
    mistakes=[
        (
            0.0,
            "A loss of 0 would mean that it always knows which came first. Do the two orders of a pair "
            "give it different means, without a bend?",
        ),
        (
            math.log(10),
            "That is the loss of a model that finds all ten tokens alike. This one sees which two there are.",
        ),
        (1.0, "One question with two answers is one bit. The loss is in nats: how many of those is a bit?"),
        (
            0.5,
            "That may be the probability that it gives to the right token. Its loss is the surprise at it, "
            "minus the logarithm.",
        ),
        (math.log(9), "Nine tokens would be left if it knew one that is not the first. It knows more: both."),
        (math.log(20), "Ten tokens and two positions are in the tables. How many could be the answer?"),
    ],
    right="Half the time the wrong one, for ever: a straight sum cannot say which row stood where.",
)

# -- 3.3 ------------------------------------------------------------------


def table_gradient(tokens, grads, vocab_size):
    return F.one_hot(tokens, vocab_size).to(grads.dtype).T @ grads


def gradient_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.tensor([1]), torch.tensor([[2.0]]), 2),
        (torch.tensor([1, 1]), torch.tensor([[1.0, 0.0], [2.0, 5.0]]), 3),
        (torch.tensor([2, 0]), torch.tensor([[1.0, 3.0], [4.0, 7.0]]), 4),
        (torch.tensor([0, 2, 0]), torch.tensor([[1.0], [5.0], [2.0]]), 4),
    ]
    for n, c, v in ((7, 3, 5), (13, 4, 6), (6, 2, 11)):
        tokens = torch.randint(v, (n,), generator=generator)
        cases.append((tokens, torch.randn(n, c, generator=generator), v))
    return cases


def gradient_overwritten(tokens, grads, vocab_size):
    found = torch.zeros(vocab_size, grads.shape[1])
    for token, grad in zip(tokens.tolist(), grads, strict=True):
        found[token] = grad
    return found


def gradient_first(tokens, grads, vocab_size):
    return gradient_overwritten(tokens.flip(0), grads.flip(0), vocab_size)


def gradient_sum_of_all(tokens, grads, vocab_size):
    return table_gradient(tokens, grads, vocab_size).sum(1, keepdim=True).expand(-1, grads.shape[1]).clone()


def gradient_mean_of_none(tokens, grads, vocab_size):
    return torch.stack([grads[tokens == v].mean(0) for v in range(vocab_size)])


def gradient_mean(tokens, grads, vocab_size):
    counts = torch.bincount(tokens, minlength=vocab_size).clamp(min=1)
    return table_gradient(tokens, grads, vocab_size) / counts[:, None]


TABLE_GRADIENT = Function(
    number="3.3",
    title="What reaches the table",
    stars=2,
    wants="table_gradient(tokens, grads, vocab_size)",
    cases=gradient_cases,
    oracle=table_gradient,
    mistakes=[
        (
            gradient_overwritten,
            "A token that occurs twice has only its last gradient here. `table[tokens] = …`, and `+=` too, "
            "write each row once: of what is meant for the same row, one survives. It has to add up.",
        ),
        (gradient_first, "A token that occurs twice has only its first gradient here. All of them add up."),
        (
            gradient_mean,
            "You took the mean over a token's occurrences. The loss depends on the row through each of them, "
            "and a derivative adds up over the ways that a number enters.",
        ),
        (
            gradient_mean_of_none,
            "You took the mean over a token's occurrences; of a token that never occurs, it is nan. A "
            "derivative adds up over the ways that a number enters: take the sum, 0 where there are none.",
        ),
        (
            gradient_sum_of_all,
            "Each of your rows has the same number C times: a `sum()` without `dim` adds up the columns too. "
            "Along which dimension do a token's occurrences lie?",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, grads, vocab_size) / len(tokens),
            "You divided by the number of tokens. If the loss is a mean, that is in `grads` already.",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, grads, int(tokens.max()) + 1),
            "Your table ends at the largest token that occurs. It has `vocab_size` rows, also where nobody "
            "reads.",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, grads, vocab_size)[tokens.unique()],
            "You kept only the rows that were read. The others belong to the table too; their gradient is 0.",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, grads, vocab_size).T,
            "Rows and columns are swapped: the gradient has the shape of the table, (V, C).",
        ),
        (
            lambda tokens, grads, vocab_size: table_gradient(tokens, torch.ones_like(grads), vocab_size),
            "You counted how often each token occurs. Each occurrence brings its own row of `grads`.",
        ),
    ],
    right="The look-up copies rows out, so its gradient adds rows in: an embedding's whole way back.",
)

# -- 3.4 ------------------------------------------------------------------


def tables(token, mix):
    width = token.weight.shape[1]
    found = torch.stack([token.weight @ block.T for block in mix.weight.split(width, dim=1)])
    found[0] += mix.bias
    return found


def by_look_up(answer, rows, weight, bias, window):
    """Sum the answer's tables at each window's tokens: what the answer is for."""
    token = nn.Embedding(*rows.shape)
    mix = nn.Linear(weight.shape[1], weight.shape[0])
    token.load_state_dict({"weight": rows})
    mix.load_state_dict({"weight": weight, "bias": bias})
    found = answer(token, mix)
    n, expected = window.shape[-1], (window.shape[-1], len(rows), len(weight))
    if not isinstance(found, torch.Tensor):
        raise Problem(f"Your answer gives a {type(found).__name__}; `torch.stack` makes a tensor of a list.")
    if tuple(found.shape) != expected:
        raise Problem(
            f"Your tables have the shape {tuple(found.shape)}. For a window of {n} tokens, a vocabulary of "
            f"{len(rows)} and {len(weight)} outputs they must be {expected}."
        )
    return sum(found[j, window[:, j]] for j in range(n)).detach()


def tables_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    one = torch.tensor([[1.0], [10.0]])
    cases = [
        (one, torch.tensor([[3.0]]), torch.tensor([0.0]), torch.tensor([[1]])),
        (one, torch.tensor([[3.0, 5.0]]), torch.tensor([0.0]), torch.tensor([[0, 1]])),
        (one, torch.tensor([[3.0, 5.0]]), torch.tensor([0.5]), torch.tensor([[0, 1]])),
        (
            E,
            torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 2.0]]),
            torch.zeros(2),
            torch.tensor([[1, 4]]),
        ),
    ]
    for v, c, n, d in ((7, 2, 3, 5), (9, 4, 5, 3)):
        sizes = (v, c), (d, n * c), (d,)
        parts = [torch.randn(*size, generator=generator) for size in sizes]
        cases.append((*parts, torch.randint(v, (6, n), generator=generator)))
    return cases


def tables_without_bias(token, mix):
    return torch.stack(
        [token.weight @ block.T for block in mix.weight.split(token.weight.shape[1], dim=1)],
    )


def tables_interleaved(token, mix):
    n = mix.weight.shape[1] // token.weight.shape[1]
    found = torch.stack([token.weight @ mix.weight[:, j::n].T for j in range(n)])
    found[0] += mix.bias
    return found


def tables_not_transposed(token, mix):
    blocks = mix.weight.reshape(-1, token.weight.shape[1], len(mix.weight))
    found = token.weight @ blocks
    found[0] += mix.bias
    return found


def tables_reversed(token, mix):
    found = tables_without_bias(token, mix).flip(0)
    found[0] += mix.bias
    return found


def tables_same_block(token, mix):
    found = tables_without_bias(token, mix)[:1].repeat(mix.weight.shape[1] // token.weight.shape[1], 1, 1)
    found[0] += mix.bias
    return found


TABLES = Function(
    number="3.4",
    title="Multiply once, look up for ever",
    stars=2,
    wants="tables(token, mix)",
    cases=tables_cases,
    oracle=tables,
    call=by_look_up,
    shown="token.weight = {0}, mix.weight = {1}, mix.bias = {2}; the sums are for the windows {3}",
    mistakes=[
        (
            tables_without_bias,
            "The vector `mix.bias` is missing. It is added to every sum; put it where it is added once.",
        ),
        (
            lambda token, mix: tables_without_bias(token, mix) + mix.bias,
            "`mix.bias` is in every table, so a sum over n tables has it n times. It belongs in one of them, "
            "or a share of it in each.",
        ),
        (
            tables_interleaved,
            "Your blocks take every n-th number of a row of `mix.weight`. The rows of the window lie side by "
            "side, one token's C numbers after the other's, so the blocks do too.",
        ),
        (
            tables_not_transposed,
            "You cut `mix.weight` as it is into blocks (C, outputs). It is (outputs, n C): each of its rows "
            "belongs to one output. `view` and `reshape` go on row by row, so transpose first.",
        ),
        (
            tables_reversed,
            "Your tables come in the wrong order: table 0 is for the oldest token of the window, whose row "
            "comes first.",
        ),
        (
            tables_same_block,
            "All your tables come from the same block. What a token says depends on its place in the window.",
        ),
        (
            lambda token, mix: torch.tanh(tables(token, mix)),
            "The bend comes after the sum. The tanh of a sum is no sum of tanhs, so no table can hold it.",
        ),
    ],
    right="Eight look-ups and seven additions do what took 65,536 multiplications a token.",
)

# -- 3.5 ------------------------------------------------------------------


class Spelled(nn.Module):
    """The oracle; the mistakes change its `shares`: (V, 256), the part that each byte has in a token."""

    def __init__(self, pieces, d_model):
        super().__init__()
        self.token, self.byte = nn.Embedding(len(pieces), d_model), nn.Embedding(256, d_model)
        self.register_buffer("bytes", torch.stack([self.shares(piece) for piece in pieces]))

    def shares(self, piece):
        return torch.bincount(torch.tensor(list(piece)), minlength=256) / len(piece)

    def forward(self, tokens):
        return self.token(tokens) + self.bytes[tokens] @ self.byte.weight


def spelled_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    letters = torch.randint(256, (40,), generator=generator).tolist()
    pieces = [bytes(letters[i : i + n]) for i, n in enumerate((1, 3, 2, 7, 4, 1, 5))]
    return [
        ([b"a"], 1, torch.tensor([[0]])),
        ([b"a", b"ab"], 2, torch.tensor([[1]])),
        ([b"b", b"aab"], 1, torch.tensor([[1, 0]])),
        ([b"aaa", b"b", b"abcd"], 3, torch.tensor([[2, 2], [0, 1]])),
        (["é".encode(), b"<|endoftext|>", b" red"], 2, torch.tensor([[0, 1, 2]])),
        (pieces, 4, torch.randint(7, (2, 5), generator=generator)),
    ]


def spell(answer, pieces, d_model, tokens):
    """Build the answer, give it known numbers, run it forward and back."""
    model = answer(pieces, d_model)
    v = len(pieces)
    generator = torch.Generator().manual_seed(len(pieces) + d_model)
    for name, rows in (("token", v), ("byte", 256)):
        part = getattr(model, name, None)
        weight = getattr(part, "weight", None)
        if not isinstance(weight, nn.Parameter):
            raise Problem(
                f"The check needs `self.{name}`, a TokenEmbedding, to set its numbers; there is none."
            )
        if weight.shape != (rows, d_model):
            raise Problem(
                f"The table of `self.{name}` is {tuple(weight.shape)}, it must be {(rows, d_model)}."
            )
        with torch.no_grad():
            weight.copy_(torch.randn(rows, d_model, generator=generator))
    if plain := [name for name, value in vars(model).items() if isinstance(value, torch.Tensor)]:
        raise Problem(
            f"`self.{plain[0]}` is a plain tensor: when the layer moves to another device, it stays behind. "
            f'`self.register_buffer("{plain[0]}", tensor)` makes it a part of the layer.'
        )
    learned = sum(p.numel() for p in model.parameters())
    if learned != (v + 256) * d_model:
        raise Problem(
            f"Your layer learns {learned} numbers; the two tables have {(v + 256) * d_model}. How a token is "
            "spelled is not to be learned: keep it by `register_buffer`, not as an nn.Parameter."
        )
    x = model(tokens)
    if isinstance(x, torch.Tensor) and x.requires_grad and x.shape == (*tokens.shape, d_model):
        (x * torch.randn(x.shape, generator=generator)).sum().backward()
    used = sorted({byte for piece in pieces for byte in piece})
    none = torch.zeros(0)
    grads = [none if p.grad is None else p.grad for p in (model.token.weight, model.byte.weight)]
    return {
        "rows": x.detach() if isinstance(x, torch.Tensor) else x,
        "gradient of token.weight": grads[0],
        "gradient of byte.weight, the bytes used": grads[1][used] if len(grads[1]) else none,
    }


class SpelledSum(Spelled):
    def shares(self, piece):
        return super().shares(piece) * len(piece)


class SpelledSet(Spelled):
    def shares(self, piece):
        return (super().shares(piece) > 0) / len(set(piece))


class SpelledOverwritten(Spelled):
    def shares(self, piece):
        return (super().shares(piece) > 0) / len(piece)


class SpelledWithoutRow(Spelled):
    def forward(self, tokens):
        return 0 * self.token(tokens) + self.bytes[tokens] @ self.byte.weight


class SpelledWithoutBytes(Spelled):
    def forward(self, tokens):
        return self.token(tokens) + 0 * self.bytes[tokens] @ self.byte.weight


class SpelledPadded(Spelled):
    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        lengths = torch.tensor([len(piece) for piece in pieces])
        self.bytes *= lengths[:, None] / lengths.max()


class SpelledPaddedWithZero(Spelled):
    def __init__(self, pieces, d_model):
        longest = max(map(len, pieces))
        super().__init__([piece.ljust(longest, b"\0") for piece in pieces], d_model)


class SpelledMeanOfAll(Spelled):
    def forward(self, tokens):
        n = (1 / self.bytes[tokens].masked_fill(self.bytes[tokens] == 0, 1).amin(-1, keepdim=True)).round()
        return (self.token(tokens) + n * (self.bytes[tokens] @ self.byte.weight)) / (n + 1)


class SpelledDetached(Spelled):
    def forward(self, tokens):
        return self.token(tokens) + self.bytes[tokens] @ self.byte.weight.detach()


class SpelledFirstByte(Spelled):
    def shares(self, piece):
        return super().shares(piece[:1])


SPELLED = Function(
    number="3.5",
    title="A row for a word that nobody has seen",
    stars=3,
    wants="SpelledEmbedding(pieces, d_model)",
    cases=spelled_cases,
    oracle=Spelled,
    call=spell,
    shown="{f}(pieces={0}, d_model={1})(tokens), tokens = {2}",
    mistakes=[
        (
            SpelledSum,
            "You added up the rows of a token's bytes. Take their mean, or long tokens get large rows.",
        ),
        (
            SpelledSet,
            "A byte that occurs twice in a token counts once in your mean. It should count twice.",
        ),
        (
            SpelledOverwritten,
            "A byte that occurs twice in a token is counted once, and the parts no longer add up to 1. `=` "
            "and `+=` at a list of indices write each place once; `torch.bincount` counts them all.",
        ),
        (
            SpelledWithoutRow,
            "The token's own row is missing. Without it, `was` and `saw` would be the same to the model.",
        ),
        (SpelledWithoutBytes, "The rows of the bytes are missing: these are the tokens' own rows alone."),
        (
            SpelledPadded,
            "You divided by the length of the longest token. Each token has its own number of bytes.",
        ),
        (
            SpelledPaddedWithZero,
            "The padding counts as bytes. Short tokens are filled up with zeros here, and byte 0 has a row "
            "like any other.",
        ),
        (
            SpelledMeanOfAll,
            "Your mean has the token's own row in it. First the mean over the bytes, then the sum.",
        ),
        (
            SpelledDetached,
            "The rows are right, but no gradient reaches the bytes: they would stay noise. Compute the mean "
            "in `forward`, from `self.byte`, not once and for all in `__init__`.",
        ),
        (SpelledFirstByte, "Only the first byte of each token is used."),
    ],
    right="Every token that shares letters shares what is learned of them, seen or not.",
)

EXERCISES = [NEAREST, WHICH_FIRST, TABLE_GRADIENT, TABLES, SPELLED]
