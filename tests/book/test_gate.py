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
    "wrong_class": ("1 - self.beta**self.steps", "1"),
    "other_error": ("ExponentialAverage(2)", "ExponentialAverage(3)"),
    "fails_at_the_end": ("Image(data=", "raise Image(data="),
}
"""What is broken, and the one string in the notebook's file that breaks it."""


@pytest.mark.gate
def test_pytest_refuses_each_broken_notebook_and_passes_whole_ones(book):
    """Plain pytest with the project's own settings, on another folder's notebooks."""
    whole = book.chapters[0].notebook.read_text(encoding="utf-8")
    for name, (old, new) in BROKEN.items():
        assert whole.count(old) == 1
        book.chapters[0].notebook.with_name(f"{name}.ipynb").write_text(
            whole.replace(old, new), encoding="utf-8"
        )
    settings = [
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(book.root),
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
    ]
    command = [sys.executable, "-m", "pytest", *settings, "-rpf", "--color=no", str(book.root / "chapters")]
    environment = {**os.environ, "PYTHONPATH": str(book.root)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=book.root)
    assert result.returncode == 1, result.stdout
    outcomes = re.findall(r"^(PASSED|FAILED) chapters/(\w+)\.ipynb", result.stdout, re.MULTILINE)
    failed = {name for outcome, name in outcomes if outcome == "FAILED"}
    assert failed == set(BROKEN), result.stdout
    assert {name for outcome, name in outcomes} == {*BROKEN, "01_averages", "02_smoothing"}


@pytest.mark.gate
@pytest.mark.parametrize(
    ("expression", "folders", "found"),
    [
        ("not slow", "chapters tests", ["test_quick"]),
        ("not gate", "chapters tests", ["Cell 0", "test_quick"]),
        ("gate", "tests", ["test_of_the_gate"]),
        ("gate", "tests/slow", ["test_of_a_browser"]),
    ],
)
def test_each_command_runs_its_part(expression, folders, found, tmp_path):
    """The quick run has no notebook, a plain one nothing of the gate's; the gate's own two have the rest."""
    for place in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / place, tmp_path)
    for place in ("chapters", "tests/slow"):
        (tmp_path / place).mkdir(parents=True)
    shutil.copy(ROOT / "tests/book/tiny/chapters/01_averages.ipynb", tmp_path / "chapters")
    (tmp_path / "tests" / "test_averages.py").write_text(
        "import pytest\ndef test_quick(): pass\n@pytest.mark.gate\ndef test_of_the_gate(): pass\n"
    )
    (tmp_path / "tests" / "slow" / "test_browser.py").write_text("def test_of_a_browser(): pass\n")
    options = f"-m pytest -n 0 -q --collect-only {folders} -m".split()
    command = [sys.executable, *options, expression]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path).stdout
    names = [line.rpartition("::")[2] for line in out.splitlines() if "::" in line]
    assert [name for name in names if not re.fullmatch(r"Cell [1-9]\d*", name)] == found
