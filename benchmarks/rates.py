"""The best learning rate at three widths, with one rate for all weights and with muP's: chapter 12's table.

    python -m companion prepare village --stories 20000
    OMP_NUM_THREADS=1 python benchmarks/rates.py            # every row that is missing, 12 minutes

A row is a GPT-2 of two blocks, trained on 20,000 stories of the village for 150,000 tokens with a warmup and
a cosine to 0, and evaluated on the shipped validation split. muP's base width is 96, so that at 96 both are
the same. Rows are appended to data/models/rates.jsonl; those that are there are skipped.
"""

import argparse
import itertools
from functools import partial
from pathlib import Path

import torch
from logs import add_missing, steps_for

from companion.datasets import load_prepared
from companion.gpt import GPTConfig, gpt2
from companion.scaling import mup_init, mup_optimizer
from companion.training import TrainConfig, Trainer, evaluate, make_optimizer, training_batches
from companion.village import DATA

LOG = DATA / "models" / "rates.jsonl"
BASE, HEAD, BATCH = 96, 48, 16
SEEDS = (0, 1, 2)
RATES = [1.75e-3, 3.5e-3, 7e-3, 1.4e-2, 2.8e-2, 5.6e-2]
ROWS = [("one rate", 48), ("one rate", 96), ("one rate", 192), ("muP", 48), ("muP", 192)]


def run_row(rule: str, width: int, lr: float, tokens: int, seed: int, corpus) -> dict:
    """Train one row; what it came to."""
    torch.manual_seed(seed)
    model = gpt2(GPTConfig(corpus.tokenizer.vocab_size, 256, 2, width // HEAD, width))
    split = corpus.train
    steps = steps_for(split, tokens, BATCH)
    config = TrainConfig(
        steps=steps, batch_size=BATCH, lr=lr, min_lr=0.0, warmup_steps=max(1, steps // 20), seed=seed,
        device="cpu", dtype="float32",
    )  # fmt: skip
    if rule == "muP":
        optimizer = mup_optimizer(mup_init(model, BASE), config, BASE)
    else:
        optimizer = make_optimizer(model, config)
    trainer = Trainer(model, partial(training_batches, split, config), config, optimizers=[optimizer])
    while trainer.steps < steps:
        trainer.step()
    nats = evaluate(model, corpus.val, config.context_length).nats_per_token
    return {"tokens": trainer.tokens, "nats_per_token": round(nats, 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tokens", type=int, default=150_000, help="of a row (default: 150,000)")
    parser.add_argument("--data", type=Path, default=Path("runs/data/village-20000"))
    parser.add_argument("--log", type=Path, default=LOG, help="(default: data/models/rates.jsonl)")
    args = parser.parse_args()
    corpus = load_prepared(args.data)
    for seed, (rule, width), lr in itertools.product(SEEDS, ROWS, RATES):
        key = {"rule": rule, "width": width, "lr": lr, "budget": args.tokens, "seed": seed}
        add_missing(args.log, key, partial(run_row, *key.values(), corpus))


if __name__ == "__main__":
    main()
