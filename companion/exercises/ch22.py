"""The checks of chapter 22, Recurrent networks."""

import math
import random

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter
from companion.exercises.settle import Record, as_number, as_tensor, type_name

chapter = Chapter()

chapter.number(
    "22.1 How many numbers? ★",
    wants="numbers_of_the_lstm()",
    answer=395_264,
    tolerance=0.5,
    mistakes="""
        98_816
            That is one block of the four: an RNN of this size.
        296_448
            That is three blocks: a GRU of this size. The LSTM has a proposal and three gates.
        394_240
            One bias is missing: PyTorch has one for the token's product and one for the state's.
        393_216
            The biases are missing, two for each block.
        131_072
            That is the tokens' matrices alone. The state has one in each block, too.
        262_144
            That is the states' matrices alone. The token has one in each block, too.
        197_632
            That is half: two blocks, or the sizes swapped. 128 is the token's, 256 the state's.
        264_192
            Each block has two matrices: 256 by 128 for the token, 256 by 256 for the state.
        197_120
            All four blocks have both matrices and both biases, not the first alone.
        395_264 * 4
            In bytes, yes, with float32. How many numbers are they?
    """,
    right="Four blocks of 256 rows, each with 128 + 256 columns and two biases: 395,264 numbers.",
)

# -- 22.2 ------------------------------------------------------------------


def step_cases(seed):
    g = torch.Generator().manual_seed(seed)
    made = []
    for B, d_in, H in ((1, 1, 1), (1, 2, 2), (2, 3, 2), (3, 2, 4)):
        sizes = (B, d_in), (B, H), (3 * H, d_in), (3 * H, H), (3 * H,)
        made.append(tuple(torch.randn(size, generator=g) for size in sizes))
    for x, h, W, U, b in made[1:3]:  # gates wide open, and shut
        made.append((x, h, W, U, b + 100 * torch.tensor([1, -1]).repeat(len(b))[: len(b)]))
    return made


@chapter.function(
    "22.2 The paper's GRU ★★",
    cases=step_cases,
    mistakes="""
        (r * h) @ U_n.T => r * (h @ U_n.T)
            That is PyTorch's form: r multiplies the product. Here it multiplies h before it.
        z * h + (1 - z) * n => (1 - z) * h + z * n
            You swapped what is kept and what is taken: z is the share of h that stays.
        x_r, x_z, x_n = => x_z, x_r, x_n = ; U_r, U_z, U_n = => U_z, U_r, U_n =
            Your blocks are in another order: first the reset gate, then the update gate.
        x_r, x_z, x_n = => x_n, x_r, x_z = ; U_r, U_z, U_n = => U_n, U_r, U_z =
        x_r, x_z, x_n = => x_r, x_n, x_z = ; U_r, U_z, U_n = => U_r, U_n, U_z =
            Your blocks are in another order: reset gate, update gate, proposal.
        = paper_step(x, h, *(torch.cat([p[0::3], p[1::3], p[2::3]]) for p in (W, U, b)))
            The blocks are not every third row: the first H rows are the reset gate's.
        - r = torch.sigmoid(x_r + h @ U_r.T)
        - z = torch.sigmoid(x_z + h @ U_z.T)
        + r, z = (s.exp() / (1 + s.exp()) for s in (x_r + h @ U_r.T, x_z + h @ U_z.T))
            For large sums e to that power is inf, and inf / inf is nan. `torch.sigmoid` knows that.
        h @ U_z.T => (r * h) @ U_z.T
            The update gate sees the state as it is; only the proposal sees r ⊙ h.
        U.chunk(3) => (u.T for u in U.chunk(3))
            Your U is turned round: it is U h for a column h, so h @ U.T for rows.
        (r * h) => h
            The reset gate does nothing in your step. It multiplies the state in the proposal.
        x_n + (r * h) @ U_n.T => r * (x_n + h @ U_n.T)
            Your reset gate multiplies the whole sum; the token's part is not for it.
        x @ W.T + b => x @ W.T
            The bias is missing.
        torch.tanh =>
            The proposal has lost its tanh.
        torch.tanh => torch.sigmoid
            The proposal goes through a tanh, from −1 to 1, not through a sigmoid.
        z * h + (1 - z) * n => n
            That is the proposal n. What of the old state is kept?
        z * h => z * (r * h)
            What z keeps is the old state itself, without the reset gate.
    """,
    right="The proposal has to wait for r; PyTorch's form makes all three products at once.",
)
def paper_step(x, h, W, U, b):
    x_r, x_z, x_n = (x @ W.T + b).chunk(3, dim=1)
    U_r, U_z, U_n = U.chunk(3)
    r = torch.sigmoid(x_r + h @ U_r.T)
    z = torch.sigmoid(x_z + h @ U_z.T)
    n = torch.tanh(x_n + (r * h) @ U_n.T)
    return z * h + (1 - z) * n


