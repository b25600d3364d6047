"""The command line where something goes wrong: found before the work, said in one line, and nothing lost."""

import builtins
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from importlib import import_module, metadata
from pathlib import Path

import pytest
from support.command_line import MINE, TINY, fails, said

from companion.cli import main, train
from companion.runtime.data.conversations import write_chats
from companion.runtime.runs import resuming, sessions
from companion.runtime.storage import checkpoints
from companion.runtime.terminal import as_typed, screens
from companion.training import Trainer

ROOT = Path(__file__).parents[2]
RESUME = ["train", *MINE, "--checkpoint", "runs/mine", "--resume"]


# -- bad input ------------------------------------------------------------------


BAD_TRAININGS = [
    ("--judge -5", "--judge=-5 must be a whole number from 0 to 100,000"),
    ("--seed 99999999999999", "seed=99999999999999 must be a whole number"),
    ("--minutes 1e307", "--minutes=1e307 must be a number from 0 to 1,000,000"),
    ("--steps 99999999999999999999", "steps=99999999999999999999"),
    ("--context-length 99999999999999999999", "99999999999999999999"),
    ("--d-model 99999999999999999999", "d_model=99999999999999999999"),
    ("--d-model 4000000", "d_model=4000000"),
    ("--lr nan", "lr=nan"),
    ("--grad-clip 0", "grad_clip=0.0 must be above 0; try 1, or inf"),
    ("--dropout nan", "dropout=nan"),
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
    ("--temperature -1", "temperature=-1"),
    ("--temperature 1e-40", "temperature=1e-40"),
    ("--temperature nan", "temperature=nan"),
    ("--top-k 0", "top_k=0"),
    ("--top-k many", "--top-k='many' must be a whole number; see"),
    ("--top-p 0", "top_p=0.0"),
    ("--top-p 1.5", "top_p=1.5"),
    ("--max-new-tokens 0", "--max-new-tokens=0 must be a whole number from 1"),
    ("--seed 99999999999999999999", "seed=99999999999999999999"),
    ("--seed -3", "seed=-3"),
]


@pytest.mark.parametrize("options, words", BAD_DRAWINGS)
def test_a_text_that_cannot_be_is_refused_before_a_model_is_loaded(options, words, capsys):
    fails(capsys, ["generate", "--checkpoint", "nowhere", *options.split()], 2, words)


BAD_OPTIONS = [
    ("eval --stories -1", "--stories=-1"),
    ("eval --temperature hot", "--temperature='hot' must be a number"),
    ("eval --seed 99999999999999999999", "seed=99999999999999999999"),
    ("eval --data nowhere", "nowhere"),
    ("generate --device abacus", "abacus"),
    (
        "finetune instructions --data talks.jsonl --keep 2",
        "--keep needs plain texts on which the model stays as it is; name them with",
    ),
    ("train --data ''", "--data='' is empty; write '.' for the current folder"),
    ("train --init ''", "--init='' is empty; name one, or leave it out"),
    ("train --config ''", "--config='' is empty"),
    ("serve --host ''", "--host='' is empty"),
    ("verify ''", "model='' is empty"),
    ("course --output ''", "--output='' is empty"),
]


@pytest.mark.parametrize("argv, words", BAD_OPTIONS)
def test_an_option_that_cannot_be_is_refused_before_a_file_is_written(argv, words, here, capsys):
    fails(capsys, shlex.split(argv), 2, words)
    assert [path.name for path in here.iterdir()] == ["mine.txt"]


