"""A model of ours as others would have written it down: what chapter 11 reads where there is no network."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from companion.runtime.text.hugging_face import write_tokenizer

BLOCK = {
    "ln_1": "norm_1",
    "attn.c_attn": "attn.q_proj attn.k_proj attn.v_proj",
    "attn.c_proj": "attn.o_proj",
    "ln_2": "norm_2",
    "mlp.c_fc": "mlp.up_proj",
    "mlp.c_proj": "mlp.down_proj",
}


def write_like_gpt2(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Write a model with GPT-2's blocks as openai-community/gpt2 is laid out on Hugging Face's hub.

    Returns folder. Names without `transformer.`, matrices (in, out), q, k and v as one, no head, and in each
    layer a stored mask.
    """
    c, ours = model.config, model.state_dict()
    theirs = {"wte.weight": ours["embed.token.weight"], "wpe.weight": ours["embed.position.weight"]}
    for i in range(c.n_layers):
        theirs[f"h.{i}.attn.bias"] = torch.ones(c.context_length, c.context_length).tril()[None, None]
        for name, parts in BLOCK.items():
            for kind in ("weight", "bias"):
                joint = torch.cat([ours[f"blocks.{i}.{part}.{kind}"] for part in parts.split()])
                theirs[f"h.{i}.{name}.{kind}"] = joint.T if joint.ndim == 2 else joint
    theirs |= {"ln_f.weight": ours["norm.weight"], "ln_f.bias": ours["norm.bias"]}
    sizes = {"vocab_size": c.vocab_size, "n_positions": c.context_length, "n_embd": c.d_model}
    sizes |= {"n_layer": c.n_layers, "n_head": c.n_heads}
    about = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "activation_function": "gelu_new"}
    (folder / "config.json").write_text(json.dumps(about | sizes, indent=1), encoding="utf-8")
    save_file({name: t.contiguous() for name, t in theirs.items()}, folder / "model.safetensors")
    write_tokenizer(tokenizer, folder)
    return folder
