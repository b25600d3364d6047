"""Tokens of training per second of processor time, against nanoGPT's own model and optimizer, in one run.

    git clone https://github.com/karpathy/nanoGPT
    python benchmarks/training.py nanoGPT [--threads 2] [--rounds 7] [--d-model 128]

Same shape (4 layers, 128 wide, 4 heads, 1,024 tokens in the vocabulary), same batches (8 rows of 256
tokens), same optimizer settings, same type; its step is that of its train.py on a CPU: forward, backward,
clipping, AdamW. Each has a process of its own, as its users run it. The two take turns, a few steps each, so
that a slow spell of the machine hits both; each round gives a ratio of processor times, and their median is
printed. ATEN_CPU_CAPABILITY=avx2 and
ONEDNN_MAX_CPU_ISA=AVX2 in the environment show a processor without AVX-512.

The second table is about rows of different lengths, one document a row: tokens of text (padding not
counted) per second when batches are drawn one by one, and when companion's training_batches draws eight and
sorts them by length.
"""

import argparse
import dataclasses
import importlib.util
import multiprocessing
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from companion.datasets import Split, random_batches
from companion.gpt import GPTConfig, gpt2
from companion.runtime.models.devices import DTYPES
from companion.training import TrainConfig, Trainer, training_batches

SHAPE = GPTConfig(vocab_size=1024, context_length=256, n_layers=4, n_heads=4, d_model=128)
STEPS = 12


def nano_gpt(folder: Path, config: GPTConfig, lr: float = 3e-3, bias: bool = True):
    """nanoGPT's own model of that shape and its own optimizer, from a clone of its repository."""
    spec = importlib.util.spec_from_file_location("nanogpt", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["nanogpt"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    c = config
    shape = {"n_layer": c.n_layers, "n_head": c.n_heads, "n_embd": c.d_model, "dropout": 0.0, "bias": bias}
    model = module.GPT(module.GPTConfig(block_size=c.context_length, vocab_size=c.vocab_size, **shape))
    return model, model.configure_optimizers(0.1, lr, (0.9, 0.99), "cpu")


def nano_steps(model, optimizer, batches, dtype, steps: int = STEPS):
    """Seconds of processor time for so many updates."""
    start = time.process_time()
    for _ in range(steps):
        x, y = next(batches)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            _, loss = model(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return time.process_time() - start


def our_steps(trainer, steps: int = STEPS):
    """Seconds of processor time for so many updates."""
    start = time.process_time()
    for _ in range(steps):
        trainer.step()
    return time.process_time() - start


def answer(pipe, folder: Path | None, dtype: str, shape: GPTConfig, compiled: bool, threads: int) -> None:
    """A process: send the number of parameters; then take numbers of steps and send their seconds; 0 ends.

    folder: nanoGPT's clone; None: companion's own model and trainer.
    """
    torch.set_num_threads(threads)
    split = windows(200_000)
    torch.manual_seed(0)
    if folder:
        model, optimizer = nano_gpt(folder, shape)
        batches = random_batches(split.tokens, 8, 256, torch.Generator().manual_seed(0))
        run = torch.compile(model) if compiled else model
        work = partial(nano_steps, run, optimizer, batches, DTYPES[dtype])
    else:
        config = TrainConfig(
            steps=10**6, batch_size=8, context_length=256, dtype=dtype, device="cpu", compile=compiled
        )
        model = gpt2(shape)
        work = partial(our_steps, Trainer(model, partial(training_batches, split, config), config))
    pipe.send(sum(p.numel() for p in model.parameters()))
    while steps := pipe.recv():
        pipe.send(work(steps))


def against_nano(
    dtype: str, rounds: int, folder: Path, shape: GPTConfig, compiled: bool = False, steps: int = STEPS
) -> dict:
    """A row of the first table, printed as well. compiled: both by torch.compile."""
    context, both = multiprocessing.get_context("spawn"), []
    for nano in (None, folder):
        here, there = context.Pipe()
        arguments = (there, nano, dtype, shape, compiled, torch.get_num_threads())
        context.Process(target=answer, args=arguments, daemon=True).start()
        both.append(here)
    ours, theirs = (pipe.recv() for pipe in both)
    assert ours == theirs, (ours, theirs)  # parameters

    def turn(pipe):
        pipe.send(steps)
        return pipe.recv()

    [turn(pipe) for pipe in both]
    pairs = [[turn(pipe) for pipe in both] for _ in range(rounds)]
    [pipe.send(0) for pipe in both]
    tokens = steps * 8 * 256
    ours, theirs = (tokens / statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    mode = "compiled" if compiled else "eager"
    speeds = f"companion {ours:8,.0f} tokens/s   nanoGPT {theirs:8,.0f} tokens/s"
    print(f"{dtype:9} {mode:9} {speeds}   ratio {ratio:.2f}", flush=True)
    return {
        "what": f"{dtype}, {mode}",
        "ours": round(ours),
        "theirs": round(theirs),
        "ratio": round(ratio, 3),
    }


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("nanogpt", type=Path, help="a clone of nanoGPT")
    parser.add_argument("--d-model", type=int, default=128, help="(default: 128)")
    parser.add_argument("--threads", type=int, default=2, help="(default: 2)")
    parser.add_argument("--rounds", type=int, default=7, help="(default: 7)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shape = dataclasses.replace(SHAPE, d_model=args.d_model, d_ff=None)
    print(f"this processor: {torch.backends.cpu.get_cpu_capability()}, {args.threads} threads")
    for dtype in ("float32", "bfloat16"):
        against_nano(dtype, args.rounds, args.nanogpt, shape)
    for dtype in ("float32", "bfloat16"):
        sorted_rows(dtype, args.rounds)


if __name__ == "__main__":
    main()
