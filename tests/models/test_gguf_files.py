"""GGUF files: what is written is what is read, tensor by tensor and key by key, for each family and kind."""

from dataclasses import replace

import gguf
import pytest
import torch
from support.folders import raises_one_line
from support.weights import drawn_over

from companion.gpt import GPTConfig, gpt2
from companion.instructions import CHAT_TOKENS, chat_ids
from companion.lora import add_lora, merge
from companion.models.gguf_files import KINDS, gguf_header, read_gguf, write_gguf
from companion.models.gguf_reader import FastReader
from companion.modern import LlamaConfig, llama, storyteller
from companion.pretrained import NeoXConfig, neox
from companion.runtime.text.chat_templates import render
from companion.runtime.text.hugging_face import read_tokenizer, write_tokenizer
from companion.tokenization import BPETokenizer, CharTokenizer
from companion.village import load_split

TOKENIZER = BPETokenizer.train(load_split("val")[:20], 300)
SHAPE = {
    **{"vocab_size": 307, "context_length": 29, "n_layers": 2, "n_heads": 6, "n_kv_heads": 3},
    **{"d_model": 64, "d_ff": 40, "head_width": 10, "rope_theta": 5000.0, "norm_eps": 3e-6},
}
MODELS = {
    "gpt2": lambda: gpt2(
        GPTConfig(vocab_size=307, context_length=29, n_layers=3, n_heads=2, d_model=64, d_ff=40)
    ),
    "llama": lambda: llama(LlamaConfig(**SHAPE, tied=False)),
    "qwen2": lambda: llama(LlamaConfig(**SHAPE | {"d_model": 60}, qkv_bias=True)),
    "qwen3": lambda: storyteller(LlamaConfig(**SHAPE)),
}


def made(name):
    """A model whose every number is another."""
    return drawn_over(MODELS[name])


def written(model, path, tokenizer=TOKENIZER, kind="f32"):
    """(header, tensors, what each is held in) of a file."""
    held = write_gguf(model, tokenizer, path, kind)
    header, tensors = read_gguf(path)
    assert {name: held_in for name, (held_in, _) in tensors.items()} == held
    return header, {name: numbers for name, (_, numbers) in tensors.items()}, held


# ---- tensors ---------------------------------------------------------------------------


def test_gpt2_has_its_matrices_as_out_in_and_q_k_v_in_one(tmp_path):
    model = made("gpt2")
    header, tensors, _ = written(model, tmp_path / "a.gguf")
    attn, mlp = model.blocks[2].attn, model.blocks[2].mlp
    expected = {
        "token_embd.weight": model.embed.token.weight,
        "position_embd.weight": model.embed.position.weight,
        "blk.2.attn_qkv.weight": torch.cat([p.weight for p in (attn.q_proj, attn.k_proj, attn.v_proj)]),
        "blk.2.attn_qkv.bias": torch.cat([p.bias for p in (attn.q_proj, attn.k_proj, attn.v_proj)]),
        "blk.2.attn_output.weight": attn.o_proj.weight,
        "blk.2.attn_output.bias": attn.o_proj.bias,
        "blk.2.attn_norm.weight": model.blocks[2].norm_1.weight,
        "blk.2.attn_norm.bias": model.blocks[2].norm_1.bias,
        "blk.2.ffn_norm.bias": model.blocks[2].norm_2.bias,
        "blk.2.ffn_up.weight": mlp.up_proj.weight,
        "blk.2.ffn_down.weight": mlp.down_proj.weight,
        "blk.2.ffn_down.bias": mlp.down_proj.bias,
        "output_norm.weight": model.norm.weight,
        "output_norm.bias": model.norm.bias,
    }
    for name, numbers in expected.items():
        assert torch.equal(tensors[name], numbers), name
    assert len(tensors) == 4 + 12 * 3 and "output.weight" not in tensors  # the head is the token rows
    sizes = {"context_length": 29, "embedding_length": 64, "feed_forward_length": 40, "block_count": 3}
    assert {name: header[f"gpt2.{name}"] for name in sizes} == sizes
    assert header["gpt2.attention.head_count"] == 2 and header["general.architecture"] == "gpt2"
    assert header["gpt2.attention.layer_norm_epsilon"] == pytest.approx(1e-5)


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3"])
def test_what_was_joined_or_turned_has_every_number_once(name, tmp_path):
    model = made(name)
    header, tensors, _ = written(model, tmp_path / "a.gguf")
    ours = torch.cat([p.detach().flatten() for p in model.parameters()]).sort().values
    assert torch.equal(torch.cat([t.flatten() for t in tensors.values()]).sort().values, ours)
    assert torch.equal(tensors["blk.1.ffn_gate.weight"], model.blocks[1].mlp.gate_proj.weight)
    assert torch.equal(tensors["blk.1.attn_v.weight"], model.blocks[1].attn.v_proj.weight)
    assert ("output.weight" in tensors) == (name == "llama") and ("blk.0.attn_q.bias" in tensors) == (
        name == "qwen2"
    )
    sizes = {"attention.head_count": 6, "attention.head_count_kv": 3, "attention.key_length": 10}
    sizes |= {"attention.value_length": 10, "rope.dimension_count": 10, "rope.freq_base": 5000.0}
    assert {key: header[f"{name}.{key}"] for key in sizes} == sizes
    assert header[f"{name}.attention.layer_norm_rms_epsilon"] == pytest.approx(3e-6)


