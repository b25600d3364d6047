"""What several checks of chapter 22 use: a small recurrent layer with the names of the chapter's."""

import torch
import torch.nn.functional as F
from torch import nn


class Layer(nn.Module):
    """A plain recurrent layer ("RNN") or an "LSTM": x, state or None -> out, state."""

    def __init__(self, kind: str, d_in: int, d_hidden: int, seed: int):
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
