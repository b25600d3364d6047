"""One block or two on the village itself (chapter 5): avoidable bits of words that a story decides.

    OMP_NUM_THREADS=1 python benchmarks/depth.py                # adds what data/models/depth.jsonl lacks
    OMP_NUM_THREADS=1 python benchmarks/depth.py --steps 100 --log /tmp/depth.jsonl
    OMP_NUM_THREADS=1 python benchmarks/depth.py --long "two blocks"

Three shapes of GPT-2: one block, two blocks, and one block so wide that it has nearly as many weights as
the two. (The whole model has 14 % more than the one with two blocks, because its embedding is wider, too.)
Each learns from the same new stories, 16 a step and none twice; another seed means other stories, too. Each
is first tried at four learning rates with seed 0. Its best rate by the avoidable bits of the `tuning`
stories is then run with seeds 1 and 2. The table is measured on other stories, the words sorted by how far
back the story said them last. Some 40 minutes on one core. With --long a shape is trained five times as
long, at its best rate, with seed 0.
"""

import argparse
import time
from itertools import islice
from pathlib import Path

import torch
from inside import Look, story_batches
from logs import add_missing, read_rows

from companion.generation import LanguageModel
from companion.gpt import GPTConfig, gpt2
from companion.inside import ask
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer
from companion.village import DATA, load_split
from companion.village.excess import word_losses

LOG = DATA / "models" / "depth.jsonl"
SHAPES = {
    "one block": {"n_layers": 1, "d_model": 64, "n_heads": 4},
    "two blocks": {"n_layers": 2, "d_model": 64, "n_heads": 4},
    "one wide block": {"n_layers": 1, "d_model": 88, "n_heads": 4},
}
RATES = (3e-3, 6e-3, 1.2e-2, 2.4e-2)
SEEDS = (0, 1, 2)
STEPS = 2000
LONG = 10_000
TUNING, MEASURED = slice(200, 300), slice(0, 200)
"""Stories of the validation split: those that choose the rate, and those that are reported."""
REPEATED = ("name", "role", "thing", "color", "place", "goods", "mood", "weather", "day")
DISTANCES = (1, 4, 8, 16, 32)
"""The first distance of each group, in words, as in chapter 4."""


def decided(stories) -> list:
    """The words that the story has said before and of which the perfect reader is sure."""
    words = [word for story in stories for word in story]
    return [word for word in words if word.kind in REPEATED and word.back > 0 and word.unavoidable < 0.1]


def by_distance(words) -> dict[int, list]:
    """How many words each group has, their mean avoidable bits, and the standard error of this mean."""
    found = {}
    for first in DISTANCES:
        group = [word.excess for word in words if max(d for d in DISTANCES if d <= word.back) == first]
        bits = torch.tensor(group, dtype=torch.double)
        found[first] = [
            len(group),
            round(bits.mean().item(), 4),
            round(bits.std().item() / len(group) ** 0.5, 4),
        ]
    return found


def answers_right(model, look: Look) -> int:
    """How many of 200 questions the model answers with the right name."""
    rows, answers, choices = look.rows[-200:], look.answers[-200:], look.choices[-200:]
    said = ask(model, rows)  # (N, V)
    right = 0
    for i, names in enumerate(choices):
        picked = said[i, [look.token[name] for name in names]].argmax()
        right += names[int(picked)] == answers[i]
    return right


def run(shape: str, lr: float, seed: int, steps: int, tokenizer, look: Look) -> dict:
    """One training, and what it is worth."""
    torch.manual_seed(seed)
    model = gpt2(GPTConfig(vocab_size=tokenizer.vocab_size, context_length=256, dropout=0.0, **SHAPES[shape]))
    config = TrainConfig(steps=steps, batch_size=16, lr=lr, device="cpu", dtype="float32", seed=seed)
    trainer = Trainer(model, lambda first: islice(story_batches(tokenizer, seed=seed), first, None), config)
    begun = time.process_time()
    while trainer.steps < steps:
        trainer.step()
    seconds = round(time.process_time() - begun)
    teller = LanguageModel(model, tokenizer)
    stories = load_split("val")
    tuning = [word for story in word_losses(teller, stories[TUNING]) for word in story]
    measured = word_losses(teller, stories[MEASURED])
    words = [word for story in measured for word in story]
    return {
        "weights": sum(p.numel() for p in model.parameters()),
        "weights of blocks": sum(p.numel() for p in model.blocks.parameters()),
        "tuning": round(sum(word.excess for word in tuning) / len(tuning), 4),
        "avoidable": round(sum(word.excess for word in words) / len(words), 4),
        "decided": by_distance(decided(measured)),
        "right": answers_right(model, look),
        "seconds": seconds,
    }


def best_rate(shape: str, log: Path, steps: int) -> float:
    """The rate with the fewest avoidable bits in the stories that choose it, with seed 0."""
    rows = [row for row in read_rows(log) if (row["shape"], row["seed"], row["steps"]) == (shape, 0, steps)]
    return min(rows, key=lambda row: row["tuning"])["lr"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS, help=f"(default: {STEPS:,})")
    parser.add_argument("--long", action="append", choices=SHAPES, help="train this shape for long, seed 0")
    parser.add_argument("--log", type=Path, default=LOG, help="(default: data/models/depth.jsonl)")
    args = parser.parse_args()
    tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
    look = Look(tokenizer)

    def add(shape: str, lr: float, seed: int, steps: int = args.steps) -> None:
        key = {"shape": shape, "lr": lr, "seed": seed, "steps": steps}
        add_missing(args.log, key, lambda: run(shape, lr, seed, steps, tokenizer, look))

    if args.long:
        for shape in args.long:
            add(shape, best_rate(shape, args.log, args.steps), 0, LONG)
        return
    for shape in SHAPES:
        for lr in RATES:
            add(shape, lr, SEEDS[0])
    for shape in SHAPES:
        for seed in SEEDS[1:]:
            add(shape, best_rate(shape, args.log, args.steps), seed)


if __name__ == "__main__":
    main()
