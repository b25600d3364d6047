"""Where else people read: what the files for them promise agrees with the course's own lists."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from helpers import edit_both, snapshot
from nbformat.v4 import new_code_cell

from companion.book.__main__ import main
from companion.book.check import check
from companion.book.elsewhere import badges, clone, with_repository
from companion.book.manifest import Book

ROOT = Path(__file__).parents[2]
BOOK = Book.read(ROOT)


def text(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


PYTHONS = {
    "Dockerfile": r"^FROM python:(3\.\d+)-slim$",
    "binder/runtime.txt": r"^python-(3\.\d+)$",
    ".devcontainer/devcontainer.json": r'python:(3\.\d+)"',
}


def test_readme_has_the_badges_of_the_repository():
    readme = text("README.md")
    assert (
        with_repository(BOOK, readme) == readme and readme.count(": python -m companion.book repository") == 2
    )


FETCHING = """
# Installs the course where it is missing.
if False:
    address = "https://example.org/tiny"  # the course's repository
    address = "https://example.org/other"
    subprocess.run(["git", "clone", address], check=True)
"""


@pytest.fixture
def published(book):
    """The tiny book, with a place for badges and a cell that fetches it."""
    readme = book.root / "README.md"
    marks = "<!-- {0}: python -m companion.book repository -->\n<!-- end of {0} -->\n"
    text = f"{readme.read_text()}\n{marks.format('clone')}{marks.format('badges')}\nMore.\n"
    readme.write_text(with_repository(book, text), encoding="utf-8")
    cell = new_code_cell(FETCHING.strip(), execution_count=8)
    edit_both(book, lambda notebook: notebook.cells.append(cell))
    assert check(book) == []
    return book


def test_one_command_names_the_repository_everywhere(published, capsys):
    book, before = published, snapshot(published.root)
    command = ["--root", str(book.root), "repository"]
    assert main([*command, "https://github.com/ada/engine.git/"]) == 0
    said = capsys.readouterr().out
    for name in ("book.toml", "README.md", "chapters/text/01_averages.md", "chapters/01_averages.ipynb"):
        assert name in said
    assert check(Book.read(book.root)) == []
    assert Book.read(book.root).repository == "https://github.com/ada/engine"
    readme = (book.root / "README.md").read_text()
    assert readme.count("ada/engine") == 4 and "fold cells" in readme and readme.endswith("\n\nMore.\n")
    assert "```\ngit clone https://github.com/ada/engine\ncd engine\n```" in readme
    for path in (book.chapters[0].text, book.chapters[0].notebook):
        source = path.read_text()
        assert "github.com/ada/engine" in source and "example.org/other" in source
        assert "example.org/tiny" not in source
    assert main([*command, ""]) == 0
    assert "the repository is none" in capsys.readouterr().out
    readme, none = (book.root / "README.md").read_text(), Book.read(book.root)
    assert readme == before["README.md"].decode().replace(clone(book), clone(none)) and not badges(none)
    assert check(none) == [] and "git clone" not in readme
    assert "\nYou have this folder. Open a terminal in it.\n" in readme
    assert 'repository = ""\n' in (book.root / "book.toml").read_text()


@pytest.mark.parametrize("address", ["ada/engine", "https://github.com/ada", "https://x.org/a/b"])
def test_an_address_that_is_none_is_refused(published, capsys, address):
    before = snapshot(published.root)
    assert main(["--root", str(published.root), "repository", "--", address]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("repository=") and "https://github.com/owner/name" in line
    assert snapshot(published.root) == before


def test_check_names_a_cell_that_fetches_another_course(published):
    path = published.root / "book.toml"
    path.write_text(path.read_text().replace("example.org/tiny", "example.org/mine"))
    found = check(Book.read(published.root))
    assert len(found) == 3  # README, the text and the notebook
    assert all("names another repository than book.toml; run `repository" in line for line in found)


def test_each_place_has_a_python_that_the_package_takes():
    limits = tomllib.loads(text("pyproject.toml"))["project"]["requires-python"]
    lowest, above = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", limits).groups()
    for name, pattern in PYTHONS.items():
        (version,) = re.findall(pattern, text(name), re.MULTILINE)
        assert int(lowest) <= int(version.split(".")[1]) < int(above), name


def test_the_dev_container_installs_as_readme_says():
    container = json.loads(text(".devcontainer/devcontainer.json"))
    assert f"\n{container['postCreateCommand']} && " in text("README.md")
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "${containerWorkspaceFolder}/.venv/bin/python"
    assert all((ROOT / name).exists() for name in container["customizations"]["codespaces"]["openFiles"])


def test_binder_installs_the_readers_requirements():
    (line,) = text("binder/requirements.txt").splitlines()
    assert (ROOT / "binder" / line.removeprefix("-r ")).resolve() == ROOT / "requirements.txt"


def test_the_container_gets_what_the_course_reads():
    ignored = [line.strip("/") for line in text(".dockerignore").splitlines() if not line.startswith("#")]
    needed = set("chapters companion data tests requirements.txt pyproject.toml README.md LICENSE".split())
    needed |= set(".ci .devcontainer .github binder compose.yaml docker".split())  # what the tests read
    assert needed.isdisjoint(ignored)
    assert {".git", ".venv", "runs"} <= set(ignored)


def test_readme_starts_jupyterlab_where_every_link_of_a_chapter_is_in_reach():
    """Chapters link to ../tests and ../companion; JupyterLab shows nothing above the folder it starts in."""
    (line,) = re.findall(r"`(\.venv/bin/jupyter lab .*)`", text("README.md"))
    _, _, *options, file = shlex.split(line)
    assert options == ["--notebook-dir=."] and (ROOT / file).exists()
