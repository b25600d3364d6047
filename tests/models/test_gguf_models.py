"""Models out of GGUF files: what was ours comes back equal, and what cannot be is one line."""

from unittest.mock import Mock

import gguf
import pytest
import test_gguf_files
import torch
from support.public import write_family
from support.weights import drawn_over
from test_gguf_files import SHAPE, TOKENIZER

import companion
from companion.instructions import chat_ids
from companion.models.gguf_files import interleaved, read_gguf, write_gguf
from companion.models.gguf_models import load_gguf, separated
from companion.models.gguf_reader import FastReader, GGUFFile
from companion.models.gguf_tokenizers import ALIASES, GPT2, PRE
from companion.modern import LlamaConfig, llama
from companion.runtime.models import devices
from companion.runtime.text.end_tokens import end_ids
from companion.runtime.text.hugging_face import read_tokenizer
from companion.tokenization import GPT2_PATTERN
from companion.village import load_split

TEXTS = [
    "",
    "  Once  upon \t a\n\ntime,   \n ",
    "Zoë's naïve café: «Ça va?» é",
    "🙂🙃 猫が三匹。 Ωμέγα",
    "it's 1,024 o'clock; WE'LL sail at 7:30! x=y_z the'S I'LL\r\n",
    "a <|endoftext|> b<|im_start|>user\n<|eot_id|> c <tool_call>",
    "\u00a0no break\u200bspaces",
    "In 1984 it's 3.14159, ٣ ½ x² = 007;",
]
MODELS = test_gguf_files.MODELS | {
    "llama, tied": lambda: llama(LlamaConfig(**SHAPE)),
    "llama 3": lambda: llama(LlamaConfig(**SHAPE, rope_factor=8.0, rope_original=16)),
    "qwen2": lambda: llama(LlamaConfig(**SHAPE | {"d_model": 60}, qkv_bias=True, tied=False)),
}


def made(name):
    """A model whose every number is another."""
    return drawn_over(MODELS[name])


@torch.no_grad()
def logits(model):
    return model(torch.randint(300, (2, 27), generator=torch.Generator().manual_seed(1)))


