"""Tokens per second of companion's training against a nanoGPT-style model, in one run.

    python tests/benchmarks/training.py [--threads 2] [--rounds 7]

Same shape (4 layers, 128 wide, 4 heads, 1,024 tokens in the vocabulary), same batches (8 rows of 256
tokens), same optimizer settings, same type. The reference is written here the way that nanoGPT does it: q,
k and v in one Linear, F.scaled_dot_product_attention, GELU, tied weights, fused AdamW, clipping, one
loss.item() a step. The two take turns, a few steps each, so that a slow spell of the machine hits both;
each round gives a ratio, and their median is printed.

The second table is about rows of different lengths, one document a row: tokens of text (padding not
counted) per second when batches are drawn one by one, and when companion's training_batches draws eight and
sorts them by length.
"""

import argparse
import statistics
import time
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from companion.datasets import Split, random_batches
from companion.gpt import GPTConfig, gpt2
from companion.training import TrainConfig, Trainer, make_optimizer, training_batches

SHAPE = GPTConfig(vocab_size=1024, context_length=256, n_layers=4, n_heads=4, d_model=128)
STEPS = 12


class NanoBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = config.d_model
        self.n_heads = config.n_heads
        self.ln_1, self.ln_2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.c_attn, self.c_proj = nn.Linear(c, 3 * c), nn.Linear(c, c)
        self.fc, self.proj = nn.Linear(c, 4 * c), nn.Linear(4 * c, c)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).split(c, dim=2)
        q, k, v = (a.view(b, t, self.n_heads, c // self.n_heads).transpose(1, 2) for a in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(b, t, c))
        return x + self.proj(F.gelu(self.fc(self.ln_2(x))))


class NanoGPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.d_model)
        self.wpe = nn.Embedding(config.context_length, config.d_model)
        self.h = nn.ModuleList(NanoBlock(config) for _ in range(config.n_layers))
        self.ln_f = nn.LayerNorm(config.d_model)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight
        for p in self.parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1), ignore_index=-100)


def nano_steps(model, optimizer, batches, dtype):
    """Seconds for STEPS updates."""
    start = time.perf_counter()
    for _ in range(STEPS):
        x, y = next(batches)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            loss = model(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
    return time.perf_counter() - start


def our_steps(trainer):
    """Seconds for STEPS updates."""
    start = time.perf_counter()
    for _ in range(STEPS):
        trainer.step()
    return time.perf_counter() - start


def against_nano(dtype: str, rounds: int) -> None:
    split = windows(200_000)
    config = TrainConfig(steps=10**6, batch_size=8, context_length=256, dtype=dtype, device="cpu")
    torch.manual_seed(0)
    trainer = Trainer(gpt2(SHAPE), partial(training_batches, split, config), config)
    nano = NanoGPT(SHAPE)
    ours, theirs = (sum(p.numel() for p in m.parameters()) for m in (trainer.model, nano))
    assert ours == theirs, (ours, theirs)
    optimizer = make_optimizer(nano, config)
    batches = random_batches(split.tokens, 8, 256, torch.Generator().manual_seed(0))
    our_steps(trainer), nano_steps(nano, optimizer, batches, trainer.dtype)
    pairs = [(our_steps(trainer), nano_steps(nano, optimizer, batches, trainer.dtype)) for _ in range(rounds)]
    tokens = STEPS * 8 * 256
    ours, theirs = (tokens / statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    speeds = f"companion {ours:8,.0f} tokens/s   nanoGPT's way {theirs:8,.0f} tokens/s"
    print(f"{dtype:9} {speeds}   ratio {ratio:.2f}")


def windows(n_tokens: int) -> Split:
    """One long document of random tokens."""
    tokens = np.random.default_rng(0).integers(1, 1024, n_tokens).astype(np.uint16)
    tokens[[0, -1]] = 0
    return Split(tokens, np.array([0, n_tokens - 1]), 3 * n_tokens)


def stories(n: int) -> Split:
    """Documents of 80 to 250 random tokens."""
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0], rng.integers(80, 251, n).cumsum()])
    tokens = rng.integers(1, 1024, starts[-1] + 1).astype(np.uint16)
    tokens[starts] = 0
    return Split(tokens, starts, 3 * len(tokens))


def sorted_rows(dtype: str, rounds: int) -> None:
    split = stories(2000)
    config = TrainConfig(steps=10**6, batch_size=8, context_length=256, dtype=dtype, device="cpu")
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    pooled = Trainer(gpt2(SHAPE), partial(training_batches, split, config), config)
    drawn = random_batches(split.tokens, 8, 256, generator, split.starts)
    plain = Trainer(gpt2(SHAPE), lambda first: drawn, config)
    speeds = {"one by one": [], "sorted in eights": []}
    for _ in range(rounds + 1):
        for name, trainer in zip(speeds, (plain, pooled), strict=True):
            tokens, seconds = trainer.tokens, our_steps(trainer)
            speeds[name].append((trainer.tokens - tokens) / seconds)
    a, b = (statistics.median(values[1:]) for values in speeds.values())
    speeds = f"one by one {a:8,.0f} tokens/s   sorted in eights {b:8,.0f} tokens/s"
    print(f"{dtype:9} {speeds}   ratio {b / a:.2f}")


def main():
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--threads", type=int, default=2, help="(default: 2)")
    parser.add_argument("--rounds", type=int, default=7, help="(default: 7)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for experiment in (against_nano, sorted_rows):
        for dtype in ("float32", "bfloat16"):
            experiment(dtype, args.rounds)


if __name__ == "__main__":
    main()