BAD_TEXTS = [
    ("''", "is empty"),
    ("'  '", "is empty"),
    ("nowhere", "text='nowhere' is no file"),
    ("mine.txt --vocab-size 0", "--vocab-size=0 must be a whole number from 1"),
    ("mine.txt --vocab-size 99999999999999999999", "--vocab-size=99999999999999999999"),
    ("mine.txt --tokenizer char --vocab-size 300", "--vocab-size"),
    ("mine.txt --val-fraction nan", "val_fraction=nan"),
    ("mine.txt --val-fraction 1", "val_fraction=1.0"),
    ("mine.txt --seed 3", "--seed works with the village only"),
    ("mine.txt --data mine.txt/under", "--data=mine.txt/under cannot be written"),
    ("village --stories 0", "--stories=0"),
    ("village --tokenizer char", "--tokenizer works with other texts only"),
    ("village --vocab-size 300", "--vocab-size works with other texts only"),
    ("village --val-fraction 0.2", "--val-fraction works with other texts only"),
    ("village --skip", "--skip works with other texts only"),
]


@pytest.mark.parametrize("argv, words", BAD_TEXTS)
def test_a_text_that_cannot_be_prepared_is_refused_before_the_work(argv, words, here, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.prepare.prepare", None)
    fails(capsys, ["prepare", *shlex.split(argv)], 2, words)
    assert [path.name for path in here.iterdir()] == ["mine.txt"]


NOT_PREPARED = {
    "nowhere": "nowhere is not there; prepare a text of yours there: companion prepare my.txt --data nowhere",
    "mine.txt": "is a file, not a folder of prepared text; prepare it first: companion prepare mine.txt",
    "my letters": "holds files that were not prepared; prepare them first: companion prepare 'my letters'",
    "hollow": "--data=hollow is empty; prepare a text of yours there: companion prepare my.txt --data hollow",
    "pydoc": "--data=pydoc is a text's name, not a folder; prepare it first: companion prepare pydoc",
    "mine": "--data=mine is not there, but runs/data/mine is; name that",
    "runs/mine": "--data=runs/mine holds a model, not a prepared text",
    "runs/data/mine": "--data=runs/data/mine is damaged, or of an older version",
}


@pytest.mark.gate
@pytest.mark.parametrize("data", NOT_PREPARED)
def test_what_is_no_prepared_text_is_named_with_the_command_that_prepares_it(data, trained, capsys):
    (trained / "my letters").mkdir()
    (trained / "my letters/one.txt").write_text("Dear Mara", encoding="utf-8")
    (trained / "hollow").mkdir()
    (trained / "runs/data/mine/train.bin").unlink()
    for command in (["train"], ["eval", "--checkpoint", "runs/mine"]):
        fails(capsys, [*command, "--data", data], 2, NOT_PREPARED[data])


@pytest.fixture
def locked(monkeypatch):
    """A function that takes away the right to open a file, also of root, who has all rights."""

    def lock(name):
        opened = builtins.open

        def denied(path, *args, **kwargs):
            if not isinstance(path, int) and Path(path) == Path(name):
                raise PermissionError(13, "Permission denied", str(path))
            return opened(path, *args, **kwargs)

        monkeypatch.setattr(builtins, "open", denied)
        monkeypatch.setattr(io, "open", denied)

    return lock


UNREADABLE = [
    ("mine.txt", "prepare mine.txt", "leave it out"),
    ("mine.txt", "quantize --data mine.txt --output small", "leave it out"),
    ("runs/data/mine/meta.json", "train --data runs/data/mine", "name another"),
    ("runs/data/mine/train.bin", "train --data runs/data/mine", "name another"),
    ("runs/data/mine/train_starts.npy", "train --data runs/data/mine", "name another"),
    ("runs/data/mine/tokenizer.json", "train --data runs/data/mine", "name another"),
    ("my.toml", "train --data runs/data/mine --config my.toml", "check the path"),
    ("runs/mine/config.json", "generate --model runs/mine", "name another"),
    ("runs/mine/tokenizer.json", "prepare mine.txt --tokenizer runs/mine", "name another"),
]


@pytest.mark.gate
@pytest.mark.parametrize("name, argv, remedy", UNREADABLE)
def test_a_file_that_may_not_be_read_is_one_line(name, argv, remedy, trained, capsys, locked):
    (trained / "my.toml").write_text("judge = 1\n", encoding="utf-8")
    locked(name)
    fails(capsys, argv.split(), 2, name, "cannot be read", "(Permission denied); ", remedy)


def test_files_that_are_no_text_or_may_not_be_read_are_named_and_left_out_when_asked(here, capsys, locked):
    (here / "letters").mkdir()
    for name in ("a.txt", "b.txt"):
        (here / "letters" / name).write_bytes((here / "mine.txt").read_bytes())
    (here / "letters" / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 no text")
    locked(here / "letters/b.txt")
    locked("letters/b.txt")
    fails(
        capsys, ["prepare", "letters"], 2, "or cannot be read: b.txt, photo.jpg; ", "leave it out with --skip"
    )
    assert not (here / "runs").exists()
    assert main(["prepare", "letters", "--skip"]) == 0
    err = capsys.readouterr().err
    assert "letters/b.txt cannot be read (Permission denied)" in err and "photo.jpg" in err
    assert (here / "runs/data/letters/meta.json").exists()


def test_a_folder_in_the_place_of_a_file_is_one_line(trained, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.info.folder_of", lambda *_: open(trained / "runs"))
    fails(capsys, ["info"], 2, "runs cannot be read or written (Is a directory); name another")
    (trained / "my.toml").mkdir()
    words = "--config=my.toml cannot be read (Is a directory)"
    fails(capsys, ["train", *MINE, "--config", "my.toml"], 2, words)


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


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_model_s_folder_and_a_text_s_own_are_not_filled_with_data(trained, capsys, more):
    before, prepare = every_file(), ["prepare", "mine.txt", *more, "--data"]
    fails(capsys, [*prepare, "runs/mine"], 2, "--data=runs/mine holds something")
    fails(capsys, [*prepare, "."], 2, "holds something else (mine.txt)")
    assert every_file() == before


@pytest.mark.gate
def test_a_run_takes_no_folder_with_other_files(prepared, capsys):
    (prepared / "runs/mine").mkdir()
    (prepared / "runs/mine/config.toml").write_text("my = 'own'\n", encoding="utf-8")
    train, words = ["train", *MINE, *TINY], "holds something else (config.toml); name another"
    fails(capsys, [*train, "--checkpoint", "runs/mine"], 2, words)
    assert main(train) == 0 and (prepared / "runs/mine-2/model.safetensors").exists()
    assert (prepared / "runs/mine/config.toml").read_text(encoding="utf-8") == "my = 'own'\n"


def test_what_cannot_be_resumed_or_judged_is_refused(prepared, capsys):
    train = ["train", *MINE, *TINY, "--checkpoint", "runs/new"]
    fails(capsys, [*train, "--resume"], 2, "--resume: runs/new holds no saved run; leave it out")
    fails(
        capsys,
        [*train, "--judge", "2"],
        2,
        "--judge works with the village only, not with",
        "mine.txt",
    )
    assert not (prepared / "runs/new").exists()


NOT_RESUMED = [
    ("--lr 0.5", "lr=0.5 cannot resume runs/mine"),
    ("--d-model 32", "d_model=32 cannot resume"),
    ("--batch-size 3", "batch_size=3 cannot resume"),
    ("--steps 2", "--steps=2: runs/mine has done 3 already"),
]


@pytest.mark.parametrize("changed, words", NOT_RESUMED)
def test_a_run_that_cannot_go_on_is_refused_before_a_step(changed, words, trained, capsys):
    before = every_file()
    fails(capsys, [*RESUME, *changed.split()], 2, words)
    assert every_file() == before


def test_a_run_of_older_parts_is_refused(trained, capsys):
    """As after an update of the package, in which an architecture has other parts."""
    path = trained / "runs/mine" / resuming.STATE
    tensors, notes = checkpoints.read_safetensors(path)
    older = {name.replace(".shift_1.", ".shift."): t for name, t in tensors.items()}
    assert older.keys() != tensors.keys()
    checkpoints.write_safetensors(path, older, notes)
    words = "is of another model: blocks.0.shift.weight is [1, 16] there, none here"
    fails(capsys, RESUME, 2, words)


MISPLACED = [
    ("max_new_tokens = 5", "max_new_tokens belongs below [model], [training], [generation] or nowhere"),
    ("[[generation]]\nseed = 1", "generation belongs below"),
    ("[generatoin]\nseed = 1", "no table is called [generatoin]"),
]


@pytest.mark.parametrize("content, words", MISPLACED)
def test_generate_refuses_settings_that_have_no_place(content, words, trained, capsys):
    (trained / "my.toml").write_text(content, encoding="utf-8")
    fails(capsys, ["generate", "--checkpoint", "runs/mine", "--config", "my.toml"], 2, "my.toml", words)


ON_VILLAGE = "Loss on the village's stories. The model was trained on {text}. To measure it on that text, add"
ON_VILLAGE += " {how}."


@pytest.mark.gate
def test_a_model_of_another_text_is_measured_on_that_and_says_so(trained, capsys):
    def measured(*argv):
        return said(capsys, ["eval", "--checkpoint", *argv]).splitlines()

    text = json.loads(Path("runs/data/mine/meta.json").read_text(encoding="utf-8"))["source"]
    assert measured("runs/mine", *MINE)[0] == "Loss on the prepared text, split val"
    note, *figures = measured("runs/mine")
    assert note == f"Loss on the model's own text, {text}, the part that was held out (runs/data/mine)"
    assert figures == measured("runs/mine", *MINE)[1:]
    note, *figures = measured("runs/mine", "--split", "train")
    assert "the part that it was trained on" in note
    assert figures == measured("runs/mine", *MINE, "--split", "train")[1:]
    (trained / "runs/mine/best").mkdir(exist_ok=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (trained / "runs/mine/best" / name).write_bytes((trained / "runs/mine" / name).read_bytes())
    assert measured("runs/mine/best")[0].startswith(f"Loss on the model's own text, {text}")

    on_village = ON_VILLAGE.format(text=text, how="--data runs/data/mine")
    for more in (["--split", "test"], ["--stories", "0"]):
        note, *figures = measured("runs/mine", *more)
        assert note == on_village and any(re.match(r"  floor +0\.1", line) for line in figures)
    (trained / "runs/mine/config.toml").write_text("[", encoding="utf-8")
    on_village = ON_VILLAGE.format(text=text, how="--data and its prepared folder")
    assert measured("runs/mine")[0] == on_village


@pytest.mark.gate
def test_a_model_s_text_that_was_prepared_anew_is_not_taken_for_its_own(here, capsys):
    assert main(["prepare", "mine.txt"]) == main(["train", *MINE, *TINY]) == 0
    with open("mine.txt", "a", encoding="utf-8") as file:
        file.write("\nOne spoon more.")
    assert main(["prepare", "mine.txt"]) == 0
    note = ON_VILLAGE.format(text=here / "mine.txt", how="--data and its prepared folder")
    assert said(capsys, ["eval", "--checkpoint", "runs/mine"]).splitlines()[0] == note


def test_stories_of_another_text_are_not_judged(trained, capsys):
    argv = ["eval", "--checkpoint", "runs/mine", *MINE]
    fails(capsys, [*argv, "--stories", "2"], 2, "--stories concerns the village's stories", "runs/data/mine")
    fails(capsys, [*argv, "--temperature", "0.5"], 2, "--temperature concerns the village's stories")
    fails(capsys, [*argv, "--split", "test"], 2, "--split=test is the shipped village's")
    assert main([*argv, "--stories", "0"]) == 0


@pytest.mark.gate
def test_a_temperature_is_refused_where_no_story_is_judged(trained, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.eval.loss_on", None)
    heat, words = (
        ["--temperature", "0.3"],
        "--temperature concerns the judged stories; ask for some with --stories",
    )
    fails(capsys, ["eval", "--model", "nowhere", "--stories", "0", *heat], 2, words)
    fails(capsys, ["eval", "--model", "runs/mine", *heat], 2, words)  # it has another tokenizer


def test_a_gguf_file_that_is_missing_or_cut_off_is_one_line(tmp_path, capsys):
    path = tmp_path / "village.gguf"
    fails(capsys, ["eval", "--model", path], 2, "village.gguf is no whole GGUF file")
    path.write_bytes(b"GGUF")
    fails(capsys, ["eval", "--model", path], 2, "village.gguf is no whole GGUF file")


# -- how long ------------------------------------------------------------------


def steps_said(capsys, argv) -> int:
    """The steps that the run announces."""
    (steps,) = re.findall(r"parameters and takes ([\d,]+) steps", said(capsys, argv))
    return int(steps.replace(",", ""))


@pytest.mark.gate
def test_minutes_beside_steps_and_beside_resume(prepared, capsys):
    begin = ["train", *MINE, *TINY[:-6], "--eval-every", "100000", "--checkpoint", "runs/mine"]
    assert steps_said(capsys, [*begin, "--minutes", "0.02", "--steps", "3"]) == 3
    more = steps_said(capsys, [*RESUME, "--minutes", "0.02"])
    assert more > 3
    assert steps_said(capsys, [*RESUME, "--minutes", "1", "--steps", more + 2]) == more + 2
    assert steps_said(capsys, [*RESUME, "--steps", more + 3]) == more + 3
    assert resuming.read_log("runs/mine")[-1]["step"] == more + 3


@pytest.mark.gate
def test_a_run_shorter_than_the_preset_s_warm_up_has_a_shorter_one(prepared, capsys):
    assert main(["train", *MINE, *TINY, "--steps", "20", "--eval-every", "20"]) == 0
    config = json.loads((prepared / "runs/mine/config.json").read_text(encoding="utf-8"))
    assert config["provenance"]["train"]["warmup_steps"] == 10  # half of it
    fails(capsys, ["train", *MINE, *TINY, "--warmup-steps", "50"], 2, "warmup_steps=50")
    timed = [*TINY[: TINY.index("--steps")], "--minutes", "0.001"]
    argv = ["train", *MINE, *timed, "--warmup-steps", "5000"]
    fails(capsys, argv, 2, "--minutes=0.001 is enough for ", "give more minutes, or fewer --warmup-steps")


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
    ("eval", "companion.cli._learning.evaluate"),
    ("info", "companion.models.load.read_model"),
    ("train --data runs/data/mine", "companion.cli.train.load_prepared"),
    ("", "companion.cli.overview"),
]


@pytest.mark.parametrize("argv, place", PRESSED_IN)
def test_ctrl_c_is_one_line(argv, place, prepared, capsys, monkeypatch):
    monkeypatch.setattr(place, interrupt)
    assert main(argv.split()) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "companion: stopped"


@pytest.mark.parametrize("place", ["claim", "tqdm"])
def test_ctrl_c_before_the_first_step_says_that_nothing_was_saved(place, prepared, capsys, monkeypatch):
    press_before(monkeypatch, sessions, place)
    argv = ["train", *MINE, "--checkpoint", "runs/new", *TINY]
    fails(capsys, argv, 130, "stopped before the first step; nothing was saved")
    assert not list((prepared / "runs/new").glob("[!.]*"))


def twice(patch, place):
    """Ctrl-C in the third step, and again when what stands at a place is called next."""
    module, name = place.rsplit(".", 1)
    step, before, pressed = Trainer.step, getattr(import_module(module), name), []

    def pressing(self):
        if self.steps == 2:
            pressed.append(signal.raise_signal(signal.SIGINT))
        return step(self)

    def again(*args, **kwargs):
        if pressed:
            pressed.clear()
            signal.raise_signal(signal.SIGINT)
        return before(*args, **kwargs)

    patch.setattr(Trainer, "step", pressing)
    patch.setattr(place, again)


LONG = [*MINE, *TINY, "--steps", "900", "--eval-every", "2", "--warmup-steps", "0"]
TWICE = {
    "in the step": ("companion.training.set_gradients", 2, "stopped"),
    "in the save": ("companion.runtime.runs.resuming.write_model", 2, "stopped"),
    "before the report": (
        "companion.show.plots.save",
        3,
        "stopped; the run is saved, to go on with: companion train --data runs/data/mine --resume",
    ),
    "in the report": (
        "companion.cli._training_report.bytes_mean",
        3,
        "stopped; the run is saved, to go on with: companion train --data runs/data/mine --resume",
    ),
}


@pytest.mark.gate
@pytest.mark.parametrize("place, steps, words", TWICE.values(), ids=TWICE)
def test_a_second_ctrl_c_ends_the_run_and_its_last_save_goes_on(
    place, steps, words, prepared, capsys, monkeypatch
):
    with monkeypatch.context() as patch:
        twice(patch, place)
        fails(capsys, ["train", *LONG], 130, words)
    config = json.loads((prepared / "runs/mine/config.json").read_text(encoding="utf-8"))
    assert config["provenance"]["steps"] == steps
    assert main(["train", *MINE, "--resume", "--steps", "4"]) == 0


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


PREPARES = """
import time
from pathlib import Path
from companion.cli import prepare
from companion.runtime.files.atomic import claim
folder = Path("runs/data/village")
with claim(folder):
    print("held", flush=True)
    time.sleep(0.5)
    prepare.prepare_village(folder, 12)
"""


@pytest.mark.gate
def test_prepared_data_that_may_only_be_read_are_trained_on(prepared, monkeypatch):
    def read_only(folder, seconds=0):
        if "data" in Path(folder).parts:
            raise OSError(30, "Read-only file system", str(folder))
        return nullcontext()

    monkeypatch.setattr(train, "claim", read_only)
    assert main(["train", *MINE, *TINY]) == 0


@pytest.mark.gate
def test_of_two_runs_one_prepares_the_village_and_the_other_waits(here, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.prepare.new_stories", None)  # so that this one cannot
    with subprocess.Popen([sys.executable, "-c", PREPARES], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline().strip() == b"held"
        assert main(["train", *TINY, "--context-length", "64"]) == 0
        assert child.wait() == 0
    assert json.loads((here / "runs/data/village/meta.json").read_text())["train"]["n_documents"] == 12


@pytest.mark.gate
def test_two_runs_at_once_end_with_two_models(prepared):
    command, quiet = [sys.executable, "-m", "companion", "train", *MINE, *TINY], subprocess.DEVNULL
    children = [subprocess.Popen(command, stdout=quiet, stderr=quiet) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    for name in ("mine", "mine-2"):
        assert main(["info", "--checkpoint", f"runs/{name}"]) == 0


# -- what cannot be shown ------------------------------------------------------------------


class Closed(io.StringIO):
    """A pipe whose reader has gone after some letters."""

    def __init__(self, letters: int, error: OSError):
        super().__init__()
        self.letters, self.error = letters, error

    def write(self, text):
        self.letters -= len(text)
        if self.letters < 0:
            raise self.error
        return super().write(text)


@pytest.mark.gate
@pytest.mark.parametrize(
    "error, status", [(BrokenPipeError(32, "Broken pipe"), 0), (OSError(28, "No space left"), 1)]
)
def test_a_run_whose_output_nobody_can_see_is_saved(prepared, monkeypatch, error, status):
    err = io.StringIO()
    monkeypatch.setattr(sys, "stdout", Closed(10, error))
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["train", *MINE, *TINY]) == status
    for name in ("model.safetensors", "state.safetensors", "loss.png"):
        assert (prepared / "runs/mine" / name).exists()
    assert "Traceback" not in err.getvalue() and ("companion: [Errno 28]" in err.getvalue()) == (status == 1)


def test_a_text_that_nobody_reads_any_more_ends(monkeypatch):
    asked = []

    def stream(self, prompt, **options):
        for n in range(1000):
            asked.append(n)
            yield "word "

    monkeypatch.setattr("companion.generation.LanguageModel.stream", stream)
    monkeypatch.setattr(sys, "stdout", Closed(30, BrokenPipeError(32, "Broken pipe")))
    assert main(["generate"]) == 0 and len(asked) < 10


def test_a_letter_that_the_terminal_lacks_is_a_question_mark(capsys, monkeypatch):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    assert main(["generate", "--prompt", "Mara’s Œuf", "--max-new-tokens", "2"]) == 0
    assert shown.getvalue().startswith(b"Mara?s ?uf")


def test_on_a_terminal_control_characters_are_signs(monkeypatch):
    terminal, file, text = io.StringIO(), io.StringIO(), "a\tb\n\x1b[2J\a\r\x7f\x9b"
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    for stream in (terminal, file):
        monkeypatch.setattr(sys, "stdout", stream)
        with screens():
            print(text, end="")
    assert terminal.getvalue() == "a\tb\n\u241b[2J\u2407\u240d\u2421\ufffd" and file.getvalue() == text


def test_a_line_is_shown_at_once_also_in_a_pipe(monkeypatch):
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, encoding="utf-8"))
    with screens():
        print("one")
        assert pipe.getvalue().strip() == b"one"


@pytest.mark.gate
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line():
    command = [sys.executable, "-m", "companion"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr == "companion: [Errno 28] No space left on device\n"


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
    "as a module": (f"{ROOT}/companion/__main__.py", "python3 -m companion", None, "python3 -m companion"),
    "found by its name": ("/opt/bin/companion", None, "/opt/bin/companion", "companion"),
    "by its path": (".venv/bin/companion", None, "/opt/bin/companion", ".venv/bin/companion"),
    "by a path, not found": ("/opt/my course/companion", None, None, "'/opt/my course/companion'"),
    "from Python": ("/opt/bin/jupyter-lab", None, "/opt/bin/companion", "companion"),
    "in pytest": ("/opt/pytest/__main__.py", "python -m pytest", None, "companion"),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has other quotes")
@pytest.mark.parametrize("program, whole, found, typed", CALLED.values(), ids=CALLED)
def test_a_command_is_printed_as_this_one_was_called(program, whole, found, typed, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program, "train"])
    monkeypatch.setattr(sys, "orig_argv", [*(whole.split() if whole else ["python", program]), "train"])
    monkeypatch.setattr("shutil.which", lambda name: found)
    assert as_typed("companion", "train", "a b") == f"{typed} train 'a b'"
    assert as_typed("jupyter", "lab") == f"{typed.replace('companion', 'jupyter')} lab"
    assert as_typed("torchrun", "-m", "companion") == "torchrun -m companion"


def test_a_setting_without_a_word_is_none(here, capsys):
    (here / "c.toml").write_text('init = ""\n', encoding="utf-8")
    words = "c.toml: --init='' is empty; name one, or leave it out"
    fails(capsys, ["train", "--config", "c.toml"], 2, words)


def test_texts_to_keep_to_that_are_not_there_are_named_by_their_option(here, capsys):
    talk = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    write_chats(here / "a.jsonl", [talk] * 3)
    argv = ["finetune", "instructions", "--data", "a.jsonl", "--replay", "nosuch"]
    fails(capsys, argv, 2, "--replay='nosuch' is no file")


def test_the_usual_vocabulary_is_no_larger_than_a_text_can_give(here, capsys):
    (here / "same.txt").write_text("The cat sat on the mat.\n" * 4000, encoding="utf-8")
    assert "tokens in the vocabulary" in said(capsys, ["prepare", "same.txt", "--data", "same"])
    fails(capsys, ["prepare", "same.txt", "--data", "more", "--vocab-size", "480"], 2, "ask for at most 2")


PRESSED = """
import sys

class Pressed:
    def find_spec(self, name, *rest):
        if name == "companion.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Pressed())
from companion.__main__ import main
sys.exit(main())
"""


def test_ctrl_c_while_the_command_line_is_read_in_is_one_line():
    done = subprocess.run([sys.executable, "-c", PRESSED], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "companion: stopped\n")


def test_the_installed_command_is_the_one_that_is_tested():
    (found,) = metadata.entry_points(group="console_scripts", name="companion")
    assert found.value == "companion.__main__:main"
