"""The check of exercise 22.5: Both ways."""

import math

import torch

from companion.exercises.ch22.shared import Layer
from companion.exercises.exercise import Function


def by_rows(backward_of, pad=0.0):
    """Row by row; backward_of: (layer, the row's real tokens (1, n, d_in)) -> outputs (1, n, H)."""

    def both(forward, backward, x, lengths):
        rows = []
        for row, n in zip(x, lengths, strict=True):
            real = row[None, :n]
            out = torch.cat([forward(real)[0], backward_of(backward, real)], dim=2)[0]  # (n, 2H)
            rows.append(torch.cat([out, out.new_full((len(row) - n, out.shape[1]), pad)]))
        return torch.stack(rows)

    return both


def turned(layer, real):
    return layer(real.flip(1))[0].flip(1)


both_ways = by_rows(turned)


def cases(seed):
    g = torch.Generator().manual_seed(seed)
    made = []
    sizes = ((1, 2, 1, [2]), (1, 3, 1, [2]), (2, 4, 2, [4, 4]), (3, 5, 2, [5, 1, 3]), (2, 6, 3, [2, 5]))
    for i, (B, T, d_in, lengths) in enumerate(sizes):
        x = torch.randn(B, T, d_in, generator=g)
        for row, n in zip(x, lengths, strict=True):
            row[n:] = math.nan if i == 4 else 7.0
        kind, at = ("RNN", "LSTM")[i % 2], 2 * (10 * seed + i)
        made.append((kind, Layer(kind, d_in, 3, at), Layer(kind, d_in, 3, at + 1), x, lengths))
    return made


def run(answer, kind, forward, backward, x, lengths):
    return answer(forward, backward, x, lengths)


def whole_row_flipped(forward, backward, x, lengths):
    both = torch.cat([forward(x)[0], backward(x.flip(1))[0].flip(1)], dim=2)
    real = torch.arange(x.shape[1]) < torch.tensor(lengths)[:, None]
    return torch.where(real[..., None], both, torch.zeros(()))


def lengths_ignored(forward, backward, x, lengths):
    return torch.cat([forward(x)[0], backward(x.flip(1))[0].flip(1)], dim=2)


def flipped(rows, lengths):
    return torch.stack([torch.cat([r[:n].flip(0), r[n:]]) for r, n in zip(rows, lengths, strict=True)])


def padding_left(forward, backward, x, lengths):
    return torch.cat([forward(x)[0], flipped(backward(flipped(x, lengths))[0], lengths)], dim=2)


def by_product(forward, backward, x, lengths):
    real = torch.arange(x.shape[1]) < torch.tensor(lengths)[:, None]
    return padding_left(forward, backward, x, lengths) * real[..., None]


def halves_swapped(forward, backward, x, lengths):
    return both_ways(forward, backward, x, lengths).roll(3, dims=2)


def zeros_read_first(forward, backward, x, lengths):
    real = (torch.arange(x.shape[1]) < torch.tensor(lengths)[:, None])[..., None]
    return whole_row_flipped(forward, backward, torch.where(real, x, torch.zeros(())), lengths)


def state_handed_on(forward, backward, x, lengths):
    out, state = forward(x)
    both = torch.cat([out, flipped(backward(flipped(x, lengths), state)[0], lengths)], dim=2)
    real = torch.arange(x.shape[1]) < torch.tensor(lengths)[:, None]
    return torch.where(real[..., None], both, torch.zeros(()))


def layers_swapped(forward, backward, x, lengths):
    return both_ways(backward, forward, x, lengths)


def in_turn(forward, backward, x, lengths):
    return both_ways(forward, backward, x, lengths).unflatten(2, (2, -1)).transpose(2, 3).flatten(2)


def cut_to_longest(forward, backward, x, lengths):
    return both_ways(forward, backward, x, lengths)[:, : max(lengths)]


def added(forward, backward, x, lengths):
    return sum(both_ways(forward, backward, x, lengths).chunk(2, dim=2))


def one_layer_twice(forward, backward, x, lengths):
    return both_ways(forward, forward, x, lengths)


EXERCISE = Function(
    number="22.5",
    title="Both ways",
    stars=3,
    wants="both_ways(forward, backward, x, lengths)",
    cases=cases,
    oracle=both_ways,
    call=run,
    shown="{f}(forward, backward, x, {4}) with two layers {0}, x = {3}",
    mistakes=[
        (by_rows(lambda layer, real: layer(real.flip(1))[0]), "Turn the backward outputs round again."),
        (by_rows(lambda layer, real: layer(real)[0]), "Your second network reads forward, too."),
        (whole_row_flipped, "You turn whole rows round, so the backward network reads the padding first."),
        (lengths_ignored, "You did not use `lengths`: the backward network begins in the padding."),
        (padding_left, "At padding the outputs must be zeros."),
        (by_product, "A product of 0 and nan is nan. Choose the zeros instead of multiplying."),
        (halves_swapped, "The forward network's output comes first, then the backward's."),
        (zeros_read_first, "Zeros move the state, too: begin at the last real token, not in the padding."),
        (state_handed_on, "Your backward network begins with the forward one's last state, not afresh."),
        (layers_swapped, "You use `backward` for the forward way and `forward` for the backward one."),
        (in_turn, "Side by side: first the forward output's H numbers, then the backward one's."),
        (cut_to_longest, "The result has all T places, also where no row has a real token."),
        (by_rows(lambda layer, real: layer(real)[0].flip(1)), "Turn the tokens round before you read them."),
        (added, "You added the two outputs. Side by side they are (B, T, 2H)."),
        (one_layer_twice, "You used the forward layer for both directions."),
        (by_rows(turned, math.nan), "Padding is nan in your result; it must be zeros."),
    ],
    right="Each word now has what came before it and what comes after it, and padding reaches neither.",
)
