"""Words hidden and sentences translated, each with and without what matters: chapter 23's figures.

    OMP_NUM_THREADS=1 python benchmarks/encoders.py         # every row that is missing, 18 minutes

A row is one training. kind "gaps": sentences of the village in which a name, a thing or a place stands twice,
15 % of their tokens hidden, by an encoder that sees the whole sentence ("both sides") or only what stands to
the left ("left"); or the same parts, that see the left and learn every next token ("next"). `right` and
`left`: bits for a hidden word whose other occurrence stands to its right or left, in held-out sentences.
`filled`: the three likeliest tokens for the gap in `OPENING`, with their probabilities.
kind "pairs": sentences into the chronicle's wording, by a decoder that looks at each word of the source
("words") or at their mean alone ("mean"). `exact`: share of held-out sentences translated word for word;
`short`, `long`: of the shorter and the longer half of these; `said`: what the first three became (not in
all of the controls).
`early`: mean loss of the first ten steps, `seconds` of processor time. `lr` is 0.006 except in the controls.
Rows are appended to data/models/encoders.jsonl; those that are there are skipped.
"""

import math
import time
from functools import cache, partial

import torch
import torch.nn.functional as F
from logs import add_missing

from companion.attention import CausalSelfAttention
from companion.datasets import pad_batch
from companion.encoders import (
    EncoderDecoder,
    encoder,
    encoder_decoder,
    gap_batches,
    gap_loss,
    pair_batches,
    pair_loss,
    translate,
)
from companion.gpt import GPTConfig
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer
from companion.village import DATA, load_split
from companion.village.tasks import chronicle, repeats

LOG = DATA / "models" / "encoders.jsonl"
GAP_STEPS, PAIR_STEPS, LR = 1500, 500, 6e-3
ROWS = [("gaps", sees, GAP_STEPS, seed, LR) for seed in (0, 1, 2) for sees in ("both sides", "left", "next")]
ROWS += [("pairs", sees, PAIR_STEPS, seed, LR) for seed in (0, 1, 2) for sees in ("words", "mean")]
ROWS += [("pairs", sees, 2 * PAIR_STEPS, seed, LR) for seed in (0, 1) for sees in ("words", "mean")]
ROWS += [("pairs", "mean", 6 * PAIR_STEPS, seed, LR) for seed in (0, 1, 2)]
# Controls: other learning rates.
ROWS += [("pairs", "mean", 6 * PAIR_STEPS, seed, 3e-3) for seed in (0, 1, 2)]
ROWS += [
    ("pairs", sees, PAIR_STEPS, seed, lr)
    for lr in (3e-3, 1.2e-2)
    for seed in (0, 1, 2)
    for sees in ("words", "mean")
]
ROWS += [("gaps", "left", GAP_STEPS, seed, 3e-3) for seed in (2, 0, 1)]
ROWS += [("pairs", "mean", PAIR_STEPS, seed, 1.5e-3) for seed in (0, 1, 2)]
KEY = ("kind", "sees", "steps", "seed", "lr")
OPENING = "Then the baker Mara came to the mill, and everybody saw the red kite Mara brought."
"""The first " Mara" is the gap with which the chapter begins."""

tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
END, MASK = tokenizer.special_tokens["<|endoftext|>"], tokenizer.vocab_size


class LeftAttention(CausalSelfAttention):
    """The causal mask again, in an encoder's blocks; padding, on the right, is never seen."""

    def forward(self, x, mask=None):
        return super().forward(x)


class OneVector(EncoderDecoder):
    """The decoder is given the mean of the encoder's vectors, and nothing else."""

    def encode(self, source, real):
        kept = self.encoder.hidden(source, real) * real[..., None]  # (B, Ts, C)
        return kept.sum(1, keepdim=True) / real.sum(1)[:, None, None], None  # (B, 1, C)


@cache
def data() -> tuple[list, list]:
    """Pairs of rows of tokens to learn from, and others to be asked."""
    encode = tokenizer.to_tiktoken().encode_ordinary
    learned, asked = (
        [(encode(one), encode(other)) for one, other in chronicle(load_split(split))]
        for split in ("train", "val")
    )
    seen = {tuple(one) for one, _ in learned}
    return learned, [pair for pair in asked if tuple(pair[0]) not in seen]


def settings(steps: int, lr: float, seed: int) -> TrainConfig:
    return TrainConfig(steps=steps, lr=lr, seed=seed, device="cpu", dtype="float32")


