"""The check of exercise 22.4: Reading a long text in pieces."""

import torch

from companion.exercises.ch22.shared import Layer
from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record, as_tensor, type_name


def detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def pieces(change, x_of=lambda x: x):
    """Reads piece by piece; change: what becomes of the state between them."""

    def read(cell, x, length):
        state, outs = None, []
        for piece in x_of(x).split(length, dim=1):
            out, state = cell(piece, state)
            state = change(state)
            outs.append(out)
        return torch.cat(outs, dim=1)

    return read


read_in_pieces = pieces(detached)


def cases(seed):
    g = torch.Generator().manual_seed(seed)
    made = []
    sizes = (
        (1, 2, 1, 1),
        (1, 4, 1, 2),
        (2, 5, 3, 2),
        (3, 7, 2, 3),
        (2, 3, 4, 5),
        (1, 8, 2, 6),
    )  # B, T, d_in, length
    for i, (B, T, d_in, length) in enumerate(sizes):
        kind = ("RNN", "LSTM")[(i + seed) % 2]
        x = torch.randn(B, T, d_in, generator=g).requires_grad_()
        made.append((kind, Layer(kind, d_in, 4, 10 * seed + i), x, length))
    return made


def read_and_go_back(answer, kind, cell, x, length):
    """What comes out, and the gradients of each piece's last output by the text."""
    out = as_tensor(found := answer(cell, x, length))
    if out is None or out.shape != (*x.shape[:2], 4):
        shape = f"a {type_name(found)}" if out is None else f"of shape {tuple(out.shape)}"
        raise Problem(f"The outputs must be (B, T, H), here {(*x.shape[:2], 4)}; yours are {shape}.")
    if not torch.is_tensor(found):
        raise Problem(
            f"The outputs must be one tensor, for gradients to go back; yours are a {type_name(found)}."
        )
    if not found.requires_grad:
        raise Problem("No gradient can go back from your outputs: within a piece it must.")
    weights = torch.arange(1.0, 5.0)
    (grad,) = torch.autograd.grad((out[:, -1] * weights).sum(), x, retain_graph=True, allow_unused=True)
    (of_all,) = torch.autograd.grad((out * weights).sum(), x, allow_unused=True)
    if grad is None or of_all is None:
        raise Problem("No gradient comes back to x: detach the state between pieces, nothing else.")
    gradients = {"gradient of the last output by x": grad, "gradient of all by x": of_all}
    return Record("", {"outputs": out.detach()} | gradients)


def whole(cell, x, length):
    return cell(x)[0]


def by_chunk(cell, x, length):
    state, outs = None, []
    for piece in x.chunk(length, dim=1):
        out, state = cell(piece, state)
        state = detached(state)
        outs.append(out)
    return torch.cat(outs, dim=1)


def half_detached(half):
    def change(state):
        if not isinstance(state, tuple):
            return state.detach()
        return tuple(s.detach() if i == half else s for i, s in enumerate(state))

    return change


def backwards(cell, x, length):
    state, outs = None, []
    for piece in reversed(x.split(length, dim=1)):
        out, state = cell(piece, state)
        state = detached(state)
        outs.insert(0, out)
    return torch.cat(outs, dim=1)


def always_from_the_first(cell, x, length):
    first = detached(cell(x[:, :length])[1])
    rest = [cell(piece, first)[0] for piece in x.split(length, dim=1)[1:]]
    return torch.cat([cell(x[:, :length])[0], *rest], dim=1)


def word_by_word(cell, x, length):
    return read_in_pieces(cell, x, 1)


EXERCISE = Function(
    number="22.4",
    title="Reading a long text in pieces",
    stars=2,
    wants="read_in_pieces(cell, x, length)",
    cases=cases,
    oracle=read_in_pieces,
    call=read_and_go_back,
    shown="{f}(cell, x, {3}) with an {0}, x = {2}",
    mistakes=[
        (whole, "Your gradient goes back through the whole text: detach the state between pieces."),
        (pieces(lambda state: None), "You forget the state: each piece begins with zeros. Carry it on."),
        (pieces(half_detached(0)), "You detach h, but not the LSTM's c: the gradient goes on through it."),
        (pieces(half_detached(1)), "You detach c, but not the LSTM's h: the gradient goes on through it."),
        (backwards, "You read the last piece first."),
        (always_from_the_first, "Every piece begins with the state after the first one. Carry the newest."),
        (
            by_chunk,
            "`chunk(length)` makes so many pieces. Each piece has so many tokens: `split(length, dim=1)`.",
        ),
        (word_by_word, "You detach after every word. Within a piece the gradient must go back."),
    ],
    right="The outputs are those of the whole text, and each gradient ends where its piece begins.",
)
