"""Downloads: whole files only, resumed, checked, and fetched once."""

import hashlib
import random
import re
import threading
import time

import pytest
from support import servers
from support.folders import visible

from companion.datasets import load_text
from companion.runtime.files import downloads
from companion.runtime.files.downloads import download
from companion.tokenization import END_OF_TEXT

# -- downloads ----

BYTES = random.Random(0).randbytes(300_000)
DIGEST = hashlib.sha256(BYTES).hexdigest()


class Server(servers.Server):
    """Serves BYTES, in the way that `mode` names, and keeps each request's Range header."""

    def __init__(self):
        self.mode, self.ranges = "well", []
        super().__init__(Handler)
        self.url = f"{self.address}/text"


class Handler(servers.Handler):
    def do_GET(self):
        mode, wanted = self.server.mode, self.headers["Range"]
        self.server.ranges.append(wanted)
        if mode == "nothing":
            return self.connection.close()
        if mode == "missing":
            return self.send_error(404)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and mode != "no ranges" else 0
        body = BYTES[::-1] if mode == "wrong" else b"<html>Log in</html>" if mode == "portal" else BYTES
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if mode == "slow":
            time.sleep(0.3)
        self.wfile.write(body[start : start + 100_000] if mode == "cut" else body[start:])
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
        download(server.url, len(BYTES), DIGEST, path)
    assert "\n" not in str(error.value) and not path.exists()
    for word in (server.url, *words):
        assert word in str(error.value)


def test_a_download_is_kept(server, tmp_path):
    path = tmp_path / "new" / "text"
    assert download(server.url, len(BYTES), DIGEST, path) == path and path.read_bytes() == BYTES
    assert download(server.url, len(BYTES), DIGEST, path) == path
    assert server.ranges == [None] and visible(path.parent) == ["text"]


def test_a_cut_connection_is_resumed(server, tmp_path):
    server.mode = "cut"
    fails(server, tmp_path / "text", "100,000 of 300,000", "try again")
    fails(server, tmp_path / "text", "200,000 of 300,000")
    server.mode = "well"
    assert download(server.url, len(BYTES), DIGEST, tmp_path / "text").read_bytes() == BYTES
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.mode = "cut"
    fails(server, tmp_path / "text", "100,000 of 300,000")
    server.mode = "no ranges"
    assert download(server.url, len(BYTES), DIGEST, tmp_path / "text").read_bytes() == BYTES
    assert server.ranges == [None, "bytes=100000-"]


def test_wrong_bytes_are_removed(server, tmp_path):
    server.mode = "wrong"
    fails(server, tmp_path / "text", "SHA-256", "removed")
    assert visible(tmp_path) == []
    server.mode = "well"
    assert download(server.url, len(BYTES), DIGEST, tmp_path / "text").read_bytes() == BYTES


def test_two_downloads_at_once_fetch_the_file_once(server, tmp_path):
    server.mode = "slow"
    found, path = [], tmp_path / "text"
    threads = [
        threading.Thread(target=lambda: found.append(download(server.url, len(BYTES), DIGEST, path)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [path] * 3 and path.read_bytes() == BYTES
    assert server.ranges == [None] and visible(tmp_path) == ["text"]


@pytest.mark.parametrize(("mode", "words"), [("nothing", "check the network"), ("missing", "404")])
def test_a_server_with_nothing_to_give(server, tmp_path, mode, words):
    server.mode = mode
    fails(server, tmp_path / "text", words)


def test_corpora_are_downloaded_into_the_cache(server, tmp_path, monkeypatch):
    text = f"Enter a ghost.\n{END_OF_TEXT}\nExit ghost."
    monkeypatch.setitem(globals(), "BYTES", text.encode())
    entry = (server.url, len(text), hashlib.sha256(text.encode()).hexdigest())
    monkeypatch.setitem(downloads.DOWNLOADS, "shakespeare", entry)
    monkeypatch.setenv("COMPANION_CACHE", str(tmp_path / "cache"))
    assert load_text("shakespeare") == load_text("shakespeare") == ["Enter a ghost.", "Exit ghost."]
    assert len(server.ranges) == 1 and visible(tmp_path / "cache") == ["shakespeare.txt"]


def test_addresses_are_pinned():
    for url, n_bytes, sha256 in downloads.DOWNLOADS.values():
        assert re.match(r"https://[^/]+/.*/[0-9a-f]{40}/", url)
        assert n_bytes > 1_000_000 and re.fullmatch("[0-9a-f]{64}", sha256)
    found = {name: (n_bytes, sha256[:8]) for name, (_, n_bytes, sha256) in downloads.DOWNLOADS.items()}
    assert found == {"shakespeare": (1_115_394, "86c4e6aa"), "tinystories": (19_447_282, "94e43181")}
