"""The seams of chapters 3 to 6, each used from outside as a later chapter will."""

import math

import pytest
import torch
import torch.nn.functional as F
from support.weights import noisy
from torch import nn

from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.embeddings import GPTEmbedding, TokenEmbedding
from companion.gpt import GPT, GPTConfig, gpt2
from companion.show.widgets import attention_weights

B, T, V = 3, 11, 53
SHAPE = GPTConfig(vocab_size=V, context_length=17, n_layers=2, n_heads=5, d_model=30, d_ff=47)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def ids(*shape, seed=0):
    return torch.randint(V, shape, generator=torch.Generator().manual_seed(seed))


class Rotated(CausalSelfAttention):
    """Queries and keys turned by their positions, as RoPE does: another project, and nothing else."""

    def project(self, x, start=0):
        q, k, v = super().project(x, start)
        half = q.shape[-1] // 2
        at = torch.as_tensor(start, device=x.device)[..., None] + torch.arange(x.shape[1], device=x.device)
        speed = 50 ** -(torch.arange(half, device=x.device) / half)
        angle = (at[..., None] * speed).unsqueeze(-3)  # (1, T, D / 2), or (B, 1, T, D / 2)
        turned = [
            torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], dim=-1)
            for a, b in (y.split(half, dim=-1) for y in (q, k))
        ]
        return *turned, v


class Shifted(CausalSelfAttention):
    """Every token's vector mixed with that of the token before, ahead of the projections."""

    def forward(self, x, cache=None):
        return super().forward(x + F.pad(x, (0, 0, 1, -1)), cache)


def rotated_gpt(head=None):
    """Positions in the attention, so the embedding is the token table alone."""
    c = SHAPE
    blocks = [
        Block(
            LayerNorm(c.d_model), Rotated(c.d_model, c.n_heads), LayerNorm(c.d_model), MLP(c.d_model, c.d_ff)
        )
        for _ in range(c.n_layers)
    ]
    torch.manual_seed(0)
    return noisy(GPT(c, TokenEmbedding(V, c.d_model), blocks, LayerNorm(c.d_model), head))


# project


def test_forward_uses_what_project_makes():
    torch.manual_seed(0)
    plain, rotated = CausalSelfAttention(30, 5), Rotated(30, 5)
    rotated.load_state_dict(plain.state_dict())
    x = torch.randn(B, T, 30)
    q, k, v = rotated.project(x)
    assert q.shape == k.shape == v.shape == (B, 5, T, 6)
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    torch.testing.assert_close(rotated(x), rotated.o_proj(out), **CLOSE)
    assert (rotated(x) - plain(x)).abs().max() > 0.01


@pytest.mark.parametrize("kind", [Rotated, Shifted])
def test_attention_maps_are_those_of_any_attention(kind):
    torch.manual_seed(0)
    blocks = [Block(LayerNorm(30), kind(30, 5), LayerNorm(30), MLP(30, 47)) for _ in range(SHAPE.n_layers)]
    model = noisy(GPT(SHAPE, GPTEmbedding(V, 17, 30), blocks, LayerNorm(30)))
    inputs, outputs = [], []
    for block in blocks:
        block.attn.register_forward_hook(lambda attn, given, out: inputs.append(given[0]))
        block.attn.o_proj.register_forward_hook(lambda layer, given, out: outputs.append(given[0]))
    maps = attention_weights(model, ids(1, T))
    assert len(maps) == 2 and all(weights.shape == (5, T, T) for weights in maps)
    for block, x, out, weights in zip(blocks, inputs, outputs, maps, strict=True):
        if kind is Shifted:
            x = x + F.pad(x, (0, 0, 1, -1))
        v = block.attn.project(x)[2]
        torch.testing.assert_close((weights @ v).transpose(1, 2).flatten(2), out, **CLOSE)


# the head


class Scores(nn.Module):
    """A head of two steps, as no table could be."""

    def __init__(self):
        super().__init__()
        self.mix, self.out = nn.Linear(30, 13), nn.Linear(13, V)

    def forward(self, x):
        return self.out(self.mix(x).tanh())


def test_a_head_is_a_part():
    torch.manual_seed(0)
    head = Scores()
    model = rotated_gpt(head)
    tokens = ids(B, T)
    hidden = model.hidden(tokens)
    assert hidden.shape == (B, T, 30) and model(tokens).shape == (B, T, V)
    torch.testing.assert_close(model(tokens), head(hidden))
    assert {name for name in model.state_dict() if name.startswith("head")} == {
        f"head.{part}.{kind}" for part in ("mix", "out") for kind in ("weight", "bias")
    }
    model(tokens).square().mean().backward()
    assert all(p.grad.any() for p in head.parameters()) and model.embed.weight.grad.any()


# shapes without values


def test_a_model_on_the_meta_device_is_filled():
    full, state = noisy(gpt2(SHAPE)), torch.get_rng_state()
    model = gpt2(SHAPE, meta=True)
    assert torch.equal(torch.get_rng_state(), state)  # nothing was drawn
    assert all(p.is_meta for p in model.parameters()) and not list(model.buffers())
    model.load_state_dict(full.state_dict(), assign=True)
    assert torch.equal(model(ids(B, T)), full(ids(B, T)))


# initialization


@pytest.mark.parametrize(
    ("width", "vocab_size"), [(64, 1024), (768, 1024), pytest.param(1600, 50257, marks=pytest.mark.gate)]
)
def test_an_untrained_models_loss_is_ln_v_at_every_width(width, vocab_size):
    torch.manual_seed(0)
    model = gpt2(GPTConfig(vocab_size, 65, 2, width // 64, width))
    row = torch.randint(vocab_size, (2, 65))
    with torch.no_grad():
        loss = F.cross_entropy(model(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten()).item()
    assert abs(loss - math.log(vocab_size)) < 0.3
