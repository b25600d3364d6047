"""Wrong and right answers to chapter 22 by a stranger who had not seen the checks."""

import copy
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from companion.recurrent import GRU, LSTM, RNN

# 22.1 -----------------------------------------------------------------


def lstm_size(d_in, hidden, blocks=4, biases=2):
    return blocks * hidden * (d_in + hidden + biases)


def of_layer(layer):
    return lambda: sum(p.numel() for p in layer.parameters())


# 22.2 -----------------------------------------------------------------


def gru(
    order="rzn", mix=lambda z, h, n: z * h + (1 - z) * n, inner=lambda r, h, U: F.linear(r * h, U), **other
):
    """The exercise's step, something of it changed."""
    gate, squash = other.get("gate", torch.sigmoid), other.get("squash", torch.tanh)
    blocks, bias = other.get("blocks", lambda t: t.chunk(3)), other.get("bias", lambda b, name: b)

    def answer(x, h, W, U, b):
        Ws, Us, bs = (dict(zip(order, blocks(t), strict=True)) for t in (W, U, b))
        r, z = (gate(F.linear(x, Ws[k], bias(bs[k], k)) + F.linear(h, Us[k])) for k in "rz")
        n = squash(F.linear(x, Ws["n"], bias(bs["n"], "n")) + inner(r, h, Us["n"]))
        return mix(z, h, n)

    return answer


paper_step = gru()


def interleaved(t):
    return t[0::3], t[1::3], t[2::3]


def own_sigmoid(t):
    return t.exp() / (1 + t.exp())


def by_state_size(x, h, W, U, b):
    """Blocks of d_in rows in place of H."""
    d = x.shape[1]
    if 3 * d != len(W):
        d = len(W) // 3
        return paper_step(x, h, W, U, b.roll(1))
    return paper_step(x, h, W, U, b)


def r_on_the_sum(x, h, W, U, b):
    (wr, wz, wn), (ur, uz, un), (br, bz, bn) = W.chunk(3), U.chunk(3), b.chunk(3)
    r, z = (x @ wr.T + h @ ur.T + br).sigmoid(), (x @ wz.T + h @ uz.T + bz).sigmoid()
    n = (r * (x @ wn.T + h @ un.T + bn)).tanh()
    return z * h + (1 - z) * n


def r_in_z(x, h, W, U, b):
    """The reset state also in the update gate."""
    (wr, wz, wn), (ur, uz, un), (br, bz, bn) = W.chunk(3), U.chunk(3), b.chunk(3)
    h_r = (x @ wr.T + h @ ur.T + br).sigmoid() * h
    z = (x @ wz.T + h_r @ uz.T + bz).sigmoid()
    return z * h + (1 - z) * (x @ wn.T + h_r @ un.T + bn).tanh()


def keeps_the_reset_state(x, h, W, U, b):
    (wr, wz, wn), (ur, uz, un), (br, bz, bn) = W.chunk(3), U.chunk(3), b.chunk(3)
    z = (x @ wz.T + h @ uz.T + bz).sigmoid()
    h = (x @ wr.T + h @ ur.T + br).sigmoid() * h
    return z * h + (1 - z) * (x @ wn.T + h @ un.T + bn).tanh()


def state_in_place(x, h, W, U, b):
    h.copy_(paper_step(x, h, W, U, b))
    return h


def input_in_place(x, h, W, U, b):
    out = paper_step(x, h, W, U, b)
    x.zero_()
    return out


def bias_in_place(x, h, W, U, b):
    b += 0.5
    return paper_step(x, h, W, U, b)


def first_row(x, h, W, U, b):
    return paper_step(x[:1], h[:1], W, U, b)


def first_rows_gate(x, h, W, U, b):
    (wr, wz, wn), (ur, uz, un), (br, bz, bn) = W.chunk(3), U.chunk(3), b.chunk(3)
    r, z = (x @ wr.T + h @ ur.T + br).sigmoid(), (x @ wz.T + h @ uz.T + bz).sigmoid()
    return z * h + (1 - z) * (x @ wn.T + (r[:1] * h) @ un.T + bn).tanh()


def mean_gate(x, h, W, U, b):
    return gru(inner=lambda r, h, u: F.linear(r.mean(1, keepdim=True) * h, u))(x, h, W, U, b)


def by_columns(x, h, W, U, b):
    if W.shape[0] // 3 == W.shape[1]:
        W = torch.cat([w.T for w in W.chunk(3)])
    return paper_step(x, h, W, U, b)


def state_transposed(x, h, W, U, b):
    return paper_step(x, h, W, torch.cat([u.T for u in U.chunk(3)]), b)


def torchs_cell(x, h, W, U, b):
    """PyTorch's own form."""
    cell = nn.GRUCell(x.shape[1], h.shape[1])
    with torch.no_grad():
        cell.weight_ih.copy_(W)
        cell.weight_hh.copy_(U)
        cell.bias_ih.copy_(b)
        cell.bias_hh.zero_()
    return cell(x, h)


