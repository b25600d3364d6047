"""What README and the pages for contributors say: their links, their commands, their Python."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from companion.cli import COMMANDS
from companion.cli._parsing import find_command

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "data/README.md", "companion/book/README.md"]
PAGES += ["companion/exercises/README.md", "chapters/README.md"]
PAGES += [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("*.md"))]
PAGES += [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / ".github").rglob("*.md"))]
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"


def text(name: str) -> str:
    """A page of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def fenced(page: str, language: str) -> list[str]:
    """The blocks of code in a language ("" for none), without their fences."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [block for name, block in blocks if name == language]


def code(page: str) -> list[str]:
    """All that a page shows as code: the lines of its blocks, and what stands in backticks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4}(\S.*)$", prose, re.MULTILINE)
    return [*"".join(blocks).splitlines(), *indented, *re.findall(r"`([^`\n]+)`", prose)]


def calls(name: str) -> list[list[str]]:
    """The words after `companion` of each call of it in a page, in any part of a line."""
    parts = [part for line in code(text(name)) for part in line.split("  #")[0].split(" && ")]
    found = [re.match(r"(?:\S+[/\\])?companion( .+)?$", part.strip()) for part in parts]
    return [shlex.split(match[1] or "") for match in found if match]


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_to_a_file(page):
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text(page), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    missing = [
        link
        for link in links
        if not re.match(r"[a-z]+:", link)
        and not ((ROOT / page).parent / link.split("#")[0] if link[0] != "#" else ROOT / page).exists()
    ]
    assert missing == []


def test_every_path_that_is_named_is_there():
    pattern = r"(?:chapters|companion|tests|data|\.ci|\.github)/[\w./-]*"
    pages = ["CONTRIBUTING.md", *(page for page in PAGES if page.startswith(("README", "docs/")))]
    named = [path for page in pages for path in code(text(page)) if re.fullmatch(pattern, path)]
    named = [path for path in named if not re.search(r"NN_name|/name\.", path)]
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert len(named) > 5


def test_every_command_of_the_course_that_is_named_is_one_and_takes_these_options():
    found = [(page, words) for page in PAGES for words in calls(page)]
    for page, words in found:
        if not words or words == ["--help"]:
            continue
        assert words[0] in COMMANDS, f"{page}: companion {words[0]}"
        if words[1:] in (["--help"], ["--help-all"]):
            continue
        _, parser, words_after = find_command(words, COMMANDS)
        parser.parse_args(words_after)
    used = {words[0] for page, words in found if words}
    assert used >= {"demo", "prepare", "train", "generate", "chat", "eval", "finetune", "serve", "export"}


def test_every_command_of_the_machinery_that_is_named_is_one():
    done = subprocess.run(
        [sys.executable, "-m", "companion.book", "--help"], capture_output=True, text=True, cwd=ROOT
    )
    (known,) = re.findall(r"\{([\w,]+)\}", done.stdout.split("\n\n")[0])
    named = {
        match[1]
        for page in PAGES
        for line in code(text(page))
        if (match := re.search(r"-m companion\.book ([a-z]+)", line))
    }
    assert {"sync", "check", "repository", "site"} <= named <= set(known.split(","))


def test_the_parts_that_demo_has_are_named():
    from companion.cli.demo import PARTS

    (sentence,) = re.findall(r"^- .*companion demo .*$", text("docs/teaching.md"), re.MULTILINE)
    assert all(f"`{part}`" in sentence for part in PARTS)


def test_powershell_gets_the_same_commands():
    ours = [line for line in text("README.md").splitlines() if line.startswith(INSTALL)]
    theirs = []
    for block in fenced(text("README.md"), "powershell"):
        lines = block.replace(".venv\\Scripts\\", ".venv/bin/").splitlines()
        theirs.append(" && ".join(["python3" + lines[0].removeprefix("python"), *lines[1:]]))
    assert theirs == ours and len(ours) == 2


def test_the_exercise_of_the_first_page_gets_the_verdict_that_stands_there(tmp_path, monkeypatch, capsys):
    page = text("README.md")
    (attempt,) = fenced(page, "python")
    monkeypatch.chdir(tmp_path)  # where the outcome is kept
    exec(attempt, {})
    assert capsys.readouterr().out == fenced(page, "text")[-1]


@pytest.mark.gate
def test_the_python_of_the_page_prints_what_the_page_shows(tmp_path, monkeypatch):
    """The model that ships tells the story that stands there. An untrained one is trained for three steps."""
    page = text("docs/python.md")
    training, telling, splitting = fenced(page, "python")
    babble, story, parts = fenced(page, "text")
    assert training.count("steps=400") == 1 and training.count("\n") <= 17
    monkeypatch.chdir(ROOT)  # where a reader runs it
    with contextlib.redirect_stdout(io.StringIO()) as out:
        names = {}
        exec(telling, names)
        assert out.getvalue() == story
        exec(splitting, names)  # it goes on where the block before it ended
    shown = out.getvalue().removeprefix(story)
    assert re.sub(r"0\.\d+", "", shown) == re.sub(r"0\.\d+", "", parts)
    numbers = [[float(number) for number in re.findall(r"0\.\d+", lines)] for lines in (shown, parts)]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.003)

    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(training.replace("steps=400", "steps=3"), {})
    first, second = out.getvalue().split("\n", 1)
    shown, sample = babble.split("\n", 1)
    assert re.fullmatch(r"\d\.\d bits per byte", first) and re.fullmatch(r"\d\.\d bits per byte", shown)
    assert second.startswith("Once") and sample.startswith("Once")
    assert float(shown.split()[0]) < float(first.split()[0]) / 2
