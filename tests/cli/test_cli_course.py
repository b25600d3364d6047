"""companion course: its four stages, stopped and resumed, and what it refuses."""

import json

import pytest
from support.command_line import fails

from companion import village
from companion.__main__ import main
from companion.cli import course
from companion.cli._parsing import options_of


def save(folder, **provenance):
    """What `is_done` reads of a model."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"config": {}, "provenance": provenance}), "utf-8")
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).touch()


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """The stages that were carried out, each of which leaves what it is known by."""
    done = []

    def carry_out(words, names):
        options_of(words, names)  # raises for an option that the stage's command lacks
        done.append(words)
        if words[0] == "prepare":
            (tmp_path / "data").mkdir(parents=True)
            (tmp_path / "data" / "meta.json").touch()
        elif words[0] == "train":
            save(tmp_path / "teller", steps=5, train={"steps": 5})
        elif words[0] == "finetune":
            save(tmp_path / ("answerer" if words[1] == "instructions" else "assistant"), steps=8)

    monkeypatch.setattr(course, "carry_out", carry_out)
    return done


def names(stages):
    return [" ".join(words[:2]) for words in stages]


ALL = ["prepare village", "train --data", "finetune instructions", "finetune rewards"]


def test_the_stages_follow_one_another_and_the_minutes_are_shared_out(stages, tmp_path, capsys):
    argv = ["course", "--output", str(tmp_path), "--minutes", "10", "--seed", "7", "--device", "cpu"]
    assert main(argv) == 0
    assert names(stages) == ALL
    assert stages[1][stages[1].index("--minutes") + 1] == "6.2"
    assert all(" --seed 7 --device cpu" in " ".join(words) for words in stages[1:])
    said = capsys.readouterr().out
    assert "2 of 4, teller: a model learns to tell such stories." in said
    assert f"chat --model {tmp_path / 'assistant'} --device cpu" in said


def test_a_course_goes_on_with_the_stage_that_is_not_done(stages, tmp_path, capsys):
    argv = ["course", "--output", tmp_path, "--resume"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.json").touch()
    save(tmp_path / "teller", steps=3, train={"steps": 5})
    fails(capsys, argv[:-1], 2, f"--output={tmp_path} holds a course already; add --resume")
    assert main([str(word) for word in argv]) == 0
    assert names(stages) == ALL[1:]
    assert "--resume" in stages[0] and "--minutes" not in stages[0]


def test_a_stage_that_ctrl_c_ended_early_ends_the_course(stages, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(course, "is_done", lambda folder: folder.name == "data")
    argv = ["course", "--output", tmp_path]
    fails(capsys, argv, 130, "stopped in stage teller; to go on: ", f"course --output {tmp_path} --resume")


def test_an_assistant_that_ctrl_c_ended_is_made_again(tmp_path):
    save(tmp_path / "assistant", steps=3, stopped=True)
    assert not course.is_done(tmp_path / "assistant")
    save(tmp_path / "assistant" / ".ready", steps=8, stopped=False)  # killed while these were renamed
    assert course.is_done(tmp_path / "assistant")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--minutes", "0"], ["--minutes=0 must be a number from 0.01"]),
        (["--resume"], ["--resume", "no course to continue"]),
        (["--device", "tpu"], ["tpu"]),
    ],
)
def test_what_cannot_be_is_one_line_before_any_work(argv, words, tmp_path, capsys):
    fails(capsys, ["course", "--output", tmp_path / "new", *argv], 2, *words)
    assert not (tmp_path / "new").exists()


def test_a_folder_of_other_files_is_no_course(tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("Dear Mara", "utf-8")
    fails(capsys, ["course", "--output", tmp_path], 2, "holds something else (letter.txt); name another")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_course_that_is_logged_kept_its_promises_and_the_page_quotes_it():
    log = village.DATA / "models" / "course.jsonl"
    stages = {row["stage"]: row for row in map(json.loads, log.read_text("utf-8").splitlines())}
    minutes = sum(row["seconds"] for row in stages.values()) / 60
    first, last = stages["teller"], stages["assistant"]
    assert minutes < 15 and last["right"] > 0.75 and last["true"] > first["true"]
    page = (village.DATA.parent / "docs" / "your-text.md").read_text("utf-8")
    assert f"took {minutes:.1f} minutes" in page
    assert f"answers {100 * last['right']:.0f} % word for word" in page
    assert f"{100 * last['true']:.0f} % are without a contradiction" in page
    assert f"the storyteller that it began as, {100 * first['true']:.0f} %." in page
