"""Where else people read: what the files for them promise agrees with the course's own lists."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from companion.book.elsewhere import badges
from companion.book.manifest import Book
from companion.book.text import read_notebook

ROOT = Path(__file__).parents[2]
BOOK = Book.read(ROOT)


def text(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def lab_options(command: list[str]) -> list[str]:
    """The options of a `jupyter lab` command."""
    assert command[0].endswith("jupyter") and command[1] == "lab"
    return command[2:]


DOCKERFILE = text("Dockerfile").replace("\\\n", "")
PYTHONS = {
    "Dockerfile": r"^FROM python:(3\.\d+)-slim$",
    "binder/runtime.txt": r"^python-(3\.\d+)$",
    ".devcontainer/devcontainer.json": r'python:(3\.\d+)"',
}


def test_readme_has_the_badges_of_the_repository():
    assert badges(BOOK) in text("README.md"), f"README lacks these lines:\n{badges(BOOK)}"


def test_badges_follow_the_repository(book):
    lines = badges(Book(book.root, "", "https://github.com/ada/engine", {}, []))
    assert lines.count("ada/engine") == 3 and "OWNER" not in lines


@pytest.mark.parametrize("name", PYTHONS)
def test_each_place_has_a_python_that_the_package_takes(name):
    (version,) = re.findall(PYTHONS[name], text(name), re.MULTILINE)
    limits = tomllib.loads(text("pyproject.toml"))["project"]["requires-python"]
    lowest, above = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", limits).groups()
    assert int(lowest) <= int(version.split(".")[1]) < int(above)


def test_the_dev_container_installs_as_readme_says():
    container = json.loads(text(".devcontainer/devcontainer.json"))
    assert f"\n{container['postCreateCommand']} && " in text("README.md")
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "${containerWorkspaceFolder}/.venv/bin/python"
    assert all((ROOT / name).exists() for name in container["customizations"]["codespaces"]["openFiles"])


def test_binder_installs_the_readers_requirements():
    (line,) = text("binder/requirements.txt").splitlines()
    assert (ROOT / "binder" / line.removeprefix("-r ")).resolve() == ROOT / "requirements.txt"


def test_the_container_serves_the_course_as_an_unprivileged_user_with_a_token():
    steps = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    kinds = [kind for kind, _ in steps]
    user = dict(steps)["USER"]
    assert user != "root" and f"--chown={user}:" in dict(steps)["COPY"]
    assert kinds.count("USER") == 1 and kinds.index("USER") < kinds.index("COPY") < kinds.index("CMD")
    assert "pip install --no-cache-dir -r requirements.txt" in DOCKERFILE
    options = lab_options(json.loads(dict(steps)["CMD"]))
    assert not any(word in option for option in options for word in ("token", "password", "allow-root"))
    (url,) = [option for option in options if "default_url" in option]
    assert (ROOT / url.split("/lab/tree/")[1]).exists()


def test_the_container_gets_what_the_course_reads():
    ignored = [line.strip("/") for line in text(".dockerignore").splitlines() if not line.startswith("#")]
    needed = {
        "chapters",
        "companion",
        "data",
        "tests",
        "requirements.txt",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        ".ci",  # from here on: what the tests read
        ".devcontainer",
        ".github",
        "binder",
    }
    assert needed.isdisjoint(ignored)
    assert {".git", ".venv", "runs"} <= set(ignored)


def test_readme_starts_jupyterlab_where_every_link_of_a_chapter_is_in_reach():
    """Chapters link to ../tests and ../companion; JupyterLab shows nothing above the folder it starts in."""
    (line,) = re.findall(r"`(\.venv/bin/jupyter lab .*)`", text("README.md"))
    *options, file = lab_options(shlex.split(line))
    assert options == ["--notebook-dir=."] and (ROOT / file).exists()


def test_a_chapter_that_fetches_the_course_takes_it_from_the_repository():
    for chapter in BOOK.chapters:
        for cell in read_notebook(chapter.notebook).cells:
            if cell.cell_type == "code" and "git" in cell.source and '"clone"' in cell.source:
                assert f'"{BOOK.repository}"' in cell.source
