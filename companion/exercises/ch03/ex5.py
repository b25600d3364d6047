"""The check of exercise 3.5: A row for a word that nobody has seen."""

import torch
from torch import nn

from companion.exercises.exercise import Function, Problem


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
        ([b"once upon a time, there was a small red lantern", b"on"], 1, torch.tensor([[0, 1]])),
        (pieces, 4, torch.randint(7, (2, 5), generator=generator)),
    ]


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
    def __init__(self, pieces, d_model):
        super().__init__(pieces, d_model)
        self.register_buffer("lengths", torch.tensor([[float(len(piece))] for piece in pieces]))

    def forward(self, tokens):
        n = self.lengths[tokens]
        return (self.token(tokens) + n * (self.bytes[tokens] @ self.byte.weight)) / (n + 1)


class SpelledDetached(Spelled):
    def forward(self, tokens):
        return self.token(tokens) + self.bytes[tokens] @ self.byte.weight.detach()


class SpelledFirstByte(Spelled):
    def shares(self, piece):
        return super().shares(piece[:1])


EXERCISE = Function(
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
