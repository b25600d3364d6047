"""Sizes times budgets on the village, one training a row: chapter 12's scaling law.

    python -m companion prepare village
    OMP_NUM_THREADS=1 python tests/benchmarks/scaling.py              # every row of the grid that is missing
    OMP_NUM_THREADS=1 python tests/benchmarks/scaling.py --held-out   # those that the law is to foretell
    python tests/benchmarks/scaling.py --table                        # what is there

A row is a GPT-2 of some size, trained on the village's 20,000 stories for a number of tokens with a whole
schedule of its own (warmup, then a cosine to 0 on the last step), evaluated on the shipped validation split
and appended to data/models/scaling.jsonl. Rows that are there are skipped, so that the command can be stopped
and run again. --tokens, --sizes and --log make other rows elsewhere, to try it out.
"""

import argparse
import json
import platform
import statistics
import time
from functools import partial
from pathlib import Path

import torch

from companion.datasets import encode_documents, load_prepared
from companion.gpt import GPT, GPTConfig, gpt2
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer, evaluate, training_batches
from companion.village import DATA, load_split
from companion.village.measures import gap_left, reference_lines

LOG = DATA / "models" / "scaling.jsonl"
SIZES = {"2x32": 2, "2x48": 2, "3x64": 2, "4x72": 2, "4x96": 2}
"""Blocks x width, and how many heads, of the grid."""
BUDGETS = [250_000, 500_000, 1_000_000, 2_000_000, 4_000_000]
HELD_OUT = {"6x160": (5, 1_500_000)}
"""Heads and tokens of the models that no law is fitted on."""
CONTEXT = 256
BATCH = 16
EARLY = 25
"""Steps whose mean loss a row notes, so that the chapter can train as many and compare."""
PIECES = 10
"""Equal stretches of a training whose mean losses a row notes."""


def shape(size: str, n_heads: int, vocab_size: int) -> GPTConfig:
    """The configuration of a size such as 4x96: blocks x width."""
    n_layers, d_model = (int(part) for part in size.split("x"))
    return GPTConfig(vocab_size, CONTEXT, n_layers, n_heads, d_model)


def matrix_parameters(model: GPT) -> int:
    """Weights that are multiplied with every token: the blocks' matrices, and the tied rows once, as the head.

    Not in it: positions, biases and the vectors of norms, and the rows as a table to look up in.
    """
    return sum(p.numel() for p in model.blocks.parameters() if p.ndim == 2) + model.embed.token.weight.numel()


def steps_for(split, tokens: int) -> int:
    """Steps that see about so many tokens: a row is a story."""
    return max(2, round(tokens / (BATCH * (len(split.tokens) - 1) / (len(split.starts) - 1))))


