"""The command line where something goes wrong: found before the work, said in one line, and nothing lost."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from support.command_line import MINE, TINY, fails, planned, said

from companion import village
from companion.__main__ import main
from companion.runtime.runs import resuming
from companion.runtime.terminal import as_typed, screens
from companion.training import Trainer
from companion.village import load_split

ROOT = Path(__file__).parents[2]
RESUME = ["train", *MINE, "--checkpoint", "runs/mine", "--resume"]


# -- bad input ------------------------------------------------------------------


BAD_TRAININGS = [
    ("--judge -5", "--judge=-5 must be a whole number from 0 to 100,000"),
    ("--minutes inf", "--minutes=inf must be a number from 0 to 1,000,000"),
    ("--architecture rwkv", "rwkv"),
    ("--checkpoint mine.txt/under", "--checkpoint=mine.txt/under cannot be written"),
]


@pytest.mark.parametrize("options, words", BAD_TRAININGS)
def test_a_training_that_cannot_be_is_refused_before_it_begins(options, words, prepared, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.train.learn", None)
    assert main(["train", *MINE, "--checkpoint", "runs/new", *TINY, *options.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("companion: ") and words in line
    assert not (prepared / "runs/new").exists()


BAD_DRAWINGS = [
    ("--temperature nan", "temperature=nan"),
    ("--top-k many", "--top-k='many' must be a whole number from 1"),
]


@pytest.mark.parametrize("options, words", BAD_DRAWINGS)
def test_a_text_that_cannot_be_is_refused_before_a_model_is_loaded(options, words, capsys):
    fails(capsys, ["generate", "--checkpoint", "nowhere", *options.split()], 2, words)


BAD_OPTIONS = [
    ("eval --stories -1", "--stories=-1"),
    ("eval --temperature hot", "--temperature='hot' must be a number"),
    ("eval --data nowhere", "folder='nowhere' is not there; companion prepare makes it"),
    ("train --data ''", "--data='' is empty; name one, or leave it out"),
    ("train --config ''", "--config='' is empty"),
    ("generate --model runs/village", "runs/village is not there"),  # and no hub is asked
    ("info --checkpoint min.txt", "min.txt is not there, nor its config.json (did you mean mine.txt?)"),
    (
        "finetune instructions --data talks.jsonl --keep 2",
        "--keep needs plain texts on which the model stays as it is; name them with",
    ),
]


@pytest.mark.parametrize("argv, words", BAD_OPTIONS)
def test_an_option_that_cannot_be_is_refused_before_a_file_is_written(argv, words, here, capsys):
    fails(capsys, shlex.split(argv), 2, words)
    assert [path.name for path in here.iterdir()] == ["mine.txt"]


BAD_TEXTS = [
    ("''", "is empty"),
    ("vilage", "companion: 'vilage' is no file, no folder and no corpus (did you mean village?); "),
    ("empty.txt", "empty.txt"),
    ("binary.dat", "binary.dat"),
    ("one.txt", "1 characters in all, too short a text"),
    ("mine.txt --vocab-size 200", "vocab_size=200"),
    ("mine.txt --tokenizer char --vocab-size 300", "--vocab-size"),
    ("mine.csv", "mine.csv is a table and no text; save its texts as .txt or .jsonl; a CSV with labels"),
    ("mine.txt --seed 3", "--seed works with the village only"),
    ("mine.txt --data mine.txt/under", "--data=mine.txt/under cannot be written"),
    ("village --tokenizer char", "--tokenizer works with other texts only"),
]


@pytest.mark.parametrize("argv, words", BAD_TEXTS)
def test_a_text_that_cannot_be_prepared_is_refused_before_the_work(argv, words, here, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.prepare.prepare", None)
    (here / "empty.txt").write_text("")
    (here / "one.txt").write_text("H")
    (here / "binary.dat").write_bytes(bytes(range(256)) * 9)
    fails(capsys, ["prepare", *shlex.split(argv)], 2, words)
    assert not (here / "runs").exists()


def test_files_that_are_no_text_are_named_and_left_out_when_asked(here, capsys):
    (here / "letters").mkdir()
    (here / "letters" / "a.txt").write_bytes((here / "mine.txt").read_bytes())
    (here / "letters" / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 no text")
    fails(capsys, ["prepare", "letters"], 2, "letters/photo.jpg is no UTF-8 text", "--skip leaves out all")
    assert not (here / "runs").exists()
    assert main(["prepare", "letters", "--skip"]) == 0
    assert "photo.jpg" in capsys.readouterr().err
    assert (here / "runs/data/letters/meta.json").exists()


def test_the_data_of_another_text_are_not_replaced_unasked(here, capsys):
    for name, word in (("one", "wind"), ("two", "rain")):
        (here / name).mkdir()
        text = "\n".join(f"Letter {n}: {word} in the mast." for n in range(90))
        (here / name / "letters.txt").write_text(text, encoding="utf-8")
    assert main(["prepare", "one/letters.txt"]) == 0
    before = (here / "runs/data/letters/train.bin").read_bytes()
    fails(capsys, ["prepare", "two/letters.txt"], 2, "runs/data/letters holds the data of", "one/letters.txt")
    assert (here / "runs/data/letters/train.bin").read_bytes() == before
    assert main(["prepare", "one/letters.txt", "--vocab-size", "290"]) == 0  # its own are made anew
    assert main(["prepare", "two/letters.txt", "--overwrite"]) == 0
    assert "two/letters.txt" in (here / "runs/data/letters/meta.json").read_text(encoding="utf-8")


def every_file():
    """The files of the working directory, locks aside: what each holds, and when it was written."""
    files = [path for path in Path().rglob("*") if path.is_file() and path.name[0] != "."]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_model_s_folder_and_a_text_s_own_are_not_filled_with_data(trained, capsys):
    before, prepare = every_file(), ["prepare", "mine.txt", "--overwrite", "--data"]
    fails(capsys, [*prepare, "runs/mine"], 2, "--data=runs/mine holds something")
    fails(capsys, [*prepare, "."], 2, "holds something else (mine.txt)")
    assert every_file() == before


def test_what_cannot_be_resumed_or_judged_is_refused(prepared, capsys):
    train = ["train", *MINE, *TINY, "--checkpoint", "runs/new"]
    fails(capsys, [*train, "--resume"], 2, "checkpoint runs/new is not there")
    fails(capsys, [*train, "--judge", "2"], 2, "--judge works with the village only, not with", "mine.txt")
    assert not (prepared / "runs/new").exists()


NOT_RESUMED = [
    ("--lr 0.5", "lr=0.5 cannot resume runs/mine"),
    ("--steps 2", "--steps=2: runs/mine has done 3 already"),
]


@pytest.mark.parametrize("changed, words", NOT_RESUMED)
def test_a_run_that_cannot_go_on_is_refused_before_a_step(changed, words, trained, capsys):
    before = every_file()
    fails(capsys, [*RESUME, *changed.split()], 2, words)
    assert every_file() == before


@pytest.mark.gate
def test_a_model_of_another_text_is_measured_on_that_and_says_so(trained, capsys, monkeypatch):
    stories = load_split("val")[:9]
    monkeypatch.setattr(village, "load_split", lambda split: stories)

    def measured(*argv):
        return said(capsys, ["eval", "--checkpoint", *argv]).splitlines()

    text = json.loads(Path("runs/data/mine/meta.json").read_text(encoding="utf-8"))["source"]
    title, *figures = measured("runs/mine")
    assert title == f"Loss on {text}, split val (runs/data/mine)"
    assert figures == measured("runs/mine", *MINE)[1:]
    (trained / "runs/mine/best").mkdir(exist_ok=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (trained / "runs/mine/best" / name).write_bytes((trained / "runs/mine" / name).read_bytes())
    assert measured("runs/mine/best")[0] == title
    title, *figures = measured("runs/mine", "--split", "test")
    assert title == "Loss on the village's stories, split test"
    assert any(re.match(r"  floor +0\.1", line) for line in figures)
    (trained / "runs/mine/config.toml").write_text("[", encoding="utf-8")
    assert measured("runs/mine")[0] == "Loss on the village's stories, split val"


def test_stories_of_another_text_are_not_judged(trained, capsys):
    argv = ["eval", "--checkpoint", "runs/mine", *MINE]
    fails(capsys, [*argv, "--stories", "2"], 2, "--stories concerns the village's stories", "runs/data/mine")
    fails(capsys, [*argv, "--temperature", "0.5"], 2, "--temperature concerns the judged stories")
    fails(capsys, [*argv, "--split", "test"], 2, "--split=test is the shipped village's")
    assert main([*argv, "--stories", "0"]) == 0


# -- how long ------------------------------------------------------------------


def steps_done() -> int:
    """The steps that the run in runs/mine has done."""
    return json.loads(Path("runs/mine/config.json").read_text(encoding="utf-8"))["provenance"]["steps"]


@pytest.mark.gate
def test_minutes_beside_steps_and_beside_resume(prepared, capsys):
    begin = ["train", *MINE, *TINY[:-6], "--eval-every", "100000", "--checkpoint", "runs/mine"]
    out = said(capsys, [*begin, "--minutes", "1", "--steps", "3"])
    assert "trains for 60 seconds in at most 3 steps of" in out and steps_done() == 3
    assert "trains for 1 second more in steps of" in said(capsys, [*RESUME, "--minutes", "0.02"])
    more = steps_done()
    assert more > 3
    said(capsys, RESUME)
    assert steps_done() == more  # its time is over
    said(capsys, [*RESUME, "--minutes", "9", "--steps", more + 2])
    assert steps_done() == more + 2
    assert "trains for " + f"{more + 3:,} steps" in said(capsys, [*RESUME, "--steps", more + 3])
    assert resuming.read_log("runs/mine")[-1]["step"] == steps_done() == more + 3


@pytest.mark.gate
def test_a_run_by_the_clock_that_is_cut_goes_on_with_what_is_left_of_its_time(prepared, capsys, monkeypatch):
    by_clock = ["--eval-every", "100000", "--minutes", "5", "--checkpoint", "runs/mine"]
    with monkeypatch.context() as patch:
        press_before(patch, Trainer, "step")
        out = said(capsys, ["train", *MINE, *TINY[:-6], *by_clock])
    assert "It stopped before its time was over. To train the rest:" in out and steps_done() < 6000
    plan = planned(monkeypatch, [*MINE, "--resume"])
    assert plan.clock.seconds == 300 and 0 < plan.clock.before < 300
    assert "trains for 5 minutes in steps of" in out
    assert "minutes = 0" in Path("runs/mine/config.toml").read_text(encoding="utf-8")


# -- stopped ------------------------------------------------------------------


def interrupt(*args, **kwargs):
    """What Ctrl-C does, at a place that is known."""
    signal.raise_signal(signal.SIGINT)
    time.sleep(1)


def press_before(patch, owner, name):
    """Ctrl-C whenever something is called, which is called nevertheless."""
    called = getattr(owner, name)

    def pressed(*args, **kwargs):
        signal.raise_signal(signal.SIGINT)
        return called(*args, **kwargs)

    patch.setattr(owner, name, pressed)


PRESSED_IN = [
    ("prepare mine.txt --data other", "companion.tokenization.BPETokenizer.train"),
    ("generate", "companion.generation.LanguageModel.stream"),
]


@pytest.mark.parametrize("argv, place", PRESSED_IN)
def test_ctrl_c_is_one_line(argv, place, prepared, capsys, monkeypatch):
    monkeypatch.setattr(place, interrupt)
    assert main(argv.split()) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "companion: stopped"


@pytest.mark.gate
def test_ctrl_c_in_a_step_saves_and_prints_a_command_that_goes_on(prepared, capsys, monkeypatch):
    shape = [*TINY, "--steps", "900", "--eval-every", "900", "--warmup-steps", "0"]
    with monkeypatch.context() as patch:
        press_before(patch, Trainer, "step")
        out = said(capsys, ["train", *MINE, "--checkpoint", "a b", *shape])
    command, longer = (line.strip() for line in out.splitlines() if "--resume" in line)
    assert command == "companion train --data runs/data/mine --checkpoint 'a b' --resume"
    assert longer == f"{command} --minutes 10"
    assert main([*shlex.split(command)[1:], "--steps", "4"]) == 0
    assert resuming.read_log("a b")[-1]["step"] == 4


# -- two at once ------------------------------------------------------------------

HOLDS = """
import time
from companion.runtime.files.atomic import claim
with claim("runs/mine"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.gate
def test_a_run_takes_a_folder_that_no_other_has_until_the_other_is_killed(prepared, capsys):
    train = ["train", *MINE, *TINY]
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline().strip() == b"held"
        assert main(train) == 0
        assert (prepared / "runs/mine-2/model.safetensors").exists()
        assert not (prepared / "runs/mine/model.safetensors").exists()
        fails(capsys, [*train, "--checkpoint", "runs/mine"], 2, "runs/mine", "another run")
        other.kill()
    assert main(train) == 0
    assert (prepared / "runs/mine/model.safetensors").exists()


# -- what cannot be shown ------------------------------------------------------------------


def test_a_letter_that_the_terminal_lacks_is_a_question_mark(capsys, monkeypatch):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    assert main(["generate", "--prompt", "Mara’s Œuf", "--max-new-tokens", "2"]) == 0
    assert shown.getvalue().startswith(b"Mara?s ?uf")


def test_on_a_terminal_control_characters_are_dots(monkeypatch):
    terminal, file, text = io.StringIO(), io.StringIO(), "a\tb\n\x1b[2J\a\r\x7f\x9b"
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    for stream in (terminal, file):
        monkeypatch.setattr(sys, "stdout", stream)
        with screens():
            print(text, end="")
    assert terminal.getvalue() == "a\tb\n·[2J····" and file.getvalue() == text


def test_a_line_is_shown_at_once_also_in_a_pipe(monkeypatch):
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, encoding="utf-8"))
    with screens():
        print("one")
        assert pipe.getvalue().strip() == b"one"