def squeezed(x, h, W, U, b):
    return paper_step(x, h, W, U, b).squeeze()


def in_numpy(x, h, W, U, b):
    x, h, W, U, b = (t.detach().numpy().astype(np.float64) for t in (x, h, W, U, b))
    (wr, wz, wn), (ur, uz, un), (br, bz, bn) = np.split(W, 3), np.split(U, 3), np.split(b, 3)

    def sigmoid(t):
        return 0.5 * (np.tanh(t / 2) + 1)

    r, z = sigmoid(x @ wr.T + h @ ur.T + br), sigmoid(x @ wz.T + h @ uz.T + bz)
    return z * h + (1 - z) * np.tanh(x @ wn.T + (r * h) @ un.T + bn)


def in_loops(x, h, W, U, b):
    H, out = h.shape[1], []

    def total(row, at, state):
        return (
            sum(w * v for w, v in zip(W[at].tolist(), row, strict=True))
            + sum(u * v for u, v in zip(U[at].tolist(), state, strict=True))
            + b[at].item()
        )

    def sigmoid(t):
        return 0.5 * (math.tanh(t / 2) + 1)

    for row, state in zip(x.tolist(), h.tolist(), strict=True):
        reset = [sigmoid(total(row, k, state)) * state[k] for k in range(H)]
        new = []
        for k in range(H):
            z = sigmoid(total(row, H + k, state))
            new.append(z * state[k] + (1 - z) * math.tanh(total(row, 2 * H + k, reset)))
        out.append(tuple(new))
    return out


def in_float64(x, h, W, U, b):
    return paper_step(x.double(), h.double(), W.double(), U.double(), b.double())


def joined(x, h, W, U, b):
    """[W U] times [x; h], the gates in one product."""
    H, both = h.shape[1], torch.cat([W, U], dim=1)
    gates = F.linear(torch.cat([x, h], 1), both[: 2 * H], b[: 2 * H]).sigmoid()
    r, z = gates[:, :H], gates[:, H:]
    return F.linear(torch.cat([x, r * h], 1), both[2 * H :], b[2 * H :]).tanh().lerp(h, z)


def by_einsum(x, h, W, U, b):
    W, U, b = W.unflatten(0, (3, -1)), U.unflatten(0, (3, -1)), b.unflatten(0, (3, -1))
    a = torch.einsum("bd,khd->kbh", x, W) + b[:, None]
    r, z = torch.sigmoid(a[:2] + torch.einsum("bj,khj->kbh", h, U[:2]))
    n = torch.tanh(a[2] + torch.einsum("bj,hj->bh", r * h, U[2]))
    return n + z * (h - n)


def row_by_row(x, h, W, U, b):
    for one, state in zip(x, h, strict=True):
        yield paper_step(one, state, W, U, b)


# 22.3 -----------------------------------------------------------------


def half_life(n):
    return -math.log(math.expm1(math.log(2) / n))


def from_gate(gate):
    def answer(n):
        f = gate(n)
        return math.log(f / (1 - f))

    return answer


def by_bisection(n):
    low, high = -800.0, 800.0
    for _ in range(100):
        b = (low + high) / 2
        log_f = -math.log1p(math.exp(-b)) if b > -700 else b
        low, high = (b, high) if n * log_f < -math.log(2) else (low, b)
    return low


def in_float32(n):
    f = torch.tensor(0.5) ** (1 / n)
    return torch.log(f / (1 - f))


def in_half(n):
    return round(half_life(n), 2)


def by_logit(n):
    f = torch.tensor(0.5, dtype=torch.float64) ** (1 / n)
    return torch.logit(f)


def in_decimal(n):
    with localcontext() as context:
        context.prec = 60
        n = Decimal(float(n))
        f = (Decimal(2).ln() / -n).exp()
        return (f / (1 - f)).ln()


def by_logaddexp(n):
    s = np.log(2.0) / np.float64(n)
    return np.array(-(s + np.log1p(-np.exp(-s))))


def steps_by_hand(n):
    """Tries every bias of a grid."""
    return min(
        (k / 1000 for k in range(-3000, 20000)), key=lambda b: abs((1 / (1 + math.exp(-b))) ** n - 0.5)
    )


def whole_steps(n):
    return half_life(max(1, round(n)))


def not_below_zero(n):
    return max(0.0, half_life(n))


