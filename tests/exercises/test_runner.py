"""Running an answer: within its time and memory, and the process stays as it was."""

import random
import re
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy
import pytest
import torch
from exercise_helpers import about, total, verdict

from companion.exercises import grade, runner
from companion.exercises.runner import TimeUp, run_limited

# -- time and memory ------------------------------------------------------------------


def endless(values):
    while True:
        try:
            values[7]
        except Exception:
            pass


def endless_around_a_bare_except(values):
    while True:
        try:
            values[7]
        except:  # noqa: E722
            pass


def late(values):
    try:
        endless(values)
    except BaseException:
        return sum(values)


@pytest.mark.parametrize("answer", [endless, endless_around_a_bare_except, late])
def test_an_endless_loop_is_stopped_and_its_line_shown(answer, monkeypatch):
    monkeypatch.setattr(grade, "SECONDS", 0.3)
    before = signal.getsignal(signal.SIGINT)
    found = verdict(answer)
    assert "got       nothing; it was stopped after 0.3 seconds" in found
    assert "likely    An endless loop?" in found
    if answer is endless:
        assert re.search(r"where     line \d+ of test_runner.py: (while|try|values|except|pass)", found)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_real_ctrl_c_interrupts():
    def stopped(values):
        signal.raise_signal(signal.SIGINT)
        endless(values)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        verdict(stopped)
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_an_answer_has_no_limits():
    found = []
    thread = threading.Thread(target=lambda: found.append(verdict(total)))
    thread.start()
    thread.join()
    assert found == ["1.1 right. It adds."]


def busy():
    """Python for ten seconds, which a test that fails takes."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pass


def test_of_a_call_within_a_call_each_has_its_own_time():
    inner = []

    def both():
        with pytest.raises(TimeUp):
            run_limited(busy, 0.1)
        inner.append(run_limited(lambda: 5, 60))
        runner.watchdog().limits[0].deadline = 0  # now the time of the outer call is over
        busy()

    with pytest.raises(TimeUp):
        run_limited(both, 60)
    assert inner == [5]
    with pytest.raises(TimeUp):
        run_limited(lambda: run_limited(busy, 20), 0.1)


def test_memory_is_limited(monkeypatch):
    pytest.importorskip("resource")
    monkeypatch.setattr(runner, "MEMORY", 2**27)

    def hoards(values):
        held = []
        while True:
            held.append(f"{len(held)}" * 99)

    before = runner.peak_memory()
    text = verdict(hoards)
    assert "it was stopped when it had taken more than" in text and "MB of memory" in text
    assert "grows without end" in text
    assert runner.peak_memory() - before < 2**29


# -- what stays as it was ------------------------------------------------------------------


def process_state():
    return {
        "dtype": torch.get_default_dtype(),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "random": (random.getstate(), torch.get_rng_state().tolist(), repr(numpy.random.get_state())),
        "warnings": list(warnings.filters),
        "streams": (sys.stdout, sys.stderr),
        "Ctrl-C": signal.getsignal(signal.SIGINT),
    }


def draw():
    return random.random() + torch.rand(1).item() + numpy.random.rand()


@pytest.mark.parametrize(
    "change",
    [
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.set_grad_enabled(False),
        draw,
        lambda: setattr(sys, "stdout", None),
        lambda: warnings.simplefilter("error"),
    ],
)
def test_what_an_answer_changes_in_the_process_is_restored(change):
    before = process_state()

    def changes(values):
        change()
        raise RuntimeError("and stops")

    verdict(changes)
    after = process_state()
    assert [key for key in before if before[key] != after[key]] == []


def test_a_check_is_the_same_whatever_the_state_before():
    def draws(values):
        return draw() + torch.is_grad_enabled()

    texts = set()
    for seed in (1, 2):
        random.seed(seed)
        torch.manual_seed(seed)
        numpy.random.seed(seed)
        with torch.set_grad_enabled(seed == 1):
            texts.add(verdict(draws))
    assert len(texts) == 1


def test_the_readers_own_defaults_do_not_matter_and_stay():
    task = about(lambda n: torch.ones(n) / 3, 2)
    try:
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float64)
        with torch.inference_mode():
            assert "right" in repr(grade.grade(task, lambda x: torch.ones(x) / 3))
            assert torch.is_inference_mode_enabled()
        assert torch.empty(1).device.type == "meta" and torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


def test_in_a_script_the_verdict_is_printed_once(tmp_path):
    code = "from companion.exercises import check; check('1.2', 3.4667); check.progress()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.count("1.2 right.") == 1 and "Chapter 1, 1 of" in done.stdout, done.stderr
