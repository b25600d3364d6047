"""The checks of chapter 3, Embeddings."""

import math

import torch
from torch import nn

from companion.exercises.comparison import changes
from companion.exercises.normalize import as_tensor, snapshot
from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

E = torch.tensor([[0.0, 1.0], [2.0, 1.0], [2.0, 0.0], [-1.0, 3.0], [-1.0, 2.0]])
"""The chapter's table by hand: a, red, blue, lantern, key."""


# -- 3.1 ------------------------------------------------------------------
def nearest_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for v, c, asked in ((11, 3, (0, 4, 10)), (40, 5, (2, 20, 39))):
        lengths = 4 * torch.rand(v, 1, generator=generator) + 0.2
        rows = lengths * torch.randn(v, c, generator=generator)
        yield from ((rows, i) for i in asked)


@chapter.function(
    "3.1 Whose neighbor? ★",
    inputs="""
        E, 0 || E, 1 || E, 2 || E, 3 || E, 4
        torch.tensor([[1.0, 2.0], [-1.0, -2.1], [2.0, -0.9]]), 0
        torch.tensor([[1.0, 2.0], [-1.0, -2.1], [2.0, -0.9]]), 1
        torch.tensor([[1.0, 2.0], [-1.0, -2.1], [2.0, -0.9]]), 2
        torch.tensor([[1.0, 0.0], [-2.0, 0.0]]), 0
        torch.tensor([[1.0, 0.0], [-2.0, 0.0]]), 1
        torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), 0
        torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), 2
        torch.tensor([[50.0, 0.0], [50.0, 2.0], [50.0, 1.0]]), 0
    """,
    cases=nearest_cases,
    mistakes="""
        cosine[i] = -torch.inf =>
            You found row i itself, because no row is more similar to it. Leave it out of the search.
        rows / rows.norm(dim=1, keepdim=True) => rows
            You compared products of the rows as they are. A long row has large products with many rows, even
            if it points elsewhere. Divide each row by its length first.
        directions @ directions[i] => -(rows - rows[i]).norm(dim=1)
            You took the row at the smallest distance. Two rows that point the same way can be far apart, if
            one is short and one is long. Compare directions, not distances.
        dim=1 => dim=0
            You divided the columns by their lengths, not the rows. In a table (V, C), which `dim` runs along
            a row?
        -torch.inf => 0
            You replaced row i's own cosine by 0. If all other rows point away from it, their cosines are
            below 0, and row i finds itself. Use a number below any cosine.
        cosine[i] = -torch.inf => ; cosine.argmax() => cosine.sort(descending=True, stable=True).indices[1]
            You took the second row in order of similarity, as if row i were sure to be the first. If another
            row points in exactly the same direction, row i may come second and find itself.
        cosine[i] = -torch.inf => cosine = cosine[torch.arange(len(rows)) != i]
            You took row i out and searched the rest. Then every index after i is one too small.
    """,
    right="What a word means to the model is the direction of its embedding; its length is another matter.",
)
def nearest(rows, i):
    directions = rows / rows.norm(dim=1, keepdim=True)
    cosine = directions @ directions[i]
    cosine[i] = -torch.inf
    return cosine.argmax().item()


chapter.number(
    "3.2 Which came first? ★",
    wants="loss_at_the_end()",
    answer=math.log(2),
    tolerance=0.05,
    mistakes="""
        0.0
            A loss of 0 would mean that the model always knows which token came first. Without a
            nonlinearity, do the two orders of a pair have different means?
        math.log(10)
            That is the loss of a model that finds all ten tokens equally likely. This model sees which two
            there are.
        1.0
            One question with two answers is one bit. The loss is in nats: how many of those is a bit?
        0.5
            That may be the probability that the model gives to the right token. The loss is the surprise at
            this token, minus the logarithm of its probability.
        math.log(9)
            Nine tokens would remain if the model knew one token that is not the first. It knows more: the
            two tokens of the pair.
        math.log(20)
            The tables hold ten tokens and two positions. How many tokens could be the answer?
    """,
    right="Half of the answers are wrong, however long it trains: a plain sum does not depend on the order.",
)


# -- 3.3 ------------------------------------------------------------------
def gradient_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for n, c, v in ((7, 3, 5), (9, 4, 4), (13, 4, 6), (6, 2, 11)):
        tokens = torch.randint(v, (n,), generator=generator)
        yield tokens, torch.randn(n, c, generator=generator), v


