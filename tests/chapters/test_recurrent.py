"""Recurrent layers: equal to PyTorch's, states carried on, errors; a language model of one."""

import pytest
import torch
from torch import nn

from companion.attention import CausalSelfAttention
from companion.embeddings import TokenEmbedding
from companion.recurrent import GRU, LSTM, RNN, RecurrentModel

LAYERS = [(RNN, nn.RNN), (LSTM, nn.LSTM), (GRU, nn.GRU)]
D_IN, H, B, T = 5, 4, 3, 7


def parts(state) -> tuple:
    """The tensors of a state, one for RNN and GRU, two for an LSTM."""
    return state if isinstance(state, tuple) else (state,)


def with_layers(state):
    """A state as PyTorch's layers have it, (layers, B, H)."""
    return tuple(s[None] for s in state) if isinstance(state, tuple) else state[None]


@pytest.fixture(params=LAYERS, ids=lambda pair: pair[0].__name__)
def pair(request):
    """A layer of ours and PyTorch's with the same weights, in float64."""
    torch.manual_seed(2)
    ours = request.param[0](D_IN, H).double()
    theirs = request.param[1](D_IN, H, batch_first=True).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.fixture
def x():
    return torch.randn(B, T, D_IN, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def random_state(layer, seed=3):
    g = torch.Generator().manual_seed(seed)
    made = [torch.randn(B, H, dtype=torch.float64, generator=g) for _ in range(2)]
    return tuple(made) if isinstance(layer, LSTM) else made[0]


@pytest.mark.parametrize("begins", ["with zeros", "with a state"])
@pytest.mark.parametrize("length", [1, T])
def test_outputs_states_and_gradients_are_pytorchs(pair, x, begins, length):
    ours, theirs = pair
    state = random_state(ours) if begins == "with a state" else None
    x = x[:, :length].clone().requires_grad_()
    found = []
    for layer, begin in ((ours, state), (theirs, None if state is None else with_layers(state))):
        out, last = layer(x, begin)
        loss = (out * torch.arange(1.0, H + 1)).sum() + sum((s**3).sum() for s in parts(last))
        grads = torch.autograd.grad(loss, [x, *layer.parameters()])
        found.append([out, *(s.view(B, H) for s in parts(last)), *grads])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_first_weights_are_drawn_as_pytorch_draws_them():
    for ours, theirs in LAYERS:
        torch.manual_seed(4)
        a = ours(3, 5).state_dict()
        torch.manual_seed(4)
        b = theirs(3, 5).state_dict()
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_an_x_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"must be \(B, T, 5\), T at least 1"):
        RNN(5, 4)(torch.zeros(2, 3, 6))


# -- the language model ------------------------------------------------------------


@pytest.mark.parametrize("cell", [LSTM(6, 8), nn.GRU(6, 8, batch_first=True)], ids=["ours", "PyTorch's"])
@pytest.mark.parametrize("heads", [0, 2])
def test_a_model_scores_each_next_token_from_those_before_it(cell, heads):
    torch.manual_seed(0)
    model = RecurrentModel(TokenEmbedding(11, 6), cell, CausalSelfAttention(8, heads) if heads else None)
    tokens = torch.tensor([[1, 5, 2, 9], [3, 3, 0, 7]])
    logits = model(tokens)
    assert logits.shape == (2, 4, 11)
    changed = tokens.clone()
    changed[:, 2] = 4
    torch.testing.assert_close(model(changed)[:, :2], logits[:, :2])
    assert (model(changed)[:, 2:] - logits[:, 2:]).abs().amax(-1).min() > 1e-4


def test_attention_is_added_to_the_states():
    torch.manual_seed(0)
    embed, cell, attn = TokenEmbedding(11, 6), RNN(6, 8), CausalSelfAttention(8, 2)
    model, plain = RecurrentModel(embed, cell, attn), RecurrentModel(embed, cell)
    plain.down.load_state_dict(model.down.state_dict())
    tokens = torch.tensor([[1, 5, 2]])
    assert not torch.allclose(model(tokens), plain(tokens))
    nn.init.zeros_(attn.o_proj.weight)
    nn.init.zeros_(attn.o_proj.bias)
    torch.testing.assert_close(model(tokens), plain(tokens))
