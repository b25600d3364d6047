"""Excess bits: what words cost a model beyond what the perfect reader pays, kind by kind.

    OMP_NUM_THREADS=1 python benchmarks/excess.py               # adds what data/models/excess.jsonl lacks
    OMP_NUM_THREADS=1 python benchmarks/excess.py --steps 300 --log /tmp/excess.jsonl

Two sorts of rows. `training`: the shape, the batches and the rates of the long run (`data/models/village`)
from its first step on, with stories that are never seen twice; the run is cut after --steps of its 24,000
steps. `model`: the models that ship. All are measured on the first stories of the validation split. Some 25
minutes on one core, of which the models take two. A model's avoidable bits a word, those of each kind of word
and of the four `groups` of chapter 7 have 95 % intervals from the bootstrap: whole stories are drawn anew,
because the words of a story are not independent.
"""

import argparse
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from inside import story_batches
from logs import add_missing

import companion
from companion.generation import LanguageModel
from companion.gpt import GPTConfig, gpt2
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer
from companion.village import DATA, load_split
from companion.village import excess as excess_bits
from companion.village.excess import WordLoss, interval_of, parts, word_losses

LOG = DATA / "models" / "excess.jsonl"
RUN = DATA / "models" / "village"
LOOKS = (10, 30, 100, 270, 800, 2700)
"""Steps after which the training is measured; the last three took the long run 1, 3 and 10 minutes."""
MODELS = ("village", "storyteller", "answerer", "rewarded")
STORIES = 300
NUMBERS = ("number", "count", "sum", "difference", "several", "few")
FILLED = ("name", "role", "thing", "color", "place", "goods", "mood", "weather", "day")
"""Kinds of words, as chapter 7 puts them together."""


def kind_and_told(word: WordLoss) -> str:
    """A word's kind, and whether the story has said it before."""
    return f"{word.kind}, {'told' if word.back else 'new'}"


def read_once() -> None:
    """From here on the perfect reader reads each story once, however many models are measured on it.

    All of them must have the same tokenizer: that of the village.
    """
    read = excess_bits.read_words_and_tokens
    known = {}

    def read_a_story_once(text, tokenizer):
        if text not in known:
            known[text] = read(text, tokenizer)
        return known[text]

    excess_bits.read_words_and_tokens = read_a_story_once


def group_of(word: WordLoss) -> str:
    """What a word asks of its reader, as in chapter 7's figure."""
    if word.kind in NUMBERS:
        return "numbers"
    if word.kind in FILLED:
        return "told before" if word.back else "new"
    return "patterns"


def rounded(interval: tuple[float, float]) -> list[float]:
    """An interval as the log has it."""
    return [round(end, 4) for end in interval]


def with_intervals(
    stories: list[list[WordLoss]], key: Callable[[WordLoss], str], before: list[list[WordLoss]] | None = None
) -> dict[str, dict]:
    """The parts of the avoidable bits, each with its interval.

    Args:
        stories: From `word_losses`.
        key: Gives the part that a word belongs to.
        before: The same stories' losses by another model. Then each part also has `more`, its avoidable bits
            beyond those of the other model, with an interval.

    Returns:
        For each part, that with the most avoidable bits first: its words, and in bits a word the unavoidable
        and the avoidable ones.
    """
    rows = {}
    for name, part in parts(stories, key).items():
        row = {"words": part.words, "unavoidable": round(part.unavoidable, 4)}
        row |= {"avoidable": round(part.excess, 4), "interval": rounded(part.interval)}
        if before is not None:
            more, words = [], []  # of each story
            for story, earlier in zip(stories, before, strict=True):
                pairs = [pair for pair in zip(story, earlier, strict=True) if key(pair[0]) == name]
                more.append(sum(word.excess for word, _ in pairs) - sum(word.excess for _, word in pairs))
                words.append(len(pairs))
            more = torch.tensor(more, dtype=torch.double)  # (N,)
            interval = interval_of(more, torch.tensor(words))
            row |= {"more": round(more.sum().item() / part.words, 4), "more_interval": rounded(interval)}
        rows[name] = row
    return rows


def measured(teller: LanguageModel) -> dict:
    """What the words of the first stories cost: for each story, and for each part of the words."""
    stories = word_losses(teller, load_split("val")[:STORIES])
    split = parts(stories, kind_and_told)
    return {
        "words": [len(story) for story in stories],
        "excess": [round(sum(word.excess for word in story), 3) for story in stories],
        "unavoidable": round(sum(word.unavoidable for story in stories for word in story), 3),
        "parts": {
            name: [part.words, round(part.unavoidable, 4), round(part.excess, 4)]
            for name, part in split.items()
        },
        "all": with_intervals(stories, lambda word: "all")["all"],
        "groups": with_intervals(stories, group_of),
        "kinds": with_intervals(stories, lambda word: word.kind),
    }


def train(steps: int, log: Path) -> None:
    """The beginning of the long run, measured on its way."""
    tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
    saved = json.loads((RUN / "config.json").read_text("utf-8"))
    shape = {name: value for name, value in saved["config"].items() if name != "architecture"}
    rates = saved["provenance"]["train"] | {"device": "cpu", "dtype": "float32"}
    torch.manual_seed(rates["seed"])
    model = gpt2(GPTConfig(**shape))
    trainer = Trainer(
        model,
        lambda first: islice(story_batches(tokenizer, rates["batch_size"]), first, None),
        TrainConfig(**rates),
    )
    for step in (look for look in LOOKS if look <= steps):
        while trainer.steps < step:
            trainer.step()
        key = {"what": "training", "step": step, "tokens": trainer.tokens}
        add_missing(log, key, lambda: measured(LanguageModel(model, tokenizer)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=LOOKS[-1], help=f"(default: {LOOKS[-1]:,})")
    parser.add_argument("--log", type=Path, default=LOG, help="(default: data/models/excess.jsonl)")
    args = parser.parse_args()
    read_once()
    for name in MODELS:
        folder = DATA / "models" / name
        key = {"what": "model", "model": name}
        add_missing(args.log, key, lambda folder=folder: measured(companion.load(folder, device="cpu")))
    train(args.steps, args.log)


if __name__ == "__main__":
    main()