def test_a_llama_that_reads_further_says_by_what_its_speeds_are_divided(tmp_path):
    model = llama(LlamaConfig(**SHAPE, rope_factor=8.0, rope_original=16))
    _, tensors, held = written(model, tmp_path / "a.gguf", kind="q8_0")
    speeds = 5000.0 ** -(torch.arange(5) / 5) / tensors["rope_freqs.weight"]
    assert torch.allclose(speeds, model.blocks[0].attn.rope.speed, rtol=1e-5)
    assert held["rope_freqs.weight"] == "F32" and tensors["rope_freqs.weight"].max() > 2


def test_a_number_that_a_format_cannot_hold_is_refused(tmp_path):
    model = made("gpt2")
    with torch.no_grad():
        model.blocks[0].mlp.up_proj.weight[0, 0] = 7e4
    with raises_one_line(ValueError, "has a number of size 70000, which F16 cannot hold"):
        write_gguf(model, TOKENIZER, tmp_path / "a.gguf", "f16")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_holds_what_it_can(kind, tmp_path):
    model = made("gpt2")
    header, tensors, held = written(model, tmp_path / "a.gguf", kind=kind)
    _, exact, _ = written(model, tmp_path / "b.gguf")
    assert header["general.file_type"] == {"f32": 0, "f16": 1, "q8_0": 7, "q4_0": 2}[kind]
    for name, numbers in exact.items():
        if numbers.ndim == 1 or kind == "f32":
            assert held[name] == "F32" and torch.equal(tensors[name], numbers)
        elif kind == "f16" or name.endswith("ffn_down.weight") or name == "position_embd.weight":
            assert held[name] == "F16" and torch.equal(tensors[name], numbers.half().float())
        else:
            off = (tensors[name] - numbers).abs().max() / numbers.abs().max()
            assert held[name] == KINDS[kind] and 0 < off < (1 / 127 if kind == "q8_0" else 1 / 7)
    assert (tmp_path / "a.gguf").stat().st_size % 32 == 0


def test_the_header_is_what_the_librarys_own_reader_reads(tmp_path):
    written(made("qwen2"), tmp_path / "a.gguf")
    ours, theirs = (kind(tmp_path / "a.gguf").fields for kind in (FastReader, gguf.GGUFReader))
    assert list(ours) == list(theirs) and "tokenizer.ggml.tokens" in ours
    assert all(ours[key].contents() == field.contents() for key, field in theirs.items())
    assert "_get_field_parts" in vars(gguf.GGUFReader)  # the private method that FastReader replaces


def test_a_model_in_bfloat16_is_written_as_its_numbers_are(tmp_path):
    model = made("qwen3").bfloat16()
    _, tensors, held = written(model, tmp_path / "a.gguf")
    assert set(held.values()) == {"F32"}
    assert torch.equal(tensors["token_embd.weight"], model.embed.weight.float())


# ---- text ------------------------------------------------------------------------------


def test_every_token_is_there_as_its_letters(tmp_path):
    header, _, _ = written(made("gpt2"), tmp_path / "a.gguf")
    tokens, types = header["tokenizer.ggml.tokens"], header["tokenizer.ggml.token_type"]
    assert tokens[TOKENIZER.encode(" key")[0]].startswith("Ġ") and len(tokens) == len(types) == 307
    printable = {chr(b): b for b in [*range(33, 127), *range(161, 173), *range(174, 256)]}
    letters = printable | {
        chr(256 + i): b for i, b in enumerate(b for b in range(256) if chr(b) not in printable)
    }
    for i in range(299):
        assert bytes(map(letters.__getitem__, tokens[i])) == TOKENIZER.vocab[i] and types[i] == 1
    assert (tokens[299], types[299]) == ("<|endoftext|>", 3) and types[300:] == [5] * 7
    joined = [tuple(merge.split(" ")) for merge in header["tokenizer.ggml.merges"]]
    assert [bytes(map(letters.__getitem__, a + b)) for a, b in joined] == [a + b for a, b in TOKENIZER.merges]
    assert (header["tokenizer.ggml.model"], header["tokenizer.ggml.pre"]) == ("gpt2", "gpt-2")
    assert header["tokenizer.ggml.eos_token_id"] == 299 and header["tokenizer.ggml.add_bos_token"] is True
    assert "tokenizer.chat_template" not in header


