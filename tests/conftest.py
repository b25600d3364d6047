"""What several test modules use: a real browser, and figures in the course's style."""

import contextlib
import io
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("no clock", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("no clock")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell starts what runs in the background like this
    signal.signal(signal.SIGINT, signal.default_int_handler)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
"""No sandbox, because the gate may run as root; no requests of the browser's own."""

MISSING = re.compile(r"could not import|install ")
"""How a skip says that something is not installed."""
MAY_BE_MISSING = ("could not import 'resource'",)
"""What no extra brings, in the words of the skip: Windows has no `resource`. A test without its GPU says so
in other words than MISSING's."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """A test that is skipped."""
    return fail_if_missing((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """A file that is skipped."""
    return fail_if_missing((yield))


def fail_if_missing(report):
    """A skip for what is not installed is a failure where EXTRAS_INSTALLED says that all is: in .ci/run."""
    if os.environ.get("EXTRAS_INSTALLED") and report.skipped and isinstance(report.longrepr, tuple):
        *_, reason = report.longrepr
        if MISSING.search(reason) and not any(name in reason for name in MAY_BE_MISSING):
            report.outcome, report.longrepr = "failed", f"{reason}, but EXTRAS_INSTALLED is set"
    return report


@pytest.fixture
def style():
    """The course's style, on a backend that opens no window."""
    import matplotlib.pyplot as plt

    from companion.show import plots

    plt.switch_backend("agg")
    with plt.rc_context():
        plots.use_style()
        yield
    plt.close("all")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Chromium through Playwright: the system's own, or Playwright's. Skips where either is missing.

    It ends with the module, because its event loop runs in this thread while it lives.
    """
    reason = "needs playwright: pip install -e '.[site]'"
    sync_playwright = pytest.importorskip("playwright.sync_api", reason=reason).sync_playwright
    with sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome", "chrome")
        found = [path for name in names if (path := shutil.which(name))]
        found += [path for path in [playwright.chromium.executable_path] if Path(path).exists()]
        if not found:
            pytest.skip("needs Chromium: apt-get install chromium, or playwright install chromium")
        chromium = playwright.chromium.launch(executable_path=found[0], args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def full_disk():
    """`with full_disk(room):` no file of this process can have more bytes than room."""
    resource = pytest.importorskip("resource")

    @contextlib.contextmanager
    def limited(room):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


def write_sentences(folder: Path) -> None:
    """A text of our own."""
    from support.command_line import SENTENCES

    text = "\n".join(SENTENCES[n % 3] % n for n in range(200))
    (folder / "mine.txt").write_text(text, encoding="utf-8")


def tell_little(patch: pytest.MonkeyPatch) -> None:
    """Let a training show 40 tokens of a story, which is more than TINY's context of 32, and judge 4.

    An untrained model's stories have no end, and to tell them takes longer than a few steps of training.
    """
    from companion.cli import _training_report as reports

    patch.setattr(reports, "SAMPLE", 40)
    patch.setattr(reports, "STORY", 40)
    patch.setattr(reports, "JUDGED", 4)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory with a text of our own in it."""
    monkeypatch.chdir(tmp_path)
    tell_little(monkeypatch)
    write_sentences(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """A function that makes a folder by commands, which are carried out once, and copies it."""
    made = {}

    def copy(folder: Path, *commands: list[str]) -> None:
        from support.command_line import main

        key = tuple(map(tuple, commands))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("template")
            write_sentences(made[key])
            with contextlib.chdir(made[key]), pytest.MonkeyPatch.context() as patch:
                tell_little(patch)
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    assert [main(command) for command in commands] == [0] * len(commands)
        shutil.copytree(made[key], folder, dirs_exist_ok=True)

    return copy


PREPARE = ["prepare", "mine.txt"]


@pytest.fixture
def prepared(here, templates):
    """The same with the text prepared."""
    templates(here, PREPARE)
    return here


@pytest.fixture
def trained(here, templates):
    """The same with a tiny model trained on it."""
    from support.command_line import TINY

    templates(here, PREPARE, ["train", "--data", "runs/data/mine", *TINY])
    return here
