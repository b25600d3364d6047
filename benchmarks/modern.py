"""What each change since GPT-2 buys on the village, one training a row: chapter 10's figure.

    python -m companion prepare village --stories 20000
    OMP_NUM_THREADS=1 python benchmarks/modern.py --all            # every row that is missing, hours
    OMP_NUM_THREADS=1 python benchmarks/modern.py rope --seeds 0   # one of them, minutes
    OMP_NUM_THREADS=1 python benchmarks/modern.py --crossed --seeds 0 --times 0.5 1 2 4
    OMP_NUM_THREADS=1 python benchmarks/modern.py --crossed --times 1 2
    OMP_NUM_THREADS=1 python benchmarks/modern.py "gpt2, as muon" --times 2
    OMP_NUM_THREADS=1 python benchmarks/modern.py "storyteller, as muon" "swift, as muon" --times 2
    OMP_NUM_THREADS=1 python benchmarks/modern.py "untied, copied"

A row is a recipe, a seed, and what the recipe's learning rate is multiplied with (`times`, 1 unless said).
It is trained on 20,000 stories of the village for the same number of tokens as all others, evaluated on the
shipped validation split as it goes, and appended to data/models/modern.jsonl, with tokens per second of
processor time and what it ran on. Rows that are there are skipped, so that the command can be stopped and
run again. --tokens and --log make short rows elsewhere, to try it out.
"""

import argparse
import dataclasses
import itertools
import math
import statistics
import time
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from logs import add_missing, steps_for
from torch import nn

from companion import BUILDERS
from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.datasets import encode_documents, load_prepared
from companion.embeddings import GPTEmbedding, TokenEmbedding
from companion.gpt import GPT, GPTConfig, init_gpt2
from companion.modern import GroupedQueryAttention, Muon, RMSNorm, RoPE, Shift, SwiGLU
from companion.runtime.models.architectures import Doubled, FirstHalf
from companion.runtime.runs.optimizers import MATRICES, beside_adamw
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer, evaluate, training_batches
from companion.village import DATA, load_split
from companion.village.measures import gap_left, reference_lines

LOG = DATA / "models" / "modern.jsonl"
TOKENS = 1_000_000
LOOKS = 8
"""Evaluations of a row, the last one included."""
EARLY = 25
"""Steps whose mean loss a row notes, so that the chapter can train as many and compare."""


@dataclasses.dataclass
class Recipe:
    """Parts, first weights and optimizer of a row. As it stands: GPT-2's blocks, trained as `village` is."""

    about: str = "GPT-2's blocks"
    architecture: str = ""
    norm: type = LayerNorm
    rope: bool = False
    biases: bool = True
    qk_norm: bool = False
    swiglu: bool = False
    n_kv_heads: int = 2
    window: int | None = None
    shift: int = 0
    mlp_shift: int | None = None
    row: bool = False
    tied: bool = True
    copied: bool = False
    muon: bool = False
    lr: float = 3.5e-3
    linear: bool = False
    others: float | None = None
    n_layers: int = 4
    n_heads: int = 2
    d_model: int = 96
    batch_size: int = 16


TUNED = {"muon": True, "lr": 0.03, "linear": True}
RECIPES = {
    "gpt2": Recipe(architecture="gpt2"),
    "rmsnorm": Recipe("RMSNorm for LayerNorm", norm=RMSNorm),
    "rope": Recipe("RoPE for learned positions", rope=True),
    "no biases": Recipe("no biases", biases=False),
    "qk norm": Recipe("normalized q and k", qk_norm=True),
    "swiglu": Recipe("SwiGLU for GELU", swiglu=True),
    "one kv head": Recipe("two queries share a key and value", n_kv_heads=1),
    "window": Recipe("a window of 64", window=64),
    "untied": Recipe("a head of its own", tied=False),
    "shift": Recipe("the token before mixed in", shift=1),
    "canon": Recipe("the three tokens before mixed in", shift=3),
    "row": Recipe("the token's row handed down", row=True),
    "muon": Recipe("Muon for the matrices", **TUNED),
    "swift, adamw": Recipe("swift, AdamW", "swift"),
    "storyteller, adamw": Recipe("storyteller, AdamW", "storyteller"),
    "storyteller": Recipe("storyteller, Muon", "storyteller", **TUNED),
    "no row": Recipe("swift without the row, Muon", "storyteller", shift=1, mlp_shift=1, **TUNED),
    "no shift": Recipe("swift without shifts, Muon", "storyteller", row=True, **TUNED),
    "one shift": Recipe("swift without the second shift, Muon", "swift", mlp_shift=0, **TUNED),
    "swift": Recipe("swift, Muon", "swift", **TUNED),
    "gpt2, as muon": Recipe("AdamW with Muon's other settings", "gpt2", linear=True, others=0.01),
    "storyteller, as muon": Recipe(
        "storyteller, AdamW with Muon's other settings", "storyteller", linear=True, others=0.01
    ),
    "swift, as muon": Recipe("swift, AdamW with Muon's other settings", "swift", linear=True, others=0.01),
    "untied, copied": Recipe("a head of its own, copied", tied=False, copied=True),
}
CONTROLS = ["gpt2, as muon", "storyteller, as muon", "swift, as muon", "untied, copied"]
"""Not in --all. AdamW in the place of Muon, with all else that the rows with Muon have: a line to 0, no
weight decay, and `others`, AdamW's rate beside Muon, for all parameters but the matrices of the blocks. And a
head of its own that begins as a copy of the token table, the last norm's weight as in a tied model."""
CROSSED = ["gpt2", "muon", "storyteller, adamw", "storyteller", "swift, adamw", "swift"]
"""Three architectures, each with AdamW and with Muon."""


