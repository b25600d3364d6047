"""LoRA beside full fine-tuning, by rank, rate and place: chapter 17's figures.

    OMP_NUM_THREADS=1 python benchmarks/adapters.py         # every row that is missing, 45 minutes

A row is one training of the shipped model on `quizzes` (seed 170, 16 a step, each once), asked 300 others
(seed 171); with "other quizzes" the seeds are 1170 and 1171. `nats` is the mean surprise at a right answer's
tokens, `stories` at a token of 100 test stories with the adapter on, `early` the mean loss of the first five
steps. `thin`, for full fine-tuning: of what the 24 matrices changed by, the share (of the sum of squares)
that the best matrices of rank 1, 2, 4 … 32 hold.
Rows `told`: the adapter of the page with six seeds, and the shipped model (rank 0), each of which tells 100
stories at temperature 0.8. `grammar` is the share of sentences that are the village's. `consistent` is the
share of the stories that ended whose sentences are all the village's and none a contradiction.
Rows are appended to data/models/adapters.jsonl; those that are there are skipped.
"""

import time
from functools import cache, partial

import torch
from logs import add_missing

from companion import load
from companion.instructions import exact_matches, masked_batches, text_rows
from companion.lora import add_lora, linear_layers
from companion.training import TrainConfig, Trainer, next_token_loss
from companion.village import DATA, load_split
from companion.village.measures import village_scores
from companion.village.tasks import quizzes

LOG = DATA / "models" / "adapters.jsonl"
STEPS, BATCH, TESTED = 60, 16, 300
MLP, ATTENTION = ("up_proj", "down_proj"), ("q_proj", "k_proj", "v_proj", "o_proj")
ALL = ATTENTION + MLP
RANKS = (1, 2, 8, 16, 32)
PLACES = [(("q_proj", "v_proj"), 16), (ATTENTION, 8), (MLP, 7)]  # with about as many numbers as ALL at rank 4
ROWS = [("full", (), 0, 0, lr, 0) for lr in (1e-3, 3e-4, 1e-4, 3e-3, 1e-2)]
ROWS += [("lora", ALL, 4, 8, lr, 0) for lr in (5e-3, 5e-4, 1.5e-3, 1.5e-2, 5e-2)]
ROWS += [("lora", ALL, rank, 8, 5e-3, 0) for rank in RANKS]
ROWS += [("lora", ALL, rank, 2 * rank, 5e-3, 0) for rank in RANKS[:4]]
ROWS += [("lora", names, rank, 8, 5e-3, 0) for names, rank in PLACES]
ROWS += [("full", (), 0, 0, lr, 1) for lr in (1e-3, 3e-4)] + [("full", (), 0, 0, 1e-3, 2)]
ROWS += [("lora", ALL, rank, 8, 5e-3, 1) for rank in (1, 4, 32)]
CHOICES = [*PLACES, (ALL, 4)]
ROWS += [("lora", names, rank, 8, lr, 0) for names, rank in CHOICES for lr in (2.5e-3, 1e-2, 2e-2)]
# Of these rates, the one with the fewest nats.
BEST = [(*PLACES[0], 1e-2), (*PLACES[1], 1e-2), (*PLACES[2], 1e-2), (ALL, 4, 5e-3)]
ROWS += [("lora", names, rank, 8, lr, seed) for names, rank, lr in BEST for seed in (1, 2)]
# Controls: higher rates for queries and values; the constant factor with more seeds and a lower rate.
ROWS += [("lora", *PLACES[0], 8, 4e-2, 0), ("lora", *PLACES[0], 8, 2e-2, 1), ("lora", *PLACES[0], 8, 2e-2, 2)]
ROWS += [("lora", ALL, 16, 32, 5e-3, 1), ("lora", ALL, 1, 2, 5e-3, 1), ("lora", ALL, 16, 32, 1.5e-3, 0)]
ROWS += [("lora", ALL, rank, 2 * rank, 5e-3, seed) for rank, seed in ((16, 2), (1, 2), (32, 1), (32, 2))]
ROWS += [("lora", ALL, rank, 8, 5e-3, 2) for rank in (1, 32)]
# Queries and values once more, with the factor 2 that all layers have at rank 4.
ROWS += [("lora", *PLACES[0], 32, lr, 0) for lr in (2.5e-3, 5e-3, 1e-2, 2e-2)]
ROWS += [("lora", *PLACES[0], 32, lr, seed) for lr in (5e-3, 1e-2) for seed in (1, 2)]
# Six seeds for the comparison of rank 4 with all weights, each at two rates.
ROWS += [("lora", ALL, 4, 8, 5e-3, seed) for seed in (3, 4, 5)]
ROWS += [("full", (), 0, 0, 1e-3, seed) for seed in (3, 4, 5)]
ROWS += [("full", (), 0, 0, 3e-4, seed) for seed in (2, 3, 4, 5)]
ROWS += [("lora", ALL, 4, 8, 2.5e-3, seed) for seed in (1, 2, 3, 4, 5)]
ROWS += [("lora", ALL, 4, 8, 3.5e-3, seed) for seed in (0, 1, 2, 3, 4, 5)]
# The comparison once more, with other quizzes to learn from and others to be asked.
ROWS += [("lora, other quizzes", ALL, 4, 8, 5e-3, seed) for seed in range(6)]
ROWS += [("full, other quizzes", (), 0, 0, 3e-4, seed) for seed in range(6)]
ROWS += [("lora, other quizzes", *PLACES[0], 32, 1e-2, seed) for seed in range(3)]
TOLD = [("told", (), 0, 0, 0.0, 0)] + [("told", ALL, 4, 8, 5e-3, seed) for seed in range(6)]
TOLD_STORIES, TOLD_SEED = 100, 17
KEY = ("method", "names", "rank", "alpha", "lr", "seed")


