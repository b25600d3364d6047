"""A dense model beside experts at equal active parameters, one training a row: chapter 24's figures.

    OMP_NUM_THREADS=1 python benchmarks/experts.py             # every row that is missing

A row is a training and a seed. The text is the village's shipped stories and as many tokens of Python's
manual (pydoc, in pieces of 200 tokens), which differs a little between Pythons, or the stories alone.
`wide` is dense with as many parameters in all as the experts; `dense, longer` makes the steps that dense
makes in the experts' time. The rows `rate 0` and `rate 0.01` differ only in the step of the biases. They
were trained later, on the manual of another Python, so they are comparable only with one another, and their
seconds with none; the batches of `rate 0.01, mixed` are not sorted by length. `dense, again`, `dense, 0.06`
and `unbalanced, 0.06` are on that manual as well, the last two at twice the learning rate; `rate 0` is their
`unbalanced` at the usual rate. `dense, stories, longer` makes the steps that dense makes in the experts' time
on the stories alone. `bits_per_byte` is on held-out stories and pieces; `gap`, for the stories alone, is what
is left of the way from the forgetful reader to the floor. `shares` has, for each kind of text and each layer,
the share of choices that each expert got at the end; `by_step` that of all tokens in the last layer, after
some steps. `early` is the mean loss of the first steps on the stories alone, which the chapter computes
again. Seconds are processor time.
"""

import random
import statistics
import time
from functools import cache, partial
from typing import NamedTuple

import torch
from logs import add_missing

from companion import BUILDERS
from companion.datasets import document_rows, encode_documents, load_text
from companion.experts import active_parameters
from companion.modern import Muon
from companion.runtime.runs.optimizers import beside_adamw
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer, evaluate, training_batches
from companion.village import DATA, floor, gap_left, load_split

LOG = DATA / "models" / "experts.jsonl"
SIZES = {"context_length": 256, "n_layers": 2, "n_heads": 2, "d_model": 96}
STEPS, BATCH, LR, PIECE, EARLY = 250, 16, 0.03, 200, 10


class Run(NamedTuple):
    """What a row trains, for how long, and on which text."""

    architecture: str
    config: dict = {}
    steps: int = STEPS
    text: str = "both"
    lr: float = LR
    pool: int = 8  # batches that are sorted by length together


RUNS = {
    "dense": Run("storyteller"),
    "experts": Run("experts"),
    "unbalanced": Run("experts", {"balance": 0.0}),
    "one": Run("experts", {"n_active": 1}),
    "one, unbalanced": Run("experts", {"n_active": 1, "balance": 0.0}),
    "wide": Run("storyteller", {"d_ff": 1024}),
    "dense, longer": Run("storyteller", steps=316),
    "dense, stories": Run("storyteller", text="village"),
    "experts, stories": Run("experts", text="village"),
}
for rate in (0.0, 0.01):
    RUNS[f"rate {rate:g}"] = Run("experts", {"balance": rate})
    RUNS[f"rate {rate:g}, one"] = Run("experts", {"n_active": 1, "balance": rate})
# Batches of both texts: without a pool, rows are not sorted by length, and so not by the kind of text.
RUNS["rate 0.01, mixed"] = Run("experts", {"balance": 0.01}, pool=1)
# The comparison at equal steps again, on the manual of the rows above and at twice the learning rate.
RUNS["dense, again"] = Run("storyteller")
RUNS["dense, 0.06"] = Run("storyteller", lr=0.06)
RUNS["unbalanced, 0.06"] = Run("experts", {"balance": 0.0}, lr=0.06)
# The comparison on the stories alone: in the time that the experts take, and at two other rates.
RUNS["dense, stories, longer"] = Run("storyteller", steps=350, text="village")
OTHER_RATES = []
for architecture, named in (("storyteller", "dense"), ("experts", "experts")):
    for lr in (0.015, 0.06):
        OTHER_RATES.append(f"{named}, stories, {lr:g}")
        RUNS[OTHER_RATES[-1]] = Run(architecture, text="village", lr=lr)
