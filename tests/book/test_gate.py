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
    ("expression", "found"),
    [("not slow", {"test_averages.py"}), ("not gate", {"01_averages.ipynb", "test_averages.py"})],
)
def test_a_quick_run_leaves_out_the_notebooks_and_none_has_what_is_the_gates(expression, found, tmp_path):
    for place in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / place, tmp_path)
    for place in ("chapters", "tests/slow"):
        (tmp_path / place).mkdir(parents=True)
    shutil.copy(ROOT / "tests/book/tiny/chapters/01_averages.ipynb", tmp_path / "chapters")
    (tmp_path / "tests" / "test_averages.py").write_text(
        "import pytest\ndef test_quick(): pass\n@pytest.mark.gate\ndef test_of_the_gate(): pass\n"
    )
    (tmp_path / "tests" / "slow" / "test_browser.py").write_text("def test_of_a_browser(): pass\n")
    command = [
        sys.executable,
        *"-m pytest -n 0 -q --collect-only chapters tests tests/slow -m".split(),
        expression,
    ]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path).stdout
    assert {Path(line.partition("::")[0]).name for line in out.splitlines() if "::" in line} == found
    assert "of_the_gate" not in out