@chapter.function(
    "3.3 What reaches the table ★★",
    inputs="""
        torch.tensor([1]), torch.tensor([[2.0]]), 2
        torch.tensor([1, 1]), torch.tensor([[1.0, 0.0], [2.0, 5.0]]), 3
        torch.tensor([2, 0]), torch.tensor([[1.0, 3.0], [4.0, 7.0]]), 4
        torch.tensor([0, 2, 0]), torch.tensor([[1.0], [5.0], [2.0]]), 4
        torch.tensor([1, 0, 1]), torch.tensor([[400.0], [-3.5], [0.25]]), 2
        torch.tensor([0, 2, 2]), torch.tensor([[1.0], [5.0], [5.0]]), 3
    """,
    cases=gradient_cases,
    mistakes="""
        += grads[n] => = grads[n]
            A token that occurs twice has only its last gradient here. `table[tokens] = …` and
            `table[tokens] += …` write each row once, so only one of several gradients for the same row
            survives. They have to be added up.
        = it / torch.bincount(tokens, minlength=vocab_size).clamp(min=1)[:, None]
            You took the mean over a token's occurrences. The loss depends on the row through each
            occurrence, and a derivative is the sum over all of them.
        = it / torch.bincount(tokens, minlength=vocab_size)[:, None]
            You took the mean over a token's occurrences, and for a token that never occurs this is nan. A
            derivative is the sum over all occurrences, which is 0 where there are none.
        = it.sum(1, keepdim=True).expand_as(it)
            Each of your rows has the same number C times, because a `sum()` without `dim` adds up the columns
            too. Along which dimension do a token's occurrences lie?
        = it / len(tokens)
            You divided by the number of tokens. If the loss is a mean, `grads` already contains this factor.
        = table_gradient(tokens, grads, int(tokens.max()) + 1)
            Your table ends at the largest token that occurs. It must have `vocab_size` rows, also for tokens
            that were not read.
        = it[tokens.unique()]
            You kept only the rows that were read. The others belong to the table too; their gradient is 0.
    """,
    right="A look-up copies rows out, so its gradient adds rows in. That is the whole backward pass.",
)
def table_gradient(tokens, grads, vocab_size):
    found = torch.zeros(vocab_size, grads.shape[1])
    for n in range(len(tokens)):
        found[tokens[n]] += grads[n]
    return found


# -- 3.4 ------------------------------------------------------------------
TWO_ROWS = torch.tensor([[1.0], [10.0]])


def tables_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for v, c, n, d, biased in ((7, 2, 3, 5, True), (9, 4, 5, 3, True), (5, 3, 4, 2, False)):
        sizes = (v, c), (d, n * c), (d,)
        rows, weight, bias = (torch.randn(*size, generator=generator) for size in sizes)
        window = torch.randint(v, (6, n), generator=generator)
        yield rows, weight, bias if biased else None, window


def by_look_up(answer, rows, weight, bias, window):
    """Sum the answer's tables at each window's tokens: what the answer is for."""
    token = nn.Embedding(*rows.shape)
    mix = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    token.load_state_dict({"weight": rows})
    mix.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}))
    before = snapshot((token, mix))
    found = answer(token, mix)
    if change := changes(snapshot((token, mix)), before):
        index, _, attribute = change.place[1:].partition("]")
        raise Problem(
            f"Your answer changes its input: after the call, `{('token', 'mix')[int(index)]}"
            f"{attribute.rstrip(':')}` is {change.text or 'another'}. The caller still needs it: "
            "work on a copy."
        )
    n, expected = window.shape[-1], (window.shape[-1], len(rows), len(weight))
    found = found if isinstance(found, list | tuple) else as_tensor(found)
    if found is None:
        raise Problem("Your answer gives no tensor (n, V, outputs). Is a `return` missing?")
    if not isinstance(found, torch.Tensor):
        raise Problem(f"Your answer gives a {type(found).__name__}; `torch.stack` makes a tensor of a list.")
    if tuple(found.shape) != expected:
        raise Problem(
            f"Your tables have the shape {tuple(found.shape)}. For a window of {n} tokens, a vocabulary of "
            f"{len(rows)} and {len(weight)} outputs they must be {expected}."
        )
    return sum(found[j, window[:, j]] for j in range(n)).detach()


@chapter.function(
    "3.4 Multiply once, look up for ever ★★",
    inputs="""
        TWO_ROWS, torch.tensor([[3.0]]), torch.tensor([0.0]), torch.tensor([[1]])
        TWO_ROWS, torch.tensor([[3.0, 5.0]]), None, torch.tensor([[1, 1]])
        TWO_ROWS, torch.tensor([[3.0, 5.0]]), torch.tensor([0.0]), torch.tensor([[0, 1]])
        TWO_ROWS, torch.tensor([[3.0, 5.0]]), torch.tensor([0.5]), torch.tensor([[0, 1]])
        E, torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 2.0]]), torch.zeros(2), torch.tensor([[1, 4]])
    """,
    cases=tables_cases,
    call=by_look_up,
    shown="token.weight = {0}, mix.weight = {1}, mix.bias = {2}; the sums are for the windows {3}",
    mistakes="""
        found[0] += mix.bias => pass
            The vector `mix.bias` is missing. It belongs in every sum exactly once, so put it into one table.
        mix.bias is not None => True
            An `nn.Linear` that was made with `bias=False` has None as its `bias`: then there is nothing to
            add.
        found[0] += mix.bias => found += mix.bias
            `mix.bias` is in every table, so a sum over n tables contains it n times. Put it into one table,
            or a share of it into each.
        j * width : (j + 1) * width => j::n
            Your blocks take every n-th number of a row of `mix.weight`. The rows of the window lie side by
            side, one token's C numbers after the other's, so the blocks do too.
        [mix.weight[:, j * width : (j + 1) * width] for j in range(n)] => mix.weight.reshape(n, width, -1).mT
            You cut `mix.weight` as it is into blocks (C, outputs). It is (outputs, n C): each of its rows
            belongs to one output. `view` and `reshape` go on row by row, so transpose first.
        for block in blocks => for block in blocks[::-1]
            Your tables come in the wrong order: table 0 is for the oldest token of the window, whose row
            comes first.
        return found => return found.tanh()
            The tanh comes after the sum. The tanh of a sum is not a sum of tanhs, so no table can hold it.
    """,
    right="Eight look-ups and seven additions do what took 65,536 multiplications a token.",
)
def tables(token, mix):
    width = token.weight.shape[1]
    n = mix.weight.shape[1] // width
    blocks = [mix.weight[:, j * width : (j + 1) * width] for j in range(n)]
    found = torch.stack([token.weight @ block.T for block in blocks])
    if mix.bias is not None:
        found[0] += mix.bias
    return found


