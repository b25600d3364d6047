"""Adapters beside PEFT's: it loads ours onto what save_pretrained wrote, and we load those that it writes."""

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from companion.gpt import GPTConfig, gpt2
from companion.lora import add_lora, load_adapter, merge, save_adapter, switch
from companion.modern import LlamaConfig, llama
from companion.pretrained import NeoXConfig, neox, save_pretrained
from companion.tokenization import BPETokenizer

SHAPE = {"vocab_size": 257, "context_length": 16, "n_layers": 3, "n_heads": 2, "d_model": 12}
GROUPED = SHAPE | {"n_heads": 6, "n_kv_heads": 2, "d_ff": 20}
MAKERS = {
    "gpt2": lambda: gpt2(GPTConfig(**SHAPE)),
    "llama": lambda: llama(LlamaConfig(**GROUPED)),
    "qwen3": lambda: llama(LlamaConfig(**GROUPED, qk_norm=True)),
    "neox": lambda: neox(NeoXConfig(**SHAPE, rope_share=1 / 3)),
}
NAMES = {
    "gpt2": ["c_attn", "mlp.c_proj"],
    "llama": ["q_proj", "down_proj"],
    "qwen3": "all-linear",
    "neox": ["query_key_value", "dense"],
}
TOKENS = torch.tensor([[5, 3, 9, 0, 7], [2, 2, 8, 200, 1]])


@pytest.fixture(params=MAKERS)
def kind(request):
    return request.param


@pytest.fixture
def model(kind, tmp_path):
    torch.manual_seed(1)
    model = MAKERS[kind]().eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)  # storyteller types begin with zeros, which hide what lies before
    save_pretrained(model, BPETokenizer.train("a b c", vocab_size=257), tmp_path / "base")
    return model


def theirs(tmp_path):
    return AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32).eval()


def filled(parameters):
    for p in parameters:
        torch.nn.init.normal_(p, std=0.5)


@pytest.mark.parametrize("names", [None, ["blocks.1.attn.q_proj", "down_proj"]])
def test_peft_loads_ours_and_gives_the_same_logits(model, names, tmp_path):
    adapter = add_lora(model, names, rank=2, alpha=6)
    filled([p for part in adapter.values() for p in (part.A, part.B)])
    save_adapter(model, tmp_path / "adapter", base=tmp_path / "base")
    loaded = peft.PeftModel.from_pretrained(theirs(tmp_path), tmp_path / "adapter").eval()
    with torch.no_grad():
        ours, plain = model(TOKENS), theirs(tmp_path)(TOKENS).logits
        assert (ours - plain).abs().max() > 0.1
        torch.testing.assert_close(loaded(TOKENS).logits, ours, atol=2e-5, rtol=2e-5)
        merged = loaded.merge_and_unload()(TOKENS).logits
        torch.testing.assert_close(merged, ours, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("use_rslora", [False, True])
def test_we_load_peft_s_and_give_the_same_logits(model, kind, use_rslora, tmp_path):
    torch.manual_seed(3)
    config = peft.LoraConfig(
        r=3, lora_alpha=5, target_modules=NAMES[kind], task_type="CAUSAL_LM", fan_in_fan_out=kind == "gpt2",
        rank_pattern={r"\d+\.attn\.c_attn|\d+\.self_attn\.q_proj": 2}, alpha_pattern={"down_proj": 9},
        use_rslora=use_rslora, layers_to_transform=None if kind == "qwen3" else [0, 2],
    )  # fmt: skip
    made = peft.get_peft_model(theirs(tmp_path), config).eval()
    filled(p for name, p in made.named_parameters() if "lora_" in name)
    made.save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        before = model(TOKENS)
        switch(model, load_adapter(model, tmp_path / "adapter"))
        assert (model(TOKENS) - before).abs().max() > 0.1
        torch.testing.assert_close(model(TOKENS), made(TOKENS).logits, atol=2e-5, rtol=2e-5)
        merge(model)
        torch.testing.assert_close(model(TOKENS), made(TOKENS).logits, atol=2e-5, rtol=2e-5)
