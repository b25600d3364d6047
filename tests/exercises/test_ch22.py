"""Answers to chapter 22's exercises."""

import math

import pytest
import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests
from torch import nn

from companion.exercises.ch22.shared import Layer
from companion.recurrent import LSTM, RNN

# -- 22.1 ------------------------------------------------------------------


def counted_by_torch():
    return sum(p.numel() for p in nn.LSTM(128, 256).parameters())


def counted_by_shapes():
    return torch.tensor(4 * 256 * (128 + 256 + 2))


# -- 22.2 ------------------------------------------------------------------


def step_in_blocks(x, h, W, U, b):
    H = h.shape[1]
    r = torch.sigmoid(x @ W[:H].T + h @ U[:H].T + b[:H])
    z = torch.sigmoid(x @ W[H : 2 * H].T + h @ U[H : 2 * H].T + b[H : 2 * H])
    n = torch.tanh(x @ W[2 * H :].T + (r * h) @ U[2 * H :].T + b[2 * H :])
    return n + z * (h - n)


def step_by_einsum(x, h, W, U, b):
    W, U, b = W.unflatten(0, (3, -1)), U.unflatten(0, (3, -1)), b.unflatten(0, (3, -1))
    a = torch.einsum("kij,bj->kbi", W, x) + b[:, None]
    r, z = (a[:2] + torch.einsum("kij,bj->kbi", U[:2], h)).sigmoid()
    return torch.lerp(torch.tanh(a[2] + F.linear(r * h, U[2])), h, z)


def step_row_by_row(x, h, W, U, b):
    return torch.stack(
        [step_in_blocks(a[None], s[None], W, U, b)[0] for a, s in zip(x, h, strict=True)]
    ).tolist()


def step_of_torch(x, h, W, U, b):
    cell = nn.GRUCell(x.shape[1], h.shape[1])
    cell.load_state_dict({"weight_ih": W, "weight_hh": U, "bias_ih": b, "bias_hh": torch.zeros_like(b)})
    return cell(x, h)


def step_swapped(x, h, W, U, b):
    n = proposal_alone(x, h, W, U, b)
    H = h.shape[1]
    z = torch.sigmoid((x @ W.T + h @ U.T + b)[:, H : 2 * H])
    return (1 - z) * h + z * n


def proposal_alone(x, h, W, U, b):
    r = torch.sigmoid((x @ W.T + h @ U.T + b).chunk(3, 1)[0])
    return torch.tanh((x @ W.T + b).chunk(3, 1)[2] + (r * h) @ U.chunk(3)[2].T)


def step_untransposed(x, h, W, U, b):
    return x @ W


def step_update_first(x, h, W, U, b):
    W, U, b = (torch.cat([p.chunk(3)[i] for i in (1, 0, 2)]) for p in (W, U, b))
    return step_in_blocks(x, h, W, U, b)


def step_in_place(x, h, W, U, b):
    new = step_in_blocks(x, h, W, U, b)
    h.copy_(new)
    return h


def step_no_reset(x, h, W, U, b):
    z, n = (x @ W.T + b).chunk(3, 1)[1:], None
    u = (h @ U.T).chunk(3, 1)
    z, n = torch.sigmoid(z[0] + u[1]), torch.tanh(z[1] + u[2])
    return z * h + (1 - z) * n


def step_by_large_powers(x, h, W, U, b):
    a, u = (x @ W.T + b).chunk(3, 1), (h @ U.T).chunk(3, 1)
    r, z = ((s := (p + q).exp()) / (1 + s) for p, q in zip(a[:2], u[:2], strict=True))
    n = torch.tanh(a[2] + (r * h) @ U.chunk(3)[2].T)
    return z * h + (1 - z) * n


def step_in_turn(x, h, W, U, b):
    return step_in_blocks(x, h, *(p.unflatten(0, (-1, 3)).transpose(0, 1).flatten(0, 1) for p in (W, U, b)))


def step_proposal_first(x, h, W, U, b):
    return step_in_blocks(x, h, *(torch.cat([p.chunk(3)[i] for i in (1, 2, 0)]) for p in (W, U, b)))


# -- 22.3 ------------------------------------------------------------------


