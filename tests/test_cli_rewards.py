"""companion finetune rewards: by the judge, by pairs, stopped, and on bad files."""

import json

import pytest
import torch

from companion import load
from companion.cli import main
from companion.datasets import load_text
from companion.gpt import GPTConfig, gpt2
from companion.tokenization import BPETokenizer
from companion.training import Trainer, save_checkpoint

PAIR = {"prompt": "Once", "chosen": " the duck slept.", "rejected": " a duck flew off."}
SMALL = ["--asked", "4", "--seed", "3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model."""
    torch.manual_seed(3)
    where = tmp_path_factory.mktemp("tiny")
    tokenizer = BPETokenizer.train(load_text("lamplighter"), 300)
    save_checkpoint(where, gpt2(GPTConfig(300, 96, 1, 2, 16)), tokenizer)
    return where


def finetune(folder, *more):
    return main(["finetune", "rewards", "--model", str(folder), *SMALL, *map(str, more)])


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_judge_rewards_and_the_report_has_both_sides(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert finetune(folder, "--output", out, "--steps", 2, "--prompts", 2, "--size", 2) == 0
    said = capsys.readouterr().out
    assert "2 steps; 4 begun stories" in said and "before" in said and "after" in said
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert report["steps"] == 2 and 0 <= report["after"]["interval"][0] <= 1
    assert report["after"]["bits per byte"] != report["before"]["bits per byte"]
    changed, before = load(out, "cpu").model.state_dict(), load(folder, "cpu").model.state_dict()
    assert any(not torch.equal(p, before[name]) for name, p in changed.items())


def test_pairs_are_preferred(folder, tmp_path, capsys):
    data = write(tmp_path / "pairs.jsonl", *[PAIR] * 20)
    assert finetune(folder, "--output", tmp_path / "out", "--data", data, "--lr", 1e-3, "--steps", 5) == 0
    assert "5 steps" in capsys.readouterr().out

    def margin(where):
        from companion.generation import log_probability

        teller = load(where, "cpu")
        rows = [teller.encode(PAIR["prompt"] + PAIR[name]) for name in ("chosen", "rejected")]
        with torch.no_grad():
            good, bad = (log_probability(teller.model, row).item() for row in rows)
        return good - bad

    assert margin(tmp_path / "out") > margin(folder)


def test_ctrl_c_keeps_what_was_learned(folder, tmp_path, capsys, monkeypatch):
    step = Trainer.step

    def stop(trainer):
        if trainer.steps == 1:
            raise KeyboardInterrupt
        return step(trainer)

    monkeypatch.setattr(Trainer, "step", stop)
    out = tmp_path / "out"
    assert finetune(folder, "--output", out, "--steps", 9, "--prompts", 2, "--size", 2) == 0
    assert "stopped after 1 steps" in capsys.readouterr().err
    assert json.loads((out / "report.json").read_text("utf-8"))["steps"] == 1 and load(out, "cpu")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([PAIR, PAIR | {"rejected": PAIR["chosen"]}], "line 2: chosen and rejected are equal"),
        ([{"prompt": "Once", "chosen": " a."}], "line 1 has no text named 'rejected'"),
        ([["Once"]], "line 1 has no text named 'prompt'"),
        ([], "has no pairs"),
        ([PAIR | {"chosen": " duck" * 90}], r"pair 1 has a text of \d+ tokens; the model reads 97"),
    ],
)
def test_bad_pairs_are_one_line(folder, tmp_path, capsys, rows, message):
    import re

    data = write(tmp_path / "pairs.jsonl", *rows)
    assert finetune(folder, "--output", tmp_path / "out", "--data", data) == 2
    said = capsys.readouterr().err.strip()
    assert re.search(message, said) and "\n" not in said


def test_options_of_the_other_kind_are_refused(folder, tmp_path, capsys):
    assert finetune(folder, "--beta", 0.2) == 2
    assert "--beta is for pairs" in capsys.readouterr().err
    data = write(tmp_path / "pairs.jsonl", PAIR)
    assert finetune(folder, "--data", data, "--mixed", 0.5) == 2
    assert "--mixed is for the village's judge" in capsys.readouterr().err
    (tmp_path / "broken.jsonl").write_text("{no\n", encoding="utf-8")
    assert finetune(folder, "--data", tmp_path / "broken.jsonl") == 2
    assert "line 1 is no JSON" in capsys.readouterr().err
    assert finetune(folder, "--data", tmp_path / "nowhere.jsonl") == 2
    assert "is no file" in capsys.readouterr().err