def changed(path, keys=None, tensors=None, gone=()):
    """The file written anew: with other values of keys, other tensors, and without those that are gone."""
    header, found = read_gguf(path)
    header |= keys or {}
    writer = gguf.GGUFWriter(path, header["general.architecture"])
    writes = {bool: "bool", int: "uint32", float: "float32", str: "string", list: "array"}
    for name, value in header.items():
        if name not in gone and name != "general.architecture":
            getattr(writer, f"add_{writes[type(value)]}")(name, value)
    for name, (_, numbers) in found.items():
        if name not in gone:
            writer.add_tensor(name, (tensors or {}).get(name, numbers).numpy())
    for name in (tensors or {}).keys() - found.keys():
        writer.add_tensor(name, tensors[name].numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


# ---- models ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_ours_comes_back_equal(name, tmp_path):
    model = made(name)
    write_gguf(model, TOKENIZER, tmp_path / "a.gguf")
    read = companion.load(tmp_path / "a.gguf", "cpu")
    assert torch.equal(logits(read.model), logits(model)) and not read.model.training
    assert read.model.config == model.config
    assert read.model.state_dict().keys() == model.state_dict().keys()
    for path, numbers in model.state_dict().items():
        assert torch.equal(read.model.state_dict()[path], numbers), path


def test_a_header_is_read_once_and_the_memory_is_asked_before_a_weight_is_read(tmp_path, monkeypatch):
    write_gguf(made("gpt2"), TOKENIZER, tmp_path / "a.gguf")
    opened = Mock(wraps=FastReader)
    monkeypatch.setattr("companion.models.gguf_reader.FastReader", opened)
    companion.load(tmp_path / "a.gguf", "cpu")
    assert opened.call_count == 1
    monkeypatch.setattr(devices, "memory", lambda: 1e4)
    with pytest.raises(ValueError, match="GB of this machine"):
        load_gguf(tmp_path / "a.gguf")


def test_the_order_of_a_llamas_queries_is_undone():
    rows = torch.arange(24.0).view(12, 2)
    assert separated(interleaved(rows, 2), 2).equal(rows) and not interleaved(rows, 2).equal(rows)
    assert separated(interleaved(rows[:, 0], 3), 3).equal(rows[:, 0])


def test_each_weight_has_a_storage_of_its_own(tmp_path):
    write_gguf(made("gpt2"), TOKENIZER, tmp_path / "a.gguf")
    model, _ = load_gguf(tmp_path / "a.gguf")
    assert len({p.untyped_storage().data_ptr() for p in model.parameters()}) == len(list(model.parameters()))


def test_the_head_of_a_tied_gpt2_may_be_written_again_and_no_other(tmp_path):
    model = made("gpt2")
    write_gguf(model, TOKENIZER, tmp_path / "a.gguf")
    rows = read_gguf(tmp_path / "a.gguf")[1]["token_embd.weight"][1]
    changed(tmp_path / "a.gguf", tensors={"output.weight": rows})
    assert torch.equal(logits(companion.load(tmp_path / "a.gguf", "cpu").model), logits(model))
    changed(tmp_path / "a.gguf", tensors={"output.weight": rows + 1})
    with pytest.raises(ValueError, match=r"output\.weight has the shape .* and None in the model"):
        companion.load(tmp_path / "a.gguf", "cpu")


A = "general.architecture"
WRONG = {
    "an architecture": ({A: "mamba"}, {}, (), "general.architecture='mamba'; read are gpt2"),
    "a text for a length": ({"llama.context_length": "29"}, {}, (), "its model cannot be read"),
    "heads that do not divide": ({"llama.attention.head_count": 5}, {}, (), "n_kv_heads=3 must divide"),
    "keys of another width": ({"llama.attention.value_length": 8}, {}, (), "value_length=8 must be 10"),
    "heads by layer": ({"llama.attention.head_count_kv": [3, 1]}, {}, (), "n_kv_heads=.3, 1. must be"),
    "a stretched rope": (
        {"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 4.0},
        {},
        (),
        "rope.scaling.factor=4.0 must be 1",
    ),
    "no weights": ({}, {}, ["blk.1.ffn_up.weight"], r"blk\.1\.ffn_up\.weight has the shape None in the file"),
    "a tokenizer of another kind": ({"tokenizer.ggml.model": "llama"}, {}, (), "model='llama' and pre="),
    "an unknown rule": ({"tokenizer.ggml.pre": "tekken"}, {}, (), "pre='tekken'; read are 'gpt2' with one"),
    "a merge of strangers": ({"tokenizer.ggml.merges": ["a zebra"]}, {}, (), "its tokenizer cannot be read"),
    "an end without a token": ({"tokenizer.ggml.eos_token_id": 307}, {}, (), "its tokenizer cannot be read"),
    "other speeds": (
        {},
        {"rope_freqs.weight": torch.tensor([1.0, 3.0, 1.0, 8.0, 2.0])},
        (),
        "otherwise than Llama 3's scaling",
    ),
    "weights that are no numbers": (
        {},
        {"blk.1.ffn_norm.weight": torch.full((64,), torch.nan)},
        (),
        "norm_2.weight",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_together_is_one_line(name, tmp_path):
    keys, tensors, gone, words = WRONG[name]
    write_gguf(made("llama"), TOKENIZER, tmp_path / "a.gguf")
    changed(tmp_path / "a.gguf", keys, tensors, gone)
    with pytest.raises(ValueError, match=words) as caught:
        companion.load(tmp_path / "a.gguf", "cpu")
    assert "\n" not in str(caught.value)
    assert "a.gguf" in str(caught.value)


def test_more_tokens_than_rows_is_one_line(tmp_path):
    write_gguf(made("llama"), TOKENIZER, tmp_path / "a.gguf")
    tokens, types = [f"t{i}" for i in range(400)], [1] * 400
    header = read_gguf(tmp_path / "a.gguf")[0]
    tokens[:300] = header["tokenizer.ggml.tokens"][:300]
    changed(tmp_path / "a.gguf", {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types})
    with pytest.raises(ValueError, match="has 400 tokens for 307 rows"):
        companion.load(tmp_path / "a.gguf", "cpu")


# ---- tokenizers ----------------------------------------------------------------------------


def test_the_rule_of_gpt_2_is_chapter_1_s():
    assert GPT2 == GPT2_PATTERN and set(ALIASES.values()) <= set(PRE)


NAMES = {"GPT-2": "gpt-2", "SmolLM2": "smollm", "Llama 3": "llama-bpe", "Qwen": "qwen2"}


def public_file(family, folder):
    """(the family's tokenizer, a small model's file with it)."""
    tokenizer = read_tokenizer(write_family(family, folder))
    n = max(tokenizer.vocab) + 4  # rows to spare, as many models have
    model = llama(LlamaConfig(**SHAPE | {"vocab_size": n, "context_length": 200})).eval()
    write_gguf(model, tokenizer, folder / "a.gguf")
    return tokenizer, folder / "a.gguf"


@pytest.mark.parametrize("family", NAMES)
def test_a_public_tokenizer_comes_back_equal(family, tmp_path):
    tokenizer, path = public_file(family, tmp_path)
    header = GGUFFile(path).header
    assert header["tokenizer.ggml.pre"] == NAMES[family]
    read = companion.load(path, "cpu").tokenizer
    for text in [*TEXTS, *load_split("test")[:20]]:
        assert read.encode(text) == tokenizer.encode(text), text
        assert read.encode(text, allowed_special="all") == tokenizer.encode(text, allowed_special="all")
    assert read.vocab == tokenizer.vocab and read.special_tokens == tokenizer.special_tokens
    for name in ("begin", "end", "start", "named_start", "turn_end", "template", "control"):
        assert getattr(read, name) == getattr(tokenizer, name), name
    assert set(end_ids(tokenizer)) <= set(end_ids(read))
    if tokenizer.template:
        chat = [{"role": "user", "content": "Hi <|im_end|> <|eot_id|>"}]
        assert chat_ids(chat, read, reply=True) == chat_ids(chat, tokenizer, reply=True)
    write_gguf(companion.load(path, "cpu").model, read, tmp_path / "b.gguf")
    assert GGUFFile(tmp_path / "b.gguf").header == header


def test_an_older_llama_3_file_begins_every_text_though_it_does_not_say_so(tmp_path):
    tokenizer, path = public_file("Llama 3", tmp_path)
    changed(path, gone=("tokenizer.ggml.add_bos_token",))
    assert (
        companion.load(path, "cpu").begin
        == tokenizer.begin
        == [tokenizer.special_tokens["<|begin_of_text|>"]]
    )
    changed(path, {"tokenizer.ggml.add_bos_token": False})
    assert companion.load(path, "cpu").begin == []


def test_a_token_that_ends_a_turn_ends_an_answer_though_no_key_says_so(tmp_path):
    tokenizer, path = public_file("Qwen", tmp_path)
    changed(
        path,
        {"tokenizer.ggml.eos_token_id": tokenizer.special_tokens["<|endoftext|>"]},
        gone=("tokenizer.ggml.eot_token_id",),
    )
    ends = companion.load(path, "cpu").ends
    assert set(ends) == {tokenizer.special_tokens["<|endoftext|>"], tokenizer.special_tokens["<|im_end|>"]}


@pytest.mark.parametrize("family", ["Llama 2", "GPT-NeoX"])
def test_a_tokenizer_whose_rule_has_no_name_is_refused(family, tmp_path):
    tokenizer = read_tokenizer(write_family(family, tmp_path))
    model = llama(LlamaConfig(**SHAPE | {"vocab_size": max(tokenizer.vocab) + 1}), meta=True)
    with pytest.raises(ValueError, match="a rule that has no name in a GGUF here; there are gpt-2, smollm"):
        write_gguf(model, tokenizer, tmp_path / "a.gguf")
