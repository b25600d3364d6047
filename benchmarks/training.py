"""Tokens of training per second of processor time, against nanoGPT's model and optimizer: a part of peers.py.

Same shape (4 layers, 128 wide, 4 heads, 1,024 tokens in the vocabulary), same batches (8 rows of 256
tokens), same optimizer settings, same type; its step is that of its train.py on a CPU: forward, backward,
clipping, AdamW. Each has a process of its own, as its users run it. The two take turns, a few steps each, so
that a slow spell of the machine hits both; each round gives a ratio of processor times, and their median is
kept.
"""

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
ROUNDS, STEPS = 7, 6
"""Turns of each, and steps in a turn."""


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


def nano_step(model, optimizer, batches, dtype) -> None:
    """One update, as nanoGPT's train.py makes it on a CPU."""
    x, y = next(batches)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        _, loss = model(x, y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def answer(pipe, folder: Path | None, dtype: str, compiled: bool, threads: int) -> None:
    """A process: send the number of parameters, and then the seconds of each turn that is asked for.

    folder: nanoGPT's clone; None: companion's own model and trainer.
    """
    torch.set_num_threads(threads)
    split = windows(200_000)
    torch.manual_seed(0)
    if folder:
        model, optimizer = nano_gpt(folder, SHAPE)
        batches = random_batches(split.tokens, 8, 256, torch.Generator().manual_seed(0))
        run = torch.compile(model) if compiled else model
        step = partial(nano_step, run, optimizer, batches, DTYPES[dtype])
    else:
        config = TrainConfig(
            steps=10**6, batch_size=8, context_length=256, dtype=dtype, device="cpu", compile=compiled
        )
        model = gpt2(SHAPE)
        step = Trainer(model, partial(training_batches, split, config), config).step
    pipe.send(sum(p.numel() for p in model.parameters()))
    while pipe.recv():
        begun = time.process_time()
        for _ in range(STEPS):
            step()
        pipe.send(time.process_time() - begun)


def against_nano(dtype: str, folder: Path, compiled: bool) -> dict:
    """Tokens per second of both, and the median of the rounds' ratios. compiled: both by torch.compile."""
    context = multiprocessing.get_context("spawn")
    both = []
    for nano in (None, folder):
        here, there = context.Pipe()
        arguments = (there, nano, dtype, compiled, torch.get_num_threads())
        context.Process(target=answer, args=arguments, daemon=True).start()
        both.append(here)
    ours, theirs = (pipe.recv() for pipe in both)
    assert ours == theirs, (ours, theirs)  # parameters
    rounds = []
    for _ in range(ROUNDS + 1):
        seconds = []
        for pipe in both:
            pipe.send(True)
            seconds.append(pipe.recv())
        rounds.append(seconds)
    for pipe in both:
        pipe.send(False)
    rounds = rounds[1:]  # the first one warms up
    ours, theirs = (STEPS * 8 * 256 / statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    return {
        "what": f"{dtype}, {'compiled' if compiled else 'eager'}",
        "ours": round(ours),
        "theirs": round(theirs),
        "ratio": round(statistics.median(b / a for a, b in rounds), 3),
    }


def windows(n_tokens: int) -> Split:
    """One long document of random tokens."""
    tokens = np.random.default_rng(0).integers(1, 1024, n_tokens).astype(np.uint16)
    tokens[[0, -1]] = 0
    return Split(tokens, np.array([0, n_tokens - 1]), 3 * n_tokens)