def test_a_public_tokenizer_that_cuts_as_gpt2_is_written_the_same(tmp_path):
    write_tokenizer(TOKENIZER, tmp_path)
    public, config = read_tokenizer(tmp_path), made("gpt2").config
    assert gguf_header(config, public) == gguf_header(config, TOKENIZER)
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}  # as GPT-2's own says it
    public.file = public.file | {"pre_tokenizer": level}
    assert gguf_header(config, public) == gguf_header(config, TOKENIZER)
    digits = [{"type": "Digits", "individual_digits": True}, level]
    public.file = public.file | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": digits}}
    assert gguf_header(config, public)["tokenizer.ggml.pre"] == "smollm"
    for other in (
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits[0], *digits]}},
        {"pre_tokenizer": level | {"add_prefix_space": True}},
        {"normalizer": {"type": "NFC"}},
    ):
        public.file = public.file | {"pre_tokenizer": level, "normalizer": None} | other
        with pytest.raises(ValueError, match="a rule that has no name in a GGUF here"):
            gguf_header(config, public)


def test_the_chat_template_writes_what_chat_ids_writes():
    tokenizer = TOKENIZER.with_special_tokens(CHAT_TOKENS)
    header = gguf_header(replace(made("gpt2").config, vocab_size=303), tokenizer)
    assert header["tokenizer.ggml.eot_token_id"] == tokenizer.special_tokens["<|end|>"] == 302
    chat = [{"role": "user", "content": "Who has  the key?\n"}, {"role": "assistant", "content": "Zoë."}]
    for messages, reply in ((chat[:1], True), (chat, False), ([*chat, *chat[:1]], True)):
        text = render(header["tokenizer.chat_template"], messages, add_generation_prompt=reply)
        assert tokenizer.encode(text, allowed_special="all") == chat_ids(messages, tokenizer, reply)
    with pytest.raises(ValueError, match="the roles user and assistant"):
        render(header["tokenizer.chat_template"], [{"role": "system", "content": "x"}])


# ---- what cannot be written ---------------------------------------------------------------

C = GPTConfig(vocab_size=307, context_length=8, n_layers=1, n_heads=1, d_model=4)
REFUSED = {
    "a kind": (lambda: (C, TOKENIZER, "q5_0"), "kind='q5_0' must be one of f32, f16, q8_0, q4_0"),
    "letters": (lambda: (C, CharTokenizer.train("abc"), "f32"), "of kind 'char' has no place"),
    "no end": (lambda: (C, BPETokenizer.train("a b c", 256, ()), "f32"), r"tokenizer lacks <\|endoftext"),
    "rows": (
        lambda: (replace(C, vocab_size=299), TOKENIZER, "f32"),
        "ids up to 299, the model 299 rows",
    ),
    "neox": (
        lambda: (NeoXConfig(n_layers=1, n_heads=1, d_model=8), TOKENIZER, "f32"),
        "architecture=neox is not written as GGUF; there are gpt2, llama, qwen2, qwen3",
    ),
    "a window": (lambda: (LlamaConfig(**SHAPE, window=7), TOKENIZER, "f32"), "a window of positions"),
    "a width": (
        lambda: (LlamaConfig(**SHAPE, qkv_bias=True), TOKENIZER, "f32"),
        "n_heads=6 times head_width=10 must be d_model=64",
    ),
    "turned further": (
        lambda: (LlamaConfig(**SHAPE, qk_norm=True, rope_factor=2.0), TOKENIZER, "f32"),
        "rope_factor=2.0 has no place in a qwen3 GGUF",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_place_is_one_line_before_any_work(case, tmp_path):
    build, words = REFUSED[case]
    config, tokenizer, kind = build()
    builds = {"gpt2": gpt2, "neox": neox}
    model = builds.get(config.architecture, llama)(config, meta=True)  # no number is touched
    (tmp_path / "a.gguf").write_text("before")
    with pytest.raises(ValueError, match=words) as caught:
        write_gguf(model, tokenizer, tmp_path / "a.gguf", kind)
    assert "\n" not in str(caught.value) and [p.name for p in tmp_path.iterdir()] == ["a.gguf"]
    assert (tmp_path / "a.gguf").read_text() == "before"


def test_an_adapter_is_merged_first(tmp_path):
    model = made("gpt2")
    add_lora(model, rank=2)
    with pytest.raises(ValueError, match="has no place in a GGUF; merge its adapter first"):
        write_gguf(model, TOKENIZER, tmp_path / "a.gguf")
    merge(model)
    _, tensors, _ = written(model, tmp_path / "a.gguf")
    assert torch.equal(tensors["blk.0.ffn_up.weight"], model.blocks[0].mlp.up_proj.weight)
