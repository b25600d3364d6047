"""`companion verify`, and folders of `companion export hf` in transformers: small and random, in float32.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers.
"""

import shutil
from pathlib import Path

import pytest
import torch
import transformers as peers
from safetensors.torch import load_file, save_file
from support.command_line import fails

from companion.__main__ import main
from companion.cli import verify
from companion.runtime.text.hugging_face import write_tokenizer
from companion.tokenization import BPETokenizer
from companion.village import load_split

TOKENIZER = BPETokenizer.train(load_split("val")[:20], 300)
KV = {
    "vocab_size": 307,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "hidden_size": 32,
    "intermediate_size": 36,
    "max_position_embeddings": 128,
}
CASES = {
    "gpt2": lambda: peers.GPT2LMHeadModel(
        peers.GPT2Config(vocab_size=307, n_positions=128, n_layer=2, n_head=4, n_embd=32)
    ),
    "qwen3": lambda: peers.Qwen3ForCausalLM(peers.Qwen3Config(**KV, head_dim=8)),
}


def written(name, folder, seed=0):
    """A folder that transformers wrote, in bfloat16 as many public ones are, with a tokenizer."""
    torch.manual_seed(seed)
    model = CASES[name]()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.2 * torch.randn_like(p)
    model.generation_config.eos_token_id = 290  # verify goes on past it
    model.bfloat16().save_pretrained(folder)
    write_tokenizer(TOKENIZER, folder)
    return Path(folder)


@pytest.mark.parametrize("name", CASES)
def test_a_folder_of_transformers_is_verified(name, tmp_path, capsys):
    folder = written(name, tmp_path / "whole")
    assert main(["verify", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("right  logits after ") and lines[1].startswith("right  the 20 likeliest")
    assert float(lines[0].split(": ")[1].split()[0]) < 1e-5
    n_tokens = int(lines[0].split("after ")[1].split()[0])
    assert n_tokens == 1 + len(TOKENIZER.encode(verify.PROMPT))


def test_a_damaged_one_is_another_model(tmp_path, capsys):
    original = written("qwen3", tmp_path / "whole")
    damaged = Path(shutil.copytree(original, tmp_path / "damaged"))
    tensors = load_file(damaged / "model.safetensors")
    tensors["model.layers.0.self_attn.o_proj.weight"][3, 5] = 9.0
    save_file(tensors, damaged / "model.safetensors", {"format": "pt"})
    assert main(["verify", str(damaged), "--against", str(original)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("WRONG  logits") and len(err.splitlines()) == 1
    assert "so" in err and "is another model" in err


def test_what_cannot_be_verified_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    folder = written("gpt2", "whole")
    fails(capsys, ["verify", "nowhere"], 2, "checkpoint nowhere is not there")
    fails(capsys, ["verify"], 1, "openai-community/gpt2", "could not be fetched")
    fails(capsys, ["verify", folder, "--against", "nowhere"], 2, "transformers cannot read nowhere")
    cut = Path(shutil.copytree(folder, "cut")) / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-100])
    fails(capsys, ["verify", folder, "--against", "cut"], 2, "transformers cannot read cut: ")
