"""The gate can fail: nbval, as pytest runs it here, refuses broken notebooks and passes whole ones."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


BROKEN = {
    "other_output": ("[10.0, 10.0, 10.0]", "[10.0, 10.0, 10.1]"),
    "other_error": ("ExponentialAverage(2)", "ExponentialAverage(3)"),
    "fails_at_the_end": ("Image(data=", "raise Image(data="),
}
"""What is broken, and the one string in the notebook's file that breaks it."""


@pytest.mark.gate
def test_pytest_refuses_each_broken_notebook_and_passes_whole_ones(book):
    """Plain pytest with the project's own settings, on another folder's notebooks."""
    intact = book.chapters[0].notebook.read_text(encoding="utf-8")
    for name, (old, new) in BROKEN.items():
        assert intact.count(old) == 1
        book.chapters[0].notebook.with_name(f"{name}.ipynb").write_text(
            intact.replace(old, new), encoding="utf-8"
        )
    settings = f"-c {ROOT / 'pyproject.toml'} --rootdir {book.root} -n 0 -p no:cacheprovider -rpf --color=no"
    command = [sys.executable, "-m", "pytest", *settings.split(), str(book.root / "chapters")]
    environment = {**os.environ, "PYTHONPATH": str(book.root)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=book.root)
    assert result.returncode == 1, result.stdout
    outcomes = re.findall(r"^(PASSED|FAILED) chapters/(\w+)\.ipynb", result.stdout, re.MULTILINE)
    failed = {name for outcome, name in outcomes if outcome == "FAILED"}
    assert failed == set(BROKEN), result.stdout
    assert {name for outcome, name in outcomes} == {*BROKEN, "01_averages", "02_smoothing"}


SKIPPED = {
    "needs it: pip install -e '.[site]'": True,
    "needs Chromium: apt-get install chromium, or playwright install chromium": True,
    "could not import 'no_such_module': No module named 'no_such_module'": True,
    "could not import 'resource': No module named 'resource'": False,
    "needs a GPU": False,
}
"""How a skip words what is missing, and whether it fails in the gate."""


@pytest.mark.parametrize("reason", SKIPPED)
def test_what_is_not_installed_fails_in_the_gate_and_is_skipped_elsewhere(reason, request, monkeypatch):
    fail_if_missing = request.config.pluginmanager.get_plugin(
        str(ROOT / "tests" / "conftest.py")
    ).fail_if_missing
    for installed, outcome in (("", "skipped"), ("1", "failed" if SKIPPED[reason] else "skipped")):
        monkeypatch.setenv("EXTRAS_INSTALLED", installed)
        report = SimpleNamespace(outcome="skipped", skipped=True, longrepr=("file", 1, f"Skipped: {reason}"))
        assert fail_if_missing(report).outcome == outcome


def test_the_gate_says_that_the_extras_are_installed_once_they_are():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    steps = ["install -e '.[site,serve,peers,dev]'", "export EXTRAS_INSTALLED=1", "pytest -rs -m gate"]
    assert sorted(map(gate.index, steps)) == [gate.index(step) for step in steps]
