"""A state against attention, in equal time: chapter 22's figure.

    OMP_NUM_THREADS=1 python benchmarks/recurrent.py            # every row missing; 40 minutes or more
    OMP_NUM_THREADS=1 python benchmarks/recurrent.py --memory   # only the memory task; 10 minutes
    OMP_NUM_THREADS=1 python benchmarks/recurrent.py --rates    # only the other learning rates; 13 minutes

A row is one training of a model of `MODELS`, about 555,000 parameters each, on the village's training split,
for so many `seconds` of processor time; the learning rate rises for 50 steps and falls with the time
that is used. `bits` is the loss on the validation split in bits per byte, `early` the mean loss of the first
20 steps. `right` and `words` count recalled words that the story has said before, by how many tokens back:
below 8, 16, 32, 64, and further. A word is right when the model, given the story before it, would have said
each of its tokens. `of_kind` of these words got one of the right kind, a name for a name; `says` are the
answers at the first ten (rows from before this was logged lack both).

A row with `task` "memory" is one training of an LSTM of 32 numbers on the chapter's task: say after forty
empty tokens which of eight tokens came first. `forget_bias` is the forget gate's bias at the start, `rate`
the learning rate, `right` the share of right answers in ten batches of 64 that end with each step of `at`.

A row with `task` "rates" is one training of a model of `MODELS` at another learning rate, `rate`, with as
many steps as the logged run of 80 seconds with the same seed had, however long they take.

Rows are appended to data/models/recurrent.jsonl; those that are there are skipped.
"""

import argparse
import math
import time
from bisect import bisect_right
from functools import partial

import torch
import torch.nn.functional as F
from logs import add_missing, read_rows
from torch import nn

from companion import village
from companion.attention import CausalSelfAttention
from companion.datasets import bits_per_byte, document_rows, encode_documents, random_batches
from companion.embeddings import TokenEmbedding
from companion.gpt import GPTConfig, gpt2
from companion.recurrent import RecurrentModel
from companion.tokenization import Tokenizer
from companion.village import DATA, load_split

LOG = DATA / "models" / "recurrent.jsonl"
SECONDS, BATCH, WARMUP, EDGES = 80, 4, 50, [8, 16, 32, 64]


def lstm() -> RecurrentModel:
    return RecurrentModel(TokenEmbedding(1024, 128), nn.LSTM(128, 256, batch_first=True))


def lstm_that_keeps() -> RecurrentModel:
    """The LSTM whose forget gates are at sigma(4) = 0.982 before training: half is left after 38 tokens."""
    model = lstm()
    with torch.no_grad():
        model.cell.bias_ih_l0[256:512], model.cell.bias_hh_l0[256:512] = 4.0, 0.0
    return model


def lstm_and_attention() -> RecurrentModel:
    cell = nn.LSTM(128, 192, batch_first=True)
    return RecurrentModel(TokenEmbedding(1024, 128), cell, CausalSelfAttention(192, 4))


def gpt():
    return gpt2(GPTConfig(vocab_size=1024, context_length=256, n_layers=2, n_heads=4, d_model=128))


MODELS = {
    "LSTM": (lstm, 1e-2),
    "LSTM, bias 4": (lstm_that_keeps, 1e-2),
    "LSTM + attention": (lstm_and_attention, 5e-3),
    "GPT": (gpt, 5e-3),
}
ROWS = [(name, seed, SECONDS) for seed in range(3) for name in MODELS] + [("LSTM, bias 4", 0, 4 * SECONDS)]


MEMORY_BATCHES = 10
"""Batches of the memory task over which the share of right answers is a mean."""

MEMORY_ROWS = []
for seed in range(5):
    at = (250, 500, 1000) if seed < 2 else (250,)
    MEMORY_ROWS += [(bias, 1e-2, seed, at) for bias in (0.0, 1.0, 2.0, 5.0)]
for other_rate in (3e-3, 3e-2):
    MEMORY_ROWS += [(bias, other_rate, seed, (250,)) for seed in range(3) for bias in (0.0, 1.0, 2.0, 5.0)]
for low_rate in (3e-3, 1e-3):
    MEMORY_ROWS += [(bias, low_rate, seed, (500, 1000)) for seed in range(3) for bias in (0.0, 1.0)]


RATE_ROWS = [
    ("GPT", 1e-2, 0), ("LSTM + attention", 1e-2, 0), ("GPT", 2.5e-3, 0), ("LSTM + attention", 2e-2, 0),
    ("LSTM", 2e-2, 0), ("LSTM", 5e-3, 0),
    ("LSTM, bias 4", 5e-3, 0), ("LSTM, bias 4", 2e-2, 0),
]  # fmt: skip
"""Other learning rates than those of `MODELS`, with a seed."""


def rate_now(rate: float, steps: int, share: float) -> float:
    """The learning rate after so many steps, with this share of the time used."""
    return rate * min(1, (steps + 1) / WARMUP) * (0.05 + 0.475 * (1 + math.cos(math.pi * share)))