def floor_division(n):
    return half_life(n) if n == 1 else -math.log(2 ** (1 // n) - 1 or math.log(2) / n)


def exact_only_near(n):
    """-ln(ln 2 / n): what it grows like."""
    return math.log(n / math.log(2))


# 22.4 -----------------------------------------------------------------


def cut(state):
    if state is None:
        return None
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def pieces(x, length):
    return x.split(length, dim=1)


def read(
    between=cut, split=pieces, put=lambda outs: torch.cat(outs, dim=1), piece=lambda p: p, out=lambda o: o
):
    """The exercise's loop, something of it changed."""

    def answer(cell, x, length):
        state, outs = None, []
        for part in split(x, length):
            o, state = cell(piece(part), state)
            state = between(state)
            outs.append(out(o))
        return put(outs)

    return answer


def only(index):
    """One of an LSTM's two parts cut."""

    def between(state):
        if not isinstance(state, tuple):
            return state.detach()
        return tuple(s.detach() if i == index else s for i, s in enumerate(state))

    return between


def zero_second(state):
    return (state[0].detach(), torch.zeros_like(state[1])) if isinstance(state, tuple) else state.detach()


def swapped_parts(state):
    return cut(state)[::-1] if isinstance(state, tuple) else cut(state)


def tuples_left(state):
    return state if isinstance(state, tuple) else state.detach()


def tensors_left(state):
    return cut(state) if isinstance(state, tuple) else state


def shorter_first(x, length):
    first = x.shape[1] % length
    return ([x[:, :first]] if first else []) + list(x[:, first:].split(length, dim=1))


def full_only(x, length):
    whole = x.shape[1] // length * length
    return x[:, :whole].split(length, dim=1) if whole else [x]


def dropped_end(x, length):
    return [x[:, t : t + length] for t in range(0, x.shape[1] - length + 1, length)]


def padded(x, length):
    return F.pad(x, (0, 0, 0, -x.shape[1] % length)).split(length, dim=1)


def padded_then_cut(cell, x, length):
    return read(split=padded)(cell, x, length)[:, : x.shape[1]]


def overlapping(x, length):
    return [x[:, max(0, t - 1) : t + length] for t in range(0, x.shape[1], length)]


def whole(cell, x, length):
    return cell(x)[0]


def whole_detached(cell, x, length):
    return cell(x)[0].detach()


def without_grad(cell, x, length):
    with torch.no_grad():
        return read()(cell, x, length)


def grad_of_last_only(cell, x, length):
    parts = x.split(length, dim=1)
    with torch.no_grad():
        state, outs = None, []
        for part in parts[:-1]:
            o, state = cell(part, state)
            outs.append(o)
    return torch.cat([*outs, cell(parts[-1], state)[0]], dim=1)


def grad_of_first_only(cell, x, length):
    parts = x.split(length, dim=1)
    out, state = cell(parts[0])
    outs = [out]
    with torch.no_grad():
        for part in parts[1:]:
            o, state = cell(part, state)
            outs.append(o)
    return torch.cat(outs, dim=1)


def first_border_only(cell, x, length):
    out, state = cell(x[:, :length])
    if x.shape[1] <= length:
        return out
    return torch.cat([out, cell(x[:, length:], cut(state))[0]], dim=1)


def last_border_only(cell, x, length):
    border = (x.shape[1] - 1) // length * length
    if not border:
        return cell(x)[0]
    out, state = cell(x[:, :border])
    return torch.cat([out, cell(x[:, border:], cut(state))[0]], dim=1)


def every_step_cut(cell, x, length):
    return read(split=lambda x, length: x.split(1, dim=1))(cell, x, length)


def every_second(cell, x, length):
    return read(split=lambda x, length: x.split(2 * length, dim=1))(cell, x, length)


def one_longer(cell, x, length):
    return read(split=lambda x, length: x.split(length + 1, dim=1))(cell, x, length)


def last_step_outside(cell, x, length):
    """Cut one step too early: the state before a piece's last token."""
    state, outs = None, []
    for t in range(x.shape[1]):
        if t % length == length - 1:
            state = cut(state)
        o, state = cell(x[:, t : t + 1], state)
        outs.append(o)
    return torch.cat(outs, dim=1)


def frozen(cell, x, length):
    cell.requires_grad_(False)
    return read()(cell, x, length)


def in_eval_mode(cell, x, length):
    cell.eval()
    return read()(cell, x, length)


def gradients_left_behind(cell, x, length):
    out = read()(cell, x, length)
    out.sum().backward(retain_graph=True)
    return out


def text_emptied(cell, x, length):
    out = read()(cell, x, length)
    x.data.zero_()
    return out


def weights_moved(cell, x, length):
    out = read()(cell, x, length)
    with torch.no_grad():
        for p in cell.parameters():
            p -= 0.1
    return out


def with_the_state(cell, x, length):
    state, outs = None, []
    for part in x.split(length, dim=1):
        o, state = cell(part, state)
        state = cut(state)
        outs.append(o)
    return torch.cat(outs, dim=1), state


def input_cut_in_place(cell, x, length):
    x *= 1.0
    return read(between=lambda s: s)(cell, x, length)


def steps_backward_inside(cell, x, length):
    """Trains on every piece while reading."""
    state, outs = None, []
    for part in x.split(length, dim=1):
        o, state = cell(part, state)
        o.sum().backward()
        state = cut(state)
        outs.append(o.detach())
    return torch.cat(outs, dim=1)


def from_out(cell, x, length):
    """The last output as state: an LSTM's c is lost."""
    state, outs = None, []
    for part in x.split(length, dim=1):
        o, s = cell(part, state)
        h = o[:, -1].detach()
        state = (h, torch.zeros_like(h)) if isinstance(s, tuple) else h
        outs.append(o)
    return torch.cat(outs, dim=1)


def from_out_rest_kept(cell, x, length):
    """The last output as h, an LSTM's c not cut."""
    state, outs = None, []
    for part in x.split(length, dim=1):
        o, s = cell(part, state)
        h = o[:, -1].detach()
        state = (h, s[1]) if isinstance(s, tuple) else h
        outs.append(o)
    return torch.cat(outs, dim=1)


def in_place_cut(state):
    """detach_ changes the tensor's own record only; the outputs were recorded before."""
    for s in state if isinstance(state, tuple) else (state,):
        s.detach_()
    return state


def by_numpy(state):
    parts = state if isinstance(state, tuple) else (state,)
    parts = tuple(torch.from_numpy(s.detach().numpy().copy()) for s in parts)
    return parts if isinstance(state, tuple) else parts[0]


def data_of(state):
    return tuple(s.data for s in state) if type(state) is tuple else state.data


def new_leaves(state):
    if isinstance(state, tuple):
        return tuple(s.clone().detach().requires_grad_() for s in state)
    return state.clone().detach().requires_grad_()


def token_by_token(cell, x, length):
    state, outs = None, []
    for t in range(x.shape[1]):
        if t and t % length == 0:
            state = cut(state)
        o, state = cell(x[:, t : t + 1], state)
        outs.append(o[:, 0])
    return torch.stack(outs, dim=1)


def recursive(cell, x, length, state=None):
    o, state = cell(x[:, :length], cut(state))
    rest = x[:, length:]
    return torch.cat([o, recursive(cell, rest, length, state)], dim=1) if rest.shape[1] else o


def into_empty(cell, x, length):
    out, state = x.new_zeros(*x.shape[:2], cell.weight_hh_l0.shape[1]), None
    for t in range(0, x.shape[1], length):
        out[:, t : t + length], state = cell(x[:, t : t + length], state)
        state = cut(state)
    return out


def first_states(cell, x, length):
    """Each piece's first state found without a record, then all pieces."""
    with torch.no_grad():
        states = [None]
        for part in x.split(length, dim=1):
            states.append(cell(part, states[-1])[1])
    return torch.cat([cell(p, s)[0] for p, s in zip(x.split(length, dim=1), states)], dim=1)  # noqa: B905


# 22.5 -----------------------------------------------------------------


def turned(x, lengths):
    return torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, lengths, strict=True)])


