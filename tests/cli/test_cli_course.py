"""companion course: its four stages in seconds, stopped and resumed, and what it refuses."""

import json
import shutil
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from support.command_line import fails

from companion import load, village
from companion.cli import _training_report as reports
from companion.cli import course
from companion.cli import main
from companion.cli.finetune import instructions as instruct
from companion.cli.finetune import rewards as reward
from companion.datasets import load_text
from companion.gpt import GPTConfig, gpt2
from companion.tokenization import BPETokenizer
from companion.training import Trainer, save_checkpoint
from companion.village import measures

QUICK = ["--minutes", "0.02", "--questions", "8"]


def rows(folder):
    return [json.loads(line) for line in (folder / course.LOG).read_text("utf-8").splitlines()]


@pytest.mark.gate
def test_a_course_that_is_stopped_goes_on_and_ends_with_a_model_to_chat_with(tmp_path, capsys, monkeypatch):
    """With few stories to measure with and to keep to, which take as long as the stages otherwise."""
    folder, look, split = tmp_path / "course", course.look, village.load_split
    for module in (village, measures, course, reward):
        monkeypatch.setattr(module, "load_split", lambda name: split(name)[:40])
    monkeypatch.setattr(instruct, "TEXTS", 60)
    monkeypatch.setattr(reports, "TOLD", 4)
    floor = measures.reference_lines("val")["floor"]
    assert floor < 0.2

    def interrupt(plan, name):
        if name == "answerer":
            raise KeyboardInterrupt
        return look(plan, name)

    with monkeypatch.context() as patch:
        patch.setattr(course, "look", interrupt)
        assert main(["course", "--output", str(folder), *QUICK]) == 130
    assert [row["stage"] for row in rows(folder)] == ["data", "teller"]
    fails(capsys, ["course", "--output", folder, *QUICK], 2, "--output", "not empty", "--resume")

    begun = (folder / "teller" / "model.safetensors").stat().st_mtime_ns
    assert main(["course", "--output", str(folder), "--resume", *QUICK]) == 0
    said = capsys.readouterr().out
    assert "1 of 4" not in said and "3 of 4, answerer" in said and "4 of 4, assistant" in said
    assert (folder / "teller" / "model.safetensors").stat().st_mtime_ns == begun
    assert [row["stage"] for row in rows(folder)] == [*course.STAGES]
    for row in rows(folder)[2:]:
        assert row["right from"][0] <= row["right"] <= row["right from"][1] and row["bits per byte"] > 0.19
    assert f"The floor is {floor:.4f}" in said and f"companion chat --model {folder / 'assistant'}" in said
    assert "<|assistant|>" in load(folder / "assistant", "cpu").tokenizer.special_tokens
    assert main(["chat", "--model", str(folder / "assistant"), "--say", "Who has the key?"]) == 0


def argv_of(words, monkeypatch, stop_at=None):
    """The command lines of a course's stages, none of which is carried out; Ctrl-C in one of them."""
    asked = {}

    def work(plan, name, argv):
        asked[name] = " ".join(argv)
        if name == stop_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(course, "work", work)
        patch.setattr(course, "look", lambda plan, name: {"asked": plan.questions})
        assert main(["course", *map(str, words)]) == (130 if stop_at else 0)
    return asked


GIVEN = ["--seed", 7, "--minutes", 0.5, "--questions", 9, "--device", "cpu"]


