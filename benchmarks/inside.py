"""What training makes when: the heads, the probe and the answers of chapter 14 along one training.

    OMP_NUM_THREADS=1 python benchmarks/inside.py               # writes data/models/inside.jsonl anew
    OMP_NUM_THREADS=1 python benchmarks/inside.py --steps 300 --log /tmp/inside.jsonl

A GPT-2 of the preset `village`'s shape reads new stories, 16 a step and none twice, with a whole schedule of
its own. At some twenty steps it stops and is looked into: a row of the log. The first row also has the mean
loss of the first 25 steps, which tests/chapters/test_inside.py computes again. Some ten minutes on one core.
"""

import argparse
import dataclasses
import math
import statistics
import time
from itertools import islice
from pathlib import Path

import torch
from logs import append_row, machine

from companion.cli._training_plan import PRESETS
from companion.datasets import pad_batch
from companion.gpt import GPT, GPTConfig, gpt2
from companion.inside import ask, attention_maps, head_scores, hidden_states, probe
from companion.tokenization import END_OF_TEXT, Tokenizer
from companion.training import TrainConfig, Trainer
from companion.village import DATA, KINDS, fresh, load_split, recalled_tokens
from companion.village.tasks import held

LOG = DATA / "models" / "inside.jsonl"
STEPS = 2000
EARLY = 25
"""Steps whose mean loss is noted, so that a test can train as many and compare."""
LOOKS = 20
"""Evaluations: the first before any step, the others evenly on a logarithmic axis."""
STORIES, QUESTIONS, PROBED = 60, 200, 800
"""Held-out stories; questions that are asked; questions that the probe is fitted on."""
SEED = 14


def story_batches(tokenizer, batch_size: int = 16, seed: int = SEED):
    """Endless batches (x, y), (B, T) each: new stories in the order in which the village tells them."""
    stories, end = fresh(seed), tokenizer.special_tokens[END_OF_TEXT]
    while True:
        rows = [[end, *tokenizer.encode(text), end] for text in islice(stories, batch_size)]
        tokens, mask = pad_batch(rows, end)
        yield tokens[:, :-1], tokens[:, 1:].masked_fill(~mask[:, 1:], -100)


def make_trainer(tokenizer, steps: int = STEPS) -> Trainer:
    """The preset's model and rates; the schedule belongs to so many steps."""
    preset = PRESETS["village"]
    torch.manual_seed(0)
    model = gpt2(GPTConfig(vocab_size=tokenizer.vocab_size, **preset.model))
    config = TrainConfig(**preset.train | {"steps": steps, "device": "cpu", "dtype": "float32"})
    return Trainer(model, lambda first: islice(story_batches(tokenizer), first, None), config)


def steps_to_look_at(steps: int) -> list[int]:
    """0, then some twenty steps, evenly on a logarithmic axis; the last is the last."""
    lowest = min(100, steps)
    ratio = (steps / lowest) ** (1 / (LOOKS - 2))
    return sorted({0, *(round(lowest * ratio**i) for i in range(LOOKS - 1))})