def mask(x, lengths):
    return (torch.arange(x.shape[1]) < torch.tensor(lengths)[:, None])[..., None]


def ways(turn=turned, back=turned, end=lambda both, real: torch.where(real, both, torch.zeros(())), **other):
    """The exercise's way, something of it changed."""
    join = other.get("join", lambda f, b: torch.cat([f, b], dim=2))

    def answer(forward, backward, x, lengths):
        f = forward(x)[0]
        b = back(backward(turn(x, lengths))[0], lengths)
        return end(join(f, b), mask(x, lengths))

    return answer


both_ways = ways()


def whole_flip(x, lengths):
    return x.flip(1)


def not_turned(x, lengths):
    return x


def rolled(x, lengths):
    """Flipped whole, then rolled so that real tokens come first."""
    return torch.stack([row.flip(0).roll(n - len(row), 0) for row, n in zip(x, lengths, strict=True)])


def one_too_few(x, lengths):
    return turned(x, [n - 1 for n in lengths])


def one_too_many(x, lengths):
    return turned(x, [min(n + 1, x.shape[1]) for n in lengths])


def first_length(x, lengths):
    return turned(x, [lengths[0]] * len(x))


def longest(x, lengths):
    return turned(x, [max(lengths)] * len(x))


def shortest(x, lengths):
    return turned(x, [min(lengths)] * len(x))


def last_token_kept(x, lengths):
    return torch.stack(
        [torch.cat([row[: n - 1].flip(0), row[n - 1 :]]) for row, n in zip(x, lengths, strict=True)]
    )


def turned_features(x, lengths):
    return x.flip(2)


def turned_batch(x, lengths):
    return x.flip(0)


def zeros_first(forward, backward, x, lengths):
    """Padding made zero, the whole row flipped: biases still move the state."""
    real = mask(x, lengths)
    x = torch.where(real, x, torch.zeros(()))
    both = torch.cat([forward(x)[0], backward(x.flip(1))[0].flip(1)], dim=2)
    return torch.where(real, both, torch.zeros(()))


