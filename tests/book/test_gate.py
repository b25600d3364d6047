"""The gate can fail: nbval, as pytest runs it here, refuses broken notebooks and passes whole ones."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


BROKEN = {
    "other_output": ("[10.0, 10.0, 10.0]", "[10.0, 10.0, 10.1]"),
    "raises": ("ExponentialAverage()", "ExponentialAverage(7)"),
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


SKIPPED = """\
import pytest

def test_extra():
    pytest.importorskip("no_such_module", reason="needs it: pip install -e '.[site]'")

@pytest.mark.skipif(True, reason="the authors' tools are not installed: pip install -e .[site]")
def test_mark():
    pass

@pytest.fixture
def chromium():
    pytest.skip("needs Chromium: apt-get install chromium, or playwright install chromium")

def test_fixture(chromium):
    pass

def test_resource():
    pytest.skip("could not import 'resource': No module named 'resource'")

def test_gpu():
    pytest.skip("needs a GPU")
"""


@pytest.mark.gate
@pytest.mark.parametrize("installed", [True, False])
def test_what_is_not_installed_fails_in_the_gate_and_is_skipped_elsewhere(installed, tmp_path):
    (tmp_path / "tests" / "slow").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    (tmp_path / "tests" / "slow" / "test_each.py").write_text(SKIPPED, encoding="utf-8")
    intact = (
        "import pytest\npytest.importorskip('no_such_module', reason='pip install it')\ndef test(): pass\n"
    )
    (tmp_path / "tests" / "slow" / "test_whole.py").write_text(intact, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "EXTRAS_INSTALLED"}
    if installed:
        environment["EXTRAS_INSTALLED"] = "1"
    options = ["-q", "-rfEs", "-p", "no:cacheprovider", "--continue-on-collection-errors", "--color=no"]
    command = [sys.executable, "-m", "pytest", *options, "tests"]
    out = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path).stdout
    wrong = re.findall(r"^(?:FAILED|ERROR) tests/slow/(?:test_each.py::)?(\w+)", out, re.MULTILINE)
    missing = {"test_extra", "test_mark", "test_fixture", "test_whole"}
    assert set(wrong) == (missing if installed else set()), out
    assert ("2 skipped" if installed else "6 skipped") in out, out


def test_the_gate_says_that_the_extras_are_installed_once_they_are():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    steps = ["install -e '.[site,serve,peers,dev]'", "export EXTRAS_INSTALLED=1", "pytest -rs -m gate"]
    assert sorted(map(gate.index, steps)) == [gate.index(step) for step in steps]
