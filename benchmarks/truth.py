"""Learning from the truth: how many stories a sampled label costs, for chapter 7's last question.

    OMP_NUM_THREADS=1 python benchmarks/truth.py            # adds what data/models/truth.jsonl lacks

A row is a GPT of two blocks, trained on some stories of the training split. Its targets are the tokens that
come next ("samples"), or the perfect reader's distribution of the next token ("truth"). The inputs, their
order, the initial weights and the optimizer are the same. A row has the mean Kullback-Leibler divergence of
the model from the perfect reader on held-out stories, in bits a word: the avoidable bits that are to be
expected. Of the looks on its way a run keeps the best, chosen on other held-out stories. Seed 0 chooses the
rate of each kind of targets among three, once with 240 stories that are read ten times, and once with 600
stories that are read once. Some 15 minutes of processor time on one core.
"""

from functools import cache
from itertools import islice
from random import Random

import torch
from logs import add_missing, read_rows

from companion.datasets import pad_batch
from companion.gpt import GPTConfig, gpt2
from companion.tokenization import END_OF_TEXT, Tokenizer
from companion.training import TrainConfig, Trainer, next_token_loss
from companion.village import DATA, load_split
from companion.village.reader import read_tokens

LOG = DATA / "models" / "truth.jsonl"
RATES = (0.004, 0.01, 0.025)
SEEDS = (0, 1, 2)
BATCH, LOOKS = 4, 4
FEW = (("truth", 240, 600), ("samples", 240, 600), ("samples", 480, 600))
FRESH = (("truth", 600, 150), ("samples", 600, 150), ("samples", 1200, 300))
"""Kinds of targets, stories and steps. FEW stories are read many times, FRESH ones once."""
TUNED_AT = {FEW: 240, FRESH: 600}
"""The stories of the runs that try all rates."""
STOP, MEASURE = slice(0, 30), slice(30, 130)
"""Stories of the validation split that choose the best look, and that measure it."""

tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
END = tokenizer.special_tokens[END_OF_TEXT]


@cache
def read_truth(text: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The perfect reader's distributions of a story: places, tokens, and their probabilities."""
    places, tokens, probabilities = [], [], []
    for place, distribution in enumerate(read_tokens(text, tokenizer)):
        places += [place] * len(distribution)
        tokens += distribution.keys()
        probabilities += distribution.values()
    return torch.tensor(places), torch.tensor(tokens), torch.tensor(probabilities)


def sampled_batch(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stories as inputs and next tokens, (B, T) each; the loss ignores -100."""
    rows = [[END, *tokenizer.encode(text), END] for text in texts]
    tokens, mask = pad_batch(rows, END)
    return tokens[:, :-1], tokens[:, 1:].masked_fill(~mask[:, 1:], -100)


def true_batch(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stories as inputs, (B, T), and the true distributions of their next tokens, (B, T, V)."""
    inputs, _ = sampled_batch(texts)
    truth = torch.zeros(*inputs.shape, tokenizer.vocab_size)
    for row, text in enumerate(texts):
        places, tokens, probabilities = read_truth(text)
        truth[row, places, tokens] = probabilities
    return inputs, truth


def soft_target_loss(model, batch) -> tuple[torch.Tensor, int]:
    """Sum of the cross-entropies with the true distributions, and how many there are. Padding is 0."""
    inputs, truth = batch
    log_probabilities = model(inputs).log_softmax(-1)  # (B, T, V)
    return -(truth * log_probabilities).sum(), int(truth.sum(-1).round().sum())


@torch.no_grad()
def avoidable_bits(model, texts: list[str]) -> float:
    """Mean divergence of the model from the perfect reader, in bits for each word and each end."""
    nats, words = 0.0, 0
    model.eval()
    for first in range(0, len(texts), 10):
        batch = true_batch(texts[first : first + 10])
        cross_entropy, _ = soft_target_loss(model, batch)
        nats += (cross_entropy + torch.special.xlogy(batch[1], batch[1]).sum()).item()
        words += sum(len(text.split(" ")) + 1 for text in texts[first : first + 10])
    return nats / torch.tensor(2.0).log().item() / words


def batches_of(texts: list[str], seed: int, make_batch):
    """Endless batches that go through the stories in a new order each time."""
    rng, waiting = Random(seed), []
    while True:
        while len(waiting) < BATCH:
            waiting += rng.sample(texts, len(texts))
        yield make_batch(waiting[:BATCH])
        waiting = waiting[BATCH:]


def run_row(targets: str, stories: int, steps: int, lr: float, seed: int) -> dict:
    """Train one model; the look at which it was best."""
    texts = Random(seed).sample(load_split("train"), stories)
    make_batch = true_batch if targets == "truth" else sampled_batch
    torch.manual_seed(seed)
    model = gpt2(GPTConfig(tokenizer.vocab_size, 256, 2, 2, 64))
    config = TrainConfig(
        steps=steps, batch_size=BATCH, lr=lr, min_lr=0.0, warmup_steps=30, seed=seed,
        device="cpu", dtype="float32",
    )  # fmt: skip
    trainer = Trainer(
        model,
        lambda first: islice(batches_of(texts, seed, make_batch), first, None),
        config,
        loss=soft_target_loss if targets == "truth" else next_token_loss,
    )
    val = load_split("val")
    looks = []
    for look in range(1, LOOKS + 1):
        while trainer.steps < steps * look // LOOKS:
            trainer.step()
        looks.append((avoidable_bits(model, val[STOP]), trainer.steps))
        if looks[-1] == min(looks):
            best = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.load_state_dict(best)
    return {
        "best_step": min(looks)[1], "avoidable": round(avoidable_bits(model, val[MEASURE]), 4),
        "looks": [round(bits, 4) for bits, _ in looks], "tokens": trainer.tokens,
    }  # fmt: skip


def add(**key) -> None:
    """A row, if the log lacks it."""
    add_missing(LOG, key, lambda: run_row(**key))


def best_rate(rows: list[dict], targets: str, stories: int) -> float:
    """The rate of seed 0's best row, by the stories that choose."""
    key = {"targets": targets, "stories": stories, "seed": 0}
    return min((row for row in rows if key.items() <= row.items()), key=lambda row: min(row["looks"]))["lr"]


def main():
    for cells in (FEW, FRESH):
        for targets, stories, steps in cells:
            if stories == TUNED_AT[cells]:
                for lr in RATES:
                    add(targets=targets, stories=stories, steps=steps, lr=lr, seed=0)
            lr = best_rate(read_rows(LOG), targets, TUNED_AT[cells])
            for seed in SEEDS:
                add(targets=targets, stories=stories, steps=steps, lr=lr, seed=seed)


if __name__ == "__main__":
    main()