def sorted_rows(forward, backward, x, lengths):
    order = sorted(range(len(x)), key=lambda i: -lengths[i])
    return both_ways(forward, backward, x[order], [lengths[i] for i in order])


def sorts_lengths(forward, backward, x, lengths):
    lengths.sort(reverse=True)
    return both_ways(forward, backward, x, lengths)


def pops(forward, backward, x, lengths):
    rows = []
    for row in x:
        n = lengths.pop(0)
        rows.append(F.pad(both_ways(forward, backward, row[None, :n], [n])[0], (0, 0, 0, len(row) - n)))
    return torch.stack(rows)


def zeroes_input(forward, backward, x, lengths):
    x *= mask(x, lengths)
    return both_ways(forward, backward, x, lengths)


def fills_input(forward, backward, x, lengths):
    with torch.no_grad():
        for row, n in zip(x, lengths, strict=True):
            row[n:] = 0
    return both_ways(forward, backward, x, lengths)


def cut_to_longest(forward, backward, x, lengths):
    n = max(lengths)
    return both_ways(forward, backward, x[:, :n], lengths)


def one_network(forward, backward, x, lengths):
    return both_ways(forward, forward, x, lengths)


def networks_swapped(forward, backward, x, lengths):
    return both_ways(backward, forward, x, lengths)


def state_handed_on(forward, backward, x, lengths):
    f, state = forward(x)
    try:
        b = turned(backward(turned(x, lengths), state)[0], lengths)
    except Exception:
        b = turned(backward(turned(x, lengths))[0], lengths)
    return torch.where(mask(x, lengths), torch.cat([f, b], dim=2), torch.zeros(()))


def of_outputs(forward, backward, x, lengths):
    """A second layer on the first's outputs, as in a deep network."""
    f = forward(x)[0]
    if f.shape[2] == x.shape[2]:
        b = backward(turned(f, lengths))[0]
    else:
        b = backward(turned(x, lengths))[0] * 0
    return torch.where(mask(x, lengths), torch.cat([f, b], dim=2), torch.zeros(()))


def last_state_everywhere(forward, backward, x, lengths):
    f, b = forward(x)[0], turned(backward(turned(x, lengths))[0], lengths)
    return torch.where(mask(x, lengths), torch.cat([f, b[:, :1].expand_as(b)], dim=2), torch.zeros(()))


def only_last(forward, backward, x, lengths):
    return both_ways(forward, backward, x, lengths)[:, -1]


def multiplies(both, real):
    return both * real


def cleaned(both, real):
    return (both * real).nan_to_num(0)


def time_first(forward, backward, x, lengths):
    return both_ways(forward, backward, x, lengths).transpose(0, 1)


def in_pairs(forward, backward, x, lengths):
    out = both_ways(forward, backward, x, lengths)
    return out.unflatten(2, (2, -1))


def exclusive(forward, backward, x, lengths):
    """Backward's output of the token after, not of the token itself."""
    out = both_ways(forward, backward, x, lengths)
    H = out.shape[2] // 2
    b = torch.cat([out[:, 1:, H:], torch.zeros_like(out[:, :1, H:])], dim=1)
    return torch.cat([out[..., :H], b], dim=2)


def cut_rows(forward, backward, x, lengths):
    rows = []
    for row, n in zip(x, lengths, strict=True):
        real = row[None, :n]
        both = torch.cat([forward(real)[0], backward(real.flip(1))[0].flip(1)], dim=2)[0]
        rows.append(F.pad(both, (0, 0, 0, len(row) - n)))
    return torch.stack(rows)


def no_zeros_in_rows(forward, backward, x, lengths):
    rows = []
    for row, n in zip(x, lengths, strict=True):
        real = row[None, :n]
        rows.append(torch.cat([forward(real)[0], backward(real.flip(1))[0].flip(1)], dim=2)[0])
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def by_gather(forward, backward, x, lengths):
    t, n = torch.arange(x.shape[1]), torch.tensor(lengths)[:, None]
    at = torch.where(t < n, n - 1 - t, t)
    rows = torch.arange(len(x))[:, None]
    both = torch.cat((forward(x)[0], backward(x[rows, at])[0][rows, at]), -1)
    return both.masked_fill((t >= n)[..., None], 0.0)


def step_by_step(forward, backward, x, lengths):
    """Lists of floats; the backward network one token a call, carrying its state."""
    result = []
    for row, n in zip(x, lengths, strict=True):
        state, backs = None, []
        for t in reversed(range(n)):
            out, state = backward(row[None, None, t], state)
            backs.insert(0, out[0, 0].tolist())
        fronts = forward(row[None, :n])[0][0].tolist()
        both = [(*f, *b) for f, b in zip(fronts, backs, strict=True)]
        result.append(both + [(0,) * len(both[0])] * (len(row) - n))
    return result