def quiz_rows(quizzes: list, tokenizer) -> list[tuple[list[int], list[bool]]]:
    """(ids, learned) of each quiz: its answers are learned."""
    rows = []
    for pieces in quizzes:
        ids, learned = [tokenizer.special_tokens["<|endoftext|>"]], [False]
        for text, is_answer in pieces:
            new = tokenizer.encode(text)
            ids, learned = ids + new, learned + [is_answer] * len(new)
        rows.append((ids, learned))
    return rows


@cache
def examples(first: int) -> tuple:
    """Rows to learn from (seed `first`), rows with a question each to be asked (the next seed), stories."""
    tokenizer = load(DATA / "models" / "village", "cpu").tokenizer
    learned, asked = quizzes(STEPS * BATCH, first), [pieces[:2] for pieces in quizzes(TESTED, first + 1)]
    return (
        quiz_rows(learned, tokenizer),
        quiz_rows(asked, tokenizer),
        text_rows(load_split("test")[:100], tokenizer),
    )


@torch.no_grad()
def nats_of(model, rows: list) -> float:
    """The mean surprise at what rows have learned, in nats a token."""
    total, count, batches = 0.0, 0, masked_batches(rows, 20)
    for _ in range(len(rows) // 20):  # one pass
        nats, n = next_token_loss(model.eval(), next(batches))
        total, count = total + nats.item(), count + n
    return total / count


@torch.no_grad()
def thinness(model) -> list[float]:
    """The share of the change since the shipped model that matrices of rank 1, 2, 4 … hold."""
    before = linear_layers(load(DATA / "models" / "village", "cpu").model)
    shares = []
    for path, layer in linear_layers(model).items():
        squares = torch.linalg.svdvals(layer.weight - before[path].weight).square()
        shares.append((squares.cumsum(0) / squares.sum())[[0, 1, 3, 7, 15, 31]])
    return [round(share, 4) for share in torch.stack(shares).mean(0).tolist()]


def train(method: str, names: tuple, rank: int, alpha: float, lr: float, seed: int) -> tuple:
    """Train the shipped model once: the model, and the loss of each step."""
    learned, _, _ = examples(1170 if "other quizzes" in method else 170)
    torch.manual_seed(seed)
    model = load(DATA / "models" / "village", "cpu").model
    if names:
        add_lora(model, names, rank, alpha)
    config = TrainConfig(
        steps=STEPS, batch_size=BATCH, lr=lr, min_lr=0.0, warmup_steps=6, weight_decay=0.0, device="cpu",
        dtype="float32", seed=seed,
    )  # fmt: skip
    trainer = Trainer(model, partial(masked_batches, learned, BATCH, seed), config)
    return model, [trainer.step() for _ in range(STEPS)]


def told_row(method: str, names: tuple, rank: int, alpha: float, lr: float, seed: int) -> dict:
    """Train once, or not at all if the rank is 0; what the judge says of the stories that the model tells."""
    teller = load(DATA / "models" / "village", "cpu")
    if rank:
        teller.model, _ = train("lora", names, rank, alpha, lr, seed)
    scores = village_scores(teller, TOLD_STORIES, TOLD_SEED)
    return {
        "told": TOLD_STORIES, "ended": scores["ended"], "grammar": round(scores["grammar"], 4),
        "consistent": round(scores["consistent"], 4),
        "stories": round(nats_of(teller.model, examples(170)[2]), 4),
    }  # fmt: skip


def run_row(method: str, names: tuple, rank: int, alpha: float, lr: float, seed: int) -> dict:
    """Train once; what it came to."""
    _, asked, stories = examples(1170 if "other quizzes" in method else 170)
    begun = time.process_time()
    model, losses = train(method, names, rank, alpha, lr, seed)
    seconds = time.process_time() - begun
    return {
        "learns": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "early": round(sum(losses[:5]) / 5, 4), "right": exact_matches(model, asked).double().mean().item(),
        "nats": round(nats_of(model, asked), 5), "stories": round(nats_of(model, stories), 4),
        "thin": thinness(model) if not names else None, "seconds": round(seconds, 1),
    }  # fmt: skip


def main() -> None:
    for row in [*ROWS, *TOLD]:
        key = dict(zip(KEY, (row[0], list(row[1]), *row[2:]), strict=True))
        add_missing(LOG, key, partial(told_row if row in TOLD else run_row, *row))


if __name__ == "__main__":
    main()
