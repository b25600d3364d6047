import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import safe_open
from torch import nn

from companion.attention import CausalSelfAttention
from companion.blocks import Block, LayerNorm
from companion.embeddings import TokenEmbedding
from companion.gpt import GPT, GPTConfig, gpt2
from companion.modern import LlamaConfig, RoPE, llama
from companion.runtime.checkpoints import write_safetensors
from companion.runtime.files import staged
from companion.runtime.hub import find_model, weight_files
from companion.runtime.public_configs import check_names, read_shape, write_shape
from companion.runtime.public_tokenizers import read_tokenizer, write_tokenizer


class NeoXAttention(CausalSelfAttention):
    """Attention in which a share of each query and key turns. (B, T, C) -> (B, T, C).

    rope: for the first numbers of a head, called as rope(q, k, start). The others stay as they are.
    Source: Black et al., 2022 (GPT-NeoX, arXiv:2204.06745), section 2.1.
    """

    def __init__(self, d_model: int, n_heads: int, rope: RoPE, dropout: float = 0.0):
        super().__init__(d_model, n_heads, dropout)
        self.rope = rope

    def project(self, x: torch.Tensor, start=0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        q, k, v = super().project(x, start)  # (B, H, T, D) each
        n = 2 * len(self.rope.speed)
        turned = self.rope(q[..., :n], k[..., :n], start)
        q, k = (torch.cat([new, old[..., n:]], dim=-1) for new, old in zip(turned, (q, k), strict=True))
        return q, k, v


class ParallelBlock(Block):
    """A block whose MLP reads what its attention reads, and not what that wrote. (B, T, C) -> (B, T, C)."""

    def forward(self, x: torch.Tensor, cache=None) -> torch.Tensor:
        return x + self.attn(self.norm_1(x), cache) + self.mlp(self.norm_2(x))


@dataclass
class NeoXConfig(GPTConfig):
    """The shape of a GPT-NeoX type model."""

    architecture: ClassVar[str] = "neox"
    norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    rope_share: float = 0.25


def neox(config: NeoXConfig, meta: bool = False) -> GPT:
    """An untrained GPT-NeoX of this shape, such as Pythia. meta: as in gpt2."""
    if meta:
        with torch.device("meta"):
            return neox(config)
    c = config
    rope = RoPE(int(c.d_model // c.n_heads * c.rope_share), c.context_length, c.rope_theta)
    blocks = []
    for _ in range(c.n_layers):
        attn = NeoXAttention(c.d_model, c.n_heads, rope, c.dropout)
        parts = {"up_proj": nn.Linear(c.d_model, c.d_ff), "gelu": nn.GELU(), "down_proj": nn.Linear(c.d_ff, c.d_model)}
        norms = [LayerNorm(c.d_model, c.norm_eps) for _ in range(2)]
        blocks.append(ParallelBlock(norms[0], attn, norms[1], nn.Sequential(OrderedDict(parts))))
    head = nn.Linear(c.d_model, c.vocab_size, bias=False)
    return GPT(c, TokenEmbedding(c.vocab_size, c.d_model), blocks, LayerNorm(c.d_model, c.norm_eps), head)


@dataclass(frozen=True)
class Family:
    """Where the files of a family of models keep what our parts have."""

    config: type
    build: Callable
    prefix: str
    names: dict[str, str]
    transposed: tuple[str, ...] = ()
    by_head: bool = False
    ignored: tuple[str, ...] = ()

    def places(self, model: GPT) -> dict[str, list[str]]:
        """The name in the file of each tensor of a model -> the parameters of ours that it fills."""
        ours, found = model.state_dict(), {}
        for theirs, parts in self.names.items():
            for i in range(len(model.blocks) if "{}" in theirs else 1):
                for kind in ("weight", "bias"):
                    names = [f"{part.format(i)}.{kind}" for part in parts.split()]
                    if names[0] in ours:
                        found[f"{theirs.format(i)}.{kind}"] = names
        return found

    def to_ours(self, name: str, tensor: torch.Tensor, n: int, n_heads: int) -> list[torch.Tensor]:
        """A tensor of theirs as the n of ours that it holds, (out, in) or (out,) each."""
        tensor = tensor.T if name.endswith(self.transposed) else tensor
        if self.by_head and n == 3:  # rows: head by head -> q, k, v
            tensor = tensor.unflatten(0, (n_heads, 3, -1)).transpose(0, 1).flatten(0, 2)
        return tensor.chunk(n)

    def to_theirs(self, name: str, parts: list[torch.Tensor], n_heads: int) -> torch.Tensor:
        """The way back."""
        tensor = torch.cat(parts)
        if self.by_head and len(parts) == 3:
            tensor = tensor.unflatten(0, (3, n_heads, -1)).transpose(0, 1).flatten(0, 2)
        return tensor.T if name.endswith(self.transposed) else tensor


GPT2 = Family(
    GPTConfig,
    gpt2,
    "transformer.",
    {
        "transformer.wte": "embed.token",
        "transformer.wpe": "embed.position",
        "transformer.h.{}.ln_1": "blocks.{}.norm_1",
        "transformer.h.{}.attn.c_attn": "blocks.{0}.attn.q_proj blocks.{0}.attn.k_proj blocks.{0}.attn.v_proj",
        "transformer.h.{}.attn.c_proj": "blocks.{}.attn.o_proj",
        "transformer.h.{}.ln_2": "blocks.{}.norm_2",
        "transformer.h.{}.mlp.c_fc": "blocks.{}.mlp.up_proj",
        "transformer.h.{}.mlp.c_proj": "blocks.{}.mlp.down_proj",
        "transformer.ln_f": "norm",
    },
    transposed=("c_attn.weight", "c_proj.weight", "c_fc.weight"),
    ignored=(".attn.bias", ".attn.masked_bias"),
)
LLAMA = Family(
    LlamaConfig,
    llama,
    "model.",
    {
        "model.embed_tokens": "embed",
        "model.layers.{}.input_layernorm": "blocks.{}.norm_1",
        "model.layers.{}.self_attn.q_proj": "blocks.{}.attn.q_proj",
        "model.layers.{}.self_attn.k_proj": "blocks.{}.attn.k_proj",
        "model.layers.{}.self_attn.v_proj": "blocks.{}.attn.v_proj",
        "model.layers.{}.self_attn.o_proj": "blocks.{}.attn.o_proj",
        "model.layers.{}.self_attn.q_norm": "blocks.{}.attn.q_norm",
        "model.layers.{}.self_attn.k_norm": "blocks.{}.attn.k_norm",
        "model.layers.{}.post_attention_layernorm": "blocks.{}.norm_2",
        "model.layers.{}.mlp.gate_proj": "blocks.{}.mlp.gate_proj",
        "model.layers.{}.mlp.up_proj": "blocks.{}.mlp.up_proj",
        "model.layers.{}.mlp.down_proj": "blocks.{}.mlp.down_proj",
        "model.norm": "norm",
        "lm_head": "head",
    },
    ignored=(".rotary_emb.inv_freq",),
)
NEOX = Family(
    NeoXConfig,
    neox,
    "gpt_neox.",
    {
        "gpt_neox.embed_in": "embed",
        "gpt_neox.layers.{}.input_layernorm": "blocks.{}.norm_1",
        "gpt_neox.layers.{}.attention.query_key_value": "blocks.{0}.attn.q_proj blocks.{0}.attn.k_proj blocks.{0}.attn.v_proj",
        "gpt_neox.layers.{}.attention.dense": "blocks.{}.attn.o_proj",
        "gpt_neox.layers.{}.post_attention_layernorm": "blocks.{}.norm_2",
        "gpt_neox.layers.{}.mlp.dense_h_to_4h": "blocks.{}.mlp.up_proj",
        "gpt_neox.layers.{}.mlp.dense_4h_to_h": "blocks.{}.mlp.down_proj",
        "gpt_neox.final_layer_norm": "norm",
        "embed_out": "head",
    },
    by_head=True,
    ignored=(".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"),
)
FAMILIES = {"gpt2": GPT2, "llama": LLAMA, "neox": NEOX}


def fill(model: GPT, family: Family, files: dict[str, Path], dtype=torch.float32) -> GPT:
    """Give a model without numbers (on the meta device) its weights. files: tensor's name -> its file."""
    wanted, state, weights = family.places(model), model.state_dict(), {}
    stored = check_names(family, wanted, files)
    for theirs, ours in wanted.items():
        with safe_open(files[stored[theirs]], "pt") as file:
            tensor = file.get_tensor(stored[theirs])
        for name, part in zip(ours, family.to_ours(theirs, tensor, len(ours), model.config.n_heads)):
            if part.shape != state[name].shape:
                raise ValueError(f"{stored[theirs]} gives {name} {list(part.shape)}; {list(state[name].shape)}")
            weights[name] = part.to(dtype, copy=True, memory_format=torch.contiguous_format)
    model.load_state_dict(weights, assign=True)
    return model.eval()


def load_pretrained(name, revision=None, dtype=torch.float32):
    folder = find_model(name, revision)
    kind, fields = read_shape(json.loads((folder / "config.json").read_text("utf-8")), folder / "config.json")
    family = FAMILIES[kind]
    model = family.build(family.config(**fields), meta=True)
    return fill(model, family, weight_files(folder), dtype), read_tokenizer(folder)


def save_pretrained(model, tokenizer, folder):
    shape = write_shape(model.config)
    family = FAMILIES[{"gpt2": "gpt2", "gpt_neox": "neox"}.get(shape["model_type"], "llama")]
    ours, heads = model.state_dict(), model.config.n_heads
    tensors = {
        name: family.to_theirs(name, [ours[part] for part in parts], heads)
        for name, parts in family.places(model).items()
    }
    with staged(folder) as new:
        (new / "config.json").write_text(json.dumps(shape, indent=1))
        write_safetensors(new / "model.safetensors", tensors, {"format": "pt"})
        write_tokenizer(tokenizer, new)