def bias_by_logit(n):
    return torch.tensor(0.5, dtype=torch.float64).pow(1 / n).logit()


def bias_by_ratio(n):
    f = 2 ** (-1 / n)
    return math.log(f / (1 - f))


def bias_by_search(n):
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        too_low = -math.log1p(math.exp(-middle)) * n < math.log(0.5)
        low, high = (middle, high) if too_low else (low, middle)
    return low


def bias_in_float32(n):
    return torch.tensor(0.5).pow(1 / n).logit()


# -- 22.4 ------------------------------------------------------------------


def pieces_by_index(cell, x, length):
    state, out = None, []
    for start in range(0, x.shape[1], length):
        if state is not None:
            state = [s.detach() for s in state] if isinstance(state, tuple) else state.detach()
            state = tuple(state) if isinstance(state, list) else state
        piece, state = cell(x[:, start : start + length], state)
        out += piece.unbind(1)
    return torch.stack(out, 1)


def pieces_by_number(cell, x, length):
    return pieces_by_index(cell, x, -(-x.shape[1] // length))


def pieces_by_reading_twice(cell, x, length):
    out = []
    for start in range(0, x.shape[1], length):
        with torch.no_grad():
            state = cell(x[:, :start])[1] if start else None
        out.append(cell(x[:, start : start + length], state)[0])
    return torch.cat(out, 1)


def pieces_word_by_word(cell, x, length):
    state, out = None, []
    for t in range(x.shape[1]):
        if t and t % length == 0:
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        word, state = cell(x[:, t : t + 1], state)
        out.append(word)
    return torch.cat(out, 1)


def pieces_without_gradient(cell, x, length):
    with torch.no_grad():
        return cell(x)[0]


def pieces_with_record(cell, x, length):
    a, state = cell(x[:, :length])
    return torch.cat([a, cell(x[:, length:], state)[0]], 1) if x.shape[1] > length else a


def pieces_forgotten(cell, x, length):
    return torch.cat([cell(piece)[0] for piece in x.split(length, 1)], 1)


def pieces_along_the_batch(cell, x, length):
    return torch.cat([cell(piece)[0] for piece in x.split(length, 0)], 0)


def pieces_whole_only(cell, x, length):
    return pieces_by_index(cell, x[:, : x.shape[1] // length * length], length)


def pieces_detached_outputs(cell, x, length):
    return pieces_by_index(cell, x, length).detach()


def pieces_with_frozen_weights(cell, x, length):
    return pieces_by_index(cell.requires_grad_(False), x, length)


def pieces_leaving_gradients(cell, x, length):
    out = pieces_by_index(cell, x, length)
    out.sum().backward(retain_graph=True)
    return out


def pieces_of_four_at_most(cell, x, length):
    return pieces_by_index(cell, x, min(length, 4))


def pieces_as_rows(cell, x, length):
    return list(pieces_by_index(cell, x, length))


def pieces_cutting_c(cell, x, length):
    state, out = None, []
    for piece in x.split(length, 1):
        made, state = cell(piece, state)
        state = (state[0], state[1].detach()) if isinstance(state, tuple) else state.detach()
        out.append(made)
    return torch.cat(out, 1)


def pieces_in_a_tensor(cell, x, length):
    """Cuts in place, and asks the layer for its size."""
    out, state = x.new_zeros(*x.shape[:2], cell.d_hidden), cell.first_state(x)
    for start in range(0, x.shape[1], length):
        out[:, start : start + length], state = cell(x[:, start : start + length], state)
        for part in state if isinstance(state, tuple) else [state]:
            part.detach_()
    return out


def pieces_with_state(cell, x, length):
    return cell(x)


# -- 22.5 ------------------------------------------------------------------


def ways_by_gather(forward, backward, x, lengths):
    lengths, at = torch.as_tensor(lengths)[:, None], torch.arange(x.shape[1])[None]
    index = torch.where(at < lengths, lengths - 1 - at, at)[..., None]
    back = backward(x.gather(1, index.expand_as(x)))[0]
    back = back.gather(1, index.expand_as(back))
    return torch.cat([forward(x)[0], back], 2).masked_fill((at >= lengths)[..., None], 0.0)


def ways_row_by_row(forward, backward, x, lengths):
    out = None
    for i, n in enumerate(lengths):
        a, b = forward(x[i : i + 1, :n])[0], backward(x[i : i + 1, :n].flip(1))[0].flip(1)
        out = a.new_zeros(*x.shape[:2], 2 * a.shape[2]) if out is None else out
        out[i, :n] = torch.cat([a, b], 2)[0]
    return out


def ways_word_by_word(forward, backward, x, lengths):
    rows = []
    for row, n in zip(x, lengths, strict=True):
        parts = []
        for way, order in ((forward, range(n)), (backward, range(n - 1, -1, -1))):
            state, said = None, {}
            for t in order:
                out, state = way(row[None, t : t + 1], state)
                said[t] = out[0, 0]
            parts.append(torch.stack([said[t] for t in range(n)]))
        rows.append(torch.cat(parts, 1))
    return nn.utils.rnn.pad_sequence([*rows, torch.zeros(x.shape[1], rows[0].shape[1])], batch_first=True)[
        :-1
    ]


def ways_whole(forward, backward, x, lengths):
    return torch.cat([forward(x)[0], backward(x.flip([1]))[0].flip([1])], -1)


def ways_unturned(forward, backward, x, lengths):
    turned = torch.zeros_like(x)
    out = ways_row_by_row(forward, backward, x, lengths)
    for i, n in enumerate(lengths):
        turned = out[i, :n, out.shape[2] // 2 :].flip(0)
        out[i, :n, out.shape[2] // 2 :] = turned
    return out


def ways_backward_first(forward, backward, x, lengths):
    return torch.cat(ways_row_by_row(forward, backward, x, lengths).chunk(2, 2)[::-1], 2)


def ways_summed(forward, backward, x, lengths):
    a, b = ways_row_by_row(forward, backward, x, lengths).chunk(2, 2)
    return a + b


def ways_along_features(forward, backward, x, lengths):
    return torch.cat([forward(x)[0], backward(x.flip(2))[0].flip(2)], 2)


def ways_on_the_batch(forward, backward, x, lengths):
    return torch.cat([forward(x)[0], backward(x.flip(0))[0].flip(0)], 2)


def ways_in_double(forward, backward, x, lengths):
    return ways_row_by_row(forward.double(), backward.double(), x.double(), lengths)


def ways_through_zeros(forward, backward, x, lengths):
    x, real = x.clone(), torch.zeros(*x.shape[:2], 1, dtype=torch.bool)
    for i, n in enumerate(lengths):
        x[i, n:], real[i, :n] = 0, True
    return torch.where(real, ways_whole(forward, backward, x, lengths), 0.0)


def ways_with_the_state(forward, backward, x, lengths):
    out = ways_row_by_row(forward, backward, x, lengths)
    state = forward(x)[1]
    for i, n in enumerate(lengths):
        own = tuple(s[i : i + 1] for s in state) if isinstance(state, tuple) else state[i : i + 1]
        out[i, :n, 3:] = backward(x[i : i + 1, :n].flip(1), own)[0].flip(1)[0]
    return out


def ways_cut(forward, backward, x, lengths):
    return ways_row_by_row(forward, backward, x, lengths)[:, : min(lengths)]


ANSWERS = {
    "22.1": Answers(
        right=[395_264, 395_264.0, counted_by_torch, counted_by_shapes],
        wrong=[
            (98_816, "one block of the four"),
            (296_448, "a GRU of this size"),
            (394_240, "One bias is missing"),
            (393_216, "The biases are missing"),
            (1_581_056, "In bytes"),
            (264_192, "two matrices"),
            (197_632, "the sizes swapped"),
            (197_120, "not the first alone"),
            (0, "too low"),
        ],
    ),
    "22.2": Answers(
        right=[step_in_blocks, step_by_einsum, step_row_by_row],
        wrong=[
            (step_of_torch, "That is PyTorch's form"),
            (step_swapped, "what is kept and what is taken"),
            (proposal_alone, "What of the old state is kept"),
            (step_untransposed, "not yet"),
            (step_update_first, "another order"),
            (step_proposal_first, "another order"),
            (step_in_turn, "not every third row"),
            (step_by_large_powers, "inf / inf"),
            (step_no_reset, "The reset gate does nothing"),
            (step_in_place, "Your answer changes its input"),
            (lambda x, h, W, U, b: h, "not yet"),
            (lambda x, h, W, U, b: step_in_blocks(x, h, W, U, 0 * b), "The bias is missing"),
            (lambda x, h, W, U, b: step_in_blocks(x, h, W, U, b)[0], "not yet"),
        ],
    ),
    "22.3": Answers(
        right=[bias_by_logit, bias_by_ratio, bias_by_search],
        wrong=[
            (lambda n: 0.5 ** (1 / n), "That is the gate itself"),
            (lambda n: -bias_by_ratio(n), "The sign is turned round"),
            (lambda n: -math.log(math.exp(1 / n) - 1), "Half was asked for"),
            (lambda n: math.log2(2 ** (-1 / n) / (1 - 2 ** (-1 / n))), "base 2"),
            (lambda n: math.log(2 ** (-1 / n)), "not by ln f"),
            (lambda n: math.log(n), "That is ln n"),
            (lambda n: 4.0, "not yet"),
            (lambda n: bias_by_ratio(int(n) or 1), "not yet"),
            (lambda n: round(bias_by_ratio(n)), "not yet"),
            (lambda n: bias_by_ratio(round(n) if n > 1 else n), "not always a whole number"),
            (lambda n: max(0.0, bias_by_ratio(n)), "may be below 1"),
            (bias_in_float32, "float32"),
            (lambda n: None, "not yet"),
        ],
    ),
    "22.4": Answers(
        right=[pieces_by_index, pieces_by_reading_twice, pieces_word_by_word, pieces_in_a_tensor],
        wrong=[
            (lambda cell, x, length: cell(x)[0], "detach the state between pieces"),
            (pieces_forgotten, "You forget the state"),
            (pieces_without_gradient, "No gradient can go back"),
            (pieces_detached_outputs, "No gradient can go back"),
            (pieces_with_record, "not yet"),
            (pieces_along_the_batch, "not yet"),
            (pieces_whole_only, "not yet"),
            (pieces_with_state, "yours are a tuple"),
            (pieces_as_rows, "one tensor"),
            (pieces_with_frozen_weights, "Your answer changes its input"),
            (pieces_leaving_gradients, "Your answer changes its input"),
            (pieces_of_four_at_most, "not yet"),
            (pieces_cutting_c, "not the LSTM's h"),
            (lambda cell, x, length: pieces_by_index(cell, x, 1), "after every word"),
            (pieces_by_number, "`chunk(length)` makes so many pieces"),
            (lambda cell, x, length: pieces_by_index(cell, x.detach(), length), "No gradient comes back"),
        ],
    ),
    "22.5": Answers(
        right=[ways_by_gather, ways_row_by_row, ways_word_by_word],
        wrong=[
            (ways_whole, "You did not use `lengths`"),
            (ways_unturned, "Turn the backward outputs round again"),
            (ways_backward_first, "comes first"),
            (ways_summed, "Side by side"),
            (ways_along_features, "not yet"),
            (ways_on_the_batch, "not yet"),
            (ways_cut, "not yet"),
            (ways_in_double, "Your answer changes its input"),
            (ways_through_zeros, "Zeros move the state"),
            (ways_with_the_state, "not afresh"),
            (lambda f, b, x, lengths: ways_row_by_row(f, b, x, lengths)[:, : max(lengths)], "all T places"),
            (lambda f, b, x, lengths: ways_row_by_row(f, f, x, lengths), "for both directions"),
            (lambda f, b, x, lengths: ways_row_by_row(b, f, x, lengths), "You use `backward` for"),
            (lambda f, b, x, lengths: f(x)[0], "not yet"),
        ],
    ),
}


class TestChapter22(ExerciseTests):
    answers = ANSWERS


@pytest.mark.parametrize("kind", [RNN, LSTM])
def test_the_checks_layer_is_the_chapters(kind):
    theirs, ours = kind(3, 4), Layer(kind.__name__, 3, 4, seed=0)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 3)
    torch.testing.assert_close(ours(x), theirs(x))
