"""Five ways to learn who sings, with 100, 1,000 and 10,000 labels: chapter 15's figure.

    OMP_NUM_THREADS=1 python benchmarks/labels.py           # every row that is missing, twenty minutes
    OMP_NUM_THREADS=1 python benchmarks/labels.py --draws   # the rows of ten hundreds, five minutes

A row is one classifier, trained on the first labels of `singers` (seed 16) and asked about 1,000 others (seed
17). `twins` has a digit for each pair of twins: how many of the two it got right. Rows are appended to
data/models/labels.jsonl; those that are there are skipped.

Two more controls are no lines of the figure. `word pairs` counts neighboring words instead of single words,
with a head on the 3,000 most frequent pairs. `from scratch, rate ...` is the new network at another learning
rate, for one pass over 10,000 labels.

`--draws` asks how much the choice of a hundred labels matters: `head, draws` and `last block, draws`
learn from ten different hundreds, and `draw` says which (0 is the hundred of the figure).
"""

import argparse
import itertools
import time
from collections import Counter
from functools import cache, partial

import torch
from logs import add_missing

from companion import load
from companion.classification import (
    Classifier,
    TextClassifier,
    class_batches,
    class_loss,
    depth_groups,
    fit_head,
    freeze,
    read_states,
    word_counts,
)
from companion.gpt import gpt2
from companion.runtime.text.documents import words_of
from companion.training import TrainConfig, Trainer
from companion.village import DATA
from companion.village.tasks import singers

LOG = DATA / "models" / "labels.jsonl"
ARMS = ["words", "word pairs", "from scratch", "head", "last block", "all"]
OTHER_RATES = {"from scratch, rate 0.0003": 3e-4, "from scratch, rate 0.003": 3e-3}  # with 10,000 labels only
SIZES = {100: (10, 3), 1000: (2, 2), 10_000: (1, 1)}  # labels -> (passes over them, seeds)
N_DRAWS, DRAWN = 10, 100  # hundreds of labels, and labels in each
MOST, TESTED, BATCH, LR = 10_000, 1000, 16, 1e-3


@cache
def examples() -> tuple:
    """(training texts, their labels, texts to be asked about, theirs)."""
    train, test = singers(MOST, 16), singers(TESTED, 17)
    texts = [[text for text, _ in part] for part in (train, test)]
    return texts[0], torch.tensor([y for _, y in train]), texts[1], torch.tensor([y for _, y in test])


@cache
def states() -> tuple[torch.Tensor, torch.Tensor]:
    """What the shipped model's last token knows of each text, training and test."""
    teller, (train, _, test, _) = load(DATA / "models" / "village", "cpu"), examples()
    reader = TextClassifier(Classifier(teller.model, 2), teller.tokenizer, ["no", "yes"])
    return tuple(read_states(reader.classifier, reader.rows(texts)) for texts in (train, test))


def count_pairs(texts: list[str], pairs: list | None = None) -> tuple[torch.Tensor, list]:
    """How often each pair of neighboring words occurs in each text, (N, P), and the pairs.

    pairs: Those to count. None for the 3,000 most frequent ones that occur twice or more.
    """
    found = []
    for text in texts:
        words = words_of(text)
        found.append(Counter(zip(words, words[1:], strict=False)))
    if pairs is None:
        total = Counter()
        for one in found:
            total.update(one)
        pairs = [pair for pair, often in total.most_common(3000) if often > 1]
    counts = torch.zeros(len(texts), len(pairs))
    column = {pair: i for i, pair in enumerate(pairs)}
    for row, one in enumerate(found):
        for pair, often in one.items():
            if pair in column:
                counts[row, column[pair]] = often
    return counts, pairs


def trained(arm: str, n: int, passes: int, seed: int, first: int) -> tuple[torch.Tensor, float]:
    """(scores of the tests, mean loss of the first ten steps) of a network that learned.

    first: Where its n labels begin.
    """
    train, labels, test, _ = examples()
    train = train[first : first + n]
    labels = labels[first : first + n]
    lr = OTHER_RATES.get(arm, LR)
    new = arm.startswith("from scratch")
    torch.manual_seed(seed)
    teller = load(DATA / "models" / "village", "cpu")
    model = gpt2(teller.model.config) if new else teller.model
    freeze(model, {"last block": len(model.blocks) - 1}.get(arm, 0))
    classifier = Classifier(model, 2)
    reader = TextClassifier(classifier, teller.tokenizer, ["no", "yes"])
    steps = -(-n // BATCH) * passes
    config = TrainConfig(
        steps=steps, batch_size=BATCH, lr=lr, min_lr=0.0, warmup_steps=steps // 10, seed=seed,
        device="cpu", dtype="float32",
    )  # fmt: skip
    groups = depth_groups(classifier, lr, factor=1.0 if new else 0.5)
    optimizer = torch.optim.AdamW(groups, betas=config.betas, weight_decay=0.01)
    batches = partial(class_batches, reader.rows(train), labels, BATCH, seed, False)
    trainer = Trainer(classifier, batches, config, class_loss, [optimizer])
    losses = [trainer.step() for _ in range(steps)]
    with torch.no_grad():
        return classifier.head(read_states(classifier, reader.rows(test))), sum(losses[:10]) / 10


def run_row(arm: str, n: int, passes: int, seed: int, first: int = 0) -> dict:
    """Train one classifier on n labels, of which the first has this number; what it came to."""
    train, labels, test, truth = examples()
    begun, early = time.perf_counter(), None
    learned = slice(first, first + n)
    if arm == "words":
        counts, words = word_counts(train[learned])
        scores = fit_head(counts, labels[learned], 2)(word_counts(test, words)[0])
    elif arm == "word pairs":
        counts, pairs = count_pairs(train[learned])
        scores = fit_head(counts, labels[learned], 2)(count_pairs(test, pairs)[0])
    elif arm == "head":
        scores = fit_head(states()[0][learned], labels[learned], 2)(states()[1])
    else:
        scores, early = trained(arm, n, passes, seed, first)
    right = (scores.argmax(1) == truth).view(-1, 2).sum(1)  # (pairs,)
    return {
        "passes": passes, "early": early and round(early, 4),
        "accuracy": right.sum().item() / TESTED, "twins": "".join(map(str, right.tolist())),
        "seconds": round(time.perf_counter() - begun, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", action="store_true", help="ten hundreds of labels")
    if parser.parse_args().draws:
        passes, _ = SIZES[DRAWN]
        for way, draw in itertools.product(("head", "last block"), range(N_DRAWS)):
            key = {"arm": f"{way}, draws", "labels": DRAWN, "seed": 0, "draw": draw}
            add_missing(LOG, key, partial(run_row, way, DRAWN, passes, 0, draw * DRAWN))
        return
    for n, (passes, seeds) in SIZES.items():
        for arm in [*ARMS, *(OTHER_RATES if n == MOST else ())]:
            tried = seeds if arm in ("from scratch", "last block", "all") else 1
            taken = 2 * passes if (arm, n) == ("from scratch", 10_000) else passes
            for seed in range(tried):
                key = {"arm": arm, "labels": n, "seed": seed}
                add_missing(LOG, key, partial(run_row, arm, n, taken, seed))


if __name__ == "__main__":
    main()