@pytest.mark.gate
def test_a_course_goes_on_with_what_it_was_asked_for(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "course"
    argv_of(["--output", folder, *GIVEN], monkeypatch, "teller")
    asked = argv_of(["--output", folder, "--resume"], monkeypatch)
    assert [*asked] == ["teller", "answerer", "assistant"]
    assert all("--seed 7 --device cpu" in words for words in asked.values())
    assert "--minutes 0.31" in asked["teller"] and "--conversations 150" in asked["answerer"]
    assert "--prompts 8" in asked["assistant"] and "--asked 9" in asked["assistant"]
    assert rows(folder)[-1]["asked"] == 9
    argv_of(["--output", folder, "--resume", *GIVEN], monkeypatch)


@pytest.mark.parametrize(("option", "value"), [("seed", 8), ("minutes", 15.0), ("questions", 500)])
def test_a_course_cannot_be_asked_for_something_else_on_its_way(option, value, tmp_path, monkeypatch, capsys):
    argv_of(["--output", tmp_path, *GIVEN], monkeypatch, "answerer")
    began = f"began with, {GIVEN[GIVEN.index(f'--{option}') + 1]}"
    argv = ["course", "--output", tmp_path, "--resume", f"--{option}", value]
    fails(capsys, argv, 2, f"--{option}={value}", began, "leave it out")


@pytest.mark.gate
def test_a_course_may_go_on_elsewhere(tmp_path, monkeypatch):
    argv_of(["--output", tmp_path, "--device", "auto"], monkeypatch, "teller")
    argv_of(["--output", tmp_path, "--resume", "--device", "cpu"], monkeypatch, "answerer")
    assert "--device cpu" in argv_of(["--output", tmp_path, "--resume"], monkeypatch)["assistant"]


def test_a_course_that_was_begun_without_the_file_goes_on_as_it_is_told(tmp_path, monkeypatch):
    argv_of(["--output", tmp_path, *GIVEN], monkeypatch, "teller")
    (tmp_path / course.ASKED).unlink()
    assert "--seed 1 " in argv_of(["--output", tmp_path, "--resume"], monkeypatch, "teller")["teller"]
    again = argv_of(["--output", tmp_path, "--resume", "--seed", 7], monkeypatch, "teller")
    assert "--seed 7 " in again["teller"] and not (tmp_path / course.ASKED).exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"minutes": 1}', "", "\xff"])
def test_a_damaged_file_of_what_was_asked_is_one_line(content, tmp_path, capsys):
    (tmp_path / course.ASKED).write_bytes(content.encode("latin-1"))
    fails(capsys, ["course", "--output", tmp_path, "--resume"], 2, course.ASKED, "damaged", "remove it")


