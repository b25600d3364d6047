"""The command line, called in process: what it prints, what it writes, and one line for each bad input."""

import dataclasses
import json
import platform
import re
import signal
from pathlib import Path

import pytest
from support.command_line import TINY, fails

import companion
from companion import BUILDERS
from companion.cli import COMMANDS, main
from companion.runtime.options import MEANINGS
from companion.runtime.presets import PRESETS
from companion.training import TrainConfig


def test_without_arguments_it_shows_the_course(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "chapters/00_start.ipynb" in out and "companion train" in out
    assert all(name in out for name in COMMANDS)


def test_the_versions_are_one_line(capsys):
    import torch

    assert main(["--version"]) == 0
    ours, python = f"companion {companion.__version__}", f"Python {platform.python_version()}"
    assert capsys.readouterr().out == f"{ours}, PyTorch {torch.__version__}, {python}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_and_defaults(command, capsys):
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert COMMANDS[command].example in out and "default" in out


def test_help_says_what_each_field_of_a_configuration_is(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    configs = [TrainConfig, *(config for config, _ in BUILDERS.values())]
    fields = {field.name for config in configs for field in dataclasses.fields(config)} - {"vocab_size"}
    assert fields == set(MEANINGS)
    assert main(["train", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert all(meaning in out for meaning in MEANINGS.values())
    assert "rows in a batch (8)" in out and "token rows (on)" in out and "None" not in out


@pytest.mark.gate
def test_own_text_from_prepare_to_generate(trained, capsys):
    folder = trained / "runs" / "mine"
    for name in ("config.json", "model.safetensors", "tokenizer.json", "log.jsonl", "loss.png"):
        assert (folder / name).stat().st_size > 0, name
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows] == [2, 3]
    assert all(row["val"] > 0 and isinstance(row["sample"], str) for row in rows)

    argv = ["generate", "--checkpoint", folder, "--prompt", "The moth", "--seed", 5, "--max-new-tokens", 20]
    texts = []
    for _ in range(2):
        assert main([str(a) for a in argv]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] and texts[0].startswith("The moth")

    assert main(["eval", "--checkpoint", str(folder), "--data", "runs/data/mine"]) == 0
    assert "bits per byte" in capsys.readouterr().out
    assert main(["info", "--checkpoint", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "d_model = 16" in out and "parameters" in out


@pytest.mark.gate
def test_a_second_training_leaves_the_first_alone(trained, capsys):
    before = (trained / "runs/mine/model.safetensors").read_bytes()
    assert main(["train", "--data", "runs/data/mine", "--seed", "9", *TINY]) == 0
    assert (trained / "runs/mine/model.safetensors").read_bytes() == before
    assert (trained / "runs/mine-2/model.safetensors").read_bytes() != before
    fails(
        capsys,
        ["train", "--data", "runs/data/mine", "--checkpoint", "runs/mine", *TINY],
        2,
        "--resume",
        "runs/mine",
    )


@pytest.mark.gate
def test_resume_goes_on_to_more_steps(trained, capsys):
    argv = ["train", "--data", "runs/data/mine", "--checkpoint", "runs/mine", "--resume"]
    assert main(argv) == 0
    rows = (trained / "runs/mine/log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(rows[-1])["step"] == 3


def test_several_files_and_folders_are_one_text(here, capsys):
    (here / "letters").mkdir()
    for name in ("b", "a"):
        text = "\n".join(f"Letter {name}, line {n}: wind in the mast." for n in range(60))
        (here / "letters" / f"{name}.txt").write_text(text, encoding="utf-8")
    assert main(["prepare", "mine.txt", "letters", "--data", "both", "--vocab-size", "300"]) == 0
    meta = json.loads((here / "both/meta.json").read_text(encoding="utf-8"))
    assert meta["vocab_size"] == 300
    assert meta["train"]["n_bytes"] + meta["val"]["n_bytes"] > 3 * 2000


@pytest.mark.parametrize("tokenizer", ["char", "word"])
def test_other_tokenizers(here, tokenizer, capsys):
    assert main(["prepare", "mine.txt", "--tokenizer", tokenizer]) == 0
    assert main(["train", "--data", "runs/data/mine", *TINY]) == 0
    assert main(["generate", "--checkpoint", "runs/mine", "--prompt", "A moth", "--max-new-tokens", "5"]) == 0
    assert "A moth" in capsys.readouterr().out


BAD_PREPARE = {
    "unknown corpus": (["prepare", "vilage"], "village"),
    "missing file": (["prepare", "nowhere.txt"], "nowhere.txt"),
    "empty file": (["prepare", "empty.txt"], "empty.txt"),
    "binary file": (["prepare", "binary.dat"], "binary.dat"),
    "folder without text": (["prepare", "hollow"], "hollow"),
    "too short": (
        ["prepare", "short.txt"],
        "text=short.txt has 71 characters, and a model needs at least 1,000",
    ),
    "one letter": (["prepare", "one.txt"], "text=one.txt has 1 character, and a model needs at least 1,000"),
    "too short to cut": (
        ["prepare", "one.txt", "--tokenizer", "char"],
        "1 characters in all, too short a text",
    ),
    "too short for merges": (
        ["prepare", "short.txt", "--vocab-size", "300"],
        "vocab_size=300 is more than this",
    ),
    "vocabulary below the bytes": (["prepare", "mine.txt", "--vocab-size", "200"], "vocab_size=200"),
    "vocabulary above the text": (["prepare", "mine.txt", "--vocab-size", "90000"], "vocab_size=90000"),
    "stories of another text": (["prepare", "mine.txt", "--stories", "5"], "--stories"),
    "val fraction": (["prepare", "mine.txt", "--val-fraction", "1.5"], "val_fraction=1.5"),
    "unknown command": (["prepair"], "prepair"),
}


@pytest.mark.parametrize("case", BAD_PREPARE)
def test_bad_text_is_one_line(case, here, capsys):
    (here / "empty.txt").write_text("")
    (here / "short.txt").write_text("Hm, hm. " * 9)
    (here / "one.txt").write_text("H")
    (here / "binary.dat").write_bytes(bytes(range(256)) * 9)
    (here / "hollow").mkdir()
    argv, word = BAD_PREPARE[case]
    fails(capsys, argv, 2, word)
    assert not (here / "runs").exists()


BAD_TRAIN = {
    "preset": (["--preset", "huge"], "huge"),
    "device": (["--device", "abacus"], "abacus"),
    "dtype": (["--dtype", "int3"], "int3"),
    "heads": (["--n-heads", "3"], "n_heads=3"),
    "learning rate": (["--lr", "-1"], "lr=-1"),
    "steps": (["--steps", "0"], "steps=0"),
    "batch": (["--batch-size", "0"], "batch_size=0"),
    "minutes": (["--minutes", "-1"], "--minutes=-1"),
    "endless minutes": (["--minutes", "inf"], "--minutes=inf"),
    "dropout": (["--dropout", "1"], "dropout=1"),
    "context longer than the data": (["--context-length", "99999"], "context_length=99999"),
    "not a number": (["--steps", "many"], "many"),
    "data": (["--data", "nowhere"], "nowhere"),
    "huge minutes": (["--minutes", "1e307"], "--minutes=1e307"),
    "huge seed": (["--seed", "99999999999999"], "seed=99999999999999"),
    "huge width": (["--d-model", "99999999999999999998"], "d_model=99999999999999999998"),
    "a model beyond memory": (["--d-model", "4000000"], "make it smaller"),
    "long warm-up": (["--warmup-steps", "4"], "warmup_steps=4 must be at most steps=3"),
    "resume nothing": (["--resume", "--checkpoint", "runs/nothing"], "runs/nothing"),
}


@pytest.mark.gate
@pytest.mark.parametrize("case", BAD_TRAIN)
def test_bad_training_is_one_line(case, trained, capsys):
    argv, word = BAD_TRAIN[case]
    fails(capsys, ["train", "--data", "runs/data/mine", "--checkpoint", "runs/new", *TINY, *argv], 2, word)
    assert not (trained / "runs/new").exists()


def test_cuda_where_there_is_none(trained, capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    fails(capsys, ["train", "--data", "runs/data/mine", "--device", "cuda", *TINY], 2, "cuda")


BAD_GENERATE = {
    "temperature": (["--temperature", "-1"], "temperature=-1"),
    "top-k": (["--top-k", "0"], "top_k=0"),
    "top-p": (["--top-p", "1.5"], "top_p=1.5"),
    "missing checkpoint": (["--checkpoint", "runs/none"], "none"),
}


@pytest.mark.parametrize("case", BAD_GENERATE)
def test_bad_generation_is_one_line(case, trained, capsys):
    argv, word = BAD_GENERATE[case]
    fails(capsys, ["generate", "--checkpoint", "runs/mine", *argv], 2, word)


def test_broken_checkpoints_are_refused(trained, capsys):
    folder = trained / "runs/mine"
    whole, config = (folder / "model.safetensors").read_bytes(), (folder / "config.json").read_text()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    fails(capsys, ["generate", "--checkpoint", folder], 2, "model.safetensors")
    (folder / "model.safetensors").write_bytes(whole)
    (folder / "config.json").write_text(config.replace('"swift"', '"rwkv"'))
    fails(capsys, ["generate", "--checkpoint", folder], 2, "rwkv")
    (folder / "config.json").write_text(config)
    (folder / "model.safetensors").unlink()
    (folder / "model.pt").write_bytes(b"\x80\x04K\x01.")
    fails(capsys, ["generate", "--checkpoint", folder], 2, "unpickling")
    fails(capsys, ["generate", "--checkpoint", folder / "model.pt"], 2, "unpickling")


def test_a_prompt_that_the_vocabulary_lacks(here, capsys):
    assert main(["prepare", "mine.txt", "--tokenizer", "char"]) == 0
    assert main(["train", "--data", "runs/data/mine", *TINY]) == 0
    fails(capsys, ["generate", "--checkpoint", "runs/mine", "--prompt", "Œuf"], 2, "Œ")


def test_every_preset_builds_a_model():
    from companion import BUILDERS
    from companion.training import TrainConfig

    for preset in PRESETS.values():
        BUILDERS[preset.architecture][0](vocab_size=300, **{k: v for k, v in preset.model.items()})
        assert TrainConfig(**preset.train, context_length=preset.model["context_length"]).steps > 0


@pytest.mark.gate
def test_new_stories_of_the_village_are_none_that_are_shipped(here, capsys):
    from companion.datasets import load_prepared
    from companion.village import load_split, tell

    assert main("prepare village --stories 9 --seed 1 --data nine".split()) == 0
    out = capsys.readouterr().out
    assert "9 documents" in out and "500 documents" in out and "companion train --data nine" in out
    corpus = load_prepared("nine")
    stories, held_out = (
        corpus.tokenizer.decode(split.tokens[:]).split("<|endoftext|>")[1:-1]
        for split in (corpus.train, corpus.val)
    )
    assert held_out == load_split("val")
    assert len(stories) == 9 and not set(stories) & set(load_split("train"))  # whose first ones seed 1 tells
    assert load_split("train")[0] == next(tell(1, 1)) and corpus.meta["source"] == "village"
    fails(capsys, ["prepare", "village", "--stories", "0"], 2, "--stories=0")


@pytest.mark.gate
def test_the_shipped_model_tells_and_is_measured_against_the_floor(capsys):
    from companion import load
    from companion.commands.naming import SHIPPED

    texts = []
    for options in ([], ["--temperature", "0.8", "--max-new-tokens", "250"], ["--seed", "4"]):
        assert main(["generate", "--seed", "3", *options]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert texts[0] == load(SHIPPED).tell("Once", max_new_tokens=250, temperature=0.8, seed=3) + "\n"
    assert main("eval --split test --stories 2".split()) == 0
    out = capsys.readouterr().out
    assert "floor 0.1887, forgetful reader 0.3690: " in out  # the data card's numbers
    bits = float(re.search(r"([\d.]+) bits per byte", out)[1])
    gap = float(re.search(r"([\d.]+)% of the gap left", out)[1])
    assert gap == pytest.approx(100 * (bits - 0.1887) / (0.3690 - 0.1887), abs=0.1)
    grammar, memory = (re.search(rf"{name} ([\d.]+)", out)[1] for name in ("grammar", "memory"))
    assert f"Grammar: {float(grammar):.0%} of" in out and f"Memory: {float(memory):.0%} of" in out


@pytest.mark.gate
def test_the_same_seed_trains_the_same_model_and_a_resumed_one_keeps_its_shape(trained, capsys):
    before = (trained / "runs/mine/model.safetensors").read_bytes()
    again = ["train", "--data", "runs/data/mine", "--checkpoint", "again"]
    assert main([*again, *TINY]) == 0
    assert (trained / "again/model.safetensors").read_bytes() == before
    assert main([*again, "--resume", "--steps", "5"]) == 0
    rows = [json.loads(line) for line in open("again/log.jsonl", encoding="utf-8")]
    assert [row["step"] for row in rows][-1] == 5 and rows[0]["step"] == 2


@pytest.mark.gate
def test_a_run_of_some_seconds_on_the_village_says_where_it_stands(here, capsys):
    assert main("prepare village --stories 40 --seed 1 --data forty".split()) == 0
    shape = "--n-layers 1 --d-model 16 --n-heads 2 --batch-size 4 --eval-every 1000000".split()
    capsys.readouterr()
    assert main(["train", "--data", "forty", "--minutes", "0.02", "--judge", "2", *shape]) == 0
    out, folder = capsys.readouterr().out, Path("runs/forty")
    row = json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert row["step"] >= 1 and f" {row['step']:,} steps of 4 rows" in out and row["ended"] in (0, 0.5, 1)
    assert f"{row['bits_per_byte']:.3f} bits per byte" in out and (folder / "loss.png").exists()
    assert "The floor is 0.190; a perfect reader who forgets what it was told reaches 0.368." in out
    assert f"companion generate --checkpoint {folder}" in out and "00_start.ipynb" in out


def test_what_only_the_command_knows_is_refused_too(trained, capsys):
    fails(capsys, ["generate", "--checkpoint", "runs/mine", "--device", "abacus"], 2, "abacus")
    fails(
        capsys,
        ["eval", "--checkpoint", "runs/mine", "--data", "runs/data/mine", "--split", "test"],
        2,
        "test",
    )


@pytest.mark.gate
def test_what_a_resumed_folder_lacks_is_one_line(trained, capsys):
    folder = trained / "runs/mine"
    again = ["train", "--data", "runs/data/mine", "--checkpoint", folder, "--resume"]
    whole = (folder / "config.json").read_bytes()
    for content in (
        b"",
        b"{}",
        b"[]",
        b'{"config": {"architecture": "gpt2"}, "provenance": 4}',
        b'{"config": {}, "provenance": {"optimizers": 5}}',
    ):
        (folder / "config.json").write_bytes(content)
        fails(capsys, again, 2, "config.json")
        fails(capsys, ["generate", "--checkpoint", folder], 2, "config.json")
        fails(capsys, ["info", "--checkpoint", folder], 2, "config.json")
    (folder / "config.json").write_bytes(whole)
    (folder / "state.safetensors").unlink()
    fails(capsys, again, 2, "has no state.safetensors")
    fails(capsys, again[:-1], 2, "holds a model already; name another folder")


def test_ctrl_c_before_the_first_step_is_one_line(trained, capsys, monkeypatch):
    from companion.runtime import runs

    claimed = runs.claim
    monkeypatch.setattr(
        runs, "claim", lambda folder: (signal.raise_signal(signal.SIGINT), claimed(folder))[1]
    )
    argv = ["train", "--data", "runs/data/mine", "--checkpoint", "runs/new", *TINY]
    fails(capsys, argv, 130, "stopped before the first step; nothing was saved")
    assert not (trained / "runs/new").exists()
