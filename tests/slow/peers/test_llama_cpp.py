"""GGUF files in llama.cpp, through llama-cpp-python: the same tokens of a text, the same text of tokens.

It is built from source, ten minutes on two cores, so these run on request:

    pip install llama-cpp-python==0.3.36
    pytest -m gate tests/slow/peers/test_llama_cpp.py

What benchmarks/engines.py measured is committed, as data/models/engines.jsonl. All tests passed with the
llama.cpp of llama-cpp-python 0.3.36, compiled by gcc 12.2 for x86-64, and PyTorch 2.13.0.
"""

import sys
from pathlib import Path

import pytest
import torch

from companion import load
from companion.caching import KVCache
from companion.cli._shared import ANSWERER, SHIPPED
from companion.generation import generate
from companion.gpt import GPTConfig, gpt2
from companion.instructions import chat_ids
from companion.models.gguf_files import read_gguf, write_gguf
from companion.modern import LlamaConfig, llama, storyteller
from companion.tokenization import BPETokenizer
from companion.village import load_split

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
from engines import LlamaCpp, Ours, compare, dequantized
from support.weights import noisy

BUILD = "needs llama-cpp-python, which is built from source: pip install llama-cpp-python==0.3.36"
llama_cpp = pytest.importorskip("llama_cpp", reason=BUILD)
TOKENIZER = BPETokenizer.train(load_split("val")[:20], 300)
SHAPE = {
    **{"vocab_size": 307, "context_length": 61, "n_layers": 2, "n_heads": 6, "n_kv_heads": 3},
    **{"d_model": 96, "d_ff": 160, "head_width": 14, "rope_theta": 5000.0, "norm_eps": 3e-6},
}
SMALL = {"vocab_size": 307, "context_length": 61, "n_layers": 3, "n_heads": 3, "d_model": 96, "d_ff": 160}
MODELS = {
    "gpt2": lambda: gpt2(GPTConfig(**SMALL)),
    "llama": lambda: llama(LlamaConfig(**SHAPE, tied=False)),
    "llama, tied": lambda: llama(LlamaConfig(**SHAPE)),
    "llama 3": lambda: llama(LlamaConfig(**SHAPE, rope_factor=8.0, rope_original=11)),
    "qwen2": lambda: llama(LlamaConfig(**SHAPE | {"head_width": 16}, qkv_bias=True)),
    "qwen3": lambda: storyteller(LlamaConfig(**SHAPE)),
}
TEXTS = [
    "",
    "  Once  upon \t a\n\ntime,   \n ",
    "Zoë's naïve café: «Ça va?»",
    "🙂🙃 猫が三匹。 Ωμέγα",
    "it's 1,024 o'clock; we'll sail at 7:30! x=y_z the'S I'LL\r\n",
    "a <|endoftext|> b<|endoftext|><|user|> c <|end|>",
    "<|endoftext",
    "\u00a0no break\u200bspaces",
]


@pytest.fixture(scope="module")
def village():
    return load(SHIPPED, device="cpu")


@pytest.fixture(scope="module")
def stories(village):
    """Ten stories as ids, with what begins and ends them."""
    return [[village.end, *village.tokenizer.encode(text), village.end] for text in load_split("test")[:10]]


@pytest.mark.parametrize("name", MODELS)
def test_every_family_computes_what_ours_does(name, tmp_path):
    torch.manual_seed(2)
    model = noisy(MODELS[name]()).eval()
    write_gguf(model, TOKENIZER, tmp_path / "a.gguf")
    ids = torch.randint(300, (1, 47), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = model(ids)[0]
    engine = LlamaCpp(tmp_path / "a.gguf", 61)
    close = 5e-3 if name == "gpt2" else 1e-4  # its GELU is a table in float16
    assert ours.std() > 0.1 and (engine.logits(ids[0].tolist()) - ours).abs().max() < close
    prompt = ids[0, :9].tolist()
    assert engine.greedy(prompt, 50) == Ours(model).greedy(prompt, 50)


@pytest.mark.parametrize(
    "kind, off, most_kl", [("f16", 1e-5, 1e-7), ("q8_0", 1e-3, 1e-4), ("q4_0", 1e-3, 1e-4)]
)
def test_in_fewer_bits_it_is_ours_with_rounded_weights(kind, off, most_kl, village, stories, tmp_path):
    """What is left is the engine's: it rounds what the matrices are multiplied with, too, to 16 or 8 bits."""
    path = tmp_path / "a.gguf"
    write_gguf(village.model, village.tokenizer, path, kind)
    engine, rounded = LlamaCpp(path), Ours(dequantized(village.model, path))
    n_bytes = sum(len(village.tokenizer.decode(ids[1:-1]).encode()) + 1 for ids in stories)
    theirs, (kl, from_exact) = compare(engine, stories, n_bytes, rounded, Ours(village.model))
    ours, _ = compare(rounded, stories, n_bytes)
    assert abs(theirs - ours) < off and 0 <= kl < most_kl
    assert kind == "f16" or kl < from_exact  # nearer to ours in the same bits than to ours as it was
    assert not torch.equal(rounded.model.embed.token.weight, village.model.embed.token.weight)


def test_text_becomes_the_same_tokens_and_tokens_the_same_text(tmp_path):
    teller = load(ANSWERER, device="cpu")
    tokenizer = teller.tokenizer
    write_gguf(teller.model, tokenizer, tmp_path / "a.gguf", "f16")
    llm = LlamaCpp(tmp_path / "a.gguf").llm
    for text in [*TEXTS, *load_split("test")[:20]]:
        data = text.encode()
        assert llm.tokenize(data, add_bos=False, special=False) == tokenizer.encode(text), text
        ids = tokenizer.encode(text, allowed_special="all")
        assert llm.tokenize(data, add_bos=False, special=True) == ids, text
        assert llm.tokenize(data, add_bos=True, special=True) == [*tokenizer.begin, *ids], text
        assert llm.detokenize(ids, special=True).decode() == text
    assert (llm.token_eos(), llm.token_bos()) == (teller.end, teller.end)


def test_a_conversation_becomes_the_same_tokens_and_the_answer_ends(tmp_path):
    teller = load(ANSWERER, device="cpu")
    write_gguf(teller.model, teller.tokenizer, tmp_path / "a.gguf")
    llm = LlamaCpp(tmp_path / "a.gguf").llm
    template = read_gguf(tmp_path / "a.gguf")[0]["tokenizer.chat_template"]
    assert llm.metadata["tokenizer.chat_template"] == template
    story = load_split("test")[3]
    messages = [{"role": "user", "content": f"{story}\nWho sings in the choir?"}]
    write = llama_cpp.llama_chat_format.Jinja2ChatFormatter(template, "<|endoftext|>", "<|endoftext|>")
    text = write(messages=messages).prompt
    ids = chat_ids(messages, teller.tokenizer, reply=True)
    assert llm.tokenize(text.encode(), add_bos=False, special=True) == ids
    end = teller.tokenizer.special_tokens["<|end|>"]
    cache = KVCache(teller.model.config, 1)
    drawn = generate(teller.model, torch.tensor([ids]), 40, temperature=0, stop=end, cache=cache)[0].tolist()
    answer = llm.create_chat_completion(messages, temperature=0.0, max_tokens=40)["choices"][0]
    assert answer["finish_reason"] == "stop" and drawn[-1] == end
    assert answer["message"]["content"] == teller.tokenizer.decode(drawn[:-1])
