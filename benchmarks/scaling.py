"""Sizes times budgets on the village, one training a row: chapter 12's scaling law.

    python -m companion prepare village --stories 20000
    OMP_NUM_THREADS=1 python benchmarks/scaling.py              # every row of the grid that is missing
    OMP_NUM_THREADS=1 python benchmarks/scaling.py --times 3 --tokens 250000 500000 1000000
    OMP_NUM_THREADS=1 python benchmarks/scaling.py --held-out   # those that the law is to foretell

A row is a GPT-2 of some size, trained on 20,000 stories of the village for a number of tokens with a whole
schedule of its own (warmup, then a cosine to 0 on the last step), evaluated on the shipped validation split
and appended to data/models/scaling.jsonl. Rows that are there are skipped, so that the command can be stopped
and run again. --tokens, --sizes and --log make other rows elsewhere, to try it out.
"""

import argparse
import functools
import statistics
import time
from pathlib import Path

import torch
from logs import add_missing, steps_for

from companion.attention import tell
from companion.datasets import encode_documents, load_prepared
from companion.gpt import GPT, GPTConfig, gpt2
from companion.scaling import matrix_parameters
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer, evaluate, training_batches
from companion.village import DATA, load_split
from companion.village.measures import gap_left, reference_lines

LOG = DATA / "models" / "scaling.jsonl"
SIZES = ["2x32", "2x48", "3x64", "4x72", "4x96"]
"""Blocks x width, of the grid."""
BUDGETS = [250_000, 500_000, 1_000_000, 2_000_000, 4_000_000]
HELD_OUT = [("6x160", 2_000_000), ("4x96", 8_000_000)]
"""Sizes and tokens of the rows that no law is fitted on: four times as large, and twice as long."""
HEADS = {size: 2 for size in SIZES} | {"6x160": 5}
CONTEXT = 256
BATCH = 16
EARLY = 25
"""Steps whose mean loss a row notes, so that the chapter can train as many and compare."""
PIECES = 10
"""Equal stretches of a training whose mean losses a row notes."""


def shape(size: str, vocab_size: int) -> GPTConfig:
    """The configuration of a size such as 4x96: blocks x width."""
    n_layers, d_model = (int(part) for part in size.split("x"))
    return GPTConfig(vocab_size, CONTEXT, n_layers, HEADS[size], d_model)


def make_trainer(model: GPT, split, seed: int, steps: int, times: float = 1.0) -> Trainer:
    """AdamW as in the preset `village`; its rate belongs to a width of 96 and goes with 1 / width.

    times: what that rate is multiplied with.
    """
    lr = min(1e-2, 3.5e-3 * 96 / model.config.d_model) * times
    config = TrainConfig(
        steps=steps, batch_size=BATCH, context_length=CONTEXT, lr=lr, min_lr=0.0,
        warmup_steps=min(100, max(1, steps // 20)), seed=seed, device="cpu", dtype="float32",
    )  # fmt: skip
    return Trainer(model, functools.partial(training_batches, split, config), config)


@functools.cache
def shipped():
    """The shipped training split, in tokens."""
    return encode_documents(load_split("train"), Tokenizer.load(DATA / "village" / "tokenizer.json"))


def early_loss(config: GPTConfig, seed: int, steps: int, times: float = 1.0) -> float:
    """The mean loss of the first steps of so many on the shipped stories: the chapter computes it again."""
    torch.manual_seed(seed)
    trainer = make_trainer(gpt2(config), shipped(), seed, steps, times)
    return round(statistics.mean(trainer.step() for _ in range(min(EARLY, steps))), 4)


def run_row(size: str, tokens: int, seed: int, times: float, corpus, lines) -> dict:
    """Train one row; what it came to."""
    config = shape(size, corpus.tokenizer.vocab_size)
    torch.manual_seed(seed)
    model = gpt2(config)
    trainer = make_trainer(model, corpus.train, seed, steps_for(corpus.train, tokens, BATCH), times)
    steps, begun, clock = trainer.config.steps, time.process_time(), time.perf_counter()
    while trainer.steps < steps:
        trainer.step()
    seconds, clock = time.process_time() - begun, time.perf_counter() - clock
    loss = evaluate(model, corpus.val, CONTEXT)
    ends = [round(steps * i / PIECES) for i in range(PIECES + 1)]
    curve = [statistics.mean(trainer.losses[a:b]) for a, b in zip(ends, ends[1:], strict=False) if a < b]
    return {
        "held_out": (size, tokens) in HELD_OUT,
        "n_layers": config.n_layers, "d_model": config.d_model, "n_heads": config.n_heads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "matrix_parameters": matrix_parameters(model), "tokens": trainer.tokens, "steps": steps,
        "lr": round(trainer.config.lr, 6), "nats_per_token": round(loss.nats_per_token, 5),
        "bits_per_byte": round(loss.bits_per_byte, 5), "gap": round(gap_left(loss.bits_per_byte, lines), 4),
        "told": " ".join(tell(model, corpus.tokenizer, 60).split()),
        "early": early_loss(config, seed, steps, times), "curve": [round(nats, 3) for nats in curve],
        "seconds": round(seconds, 1), "wall_seconds": round(clock, 1),
        "tokens_per_second": round(trainer.tokens / seconds),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="size", help=", ".join(HEADS))
    parser.add_argument("--held-out", action="store_true", help="instead: 6x160, and 4x96 for 8M tokens")
    parser.add_argument("--tokens", type=int, nargs="+", default=BUDGETS, help="budgets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="(default: 0)")
    parser.add_argument("--times", type=float, default=1.0, help="multiplies the learning rate (default: 1)")
    parser.add_argument("--data", type=Path, default=Path("runs/data/village-20000"))
    parser.add_argument("--log", type=Path, default=LOG, help="(default: data/models/scaling.jsonl)")
    args = parser.parse_args()
    if unknown := [size for size in args.sizes if size not in HEADS]:
        parser.error(f"no size is called {unknown[0]!r}; there are {', '.join(HEADS)}")
    rows = HELD_OUT if args.held_out else [(size, tokens) for tokens in args.tokens for size in args.sizes]
    corpus, lines = load_prepared(args.data), reference_lines()
    for seed in args.seeds:
        for size, tokens in rows:
            key = {"size": size, "budget": tokens, "seed": seed, "times": args.times}
            add_missing(args.log, key, functools.partial(run_row, *key.values(), corpus, lines))


if __name__ == "__main__":
    main()
