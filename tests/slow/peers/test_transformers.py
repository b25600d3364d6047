"""Chapter 10's models against transformers' own, tiny and random, in float32: what .ci/run runs on Linux.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers.
"""

import pytest
import torch
from transformers import LlamaConfig as TheirLlamaConfig
from transformers import LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from companion.modern import LlamaConfig, llama, storyteller

B, T = 3, 29
SIZES = {"vocab_size": 53, "n_layers": 3, "n_heads": 6, "n_kv_heads": 2, "d_model": 60, "d_ff": 71}
THEIRS = {
    "vocab_size": 53,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "hidden_size": 60,
    "intermediate_size": 71,
    "max_position_embeddings": 64,
    "attn_implementation": "eager",
}
RENAMED = [
    ("embed.", "model.embed_tokens."),
    ("blocks.", "model.layers."),
    (".attn.", ".self_attn."),
    ("norm_1.", "input_layernorm."),
    ("norm_2.", "post_attention_layernorm."),
    ("head.", "lm_head."),
]
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0}
LLAMA3 |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 16}
SCALED = {"rope_theta": 500_000.0, "rope_factor": 8.0, "rope_original": 16}


def plain(theta):
    return {"rope_parameters": {"rope_type": "default", "rope_theta": theta}}


CASES = {
    "Llama 3, scaled, head of its own": (
        llama,
        {"tied": False, "head_width": 16} | SCALED,
        LlamaForCausalLM,
        TheirLlamaConfig(
            **THEIRS, rope_parameters=LLAMA3, tie_word_embeddings=False, head_dim=16, rms_norm_eps=1e-5
        ),
    ),
    "Qwen3": (
        storyteller,
        {"head_width": 10, "rope_theta": 1e6, "norm_eps": 1e-6},
        Qwen3ForCausalLM,
        Qwen3Config(**THEIRS, **plain(1e6), tie_word_embeddings=True, head_dim=10, rms_norm_eps=1e-6),
    ),
}


def their_name(name):
    for ours, theirs in RENAMED:
        name = theirs + name.removeprefix(ours) if name.startswith(ours) else name.replace(ours, theirs)
    return "model." + name if name.startswith("norm.") else name


@pytest.mark.parametrize("name", CASES)
def test_logits_and_gradients_are_those_of_transformers(name):
    build, fields, kind, config = CASES[name]
    torch.manual_seed(0)
    ours = build(LlamaConfig(context_length=64, **SIZES, **fields))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in ours.parameters():
            p += 0.15 * torch.randn(p.shape, generator=generator)
    theirs = kind(config).eval()
    state = {their_name(name): p for name, p in ours.state_dict().items()}
    if theirs.config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    theirs.load_state_dict(state, strict=True)  # every weight has its place, and no other is left
    theirs.tie_weights()
    tokens = torch.randint(53, (B, T), generator=generator)
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=1e-5, atol=1e-5)
    for logits in (ours(tokens), theirs(tokens).logits):
        logits.square().mean().backward()
    found = {their_name(name): p.grad for name, p in ours.named_parameters()}
    for name, p in theirs.named_parameters():
        torch.testing.assert_close(found[name], p.grad, rtol=1e-4, atol=1e-5)
