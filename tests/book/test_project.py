"""The real repository: its chapters, its modules, its commands and its pins."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from companion.book.check import check
from companion.book.manifest import Book

ROOT = Path(__file__).parents[2]
BOOK = Book.read(ROOT)
PINS = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line]

INVOKED = {
    "ipykernel": r"python3",  # the kernel of every notebook
    "jupyter": r"jupyter notebook",
    "jupyterlab": r"jupyter lab",
    "pytest-xdist": r"-n 2 --dist loadfile",
    "nbval": r"--nbval",
    "onnxscript": r"^\s+dynamo=True,",  # with which torch.onnx.export writes
}
"""Packages that are used without being imported, each with a trace of its use."""


@pytest.mark.gate
def test_check_finds_no_difference():
    assert check(BOOK) == []


def test_chapter_25_stands_after_18_in_the_contents_and_keeps_its_number():
    parts = list(BOOK.parts.values())
    place = parts.index(["25_reasoning"])
    assert parts[place - 1][-1] == "18_rewards" and BOOK.find("25").number == 25


def commands_of_readme() -> list[str]:
    """The commands in README's fenced blocks that make a virtual environment."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^python3 -m venv .*$", readme, re.MULTILINE)


def test_readme_has_the_two_commands():
    install = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/"
    assert commands_of_readme() == [install + "companion chat", install + "pytest"]


def test_the_gate_runs_the_command_of_readme_word_for_word():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"command=\$\(grep -E '(.*)' README\.md\)", gate)
    found = [line for line in (ROOT / "README.md").read_text().splitlines() if re.search(pattern, line)]
    assert found == commands_of_readme()[1:]
    assert 'eval "$command"' in gate


def test_workflow_covers_the_systems_and_versions_that_the_package_names():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    for name in ("ubuntu", "macos", "windows", '"3.11"', '"3.12"', '"3.13"', "bash .ci/run"):
        assert name in workflow
    assert (
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == ">=3.11,<3.14"
    )


def test_every_pin_is_exact_and_the_package_comes_last():
    assert PINS[-1] == "-e ."
    for pin in PINS[:-1]:
        assert re.fullmatch(r"[a-zA-Z0-9_-]+==\d+(\.\d+)+", pin), pin
    names = [pin.split("==")[0] for pin in PINS[:-1]]
    assert len(set(names)) == len(names)


def test_requirements_pin_what_the_package_depends_on():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(dependencies) <= {pin.split("==")[0] for pin in PINS} | set(PINS)


def sources() -> str:
    """All code of the project but this file: Python, code cells of chapters, and what names commands."""
    files = [path for folder in ("companion", "tests") for path in (ROOT / folder).rglob("*.py")]
    files.remove(Path(__file__))
    files += [
        ROOT / name
        for name in ("README.md", "docs/installing.md", "pyproject.toml", "conftest.py", ".ci/run")
    ]
    code = [path.read_text(encoding="utf-8") for path in files]
    for path in (ROOT / "chapters").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return "\n".join(code)


def test_every_pinned_package_is_used():
    code = sources()
    for pin in PINS[:-1]:
        name = pin.split("==")[0]
        used = INVOKED.get(name, rf"^\s*(import|from) {name}\b")
        assert re.search(used, code, re.MULTILINE), f"{name} is pinned and never used; remove it"
