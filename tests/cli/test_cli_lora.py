"""--method lora of companion finetune instructions: an adapter and the new tokens' rows, folded in."""

import json

import pytest
import torch

import companion
from companion.__main__ import main
from companion.gpt import GPTConfig, gpt2
from companion.instructions import CHAT_TOKENS
from companion.lora import adapter_of
from companion.modern import LlamaConfig, llama
from companion.runtime.data.conversations import write_chats
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint

TEXT = 'The goat Mara has a red key. Otto has a hat. Who has the key? And the hat? "Mara," said Otto.'
QUESTIONS = ["Who has the key?", "Who has the red key?", "The red key?", "And the key?"]
TALKS = [
    [{"role": "user", "content": question}, {"role": "assistant", "content": "Mara."}]
    for question in QUESTIONS
]


@pytest.fixture
def argv(tmp_path):
    torch.manual_seed(1)
    tokenizer = BPETokenizer.train(TEXT, 270)
    save_checkpoint(tmp_path / "tiny", gpt2(GPTConfig(tokenizer.vocab_size, 64, 1, 2, 32)), tokenizer)
    write_chats(tmp_path / "talk.jsonl", TALKS)
    found = ["finetune", "instructions", "--model", tmp_path / "tiny", "--data", tmp_path / "talk.jsonl"]
    return [str(a) for a in [*found, "--batch-size", 2, "--output", tmp_path / "out"]]


@pytest.mark.gate
def test_it_learns_and_writes_a_model_that_anything_reads(argv, tmp_path, capsys):
    assert main([*argv, "--method", "lora", "--rank", "4", "--lr", "0.03", "--steps", "80"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["after"]["answers"] < report["before"]["answers"] / 2
    old, new = (companion.load(tmp_path / name, device="cpu") for name in ("tiny", "out"))
    assert not adapter_of(new.model) and "q_proj.weight" in "".join(new.model.state_dict())
    n = old.tokenizer.vocab_size
    assert torch.equal(new.model.embed.token.weight[:n], old.model.embed.token.weight)  # the others' rows
    assert len(new.model.embed.token.weight) == n + len(CHAT_TOKENS)
    assert torch.equal(new.model.norm.weight, old.model.norm.weight)
    layer = "blocks.0.mlp.up_proj"
    change = new.model.get_submodule(layer).weight - old.model.get_submodule(layer).weight
    assert torch.linalg.matrix_rank(change.double(), rtol=1e-4) == 4


def test_the_old_rows_of_a_head_of_its_own_stay(argv, tmp_path):
    tokenizer = BPETokenizer.train(TEXT, 270)
    shape = {"context_length": 64, "n_layers": 1, "n_heads": 2, "d_model": 32, "tied": False}
    model = llama(LlamaConfig(tokenizer.vocab_size, **shape))
    torch.nn.init.normal_(model.head.weight)
    save_checkpoint(tmp_path / "tiny", model, tokenizer)
    assert main([*argv, "--method", "lora", "--rank", "4", "--lr", "0.03", "--steps", "5"]) == 0
    old, new = (companion.load(tmp_path / name, device="cpu").model for name in ("tiny", "out"))
    n = len(old.head.weight)
    assert torch.equal(new.head.weight[:n], old.head.weight) and len(new.head.weight) > n
    assert torch.equal(new.embed.weight[:n], old.embed.weight)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--rank", "2"], "--rank works with --method lora only"),
        (["--method", "lora", "--rank", "33"], "--rank=33 must be at most 32"),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_written(argv, tmp_path, capsys, more, message):
    assert main([*argv, *more]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not (tmp_path / "out" / "config.json").exists()


def test_an_adapter_where_a_model_is_expected_says_how_to_make_one(tmp_path, capsys):
    (tmp_path / "adapter_config.json").write_text("{}")
    for command in (["info"], ["quantize", "--output", str(tmp_path / "out")]):
        assert main([*command, "--model", str(tmp_path)]) == 2
        assert f": companion export hf --model {tmp_path} --output runs/merged" in capsys.readouterr().err