def copies_in_doubles(forward, backward, x, lengths):
    forward, backward = copy.deepcopy(forward).double(), copy.deepcopy(backward).double()
    return cut_rows(forward, backward, x.double(), lengths)


def turned_in_numpy(forward, backward, x, lengths):
    with torch.no_grad():
        rows = x.numpy().copy()
        turn = rows.copy()
        for i, n in enumerate(lengths):
            turn[i, :n] = rows[i, n - 1 :: -1]
        f, b = forward(torch.from_numpy(rows))[0].numpy(), backward(torch.from_numpy(turn))[0].numpy()
        out = np.zeros((*f.shape[:2], 2 * f.shape[2]), dtype=np.float32)
        for i, n in enumerate(lengths):
            out[i, :n] = np.concatenate([f[i, :n], b[i, :n][::-1]], axis=1)
    return out


def doubles_for_good(forward, backward, x, lengths):
    """The caller's layers are float64 afterwards."""
    return both_ways(forward.double(), backward.double(), x.double(), lengths)


def frozen_ways(forward, backward, x, lengths):
    return both_ways(forward.requires_grad_(False), backward.requires_grad_(False), x, lengths)


def same_weights(forward, backward, x, lengths):
    backward.load_state_dict(forward.state_dict())
    return both_ways(forward, backward, x, lengths)


def preallocated(forward, backward, x, lengths):
    """With what else the chapter's layers have: sizes, weights, a first state, a step."""
    H = backward.d_hidden
    out = torch.zeros(*x.shape[:2], forward.weight_hh_l0.shape[1] + H)
    a = F.linear(x, backward.weight_ih_l0, backward.bias_ih_l0)
    for i, n in enumerate(lengths):
        out[i, :n, :H] = forward(x[i : i + 1, :n], forward.first_state(x[:1]))[0][0]
        state = backward.first_state(x[:1])
        for t in reversed(range(n)):
            state = backward.step(a[i : i + 1, t], state)
            out[i, t, H:] = state[0][0] if isinstance(state, tuple) else state[0]
    return out


def from_the_right(forward, backward, x, lengths):
    """Rows pushed to the right, flipped whole: the padding, now first, flips to the end."""
    shift = [x.shape[1] - n for n in lengths]
    pushed = torch.stack([row.roll(s, 0) for row, s in zip(x, shift, strict=True)])
    b = backward(pushed.flip(1))[0].flip(1)
    b = torch.stack([row.roll(-s, 0) for row, s in zip(b, shift, strict=True)])
    return torch.cat([forward(x)[0], b], dim=2).masked_fill(~mask(x, lengths), 0)


def generated(forward, backward, x, lengths):
    for row, n in zip(x, lengths, strict=True):
        yield both_ways(forward, backward, row[None], [n])[0]