def make_trainer(model: GPT, split, seed: int, steps: int, lr: float | None = None) -> Trainer:
    """AdamW as in the preset `village`; its rate belongs to a width of 96 and goes with 1 / width."""
    lr = min(1e-2, 3.5e-3 * 96 / model.config.d_model) if lr is None else lr
    config = TrainConfig(
        steps=steps, batch_size=BATCH, context_length=CONTEXT, lr=lr, min_lr=0.0,
        warmup_steps=min(100, max(1, steps // 20)), seed=seed, device="cpu", dtype="float32",
    )  # fmt: skip
    return Trainer(model, partial(training_batches, split, config), config)


def early_loss(config: GPTConfig, seed: int, steps: int) -> float:
    """The mean loss of the first steps of so many on the shipped stories, as the chapter computes it again."""
    tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
    torch.manual_seed(seed)
    trainer = make_trainer(gpt2(config), encode_documents(load_split("train"), tokenizer), seed, steps)
    return round(statistics.mean(trainer.step() for _ in range(min(EARLY, steps))), 4)


def run_row(size: str, n_heads: int, seed: int, tokens: int, corpus, lines, held_out: bool) -> dict:
    """Train one row; what it came to."""
    config = shape(size, n_heads, corpus.tokenizer.vocab_size)
    torch.manual_seed(seed)
    model = gpt2(config)
    trainer = make_trainer(model, corpus.train, seed, steps_for(corpus.train, tokens))
    steps, begun, clock = trainer.config.steps, time.process_time(), time.perf_counter()
    while trainer.steps < steps:
        trainer.step()
    seconds, clock = time.process_time() - begun, time.perf_counter() - clock
    loss = evaluate(model, corpus.val, CONTEXT)
    ends = [round(steps * i / PIECES) for i in range(PIECES + 1)]
    curve = [statistics.mean(trainer.losses[a:b]) for a, b in zip(ends, ends[1:], strict=False) if a < b]
    return {
        "size": size, "budget": tokens, "seed": seed, "held_out": held_out,
        "n_layers": config.n_layers, "d_model": config.d_model, "n_heads": n_heads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "matrix_parameters": matrix_parameters(model), "tokens": trainer.tokens, "steps": steps,
        "lr": round(trainer.config.lr, 6), "nats_per_token": round(loss.nats_per_token, 5),
        "bits_per_byte": round(loss.bits_per_byte, 5), "gap": round(gap_left(loss.bits_per_byte, lines), 4),
        "early": early_loss(config, seed, steps), "curve": [round(nats, 3) for nats in curve],
        "seconds": round(seconds, 1), "wall_seconds": round(clock, 1),
        "tokens_per_second": round(trainer.tokens / seconds),
        "machine": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, "
        f"{torch.get_num_threads()} thread, float32, PyTorch {torch.__version__.split('+')[0]}",
    }  # fmt: skip


def read_rows(log: Path) -> list[dict]:
    """The rows of a log, none if it is not there."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []


def table(rows: list[dict]) -> str:
    """One line a size, one column a budget: nats per token, and the share of the village's gap left."""
    budgets = sorted({row["budget"] for row in rows})
    found = [f"{'size':7}{'matrices':>9}" + "".join(f"{budget:>16,}" for budget in budgets)]
    for size, N in sorted({(row["size"], row["matrix_parameters"]) for row in rows}, key=lambda pair: pair[1]):
        cells = []
        for budget in budgets:
            mine = [row for row in rows if row["size"] == size and row["budget"] == budget]
            nats, gap = (statistics.mean(row[key] for row in mine or [{key: 0}]) for key in NUMBERS)
            cells.append(f"{nats:8.3f} ({gap:5.2f})" if mine else " " * 16)
        found.append(f"{size:7}{N:9,}" + "".join(cells))
    return "\n".join(line.rstrip() for line in found)


NUMBERS = ("nats_per_token", "gap")


def main():
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="size", help=", ".join(SIZES))
    parser.add_argument("--held-out", action="store_true", help=f"instead: {', '.join(HELD_OUT)}")
    parser.add_argument("--tokens", type=int, nargs="+", default=BUDGETS, help="budgets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="(default: 0)")
    parser.add_argument("--data", type=Path, default=Path("runs/data/village"))
    parser.add_argument("--log", type=Path, default=LOG, help="(default: data/models/scaling.jsonl)")
    parser.add_argument("--table", action="store_true", help="print what is in the log, and train nothing")
    args = parser.parse_args()
    if args.table:
        print(table(read_rows(args.log)))
        return
    if unknown := [size for size in args.sizes if size not in SIZES]:
        parser.error(f"no size is called {unknown[0]!r}; there are {', '.join(SIZES)}")
    rows = [(size, SIZES[size], tokens) for tokens in args.tokens for size in args.sizes]
    if args.held_out:
        given = args.tokens if args.tokens != BUDGETS else None
        rows = [(size, h, n) for size, (h, usual) in HELD_OUT.items() for n in given or [usual]]
    corpus, lines = load_prepared(args.data), reference_lines()
    for seed in args.seeds:
        for size, n_heads, tokens in rows:
            key = (size, tokens, seed)
            if any((row["size"], row["budget"], row["seed"]) == key for row in read_rows(args.log)):
                continue
            row = run_row(size, n_heads, seed, tokens, corpus, lines, args.held_out)
            with args.log.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{size}, {tokens:,} tokens, seed {seed}: {row['nats_per_token']:.3f} nats per token, gap left "
                  f"{row['gap']:.3f}, {row['tokens_per_second']:,} tokens/s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
