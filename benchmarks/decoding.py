"""Tokens told per second with a cache, against `transformers` with its own: a part of peers.py.

Three shapes: a small model (4 layers, 128 wide, 1,024 tokens in the vocabulary, context 256) of GPT-2's
parts, one of the same size of Qwen3's (chapter 10's storyteller), and GPT-2 small's (124 M). Weights are
random, in float32, the same in both; the logits are compared first. The last two shapes' are read by each
from one file, as load_pretrained and from_pretrained read them: how they lie in memory counts. One text, then
16 at once: a prompt of 32 tokens and 96 more (124 M: 24), each the likeliest, so that both do the same.
"loop" is the model alone, called again and again with its cache; "generate" is what users call, with all that
it does besides. Ours is read as companion.load has it read: by inlined parts (chapter 9).

The two take turns, so that a slow spell of the machine hits both; each round gives a ratio of processor
times, and their median is kept. "Bandwidth" is the share of the memory's speed at which the loop moves the
bytes that it must: the weights once a step, and the keys and values of each row. The memory's speed is that
of a matrix too large for any cache, times a vector, in the same run. Above 100 %: weights that stay in a
cache of the processor.
"""

import statistics
import tempfile
from pathlib import Path

import torch
from logs import processor_time
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from companion.caching import KVCache, cache_bytes, inline, prefill
from companion.generation import generate
from companion.gpt import GPTConfig, gpt2
from companion.modern import INLINED_MODERN, LlamaConfig, storyteller
from companion.pretrained import FAMILIES, fill, save_pretrained
from companion.runtime.storage.hub import weight_files
from companion.tokenization import Tokenizer
from companion.village import DATA

SMALL = {"vocab_size": 1024, "context_length": 256, "n_layers": 4, "n_heads": 4, "d_model": 128}
SHAPES = {
    "small": GPTConfig(**SMALL),
    "small, Qwen3's parts": LlamaConfig(**SMALL),
    "GPT-2 124 M": GPTConfig(),
}
ROUNDS = 7
PROMPT, NEW = 32, {"small": 96, "small, Qwen3's parts": 96, "GPT-2 124 M": 24}
PARTS = {"attn.c_proj": "attn.o_proj", "mlp.c_fc": "mlp.up_proj", "mlp.c_proj": "mlp.down_proj"}
PARTS |= {"ln_1": "norm_1", "ln_2": "norm_2"}


def peer(model) -> GPT2LMHeadModel:
    """The GPT-2 of transformers with a model's weights; its attention is the fused one, its default."""
    c = model.config
    shape = {"vocab_size": c.vocab_size, "n_positions": c.context_length, "n_layer": c.n_layers}
    config = GPT2Config(n_head=c.n_heads, n_embd=c.d_model, n_inner=c.d_ff, **shape)
    theirs = GPT2LMHeadModel(config).eval()
    ours = model.state_dict()
    state = {"wte.weight": ours["embed.token.weight"], "wpe.weight": ours["embed.position.weight"]}
    for end in ("weight", "bias"):
        state[f"ln_f.{end}"] = ours[f"norm.{end}"]
        for i in range(c.n_layers):
            old, new = f"blocks.{i}", f"h.{i}"
            for theirs_name, name in PARTS.items():
                number = ours[f"{old}.{name}.{end}"]
                matrix = number.ndim == 2  # Conv1D has its matrices transposed
                state[f"{new}.{theirs_name}.{end}"] = number.T if matrix else number
            qkv = torch.cat([ours[f"{old}.attn.{x}_proj.{end}"] for x in "qkv"])
            state[f"{new}.attn.c_attn.{end}"] = qkv.T if qkv.ndim == 2 else qkv
    theirs.transformer.load_state_dict(state)
    return theirs


