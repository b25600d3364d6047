"""`companion train`: sizes, more minutes, what it says at the end, and the best weights beside the last."""

import json
import re
import shlex
import signal

import pytest
from support.command_line import MINE, TINY, fails, planned

from companion import load
from companion.__main__ import main
from companion.cli._shared import ABOUT_DOT
from companion.cli._training_report import (
    gap_means,
    is_overfitted,
    scores_line,
    share_line,
    shortened,
)
from companion.runtime.models import devices
from companion.runtime.runs.resuming import read_log, write_log
from companion.runtime.runs.sessions import Clock, Loss
from companion.runtime.terminal import cleaned
from companion.show.judged_text import marks_for
from companion.training import Trainer
from companion.village import judge, load_split


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


# -- what cannot be ------------------------------------------------------------------


def test_without_gpt2_s_files_and_network_it_is_one_line_before_the_work(here, capsys, monkeypatch):
    import tiktoken

    def no_network(name):
        raise OSError("no route\nto host")

    monkeypatch.setattr(tiktoken, "get_encoding", no_network)
    monkeypatch.setattr("companion.cli.prepare.prepare", None)
    argv = ["prepare", "mine.txt", "--tokenizer", "gpt2"]
    fails(capsys, argv, 1, "OSError while fetching GPT-2's vocabulary", "TIKTOKEN_CACHE_DIR")
    fails(capsys, [*argv, "--vocab-size", "300"], 2, "--vocab-size works with --tokenizer bpe only")
    assert not (here / "runs").exists()