# -- 22.3 ------------------------------------------------------------------


def bias_cases(seed):
    rng = random.Random(seed)
    drawn = rng.randint(3, 200), rng.randint(201, 5000)
    return [(n,) for n in (1, 2, 40, 1000, 1_000_000, 0.5, 2.5, 0.1, *drawn)]


def bias_hint(got, n):
    b = None if got.error else as_number(got.value)
    near = b is not None and (b == math.inf or abs(b - half_life_bias(n)) < 0.1)
    if n >= 1000 and (type(got.error) is ZeroDivisionError or near):
        return "Near 1 a gate has few digits left for 1 − f; float32, or a rounded gate, has too few."
    return "" if n == int(n) else "`n` is not always a whole number, and may be below 1."


@chapter.function(
    "22.3 A bias for a memory of n steps ★★",
    cases=bias_cases,
    hint=bias_hint,
    mistakes="""
        = 0.5 ** (1 / n)
            That is the gate itself. Which bias does σ turn into it?
        = -it
            The sign is turned round: a gate above ½ needs a bias above 0.
        = math.log(0.5**n / (1 - 0.5**n)) if 0.5**n else -math.inf
            You took ½ to the power n; after n steps the gate to the power n is ½.
        math.log(2) / n => 1 / n
            With this bias 1/e is left after n steps. Half was asked for.
        = it / math.log(2)
            You took the logarithm to base 2; σ is made of e.
        = math.log(0.5 ** (1 / n))
            The gate is undone by ln(f / (1 − f)), not by ln f.
        = math.log(n)
            That is ln n: near it, but not it. At n = 1 it is 0 as wanted, at 2 already too low.
        = math.log(n / math.log(2))
            For many steps that is right; for few, 1 − f is not ln 2 / n yet.
    """,
    right="The bias grows like ln n: 4.0 for forty steps, 7.3 for a thousand.",
)
def half_life_bias(n):
    return -math.log(math.expm1(math.log(2) / n))


# -- 22.4 ------------------------------------------------------------------


class Layer(nn.Module):
    """A plain recurrent layer ("RNN") or an "LSTM", with the chapter's names: x, state or None -> out, state."""

    def __init__(self, kind, d_in, d_hidden, seed):
        super().__init__()
        self.d_in, self.d_hidden, self.gates = d_in, d_hidden, {"RNN": 1, "LSTM": 4}[kind]
        g, rows = torch.Generator().manual_seed(seed), self.gates * d_hidden
        sizes = {"weight_ih_l0": (rows, d_in), "weight_hh_l0": (rows, d_hidden)}
        for name, size in (sizes | {"bias_ih_l0": (rows,), "bias_hh_l0": (rows,)}).items():
            self.register_parameter(name, nn.Parameter(torch.empty(size).uniform_(-0.9, 0.9, generator=g)))

    def first_state(self, x):
        h = x.new_zeros(len(x), self.d_hidden)
        return h if self.gates == 1 else (h, torch.zeros_like(h))

    def step(self, a, state):
        h, c = (state, None) if self.gates == 1 else state
        sums = a + F.linear(h, self.weight_hh_l0, self.bias_hh_l0)
        if c is None:
            return sums.tanh()
        i, f, g, o = sums.chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def forward(self, x, state=None):
        if x.ndim != 3 or x.shape[-1] != self.d_in or not x.shape[1]:
            raise ValueError(f"x has shape {tuple(x.shape)}, must be (B, T, {self.d_in}), T at least 1")
        state, out = self.first_state(x) if state is None else state, []
        for a in F.linear(x, self.weight_ih_l0, self.bias_ih_l0).unbind(1):
            state = self.step(a, state)
            out.append(state if self.gates == 1 else state[0])
        return torch.stack(out, dim=1), state


def piece_cases(seed):
    g = torch.Generator().manual_seed(seed)
    sizes = (1, 2, 1, 1), (1, 4, 1, 2), (2, 5, 3, 2), (3, 7, 2, 3), (2, 3, 4, 5), (1, 8, 2, 6)
    for i, (B, T, d_in, length) in enumerate(sizes):
        kind = ("RNN", "LSTM")[(i + seed) % 2]
        x = torch.randn(B, T, d_in, generator=g).requires_grad_()
        yield kind, Layer(kind, d_in, 4, 10 * seed + i), x, length


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


def detached(state):
    if isinstance(state, tuple):
        h, c = state
        return h.detach(), c.detach()
    return state.detach()