class NoShift(nn.Module):
    """In a SwiftBlock, what stands for a shift that is left out."""

    def forward(self, x, cache=None):
        return x


class RowBlock(Block):
    """SwiftBlock without shifts."""

    def forward(self, x, cache=None):
        x, row = x.chunk(2, dim=-1)  # (B, T, C) each
        x = x + self.attn(self.norm_1(x) + row, cache)
        return torch.cat([x + self.mlp(self.norm_2(x)), row], dim=-1)


class RowEmbedding(GPTEmbedding):
    """Doubled, with learned positions in the first half alone."""

    def forward(self, tokens, start=0):
        row = self.token(tokens)
        return torch.cat([super().forward(tokens, start), F.rms_norm(row, row.shape[-1:], eps=1e-6)], dim=-1)


def no_rope(q, k, start):
    """Queries and keys as they are, where the embedding has the positions."""
    return q, k


def build(r: Recipe, vocab_size: int, context_length: int = 256) -> GPT:
    """The model of a recipe: an architecture, or GPT-2's list of parts with those replaced that it names."""
    sizes = {"n_layers": r.n_layers, "n_heads": r.n_heads, "d_model": r.d_model}
    if r.architecture:
        config_class, builder = BUILDERS[r.architecture]
        model = builder(config_class(vocab_size, context_length, **sizes))
        for i, block in enumerate(model.blocks):
            block.norm_1 = nn.Sequential(block.norm_1, Shift(r.d_model, r.shift)) if r.shift else block.norm_1
            if r.mlp_shift:
                block.norm_2 = nn.Sequential(block.norm_2, Shift(r.d_model, r.mlp_shift))
            if r.mlp_shift == 0:
                block.shift_2 = NoShift()
            if r.row:
                model.blocks[i] = RowBlock(block.norm_1, block.attn, block.norm_2, block.mlp)
        if r.row:
            model.embed, model.norm = Doubled(model.embed), FirstHalf(model.norm)
        return model
    config = GPTConfig(vocab_size, context_length, **sizes)
    C, width = r.d_model, r.d_model // r.n_heads
    rope = RoPE(width, context_length) if r.rope else no_rope
    blocks = []
    for _ in range(r.n_layers):
        plain = not (r.rope or r.qk_norm or r.window) and r.n_kv_heads == r.n_heads
        if plain:
            attn = CausalSelfAttention(C, r.n_heads, bias=r.biases)
        else:
            norms = [RMSNorm(width), RMSNorm(width)] if r.qk_norm else None
            attn = GroupedQueryAttention(
                C, r.n_heads, r.n_kv_heads, width, rope, norms, r.window, bias=r.biases
            )
        mlp = SwiGLU(C, 8 * C // 3) if r.swiglu else MLP(C, 4 * C)
        if not r.biases and not r.swiglu:
            mlp.up_proj.bias = mlp.down_proj.bias = None
        norm_1 = nn.Sequential(r.norm(C), Shift(C, r.shift)) if r.shift else r.norm(C)
        blocks.append((RowBlock if r.row else Block)(norm_1, attn, r.norm(C), mlp))
    learned = RowEmbedding if r.row else GPTEmbedding
    embed = TokenEmbedding(vocab_size, C) if r.rope else learned(vocab_size, context_length, C)
    head = None if r.tied else nn.Linear(C, vocab_size, bias=False)
    model = first_weights(GPT(config, embed, blocks, r.norm(C), head), r)
    if r.row:
        model.norm = FirstHalf(model.norm)
    return model


def first_weights(model: GPT, r: Recipe) -> GPT:
    """GPT-2's first weights as chapter 6 has them; a head of its own is 0, or a copy of the token table."""
    init_gpt2(model)
    for part in model.modules():
        if isinstance(part, Shift):
            nn.init.zeros_(part.weight)
            nn.init.constant_(part.weight[0], 0.5)
    if r.copied:
        with torch.no_grad():
            model.head.weight.copy_(model.embed.token.weight)
    elif not r.tied:
        nn.init.zeros_(model.head.weight)
        nn.init.ones_(model.norm.weight)
    return model


def make_trainer(r: Recipe, model: GPT, split, seed: int, tokens: int) -> Trainer:
    """A trainer for so many tokens: AdamW and a cosine to 0 as in the preset, or Muon and a line to 0."""
    steps = steps_for(split, tokens, r.batch_size)
    config = TrainConfig(
        steps=steps, batch_size=r.batch_size, lr=r.lr, min_lr=0.0, warmup_steps=min(100, steps // 2),
        seed=seed, device="cpu", dtype="float32",
    )  # fmt: skip
    optimizers = beside_adamw(Muon, model, r.lr) if r.muon else None
    if r.others:
        optimizers = [
            torch.optim.AdamW(parameters, lr=lr, betas=config.betas, weight_decay=0.0, fused=True)
            for parameters, lr in zip(split_parameters(model), (r.lr, r.others), strict=True)
        ]
    trainer = Trainer(model, partial(training_batches, split, config), config, optimizers=optimizers)
    if r.linear:
        for optimizer in trainer.optimizers:
            optimizer.register_step_pre_hook(lambda o, *_: line_to_zero(o, trainer))
    return trainer


def split_parameters(model: GPT) -> tuple[list, list]:
    """The matrices of the blocks, and all other parameters, as beside_adamw divides them."""
    named = list(model.named_parameters())
    matrices = [parameter for name, parameter in named if name.endswith(MATRICES)]
    return matrices, [parameter for name, parameter in named if not name.endswith(MATRICES)]


def line_to_zero(optimizer, trainer: Trainer) -> None:
    """The learning rate of this step: up a line in warmup_steps, then down a line to 0."""
    c, step = trainer.config, trainer.steps
    share = min((step + 1) / max(1, c.warmup_steps), (c.steps - step) / max(1, c.steps - c.warmup_steps), 1.0)
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * share


def early_loss(r: Recipe, seed: int) -> float:
    """The mean loss of the first steps on the shipped stories, as the chapter computes it again."""
    tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
    torch.manual_seed(seed)
    model = build(r, tokenizer.vocab_size)
    trainer = make_trainer(r, model, encode_documents(load_split("train"), tokenizer), seed, TOKENS)
    return round(statistics.mean(trainer.step() for _ in range(EARLY)), 4)


def run_row(name: str, seed: int, times: float, tokens: int, corpus, lines) -> dict:
    """Train one row; what it came to."""
    r = dataclasses.replace(RECIPES[name], lr=RECIPES[name].lr * times)
    torch.manual_seed(seed)
    model = build(r, corpus.tokenizer.vocab_size)
    trainer = make_trainer(r, model, corpus.train, seed, tokens)
    looks = {math.ceil(trainer.config.steps * (i + 1) / LOOKS) for i in range(LOOKS)}
    seconds, history = 0.0, []
    while trainer.steps < trainer.config.steps:
        begun = time.process_time()
        loss = trainer.step()
        seconds += time.process_time() - begun
        if trainer.steps in looks:
            bits = evaluate(model, corpus.val, 256).bits_per_byte
            gap = round(gap_left(bits, lines), 4)
            history.append({"tokens": trainer.tokens, "seconds": round(seconds, 1), "gap": gap})
            print(f"  {name}, seed {seed}: {history[-1]}, loss {loss:.3f}", flush=True)
    return {
        "about": r.about, "tokens": trainer.tokens, "gap": history[-1]["gap"],
        "bits_per_byte": round(bits, 5), "early": early_loss(r, seed),
        "tokens_per_second": round(trainer.tokens / seconds),
        "parameters": sum(p.numel() for p in model.parameters()), "history": history,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(RECIPES))
    parser.add_argument("--all", action="store_true", help="every row")
    parser.add_argument("--crossed", action="store_true", help=", ".join(CROSSED))
    parser.add_argument(
        "--times", type=float, nargs="+", default=[1.0], help="multiply the learning rate (default: 1)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--tokens", type=int, default=TOKENS, help=f"(default: {TOKENS:,})")
    parser.add_argument("--data", type=Path, default=Path("runs/data/village-20000"))
    parser.add_argument("--log", type=Path, default=LOG, help="(default: data/models/modern.jsonl)")
    args = parser.parse_args()
    every = [name for name in RECIPES if name not in CONTROLS]
    rows = every if args.all else CROSSED if args.crossed else args.rows
    if unknown := [name for name in rows if name not in RECIPES]:
        parser.error(f"no row is called {unknown[0]!r}; there are {', '.join(RECIPES)}")
    corpus, lines = load_prepared(args.data), reference_lines()
    for seed, times, name in itertools.product(args.seeds, args.times, rows):
        key = {"row": name, "seed": seed, "times": times}
        add_missing(args.log, key, partial(run_row, name, seed, times, args.tokens, corpus, lines))


if __name__ == "__main__":
    main()
