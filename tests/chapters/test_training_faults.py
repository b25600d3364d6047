"""What can go wrong around a training: folders, saves, tampered states."""

import copy
import json

import numpy as np
import pytest
from safetensors.torch import save_file
from support.runs import config, contents, press_ctrl_c, refuse, same_weights, small_model, texts

from companion.datasets import Corpus, Split
from companion.gpt import GPTConfig, gpt2
from companion.runtime.models import devices
from companion.runtime.runs import sessions
from companion.runtime.storage import checkpoints
from companion.tokenization import BPETokenizer
from companion.training import load_checkpoint, save_checkpoint, train


def test_what_a_report_added_is_resumed_and_saved_again(data, tmp_path):
    def report(model, row):
        if row["step"] == 34:
            press_ctrl_c()
        return {"sample": f"é {row['step']}"}

    train(small_model(data), data, config(), tmp_path, on_eval=report)
    history = train(small_model(data), data, config(), tmp_path, resume=True, on_eval=report)
    assert [row["sample"] for row in history] == ["é 17", "é 34", "é 40"]
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == history


def test_ctrl_c_before_the_first_step_saves_nothing_and_says_so(data, tmp_path, monkeypatch, interruptible):
    save_checkpoint(tmp_path, small_model(data), data.tokenizer)
    before, claimed = contents(tmp_path), sessions.claim
    monkeypatch.setattr(sessions, "claim", lambda folder: (press_ctrl_c(), claimed(folder))[1])
    with pytest.raises(KeyboardInterrupt, match="^stopped before the first step; nothing was saved$"):
        train(small_model(data, seed=5), data, config(), tmp_path)
    assert contents(tmp_path) == before


def test_other_data_with_the_same_counts_are_not_resumed(data, tmp_path):
    train(small_model(data), data, config(), tmp_path, on_eval=press_ctrl_c)
    tokens = data.train.tokens.copy()
    i = next(i for i in range(1, len(tokens)) if tokens[i] != tokens[i + 1] and i not in data.train.starts)
    tokens[i] = tokens[i + 1]
    other = Corpus(Split(tokens, data.train.starts, data.train.n_bytes), data.val, data.tokenizer, {})
    with pytest.raises(ValueError, match="^text differs, so it cannot resume .* the data are others"):
        train(small_model(data), other, config(), tmp_path, resume=True)
    swapped = copy.deepcopy(data.tokenizer)
    swapped.vocab[97], swapped.vocab[98] = swapped.vocab[98], swapped.vocab[97]
    with pytest.raises(ValueError, match="^tokenizer differs, so it cannot resume"):
        train(small_model(data), Corpus(data.train, data.val, swapped, {}), config(), tmp_path, resume=True)


def test_a_state_of_another_shape_is_one_line_and_changes_nothing(data, tmp_path):
    """A fused optimizer would write beyond the end of a shorter average."""
    train(small_model(data), data, config(), tmp_path, on_eval=press_ctrl_c)
    path = tmp_path / "state.safetensors"
    tensors, notes = checkpoints.read_safetensors(path)
    name = "optimizer.blocks.0.attn.q_proj.weight.exp_avg"
    tensors = {key: t.clone() for key, t in tensors.items()} | {name: tensors[name][:-1].clone()}
    save_file(tensors, path, notes)
    model = small_model(data, seed=8)
    with pytest.raises(ValueError, match=rf"state.safetensors is damaged: {name} is .*; start anew$"):
        train(model, data, config(), tmp_path, resume=True)
    assert same_weights(model, small_model(data, seed=8))


def test_configurations_and_tokenizers_that_lack_something_are_one_line(data, folder):
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))

    def with_config(**changes):
        (folder / "config.json").write_text(json.dumps(saved | changes), encoding="utf-8")

    with_config(config=saved["config"] | {"architecture": "gpt3"})
    refuse(folder, "is missing or unknown; architectures here: gpt2")
    (folder / "config.json").write_text(json.dumps({"config": saved["config"]}), encoding="utf-8")
    assert load_checkpoint(folder)[2] == {}
    plain = BPETokenizer.train(texts(90, seed=1), 280, special_tokens=())
    save_checkpoint(folder, small_model(data), plain)
    refuse(folder, r"lacks <\|endoftext\|>")
    with pytest.raises(ValueError, match=r"lacks <\|endoftext\|>"):
        train(small_model(data), Corpus(data.train, data.val, plain, {}), config())
    large = BPETokenizer.train(texts(90, seed=1), 283)
    save_checkpoint(folder, small_model(data), large)
    refuse(folder, "tokenizer.json has 283 tokens, and the model 280; it belongs to another model")


def test_a_model_beyond_memory_is_refused_before_it_is_built(monkeypatch):
    shape = GPTConfig(vocab_size=300, context_length=31, n_layers=7, n_heads=3, d_model=15)
    n_bytes = 4 * sum(p.numel() for p in gpt2(shape).parameters())
    monkeypatch.setattr(devices, "memory", lambda: 4.0 * n_bytes)
    assert all(tensor.is_meta for tensor in devices.empty_model(shape, gpt2, copies=4).parameters())
    with pytest.raises(ValueError, match=r"^a model of vocab_size=300, n_layers=7, .*smaller$"):
        devices.empty_model(shape, gpt2, copies=5)
    with pytest.raises(ValueError, match="needs more than any machine has"):
        devices.empty_model(GPTConfig(300, 31, 100, 10, 10**8), gpt2)
    with pytest.raises(ValueError, match="n_layers=10000000 must be at most 1,000"):
        devices.empty_model(GPTConfig(300, 31, 10**7, 10, 10**6), gpt2)


def test_data_without_held_out_documents_are_named_before_the_run(data, tmp_path):
    empty = Split(np.array([0], np.uint16), np.array([0]), 1)
    with pytest.raises(ValueError, match="data.val has no documents"):
        train(small_model(data), Corpus(data.train, empty, data.tokenizer, {}), config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