@chapter.function(
    "22.4 Reading a long text in pieces ★★",
    cases=piece_cases,
    call=read_and_go_back,
    shown="{f}(cell, x, {3}) with an {0}, x = {2}",
    helpers=(detached,),
    mistakes="""
        = cell(x)[0]
            Your gradient goes back through the whole text: detach the state between pieces.
        state = detached(state) => state = None
            You forget the state: each piece begins with zeros. Carry it on.
        h.detach(), c.detach() => h.detach(), c
            You detach h, but not the LSTM's c: the gradient goes on through it.
        h.detach(), c.detach() => h, c.detach()
            You detach c, but not the LSTM's h: the gradient goes on through it.
        x.split(length, dim=1) => reversed(x.split(length, dim=1)) ; outs.append(out) => outs.insert(0, out)
            You read the last piece first.
        - out, state = cell(piece, state)
        - state = detached(state)
        + out, newest = cell(piece, state)
        + state = detached(newest) if state is None else state
            Every piece begins with the state after the first one. Carry the newest.
        x.split(length, dim=1) => x.chunk(length, dim=1)
            `chunk(length)` makes so many pieces. Each piece has so many tokens: `split(length, dim=1)`.
        = read_in_pieces(cell, x, 1)
            You detach after every word. Within a piece the gradient must go back.
    """,
    right="The outputs are those of the whole text, and each gradient ends where its piece begins.",
)
def read_in_pieces(cell, x, length):
    state, outs = None, []
    for piece in x.split(length, dim=1):
        out, state = cell(piece, state)
        state = detached(state)
        outs.append(out)
    return torch.cat(outs, dim=1)


# -- 22.5 ------------------------------------------------------------------


def both_cases(seed):
    g = torch.Generator().manual_seed(seed)
    sizes = (1, 2, 1, [2]), (1, 3, 1, [2]), (2, 4, 2, [4, 4]), (3, 5, 2, [5, 1, 3]), (2, 6, 3, [2, 5])
    for i, (B, T, d_in, lengths) in enumerate(sizes):
        x = torch.randn(B, T, d_in, generator=g)
        for row, n in zip(x, lengths, strict=True):
            row[n:] = math.nan if i == 4 else 7.0
        kind, at = ("RNN", "LSTM")[i % 2], 2 * (10 * seed + i)
        yield kind, Layer(kind, d_in, 3, at), Layer(kind, d_in, 3, at + 1), x, lengths


def turned(rows, lengths):
    """The first n of each row turned round; what follows stays in its place."""
    return torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(rows, lengths, strict=True)])


@chapter.function(
    "22.5 Both ways ★★★",
    cases=both_cases,
    call=lambda answer, kind, *inputs: answer(*inputs),
    shown="{f}(forward, backward, x, {4}) with two layers {0}, x = {3}",
    mistakes="""
        turned(back, lengths) => back
            Turn the backward outputs round again.
        turned(x, lengths) => x ; turned(back, lengths) => back
            Your second network reads forward, too.
        turned(x, lengths) => x.flip(1) ; turned(back, lengths) => back.flip(1)
            You turn whole rows round, so the backward network reads the padding first.
        = torch.cat([forward(x)[0], backward(x.flip(1))[0].flip(1)], dim=2)
            You did not use `lengths`: the backward network begins in the padding.
        return torch.where(real, both, nothing) => return both
            At padding the outputs must be zeros.
        return torch.where(real, both, nothing) => return both * real
            A product of 0 and nan is nan. Choose the zeros instead of multiplying.
        [ahead, turned(back, lengths)] => [turned(back, lengths), ahead]
            The forward network's output comes first, then the backward's.
        turned(x, lengths) => torch.where(real, x, nothing).flip(1) ; turned(back, lengths) => back.flip(1)
            Zeros move the state, too: begin at the last real token, not in the padding.
        turned(x, lengths) => turned(x, lengths), forward(x)[1]
            Your backward network begins with the forward one's last state, not afresh.
        = both_ways(backward, forward, x, lengths)
            You use `backward` for the forward way and `forward` for the backward one.
        = it.unflatten(2, (2, -1)).transpose(2, 3).flatten(2)
            Side by side: first the forward output's H numbers, then the backward one's.
        = it[:, : max(lengths)]
            The result has all T places, also where no row has a real token.
        turned(x, lengths) => x
            Turn the tokens round before you read them.
        = sum(it.chunk(2, dim=2))
            You added the two outputs. Side by side they are (B, T, 2H).
        = both_ways(forward, forward, x, lengths)
            You used the forward layer for both directions.
        torch.tensor(0.0) => torch.tensor(math.nan)
            Padding is nan in your result; it must be zeros.
    """,
    right="Each word now has what came before it and what comes after it, and padding reaches neither.",
)
def both_ways(forward, backward, x, lengths):
    real = torch.arange(x.shape[1])[:, None] < torch.tensor(lengths)[:, None, None]
    nothing = torch.tensor(0.0)
    ahead = forward(x)[0]
    back = backward(turned(x, lengths))[0]
    both = torch.cat([ahead, turned(back, lengths)], dim=2)
    return torch.where(real, both, nothing)
