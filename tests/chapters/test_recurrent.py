"""Recurrent layers: first weights, errors; a language model of one. Chapter 22 has PyTorch's."""

import pytest
import torch
from torch import nn

from companion.attention import CausalSelfAttention
from companion.embeddings import TokenEmbedding
from companion.recurrent import GRU, LSTM, RNN, RecurrentModel

LAYERS = [(RNN, nn.RNN), (LSTM, nn.LSTM), (GRU, nn.GRU)]


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
