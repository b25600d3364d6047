"""The command line, called in process: what it prints, what it writes, and one line for each bad input."""

import dataclasses
import json
import platform
import re
from pathlib import Path

import pytest
import torch
from support.command_line import MINE, TINY, fails, said

import companion
from companion import BUILDERS, load, village
from companion.__main__ import main
from companion.cli import COMMANDS
from companion.cli._parsing import find_class, find_command, texts_of, words_in
from companion.cli._shared import SHIPPED, table
from companion.cli._training_plan import PRESETS
from companion.runtime.runs.resuming import read_log
from companion.show.judged_text import marked_story, marks_for
from companion.training import TrainConfig


def test_without_arguments_it_shows_the_course(capsys):
    out = said(capsys, [])
    assert "chapters/00_start.ipynb" in out
    assert all(name in out for name in COMMANDS)
    assert out.splitlines()[-1].startswith("New here? ") and out.endswith("companion chat\n")


def test_the_versions_are_one_line(capsys):
    ours, python = f"companion {companion.__version__}", f"Python {platform.python_version()}"
    assert said(capsys, ["--version"]) == f"{ours}, PyTorch {torch.__version__}, {python}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command, capsys):
    assert "example: companion" in said(capsys, [command, "--help"])


def test_help_says_what_each_field_of_a_configuration_is(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    configs = [TrainConfig, *(config for config, _ in BUILDERS.values())]
    fields = {field.name for config in configs for field in dataclasses.fields(config)} - {"vocab_size"}
    meanings = texts_of(find_class("companion.cli.train", "Options")[1])
    assert fields <= set(meanings)
    out = " ".join(said(capsys, ["train", "--help-all"]).split())
    assert all(meaning in out for meaning in meanings.values())
    assert "many tokens. Default: 1." not in out and "as the output head. Default: on." in out
    assert "None" not in out


@pytest.mark.parametrize(
    "command", ["train", "finetune classify", "finetune instructions", "finetune rewards"]
)
def test_help_shows_the_ten_most_used_options_and_help_all_shows_all(command, capsys):
    module, parser, _ = find_command(command.split(), COMMANDS)
    options = re.compile(r"^  (--[a-z-]+)", re.MULTILINE)
    short = said(capsys, [*command.split(), "--help"])
    shown = options.findall(short.partition("most used options:")[2])
    assert sorted(shown) == sorted(f"--{name.replace('_', '-')}" for name in words_in(module, "MOST_USED"))
    assert len(shown) <= 10 and "other options" not in short and "fields of" not in short
    every = set(options.findall(said(capsys, [*command.split(), "--help-all"])))
    assert every == {action.option_strings[0] for action in parser._actions} - {"-h"}
    assert len(every) > len(shown) + 2


@pytest.mark.gate
def test_own_text_from_prepare_to_generate(trained, capsys):
    folder = Path("runs/mine")
    for name in ("config.json", "model.safetensors", "tokenizer.json", "log.jsonl", "loss.png"):
        assert (folder / name).stat().st_size > 0, name
    rows = read_log(folder)
    assert [row["step"] for row in rows] == [2, 3]
    assert all(row["val"] > 0 and isinstance(row["sample"], str) for row in rows)

    argv = ["generate", "--checkpoint", folder, "--prompt", "The moth", "--seed", 5, "--max-new-tokens", 20]
    text = said(capsys, argv)
    assert text.startswith("The moth") and said(capsys, argv) == text
    fails(capsys, [*argv, "--odds"], 2, "--odds needs a model of the village's stories")
    assert "bits per byte" in said(capsys, ["eval", "--checkpoint", folder, *MINE])
    out = said(capsys, ["info", "--checkpoint", folder])
    assert re.search(r"^d_model +16  width of the model", out, re.MULTILINE)
    assert re.search(r"^parameters +8,224$", out, re.MULTILINE)
    assert re.search(r"^data.source +\S+mine.txt$", out, re.MULTILINE)


def test_several_files_and_folders_are_one_text(here, capsys):
    (here / "letters").mkdir()
    for name in ("b", "a"):
        text = "\n".join(f"Letter {name}, line {n}: wind in the mast." for n in range(60))
        (here / "letters" / f"{name}.txt").write_text(text, encoding="utf-8")
    assert main(["prepare", "mine.txt", "letters", "--data", "both", "--vocab-size", "300"]) == 0
    meta = json.loads((here / "both/meta.json").read_text(encoding="utf-8"))
    assert meta["vocab_size"] == 300
    assert meta["train"]["n_bytes"] + meta["val"]["n_bytes"] > 3 * 2000
    assert "bytes. Below 100,000 bytes, a model memorizes the text and" in capsys.readouterr().out


@pytest.mark.parametrize("tokenizer", ["char", "word"])
def test_other_tokenizers(here, tokenizer, capsys):
    assert main(["prepare", "mine.txt", "--tokenizer", tokenizer]) == 0
    assert main(["train", *MINE, *TINY]) == 0
    generate = ["generate", "--checkpoint", "runs/mine", "--max-new-tokens", "5", "--prompt"]
    assert "A moth" in said(capsys, [*generate, "A moth"])
    if tokenizer == "char":
        fails(capsys, [*generate, "Œuf"], 2, "Œ")


def test_every_preset_builds_a_model():
    for preset in PRESETS.values():
        BUILDERS[preset.architecture][0](vocab_size=300, **preset.model)
        assert TrainConfig(**preset.train, context_length=preset.model["context_length"]).steps > 0


@pytest.mark.gate
def test_a_seed_that_was_chosen_is_named_in_a_terminal_alone(capsys, monkeypatch):
    argv = ["generate", "--max-new-tokens", "20"]
    assert "seed" not in said(capsys, argv)  # piped: the text and nothing else
    monkeypatch.setattr("companion.cli.generate.is_terminal", lambda: True)
    text, line = said(capsys, argv).splitlines()
    (seed,) = re.fullmatch(
        r"\(seed (\d+); the same command with --seed \1 gives this text again\)", line
    ).groups()
    assert said(capsys, [*argv, "--seed", seed]) == f"{text}\n"
    assert "seed" not in said(capsys, [*argv, "--temperature", "0"])


@pytest.mark.gate
def test_the_shipped_model_tells_and_is_measured_against_the_floor(capsys):
    printed = said(capsys, ["generate", "--seed", "3"])
    assert printed == load(SHIPPED).tell("Once", max_new_tokens=250, temperature=0.8, seed=3) + "\n"
    assert printed != said(capsys, ["generate", "--seed", "4"])
    marked = said(capsys, ["generate", "--seed", "3", "--marks", "signs"])
    assert marked == marked_story(printed, marks_for("signs")) + "\n" and marked.startswith("✓ Once")
    text, _, odds = said(capsys, ["generate", "--seed", "3", "--odds"]).partition("\n\n")
    assert text + "\n" == printed and odds.split()[:3] == ["token", "model", "truth"]
    out = said(capsys, "eval --split test --stories 2".split())
    names = ["bits per byte", "floor", "forgetful baseline", "gap left", "grammar", "memory", "words"]
    bits, floor, forgetful, gap, grammar, memory, words = (
        float(re.search(rf"^ *{name} +([\d.]+)%?  \w", out, re.MULTILINE)[1]) for name in names
    )
    assert (floor, forgetful) == (0.1887, 0.3690)  # the data card's numbers
    assert gap == pytest.approx(100 * (bits - 0.1887) / (0.3690 - 0.1887), abs=0.1)
    names = ["bits a word", "unavoidable", "avoidable"]
    loss, unavoidable, avoidable = (
        float(re.search(rf"^ *{name} +([\d.]+)  ", out, re.M)[1]) for name in names
    )
    assert loss == pytest.approx(unavoidable + avoidable, abs=2e-4) and 0.9 < unavoidable < 1
    low, high = map(float, re.search(r"95 % interval ([\d.]+) to ([\d.]+)", out).groups())
    assert 0 < low < avoidable < high < 0.03
    shares = [int(share) for share in re.findall(r"(\d+)% of that; [\d,]+ words", out)]
    assert len(shares) == 3 and shares == sorted(shares, reverse=True)
    assert len(re.findall(r"with ([\d.]+) bits each \(-?[\d.]+ to [\d.]+\)", out)) == 3
    assert 90 < grammar <= 100 and 80 < memory <= 100 and words > 50
    out = said(capsys, ["eval", "--model", SHIPPED.with_name("answerer"), "--stories", "0"])
    assert re.search(r"^  avoidable +0\.0[3-7]\d\d  ", out, re.M)  # though it has a chat's tokens too


@pytest.mark.gate
def test_a_run_of_some_seconds_on_the_village_says_where_it_stands(here, capsys, monkeypatch):
    split = village.load_split
    monkeypatch.setattr(village, "load_split", lambda name: split(name)[:40])
    assert main("prepare village --stories 40 --seed 1 --data forty".split()) == 0
    shape = "--n-layers 1 --d-model 16 --n-heads 2 --batch-size 4 --eval-every 1000000".split()
    out = said(capsys, ["train", "--data", "forty", "--minutes", "0.02", "--judge", "2", *shape])
    folder = Path("runs/forty")
    row = read_log(folder)[-1]
    assert row["step"] >= 1 and f"In {row['step']:,} steps it read" in out and row["ended"] in (0, 0.5, 1)
    assert f"{row['bits_per_byte']:.3f} bits per byte" in out and (folder / "loss.png").exists()
    assert "The floor is 0.190, and no model can do better." in out
    assert "A perfect model that forgets earlier sentences reaches 0.368." in out
    assert "\nThe judge: " in out  # signs also in a file: people read it
    assert f"companion generate --checkpoint {folder}" in out and "00_start.ipynb" in out


# -- plain tables ------------------------------------------------------------------


def test_columns_are_aligned_and_numbers_stand_at_the_right():
    rows = [("name", "value", "meaning"), ("steps", "24,000", "how many"), ("lr", "0.3", "how fast")]
    assert table(rows, right=[1]).splitlines() == [
        "name    value  meaning",
        "steps  24,000  how many",
        "lr        0.3  how fast",
    ]