ONE_SEED = ("one", "one, unbalanced", "rate 0.01, mixed", *OTHER_RATES)
ROWS = [(name, seed) for name in RUNS for seed in (0, 1, 2) if seed == 0 or name not in ONE_SEED]
LOOKS = (0, 10, 25, 50, 100, 250)
"""Steps after which a row notes the shares."""


@cache
def texts() -> dict:
    """Splits to learn from and held-out ones, by the kind of text."""
    tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
    pieces = []
    for page in load_text("pydoc"):
        ids = tokenizer.encode(page)
        pieces += [tokenizer.decode(ids[i : i + PIECE]) for i in range(0, len(ids) - PIECE, PIECE)]
    random.Random(0).shuffle(pieces)
    stories, held_out = load_split("train"), load_split("val")[:200]
    encode = partial(encode_documents, tokenizer=tokenizer)
    return {
        "village": encode(stories),
        "both": encode(stories + 3 * pieces[100:]),
        "held out": {"village": encode(held_out), "manual": encode(pieces[:100])},
        "lines": {"forgetful reader": floor(held_out, forget=True), "floor": floor(held_out)},
    }


def make_trainer(name: str, split, seed: int) -> Trainer:
    """An untrained model of this name, and what trains it."""
    torch.manual_seed(seed)
    run = RUNS[name]
    config_class, build = BUILDERS[run.architecture]
    model = build(config_class(1024, **SIZES, **run.config))
    config = TrainConfig(
        steps=run.steps, batch_size=BATCH, lr=run.lr, min_lr=0.0, warmup_steps=20, seed=seed, device="cpu",
        dtype="float32",
    )  # fmt: skip
    batches = partial(training_batches, split, config, pool=run.pool)
    return Trainer(model, batches, config, optimizers=beside_adamw(Muon, model, run.lr))


@torch.no_grad()
def shares(model, split) -> list[list[float]]:
    """For each layer, the share of choices that each expert gets, over 50 rows without their padding."""
    x, y = document_rows(split.tokens, split.starts, range(50))
    chosen = []
    hooks = [
        block.mlp.router.register_forward_hook(lambda part, given, found: chosen.append(found[1]))
        for block in model.blocks
    ]
    model.eval()(x)
    for hook in hooks:
        hook.remove()
    n = model.config.n_experts
    real = [layer[y.flatten() != -100].flatten().bincount(minlength=n) for layer in chosen]
    return [[round(v, 4) for v in (taken / taken.sum()).tolist()] for taken in real]


def run_row(name: str, seed: int) -> dict:
    """Train once; what it came to."""
    kinds, steps, text = texts()["held out"], RUNS[name].steps, RUNS[name].text
    early = make_trainer(name, texts()["village"], seed)
    early = round(statistics.mean(early.step() for _ in range(EARLY)), 4)
    trainer, seconds, by_step = make_trainer(name, texts()[text], seed), 0.0, []
    model, routed = trainer.model, "n_experts" in vars(trainer.model.config)
    for step in range(steps + 1):
        if routed and step in LOOKS:
            each = [shares(model, split)[-1] for split in kinds.values()]
            by_step.append([step, [round(statistics.mean(v), 4) for v in zip(*each, strict=True)]])
        if step < steps:
            begun = time.process_time()
            trainer.step()
            seconds += time.process_time() - begun
    bits = {kind: round(evaluate(model, split, 256).bits_per_byte, 4) for kind, split in kinds.items()}
    row = {
        "steps": steps, "tokens": trainer.tokens, "early": early,
        "bits_per_byte": bits, "parameters": sum(p.numel() for p in model.parameters()),
        "active": active_parameters(model), "seconds": round(seconds, 1),
        "tokens_per_second": round(trainer.tokens / seconds),
    }  # fmt: skip
    if text == "village":
        row["gap"] = round(gap_left(bits["village"], texts()["lines"]), 4)
    if routed:
        row |= {"shares": {kind: shares(model, split) for kind, split in kinds.items()}, "by_step": by_step}
    return row


def main():
    for name, seed in ROWS:
        add_missing(LOG, {"row": name, "seed": seed}, partial(run_row, name, seed))


if __name__ == "__main__":
    main()
