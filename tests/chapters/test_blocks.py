"""companion.blocks against PyTorch's own layers, on odd and distinct dimensions."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from support.cells import run_for
from torch import nn

from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.datasets import random_batches

CHAPTER = Path(__file__).parents[2] / "chapters" / "05_blocks.ipynb"
B, T, C, H, D_FF = 3, 7, 15, 5, 37
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def noise(*shape, seed=0, grad=False):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_(grad)


def shake(module, seed=1):
    """Give every parameter noise, so that weights of 1 and biases of 0 hide nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator)
    return module


def make_block(seed=0, attn=None, dropout=0.0):
    torch.manual_seed(seed)
    attn = CausalSelfAttention(C, H, dropout) if attn is None else attn
    return shake(Block(LayerNorm(C), attn, LayerNorm(C), MLP(C, D_FF, dropout)), seed)


class TestLayerNorm:
    @pytest.mark.parametrize("eps", [1e-5, 0.1])
    def test_values_and_gradients_equal_pytorch(self, eps):
        ours, theirs = shake(LayerNorm(C, eps)), nn.LayerNorm(C, eps)
        theirs.load_state_dict(ours.state_dict())  # same names too
        values = 5 * noise(B, T, C) + 2
        values[0, 0] = 3.0  # a vector without variance
        x, x_theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
        up = noise(B, T, C, seed=2)
        (ours(x) * up).sum().backward()
        (theirs(x_theirs) * up).sum().backward()
        torch.testing.assert_close(ours(x), theirs(x_theirs), **CLOSE)
        torch.testing.assert_close(x.grad, x_theirs.grad, **CLOSE)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad, **CLOSE)

    @pytest.mark.parametrize(("d_model", "eps"), [(0, 1e-5), (C, 0.0)])
    def test_errors(self, d_model, eps):
        with pytest.raises(ValueError, match=f"d_model={d_model} .*eps={eps}"):
            LayerNorm(d_model, eps)


class TestMLP:
    def test_values_equal_pytorch_modules(self):
        ours = shake(MLP(C, D_FF))
        theirs = nn.Sequential(nn.Linear(C, D_FF), nn.GELU(approximate="tanh"), nn.Linear(D_FF, C))
        theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
        x = 3 * noise(B, T, C)
        torch.testing.assert_close(ours(x), theirs(x), **CLOSE)
        exact = theirs[2](F.gelu(theirs[0](x)))
        assert (ours(x) - exact).abs().max() > 1e-4  # the tanh form, not the exact one

    def test_dropout_only_in_training_and_unbiased(self):
        mlp, x = shake(MLP(C, D_FF, dropout=0.4)), noise(1, C).expand(20_000, C)
        torch.manual_seed(0)
        trained = mlp(x)
        assert abs((trained == 0).float().mean() - 0.4) < 0.01
        sure = mlp.eval()(x)
        assert (sure != 0).all() and torch.equal(sure, mlp(x))
        torch.testing.assert_close(trained.mean(0), sure[0], rtol=0.05, atol=0.05)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((0, 4), "d_model=0"),
            ((4, 0), "d_ff=0"),
            ((4, 8, 1.0), "dropout=1.0"),
        ],
    )
    def test_errors(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            MLP(*arguments)


class TestBlock:
    def test_values_and_gradients_equal_pytorch_encoder_layer(self):
        ours = make_block()
        theirs = nn.TransformerEncoderLayer(
            C, H, D_FF, dropout=0.0, activation=nn.GELU("tanh"), batch_first=True, norm_first=True
        )
        a = ours.attn
        with torch.no_grad():
            for name in ("weight", "bias"):
                qkv = [getattr(proj, name) for proj in (a.q_proj, a.k_proj, a.v_proj)]
                getattr(theirs.self_attn, f"in_proj_{name}").copy_(torch.cat(qkv))
        pairs = [
            (a.o_proj, theirs.self_attn.out_proj),
            (ours.norm_1, theirs.norm1),
            (ours.norm_2, theirs.norm2),
            (ours.mlp.up_proj, theirs.linear1),
            (ours.mlp.down_proj, theirs.linear2),
        ]
        for own, peer in pairs:
            peer.load_state_dict(own.state_dict())
        future = nn.Transformer.generate_square_subsequent_mask(T)
        x, y, up = noise(B, T, C, grad=True), noise(B, T, C, grad=True), noise(B, T, C, seed=5)
        mine, peers = ours(x), theirs(y, src_mask=future, is_causal=True)
        torch.testing.assert_close(mine, peers, **CLOSE)
        (mine * up).sum().backward()
        (peers * up).sum().backward()
        torch.testing.assert_close(x.grad, y.grad, **CLOSE)
        for own, peer in pairs:
            torch.testing.assert_close(own.weight.grad, peer.weight.grad, **CLOSE)

    def test_is_made_of_the_parts_it_is_given_and_hands_on_the_cache(self):
        class Attention(nn.Module):
            def forward(self, x, cache):
                self.seen = cache
                return 2 * x

        class Plus(nn.Module):
            def __init__(self, amount):
                super().__init__()
                self.amount = amount

            def forward(self, x):
                return x + self.amount

        class Times(Plus):
            def forward(self, x):
                return x * self.amount

        block = Block(Plus(1), Attention(), Plus(10), Times(3))
        x, cache = noise(B, T, C), object()
        middle = x + 2 * (x + 1)
        torch.testing.assert_close(block(x, cache), middle + 3 * (middle + 10), **CLOSE)
        assert block.attn.seen is cache
        block(x)
        assert block.attn.seen is None


THIRD = {
    "no attention": 6.600,
    "no MLP": 6.757,
    "no norms": 6.456,
    "no residual": 6.441,
    "norm after": 6.364,
}
"""The loss of the third step of the runs that the chapter reads from its log."""


@pytest.mark.gate
def test_the_logged_runs_of_the_chapter_begin_as_they_did(monkeypatch):
    """The chapter repeats the first 100 steps of one, two and four blocks; these are the other runs."""
    monkeypatch.chdir(CHAPTER.parent)
    wanted = ("stack_of_blocks", "make_post_norm", "fit", "train", "STAGES", "depths", "LOG")
    scope = run_for(CHAPTER, "broken", *wanted)
    models = dict(scope["broken"])
    models["norm after"] = scope["stack_of_blocks"](4, scope["make_post_norm"])
    train = scope["train"]
    for name, model in models.items():
        generator = torch.Generator().manual_seed(0)
        batches = random_batches(train.tokens, 4, 256, generator, train.starts)
        losses = scope["fit"](model, batches, steps=3, lr=scope["STAGES"][0][1])
        assert losses[-1] == pytest.approx(THIRD[name], abs=0.005), name
    assert (
        json.loads(scope["LOG"].read_text(encoding="utf-8")).keys() == THIRD.keys() | scope["depths"].keys()
    )
