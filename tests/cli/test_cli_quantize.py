"""companion quantize: 8 and 4 bits, corrected, what loads the folder, and what is refused."""

import json

import pytest
import torch
from support.command_line import cell, save_tiny

from companion import load
from companion.__main__ import main
from companion.gpt import GPTConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model."""
    return save_tiny(tmp_path_factory.mktemp("tiny"), GPTConfig(300, 40, 1, 2, 32), {"steps": 7})


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("The lamp was lit.\n\nNobody saw it.\n\nThe night went on.\n", encoding="utf-8")
    return path


def command(folder, *more):
    return main(["quantize", "--model", str(folder), *map(str, more)])


@pytest.mark.parametrize(("bits", "group", "more"), [(8, None, []), (4, 16, ["--calibrate"])])
def test_smaller_and_it_tells(folder, text, tmp_path, capsys, bits, group, more):
    out = tmp_path / "out"
    more = [*more, *(["--group", group] if group else [])]
    assert command(folder, "--bits", bits, "--output", out, "--data", text, *more) == 0
    said = capsys.readouterr().out
    assert f"{bits} bits a weight" in said and "bits per byte" in said and "MB" in said
    assert ("corrected" in said) == ("--calibrate" in more)
    saved = json.loads((out / "config.json").read_text("utf-8"))
    assert saved["quantization"] == {"bits": bits, "group": group}
    assert saved["provenance"]["init"]["steps"] == 7
    weights = [(where / "model.safetensors").stat().st_size for where in (folder, out)]
    assert weights[1] < (0.55 if bits == 8 else 0.45) * weights[0]
    tokens = torch.arange(20)[None]
    difference = load(out, "cpu").model(tokens) - load(folder, "cpu").model(tokens)
    assert 0 < difference.abs().max() < 0.5
    assert main(["generate", "--model", str(out), "--prompt", "The", "--max-new-tokens", "4"]) == 0
    assert main(["info", "--model", str(out)]) == 0
    shown = capsys.readouterr().out
    n = sum(p.numel() for p in load(folder, "cpu").model.parameters())
    assert cell(shown, "parameters") == f"{n:,}"


def test_what_is_wrong_is_found_first(folder, text, tmp_path, capsys):
    out = tmp_path / "small"
    assert command(folder, "--output", out, "--data", text) == 0
    there = sorted(path.name for path in out.iterdir())
    one = tmp_path / "one.txt"
    one.write_text("One line.", encoding="utf-8")
    new = tmp_path / "new"
    for args, said in (
        ([folder, "--output", out], "holds a model already; name another folder, or add --overwrite"),
        ([folder, "--output", folder, "--overwrite"], "holds something else"),
        ([out, "--output", new], "is quantized"),
        ([folder, "--output", new, "--bits", "3"], "--bits"),
        ([folder, "--output", new, "--bits", "4", "--group", "7"], "group=7 must divide 32"),
        ([folder, "--output", new, "--data", one], "one text"),
        ([folder, "--output", new, "--data", "vilage"], "--data='vilage' is no file"),
    ):
        capsys.readouterr()
        assert command(*args) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
        assert not new.exists()
    assert sorted(path.name for path in out.iterdir()) == there


def test_integers_do_not_learn(folder, text, tmp_path, capsys):
    out = tmp_path / "small"
    assert command(folder, "--output", out, "--data", text) == 0
    for args in (
        ["finetune", "rewards", "--model", str(out), "--output", str(tmp_path / "a")],
        ["finetune", "instructions", "--data", "village", "--model", str(out)],
        ["export", "hf", "--model", str(out), "--output", str(tmp_path / "b")],
    ):
        capsys.readouterr()
        assert main(args) == 2
        assert "is quantized" in capsys.readouterr().err
