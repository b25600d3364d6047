"""Excess bits: what a model pays beyond the perfect reader."""

import json
import re
from math import log2
from pathlib import Path

import pytest
import torch

from companion.tokenization import Tokenizer
from companion.village import DATA, bits, load_split
from companion.village.excess import WordLoss, parts, word_losses
from companion.village.reader import END, read_tokens

TEXTS = load_split("val")[:3]
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


class Teller:
    """A model that predicts with the perfect reader's odds, mixed with a share of blind guessing."""

    def __init__(self, blind: float):
        self.tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
        self.end = self.tokenizer.end
        self.model = Mixed(self.tokenizer, blind)


class Mixed(torch.nn.Module):
    def __init__(self, tokenizer, blind):
        super().__init__()
        self.tokenizer, self.blind = tokenizer, blind
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, ids):
        assert ids[0, 0] == self.tokenizer.end
        odds = torch.full((ids.shape[1], self.tokenizer.vocab_size), self.blind / self.tokenizer.vocab_size)
        text = self.tokenizer.decode(ids[0, 1:].tolist())
        for row, distribution in zip(odds, read_tokens(text, self.tokenizer), strict=True):
            for token, p in distribution.items():
                row[token] += (1 - self.blind) * p
        return odds.log()[None]


def test_the_perfect_reader_pays_nothing_beyond_itself():
    stories = word_losses(Teller(0.0), TEXTS)
    for words, text in zip(stories, TEXTS, strict=True):
        assert " ".join(word.word for word in words[:-1]) == text and words[-1].word == END
        assert sum(word.unavoidable for word in words) == pytest.approx(bits(text))
        assert all(word.excess == pytest.approx(0, abs=1e-4) for word in words)


def test_a_model_in_training_stays_so_and_a_text_that_is_no_story_changes_nothing():
    teller = Teller(0.5)
    teller.model.train()
    word_losses(teller, TEXTS[:1])
    with pytest.raises(ValueError, match="cannot come"):
        word_losses(teller, ["Once the zebra Mara slept."])
    assert teller.model.training


def test_a_blind_guess_pays_the_logarithm_of_the_vocabulary():
    teller = Teller(1.0)
    stories = word_losses(teller, TEXTS)
    tokens = len(teller.tokenizer.encode(TEXTS[0])) + 1
    assert sum(word.loss for word in stories[0]) == pytest.approx(tokens * log2(1024), rel=1e-5)
    split = parts(stories, lambda word: word.kind)
    assert sum(part.share for part in split.values()) == pytest.approx(1)
    assert sum(part.words for part in split.values()) == sum(map(len, stories))
    assert list(split.values()) == sorted(split.values(), key=lambda part: -part.share)
    assert split["end"].unavoidable == 0 and split["end"].excess == pytest.approx(10, rel=1e-5)


def test_the_interval_of_a_part_is_the_bootstrap_over_whole_stories():
    """Each of two stories pays for its words: three bits for two, and seven for four."""
    costs = [[1, 2], [1, 1, 2, 3]]
    stories = [[WordLoss("key", "thing", 0, 0.0, cost) for cost in story] for story in costs]
    (part,) = parts(stories, lambda word: word.kind).values()
    assert part.excess == pytest.approx(10 / 6)
    assert part.interval == (3 / 2, 7 / 4)  # either story may be drawn twice
    rare = [[], stories[0]]
    assert parts(rare, lambda word: word.kind)["thing"].interval == (3 / 2, 3 / 2)


def test_the_page_of_benchmarks_says_what_the_log_says():
    """Words, avoidable bits and interval of each part, for each model that tells stories."""
    lines = (DATA / "models" / "excess.jsonl").read_text("utf-8").splitlines()
    models = [row for row in map(json.loads, lines) if row["what"] == "model"]
    section = PAGE.read_text("utf-8").partition("## What the models that ship pay")[2].partition("\n## ")[0]
    header, _, *table = [line for line in section.splitlines() if line.startswith("|")]
    assert [name.strip() for name in header.split("|")[3:-1]] == [row["model"] for row in models]
    assert len(table) == 11
    for line in table:
        name, words, *cells = [cell.strip() for cell in line.split("|")[1:-1]]
        for cell, row in zip(cells, models, strict=True):
            part = (
                row["groups"].get(name) or row["kinds"].get(name.removesuffix("s")) or row["kinds"].get(name)
            )
            part = row["all"] if name == "all" else part
            said = [float(number) for number in re.findall(r"-?\d\.\d+", cell.replace("−", "-"))]
            assert int(words.replace(",", "")) == part["words"]
            assert said == pytest.approx([part["avoidable"], *part["interval"]], abs=0.0006)
