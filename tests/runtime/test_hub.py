"""Public models' files: folders, and the hub, for which a server on this machine speaks its protocol."""

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support import servers
from support.cases import cases
from support.folders import raises_one_line

from companion.runtime.storage import hub
from companion.runtime.storage.hub import find_model, is_hub_name, weight_files

CASES = cases(__file__)

ROOT = Path(__file__).resolve().parents[2]
FIRST, SECOND, THIRD = "1" * 40, "2" * 40, "3" * 40


def safetensors(**tensors):
    """A safetensors file, written by hand: names and lists of numbers, as float32."""
    header, data = {}, b""
    for name, numbers in tensors.items():
        new = struct.pack(f"<{len(numbers)}f", *numbers)
        place = [len(data), len(data) + len(new)]
        header[name], data = {"dtype": "F32", "shape": [len(numbers)], "data_offsets": place}, data + new
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


def index(parts):
    return json.dumps({"metadata": {}, "weight_map": parts}).encode()


CONFIG = b'{"model_type": "llama"}'
WHOLE = {
    "config.json": CONFIG,
    "model.safetensors": safetensors(a=[1.0, 2.0], b=[3.0]),
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "pytorch_model.bin": b"a pickle",
    "flax_model.msgpack": b"others' weights",
    "onnx/model.safetensors": b"others' weights",
    "README.md": b"about",
}
INDEX = "model.safetensors.index.json"
SPLIT = {
    "config.json": CONFIG,
    INDEX: index({"a": "model-1.safetensors", "b": "model-2.safetensors"}),
    "model-1.safetensors": safetensors(a=[1.0]),
    "model-2.safetensors": safetensors(b=[2.0]),
    "consolidated.safetensors": b"the same again, which nobody reads",
}
PICKLED = {"config.json": CONFIG, "optimizer.pt": b"a pickle", "pytorch_model.bin": b"another"}
MODELS = {
    "own/whole": WHOLE,
    "own/split": SPLIT,
    "own/pickled": PICKLED,
    "own/gated": WHOLE,
    "own/broken-index": SPLIT | {INDEX: b"{"},
    "own/outside": SPLIT | {INDEX: index({"a": "../../x.safetensors"})},
    "openai-community/gpt2": WHOLE,
}


class Hub(servers.Server):
    """As much of the Hugging Face hub as snapshot_download asks for."""

    def __init__(self):
        self.repos = {name: {"main": (FIRST, files)} for name, files in MODELS.items()}
        self.repos["own/whole"]["old"] = (SECOND, WHOLE | {"config.json": b'{"old": 1}'})
        self.asked, self.cuts, self.down, self.gate = [], {}, 0, 401
        self.answering, self.answered_late = threading.Event(), []
        self.answering.set()
        super().__init__(Handler)


