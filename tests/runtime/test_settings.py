"""config.toml: what is read is checked, what is written is read again, and a run is repeated from its own."""

import json
import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command_line import MINE, fails, planned

from companion.__main__ import main
from companion.cli._parsing import words_of
from companion.cli._training_plan import PRESETS
from companion.cli._training_report import write_run_settings, write_settings


def write(here, text):
    path = here / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


# -- the file ------------------------------------------------------------------


ALL = ["top", "model", "training"]


def test_tables_of_settings_are_words_of_a_command_line(tmp_path):
    text = "minutes = 2\n[model]\nd_model = 48\n[training]\ncompile = false\nbetas = [0, 0.5]\n"
    found = list(words_of(write(tmp_path, text + "[generation]\nwhatever = 3\n"), ALL))
    assert found == ["--minutes=2", "--d-model=48", "--no-compile", "--betas", "0", "0.5"]
    assert list(words_of(write(tmp_path, ""), ALL)) == []
    assert list(words_of(write(tmp_path, "\ufeffminutes = 2\n"), ALL)) == ["--minutes=2"]  # Notepad's


def test_no_file_a_folder_and_bytes_that_are_no_text(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b"data = '\xe9'")
    for name, words in [("none.toml", "cannot be read"), ("", "cannot be read"), ("latin.toml", "no TOML")]:
        with pytest.raises(ValueError, match=words):
            list(words_of(tmp_path / name, ALL))


words = st.text(st.characters(blacklist_categories=["Cs"]))
numbers = st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), words | numbers | st.booleans() | st.tuples(numbers))
)
def test_what_is_written_is_read_again(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("toml") / "a.toml"
    write_settings(path, {"": {"data": "x", "none": None}, "model": values}, about="two\nlines")
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    assert found.pop("model", {}) == {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    assert found == {"data": "x"} and path.read_text(encoding="utf-8").startswith("# two\n# lines\n")


# -- the commands ------------------------------------------------------------------


def settings(folder):
    """What a run was trained with."""
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return saved["config"] | saved["provenance"]["train"]


def test_options_win_over_the_file_and_it_wins_over_the_preset(prepared, capsys):
    write(
        prepared,
        "minutes = 0\ndata = 'runs/data/mine'\n[model]\nd_model = 8\nn_heads = 2\nn_layers = 1\n"
        "context_length = 16\n[training]\nsteps = 3\nlr = 0.002\nbetas = [0.8, 0.9]\n",
    )
    assert main("train --config my.toml --checkpoint a --d-model 12 --lr 0.001".split()) == 0
    found = settings(prepared / "a")
    assert {name: found[name] for name in ("d_model", "n_layers", "steps", "lr", "batch_size")} == {
        "d_model": 12,
        "n_layers": 1,
        "steps": 3,
        "lr": 0.001,
        "batch_size": PRESETS["modern"].train["batch_size"],
    }
    assert found["d_ff"] == 32 and found["betas"] == [0.8, 0.9]
    repeated = tomllib.loads((prepared / "a/config.toml").read_text(encoding="utf-8"))
    assert "d_ff" not in repeated["model"] and repeated["training"]["lr"] == 0.001
    assert repeated["data"] == "runs/data/mine" and math.isclose(repeated["minutes"], 0)


# What a run was trained with, what is asked for beside its file, and the shape of that.
FOLLOWING = {
    "all follow": ("", "--n-heads 4 --d-model 192", [4, 48, 512]),
    "given heads stay": ("--n-heads 4 --n-kv-heads 2", "--n-heads 8", [2, 12, 256]),
    "a given width stays": ("--head-width 32", "--n-heads 4 --d-model 192", [4, 32, 512]),
    "experts": ("--architecture experts", "--n-heads 4 --d-model 192", [4, 48, 256]),
    "another kind": ("--preset text", "--architecture llama --d-model 384", [4, 96, 1024]),
}


@pytest.mark.parametrize("case", FOLLOWING)
def test_what_follows_from_a_run_s_shape_follows_from_a_new_one_and_what_was_given_stays(
    case, prepared, monkeypatch
):
    first, second, numbers = FOLLOWING[case]
    run = planned(monkeypatch, [*MINE, *first.split()])
    run.folder = prepared
    write_run_settings(run)
    again = ["--config", "config.toml"]
    assert planned(monkeypatch, again).start.config == run.start.config
    model = planned(monkeypatch, [*again, *second.split()]).start.config
    assert [model.n_kv_heads, model.head_width, model.d_ff] == numbers


BAD = {
    "unknown": ("[training]\nlearning_rate = 1", "my.toml: unrecognized arguments: --learning-rate=1"),
    "type": ("[training]\nsteps = 'ten'", "steps='ten' must be a whole number"),
    "range": ("[training]\nbatch_size = 0", "batch_size=0 must be"),
    "minutes": ("minutes = -1", "my.toml: --minutes=-1 must be a number from 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_line_before_the_work_begins(case, prepared, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.train.learn", None)
    text, words = BAD[case]
    write(prepared, text)
    fails(capsys, ["train", "--config", "my.toml", "--checkpoint", "new"], 2, words)
    assert not (prepared / "new").exists()


@pytest.mark.gate
def test_generate_takes_how_to_draw_from_the_file(trained, capsys):
    write(trained, "[model]\nnot_looked = 1\n[generation]\nprompt = 'A moth'\nmax_new_tokens = 5\nseed = 3\n")
    generate = ["generate", "--checkpoint", "runs/mine"]
    texts = []
    for argv in (["--config", "my.toml"], ["--prompt", "A moth", "--seed=3", "--max-new-tokens=5"]):
        assert main([*generate, *argv]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] and texts[0].startswith("A moth")
    assert main([*generate, "--config", "my.toml", "--prompt", "The"]) == 0
    assert capsys.readouterr().out.startswith("The")
    assert main([*generate, "--config", "runs/mine/config.toml", "--max-new-tokens", "3"]) == 0