def next_batches(rows, batch_size, seed, first=0):
    """gap_batches, but what is to be said at each place is the next token."""
    for x, y, real in gap_batches(rows, MASK, END, batch_size, seed, first):
        tokens = torch.where(y == -100, x, y)
        before = F.pad(tokens, (1, 0), value=END)[:, :-1]
        yield before, tokens.masked_fill(~real, -100), real


@torch.no_grad()
def gap_logits(model, asked: list, side: int, sees: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, V) at a hidden word, and the word; side 0: its other occurrence is to the right; 1: left."""
    tokens, real = pad_batch([gap[0] for gap in asked], END)
    each, at = torch.arange(len(asked)), torch.tensor([gap[1 + side] for gap in asked])
    truth = tokens[each, at]
    if sees == "next":
        tokens = F.pad(tokens, (1, 0), value=END)[:, :-1]
    else:
        tokens = tokens.index_put((each, at), torch.tensor(MASK))
    return model(tokens, real)[each, at], truth


def filled(model, sees: str) -> list:
    """What is likeliest in the gap of `OPENING`: three tokens with their probabilities."""
    [gap] = repeats([tokenizer.encode(OPENING)], tokenizer)
    shares, ids = gap_logits(model, [gap], 0, sees)[0][0].softmax(-1).topk(3)
    return [[tokenizer.decode([i]), round(p, 3)] for p, i in zip(shares.tolist(), ids.tolist(), strict=True)]


@torch.no_grad()
def exact(model, pairs: list) -> dict:
    """Shares of pairs whose translation is right, word for word; and what the first three became."""
    source, real = pad_batch([one for one, _ in pairs], END)
    said = translate(model, source, END, real).tolist()
    cut = [row[: row.index(END)] if END in row else row for row in said]
    right = [row == other for row, (_, other) in zip(cut, pairs, strict=True)]
    by_length = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))
    half = len(pairs) // 2
    parts = {"exact": by_length, "short": by_length[:half], "long": by_length[-half:]}
    shares = {name: round(sum(right[i] for i in part) / len(part), 4) for name, part in parts.items()}
    return shares | {"said": [tokenizer.decode(row) for row in cut[:3]]}


def train(kind: str, sees: str, steps: int, seed: int, lr: float) -> dict:
    """One training: its row."""
    learned, asked = data()
    torch.manual_seed(seed)
    if kind == "gaps":
        rows = [row for row, _, _ in repeats([one for one, _ in learned], tokenizer)]
        config = GPTConfig(vocab_size=MASK + 1, context_length=32, n_layers=2, n_heads=4, d_model=64)
        model = encoder(config) if sees == "both sides" else encoder(config, LeftAttention)
        batches = partial(next_batches, rows, 32, seed)
        if sees != "next":
            batches = partial(gap_batches, rows, MASK, END, 32, seed)
        trainer = Trainer(model, batches, settings(steps, lr, seed), gap_loss)
    else:
        config = GPTConfig(vocab_size=MASK, context_length=32, n_layers=1, n_heads=4, d_model=64)
        model = encoder_decoder(config, OneVector if sees == "mean" else EncoderDecoder)
        batches = partial(pair_batches, learned, END, 16, seed)
        trainer = Trainer(model, batches, settings(steps, lr, seed), pair_loss)
    begun = time.process_time()
    losses = [trainer.step() for _ in range(steps)]
    row = {"seconds": round(time.process_time() - begun, 1), "early": round(sum(losses[:10]) / 10, 4)}
    row["late"] = round(sum(losses[-50:]) / 50, 4)
    model.eval()
    if kind == "gaps":
        gaps = list(repeats([one for one, _ in asked], tokenizer))
        for i, side in enumerate(("right", "left")):
            nats = F.cross_entropy(*gap_logits(model, gaps, i, sees)).item()
            row[side] = round(nats / math.log(2), 3)
        row["filled"] = filled(model, sees)
        return row | {"gaps": len(gaps), "parameters": sum(p.numel() for p in model.parameters())}
    row |= exact(model, asked) | {"pairs": len(asked)}
    return row | {"parameters": sum(p.numel() for p in model.parameters())}


def main() -> None:
    torch.set_num_threads(1)
    for values in ROWS:
        key = dict(zip(KEY, values, strict=True))
        add_missing(LOG, key, partial(train, *values))


if __name__ == "__main__":
    main()