def trained(name: str, seed: int, seconds: float, split, rate: float = 0.0, steps: int = 0) -> tuple:
    """A model after so many seconds of processor time, the losses of its steps, and the tokens it saw.

    rate: The learning rate, or 0 for that of `MODELS`.
    steps: Train for so many steps instead, however long they take. With 0, the time counts.
    """
    make, own_rate = MODELS[name]
    rate = rate or own_rate
    torch.manual_seed(seed)
    model, losses, tokens, used = make(), [], 0, 0.0
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    batches = random_batches(split.tokens, BATCH, 256, torch.Generator().manual_seed(seed), split.starts)
    share = 0.0
    while share < 1:
        begun = time.process_time()
        optimizer.param_groups[0]["lr"] = rate_now(rate, len(losses), share)
        x, y = next(batches)
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        tokens, used = tokens + int((y >= 0).sum()), used + time.process_time() - begun
        share = len(losses) / steps if steps else used / seconds
    return model.eval(), losses, tokens


@torch.no_grad()
def measured(model, split, places: list, decode) -> dict:
    """Bits per byte; recalled words right and in all, by distance; how many of their kind; answers."""
    nats, likeliest, right, words = 0.0, [], [0] * (len(EDGES) + 1), [0] * (len(EDGES) + 1)
    pairs = []  # what was said, what was true
    for first in range(0, len(split.starts) - 1, 25):
        x, y = document_rows(split.tokens, split.starts, range(first, first + 25))
        logits = model(x)
        nats += F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum").item()
        likeliest += logits.argmax(-1).tolist()
    for story, first, last, back in places:
        true = split.tokens[split.starts[story] + first : split.starts[story] + last + 1].tolist()
        said = likeliest[story][first - 1 : last]
        right[bisect_right(EDGES, back)] += said == true
        words[bisect_right(EDGES, back)] += 1
        pairs.append((decode(said).strip(), decode(true).strip()))
    return {
        "bits": round(bits_per_byte(nats, split.n_bytes), 4), "right": right, "words": words,
        "of_kind": sum(any({a, b} <= {*kind} for kind in village.KINDS.values()) for a, b in pairs),
        "says": [said for said, _ in pairs[:10]],
    }  # fmt: skip


def run_row(name: str, seed: int, seconds: float, rate: float = 0.0, n_steps: int = 0) -> dict:
    """Train once; what it came to. The last two arguments are as for `trained`."""
    tokenizer, texts = Tokenizer.load(DATA / "village" / "tokenizer.json"), load_split("val")
    train, val = (encode_documents(documents, tokenizer) for documents in (load_split("train"), texts))
    model, losses, tokens = trained(name, seed, seconds, train, rate, n_steps)
    places = village.recalled_places(texts, val.starts, val.tokens, tokenizer.decode)
    return {
        "steps": len(losses), "tokens": tokens,
        "parameters": sum(p.numel() for p in model.parameters()), "early": round(sum(losses[:20]) / 20, 4),
        **measured(model, val, places, tokenizer.decode),
    }  # fmt: skip


def memory_row(forget_bias: float, rate: float, seed: int, at: tuple) -> dict:
    """Train an LSTM on the memory task; the share of right answers up to each step of `at`."""
    width = 32
    torch.manual_seed(seed)
    cell = nn.LSTM(8, width, batch_first=True)
    head = nn.Linear(width, 8)
    with torch.no_grad():
        cell.bias_ih_l0[width : 2 * width] = forget_bias  # the second block of rows is the forget gate
        cell.bias_hh_l0[width : 2 * width] = 0.0
    parameters = [*cell.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=rate)
    shares = []
    for _ in range(max(at)):
        first = torch.randint(8, (64,))  # (B,)
        x = torch.zeros(64, 41, 8)  # (B, T, d_in)
        x[:, 0] = F.one_hot(first, 8)
        out, _ = cell(x)
        logits = head(out[:, -1])  # (B, 8)
        loss = F.cross_entropy(logits, first)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        shares.append((logits.argmax(-1) == first).double().mean().item())
    right = []
    for steps in at:
        right.append(round(sum(shares[steps - MEMORY_BATCHES : steps]) / MEMORY_BATCHES, 3))
    return {"right": right}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", action="store_true", help="train only the rows of the memory task")
    parser.add_argument("--rates", action="store_true", help="train only the rows at other learning rates")
    args = parser.parse_args()
    everything = not (args.memory or args.rates)
    if args.memory or everything:
        for bias, rate, seed, at in MEMORY_ROWS:
            key = {"task": "memory", "forget_bias": bias, "rate": rate, "seed": seed, "at": list(at)}
            add_missing(LOG, key, partial(memory_row, bias, rate, seed, at))
    if everything:
        for name, seed, seconds in ROWS:
            key = {"model": name, "seed": seed, "seconds": seconds}
            add_missing(LOG, key, partial(run_row, *key.values()))
    if args.rates or everything:
        for name, rate, seed in RATE_ROWS:
            own = {"model": name, "seed": seed, "seconds": SECONDS}
            [at_own_rate] = [row for row in read_rows(LOG) if own.items() <= row.items()]
            key = {"task": "rates", "model": name, "seed": seed, "rate": rate}
            add_missing(LOG, key, partial(run_row, name, seed, SECONDS, rate, at_own_rate["steps"]))


if __name__ == "__main__":
    main()