# -- 3.5 ------------------------------------------------------------------
def spelled_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    letters = torch.randint(256, (40,), generator=generator).tolist()
    pieces = [bytes(letters[i : i + n]) for i, n in enumerate((1, 3, 2, 7, 4, 1, 5))]
    yield pieces, 4, torch.randint(7, (2, 5), generator=generator)


def spell(answer, pieces, d_model, tokens):
    """Build the answer, give it known numbers, run it forward and back."""
    v = len(pieces)
    model = answer(pieces, d_model)
    generator = torch.Generator().manual_seed(v + d_model)
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
    before = {name: getattr(model, name).weight.detach().clone() for name in ("token", "byte")}
    x = model(tokens)
    for name, old in before.items():
        if not torch.equal(getattr(model, name).weight, old):
            raise Problem(
                f"`forward` changes the table of `self.{name}`: a second call would give other rows. Only "
                "training may change it."
            )
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


@chapter.function(
    "3.5 An embedding for a word that was never read ★★★",
    inputs="""
        [b"a"], 1, torch.tensor([[0]])
        [b"a", b"ab"], 2, torch.tensor([[1]])
        [b"b", b"aab"], 1, torch.tensor([[1, 0]])
        [b"aaa", b"b", b"abcd"], 3, torch.tensor([[2, 2], [0, 1]])
        ["é".encode(), b"<|endoftext|>", b" red"], 2, torch.tensor([[0, 1, 2]])
        [b"once upon a time, there was a small red lantern", b"on"], 1, torch.tensor([[0, 1]])
    """,
    cases=spelled_cases,
    call=spell,
    shown="{f}(pieces={0}, d_model={1})(tokens), tokens = {2}",
    mistakes="""
        counts / lengths => counts.float()
            You added up the vectors of a token's bytes. Take their mean, or long tokens get large vectors.
        counts / lengths => (counts > 0) / (counts > 0).sum(1, keepdim=True)
            A byte that occurs twice in a token counts once in your mean. It should count twice.
        counts / lengths => (counts > 0) / lengths
            A byte that occurs twice in a token is counted once, and the shares no longer add up to 1. `=` and
            `+=` at a list of indices write each index once; `torch.bincount` counts all of them.
        self.token(tokens) + => 0 * self.token(tokens) +
            The token's own embedding is missing. Without it, `was` and `saw` would be the same to the model.
        + spelled => + 0 * spelled
            The embeddings of the bytes are missing. Your vectors are the tokens' own embeddings alone.
        - super().__init__()
        + super().__init__()
        + longest = max(map(len, pieces))
        + pieces = [piece.ljust(longest, bytes(1)) for piece in pieces]
            The padding counts as bytes. Short tokens are filled up with zeros here, and byte 0 has an
            embedding like any other byte.
        - self.register_buffer("shares", counts / lengths)
        + self.register_buffer("shares", counts / (lengths + 1))
        + self.register_buffer("own", 1 / (lengths + 1))
        - return self.token(tokens) + spelled
        + return self.own[tokens] * self.token(tokens) + spelled
            Your mean includes the token's own embedding. First take the mean over the bytes, then add.
        self.byte.weight => self.byte.weight.detach()
            The vectors are right, but no gradient reaches the bytes, so they would stay random. Compute the
            mean in `forward`, from `self.byte`, and not once and for all in `__init__`.
    """,
    right="All tokens that share letters share what is learned about these letters, also tokens never read.",
)
class SpelledEmbedding(nn.Module):
    def __init__(self, pieces, d_model):
        super().__init__()
        self.token = nn.Embedding(len(pieces), d_model)
        self.byte = nn.Embedding(256, d_model)
        counts = torch.stack([torch.bincount(torch.tensor(list(piece)), minlength=256) for piece in pieces])
        lengths = counts.sum(1, keepdim=True)
        self.register_buffer("shares", counts / lengths)

    def forward(self, tokens):
        spelled = self.shares[tokens] @ self.byte.weight
        return self.token(tokens) + spelled