class Look:
    """The questions and stories that a model is looked at with, found once."""

    def __init__(self, tokenizer):
        self.end = tokenizer.special_tokens[END_OF_TEXT]
        self.token = {word: tokenizer.encode(word)[0] for word in self.words()}
        asked = held(PROBED + QUESTIONS, SEED + 1)
        self.rows = [[self.end, *tokenizer.encode(question.prompt)] for question in asked]
        self.answers = [question.answer for question in asked]
        self.choices = [question.choices for question in asked]
        texts = load_split("val")[:STORIES]
        stories = [[self.end, *tokenizer.encode(text)] for text in texts]
        self.stories, self.real = pad_batch(stories, self.end)
        flags = [
            recalled_tokens([text], [0], row, tokenizer.decode)
            for text, row in zip(texts, stories, strict=True)
        ]
        self.recalled = pad_batch([flag for flag, _ in flags], 0)[0].bool()
        self.recalled_words = sum(count for _, count in flags)

    def words(self):
        return [f" {word}" for kind in ("name", "thing") for word in KINDS[kind]]

    def masks(self, tokens: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """(query, key) of previous tokens and of a thing before its name, (B, T, T) each."""
        at = torch.arange(tokens.shape[1])
        previous = (at[:, None] - at == 1) & mask[:, :, None]
        names = torch.tensor([self.token[f" {name}"] for name in KINDS["name"]])
        things = torch.tensor([self.token[f" {thing}"] for thing in KINDS["thing"]])
        name, thing = torch.isin(tokens, names), torch.isin(tokens, things)
        return {"previous": previous, "thing": previous & name[:, :, None] & thing[:, None]}

    @torch.no_grad()
    def at(self, model: GPT) -> dict:
        """What is found in a model."""
        model.eval()
        logs = model(self.stories[:, :-1]).log_softmax(-1)
        bits = -logs.gather(-1, self.stories[:, 1:, None])[..., 0] / math.log(2)
        recalled, plain = self.recalled[:, 1:], self.real[:, 1:] & ~self.recalled[:, 1:]
        maps = attention_maps(model, self.stories)
        scores = {
            name: head_scores(maps, where) for name, where in self.masks(self.stories, self.real).items()
        }
        rows, answers = self.rows[PROBED:], self.answers[PROBED:]
        tokens, mask = pad_batch(rows, self.end)
        holders = torch.tensor([self.token[answer] for answer in answers])
        last = mask.sum(1) - 1
        where = torch.zeros(*tokens.shape, tokens.shape[1], dtype=torch.bool)
        others, each = torch.zeros_like(where), torch.arange(len(rows))
        names = torch.tensor([self.token[f" {name}"] for name in KINDS["name"]])
        where[each, last] = (tokens == holders[:, None]) & mask
        others[each, last] = torch.isin(tokens, names) & (tokens != holders[:, None]) & mask
        maps = attention_maps(model, tokens)
        scores |= {"holder": head_scores(maps, where), "others": head_scores(maps, others)}
        said, right = ask(model, rows), 0
        for i, choices in enumerate(self.choices[PROBED:]):
            picked = said[i, [self.token[choice] for choice in choices]].argmax()
            right += choices[int(picked)] == answers[i]
        return {
            "recalled_bits": round((bits[recalled].sum() / self.recalled_words).item(), 4),
            "other_bits": round(bits[plain].mean().item(), 4),
            "right": right / len(rows),
            "scores": {
                name: [[round(x, 3) for x in row] for row in s.tolist()] for name, s in scores.items()
            },
            "probe": [round(accuracy, 3) for accuracy in self.probed(model)],
        }

    def probed(self, model: GPT) -> list[float]:
        """The share of questions in which a linear probe names the holder from the state at the thing."""
        found = []
        for i in range(0, len(self.rows), 100):
            tokens, mask = pad_batch(self.rows[i : i + 100], self.end)
            found.append(hidden_states(model, tokens)[:, torch.arange(len(tokens)), mask.sum(1) - 1])
        states = torch.cat(found, dim=1)  # (L + 1, N, C)
        labels = torch.tensor([KINDS["name"].index(answer.strip()) for answer in self.answers])
        return [
            (probe(x[:PROBED], labels[:PROBED])(x[PROBED:]).argmax(-1) == labels[PROBED:])
            .double()
            .mean()
            .item()
            for x in states
        ]


def run(steps: int, log: Path) -> None:
    """Train, look, and write a row at each look."""
    tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
    trainer, look = make_trainer(tokenizer, steps), Look(tokenizer)
    log.unlink(missing_ok=True)
    begun = time.process_time()
    for step in steps_to_look_at(steps):
        before = trainer.steps
        while trainer.steps < step:
            trainer.step()
        loss = statistics.mean(trainer.losses[before:]) if step else None
        row = {"step": step, "tokens": trainer.tokens, "train": round(loss, 4) if step else None}
        row |= look.at(trainer.model)
        if not step:
            row |= {"steps": steps, "model": dataclasses.asdict(trainer.model.config), "machine": machine()}
        row["seconds"] = round(time.process_time() - begun, 1)
        if step and before == 0:
            row["early"] = round(statistics.mean(trainer.losses[:EARLY]), 4)
        append_row(log, row)
        print({name: row[name] for name in ("step", "recalled_bits", "other_bits", "right")}, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS, help=f"(default: {STEPS:,})")
    parser.add_argument("--log", type=Path, default=LOG, help="(default: data/models/inside.jsonl)")
    args = parser.parse_args()
    run(args.steps, args.log)


if __name__ == "__main__":
    main()
