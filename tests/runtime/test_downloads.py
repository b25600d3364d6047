"""Downloads: whole files only, checked, and fetched once."""

import hashlib
import random
import re

import pytest
from support import servers
from support.folders import visible

from companion.datasets import load_text
from companion.runtime.storage import hub
from companion.runtime.storage.hub import download
from companion.tokenization import END_OF_TEXT

# -- downloads ----

BYTES = random.Random(0).randbytes(300_000)
DIGEST = hashlib.sha256(BYTES).hexdigest()


class Server(servers.Server):
    """Serves BYTES, in the way that `mode` names, and counts the requests."""

    def __init__(self):
        self.mode = "well"
        self.requests = 0
        super().__init__(Handler)
        self.url = f"{self.address}/text"


class Handler(servers.Handler):
    def do_GET(self):
        mode = self.server.mode
        self.server.requests += 1
        if mode == "nothing":
            return self.connection.close()
        if mode == "missing":
            return self.send_error(404)
        body = BYTES[::-1] if mode == "wrong" else BYTES
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:100_000] if mode == "cut" else body)
        self.close_connection = True


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    yield server
    server.close()


def fails(server, path, *words):
    """One line that holds the words, and nothing at path."""
    with pytest.raises(ConnectionError) as error:
        download(server.url, DIGEST, path)
    assert "\n" not in str(error.value) and not path.exists()
    for word in (server.url, *words):
        assert word in str(error.value)


def test_a_download_is_kept(server, tmp_path):
    path = tmp_path / "new" / "text"
    assert download(server.url, DIGEST, path) == path and path.read_bytes() == BYTES
    assert download(server.url, DIGEST, path) == path
    assert server.requests == 1 and visible(path.parent) == ["text"]


def test_wrong_bytes_are_removed(server, tmp_path):
    server.mode = "wrong"
    fails(server, tmp_path / "text", "invalid hash value")
    assert visible(tmp_path) == []
    server.mode = "well"
    assert download(server.url, DIGEST, tmp_path / "text").read_bytes() == BYTES


FAILURES = [("nothing", "check the network"), ("missing", "404"), ("cut", "try again")]


@pytest.mark.parametrize(("mode", "words"), FAILURES)
def test_a_server_with_nothing_to_give(server, tmp_path, mode, words):
    server.mode = mode
    fails(server, tmp_path / "text", words)
    assert visible(tmp_path) == []


def test_corpora_are_downloaded_into_the_cache(server, tmp_path, monkeypatch):
    text = f"Enter a ghost.\n{END_OF_TEXT}\nExit ghost."
    monkeypatch.setitem(globals(), "BYTES", text.encode())
    entry = (server.url, hashlib.sha256(text.encode()).hexdigest())
    monkeypatch.setitem(hub.DOWNLOADS, "shakespeare", entry)
    monkeypatch.setenv("COMPANION_CACHE", str(tmp_path / "cache"))
    assert load_text("shakespeare") == load_text("shakespeare") == ["Enter a ghost.", "Exit ghost."]
    assert server.requests == 1 and visible(tmp_path / "cache") == ["shakespeare.txt"]


def test_addresses_are_pinned():
    for url, sha256 in hub.DOWNLOADS.values():
        assert re.match(r"https://[^/]+/.*/[0-9a-f]{40}/", url)
        assert re.fullmatch("[0-9a-f]{64}", sha256)
    found = {name: sha256[:8] for name, (_, sha256) in hub.DOWNLOADS.items()}
    assert found == {"shakespeare": "86c4e6aa", "tinystories": "94e43181"}
