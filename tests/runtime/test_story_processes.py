"""New stories that several processes tell: the same as one would, and one line when something ends them."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64decode

import pytest
from companion.runtime.data.story_processes import Telling
from support.cases import texts
from support.command_line import fails

from companion import village
from companion.runtime.data import story_processes
from companion.village import splits
from companion.village.__main__ import main

TEXTS = texts(__file__)

FORTY_THOUSAND = "e292b19112ddc5aa489a207c8d3554706051c504f5f8f6e83bf712b748aa6e0f"
"""SHA-256 of the stories that `companion train` learns from, as one process tells them."""

WITH_A_SIGN = TEXTS["WITH_A_SIGN"]
"""The command `companion`, which makes an empty file when its processes tell stories."""


@pytest.mark.gate
def test_the_stories_of_a_training_are_those_that_one_process_would_tell():
    with Telling(40_000, 4) as ours:
        assert len(ours.tellers) == 4
        stories = ours.stories()
    assert hashlib.sha256("\n".join(stories).encode()).hexdigest() == FORTY_THOUSAND


def test_a_share_goes_on_where_the_one_before_it_ends(tmp_path, monkeypatch):
    expected = village.fresh_stories(40, 4)
    monkeypatch.setattr(splits, "PLACES", {4: (20, 30)})
    assert main(["--places", "--out", str(tmp_path)]) == 0
    states = json.loads((tmp_path / "places.json").read_text(encoding="utf-8"))["4"]
    known = {int(number): splits._STATE.unpack(b64decode(state)) for number, state in states.items()}
    monkeypatch.setattr(splits, "places", lambda seed: known)
    for first in (0, 20, 30):
        stories = village.fresh(4, first)
        assert [next(stories) for _ in range(10)] == expected[first : first + 10]
    with pytest.raises(ValueError, match="first=31 is no known place of seed 4; give one of 0, 20, 30"):
        village.fresh(4, first=31)


def test_the_known_places_are_of_whole_generators():
    assert list(village.places(4)) == [10000, 20000, 30000] and village.places(5) == {}
    first = next(village.fresh(4, first=10000))
    assert village.bits(first) is not None and first != next(village.fresh(4))


def test_another_process_tells_the_same_and_few_are_told_here(monkeypatch):
    with Telling(20, 5) as few:
        assert few.tellers == [] and few.stories() == village.fresh_stories(20, 5)
    monkeypatch.setattr(story_processes, "AT_ONCE", 10)
    with Telling(120, 5) as ours:
        assert len(ours.tellers) == 1 and ours.stories() == village.fresh_stories(120, 5)


def test_a_process_that_fails_is_one_line_and_leaves_nothing(here, capsys, monkeypatch):
    monkeypatch.setattr(story_processes, "AT_ONCE", 1)
    monkeypatch.setattr(
        story_processes, "CHILD", "print('A story.', flush=True); raise OSError('no more {n} words')"
    )
    argv = ["prepare", "village", "--stories", "9", "--data", "nine"]
    fails(capsys, argv, 1, "tells the village's stories ended early (OSError: no more 9 words); try again")
    assert [path.name for path in here.iterdir()] == ["mine.txt"]


def test_a_process_that_is_killed_is_one_line(monkeypatch):
    monkeypatch.setattr(story_processes, "AT_ONCE", 1)
    monkeypatch.setattr(story_processes, "CHILD", "import time; time.sleep(60)")
    with Telling(9, 1) as ours:
        ours.tellers[0].process.kill()
        with pytest.raises(RuntimeError, match="ended early \\(status "):
            ours.stories()


def test_ctrl_c_ends_the_processes_and_leaves_nothing(here, capsys, monkeypatch):
    monkeypatch.setattr(story_processes, "AT_ONCE", 1)
    monkeypatch.setattr(story_processes, "CHILD", "import time; time.sleep(60)")
    begun, stories = [], Telling.stories

    def interrupted(self):
        begun.extend(self.tellers)
        signal.raise_signal(signal.SIGINT)
        return stories(self)

    monkeypatch.setattr(Telling, "stories", interrupted)
    fails(capsys, ["train"], 130, "stopped")
    assert begun and all(teller.process.returncode is not None for teller in begun)
    assert not list(here.rglob("meta.json")) and not list(here.rglob("model.safetensors"))


@pytest.mark.gate
@pytest.mark.skipif(os.name == "nt", reason="sends the signal of a POSIX terminal")
def test_a_terminal_s_ctrl_c_while_the_village_tells_is_one_line(here):
    child = subprocess.Popen(
        [sys.executable, "-c", WITH_A_SIGN, "prepare", "village", "--stories", "9000", "--seed", "9"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    while not (here / "telling").exists() and child.poll() is None:
        time.sleep(0.1)
    time.sleep(1)
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130 and err == b"companion: stopped\n" and out == b""
    assert sorted(path.name for path in here.iterdir()) == ["mine.txt", "telling"]


def test_what_is_wrong_is_said_before_a_story_is_told(here, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.train.learn", None)
    for option, words in [
        ("--device=abacus", "abacus"),
        ("--lr=-1", "lr=-1.0"),
        ("--n-heads=7", "n_heads=7"),
    ]:
        fails(capsys, ["train", option], 2, words)
    fails(capsys, ["train", "--checkpoint", "mine.txt/x"], 2, "cannot be written")
    assert not list(here.rglob("*.bin"))