def test_an_assistant_with_nothing_to_prefer_is_the_whole_answerer_or_none(tmp_path, monkeypatch):
    (tmp_path / "answerer").mkdir()
    for name in ("config.json", "report.json"):
        (tmp_path / "answerer" / name).write_text(name, "utf-8")
    copied = []

    def equal(*given):
        raise ValueError("each group's rewards are equal")

    def stop_at_second(path, *given, **more):
        copied.append(path)
        if len(copied) == 2:
            raise KeyboardInterrupt
        return shutil.copy(path, *given, **more)

    monkeypatch.setattr(course, "carry_out", equal)
    plan = SimpleNamespace(folder=tmp_path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("shutil.copytree", partial(shutil.copytree, copy_function=stop_at_second))
        course.work(plan, "assistant", [])
    assert len(copied) == 2 and not [*(tmp_path / "assistant").glob("[!.]*")]
    course.work(plan, "assistant", [])
    for name in ("config.json", "report.json"):
        assert (tmp_path / "assistant" / name).read_text("utf-8") == name


def test_the_stories_of_a_stage_that_are_true_are_a_share_of_those_it_told(tmp_path, monkeypatch):
    shutil.copytree(village.DATA / "models" / "village", tmp_path / "teller")
    stories = village.load_split("val")[:3]
    monkeypatch.setattr(village, "load_split", lambda name: stories)
    plan = SimpleNamespace(folder=tmp_path, device="cpu", seed=1, questions=4)
    row = course.look(plan, "teller")
    low, high = row["true from"]
    assert 0 < low <= row["true"] <= high <= 1


def test_a_teller_that_ctrl_c_ended_is_not_whole(tmp_path):
    (tmp_path / "teller").mkdir()
    saved = {"provenance": {"steps": 3, "train": {"steps": 5}}}
    (tmp_path / "teller" / "config.json").write_text(json.dumps(saved), "utf-8")
    plan = SimpleNamespace(folder=tmp_path, seed=1, device="cpu", minutes=15)
    with pytest.raises(KeyboardInterrupt, match="stopped in stage teller, which is saved; .* --resume"):
        course.check_whole(plan, "teller")
    argv = course.STAGES["teller"].argv(plan)
    assert "--resume" in argv and "--minutes" not in argv
    saved["provenance"]["steps"] = 5
    (tmp_path / "teller" / "config.json").write_text(json.dumps(saved), "utf-8")
    course.check_whole(plan, "teller")


@pytest.mark.gate
def test_an_assistant_that_ctrl_c_ended_is_made_again(tmp_path, capsys, monkeypatch):
    torch.manual_seed(3)
    tokenizer = BPETokenizer.train(load_text("lamplighter"), 300)
    save_checkpoint(tmp_path / "answerer", gpt2(GPTConfig(300, 96, 1, 2, 16)), tokenizer)
    done = "".join(json.dumps({"stage": name, "seconds": 1}) + "\n" for name in [*course.STAGES][:3])
    (tmp_path / course.LOG).write_text(done, "utf-8")
    argv = ["course", "--output", tmp_path, "--resume", *QUICK, "--device", "cpu"]
    step, measure, stories = Trainer.step, reward.look, village.load_split("test")[:9]

    def stop(trainer):
        if trainer.steps == 1:
            raise KeyboardInterrupt
        return step(trainer)

    monkeypatch.setattr(course, "look", lambda plan, name: {})
    monkeypatch.setattr(reward, "load_split", lambda name: stories)
    monkeypatch.setattr(reward, "look", lambda teller, n, seed: measure(teller, 4, seed))
    monkeypatch.setattr(reward, "STRANGER", 99)
    monkeypatch.setattr(
        "companion.cli.finetune.rewards.true_story", lambda text, ended=True: text.count("e") / 999
    )
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stop)
        fails(capsys, argv, 130, "stopped in stage assistant, which will begin again; to go on", "--resume")
    assert [row["stage"] for row in rows(tmp_path)] == [*course.STAGES][:3]
    assert main([str(word) for word in argv]) == 0
    assert [row["stage"] for row in rows(tmp_path)] == [*course.STAGES]
    assert course.provenance_of(tmp_path / "assistant")["steps"] == 8


def test_several_processes_are_refused_before_any_stage(tmp_path, capsys, monkeypatch):
    there = {"RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 29577}
    for name, value in there.items():
        monkeypatch.setenv(name, str(value))
    fails(capsys, ["course", "--output", tmp_path / "new"], 2, "WORLD_SIZE=2", "without torchrun")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--minutes", "0"], ["--minutes=0", "try 15"]),
        (["--minutes", "-1"], ["--minutes"]),
        (["--resume"], ["--resume", "no course to continue"]),
        (["--device", "tpu"], ["tpu"]),
    ],
)
def test_what_cannot_be_is_one_line_before_any_work(argv, words, tmp_path, capsys):
    fails(capsys, ["course", "--output", tmp_path / "new", *argv], 2, *words)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_a_folder_of_other_files_is_no_course(more, tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("Dear Mara", "utf-8")
    fails(
        capsys, ["course", "--output", tmp_path, *more], 2, "holds something else (letter.txt); name another"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_course_that_is_logged_kept_its_promises_and_the_page_quotes_it():
    log = village.DATA / "models" / "course.jsonl"
    stages = {row["stage"]: row for row in map(json.loads, log.read_text("utf-8").splitlines())}
    assert [*stages] == [*course.STAGES]
    minutes = sum(row["seconds"] for row in stages.values()) / 60
    first, last = stages["teller"], stages["assistant"]
    assert minutes < course.MINUTES and last["right"] > 0.75 and last["true"] > first["true"]
    page = (village.DATA.parent / "docs" / "your-text.md").read_text("utf-8")
    assert f"took {minutes:.1f} minutes" in page
    assert f"answers {last['right']:.0%} word for word" in page
    assert f"{last['true']:.0%} are without a contradiction" in page
    assert f"the storyteller that it began as, {first['true']:.0%}." in page