def test_a_size_beyond_memory_is_one_line(prepared, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.train.learn", None)
    monkeypatch.setattr(devices, "memory", lambda: 8e9)
    argv = ["train", *MINE, "--checkpoint", "new"]
    deep = [*argv, "--n-layers", "48", "--d-model", "1600"]
    fails(capsys, deep, 2, "n_layers=48", "over the 8 GB of this machine; make it smaller")
    assert not (prepared / "new").exists()


# -- more minutes ------------------------------------------------------------------


def test_a_sample_may_hold_whatever_ends_a_line(tmp_path):
    history = [{"step": 1, "sample": "a\x85b\u2028c\u2029d\x0be\x1cf\r\ng"}, {"step": 2, "sample": ""}]
    write_log(tmp_path, history)
    text = (tmp_path / "log.jsonl").read_text(encoding="utf-8")
    assert read_log(tmp_path) == history == [json.loads(line) for line in text.splitlines()]
    write_log(tmp_path, [])
    assert read_log(tmp_path) == []


@pytest.mark.gate
def test_the_rate_of_a_finished_run_rises_again_and_falls_to_the_new_end(prepared, capsys, monkeypatch):
    from companion import training

    rates, set_rate = [], training.set_rate
    monkeypatch.setattr(
        training, "set_rate", lambda o, rate, base: (rates.append(rate), set_rate(o, rate, base))
    )
    argv = ["train", *MINE, *TINY, "--min-lr", "0", "--lr", "0.01", "--warmup-steps", "0"]
    assert main([*argv, "--steps", "10"]) == 0
    assert rates[0] == 0.01 and rates[-1] == 0
    before = weights(prepared / "runs/mine")
    rates.clear()
    assert main(["train", *MINE, "--resume", "--steps", "20"]) == 0
    planned = [training.cosine_schedule(step, 20, 0.01, 0, 0) for step in range(10, 20)]
    assert rates == planned and 0.004 < rates[0] < 0.006 and rates[-1] == 0
    assert weights(prepared / "runs/mine") != before


# -- what it says ------------------------------------------------------------------


@pytest.mark.gate
def test_each_evaluation_says_both_losses_and_the_end_what_they_mean(prepared, capsys):
    assert main(["train", *MINE, *TINY]) == 0
    out = capsys.readouterr().out
    rows = [json.loads(line) for line in (prepared / "runs/mine/log.jsonl").read_text().splitlines()]
    for row in rows:
        assert f"held-out {row['val']:.3f} (perplexity " in out
        assert f"mean of the training steps {row['train']:.3f}\n" in out
    prompt = "The kettle sang on stove"
    own_words = rows[0]["sample"].removeprefix(prompt)
    first = " ".join(cleaned(own_words).split())[:160]
    assert f"\n  {prompt} → {first}" in out  # in one line, where the sample has many
    end = rf"^step +3 .*\n\nThe first words of a held-out text:\n\n  {prompt}\n\nYour model continues them:\n"
    assert re.search(end, out, re.MULTILINE)
    assert (ABOUT_DOT in out) == ("·" in out.replace(ABOUT_DOT, ""))
    perplexity = float(re.search(r"perplexity ([\d.]+)", out)[1])
    assert perplexity == pytest.approx(2.718281828 ** rows[0]["val"], rel=0.01)
    assert re.search(r"This is a model after \d+ seconds? of training. In 3 steps it read", out)
    assert "compare it with other runs on the same text" in out and "Settings: runs/mine/config.toml" in out


def test_a_sample_shows_no_byte_that_forms_no_letter():
    assert (
        cleaned("Dear Ana,\n\u00fc\ufffd\ufffd\x07 and so on, my dear")
        == "Dear Ana,\n\u00fc··· and so on, my dear"
    )
    kept = "a\tb\r\n\xa0\u200dc"  # letters of other languages and their signs are text
    assert cleaned(kept) == kept
    assert cleaned("a\rb") == "a·b"  # what follows would be written over what stands there


def test_a_busy_machine_is_named(monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    clock = Clock(180.0)
    clock.share = 0.41
    wanted = "It had 41% of the time of 2 processor threads. The machine was busy: "
    assert share_line(clock).startswith(wanted)
    assert share_line(clock, gets_better=False) == "It had 41% of the time of 2 processor threads."
    clock.share = 0.97
    assert share_line(clock) == "It had 97% of the time of 2 processor threads."


def test_what_a_gap_means_depends_on_it():
    said = [gap_means(gap) for gap in (3.0, 0.8, 0.4, 0.05)]
    assert len(set(said)) == 4 and "nearly all" in said[3]
    assert said[0] == "This model is not there yet: it still learns how the village's sentences are written."
    assert said[1].startswith("Of the difference between the two, 80% is left: its sentences are")
    assert "train longer" in scores_line({"ended": 0}, 40)
    scores = {"grammar": 1, "memory": 0.9, "consistent": 0.7, "flawless": 0.4}
    assert "Of 30 stories, 70% have no" in scores_line({"ended": 0.75} | scores, 40)


# -- the best weights ------------------------------------------------------------------


@pytest.fixture
def scripted(monkeypatch):
    """A function by which the evaluations give these losses; it returns the weights at each."""

    def script(losses):
        coming, seen = iter(losses), []

        def evaluate(model, split, context_length, dtype):
            seen.append({name: t.clone() for name, t in model.state_dict().items()})
            return Loss(value := next(coming), value)

        monkeypatch.setattr("companion.training.evaluate", evaluate)
        return seen

    return script


RUN = ["train", *MINE, *TINY, "--eval-every", "1", "--lr", "0.01", "--warmup-steps", "0"]


def same(folder, state):
    ours = load(folder).model.state_dict()
    return all((ours[name] == t).all() for name, t in state.items())


@pytest.mark.gate
def test_the_best_weights_are_kept_when_the_loss_rises_and_that_is_said_once(prepared, capsys, scripted):
    seen = scripted([3.0, 2.0, 2.5, 2.6, 2.7, 2.8])
    assert main([*RUN, "--steps", "6"]) == 0
    out = capsys.readouterr().out
    assert "The held-out loss was lowest at step 2" in out
    assert "companion generate --checkpoint runs/mine/best --prompt 'The kettle sang on stove'\n" in out
    folder = prepared / "runs/mine"
    assert same(folder / "best", seen[1]) and same(folder, seen[5])
    assert json.loads((folder / "best/config.json").read_text())["provenance"]["steps"] == 2
    assert main(["generate", "--checkpoint", "runs/mine/best", "--max-new-tokens", "3"]) == 0
    assert main(["info", "--checkpoint", "runs/mine/best"]) == 0
    capsys.readouterr()

    seen = scripted([2.9, 1.5, 1.9])  # lower than ever, then worse again
    assert main(["train", *MINE, "--resume", "--steps", "9"]) == 0
    assert same(folder / "best", seen[1]) and same(folder, seen[2])
    assert "the held-out loss rises" not in capsys.readouterr().out


@pytest.mark.gate
def test_while_the_last_weights_are_the_best_there_is_no_other_folder(prepared, capsys, scripted):
    scripted([3.0, 2.0, 1.0])
    assert main([*RUN, "--steps", "3"]) == 0
    assert not (prepared / "runs/mine/best").exists() and "lowest at step" not in capsys.readouterr().out
    seen = scripted([1.5])  # the first evaluation of a resumed run is worse: the best are those that it found
    before = load(prepared / "runs/mine").model.state_dict()
    assert main(["train", *MINE, "--resume", "--steps", "4"]) == 0
    assert same(prepared / "runs/mine/best", before) and same(prepared / "runs/mine", seen[0])


@pytest.mark.gate
def test_steps_after_the_best_that_ctrl_c_ends_leave_the_best(prepared, capsys, scripted, monkeypatch):

    seen, step = scripted([2.0]), Trainer.step

    def stepped(self):
        if self.steps == 2:
            signal.raise_signal(signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Trainer, "step", stepped)
    assert main([*RUN, "--steps", "100", "--eval-every", "2"]) == 0
    assert same(prepared / "runs/mine/best", seen[0]) and not same(prepared / "runs/mine", seen[0])


# -- the reader's own text ------------------------------------------------------------------


@pytest.mark.gate
def test_own_text_is_called_a_text_and_no_story_of_it_begins_with_once(prepared, capsys):
    argv = ["train", *MINE, "--preset", "text", "--steps", "7", "--n-layers", "1", "--d-model", "16"]
    assert main([*argv, "--context-length", "32", "--minutes", "0"]) == 0
    out = capsys.readouterr().out
    assert not re.search(r"\b(story|stories|Once|village|judge)\b", out)
    assert [row["step"] for row in read_log(prepared / "runs/mine")] == [2, 4, 6, 7]
    assert "This text has only " in out  # fewer than 100,000 bytes
    settings = (prepared / "runs/mine/config.toml").read_text(encoding="utf-8")
    (prompt,) = re.findall(r'^prompt = "(.+)"$', settings, re.MULTILINE)
    assert len(prompt.split()) == 5 and prompt in (prepared / "mine.txt").read_text()
    assert re.search(f"companion generate --checkpoint runs/mine.* --prompt '{prompt}'\n", out)
    generate = ["generate", "--checkpoint", "runs/mine", "--seed", "1", "--max-new-tokens", "9"]
    assert main(generate) == 0
    text, note = capsys.readouterr()
    sample = load("runs/mine").tell("", seed=1, max_new_tokens=9)
    assert text == cleaned(sample) + "\n" and (ABOUT_DOT in note) == (cleaned(sample) != sample)


def test_the_preset_for_an_own_text_is_not_trained_on_the_village(here, capsys):
    fails(capsys, ["train", "--preset", "text"], 2, "--preset=text is for a text of yours", "--data")


def test_a_loss_that_rises_again_is_overfitting():
    assert is_overfitted([{"val": 1.0}, {"val": 1.03}])
    assert not is_overfitted([{"val": 1.1}, {"val": 1.0}, {"val": 1.01}])


EVALUATED = [("--steps 9", 3), ("--steps 5000", 400)]


@pytest.mark.parametrize("argv, eval_every", EVALUATED)
def test_a_run_is_evaluated_three_times_at_least_unless_told_otherwise(
    argv, eval_every, prepared, monkeypatch
):
    assert planned(monkeypatch, [*MINE, *argv.split()]).train.eval_every == eval_every


def test_the_village_s_samples_are_marked_and_other_texts_are_not():
    text = load_split("val")[0]
    first = judge(text)[0].sentence
    assert shortened(f"{first} Mara ate a key.", marks_for("signs")) == f"✓ {first} ? Mara ate a key."
    assert shortened("a\n\nb", None) == "a b"


def said(capsys, word):
    """The commands among the printed lines that hold a word."""
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line.startswith("companion ") and word in line]


@pytest.mark.gate
def test_the_last_lines_hold_a_command_that_goes_on(prepared, capsys):
    assert main(["train", *MINE, *TINY, "--checkpoint", "a b"]) == 0
    (command,) = said(capsys, "--resume")
    assert command == "companion train --data runs/data/mine --checkpoint 'a b' --resume --minutes 10"
    argv = shlex.split(command)[1:-1]
    assert main([*argv, "0.005"]) == 0
    assert said(capsys, "--resume") == [command]
    rows = [json.loads(line) for line in (prepared / "a b/log.jsonl").read_text().splitlines()]
    assert rows[1]["step"] == 3 and rows[-1]["step"] > 3
