"""The checks of chapter 22, Recurrent networks."""

import math
import random

import torch
from torch import nn

from companion.exercises.normalize import Record, as_number, as_tensor, type_name
from companion.exercises.notation import Chapter, Problem
from companion.recurrent import LSTM, RNN

chapter = Chapter()

chapter.number(
    "22.1 How many numbers? ★",
    wants="numbers_of_the_lstm()",
    answer=395_264,
    tolerance=0.5,
    mistakes="""
        98_816
            That is only one of the four blocks, so it is the size of an RNN.
        296_448
            That is only three blocks, so it is the size of a GRU. An LSTM has three gates and a proposal.
        394_240
            One bias is missing. PyTorch has one bias for the product with the token and one for the product
            with the state.
        393_216
            The biases are missing. Each block has two.
        131_072
            You counted only the matrices for the token. Each block also has a matrix for the state.
        262_144
            You counted only the matrices for the state. Each block also has a matrix for the token.
        197_632
            That is half of it. Either you counted two blocks instead of four, or you swapped the sizes: the
            token has 128 numbers, and the state has 256.
        264_192
            Each block has two matrices. The one for the token is 256 by 128, the one for the state 256 by
            256.
        197_120
            All four blocks have two matrices and two biases, not only the first one.
        395_264 * 4
            That is the number of bytes in float32. How many numbers are there?
    """,
    right="Four blocks of 256 rows, each with 128 + 256 columns and two biases, make 395,264 numbers.",
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
            That is PyTorch's form, in which r multiplies the product U h. Here r must multiply h before the
            product.
        z * h + (1 - z) * n => (1 - z) * h + z * n
            You swapped z and 1 − z. Here z is the share of the old state that is kept.
        x_r, x_z, x_n = => x_z, x_r, x_n = ; U_r, U_z, U_n = => U_z, U_r, U_n =
            You read the blocks in another order. The reset gate comes first, then the update gate.
        x_r, x_z, x_n = => x_n, x_r, x_z = ; U_r, U_z, U_n = => U_n, U_r, U_z =
            You read the blocks in another order. The order is reset gate, update gate, proposal.
        = paper_step(x, h, *(torch.cat([p[0::3], p[1::3], p[2::3]]) for p in (W, U, b)))
            You took every third row. A block consists of neighboring rows: the first H rows are the reset
            gate's.
        - r = torch.sigmoid(x_r + h @ U_r.T)
        - z = torch.sigmoid(x_z + h @ U_z.T)
        + r, z = (s.exp() / (1 + s.exp()) for s in (x_r + h @ U_r.T, x_z + h @ U_z.T))
            For a large sum s, e to the power s is inf, and inf / inf is nan. `torch.sigmoid` avoids this.
        h @ U_z.T => (r * h) @ U_z.T
            You used r ⊙ h in the update gate. Only the proposal uses it. The update gate uses h itself.
        U.chunk(3) => (u.T for u in U.chunk(3))
            Your U is transposed. The formula U h is for a column h. Here h is a row of the batch, so it is h
            @ U.T.
        (r * h) => h
            The reset gate has no effect in your step. In the proposal it must multiply the state.
        x_n + (r * h) @ U_n.T => r * (x_n + h @ U_n.T)
            Your reset gate multiplies the whole sum. It must multiply only the state, not the token's part.
        torch.tanh =>
            The tanh of the proposal is missing.
        torch.tanh => torch.sigmoid
            The proposal uses tanh, with values from −1 to 1, not the sigmoid.
        z * h + (1 - z) * n => n
            You returned the proposal n. The new state also contains a share of the old state.
    """,
    right="The proposal must wait for r here. In PyTorch's form, one product serves all three blocks.",
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
    close = b is not None and (b == math.inf or abs(b - half_life_bias(n)) < 0.1)
    if n >= 1000 and (type(got.error) is ZeroDivisionError or close):
        return (
            "For a gate f near 1, the difference 1 − f has few correct digits. In float32, or with a rounded "
            "gate, they are too few."
        )
    return "" if n == int(n) else "`n` is not always a whole number, and it may be below 1."


@chapter.function(
    "22.3 A bias for a memory of n steps ★★",
    cases=bias_cases,
    hint=bias_hint,
    mistakes="""
        = 0.5 ** (1 / n)
            That is the gate itself. Which bias gives this gate when you apply σ?
        = math.log(0.5**n / (1 - 0.5**n)) if 0.5**n else -math.inf
            You computed ½ to the power n. It is the other way round: the gate to the power n must be ½.
        math.log(2) / n => 1 / n
            With this bias, a share of 1/e is left after n steps. It should be one half.
        = it / math.log(2)
            You used the logarithm to base 2. σ is defined with e, so its inverse needs the natural logarithm.
        = math.log(0.5 ** (1 / n))
            The inverse of σ is ln(f / (1 − f)), not ln f.
        = math.log(n)
            That is ln n, which is only near the answer. It is right for n = 1, but already too low for n = 2.
        = math.log(n / math.log(2))
            This is nearly right for many steps. For few steps, 1 − f is not close to ln 2 / n.
    """,
    right="For large n the bias grows like ln n. It is 4.0 for forty steps and 7.3 for a thousand.",
)
def half_life_bias(n):
    return -math.log(math.expm1(math.log(2) / n))


# -- 22.4 ------------------------------------------------------------------
def layer(kind, d_in, d_hidden, seed):
    """One of the chapter's layers, with large weights."""
    made = {"RNN": RNN, "LSTM": LSTM}[kind](d_in, d_hidden)
    generator = torch.Generator().manual_seed(seed)
    for parameter in made.parameters():
        nn.init.uniform_(parameter, -0.9, 0.9, generator=generator)
    return made


def piece_cases(seed):
    g = torch.Generator().manual_seed(seed)
    sizes = (1, 2, 1, 1), (1, 4, 1, 2), (2, 5, 3, 2), (3, 7, 2, 3), (2, 3, 4, 5), (1, 8, 2, 6)
    for i, (B, T, d_in, length) in enumerate(sizes):
        kind = ("RNN", "LSTM")[(i + seed) % 2]
        x = torch.randn(B, T, d_in, generator=g).requires_grad_()
        yield kind, layer(kind, d_in, 4, 10 * seed + i), x, length


def read_and_go_back(answer, kind, cell, x, length):
    """What comes out, and the gradients of each piece's last output by the text."""
    out = as_tensor(found := answer(cell, x, length))
    if out is None or out.shape != (*x.shape[:2], 4):
        shape = f"a {type_name(found)}" if out is None else f"of shape {tuple(out.shape)}"
        raise Problem(f"The outputs must be (B, T, H), here {(*x.shape[:2], 4)}; yours are {shape}.")
    if not torch.is_tensor(found):
        raise Problem(
            f"The outputs must be one tensor, so that gradients can flow back; yours are a {type_name(found)}."
        )
    if not found.requires_grad:
        raise Problem("No gradient can flow back from your outputs. Within a piece, it must.")
    weights = torch.arange(1.0, 5.0)
    (grad,) = torch.autograd.grad((out[:, -1] * weights).sum(), x, retain_graph=True, allow_unused=True)
    (of_all,) = torch.autograd.grad((out * weights).sum(), x, allow_unused=True)
    if grad is None or of_all is None:
        raise Problem("No gradient comes back to x. Detach only the state between pieces, and nothing else.")
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
            Your gradient flows back through the whole text. Detach the state between pieces.
        state = detached(state) => state = None
            Each of your pieces begins with a state of zeros. Pass the last state on to the next piece.
        h.detach(), c.detach() => h.detach(), c
            You detach the LSTM's h, but not its c, so the gradient still flows back through c.
        h.detach(), c.detach() => h, c.detach()
            You detach the LSTM's c, but not its h, so the gradient still flows back through h.
        x.split(length, dim=1) => x.chunk(length, dim=1)
            `chunk(length)` gives `length` pieces. You need pieces of `length` tokens: `split(length, dim=1)`.
        = read_in_pieces(cell, x, 1)
            You detach after every token. Within a piece, the gradient must flow back.
    """,
    right="The outputs equal those of the whole text, and each gradient ends where its piece begins.",
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
        yield kind, layer(kind, d_in, 3, at), layer(kind, d_in, 3, at + 1), x, lengths


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
            You did not reverse the outputs of the backward network. They must be in the order of the text
            again.
        turned(x, lengths) => x ; turned(back, lengths) => back
            Your second network reads forward, too. It must read each row from its last real token to its
            first.
        turned(x, lengths) => x.flip(1) ; turned(back, lengths) => back.flip(1)
            You reverse whole rows, so the backward network reads the padding first.
        = torch.cat([forward(x)[0], backward(x.flip(1))[0].flip(1)], dim=2)
            You did not use `lengths`, so the backward network begins in the padding.
        return torch.where(real, both, nothing) => return both
            At padding the outputs must be zeros.
        return torch.where(real, both, nothing) => return both * real
            You multiplied by 0 at padding, but 0 times nan is nan. Use `torch.where` to write the zeros.
        [ahead, turned(back, lengths)] => [turned(back, lengths), ahead]
            You swapped the two outputs. The forward network's output comes first.
        turned(x, lengths) => torch.where(real, x, nothing).flip(1) ; turned(back, lengths) => back.flip(1)
            Zeros change the state, too, because of the biases. Begin at the last real token, not in the
            padding.
        turned(x, lengths) => turned(x, lengths), forward(x)[1]
            Your backward network begins with the last state of the forward network. It must begin with zeros.
        = both_ways(backward, forward, x, lengths)
            You swapped the layers: `forward` must read from left to right, and `backward` from right to left.
        = it.unflatten(2, (2, -1)).transpose(2, 3).flatten(2)
            You mixed the numbers of the two outputs. First come all H numbers of the forward network, then
            all H numbers of the backward network.
        = it[:, : max(lengths)]
            The result must have all T positions, even those at which no row has a real token.
        turned(x, lengths) => x
            The backward network read the tokens in their usual order. Reverse the tokens before it reads
            them.
        = sum(it.chunk(2, dim=2))
            You added the two outputs. They must stand side by side, with shape (B, T, 2H).
    """,
    right="The output at each word now depends on the words before it and after it, and never on padding.",
)
def both_ways(forward, backward, x, lengths):
    real = torch.arange(x.shape[1])[:, None] < torch.tensor(lengths)[:, None, None]
    nothing = torch.tensor(0.0)
    ahead = forward(x)[0]
    back = backward(turned(x, lengths))[0]
    both = torch.cat([ahead, turned(back, lengths)], dim=2)
    return torch.where(real, both, nothing)
