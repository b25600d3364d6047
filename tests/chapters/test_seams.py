"""The seams of chapters 3 to 6, each used from outside as a later chapter will."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from support.weights import noisy
from torch import nn

from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.embeddings import GPTEmbedding, TokenEmbedding
from companion.gpt import GPT, GPTConfig, gpt2
from companion.show.diagrams import block_diagram, gpt_diagram
from companion.show.widgets import attention_weights
from companion.village import DATA

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


class Grouped(CausalSelfAttention):
    """One key and one value for all heads."""

    def project(self, x, start=0):
        q, k, v = super().project(x, start)
        return q, k[:, :1], v[:, :1]


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


MODELS = {"learned positions": lambda: noisy(gpt2(SHAPE)), "rotated": rotated_gpt}


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


@pytest.mark.parametrize("kind", [CausalSelfAttention, Rotated, Shifted, Grouped])
def test_the_drawn_maps_are_those_of_any_attention(kind):
    torch.manual_seed(0)
    c = SHAPE
    blocks = [Block(LayerNorm(30), kind(30, 5), LayerNorm(30), MLP(30, 47)) for _ in range(c.n_layers)]
    model, calls = noisy(GPT(c, GPTEmbedding(V, 17, 30), blocks, LayerNorm(30))), {}
    if kind is Grouped:  # the fused operation wants as many keys as queries
        for block in blocks:
            block.attn.forward = grouped_forward(block.attn)
    hooks = [
        b.attn.o_proj.register_forward_hook(lambda p, given, out: calls.update({p: given[0]})) for b in blocks
    ]
    projected = []
    for block in blocks:
        block.attn.register_forward_hook(lambda attn, given, out: projected.append((attn, given[0])))
    weights = attention_weights(model, ids(1, T))
    for hook in hooks:
        hook.remove()
    assert len(weights) == 2 and all(w.shape == (5, T, T) for w in weights)
    for (attn, x), w in zip(projected, weights, strict=True):
        x = x + F.pad(x, (0, 0, 1, -1)) if kind is Shifted else x
        v = attn.project(x)[2]
        torch.testing.assert_close((w @ v).transpose(1, 2).flatten(2), calls[attn.o_proj], **CLOSE)
        assert "project" not in vars(attn)  # as it was


def grouped_forward(attn):
    def forward(x, cache=None):
        q, k, v = attn.project(x)
        shared = (y.expand(-1, attn.n_heads, -1, -1) for y in (k, v))
        out = F.scaled_dot_product_attention(q, *shared, is_causal=True)
        return attn.o_proj(out.transpose(1, 2).flatten(2))

    return forward


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


@pytest.mark.parametrize("name", MODELS)
def test_the_last_position_can_be_scored_alone(name):
    model, tokens = MODELS[name](), ids(B, T)
    last = model.logits(model.hidden(tokens)[:, -1])
    assert last.shape == (B, V)
    torch.testing.assert_close(last, model(tokens)[:, -1], **CLOSE)


def test_hidden_is_what_the_last_norm_gives():
    model, tokens, given = MODELS["learned positions"](), ids(B, T), []
    model.norm.register_forward_hook(lambda part, args, out: given.append(out))
    hidden = model.hidden(tokens)
    assert hidden is given[0]
    torch.testing.assert_close(model(tokens), hidden @ model.embed.token.weight.T, **CLOSE)


@pytest.mark.gate
@pytest.mark.usefixtures("style")
@pytest.mark.parametrize(
    ("head", "note"),
    [(None, "the token rows"), (lambda: nn.Linear(30, V, bias=False), "rows of its own"), (Scores, "Scores")],
)
def test_a_model_with_any_attention_and_head_is_drawn(head, note):
    with torch.device("meta"):
        model = rotated_gpt(head and head())
    texts = [text.get_text() for text in gpt_diagram(model).texts]
    assert note in texts and "token rows" in texts and "2 blocks" in texts
    assert f"{sum(p.numel() for p in model.parameters()):,}" in texts
    drawn = [text.get_text() for text in block_diagram(rotated_gpt().blocks[0], 30).texts]
    assert {"Rotated", "5 heads", "3 × (B, T, 30)"} <= set(drawn)


# wrapped layers


class LoRA(nn.Module):
    def __init__(self, base, rank=2):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + x @ self.a.T @ self.b.T


def test_a_projection_can_be_wrapped():
    torch.manual_seed(0)
    model, tokens = MODELS["rotated"]().requires_grad_(False), ids(1, T)
    before, maps = model(tokens), attention_weights(model, tokens)
    for block in model.blocks:
        block.attn.q_proj = LoRA(block.attn.q_proj)
    torch.testing.assert_close(model(tokens), before)
    model(tokens).square().sum().backward()
    learns = {name.rsplit(".", 1)[1] for name, p in model.named_parameters() if p.requires_grad}
    assert learns == {"a", "b"}
    with torch.no_grad():
        for block in model.blocks:
            assert block.attn.q_proj.b.grad.any()
            block.attn.q_proj.b += 0.3
    assert not torch.allclose(model(tokens), before, atol=1e-2)
    changed = attention_weights(model, tokens)
    assert all((a - b).abs().max() > 0.01 for a, b in zip(maps, changed, strict=True))


# shapes without numbers


def test_a_model_without_numbers_is_filled():
    full, state = noisy(gpt2(SHAPE)), torch.get_rng_state()
    model = gpt2(SHAPE, meta=True)
    assert torch.equal(torch.get_rng_state(), state)  # nothing was drawn
    assert all(p.is_meta for p in model.parameters()) and not list(model.buffers())
    model.load_state_dict(full.state_dict(), assign=True)
    assert all(p.requires_grad and not p.is_meta for p in model.parameters())
    assert torch.equal(model(ids(B, T)), full(ids(B, T)))
    F.cross_entropy(model(ids(B, T)).flatten(0, 1), ids(B * T)).backward()  # and it can learn


def test_any_builder_can_be_without_numbers():
    with torch.device("meta"):
        model = rotated_gpt(Scores())
    assert all(p.is_meta for p in model.parameters())
    model.load_state_dict(rotated_gpt(Scores()).state_dict(), assign=True)
    assert model(ids(B, T)).isfinite().all()


def test_the_shipped_model_loads_by_its_names():
    folder = DATA / "models" / "village"
    fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
    model = gpt2(GPTConfig(**{k: v for k, v in fields.items() if k != "architecture"}), meta=True)
    model.load_state_dict(load_file(folder / "model.safetensors"), assign=True)
    assert model.head is None and model(ids(1, T)).isfinite().all()


# birth


@pytest.mark.parametrize(
    ("width", "vocab_size"),
    [(64, 1024), (128, 1024), (256, 1024), (768, 1024), (1600, 1024)]
    + [pytest.param(1600, 50257, marks=pytest.mark.gate)],
)
def test_a_newborn_says_ln_v_at_every_width(width, vocab_size):
    torch.manual_seed(0)
    model = gpt2(GPTConfig(vocab_size, 65, 2, width // 64, width))
    row = torch.randint(vocab_size, (2, 65))
    with torch.no_grad():
        loss = F.cross_entropy(model(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten()).item()
    assert abs(loss - math.log(vocab_size)) < 0.3
