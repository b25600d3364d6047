"""The measurements: their parts run without a peer, and the grid of the scaling law is whole."""

import itertools
import math
import sys

import pytest
import torch

from companion.datasets import prepare
from companion.gpt import gpt2
from companion.tokenization import Tokenizer
from companion.village import DATA, load_split

TINY = {"n_layers": 1, "n_heads": 2, "d_model": 8}


@pytest.mark.gate
def test_a_contest_gives_each_its_seconds(scripts):
    quality = scripts("quality")
    documents = [f"The lamp number {i} is red, and the key of door {i} is blue. " * 4 for i in range(30)]
    train, val = quality.corpus(documents, 270)
    assert len(val.starts) - 1 == 3
    torch.manual_seed(0)
    settings = {"batch_size": 2, "context_length": 16, "lr": 0.03, "weight_decay": 0.0}
    contestants = [quality.ours(train, "float32", TINY, **settings)]
    [before] = quality.measure(contestants, val, 0)
    assert before["tokens"] == 0 and before["bits_per_byte"] > 5
    [row] = quality.measure(contestants, val, 1.0)
    assert row["name"] == "companion, swift with Muon"
    assert row["bits_per_byte"] < 0.8 * before["bits_per_byte"]
    assert row["seconds"] > 0.9 and row["tokens"] > 100


@pytest.mark.gate
def test_a_size_and_a_budget_are_a_row(scripts, tmp_path, monkeypatch, capsys):
    scaling = scripts("scaling")
    tokenizer = Tokenizer.load(DATA / "village" / "tokenizer.json")
    stories = load_split("train")[:60]
    prepare(stories, tokenizer, tmp_path / "data")
    monkeypatch.setattr(scaling, "load_split", lambda name: stories)
    log = tmp_path / "log.jsonl"

    def run(*options):
        argv = ["scaling.py", "--data", str(tmp_path / "data"), "--log", str(log), *options]
        monkeypatch.setattr(sys, "argv", argv)
        scaling.main()
        return capsys.readouterr().out

    assert run("--sizes", "2x32", "--tokens", "12000").count("nats_per_token") == 1
    [row] = scripts("logs").read_rows(log)
    assert row["size"] == "2x32" and row["held_out"] is False
    assert row["matrix_parameters"] == 2 * 12 * 32**2 + 1024 * 32 < row["parameters"]
    assert abs(row["tokens"] - 12000) < 2000 and row["steps"] == len(row["curve"])
    assert row["nats_per_token"] < row["curve"][0]
    bytes_in_a_token = row["nats_per_token"] / (row["bits_per_byte"] * math.log(2))
    assert 3.5 < bytes_in_a_token < 4.5
    assert run("--sizes", "2x32", "--tokens", "12000") == ""  # it is in the log


def test_the_grid_of_the_scaling_law_is_whole(scripts):
    scaling = scripts("scaling")
    rows = scripts("logs").read_rows(scaling.LOG)
    once = {(row["size"], row["budget"], row["seed"], row["times"]): row for row in rows}
    assert len(once) == len(rows)
    for size, budget in [*itertools.product(scaling.SIZES, scaling.BUDGETS), *scaling.HELD_OUT]:
        row = once[size, budget, 0, 1.0]
        model = gpt2(scaling.shape(size, 1024))
        assert row["matrix_parameters"] == scaling.matrix_parameters(model)
        assert row["held_out"] == ((size, budget) in scaling.HELD_OUT)
        assert abs(row["tokens"] / budget - 1) < 0.02 and row["seconds"] < 1000