@pytest.mark.gate
@pytest.mark.skipif(os.name == "nt", reason="needs a pipe whose reader can leave")
def test_a_pipe_that_is_closed_is_no_fault():
    command, pipe = [sys.executable, "-m", "companion"], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe) as child:
        child.stdout.close()
        assert child.stderr.read() == b"" and child.wait() == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has other quotes")
def test_a_command_is_printed_as_it_is_to_be_typed():
    assert as_typed("a", "b c") == "a 'b c'" and as_typed("--n", 3, Path("x")) == "--n 3 x"
    words = ["it's", 'a "b"', "c$d", ""]
    assert shlex.split(as_typed(*words)) == words


CALLED = {
    "as a module": (f"{ROOT}/companion/__main__.py", "/opt/bin/companion", "python3 -m companion"),
    "found by its name": ("/opt/bin/companion", "/opt/bin/companion", "companion"),
    "by its path": (".venv/bin/companion", "/opt/bin/companion", ".venv/bin/companion"),
    "from Python": ("/opt/bin/jupyter-lab", "/opt/bin/companion", "companion"),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has other quotes")
@pytest.mark.parametrize("program, found, typed", CALLED.values(), ids=CALLED)
def test_a_command_is_printed_as_this_one_was_called(program, found, typed, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program, "train"])
    monkeypatch.setattr(sys, "orig_argv", ["python3", program, "train"])
    monkeypatch.setattr("shutil.which", lambda name: found)
    assert as_typed("companion", "train", "a b") == f"{typed} train 'a b'"
    assert as_typed("jupyter", "lab") == f"{typed.replace('companion', 'jupyter')} lab"
    assert as_typed("torchrun", "-m", "companion") == "torchrun -m companion"


def test_the_usual_vocabulary_is_no_larger_than_a_text_can_give(here, capsys):
    (here / "same.txt").write_text("The cat sat on the mat.\n" * 4000, encoding="utf-8")
    assert "tokens in the vocabulary" in said(capsys, ["prepare", "same.txt", "--data", "same"])
    fails(capsys, ["prepare", "same.txt", "--data", "more", "--vocab-size", "480"], 2, "ask for at most 2")


def test_the_installed_command_is_the_one_that_is_tested():
    (found,) = metadata.entry_points(group="console_scripts", name="companion")
    assert found.value == "companion.__main__:main"


def test_a_text_that_is_too_short_to_train_on_is_not_sent_to_train(here, capsys):
    (here / "short.txt").write_text("hello you")
    out = said(capsys, ["prepare", "short.txt"])
    assert "more than 256 tokens: add text" in out and "companion train" not in out
