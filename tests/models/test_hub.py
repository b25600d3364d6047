"""Public models' files: folders, and the hub, for which a server on this machine speaks its protocol."""

import hashlib
import json
import re
import struct
import sys
from pathlib import Path

import pytest
from support import servers
from support.folders import raises_one_line

from companion.runtime.storage import hub
from companion.runtime.storage.hub import find_model, is_hub_name, weight_files

FIRST, SECOND = "1" * 40, "2" * 40


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
    "openai-community/gpt2": WHOLE,
}


class Hub(servers.Server):
    """As much of the Hugging Face hub as snapshot_download asks for."""

    def __init__(self):
        self.repos = {name: {"main": (FIRST, files)} for name, files in MODELS.items()}
        self.repos["own/whole"]["old"] = (SECOND, WHOLE | {"config.json": b'{"old": 1}'})
        self.asked, self.down = [], 0
        super().__init__(Handler)


class Handler(servers.Handler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        self.server.asked.append(f"{self.command} {self.path}")
        if self.server.down:
            return self.reply(self.server.down, b"down for repairs")
        path = self.path.split("?")[0].strip("/")
        if match := re.fullmatch(r"api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            return self.api(*match.groups())
        name, file = path.split("/resolve/")
        commit, _, file = file.partition("/")
        files = dict(self.server.repos[name].values())[commit]
        if name == "own/gated":
            return self.refuse(403, "GatedRepo")
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
        headers |= {"ETag": f'"{blob(data)}"'}
        self.reply(200, data if body else b"", headers, length=len(data))

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
    # The library reads its variables where it is imported, which may have been another test.
    patched = {
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "ENDPOINT": server.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
    }
    for name, value in patched.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    return find_model


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


@pytest.mark.gate  # the library tries again for some seconds
def test_a_hub_that_is_down_is_like_no_hub(find, server):
    folder = find("own/whole")
    server.down = 503
    assert find("own/whole") == folder
    with raises_one_line(ConnectionError, "own/split is no folder here, not whole in the hub's cache"):
        find("own/split")


def test_gpt2_needs_no_owner(find):
    assert find("gpt2").name == FIRST


def test_gated(find):
    with raises_one_line(ValueError, "no model 'own/gated' .* is on the hub for you .* `hf auth login`"):
        find("own/gated")


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("own/nothing", None, "no model 'own/nothing' at revision 'main' is on the hub for you"),
        ("own/whole", "v9", "no model 'own/whole' at revision 'v9' is on the hub for you"),
        ("own/pickled", None, "model='own/pickled' must be .* weights as model.safetensors"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(find, server, name, revision, message):
    with raises_one_line(ValueError, message):
        find(name, revision)
    assert not any("pytorch_model" in line or "optimizer" in line for line in server.asked)


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


NAMELESS = ["", "model", "../model", "own/a/b", "x" * 5000]


@pytest.mark.parametrize("name", NAMELESS, ids=[repr(name)[:12] for name in NAMELESS])
def test_what_is_neither_a_folder_nor_a_name_of_the_hub_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_hub_name(name)
    with raises_one_line(ValueError, "must be owner/name on the hub, or a folder"):
        find_model(name)


def test_a_folder_comes_back_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    write(tmp_path / "own" / "model", WHOLE)
    assert find_model("own/model") == Path("own/model") == find_model(Path("own/model"))
    write(tmp_path / "gpt2", SPLIT)
    assert find_model("gpt2") == Path("gpt2")


NO_MODEL = [
    ({}, "with config.json and weights as model.safetensors"),
    ({"model.safetensors": b""}, "with config.json and weights as model.safetensors"),
    (PICKLED, "has its weights as a pickle .optimizer.pt., which can run any program when it is opened"),
    (SPLIT | {INDEX: b"{"}, "with config.json and weights as model.safetensors"),
]


@pytest.mark.parametrize(("files", "message"), NO_MODEL)
def test_a_folder_without_a_model(tmp_path, files, message):
    with raises_one_line(ValueError, message):
        find_model(write(tmp_path, files))


def test_a_revision_of_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="revision='v1' is for models of the hub"):
        find_model(write(tmp_path, WHOLE), "v1")


# -- weight_files


ONE, TWO = "model.safetensors", "model-2.safetensors"
DAMAGED = {
    "a part is cut off": (SPLIT, {TWO: b"\x09\0\0"}, f"{TWO} is no whole safetensors file"),
    "no index": (SPLIT, {INDEX: b"\xff"}, "has no weights as model.safetensors"),
    "no file at all": (WHOLE, {ONE: None}, "has no weights as model.safetensors"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_weights_are_named(tmp_path, name):
    files, changed, message = DAMAGED[name]
    files = {name: data for name, data in (files | changed).items() if data is not None}
    with raises_one_line(ValueError, f"{re.escape(str(tmp_path))}.*{message}"):
        weight_files(write(tmp_path, files))