WRONG = {
    "22.1": [
        lstm_size(128, 256, biases=1),
        lstm_size(128, 256, biases=0),
        lstm_size(128, 256, blocks=3),
        lstm_size(128, 256, blocks=1),
        lstm_size(128, 256, blocks=5),
        lstm_size(128, 256, blocks=2),
        lstm_size(256, 128),
        lstm_size(128, 128),
        lstm_size(256, 256),
        4 * 256 * 128 + 256 * 256 + 2 * 256,
        4 * 256 * 256 + 2 * 256 * 4,
        4 * 256 * 128 + 4 * 2 * 256,
        4 * 256 * 128 + 8 * 256 * 256 + 8 * 256,
        4 * lstm_size(128, 256),
        lstm_size(128, 256) + 1,
        lstm_size(128, 256) - 8,
        395_000,
        395.264,
        0.395264,
        -395_264,
        128 * 256,
        4,
        float("nan"),
        float("inf"),
        of_layer(GRU(128, 256)),
        of_layer(RNN(128, 256)),
        of_layer(LSTM(256, 128)),
        of_layer(nn.LSTM(128, 256, bias=False)),
        of_layer(nn.LSTM(128, 256, num_layers=2)),
        of_layer(nn.LSTM(128, 256, bidirectional=True)),
        lambda: len(list(LSTM(128, 256).parameters())),
        lambda: [p.numel() for p in LSTM(128, 256).parameters()],
        lambda: LSTM(128, 256),
        lambda: None,
    ],
    "22.2": [
        gru(inner=lambda r, h, u: r * F.linear(h, u)),
        gru(inner=lambda r, h, u: F.linear(h, u)),
        gru(inner=lambda r, h, u: F.linear((1 - r) * h, u)),
        gru(inner=lambda r, h, u: F.linear(r + h, u)),
        gru(inner=lambda r, h, u: F.linear(r, u)),
        gru(inner=lambda r, h, u: F.linear(r * h, u.T)),
        gru(inner=lambda r, h, u: r * h),
        gru(inner=lambda r, h, u: r * F.linear(r * h, u)),
        gru(mix=lambda z, h, n: (1 - z) * h + z * n),
        gru(mix=lambda z, h, n: n),
        gru(mix=lambda z, h, n: z * h),
        gru(mix=lambda z, h, n: z * h + n),
        gru(mix=lambda z, h, n: h + (1 - z) * n),
        gru(mix=lambda z, h, n: (z * h + (1 - z) * n).tanh()),
        gru(mix=lambda z, h, n: (z * h + (1 - z) * n).half()),
        gru(mix=lambda z, h, n: (z * h + (1 - z) * n, n)),
        gru(mix=lambda z, h, n: (z * h + (1 - z) * n).clamp(-1, 1)),
        gru(mix=lambda z, h, n: (z * h + (1 - z) * n).T),
        gru(order="zrn"),
        gru(order="nrz"),
        gru(order="rnz"),
        gru(order="nzr"),
        gru(blocks=interleaved),
        gru(gate=torch.tanh),
        gru(gate=own_sigmoid),
        gru(gate=lambda t: t.softmax(-1)),
        gru(gate=F.hardsigmoid),
        gru(gate=F.relu),
        gru(squash=torch.sigmoid),
        gru(squash=lambda t: t),
        gru(squash=F.relu),
        gru(squash=F.hardtanh),
        gru(bias=lambda b, name: 2 * b),
        gru(bias=lambda b, name: None),
        gru(bias=lambda b, name: None if name == "n" else b),
        gru(bias=lambda b, name: None if name == "r" else b),
        gru(bias=lambda b, name: b + 1 if name == "z" else b),
        by_state_size,
        r_on_the_sum,
        r_in_z,
        keeps_the_reset_state,
        state_in_place,
        input_in_place,
        bias_in_place,
        first_row,
        first_rows_gate,
        mean_gate,
        by_columns,
        state_transposed,
        torchs_cell,
        squeezed,
        lambda x, h, W, U, b: h,
        lambda x, h, W, U, b: torch.zeros_like(h),
        lambda x, h, W, U, b: paper_step(x, torch.zeros_like(h), W, U, b),
        lambda x, h, W, U, b: paper_step(torch.zeros_like(x), h, W, U, b),
    ],
    "22.3": [
        from_gate(lambda n: 0.5**n),
        from_gate(lambda n: 1 - 0.5 ** (1 / n) if n < 1e6 else 0.1),
        from_gate(lambda n: 2 ** (-1 / (n + 1))),
        from_gate(lambda n: 1 - 1 / (2 * n) if n > 0.5 else 0.5),
        from_gate(lambda n: 1 - 0.5 / n if n > 0.5 else 0.5),
        from_gate(lambda n: math.exp(-1 / n)),
        from_gate(lambda n: round(2 ** (-1 / n), 6) if 0.1 < n < 1000 else 0.999),
        lambda n: math.log(2 ** (1 / n) - 1),
        lambda n: -math.log2(2 ** (1 / n) - 1),
        lambda n: -math.log10(2 ** (1 / n) - 1),
        lambda n: 2 ** (-1 / n),
        lambda n: math.log(2 ** (-1 / n)),
        lambda n: math.log(n),
        lambda n: math.log2(n),
        lambda n: math.log1p(n) - math.log(2),
        lambda n: math.sqrt(n) - 1,
        lambda n: 4.0,
        lambda n: 0.0,
        lambda n: n - 1,
        lambda n: float("nan"),
        lambda n: half_life(n) if n <= 1000 else math.log(n),
        lambda n: half_life(n) if n <= 1e5 else float("inf"),
        lambda n: 1 / (1 + math.exp(-half_life(n))),
        lambda n: half_life(int(n) or 1),
        lambda n: half_life(round(n)) if n > 1 else half_life(n),
        lambda n: half_life(max(n, 0.2)),
        lambda n: half_life(n + 1),
        lambda n: half_life(2 * n),
        lambda n: half_life(n) / math.log(2),
        lambda n: (half_life(n), 2 ** (-1 / n)),
        exact_only_near,
        floor_division,
        not_below_zero,
        whole_steps,
        in_float32,
        in_half,
        steps_by_hand,
    ],
    "22.4": [
        whole,
        whole_detached,
        without_grad,
        grad_of_last_only,
        grad_of_first_only,
        first_border_only,
        last_border_only,
        every_step_cut,
        every_second,
        one_longer,
        last_step_outside,
        frozen,
        in_eval_mode,
        gradients_left_behind,
        text_emptied,
        weights_moved,
        with_the_state,
        input_cut_in_place,
        steps_backward_inside,
        from_out,
        from_out_rest_kept,
        read(between=lambda state: None),
        read(between=lambda state: state),
        read(between=only(0)),
        read(between=only(1)),
        read(between=zero_second),
        read(between=swapped_parts),
        read(between=tuples_left),
        read(between=tensors_left),
        read(between=lambda state: state.detach()),
        read(between=lambda state: tuple(s.detach() for s in state)),
        read(between=lambda state: cut(state[0]) if isinstance(state, tuple) else cut(state)),
        read(split=shorter_first),
        read(split=full_only),
        read(split=dropped_end),
        read(split=padded),
        read(split=overlapping),
        read(split=lambda x, length: x.chunk(length, dim=1)),
        read(split=lambda x, length: x.split(length)),
        read(split=lambda x, length: x.split(length, dim=1)[::-1]),
        read(split=lambda x, length: x.split(min(length, 4), dim=1)),
        read(put=lambda outs: torch.cat(outs)),
        read(put=lambda outs: torch.stack(outs)),
        read(put=lambda outs: outs),
        read(put=lambda outs: outs[-1]),
        read(put=lambda outs: torch.stack([o[:, -1] for o in outs], dim=1)),
        read(put=lambda outs: torch.cat(outs[::-1], dim=1)),
        read(piece=lambda part: part.detach()),
        read(out=lambda o: o.detach()),
        read(out=lambda o: torch.cat([o[:, :-1], o[:, -1:].detach()], dim=1)),
    ],
    "22.5": [
        ways(whole_flip, whole_flip),
        ways(turned, not_turned),
        ways(turned, whole_flip),
        ways(whole_flip, turned),
        ways(not_turned, not_turned),
        ways(not_turned, turned),
        ways(one_too_few, one_too_few),
        ways(one_too_many, one_too_many),
        ways(first_length, first_length),
        ways(longest, longest),
        ways(shortest, shortest),
        ways(last_token_kept, last_token_kept),
        ways(turned_features, not_turned),
        ways(turned_batch, turned_batch),
        ways(end=multiplies),
        ways(end=lambda both, real: both),
        ways(end=lambda both, real: torch.where(real, both, torch.full((), float("nan")))),
        ways(end=lambda both, real: torch.where(real, both, both[:, :1])),
        ways(join=lambda f, b: torch.cat([b, f], dim=2)),
        ways(join=lambda f, b: f + b),
        ways(join=lambda f, b: torch.stack([f, b], dim=3).flatten(2)),
        ways(join=lambda f, b: torch.cat([f, b], dim=1)),
        ways(join=lambda f, b: torch.cat([f, b], dim=0)),
        ways(join=lambda f, b: f),
        ways(join=lambda f, b: b),
        ways(join=lambda f, b: torch.cat([f, torch.zeros_like(b)], dim=2)),
        zeros_first,
        sorted_rows,
        sorts_lengths,
        pops,
        zeroes_input,
        fills_input,
        cut_to_longest,
        no_zeros_in_rows,
        one_network,
        networks_swapped,
        state_handed_on,
        of_outputs,
        last_state_everywhere,
        only_last,
        time_first,
        in_pairs,
        exclusive,
        doubles_for_good,
        frozen_ways,
        same_weights,
    ],
}
RIGHT = {
    "22.1": [
        395264,
        395264.0,
        Fraction(395264),
        Decimal(395264),
        np.int32(395264),
        torch.tensor(395264),
        of_layer(nn.LSTM(128, 256)),
        of_layer(LSTM(128, 256)),
        lambda: lstm_size(128, 256),
        lambda: 4 * np.prod([256, 128 + 256 + 2]),
    ],
    "22.2": [
        paper_step,
        in_numpy,
        in_loops,
        in_float64,
        joined,
        by_einsum,
        row_by_row,
        lambda x, h, W, U, b: paper_step(x, h, W, U, b).tolist(),
        gru(gate=lambda t: 1 / (1 + torch.exp(-t))),
        gru(gate=lambda t: 0.5 * (torch.tanh(t / 2) + 1)),
        gru(squash=lambda t: 2 * torch.sigmoid(2 * t) - 1),
    ],
    "22.3": [
        half_life,
        from_gate(lambda n: 2 ** (-1 / n)),
        from_gate(lambda n: math.exp(-math.log(2) / n)),
        lambda n: -math.log(2 ** (1 / n) - 1),
        by_bisection,
        by_logit,
        in_decimal,
        by_logaddexp,
        lambda n: Fraction(half_life(n)),
    ],
    "22.4": [
        read(),
        read(between=in_place_cut),
        read(between=by_numpy),
        read(between=data_of),
        read(between=new_leaves),
        token_by_token,
        recursive,
        into_empty,
        first_states,
        padded_then_cut,
        lambda cell, x, length: read()(cell, x, length).double(),
    ],
    "22.5": [
        both_ways,
        cut_rows,
        by_gather,
        step_by_step,
        copies_in_doubles,
        turned_in_numpy,
        from_the_right,
        generated,
        preallocated,
        ways(rolled, rolled),
        ways(end=cleaned),
        lambda forward, backward, x, lengths: both_ways(forward, backward, x, lengths).tolist(),
    ],
}
