"""companion export gguf and onnx: what each says, and every fault before any work (hf: test_cli_public)."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.command_line import fails, said

from companion import load
from companion.cli import export as exporting
from companion.gpt import GPTConfig, gpt2
from companion.instructions import CHAT_TOKENS
from companion.lora import add_lora, save_adapter
from companion.models.gguf_files import read_gguf
from companion.modern import LlamaConfig, llama, swift
from companion.pretrained import save_pretrained
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint
from companion.village import load_split

TOKENIZER = BPETokenizer.train(load_split("val")[:20], 300)
SHAPE = {"vocab_size": 300, "context_length": 8, "n_layers": 1, "n_heads": 1, "d_model": 8, "d_ff": 9}


@pytest.fixture
def models(here):
    """Folders of models: one that can be exported as anything, and others that cannot."""
    save_checkpoint("plain", gpt2(GPTConfig(**SHAPE)), TOKENIZER)
    save_checkpoint("swift", swift(LlamaConfig(**SHAPE)), TOKENIZER)
    save_checkpoint("window", llama(LlamaConfig(**SHAPE, window=5)), TOKENIZER)
    return here


def test_a_model_that_answers_has_its_template_inside(here, capsys):
    tokenizer = TOKENIZER.with_special_tokens(CHAT_TOKENS)
    save_checkpoint("answerer", gpt2(GPTConfig(**SHAPE | {"vocab_size": 303})), tokenizer)
    said(capsys, ["export", "gguf", "--model", "answerer", "--output", "a.gguf"])
    header, _ = read_gguf("a.gguf")
    assert "<|assistant|>" in header["tokenizer.chat_template"] and header["general.file_type"] == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_public_folder_goes_out_as_it_came_in(dtype, here, capsys):
    """The weights in their type, the ids of config.json, generation_config.json and the template."""
    save_pretrained(llama(LlamaConfig(**SHAPE, tied=False)).to(dtype), TOKENIZER, "theirs")
    config = json.loads(Path("theirs/config.json").read_text("utf-8"))
    config |= {"bos_token_id": None, "eos_token_id": [299, 7]}
    generation = {"do_sample": True, "temperature": 0.6, "top_k": 20, "bos_token_id": 3, "eos_token_id": 7}
    Path("theirs/config.json").write_text(json.dumps(config), "utf-8")
    Path("theirs/generation_config.json").write_text(json.dumps(generation), "utf-8")
    Path("theirs/chat_template.jinja").write_text("{{ messages[0]['content'] }}", "utf-8")
    said(capsys, ["export", "hf", "--model", "theirs", "--output", "ours"])
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        out, read = (json.loads(Path(folder, name).read_text("utf-8")) for folder in ("ours", "theirs"))
        assert out == read, name
    assert Path("ours/chat_template.jinja").read_text("utf-8") == "{{ messages[0]['content'] }}"
    out, read = (load_file(Path(folder, "model.safetensors")) for folder in ("ours", "theirs"))
    assert out.keys() == read.keys() and {tensor.dtype for tensor in out.values()} == {dtype}
    assert all(torch.equal(out[name], read[name]) for name in read)
    assert [path.name for path in Path("ours").iterdir() if path.name.startswith(".")] == []
    said(capsys, ["export", "hf", "--model", "ours", "--output", "ours", "--overwrite"])  # over itself
    assert json.loads(Path("ours/generation_config.json").read_text("utf-8")) == generation
    Path("ours/notes.txt").write_text("mine")
    fails(capsys, ["export", "hf", "--output", "ours", "--overwrite"], 2, "holds something else")
    Path("ours/notes.txt").unlink()

    save_pretrained(llama(LlamaConfig(**SHAPE)), TOKENIZER, "plain")
    said(capsys, ["export", "hf", "--model", "plain", "--output", "ours", "--overwrite"])
    assert sorted(path.name for path in Path("ours").iterdir()) == [
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    ]  # and nothing of the other model


def test_an_adapter_is_merged_into_a_public_model_in_float32(here, capsys):
    """In 16 bits, most of what it learned would be rounded away."""
    model = llama(LlamaConfig(**SHAPE)).bfloat16()
    save_pretrained(model, TOKENIZER, "theirs")
    teller = load("theirs", "cpu")
    add_lora(teller.model, rank=2)
    save_adapter(teller.model, "adapter", "theirs")
    said(capsys, ["export", "hf", "--model", "adapter", "--output", "ours"])
    assert {tensor.dtype for tensor in load_file("ours/model.safetensors").values()} == {torch.float32}


@pytest.mark.gate
def test_a_model_becomes_a_graph(models, capsys):
    """Of the swift architecture, too, whose graph takes its shift along."""
    out = said(capsys, ["export", "onnx", "--model", "swift", "--output", "out"])
    assert "MB  out/model.onnx" in out and "MB  out/tokenizer.json" in out
    code = "\n".join(line.strip() for line in out.splitlines() if line.startswith("  "))
    found = {}
    exec(code[code.index("from companion") :], found)  # what the command prints
    ours = load("swift", device="cpu").model
    with torch.no_grad():
        assert (found["logits"] - ours(torch.tensor([[1, 2, 3, 4]]))[:, 3:]).abs().max() < 1e-4
    fails(capsys, ["export", "onnx", "--output", "out"], 2, "--output=out holds a model already")
    (Path("out") / "notes.txt").write_text("mine")
    fails(capsys, ["export", "onnx", "--output", "out", "--overwrite"], 2, "holds something else")
    (Path("out") / "notes.txt").unlink()
    assert exporting.check_export("onnx", Path("out"), overwrite=True) is None  # and so is written over


REFUSED = {
    "swift as gguf": ["gguf --model swift", "shift", "--architecture storyteller"],
    "a window as onnx": ["onnx --model window", "window=5 has no place"],
    "no model": ["gguf --model nowhere", "nowhere"],
    "a kind": ["gguf --kind q5_0", "q5_0", "f32"],
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_place_is_one_line_and_nothing_is_written(case, models, capsys):
    argv, *words = REFUSED[case]
    output = "new/a.gguf" if argv.startswith("gguf") else "new"
    before = sorted(models.rglob("*.*"))
    fails(capsys, ["export", *argv.split(), "--output", output], 2, *words)
    assert sorted(models.rglob("*.*")) == before


def test_a_gguf_is_written_over_nothing_else(models, capsys):
    export = ["export", "gguf", "--model", "plain", "--overwrite", "--output"]
    fails(capsys, [*export, "plain"], 2, "--output=plain must be a file that ends in .gguf")
    fails(capsys, [*export, "out.bin"], 2, "--output=out.bin must be a file that ends in .gguf")
    fails(capsys, [*export, "mine.txt/a.gguf"], 2, "--output=mine.txt cannot be written")
    said(capsys, [*export, "b.gguf"])
    fails(capsys, [*export[:4], "--output", "b.gguf"], 2, "--output=b.gguf is there already")
    Path("d.gguf").mkdir()
    fails(capsys, [*export, "d.gguf"], 2, "--output=d.gguf must be a file")


def test_an_adapter_is_folded_in(models, capsys):
    model = load("plain", device="cpu").model
    add_lora(model, rank=2)
    with torch.no_grad():
        for p in model.parameters():
            p += p.requires_grad * 0.1  # the adapter alone
    save_adapter(model, "adapter", "plain")
    said(capsys, ["export", "hf", "--model", "adapter", "--output", "out"])
    said(capsys, ["export", "gguf", "--kind", "f32", "--model", "adapter", "--output", "a.gguf"])
    tokens = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        found = load("out", device="cpu").model(tokens)
        assert (found - model(tokens)).abs().max() < 1e-4 < (load("plain").model(tokens) - found).abs().max()
    theirs = read_gguf("a.gguf")[1]["blk.0.ffn_up.weight"][1]
    assert torch.equal(theirs, load("out", device="cpu").model.blocks[0].mlp.up_proj.weight)