@torch.inference_mode()
def our_loop(model, tokens, new: int) -> torch.Tensor:
    model, cache, generated = inline(model, INLINED_MODERN), KVCache(model.config, len(tokens)), []
    logits = prefill(model, tokens, cache)
    for _ in range(new):
        generated.append(logits.argmax(-1, keepdim=True))
        if len(generated) < new:
            logits = model.logits(model.hidden(generated[-1], cache)[:, -1])
    return torch.cat(generated, 1)


@torch.inference_mode()
def their_loop(model, tokens, new: int) -> torch.Tensor:
    out, generated = model(tokens, use_cache=True, logits_to_keep=1), []
    for _ in range(new):
        generated.append(out.logits[:, -1].argmax(-1, keepdim=True))
        if len(generated) < new:
            out = model(generated[-1], past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
    return torch.cat(generated, 1)


def our_generate(model, tokens, new: int) -> torch.Tensor:
    cache = KVCache(model.config, len(tokens))
    return generate(inline(model, INLINED_MODERN), tokens, new, temperature=0, cache=cache)


def their_generate(model, tokens, new: int) -> torch.Tensor:
    mask = torch.ones_like(tokens)
    out = model.generate(tokens, attention_mask=mask, max_new_tokens=new, do_sample=False, use_cache=True)
    return out[:, tokens.shape[1] :]


def both(name: str) -> tuple:
    """Ours and theirs of a shape, with the same weights."""
    torch.manual_seed(0)
    if name == "small":
        return (model := gpt2(SHAPES[name]).eval()), peer(model)
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(SHAPES[name], GPTConfig):
            build, family = gpt2, FAMILIES["gpt2"]
            peer(gpt2(SHAPES[name])).save_pretrained(folder)
        else:
            build, family = storyteller, FAMILIES["llama"]
            born = storyteller(SHAPES[name])
            for p in born.parameters():
                torch.nn.init.normal_(p, std=0.1) if p.ndim > 1 else None
            save_pretrained(born, Tokenizer.load(DATA / "village" / "tokenizer.json"), folder)
        theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        return fill(build(SHAPES[name], meta=True), family, weight_files(Path(folder))).eval(), theirs


def bytes_moved(model, rows: int, new: int) -> float:
    """Bytes that a step must read, in the middle of the text: every weight of a product, and the cache."""
    weights = sum(p.nbytes for name, p in model.named_parameters() if name != "embed.position.weight")
    return weights + cache_bytes(model.config, PROMPT + new // 2, rows)


def compare(name: str, rows: int, speed: float) -> list[dict]:
    """The rows of the log for a shape and a number of texts. speed: the memory's, bytes a second."""
    model, theirs = both(name)
    new = NEW[name]
    theirs.generation_config.pad_token_id = theirs.generation_config.eos_token_id = None
    tokens = torch.randint(1, 1024, (rows, PROMPT), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(model(tokens), theirs(tokens).logits, rtol=1e-4, atol=1e-4)
    found = [timed(f"{name}, {rows} at once, loop", our_loop, their_loop, model, theirs, tokens, new)]
    found[0]["bandwidth"] = round(found[0]["ours"] / rows * bytes_moved(model, rows, new) / speed, 3)
    if name.startswith("small"):
        what = f"{name}, {rows} at once, generate"
        found.append(timed(what, our_generate, their_generate, model, theirs, tokens, new))
    return found


def timed(what: str, our_way, their_way, model, theirs, tokens, new: int) -> dict:
    """Both ways in turns: tokens per second, the median of the ratios, and the share of equal tokens."""
    first, second = our_way(model, tokens, new), their_way(theirs, tokens, new)  # warm
    times = []
    for _ in range(ROUNDS):
        ours = processor_time(lambda: our_way(model, tokens, new))
        times.append((ours, processor_time(lambda: their_way(theirs, tokens, new))))
    a, b = (len(tokens) * new / statistics.median(column) for column in zip(*times, strict=True))
    return {
        "what": what,
        "ours": round(a),
        "theirs": round(b),
        "ratio": round(statistics.median(y / x for x, y in times), 3),
        "same": round((first == second).float().mean().item(), 3),
    }
