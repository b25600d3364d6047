"""companion.gpt against transformers' GPT-2, and what must hold of any GPT."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from support.weights import noisy
from torch import nn

from companion.gpt import GPT2_SIZES, GPTConfig, gpt2
from companion.pretrained import save_pretrained
from companion.runtime.storage.public_configs import write_like_gpt2
from companion.tokenization import BPETokenizer

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
TINY = GPTConfig(vocab_size=301, context_length=17, n_layers=3, n_heads=5, d_model=35, d_ff=59)
B, T = 2, 11
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def ids(*shape, high=TINY.vocab_size, seed=0):
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def tiny(seed=0, **changes):
    """A tiny GPT whose every parameter is noise."""
    torch.manual_seed(seed)
    return noisy(gpt2(dataclasses.replace(TINY, **changes)), seed)


def to_transformers(model, folder):
    """The same weights in transformers' GPT-2, by way of a folder."""
    from transformers import GPT2LMHeadModel  # here, because it takes seconds, in every process that collects

    save_pretrained(model, BPETokenizer([]), folder)
    return GPT2LMHeadModel.from_pretrained(folder, attn_pdrop=0.0).eval()


class TestTransformersParity:
    def test_logits_and_gradients(self, tmp_path):
        model = tiny()
        theirs = to_transformers(model, tmp_path)
        for length in (1, T, TINY.context_length):
            tokens = ids(B, length, seed=length)
            torch.testing.assert_close(model(tokens), theirs(tokens).logits, **CLOSE)
        for logits in (model(tokens), theirs(tokens).logits):
            logits.square().mean().backward()
        ours = {"wte": model.embed.token, "h.1.ln_1": model.blocks[1].norm_1, "ln_f": model.norm}
        for name, part in ours.items():
            their_part = theirs.transformer.get_submodule(name)
            torch.testing.assert_close(part.weight.grad, their_part.weight.grad, **CLOSE)

    def test_the_chapters_cell_reads_a_file_with_the_published_names(self, tmp_path, capsys):
        model = tiny()
        scope = {"gpt2": gpt2, "GPT2_SIZES": GPT2_SIZES, "tell": None, "load_file": load_file}
        notebook = json.loads((CHAPTERS / "06_gpt.ipynb").read_text(encoding="utf-8"))
        (cell,) = (c for c in map("".join, (c["source"] for c in notebook["cells"])) if "SPEAK = False" in c)
        exec(cell, scope)
        assert capsys.readouterr().out == "124,439,808 parameters, still without values\n"
        write_like_gpt2(model, BPETokenizer([]), tmp_path)
        filled = scope["fill"](gpt2(TINY, meta=True), tmp_path / "model.safetensors")
        assert not any(p.is_meta for p in filled.parameters())
        torch.testing.assert_close(filled(ids(B, T)), model(ids(B, T)))


class TestForward:
    @pytest.mark.parametrize(
        ("tokens", "error", "message"),
        [
            (ids(B, TINY.context_length + 1), ValueError, f"context_length={TINY.context_length}"),
            (ids(T), ValueError, r"shape \(11,\), must be \(B, T\)"),
            (ids(B, T).float(), TypeError, "dtype torch.float32, must be torch.int64"),
            (torch.full((B, T), TINY.vocab_size), ValueError, "tokens .*301"),
        ],
    )
    def test_errors(self, tokens, error, message):
        with pytest.raises(error, match=message):
            tiny()(tokens)


class TestInit:
    CONFIG = GPTConfig(vocab_size=503, context_length=61, n_layers=8, n_heads=3, d_model=96)

    def untrained(self):
        torch.manual_seed(0)
        return gpt2(self.CONFIG)

    def test_statistics(self):
        width = math.sqrt(self.CONFIG.d_model)
        for name, p in self.untrained().named_parameters():
            if p.ndim == 1:
                weight = 2.5 / width if name == "norm.weight" else 1.0
                wanted = weight if "norm" in name and name.endswith("weight") else 0.0
                assert (p == wanted).all(), name
                continue
            wanted = 0.2 if name == "embed.token.weight" else 0.55 / width
            if "o_proj" in name or "down_proj" in name:
                wanted /= 4  # sqrt(2 * 8)
            assert abs(p.std().item() / wanted - 1) < 0.04, name
            assert abs(p.mean().item()) < 5 * wanted / math.sqrt(p.numel()), name


class TestConfig:
    @pytest.mark.parametrize(
        ("field", "value"),
        [("vocab_size", 0), ("n_layers", 2.0), ("d_model", "64"), ("n_heads", 5), ("dropout", 1.0)],
    )
    def test_errors(self, field, value):
        with pytest.raises(ValueError, match=f"{field}={value!r}"):
            GPTConfig(**{field: value})

    def test_fields_reach_the_parts(self):
        model = gpt2(dataclasses.replace(TINY, dropout=0.25))
        block = model.blocks[0]
        assert len(model.blocks) == TINY.n_layers and block.attn.n_heads == TINY.n_heads
        assert model.embed.position.weight.shape == (17, 35) and block.mlp.up_proj.weight.shape == (59, 35)
        drops = [model.embed.dropout.p, block.mlp.dropout.p, block.attn.dropout]
        assert drops == [0.25, 0.25, 0.25]
        assert isinstance(model.blocks, nn.ModuleList) and len(set(model.blocks)) == 3


@pytest.mark.parametrize("width", [64, 768])
def test_an_untrained_models_loss_is_ln_v_at_every_width(width):
    torch.manual_seed(0)
    model = gpt2(GPTConfig(1024, 65, 2, width // 64, width))
    row = torch.randint(1024, (2, 65))
    with torch.no_grad():
        loss = F.cross_entropy(model(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten()).item()
    assert abs(loss - math.log(1024)) < 0.3