class Handler(servers.Handler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        self.server.asked.append(f"{self.command} {self.path}")
        if not self.server.answering.wait(30):
            self.server.answered_late.append(self.path)
        if self.server.down:
            return self.reply(self.server.down, b"down for repairs")
        path = self.path.split("?")[0].strip("/")
        if match := re.fullmatch(r"api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            return self.api(*match.groups())
        name, file = path.split("/resolve/")
        commit, _, file = file.partition("/")
        files = dict(self.server.repos[name].values())[commit]
        if name == "own/gated":
            return self.refuse(self.server.gate, "GatedRepo")
        self.send_file(files[file], {"X-Repo-Commit": commit}, body)

    def api(self, name, what, revision):
        if name not in self.server.repos:
            return self.refuse(401, "RepoNotFound")
        commits = self.server.repos[name]
        by_commit = dict(commits.values())
        commit = commits[revision or "main"][0] if (revision or "main") in commits else revision
        if commit not in by_commit:
            return self.refuse(404, "RevisionNotFound")
        files = by_commit[commit]
        if what == "tree":
            rows = [{"type": "file", "path": n, "size": len(d), "oid": blob(d)} for n, d in files.items()]
            return self.reply(200, json.dumps(rows).encode())
        about = {"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files]}
        self.reply(200, json.dumps(about | {"gated": False, "private": False}).encode())

    def send_file(self, data, headers, body):
        headers |= {"ETag": f'"{blob(data)}"', "Accept-Ranges": "bytes"}
        start, status = 0, 200
        if wanted := self.headers.get("Range"):
            start, status = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.server.asked.append(wanted)
        if body and self.server.cuts.get(data):  # promise all, send a little, hang up
            sent = self.server.cuts[data].pop(0)
            self.reply(status, data[start : start + sent], headers, length=len(data) - start)
            self.close_connection = True
            return
        self.reply(status, data[start:] if body else b"", headers, length=len(data) - start)

    def refuse(self, status, code):
        self.reply(status, b"{}", {"X-Error-Code": code, "X-Error-Message": "no"})


def blob(data):
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def server():
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def find(server, tmp_path, monkeypatch):
    """find_model, asking this server, with a cache of its own, in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    address, cache = server.address, tmp_path / "cache"
    return lambda name, revision=None: find_model(name, revision, endpoint=address, cache=cache)


# -- the hub


def test_what_is_read_is_fetched_and_nothing_else(find, server):
    folder = find("own/whole")
    assert {path.name for path in folder.iterdir()} == set(WHOLE) & {*hub.SMALL, "model.safetensors"}
    assert (folder / "model.safetensors").read_bytes() == WHOLE["model.safetensors"]
    assert not any(name in str(server.asked) for name in ("pickle", "pytorch", "msgpack", "README", "onnx"))
    assert weight_files(folder) == dict.fromkeys(("a", "b"), folder / "model.safetensors")


def test_split_weights_are_those_that_the_index_names(find, server):
    folder = find("own/split")
    assert {path.name for path in folder.iterdir()} == set(SPLIT) - {"consolidated.safetensors"}
    files = {"a": folder / "model-1.safetensors", "b": folder / "model-2.safetensors"}
    assert weight_files(folder) == files


def test_the_second_call_fetches_nothing_again_and_needs_no_server(find, server):
    first = find("own/whole"), find("own/split"), find("own/whole", "old")
    server.asked.clear()
    assert first == (find("own/whole"), find("own/split"), find("own/whole", "old"))
    assert not any("/resolve/" in line for line in server.asked)
    server.close()
    assert first == (find("own/whole"), find("own/split"), find("own/whole", "old"))
    assert first[0] != first[2] and (first[2] / "config.json").read_bytes() == b'{"old": 1}'
    assert find("own/whole", SECOND) == first[2]


@pytest.mark.parametrize("status", [503, 429])
def test_a_hub_that_is_down_is_like_no_hub(find, server, status):
    folder = find("own/whole")
    server.down = status
    assert find("own/whole") == folder
    with raises_one_line(ConnectionError, f"not in the hub's cache.*{status}"):
        find("own/split")


def test_a_hub_that_is_slow_is_like_no_hub(find, server, monkeypatch):
    """The server holds its answers until both calls have returned; after 30 seconds it would give them."""
    folder = find("own/whole")
    server.asked.clear()
    server.answering.clear()
    monkeypatch.setattr(hub, "WAIT", 0.5)
    try:
        assert find("own/whole") == folder
        with raises_one_line(ConnectionError, "not in the hub's cache"):
            find("own/split")
        assert server.answered_late == [] and len(server.asked) >= 2
    finally:
        server.answering.set()


def test_an_answer_that_is_an_error_is_said(find, server):
    find("own/whole")
    server.down = 418
    with raises_one_line(ConnectionError, r"the hub answered with an error \(418\)"):
        find("own/whole")


def test_a_model_that_was_changed_is_fetched_again(find, server):
    old = find("own/whole")
    server.repos["own/whole"]["before"] = (FIRST, WHOLE)
    server.repos["own/whole"]["main"] = (THIRD, WHOLE | {"config.json": b'{"new": 1}'})
    new = find("own/whole")
    assert new != old and (new / "config.json").read_bytes() == b'{"new": 1}'
    assert find("own/whole", FIRST) == old


def test_gpt2_needs_no_owner(find):
    assert find("gpt2").name == FIRST


def test_a_connection_that_is_cut_is_taken_up_where_it_stood(find, server, monkeypatch):
    # of a cut answer, whole chunks are kept
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 4)
    data = WHOLE["model.safetensors"]
    server.cuts[data] = [9, 6]
    folder = find("own/whole")
    assert (folder / "model.safetensors").read_bytes() == data
    assert [line for line in server.asked if line.startswith("bytes=")] == ["bytes=8-", "bytes=12-"]


def test_after_a_failed_download_the_next_call_fetches_the_rest(find, server, monkeypatch):
    second, real = SPLIT["model-2.safetensors"], time.sleep
    server.cuts[second] = [0] * 6  # one try, and five more
    monkeypatch.setattr("time.sleep", lambda seconds: real(min(seconds, 0.01)))
    with raises_one_line(ConnectionError, "own/split could not be fetched.*try again"):
        find("own/split")
    server.asked.clear()
    folder = find("own/split")
    assert (folder / "model-2.safetensors").read_bytes() == second
    [fetched] = [line for line in server.asked if "/resolve/" in line and "GET" in line]
    assert fetched.endswith("model-2.safetensors")


@pytest.mark.parametrize("status", [401, 403])  # not logged in, and without the licence
def test_gated(find, server, status):
    server.gate = status
    page = "https://huggingface.co/own/gated"
    with raises_one_line(ValueError, f"own/gated is gated: accept its licence at {page} .* `hf auth login`"):
        find("own/gated")


MISSING = CASES["missing"]


@pytest.mark.parametrize("name, revision, said", MISSING.values(), ids=MISSING)
def test_what_is_not_there_is_said_in_one_line(find, name, revision, said):
    with raises_one_line(ValueError, said):
        find(name, revision)


def test_pickles_are_not_even_fetched(find, server):
    with pytest.raises(ValueError, match="pickle"):
        find("own/pickled")
    assert not any("/resolve/" in line for line in server.asked)


def test_offline_mode_asks_nothing(find, server, monkeypatch):
    folder = find("own/whole")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    server.asked.clear()
    assert find("own/whole") == folder
    with raises_one_line(ConnectionError, "own/split is no folder here.*HF_HUB_OFFLINE is set"):
        find("own/split")
    assert server.asked == []


def test_no_network_and_nothing_cached_ends_soon(find, server, monkeypatch):
    """A library that asks again and again sleeps between its tries; there is nothing to wait for here."""
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    server.close()
    with raises_one_line(ConnectionError, "not in the hub's cache, and the hub cannot be reached"):
        find("own/whole")
    assert waited == []


def test_without_the_library_one_line_says_what_to_install(find, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with raises_one_line(ImportError, "pip install huggingface_hub tok"):
        find("own/whole")


@pytest.mark.gate
def test_a_process_says_only_its_own_line(server, tmp_path):
    """With HF_ENDPOINT and HF_HOME, as a reader has them; without a terminal, no progress bars."""
    code = (
        "import sys; from companion.runtime.storage.hub import find_model\n"
        "try: print(find_model(sys.argv[1]))\nexcept (ValueError, OSError) as error: print(error)"
    )
    environment = os.environ | {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "home")}
    environment |= {"PYTHONPATH": str(ROOT)}
    for name, said in {"own/split": str(tmp_path / "home"), "own/gated": "own/gated is gated"}.items():
        command = [sys.executable, "-c", code, name]
        result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert result.stderr == "" and result.returncode == 0
        assert result.stdout.startswith(said) and result.stdout.count("\n") == 1


# -- folders and names


def write(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", ["own/model", "gpt2", "a-b.c/D_e.1-2"])
def test_what_is_no_folder_may_be_a_name_of_the_hub(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_hub_name(name)
    (tmp_path / name.split("/")[0]).mkdir()
    assert not is_hub_name(name)


NAMELESS = ["", "model", "./model", "../model", "~/model", "/model", "/own/model", "own/a/b", "own/", "~no/b"]
NAMELESS += ["own/a b", "ö/b", "own\\model", "a:b/c", "own/\0", "x/" * 3000, "x" * 5000]


@pytest.mark.parametrize("name", NAMELESS, ids=[repr(name)[:12] for name in NAMELESS])
def test_what_is_neither_a_folder_nor_a_name_of_the_hub_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_hub_name(name)
    with raises_one_line(ValueError, "is no folder, and no name of the hub"):
        find_model(name)


def test_a_folder_comes_back_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    write(tmp_path / "own" / "model", WHOLE)
    assert find_model("own/model") == Path("own/model") == find_model(Path("own/model"))
    write(tmp_path / "gpt2", SPLIT)
    assert find_model("gpt2") == Path("gpt2")


FOLDERS = {
    "nothing": ({}, "has no config.json"),
    "weights alone": ({"model.safetensors": b""}, "has no config.json"),
    "no weights": ({"config.json": b""}, "has no model.safetensors"),
    "pickles": (PICKLED, r"pickle \(pytorch_model.bin\)"),
}


@pytest.mark.parametrize("files, said", FOLDERS.values(), ids=FOLDERS)
def test_a_folder_without_a_model(tmp_path, files, said):
    with raises_one_line(ValueError, f"{re.escape(str(tmp_path))}.*{said}"):
        find_model(write(tmp_path, files))


def test_a_file_a_revision_of_a_folder_and_a_number_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, WHOLE))
    with pytest.raises(ValueError, match="is a file; name the folder"):
        find_model("config.json")
    with pytest.raises(ValueError, match="revision='v1' is for models of the hub"):
        find_model(tmp_path, "v1")
    with pytest.raises(TypeError, match="model=3 must be"):
        find_model(3)


# -- weight_files

ONE, TWO = "model.safetensors", "model-2.safetensors"
DAMAGED = {
    "a part is missing": (SPLIT, {TWO: None}, f"{TWO} is missing"),
    "a part is cut off": (SPLIT, {TWO: b"\x09\0\0"}, f"{TWO} is cut off"),
    "a tensor is elsewhere": (SPLIT, {TWO: safetensors(c=[1.0])}, f"{TWO} holds 'b', and it does not"),
    "no index": (SPLIT, {INDEX: b"\xff"}, "index.json is not whole JSON"),
    "an index of nothing": (SPLIT, {INDEX: index({})}, "names no tensor"),
    "no file at all": (WHOLE, {ONE: None}, f"{ONE} is missing"),
    "an empty file": (WHOLE, {ONE: b""}, f"{ONE} is cut off"),
    "a shorter file": (WHOLE, {ONE: WHOLE[ONE][:-1]}, f"{ONE} is cut off"),
}
OUTSIDE = ["../x.safetensors", "/x.safetensors", "a/../../x.safetensors", "C:\\x.safetensors"]
for part in (*OUTSIDE, "x.bin", 3, ""):
    changed = {INDEX: index({"a": part})}
    DAMAGED[f"a part called {part!r}"] = (SPLIT, changed, "which is no .safetensors file in its folder")


@pytest.mark.parametrize("files, changed, said", DAMAGED.values(), ids=DAMAGED)
def test_damaged_weights_are_named(tmp_path, files, changed, said):
    files = {name: data for name, data in (files | changed).items() if data is not None}
    with raises_one_line(ValueError, f"{re.escape(str(tmp_path))}.*{said}"):
        weight_files(write(tmp_path, files))


def test_weight_files_of_a_folder_below(tmp_path):
    part = "parts/1.safetensors"
    folder = write(tmp_path, {INDEX: index({"a": part}), part: safetensors(a=[1.0], more=[2.0])})
    assert weight_files(folder) == {"a": folder / part}
