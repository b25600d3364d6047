"""Parquet, and corpora of the hub, through the library datasets: from files here, and from a hub of our own.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from support import servers
from support.command_line import fails

from companion.cli import main
from companion.datasets import load_prepared
from companion.runtime.data import streams
from companion.runtime.data.streams import Documents
from companion.village import load_split

ROOT = Path(streams.__file__).parents[3]
STORIES = load_split("train")[:120]


def parquet(path, rows, **options):
    """A file with these columns."""
    pyarrow.parquet.write_table(pyarrow.table(rows), path, **options)
    return str(path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path


def test_rows_are_documents_in_order_and_again(here):
    first = parquet("a.parquet", {"id": range(70), "text": STORIES[:70]}, row_group_size=9)
    second = parquet("[b]*?.PARQUET", {"text": STORIES[70:]})
    documents = Documents([first, second])
    documents.check()
    assert list(documents) == list(documents) == STORIES
    assert list(Documents([first, second], limit=75)) == STORIES[:75]
    assert list(Documents([first], column="text")) == STORIES[:70]


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


BAD = {
    "cut off": ({"text": STORIES}, cut, "a.parquet is no Parquet, or cut off after row 0 (Parquet magic"),
    "no column": ({"id": [1], "body": ["x"]}, None, "row 1 has no column 'text'; it has 'id', 'body'"),
    "numbers": ({"text": [5, 6]}, None, "a.parquet, row 1: text is 5, which is no text"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(here, capfd, case):
    rows, damage, words = BAD[case]
    path = Path(parquet("a.parquet", rows))
    if damage:
        damage(path)
    fails(capfd, ["prepare", "a.parquet"], 2, words)
    assert not list((here).rglob("meta.json"))
    main(["prepare", "a.parquet"])
    assert len(capfd.readouterr().err.splitlines()) == 1  # the library says nothing of its own


def test_parquet_and_lines_make_the_same_shards(here, capsys):
    parquet("a.parquet", {"text": STORIES, "id": range(120)}, row_group_size=50)
    Path("b.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in STORIES))
    metas = []
    for name in ("a.parquet", "b.jsonl"):
        assert main(["prepare", name, "--vocab-size", "300", "--data", name[0]]) == 0
        metas.append(load_prepared(name[0]).meta)
    a, b = metas
    assert a.pop("source").endswith("a.parquet") and b.pop("source").endswith("b.jsonl") and a == b


# -- a hub

COMMIT = "1" * 40


class Hub(servers.Server):
    """As much of the hub as streaming Parquet asks for."""

    def __init__(self, files):
        self.files, self.asked = files, []
        super().__init__(Handler)


class Handler(servers.Handler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self):
        self.server.asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}")
        path = self.path.split("?")[0].strip("/").replace("%2F", "/")
        repository, _, rest = path.removeprefix("api/datasets/").removeprefix("datasets/").partition("/")
        owner, repository = repository, rest.split("/")[0]
        rest = rest.partition("/")[2]
        what, _, rest = rest.partition("/")
        if (owner, repository) != ("HuggingFaceFW", "fineweb-edu"):
            return self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if what in ("", "revision"):
            siblings = [{"rfilename": name} for name in self.server.files]
            return self.json({"id": "HuggingFaceFW/fineweb-edu", "sha": COMMIT, "siblings": siblings})
        _, _, inner = rest.partition("/")
        rows = [
            {"type": "file", "path": n, "size": len(d), "oid": "0" * 40} for n, d in self.server.files.items()
        ]
        folders = {str(parent) for n in self.server.files for parent in Path(n).parents if str(parent) != "."}
        rows += [{"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in sorted(folders)]
        if what == "paths-info":
            return self.json(rows)
        if what == "tree":
            deep = "recursive=true" in self.path.lower()
            inside = [row for row in rows if not inner or row["path"].startswith(f"{inner}/")]
            return self.json(
                inside if deep else [r for r in inside if str(Path(r["path"]).parent) == (inner or ".")]
            )
        self.file(self.server.files[inner])

    def file(self, data):
        headers = {
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
            "Accept-Ranges": "bytes",
            "X-Repo-Commit": COMMIT,
        }
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return self.reply(200, data, headers)
        start, stop = int(match[1]), min(int(match[2] or len(data) - 1) + 1, len(data))
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        self.reply(206, data[start:stop], headers)

    def json(self, value):
        self.reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


@pytest.fixture
def hub(here):
    for n in range(2):
        parquet(f"{n}.parquet", {"text": STORIES[60 * n : 60 * n + 60], "id": range(60)}, row_group_size=20)
    files = {f"sample/10BT/00{n}_00000.parquet": Path(f"{n}.parquet").read_bytes() for n in range(2)}
    server = Hub(files | {"data/other/000.parquet": b"", "README.md": b"---\nconfigs: []\n---\n"})
    yield server
    server.close()


def companion(server, *argv):
    """The command in a process of its own, for which this server is the hub."""
    environment = os.environ | {"HF_ENDPOINT": server.address, "PYTHONPATH": str(ROOT)}
    environment["HF_HUB_DISABLE_XET"] = "1"
    environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, "-m", "companion", *argv]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_a_corpus_of_the_hub_by_name_and_of_files_that_are_not_reached_nothing_comes(hub, here):
    argv = ["prepare", "fineweb-edu", "--documents", "30", "--vocab-size", "300", "--data", "some"]
    done = companion(hub, *argv)
    assert (done.returncode, done.stderr) == (0, "") and "30 documents read" in done.stdout
    assert f"resolve/{COMMIT}/" in str(hub.asked) and "other" not in str(hub.asked)
    assert "000_00000.parquet" in str(hub.asked) and "001_00000.parquet" not in str(hub.asked)
    assert (
        json.loads((here / "some/meta.json").read_text())["source"] == "fineweb-edu, the first 30 documents"
    )


def test_no_hub_is_one_line(hub):
    hub.close()
    done = companion(hub, "prepare", "gutenberg", "--documents", "9")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "gutenberg could not be read from the hub" in done.stderr and "try again" in done.stderr
